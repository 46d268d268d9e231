//! Missions in a mesh, in virtual time: who works, and what becomes of it.

mod apart;
mod cancel;
mod faults;
mod fruitless;
mod turns;
mod unusable;

use kernelos_protocol::limits::{BOUNDARY_WAIT_MS, INDEPENDENT_WAIT_MS};
use kernelos_protocol::role::Role;
use kernelos_protocol::sync::Message;

use super::mesh::id;
use super::worker::Site;

#[test]
fn a_device_alone_does_all_of_it_and_verifies_what_it_did_after_a_while() {
    // SPEC: LSE-2, MIS-6
    let mut site = Site::of(&[], &[1]);
    site.start(3);
    let steps = site.until(|site| site.view(1).state == "verifying");
    assert!(steps < 100, "nobody is waited for: {steps} ms");
    let waited = site.until(|site| site.holder(1).is_some());
    assert!(waited.abs_diff(INDEPENDENT_WAIT_MS) <= 10, "{waited} ms");
    site.until_all(&[1], "promoted");
    assert_eq!(site.executed, [(1, 1), (1, 2), (1, 3)]);
    assert_eq!(site.view(1).independent, Some(false));
    assert_eq!(site.executions(1), [1, 1, 1]);
}

#[test]
fn the_home_executes_nothing_and_who_executed_does_not_verify() {
    // SPEC: LSE-2, EVD-3
    let mut site = Site::of(&[(2, Role::Runner), (3, Role::Runner)], &[1, 2, 3]);
    site.start(3);
    site.until_all(&[1, 2, 3], "promoted");
    let by = site.executed[0].0;
    assert!(by != 1, "the home executes nothing where others can");
    assert_eq!(site.executed, [(by, 1), (by, 2), (by, 3)]);
    for number in 1..=3 {
        let view = site.view(number);
        assert_eq!(view.independent, Some(true));
        assert_eq!(view.stages[1].devices, [id(by)]);
        assert_ne!(view.stages[2].devices, [id(by)]);
        assert_eq!(view.promoted_commit.as_ref(), Some(&view.candidates[0].commit));
    }
    site.mesh.assert_equal(&[1, 2, 3]);
}

#[test]
fn the_home_executes_where_nobody_else_can() {
    // SPEC: LSE-2
    let mut site = Site::of(&[(2, Role::Runner)], &[1]);
    site.start(1);
    site.until_all(&[1, 2], "promoted");
    assert_eq!(site.executed, [(1, 1)]);
}

#[test]
fn who_was_not_started_to_run_agents_takes_no_lease() {
    // SPEC: LSE-2
    let mut site = Site::of(&[(2, Role::Owner), (3, Role::Runner)], &[]);
    site.start(1);
    site.pass(60_000);
    assert_eq!(site.view(3).state, "planned");
    assert_eq!((site.holder(1), site.executed.len()), (None, 0));
}

#[test]
fn a_step_starts_at_once_when_a_peer_holds_what_the_last_one_left() {
    // SPEC: MIS-6
    let mut site = Site::of(&[(2, Role::Runner)], &[2]);
    site.start(2);
    site.mesh.withheld =
        Some((1, |said| matches!(said, Message::Receipts(_) | Message::Renewal(_))));
    site.until(|site| site.steps(2) == 1);
    site.pass(BOUNDARY_WAIT_MS / 2);
    assert_eq!(site.executed, [(2, 1)], "the home has not said that it holds it");
    // No beat and no deadline comes in between: the receipt alone starts it.
    site.mesh.withheld = None;
    site.mesh.settle();
    assert!(site.order(2).is_some(), "it was waited for and is here");
}

#[test]
fn a_step_starts_after_a_while_though_no_peer_says_that_it_holds_the_last_one() {
    // SPEC: MIS-6
    let mut site = Site::of(&[(2, Role::Runner)], &[2]);
    site.start(2);
    site.mesh.withheld =
        Some((1, |said| matches!(said, Message::Receipts(_) | Message::Renewal(_))));
    site.until(|site| site.steps(2) == 1);
    let waited = site.until(|site| site.executed.len() == 2);
    assert!(waited.abs_diff(BOUNDARY_WAIT_MS) <= 10, "{waited} ms");
}

#[test]
fn a_step_starts_at_once_where_nobody_is_connected_any_more() {
    // SPEC: MIS-6
    let mut site = Site::of(&[(2, Role::Runner)], &[2]);
    site.start(2);
    site.mesh.withheld =
        Some((1, |said| matches!(said, Message::Receipts(_) | Message::Renewal(_))));
    site.until(|site| site.steps(2) == 1);
    site.pass(1_000);
    assert_eq!(site.executed.len(), 1);
    site.isolate(2);
    site.pass(0);
    assert_eq!(site.executed.len(), 2);
}

#[test]
fn a_mesh_whose_missions_are_done_is_quiet() {
    // SPEC: LSE-3
    let mut site = Site::of_three();
    site.start(2);
    site.until_all(&[1, 2, 3], "promoted");
    site.pass(5_000);
    let frames = site.mesh.frames;
    site.pass(120_000);
    assert_eq!(site.mesh.frames, frames);
    for device in site.mesh.devices.values() {
        assert_eq!(device.replica.next_deadline(), None);
        assert!(device.orders.is_empty());
    }
}
