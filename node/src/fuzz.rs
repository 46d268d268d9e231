//! The fuzz targets of what the node reads by itself: patterns, key files, a store whose file is
//! damaged, what git says of a repository, what processes of a sandbox say, addresses.
//! `protocol/fuzz` makes programs for libFuzzer of them, taking the decoders by their files: the
//! whole node is no part of those. Their corpus is replayed here.

/// One decoder, or one property, that any bytes are given to.
pub(crate) struct Target {
    pub(crate) name: &'static str,
    pub(crate) run: fn(&[u8]),
    /// Most bytes that it may hold at any moment, beside what was held before: the programs count
    /// it, and `node/tests/allocation.rs` for the corpus.
    #[allow(dead_code, reason = "the replay counts nothing")]
    pub(crate) peak: usize,
}

const MIB: usize = 1024 * 1024;

/// All of them.
pub(crate) const TARGETS: &[Target] = &[
    Target { name: "glob", run: crate::git::fuzz::glob, peak: MIB },
    Target { name: "key_file", run: crate::home::fuzz::key_file, peak: MIB },
    Target { name: "pages", run: crate::store::sqlite::fuzz::pages, peak: 32 * MIB },
    Target { name: "wal", run: crate::store::sqlite::fuzz::wal, peak: 8 * MIB },
    Target { name: "tree", run: crate::git::fuzz::tree, peak: 8 * MIB },
    #[cfg(target_os = "linux")]
    Target { name: "frame", run: crate::sandbox::fuzz::frame, peak: MIB },
    Target { name: "peers", run: crate::peers::fuzz::peers, peak: MIB },
    Target { name: "introducer", run: crate::store::sqlite::fuzz::introducer, peak: MIB },
];

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
    fn nothing_in_the_corpus_of_the_nodes_own_decoders_fails() {
        // SPEC: REST-1, DUR-7
        let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../protocol/fuzz");
        let manifest = fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
        let programs = manifest.split("[[bin]]").filter(|table| table.contains("\"node.rs\""));
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
