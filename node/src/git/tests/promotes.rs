//! The person's branch moves, or stays, and nothing of the person's is lost.

use std::thread;

use super::*;

/// A change that awaits its promotion.
struct Ready {
    person: Person,
    device: Device,
    old: Oid,
    new: Oid,
    pack: Vec<u8>,
}

impl Ready {
    fn of(format: ObjectFormat) -> Self {
        let person = Person::with_history(format);
        person.put(".gitignore", "ignored\nbuild/\n");
        person.put("becomes-file/inner", "x\n");
        person.commit();
        let (device, source) = Device::at_base(&person);
        let new = device.change(&source.commit, |dir| {
            put(dir, "README", "changed\n");
            put(dir, "added", "added\n");
            put(dir, "folder/added", "added\n");
            fs::remove_file(dir.join("src/lib")).unwrap();
            fs::remove_dir_all(dir.join("becomes-file")).unwrap();
            put(dir, "becomes-file", "file\n");
        });
        let pack = device.repo.pack(&source.commit, &new).unwrap();
        Self { person, device, old: source.commit, new, pack }
    }

    fn promote(&self) -> Result<Promoted, GitFault> {
        promote(&self.person.root(), "main", &self.old, &self.new, &self.pack)
    }

    /// The branch and the work tree are where they were.
    fn assert_untouched(&self) {
        assert_eq!(self.person.tip("main"), self.old);
        assert_eq!(self.person.get("src/lib").as_deref(), Some("lib\n"));
        assert_ne!(self.person.get("README").as_deref(), Some("changed\n"));
        assert!(!self.person.root().join(".git/index.lock").exists());
        assert!(!self.person.root().join(".git/refs/heads/main.lock").exists());
    }

    /// The branch moved, and `root` with it.
    fn assert_done(&self, root: &Path) {
        assert_eq!(self.person.tip("main"), self.new);
        assert_eq!(get(root, "README").as_deref(), Some("changed\n"));
        assert_eq!(get(root, "added").as_deref(), Some("added\n"));
        assert_eq!(get(root, "becomes-file").as_deref(), Some("file\n"));
        assert_eq!(get(root, "src/lib"), None);
        assert_eq!(git_in(root, &["status", "--porcelain", "-uno"], b""), b"");
    }
}

#[test]
fn a_clean_checkout_follows_and_untracked_files_stay() {
    for format in FORMATS {
        let ready = Ready::of(format);
        ready.person.put("notes", "mine\n");
        ready.person.put("ignored", "mine\n");
        ready.person.put("build/x", "mine\n");
        let root = ready.person.root();
        let done = ready.promote().unwrap();
        assert_eq!(done, Promoted::Done { followed: vec![root.clone()] });
        ready.assert_done(&root);
        for name in ["notes", "ignored", "build/x"] {
            assert_eq!(ready.person.get(name).as_deref(), Some("mine\n"));
        }
        let log = ready.person.git(&["reflog", "show", "main", "-1", "--format=%gs"]);
        assert_eq!(log, "kernelos: promote");
        assert_eq!(ready.promote().unwrap(), Promoted::Already);
    }
}

#[test]
fn a_branch_that_is_not_checked_out_moves_alone() {
    let ready = Ready::of(ObjectFormat::Sha1);
    ready.person.git(&["checkout", "--quiet", "-b", "other"]);
    ready.person.put("README", "my edit\n");
    assert_eq!(ready.promote().unwrap(), Promoted::Done { followed: vec![] });
    assert_eq!(ready.person.tip("main"), ready.new);
    assert_eq!(ready.person.tip("other"), ready.old);
    assert_eq!(ready.person.get("README").as_deref(), Some("my edit\n"));
}

#[test]
fn a_branch_that_moved_is_reported_and_left() {
    let ready = Ready::of(ObjectFormat::Sha1);
    ready.person.put("mine", "mine\n");
    let now = ready.person.commit();
    assert_eq!(ready.promote().unwrap(), Promoted::Moved { now: now.clone() });
    assert_eq!(ready.person.tip("main"), now);
    assert!(ready.person.is_clean());
    ready.person.git(&["checkout", "--quiet", "--detach"]);
    ready.person.git(&["branch", "--quiet", "-D", "main"]);
    assert_eq!(ready.promote().unwrap_err().code(), "git_branch_absent");
}

#[test]
fn what_no_commit_has_stops_everything_and_stays() {
    type Case = (&'static str, &'static str, fn(&Person));
    let cases: &[Case] = &[
        ("git_dirty", "README", |p| p.put("README", "my edit\n")),
        ("git_dirty", "tests/one", |p| p.put("tests/one", "my edit\n")),
        ("git_dirty", "tests/one", |p| {
            p.put("tests/one", "my edit\n");
            p.git(&["add", "-A"]);
        }),
        ("git_dirty", "tests/one", |p| {
            p.put("tests/one", "my edit\n");
            p.git(&["add", "-A"]);
            p.git(&["reset", "--quiet", "--soft", "HEAD"]);
        }),
        ("git_dirty", "mine", |p| {
            p.put("mine", "mine\n");
            p.git(&["add", "--intent-to-add", "mine"]);
        }),
        ("git_in_the_way", "added", |p| p.put("added", "mine\n")),
        ("git_in_the_way", "added", |p| {
            p.put(".git/info/exclude", "added\n");
            p.put("added", "ignored and mine\n");
        }),
        ("git_in_the_way", "added/inner", |p| p.put("added/inner", "mine\n")),
        ("git_in_the_way", "folder", |p| {
            p.put(".git/info/exclude", "folder\n");
            p.put("folder", "ignored and mine\n");
        }),
        ("git_in_the_way", "folder", |p| {
            std::os::unix::fs::symlink("src", p.root().join("folder")).unwrap();
        }),
        ("git_in_the_way", "becomes-file/ignored", |p| p.put("becomes-file/ignored", "mine\n")),
        ("git_dirty", "README", |p| {
            p.git(&["update-index", "--assume-unchanged", "README"]);
            p.put("README", "my edit\n");
        }),
    ];
    for (number, (code, name, edit)) in cases.iter().enumerate() {
        let ready = Ready::of(ObjectFormat::Sha1);
        edit(&ready.person);
        let before = ready.person.get(name);
        let fault = ready.promote().unwrap_err();
        assert_eq!(fault.code(), *code, "{number}: {fault}");
        assert_eq!(ready.person.get(name), before, "{number}");
        ready.assert_untouched();
        if let GitFault::Dirty { files, .. } | GitFault::InTheWay { files, .. } = &fault {
            assert!(number == 11 || files == &[(*name).to_owned()], "{number}: {files:?}");
        }
    }
}

#[test]
fn a_change_can_be_promoted_once_the_work_tree_is_clean() {
    let ready = Ready::of(ObjectFormat::Sha1);
    ready.person.put("README", "my edit\n");
    ready.promote().unwrap_err();
    ready.person.git(&["stash", "--quiet"]);
    ready.promote().unwrap();
    ready.assert_done(&ready.person.root());
}

#[test]
fn linked_work_trees_follow_all_or_none() {
    let ready = Ready::of(ObjectFormat::Sha1);
    let linked = ready.person.folder.path().canonicalize().unwrap().join("linked");
    let path = linked.to_str().unwrap();
    ready.person.git(&["worktree", "add", "--quiet", "--force", path, "main"]);
    put(&linked, "README", "my edit\n");
    let Err(GitFault::Dirty { root, files, .. }) = ready.promote() else { panic!() };
    assert_eq!((root, files), (linked.clone(), vec!["README".to_owned()]));
    ready.assert_untouched();
    git_in(&linked, &["checkout", "--quiet", "README"], b"");
    let done = ready.promote().unwrap();
    assert_eq!(done, Promoted::Done { followed: vec![ready.person.root(), linked.clone()] });
    ready.assert_done(&ready.person.root());
    ready.assert_done(&linked);

    // Checked out in a linked work tree alone, and called from there.
    let ready = Ready::of(ObjectFormat::Sha1);
    let linked = ready.person.folder.path().canonicalize().unwrap().join("linked");
    ready.person.git(&["checkout", "--quiet", "-b", "other"]);
    ready.person.git(&["worktree", "add", "--quiet", linked.to_str().unwrap(), "main"]);
    let done = promote(&linked, "main", &ready.old, &ready.new, &ready.pack).unwrap();
    assert_eq!(done, Promoted::Done { followed: vec![linked.clone()] });
    ready.assert_done(&linked);
    assert!(ready.person.is_clean());
}

#[test]
fn of_two_promotions_from_one_commit_exactly_one_wins() {
    let ready = Ready::of(ObjectFormat::Sha1);
    let other = ready.device.change(&ready.old, |dir| put(dir, "README", "the other\n"));
    let other_pack = ready.device.repo.pack(&ready.old, &other).unwrap();
    let root = ready.person.root();
    let answers = thread::scope(|scope| {
        let one = scope.spawn(|| ready.promote());
        let two = scope.spawn(|| promote(&root, "main", &ready.old, &other, &other_pack));
        [one.join().unwrap().unwrap(), two.join().unwrap().unwrap()]
    });
    let now = ready.person.tip("main");
    assert!(ready.person.is_clean());
    let won = Promoted::Done { followed: vec![root] };
    let lost = Promoted::Moved { now: now.clone() };
    if now == ready.new {
        assert_eq!(answers, [won, lost]);
    } else {
        assert_eq!(now, other);
        assert_eq!(answers, [lost, won]);
    }
}

#[test]
fn a_crash_between_any_two_steps_is_repaired_by_calling_again() {
    let steps: &[fn(&Ready)] = &[
        // A quarantine that nobody removed.
        |ready| put(&ready.person.root(), ".git/objects/tmp_objdir-kern-1-1/incoming", "PACK"),
        // The objects are in.
        |ready| {
            let args = ["index-pack", "--stdin"];
            git_in(&ready.person.root(), &args, &ready.pack);
        },
        // The work tree has followed, the branch has not moved.
        |ready| {
            git_in(&ready.person.root(), &["index-pack", "--stdin"], &ready.pack);
            let (old, new) = (ready.old.as_str(), ready.new.as_str());
            ready.person.git(&["read-tree", "-m", "-u", old, new]);
        },
        // Of two work trees one has followed.
        |ready| {
            let linked = ready.person.folder.path().join("linked");
            let linked = linked.to_str().unwrap();
            ready.person.git(&["worktree", "add", "--quiet", "--force", linked, "main"]);
            git_in(&ready.person.root(), &["index-pack", "--stdin"], &ready.pack);
            let (old, new) = (ready.old.as_str(), ready.new.as_str());
            ready.person.git(&["-C", linked, "read-tree", "-m", "-u", old, new]);
        },
    ];
    for step in steps {
        let ready = Ready::of(ObjectFormat::Sha1);
        step(&ready);
        assert!(matches!(ready.promote().unwrap(), Promoted::Done { .. }));
        ready.assert_done(&ready.person.root());
        assert_eq!(ready.promote().unwrap(), Promoted::Already);
    }
}

#[test]
fn a_held_lock_is_named_and_nothing_moves() {
    let locks = [".git/index.lock", ".git/refs/heads/main.lock"];
    for lock in locks {
        let ready = Ready::of(ObjectFormat::Sha1);
        ready.person.put(lock, "");
        let fault = ready.promote().unwrap_err();
        assert_eq!(fault.code(), "git_locked", "{fault}");
        assert!(ready.person.root().join(lock).exists());
        fs::remove_file(ready.person.root().join(lock)).unwrap();
        ready.assert_untouched();
        ready.promote().unwrap();
    }
}

#[test]
fn a_death_with_the_lock_held_gives_it_back() {
    let ready = Ready::of(ObjectFormat::Sha1);
    git_in(&ready.person.root(), &["index-pack", "--stdin"], &ready.pack);
    let place = process::Place::folder(&ready.person.root());
    let transaction =
        transaction::Transaction::prepare(&place, "main", &ready.old, &ready.new).unwrap().unwrap();
    assert!(ready.person.root().join(".git/refs/heads/main.lock").exists());
    drop(transaction);
    ready.assert_untouched();
}

#[test]
fn only_a_descendant_with_all_its_objects_is_promoted() {
    let ready = Ready::of(ObjectFormat::Sha1);
    let root = ready.person.root();
    let damaged = &ready.pack[..ready.pack.len() - 30];
    let fault = promote(&root, "main", &ready.old, &ready.new, damaged).unwrap_err();
    assert_eq!(fault.code(), "git_bad_pack");
    let empty = ready.device.repo.pack(&ready.new, &ready.new).unwrap();
    let fault = promote(&root, "main", &ready.old, &ready.new, &empty).unwrap_err();
    assert_eq!(fault.code(), "git_incomplete");
    let before = Oid::parse(&ready.person.git(&["rev-parse", "main~1"])).unwrap();
    let fault = promote(&root, "main", &ready.old, &before, &ready.pack).unwrap_err();
    assert_eq!(fault.code(), "git_not_descendant");
    let sha256 = Oid::parse(&"a".repeat(64)).unwrap();
    let fault = promote(&root, "main", &ready.old, &sha256, &ready.pack).unwrap_err();
    assert_eq!(fault.code(), "git_other_format");
    ready.assert_untouched();
    assert!(ready.person.is_clean());
    let left = fs::read_dir(root.join(".git/objects")).unwrap();
    let left = left
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("tmp"));
    assert_eq!(left.count(), 0, "a quarantine stayed");
}
