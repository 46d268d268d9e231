//! Two that hold one lease are a conflict, until one of them went on knowing of the other.

use kernelos_protocol::document::conflict::ConflictKind;
use kernelos_protocol::role::Role;
use kernelos_protocol::workspace::Dispute;

use super::runs::{lease, plan, step};
use super::{Run, two_homes};
use crate::kit::Peer;

fn holders(peer: &Peer) -> Vec<Dispute> {
    let disputes = peer.workspace.disputes();
    assert_eq!(disputes.more, 0);
    assert!(disputes.open.iter().all(|dispute| dispute.kind == ConflictKind::Holders));
    disputes.open.clone()
}

#[test]
fn two_holders_of_one_lease_are_a_conflict_until_one_goes_on_knowing_of_the_other() {
    // SPEC: CFL-13
    let (mut home, mut other) = two_homes(Role::Member);
    let mut run = Run::start(&mut home);
    let planned = run.write(&mut home, &plan());
    other.take(&run.events);
    let before = run.events.len();
    let work = [lease().to_vec(), step(2).to_vec()].concat();
    run.write_all(&mut home, &work);
    let ours = run.events.split_off(before);
    run.write_all(&mut other, &work);
    let theirs = run.events.split_off(before);
    assert!(holders(&home).is_empty() && holders(&other).is_empty(), "neither knows yet");
    home.take(&theirs);
    other.take(&ours);
    let open = holders(&home);
    assert_eq!(open, holders(&other));
    let [dispute] = &open[..] else { panic!("{open:?}") };
    let mut devices: Vec<_> = dispute.sides.iter().filter_map(|side| side.device).collect();
    devices.sort();
    let mut both = [home.key.device(), other.key.device()];
    both.sort();
    assert_eq!(devices, both);
    assert_eq!(dispute.common, Some(planned));
    let journal = home.workspace.missions();
    let head = journal.head(home.workspace.content(), &run.id).unwrap();
    let is_home = head.state.lease.as_ref().unwrap().holder == home.key.device();
    let before = run.events.len();
    run.write_all(if is_home { &mut home } else { &mut other }, &step(3));
    let last = run.events.split_off(before);
    if is_home {
        other.take(&last)
    } else {
        home.take(&last)
    };
    assert!(holders(&home).is_empty() && holders(&other).is_empty(), "the other gave way");
}

#[test]
fn one_device_that_claims_many_times_apart_from_itself_is_one_side() {
    // SPEC: CFL-18
    let (mut home, mut other) = two_homes(Role::Member);
    let mut run = Run::start(&mut home);
    run.write(&mut home, &plan());
    other.take(&run.events);
    let disk = other.disk();
    let before = run.events.len();
    run.write_all(&mut home, &lease());
    let ours = run.events.split_off(before);
    run.write_all(&mut other, &lease());
    let mut theirs = run.events.split_off(before);
    // The same key in copies of its store, none of which hears of another.
    for life in 10..40 {
        let mut copy = Peer::new(2, home.workspace.id());
        copy.incarnation = kernelos_protocol::id::Incarnation([life; 8]);
        copy.take(&disk);
        run.write_all(&mut copy, &lease());
        theirs.extend(run.events.split_off(before));
    }
    home.take(&theirs);
    other.take(&ours);
    other.take(&theirs);
    let open = holders(&home);
    assert_eq!(open, holders(&other), "whatever came first");
    let [dispute] = &open[..] else { panic!("{open:?}") };
    let mut devices: Vec<_> = dispute.sides.iter().filter_map(|side| side.device).collect();
    devices.sort();
    let mut both = [home.key.device(), other.key.device()];
    both.sort();
    assert_eq!(devices, both);
}
