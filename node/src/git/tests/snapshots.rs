//! What agents leave in worktrees.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::*;

/// The files of a snapshot after `edit`, without those that the history has.
fn left(edit: impl FnOnce(&Path)) -> Result<Vec<String>, GitFault> {
    let person = Person::with_history(ObjectFormat::Sha1);
    let (device, source) = Device::at_base(&person);
    let dir = device.worktree(&source.commit);
    edit(&dir);
    let tree = device.repo.snapshot(&dir, &source.commit)?;
    let known = ["100644 README", "100644 src/lib", "100644 tests/one"];
    let mut list = device.list(&tree);
    list.retain(|line| !known.contains(&line.as_str()));
    Ok(list)
}

#[test]
fn an_untouched_worktree_gives_the_tree_it_came_from() {
    for format in FORMATS {
        let person = Person::with_history(format);
        person.put("run", "#!/bin/sh\n");
        fs::set_permissions(person.root().join("run"), fs::Permissions::from_mode(0o755)).unwrap();
        symlink("nowhere/at all", person.root().join("link")).unwrap();
        person.put("a \"b\"\\\n\tü", "odd name");
        person.put(":(top)x", "odd name");
        person.commit();
        let (device, source) = Device::at_base(&person);
        let dir = device.worktree(&source.commit);
        assert_eq!(device.repo.snapshot(&dir, &source.commit).unwrap(), source.tree);
        assert_eq!(device.repo.snapshot(&dir, &source.commit).unwrap(), source.tree);
    }
}

#[test]
fn a_snapshot_is_what_git_add_would_take() {
    let person = Person::with_history(ObjectFormat::Sha1);
    person.put(".gitignore", "*.log\n/target/\n!keep.log\nkept/\n");
    person.put("kept/tracked", "tracked though ignored\n");
    person.git(&["add", "-f", "kept/tracked"]);
    person.commit();
    let edit = |dir: &Path| {
        for name in [
            "a.log",
            "keep.log",
            "target/x",
            "sub/target/x",
            "kept/untracked",
            "deep/er/b.log",
            "deep/er/c",
            "sub/.gitignore",
            "sub/y.tmp",
            "sub/z",
            "only/ignored.log",
        ] {
            put(dir, name, name);
        }
        put(dir, "sub/.gitignore", "*.tmp\n");
        put(dir, "kept/tracked", "changed\n");
        fs::remove_file(dir.join("README")).unwrap();
        fs::create_dir(dir.join("empty")).unwrap();
        fs::remove_file(dir.join("src/lib")).unwrap();
        put(dir, "src/lib/is/a/folder/now", "x");
        fs::remove_dir_all(dir.join("tests")).unwrap();
        symlink("src", dir.join("tests")).unwrap();
        put(dir, ":x", "a colon");
    };
    let (device, source) = Device::at_base(&person);
    let dir = device.worktree(&source.commit);
    edit(&dir);
    edit_again(&person, edit);
    let theirs = person.git(&["write-tree"]);
    assert_eq!(device.repo.snapshot(&dir, &source.commit).unwrap().as_str(), theirs);
}

/// The same edit in the person's work tree, added by git itself.
fn edit_again(person: &Person, edit: impl FnOnce(&Path)) {
    edit(&person.root());
    person.git(&["add", "--all"]);
}

#[test]
fn a_rewritten_git_file_is_never_read() {
    let evil = tempfile::tempdir().unwrap();
    git_in(evil.path(), &["init", "--quiet"], b"");
    let ran = evil.path().join("ran");
    let config = format!("[core]\n\tfsmonitor = touch {}\n", ran.display());
    fs::write(evil.path().join(".git/config"), config).unwrap();
    let rewrites: [&dyn Fn(&Path); 4] = [
        &|dir| fs::write(dir, format!("gitdir: {}/.git\n", evil.path().display())).unwrap(),
        &|dir| fs::write(dir, "nonsense").unwrap(),
        &|dir| symlink("/etc", dir).unwrap(),
        &|dir| {
            git_in(dir.parent().unwrap(), &["init", "--quiet"], b"");
            put(dir, "info/exclude", "*\n");
        },
    ];
    for rewrite in rewrites {
        let list = left(|dir| {
            fs::remove_file(dir.join(".git")).unwrap();
            rewrite(&dir.join(".git"));
            put(dir, "new", "new");
        });
        assert_eq!(list.unwrap(), ["100644 new"]);
    }
    assert!(!ran.exists());
}

#[test]
fn a_repository_inside_is_taken_as_plain_files() {
    let list = left(|dir| {
        let inner = dir.join("inner");
        put(&inner, "file", "x");
        git_in(&inner, &["init", "--quiet"], b"");
        git_in(&inner, &["add", "-A"], b"");
        git_in(&inner, &["commit", "--quiet", "-m", "inner"], b"");
        put(&inner, ".git/config", "[core]\n\tfsmonitor = false\n\tbare = nonsense\n");
        put(&inner, "deeper/.git", "gitdir: ../../..\n");
        put(&inner, "deeper/file", "y");
    });
    assert_eq!(list.unwrap(), ["100644 inner/deeper/file", "100644 inner/file"]);
}

#[test]
fn pipes_and_sockets_are_skipped() {
    let list = left(|dir| {
        let pipe = dir.join("pipe");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        fs::remove_file(dir.join("src/lib")).unwrap();
        assert!(Command::new("mkfifo").arg(dir.join("src/lib")).status().unwrap().success());
        drop(UnixListener::bind(dir.join("sock")).unwrap());
        put(dir, "new", "new");
    });
    assert_eq!(list.unwrap(), ["100644 new"]);
}

#[test]
fn what_cannot_be_taken_is_a_fault_with_its_path() {
    type Case = (&'static str, fn(&Path));
    let cases: &[Case] = &[
        ("git_special_file", |dir| {
            assert!(Command::new("mkfifo").arg(dir.join(".gitignore")).status().unwrap().success());
        }),
        ("git_too_large", |dir| {
            let file = fs::File::create(dir.join("huge")).unwrap();
            file.set_len(FILE_BYTES_MAX + 1).unwrap();
        }),
        ("git_too_large", |dir| put(dir, "src/.gitignore", &"x\n".repeat(200_000))),
        ("git_too_large", |dir| fs::create_dir_all(dir.join("d/".repeat(120))).unwrap()),
        ("git_too_large", |dir| {
            for number in 0..17 {
                let file = fs::File::create(dir.join(number.to_string())).unwrap();
                file.set_len(FILE_BYTES_MAX).unwrap();
            }
        }),
        ("git_bad_tree", |dir| put(dir, "sub/.GIT/config", "[core]")),
        ("git_bad_tree", |dir| put(dir, "git~1", "x")),
    ];
    for (code, edit) in cases {
        let fault = left(edit).unwrap_err();
        assert_eq!(fault.code(), *code, "{fault}");
    }
    // Whoever may read everything finds nothing closed.
    let closed = left(|dir| {
        put(dir, "closed", "x");
        fs::set_permissions(dir.join("closed"), fs::Permissions::from_mode(0o000)).unwrap();
    });
    let expected = GitFault::Unreadable { path: "closed".to_owned() };
    match closed {
        Ok(list) => assert_eq!(list, ["100644 closed"]),
        Err(fault) => assert_eq!(fault, expected),
    }
}

#[test]
fn closed_folders_do_not_keep_a_worktree_alive() {
    let person = Person::with_history(ObjectFormat::Sha1);
    let (device, source) = Device::at_base(&person);
    let dir = device.worktree(&source.commit);
    put(&dir, "closed/in/file", "x");
    fs::set_permissions(dir.join("closed/in"), fs::Permissions::from_mode(0o000)).unwrap();
    fs::set_permissions(dir.join("closed"), fs::Permissions::from_mode(0o500)).unwrap();
    device.repo.worktree(&dir, &source.commit).unwrap();
    assert!(!dir.join("closed").exists());
}

#[test]
fn a_writer_that_lives_on_is_noticed() {
    let person = Person::with_history(ObjectFormat::Sha1);
    let (device, source) = Device::at_base(&person);
    let dir = device.worktree(&source.commit);
    let (stop, wrote) = (AtomicBool::new(false), AtomicBool::new(false));
    let fault = thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0_u64.. {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                put(&dir, "src/busy", &number.to_string());
                wrote.store(true, Ordering::SeqCst);
            }
        });
        while !wrote.load(Ordering::SeqCst) {
            thread::yield_now();
        }
        let result = device.repo.snapshot(&dir, &source.commit);
        stop.store(true, Ordering::SeqCst);
        result.unwrap_err()
    });
    assert!(matches!(fault.code(), "git_changing" | "git_failed" | "git_unreadable"), "{fault:?}");
    device.repo.snapshot(&dir, &source.commit).unwrap();
}
