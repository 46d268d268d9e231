//! A workspace that is taken back by its recovery key, and content that comes back.

use std::collections::BTreeSet;

use kernelos_protocol::control::{ControlBody, Readmit, Recover, Rescue};
use kernelos_protocol::event::{BodyRef, Class, Header, Unsigned, Verified};
use kernelos_protocol::id::{DeviceId, Incarnation, Lane};
use kernelos_protocol::key::{DeviceKey, RecoveryKey};
use kernelos_protocol::limits::CUTS_MAX;
use kernelos_protocol::role::Role;
use kernelos_protocol::time::Stamp;
use kernelos_protocol::workspace::{AuthorFault, InsertFault, Rescued};

use crate::kit::{Peer, recovery, secret};

/// A founder, a second owner and a member that know everything.
fn three() -> ([Peer; 3], Vec<Verified>) {
    let (mut founder, mut events) = Peer::founder();
    events.extend(founder.grant(2, Role::Owner));
    events.extend(founder.grant(3, Role::Member));
    events.extend(founder.set("notes/a", "before"));
    let others = [2, 3].map(|number| {
        let mut peer = Peer::new(number, founder.workspace.id());
        peer.take(&events);
        peer
    });
    let [second, third] = others;
    ([founder, second, third], events)
}

fn device(number: u8) -> DeviceId {
    DeviceKey::from_secret(&secret(number)).device()
}

fn rescue(peer: &mut Peer, key: &RecoveryKey, keep: &[u8]) -> Result<Rescued, AuthorFault> {
    let keep: BTreeSet<_> = keep.iter().map(|number| device(*number)).collect();
    peer.write(|workspace, pen| workspace.write_rescue(pen, key, &keep, "lost"))
}

fn readmit(peer: &mut Peer, number: u8) -> Result<Vec<Verified>, AuthorFault> {
    peer.write(|workspace, pen| workspace.write_readmit(pen, &[device(number)], "found again"))
}

fn role(peer: &Peer, number: u8) -> Option<Role> {
    let control = peer.workspace.control();
    control.role(&device(number), &control.all())
}

/// A control event of the device with this number, after all that `peer` knows.
pub(crate) fn craft(
    peer: &Peer,
    number: u8,
    body: impl FnOnce(&Header) -> ControlBody,
) -> Verified {
    let control = peer.workspace.control();
    let header = Header {
        workspace: peer.workspace.id(),
        lane: Lane::Control,
        author: device(number),
        incarnation: Incarnation([99; 8]),
        seq: 0,
        prev: None,
        parents: control.heads(&control.all()),
        heard: Vec::new(),
        stamp: Stamp(1),
        class: Class::Plain,
        epoch: None,
        body: None,
    };
    let body = body(&header).encode();
    let header = Header { body: Some(BodyRef::of(&body)), ..header };
    Unsigned { header, body: Some(body) }.sign(&DeviceKey::from_secret(&secret(number))).unwrap()
}

pub(crate) fn code(peer: &mut Peer, event: &Verified) -> &'static str {
    match peer.workspace.insert(event, &peer.key) {
        Ok(_) => "taken",
        Err(InsertFault::Missing(_)) => "missing",
        Err(InsertFault::Refused(refusal)) => refusal.code(),
    }
}

#[test]
fn a_new_device_takes_a_workspace_over_and_reads_what_was_written() {
    // SPEC: CTL-9, KEY-9
    let ([mut founder, mut second, mut member], events) = three();
    let mut new = Peer::new(7, founder.workspace.id());
    new.take(&events);
    assert!(new.workspace.has_unread(), "it holds no key yet");
    let rescued = rescue(&mut new, &recovery(), &[]).unwrap();
    let removed: BTreeSet<_> = rescued.removed.iter().copied().collect();
    assert_eq!(removed, BTreeSet::from([device(1), device(2)]));
    assert_eq!(new.get("notes/a"), "\"before\"");
    let after = new.set("notes/b", "mine");

    for peer in [&mut founder, &mut second, &mut member] {
        peer.take(&[rescued.events.clone(), after.clone()].concat());
        let roles = [7, 1, 2, 3].map(|number| role(peer, number));
        assert_eq!(roles, [Some(Role::Owner), None, None, Some(Role::Member)]);
    }
    assert_eq!(member.get("notes"), "{\"a\":\"before\",\"b\":\"mine\"}");
    assert_eq!(member.state(), new.state());
    assert_eq!(founder.get("notes"), "{\"a\":\"before\"}", "it cannot open the new epoch");
}

#[test]
fn the_recovery_key_opens_every_epoch_not_the_first_alone() {
    // SPEC: CTL-6, KEY-9
    let ([mut founder, second, third], mut events) = three();
    drop((second, third));
    for (number, path) in [(2, "notes/b"), (3, "notes/c")] {
        events.extend(founder.revoke(number));
        events.extend(founder.set(path, "after a revocation"));
    }
    let mut epochs = BTreeSet::new();
    let mut wrapped = BTreeSet::new();
    for event in &events {
        match event.control() {
            Some(ControlBody::Epoch(_)) => drop(epochs.insert(event.id())),
            Some(ControlBody::Wrap(wrap)) => {
                let signing = recovery().public().signing;
                wrapped.extend(
                    wrap.keys.iter().filter(|key| key.recipient == signing).map(|_| wrap.epoch),
                );
            }
            _ => {}
        }
    }
    assert_eq!((epochs.len(), &wrapped), (3, &epochs), "each is wrapped to it by itself");
    let mut new = Peer::new(7, founder.workspace.id());
    new.take(&events);
    assert!(new.workspace.has_unread(), "it holds no key yet");
    rescue(&mut new, &recovery(), &[]).unwrap();
    let after = "\"after a revocation\"";
    let all = format!("{{\"a\":\"before\",\"b\":{after},\"c\":{after}}}");
    assert_eq!(new.get("notes"), all);
}

/// So many branches of content of the device with this number, each in a life of its own.
fn lives(of: &mut Peer, count: usize) -> Vec<Verified> {
    let life = |number: usize| {
        of.incarnation = Incarnation((number as u64 + 1_000).to_be_bytes());
        of.craft(b"anything", Vec::new())
    };
    (0..count).map(life).collect()
}

#[test]
fn what_ends_in_more_branches_than_one_decision_names_is_not_left_out_by_it() {
    // SPEC: AUTH-12, AUTH-21, CTL-8, CTL-9
    let ([mut founder, mut second, mut member], mut events) = three();
    let theirs = lives(&mut second, CUTS_MAX + 3);
    founder.take(&theirs);
    let revocation = founder.revoke(3);
    let late = lives(&mut member, CUTS_MAX + 2);
    founder.take(&late);
    founder.workspace.settle();
    assert_eq!(founder.workspace.left_out(&[device(3)]), late.len());
    let back = readmit(&mut founder, 3).unwrap();
    founder.workspace.settle();
    assert_eq!(founder.workspace.left_out(&[device(3)]), 0, "{} decisions", back.len());

    let mut new = Peer::new(7, founder.workspace.id());
    for more in [theirs, revocation, late, back] {
        events.extend(more);
    }
    new.take(&events);
    new.workspace.settle();
    let removed = rescue(&mut new, &recovery(), &[]).unwrap().removed;
    assert!(removed.contains(&device(2)));
    new.workspace.settle();
    assert_eq!([2, 3].map(|number| new.workspace.left_out(&[device(number)])), [0, 0]);
}

#[test]
fn a_revocation_leaves_out_nothing_that_was_admitted_however_many_branches_it_ends_in() {
    // SPEC: AUTH-12, AUTH-21, CTL-4
    let ([mut founder, mut second, mut member], mut events) = three();
    let theirs = lives(&mut second, CUTS_MAX + 3);
    founder.take(&theirs);
    let revocation = founder.revoke(2);
    founder.workspace.settle();
    assert_eq!((role(&founder, 2), founder.workspace.left_out(&[device(2)])), (None, 0));
    let mut new = Peer::new(7, founder.workspace.id());
    events.extend([theirs, revocation].concat());
    new.take(&events);
    new.workspace.settle();
    assert_eq!(new.workspace.left_out(&[device(2)]), 0);

    // Who may bring nothing back may leave all the same.
    let own = lives(&mut member, CUTS_MAX + 1);
    member.take(&own);
    member.incarnation = Incarnation([3; 8]);
    member.revoke(3);
    member.workspace.settle();
    assert_eq!((role(&member, 3), member.workspace.left_out(&[device(3)])), (None, 1));
}

#[test]
fn a_readmission_names_what_is_left_out_and_nothing_else() {
    // SPEC: CTL-8
    let ([mut founder, _, mut lost], _) = three();
    founder.take(&lost.set("notes/b", "in time"));
    assert!(matches!(readmit(&mut founder, 3), Err(AuthorFault::NothingToReadmit)));
    founder.revoke(3);
    assert!(matches!(readmit(&mut founder, 3), Err(AuthorFault::NothingToReadmit)));
    let late = lives(&mut lost, 1);
    founder.take(&late);
    let back = readmit(&mut founder, 3).unwrap();
    let named = back.iter().filter_map(|event| match event.control() {
        Some(ControlBody::Readmit(readmit)) => Some(readmit.tips.clone()),
        _ => None,
    });
    assert_eq!(named.collect::<Vec<_>>(), [vec![late[0].id()]]);
}

#[test]
fn what_was_left_out_below_what_counts_again_comes_back() {
    // SPEC: CTL-8, AUTH-14, AUTH-21
    let ([mut founder, _, mut back], _) = three();
    let revocation = founder.revoke(3);
    let late = lives(&mut back, 1);
    for peer in [&mut founder, &mut back] {
        peer.take(&late);
    }
    let anew = founder.grant(3, Role::Member);
    back.take(&[revocation, anew].concat());
    founder.take(&back.set("notes/c", "after the grant"));
    founder.workspace.settle();
    assert_eq!(founder.workspace.left_out(&[device(3)]), 1, "its chain ends in what counts");
    let named: Vec<_> = readmit(&mut founder, 3)
        .unwrap()
        .iter()
        .filter_map(|event| match event.control() {
            Some(ControlBody::Readmit(readmit)) => Some(readmit.tips.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(named, [vec![late[0].id()]]);
    founder.workspace.settle();
    assert_eq!(founder.workspace.left_out(&[device(3)]), 0);
    assert!(matches!(readmit(&mut founder, 3), Err(AuthorFault::NothingToReadmit)));
}

#[test]
fn who_is_kept_stays_what_it_was() {
    let ([founder, ..], events) = three();
    let mut new = Peer::new(7, founder.workspace.id());
    new.take(&events);
    let rescued = rescue(&mut new, &recovery(), &[2]).unwrap();
    assert_eq!(rescued.removed, [device(1)]);
    assert_eq!([1, 2].map(|number| role(&new, number)), [None, Some(Role::Owner)]);
}

#[test]
fn a_dispute_of_two_owners_is_over_and_a_thief_that_backdates_stays_out() {
    // SPEC: AUTH-6, AUTH-7
    let ([mut founder, mut thief, mut member], events) = three();
    let dispute = [founder.revoke(2), thief.revoke(1)].concat();
    for peer in [&mut founder, &mut thief, &mut member] {
        peer.take(&dispute);
    }
    assert_eq!([1, 2].map(|number| role(&member, number)), [None, None], "nothing settles it");
    let mut new = Peer::new(7, founder.workspace.id());
    new.take(&[events.clone(), dispute.clone()].concat());
    let rescued = rescue(&mut new, &recovery(), &[]).unwrap();

    // The thief goes on from where nobody had heard of any of this.
    let mut before = Peer::new(2, founder.workspace.id());
    before.incarnation = Incarnation([77; 8]);
    before.take(&events);
    let evil = [before.revoke(1), before.revoke(3), before.grant(8, Role::Owner)].concat();
    for order in [[&rescued.events, &evil], [&evil, &rescued.events]] {
        let mut late = Peer::new(3, founder.workspace.id());
        late.take(&[events.clone(), dispute.clone()].concat());
        for some in order {
            late.take(some);
        }
        let roles = [7, 1, 2, 3, 8].map(|number| role(&late, number));
        assert_eq!(roles, [Some(Role::Owner), None, None, Some(Role::Member), None]);
    }
}

#[test]
fn two_who_hold_the_recovery_key_and_name_each_other_are_both_out() {
    // SPEC: AUTH-7
    let ([founder, ..], events) = three();
    let mut rescuers = [7, 8].map(|number| {
        let mut peer = Peer::new(number, founder.workspace.id());
        peer.take(&events);
        peer
    });
    let mut all = Vec::new();
    for peer in &mut rescuers {
        all.extend(rescue(peer, &recovery(), &[]).unwrap().events);
    }
    for peer in &mut rescuers {
        peer.take(&all);
    }
    assert_eq!([7, 8].map(|number| role(&rescuers[0], number)), [Some(Role::Owner); 2]);
    let [a, b] = &mut rescuers;
    let (first, second) =
        (rescue(a, &recovery(), &[]).unwrap(), rescue(b, &recovery(), &[]).unwrap());
    a.take(&second.events);
    b.take(&first.events);
    assert_eq!([7, 8].map(|number| role(a, number)), [7, 8].map(|number| role(b, number)));
    assert_eq!([7, 8].map(|number| role(a, number)), [None, None]);
    rescue(a, &recovery(), &[]).unwrap();
    assert_eq!([7, 8].map(|number| role(a, number)), [Some(Role::Owner), None], "the last word");
}

#[test]
fn another_recovery_key_decides_nothing() {
    // SPEC: CTL-9
    let ([mut founder, ..], events) = three();
    let other = RecoveryKey::from_bytes([1; 32]);
    let mut new = Peer::new(7, founder.workspace.id());
    new.take(&events);
    assert!(matches!(rescue(&mut new, &other, &[]), Err(AuthorFault::RecoveryKey)));

    let sealing = DeviceKey::from_secret(&secret(7)).sealing_statement();
    let lead = || Rescue::Lead { sealing };
    let remove = |target| Rescue::Remove { target, cut: Vec::new(), reason: "evil".to_owned() };
    let forged =
        craft(&founder, 7, |header| ControlBody::Recover(Recover::sign(lead(), header, &other)));
    let moved = craft(&founder, 7, |header| {
        let elsewhere = Header { parents: Vec::new(), ..header.clone() };
        ControlBody::Recover(Recover::sign(lead(), &elsewhere, &recovery()))
    });
    let anothers = craft(&founder, 7, |header| {
        let of = Header { author: device(8), ..header.clone() };
        ControlBody::Recover(Recover::sign(remove(device(1)), &of, &recovery()))
    });
    let changed = craft(&founder, 7, |header| {
        let signed = Recover::sign(remove(device(1)), header, &recovery());
        ControlBody::Recover(Recover { rescue: remove(device(3)), ..signed })
    });
    for event in [forged, moved, anothers, changed] {
        assert_eq!(code(&mut founder, &event), "recovery_signature");
    }
    let nobody = craft(&founder, 7, |header| {
        ControlBody::Recover(Recover::sign(remove(device(9)), header, &recovery()))
    });
    assert_eq!(code(&mut founder, &nobody), "authority");
    assert_eq!(role(&founder, 1), Some(Role::Owner));
}

#[test]
fn what_a_revocation_left_out_comes_back_by_a_readmission_in_every_order() {
    // SPEC: CTL-8, AUTH-14, AUTH-21
    let ([mut founder, _, mut lost], events) = three();
    let revocation = founder.revoke(3);
    let theirs = [lost.set("notes/b", "late"), lost.set("notes/c", "later")].concat();
    founder.take(&theirs);
    assert_eq!(founder.get("notes"), "{\"a\":\"before\"}");
    assert_eq!(founder.workspace.left_out(&[device(3)]), 2);
    let back = readmit(&mut founder, 3).unwrap();
    founder.workspace.settle();
    assert_eq!(founder.workspace.left_out(&[device(3)]), 0);
    let all = "{\"a\":\"before\",\"b\":\"late\",\"c\":\"later\"}";
    assert_eq!(founder.get("notes"), all);
    assert_eq!(role(&founder, 3), None, "its content is back, and not it");
    let more = lost.set("notes/d", "too late");
    for order in [
        [&revocation, &theirs, &back, &more],
        [&back, &revocation, &more, &theirs],
        [&more, &theirs, &revocation, &back],
    ] {
        let mut other = Peer::new(2, founder.workspace.id());
        let order: Vec<_> = order.into_iter().flatten().cloned().collect();
        other.take(&[events.clone(), order].concat());
        assert_eq!(other.get("notes"), all);
    }
}

#[test]
fn who_may_not_revoke_a_device_may_not_readmit_its_content() {
    // SPEC: AUTH-4
    let ([mut founder, mut second, mut member], _) = three();
    let theirs = second.set("notes/b", "late");
    let revocation = founder.revoke(2);
    for peer in [&mut founder, &mut member] {
        peer.take(&[theirs.clone(), revocation.clone()].concat());
    }
    assert!(matches!(readmit(&mut member, 2), Err(AuthorFault::Role(Some(Role::Member)))));
    let grant = founder.grant(4, Role::Admin);
    let mut admin = Peer::new(4, founder.workspace.id());
    let kept: Vec<_> = three().1;
    admin.take(&[kept, theirs.clone(), revocation.clone(), grant].concat());
    assert!(matches!(readmit(&mut admin, 2), Err(AuthorFault::Role(Some(Role::Admin)))));
    assert!(matches!(readmit(&mut founder, 9), Err(AuthorFault::NothingToReadmit)));
    let nobody = craft(&founder, 1, |_| {
        let tips = theirs.iter().map(Verified::id).collect();
        ControlBody::Readmit(Readmit { authors: vec![device(9)], tips, reason: String::new() })
    });
    assert_eq!(code(&mut founder, &nobody), "authority");
}

#[test]
fn a_decision_cannot_be_said_again_after_its_target_was_let_in_anew() {
    // SPEC: CTL-9
    let ([mut founder, ..], events) = three();
    let mut new = Peer::new(7, founder.workspace.id());
    new.take(&events);
    let rescued = rescue(&mut new, &recovery(), &[]).unwrap();
    founder.take(&rescued.events);
    let first = &rescued.events[0];
    let replayed = Header { incarnation: Incarnation([78; 8]), ..first.header().clone() };
    let body = first.body().unwrap().to_vec();
    let again = Unsigned { header: replayed, body: Some(body) };
    let again = again.sign(&DeviceKey::from_secret(&secret(7))).unwrap();
    assert_eq!(code(&mut founder, &again), "recovery_signature");
}

#[test]
fn no_number_of_heads_keeps_the_recovery_key_out() {
    // SPEC: CTL-9, EVT-11
    let ([mut founder, ..], base) = three();
    let mut events = base.clone();
    // More than the decisions about two devices join by themselves.
    for life in 0..200_u8 {
        // Each in a life of its own, after the same heads, so that no head covers another.
        let mut twin = Peer::new(2, founder.workspace.id());
        twin.incarnation = Incarnation([0xfe, 0, 0, 0, 0, 0, 0, life]);
        twin.take(&base);
        events.push(twin.write(|workspace, pen| workspace.write_join(pen)).unwrap());
    }
    let mut new = Peer::new(7, founder.workspace.id());
    new.take(&events);
    let control = new.workspace.control();
    assert_eq!(control.heads(&control.all()).len(), 200);
    let rescued = rescue(&mut new, &recovery(), &[]).unwrap();
    assert!(rescued.events.len() < 20, "each joins as many as fit");
    founder.take(&events);
    founder.take(&rescued.events);
    assert_eq!([7, 1, 2].map(|number| role(&founder, number)), [Some(Role::Owner), None, None]);
    let control = founder.workspace.control();
    let no = |event: &Verified| control.number(&event.id()).unwrap();
    let leads = |event: &&Verified| {
        let body = event.control();
        matches!(body, Some(ControlBody::Recover(Recover { rescue: Rescue::Lead { .. }, .. })))
    };
    let lead = no(rescued.events.iter().find(leads).unwrap());
    let mut joins = events.iter().filter(|event| event.header().incarnation.0[0] == 0xfe);
    assert!(joins.all(|join| control.heard(lead, no(join))), "who leads has heard everything");
}
