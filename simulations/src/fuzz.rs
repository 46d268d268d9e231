//! The fuzz targets of what the simulator reads: scripts. `protocol/fuzz` makes programs for
//! libFuzzer of them, taking the parser by its files; their corpus is replayed here.

use crate::script::Script;

/// One decoder, or one property, that any bytes are given to.
pub(crate) struct Target {
    pub(crate) name: &'static str,
    pub(crate) run: fn(&[u8]),
    /// Most bytes that it may hold at any moment, beside what was held before: the programs count
    /// it.
    #[allow(dead_code, reason = "the replay counts nothing")]
    pub(crate) peak: usize,
}

/// All of them.
pub(crate) const TARGETS: &[Target] =
    &[Target { name: "script", run: script, peak: 16 * 1024 * 1024 }];

/// A script by any bytes: what is read as one is written as the same.
fn script(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let Ok(script) = text.parse::<Script>() else { return };
    let written = script.to_string();
    assert_eq!(written.parse(), Ok(script), "it is read as it is written");
}

/// The target of this name.
#[allow(dead_code, reason = "the programs ask for one, the replay takes all")]
pub(crate) fn of(name: &str) -> &'static Target {
    TARGETS.iter().find(|target| target.name == name).unwrap()
}

#[cfg(test)]
mod replay {
    use std::fs;
    use std::path::Path;

    use super::TARGETS;

    #[test]
    fn nothing_in_the_corpus_of_the_simulators_parser_fails() {
        let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../protocol/fuzz");
        let manifest = fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
        let programs = manifest.split("[[bin]]").filter(|table| table.contains("\"scripts.rs\""));
        let programs: Vec<_> =
            programs.map(|table| table.split('"').nth(1).unwrap().to_owned()).collect();
        let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
        assert_eq!(programs, names);
        for target in TARGETS {
            let files = fs::read_dir(fuzz.join("corpus").join(target.name)).unwrap();
            let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
            files.sort();
            assert!(!files.is_empty(), "{} has no corpus", target.name);
            for path in files {
                println!("{}", path.display());
                (target.run)(&fs::read(path).unwrap());
            }
        }
    }
}
