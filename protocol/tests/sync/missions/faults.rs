//! Devices that die in the middle of a mission, between any two things that they do.

use kernelos_protocol::mission::work::Task;
use kernelos_protocol::role::Role;

use super::super::worker::Site;

#[test]
fn a_device_alone_that_dies_before_any_output_goes_on_and_repeats_nothing_recorded() {
    // SPEC: DUR-1, LSE-1
    for at in 0.. {
        let mut site = Site::of(&[], &[1]);
        site.mesh.device(1).dies_before = Some(at);
        let mission = site.try_start(2);
        if mission.is_some() {
            for _ in 0..100 {
                site.pass(100);
            }
        }
        if !site.mesh.device(1).is_dead() {
            assert_eq!(site.view(1).state, "promoted");
            assert!(at > 40, "it had something to do: {at}");
            break;
        }
        let known = site.state(1).map(|state| state.steps.len());
        let executed = site.executed.len();
        site.mesh.restart(1);
        let kept = site.steps(1);
        assert!(known.is_none_or(|known| kept <= known && kept + 1 >= known), "at {at}");
        if mission.is_none() {
            continue;
        }
        site.until_all(&[1], "promoted");
        let again = &site.executed[executed..];
        let recorded = again.iter().all(|(_, step)| *step > kept as u64);
        assert!(recorded, "died before output {at}: {kept} were recorded, {again:?} executed");
        // Each start was decided first: what was executed was started as often at least.
        for (at, starts) in site.executions(1).into_iter().enumerate() {
            let step = at as u64 + 1;
            let times = site.executed.iter().filter(|(_, of)| *of == step).count();
            assert!(starts >= times && starts <= times + 1, "step {step}: {starts}, {times}");
        }
    }
}

#[test]
fn a_holder_that_dies_in_a_step_takes_the_lease_anew_and_both_starts_are_counted() {
    // SPEC: LSE-1, CNT-8
    let mut site = Site::of(&[(2, Role::Runner)], &[2]);
    site.start(2);
    site.until(|site| site.steps(1) == 1);
    site.idle.insert(2);
    site.until(|site| site.order(2).is_some());
    site.mesh.restart(2);
    site.mesh.connect(1, 2);
    assert!(site.order(2).is_none(), "its old lease is not its own any more");
    site.idle.clear();
    site.until_all(&[1, 2], "promoted");
    assert_eq!(site.executions(1), [1, 2]);
    assert_eq!(site.executed, [(2, 1), (2, 2)]);
}

#[test]
fn a_holder_that_dies_is_followed_by_another_while_it_is_away() {
    // SPEC: LSE-3
    let mut site = Site::of_three();
    site.start(2);
    site.until(|site| site.steps(1) == 1);
    let holder = site.holder(1).unwrap();
    let other = site.other(holder);
    site.idle.insert(holder);
    site.until(|site| site.order(holder).is_some());
    site.mesh.restart(holder);
    site.until(|site| site.view(1).state == "promoted");
    assert_eq!(site.executed, [(holder, 1), (other, 2)]);
    site.mesh.connect(1, holder);
    assert_eq!(site.view(holder).state, "promoted");
}

#[test]
fn a_home_that_dies_before_it_moved_the_branch_moves_it_afterwards() {
    // SPEC: MIS-3, MIS-9
    let mut site = Site::of_three();
    site.idle.insert(1);
    site.start(1);
    site.until(|site| site.order(1).is_some());
    assert!(matches!(site.order(1).unwrap().task, Task::Logs { .. }), "it replays itself");
    assert!(site.work(1));
    for _ in 0..2 {
        site.until(|site| site.order(1).is_some());
        assert!(matches!(site.order(1).unwrap().task, Task::Promote { .. }), "as it decided");
        site.mesh.restart(1);
    }
    site.idle.clear();
    site.until_all(&[1], "promoted");
    site.mesh.connect(1, 2);
    assert_eq!(site.view(2).state, "promoted");
}

#[test]
fn a_verifier_that_dies_after_its_evidence_is_followed_by_who_replays() {
    // SPEC: MIS-7, LSE-3
    let mut site = Site::of_three();
    site.start(1);
    site.until(|site| site.view(1).state == "verifying" && site.holder(1).is_some());
    let verifier = site.holder(1).unwrap();
    site.idle.insert(verifier);
    site.until(|site| site.order(verifier).is_some());
    assert!(site.work(verifier));
    assert!(matches!(site.order(verifier).unwrap().task, Task::Logs { .. }));
    site.isolate(verifier);
    site.until(|site| site.view(1).state == "promoted");
    assert_eq!(site.view(1).independent, Some(true), "who replays need not be");
}
