//! Two devices that took one lease apart: each works, and that is a conflict like others, which is
//! listed, decided and taken back.

use serde_json::{Value as Json, json};

use crate::kern::{Home, until};
use crate::missions::{WAIT, go};
use crate::repository::{FIX, Repository, ended, show, shows};

fn done(home: &Home, args: &[&str]) -> Json {
    home.run(&[args, &["--json"]].concat()).json()
}

fn conflicts(home: &Home) -> Vec<Json> {
    done(home, &["conflicts"]).as_array().unwrap().clone()
}

/// Both list so many conflicts, and the same.
#[track_caller]
fn both_list(homes: [&Home; 2], count: usize) -> Vec<Json> {
    until(&format!("{count} conflicts on both devices"), || {
        let [one, two] = homes.map(conflicts);
        (one.len() == count && one == two).then_some(one)
    })
}

/// How many leases of a device are on this one.
fn leases(home: &Home, device: &Json) -> usize {
    let log = home.log();
    log.iter().filter(|row| row["kind"] == "lease" && row["author"] == *device).count()
}

/// A mission at its second step, which waits on both devices: each took the lease after the one
/// that went before, while it did not hear of the other.
fn two_that_hold(
    repository: &Repository,
    [laptop, other]: [&Home; 2],
) -> (String, [crate::kern::Node; 2]) {
    let (first, second) = (laptop.up(), other.up_with(&["--run"]));
    laptop.pair(other, "other", "member");
    let waits = format!("{WAIT}{FIX}");
    let id = repository.mission(laptop, "careful", &["echo one >> steps", &waits]);
    shows(laptop, &id, "the other device at the step that waits", |mission| {
        mission["steps"][1]["device"] == "other"
    });
    let ids = [laptop, other].map(|home| home.status()["device_id"].clone());
    second.kill();
    done(laptop, &["offline"]);
    assert!(first.terminate().success());
    let first = laptop.up_with(&["--run"]);
    until("a lease of the laptop", || (leases(laptop, &ids[0]) == 1).then_some(()));
    let second = other.up_with(&["--run"]);
    until("another lease of the other device", || (leases(other, &ids[1]) == 2).then_some(()));
    assert_eq!([leases(laptop, &ids[1]), leases(other, &ids[0])], [1, 0], "neither knows yet");
    assert_eq!([laptop, other].map(|home| conflicts(home).len()), [0, 0]);
    done(laptop, &["online"]);
    (id, [first, second])
}

#[test]
fn two_devices_that_hold_one_lease_are_listed_decided_taken_back_and_come_to_one_end() {
    // SPEC: CFL-13, CFL-16, UNDO-2
    let (laptop, other, repository) = (Home::with_workspace(), Home::new(), Repository::new());
    let homes = [&laptop, &other];
    let (id, _nodes) = two_that_hold(&repository, homes);
    let open = both_list(homes, 1).remove(0);
    assert_eq!(
        (&open["kind"], &open["path"]),
        (&json!("holders"), &json!(format!("missions/{id}")))
    );
    let sides = open["sides"].as_array().unwrap();
    let mut devices: Vec<_> = sides.iter().map(|side| side["device"].as_str().unwrap()).collect();
    devices.sort_unstable();
    assert_eq!(devices, ["laptop", "other"]);
    for side in sides {
        let says = ["stage", "epoch", "holder"].map(|key| &side["value"][key]);
        assert_eq!(says, [&json!("implement"), &json!(2), &side["device_id"]], "{side}");
        assert!(side["event"].is_string() && side["deleted"] == false, "{side}");
    }
    assert!(open["why"].as_str().unwrap().contains("both holders may work"), "{open}");
    assert_eq!(laptop.status()["conflicts"], 1);
    // The mission says so, too, whoever of the two is said to hold it.
    let shown = done(&laptop, &["mission", "show", &id]);
    let mut both = [&shown["held_by"], &shown["also_held_by"][0]].map(|name| name.as_str());
    both.sort_unstable();
    assert_eq!(both, [Some("laptop"), Some("other")], "{shown}");
    let text = laptop.run(&["mission", "show", &id]).done().to_owned();
    assert!(text.contains("both may work; kern conflicts"), "{text}");
    let text = laptop.run(&["conflicts"]).done().to_owned();
    assert!(text.contains("several hold the lease") && text.contains("by other"), "{text}");

    // What it comes to is shown first, and is no value.
    let conflict = open["id"].as_str().unwrap();
    let resolve = ["conflicts", "resolve", conflict];
    let theirs = sides.iter().find(|side| side["device"] == "other").unwrap();
    let keep = theirs["side"].as_str().unwrap();
    let told = done(&laptop, &[&resolve[..], &["--keep", keep, "--preview"]].concat());
    assert_eq!(told[0]["then"]["holder"], theirs["device_id"], "{told}");
    assert_eq!(told[0]["lost"].as_array().unwrap().len(), 1, "{told}");
    let text = laptop.run(&[&resolve[..], &["--preview"]].concat()).done().to_owned();
    assert!(text.contains("gives way: ") && text.contains(&format!("keep {keep}")), "{text}");
    laptop.run(&[&resolve[..], &["--value", "1"]].concat()).refused(1, "by keeping a side");
    both_list(homes, 1);

    let decided = done(&laptop, &[&resolve[..], &["--keep", keep]].concat());
    both_list(homes, 0);
    let undone = done(&other, &["undo", decided["event"].as_str().unwrap()]);
    assert_eq!(undone["undoes"], decided["event"]);
    assert_eq!(both_list(homes, 1)[0], open, "it is open again, and the same");
    done(&other, &["conflicts", "resolve", "--all", "--take", "laptop", "--yes"]);
    both_list(homes, 0);
    assert_eq!(done(&other, &["undo"])["refused"], Json::Null);
    both_list(homes, 1);

    // Who goes on knows of the other, and that ends it, whatever was decided.
    let holder = show(&laptop, &id)["held_by"].clone();
    let at = if holder == "laptop" { &laptop } else { &other };
    go(at, &id, 2);
    assert_eq!(ended(&laptop, &id)["state"], "promoted");
    both_list(homes, 0);
}
