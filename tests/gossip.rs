//! Devices that do not all reach each other, with gossip switched on: who is there, and that it is
//! heard again after the one between was away.

use serde_json::Value as Json;

use crate::kern::{Home, until};
use crate::network::{Computer, Lan};

const GOSSIP: &[&str] = &["--gossip", "--no-mdns"];

/// What this home says of a device.
fn said(home: &Home, name: &str, fact: &str) -> Json {
    let status = home.status();
    let peers = status["peers"].as_array().unwrap();
    peers.iter().find(|peer| peer["device"] == name).map_or(Json::Null, |peer| peer[fact].clone())
}

/// Seconds since a device was heard that is not connected.
fn heard(home: &Home, name: &str) -> Option<u64> {
    assert!(said(home, name, "path").is_null(), "{name} is connected");
    said(home, name, "heard")["ago_s"].as_u64()
}

/// Three members, of which the first and the last do not reach each other.
fn chain(lan: &Lan) -> [Computer; 3] {
    let names = ["laptop", "server", "phone"];
    let three = [0, 1, 2].map(|at: usize| {
        let computer = lan.computer(names[at], &[&format!("10.77.0.{}/24", at + 1)]);
        if at == 0 {
            computer.home.init("home").done();
        }
        computer
    });
    {
        let _nodes = three.each_ref().map(|computer| computer.up_with(GOSSIP));
        for at in [1, 2] {
            three[0].home.pair(&three[at].home, names[at], "member");
        }
        until("all have met", || (said(&three[1].home, "phone", "path") == "lan").then_some(()));
    }
    three[0].drops("ip saddr 10.77.0.3");
    three[2].drops("ip saddr 10.77.0.1");
    three
}

#[test]
fn who_does_not_reach_another_hears_of_it_and_again_after_the_one_between_was_away() {
    // SPEC: HINT-3, HINT-5
    let lan = Lan::new();
    let [laptop, server, phone] = chain(&lan);
    let _ends = [laptop.up_with(GOSSIP), phone.up_with(GOSSIP)];
    let between = server.up_with(GOSSIP);
    for (home, other) in [(&laptop.home, "phone"), (&phone.home, "laptop")] {
        until("the other end is heard", || heard(home, other));
        let shown = home.run(&["status"]);
        assert!(shown.done().contains("; heard by gossip 20"), "{}", shown.done());
    }
    assert!(said(&laptop.home, "server", "heard").is_null(), "whoever is linked is only linked");
    // What is written comes by the one between, as ever.
    phone.home.run(&["doc", "set", "notes/a", "7"]).done();
    until("the edit", || (laptop.home.get("notes/a") == 7).then_some(()));
    assert_eq!(said(&laptop.home, "phone", "heard")["is_ahead"], false);

    assert!(between.terminate().success());
    until("nothing is heard", || heard(&laptop.home, "phone").filter(|ago| *ago >= 5));
    let _between = server.up_with(GOSSIP);
    until("it is heard again", || heard(&laptop.home, "phone").filter(|ago| *ago < 5));
}

#[test]
fn without_gossip_nobody_is_heard_and_what_is_written_comes_all_the_same() {
    // SPEC: HINT-3
    let lan = Lan::new();
    let [laptop, server, phone] = chain(&lan);
    // They met with gossip on.
    let counters = |computer: &Computer| -> Vec<_> {
        let workspaces = computer.home.path().join("workspaces").read_dir().unwrap();
        let counters = workspaces.map(|folder| folder.unwrap().path().join("hints"));
        counters.filter(|counter| counter.exists()).collect()
    };
    counters(&laptop).iter().for_each(|counter| std::fs::remove_file(counter).unwrap());
    let off: &[&str] = &["--no-mdns"];
    let _nodes = [laptop.up_with(off), server.up_with(GOSSIP), phone.up_with(GOSSIP)];
    phone.home.run(&["doc", "set", "notes/a", "7"]).done();
    until("the edit", || (laptop.home.get("notes/a") == 7).then_some(()));
    until("the others say hints", || (counters(&phone).len() == 1).then_some(()));
    assert_eq!(heard(&laptop.home, "phone"), None);
    assert_eq!(counters(&laptop), [""; 0].map(std::path::PathBuf::from), "it says nothing");
}

#[test]
fn plain_quic_alone_carries_no_gossip_and_says_so() {
    // SPEC: HINT-3
    let home = Home::with_workspace();
    let args = ["up", "--gossip", "--listen", "none", "--quic", "127.0.0.1:0"];
    home.run(&args).refused(2, "plain QUIC carries no gossip");
}
