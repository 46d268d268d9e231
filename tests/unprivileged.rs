//! What a node leaves that is no root: to root every folder is open, so root would prove nothing.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use rustix::process::geteuid;

use crate::kern::{Home, program, until};
use crate::repository::{FIX, Repository, ended, failed};

/// The user and the group of nobody.
const NOBODY: u32 = 65534;

/// Runs the test of this name as nobody, where this is root; says whether that was done. What it
/// needs is brought to where nobody may read it.
fn as_nobody(test: &str) -> bool {
    if !geteuid().is_root() {
        return false;
    }
    let folder = tempfile::Builder::new().prefix("kern").tempdir().unwrap();
    let at = folder.path();
    fs::create_dir(at.join("deps")).unwrap();
    for path in [at, &at.join("deps")] {
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
    }
    let own = at.join("deps/tests");
    bring(&std::env::current_exe().unwrap(), &own);
    bring(&program(), &at.join("kern"));
    let mut command = Command::new(own);
    command.args(["--exact", test, "--nocapture"]).current_dir(at).uid(NOBODY).gid(NOBODY);
    command.env("TMPDIR", at).env("HOME", at);
    assert!(command.status().unwrap().success(), "{test} failed as nobody");
    true
}

fn bring(from: &Path, to: &Path) {
    if fs::hard_link(from, to).is_err() {
        fs::copy(from, to).unwrap();
    }
}

/// The folders of missions that a device still has.
fn folders(home: &Home) -> Vec<String> {
    let missions = fs::read_dir(home.path().join("missions")).into_iter().flatten().flatten();
    let folders = missions.filter(|entry| entry.file_type().unwrap().is_dir());
    folders.map(|entry| entry.file_name().into_string().unwrap()).collect()
}

#[test]
fn folders_that_an_agent_closed_are_gone_with_its_mission() {
    if as_nobody("unprivileged::folders_that_an_agent_closed_are_gone_with_its_mission") {
        return;
    }
    let (home, repository) = (Home::with_workspace(), Repository::new());
    let node = home.up_with(&["--run"]);
    let close = |at: &str| {
        format!(
            "set -e; {FIX}cd {at}; mkdir -p shut/in/side none; echo x > shut/in/side/file
            chmod 000 shut/in/side shut/in shut none"
        )
    };
    // Beside the work tree it is of no harm.
    let id = repository.mission(&home, "closes-scratch", &[&close("$KERNELOS_SCRATCH")]);
    let promoted = ended(&home, &id);
    assert_eq!(promoted["state"], "promoted", "{promoted:#}");
    until("the end of a mission's folder", || folders(&home).is_empty().then_some(()));

    // In it, it is no candidate.
    let other = Repository::new();
    let id = other.mission(&home, "closes-tree", &[&close(".")]);
    failed(&home, &ended(&home, &id), "implement", "its work tree cannot be kept");
    let at = home.path().join("missions").join(&id);
    let desks = || {
        let names = fs::read_dir(&at).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.to_string_lossy().starts_with("desk")).count()
    };
    until("the end of a desk", || (desks() == 0).then_some(()));
    other.is_at(&other.base);
    assert!(node.terminate().success());
    let _node = home.up_with(&["--run"]);
    assert_eq!(folders(&home), Vec::<String>::new(), "what a failed mission left");
}

#[test]
fn a_folder_that_is_closed_deeper_than_paths_reach_is_gone_too() {
    // A regression: it could not be named, so it stayed for ever.
    if as_nobody("unprivileged::a_folder_that_is_closed_deeper_than_paths_reach_is_gone_too") {
        return;
    }
    let (home, repository) = (Home::with_workspace(), Repository::new());
    let _node = home.up_with(&["--run"]);
    let name = "d".repeat(200);
    let dig = format!(
        "{FIX}cd \"$KERNELOS_SCRATCH\"; i=0
        while [ $i -lt 30 ]; do mkdir {name} && cd -P {name} || break; i=$((i + 1)); done
        mkdir shut open; echo x > shut/file; chmod 000 shut; cd ..; chmod 000 {name}; exit 0"
    );
    let id = repository.mission(&home, "digs", &[&dig]);
    let end = ended(&home, &id);
    println!("{}: {}", end["state"], end["why"]);
    let at = home.path().join("missions").join(&id);
    let desks = || {
        let names = fs::read_dir(&at).into_iter().flatten().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.to_string_lossy().starts_with("desk")).count()
    };
    until("the end of a desk", || (desks() == 0).then_some(()));
}
