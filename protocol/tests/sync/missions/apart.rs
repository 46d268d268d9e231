//! Devices that go on apart, and what becomes of it when they meet or somebody is revoked.

use kernelos_protocol::command::{Command, Reply};
use kernelos_protocol::mission::stage::Progress;

use super::super::mesh::id;
use super::super::worker::Site;

/// Both sides of a partition work on until each has a candidate; then they meet. Gives who held
/// the lease before, and who took it on the other side.
fn both_sides_have_a_candidate() -> (Site, u8, u8) {
    let mut site = Site::of_three();
    site.start(3);
    site.until(|site| site.steps(1) == 1);
    let holder = site.holder(1).unwrap();
    let other = site.other(holder);
    site.isolate(holder);
    let is_done = |site: &Site, number| {
        matches!(site.state(number).unwrap().progress, Progress::Implemented(_))
    };
    site.until(|site| is_done(site, holder));
    site.until(|site| is_done(site, other));
    (site, holder, other)
}

#[test]
fn both_sides_of_a_partition_work_on_and_one_candidate_is_promoted_everywhere() {
    // SPEC: MIS-5, LSE-1
    let (mut site, holder, other) = both_sides_have_a_candidate();
    site.mesh.connect(holder, 1);
    site.mesh.connect(holder, other);
    let candidates: Vec<_> = (1..=3).map(|number| site.view(number).candidates).collect();
    assert_eq!(candidates[0].len(), 2, "none is hidden: {candidates:?}");
    assert!(candidates.iter().all(|rows| *rows == candidates[0]), "{candidates:?}");
    let selected: Vec<_> = candidates[0].iter().filter(|row| row.selected).collect();
    assert_eq!(selected.len(), 1);
    let commit = selected[0].commit.clone();
    site.until_all(&[1, 2, 3], "promoted");
    for number in 1..=3 {
        let view = site.view(number);
        assert_eq!(view.promoted_commit.as_ref(), Some(&commit));
        assert_eq!(view.candidates.len(), 2);
    }
    for step in [2, 3] {
        assert!(site.executed.contains(&(holder, step)) && site.executed.contains(&(other, step)));
    }
    assert_eq!(site.executed.len(), 5, "the first step is not repeated: {:?}", site.executed);
}

#[test]
fn the_node_of_who_lost_is_told_to_stop() {
    // SPEC: MIS-5
    let mut site = Site::of_three();
    site.start(3);
    site.until(|site| site.steps(1) == 1);
    let holder = site.holder(1).unwrap();
    let other = site.other(holder);
    site.idle.extend([holder, other]);
    site.isolate(holder);
    site.until(|site| site.order(holder).is_some() && site.order(other).is_some());
    assert_eq!((site.holder(holder), site.holder(1)), (Some(holder), Some(other)));
    site.mesh.connect(holder, 1);
    assert_eq!(site.holder(holder), Some(other), "the greater epoch goes on");
    assert!(site.order(holder).is_none() && site.order(other).is_some());
    site.idle.clear();
    site.until_all(&[1, holder], "promoted");
    assert_eq!(site.executed[1..], [(other, 2), (other, 3)]);
}

#[test]
fn what_was_done_for_a_run_that_lost_is_not_recorded() {
    // SPEC: MIS-5
    let mut site = Site::of_three();
    site.start(3);
    site.until(|site| site.steps(1) == 1);
    let holder = site.holder(1).unwrap();
    let other = site.other(holder);
    site.idle.extend([holder, other]);
    site.isolate(holder);
    site.until(|site| site.order(holder).is_some() && site.order(other).is_some());
    let order = site.order(holder).unwrap();
    let late = site.outcome(holder, &order).unwrap();
    site.mesh.connect(holder, 1);
    site.answer(holder, &order, late);
    assert_eq!(site.steps(holder), 1);
    assert_eq!(site.holder(holder), Some(other));
}

#[test]
fn what_a_revoked_holder_wrote_unheard_does_not_hold_and_another_takes_over() {
    // SPEC: EFF-7, AUTH-17
    let mut site = Site::of_three();
    site.start(3);
    site.until(|site| site.steps(1) == 1);
    let holder = site.holder(1).unwrap();
    let other = site.other(holder);
    // The home is alone; the other runner hears what the holder goes on with.
    site.isolate(1);
    site.idle.insert(other);
    site.until(|site| site.steps(other) == 2);
    site.idle.insert(holder);
    let revoke = Command::Revoke { device: id(holder), reason: "lost".to_owned() };
    assert!(matches!(site.mesh.ask(1, revoke), Reply::Revoked { .. }));
    site.isolate(holder);
    site.mesh.connect(1, other);
    assert_eq!((site.steps(1), site.steps(other)), (1, 1), "the second step does not hold");
    site.idle.remove(&other);
    site.until_all(&[1, other], "promoted");
    let done = site.executed.clone();
    assert_eq!(done, [(holder, 1), (holder, 2), (other, 2), (other, 3)]);
}

#[test]
fn a_revoked_holder_that_hears_of_it_stops() {
    // SPEC: LSE-2, MIS-2
    let mut site = Site::of_three();
    site.start(3);
    site.until(|site| site.steps(1) == 1);
    let holder = site.holder(1).unwrap();
    let other = site.other(holder);
    site.idle.insert(holder);
    site.until(|site| site.order(holder).is_some());
    let revoke = Command::Revoke { device: id(holder), reason: "lost".to_owned() };
    assert!(matches!(site.mesh.ask(1, revoke), Reply::Revoked { .. }));
    assert!(site.order(holder).is_none(), "its node is told to stop");
    site.until_all(&[1, other], "promoted");
    assert!(site.executed[1..].iter().all(|(by, _)| *by == other), "{:?}", site.executed);
}
