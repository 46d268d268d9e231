//! Devices that hand each other events with few signatures: each can prove what it holds, and holds
//! the same as one that got every signature.

use kernelos_protocol::command::{Command, Reply};
use kernelos_protocol::event::{Run, Runs, Verified};
use kernelos_protocol::limits::{JOIN_DELAY_MS, LOAD_SLICE_EVENTS};
use kernelos_protocol::role::Role;
use kernelos_protocol::store::contract::read_all;
use kernelos_protocol::store::{EventStore as _, LoadRequest, MemoryStore, Record};
use kernelos_protocol::sync::{LinkId, Message};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use super::mesh::{Mesh, id};
use crate::segments::proven;

fn disk(mesh: &mut Mesh, number: u8) -> Vec<Verified> {
    read_all(&mut mesh.device(number).disk, LOAD_SLICE_EVENTS)
}

/// Whatever a device keeps without its signature, it keeps what proves it behind it. How many
/// those are.
#[track_caller]
fn assert_proven(mesh: &mut Mesh, number: u8) -> usize {
    let events = disk(mesh, number);
    let runs = Runs::of(events.clone());
    let proven: usize = runs.iter().map(|run| run.events().len()).sum();
    assert_eq!(proven, events.len(), "device {number}");
    events.iter().filter(|event| !event.is_signed()).count()
}

fn write(mesh: &mut Mesh, number: u8, name: &str, count: usize) {
    for i in 0..count {
        mesh.set(number, &format!("notes/{name}{i}"), "x");
    }
}

#[test]
fn what_was_written_apart_travels_with_few_signatures_and_is_handed_on_with_them() {
    // SPEC: EVT-12, SYNC-4, SYNC-11
    let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Member), (4, Role::Member)]);
    write(&mut mesh, 1, "a", 300);
    mesh.connect(1, 2);
    mesh.assert_equal(&[1, 2]);
    assert_eq!(assert_proven(&mut mesh, 1), 0, "who writes signs");
    let inside = assert_proven(&mut mesh, 2);
    assert!(inside > 280, "{inside} without");
    // Of those that got it so, the next get it.
    mesh.connect(2, 3);
    mesh.restart(3);
    mesh.connect(3, 4);
    mesh.assert_equal(&[1, 2, 3, 4]);
    for number in [3, 4] {
        assert!(assert_proven(&mut mesh, number) > 280);
    }
    let Reply::Status(status) = mesh.ask(4, Command::Status) else { panic!() };
    assert_eq!(status.damage, Vec::<String>::new());
}

#[test]
fn a_part_that_is_asked_for_comes_up_to_its_signature() {
    // SPEC: EVT-12, SYNC-4
    let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Member)]);
    write(&mut mesh, 1, "a", 70);
    let first = mesh.connect(1, 2);
    mesh.cut(first);
    let events = disk(&mut mesh, 2);
    let at = events.iter().position(|event| !event.is_signed()).unwrap();
    let link = LinkId(900);
    mesh.links.insert(link, (3, 2));
    let now = mesh.now;
    for (own, other, dialed) in [(3, 2, true), (2, 3, false)] {
        let up = kernelos_protocol::replica::Input::PeerUp {
            link,
            device: id(other),
            dialed,
            workspace: [0; 32],
        };
        mesh.device(own).replica.handle(now, up);
    }
    mesh.device(3).wire.clear();
    let hello = |life| Message::Hello {
        workspace: [0; 32],
        incarnation: kernelos_protocol::id::Incarnation([life; 8]),
        lanes_hash: [0; 32],
    };
    mesh.deliver(3, link, &hello(3).encode());
    mesh.deliver(3, link, &Message::Want(vec![(events[at].id(), 1)]).encode());
    mesh.device(2).run(now);
    let sent = mesh.device(2).wire.clone();
    let frames = sent.iter().filter_map(|(_, frame)| match mesh.devices[&3].read(frame) {
        Ok(Message::Events(runs)) => Some(runs),
        _ => None,
    });
    let runs: Vec<Run> = frames.flatten().collect();
    let [run] = &runs[..] else { panic!("{} runs", runs.len()) };
    assert_eq!(run.events()[0], events[at]);
    assert!(run.events().len() > 1);
}

#[test]
fn what_another_chain_names_keeps_its_signature() {
    // SPEC: EVT-12
    let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Member)]);
    for i in 0..8 {
        let live = mesh.connect(1, 2);
        write(&mut mesh, 1, &format!("a{i}"), 3);
        mesh.cut(live);
        // The last that device 2 got is followed by more here before it is named there.
        write(&mut mesh, 1, &format!("c{i}"), 3);
        write(&mut mesh, 2, &format!("b{i}"), 3);
    }
    let live = mesh.connect(1, 2);
    mesh.cut(live);
    mesh.connect(1, 3);
    mesh.assert_equal(&[1, 3]);
    assert!(assert_proven(&mut mesh, 3) > 40);
    let events = disk(&mut mesh, 3);
    let named: Vec<_> = events.iter().flat_map(|event| event.header().parents.clone()).collect();
    let inside = events.iter().filter(|event| !event.is_signed());
    let both: Vec<_> = inside.map(Verified::id).filter(|id| named.contains(id)).collect();
    assert_eq!(both, []);
}

/// Runs of a history in which two devices wrote apart and together, one of them forked, as few
/// signatures as may be, and the same with all.
fn history() -> (Mesh, Vec<Run>, Vec<Verified>) {
    let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Member)]);
    let live = mesh.connect(1, 2);
    write(&mut mesh, 1, "a", 5);
    write(&mut mesh, 2, "b", 5);
    mesh.cut(live);
    let copy = mesh.device(2).disk.clone();
    let before = disk(&mut mesh, 2).len();
    write(&mut mesh, 2, "c", 6);
    write(&mut mesh, 1, "d", 6);
    // Device 2 writes on from before what it wrote, twice: a fork inside of what goes together.
    let first = disk(&mut mesh, 2);
    mesh.device(2).disk = copy;
    mesh.restart(2);
    write(&mut mesh, 2, "e", 6);
    let second = disk(&mut mesh, 2);
    let branches = [&first[before..], &second[before..]].concat();
    let runs: Vec<_> = proven(&first).into_iter().chain(proven(&second[before..])).collect();
    let ours = disk(&mut mesh, 1);
    let own = ours.iter().filter(|event| !first.iter().any(|other| other.id() == event.id()));
    let own: Vec<_> = own.cloned().collect();
    let runs = [runs, proven(&own)].concat();
    let all = [first[..before].to_vec(), branches, own].concat();
    (mesh, runs, all)
}

#[test]
fn segments_in_any_order_come_to_the_state_of_whoever_got_all_signatures() {
    // SPEC: EVT-10, EVT-12, SYNC-4, STATE-1
    let (mut mesh, runs, all) = history();
    assert!(runs.iter().any(|run| run.events().len() > 4));
    let workspace = mesh.device(1).config.workspace;
    let number = 3;
    mesh.add(number, workspace, MemoryStore::default());
    mesh.feed(number, 1, Message::events(all.clone()));
    mesh.settle();
    let state = |mesh: &mut Mesh, number: u8| {
        let device = mesh.device(number);
        let forks = device.replica.workspace().forks().len();
        let events = device.replica.workspace().len();
        let state = mesh.status(number).state_hash.map(|hash| hash.to_string());
        (events, forks, state, mesh.get(number, "notes").len())
    };
    let expected = state(&mut mesh, number);
    assert_eq!((expected.0, expected.1), (all.len(), 1), "all of it, with the fork");
    for seed in 0..24 {
        let mut rng = ChaCha20Rng::from_seed([seed; 32]);
        let mut order = runs.clone();
        // Some come again, and some with all their signatures.
        order.extend(runs.iter().take(usize::from(seed)).cloned());
        let signed = all.iter().skip(usize::from(seed)).step_by(7).cloned();
        order.extend(signed.filter_map(Run::of));
        for at in (1..order.len()).rev() {
            order.swap(at, (rng.next_u64() % (at as u64 + 1)) as usize);
        }
        mesh.add(number, workspace, MemoryStore::default());
        // Half of it, then a new process, which forgets what waited; then all again.
        let half = order[..order.len() / 2].to_vec();
        mesh.feed(number, 1, Message::Events(half));
        mesh.settle();
        assert_proven(&mut mesh, number);
        mesh.restart(number);
        mesh.feed(number, 1, Message::Events(order.clone()));
        mesh.settle();
        assert_eq!(state(&mut mesh, number), expected, "seed {seed}");
        assert_proven(&mut mesh, number);
        mesh.restart(number);
        assert_eq!(state(&mut mesh, number), expected, "seed {seed}, started again");
    }
}

#[test]
fn a_run_that_misses_something_waits_whole() {
    // SPEC: EVT-12, SYNC-4
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let live = mesh.connect(1, 2);
    mesh.cut(live);
    write(&mut mesh, 1, "a", 6);
    let before = disk(&mut mesh, 2).len();
    let events = disk(&mut mesh, 1);
    let new = events[before..].to_vec();
    let runs = proven(&new[1..]);
    mesh.feed(2, 1, Message::Events(runs.clone()));
    mesh.settle();
    assert_eq!(disk(&mut mesh, 2).len(), before, "nothing of it");
    let link = mesh.connect(1, 2);
    mesh.assert_equal(&[1, 2]);
    mesh.cut(link);
    // The last of a run names what is not here: what stands before it waits with it.
    let (first, mut rest) = (new[0].clone(), new[1..].to_vec());
    rest.reverse();
    assert!(Runs::of([&[first][..], &rest].concat()).len() == new.len());
    assert_proven(&mut mesh, 2);
}

#[test]
fn a_connection_cut_at_any_frame_with_a_restart_between_is_made_up_for() {
    // SPEC: SYNC-4, DUR-1, EVT-12
    let mut origin = Mesh::of(&[(2, Role::Member), (3, Role::Member)]);
    write(&mut origin, 1, "a", 300);
    let kept = origin.device(1).disk.clone();
    for cut_after in 0..14 {
        let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Member)]);
        mesh.device(1).disk = kept.clone();
        mesh.restart(1);
        for (from, to) in [(1, 2), (2, 3)] {
            let link = LinkId(500 + u64::from(to));
            mesh.links.insert(link, (from, to));
            let now = mesh.now;
            for (own, other, dialed) in [(from, to, true), (to, from, false)] {
                let up = kernelos_protocol::replica::Input::PeerUp {
                    link,
                    device: id(other),
                    dialed,
                    workspace: [0; 32],
                };
                mesh.device(own).replica.handle(now, up);
            }
            for _ in 0..cut_after {
                mesh.devices.values_mut().for_each(|device| device.run(now));
                let next = mesh.devices.iter_mut().find_map(|(number, device)| {
                    device.wire.pop_front().map(|(link, frame)| (*number, link, frame))
                });
                let Some((from, link, frame)) = next else { break };
                mesh.deliver(from, link, &frame);
            }
            mesh.restart(to);
            assert_proven(&mut mesh, to);
        }
        mesh.connect(1, 2);
        mesh.connect(2, 3);
        mesh.wait(JOIN_DELAY_MS);
        mesh.assert_equal(&[1, 2, 3]);
    }
}

#[test]
fn a_run_whose_end_is_damaged_is_healed_by_a_peer_that_holds_another() {
    // SPEC: DUR-6, EVT-12
    let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Member)]);
    write(&mut mesh, 1, "a", 40);
    let link = mesh.connect(1, 2);
    mesh.cut(link);
    write(&mut mesh, 1, "b", 40);
    mesh.connect(1, 3);
    let state = mesh.state(1);
    let events = disk(&mut mesh, 2);
    let inside: Vec<_> = (0..events.len()).filter(|at| !events[*at].is_signed()).collect();
    let end = *inside.last().unwrap() + 1;
    for damaged in [end, end - 1, inside[0]] {
        let mut copy = mesh.device(2).disk.clone();
        copy.damage_event(&events[damaged].id());
        let whole = std::mem::replace(&mut mesh.device(2).disk, copy);
        mesh.restart(2);
        assert!(mesh.device(2).replica.workspace().len() < events.len());
        mesh.connect(3, 2);
        assert_eq!(mesh.state(2), state, "event {damaged}");
        assert_proven(&mut mesh, 2);
        mesh.restart(2);
        assert_eq!(mesh.state(2), state, "event {damaged}, started again");
        mesh.device(2).disk = whole;
        mesh.restart(2);
    }
}

#[test]
fn what_no_signature_proves_any_more_is_told_and_asked_of_peers() {
    // SPEC: DUR-6, EVT-12
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    write(&mut mesh, 1, "a", 40);
    let link = mesh.connect(1, 2);
    mesh.cut(link);
    let state = mesh.state(1);
    let events = disk(&mut mesh, 2);
    let end = events.iter().rposition(|event| !event.is_signed()).unwrap() + 1;
    // Its end is gone without a trace, as from a page that was lost.
    let mut copy = MemoryStore::default();
    let kept = events.iter().enumerate().filter(|(at, _)| *at != end);
    let records: Vec<_> = kept.map(|(_, event)| Record::Event(event.clone())).collect();
    copy.commit(&records).unwrap();
    mesh.device(2).disk = copy;
    mesh.restart(2);
    let damage = mesh.status(2).damage;
    assert!(damage.iter().any(|what| what.contains("signature that proves it")), "{damage:?}");
    mesh.connect(1, 2);
    assert_eq!(mesh.state(2), state);
    assert_proven(&mut mesh, 2);
}

#[test]
fn a_row_that_is_mended_while_it_runs_can_be_given_and_exported() {
    // SPEC: DUR-6, EVT-12
    let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Member)]);
    let link = mesh.connect(1, 2);
    write(&mut mesh, 1, "a", 20);
    let events = disk(&mut mesh, 2);
    assert_eq!(assert_proven(&mut mesh, 2), 0, "they came one by one");
    let begin = events.len() - 15;
    for event in &events[begin..begin + 4] {
        mesh.device(2).disk.damage_event(&event.id());
        mesh.ask(2, Command::Event { begin: event.id().to_string() });
    }
    mesh.cut(link);
    mesh.connect(1, 2);
    mesh.wait(JOIN_DELAY_MS);
    assert_eq!(mesh.status(2).damage, Vec::<String>::new());
    assert_proven(&mut mesh, 2);
    let Reply::EventsPage { count, runs, .. } = mesh.ask(2, Command::ExportEvents { from: 0 })
    else {
        panic!("no page")
    };
    assert_eq!(runs.iter().map(|run| run.events().len()).sum::<usize>(), count);
    mesh.connect(2, 3);
    mesh.assert_equal(&[1, 2, 3]);
}

#[test]
fn a_body_that_comes_later_is_put_to_an_event_inside_a_run() {
    // SPEC: EVT-3, EVT-12, SYNC-4
    let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Member)]);
    let links = [mesh.connect(1, 2), mesh.connect(1, 3)];
    links.into_iter().for_each(|link| mesh.cut(link));
    let before = disk(&mut mesh, 1).len();
    write(&mut mesh, 1, "a", 5);
    let mut events = disk(&mut mesh, 1)[before..].to_vec();
    events[2] = events[2].without_body().unwrap();
    mesh.feed(2, 1, Message::Events(proven(&events)));
    assert_eq!(mesh.device(2).replica.workspace().without_bodies().count(), 1);
    assert_eq!(assert_proven(&mut mesh, 2), 4);
    mesh.connect(2, 3);
    mesh.connect(1, 3);
    mesh.assert_equal(&[1, 2, 3]);
    for number in [2, 3] {
        assert_proven(&mut mesh, number);
        mesh.restart(number);
    }
    mesh.assert_equal(&[1, 2, 3]);
}

#[test]
fn what_a_store_got_without_signatures_goes_through_a_file() {
    // SPEC: ARC-1, ARC-3, EVT-12
    let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Member)]);
    write(&mut mesh, 1, "a", 600);
    let link = mesh.connect(1, 2);
    mesh.cut(link);
    let (mut from, mut pages) = (0, 0);
    loop {
        let Reply::EventsPage { count, runs, .. } = mesh.ask(2, Command::ExportEvents { from })
        else {
            panic!("no page")
        };
        from += runs.iter().map(|run| run.events().len()).sum::<usize>();
        pages += 1;
        assert!(runs.iter().any(|run| run.events().len() > 1));
        let Reply::EventsTaken { not_taken: None, .. } =
            mesh.ask(3, Command::ImportEvents { runs })
        else {
            panic!("not taken")
        };
        if from == count {
            break;
        }
    }
    assert!(pages > 1);
    mesh.assert_equal(&[1, 2, 3]);
    assert!(assert_proven(&mut mesh, 3) > 500);
}

#[test]
fn a_store_that_was_told_a_run_gives_its_parts() {
    // SPEC: EVT-12
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    write(&mut mesh, 1, "a", 10);
    let events = disk(&mut mesh, 1);
    let runs = proven(&events);
    let mut store = MemoryStore::default();
    let records = runs.into_iter().flat_map(Run::into_events).map(Record::Event);
    store.commit(&records.collect::<Vec<_>>()).unwrap();
    let place = kernelos_protocol::store::contract::place_of(&events[events.len() - 3]);
    let found = store.load(&LoadRequest::Events(vec![place])).unwrap().events;
    assert!(!found[0].is_signed());
    assert_eq!(found[0].id(), place.id);
}
