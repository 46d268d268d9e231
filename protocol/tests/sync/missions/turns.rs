//! Whose turn it is: a lease passes on when its holder falls silent, slept, or cannot.

use kernelos_protocol::command::{Command, Reply};
use kernelos_protocol::document::Edit;
use kernelos_protocol::id::{ChainId, EventId, Incarnation, Lane};
use kernelos_protocol::limits::{LEASE_MS, RANK_MS, RETRY_MS, STALL_MS};
use kernelos_protocol::mission::work::{Outcome, Task};
use kernelos_protocol::replica::Input;
use kernelos_protocol::role::Role;
use kernelos_protocol::sync::{Message, Tip};

use super::super::mesh::id;
use super::super::worker::Site;

/// Three runners beside the home, one of which holds the lease and is at step 3.
fn in_the_middle() -> (Site, u8) {
    let roles = [(2, Role::Runner), (3, Role::Runner), (4, Role::Runner)];
    let mut site = Site::of(&roles, &[2, 3, 4]);
    site.start(4);
    site.until(|site| site.steps(1) == 2);
    let holder = site.holder(1).unwrap();
    site.idle.insert(holder);
    (site, holder)
}

#[test]
fn who_falls_silent_is_followed_by_another_that_repeats_nothing() {
    // SPEC: LSE-3, MIS-6
    let (mut site, holder) = in_the_middle();
    let silent_at = site.mesh.now.monotonic_ms;
    site.isolate(holder);
    site.until(|site| site.holder(1) != Some(holder));
    let waited = site.mesh.now.monotonic_ms - silent_at;
    // A beat came after the second step at the earliest: the lease is counted from there.
    let bound = LEASE_MS + 2 * RANK_MS + 10;
    assert!((LEASE_MS..=bound).contains(&waited), "{waited} ms");
    let heir = site.holder(1).unwrap();
    site.until(|site| site.view(1).state == "promoted");
    assert_eq!(site.executed, [(holder, 1), (holder, 2), (heir, 3), (heir, 4)]);
    let view = site.view(1);
    assert_eq!(view.resumed_by, Some(id(heir)));
    assert_eq!(site.executions(1)[..2], [1, 1], "what is recorded is not executed again");
}

#[test]
fn a_beat_of_another_than_the_holder_is_ignored() {
    // SPEC: LSE-3
    let (mut site, holder) = in_the_middle();
    let claim = site.state(1).unwrap().lease.as_ref().unwrap().claim;
    site.isolate(holder);
    let liar = [2, 3, 4].into_iter().find(|number| *number != holder).unwrap();
    for _ in 0..100 {
        for link in site.links_of(liar) {
            let frame = Message::Beat(claim).encode();
            site.mesh.device(liar).wire.push_back((link, frame));
        }
        site.mesh.settle();
        site.pass(100);
    }
    assert_ne!(site.holder(1), Some(holder));
}

#[test]
fn a_holder_that_lives_keeps_its_lease_however_long_a_step_takes() {
    // SPEC: LSE-3
    let (mut site, holder) = in_the_middle();
    site.pass(300_000);
    assert_eq!(site.holder(1), Some(holder));
    assert_eq!(site.executed.len(), 2);
    site.idle.clear();
    site.until_all(&[1, 2, 3, 4], "promoted");
    assert_eq!(site.executions(1), [1, 1, 1, 1]);
}

/// The holder sleeps for minutes; then this happens there, and nothing follows under its lease.
#[track_caller]
fn wakes(happens: impl Fn(&mut Site, u8) -> Input) {
    let (mut site, holder) = in_the_middle();
    site.until(|site| site.order(holder).is_some());
    let input = happens(&mut site, holder);
    let records = site.state(holder).unwrap().records;
    let now = kernelos_protocol::time::Time {
        monotonic_ms: site.mesh.now.monotonic_ms + 300_000,
        wall_us: site.mesh.now.wall_us + 300_000_000,
    };
    let device = site.mesh.device(holder);
    device.replica.handle(now, input);
    device.run(now);
    assert!(device.orders.is_empty(), "what was ordered under it is called off");
    let is_beat = |frame: &[u8]| matches!(device.read(frame), Ok(Message::Beat(_)));
    assert!(!device.wire.iter().any(|(_, frame)| is_beat(frame)));
    assert_eq!(site.state(holder).unwrap().records, records, "nothing is written");
    // The others went on, or do now.
    site.idle.clear();
    site.mesh.now = now;
    site.until_all(&[1, 2, 3, 4], "promoted");
}

#[test]
fn a_holder_that_slept_does_nothing_under_its_lease() {
    // SPEC: LSE-4
    wakes(|_, _| Input::Tick);
}

#[test]
fn a_holder_that_slept_does_not_record_what_its_node_did_meanwhile() {
    // SPEC: LSE-4
    wakes(|site, holder| {
        let order = site.order(holder).unwrap();
        let outcome = site.outcome(holder, &order).unwrap();
        site.mesh.device(holder).orders.clear();
        site.executed.pop();
        Input::Worked(order.ticket, Box::new(outcome))
    });
}

#[test]
fn a_holder_that_slept_alone_takes_the_lease_anew_before_it_goes_on() {
    // SPEC: LSE-4
    let mut site = Site::of(&[], &[1]);
    site.idle.insert(1);
    site.start(1);
    site.until(|site| site.order(1).is_some());
    let first = site.order(1).unwrap();
    assert!(matches!(first.task, Task::Step { .. }));
    let lease = site.state(1).unwrap().lease.clone();
    site.mesh.wait(300_000);
    assert!(site.mesh.device(1).orders.is_empty());
    site.until(|site| site.order(1).is_some());
    let state = site.state(1).unwrap();
    assert_ne!(state.lease, lease);
    assert_eq!(state.lease.as_ref().map(|lease| lease.epoch), Some(2));
    assert_ne!(site.order(1).unwrap().ticket, first.ticket);
}

#[test]
fn a_holder_that_says_that_it_cannot_lets_go_and_another_takes_over() {
    // SPEC: LSE-3
    let (mut site, holder) = in_the_middle();
    site.until(|site| site.order(holder).is_some());
    let order = site.order(holder).unwrap();
    site.answer(holder, &order, Outcome::Failed("the disk is full".to_owned()));
    assert_eq!(site.view(holder).why.as_deref(), Some("the disk is full"));
    let waited = site.until(|site| site.holder(1) != Some(holder));
    assert!(waited <= LEASE_MS + 2 * RANK_MS + 10, "{waited} ms");
    site.until_all(&[1, 2, 3, 4], "promoted");
    assert!(!site.executed.contains(&(holder, 3)));
}

#[test]
fn a_device_alone_that_could_not_tries_again_later() {
    let mut site = Site::of(&[], &[1]);
    site.idle.insert(1);
    site.start(1);
    site.until(|site| site.order(1).is_some());
    let order = site.order(1).unwrap();
    site.answer(1, &order, Outcome::Failed("no room".to_owned()));
    let waited = site.until(|site| site.order(1).is_some());
    let bound = RETRY_MS + LEASE_MS + 10;
    assert!((RETRY_MS..=bound).contains(&waited), "{waited} ms");
    assert_eq!(site.view(1).why, None);
    site.idle.clear();
    site.until_all(&[1], "promoted");
    assert_eq!(site.executions(1), [2], "it was started twice");
}

#[test]
fn who_lacks_a_part_of_the_base_does_not_take_the_lease() {
    // SPEC: LSE-2
    let mut site = Site::of(&[(2, Role::Runner)], &[2]);
    site.mesh.withheld = Some((1, |said| matches!(said, Message::Chunks { .. })));
    site.start(1);
    site.pass(30_000);
    assert_eq!((site.holder(1), site.view(2).state.as_str()), (None, "planned"));
    site.mesh.withheld = None;
    site.mesh.settle();
    assert_eq!(site.holder(2), Some(2));
    site.until_all(&[1, 2], "promoted");
}

#[test]
fn who_waits_for_events_that_a_peer_named_does_not_take_the_lease_until_it_is_given_up() {
    // SPEC: LSE-2
    let mut site = Site::of(&[(2, Role::Runner)], &[2]);
    let chain = ChainId { author: id(1), incarnation: Incarnation([1; 8]), lane: Lane::Content };
    let lie = Message::Have(vec![Tip { chain, seq: 500, id: EventId([9; 32]) }]);
    let link = site.links_of(1)[0];
    site.mesh.device(1).wire.push_back((link, lie.encode()));
    site.mesh.settle();
    site.idle.insert(2);
    site.start(1);
    site.pass(STALL_MS - 100);
    assert_eq!((site.holder(2), site.view(2).state.as_str()), (None, "planned"));
    site.pass(200);
    assert_eq!(site.holder(2), Some(2), "who sends nothing for a while is not waited for");
}

#[test]
fn of_many_missions_none_waits_for_the_contract_of_another() {
    // SPEC: MIS-8
    let mut site = Site::of(&[(2, Role::Runner)], &[2]);
    let missions: Vec<_> = (0..5).map(|_| site.start(1)).collect();
    for mission in missions {
        site.mission = mission;
        site.until_all(&[1, 2], "promoted");
    }
    let read = site.mesh.ask(1, Command::Read { path: "missions".parse().unwrap() });
    let Reply::Read(read) = read else { panic!("{read:?}") };
    assert_eq!(read.value.as_object().map(serde_json::Map::len), Some(5));
}

#[test]
fn what_a_mission_came_to_stands_in_its_records_and_its_document_stays_the_contract() {
    // SPEC: MIS-8, MIS-13
    let mut site = Site::of(&[(2, Role::Runner)], &[2]);
    site.mission = site.start(1);
    let at = format!("missions/{}", site.mission);
    let contract = site.mesh.get(1, &at);
    site.until_all(&[1, 2], "promoted");
    let view = site.view(2);
    assert!(view.stages.iter().all(|stage| stage.evidence.is_some()), "{:?}", view.stages);
    assert_eq!(site.mesh.get(2, &at), contract);
    // Nor does anybody write there by hand.
    let set = format!("{at}/progress/steps").parse().unwrap();
    let edits = vec![Edit::Set { set, value: 7.into() }];
    let refused = site.mesh.ask(1, Command::Edit { edits });
    assert!(matches!(refused, Reply::Failed(_)), "{refused:?}");
    assert_eq!(site.mesh.get(1, &at), contract);
    let link = site.mesh.ask(1, Command::Read { path: "missions".parse().unwrap() });
    let Reply::Read(link) = link else { panic!("{link:?}") };
    let link = &link.value[site.mission.to_string()]["document"];
    let document = Some(serde_json::from_value(link.clone()).unwrap());
    let saved = site.mesh.ask(1, Command::SaveDocument { document, from: 0 });
    let Reply::DocumentPart(part) = saved else { panic!("{saved:?}") };
    assert_eq!(part.changes, 1);
}

#[test]
fn who_slept_hears_others_first_before_it_takes_their_lease() {
    // SPEC: LSE-3
    let (mut site, holder) = in_the_middle();
    let sleeper = [2, 3, 4].into_iter().find(|number| *number != holder).unwrap();
    site.pass(1_000);
    // While it sleeps its wires are dead, and the others go on.
    site.isolate(sleeper);
    site.idle.clear();
    let slept = site.mesh.devices.remove(&sleeper).unwrap();
    site.pass(300_000);
    assert_eq!(site.view(1).state, "promoted");
    site.mesh.devices.insert(sleeper, slept);
    site.mesh.wait(0);
    assert_eq!(site.holder(sleeper), Some(holder), "it does not go on from what is long past");
    site.pass(1_000);
    site.mesh.connect(sleeper, 1);
    site.pass(10_000);
    assert_eq!(site.view(1).candidates.len(), 1);
    assert!(site.executed.iter().all(|(by, _)| *by != sleeper), "{:?}", site.executed);
}
