//! Several devices over one workspace: what they write, grant and revoke, in every order.

use kernelos_protocol::control::ControlBody;
use kernelos_protocol::epoch::{EpochKey, epoch_body};
use kernelos_protocol::event::Verified;
use kernelos_protocol::role::Role;
use kernelos_protocol::workspace::AuthorFault;

use crate::kit::Peer;
use crate::rescue::craft;

/// A founder, and device 2 as a member that knows everything.
fn two() -> (Peer, Peer, Vec<Verified>) {
    let (mut founder, mut events) = Peer::founder();
    events.extend(founder.grant(2, Role::Member));
    let mut member = Peer::new(2, founder.workspace.id());
    member.take(&events);
    (founder, member, events)
}

#[test]
fn a_member_reads_what_was_written_before_it_came() {
    // SPEC: KEY-6
    let (mut founder, _, mut events) = two();
    events.extend(founder.set("notes/a", "old"));
    events.extend(founder.grant(3, Role::Observer));
    let mut reader = Peer::new(3, founder.workspace.id());
    reader.take(&events);
    assert_eq!(reader.get("notes/a"), "\"old\"");
    assert_eq!(reader.state(), founder.state());
}

#[test]
fn a_store_holds_everything_and_reads_nothing() {
    // SPEC: KEY-6, STATE-3
    let (mut founder, _, mut events) = two();
    events.extend(founder.set("notes/a", "secret"));
    events.extend(founder.grant(3, Role::Store));
    let mut store = Peer::new(3, founder.workspace.id());
    store.take(&events);
    assert_eq!(store.workspace.len(), founder.workspace.len());
    assert!(store.project().is_none(), "nothing could be opened");
    assert!(store.workspace.has_unread() && store.workspace.state_hash([].into_iter()).is_none());
    assert_eq!(store.workspace.lanes_hash(), founder.workspace.lanes_hash());
}

#[test]
fn two_devices_that_wrote_apart_agree_in_whatever_order_they_hear() {
    // SPEC: STATE-1
    let (mut founder, mut member, events) = two();
    let left = founder.set("notes/a", "left");
    let right = [member.set("notes/a", "right"), member.set("notes/b", "more")].concat();
    founder.take(&right);
    member.take(&left);
    assert_eq!(founder.state(), member.state());

    let mut all: Vec<_> = [events, left, right].concat();
    let mut late = Peer::new(2, founder.workspace.id());
    all.reverse();
    late.take(&all);
    assert_eq!(late.state(), founder.state());
}

#[test]
fn a_grant_above_its_author_is_refused() {
    // SPEC: AUTH-4
    let (_, mut member, _) = two();
    let refused = member.try_grant(3, Role::Member);
    assert!(matches!(refused, Err(AuthorFault::Role(Some(Role::Member)))), "{refused:?}");
}

#[test]
fn what_a_revoked_device_writes_afterwards_stays_out_in_every_order() {
    // SPEC: AUTH-14, AUTH-17
    let (mut founder, mut thief, events) = two();
    let before = thief.set("notes/a", "good");
    founder.take(&before);
    let revocation = founder.revoke(2);
    let after = [thief.set("notes/b", "evil"), thief.set("notes/c", "more evil")].concat();
    founder.take(&after);
    assert_eq!(founder.get("notes/a"), "\"good\"");
    assert_eq!(founder.get("notes"), "{\"a\":\"good\"}");
    let last = after.last().unwrap().id();
    assert_eq!(founder.verdict(&last), "quarantined");

    // An honest third device hears the thief first, and drops what it had shown.
    let mut third = Peer::new(1, founder.workspace.id());
    third.take(&[events, before, after].concat());
    assert_eq!(third.get("notes/b"), "\"evil\"");
    third.take(&revocation);
    assert_eq!(third.get("notes"), "{\"a\":\"good\"}");
    assert_eq!(third.state(), founder.state());
}

#[test]
fn what_an_honest_device_built_on_in_good_faith_stays() {
    // SPEC: AUTH-17
    let (mut founder, mut lost, mut events) = two();
    events.extend(founder.grant(3, Role::Member));
    let mut honest = Peer::new(3, founder.workspace.id());
    honest.take(&events);
    lost.take(&events);
    let revocation = founder.revoke(2);
    let theirs = lost.set("notes/a", "theirs");
    honest.take(&theirs);
    let ours = honest.set("notes/b", "ours");
    founder.take(&theirs);
    assert_eq!(founder.get("notes"), "{}");
    founder.take(&ours);
    assert_eq!(founder.get("notes"), "{\"a\":\"theirs\",\"b\":\"ours\"}");
    honest.take(&revocation);
    assert_eq!(honest.state(), founder.state());
}

#[test]
fn a_revocation_starts_an_epoch_that_the_revoked_cannot_open() {
    // SPEC: KEY-7
    let (mut founder, mut thief, _) = two();
    thief.take(&founder.revoke(2));
    let secret = founder.set("notes/a", "after you left");
    thief.take(&secret);
    assert_eq!(thief.get("notes"), "{}");
    let (_, reason) = thief.workspace.verdict(&secret.last().unwrap().id()).unwrap();
    assert_eq!(reason.as_deref(), Some("its body cannot be read here"));
}

#[test]
fn a_device_that_was_revoked_writes_nothing_more() {
    let (mut founder, mut lost, _) = two();
    lost.take(&founder.revoke(2));
    lost.project();
    let refused = lost.change(None, Vec::new());
    assert!(matches!(refused, Err(AuthorFault::Role(None))), "{refused:?}");
}

#[test]
fn an_observer_has_no_effect_however_it_signs() {
    // SPEC: AUTH-14
    let (mut founder, mut events) = Peer::founder();
    events.extend(founder.grant(2, Role::Observer));
    let mut observer = Peer::new(2, founder.workspace.id());
    observer.take(&events);
    observer.project();
    let refused = observer.change(None, Vec::new());
    assert!(matches!(refused, Err(AuthorFault::Role(Some(Role::Observer)))));
}

#[test]
fn a_grant_and_an_epoch_made_apart_are_brought_together() {
    // SPEC: KEY-8
    let (mut founder, mut events) = Peer::founder();
    events.extend(founder.grant(2, Role::Owner));
    events.extend(founder.grant(3, Role::Member));
    let mut other = Peer::new(2, founder.workspace.id());
    other.take(&events);
    let revocation = founder.revoke(3);
    let secret = founder.set("notes/a", "under the new key");
    let grant = other.grant(4, Role::Member);
    let mut newcomer = Peer::new(4, founder.workspace.id());
    newcomer.take(&[events, grant.clone(), revocation, secret].concat());
    assert!(newcomer.workspace.has_unread(), "its grant knew nothing of the new epoch");
    founder.take(&grant);
    assert!(founder.workspace.has_keyless(&founder.key.device()));
    let wraps = founder.write(|workspace, pen| workspace.write_missing_wraps(pen)).unwrap();
    newcomer.take(&wraps);
    assert_eq!(newcomer.get("notes/a"), "\"under the new key\"");
    assert!(!founder.workspace.has_keyless(&founder.key.device()));
}

#[test]
fn who_holds_a_key_through_a_later_one_alone_wraps_it_for_nobody() {
    // SPEC: KEY-8, AUTH-23
    let (mut founder, _, mut events) = two();
    events.extend(founder.set("notes/a", "under the first"));
    events.extend(founder.grant(3, Role::Member));
    events.extend(founder.revoke(3));
    events.extend(founder.grant(4, Role::Member));
    let mut late = Peer::new(4, founder.workspace.id());
    late.take(&events);
    let key = EpochKey::from_bytes([7; 32]);
    let leads_nowhere = craft(&late, 4, |_| ControlBody::Epoch(epoch_body(&key, &[])));
    late.take(std::slice::from_ref(&leads_nowhere));
    founder.take(&[leads_nowhere]);
    assert_eq!(late.get("notes/a"), "\"under the first\"");
    for peer in [&late, &founder] {
        assert!(
            !peer.workspace.has_keyless(&peer.key.device()),
            "its wrap would count for nothing"
        );
    }
}

#[test]
fn a_device_on_two_disks_forks_and_breaks_no_document() {
    // SPEC: PRJ-4, EVT-10
    let (mut founder, first, events) = two();
    let mut first = first;
    let mut second = Peer::new(2, founder.workspace.id());
    second.take(&events);
    let mut third = Peer::new(1, founder.workspace.id());
    third.take(&events);
    let one = [first.set("notes/a", "one"), first.set("notes/b", "after one")].concat();
    let two = second.set("notes/a", "two");
    founder.take(&[one.clone(), two.clone()].concat());
    third.take(&[two.clone(), one.clone()].concat());
    assert_eq!(founder.state(), third.state(), "the order of arrival chooses nothing");
    assert_eq!(founder.workspace.forks().len(), 1);
    // A member builds on one of them: that one stays.
    let kept = founder.get("notes/a");
    let mut honest = Peer::new(3, founder.workspace.id());
    let grant = founder.grant(3, Role::Member);
    let other = if kept == "\"two\"" { &one } else { &two };
    honest.take(&[events, grant.clone(), other.clone()].concat());
    let built = honest.set("notes/c", "on the other");
    for peer in [&mut founder, &mut third] {
        peer.take(&[grant.clone(), built.clone()].concat());
    }
    assert_ne!(founder.get("notes/a"), kept);
    assert_eq!(founder.get("notes/c"), "\"on the other\"");
    assert_eq!(founder.state(), third.state());
}

#[test]
fn a_change_that_two_events_carry_falls_with_the_last_of_them() {
    // SPEC: AUTH-17
    let (mut founder, mut thief, events) = two();
    let one = thief.set("notes/a", "twice");
    let header = one[0].header().clone();
    let mut again = header.clone();
    again.stamp.0 += 1;
    // The same change in another event of the same place: only a hostile device signs that.
    let again = thief.resign(&one[0], again);
    founder.take(&one);
    let revocation = founder.revoke(2);
    let orders = [[one.clone(), vec![again.clone()]].concat(), [vec![again], one].concat()];
    let states = orders.map(|order| {
        let mut peer = Peer::new(1, founder.workspace.id());
        peer.take(&[events.clone(), order].concat());
        peer.project();
        peer.take(&revocation);
        (peer.get("notes"), peer.state())
    });
    assert_eq!(states[0], states[1]);
    assert_eq!(states[0].0, r#"{"a":"twice"}"#);
}

#[test]
fn a_view_that_grows_late_gives_the_same_verdicts() {
    // SPEC: AUTH-13, EFF-5
    let (mut founder, mut lost, mut events) = two();
    events.extend(founder.grant(3, Role::Member));
    lost.take(&events);
    let early = lost.set("notes/a", "one");
    let late = lost.set("notes/b", "two");
    founder.take(&[early.clone(), late.clone()].concat());
    // The cut names the later event: while that is away, the earlier one is in nobody's View.
    let revocation = founder.revoke(2);
    let mut other = Peer::new(3, founder.workspace.id());
    other.take(&[events.clone(), early.clone()].concat());
    let change = other.change_of("notes/c", "builds on one");
    other.take(&revocation);
    let built = other.craft_change(change, vec![early[0].id()]);
    let mut states = Vec::new();
    for order in [[late.clone(), vec![built.clone()]], [vec![built], late]] {
        let mut peer = Peer::new(1, founder.workspace.id());
        peer.take(&[events.clone(), revocation.clone(), early.clone()].concat());
        peer.take(&order.concat());
        states.push((peer.get("notes"), peer.state()));
    }
    assert_eq!(states[0], states[1]);
    assert_eq!(states[0].0, r#"{"a":"one","b":"two","c":"builds on one"}"#);
}

#[test]
fn a_wrap_by_who_holds_no_key_makes_nobody_a_holder() {
    // SPEC: KEY-7
    let (mut founder, mut events) = Peer::founder();
    events.extend(founder.grant(2, Role::Store));
    let mut store = Peer::new(2, founder.workspace.id());
    store.take(&events);
    let epoch = events[1].id();
    let garbage = store.write_garbage_wrap(epoch, 9);
    founder.take(&[garbage]);
    let written = founder.set("notes/a", "under the same key");
    assert_eq!(written.len(), 1, "no new epoch was needed");
    assert_eq!(written[0].header().epoch, Some(epoch));
}
