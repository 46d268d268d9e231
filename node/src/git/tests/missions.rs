//! Packs between devices, and what they make of them.

use super::*;

#[test]
fn a_step_travels_to_another_device_and_back_to_the_person() {
    for format in FORMATS {
        let person = Person::with_history(format);
        let (one, source) = Device::at_base(&person);
        let (two, _) = Device::at_base(&person);
        let step = one.change(&source.commit, |dir| {
            put(dir, "src/new", "new\n");
            fs::remove_file(dir.join("README")).unwrap();
        });
        let pack = one.repo.pack(&source.commit, &step).unwrap();
        two.repo.import(&step, &pack).unwrap();
        two.repo.import(&step, &pack).unwrap();
        let next = two.change(&step, |dir| {
            assert_eq!(get(dir, "src/new").as_deref(), Some("new\n"));
            assert_eq!(get(dir, "src/lib").as_deref(), Some("lib\n"));
            assert_eq!(get(dir, "README"), None);
            put(dir, "src/new", "newer\n");
        });
        let pack = two.repo.pack(&source.commit, &next).unwrap();
        let done = promote(&source.root, "main", &source.commit, &next, &pack).unwrap();
        assert_eq!(done, Promoted::Done { followed: vec![source.root.clone()] });
        assert_eq!(person.tip("main"), next);
        assert_eq!(person.get("src/new").as_deref(), Some("newer\n"));
        assert!(person.is_clean());
        person.git(&["fsck", "--strict"]);
    }
}

#[test]
fn a_commit_has_one_id_on_every_device() {
    for format in FORMATS {
        let person = Person::with_history(format);
        let ids = [0, 1].map(|_| {
            let (device, source) = Device::at_base(&person);
            device.repo.commit(&source.tree, &source.commit, "one\n\ntwo").unwrap()
        });
        let mut theirs = Command::new("git");
        theirs.current_dir(person.root()).args(["commit-tree", "main^{tree}", "-p", "main"]);
        for who in ["AUTHOR", "COMMITTER"] {
            theirs.env(format!("GIT_{who}_NAME"), "KernelOS");
            theirs.env(format!("GIT_{who}_EMAIL"), "kern@localhost");
            theirs.env(format!("GIT_{who}_DATE"), "1700000001 +0000");
        }
        let theirs = theirs.args(["-m", "one\n\ntwo"]).output().unwrap().stdout;
        let theirs = Oid::parse(str::from_utf8(theirs.trim_ascii_end()).unwrap()).unwrap();
        assert_eq!(ids, [theirs.clone(), theirs]);
    }
}

#[test]
fn a_commit_says_who_and_when() {
    let person = Person::with_history(ObjectFormat::Sha1);
    let (device, source) = Device::at_base(&person);
    let id = device.repo.commit(&source.tree, &source.commit, "words").unwrap();
    let repo = device.folder.path().join("mission");
    let text = git_in(&repo, &["cat-file", "commit", id.as_str()], b"");
    let who = "KernelOS <kern@localhost> 1700000001 +0000";
    let expected = format!(
        "tree {}\nparent {}\nauthor {who}\ncommitter {who}\n\nwords\n",
        source.tree, source.commit
    );
    assert_eq!(String::from_utf8(text).unwrap(), expected);
    assert_eq!(device.repo.tree_of(&id).unwrap(), source.tree);
    for message in ["a\0b", &"x".repeat(MESSAGE_BYTES_MAX + 1)] {
        let refused = device.repo.commit(&source.tree, &source.commit, message);
        assert_eq!(refused.unwrap_err(), GitFault::BadMessage);
    }
}

#[test]
fn a_damaged_pack_is_refused_and_leaves_nothing() {
    let person = Person::with_history(ObjectFormat::Sha1);
    let source = person.inspect().unwrap();
    let pack = base_pack(&source).unwrap();
    let mut damaged: Vec<Vec<u8>> =
        [0, 4, 11, 12, 40, pack.len() - 21, pack.len() - 1].map(|l| pack[..l].to_vec()).into();
    for at in (0..pack.len()).step_by(7) {
        let mut flipped = pack.clone();
        flipped[at] ^= 0x10;
        damaged.push(flipped);
    }
    damaged.push([&pack[..], b"more"].concat());
    let device = Device::new(ObjectFormat::Sha1);
    let objects = device.folder.path().join("mission/objects");
    for pack in damaged {
        let fault = device.repo.import_base(&source.commit, &pack).unwrap_err();
        assert!(matches!(fault.code(), "git_bad_pack" | "git_too_large"), "{fault:?}");
        let files = git_in(&objects, &["count-objects", "-v"], b"");
        assert!(String::from_utf8(files).unwrap().starts_with("count: 0\nsize: 0\nin-pack: 0\n"));
        assert!(fs::read_dir(&objects).unwrap().count() <= 2, "a quarantine stayed");
    }
    device.repo.import_base(&source.commit, &pack).unwrap();
}

#[test]
fn a_pack_without_all_of_its_tip_is_refused() {
    let person = Person::with_history(ObjectFormat::Sha1);
    let (device, source) = Device::at_base(&person);
    let blob = person.raw("blob", b"content\n");
    let tree = person.raw_tree(&[("100644", b"file", &blob)]);
    let tip = person.raw_commit(&tree, Some(&source.commit));
    let root = person.raw_commit(&tree, None);
    let lone = person.raw_commit(&tree, Some(&root));
    let cases: &[(&[&Oid], &Oid)] = &[
        (&[], &tip),
        (&[&blob, &tree], &tip),
        (&[&tree, &tip], &tip),
        (&[&blob, &tip], &tip),
        (&[&blob, &tree, &lone], &lone),
        (&[&blob, &tree], &tree),
        (&[&blob], &blob),
    ];
    for (objects, tip) in cases {
        let fault = device.repo.import(tip, &person.pack_of(objects)).unwrap_err();
        assert!(matches!(fault.code(), "git_incomplete" | "git_bad_pack"), "{fault:?}");
        assert!(device.repo.tree_of(tip).is_err() || *tip == &tree, "{tip} came in");
    }
    device.repo.import(&tip, &person.pack_of(&[&blob, &tree, &tip])).unwrap();
    assert_eq!(device.repo.tree_of(&tip).unwrap(), tree);
}

#[test]
fn a_second_base_can_stand_beside_the_first() {
    let person = Person::with_history(ObjectFormat::Sha256);
    let (device, first) = Device::at_base(&person);
    person.put("more", "more\n");
    person.commit();
    let second = person.inspect().unwrap();
    device.repo.import_base(&second.commit, &base_pack(&second).unwrap()).unwrap();
    device.repo.import_base(&first.commit, b"not looked at").unwrap();
    let step = device.change(&second.commit, |dir| put(dir, "README", "changed\n"));
    assert_eq!(device.repo.changes(&first.commit, &step).unwrap().len(), 2);
}

#[test]
fn a_repository_opens_only_when_it_is_complete() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("mission");
    assert_eq!(MissionRepo::open(&dir).unwrap_err().code(), "git_not_a_mission");
    // Died in the middle of making it.
    fs::create_dir_all(dir.join("objects")).unwrap();
    assert_eq!(MissionRepo::open(&dir).unwrap_err().code(), "git_not_a_mission");
    MissionRepo::create(&dir, ObjectFormat::Sha256).unwrap();
    fs::create_dir(dir.join("kern-scratch-1-1")).unwrap();
    let repo = MissionRepo::create(&dir, ObjectFormat::Sha256).unwrap();
    assert_eq!(repo.object_format(), ObjectFormat::Sha256);
    assert!(!dir.join("kern-scratch-1-1").exists(), "another process's scratch stayed");
    let other = MissionRepo::create(&dir, ObjectFormat::Sha1).unwrap_err();
    assert_eq!(other, GitFault::OtherFormat);
    let sha1 = Oid::parse(&"a".repeat(40)).unwrap();
    assert_eq!(repo.tree_of(&sha1).unwrap_err(), GitFault::OtherFormat);
}

#[test]
fn a_worktree_is_made_anew_whatever_was_left_of_it() {
    let person = Person::with_history(ObjectFormat::Sha1);
    let (device, source) = Device::at_base(&person);
    let dir = device.worktree(&source.commit);
    let known = device.folder.path().join("mission/worktrees");
    let count = || fs::read_dir(&known).map_or(0, Iterator::count);
    let leave: [&dyn Fn(); 5] = [
        &|| put(&dir, "left", "over"),
        &|| fs::remove_dir_all(&dir).unwrap(),
        &|| put(&known, "work/locked", "initializing"),
        &|| put(&dir, ".git", "gitdir: /etc"),
        &|| {
            fs::remove_dir_all(&known).unwrap();
            fs::remove_dir_all(&dir).unwrap();
            fs::create_dir(&dir).unwrap();
        },
    ];
    for leave in leave {
        leave();
        device.repo.worktree(&dir, &source.commit).unwrap();
        assert_eq!(get(&dir, "README").as_deref(), Some("first\n"));
        assert_eq!(get(&dir, "left"), None);
        assert_eq!(count(), 1);
        assert_eq!(git_in(&dir, &["status", "--porcelain"], b""), b"");
    }
    device.repo.remove_worktree(&dir).unwrap();
    device.repo.remove_worktree(&dir).unwrap();
    assert!(!dir.exists());
    assert_eq!(count(), 0);
    // Somebody else's folder.
    put(&dir, "precious", "mine");
    let fault = device.repo.worktree(&dir, &source.commit).unwrap_err();
    assert_eq!(fault.code(), "git_not_ours");
    assert_eq!(device.repo.remove_worktree(&dir).unwrap_err().code(), "git_not_ours");
    assert_eq!(get(&dir, "precious").as_deref(), Some("mine"));
}
