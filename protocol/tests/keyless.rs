//! Who lacks the keys of epochs that lead to none: how much that costs others, and that it does not
//! depend on what came first.

use kernelos_protocol::content::encode_changes;
use kernelos_protocol::control::{ControlBody, Wrap};
use kernelos_protocol::epoch::{EpochKey, epoch_body, wrap_key};
use kernelos_protocol::event::{BodyRef, Class, Header, Unsigned, Verified};
use kernelos_protocol::id::{EventId, Incarnation, Lane};
use kernelos_protocol::role::Role;
use kernelos_protocol::seal::{pack, seal};
use kernelos_protocol::time::Stamp;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;

use crate::kit::Peer;
use crate::rescue::craft;

/// A member that makes epochs which lead to none, each after all that are there.
struct Maker {
    two: Peer,
    rng: ChaCha20Rng,
    life: u8,
    first: EventId,
}

impl Maker {
    fn control(&mut self, body: ControlBody) -> Verified {
        let event = self.crafted(body);
        self.two.take(std::slice::from_ref(&event));
        event
    }

    /// The same, not taken in yet: the next does not hear of it.
    fn crafted(&mut self, body: ControlBody) -> Verified {
        let crafted = craft(&self.two, 2, |_| body);
        self.life += 1;
        let header =
            Header { incarnation: Incarnation([self.life; 8]), ..crafted.header().clone() };
        let body = crafted.body().map(<[u8]>::to_vec);
        Unsigned { header, body }.sign(&self.two.key).unwrap()
    }

    /// What gives the key of an epoch to these.
    fn wrap(&mut self, epoch: EventId, key: &EpochKey, to: &[&Peer]) -> Verified {
        let workspace = self.two.workspace.id();
        let wrapped = to.iter().map(|peer| {
            let (to, sealing) = (peer.key.device(), peer.key.sealing_statement().key);
            wrap_key(&workspace, &epoch, key, &to, &sealing, &mut self.rng).unwrap()
        });
        let mut keys: Vec<_> = wrapped.collect();
        keys.sort_by_key(|key| key.recipient);
        self.control(ControlBody::Wrap(Wrap { epoch, keys }))
    }

    /// An epoch that only the founder is given, and something that is sealed under it.
    fn epoch(&mut self, founder: &Peer) -> [Verified; 3] {
        self.epoch_for(&[founder])
    }

    /// The same that these are given.
    fn epoch_for(&mut self, to: &[&Peer]) -> [Verified; 3] {
        let key = EpochKey::from_bytes([self.life; 32]);
        let epoch = self.control(ControlBody::Epoch(epoch_body(&key, &[])));
        let wrap = self.wrap(epoch.id(), &key, to);
        let heard = self.heads();
        let content = self.content(&key, epoch.id(), heard);
        [epoch, wrap, content]
    }

    fn heads(&self) -> Vec<EventId> {
        let control = self.two.workspace.control();
        control.heads(&control.all())
    }

    fn content(&mut self, key: &EpochKey, epoch: EventId, heard: Vec<EventId>) -> Verified {
        self.life += 1;
        let header = Header {
            workspace: self.two.workspace.id(),
            lane: Lane::Content,
            author: self.two.key.device(),
            incarnation: Incarnation([self.life; 8]),
            seq: 0,
            prev: None,
            parents: vec![self.first],
            heard,
            stamp: Stamp(1),
            class: Class::Sealed,
            epoch: Some(epoch),
            body: None,
        };
        let body = seal(key, &header, pack(&encode_changes(Vec::new())).unwrap());
        self.two.sign(Header { body: Some(BodyRef::of(&body)), ..header }, body)
    }
}

/// The founder, who makes them, a third that may read, and what they all know.
fn stage() -> (Peer, Maker, Peer, Vec<Verified>) {
    let (mut founder, mut events) = Peer::founder();
    let first = events.last().unwrap().id();
    events.extend(founder.grant(2, Role::Member));
    for number in 3..7 {
        events.extend(founder.grant(number, Role::Member));
    }
    let [two, third] = [2, 3].map(|number| {
        let mut peer = Peer::new(number, founder.workspace.id());
        peer.take(&events);
        peer
    });
    let rng = ChaCha20Rng::from_seed([7; 32]);
    (founder, Maker { two, rng, life: 100, first }, third, events)
}

/// What the founder writes until nobody lacks a key, at how many looks.
fn cost(epochs: usize) -> (usize, u64) {
    let (mut founder, mut maker, mut third, _) = stage();
    let made: Vec<_> = (0..epochs).flat_map(|_| maker.epoch(&founder)).collect();
    founder.take(&made);
    third.take(&made);
    assert!(third.workspace.has_unread());
    let (own, mut written) = (founder.key.device(), Vec::new());
    while founder.workspace.has_keyless(&own) {
        let looks = founder.workspace.keyless_looks();
        assert!(founder.workspace.has_keyless(&own));
        assert_eq!(founder.workspace.keyless_looks(), looks, "nothing changed");
        written.extend(founder.write(|workspace, pen| workspace.write_missing_wraps(pen)).unwrap());
        assert!(written.len() <= epochs + 2);
    }
    third.take(&written);
    third.project();
    assert!(!third.workspace.has_unread(), "it was given every key, or one that leads to it");
    let looks = founder.workspace.keyless_looks();
    let [other, ..] = maker.epoch(&founder);
    founder.take(&[other]);
    assert!(!founder.workspace.has_keyless(&own));
    assert_eq!(founder.workspace.keyless_looks(), looks, "whose key is not held is not looked at");
    (written.len(), looks)
}

#[test]
fn epochs_that_lead_to_none_cost_others_no_wrap_of_each() {
    // SPEC: KEY-8, KEY-10
    let (few, many, more) = (cost(4), cost(20), cost(40));
    assert_eq!(few.0, 4, "each is wrapped");
    assert!(many.0 <= 3, "one leads to all: {many:?}");
    assert!(more.0 <= many.0 && more.1 <= many.1, "{more:?} after {many:?}");
}

#[test]
fn an_event_uses_no_epoch_that_it_did_not_hear_of_whatever_came_first() {
    // SPEC: KEY-10, EFF-2
    let (founder, mut maker, _, base) = stage();
    let before = maker.heads();
    let key = EpochKey::from_bytes([maker.life; 32]);
    let stray = maker.epoch(&founder);
    let next = maker.epoch(&founder);
    let unheard = maker.content(&key, stray[0].id(), before);
    // The last epoch leads to the first no more than it is used.
    let rest = [&stray[..2], &next[..]].concat();
    let lacks = |order: &[Verified]| {
        let mut founder = Peer::new(1, founder.workspace.id());
        founder.take(&base);
        founder.take(order);
        let mut given = Vec::new();
        while founder.workspace.has_keyless(&founder.key.device()) {
            let wraps = founder.write(|workspace, pen| workspace.write_missing_wraps(pen));
            given.extend(wraps.unwrap());
        }
        given.len()
    };
    let first = [std::slice::from_ref(&unheard), &rest[..]].concat();
    let last = [&rest[..], std::slice::from_ref(&unheard)].concat();
    assert_eq!((lacks(&first), lacks(&last)), (1, 1), "the current one alone");
}

#[test]
fn who_comes_later_is_given_what_all_others_hold() {
    // SPEC: KEY-8
    let (mut founder, mut maker, _, _) = stage();
    let made: Vec<_> = (0..3).flat_map(|_| maker.epoch(&founder)).collect();
    founder.take(&made);
    let own = founder.key.device();
    let give = |founder: &mut Peer| {
        let wraps = founder.write(|workspace, pen| workspace.write_missing_wraps(pen)).unwrap();
        assert!(!founder.workspace.has_keyless(&own));
        wraps.len()
    };
    assert_eq!(give(&mut founder), 3);
    founder.grant(7, Role::Observer);
    assert!(founder.workspace.has_keyless(&own), "its grant brings the current key alone");
    assert_eq!(give(&mut founder), 3, "two of them, and the founder's own");
}

/// What this device writes until nobody lacks a key that it could give; it must end.
#[track_caller]
fn give_all(peer: &mut Peer, at_most: usize) -> Vec<Verified> {
    let (own, mut written) = (peer.key.device(), Vec::new());
    while peer.workspace.has_keyless(&own) {
        written.extend(peer.write(|workspace, pen| workspace.write_missing_wraps(pen)).unwrap());
        assert!(written.len() <= at_most, "it goes on and on");
    }
    written
}

#[test]
fn who_reached_a_key_through_another_epoch_wraps_nothing_that_would_not_count() {
    // SPEC: KEY-8, AUTH-23
    let (mut founder, mut maker, mut third, _) = stage();
    // Two epochs of which neither knows the other; one carries the key of the other, and is the one
    // that the founder is given.
    let [hidden, shown] = [200, 201].map(|byte| EpochKey::from_bytes([byte; 32]));
    let first = maker.crafted(ControlBody::Epoch(epoch_body(&hidden, &[])));
    let older = [(first.id(), hidden)];
    let second = maker.crafted(ControlBody::Epoch(epoch_body(&shown, &older)));
    let epochs = [first, second];
    maker.two.take(&epochs);
    let wrap = maker.wrap(epochs[1].id(), &shown, &[&founder]);
    for peer in [&mut founder, &mut third] {
        peer.take(&[&epochs[..], std::slice::from_ref(&wrap)].concat());
    }
    // Of the one that it was given it gives the key; the other comes with that.
    let given = give_all(&mut founder, 2);
    let wrapped: Vec<_> = given
        .iter()
        .map(|event| match event.control() {
            Some(ControlBody::Wrap(wrap)) => wrap.epoch,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(wrapped, [epochs[1].id()]);
}

#[test]
fn holders_that_each_make_an_epoch_which_leads_to_all_come_to_an_end_together() {
    // SPEC: KEY-8, KEY-10
    let (founder, mut maker, third, base) = stage();
    let workspace = founder.workspace.id();
    let mut holders = vec![founder, third];
    holders.extend((4..7).map(|number| {
        let mut peer = Peer::new(number, workspace);
        peer.take(&base);
        peer
    }));
    let to: Vec<&Peer> = holders.iter().take(4).collect();
    let made: Vec<_> = (0..20).flat_map(|_| maker.epoch_for(&to)).collect();
    holders.iter_mut().for_each(|holder| holder.take(&made));
    let (mut written, mut rounds) = (Vec::new(), 0);
    loop {
        // All at once: none hears of what another writes before it has written itself.
        let each = holders.iter_mut().map(|holder| give_all(holder, 8));
        let round: Vec<Vec<_>> = each.collect();
        if round.iter().all(Vec::is_empty) {
            break;
        }
        rounds += 1;
        assert!(rounds <= 3, "they answer each other without an end");
        for (number, holder) in holders.iter_mut().enumerate() {
            let others = round.iter().enumerate().filter(|(of, _)| *of != number);
            let others: Vec<_> = others.flat_map(|(_, events)| events.clone()).collect();
            holder.take(&others);
        }
        written.extend(round.into_iter().flatten());
    }
    let epochs =
        written.iter().filter(|event| matches!(event.control(), Some(ControlBody::Epoch(_))));
    assert_eq!(epochs.count(), 4, "one of each who held them, and no more");
    assert!(written.len() <= 4 * 2 * holders.len(), "{} events", written.len());
    for holder in &mut holders {
        holder.project();
        assert!(!holder.workspace.has_unread(), "all can be read");
    }
}
