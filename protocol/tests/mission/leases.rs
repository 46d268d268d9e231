//! Leases that were taken apart, slept through, replayed or never held: what they leave is kept,
//! and moves no mission, whatever the order of delivery.

use kernelos_protocol::event::{BodyRef, Header, Verified};
use kernelos_protocol::id::EventId;
use kernelos_protocol::mission::record::{Act, Claim, Output, Record, Stage, Step};
use kernelos_protocol::mission::state::Seen;
use kernelos_protocol::role::Role;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use super::Run;
use super::runs::{admitted, ended, lease, object, plan, step, to_candidate};
use crate::kit::Peer;

/// A mission that was planned at device 1, with another device that knows it, and all before it.
struct Apart {
    home: Peer,
    other: Peer,
    run: Run,
    base: Vec<Verified>,
}

impl Apart {
    fn planned() -> Self {
        let (mut home, mut base) = Peer::founder();
        base.extend(home.grant(2, Role::Member));
        base.extend(home.grant(3, Role::Observer));
        home.take(&base);
        let mut other = Peer::new(2, home.workspace.id());
        other.take(&base);
        let mut run = Run::start(&mut home);
        run.write(&mut home, &plan());
        other.take(&run.events);
        base.append(&mut run.events.clone());
        Self { home, other, run, base }
    }

    /// What `write` adds to the mission's events.
    fn only<T>(&mut self, write: impl FnOnce(&mut Self) -> T) -> Vec<Verified> {
        let before = self.run.events.len();
        write(self);
        self.run.events.split_off(before)
    }
}

/// The record on which a mission goes on.
fn head(peer: &Peer, run: &Run) -> EventId {
    let journal = peer.workspace.missions();
    journal.head(peer.workspace.content(), &run.id).unwrap().state.last
}

fn ends(peer: &Peer, run: &Run) -> usize {
    peer.workspace.missions().ends(peer.workspace.content(), &run.id).len()
}

/// Delivers these in many orders; gives the head, the same in all, on both devices.
#[track_caller]
fn in_many_orders(apart: &Apart, events: &[Verified]) -> EventId {
    let mut rng = ChaCha20Rng::from_seed([3; 32]);
    let mut order = events.to_vec();
    let mut seen = Vec::new();
    for round in 0..20 {
        for at in (1..order.len()).rev() {
            order.swap(at, (rng.next_u64() % (at as u64 + 1)) as usize);
        }
        let mut peer = Peer::new(1 + round % 2, apart.home.workspace.id());
        peer.take(&apart.base);
        peer.take(&order);
        peer.project();
        let voids: Vec<_> = events.iter().map(|e| apart.run.void(&peer, &e.id())).collect();
        seen.push((head(&peer, &apart.run), ends(&peer, &apart.run), voids, peer.state()));
    }
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]), "{seen:#?}");
    seen[0].0
}

/// Is a record on the way to the head?
fn counts(peer: &Peer, run: &Run, id: EventId) -> bool {
    peer.workspace.missions().way(&head(peer, run)).iter().any(|(on, _)| *on == id)
}

#[test]
fn two_devices_that_take_one_stage_apart_leave_two_candidates_and_one_winner() {
    // SPEC: MIS-5, LSE-1
    let mut apart = Apart::planned();
    let work = to_candidate()[1..].to_vec();
    let ours = apart.only(|a| a.run.write_all(&mut a.home, &work));
    let theirs = apart.only(|a| a.run.write_all(&mut a.other, &work));
    let winner = in_many_orders(&apart, &[ours.clone(), theirs.clone()].concat());
    apart.home.take(&theirs);
    apart.other.take(&ours);
    let last = [ours.last().unwrap().id(), theirs.last().unwrap().id()];
    assert!(last.contains(&winner));
    let loser = if winner == last[0] { &theirs } else { &ours };
    for peer in [&apart.home, &apart.other] {
        assert_eq!((head(peer, &apart.run), ends(peer, &apart.run)), (winner, 2));
        assert!(!loser.iter().any(|event| counts(peer, &apart.run, event.id())), "shown, not used");
        // Whoever lost, and whoever won: the lease is over, nobody goes on by it.
        for seen in [Seen::Step(ended(Some(0), None)), Seen::Implement(Some(admitted()))] {
            let refused = apart.run.derive(peer, &seen);
            assert!(matches!(refused, Err("no_decision" | "order" | "not_holder")), "{refused:?}");
        }
    }
}

#[test]
fn who_slept_past_its_lease_moves_nothing_when_it_wakes() {
    // SPEC: MIS-5, LSE-1, POL-2
    let mut apart = Apart::planned();
    let taken = [lease().to_vec(), step(2).to_vec()].concat();
    let ours = apart.only(|a| a.run.write_all(&mut a.home, &taken));
    // Device 1 sleeps. Device 2 heard all of it, takes the lease over and finishes.
    apart.other.take(&ours);
    let over = [lease().to_vec(), step(3).to_vec(), vec![Seen::Implement(Some(admitted()))]];
    let theirs = apart.only(|a| a.run.write_all(&mut a.other, &over.concat()));
    // Device 1 wakes, and goes on before it hears anything.
    let woken = apart.only(|a| a.run.write_all(&mut a.home, &step(9)));
    let all = [ours, theirs.clone(), woken.clone()].concat();
    let winner = in_many_orders(&apart, &all);
    assert_eq!(winner, theirs.last().unwrap().id());
    apart.home.take(&theirs);
    assert_eq!(head(&apart.home, &apart.run), winner);
    for event in &woken {
        assert_eq!(apart.run.void(&apart.home, &event.id()), None, "kept as what it was");
        assert!(!counts(&apart.home, &apart.run, event.id()), "and moves nothing");
    }
    // Since it heard, its fence is down.
    assert!(apart.run.derive(&apart.home, &Seen::Step(ended(Some(0), None))).is_err());
    assert!(apart.run.derive(&apart.home, &Seen::Implement(Some(admitted()))).is_err());
}

#[test]
fn what_was_never_leased_or_under_an_older_lease_is_void_everywhere() {
    // SPEC: MIS-3, POL-2, LSE-1
    let mut apart = Apart::planned();
    let planned = head(&apart.home, &apart.run);
    let result = |on, number| {
        let output = Output { commit: object(7), tree: object(8), artifact: EventId([7; 32]) };
        let ended = ended(Some(0), Some(output));
        Record::Step(Box::new(Step { on, number, input: object(1), ended }))
    };
    let never = apart.only(|a| a.run.force(&mut a.other, &result(planned, 1)));
    in_many_orders(&apart, &never);
    let taken = apart.only(|a| a.run.write_all(&mut a.home, &lease()));
    let (decision, claim) = (taken[0].id(), taken[1].id());
    apart.other.take(&taken);
    // Device 2 writes the claim of device 1 again, one of its own without asking, and a result.
    let Ok(copy) = apart.run.derive(&apart.home, &Seen::Decide(Act::StartStep)) else { panic!() };
    let again = Record::Claim(Claim { on: decision, stage: Stage::Implement, epoch: 1 });
    let unasked = Record::Claim(Claim { on: claim, stage: Stage::Implement, epoch: 2 });
    let lies = [
        (again, "no_decision"),
        (unasked, "no_decision"),
        (copy, "not_derived"),
        (result(claim, 1), "no_decision"),
    ];
    let mut written = Vec::new();
    for (lie, code) in lies {
        let events = apart.only(|a| a.run.force(&mut a.other, &lie));
        let id = events.last().unwrap().id();
        assert_eq!(apart.run.void(&apart.other, &id).as_deref(), Some(code), "{lie:?}");
        written.extend(events);
    }
    let all = [never, taken, written].concat();
    assert_eq!(in_many_orders(&apart, &all), claim);
}

#[test]
fn one_result_in_two_versions_is_kept_twice_and_one_of_them_counts_everywhere() {
    // SPEC: MIS-4, MIS-5, EVT-10
    let mut apart = Apart::planned();
    let started = [lease().to_vec(), vec![Seen::Decide(Act::StartStep)]].concat();
    let mut all = apart.only(|a| a.run.write_all(&mut a.home, &started));
    let versions: Vec<_> = [2, 3]
        .into_iter()
        .map(|number| {
            let Seen::Step(ended) = step(number)[1].clone() else { panic!() };
            let on = all.last().unwrap().id();
            let record = Record::Step(Box::new(Step { on, number: 1, input: object(1), ended }));
            apart.only(|a| a.run.force(&mut a.home, &record))
        })
        .collect();
    all.extend(versions.concat());
    let winner = in_many_orders(&apart, &all);
    let ids: Vec<_> = versions.iter().map(|events| events.last().unwrap().id()).collect();
    assert!(ids.contains(&winner));
    apart.other.take(&all);
    assert_eq!(ends(&apart.other, &apart.run), 2);
    let journal = apart.other.workspace.missions();
    assert!(ids.iter().all(|id| journal.entry(id).is_some()), "both are shown");
    assert_eq!(ids.iter().filter(|id| counts(&apart.other, &apart.run, **id)).count(), 1);
}

#[test]
fn a_claim_is_of_its_place_and_its_epoch_alone() {
    // SPEC: SEAL-2, SEAL-3, EFF-2, LSE-1
    let mut apart = Apart::planned();
    let taken = apart.only(|a| a.run.write_all(&mut a.home, &lease()));
    let claim = taken[1].clone();
    apart.other.take(&taken);
    let body = claim.body().unwrap().to_vec();
    // Its ciphertext under a header of another device, and behind itself in its own chain.
    let of_other = Header {
        author: apart.other.key.device(),
        incarnation: apart.other.incarnation,
        seq: 0,
        prev: None,
        parents: vec![claim.id()],
        body: Some(BodyRef::of(&body)),
        ..claim.header().clone()
    };
    let lifted = apart.other.sign(of_other, body.clone());
    let later = Header {
        seq: claim.header().seq + 1,
        prev: Some(claim.id()),
        parents: Vec::new(),
        ..claim.header().clone()
    };
    let replayed = apart.home.sign(later.clone(), body.clone());
    // Under another epoch: one that is none, and one that came later.
    let nowhere = Header { epoch: Some(EventId([9; 32])), ..later.clone() };
    let nowhere = apart.home.sign(nowhere, body.clone());
    let rekeyed = apart.home.revoke(3);
    let epoch = rekeyed.iter().find(|event| {
        matches!(event.control(), Some(kernelos_protocol::control::ControlBody::Epoch(_)))
    });
    let heard = vec![rekeyed.last().unwrap().id()];
    let epoch = Some(epoch.unwrap().id());
    let newer = apart.home.sign(Header { epoch, heard, ..later.clone() }, body);
    // Opened and sealed anew in another place it is a record again, and its epoch is spent.
    let resealed = apart.home.resign(&claim, later);
    let rows = [
        (lifted, "body_sealed"),
        (replayed, "body_sealed"),
        (nowhere, "epoch_unheard"),
        (newer, "body_sealed"),
        (resealed, "not_derived"),
    ];
    let mut all = [taken, rekeyed].concat();
    all.extend(rows.iter().map(|(event, _)| event.clone()));
    assert_eq!(in_many_orders(&apart, &all), claim.id());
    apart.other.take(&all);
    for (event, code) in rows {
        let void = apart.run.void(&apart.other, &event.id());
        assert_eq!(void.as_deref(), Some(code));
    }
}
