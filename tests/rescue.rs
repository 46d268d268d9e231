//! A workspace whose owners are lost, taken back by its recovery key.

use serde_json::json;

use crate::kern::{Home, until};

#[test]
fn a_member_takes_a_workspace_back_whose_owner_is_lost_and_the_owner_is_told() {
    // SPEC: CTL-9, KEY-9
    let [laptop, edge, phone] = [Home::new(), Home::new(), Home::new()];
    laptop.init("home").done();
    let recovery = laptop.file("home.recovery");
    let recovery = recovery.to_str().unwrap();
    let lost = laptop.up();
    let _edge = edge.up();
    laptop.pair(&edge, "edge", "member");
    laptop.run(&["doc", "set", "notes/a", "1"]).done();
    until("the edge has it", || (edge.get("notes/a") == 1).then_some(()));
    lost.kill();

    edge.run(&["invite", "--role", "member"]).refused(5, "member");
    let other = edge.file("other.recovery");
    let other = other.to_str().unwrap();
    edge.run(&["init", "other", "--device", "edge", "--recovery-file", other]).done();
    let rescue = |file: &str| {
        let args = ["rescue", "--recovery-file", file, "--device", "edge", "--workspace", "home"];
        edge.run(&[&args[..], &["--json"]].concat())
    };
    rescue(other).refused(5, "not the recovery key");
    rescue("nowhere").refused(1, "nowhere");
    let rescued = rescue(recovery).json();
    assert_eq!(rescued["settled"], json!(["laptop"]));
    assert_eq!(rescued["device"], "edge");

    let _phone = phone.up();
    edge.pair_into("home", &phone, "phone", "member");
    until("the phone has the old and the new", || (phone.get("notes/a") == 1).then_some(()));

    let _laptop = laptop.up();
    until("the laptop hears that it is out", || (laptop.status()["revoked"] == true).then_some(()));
    laptop.run(&["doc", "set", "notes/b", "2"]).refused(5, "no member");
}

#[test]
fn an_owner_that_a_thief_revoked_comes_back_by_the_recovery_key_over_the_network() {
    // SPEC: CTL-9, INTRO-2
    let [laptop, edge, phone] = [Home::new(), Home::new(), Home::new()];
    laptop.init("home").done();
    let recovery = laptop.file("home.recovery");
    let nodes = [laptop.up(), edge.up(), phone.up()];
    laptop.pair(&edge, "edge", "member");
    laptop.pair(&phone, "phone", "owner");
    phone.run(&["revoke", "laptop", "--reason", "stolen"]).done();
    until("the laptop hears that it is out", || (laptop.status()["revoked"] == true).then_some(()));
    let args = ["rescue", "--recovery-file", recovery.to_str().unwrap(), "--device", "laptop"];
    laptop.run(&args).done();
    until("the thief hears that it is out", || (phone.status()["revoked"] == true).then_some(()));
    laptop.run(&["doc", "set", "notes/a", "1"]).done();
    until("the edge hears the laptop again", || (edge.get("notes/a") == 1).then_some(()));
    phone.run(&["doc", "set", "notes/b", "2"]).refused(5, "no member");
    drop(nodes);
}
