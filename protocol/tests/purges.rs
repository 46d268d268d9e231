//! Purges and shreddable bodies: what may be purged, by whom, and what is left then.

use kernelos_protocol::cbor::{Writer, encode};
use kernelos_protocol::content::{DocumentChange, Purge, encode_changes};
use kernelos_protocol::epoch::EpochKey;
use kernelos_protocol::event::{BodyRef, Class, Header, Signed, Verified};
use kernelos_protocol::id::{DeviceId, EventId, Incarnation, Lane, WorkspaceId};
use kernelos_protocol::limits::{BODY_BYTES_MAX, PURGE_EVENTS_MAX};
use kernelos_protocol::mission::record::{Claim, Record, Stage};
use kernelos_protocol::role::Role;
use kernelos_protocol::seal::{OpenFault, open, pack, seal_shreddable};
use kernelos_protocol::time::Stamp;
use kernelos_protocol::workspace::{AuthorFault, InsertFault};

use crate::artifact::sealed;
use crate::kit::Peer;

/// A workspace with an artifact.
pub(crate) struct World {
    /// Device 1.
    pub(crate) founder: Peer,
    /// All events so far.
    pub(crate) events: Vec<Verified>,
    /// The founder's artifact, the last of them.
    pub(crate) artifact: EventId,
}

impl World {
    pub(crate) fn of(roles: &[(u8, Role)]) -> Self {
        let (mut founder, mut events) = Peer::founder();
        for (number, role) in roles {
            events.extend(founder.grant(*number, *role));
        }
        events.extend(artifact(&mut founder, 1));
        let artifact = events.last().unwrap().id();
        Self { founder, events, artifact }
    }

    /// A device that knows everything.
    fn peer(&self, number: u8) -> Peer {
        let mut peer = Peer::new(number, self.founder.workspace.id());
        peer.take(&self.events);
        peer
    }

    fn heads(&self) -> Vec<EventId> {
        self.founder.workspace.content().admitted_heads()
    }
}

fn artifact(by: &mut Peer, key: u8) -> Vec<Verified> {
    let (_, manifest, _) = sealed(300, key);
    let written = by.write(|workspace, pen| workspace.write_artifact(pen, manifest)).unwrap();
    by.keep(written)
}

fn purge(by: &mut Peer, events: &[EventId]) -> Result<Vec<Verified>, AuthorFault> {
    let written = by.write(|workspace, pen| workspace.write_purge(pen, events))?;
    Ok(by.keep(written))
}

/// A purge's body that names these, as they are.
fn names(ids: &[EventId]) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.array(2).uint(13).array(ids.len());
    for id in ids {
        writer.bytes(&id.0);
    }
    writer.finish()
}

/// The code by which an event is void, or its verdict.
fn verdict(peer: &mut Peer, id: &EventId) -> String {
    peer.workspace.settle();
    let (verdict, reason) = peer.workspace.verdict(id).unwrap();
    let code = reason.as_deref().and_then(|reason| reason.split_once(": "));
    code.map_or_else(|| format!("{verdict:?}").to_lowercase(), |(code, _)| code.to_owned())
}

#[test]
fn an_artifacts_author_or_an_admin_purges_it() {
    // SPEC: CNT-11, EFF-11, EFF-12
    for by in [1, 2] {
        let mut world = World::of(&[(2, Role::Admin)]);
        let mut other = world.peer(2);
        let purger = if by == 1 { &mut world.founder } else { &mut other };
        let purged = purge(purger, &[world.artifact]).unwrap();
        world.founder.take(&purged);
        other.take(&purged);
        for peer in [&mut world.founder, &mut other] {
            peer.workspace.settle();
            assert!(peer.workspace.is_purged(&world.artifact));
            assert!(peer.workspace.artifact(&world.artifact).is_none());
            assert!(peer.workspace.is_no_artifact(&world.artifact));
            assert_eq!(peer.workspace.kind(&world.artifact).as_deref(), Some("purged"));
            let (_, reason) = peer.workspace.verdict(&world.artifact).unwrap();
            let reason = reason.unwrap();
            assert!(reason.starts_with("purged by ") && reason.contains(" UTC, in "), "{reason}");
            let (places, chunks) = peer.workspace.take_shreds();
            assert_eq!(places.iter().map(|place| place.id).collect::<Vec<_>>(), [world.artifact]);
            assert_eq!(chunks.len(), 1, "what only its manifest named");
            assert_eq!(peer.workspace.take_shreds().0, [], "once");
        }
        assert_eq!(world.founder.state(), other.state());
    }
}

#[test]
fn what_is_purged_is_the_same_in_whatever_order_it_comes_and_with_or_without_the_body() {
    // SPEC: EFF-12, SYNC-16
    let mut world = World::of(&[(2, Role::Member), (3, Role::Member)]);
    let mut author = world.peer(2);
    let own = artifact(&mut author, 7);
    let after = author.set("notes/a", "behind it");
    let purged = purge(&mut author, &[own[0].id()]).unwrap();
    let bare = vec![own[0].without_body().unwrap()];
    let mut states = Vec::new();
    for body in [&own, &bare] {
        let all = [&world.events[..], body, &after, &purged].concat();
        let backwards: Vec<_> = all.iter().rev().cloned().collect();
        for events in [all, backwards] {
            let mut peer = Peer::new(3, world.founder.workspace.id());
            peer.take(&events);
            states.push(peer.state());
            assert!(!peer.workspace.lacks_bodies(), "a receipt is not held up");
            assert_eq!(peer.workspace.without_bodies().count(), 0, "nothing is asked for");
            assert_eq!(peer.get("notes/a"), "\"behind it\"");
        }
    }
    world.founder.take(&[own, after, purged].concat());
    states.push(world.founder.state());
    assert!(states.windows(2).all(|pair| pair[0] == pair[1]), "{states:?}");
}

#[test]
fn a_purge_that_falls_leaves_a_body_to_be_asked_for() {
    // SPEC: EFF-12, STATE-4, DUR-17
    let mut world = World::of(&[(2, Role::Admin), (3, Role::Member)]);
    let (mut thief, mut member) = (world.peer(2), world.peer(3));
    let purged = purge(&mut thief, &[world.artifact]).unwrap();
    member.take(&purged);
    assert_eq!(member.workspace.take_shreds().0.len(), 1);
    assert_eq!(member.workspace.without_bodies().count(), 0);

    // The founder revokes without having heard of the purge.
    let revoked = world.founder.revoke(2);
    member.take(&revoked);
    member.workspace.settle();
    let asked: Vec<_> = member.workspace.without_bodies().collect();
    assert_eq!(asked, [world.artifact], "it is gone, and not purged any more");
    assert!(!member.workspace.lacks_bodies(), "a receipt is not held up");
    assert_eq!(member.workspace.absent(), 1);
    let why = member.workspace.verdict(&world.artifact).unwrap().1.unwrap();
    assert!(why.starts_with("its body is gone since event ") && why.contains("purged it"), "{why}");
    let without = member.state();
    assert!(member.workspace.named_chunks().is_some(), "chunks are still told apart");
    let whole = world.events.last().unwrap().clone();
    assert_eq!(member.workspace.insert(&whole, &member.key), Ok(true));
    member.project();
    assert!(member.workspace.artifact(&world.artifact).is_some());
    assert_eq!(member.workspace.absent(), 0);
    assert_eq!(member.state(), without, "with it and without it the state is the same");

    let struck =
        world.founder.write(|workspace, pen| workspace.write_strike(pen, &purged[0].id(), ""));
    assert!(struck.is_err(), "what never came cannot be struck");
    world.founder.take(&purged);
    world.founder.workspace.settle();
    assert!(world.founder.workspace.artifact(&world.artifact).is_some());
    assert_eq!(world.founder.workspace.take_shreds(), Default::default());
    assert_eq!(world.founder.state(), member.state());
}

#[test]
fn a_purge_that_falls_before_it_destroyed_anything_takes_no_chunk() {
    // SPEC: DUR-11, EFF-12
    let mut world = World::of(&[(2, Role::Admin), (3, Role::Member)]);
    let (mut thief, mut member) = (world.peer(2), world.peer(3));
    let twin = artifact(&mut world.founder, 1);
    member.take(&twin);
    member.take(&purge(&mut thief, &[world.artifact]).unwrap());
    member.workspace.settle();
    assert!(member.workspace.is_purged(&world.artifact));
    member.take(&world.founder.revoke(2));
    assert_eq!(member.workspace.take_shreds(), Default::default(), "it may be the only copy");
    // What is kept is not read again yet, and keeps what another names that is purged.
    member.take(&purge(&mut world.founder, &[twin[0].id()]).unwrap());
    let (places, chunks) = member.workspace.take_shreds();
    assert_eq!((places.len(), chunks.len()), (1, 0));
    member.project();
    assert!(member.workspace.artifact(&world.artifact).is_some());
    member.take(&purge(&mut world.founder, &[world.artifact]).unwrap());
    let (places, chunks) = member.workspace.take_shreds();
    assert_eq!((places.len(), chunks.len()), (1, 1));
}

#[test]
fn a_purge_that_is_struck_has_no_effect_and_before_anything_was_destroyed_nothing_is() {
    // SPEC: EFF-8, EFF-12
    let mut world = World::of(&[(2, Role::Member)]);
    let purged = purge(&mut world.founder, &[world.artifact]).unwrap();
    let id = purged[0].id();
    let struck = world.founder.write(|workspace, pen| workspace.write_strike(pen, &id, ""));
    let struck = struck.unwrap();
    let mut late = world.peer(2);
    late.take(&[purged, struck].concat());
    for peer in [&mut world.founder, &mut late] {
        peer.project();
        assert!(peer.workspace.artifact(&world.artifact).is_some());
        assert_eq!(peer.workspace.take_shreds().0, []);
    }
    assert_eq!(world.founder.state(), late.state());
}

#[test]
fn hostile_purges_have_no_effect() {
    // SPEC: CNT-11, EFF-10, EFF-11, EVT-2
    let world = World::of(&[(2, Role::Member)]);
    let attacker = world.peer(2);
    let change = world.events.iter().find(|e| e.header().lane == Lane::Content).unwrap().id();
    let mut two = [world.artifact, EventId([9; 32])];
    two.sort_unstable();
    let many: Vec<_> = (0..=PURGE_EVENTS_MAX).map(numbered).collect();
    let claim = Record::Claim(Claim { on: world.artifact, stage: Stage::Implement, epoch: 1 });
    let changes = vec![DocumentChange { document: None, generation: 1, change: vec![1] }];
    let purge_of = |ids: &[EventId]| encode(&Purge::of(ids.to_vec()).unwrap());
    let rows: &[(&str, Class, Vec<u8>, &str)] = &[
        ("another's artifact", Class::Sealed, purge_of(&[world.artifact]), "role"),
        ("a change", Class::Sealed, purge_of(&[change]), "not_shreddable"),
        ("an event that nobody knows", Class::Sealed, purge_of(&[two[0]]), "not_in_view"),
        ("no event", Class::Sealed, names(&[]), "body_decode"),
        ("1,025 events", Class::Sealed, names(&many), "body_decode"),
        ("1,024 events", Class::Sealed, names(&many[1..]), "not_in_view"),
        ("not sorted", Class::Sealed, names(&[two[1], two[0]]), "body_decode"),
        ("one twice", Class::Sealed, names(&[two[0], two[0]]), "body_decode"),
        ("a purge of class 2", Class::Shreddable, purge_of(&[change]), "not_shreddable"),
        ("a change of class 2", Class::Shreddable, encode_changes(changes), "not_shreddable"),
        ("a record of class 2", Class::Shreddable, encode(&claim), "not_shreddable"),
    ];
    // The unknown one sorts behind the artifact or before it: both are named by nobody else.
    for (what, class, inside, code) in rows {
        let event = attacker.craft_as(*class, inside, world.heads());
        let mut judge = world.peer(1);
        judge.take(std::slice::from_ref(&event));
        let expected = if *what == "an event that nobody knows" && two[0] == world.artifact {
            "role"
        } else {
            code
        };
        assert_eq!(verdict(&mut judge, &event.id()), expected, "{what}");
        assert!(judge.workspace.artifact(&world.artifact).is_some(), "{what}");
        assert_eq!(judge.workspace.take_shreds(), Default::default(), "{what}");
    }
    let stranger = {
        let mut stranger = Peer::new(9, world.founder.workspace.id());
        stranger.take(&world.events);
        stranger
    };
    let mut header = world.events.last().unwrap().header().clone();
    header.author = stranger.key.device();
    header.seq = 0;
    header.prev = None;
    header.parents = world.heads();
    let event = stranger.sign(
        Header { body: Some(BodyRef::of(&[7; 64])), ..header },
        [[0; 32], [7; 32], [7; 32]].concat(),
    );
    let mut judge = world.peer(1);
    let refused = judge.workspace.insert(&event, &judge.key);
    assert!(matches!(refused, Err(InsertFault::Refused(ref why)) if why.code() == "not_member"));
}

fn numbered(number: usize) -> EventId {
    let mut id = [7; 32];
    id[..8].copy_from_slice(&(number as u64).to_be_bytes());
    EventId(id)
}

#[test]
fn an_honest_device_writes_no_purge_that_has_no_effect() {
    // SPEC: EFF-11
    let mut world = World::of(&[(2, Role::Member)]);
    let mut member = world.peer(2);
    let change = member.set("notes/a", "x");
    let (own, artifact) = (change[0].id(), world.artifact);
    let unknown = EventId([9; 32]);
    assert_eq!(purge(&mut member, &[artifact]), Err(AuthorFault::Role(Some(Role::Member))));
    assert_eq!(purge(&mut member, &[own]), Err(AuthorFault::NotShreddable(own)));
    assert_eq!(purge(&mut member, &[unknown]), Err(AuthorFault::NotShreddable(unknown)));
    assert_eq!(purge(&mut member, &[]), Err(AuthorFault::PurgeNames(0)));
    let before = world.founder.workspace.len();
    assert!(purge(&mut world.founder, &[artifact, own]).is_err(), "all of it or nothing");
    assert_eq!(world.founder.workspace.len(), before);
}

fn header() -> Header {
    Header {
        workspace: WorkspaceId([1; 32]),
        lane: Lane::Content,
        author: DeviceId([2; 32]),
        incarnation: Incarnation([3; 8]),
        seq: 0,
        prev: None,
        parents: Vec::new(),
        heard: vec![EventId([5; 32])],
        stamp: Stamp(6),
        class: Class::Shreddable,
        epoch: Some(EventId([7; 32])),
        body: None,
    }
}

#[test]
fn a_shreddable_body_opens_with_its_salt_and_its_epochs_key_alone() {
    // SPEC: SEAL-4
    let key = EpochKey::from_bytes([1; 32]);
    let body = |salt: u8| seal_shreddable(&key, &header(), pack(b"text").unwrap(), &[salt; 32]);
    let stored = body(1).unwrap();
    assert_eq!(open(&key, &header(), &stored), Ok(b"text".to_vec()));
    let other = EpochKey::from_bytes([2; 32]);
    assert_eq!(open(&other, &header(), &stored), Err(OpenFault::Sealed));
    // Two texts of one ciphertext: the salt of one body beside the other, with and without its
    // commitment.
    let second = body(2).unwrap();
    let salted = [&second[..32], &stored[32..]].concat();
    let committed = [&second[..64], &stored[64..]].concat();
    for wrong in [salted, committed, stored[..63].to_vec(), Vec::new()] {
        assert_eq!(open(&key, &header(), &wrong), Err(OpenFault::Sealed));
    }
    let mut sealed = header();
    sealed.class = Class::Sealed;
    assert_eq!(open(&key, &sealed, &stored[64..]), Err(OpenFault::Sealed), "no key without it");
    let noise: Vec<u8> = (0..BODY_BYTES_MAX as u32 / 32)
        .flat_map(|i| {
            kernelos_protocol::hash::hash_under("kernelos test noise", &[&i.to_be_bytes()])
        })
        .collect();
    let largest = |less: usize| pack(&noise[..BODY_BYTES_MAX - 17 - less]).unwrap();
    assert!(seal_shreddable(&key, &header(), largest(31), &[1; 32]).is_err(), "it fits no event");
    assert!(seal_shreddable(&key, &header(), largest(32), &[1; 32]).is_ok());
}

#[test]
fn a_salt_that_is_not_committed_to_is_no_body_and_never_void() {
    // SPEC: SEAL-4, EVT-3
    let world = World::of(&[(2, Role::Member)]);
    let whole = world.events.last().unwrap();
    let envelope = whole.encode();
    let salt = &whole.body().unwrap()[..32];
    let at = envelope.windows(32).position(|window| window == salt).unwrap();
    let mut altered = envelope.clone();
    altered[at] ^= 1;
    let event = Signed::decode(&altered).unwrap().verify().unwrap();
    assert_eq!(event.id(), whole.id(), "no hash covers a salt");
    assert_eq!(event.body(), None, "it is as good as none");
    altered = envelope.clone();
    altered[at + 32] ^= 1;
    let fault = Signed::decode(&altered).unwrap_err();
    assert_eq!(fault.code(), "body_mismatch", "the commitment is hashed");

    let before = &world.events[..world.events.len() - 1];
    let mut peer = Peer::new(2, world.founder.workspace.id());
    peer.take(before);
    peer.take(&[event]);
    assert_eq!(peer.verdict(&whole.id()), "admitted");
    assert_eq!(peer.workspace.without_bodies().collect::<Vec<_>>(), [whole.id()]);
    peer.take(std::slice::from_ref(whole));
    peer.project();
    assert!(peer.workspace.artifact(&whole.id()).is_some(), "the right one is taken");
}

#[test]
fn a_shreddable_body_that_nobody_can_open_is_void_and_can_be_purged() {
    // SPEC: SEAL-4, EFF-11
    let mut world = World::of(&[(2, Role::Member)]);
    let attacker = world.peer(2);
    let made = attacker.craft_as(Class::Shreddable, b"x", world.heads());
    // Too short to commit to anything; and one that commits to a salt that nobody has.
    let short = vec![7; 32 + 31];
    let lost = [[7; 32], [8; 32], [9; 32]].concat();
    for (body, verdicts) in [(short, ["body_sealed", "admitted"]), (lost, ["admitted"; 2])] {
        let named = BodyRef::of(&body[32..]);
        let event = attacker.sign(Header { body: Some(named), ..made.header().clone() }, body);
        let mut judge = world.peer(1);
        judge.take(std::slice::from_ref(&event));
        assert_eq!(verdict(&mut judge, &event.id()), verdicts[0]);
        let purged = purge(&mut judge, &[event.id()]).unwrap();
        assert_eq!(verdict(&mut judge, &event.id()), verdicts[1]);
        assert!(!judge.workspace.lacks_bodies());
        assert_eq!(verdict(&mut judge, &purged[0].id()), "admitted");
        judge.state();
    }
    world.founder.workspace.settle();
}

#[test]
fn a_chunk_that_another_manifest_names_stays() {
    // SPEC: DUR-11
    let mut world = World::of(&[]);
    let again = artifact(&mut world.founder, 1);
    purge(&mut world.founder, &[world.artifact]).unwrap();
    let (places, chunks) = world.founder.workspace.take_shreds();
    assert_eq!((places.len(), chunks.len()), (1, 0));
    purge(&mut world.founder, &[again[0].id()]).unwrap();
    let (places, chunks) = world.founder.workspace.take_shreds();
    assert_eq!((places.len(), chunks.len()), (1, 1));
}

#[test]
fn nothing_waits_to_be_judged_for_a_body_of_class_2() {
    // SPEC: STATE-4, EFF-10
    let mut world = World::of(&[(2, Role::Member), (3, Role::Member)]);
    world.events.extend(artifact(&mut world.founder, 7));
    let attacker = world.peer(2);
    let changes = vec![DocumentChange {
        document: Some(kernelos_protocol::id::DocumentId([9; 32])),
        generation: 1,
        change: vec![1],
    }];
    let claim = Record::Claim(Claim { on: world.artifact, stage: Stage::Implement, epoch: 1 });
    let rows = [
        (attacker.craft(&encode_changes(changes), world.heads()), "unknown_document"),
        (attacker.craft(&encode(&claim), world.heads()), "order"),
    ];
    let (before, absent) = world.events.split_at(world.events.len() - 2);
    let bare: Vec<_> = absent.iter().map(|event| event.without_body().unwrap()).collect();
    for (event, code) in rows {
        let mut with = world.peer(1);
        let mut without = Peer::new(3, world.founder.workspace.id());
        without.take(before);
        without.take(&bare);
        for peer in [&mut with, &mut without] {
            peer.project();
            let before = peer.workspace.waiting_work();
            peer.take(std::slice::from_ref(&event));
            peer.project();
            assert_eq!(verdict(peer, &event.id()), code);
            assert_eq!(peer.workspace.waiting_work(), before, "nor is anything looked at for it");
        }
        assert_eq!(with.state(), without.state());
    }
}
