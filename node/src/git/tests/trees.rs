//! How trees differ, and one laid over another.

use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::*;

#[test]
fn changes_are_those_of_paths_modes_and_contents() {
    for format in FORMATS {
        let person = Person::with_history(format);
        symlink("old", person.root().join("link")).unwrap();
        symlink("same", person.root().join("same")).unwrap();
        person.commit();
        let (device, source) = Device::at_base(&person);
        let step = device.change(&source.commit, |dir| {
            put(dir, "src/lib", "changed\n");
            fs::set_permissions(dir.join("README"), fs::Permissions::from_mode(0o755)).unwrap();
            fs::rename(dir.join("tests/one"), dir.join("tests/t\two\n")).unwrap();
            fs::remove_file(dir.join("link")).unwrap();
            symlink("a\nb", dir.join("link")).unwrap();
        });
        let found: Vec<String> = device
            .repo
            .changes(&source.commit, &step)
            .unwrap()
            .into_iter()
            .map(|file| {
                let side = |entry: Option<Entry>| {
                    entry.map_or_else(
                        || "-".to_owned(),
                        |entry| {
                            let target = entry.link_target.unwrap_or_default();
                            let target = String::from_utf8(target).unwrap();
                            format!("{:o} {} {target:?}", entry.mode, entry.size)
                        },
                    )
                };
                let path = String::from_utf8(file.path).unwrap();
                format!("{path:?}: {} > {}", side(file.old), side(file.new))
            })
            .collect();
        let expected = [
            r#""README": 100644 6 "" > 100755 6 """#,
            r#""link": 120000 3 "old" > 120000 3 "a\nb""#,
            r#""src/lib": 100644 4 "" > 100644 8 """#,
            r#""tests/one": 100644 2 "" > -"#,
            r#""tests/t\two\n": - > 100644 2 """#,
        ];
        assert_eq!(found, expected);
        assert_eq!(device.repo.changes(&step, &step).unwrap(), []);
    }
}

#[test]
fn laying_over_takes_the_matching_paths_as_they_are_there() {
    let person = Person::with_history(ObjectFormat::Sha1);
    let (device, base) = Device::at_base(&person);
    let from = ["tests/a=1", "tests/b=1", "tests/deep/c=1", "src/x=1", "x/y=1", "f=1"];
    let onto = ["tests/a=2", "tests/new=2", "src/x=2", "src/new=2", "x=2", "f/g=2", "README=2"];
    let from = tree_of(&device, &base.commit, &from);
    let onto = tree_of(&device, &base.commit, &onto);
    let cases: &[(&[&str], &[&str])] = &[
        (&[], &["README=2", "f/g=2", "src/new=2", "src/x=2", "tests/a=2", "tests/new=2", "x=2"]),
        (
            &["tests"],
            &[
                "README=2",
                "f/g=2",
                "src/new=2",
                "src/x=2",
                "tests/a=1",
                "tests/b=1",
                "tests/deep/c=1",
                "x=2",
            ],
        ),
        (&["**"], &["f=1", "src/x=1", "tests/a=1", "tests/b=1", "tests/deep/c=1", "x/y=1"]),
        (
            &["tests/?", "README"],
            &["f/g=2", "src/new=2", "src/x=2", "tests/a=1", "tests/b=1", "tests/new=2", "x=2"],
        ),
        (
            &["x/**", "f"],
            &["README=2", "f=1", "src/new=2", "src/x=2", "tests/a=2", "tests/new=2", "x/y=1"],
        ),
    ];
    for (globs, expected) in cases {
        let globs: Vec<String> = globs.iter().map(|glob| (*glob).to_owned()).collect();
        let laid = device.repo.lay_over(&onto, &from, &globs).unwrap();
        assert_eq!(contents(&device, &laid), *expected, "{globs:?}");
    }
    assert_eq!(device.repo.lay_over(&onto, &from, &[]).unwrap(), onto);
    let fault = device.repo.lay_over(&onto, &from, &["/tests".to_owned()]).unwrap_err();
    assert_eq!(fault.code(), "git_bad_glob");
}

/// The tree of files `path=content`.
fn tree_of(device: &Device, base: &Oid, files: &[&str]) -> Oid {
    let dir = device.worktree(base);
    for name in ["README", "src", "tests"] {
        let path = dir.join(name);
        fs::remove_dir_all(&path).or_else(|_| fs::remove_file(&path)).unwrap();
    }
    for (path, content) in files.iter().map(|file| file.split_once('=').unwrap()) {
        put(&dir, path, content);
    }
    device.repo.snapshot(&dir, base).unwrap()
}

/// What is in a tree, as `path=content`.
fn contents(device: &Device, tree: &Oid) -> Vec<String> {
    let repo = device.folder.path().join("mission");
    let list = device.list(tree);
    let paths = list.iter().map(|line| line.split_once(' ').unwrap().1);
    paths
        .map(|path| {
            let blob = git_in(&repo, &["cat-file", "blob", &format!("{tree}:{path}")], b"");
            format!("{path}={}", String::from_utf8(blob).unwrap())
        })
        .collect()
}
