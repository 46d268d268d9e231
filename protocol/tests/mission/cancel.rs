//! A mission that is ended by a person, and how many may be open.

use kernelos_protocol::limits::MISSIONS_OPEN_MAX;
use kernelos_protocol::mission::policy::RULES;
use kernelos_protocol::mission::record::{Act, Decision, Record};
use kernelos_protocol::mission::state::{Seen, State};
use kernelos_protocol::role::Role;

use super::runs::{lease, plan, step, to_candidate, to_replayed};
use super::{Run, object, two_homes};
use crate::kit::Peer;

const CANCEL: Seen = Seen::Decide(Act::Cancel);

fn state<'a>(peer: &'a Peer, run: &Run) -> &'a State {
    let journal = peer.workspace.missions();
    &journal.head(peer.workspace.content(), &run.id).unwrap().state
}

#[test]
fn its_home_an_owner_and_an_admin_end_a_mission_and_nobody_else() {
    // SPEC: MIS-10, POL-2
    for (role, may) in [
        (Role::Runner, Err("not_home")),
        (Role::Member, Err("not_home")),
        (Role::Admin, Ok(())),
        (Role::Owner, Ok(())),
    ] {
        let (mut home, mut other) = two_homes(role);
        let mut run = Run::start(&mut home);
        run.write(&mut home, &plan());
        other.take(&run.events);
        assert_eq!(run.derive(&other, &CANCEL).map(drop), may, "{role:?}");
        let before = state(&home, &run).last;
        let rule = RULES[5].rule.to_owned();
        let decision = Decision { on: before, act: Act::Cancel, allowed: true, rule };
        let id = run.force(&mut other, &Record::Decision(decision));
        home.take(&run.events);
        for peer in [&home, &other] {
            let void = run.void(peer, &id);
            assert_eq!(void.as_deref(), may.err(), "{role:?}");
            let ended = may.is_ok().then_some(other.key.device());
            assert_eq!(state(peer, &run).cancelled, ended, "{role:?}");
        }
        // A refusal that is recorded would stand in the way of those who work.
        let rule = "default-deny".to_owned();
        let on = state(&other, &run).last;
        let decision = Decision { on, act: Act::Cancel, allowed: false, rule };
        let id = run.force(&mut other, &Record::Decision(decision));
        assert!(run.void(&other, &id).is_some(), "{role:?}");
    }
    let (mut home, _) = two_homes(Role::Runner);
    let mut run = Run::start(&mut home);
    run.write(&mut home, &CANCEL);
    assert_eq!(state(&home, &run).cancelled, Some(home.key.device()));
    for seen in [CANCEL, plan(), Seen::Decide(Act::RunAgent)] {
        assert_eq!(run.derive(&home, &seen).map(drop), Err("order"), "nothing follows it");
    }
}

#[test]
fn it_ends_a_mission_at_every_stage_but_where_the_branch_moved() {
    // SPEC: MIS-10
    let (mut home, _) = two_homes(Role::Runner);
    let all = [to_candidate(), to_replayed()].concat();
    for done in 0..=all.len() {
        let mut run = Run::start(&mut home);
        run.write_all(&mut home, &all[..done]);
        let stage = state(&home, &run).progress.next_stage();
        run.write(&mut home, &CANCEL);
        let ended = state(&home, &run);
        assert!(ended.progress.is_over() && ended.lease.is_none(), "after {stage:?}");
        assert_eq!(ended.progress.stages_done() + 1, stage.unwrap() as u8);
    }
    let mut run = Run::start(&mut home);
    run.write_all(&mut home, &all);
    run.write_all(&mut home, &[Seen::Decide(Act::MoveRef), Seen::Promote(object(3))]);
    assert_eq!(run.derive(&home, &CANCEL).map(drop), Err("order"));
}

#[test]
fn it_stands_above_what_was_done_meanwhile_and_below_a_branch_that_moved() {
    // SPEC: MIS-5, MIS-10
    let moved = [Seen::Decide(Act::MoveRef), Seen::Promote(object(3))];
    let all = [to_candidate(), to_replayed()].concat();
    let work = [step(2).to_vec(), step(3).to_vec()].concat();
    let planned = [vec![plan()], lease().to_vec()].concat();
    for (before, meanwhile, wins) in [
        (planned, work, true),
        (all.clone(), moved[..1].to_vec(), true),
        (all, moved.to_vec(), false),
    ] {
        let (mut home, mut other) = two_homes(Role::Admin);
        let mut run = Run::start(&mut home);
        run.write_all(&mut home, &before);
        other.take(&run.events);
        let known = run.events.len();
        run.write_all(&mut home, &meanwhile);
        let done = run.events.split_off(known);
        run.write(&mut other, &CANCEL);
        let ended = run.events.split_off(known);
        home.take(&ended);
        other.take(&done);
        for peer in [&home, &other] {
            assert_eq!(state(peer, &run).cancelled.is_some(), wins, "{meanwhile:?}");
        }
        assert_eq!(state(&home, &run).last, state(&other, &run).last);
    }
}

#[test]
fn a_device_has_so_many_missions_open_and_one_more_has_no_effect() {
    // SPEC: MIS-11
    let (mut home, mut other) = two_homes(Role::Member);
    // What came before its key is read by now.
    other.project();
    let mut runs: Vec<_> = (0..MISSIONS_OPEN_MAX).map(|_| Run::start(&mut home)).collect();
    let room = |peer: &Peer, of: &Peer| {
        peer.workspace.missions().has_room(peer.workspace.content(), &of.key.device())
    };
    assert!(!room(&home, &home) && room(&home, &other), "each has its own");
    let beyond = Run::start(&mut home);
    assert_eq!(beyond.void(&home, &beyond.id).as_deref(), Some("too_many"));
    runs[7].write(&mut home, &CANCEL);
    let end = runs[7].events.pop().unwrap();
    assert!(room(&home, &home));
    let next = Run::start(&mut home);
    assert_eq!(next.void(&home, &next.id), None);
    assert!(!room(&home, &home));
    runs.iter().chain([&beyond]).for_each(|run| other.take(&run.events));
    other.take(&[end]);
    other.take(&next.events);
    for (run, void) in [(&beyond, Some("too_many")), (&next, None), (&runs[7], None)] {
        assert_eq!(run.void(&other, &run.id).as_deref(), void, "the same everywhere");
    }
}

#[test]
fn a_start_waits_for_what_is_not_read_where_that_decides_whether_it_has_effect() {
    // SPEC: MIS-12
    let (mut home, mut other) = two_homes(Role::Member);
    other.project();
    let runs: Vec<_> = (0..MISSIONS_OPEN_MAX).map(|_| Run::start(&mut home)).collect();
    let beyond = Run::start(&mut home);
    assert_eq!(beyond.void(&home, &beyond.id).as_deref(), Some("too_many"));
    let counts = |peer: &Peer, run: &Run| peer.workspace.missions().entry(&run.id).is_some();
    // One start came without its body: whether the last is one too many is not known.
    let mut bare = runs[3].events.clone();
    let whole = bare.pop().unwrap();
    bare.push(whole.without_body().unwrap());
    for (at, run) in runs.iter().enumerate() {
        other.take(if at == 3 { &bare } else { &run.events });
    }
    let is_counted: Vec<_> = runs.iter().map(|run| counts(&other, run)).collect();
    assert!(is_counted.iter().enumerate().all(|(at, counts)| *counts == (at != 3)), "sure enough");
    other.take(&beyond.events);
    other.project();
    let unread = Some("its body cannot be read here".to_owned());
    assert_eq!(beyond.void(&other, &beyond.id), unread);
    assert!(!counts(&other, &beyond));
    other.take(&[whole]);
    other.project();
    assert_eq!(beyond.void(&other, &beyond.id).as_deref(), Some("too_many"));
    // The same of an end: without it there are too many.
    let mut ended = runs[7].clone();
    ended.write(&mut home, &CANCEL);
    let end = ended.events.pop().unwrap();
    let next = Run::start(&mut home);
    assert!(counts(&home, &next));
    other.take(&[end.without_body().unwrap()]);
    other.take(&next.events);
    other.project();
    assert_eq!((next.void(&other, &next.id), counts(&other, &next)), (unread, false));
    other.take(&[end]);
    other.project();
    assert!(counts(&other, &next), "the same everywhere");
}
