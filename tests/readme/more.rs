//! The sections of README that need more than a home: what cargo builds is built already, so behind
//! its lines stands the program that it would run; a window is opened on a display of its own, and
//! a mission is started in a repository.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::{Person, bare, blocks, lines_with};
use crate::inspector::Display;
use crate::kern::until;
use crate::repository::Repository;

const README: &str = super::README;

/// The folder of the sources.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The program and its words behind a line that builds and runs it; what cargo takes it to be is
/// read where cargo reads it.
#[track_caller]
fn run_by_cargo(line: &str) -> (&'static str, String) {
    let (cargo, words) = bare(line).split_once(" -- ").expect("words for the program");
    let program = match cargo {
        "cargo run --release" => {
            assert!(manifest("Cargo.toml").contains("default-members = [\"node\"]"));
            assert!(manifest("node/Cargo.toml").contains("default-run = \"kern\""));
            "kern"
        }
        "cargo run --release -p kernelos-simulations" => {
            assert!(manifest("simulations/Cargo.toml").contains("name = \"kernelos-simulations\""));
            "kern-sim"
        }
        other => panic!("what is {other:?}?"),
    };
    (program, words.to_owned())
}

fn manifest(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// `cargo install --locked --path FOLDER` installs this program.
#[track_caller]
fn installs(line: &str, program: &str) {
    let folder = bare(line).strip_prefix("cargo install --locked --path ").unwrap();
    let manifest = manifest(&format!("{folder}/Cargo.toml"));
    assert!(manifest.contains("[[bin]]") && manifest.contains(&format!("name = \"{program}\"")));
}

#[test]
fn the_three_commands_are_as_readme_says() {
    let [demo, tests, install] = lines_with("Three commands", "cargo run").try_into().unwrap();
    let (program, words) = run_by_cargo(&demo);
    let said = Person::new().types(&format!("{program} {words}")).unwrap();
    assert!(said.contains("promoted"), "{said}");
    let tests = root().join(bare(&tests));
    assert!(fs::metadata(&tests).unwrap().permissions().mode() & 0o111 == 0o111);
    Person::new().types(&format!("bash -n {}", tests.display())).unwrap();
    installs(&install, "kern");
}

#[test]
fn the_inspector_opens_as_readme_says() {
    let [install, ui] = lines_with("The inspector", "kern ui").try_into().unwrap();
    installs(&install, "kern-gui");
    let (mut person, display) = (Person::new(), Display::new());
    person.types("kern init home --device laptop --recovery-file home.recovery").unwrap();
    person.runs("kern up").unwrap();
    let at = |name: &str, value: &str| format!("{name}={value} ");
    let on = at("DISPLAY", display.name()) + &at("LIBGL_ALWAYS_SOFTWARE", "1");
    let window = person.begins(&format!("env -u WAYLAND_DISPLAY {on}{}", bare(&ui)));
    until("the window", || {
        let found = display.xdotool(&["search", "--onlyvisible", "--name", "^KernelOS$"]);
        (!found.is_empty()).then_some(())
    });
    drop(window);
}

/// The mission whose id the next lines name.
fn mission(person: &Person) -> Json {
    let said = person.types("kern mission list --json").unwrap();
    let rows: Vec<Json> = serde_json::from_str(&said).unwrap();
    rows.into_iter().max_by_key(|row| row["state"] != "promoted").unwrap()
}

#[test]
fn a_mission_is_as_readme_says() {
    let (mut person, repository) = (Person::new(), Repository::new());
    let fix = repository.path().join("bin/fix");
    fs::create_dir_all(fix.parent().unwrap()).unwrap();
    // It mends what is wrong, where it is told what is to be reached.
    let script = "#!/bin/sh\n[ \"$1\" = \"$(cat \"$KERNELOS_GOAL_FILE\")\" ] || exit 1\n\
                  echo 'echo $(($1 + $2))' > add.sh\n";
    fs::write(&fix, script).unwrap();
    fs::set_permissions(&fix, fs::Permissions::from_mode(0o755)).unwrap();
    repository.commit("Agents");
    person.types("kern init home --device laptop --recovery-file home.recovery").unwrap();
    person.runs("kern up --run").unwrap();
    let inside = format!("cd '{}'; ", repository.path().display());
    let block = blocks(README, "A mission on your own repository").remove(0);
    let mut typed = 0;
    for line in &block.lines {
        let is_cancel = line.starts_with("kern mission cancel");
        if is_cancel {
            until("the end of the mission", || {
                (mission(&person)["state"] == "promoted").then_some(())
            });
            // One that is not over yet: its step waits for what never comes.
            let waits = "kern agent add fixer --command 'sleep 600'";
            person.types(&format!("{inside}{waits}")).unwrap();
            let start = block.lines.iter().find(|line| line.contains("mission start")).unwrap();
            person.types(&format!("{inside}{start}")).unwrap();
        }
        let line = match line.contains(" ID") {
            true => line.replace(" ID", &format!(" {}", mission(&person)["id"].as_str().unwrap())),
            false => line.clone(),
        };
        let said = person.types(&format!("{inside}{line}")).unwrap();
        assert!(!is_cancel || said.contains("is cancelled"), "{said}");
        typed += 1;
    }
    assert_eq!(typed, block.lines.len());
    let moved = repository.git(&["show", "main:add.sh"]);
    assert_eq!(moved, "echo $(($1 + $2))", "the branch moved to what the agent made");
}

#[test]
fn worlds_run_as_readme_says() {
    let [run, swarm] =
        lines_with("Worlds that are cut, crashed and healed", "cargo run").try_into().unwrap();
    let person = Person::new();
    let traced = person.home.file("trace.jsonl");
    let inside = format!("cd '{}'; ", root().display());
    let (program, words) = run_by_cargo(&run);
    let words = words.replace("trace.jsonl", traced.to_str().unwrap());
    person.types(&format!("{inside}{program} {words}")).unwrap();
    assert!(fs::metadata(&traced).unwrap().len() > 1_000);
    // As many seeds take a release build.
    let (program, words) = run_by_cargo(&swarm);
    let few = words.replace("--seeds 200", "--seeds 1");
    assert_ne!(few, words);
    person.types(&format!("{inside}{program} {few}")).unwrap();
}

#[test]
fn it_is_measured_as_readme_says() {
    let [all, elsewhere] =
        lines_with("How fast it is, on your machine", "kern bench").try_into().unwrap();
    let person = Person::new();
    // All of it takes many minutes, so some of it, in small.
    let some = all.split_once('`').unwrap().1.split_once('`').unwrap().0;
    assert!(some.starts_with(bare(&all)), "{some}");
    let disk = person.home.file("disk");
    let elsewhere = bare(&elsewhere).replace("/mnt/disk", disk.to_str().unwrap());
    for line in [format!("{some} --quick"), format!("{elsewhere} --quick append")] {
        let said = person.types(&line).unwrap();
        assert!(said.contains("automerge + signature + sqlite"), "{said}");
    }
    assert_eq!(fs::read_dir(&disk).unwrap().count(), 0, "its folder goes with it");
    let bin = manifest("tests/Cargo.toml");
    assert!(bin.contains("name = \"kern-bench\"") && README.contains("--bin kern-bench"));
}
