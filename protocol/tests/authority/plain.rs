//! What follows the newest event of its chain is not judged again where nothing is in doubt: it
//! comes to the same as if it were, whatever was forked, cut or brought back before it.

use kernelos_protocol::authority::Refusal;
use kernelos_protocol::role::Role::{Member, Owner};

use super::adapter::{Lanes, Shape, device_id, devices};
use super::model::{History, Mask, bit, bits};
use super::random::worlds;
use super::story::{A, B, C, Content, E, Story};
use super::world::{World, Worlds};
use Content::{Firm, Out};

/// All of these, behind what was told, in an order in which chains go on as long as they can, as
/// runs do.
fn by_chains(h: &History, among: Mask, told: Mask) -> Vec<usize> {
    let (mut order, mut done): (Vec<usize>, Mask) = (Vec::new(), told);
    while done != among {
        let ready = || bits(among & !done).filter(|&e| h.events[e].past & !done == 0);
        let follows = |e: &usize| h.prev(*e).is_some() && h.prev(*e) == order.last().copied();
        let next = ready().find(follows).or_else(|| ready().next()).expect("the first of the rest");
        order.push(next);
        done |= bit(next);
    }
    order
}

fn assert_alike(h: &History, one: &Lanes, other: &Lanes) {
    assert_eq!((one.admitted(), one.firm()), (other.admitted(), other.firm()));
    assert_eq!(one.heads(), other.heads());
    for device in devices(h).map(device_id) {
        assert_eq!(one.content.tips_of(&device), other.content.tips_of(&device));
        let tips = [one, other].map(|lanes| lanes.content.admitted_tips_of(&device));
        assert_eq!(tips[0], tips[1]);
    }
    assert_eq!(one.content.len(), other.content.len());
    for (a, b) in one.content.all().zip(other.content.all()) {
        assert_eq!(one.content.id(a), other.content.id(b));
        assert_eq!(one.content.heard_set(a), other.content.heard_set(b));
        assert_eq!(one.content.prev(a), other.content.prev(b));
        assert_eq!(one.content.role(&one.control, a), other.content.role(&other.control, b));
        for x in one.content.all() {
            assert_eq!(one.content.in_view(a, x), other.content.in_view(b, x));
            assert_eq!(one.content.in_past(a, x), other.content.in_past(b, x));
        }
    }
}

#[test]
fn what_follows_the_newest_event_comes_to_what_judging_it_comes_to() {
    // SPEC: AUTH-15, AUTH-16, AUTH-17
    let kinds = [Worlds::Plain, Worlds::Messy, Worlds::Rescued, Worlds::Restored, Worlds::Wide];
    let (mut followed, mut judged) = (0, 0);
    for seed in 0..worlds(500) {
        let world = World::new(seed, 4, None, kinds[seed as usize % kinds.len()]).run(50);
        let (h, refused) = world.h.cleaned();
        let h = h.chained();
        let (mut one, mut other) = (Lanes::default(), Lanes::default());
        // Half of them know what was revoked before they see the content.
        let control = if seed % 2 == 0 { h.everything() & h.control & !refused } else { 0 };
        let all = h.everything() & !refused;
        for e in by_chains(&h, control, 0).into_iter().chain(by_chains(&h, all, control)) {
            // Nothing is known of the newest event after that.
            other.content.control_changed(&other.control);
            assert_eq!(one.offer(&h, Shape::Chained, e), other.offer(&h, Shape::Chained, e));
        }
        assert_eq!(other.content.followed(), 0);
        followed += one.content.followed();
        judged += one.content.len() as u64 - one.content.followed();
        assert_alike(&h, &one, &other);
    }
    assert!(followed > 500 && judged > 500, "{followed} followed, {judged} did not");
}

/// A and B revoke each other, B with this cut, and by what C heard that of A counts: all who write
/// stand by what is known. Not so by what they heard, where that is the other one.
fn only_b_counts(cut: &[&str]) -> Story {
    let (mut s, tip) = Story::with(&[(B, Owner), (C, Member)]);
    s.revoke("rB", A, B, cut, &[&tip]);
    s.revoke("rA", B, A, &[], &[&tip]);
    s.join("j1", C, &["rA"]);
    s.check_counting(&["rA"]);
    s
}

// SPEC: AUTH-15, AUTH-16
#[test]
fn what_stands_within_a_cut_alone_by_what_it_heard_is_judged() {
    let mut s = only_b_counts(&["b1"]);
    s.write("b1", B, "", &[], &["gC"]);
    for (name, prev) in [("b2", "b1"), ("b3", "b2")] {
        s.write(name, B, prev, &[], &["rB"]);
        s.check_content(name, Firm);
    }
    assert!(s.in_view("b2", "b1") && s.in_view("b3", "b1"), "the cut ends behind it");
    assert!(!s.in_view("b3", "b2"));
}

// SPEC: AUTH-12, AUTH-13
#[test]
fn what_a_cut_waits_for_is_judged() {
    let mut s = only_b_counts(&["b3"]);
    for (name, prev) in [("b1", ""), ("b2", "b1"), ("b3", "b2")] {
        s.write(name, B, prev, &[], &["gC"]);
    }
    assert_eq!(s.content.followed(), 1);
    s.join("j2", C, &["rB"]);
    s.check_counting(&["rA", "rB"]);
    for name in ["b1", "b2", "b3"] {
        s.check_content(name, Firm);
    }
    assert!(s.content.missing_cuts(&s.control).is_empty());
}

// SPEC: AUTH-15, AUTH-16
#[test]
fn what_heard_more_than_the_newest_is_judged() {
    let mut s = only_b_counts(&[]);
    s.write("b1", B, "", &[], &["gC"]);
    s.write("b2", B, "b1", &[], &["rB"]);
    assert!(!s.in_view("b2", "b1"));
    assert_eq!(s.content.followed(), 0);
}

// SPEC: AUTH-16
#[test]
fn what_follows_one_that_excluded_something_excludes_it_too() {
    let mut s = only_b_counts(&[]);
    s.write("b1", B, "", &[], &["gC"]);
    s.write("c1", C, "", &["b1"], &["rB"]);
    s.write("c2", C, "c1", &[], &["rB"]);
    s.check_content("c1", Firm);
    assert!(!s.in_view("c1", "b1") && !s.in_view("c2", "b1"));
}

// SPEC: AUTH-12, AUTH-17
#[test]
fn what_follows_one_that_is_out_is_out() {
    let (mut s, tip) = Story::with(&[(B, Member), (C, Member)]);
    s.write("b1", B, "", &[], &[&tip]);
    s.revoke("rB", A, B, &["b1"], &[&tip]);
    for (name, prev) in [("b2", "b1"), ("b3", "b2")] {
        s.write(name, B, prev, &[], &[&tip]);
        s.check_content(name, Out);
    }
    s.check_heads(&["b1"]);
}

// SPEC: AUTH-18, AUTH-20
#[test]
fn what_goes_on_elsewhere_than_the_newest_is_judged() {
    let (mut s, tip) = Story::with(&[(B, Member), (C, Member)]);
    s.write("c1", C, "", &[], &[&tip]);
    s.write("b1", B, "", &[], &[&tip]);
    assert_eq!(s.try_write("e1", E, "b1", &[], &[&tip]), Err(Refusal::NotMember));
    s.write("b1 once more", B, "", &[], &[&tip]);
    s.write("b2", B, "b1 once more", &[], &[&tip]);
    s.write("fork", B, "b1 once more", &[], &[&tip]);
    assert!(!s.in_view("fork", "b2") && !s.in_view("b2", "b1"));
    s.write("b3", B, "fork", &["b2", "c1"], &[&tip]);
    assert!(s.in_view("b3", "c1") && s.in_view("b3", "b2"));
    s.check_heads(&["b1", "b3"]);
}
