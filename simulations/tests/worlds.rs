//! Every scenario holds, a seed always gives the same history, and a small swarm survives.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails may panic")]

use std::collections::BTreeSet;
use std::path::PathBuf;

use kernelos_simulations::minimise::minimise;
use kernelos_simulations::run::run;
use kernelos_simulations::script::{Script, Step};
use kernelos_simulations::swarm;

fn scenarios() -> Vec<(String, Script)> {
    scripts("scenarios")
}

fn scripts(folder: &str) -> Vec<(String, Script)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        (path.file_name().unwrap().to_string_lossy().into_owned(), text.parse().unwrap())
    };
    paths.into_iter().map(read).collect()
}

#[test]
fn every_scenario_holds_for_every_seed() {
    let scenarios = scenarios();
    assert!(scenarios.len() >= 5);
    for (name, script) in scenarios {
        for seed in 1..=6 {
            let (outcome, _) = run(&script, seed, false).unwrap();
            assert_eq!(outcome.failed, None, "{name} with seed {seed}");
            assert!(outcome.compared > 0, "{name} with seed {seed}");
        }
    }
}

#[test]
fn what_once_failed_holds() {
    let regressions = scripts("regressions");
    assert!(!regressions.is_empty());
    for (name, script) in regressions {
        let seed = script.seed.expect("a script that failed has a seed");
        for seed in [seed, 1, 2, 3] {
            let (outcome, _) = run(&script, seed, false).unwrap();
            assert_eq!(outcome.failed, None, "{name} with seed {seed}");
        }
    }
}

#[test]
fn a_script_that_fails_is_made_as_small_as_its_fault() {
    let steps = [
        "a writes notes/x = 1",
        "wait 2s",
        "cut a b | c",
        "b writes notes/y = 2",
        "wait 1s",
        "c writes notes/z = 3",
        "a and b agree",
        "c cannot write notes/x",
        "all agree",
    ];
    let devices = "['a owner', 'b member', 'c member', 'd copy of b']";
    let steps = serde_json::to_string(&steps).unwrap();
    let text = format!("title = 't'\ndevices = {devices}\nsteps = {steps}");
    let script: Script = text.parse().unwrap();
    let smallest = minimise(&script, 4);
    let (devices, steps) = smallest.lines();
    assert_eq!(devices, ["a owner", "c member"]);
    // It may write from when it heard of its grant.
    assert!(steps.len() <= 2 && steps[0].starts_with("wait"), "{steps:?}");
    assert_eq!(steps.last().map(String::as_str), Some("c cannot write notes/x"));
    assert_eq!(smallest.seed, Some(4));
    let again: Script = smallest.to_string().parse().unwrap();
    assert_eq!(again, smallest);
    let (outcome, _) = run(&again, 4, false).unwrap();
    assert_eq!(outcome.failed.unwrap().1, "who may not write is refused");
}

#[test]
fn what_a_peer_floods_waits_in_memory_and_is_counted() {
    let text = "title = 't'\ndevices = ['a owner', 'b member']\nsteps = ['all agree', \
        'b floods 40 events', 'wait 1s', 'a writes notes/x = 1', 'a reads notes/x = 1']";
    let (outcome, _) = run(&text.parse().unwrap(), 1, false).unwrap();
    assert_eq!(outcome.failed, None);
    assert_eq!(outcome.waiting, 40);
}

#[test]
fn a_swarm_has_every_kind_of_fault_and_lie() {
    let mut seen = BTreeSet::new();
    for seed in 1..=300 {
        let plan = swarm::plan(seed);
        assert_eq!(plan.to_string().parse::<Script>().unwrap(), plan);
        let kind = |debug: String| debug.split(['(', ' ']).next().unwrap_or_default().to_owned();
        for step in &plan.steps {
            seen.insert(match step {
                Step::Lie(_, lie) => format!("Lie {}", kind(format!("{lie:?}"))),
                Step::Act(_, act) => format!("Act {}", kind(format!("{act:?}"))),
                Step::Drift(_, 9_000_000) => "Drift tenfold".to_owned(),
                Step::Drift(_, -900_000) => "Drift to a tenth".to_owned(),
                step => kind(format!("{step:?}")),
            });
        }
    }
    let kinds = [
        "TryWrite",
        "TryRemove",
        "TryBoard",
        "TryMission",
        "Cut",
        "Heal",
        "Crash",
        "CrashBefore",
        "Start",
        "Restart",
        "Revoke",
        "Grant",
        "Copy",
        "PutBack",
        "Clone",
        "LoseRows",
        "ClockForward",
        "ClockBack",
        "Sleep",
        "Drift",
        "Drift tenfold",
        "Drift to a tenth",
        "Deaf",
        "Wait",
        "Settle",
        "Act Undo",
        "Act Cancel",
        "Act Strike",
        "Act ReadmitStruck",
        "Act Readmit",
        "Act Purge",
        "Act Rescue",
        "Act Branch",
        "Act Merge",
        "Act PutAway",
        "Lie Fork",
        "Lie Backdate",
        "Lie BackdateAnew",
        "Lie BackdateRevocation",
        "Lie Withhold",
        "Lie Replay",
        "Lie Garbage",
        "Lie TooMuch",
        "Lie Claim",
        "Lie Want",
        "Lie Offer",
        "Lie Flood",
    ];
    for kind in kinds {
        assert!(seen.contains(kind), "{kind}");
    }
}

#[test]
fn one_seed_gives_one_history_and_another_another() {
    for (name, script) in scenarios() {
        let (first, trace) = run(&script, 7, true).unwrap();
        let (second, again) = run(&script, 7, true).unwrap();
        assert_eq!((&first, &trace), (&second, &again), "{name}");
        assert!(!trace.is_empty());
        let (_, other) = run(&script, 8, true).unwrap();
        assert_ne!(trace, other, "{name}");
    }
}

#[test]
fn a_swarm_of_seeds_survives() {
    let (mut promoted, mut compared) = (0, 0);
    for seed in 1..=25 {
        let outcome = swarm::run(seed).unwrap();
        promoted += outcome.promoted;
        compared += outcome.compared;
        assert_eq!(outcome.failed, None, "kern-sim swarm --seeds 1 --first {seed}");
        assert!(outcome.deliveries > 0);
    }
    assert!(promoted > 2, "missions are part of it: {promoted}");
    assert!(compared > 250, "devices are compared: {compared}");
}

#[test]
fn clocks_that_run_tenfold_or_at_a_tenth_cost_double_work_and_time_alone() {
    // SPEC: LSE-5
    let is_broken = |step: &Step| matches!(step, Step::Drift(_, 9_000_000 | -900_000));
    let starts = |step: &Step| matches!(step, Step::TryMission(..));
    let has = |seed: &u64| {
        let steps = swarm::plan(*seed).steps;
        steps.iter().any(is_broken) && steps.iter().any(starts)
    };
    for seed in (100..).filter(has).take(3) {
        let outcome = swarm::run(seed).unwrap();
        assert_eq!(outcome.failed, None, "kern-sim swarm --seeds 1 --first {seed}");
    }
}

#[test]
fn a_script_that_does_not_hold_fails() {
    let script = |steps: &str| -> Script {
        format!("title = 't'\ndevices = ['a owner', 'b member']\nsteps = {steps}").parse().unwrap()
    };
    let often = "title = 't'\ndevices = ['a owner', 'b runner runs']\nsteps = [
        'all agree', 'a starts a mission of 1 steps', 'the mission is promoted',
        'no step was started more than";
    for (times, is_so) in [(0, false), (1, true)] {
        let script: Script = format!("{often} {times} times']").parse().unwrap();
        let (outcome, _) = run(&script, 1, false).unwrap();
        assert_eq!(outcome.failed.is_none(), is_so, "{times}");
    }
    for steps in [
        "['a reads notes/x = 1']",
        "['a writes notes/x = 1', 'a reads nothing at notes/x']",
        "['cut a | b', 'all agree']",
        "['b cannot write notes/x', 'a cannot write notes/x']",
        "['a crashes', 'a writes notes/x = 1']",
        "['all agree', 'b is revoked']",
        "['all agree', 'a shows a fork of b']",
        "['all agree', 'b began a new life']",
        "['a starts a mission of 1 steps', 'the mission is resumed']",
        "['the mission is promoted']",
        "['a starts a mission of 1 steps', 'until step 1 is done']",
        "['a starts a mission of 1 steps', 'the holder crashes']",
        "['a starts a mission of 1 steps', 'wait 1s', 'step 1 was started 1 times']",
    ] {
        let (outcome, _) = run(&script(steps), 1, false).unwrap();
        assert!(outcome.failed.is_some(), "{steps}");
    }
}

#[test]
fn scripts_put_wrong_are_refused_with_the_reason() {
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let read = |entry: std::io::Result<std::fs::DirEntry>| {
        std::fs::read_to_string(entry.unwrap().path()).unwrap()
    };
    let texts: Vec<String> = std::fs::read_dir(folder).unwrap().map(read).collect();
    let mut rng = ChaCha20Rng::from_seed([1; 32]);
    let mut below = |end: usize| usize::try_from(rng.next_u64() % end.max(1) as u64).unwrap();
    let (mut taken, mut refused) = (0, 0);
    for _ in 0..20_000 {
        let mut bytes = texts[below(texts.len())].clone().into_bytes();
        for _ in 0..=below(3) {
            let at = below(bytes.len());
            match below(4) {
                0 => bytes[at] ^= 1 << below(8),
                1 => bytes.truncate(at),
                2 => {
                    let other = texts[below(texts.len())].as_bytes();
                    bytes.truncate(at);
                    bytes.extend(&other[below(other.len())..]);
                }
                _ => {
                    let to = (at + below(40)).min(bytes.len());
                    let twice = bytes[at..to].to_vec();
                    bytes.splice(at..at, twice);
                }
            }
            if bytes.is_empty() {
                break;
            }
        }
        match String::from_utf8_lossy(&bytes).parse::<Script>() {
            Ok(script) => {
                assert!((1..=64).contains(&script.devices.len()));
                taken += 1;
            }
            Err(fault) => {
                assert!(!fault.to_string().is_empty());
                refused += 1;
            }
        }
    }
    assert!(taken > 100 && refused > 100, "{taken} taken, {refused} refused");
}
