//! What a change may do to a tree: each rule with what breaks it and what comes close.

use kernelos_protocol::change::{
    AdmittedChange, ChangeCode, ChangeRefusal, ChangedFile, Entry, MODE_FILE, MODE_LINK,
    MODE_PROGRAM, MODE_SUBMODULE, admit_change,
};
use kernelos_protocol::limits::{CHANGE_BYTES_TOTAL_MAX, CHANGE_FILES_MAX, CHANGE_REFUSALS_MAX};

fn file(size: u64) -> Option<Entry> {
    Some(Entry { mode: MODE_FILE, size, link_target: None })
}

fn of_mode(mode: u32) -> Option<Entry> {
    Some(Entry { mode, size: 1, link_target: None })
}

fn link(target: &[u8]) -> Option<Entry> {
    Some(Entry { mode: MODE_LINK, size: 1, link_target: Some(target.to_vec()) })
}

fn change(path: impl AsRef<[u8]>, old: Option<Entry>, new: Option<Entry>) -> ChangedFile {
    ChangedFile { path: path.as_ref().to_vec(), old, new }
}

fn added(path: impl AsRef<[u8]>) -> ChangedFile {
    change(path, None, file(1))
}

fn refusals(files: &[ChangedFile]) -> Vec<ChangeRefusal> {
    admit_change(files).map_or_else(|refusals| refusals, |_| Vec::new())
}

fn codes(files: &[ChangedFile]) -> Vec<&'static str> {
    refusals(files).iter().map(|refusal| refusal.code.code()).collect()
}

/// The codes for one file, most often none or one.
#[track_caller]
fn check(file: ChangedFile, expected: &[&str]) {
    let path = String::from_utf8_lossy(&file.path).into_owned();
    assert_eq!(codes(&[file]), expected, "{path:?}");
}

#[test]
fn an_admitted_change_counts_what_it_does() {
    // SPEC: CHG-1
    let admitted = admit_change(&[
        change("a.rs", None, file(10)),
        change("b.rs", file(5), file(7)),
        change("c.rs", file(1_000_000_000), None),
        change("run", file(3), of_mode(MODE_PROGRAM)),
    ]);
    let admitted: AdmittedChange = admitted.unwrap();
    assert_eq!((admitted.added(), admitted.modified(), admitted.deleted()), (1, 2, 1));
    assert_eq!((admitted.files(), admitted.bytes(), admitted.rules()), (4, 18, 1));
    let json = r#"{"rules":1,"added":1,"modified":2,"deleted":1,"bytes":18}"#;
    assert_eq!(serde_json::to_string(&admitted).unwrap(), json);
    assert_eq!(admit_change(&[]).unwrap().files(), 0);
}

#[test]
fn a_change_has_at_most_eighty_files_and_a_megabyte() {
    // SPEC: CHG-2
    let many = |count: usize| (0..count).map(|n| added(format!("f{n}"))).collect::<Vec<_>>();
    assert_eq!(codes(&many(CHANGE_FILES_MAX)), Vec::<&str>::new());
    assert_eq!(codes(&many(CHANGE_FILES_MAX + 1)), ["too_many_files"]);
    let deleted = |n| change(format!("f{n}"), file(1), None);
    assert_eq!(codes(&(0..81).map(deleted).collect::<Vec<_>>()), ["too_many_files"]);

    let large = |size| [added("a"), change("b", file(0), file(size))];
    assert_eq!(codes(&large(CHANGE_BYTES_TOTAL_MAX - 1)), Vec::<&str>::new());
    assert_eq!(codes(&large(CHANGE_BYTES_TOTAL_MAX)), ["too_many_bytes"]);
    assert_eq!(codes(&large(u64::MAX)), ["too_many_bytes"]);
    let text = &refusals(&large(1_000_000))[0].text;
    let expected = "the change is too large: leave generated files out: 1000001 bytes, at most \
                    1000000";
    assert_eq!(text, expected);
}

#[test]
fn a_path_names_a_place_in_the_tree_and_nothing_else() {
    // SPEC: CHG-3
    for (path, expected) in [
        (&b"src/a b/\xc3\xa9.rs"[..], None),
        (b"..a/b..c/d.e", None),
        (b"docs/A::B.3pm", None),
        (b"", Some("path_segment")),
        (b"a//b", Some("path_segment")),
        (b"a/", Some("path_segment")),
        (b"./a", Some("path_segment")),
        (b"a/../b", Some("path_segment")),
        (b"a/.. /b", Some("path_segment")),
        (b"a/..:x/b", Some("path_segment")),
        (b"a/.../b", Some("path_segment")),
        (b"/etc/passwd", Some("path_absolute")),
        (b"\\\\host\\share", Some("path_absolute")),
        (b"C:evil", Some("path_absolute")),
        (b"a\\..\\b", Some("path_character")),
        (b"a\0b", Some("path_character")),
        (b"a\nb", Some("path_character")),
        (b"a\x7fb", Some("path_character")),
        ("a\u{202e}sr.b".as_bytes(), Some("path_character")),
        ("a\u{2066}b".as_bytes(), Some("path_character")),
        ("a\u{85}b".as_bytes(), Some("path_character")),
        ("a\u{2028}b".as_bytes(), Some("path_character")),
        (b"a\xffb", Some("path_encoding")),
        (b"a\xc0\xafb", Some("path_encoding")),
    ] {
        check(added(path), expected.as_slice());
    }
    check(added("a/".repeat(255) + "ab"), &[]);
    check(added("a/".repeat(255) + "abc"), &["path_length"]);
    check(added("a".repeat(255)), &[]);
    check(added("a".repeat(256)), &["path_length"]);
}

#[test]
fn no_spelling_of_gits_folder_gets_through() {
    // SPEC: CHG-4
    for path in [
        ".git/config",
        "a/.git",
        ".GIT/hooks/x",
        ".Git/x",
        "git~1/x",
        "GIT~1",
        "GIT~2",
        ".git /x",
        ".git./x",
        ".git. . /x",
        ".git::$INDEX_ALLOCATION/x",
        ".git:x",
        "git~1 ./x",
        ".g\u{200c}it/x",
        ".gi\u{200d}t/x",
    ] {
        check(added(path), &["git_folder"]);
    }
    // A character that HFS+ leaves out and that hides is refused as such.
    check(added(".g\u{200e}it/x"), &["path_character"]);
    check(added(".g\u{feff}it/x"), &["path_character"]);
    for path in [".gitignore", ".github/a.yml", "git/x", "git~a", ".git2/a", "a.git/b", "digit~1"] {
        check(added(path), &[]);
    }
    check(change(".git/config", file(1), None), &["git_folder"]);
}

#[test]
fn no_submodule_is_added_or_changed_and_no_unknown_mode() {
    // SPEC: CHG-5
    let module = || of_mode(MODE_SUBMODULE);
    check(change("lib", None, module()), &["submodule"]);
    check(change("lib", module(), module()), &["submodule"]);
    check(change("lib", file(1), module()), &["submodule"]);
    check(change("lib", module(), file(1)), &["submodule"]);
    check(change("lib", module(), None), &[]);
    for path in [".gitmodules", ".GITMODULES", ".gitmodules ", "GITMOD~1", "gi7eba~1"] {
        check(change(path, file(1), file(1)), &["submodule"]);
    }
    check(change(".gitmodules", file(1), None), &[]);
    check(added("tests/.gitmodules"), &[]);
    for mode in [0, 0o040_000, 0o100_666, 0o100_664, 0o104_755, 0o060_000, u32::MAX] {
        check(change("a", file(1), of_mode(mode)), &["unknown_mode"]);
    }
    check(change("a", None, None), &["no_side"]);
}

#[test]
fn a_link_stays_in_the_tree() {
    // SPEC: CHG-6
    for (path, target, expected) in [
        ("a", "b", None),
        ("a", "b/c/d", None),
        ("d/a", "../b", None),
        ("d/e/a", "../../b", None),
        ("d/a", ".", None),
        ("d/a", "..", None),
        ("d/a", "../e/", None),
        ("d/a", "./b", None),
        ("a", "..", Some("link_escapes")),
        ("a", "../b", Some("link_escapes")),
        ("d/a", "../../b", Some("link_escapes")),
        ("d/e/a", "b/../c", Some("link_escapes")),
        ("d/a", "b/../../../c", Some("link_escapes")),
        ("a", "/etc/passwd", Some("link_escapes")),
        ("a", "C:\\x", Some("link_escapes")),
        ("a", "\\\\host\\x", Some("link_escapes")),
        ("a", ".git/config", Some("link_escapes")),
        ("d/a", "../.GIT/hooks", Some("link_escapes")),
        ("a", "b\\..\\..", Some("link_target")),
        ("a", "b\u{202e}c", Some("link_target")),
        ("a", "", Some("link_escapes")),
    ] {
        check(change(path, None, link(target.as_bytes())), expected.as_slice());
    }
    check(change("a", None, link(b"\xff")), &["link_target"]);
    check(change("a", None, link(&[b'x'; 513])), &["link_target"]);
    check(change("a", None, of_mode(MODE_LINK)), &["link_target"]);
    check(change("a", link(b"/etc"), None), &[]);
    let told = &refusals(&[change("a", None, link(b"../x\x1b"))])[0];
    assert_eq!(told.code, ChangeCode::LinkTarget);
    assert!(told.text.ends_with("../x\\u{1b}"), "{}", told.text);
}

#[test]
fn links_that_each_stay_inside_cannot_leave_together() {
    // SPEC: CHG-6
    // By names alone c/y leads to c; through c/x, which is the top, it leads above it.
    check(change("c/x", None, link(b"..")), &[]);
    check(change("c/y", None, link(b"x/..")), &["link_escapes"]);
}

#[test]
fn two_paths_that_are_one_without_case_are_refused() {
    // SPEC: CHG-4
    let none: &[&str] = &[];
    for (files, expected) in [
        (vec![added("a.rs"), added("A.rs")], &["collision"][..]),
        (vec![added("src/a.rs"), added("Src/b.rs")], &["collision"]),
        (vec![added("\u{c9}.md"), added("\u{e9}.md")], &["collision"]),
        (vec![added("a"), added("A/b")], &["collision"]),
        (vec![added("a/b"), added("a")], &["collision"]),
        (vec![added("a.rs"), change("A.rs", file(1), file(1))], &["collision"]),
        (vec![added("a.rs"), change("A.rs", file(1), None)], none),
        (vec![change("a.rs", file(1), file(2)), change("A.rs", file(1), file(2))], none),
        (vec![added("a/b"), added("a/c"), added("ab")], none),
        (vec![added("a"), added("a")], &["duplicate_path"]),
    ] {
        assert_eq!(codes(&files), expected, "{files:?}");
    }
}

#[test]
fn throwaway_paths_are_not_added_but_what_the_base_tracks_is_modified() {
    // SPEC: CHG-7
    check(added("web/node_modules/a.js"), &["throwaway"]);
    check(change("node_modules", None, link(b"cache")), &["throwaway"]);
    check(change("dist/app.js", file(1), file(2)), &[]);
    check(change(".env", file(1), None), &[]);
    let refusal = &refusals(&[added("api/.env")])[0];
    assert_eq!(refusal.path, "api/.env");
    let text = "this does not belong into a change: secrets of one machine (env)";
    assert_eq!(refusal.text, text);
}

#[test]
fn everything_that_is_wrong_is_told_up_to_a_bound() {
    // SPEC: CHG-1
    let bad = [added("a\u{1b}[2J"), added("b.log"), change(".git/x", None, of_mode(7))];
    assert_eq!(codes(&bad), ["path_character", "throwaway", "git_folder", "unknown_mode"]);
    assert_eq!(refusals(&bad)[0].path, "a\\u{1b}[2J");
    let many: Vec<_> = (0..80).map(|n| added(format!("{n}.log"))).collect();
    assert_eq!(codes(&many).len(), CHANGE_REFUSALS_MAX);
    let json = serde_json::to_string(&refusals(&[added("a.log")])).unwrap();
    let text = "this does not belong into a change: a log (log)";
    let expected = format!(r#"[{{"code":"throwaway","path":"a.log","text":"{text}"}}]"#);
    assert_eq!(json, expected);
}

#[test]
fn a_code_is_written_as_it_is_named() {
    // SPEC: CHG-1
    for code in ChangeCode::ALL {
        assert_eq!(serde_json::to_string(code).unwrap(), format!("\"{}\"", code.code()));
    }
}
