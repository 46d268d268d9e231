//! What sentences mean, and that scripts are read as they were written.

use super::*;

fn step(line: &str) -> Option<Step> {
    let devices = [("laptop", Role::Owner), ("phone", Role::Member)];
    let device = |(name, role): (&str, _)| Device {
        name: name.to_owned(),
        role: Some(role),
        runs: false,
        copy_of: None,
    };
    sentence(line, &devices.map(device))
}

#[test]
fn sentences_mean_steps() {
    assert_eq!(step("cut laptop | phone"), Some(Step::Cut(vec![vec![0], vec![1]])));
    assert_eq!(step("wait 5s"), Some(Step::Wait(5_000)));
    assert_eq!(step("wait 20ms"), Some(Step::Wait(20)));
    assert_eq!(step("phone crashes before output 3"), Some(Step::CrashBefore(1, 3)));
    assert_eq!(step("phone is copied"), Some(Step::Copy(1)));
    assert_eq!(step("phone is put back"), Some(Step::PutBack(1)));
    assert_eq!(step("laptop and phone agree"), Some(Step::Agree(vec![0, 1])));
    let path = "notes/a".parse().unwrap();
    let write = Step::Write(0, path, "two words".to_owned());
    assert_eq!(step("laptop writes notes/a = two words"), Some(write));
    assert_eq!(step("laptop starts a mission of 3 steps"), Some(Step::StartMission(0, 3)));
    assert_eq!(step("until step 2 is done"), Some(Step::StepDone(2)));
    assert_eq!(step("2 candidates are shown"), Some(Step::CandidatesShown(2)));
    assert_eq!(step("step 2 was started 1 times"), Some(Step::StartedTimes(2, 1)));
}

/// A sentence of each kind.
const LINES: &[&str] = &[
    "a tries notes/x = 1",
    "a tries to remove notes/x",
    "a writes notes/x = two words",
    "a removes notes/x",
    "b cannot write notes/~1",
    "a grants b admin",
    "a revokes b",
    "cut a b | twin",
    "heal",
    "a crashes",
    "b crashes before output 3",
    "b starts",
    "b restarts",
    "b is copied",
    "b loses rows",
    "b is put back",
    "twin is cloned",
    "a sets its clock forward 3600000ms",
    "a sets its clock back 1ms",
    "a gains 300 ppm",
    "b loses 50000 ppm",
    "a sleeps 5000ms",
    "b does not hear a",
    "a tries to undo",
    "a tries to undo by force",
    "a tries to cancel the mission",
    "a tries to strike b",
    "a tries to bring back what is struck",
    "a tries to readmit b",
    "a tries to purge",
    "b tries to rescue",
    "a tries to branch try",
    "b tries to branch more of branches/try",
    "b tries to merge try",
    "a tries to put away try",
    "a tries to get back try",
    "b forks notes/x = 1",
    "b backdates notes/x = 1",
    "b backdates anew notes/x = 1",
    "b backdates a revocation of a",
    "b withholds from a",
    "b replays",
    "b sends garbage",
    "b sends too much",
    "b claims everything",
    "b wants forever",
    "b offers what is not there",
    "b floods 3 events",
    "a tries a mission of 2 steps",
    "a starts a mission of 2 steps",
    "wait 20ms",
    "all settle",
    "a and b agree",
    "a reads notes/x = \"1\"",
    "a reads nothing at notes/x",
    "b is revoked",
    "a shows a fork of b",
    "b began a new life",
    "until step 1 is done",
    "until 2 candidates are made",
    "the holder crashes",
    "the holder is cut off",
    "the holder sleeps 60000ms",
    "the lost one restarts",
    "the mission is promoted",
    "the mission is resumed",
    "the mission is not resumed",
    "2 candidates are shown",
    "step 1 was started 2 times",
    "no step was started more than 2 times",
];

#[test]
fn a_script_is_read_as_it_was_written() {
    let devices = "['a owner runs', 'b member', 'c none', 'twin copy of a']";
    let steps = serde_json::to_string(LINES).unwrap();
    let text = format!("title = 't'\nseed = 7\ndevices = {devices}\nsteps = {steps}");
    let script: Script = text.parse().unwrap();
    let written = script.to_string();
    assert_eq!(written.parse::<Script>().unwrap(), script);
    for (step, line) in script.steps.iter().zip(LINES) {
        assert_eq!(words(step, &script.devices), *line);
    }
    assert_eq!(script.rogues(), [1].into());
}

#[test]
fn what_means_nothing_is_told_with_its_place() {
    assert_eq!(step("laptop sings"), None);
    assert_eq!(step("tablet crashes"), None);
    let script = "title = 't'\ndevices = ['a owner']\nsteps = ['heal', 'sing']";
    let fault = Script::from_str(script).unwrap_err();
    assert_eq!(fault, ScriptFault::Sentence(2, "sing".to_owned()));
    for devices in [
        "[]",
        "['a member']",
        "['a owner', 'a member']",
        "['a']",
        "['a owner walks']",
        "[' owner']",
        "['and owner']",
        "['| owner']",
        "['2 owner']",
    ] {
        let script = format!("title = 't'\ndevices = {devices}\nsteps = []");
        assert!(matches!(Script::from_str(&script), Err(ScriptFault::Device(_))));
    }
}
