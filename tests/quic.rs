//! Devices that meet at fixed addresses alone: real processes, plain QUIC over loopback.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

use serde_json::{Value as Json, json};

use crate::kern::{Home, Node, until};

/// An address that nobody has.
pub(crate) fn free() -> SocketAddr {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

/// A device whose only way to others is this address.
pub(crate) struct Fixed {
    pub(crate) home: Home,
    pub(crate) at: String,
}

impl Fixed {
    fn new(home: Home) -> Self {
        Self { home, at: free().to_string() }
    }

    pub(crate) fn up(&self) -> Node {
        self.home.up_as(&["--listen", "none", "--quic", &self.at])
    }

    /// What it says of its only peer.
    fn peer(&self, fact: &str) -> Json {
        self.home.status()["peers"][0][fact].clone()
    }
}

/// Two members that were paired by other ways, which are closed now.
pub(crate) fn two() -> [Fixed; 2] {
    let homes = [Home::with_workspace(), Home::new()];
    let nodes = homes.each_ref().map(Home::up);
    homes[0].pair(&homes[1], "server", "member");
    for node in nodes {
        assert!(node.terminate().success());
    }
    homes.map(Fixed::new)
}

/// Both wrote, and both hold what both wrote.
#[track_caller]
pub(crate) fn agree(both: [&Fixed; 2], note: &str) {
    for (number, fixed) in both.iter().enumerate() {
        fixed.home.run(&["doc", "set", &format!("notes/{note}{number}"), "1"]).done();
    }
    until(&format!("the same on both after {note}"), || {
        let [a, b] = both.map(|fixed| fixed.home.status());
        (a["state_hash"] == b["state_hash"] && a["events"] == b["events"]).then_some(())
    });
    for fixed in both {
        for number in 0..2 {
            assert_eq!(fixed.home.get(&format!("notes/{note}{number}")), 1, "{note}{number}");
        }
    }
}

fn kept(fixed: &Fixed) -> Json {
    fixed.home.run(&["peer", "list", "--json"]).json()
}

#[test]
fn members_that_know_one_fixed_address_agree_and_find_each_other_after_whatever_ends() {
    // SPEC: LINK-3
    let both = two();
    let [laptop, server] = &both;
    let agree = |note: &str| agree([laptop, server], note);
    let mut nodes = both.each_ref().map(Fixed::up);
    assert_eq!((laptop.peer("path"), kept(laptop)), (Json::Null, json!([])));
    laptop.home.run(&["doc", "set", "notes/alone", "1"]).done();

    let found = laptop.home.run(&["peer", "add", &server.at, "--json"]).json();
    let devices = laptop.home.run(&["devices", "--json"]).json();
    let id = devices.as_array().unwrap().iter().find(|row| row["device"] == "server").unwrap();
    assert_eq!(found, json!({ "id": id["id"], "path": "lan" }));
    agree("met");
    assert_eq!((laptop.peer("path"), server.peer("path")), (json!("lan"), json!("lan")));
    let row = json!([{ "address": server.at, "id": id["id"] }]);
    assert_eq!((kept(laptop), kept(server)), (row.clone(), json!([])));
    let again = laptop.home.run(&["peer", "add", &server.at, "--json"]).json();
    assert_eq!((again, kept(laptop)), (found, row), "asked twice it says the same");

    for number in [1, 0] {
        let [a, b] = nodes;
        let (dead, other) = if number == 0 { (a, b) } else { (b, a) };
        dead.kill();
        until("the other one notices", || both[1 - number].peer("path").is_null().then_some(()));
        both[1 - number].home.run(&["doc", "set", "notes/meanwhile", "1"]).done();
        let started = both[number].up();
        nodes = if number == 0 { [started, other] } else { [other, started] };
        agree(&format!("killed{number}"));
    }

    laptop.home.run(&["offline"]).done();
    until("the server is told", || server.peer("path").is_null().then_some(()));
    drop(UdpSocket::bind(&laptop.at).expect("offline gives the port back"));
    laptop.home.run(&["peer", "add", &server.at]).refused(1, "offline");
    laptop.home.run(&["online"]).done();
    agree("online");

    laptop.home.run(&["peer", "rm", &server.at]).done();
    assert_eq!(kept(laptop), json!([]));
    laptop.home.run(&["peer", "rm", &server.at]).refused(1, "not kept");
}

#[test]
fn an_address_is_kept_only_where_a_member_answers() {
    // SPEC: LINK-3
    let both = two();
    let [laptop, server] = &both;
    laptop.home.run(&["peer", "add", &server.at]).refused(3, "does not run");
    assert_eq!(laptop.home.run(&["peer", "add", "server:1"]).code, 2);
    laptop.home.run(&["up", "--listen", "none"]).refused(2, "--quic");
    let plain = laptop.home.up();
    laptop.home.run(&["peer", "add", &server.at]).refused(1, "--quic");
    assert!(plain.terminate().success());

    let stranger = Fixed::new(Home::with_workspace());
    let _nodes = [laptop.up(), stranger.up()];
    laptop.home.run(&["peer", "add", &server.at]).refused(7, "not reached");
    laptop.home.run(&["peer", "add", &stranger.at]).refused(5, "no other member");
    laptop.home.run(&["peer", "add", &laptop.at]).refused(5, "no other member");
    laptop.home.run(&["peer", "add", "0.0.0.0:0"]).refused(7, "not reached");
    laptop.home.run(&["invite"]).refused(1, "do not pair");
    stranger.home.run(&["join", "KOS1:", "--device", "x"]).refused(1, "do not pair");
    assert_eq!(kept(laptop), json!([]));

    let _server = server.up();
    laptop.home.run(&["peer", "add", &server.at, "--workspace", "work"]).refused(1, "no workspace");
    laptop.home.run(&["revoke", "server"]).done();
    laptop.home.run(&["peer", "add", &server.at]).refused(5, "no other member");
    assert_eq!(kept(laptop), json!([]));
}

#[test]
fn at_an_address_that_another_member_has_now_that_one_is_met() {
    // SPEC: LINK-3
    let homes = [Home::with_workspace(), Home::new(), Home::new()];
    let nodes = homes.each_ref().map(Home::up);
    homes[0].pair(&homes[1], "server", "member");
    homes[0].pair(&homes[2], "spare", "member");
    drop(nodes);
    let [laptop, server, mut spare] = homes.map(Fixed::new);
    spare.at.clone_from(&server.at);
    let _laptop = laptop.up();
    let first = server.up();
    laptop.home.run(&["peer", "add", &server.at]).done();
    agree([&laptop, &server], "first");
    first.kill();
    let second = spare.up();
    agree([&laptop, &spare], "replaced");
    let devices = laptop.home.run(&["devices", "--json"]).json();
    let row = devices.as_array().unwrap().iter().find(|row| row["device"] == "spare").unwrap();
    assert_eq!(kept(&laptop), json!([{ "address": server.at, "id": row["id"] }]));

    second.kill();
    laptop.home.run(&["revoke", "spare"]).done();
    let _third = server.up();
    agree([&laptop, &server], "revoked");
}

#[test]
fn two_ways_to_one_member_do_not_end_each_other() {
    // SPEC: LINK-3
    let homes = [Home::with_workspace(), Home::new()];
    let both = homes.map(Fixed::new);
    let up = |fixed: &Fixed| fixed.home.up_with(&["--quic", &fixed.at]);
    let mut nodes = both.each_ref().map(up);
    let [laptop, server] = &both;
    laptop.home.pair(&server.home, "server", "member");
    agree([laptop, server], "paired");
    laptop.home.run(&["peer", "add", &server.at]).done();
    server.home.run(&["peer", "add", &laptop.at]).done();
    for round in ["once", "twice", "thrice"] {
        let [first, second] = nodes;
        first.kill();
        until("the server notices", || server.peer("path").is_null().then_some(()));
        nodes = [up(laptop), second];
        agree([laptop, server], round);
    }
    assert_eq!(kept(laptop)[0]["address"], server.at);
    for home in [&laptop.home, &server.home] {
        let told = home.notices();
        assert!(told.iter().all(|notice| notice["reason"] == "pairing_granted"), "{told:?}");
    }
}

#[test]
fn an_address_that_this_computer_has_not_ends_the_start_where_nobody_is_met_yet_too() {
    // Nobody has it: RFC 5737.
    let elsewhere = "192.0.2.1:7447";
    for home in [Home::new(), Home::with_workspace()] {
        for options in [&["--quic", elsewhere][..], &["--listen", elsewhere]] {
            let ran = home.run(&[&["up"], options].concat());
            ran.refused(1, &format!("cannot bind {elsewhere}"));
            ran.refused(1, &format!("kern up {} ADDRESS:PORT", options[0]));
        }
    }
}
