//! What a mission works on is not what its records say: a device that is out of luck or one that
//! lied wrote them. Nobody could go on with it, and nobody tries for ever.

use kernelos_protocol::limits::{RETRY_DOUBLINGS_MAX, RETRY_MS};
use kernelos_protocol::mission::work::{Outcome, Task};

use super::super::worker::Site;

const WHY: &str = "the pack is not usable: it has no header of a pack";

/// Where it is noticed.
struct Case {
    task: fn(&Task) -> bool,
    /// The stage that fails, and why, as people read it.
    stage: &'static str,
    why: &'static str,
}

const CASES: [Case; 4] = [
    Case {
        task: |task| matches!(task, Task::Step { input: None, .. }),
        stage: "implement",
        why: "step 1 did not end well: not started: what it works on cannot be used",
    },
    Case {
        task: |task| matches!(task, Task::Step { input: Some(_), .. }),
        stage: "implement",
        why: "step 2 did not end well: not started: what it works on cannot be used",
    },
    Case {
        task: |task| matches!(task, Task::Changes { .. }),
        stage: "implement",
        why: "the change rules refuse it: the pack is not usable",
    },
    Case { task: |task| matches!(task, Task::Verify { .. }), stage: "verify", why: WHY },
];

/// Everybody works until somebody is to do such a task; gives who.
fn until_asked(site: &mut Site, task: fn(&Task) -> bool) -> u8 {
    site.idle.extend([1, 2, 3]);
    let asked = |site: &mut Site| {
        let is_it = |number: &u8| {
            let order = site.mesh.devices[number].orders.first();
            order.is_some_and(|order| task(&order.task))
        };
        [1, 2, 3].into_iter().find(is_it)
    };
    for _ in 0..10_000 {
        if let Some(number) = asked(site) {
            return number;
        }
        if ![1, 2, 3].into_iter().any(|number| site.work(number)) {
            site.mesh.wait(10);
        }
    }
    panic!("nobody is asked: {:?}", site.view(1));
}

fn says_unusable(site: &mut Site, number: u8) {
    let order = site.order(number).unwrap();
    site.answer(number, &order, Outcome::Unusable(WHY.to_owned()));
}

#[test]
fn what_cannot_be_used_ends_the_mission_with_evidence_and_the_branch_stays() {
    // SPEC: EVD-2, EVD-3, MIS-3, MIS-9
    for case in CASES {
        let mut site = Site::of_three();
        site.start(3);
        let number = until_asked(&mut site, case.task);
        let executed = site.executed.len();
        says_unusable(&mut site, number);
        site.idle.clear();
        site.until_all(&[1, 2, 3], "failed");
        for number in 1..=3 {
            let view = site.view(number);
            let why = view.why.as_deref().unwrap_or_default();
            assert!(why.starts_with(case.why), "{why}");
            assert_eq!(view.promoted_commit, None);
            let stage = view.stages.iter().find(|stage| stage.name == case.stage).unwrap();
            assert_eq!((stage.state.as_str(), stage.evidence.is_some()), ("failed", true));
        }
        assert_eq!(site.executed.len(), executed, "nothing was run on it");
        site.mesh.assert_equal(&[1, 2, 3]);
        // It is over: nobody waits for anything any more.
        site.pass(60_000);
        for device in site.mesh.devices.values() {
            assert_eq!((device.replica.next_deadline(), device.orders.len()), (None, 0));
        }
    }
}

#[test]
fn a_text_of_any_length_about_what_cannot_be_used_finds_room_in_evidence() {
    // SPEC: CNT-9
    let mut site = Site::of_three();
    site.start(1);
    let number = until_asked(&mut site, CASES[3].task);
    let order = site.order(number).unwrap();
    site.answer(number, &order, Outcome::Unusable("\u{1f40c}".repeat(100_000)));
    site.idle.clear();
    site.until_all(&[1, 2, 3], "failed");
    assert_eq!(site.view(1).why, Some("\u{1f40c}".repeat(256)));
}

#[test]
fn a_home_that_cannot_use_what_was_verified_moves_nothing_and_tries_ever_later() {
    // SPEC: MIS-3, MIS-9
    let mut site = Site::of_three();
    site.start(1);
    let promotes = |task: &Task| matches!(task, Task::Promote { .. });
    assert_eq!(until_asked(&mut site, promotes), 1, "the home alone moves it");
    for times in [1, 2, 4, 8, 16, 32, 64, 64] {
        says_unusable(&mut site, 1);
        let view = site.view(1);
        assert_eq!((view.state.as_str(), view.promoted_commit), ("promoting", None));
        assert_eq!(view.why.as_deref(), Some(WHY));
        let begin = site.mesh.now.monotonic_ms;
        while site.order(1).is_none() {
            let (at, _) = site.mesh.device(1).replica.next_deadline().unwrap();
            let left = at.saturating_sub(site.mesh.now.monotonic_ms);
            site.mesh.wait(left);
            assert!(site.mesh.now.monotonic_ms - begin <= RETRY_MS << RETRY_DOUBLINGS_MAX);
        }
        assert_eq!(site.mesh.now.monotonic_ms - begin, times * RETRY_MS);
    }
    site.idle.clear();
    site.until_all(&[1, 2, 3], "promoted");
}
