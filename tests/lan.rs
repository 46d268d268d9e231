//! Computers on a network of their own find each other after whatever happens to it: the usual way,
//! and by plain QUIC between addresses that they were told.

use rustix::process::{Pid, Signal, kill_process};

use crate::kern::until;
use crate::network::{Lan, Way, agree};

/// What a network begins with, and how long its part of an address is.
const IPV4: (&str, u8) = ("10.77.0.", 24);
const IPV6: (&str, u8) = ("fd77::", 64);

fn meet_after_whatever_happens(way: Way, (network, bits): (&str, u8)) {
    let lan = Lan::new();
    let at = |number: u8| format!("{network}{number}/{bits}");
    let ([laptop, server], _nodes) = lan.members_by(way, [&at(1), &at(2)]);
    agree([&laptop, &server], "paired");
    assert_eq!(laptop.peer("path"), "lan");

    lan.cable("server", "down");
    until("the laptop notices that the cable is out", || {
        laptop.peer("path").is_null().then_some(())
    });
    for (computer, note) in [(&laptop, "alone"), (&server, "apart")] {
        computer.home.run(&["doc", "set", &format!("notes/{note}"), "2"]).done();
    }
    lan.cable("server", "up");
    agree([&laptop, &server], "cable");

    server.loses(&at(2));
    server.has(&at(9));
    agree([&laptop, &server], "moved");
    if way == Way::Fixed {
        // Who stays is the one that is found; so the next one that moves is told where that is.
        laptop.is_told(&at(9));
    }

    laptop.loses(&at(1));
    laptop.has(&at(8));
    agree([&laptop, &server], "moved_too");
}

#[test]
fn two_computers_on_one_network_pair_and_find_each_other_after_whatever_happens_to_it() {
    // SPEC: LINK-1
    meet_after_whatever_happens(Way::Usual, IPV4);
}

#[test]
fn by_plain_quic_they_find_each_other_after_whatever_happens_while_one_address_holds() {
    // SPEC: LINK-3
    meet_after_whatever_happens(Way::Fixed, IPV4);
}

#[test]
fn by_plain_quic_over_ipv6_they_find_each_other_after_a_cut_and_at_another_address() {
    // SPEC: LINK-3
    meet_after_whatever_happens(Way::Fixed, IPV6);
}

#[test]
fn two_computers_with_ipv6_alone_pair_and_agree() {
    // SPEC: LINK-1, LINK-3
    for way in [Way::Usual, Way::Fixed] {
        let lan = Lan::new();
        let ([laptop, server], _nodes) = lan.members_by(way, ["fd77::1/64", "fd77::2/64"]);
        agree([&laptop, &server], "paired");
    }
}

fn meet_after_one_is_not_heard(way: Way) {
    let lan = Lan::new();
    let ([laptop, server], _nodes) = lan.members_by(way, ["10.77.0.1/24", "10.77.0.2/24"]);
    for (computer, other) in [(&server, "10.77.0.1"), (&laptop, "10.77.0.2")] {
        // Its packets vanish on their way in: no send fails, on either side.
        computer.drops(&format!("ip saddr {other}"));
        until("both notice that one of them is not heard", || {
            (laptop.peer("path").is_null() && server.peer("path").is_null()).then_some(())
        });
        for at in [&laptop, &server] {
            at.home.run(&["doc", "set", "notes/apart", &format!("\"{other}\"")]).done();
        }
        computer.drops_nothing();
        agree([&laptop, &server], &format!("unheard{}", other.replace('.', "")));
    }
}

#[test]
fn what_reaches_the_other_in_one_direction_only_is_noticed_and_made_up_for() {
    // SPEC: LINK-1, LINK-4
    meet_after_one_is_not_heard(Way::Usual);
}

#[test]
fn by_plain_quic_one_direction_alone_is_noticed_and_made_up_for_too() {
    // SPEC: LINK-3, LINK-4
    meet_after_one_is_not_heard(Way::Fixed);
}

fn meet_after_one_slept(way: Way) {
    let lan = Lan::new();
    let ([laptop, server], nodes) = lan.members_by(way, ["10.77.0.1/24", "10.77.0.2/24"]);
    let pid = Pid::from_raw(nodes[0].pid().cast_signed()).unwrap();
    kill_process(pid, Signal::STOP).unwrap();
    until("the server notices", || server.peer("path").is_null().then_some(()));
    server.home.run(&["doc", "set", "notes/meanwhile", "1"]).done();
    kill_process(pid, Signal::CONT).unwrap();
    agree([&laptop, &server], "awake");
    assert_eq!(laptop.home.get("notes/meanwhile"), 1);
}

#[test]
fn a_computer_that_slept_goes_on_where_the_others_are() {
    // SPEC: LINK-1, LINK-3
    for way in [Way::Usual, Way::Fixed] {
        meet_after_one_slept(way);
    }
}
