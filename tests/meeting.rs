//! Devices that meet, as people use them: real processes, QUIC over loopback, pairing by code.

use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use crate::kern::{Home, Node, until};

/// A laptop with a phone and an edge server that it paired, all running.
fn three() -> ([Home; 3], [Node; 3]) {
    let homes = [Home::with_workspace(), Home::new(), Home::new()];
    let nodes = [homes[0].up(), homes[1].up(), homes[2].up()];
    homes[0].pair(&homes[1], "phone", "member");
    homes[0].pair(&homes[2], "edge", "member");
    (homes, nodes)
}

/// All hold the same, and say so.
fn agree(homes: &[&Home]) -> Json {
    until("one state hash on all devices", || {
        let hashes: Vec<_> = homes.iter().map(|home| home.status()["state_hash"].clone()).collect();
        let same = hashes.iter().all(|hash| hash.is_string() && *hash == hashes[0]);
        same.then(|| hashes[0].clone())
    })
}

#[test]
fn what_is_written_apart_converges_and_a_conflict_is_decided_once() {
    let (homes, _nodes) = three();
    let [laptop, phone, edge] = &homes;
    laptop.run(&["doc", "set", "notes/plan", "\"before\""]).done();
    agree(&[laptop, phone, edge]);
    assert_eq!(phone.run(&["offline", "--json"]).json(), json!({ "online": false }));
    laptop.run(&["doc", "set", "notes/plan", "\"by laptop\""]).done();
    phone.run(&["doc", "set", "notes/plan", "\"by phone\""]).done();
    phone.run(&["doc", "set", "notes/phone", "1"]).done();
    edge.run(&["doc", "set", "notes/edge", "2"]).done();
    assert_eq!(phone.run(&["online", "--json"]).json(), json!({ "online": true }));
    agree(&[laptop, phone, edge]);
    assert_eq!(laptop.get("notes/phone"), 1);
    assert_eq!(phone.get("notes/edge"), 2);

    let lists = homes.each_ref().map(|home| home.run(&["conflicts", "--json"]).json());
    assert!(lists.iter().all(|list| *list == lists[0]), "{lists:?}");
    let conflict = &lists[0][0];
    assert_eq!((&conflict["path"], &conflict["base"]), (&json!("notes/plan"), &json!("before")));
    let sides = conflict["sides"].as_array().unwrap();
    let mut devices: Vec<_> = sides.iter().map(|side| side["device"].as_str().unwrap()).collect();
    devices.sort_unstable();
    assert_eq!(devices, ["laptop", "phone"]);
    assert!(conflict["why"].as_str().unwrap().contains("past"));
    let status = edge.status();
    assert_eq!((&status["conflicts"], &status["online"]), (&json!(1), &json!(true)));
    let peers = status["peers"].as_array().unwrap();
    assert!(peers.iter().any(|peer| peer["device"] == "laptop" && peer["path"].is_string()));
    assert_eq!(edge.run(&["conflicts", "--exit-code"]).code, 4);

    let kept = sides.iter().find(|side| side["device"] == "phone").unwrap();
    let (id, letter) = (conflict["id"].as_str().unwrap(), kept["side"].as_str().unwrap());
    edge.run(&["conflicts", "resolve", &id[..4], "--keep", letter]).done();
    agree(&[laptop, phone, edge]);
    assert_eq!(laptop.get("notes/plan"), "by phone");
    assert_eq!(laptop.run(&["conflicts", "--json"]).json(), json!([]));
    laptop.run(&["conflicts", "resolve", id, "--keep", "A"]).refused(1, "no open conflict");
}

#[test]
fn devices_that_a_third_one_paired_find_each_other_when_it_is_gone() {
    // SPEC: SYNC-7
    let (homes, nodes) = three();
    let [laptop, phone, edge] = &homes;
    agree(&[laptop, phone, edge]);
    let [laptop_node, _phone_node, _edge_node] = nodes;
    assert!(laptop_node.terminate().success());
    phone.run(&["doc", "set", "notes/a", "\"without laptop\""]).done();
    until("the edge hears the phone", || (edge.get("notes/a") == "without laptop").then_some(()));
    let _laptop_node = laptop.up();
    agree(&[laptop, phone, edge]);
}

#[test]
fn a_device_gets_in_where_nobody_heard_of_its_grant() {
    // SPEC: INTRO-1, INTRO-4
    let homes = [Home::with_workspace(), Home::new(), Home::new()];
    let [laptop, phone, edge] = &homes;
    let (laptop_node, edge_node) = (laptop.up(), edge.up());
    laptop.pair(edge, "edge", "member");
    agree(&[laptop, edge]);
    assert!(edge_node.terminate().success());

    let _phone_node = phone.up();
    laptop.pair(phone, "phone", "member");
    agree(&[laptop, phone]);
    assert!(laptop_node.terminate().success());
    phone.run(&["doc", "set", "notes/cafe", "1"]).done();

    let _edge_node = edge.up();
    agree(&[phone, edge]);
    assert_eq!(edge.get("notes/cafe"), 1);
    edge.run(&["doc", "set", "notes/home", "2"]).done();
    until("the phone hears it", || (phone.get("notes/home") == 2).then_some(()));
    let devices = edge.run(&["devices", "--json"]).json();
    let is_phone = |row: &Json| row["device"] == "phone" && row["state"] != "revoked";
    assert!(devices.as_array().unwrap().iter().any(is_phone), "{devices}");
}

#[test]
fn who_is_known_in_one_workspace_gets_into_another_by_its_grant() {
    // SPEC: INTRO-1
    let homes = [Home::with_workspace(), Home::new(), Home::new()];
    let [laptop, phone, edge] = &homes;
    laptop.init("work").done();
    let (laptop_node, _phone_node, edge_node) = (laptop.up(), phone.up(), edge.up());
    laptop.pair_into("home", edge, "edge", "member");
    laptop.pair_into("work", edge, "edge", "member");
    laptop.pair_into("home", phone, "phone", "member");
    until("the edge knows the phone at home", || {
        let devices = edge.run(&["devices", "--workspace", "home", "--json"]).json();
        devices.as_array()?.iter().any(|row| row["device"] == "phone").then_some(())
    });
    assert!(edge_node.terminate().success());

    laptop.pair_into("work", phone, "phone", "member");
    assert!(laptop_node.terminate().success());
    phone.run(&["doc", "set", "notes/a", "1", "--workspace", "work"]).done();
    let _edge_node = edge.up();
    until("the edge hears the phone at work", || {
        let ran = edge.run(&["doc", "get", "notes/a", "--workspace", "work", "--json"]);
        (ran.code == 0 && ran.json()["value"] == 1).then_some(())
    });
}

#[test]
fn a_device_that_is_killed_catches_up() {
    let (homes, nodes) = three();
    let [laptop, phone, edge] = &homes;
    let [_laptop_node, phone_node, _edge_node] = nodes;
    phone.run(&["doc", "set", "notes/a", "1"]).done();
    phone_node.kill();
    laptop.run(&["doc", "set", "notes/b", "2"]).done();
    let _phone_node = phone.up();
    phone.run(&["doc", "set", "notes/c", "3"]).done();
    agree(&[laptop, phone, edge]);
    assert_eq!(edge.get("notes"), json!({ "a": 1, "b": 2, "c": 3 }));
}

/// What a device knows of another.
fn peer(home: &Home, name: &str) -> Json {
    let status = home.status();
    let peer = status["peers"].as_array().unwrap().iter().find(|peer| peer["device"] == name);
    peer.unwrap().clone()
}

#[test]
fn what_a_device_holds_is_known_by_its_receipt_also_when_it_is_gone() {
    // SPEC: RCPT-5
    let (homes, nodes) = three();
    let [laptop, phone, edge] = &homes;
    let [laptop_node, phone_node, _edge_node] = nodes;
    phone.run(&["doc", "set", "notes/a", "1"]).done();
    laptop.run(&["doc", "set", "notes/b", "2"]).done();
    agree(&[laptop, phone, edge]);
    let known = until("the laptop knows that the phone holds everything", || {
        let peer = peer(laptop, "phone");
        (peer["acked"] == peer["of"] && peer["path"].is_string()).then_some(peer)
    });
    assert_eq!(known["of"], laptop.status()["events"]);
    assert!(known["last_seen_s"].is_u64());
    phone_node.kill();
    let gone = until("the laptop sees that the phone is gone", || {
        let peer = peer(laptop, "phone");
        peer["path"].is_null().then_some(peer)
    });
    assert_eq!((&gone["acked"], &gone["of"]), (&known["acked"], &known["of"]));

    laptop.run(&["doc", "set", "notes/c", "3"]).done();
    let lacking = until("the edge holds what the phone lacks", || {
        let edge = peer(laptop, "edge");
        (edge["acked"] == edge["of"]).then(|| peer(laptop, "phone"))
    });
    assert_eq!(lacking["acked"], known["acked"]);
    let of = lacking["of"].as_u64().unwrap();
    assert_eq!(of, known["of"].as_u64().unwrap() + 1);
    let text = laptop.run(&["status"]);
    let told = format!("phone {}/{of}", known["acked"]);
    assert!(text.done().contains("known on") && text.done().contains(&told), "{}", text.done());
    assert!(text.done().contains("phone: not connected, last seen"), "{}", text.done());

    // It is on the disk, and needs nobody.
    assert!(laptop_node.terminate().success());
    let _laptop_node = laptop.up();
    assert_eq!(peer(laptop, "phone")["acked"], known["acked"]);
    assert!(peer(laptop, "phone")["last_seen_s"].is_null());
}

#[test]
fn a_revoked_device_is_told_so_and_its_edits_stay_out() {
    // SPEC: SYNC-6, AUTH-17, INTRO-6
    let (homes, _nodes) = three();
    let [laptop, phone, edge] = &homes;
    phone.run(&["doc", "set", "notes/good", "1"]).done();
    agree(&[laptop, phone, edge]);
    phone.run(&["offline"]).done();
    phone.run(&["doc", "set", "notes/evil", "1"]).done();
    laptop.run(&["revoke", "phone", "--reason", "left on the train"]).done();
    until("the edge hears of it", || {
        let devices = edge.run(&["devices", "--json"]).json();
        let phone = devices.as_array()?.iter().find(|row| row["device"] == "phone")?;
        (phone["state"] == "revoked").then_some(())
    });
    phone.run(&["online"]).done();
    until("the phone is told", || (phone.status()["revoked"] == true).then_some(()));
    phone.run(&["doc", "set", "notes/more", "1"]).refused(5, "no member");
    // What it wrote before it was told is handed over, and kept apart.
    until("one of them has what it wrote", || {
        let is_apart = |row: &Json| row["verdict"] == "quarantined";
        [laptop, edge].iter().any(|home| home.log().iter().any(is_apart)).then_some(())
    });
    until("the phone says so", || {
        let said = |row: &Json| row["reason"] == "tail_taken: 1 of 1";
        phone.log().iter().any(said).then_some(())
    });
    laptop.run(&["doc", "set", "notes/after", "2"]).done();
    agree(&[laptop, edge]);
    assert_eq!(edge.get("notes"), json!({ "good": 1, "after": 2 }));
    edge.run(&["invite", "--json"]).refused(5, "may not let in");
    laptop.run(&["revoke", "laptop"]).refused(1, "last owner");
    laptop.run(&["revoke", "toaster"]).refused(1, "no device is named");
}

#[test]
fn a_node_that_pairs_stops_when_told() {
    let (laptop, phone) = (Home::with_workspace(), Home::new());
    let (laptop_node, phone_node) = (laptop.up(), phone.up());
    let mut invite = laptop.talk(&["invite", "--json"]);
    let token = invite.line()["token"].as_str().unwrap().to_owned();
    let mut join = phone.talk(&["join", &token, "--device", "phone", "--json"]);
    invite.say(join.line()["check_code"].as_str().unwrap());
    assert!(invite.line()["granted"].is_string());
    // Mostly the history has not come by now, and never does; and `join` waits for it.
    laptop_node.kill();
    let begin = Instant::now();
    assert!(phone_node.terminate().success());
    let edge = Home::with_workspace();
    let edge_node = edge.up();
    let mut invite = edge.talk(&["invite", "--json"]);
    assert!(invite.line()["token"].is_string());
    assert!(edge_node.terminate().success());
    assert!(begin.elapsed() < Duration::from_secs(18), "{:?}", begin.elapsed());
}

/// The token with the letter in its middle changed. Not the last one: it may hold bits that no
/// byte needs, and other ones there are no base32 at all.
fn with_another_letter(token: &str) -> String {
    let middle = token.len() / 2;
    let other = if token[middle..].starts_with('A') { 'B' } else { 'A' };
    format!("{}{other}{}", &token[..middle], &token[middle + 1..])
}

#[test]
fn who_may_not_come_in_is_refused_with_the_reason_and_nothing_changes() {
    // SPEC: PAIR-8, PAIR-10, PAIR-14
    let (laptop, phone) = (Home::with_workspace(), Home::new());
    let (_laptop_node, _phone_node) = (laptop.up(), phone.up());
    let events = laptop.status()["events"].clone();
    let refused = |home: &Home, token: &str| {
        let mut join = home.talk(&["join", token, "--device", "phone", "--json"]);
        let reason = join.line()["refused"].as_str().unwrap().to_owned();
        // What is no token is asked wrongly; nobody refuses it.
        assert_eq!(join.end(), if reason.starts_with("token_") { 2 } else { 5 }, "{reason}");
        reason
    };
    assert_eq!(refused(&phone, "hello"), "token_foreign");

    let mut invite = laptop.talk(&["invite", "--json"]);
    let token = invite.line()["token"].as_str().unwrap().to_owned();
    assert_eq!(refused(&laptop, &token), "own_token");
    assert_eq!(refused(&phone, &with_another_letter(&token)), "token_checksum");
    let mut join = phone.talk(&["join", &token, "--device", "phone", "--json"]);
    let code: u8 = join.line()["check_code"].as_str().unwrap().parse().unwrap();
    invite.say(&format!("{:02}", (code + 1) % 100));
    assert_eq!(invite.line()["refused"], "wrong_check_code");
    assert_eq!(join.line()["refused"], "wrong_check_code");
    assert_eq!((invite.end(), join.end()), (5, 5));
    let reused = refused(&phone, &token);
    assert!(["wrong_check_code", "invitation_burned"].contains(&reused.as_str()), "{reused}");

    let mut short = laptop.talk(&["invite", "--ttl", "1", "--json"]);
    assert!(short.line()["token"].is_string());
    assert_eq!(short.line()["refused"], "invitation_expired");
    assert_eq!(short.ended(), 5, "nobody came, and nobody had to type anything");

    assert_eq!(laptop.status()["events"], events);
    let notices = laptop.notices();
    let wrong = notices.iter().find(|row| row["reason"] == "pairing_refused: wrong_check_code");
    let wrong = wrong.unwrap_or_else(|| panic!("{notices:?}"));
    assert_eq!((&wrong["kind"], &wrong["id"]), (&json!("notice"), &json!(null)));
    let audit = std::fs::read_to_string(laptop.path().join("audit.jsonl")).unwrap();
    assert!(audit.lines().any(|line| line.contains("\"refused\":\"wrong_check_code\"")), "{audit}");
    for (home, code) in
        [(&laptop, "own_token"), (&phone, "token_foreign"), (&phone, "token_checksum")]
    {
        let audit = std::fs::read_to_string(home.path().join("audit.jsonl")).unwrap();
        assert!(audit.contains(&format!("\"refused\":\"{code}\"")), "{code}: {audit}");
    }
    assert_eq!(phone.run(&["workspace", "list", "--json"]).json(), json!([]));
}

#[test]
fn an_invitation_that_expires_while_nobody_types_the_digits_ends_both_commands() {
    // SPEC: PAIR-12
    let (laptop, phone) = (Home::with_workspace(), Home::new());
    let _nodes = [laptop.up(), phone.up()];
    // Long enough for the other device to come to its digits on a machine that has much to do.
    let mut invite = laptop.talk(&["invite", "--ttl", "10", "--json"]);
    let token = invite.line()["token"].as_str().unwrap().to_owned();
    let mut join = phone.talk(&["join", &token, "--device", "phone", "--json"]);
    assert!(join.line()["check_code"].is_string());
    for command in [&mut invite, &mut join] {
        assert_eq!(command.line(), json!({ "refused": "invitation_expired" }));
        assert_eq!(command.ended(), 5);
    }
    assert_eq!(laptop.run(&["devices", "--json"]).json().as_array().unwrap().len(), 1);
}

#[test]
fn a_name_that_was_taken_since_the_invitation_is_given_to_nobody_else() {
    // SPEC: PAIR-13, PAIR-15, PAIR-18
    let homes = [Home::with_workspace(), Home::new(), Home::new()];
    let _nodes = homes.each_ref().map(Home::up);
    let [laptop, first, second] = &homes;
    // Both invitations are open before either name is taken.
    let mut invites = [0, 1].map(|_| laptop.talk(&["invite", "--json"]));
    let tokens = invites.each_mut().map(|invite| invite.line()["token"].clone());
    let mut joins = [(first, &tokens[0]), (second, &tokens[1])].map(|(home, token)| {
        home.talk(&["join", token.as_str().unwrap(), "--device", "phone", "--json"])
    });
    let codes = joins.each_mut().map(|join| join.line()["check_code"].clone());
    invites[0].say(codes[0].as_str().unwrap());
    assert!(invites[0].line()["granted"].is_string());
    invites[1].say(codes[1].as_str().unwrap());
    assert_eq!(invites[1].line()["refused"], "name_used");
    assert_eq!(joins[1].line()["refused"], "name_used");
    assert_eq!(joins[0].line()["device"], "phone");

    let devices = laptop.run(&["devices", "--json"]).json();
    assert_eq!(devices.as_array().unwrap().len(), 2, "{devices}");
    let reasons = until("both attempts stand in the log", || {
        let notices = laptop.notices();
        let reasons: Vec<_> = notices.iter().map(|row| row["reason"].clone()).collect();
        (reasons.len() == 2).then_some(reasons)
    });
    assert_eq!(reasons, ["pairing_granted", "pairing_refused: name_used"]);
}

#[test]
fn what_became_of_an_invitation_is_told_every_time_as_it_was() {
    // SPEC: PAIR-9
    let (laptop, phone) = (Home::with_workspace(), Home::new());
    let _nodes = [laptop.up(), phone.up()];
    for _ in 0..5 {
        let mut invite = laptop.talk(&["invite", "--json"]);
        let token = invite.line()["token"].as_str().unwrap().to_owned();
        let mut join = phone.talk(&["join", &token, "--device", "phone", "--json"]);
        let code = join.line()["check_code"].as_str().unwrap().to_owned();
        invite.say(if code == "00" { "01" } else { "00" });
        let refused = json!({ "refused": "wrong_check_code" });
        assert_eq!((invite.line(), invite.end()), (refused.clone(), 5));
        assert_eq!((join.line(), join.end()), (refused, 5));
    }
}

#[test]
fn an_invitation_ends_where_nobody_can_type() {
    let laptop = Home::with_workspace();
    let _node = laptop.up();
    let begin = std::time::Instant::now();
    let ran = laptop.run(&["invite", "--ttl", "300", "--json"]);
    assert_eq!(ran.code, 5, "{}", ran.stderr);
    assert!(ran.stdout.ends_with("{\"refused\":\"cancelled\"}\n"), "{}", ran.stdout);
    assert!(begin.elapsed().as_secs() < 100, "it did not wait for the end of the invitation");
}
