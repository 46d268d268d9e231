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
    let bytes = edge.file("bytes");
    std::fs::write(&bytes, [0xff; 64]).unwrap();
    rescue(bytes.to_str().unwrap()).refused(1, "is no recovery file");
    let rescued = rescue(recovery).json();
    assert_eq!(rescued["settled"], json!(["laptop"]));
    assert_eq!((&rescued["workspace"], &rescued["device"]), (&json!("home"), &json!("edge")));

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

#[test]
fn a_device_that_is_readmitted_brings_back_what_it_wrote_apart() {
    // SPEC: CTL-8
    let [laptop, phone] = [Home::with_workspace(), Home::new()];
    let _nodes = [laptop.up(), phone.up()];
    laptop.pair(&phone, "phone", "member");
    phone.run(&["doc", "set", "notes/a", "1"]).done();
    until("the laptop has it", || (laptop.get("notes/a") == 1).then_some(()));
    phone.run(&["offline"]).done();
    for value in ["2", "3"] {
        phone.run(&["doc", "set", "notes/a", value]).done();
    }
    laptop.run(&["revoke", "phone"]).done();
    phone.run(&["online"]).done();
    let apart = || laptop.run(&["quarantine", "list", "--json"]).json();
    until("what it wrote is kept apart", || (apart()[0]["events"] == 2).then_some(()));
    assert_eq!(laptop.get("notes/a"), 1);
    laptop.run(&["readmit", "nobody"]).refused(1, "nobody");
    let back = laptop.run(&["readmit", "phone", "--json"]).json();
    let fields: Vec<_> = back.as_object().unwrap().keys().map(String::as_str).collect();
    let all = vec!["event", "events", "undo", "undo_reason"];
    assert_eq!((fields, &back["events"]), (all, &json!(2)));
    until("it counts again", || (laptop.get("notes/a") == 3).then_some(()));
    let event = back["event"].as_str().unwrap();
    assert_eq!(laptop.run(&["log", "--event", event, "--json"]).json()["kind"], "readmit");
    assert_eq!(phone.status()["revoked"], true, "its events came back, it did not");
}

#[test]
fn a_store_that_takes_a_workspace_back_reads_it_and_is_called_by_its_new_name() {
    // SPEC: CTL-9, KEY-9
    let [laptop, store, phone] = [Home::new(), Home::new(), Home::new()];
    laptop.init("home").done();
    let recovery = laptop.file("home.recovery");
    let lost = laptop.up();
    let _others = [store.up(), phone.up()];
    laptop.pair(&store, "box", "store");
    laptop.pair(&phone, "phone", "admin");
    laptop.run(&["doc", "set", "notes/a", "1"]).done();
    until("the phone has it", || (phone.get("notes/a") == 1).then_some(()));
    let written = laptop.status()["events"].clone();
    until("the store holds it", || (store.status()["events"] == written).then_some(()));
    lost.kill();
    let own = |home: &Home| {
        let devices = home.run(&["devices", "--json"]).json();
        let own = devices.as_array().unwrap().iter().find(|row| row["own"] == true).cloned();
        own.unwrap()["id"].as_str().unwrap().to_owned()
    };
    let (keep, id) = (own(&phone), own(&store));
    let rescue = |keep: &str| {
        let file = recovery.to_str().unwrap();
        let args = ["rescue", "--recovery-file", file, "--device", "keeper", "--keep", keep];
        store.run(&args)
    };
    // It knows no names: who is kept is told by how the id begins.
    rescue("phone").refused(1, "no device is named");
    rescue(&keep[..3]).refused(1, "no device is named");
    rescue(&keep[..8]).done();
    until("the store reads", || (store.get("notes/a") == 1).then_some(()));
    until("the phone knows the name", || {
        (phone.get(&format!("devices/{id}/name")) == "keeper").then_some(())
    });
    assert_eq!(phone.run(&["conflicts", "--json"]).json(), json!([]));
    assert_eq!(phone.run(&["devices", "--json"]).json().as_array().unwrap().len(), 3);
}
