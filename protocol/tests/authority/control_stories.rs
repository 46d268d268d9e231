//! Rules 1 to 5 as stories.

use kernelos_protocol::authority::{ControlFact, Refusal};
use kernelos_protocol::role::Role::{Admin, Member, Observer, Owner, Runner, Store};

use super::story::{A, B, C, D, E, Story, id, revocation};

// SPEC: AUTH-3, AUTH-4, AUTH-5
#[test]
fn birth_needs_the_rank_in_the_events_own_past() {
    let (mut s, tip) = Story::with(&[(B, Admin), (C, Runner), (D, Store)]);
    let mut check = |by, fact: ControlFact, expected: Result<(), Refusal>| {
        let before = [id(&tip)];
        assert_eq!(s.control.judge(by, &fact, &before), expected, "{by:?} {fact:?}");
        if let Err(refusal) = expected {
            let name = "never";
            assert_eq!(s.try_fact(name, by, fact, &[&tip]), Err(refusal));
        }
    };
    let grant = |role| ControlFact::Grant { device: E, role };
    check(A, ControlFact::Genesis, Err(Refusal::SecondGenesis));
    check(A, grant(Owner), Ok(()));
    check(B, grant(Admin), Err(Refusal::RankTooLow));
    check(B, grant(Member), Ok(()));
    check(C, grant(Store), Err(Refusal::RankTooLow));
    check(B, revocation(A, &[]), Err(Refusal::RankTooLow));
    check(B, revocation(D, &[]), Ok(()));
    check(B, revocation(E, &[]), Err(Refusal::TargetNotMember));
    check(D, revocation(D, &[]), Ok(()));
    check(E, revocation(D, &[]), Err(Refusal::NotMember));
    check(C, ControlFact::Epoch, Ok(()));
    check(D, ControlFact::Epoch, Err(Refusal::RankTooLow));
    check(D, ControlFact::Wrap, Ok(()));
    check(D, ControlFact::Join, Ok(()));
    check(E, ControlFact::Join, Err(Refusal::NotMember));
}

// SPEC: AUTH-3
#[test]
fn event_without_its_past_is_refused_and_names_what_is_missing() {
    let (mut s, tip) = Story::with(&[(B, Member)]);
    let refused = s.try_fact("j", B, ControlFact::Join, &[&tip, "x"]);
    assert_eq!(refused, Err(Refusal::Missing(id("x"))));
    assert_eq!(s.try_fact("j", B, ControlFact::Join, &[]), Err(Refusal::NotMember));
    assert_eq!(s.try_fact("j", B, ControlFact::Join, &["g"]), Err(Refusal::NotMember));
    s.join("j", B, &[&tip]);
    let no = s.control.number(&id("j"));
    assert_eq!(s.control.add(id("j"), B, ControlFact::Join, &[]).ok(), no, "known");
}

#[test]
fn refusals_are_sentences() {
    let said = Refusal::Missing(id("ab")).to_string();
    assert_eq!(said, "an event that it names is not here: 6162000000000000");
    assert!(Refusal::NotMember.to_string().contains("no member"));
}

// SPEC: AUTH-7
#[test]
fn mutual_revocation_removes_both() {
    let (mut s, tip) = Story::with(&[(B, Owner), (C, Member)]);
    s.revoke("rA", B, A, &[], &[&tip]);
    s.revoke("rB", A, B, &[], &[&tip]);
    s.check_counting(&["rA", "rB"]);
    s.check_members(&[(C, Member)]);
}

// SPEC: AUTH-7, AUTH-9
#[test]
fn witnesses_settle_which_revocation_was_first() {
    let (mut s, tip) = Story::with(&[(B, Owner), (C, Member), (D, Store)]);
    s.revoke("rB", A, B, &[], &[&tip]);
    s.revoke("rA", B, A, &[], &[&tip]);
    s.join("jC", C, &["rB"]);
    s.check_counting(&["rA", "rB"]);
    s.join("jD", D, &["rB"]);
    s.check_counting(&["rB"]);
    s.check_members(&[(A, Owner), (C, Member), (D, Store)]);
}

// SPEC: AUTH-2, AUTH-9
#[test]
fn voice_that_heard_both_is_no_voice() {
    let (mut s, tip) = Story::with(&[(B, Owner), (C, Member)]);
    s.revoke("rB", A, B, &[], &[&tip]);
    s.revoke("rA", B, A, &[], &[&tip]);
    s.join("jC", C, &["rB", "rA"]);
    s.check_counting(&["rA", "rB"]);
}

// SPEC: AUTH-10
#[test]
fn later_grant_by_removed_admin_has_no_effect() {
    let (mut s, tip) = Story::with(&[(B, Admin), (C, Member)]);
    s.revoke("rB", A, B, &[], &[&tip]);
    s.grant("gD", B, D, Member, &[&tip]);
    s.check_in_effect("gD", false);
    s.check_members(&[(A, Owner), (C, Member)]);
}

// SPEC: AUTH-10
#[test]
fn concurrent_grants_of_a_removed_owner_fall_transitively() {
    let (mut s, _) = Story::with(&[(B, Owner)]);
    s.grant("gC", B, C, Member, &["gB"]);
    s.revoke("rB", A, B, &[], &["gC"]);
    s.grant("gD", B, D, Owner, &["gC"]);
    s.grant("gE", D, E, Member, &["gD"]);
    s.check_members(&[(A, Owner), (C, Member)]);
    s.check_in_effect("gE", false);
}

// SPEC: AUTH-6, AUTH-10
#[test]
fn revocation_by_a_key_that_a_removed_owner_granted_is_overridden() {
    let (mut s, tip) = Story::with(&[(B, Owner), (C, Member)]);
    s.revoke("rB", A, B, &[], &[&tip]);
    s.grant("gD", B, D, Owner, &[&tip]);
    s.revoke("rA", D, A, &[], &["gD"]);
    s.join("jC", C, &["rB"]);
    s.check_counting(&["rB"]);
    s.check_members(&[(A, Owner), (C, Member)]);
}

// SPEC: AUTH-8
#[test]
fn backdated_revocation_does_not_count() {
    let (mut s, tip) = Story::with(&[(B, Owner)]);
    s.join("jB", B, &[&tip]);
    s.revoke("rB", A, B, &[], &["jB"]);
    // B goes on from before its join, which the revocation heard.
    s.revoke("rA", B, A, &[], &[&tip]);
    s.check_counting(&["rB"]);
    s.check_members(&[(A, Owner)]);
}

// SPEC: AUTH-7
#[test]
fn backdated_revocation_beats_no_other() {
    let (mut s, tip) = Story::with(&[(B, Owner), (C, Member), (D, Owner), (E, Member)]);
    s.join("jB", B, &[&tip]);
    s.revoke("rB", D, B, &[], &["jB"]);
    s.revoke("rA", B, A, &[], &[&tip]);
    s.revoke("rE", A, E, &[], &[&tip]);
    // Two of three witnesses heard rA before rE, but rA is backdated to rB.
    s.join("jC", C, &["rA", "rB"]);
    s.join("jE", E, &["rA", "rB"]);
    s.check_counting(&["rB", "rE"]);
    s.check_members(&[(A, Owner), (C, Member), (D, Owner)]);
}

// SPEC: AUTH-11
#[test]
fn regrant_concurrent_with_the_removal_stays_removed() {
    let (mut s, tip) = Story::with(&[(B, Member), (C, Admin)]);
    s.revoke("rB", A, B, &[], &[&tip]);
    s.grant("gB2", C, B, Member, &[&tip]);
    s.check_members(&[(A, Owner), (C, Admin)]);
    s.grant("gB3", C, B, Observer, &["gB2", "rB"]);
    s.check_members(&[(A, Owner), (B, Observer), (C, Admin)]);
}

// SPEC: AUTH-11
#[test]
fn demotion_is_revocation_and_a_new_grant() {
    let (mut s, tip) = Story::with(&[(B, Admin)]);
    s.grant("low", A, B, Member, &[&tip]);
    s.check_members(&[(A, Owner), (B, Admin)]);
    s.revoke("rB", A, B, &[], &["low"]);
    s.grant("lower", A, B, Member, &["rB"]);
    s.check_members(&[(A, Owner), (B, Member)]);
}

// SPEC: AUTH-4, AUTH-10
#[test]
fn device_that_retires_keeps_what_it_granted_before() {
    let (mut s, tip) = Story::with(&[(B, Admin)]);
    s.grant("gC", B, C, Member, &[&tip]);
    s.revoke("rB", B, B, &[], &["gC"]);
    s.check_counting(&["rB"]);
    s.check_members(&[(A, Owner), (C, Member)]);
}

// SPEC: AUTH-10
#[test]
fn epochs_and_wraps_take_effect_while_their_author_stands() {
    let (mut s, tip) = Story::with(&[(B, Runner), (C, Store)]);
    s.fact("early", B, ControlFact::Epoch, &[&tip]);
    s.revoke("rB", A, B, &[], &["early"]);
    s.fact("late", B, ControlFact::Epoch, &["early"]);
    s.fact("wrap", B, ControlFact::Wrap, &["early"]);
    s.join("join", B, &["early"]);
    for (name, expected) in [("early", true), ("late", false), ("wrap", false), ("join", true)] {
        s.check_in_effect(name, expected);
    }
}

// SPEC: AUTH-1
#[test]
fn sets_are_closed_and_have_heads() {
    let (mut s, tip) = Story::with(&[(B, Member), (C, Member)]);
    s.join("jB", B, &[&tip]);
    s.join("jC", C, &[&tip]);
    let all = s.control.all();
    assert_eq!(s.control.heads(&all), super::story::ids(&["jB", "jC"]));
    let set = |name| s.control.set_of(&[id(name)]).expect("it is here");
    assert_eq!(s.control.union(&set("jB"), &set("jC")), all);
    assert_eq!(s.control.set_of(&[id("x")]), Err(id("x")));
    assert!(set("gB").is_subset(&all) && !all.is_subset(&set("jB")));
    let without = s.control.number(&id("jC")).expect("it is here");
    s.check_in_effect("jC", true);
    assert!(!s.control.in_effect(without, &set("jB")), "not among these");
}
