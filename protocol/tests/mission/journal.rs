//! What holds where devices went on apart or were revoked, and what replay finds.

use kernelos_protocol::id::EventId;
use kernelos_protocol::mission::record::{Act, Evidence, Record};
use kernelos_protocol::mission::state::Seen;
use kernelos_protocol::role::Role;

use super::runs::{good_logs, lease, plan, step, to_candidate, to_replayed, verified};
use super::{Run, two_homes};
use crate::kit::Peer;

fn head(peer: &Peer, run: &Run) -> EventId {
    let journal = peer.workspace.missions();
    journal.head(peer.workspace.content(), &run.id).unwrap().state.last
}

#[test]
fn two_leases_taken_apart_give_two_candidates_and_one_goes_on_everywhere() {
    // SPEC: MIS-5, LSE-1
    let (mut home, mut other) = two_homes(Role::Member);
    let mut run = Run::start(&mut home);
    run.write(&mut home, &plan());
    other.take(&run.events);
    let before = run.events.len();
    let work = [lease().to_vec(), step(2).to_vec(), step(3).to_vec()].concat();
    run.write_all(&mut home, &work);
    let ours = run.events.split_off(before);
    run.write_all(&mut other, &work);
    let theirs = run.events.split_off(before);
    home.take(&theirs);
    other.take(&ours);
    assert_eq!(head(&home, &run), head(&other, &run));
    let ends = home.workspace.missions().ends(home.workspace.content(), &run.id);
    assert_eq!(ends.len(), 2, "nothing is lost, both are shown");
    // Who goes on must have a greater epoch than both.
    let Ok(Record::Claim(claim)) = ({
        run.write(&mut home, &Seen::Decide(Act::RunAgent));
        run.derive(&home, &Seen::Claim)
    }) else {
        panic!("a claim")
    };
    assert_eq!(claim.epoch, 2);
}

#[test]
fn what_is_committed_stands_above_a_greater_epoch() {
    // SPEC: MIS-5
    let (mut home, mut other) = two_homes(Role::Member);
    let mut run = Run::start(&mut home);
    run.write_all(&mut home, &[vec![plan()], lease().to_vec(), step(2).to_vec()].concat());
    other.take(&run.events);
    let before = run.events.len();
    run.write_all(&mut other, &lease());
    let theirs = run.events.split_off(before);
    let candidate = [step(3).to_vec(), vec![to_candidate().pop().unwrap()]].concat();
    run.write_all(&mut home, &candidate);
    let done = head(&home, &run);
    home.take(&theirs);
    assert_eq!(head(&home, &run), done);
}

#[test]
fn records_of_a_revoked_device_do_not_hold_even_where_others_built_on_them() {
    // SPEC: EFF-7
    let (mut home, mut other) = two_homes(Role::Member);
    let mut run = Run::start(&mut home);
    run.write(&mut home, &plan());
    other.take(&run.events);
    let planned = head(&home, &run);
    let revocation = home.revoke(2);
    let known = run.events.len();
    run.write_all(&mut other, &[lease().to_vec(), step(2).to_vec()].concat());
    let late = run.events.split_off(known);
    home.take(&late);
    other.take(&revocation);
    for peer in [&mut home, &mut other] {
        peer.workspace.settle();
        assert_eq!(head(peer, &run), planned);
    }
}

#[test]
fn what_was_recorded_gives_the_same_events_on_a_device_that_did_not_run_it() {
    // SPEC: MIS-7
    let (mut home, mut other) = two_homes(Role::Observer);
    let mut run = Run::start(&mut home);
    run.write_all(&mut home, &[to_candidate(), to_replayed()].concat());
    other.take(&run.events);
    let last = head(&other, &run);
    assert_eq!(other.workspace.replay(&last, &good_logs()), None);
    let mut others = good_logs();
    others[2].output.push_str("# and more\n");
    assert_eq!(other.workspace.replay(&last, &others), None, "the verdict is the same");
}

#[test]
fn a_verdict_that_the_logs_do_not_give_is_found_by_replay() {
    // SPEC: MIS-7, EVD-3
    let (mut home, mut other) = two_homes(Role::Observer);
    let mut run = Run::start(&mut home);
    run.write_all(&mut home, &to_candidate());
    run.write_all(&mut home, &[lease().to_vec(), vec![Seen::Decide(Act::Verify)]].concat());
    let lie = run.derive(&home, &verified(&good_logs())).unwrap();
    assert!(matches!(&lie, Record::Evidence(Evidence { passed: true, .. })));
    let id = run.force(&mut home, &lie);
    other.take(&run.events);
    assert_eq!(run.void(&other, &id), None, "its facts alone do not show it");
    let mut printed = good_logs();
    printed[1] = printed[0].clone();
    assert_eq!(other.workspace.replay(&head(&other, &run), &printed), Some(id));
    assert_eq!(other.workspace.replay(&head(&other, &run), &[]), Some(id));
}
