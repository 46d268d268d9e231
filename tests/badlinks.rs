//! Two computers on a network that loses, delays and misleads their packets agree all the same.
//!
//! The packet filter loses packets, a token bucket makes the cable slow. What delays every packet
//! by a fixed time (`netem`) is no part of every kernel and is not used.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::disks;
use crate::kern::{Node, until};
use crate::network::{Computer, Lan, Way, agree};

/// Texts of each of both, as long as one change may hold.
const TEXTS: usize = 3;
const LETTERS: usize = 9_000;

/// Letters that do not become shorter by packing them (a linear congruential generator).
fn noise(seed: usize) -> String {
    let mut state = seed as u64;
    let letter = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'#' + u8::try_from(state >> 58).unwrap() % 56)
    };
    std::iter::repeat_with(letter).take(LETTERS).collect()
}

struct Pair {
    lan: Lan,
    laptop: Computer,
    server: Computer,
    nodes: Vec<Node>,
}

impl Pair {
    fn new() -> Self {
        Self::by(Way::Usual)
    }

    fn by(way: Way) -> Self {
        let lan = Lan::new();
        let ([laptop, server], nodes) = lan.members_by(way, ["10.77.0.1/24", "10.77.0.2/24"]);
        Self { lan, laptop, server, nodes: nodes.into() }
    }

    fn both(&self) -> [&Computer; 2] {
        [&self.laptop, &self.server]
    }

    /// Both agree on tens of kilobytes from either, which small packets alone do not carry.
    #[track_caller]
    fn agree_on_much(&self, note: &str) {
        for (at, computer) in self.both().iter().enumerate() {
            for text in 0..TEXTS {
                let path = format!("notes/much_{note}_{at}_{text}");
                computer.home.run(&["doc", "set", &path, &format!("\"{}\"", noise(text))]).done();
            }
        }
        agree(self.both(), note);
        for (at, computer) in self.both().iter().enumerate() {
            let other = computer.home.get(&format!("notes/much_{note}_{}_0", 1 - at));
            assert!(other == noise(0), "it came whole");
        }
    }

    /// Neither reaches the other for a while.
    fn part(&self) {
        self.lan.cable("server", "down");
        until("both notice", || {
            self.both().iter().all(|computer| computer.peer("path").is_null()).then_some(())
        });
        self.lan.cable("server", "up");
    }
}

fn agree_though_of_three_packets_one_is_lost(way: Way) {
    let pair = Pair::by(way);
    for computer in pair.both() {
        computer.drops("numgen random mod 100 < 30");
    }
    pair.agree_on_much("lossy");
    pair.part();
    pair.agree_on_much("again");
}

#[test]
fn of_three_packets_one_is_lost_and_they_agree_and_find_each_other_again() {
    // SPEC: LINK-1, LINK-4
    agree_though_of_three_packets_one_is_lost(Way::Usual);
}

#[test]
fn by_plain_quic_of_three_packets_one_is_lost_and_they_agree_too() {
    // SPEC: LINK-3, LINK-4
    agree_though_of_three_packets_one_is_lost(Way::Fixed);
}

#[test]
fn large_packets_vanish_without_a_word_and_they_agree() {
    // SPEC: LINK-1
    let mut pair = Pair::new();
    for computer in pair.both() {
        computer.drops("ip length > 1280");
    }
    // The size that was found to pass does not pass any more.
    pair.agree_on_much("hole");
    // Who starts anew finds out anew what passes.
    pair.nodes.remove(1).kill();
    pair.nodes.push(pair.server.up());
    pair.agree_on_much("anew");
}

#[test]
fn a_slow_cable_that_loses_some_and_no_large_packets_carries_what_both_wrote() {
    // SPEC: LINK-1
    let pair = Pair::new();
    for computer in pair.both() {
        computer.drops("ip length > 1280");
        computer.drops("numgen random mod 100 < 10");
        let tc = "qdisc add dev eth0 root tbf rate 256kbit burst 8k latency 600ms";
        let tc = computer.namespace.command("tc").args(tc.split(' ')).status().unwrap();
        assert!(tc.success());
    }
    pair.agree_on_much("slow");
    pair.part();
    pair.agree_on_much("again");
}

#[test]
fn a_cable_that_comes_and_goes_every_second_keeps_nobody_from_agreeing() {
    // SPEC: LINK-1, LINK-4
    let pair = Pair::new();
    let (stop, stopped) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let lan = &pair.lan;
        scope.spawn(move || {
            // The seconds are the fault itself; nothing is waited for by them.
            let flaps = ["down", "up"].into_iter().cycle();
            for state in flaps {
                lan.cable("server", state);
                let second = stopped.recv_timeout(Duration::from_secs(1));
                if second != Err(mpsc::RecvTimeoutError::Timeout) {
                    return lan.cable("server", "up");
                }
            }
        });
        // Dropped with this closure, however it ends.
        let _stop = stop;
        pair.agree_on_much("flapping");
    });
    pair.agree_on_much("calm");
}

#[test]
fn cables_that_are_pulled_one_by_one_and_put_in_again_in_another_order_cost_nothing() {
    // SPEC: LINK-1, LINK-4
    let lan = Lan::new();
    let names = ["laptop", "server", "attic"];
    let at = |host: usize| format!("10.77.0.{}/24", host + 1);
    let computers: Vec<_> =
        (0..names.len()).map(|host| lan.computer(names[host], &[&at(host)])).collect();
    computers[0].home.init("home").done();
    let _nodes: Vec<_> = computers.iter().map(Computer::up).collect();
    for host in 1..names.len() {
        computers[0].home.pair(&computers[host].home, names[host], "member");
    }
    let homes: Vec<_> = computers.iter().map(|computer| &computer.home).collect();
    let write = |note: &str| {
        for (number, home) in homes.iter().enumerate() {
            home.run(&["doc", "set", &format!("notes/{note}_{number}"), "1"]).done();
        }
    };
    let orders = [[0, 1, 2, 2, 0, 1], [2, 0, 1, 1, 2, 0], [1, 2, 0, 0, 1, 2]];
    for (round, order) in orders.iter().enumerate() {
        let (pulled, put_in) = order.split_at(names.len());
        for (state, hosts) in [("down", pulled), ("up", put_in)] {
            for host in hosts {
                lan.cable(names[*host], state);
                write(&format!("{round}{state}{host}"));
            }
        }
        // Whoever was alone for long enough to be missed, and whoever was not.
        if round == 1 {
            pulled.iter().for_each(|host| lan.cable(names[*host], "down"));
            until("all are alone", || {
                let alone = |computer: &Computer| {
                    let peers = computer.home.status()["peers"].as_array().cloned();
                    peers.unwrap_or_default().iter().all(|peer| peer["path"].is_null())
                };
                computers.iter().all(alone).then_some(())
            });
            put_in.iter().for_each(|host| lan.cable(names[*host], "up"));
        }
        disks::agree(&homes);
        for home in &homes {
            for (number, host) in (0..names.len()).zip(put_in) {
                assert_eq!(home.get(&format!("notes/{round}up{host}_{number}")), 1);
            }
        }
    }
}

#[test]
fn a_router_that_forgets_whom_it_hides_is_made_up_for_without_another_pairing() {
    // SPEC: LINK-1
    let lan = Lan::new();
    lan.hides("192.168.7.1/24", "203.0.113.1/24", "20000-20999");
    let laptop = lan.computer("laptop", &["192.168.7.2/24"]);
    laptop.namespace.ip("route add default via 192.168.7.1");
    let server = lan.computer_at("outside", "server", &["203.0.113.2/24"]);
    server.home.init("home").done();
    let _nodes = [server.up(), laptop.up()];
    server.home.pair(&laptop.home, "roaming", "member");
    server.counts("rebound", "udp dport 30000-30999");
    agree([&server, &laptop], "paired");
    assert_eq!(server.counted("rebound"), 0);
    let notices = [server.home.notices(), laptop.home.notices()];
    lan.hides_by("203.0.113.1/24", "30000-30999");
    agree([&server, &laptop], "forgotten");
    assert!(server.counted("rebound") > 0, "the laptop is behind another port now");
    let joined = |row: &&serde_json::Value| row["kind"] == "grant";
    assert_eq!(server.home.log().iter().filter(joined).count(), 1);
    let after = [server.home.notices(), laptop.home.notices()];
    assert_eq!(after, notices, "and no attempt to pair or to be introduced");
}
