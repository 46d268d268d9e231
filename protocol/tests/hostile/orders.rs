//! Events of hostile devices, delivered in every order: the same verdicts, the same state.

use std::collections::BTreeMap;

use kernelos_protocol::cbor::Writer;
use kernelos_protocol::event::{BodyRef, Class, Header, Unsigned, Verified};
use kernelos_protocol::id::{EventId, Lane, WorkspaceId};
use kernelos_protocol::limits::STAMP_AHEAD_MAX_US;
use kernelos_protocol::role::Role;
use kernelos_protocol::time::{Stamp, StampClock, is_ahead};
use kernelos_protocol::workspace::{InsertFault, Workspace};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use super::samples::key;
use crate::kit::{NOON, Peer, recovery};

/// Orders that are tried where there are too many to try all.
const SHUFFLES: usize = 60;

/// What a workspace comes to: verdicts, roles of the devices, notes and state hash.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    verdicts: BTreeMap<EventId, String>,
    roles: Vec<Option<Role>>,
    pub(super) notes: String,
    state: String,
}

impl Outcome {
    pub(super) fn of(&self, event: &Verified) -> &str {
        &self.verdicts[&event.id()]
    }

    /// The role of the device with this number.
    fn role(&self, number: usize) -> Option<Role> {
        self.roles[number - 1]
    }
}

/// The verdict on an event and the code of the reason; or with which code it is refused, or that
/// it waits for one that is.
pub(super) fn word(peer: &mut Peer, event: &Verified) -> String {
    if !peer.workspace.contains(&event.id()) {
        return match peer.workspace.insert(event, &peer.key) {
            Err(InsertFault::Refused(refusal)) => format!("refused {}", refusal.code()),
            Err(InsertFault::Missing(_)) => "waits".to_owned(),
            other @ Ok(_) => panic!("it was not taken: {other:?}"),
        };
    }
    let verdict = peer.verdict(&event.id());
    let (_, reason) = peer.workspace.verdict(&event.id()).unwrap();
    match reason.as_deref().and_then(|reason| reason.split_once(": ")) {
        Some((code, _)) if !code.contains(' ') => format!("{verdict} {code}"),
        _ => verdict,
    }
}

fn outcome(base: &[Verified], order: &[Verified]) -> Outcome {
    let mut peer = Peer::new(1, base[0].workspace());
    peer.take(base);
    peer.project();
    for event in order {
        // What comes too early is kept back, as sync does.
        let early = matches!(peer.workspace.insert(event, &peer.key), Err(InsertFault::Missing(_)));
        if !early {
            peer.take(std::slice::from_ref(event));
            peer.project();
        }
    }
    peer.offer(order);
    let control = peer.workspace.control();
    let all = control.all();
    let roles = (1..=9).map(|number| control.role(&key(number).device(), &all)).collect();
    let verdicts = order.iter().map(|event| (event.id(), word(&mut peer, event))).collect();
    let (notes, state) = (peer.get("notes"), peer.state());
    Outcome { verdicts, roles, notes, state: format!("{state:?}") }
}

/// Calls `each` with every order of these.
fn permute(events: &mut [Verified], fixed: usize, each: &mut impl FnMut(&[Verified])) {
    if fixed + 1 >= events.len() {
        return each(events);
    }
    for at in fixed..events.len() {
        events.swap(fixed, at);
        permute(events, fixed + 1, each);
        events.swap(fixed, at);
    }
}

/// What these events come to after `base`: in every order the same, also where each comes twice.
#[track_caller]
pub(super) fn in_every_order(base: &[Verified], events: &[Verified]) -> Outcome {
    let expected = outcome(base, events);
    let mut orders = 0;
    let mut check = |order: &[Verified]| {
        assert_eq!(outcome(base, order), expected, "{order:#?}");
        orders += 1;
    };
    if events.len() <= 4 {
        permute(&mut events.to_vec(), 0, &mut check);
    } else {
        let mut rng = ChaCha20Rng::from_seed([5; 32]);
        let mut order = events.to_vec();
        for _ in 0..SHUFFLES {
            for at in (1..order.len()).rev() {
                order.swap(at, (rng.next_u64() % (at as u64 + 1)) as usize);
            }
            check(&order);
        }
        order.reverse();
        check(&order);
    }
    check(&[events, events].concat());
    assert!(orders > 1);
    expected
}

/// A founder and what it granted, in the order of the devices from 2 on.
pub(super) fn granted(roles: &[Role]) -> (Peer, Vec<Verified>) {
    let (mut founder, mut events) = Peer::founder();
    for (number, role) in (2..).zip(roles) {
        events.extend(founder.grant(number, *role));
    }
    (founder, events)
}

pub(super) fn joined(number: u8, base: &[Verified]) -> Peer {
    let mut peer = Peer::new(number, base[0].workspace());
    peer.take(base);
    peer
}

#[test]
fn a_stamp_of_any_year_decides_nothing() {
    // SPEC: EVT-8
    let ahead = NOON.wall_us + STAMP_AHEAD_MAX_US;
    let stamps = [0, 1 << 63, ahead + 1_000_000, u64::MAX];
    let (_, base) = granted(&[Role::Member; 4]);
    let mut events = Vec::new();
    let mut clock = StampClock::default();
    for (number, stamp) in (2..).zip(stamps) {
        let mut peer = joined(number, &base);
        let made = peer.set(&format!("notes/{number}"), "x").pop().unwrap();
        let header = Header { stamp: Stamp(stamp), ..made.header().clone() };
        events.push(peer.resign(&made, header));
        clock.saw(NOON, Stamp(stamp));
        assert_eq!(is_ahead(NOON, Stamp(stamp)), stamp > ahead, "{stamp} is flagged");
    }
    let end = in_every_order(&base, &events);
    assert!(events.iter().all(|event| end.of(event) == "admitted"));
    assert_eq!(end.notes, r#"{"2":"x","3":"x","4":"x","5":"x"}"#);
    assert_eq!(clock.next(NOON), Stamp(NOON.wall_us), "no own stamp follows them");
}

#[test]
fn what_a_stranger_signs_is_refused_and_what_names_it_waits() {
    // SPEC: AUTH-3, AUTH-4, AUTH-20
    let (founder, base) = granted(&[Role::Member]);
    let before = outcome(&base, &[]);
    let stranger = joined(9, &base);
    let sample = base[3].header();
    let control = founder.workspace.control();
    let content = |mut parents: Vec<EventId>| {
        parents.sort_unstable();
        let body = vec![7; 40];
        let header = Header {
            author: stranger.key.device(),
            incarnation: stranger.incarnation,
            parents,
            heard: control.heads(&control.all()),
            body: Some(BodyRef::of(&body)),
            ..sample.clone()
        };
        stranger.sign(header, body)
    };
    let first = content(Vec::new());
    let second = content(vec![first.id(), base[3].id()]);
    let third = content(vec![base[3].id()]);
    // A member that built on it has put itself apart; a fork of the same place goes on.
    let accomplice = joined(2, &base);
    let mut inside = Writer::default();
    inside.array(2).uint(4_000_000).text("x");
    let inside = inside.finish();
    let relay = accomplice.craft(&inside, vec![first.id()]);
    let honest = accomplice.craft(&inside, vec![base[3].id()]);
    let header = Header {
        lane: Lane::Control,
        parents: control.heads(&control.all()),
        heard: Vec::new(),
        class: Class::Plain,
        epoch: None,
        body: None,
        ..first.header().clone()
    };
    let join = Unsigned { header, body: None }.sign(&stranger.key).unwrap();
    let events = [&first, &second, &third, &relay, &join].map(Verified::clone);
    let end = in_every_order(&base, &events);
    for event in [&first, &third, &join] {
        assert_eq!(end.of(event), "refused not_member");
    }
    assert_eq!((end.of(&second), end.of(&relay)), ("waits", "waits"));
    assert_eq!((end.role(9), &end.state), (None, &before.state));
    let end = in_every_order(&base, &[events.to_vec(), vec![honest.clone()]].concat());
    assert_eq!((end.of(&relay), end.of(&honest)), ("waits", "admitted"));
}

#[test]
fn an_observers_content_is_refused_until_it_heard_of_a_higher_role() {
    // SPEC: AUTH-20
    let (mut founder, base) = granted(&[Role::Observer]);
    let mut observer = joined(2, &base);
    assert!(observer.change(None, Vec::new()).is_err(), "an honest one writes none");
    let mut inside = Writer::default();
    inside.array(2).uint(4_000_000).text("x");
    let inside = inside.finish();
    let early = observer.craft(&inside, vec![base[3].id()]);
    let raised = founder.grant(2, Role::Member);
    observer.take(&raised);
    let later = observer.craft(&inside, vec![base[3].id()]);
    let end = in_every_order(&base, &[raised, vec![early.clone(), later.clone()]].concat());
    assert_eq!((end.of(&early), end.of(&later)), ("refused not_member", "admitted"));
    assert_eq!(end.role(2), Some(Role::Member));
}

#[test]
fn another_genesis_is_another_workspace() {
    // SPEC: CTL-2, EVT-9
    let (mut founder, base) = granted(&[]);
    let public = recovery().public();
    let (other, events) = founder.write(|_, pen| Workspace::found(pen, public)).unwrap();
    assert_ne!(other.id(), base[0].workspace());
    let end = in_every_order(&base, &events);
    assert!(events.iter().all(|event| end.of(event) == "refused wrong_workspace"));
    // Nor can one be put behind the first.
    let genesis = base[0].control().unwrap().encode();
    let last = base.iter().rfind(|event| event.header().lane == Lane::Control).unwrap();
    let header = Header {
        seq: last.header().seq + 1,
        prev: Some(last.id()),
        body: Some(BodyRef::of(&genesis)),
        ..last.header().clone()
    };
    let behind = Unsigned { header: header.clone(), body: Some(genesis.clone()) };
    assert_eq!(behind.sign(&key(1)).unwrap_err().code(), "genesis");
    let unborn = Header { workspace: WorkspaceId::UNBORN, ..header };
    let unborn = Unsigned { header: unborn, body: Some(genesis) };
    assert_eq!(unborn.sign(&key(1)).unwrap_err().code(), "field");
}

#[test]
fn two_owners_that_revoke_each_other_are_both_out() {
    // SPEC: AUTH-7
    let (mut one, base) = granted(&[Role::Owner, Role::Member]);
    let mut two = joined(2, &base);
    let mut events = [one.revoke(2), two.revoke(1)].concat();
    let late = [one.set("notes/a", "late"), two.set("notes/b", "late")].concat();
    events.extend(late.clone());
    let end = in_every_order(&base, &events);
    assert_eq!((end.role(1), end.role(2), end.role(3)), (None, None, Some(Role::Member)));
    assert!(late.iter().all(|event| end.of(event) == "quarantined"));
    assert_eq!(end.notes, "{}");
}

#[test]
fn what_a_removed_owner_grants_at_the_same_time_falls_with_it() {
    // SPEC: AUTH-10
    let (mut founder, base) = granted(&[Role::Owner]);
    let removal = founder.revoke(2);
    let mut two = joined(2, &base);
    let first = two.grant(3, Role::Admin);
    let mut three = joined(3, &[base.clone(), first.clone()].concat());
    let second = three.grant(4, Role::Member);
    let mut four = joined(4, &[base.clone(), first.clone(), second.clone()].concat());
    let written = four.set("notes/a", "by nobody");
    let end = in_every_order(&base, &[removal, first, second, written.clone()].concat());
    assert_eq!([2, 3, 4].map(|number| end.role(number)), [None; 3]);
    assert!(written.iter().all(|event| end.of(event) == "quarantined"));
    assert_eq!(end.notes, "{}");
}

#[test]
fn who_is_granted_anew_without_knowing_of_the_removal_stays_out() {
    // SPEC: AUTH-11, AUTH-14
    let (mut founder, base) = granted(&[Role::Owner, Role::Member]);
    let (mut two, mut three) = (joined(2, &base), joined(3, &base));
    let late = three.set("notes/late", "x");
    let removal = founder.revoke(3);
    let again = two.grant(3, Role::Member);
    let apart = [removal, again, late.clone()].concat();
    let end = in_every_order(&base, &apart);
    assert_eq!(end.role(3), None);
    assert_eq!(end.of(&late[0]), "quarantined");
    // Who knows of the removal takes it back; what was written meanwhile stays out.
    founder.take(&apart);
    let back = founder.grant(3, Role::Member);
    let mut three = Peer::new(3, base[0].workspace());
    three.incarnation = kernelos_protocol::id::Incarnation([33; 8]);
    three.take(&[base.clone(), apart.clone(), back.clone()].concat());
    let after = three.set("notes/after", "y");
    let end = in_every_order(&base, &[apart, back, after.clone()].concat());
    assert_eq!(end.role(3), Some(Role::Member));
    assert_eq!(end.of(&late[0]), "quarantined");
    assert!(after.iter().all(|event| end.of(event) == "admitted"));
    assert_eq!(end.notes, r#"{"after":"y"}"#);
}

#[test]
fn what_is_signed_after_a_revocation_as_if_before_stays_out() {
    // SPEC: AUTH-12, AUTH-14
    let (mut founder, base) = granted(&[Role::Member, Role::Member]);
    let mut thief = joined(2, &base);
    let good = thief.set("notes/good", "x");
    founder.take(&good);
    let revocation = founder.revoke(2);
    // It names what it named before, an old stamp, and nothing of the revocation.
    let chained = thief.set("notes/b", "evil").pop().unwrap();
    let header = Header { stamp: Stamp(1), ..chained.header().clone() };
    let chained = thief.resign(&chained, header.clone());
    let fork = Header { seq: 0, prev: None, ..header };
    let fork = thief.resign(&chained, Header { parents: good[0].header().parents.clone(), ..fork });
    let mut honest = joined(3, &[base.clone(), revocation.clone(), good.clone()].concat());
    let after = honest.set("notes/c", "honest");
    let evil = [chained, fork];
    let events = [good.clone(), revocation, evil.to_vec(), after.clone()].concat();
    let end = in_every_order(&base, &events);
    assert!(evil.iter().all(|event| end.of(event) == "quarantined"));
    assert!(good.iter().chain(&after).all(|event| end.of(event) == "admitted"));
    assert_eq!(end.notes, r#"{"c":"honest","good":"x"}"#);
}

#[test]
fn a_change_that_builds_on_what_its_event_does_not_name_is_void() {
    // SPEC: DOC-14, DOC-27
    let (_, base) = granted(&[Role::Member, Role::Member]);
    let (mut two, mut three) = (joined(2, &base), joined(3, &base));
    let first = two.set("notes/a", "x");
    three.take(&first);
    let change = three.change_of("notes/b", "builds on it");
    let lie = three.craft_change(change.clone(), vec![base[3].id()]);
    let end = in_every_order(&base, &[first.clone(), vec![lie.clone()]].concat());
    assert_eq!(end.of(&lie), "void not_in_view");
    assert_eq!(end.notes, r#"{"a":"x"}"#);
    let honest = three.craft_change(change, vec![first[0].id()]);
    let end = in_every_order(&base, &[first, vec![honest.clone()]].concat());
    assert_eq!(end.of(&honest), "admitted");
}

#[test]
fn what_a_newer_program_writes_is_kept_and_the_rest_converges() {
    // SPEC: CNT-2, STATE-1
    let (_, base) = granted(&[Role::Member, Role::Member]);
    let (two, mut three) = (joined(2, &base), joined(3, &base));
    let mut newer = Writer::default();
    newer.array(2).uint(4_000_000).text("from a newer program");
    let unknown = two.craft(&newer.finish(), vec![base[3].id()]);
    let mut both = vec![base[3].id(), unknown.id()];
    both.sort_unstable();
    let broken = two.craft(b"no CBOR", both);
    three.take(std::slice::from_ref(&unknown));
    let after = three.set("notes/a", "after it");
    let end = in_every_order(&base, &[vec![unknown.clone(), broken.clone()], after].concat());
    assert_eq!(end.of(&unknown), "admitted");
    assert_eq!(end.of(&broken), "void body_decode");
    assert_eq!(end.notes, r#"{"a":"after it"}"#);
}
