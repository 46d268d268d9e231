//! Devices that share nothing but the mesh: each node has a mount namespace in which the folders of
//! the others are empty, and the repository is seen by its home alone.
//!
//! This needs `unshare` and `mount` of util-linux, and root or user namespaces.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::kern::{Home, Node, program};
use crate::missions::{WAIT, go};
use crate::repository::{FIX, Repository, ended, shows, stage};

/// Covers folders with empty ones, then becomes what follows `--`.
const HIDE: &str = "set -e
while [ \"$1\" != -- ]; do
    mount -t tmpfs -o size=4k,mode=0700 kern \"$1\"
    shift
done
shift
exec \"$@\"";

/// How a mount namespace is made: by root, and by others in a user namespace of their own.
const UNSHARE: [&[&str]; 2] = [
    &["unshare", "--mount", "--propagation", "private"],
    &["unshare", "--map-root-user", "--mount", "--propagation", "private"],
];

/// The way that works on this machine.
pub(crate) fn unshare() -> &'static [&'static str] {
    let folder = tempfile::tempdir().unwrap();
    let mut told = String::new();
    for way in UNSHARE {
        let mut command = Command::new(way[0]);
        command.args(&way[1..]).args(["sh", "-c", HIDE, "sh"]).arg(folder.path());
        match command.args(["--", "true"]).output() {
            Ok(output) if output.status.success() => return way,
            Ok(output) => told += &String::from_utf8_lossy(&output.stderr),
            Err(error) => told += &format!("{}: {error}\n", way[0]),
        }
    }
    panic!(
        "this test needs mount namespaces: run it as root (CAP_SYS_ADMIN) or allow unprivileged \
         user namespaces, with `unshare` and `mount` (Debian: apt-get install util-linux mount)\n\
         {told}"
    )
}

/// Starts a node in whose namespace these folders are empty.
fn up_without(home: &Home, hidden: &[PathBuf], options: &[&str]) -> Node {
    let mut begin = [unshare(), &["sh", "-c", HIDE, "sh"]].concat();
    begin.extend(hidden.iter().map(|path| path.to_str().unwrap()));
    begin.push("--");
    let node = home.up_by(&begin, options);
    let of_node = |path: &Path| {
        PathBuf::from(format!("/proc/{}/root", node.pid())).join(path.strip_prefix("/").unwrap())
    };
    let exe = std::fs::read_link(format!("/proc/{}/exe", node.pid())).unwrap();
    assert_eq!(exe, program(), "it became the node");
    assert!(of_node(&home.path().join("device.key")).exists(), "it has its own home");
    for path in hidden {
        assert_ne!(std::fs::read_dir(path).unwrap().count(), 0, "there is something to hide");
        assert_eq!(std::fs::read_dir(of_node(path)).unwrap().count(), 0, "it is hidden");
    }
    node
}

#[test]
fn a_mission_goes_on_verifies_and_replays_on_devices_that_share_nothing_but_the_mesh() {
    // SPEC: MIS-6, MIS-7, LSE-2, EVD-3
    const NAMES: [&str; 4] = ["laptop", "one", "two", "three"];
    let homes = NAMES.map(|_| Home::new());
    let repository = Repository::new();
    let around = |home: &Home| home.path().parent().unwrap().to_owned();
    for home in &homes {
        std::fs::write(around(home).join("there"), b"").unwrap();
    }
    homes[0].init("home").done();
    let mut nodes = Vec::new();
    for (at, home) in homes.iter().enumerate() {
        let others = homes.iter().enumerate().filter(|(other, _)| *other != at);
        let mut hidden: Vec<_> = others.map(|(_, other)| around(other)).collect();
        let run: &[&str] = if at == 0 { &[] } else { &["--run"] };
        hidden.extend((at != 0).then(|| repository.around().to_owned()));
        nodes.push(Some(up_without(home, &hidden, run)));
    }
    let home = &homes[0];
    for (name, other) in NAMES.iter().zip(&homes).skip(1) {
        home.pair(other, name, "runner");
    }

    let second = format!("{FIX}echo two >> steps\n");
    let third = format!("{WAIT}echo three >> steps\n");
    let id = repository.mission(home, "careful", &["echo one >> steps", &second, &third]);
    let at = |name: &str| NAMES.iter().position(|other| *other == name).unwrap();
    let third_by = |but: &str| {
        let shown = shows(home, &id, "a device at the third step", |mission| {
            mission["steps"][2]["device"].as_str().is_some_and(|device| device != but)
        });
        shown["steps"][2]["device"].as_str().unwrap().to_owned()
    };
    let holder = third_by("");
    nodes[at(&holder)].take().unwrap().kill();
    let heir = third_by(&holder);
    go(&homes[at(&heir)], &id, 3);

    let mission = ended(home, &id);
    assert_eq!(mission["state"], "promoted", "{mission:#}");
    let steps = mission["steps"].as_array().unwrap();
    let by: Vec<_> = steps.iter().map(|step| (&step["device"], &step["executions"])).collect();
    let (holder, heir) = (json!(holder), json!(heir));
    let (once, twice) = (json!(1), json!(2));
    assert_eq!(by, [(&holder, &once), (&holder, &once), (&heir, &twice)]);
    assert_eq!(mission["resumed_by"], heir);
    let rest = NAMES[1..].iter().find(|name| **name != holder && **name != heir).unwrap();
    assert_eq!(mission["independent"], true);
    assert_eq!(stage(&mission, "verify")["devices"], json!([rest]));
    assert_eq!(stage(&mission, "replay")["devices"], json!([rest]));
    assert_eq!(stage(&mission, "promote")["devices"], json!(["laptop"]));
    repository.is_at(mission["promoted_commit"].as_str().unwrap());
    assert_eq!(repository.git(&["show", "main:steps"]), "one\ntwo\nthree");

    let runs: Vec<_> = home.log().into_iter().filter(|row| row["kind"] == "run").collect();
    assert_eq!(runs.len(), 3, "each step ended once: {runs:?}");
    for (run, step) in runs.iter().zip(steps) {
        assert_eq!((&run["id"], &run["verdict"]), (&step["event"], &json!("admitted")));
    }
}
