//! Histories of stores, epochs and wraps as signed events: what a device may open, under which
//! epoch it writes, and what is void for want of an epoch, as the model says.

use std::collections::BTreeMap;

use kernelos_protocol::cbor::Writer;
use kernelos_protocol::control::{ControlBody, Genesis, Grant, Revoke, Wrap, WrappedKey};
use kernelos_protocol::epoch::{EpochKey, KeyRing, WriteEpoch, epoch_body, wrap_key};
use kernelos_protocol::event::{BodyRef, Class, Header, Unsigned, Verified};
use kernelos_protocol::id::{EventId, Incarnation, Lane, WorkspaceId};
use kernelos_protocol::key::DeviceKey;
use kernelos_protocol::role::Role;
use kernelos_protocol::seal::{pack, seal};
use kernelos_protocol::time::Stamp;
use kernelos_protocol::workspace::Workspace;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;

use super::model::{Device, Event, History, Kind, Mask, bits, has};
use super::random::{without_strangers, worlds};
use super::world::{World, Worlds};
use crate::kit::{recovery, secret};

fn key(device: Device) -> DeviceKey {
    DeviceKey::from_secret(&secret(device + 1))
}

fn epoch_key(epoch: usize) -> EpochKey {
    EpochKey::from_bytes([epoch as u8; 32])
}

/// A cleaned history as signed events, by number.
struct Signed<'a> {
    h: &'a History,
    events: Vec<Verified>,
    rng: ChaCha20Rng,
}

impl<'a> Signed<'a> {
    fn of(h: &'a History) -> Self {
        let rng = ChaCha20Rng::from_seed([7; 32]);
        let mut signed = Self { h, events: Vec::new(), rng };
        for e in 0..h.events.len() {
            let event = signed.make(e);
            signed.events.push(event);
        }
        signed
    }

    fn id(&self, e: usize) -> EventId {
        self.events[e].id()
    }

    fn workspace(&self) -> WorkspaceId {
        self.events.first().map_or(WorkspaceId::UNBORN, |genesis| WorkspaceId(genesis.id().0))
    }

    fn ids(&self, of: Mask) -> Vec<EventId> {
        let mut ids: Vec<EventId> = bits(of).map(|e| self.id(e)).collect();
        ids.sort_unstable();
        ids
    }

    fn make(&mut self, e: usize) -> Verified {
        let event = &self.h.events[e];
        let control = has(self.h.control, e);
        let lane = if control { event.past } else { event.past & !self.h.control };
        let prev = self.h.prev(e);
        let mut parents = self.ids(self.h.heads(lane));
        parents.retain(|id| prev.is_none_or(|prev| *id != self.id(prev)));
        // A stranger that heard nothing says that it heard of the workspace.
        let heard = (event.past & self.h.control).max(1);
        let heard = if control { 0 } else { self.h.heads(heard) };
        let epoch = bits(event.cut).next().filter(|_| !control);
        let header = Header {
            workspace: self.workspace(),
            lane: if control { Lane::Control } else { Lane::Content },
            author: key(event.by).device(),
            incarnation: Incarnation([event.life; 8]),
            seq: prev.map_or(0, |prev| self.events[prev].header().seq + 1),
            prev: prev.map(|prev| self.id(prev)),
            parents,
            heard: self.ids(heard),
            stamp: Stamp(e as u64),
            class: if epoch.is_some() { Class::Sealed } else { Class::Plain },
            epoch: epoch.map(|epoch| self.id(epoch)),
            body: None,
        };
        let body = match epoch {
            Some(epoch) => {
                let mut inside = Writer::default();
                inside.array(2).uint(99).uint(e as u64);
                Some(seal(&epoch_key(epoch), &header, pack(&inside.finish()).unwrap()))
            }
            None => self.control_body(e).map(|body| body.encode()),
        };
        let header = Header { body: body.as_deref().map(BodyRef::of), ..header };
        Unsigned { header, body }.sign(&key(event.by)).unwrap()
    }

    fn control_body(&mut self, e: usize) -> Option<ControlBody> {
        let event = &self.h.events[e];
        let target = key(event.target);
        Some(match event.kind {
            Kind::Genesis => ControlBody::Genesis(Genesis {
                format: 1,
                nonce: [0; 16],
                sealing: target.sealing_statement(),
                recovery: recovery().public(),
            }),
            Kind::Grant => ControlBody::Grant(Grant {
                device: target.device(),
                sealing: target.sealing_statement(),
                role: event.rank,
                tier: 0,
                capabilities: Vec::new(),
                rule: String::new(),
            }),
            Kind::Revoke => {
                let named = event.cut & !self.h.control;
                let before = bits(named).filter_map(|e| self.h.prev(e));
                let before: Mask = before.fold(0, |all, e| all | 1 << e);
                let (cut, reason) = (self.ids(named & !before), String::new());
                ControlBody::Revoke(Revoke { target: target.device(), cut, reason })
            }
            Kind::Epoch => {
                let older = bits(self.h.knows_keys(event.by, event.past));
                let older: Vec<_> = older.map(|x| (self.id(x), epoch_key(x))).collect();
                ControlBody::Epoch(epoch_body(&epoch_key(e), &older))
            }
            Kind::Wrap => {
                let epoch = bits(event.cut).next();
                let id = epoch.map_or(EventId([9; 32]), |epoch| self.id(epoch));
                let recipient = target.device();
                let genuine = epoch.filter(|_| !self.h.is_garbage(e)).and_then(|epoch| {
                    let (to, of) = (target.sealing_statement().key, epoch_key(epoch));
                    wrap_key(&self.workspace(), &id, &of, &recipient, &to, &mut self.rng)
                });
                let garbage = WrappedKey { recipient, encapsulated: [1; 32], sealed: [2; 48] };
                let keys = vec![genuine.unwrap_or(garbage)];
                ControlBody::Wrap(Wrap { epoch: id, keys })
            }
            Kind::Join | Kind::Change => return None,
            other => unreachable!("no history here has {other:?}"),
        })
    }
}

/// What differed would panic; gives how many epochs were fit, and contents void.
fn check(signed: &Signed<'_>, device: Device, known: Mask, refused: Mask) -> (usize, usize) {
    let (h, own) = (signed.h, key(device));
    let mut workspace = Workspace::new(signed.workspace());
    let mut ring = KeyRing::default();
    for e in bits(known) {
        let event = &signed.events[e];
        assert_eq!(workspace.insert(event, &own), Ok(true), "{e}");
        ring.heard(&signed.workspace(), workspace.control(), event, &own);
    }
    for e in bits(refused).filter(|&e| h.events[e].past & h.control != 0) {
        assert!(workspace.insert(&signed.events[e], &own).is_err(), "{e} is refused");
    }
    workspace.settle();
    let (control, content) = (workspace.control(), workspace.content());
    for d in super::adapter::devices(h) {
        let role = control.role(&key(d).device(), &control.all());
        assert_eq!(role, h.rank(d, known), "role of {d}");
    }
    let mut void = 0;
    for e in bits(known & !h.control) {
        let id = signed.id(e);
        let no = content.number(&id).expect("it is here");
        let admitted = content.is_admitted(no);
        assert_eq!(admitted, has(h.admitted(known), e), "{e} is admitted");
        let reason = workspace.verdict(&id).and_then(|(_, reason)| reason).unwrap_or_default();
        let unheard = h.events[e].cut != 0 && !h.epoch_heard(e);
        assert_eq!(reason.starts_with("epoch_unheard"), admitted && unheard, "{e}: {reason}");
        void += usize::from(admitted && unheard);
    }
    for e in bits(known).filter(|&e| h.events[e].kind == Kind::Epoch) {
        let holders = h.holders(e, known);
        for d in super::adapter::devices(h) {
            let holds = ring.is_holder(&signed.id(e), &key(d).device());
            assert_eq!(holds, holders.contains(&d), "{d} holds the key of {e}");
        }
        let opens = has(h.opens(device, known), e);
        assert_eq!(ring.key(&signed.id(e)).is_some(), opens, "{device} opens {e}");
    }
    let fit = h.fit_epochs(device, known);
    let expected = fit.iter().map(|&e| signed.id(e)).min();
    match ring.write_epoch(control) {
        WriteEpoch::Use(id, _) => assert_eq!(Some(id), expected, "{device} writes under it"),
        WriteEpoch::Make => assert_eq!(None, expected, "{device} makes one"),
    }
    (fit.len(), void)
}

fn check_world(w: &World) -> (usize, usize) {
    let (h, refused) = w.h.cleaned();
    let closed = |known| bits(known & !refused).fold(0, |all, e| all | h.with_past(e));
    let mut among: Vec<Mask> = w.stores().into_iter().map(closed).collect();
    let (h, strangers) = without_strangers(&h, &mut among);
    let refused = refused | strangers;
    let h = h.chained();
    let signed = Signed::of(&h);
    let everything = h.everything() & !refused;
    let mut sum = BTreeMap::new();
    for (at, &known) in among.iter().enumerate() {
        // Refused events lack nothing only where all is known.
        let device = at % w.devices.len();
        sum.insert((at, 0), check(&signed, device as Device, known, 0));
        sum.insert((at, 1), check(&signed, device as Device, everything, refused));
    }
    sum.values().fold((0, 0), |(a, b), (fit, void)| (a + fit, b + void))
}

#[test]
fn signed_histories_of_epochs_are_judged_as_the_model_does() {
    // SPEC: KEY-7, EFF-2, AUTH-23, AUTH-24
    let (mut fit, mut void) = (0, 0);
    for seed in 0..worlds(30) {
        let w = World::new(seed, 4, None, Worlds::Keyed).run(30);
        let (more, also) = check_world(&w);
        (fit, void) = (fit + more, void + also);
    }
    assert!(fit > 20 && void > 5, "{fit} fit epochs and {void} void contents say something");
}

#[test]
fn signed_histories_of_restored_and_cloned_stores_are_judged_as_the_model_does() {
    // SPEC: EVT-1, AUTH-12, AUTH-18
    for seed in 0..worlds(30) {
        check_world(&World::new(seed, 4, None, Worlds::Restored).run(40));
    }
}

#[test]
fn a_wrap_makes_a_holder_by_its_own_past_in_every_order() {
    // SPEC: AUTH-23, KEY-7
    let mut h = History::default();
    let mut past = 0;
    let mut say = |by, kind, target, cut, before: Option<Mask>| {
        let event = Event {
            by,
            life: 0,
            kind,
            target,
            rank: Role::Member,
            cut,
            past: before.unwrap_or(past),
        };
        let rank = if kind == Kind::Wrap { Role::Store } else { event.rank };
        let e = h.add(Event { rank, ..event });
        past |= 1 << e;
        e
    };
    say(0, Kind::Genesis, 0, 0, None);
    say(0, Kind::Grant, 1, 0, None);
    say(0, Kind::Grant, 2, 0, None);
    let epoch = say(0, Kind::Epoch, 0, 0, None);
    let before: Mask = (1 << (epoch + 1)) - 1;
    let given = say(0, Kind::Wrap, 1, 1 << epoch, Some(before));
    let unheard = say(1, Kind::Wrap, 2, 1 << epoch, Some(before));
    let signed = Signed::of(&h);
    for order in [[given, unheard], [unheard, given]] {
        let (own, id) = (key(2), signed.id(epoch));
        let mut workspace = Workspace::new(signed.workspace());
        let mut ring = KeyRing::default();
        for e in (0..=epoch).chain(order) {
            workspace.insert(&signed.events[e], &own).unwrap();
            ring.heard(&signed.workspace(), workspace.control(), &signed.events[e], &own);
        }
        let holds = [0, 1, 2].map(|d| ring.is_holder(&id, &key(d).device()));
        assert_eq!(holds, [true, true, false], "{order:?}");
    }
}
