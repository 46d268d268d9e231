//! Packs whose trees would harm whoever checks them out.

use super::*;

/// What a device answers to a step whose tree is `tree`.
fn answer(person: &Person, device: &Device, tree: &Oid, objects: &[&Oid]) -> Result<(), GitFault> {
    let base = person.tip("main");
    let tip = person.raw_commit(tree, Some(&base));
    let all: Vec<&Oid> = objects.iter().copied().chain([tree, &tip]).collect();
    device.repo.import(&tip, &person.pack_of(&all))
}

#[test]
fn trees_that_reach_outside_or_into_a_repository_are_refused() {
    for format in FORMATS {
        let person = Person::with_history(format);
        let (device, source) = Device::at_base(&person);
        let blob = person.raw("blob", b"[core]\n\tfsmonitor = evil\n");
        let sub = person.raw_tree(&[("100644", b"config", &blob)]);
        let cases: &[(&str, &[u8], &Oid)] = &[
            ("100644", b"..", &blob),
            ("40000", b"..", &sub),
            ("100644", b".", &blob),
            ("100644", b"../x", &blob),
            ("100644", b"/etc/x", &blob),
            ("100644", b"a/b", &blob),
            ("100644", b"", &blob),
            ("40000", b".git", &sub),
            ("100644", b".git", &blob),
            ("120000", b".git", &blob),
            ("40000", b".GIT", &sub),
            ("40000", b".Git ", &sub),
            ("40000", b"git~1", &sub),
            ("40000", ".g\u{200c}it".as_bytes(), &sub),
            ("40000", b".git::$INDEX_ALLOCATION", &sub),
            ("120000", b".gitmodules", &blob),
            ("160000", b"sub", &source.commit),
            ("40000", b"file", &blob),
            ("100644", b"folder", &sub),
            ("0", b"nothing", &blob),
            ("010644", b"pipe", &blob),
            ("20666", b"device", &blob),
        ];
        for (mode, name, oid) in cases {
            let tree = person.raw_tree(&[(*mode, *name, *oid)]);
            let refused = answer(&person, &device, &tree, &[&blob, &sub]);
            assert!(refused.is_err(), "{mode} {} came in", String::from_utf8_lossy(name));
            assert!(device.repo.tree_of(&person.raw_commit(&tree, Some(&source.commit))).is_err());
        }
        let twice = person.raw_tree(&[("100644", b"a", &blob), ("120000", b"a", &blob)]);
        let unsorted = person.raw_tree(&[("100644", b"b", &blob), ("100644", b"a", &blob)]);
        for tree in [twice, unsorted] {
            assert!(answer(&person, &device, &tree, &[&blob, &sub]).is_err());
        }
        let fine = person.raw_tree(&[("100755", b".gitx", &blob), ("40000", b"git~2", &sub)]);
        answer(&person, &device, &fine, &[&blob, &sub]).unwrap();
    }
}

#[test]
fn small_packs_that_grow_large_are_refused() {
    let person = Person::with_history(ObjectFormat::Sha1);
    let (device, _) = Device::at_base(&person);
    let zeros = vec![0; usize::try_from(FILE_BYTES_MAX).unwrap() + 1];
    let huge = person.raw("blob", &zeros);
    let tree = person.raw_tree(&[("100644", b"huge", &huge)]);
    assert_eq!(answer(&person, &device, &tree, &[&huge]).unwrap_err().code(), "git_too_large");

    let large = person.raw("blob", &zeros[1..]);
    let names: Vec<String> = (10..27).map(|number| number.to_string()).collect();
    let entries: Vec<_> = names.iter().map(|n| ("100644", n.as_bytes(), &large)).collect();
    let tree = person.raw_tree(&entries);
    assert_eq!(answer(&person, &device, &tree, &[&large]).unwrap_err().code(), "git_too_large");

    // Ten folders that each hold the same ten folders, and so on: 10^8 files in ten objects.
    let blob = person.raw("blob", b"");
    let mut levels = vec![person.raw_tree(&[("100644", b"f", &blob)])];
    for _ in 0..8 {
        let below = levels.last().unwrap().clone();
        let entries: Vec<_> = names[..10].iter().map(|n| ("40000", n.as_bytes(), &below)).collect();
        levels.push(person.raw_tree(&entries));
    }
    let tree = levels.pop().unwrap();
    let objects: Vec<&Oid> = levels.iter().chain([&blob]).collect();
    let fault = answer(&person, &device, &tree, &objects).unwrap_err();
    assert!(matches!(fault.code(), "git_too_large" | "git_incomplete"), "{fault:?}");

    let target = person.raw("blob", "x".repeat(5_000).as_bytes());
    let tree = person.raw_tree(&[("120000", b"link", &target)]);
    assert_eq!(answer(&person, &device, &tree, &[&target]).unwrap_err().code(), "git_bad_tree");
}

#[test]
fn a_link_out_of_the_tree_is_made_but_never_followed() {
    let person = Person::with_history(ObjectFormat::Sha1);
    let (device, source) = Device::at_base(&person);
    let outside = device.folder.path().join("outside");
    fs::create_dir(&outside).unwrap();
    let target = person.raw("blob", b"../outside");
    let tree = person.raw_tree(&[("120000", b"link", &target)]);
    answer(&person, &device, &tree, &[&target]).unwrap();
    let tip = person.raw_commit(&tree, Some(&source.commit));
    let changed = device.repo.changes(&source.commit, &tip).unwrap();
    let link = changed.iter().find(|file| file.path == b"link").unwrap().new.as_ref().unwrap();
    assert_eq!(link.mode, MODE_LINK);
    assert_eq!(link.link_target.as_deref(), Some(&b"../outside"[..]));

    let dir = device.worktree(&tip);
    put(&outside, "secret", "secret\n");
    assert_eq!(fs::read_link(dir.join("link")).unwrap(), Path::new("../outside"));
    assert_eq!(device.repo.snapshot(&dir, &tip).unwrap(), tree);
    device.repo.remove_worktree(&dir).unwrap();
    assert_eq!(get(&outside, "secret").as_deref(), Some("secret\n"));
}

#[test]
fn attributes_convert_nothing_and_run_nothing() {
    let person = Person::with_history(ObjectFormat::Sha1);
    let (device, source) = Device::at_base(&person);
    let attributes = "* text eol=crlf ident working-tree-encoding=UTF-16 filter=evil diff=evil\n\
                      [attr]evil filter=evil\n*.x evil\n";
    let attributes = person.raw("blob", attributes.as_bytes());
    let blob = person.raw("blob", b"$Id$\nline\r\nline\n");
    let tree = person.raw_tree(&[
        ("100644", b".gitattributes", &attributes),
        ("100644", b"a", &blob),
        ("100644", b"b.x", &blob),
    ]);
    answer(&person, &device, &tree, &[&attributes, &blob]).unwrap();
    let tip = person.raw_commit(&tree, Some(&source.commit));
    let ran = device.folder.path().join("ran");
    let mission = device.folder.path().join("mission");
    let evil = format!("touch {}; cat", ran.display());
    let dir = device.folder.path().join("work");
    device.repo.worktree(&dir, &tip).unwrap();
    for file in ["a", "b.x"] {
        assert_eq!(get(&dir, file).as_deref(), Some("$Id$\nline\r\nline\n"), "{file}");
    }
    // An agent that reached the configuration of its worktree.
    for key in ["filter.evil.clean", "filter.evil.smudge", "core.fsmonitor", "diff.evil.textconv"] {
        git_in(&mission, &["config", key, &evil], b"");
    }
    assert_eq!(device.repo.snapshot(&dir, &tip).unwrap(), tree);
    device.repo.worktree(&dir, &tip).unwrap();
    assert_eq!(device.repo.snapshot(&dir, &tip).unwrap(), tree);
    assert!(!ran.exists(), "a filter ran");
}
