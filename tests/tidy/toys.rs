//! Small trees on which each rule fails, and passes once the fault is gone.

use super::{Exception, Finding, Source, Tree, arrows, except, rows, spec, style};

fn tree(files: &[(&str, &str)]) -> Tree {
    let files = files.iter().map(|(path, text)| Source::new(path, (*text).to_owned())).collect();
    Tree { files }
}

/// The findings as `path:line`.
#[track_caller]
fn check(findings: &[Finding], expected: &[&str]) {
    let places: Vec<_> = findings.iter().map(|f| format!("{}:{}", f.path, f.line)).collect();
    assert_eq!(places, expected, "{findings:#?}");
}

fn places(findings: Vec<(Finding, String)>) -> Vec<Finding> {
    findings.into_iter().map(|(finding, _)| finding).collect()
}

#[test]
fn a_missing_header_is_found() {
    let tree = tree(&[("a.rs", "//! A.\n"), ("b.rs", "fn b() {}\n"), ("c.toml", "x")]);
    check(&style::without_header(&tree), &["b.rs:1"]);
}

#[test]
fn a_long_line_is_found_in_characters_not_bytes() {
    let (fits, long) = ("é".repeat(100), "é".repeat(101));
    let tree = tree(&[("a.rs", &format!("{fits}\n{long}\n"))]);
    check(&style::long_lines(&tree), &["a.rs:2"]);
}

#[test]
fn a_long_function_is_found() {
    let long = |lines: usize| format!("fn f() {{\n{}}}\n", "    f();\n".repeat(lines - 2));
    let tree = tree(&[("a.rs", &long(70)), ("b.rs", &format!("\n{}", long(71)))]);
    check(&places(style::long_functions(&tree)), &["b.rs:2"]);
}

#[test]
fn braces_in_strings_and_comments_do_not_count() {
    let text = r##"
fn a<'a>(x: &'a str, y: [u8; 4]) -> [u8; 2] where for<'b> fn(&'b str): Copy {
    let _ = ("}", '}', '\'', b'}', r#""}"#, br"}", "\"}", '{'); // }
    /* } /* } */ } */
    fn inner() {}
}
trait T { fn without_body(&self) -> u8; }
type F = fn(u8) -> u8;
"##;
    let tree = tree(&[("a.rs", text)]);
    let functions = tree.files[0].functions();
    let lines: Vec<_> = functions.iter().map(|f| (f.name.as_str(), f.first, f.last)).collect();
    assert_eq!(lines, [("a", 2, 6), ("inner", 5, 5)]);
}

#[test]
fn a_long_file_is_found() {
    let tree = tree(&[("a.rs", &"\n".repeat(450)), ("b.rs", &"\n".repeat(451))]);
    check(&places(style::long_files(&tree)), &["b.rs:451"]);
}

#[test]
fn an_exception_takes_one_finding_out_and_a_stale_one_is_found() {
    let exception = |path, name| Exception { path, name, reason: "a table" };
    let findings = || vec![(Finding::new("a.rs", 7, "long"), "f".to_owned())];
    check(&except(findings(), &[exception("a.rs", "f")], "LIST"), &[]);
    check(&except(findings(), &[exception("a.rs", "g")], "LIST"), &["a.rs:7", "a.rs:1"]);
}

#[test]
fn leftovers_are_found_but_not_in_strings() {
    let text = "fn a() { todo!() }\n// FIXME\n/* XXX */\n\
                fn b() { \"todo!() FIXME\"; my_dbg!(); }\n#[ignore = \"slow\"]\n\
                fn c() { dbg!(1) }\nfn d() { unimplemented!() }\n// todo! is a macro\n";
    let mut findings = style::leftovers(&tree(&[("a.rs", text)]));
    findings.sort_by_key(|finding| finding.line);
    check(&findings, &["a.rs:1", "a.rs:2", "a.rs:3", "a.rs:5", "a.rs:6", "a.rs:7"]);
}

#[test]
fn unordered_collections_are_found_in_the_protocol_only() {
    let text = "//! No HashMap.\nuse std::collections::HashMap;\nstruct MyHashMap;\n";
    let tree = tree(&[("protocol/src/a.rs", text), ("node/src/a.rs", text)]);
    check(&style::unordered_collections(&tree), &["protocol/src/a.rs:2"]);
}

#[test]
fn tasks_of_tokio_are_found_in_mesh_code_only() {
    let text = "//! No tokio::spawn.\nfn a() { tokio::spawn(b()); }\n";
    let tree = tree(&[("node/src/mesh.rs", text), ("node/src/cli.rs", text)]);
    check(&style::unportable_mesh(&tree), &["node/src/mesh.rs:2"]);
}

const SPEC: &str =
    "# Leases\n\n**LEASE-1** One.\n\n**LEASE-2** Two. See **LEASE-9**.\n**Note** no.\n";

#[test]
fn a_requirement_defined_twice_is_found() {
    let tree = tree(&[("SPEC.md", &format!("{SPEC}**LEASE-1** Again.\n"))]);
    check(&spec::duplicates(&tree), &["SPEC.md:7"]);
}

#[test]
fn an_uncited_requirement_is_found() {
    let code = "//! SPEC: LEASE-1\n#[cfg(test)]\nmod tests {\n    // SPEC: LEASE-2\n}\n";
    let tree = tree(&[("SPEC.md", SPEC), ("protocol/src/a.rs", code)]);
    check(&spec::without_code(&tree), &["SPEC.md:5"]);
    check(&spec::without_test(&tree), &["SPEC.md:3"]);
}

#[test]
fn code_is_cited_in_protocol_and_node_and_tests_anywhere() {
    let code = "// SPEC: LEASE-1, LEASE-2 both hold.\n";
    let both = |path| tree(&[("SPEC.md", SPEC), (path, code)]);
    check(&spec::without_code(&both("node/src/a.rs")), &[]);
    check(&spec::without_code(&both("gui/src/a.rs")), &["SPEC.md:3", "SPEC.md:5"]);
    check(&spec::without_code(&both("protocol/tests/a.rs")), &["SPEC.md:3", "SPEC.md:5"]);
    for path in ["tests/a.rs", "protocol/tests/a.rs", "node/src/a/tests.rs"] {
        check(&spec::without_test(&both(path)), &[]);
    }
}

#[test]
fn a_citation_of_nothing_is_found() {
    let code = "// SPEC: LEASE-1, LEASE-7\n// SPEC: see the annex\nfn a() { \"SPEC: LEASE-8\"; }\n";
    let tree = tree(&[("SPEC.md", SPEC), ("node/src/a.rs", code)]);
    check(&spec::unknown(&tree), &["node/src/a.rs:1", "node/src/a.rs:2"]);
}

#[test]
fn a_forbidden_arrow_is_found_under_any_name() {
    let text = "[dependencies]\nserde = \"1\"\n\
                kernelos-node.workspace = true\nkern.workspace = true\n\
                [dev-dependencies.k]\npath = \"../node\"\npackage = \"kernelos-node\"\n";
    let workspace = "[workspace.dependencies]\n\
                     kern = { path = \"node\", package = \"kernelos-node\" }\n\
                     kernelos-node = { path = \"node\" }\n";
    let tree = tree(&[("Cargo.toml", workspace), ("gui/Cargo.toml", text), ("new/Cargo.toml", "")]);
    let expected = ["gui/Cargo.toml:3", "gui/Cargo.toml:4", "gui/Cargo.toml:5", "new/Cargo.toml:1"];
    check(&arrows::forbidden(&tree), &expected);
}

#[test]
fn the_allowed_arrow_is_allowed() {
    let text =
        "[package]\nname = \"kernelos-node\"\n[dependencies]\nkernelos-protocol.workspace = true\n";
    check(&arrows::forbidden(&tree(&[("node/Cargo.toml", text)])), &[]);
    check(&arrows::forbidden(&tree(&[("protocol/Cargo.toml", text)])), &["protocol/Cargo.toml:4"]);
}

#[test]
fn an_impure_dependency_is_found() {
    let text = "[dependencies]\ntokio = { version = \"1\", features = [\n    \"net\",\n] }\n\
                rand_core.workspace = true\nserde = \"1\" # not tokio\n\
                [target.'cfg(target_arch = \"wasm32\")'.dependencies]\n\
                random = { package = \"getrandom\", version = \"0.4\" }\n";
    let workspace =
        "[workspace.dependencies]\nrand_core = { version = \"0.10\", features = [\"os_rng\"] }\n";
    let tree = tree(&[("Cargo.toml", workspace), ("protocol/Cargo.toml", text)]);
    let expected = ["protocol/Cargo.toml:2", "protocol/Cargo.toml:5", "protocol/Cargo.toml:8"];
    check(&arrows::impure(&tree), &expected);
}

#[test]
fn a_row_without_a_test_twice_there_or_missing_is_found() {
    let code = "#[test]\nfn a() {}\n#[tokio::test(flavor = \"x\")]\n// Why.\nasync fn b() {}\n\
                #[cfg(test)]\nfn c() {}\n";
    let all = (1..=63).chain([70, 76, 77, 78]);
    let whole: String = all.map(|row| format!("| {row} | what | `a`, `b` | |\n")).collect();
    let check_with = |table: &str, expected: &[&str]| {
        let tree = tree(&[(rows::TABLE, table), ("x.rs", code)]);
        check(&rows::untested(&tree), expected);
    };
    check_with(&whole, &[]);
    let with = |line: &str| whole.replace("| 2 | what | `a`, `b` | |\n", line);
    check_with(&with(""), &["tests/HOSTILE.md:1"]);
    for bad in ["`c`", "`b`, `d`", "", "`a` | `b`"] {
        check_with(&with(&format!("| 2 | what | {bad} | |\n")), &["tests/HOSTILE.md:2"]);
    }
    check_with(&with("| 2 | | `a` | |\n"), &["tests/HOSTILE.md:2"]);
    check_with(&format!("{whole}| 2 | what | `a` | |\n"), &["tests/HOSTILE.md:68"]);
    check_with(&format!("{whole}| 64 | what | `a` | |\n"), &["tests/HOSTILE.md:68"]);
    check(&rows::untested(&tree(&[])), &["tests/HOSTILE.md:1"]);
}

#[test]
fn a_package_that_is_older_or_not_there_is_found() {
    let lock = "[[package]]\nname = \"a\"\nversion = \"0.11.9\"\n\
                [[package]]\nname = \"a-b\"\nversion = \"0.1.0\"\n";
    check(&rows::older(lock, &[("a", [0, 11, 9]), ("a-b", [0, 0, 9])]), &[]);
    check(&rows::older(lock, &[("a", [0, 11, 10])]), &["Cargo.lock:1"]);
    check(&rows::older(lock, &[("c", [0, 0, 0])]), &["Cargo.lock:1"]);
}
