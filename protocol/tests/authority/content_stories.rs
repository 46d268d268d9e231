//! Rule 6 as stories.

use kernelos_protocol::authority::{ControlFact, Refusal};
use kernelos_protocol::role::Role::{Admin, Member, Observer, Owner, Runner, Store};

use super::story::{A, B, C, Content, D, E, Story, id, ids};
use Content::{Firm, GoodFaith, Out};

/// B wrote b1 and b2, of which the revoker A had admitted b1.
fn b_is_revoked_after_b1() -> Story {
    let (mut s, tip) = Story::with(&[(B, Member), (C, Member)]);
    s.write("b1", B, "", &[], &[&tip]);
    s.revoke("rB", A, B, &["b1"], &[&tip]);
    s.write("b2", B, "b1", &[], &[&tip]);
    s
}

// SPEC: AUTH-14, AUTH-20
#[test]
fn stores_observers_and_strangers_write_nothing() {
    let (mut s, tip) = Story::with(&[(B, Runner), (C, Observer), (D, Store)]);
    for (name, by) in [("a", A), ("b", B)] {
        s.write(name, by, "", &[], &[&tip]);
        s.check_content(name, Firm);
    }
    for (name, by) in [("c", C), ("d", D), ("e", E)] {
        let refused = s.try_write(name, by, "", &["a"], &[&tip]);
        assert_eq!(refused, Err(Refusal::NotMember), "{name}");
        s.write(&format!("{name} goes on"), A, "", &["a"], &[&tip]);
    }
}

// SPEC: AUTH-20
#[test]
fn only_a_grant_that_the_event_heard_lets_it_in() {
    let (mut s, _) = Story::with(&[(B, Member)]);
    assert_eq!(s.try_write("early", B, "", &[], &["g"]), Err(Refusal::NotMember));
    // What names it waits for what nobody keeps.
    assert_eq!(s.try_write("b1", B, "early", &[], &["gB"]), Err(Refusal::Missing(id("early"))));
    s.write("a1", A, "", &[], &["gB"]);
    s.write("b2", B, "", &["a1"], &["g"]);
    s.check_content("b2", Firm);
    s.check_heads(&["b2"]);
}

// SPEC: AUTH-20
#[test]
fn a_grant_lets_content_in_whether_it_takes_effect_or_not() {
    let (mut s, tip) = Story::with(&[(B, Owner), (C, Member)]);
    s.revoke("rB", A, B, &[], &[&tip]);
    s.grant("gD", B, D, Member, &[&tip]);
    s.check_in_effect("gD", false);
    s.write("d1", D, "", &[], &["gD"]);
    s.check_content("d1", Out);
    // To whom the revocation comes later it is no less an event, and may be kept in good faith.
    s.write("c1", C, "", &["d1"], &["gD"]);
    s.check_content("d1", GoodFaith);
    s.check_heads(&["c1"]);
    // Nor does a role below runner count for more by being in effect.
    s.grant("gE", A, E, Observer, &["rB"]);
    assert_eq!(s.try_write("e1", E, "", &[], &["gE"]), Err(Refusal::NotMember));
}

// SPEC: AUTH-12, AUTH-17
#[test]
fn backdated_content_of_a_revoked_device_is_quarantined() {
    let s = b_is_revoked_after_b1();
    s.check_content("b1", Firm);
    s.check_content("b2", Out);
    s.check_heads(&["b1"]);
}

// SPEC: AUTH-16, AUTH-17
#[test]
fn good_faith_keeps_what_an_honest_event_built_on() {
    let mut s = b_is_revoked_after_b1();
    s.write("c1", C, "", &["b2"], &["gC"]);
    s.check_content("b2", GoodFaith);
    s.check_content("c1", Firm);
    s.check_heads(&["c1"]);
    assert_eq!(s.content.admitted_tips_of(&B), ids(&["b2"]));
}

// SPEC: AUTH-16
#[test]
fn relaying_after_having_heard_the_revocation_admits_nothing() {
    let mut s = b_is_revoked_after_b1();
    s.write("c1", C, "", &["b2"], &["gC", "rB"]);
    s.write("a1", A, "", &["c1"], &["rB"]);
    s.check_content("b2", Out);
    s.check_content("c1", Firm);
    assert!(s.in_view("c1", "b1") && !s.in_view("c1", "b2"));
    assert!(!s.in_view("a1", "b2"), "nor does whoever builds on that");
    // It is still kept if someone admitted it before hearing.
    s.write("a2", A, "", &["b2"], &["gC"]);
    s.check_content("b2", GoodFaith);
}

// SPEC: AUTH-16
#[test]
fn what_a_firm_event_kept_in_good_faith_is_in_the_view_of_who_builds_on_both() {
    let mut s = b_is_revoked_after_b1();
    s.write("c1", C, "", &["b2"], &["gC"]);
    s.write("a1", A, "", &["b2", "c1"], &["rB"]);
    s.write("a2", A, "", &["b2"], &["rB"]);
    s.write("a3", A, "", &["a2", "c1"], &["rB"]);
    assert!(s.in_view("a1", "b2") && !s.in_view("a2", "b2") && s.in_view("a3", "b2"));
}

/// A and B revoke each other; C is the only witness. b1 is not within the cut.
fn b_is_disputed() -> Story {
    let (mut s, tip) = Story::with(&[(B, Owner), (C, Member)]);
    s.write("b1", B, "", &[], &[&tip]);
    s.revoke("rB", A, B, &[], &[&tip]);
    s.revoke("rA", B, A, &[], &[&tip]);
    s
}

// SPEC: AUTH-17
#[test]
fn event_that_a_newer_one_excluded_is_no_head() {
    let mut s = b_is_disputed();
    s.join("j1", C, &["rA"]);
    s.check_counting(&["rA"]);
    s.check_heads(&["b1"]);
    s.write("x", C, "", &["b1"], &["rB"]);
    assert!(!s.in_view("x", "b1"));
    s.check_content("b1", Firm);
    s.check_heads(&["x"]);

    // The same, judged anew.
    let mut s = b_is_disputed();
    s.write("x", C, "", &["b1"], &["rB"]);
    s.check_content("b1", Out);
    s.join("j1", C, &["rA"]);
    s.check_content("b1", Firm);
    s.check_heads(&["x"]);
}

// SPEC: AUTH-17
#[test]
fn view_reaches_behind_an_admitted_event_that_excluded() {
    let mut s = b_is_disputed();
    s.join("j1", C, &["rA"]);
    s.join("j2", C, &["rB"]);
    s.check_counting(&["rA", "rB"]);
    s.write("x", C, "", &["b1"], &["rB"]);
    s.check_content("b1", Out);
    s.write("e", C, "x", &[], &["j1"]);
    assert!(s.in_view("e", "b1"), "to its author rA was first, and rB did not count");
    s.check_content("b1", GoodFaith);
}

// SPEC: AUTH-14
#[test]
fn causal_regrant_returns_and_old_concurrent_content_stays_out() {
    let mut s = b_is_revoked_after_b1();
    s.grant("gB2", A, B, Member, &["rB"]);
    s.write("b3", B, "b2", &["b1"], &["gB2"]);
    s.check_content("b3", Firm);
    s.check_content("b2", Out);
    assert!(s.in_view("b3", "b1") && !s.in_view("b3", "b2"));
    s.check_heads(&["b3"]);
    s.check_members(&[(A, Owner), (B, Member), (C, Member)]);
}

// SPEC: AUTH-17
#[test]
fn revocation_that_arrives_late_lets_content_fall() {
    let (mut s, tip) = Story::with(&[(B, Member), (C, Member)]);
    s.write("b1", B, "", &[], &[&tip]);
    s.write("b2", B, "b1", &[], &[&tip]);
    s.check_content("b2", Firm);
    s.write("c1", C, "", &["b1"], &[&tip]);
    s.check_heads(&["b2", "c1"]);
    s.revoke("rB", A, B, &[], &[&tip]);
    s.check_content("b2", Out);
    s.check_content("b1", GoodFaith);
    s.check_heads(&["c1"]);
}

// SPEC: AUTH-12, AUTH-13
#[test]
fn cut_covers_nothing_until_the_named_event_is_here() {
    let (mut s, tip) = Story::with(&[(B, Member), (C, Member)]);
    s.write("b1", B, "", &[], &[&tip]);
    s.write("c1", C, "", &["b1"], &[&tip]);
    s.revoke("rB", A, B, &["b2"], &[&tip]);
    s.check_content("b1", GoodFaith);
    assert_eq!(s.content.missing_cuts(&s.control), ids(&["b2"]));
    s.write("a1", A, "", &["b1"], &["rB"]);
    assert!(!s.in_view("a1", "b1"), "its author seems to have known better");
    s.write("b2", B, "b1", &[], &[&tip]);
    s.check_content("b1", Firm);
    s.check_content("b2", Firm);
    assert!(s.in_view("a1", "b1"), "and had the named event");
    assert!(s.content.missing_cuts(&s.control).is_empty());
}

// SPEC: AUTH-12
#[test]
fn name_that_is_no_event_of_the_target_covers_nothing() {
    let (mut s, tip) = Story::with(&[(B, Member), (C, Member)]);
    s.write("b1", B, "", &[], &[&tip]);
    s.write("c1", C, "b1", &[], &[&tip]);
    s.write("b2", B, "c1", &[], &[&tip]);
    assert_eq!(s.content.admitted_tips_of(&B), ids(&["b1", "b2"]));
    s.revoke("rB", A, B, &["c1"], &[&tip]);
    s.check_content("b2", Out);
    s.check_content("b1", GoodFaith);
    s.revoke("rC", A, C, &["c1"], &["rB"]);
    s.check_content("c1", Firm);
}

// SPEC: AUTH-12, AUTH-18
#[test]
fn cut_names_the_tip_of_each_branch_of_a_fork() {
    let (mut s, tip) = Story::with(&[(B, Member), (C, Member)]);
    for (name, prev) in [("b1", ""), ("b2", "b1"), ("x2", "b1"), ("x3", "x2"), ("y3", "x2")] {
        s.write(name, B, prev, &[], &[&tip]);
        s.check_content(name, Firm);
    }
    assert_eq!(s.content.admitted_tips_of(&B), ids(&["b2", "x3", "y3"]));
    s.revoke("rB", A, B, &["y3"], &[&tip]);
    for (name, expected) in [("b1", Firm), ("b2", Out), ("x2", Firm), ("x3", Out), ("y3", Firm)] {
        s.check_content(name, expected);
    }
}

// SPEC: AUTH-15
#[test]
fn what_an_ancestor_heard_is_heard() {
    let (mut s, tip) = Story::with(&[(B, Member), (C, Member)]);
    s.revoke("rB", A, B, &[], &[&tip]);
    s.write("a1", A, "", &[], &["rB"]);
    s.write("b1", B, "", &[], &[&tip]);
    s.write("c1", C, "", &["a1", "b1"], &["gC"]);
    assert!(!s.in_view("c1", "b1"), "c1 heard of the revocation through a1");
    s.check_content("b1", Out);
}

// SPEC: AUTH-15
#[test]
fn content_waits_for_what_it_names() {
    let (mut s, tip) = Story::with(&[(B, Admin)]);
    let mut add = |prev: Option<&str>, parents: &[&str], heard: &[&str]| {
        let (prev, parents, heard) = (prev.map(id), ids(parents), ids(heard));
        s.content
            .add(&s.control, id("b"), B, prev, &parents, &heard)
            .map(|a| a.newly_admitted.len())
    };
    let missing = |name| Err(Refusal::Missing(id(name)));
    assert_eq!(add(Some("x"), &["y"], &["z"]), missing("x"));
    assert_eq!(add(None, &["y"], &["z"]), missing("y"));
    assert_eq!(add(None, &[], &[&tip, "z"]), missing("z"));
    assert_eq!(add(None, &[], &[&tip]), Ok(1));
    assert_eq!(add(None, &[], &[&tip]), Ok(0), "known");
}

// SPEC: AUTH-17
#[test]
fn content_added_before_the_change_of_control_was_told_is_judged_then() {
    let (mut s, tip) = Story::with(&[(B, Admin)]);
    let fact = ControlFact::Grant { device: C, role: Member };
    s.control.add(id("gC"), A, fact, &ids(&[&tip])).expect("valid");
    s.write("c1", C, "", &[], &["gC"]);
    s.check_content("c1", Out);
    assert_eq!(s.content.control_changed(&s.control).admitted.len(), 1);
    s.check_content("c1", Firm);
    s.check_heads(&["c1"]);
}
