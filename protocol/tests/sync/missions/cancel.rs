//! A mission that is ended while somebody works on it.

use kernelos_protocol::command::{Command, FailureKind, Reply};
use kernelos_protocol::role::Role;

use super::super::mesh::id;
use super::super::worker::Site;

#[test]
fn the_holder_stops_what_it_does_when_a_mission_is_cancelled() {
    // SPEC: MIS-10
    let mut site = Site::of_three();
    let mission = site.start(3);
    site.until(|site| site.steps(1) == 1);
    let holder = site.holder(1).unwrap();
    site.idle.insert(holder);
    site.until(|site| site.order(holder).is_some());
    let reply = site.ask(site.other(holder), Command::CancelMission { id: mission });
    let Reply::Failed(failure) = reply else { panic!("{reply:?}") };
    assert_eq!(failure.kind, FailureKind::Denied, "a runner may not");
    let reply = site.ask(1, Command::CancelMission { id: mission });
    let Reply::Cancelled { event } = reply else { panic!("{reply:?}") };
    assert_eq!(site.order(holder), None, "its node was told to stop");
    site.idle.clear();
    site.pass(60_000);
    site.until_all(&[1, 2, 3], "cancelled");
    assert_eq!(site.executed.len(), 1, "nothing was run any more");
    for number in 1..=3 {
        let view = site.view(number);
        assert_eq!((view.cancelled_by, view.stages[1].state.as_str()), (Some(id(1)), "cancelled"));
        assert_eq!(site.state(number).unwrap().last, event);
        assert_eq!(site.mesh.device(number).replica.next_deadline(), None);
    }
    let again = site.ask(1, Command::CancelMission { id: mission });
    assert!(matches!(again, Reply::Failed(failure) if failure.message.contains("over already")));
}

#[test]
fn what_a_holder_that_was_away_did_meanwhile_does_not_bring_a_mission_back() {
    // SPEC: MIS-5, MIS-10
    let mut site = Site::of(&[(2, Role::Runner)], &[2]);
    let mission = site.start(3);
    site.until(|site| site.steps(1) == 1);
    site.isolate(2);
    let reply = site.ask(1, Command::CancelMission { id: mission });
    assert!(matches!(reply, Reply::Cancelled { .. }), "{reply:?}");
    site.until(|site| site.steps(2) == 3);
    site.mesh.connect(1, 2);
    site.until_all(&[1, 2], "cancelled");
    site.mesh.assert_equal(&[1, 2]);
}
