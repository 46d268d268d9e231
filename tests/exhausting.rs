//! Agents and verify commands that take all there is, of time or of processes: each is ended, the
//! reason is told, and nothing of it is left.
//!
//! The bombs are bounded by themselves, for the case that the sandbox fails: at most 2047 shells,
//! none for longer than half a minute.

use serde_json::Value as Json;

use crate::kern::{Home, until};
use crate::lying::{mark, runs};
use crate::repository::{FIX, Repository, VERIFY, ended, failed};

/// A bomb whose processes are known by this mark.
fn bomb(mark: &str) -> String {
    format!(
        "f() {{ [ $1 = 0 ] || {{ f $(($1-1)) {mark} & f $(($1-1)) {mark} & }}; sleep 30; }}
        exec 2>/dev/null
        sh -c 'sleep {mark}' &
        f 10; sleep 30"
    )
}

/// What ignores every word and does not end.
fn endless(mark: &str) -> String {
    format!("trap '' TERM INT HUP; while :; do sleep {mark}; done")
}

/// As a line of an agent's command: `add.sh`, which the tests call, is this.
fn becomes(program: &str) -> String {
    format!("cat > add.sh <<'END'\n{program}\nEND\n")
}

/// A mission of one step, and its end.
fn mission(home: &Home, repository: &Repository, agent: &str, step: &str, verify: &str) -> Json {
    home.run(&["agent", "add", agent, "--command", step]).done();
    let path = repository.path();
    let start = ["mission", "start", "Add numbers", "--repo", path.to_str().unwrap()];
    let given = ["--verify", verify, "--agent", agent, "--json"];
    let started = home.run(&[&start[..], &given].concat()).json();
    ended(home, started["id"].as_str().unwrap())
}

/// An agent's step, the verify command, the stage in which it is caught, and what is told of it.
type Case<'a> = (&'a str, &'a str, &'a str, &'a str);

/// Runs these on a node, which lives on; nothing that has the mark does.
fn are_ended(timeout: &str, mark: &str, cases: &[Case<'_>]) {
    let (home, repository) = (Home::with_workspace(), Repository::new());
    let node = home.up_with(&["--run", "--step-timeout", timeout]);
    for (number, (step, verify, stage, why)) in cases.iter().enumerate() {
        let mission = mission(&home, &repository, &format!("agent-{number}"), step, verify);
        println!("{}; {}", mission["steps"][0]["outcome"], mission["why"]);
        failed(&home, &mission, stage, why);
        repository.is_at(&repository.base);
    }
    until("the end of all processes", || (!runs(mark)).then_some(()));
    assert!(node.terminate().success());
}

#[test]
fn a_step_and_tests_that_never_end_are_ended_and_nothing_is_left() {
    // SPEC: EVD-2, EVD-3
    let mark = mark(4);
    let endless = endless(&mark);
    let cases = [
        (endless.as_str(), VERIFY, "implement", "ended: it took longer than 1s"),
        (&becomes(&endless), VERIFY, "verify", "too few tests ran"),
    ];
    are_ended("1s", &mark, &cases);
}

#[test]
fn a_verify_command_that_never_ends_is_ended_and_nothing_is_left() {
    // SPEC: VFY-2
    let mark = mark(5);
    are_ended("1s", &mark, &[(FIX, &endless(&mark), "verify", "did not end by itself")]);
}

// A bomb is seen by the watcher; or kept small by the kernel, until the shell gives up or its time
// is over. So a test of a candidate's may fail or not be told.

#[test]
fn a_step_and_tests_that_are_fork_bombs_are_ended_and_nothing_is_left() {
    // SPEC: EVD-2, EVD-3
    let mark = mark(6);
    let bomb = bomb(&mark);
    let cases = [
        (bomb.as_str(), VERIFY, "implement", "step 1 did not end well"),
        (&becomes(&bomb), VERIFY, "verify", ""),
    ];
    are_ended("5s", &mark, &cases);
}

#[test]
fn a_verify_command_that_is_a_fork_bomb_is_ended_and_nothing_is_left() {
    // SPEC: VFY-2
    let mark = mark(7);
    are_ended("5s", &mark, &[(FIX, &bomb(&mark), "verify", "")]);
}
