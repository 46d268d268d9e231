//! Missions over real processes: the home that dies, the branch that moved, the device that does
//! not run agents, and the mistakes of people.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Stdio};

use serde_json::{Value as Json, json};

use crate::kern::{Home, until};
use crate::repository::{FIX, Repository, VERIFY, ended, failed, git, shows, stage};

/// Lets a step wait until a test says go, by a file in the scratch folder of the device it is on.
pub(crate) const WAIT: &str = "until [ -e \"$KERNELOS_SCRATCH/go\" ]; do sleep 0.05; done\n";

/// Says go to the step of a mission that a device is at, until it is done: a device that is slow
/// may begin it anew.
pub(crate) fn go(home: &Home, mission: &str, step: usize) {
    let folder = home.path().join("missions").join(mission);
    shows(home, mission, "the end of a step that waits", |mission| {
        // Each order has a folder of its own, as long as it runs.
        for desk in fs::read_dir(&folder).into_iter().flatten().flatten() {
            fs::write(desk.path().join("scratch/go"), b"").ok();
        }
        mission["steps"][step - 1]["event"].is_string()
    });
}

#[test]
fn a_home_that_is_killed_before_the_branch_moves_promotes_when_it_is_back() {
    // SPEC: MIS-3, MIS-8, EVD-3
    let (home, repository) = (Home::with_workspace(), Repository::new());
    let node = home.up_with(&["--run"]);
    let id = repository.mission(&home, "honest", &[FIX]);
    // Somebody's git holds the index for as long as this file is there.
    let lock = repository.path().join(".git/index.lock");
    fs::write(&lock, b"").unwrap();
    let waiting = shows(&home, &id, "a promotion that cannot be done", |mission| {
        mission["state"] == "promoting" && mission["why"].is_string()
    });
    assert!(waiting["why"].as_str().unwrap().contains("is locked"), "{}", waiting["why"]);
    assert_eq!(waiting["independent"], false, "there is one device");
    let contract = home.get(&format!("missions/{id}"));
    let parts: Vec<_> = contract.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(parts, ["architecture", "plan", "progress", "risk", "verification"]);
    assert_eq!(repository.main(), repository.base);
    node.kill();
    fs::remove_file(&lock).unwrap();

    let _node = home.up_with(&["--run"]);
    let promoted = ended(&home, &id);
    assert_eq!(promoted["state"], "promoted", "{promoted:#}");
    repository.is_at(promoted["promoted_commit"].as_str().unwrap());
    assert_eq!(repository.git(&["rev-parse", "main^"]), repository.base);
    assert_eq!(promoted["steps"][0]["executions"], 1);
    assert_eq!(stage(&promoted, "verify")["evidence"], stage(&waiting, "verify")["evidence"]);
    let mut verify = Command::new("sh");
    verify.args(["-c", VERIFY]).current_dir(repository.path()).stdout(Stdio::null());
    assert!(verify.status().unwrap().success());
    every_event_is_shown_whole(&home);
}

/// What happened on a device, event by event: all that its log shows can be read.
fn every_event_is_shown_whole(home: &Home) {
    let mut facts: BTreeMap<String, Json> = BTreeMap::new();
    for row in home.log() {
        let Some(id) = row["id"].as_str() else { continue };
        let seen = home.run(&["log", "--event", id, "--json"]).json();
        assert!(row.as_object().unwrap().iter().all(|(key, value)| seen[key] == *value), "{seen}");
        if seen["body"] == "open" {
            assert_eq!(seen["facts"]["kind"], seen["kind"], "{seen}");
        } else {
            assert_eq!((&seen["body"], &seen["kind"]), (&json!("none"), &json!("join")));
        }
        let name = match (seen["kind"].as_str().unwrap(), seen["facts"]["stage"].as_str()) {
            (kind, Some(stage)) => format!("{kind} {stage}"),
            (kind, None) => kind.to_owned(),
        };
        facts.insert(name, seen["facts"].clone());
    }
    let seen: Vec<_> = facts.keys().map(String::as_str).collect();
    for kind in ["artifact", "change", "decision", "epoch", "evidence plan", "evidence replay"] {
        assert!(facts.contains_key(kind), "{kind}: {seen:?}");
    }
    let fact = |kind: &str, at: &str| {
        let facts = facts.get(kind).unwrap_or_else(|| panic!("{kind}: {seen:?}"));
        facts.pointer(at).unwrap_or_else(|| panic!("{kind}: {facts}")).clone()
    };
    assert_eq!(fact("mission", "/steps"), json!([FIX]));
    assert_eq!(fact("lease implement", "/epoch"), 1);
    assert_eq!((fact("run", "/step"), fact("run", "/outcome")), (json!(1), json!("exited")));
    assert_eq!(fact("evidence verify", "/passed"), true);
    for (kind, at) in [("run", "/sandbox"), ("evidence verify", "/seen/sandbox")] {
        assert!(fact(kind, at).as_str().unwrap().contains("landlock"), "{}", fact(kind, at));
    }
    assert_eq!(
        fact("promote", "/now"),
        home.run(&["mission", "list", "--json"]).json()[0]["promoted_commit"]
    );
    let promotion = home.log().into_iter().find(|row| row["kind"] == "promote").unwrap();
    let short = &promotion["id"].as_str().unwrap()[..8];
    let shown = home.run(&["log", "--event", short]);
    let words: Vec<_> = shown.done().split_whitespace().collect();
    let words = words.join(" ");
    assert!(
        words.contains("author laptop ") && words.contains("what it says: promote now "),
        "{words}"
    );
}

#[test]
fn a_device_without_run_executes_nothing_and_a_branch_that_moved_stays_where_a_person_left_it() {
    // SPEC: LSE-2, CNT-10
    let (home, runner) = (Home::with_workspace(), Home::new());
    let repository = Repository::new();
    let _node = home.up();
    let waits = format!("{WAIT}{FIX}");
    let id = repository.mission(&home, "honest", &[&waits]);
    shows(&home, &id, "what it waits for", |mission| {
        mission["why"].as_str().is_some_and(|why| why.ends_with("kern up --run"))
    });
    let _runner = runner.up_with(&["--run"]);
    home.pair(&runner, "runner", "runner");
    shows(&home, &id, "a step on the device that runs agents", |mission| {
        mission["steps"][0]["device"] == "runner" && mission["why"].is_null()
    });
    fs::write(repository.path().join("README"), b"by hand\n").unwrap();
    let by_hand = repository.commit("By hand");
    go(&runner, &id, 1);

    let mission = ended(&home, &id);
    failed(&home, &mission, "promote", &format!("the branch had moved to {by_hand}"));
    repository.is_at(&by_hand);
    assert_eq!(mission["steps"][0]["device"], "runner");
    for (name, device) in [("implement", "runner"), ("verify", "runner"), ("replay", "runner")] {
        assert_eq!(stage(&mission, name)["devices"], json!([device]), "{name}");
    }
    assert_eq!(stage(&mission, "promote")["devices"], json!(["laptop"]));
    assert_eq!(mission["independent"], false, "who executed the step verified");
    let worked = home.path().join("missions").join(&id);
    assert!(!worked.exists(), "a device that was not started with --run has no work tree");
}

#[test]
fn what_people_get_wrong_is_said_with_a_hint_and_leaves_no_mission() {
    // SPEC: CNT-5, PRJ-7
    let (home, repository) = (Home::with_workspace(), Repository::new());
    repository.start(&home, "fixer", &[]).refused(3, "does not run");
    home.run(&["mission", "list"]).refused(3, "does not run");
    let _node = home.up();
    home.run(&["agent", "add", "fixer", "--command", "true"]).done();

    let path = repository.path().to_str().unwrap().to_owned();
    let (bare, empty) = (home.file("bare"), home.file("empty"));
    for (folder, option) in [(&bare, "--bare"), (&empty, "--initial-branch=main")] {
        fs::create_dir(folder).unwrap();
        git(folder, &["init", "--quiet", "--template=", option]);
    }
    let (bare, empty) = (bare.to_str().unwrap(), empty.to_str().unwrap());
    let long = "a".repeat(5_000);
    for (start, code, words) in [
        (["goal", "/nowhere", VERIFY, "fixer"], 1, "is in no git repository"),
        (["goal", "/", VERIFY, "fixer"], 1, "is in no git repository"),
        (["goal", bare, VERIFY, "fixer"], 1, "is no work tree"),
        (["goal", empty, VERIFY, "fixer"], 1, "has no commit yet"),
        (["goal", &path, "./nowhere.sh", "fixer"], 1, "verify command cannot start"),
        (["goal", &path, "", "fixer"], 2, "verify command is empty"),
        (["goal", &path, VERIFY, "nobody"], 1, "there is no agent \"nobody\""),
        (["", &path, VERIFY, "fixer"], 2, "the goal is empty"),
        ([" \n", &path, VERIFY, "fixer"], 2, "the goal is empty"),
        ([&long, &path, VERIFY, "fixer"], 2, "a goal has 1 to 4096 bytes"),
    ] {
        let [goal, repo, verify, agent] = start;
        let args = ["mission", "start", goal, "--repo", repo, "--verify", verify, "--agent", agent];
        home.run(&args).refused(code, words);
    }
    let start = |options: &[&str]| repository.start(&home, "fixer", options);
    start(&["--branch", "nowhere"]).refused(1, "there is no branch");
    start(&["--branch", "../main"]).refused(2, "../main");
    start(&["--tests", "tests/["]).refused(2, "is refused");
    start(&["--tests", "/tests"]).refused(2, "is refused");
    start(&["--floor", "0"]).refused(2, "proves nothing");
    repository.git(&["checkout", "--quiet", "--detach"]);
    start(&[]).refused(1, "no branch is checked out");
    repository.git(&["checkout", "--quiet", "main"]);
    let stray = repository.path().join("stray");
    fs::write(&stray, b"").unwrap();
    start(&[]).refused(1, "stray");
    fs::remove_file(&stray).unwrap();
    repository.is_at(&repository.base);
    assert_eq!(home.run(&["mission", "list", "--json"]).json(), json!([]));
    assert!(home.log().iter().all(|row| row["kind"] != "mission"));

    home.run(&["agent", "add", "a/b", "--command", "true"]).refused(2, "without `/`");
    home.run(&["agent", "add", "", "--command", "true"]).refused(2, "without `/`");
    home.run(&["agent", "add", "a", "--command", " "]).refused(2, "none empty");
    home.run(&["agent", "add", "a", "--command", &long]).refused(2, "none empty");
    let many = [&["agent", "add", "a"][..], &["--command", "true"].repeat(17)].concat();
    home.run(&many).refused(2, "1 to 16 commands");
    let without = home.run(&["agent", "add", "a"]);
    assert_eq!(without.code, 2);
    assert!(without.stderr.contains("--command <C>"), "{}", without.stderr);
    let agents = home.run(&["agent", "list", "--json"]).json();
    assert_eq!(agents, json!([{ "name": "fixer", "commands": ["true"] }]));
}

#[test]
fn a_mission_is_named_by_the_beginning_of_its_id_where_that_is_one() {
    let (home, repository) = (Home::with_workspace(), Repository::new());
    let _node = home.up();
    home.run(&["mission", "show", "00"]).refused(1, "there is no mission \"00\"");
    let mut ids = vec![repository.mission(&home, "fixer", &["true"])];
    // Of seventeen ids, two begin alike.
    let shared = loop {
        let id = repository.start(&home, "fixer", &[]).json()["id"].as_str().unwrap().to_owned();
        let alike = ids.iter().any(|other| other[..1] == id[..1]);
        ids.push(id);
        if alike {
            break ids[ids.len() - 1][..1].to_owned();
        }
    };
    home.run(&["mission", "show", &shared]).refused(2, "2 missions begin with");
    home.run(&["mission", "show", &"0".repeat(64)]).refused(1, "there is no mission");
    for id in &ids {
        assert_eq!(home.run(&["mission", "show", id, "--json"]).json()["id"], *id);
    }
    assert_eq!(
        home.run(&["mission", "list", "--json"]).json().as_array().unwrap().len(),
        ids.len()
    );
}

#[test]
fn a_home_below_a_file_says_so_and_has_no_mission() {
    let (home, repository) = (Home::new(), Repository::new());
    fs::write(home.path(), b"a file in the way").unwrap();
    home.run(&["up", "--run"]).refused(1, "cannot be used");
    repository.start(&home, "fixer", &[]).refused(3, "does not run");
    repository.is_at(&repository.base);
}

#[test]
fn a_time_for_steps_that_is_none_is_refused() {
    let home = Home::new();
    for options in [&["--run", "--step-timeout", "0s"][..], &["--step-timeout", "5m"]] {
        let ran = home.run(&[&["up"], options].concat());
        assert_eq!(ran.code, 2, "{}", ran.stderr);
    }
    assert!(!home.path().exists());
}

#[test]
fn a_mission_that_is_cancelled_stops_the_step_that_runs() {
    // SPEC: MIS-10
    let (home, runner) = (Home::with_workspace(), Home::new());
    let repository = Repository::new();
    let _nodes = (home.up(), runner.up_with(&["--run"]));
    home.pair(&runner, "runner", "runner");
    let waits = format!("{WAIT}{FIX}");
    let id = repository.mission(&home, "honest", &[&waits]);
    shows(&home, &id, "a step that runs", |mission| mission["steps"][0]["executions"] == 1);
    // Each order has a folder of its own, as long as it runs.
    let works = || {
        let folder = fs::read_dir(runner.path().join("missions").join(&id)).into_iter().flatten();
        folder.flatten().any(|desk| desk.path().join("scratch").exists())
    };
    until("it is at work", || works().then_some(()));
    runner.run(&["mission", "cancel", &id]).refused(5, "its home");
    let ended = home.run(&["mission", "cancel", &id[..8], "--json"]).json();
    assert_eq!(ended["mission"], id.as_str());
    for device in [&home, &runner] {
        let shown = shows(device, &id, "its end", |mission| mission["state"] == "cancelled");
        assert_eq!(shown["cancelled_by"], "laptop");
        let event = ended["event"].as_str().unwrap();
        let said = device.run(&["log", "--event", event, "--json"]).json();
        assert_eq!((&said["kind"], &said["facts"]["act"]), (&json!("decision"), &json!("cancel")));
    }
    until("its step is gone", || (!works()).then_some(()));
    home.run(&["mission", "cancel", &id]).refused(1, "over already");
    repository.is_at(&repository.base);
}
