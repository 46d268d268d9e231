//! People's repositories and people's mistakes.

use std::os::unix::fs::PermissionsExt as _;

use super::*;

#[test]
fn a_source_is_found_from_any_path_inside() {
    for format in FORMATS {
        let person = Person::with_history(format);
        for path in ["", "src", "src/lib"] {
            let source = inspect(&person.root().join(path), None).unwrap();
            assert_eq!(source.root, person.root());
            assert_eq!(source.git_dir, person.root().join(".git"));
            assert_eq!(source.branch, "main");
            assert_eq!(source.commit, person.tip("main"));
            assert_eq!(source.tree.to_string(), person.git(&["rev-parse", "main^{tree}"]));
            assert!(source.is_checked_out);
            assert_eq!(source.object_format, format);
        }
        person.git(&["branch", "other/one", "main~1"]);
        let source = inspect(&person.root(), Some("other/one")).unwrap();
        assert!(!source.is_checked_out);
        assert_eq!(source.commit, person.tip("other/one"));
    }
}

#[test]
fn people_are_told_what_is_wrong_and_what_to_do() {
    type Case = (&'static str, fn(&Person), Option<&'static str>);
    let cases: &[Case] = &[
        ("git_dirty", |p| p.put("README", "edited\n"), None),
        ("git_dirty", |p| p.put("untracked", "new\n"), None),
        ("git_dirty", |p| fs::remove_file(p.root().join("README")).unwrap(), None),
        ("git_branch_absent", |_| {}, Some("nowhere")),
        ("git_branch_name", |_| {}, Some("a..b")),
        ("git_branch_absent", |_| {}, Some("--all")),
        ("git_branch_name", |_| {}, Some("main^{tree}")),
        ("git_branch_name", |_| {}, Some("")),
        (
            "git_branch_name",
            |p| drop(p.git(&["symbolic-ref", "refs/heads/a", "refs/heads/main"])),
            Some("a"),
        ),
        ("git_detached", |p| drop(p.git(&["checkout", "--quiet", "--detach"])), None),
        ("git_no_commit", |p| drop(p.git(&["checkout", "--quiet", "--orphan", "b"])), None),
        (
            "git_submodules",
            |p| {
                let cache = format!("160000,{},sub", p.tip("main"));
                p.git(&["update-index", "--add", "--cacheinfo", &cache]);
                p.git(&["commit", "--quiet", "-m", "sub"]);
            },
            None,
        ),
        (
            "git_too_large",
            |p| {
                let file = fs::File::create(p.root().join("huge")).unwrap();
                file.set_len(FILE_BYTES_MAX + 1).unwrap();
                p.commit();
            },
            None,
        ),
        (
            "git_work_tree_elsewhere",
            |p| {
                let above = p.folder.path().to_str().unwrap();
                p.git(&["config", "core.worktree", above]);
            },
            None,
        ),
    ];
    for (code, mistake, branch) in cases {
        let person = Person::with_history(ObjectFormat::Sha1);
        mistake(&person);
        let fault = inspect(&person.root(), *branch).unwrap_err();
        assert_eq!(fault.code(), *code, "{fault}");
        assert!(!fault.hint().is_empty());
    }
}

#[test]
fn places_that_are_no_work_tree_are_named() {
    let person = Person::with_history(ObjectFormat::Sha1);
    let beside = person.folder.path();
    git_in(beside, &["init", "--quiet", "--bare", "bare"], b"");
    git_in(beside, &["init", "--quiet", "empty"], b"");
    let cases = [
        ("", "git_not_a_repository"),
        ("absent", "git_not_a_repository"),
        ("bare", "git_bare"),
        ("repo/.git", "git_bare"),
        ("empty", "git_no_commit"),
    ];
    for (path, code) in cases {
        assert_eq!(inspect(&beside.join(path), None).unwrap_err().code(), code, "{path}");
    }
}

#[test]
fn a_dirty_work_tree_names_the_first_files() {
    let person = Person::with_history(ObjectFormat::Sha1);
    person.put(".gitignore", "ignored\n");
    person.commit();
    person.put("ignored", "");
    assert!(person.inspect().is_ok());
    for name in ["a", "b", "c", "d", "e\x1b[31m", "f", "g"] {
        person.put(name, "");
    }
    let Err(GitFault::Dirty { root, files, more }) = person.inspect() else { panic!() };
    assert_eq!(root, person.root());
    assert_eq!(files, ["a", "b", "c", "d", "e\u{fffd}[31m"]);
    assert_eq!(more, 2);
    // The branch that is not checked out is what it is.
    person.git(&["branch", "other"]);
    assert!(inspect(&person.root(), Some("other")).is_ok());
}

#[test]
fn a_pack_that_no_artifact_holds_is_too_large() {
    let person = Person::new(ObjectFormat::Sha1);
    // Bytes that do not shrink: a xorshift's.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut noise = String::new();
    while noise.len() < 20_000 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        noise.push_str(&state.to_string());
    }
    person.put("noise", &noise);
    person.commit();
    let source = person.inspect().unwrap();
    let fault = source::base_pack_within(&source, 5_000).unwrap_err();
    let what = "bytes of the pack of all files".to_owned();
    assert_eq!(fault, GitFault::TooLarge { what, max: 5_000 });
}

#[test]
fn nothing_that_a_repository_names_runs() {
    let person = Person::with_history(ObjectFormat::Sha1);
    let ran = person.folder.path().join("ran");
    let evil = person.folder.path().join("evil");
    fs::write(&evil, format!("#!/bin/sh\ntouch {}\ncat\n", ran.display())).unwrap();
    fs::set_permissions(&evil, fs::Permissions::from_mode(0o755)).unwrap();
    person.put(".gitattributes", "* filter=e.v=il diff=evil merge=evil\n");
    person.commit();
    let evil = evil.to_str().unwrap();
    for key in [
        "core.fsmonitor",
        "core.sshCommand",
        "core.pager",
        "core.editor",
        "diff.external",
        "diff.evil.textconv",
        "diff.evil.command",
        "filter.e.v=il.clean",
        "filter.e.v=il.smudge",
        "filter.e.v=il.process",
        "gpg.program",
        "core.alternateRefsCommand",
        "credential.helper",
        "uploadpack.packObjectsHook",
        "merge.evil.driver",
    ] {
        person.git(&["config", key, evil]);
    }
    person.git(&["config", "filter.e.v=il.required", "true"]);
    person.git(&["config", "commit.gpgSign", "true"]);
    for hook in ["reference-transaction", "post-checkout", "post-index-change", "pre-commit"] {
        let hooks = person.root().join(".git/hooks");
        fs::create_dir_all(&hooks).unwrap();
        fs::copy(evil, hooks.join(hook)).unwrap();
    }
    let touch = |name: &str| {
        // A new time: git looks at the content again.
        let content = person.get(name).unwrap();
        person.put(name, &content);
    };
    touch("README");
    let (device, source) = Device::at_base(&person);
    touch("README");
    let step = device.change(&source.commit, |dir| put(dir, "README", "changed\n"));
    let pack = device.repo.pack(&source.commit, &step).unwrap();
    promote(&source.root, "main", &source.commit, &step, &pack).unwrap();
    assert_eq!(person.get("README").as_deref(), Some("changed\n"));
    assert!(!ran.exists(), "something ran");
}
