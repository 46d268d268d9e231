//! Partition scripts: TOML files that read like a story, one sentence a step.
//!
//! ```toml
//! title = "Two devices write apart and meet again"
//! devices = ["laptop owner", "phone member"]
//! steps = ["cut laptop | phone", "laptop writes notes/a = left", "heal", "all agree"]
//! ```

use std::str::FromStr;

use kernelos_protocol::document::DocPath;
use kernelos_protocol::role::Role;
use serde::Deserialize;

/// A device of a script, by its place in the list.
pub type Who = usize;

/// What a script says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// What it is about.
    pub title: String,
    /// The first founds the workspace.
    pub devices: Vec<Device>,
    /// What happens, in order.
    pub steps: Vec<Step>,
}

/// A device of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its name.
    pub name: String,
    /// Its role, if it has one at first.
    pub role: Option<Role>,
    /// Was it started so that it runs agents?
    pub runs: bool,
}

/// One sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// `A writes PATH = VALUE`
    Write(Who, DocPath, String),
    /// `A cannot write PATH`
    CannotWrite(Who, DocPath),
    /// `A removes PATH`
    Remove(Who, DocPath),
    /// `A revokes B`
    Revoke(Who, Who),
    /// `A grants B ROLE`
    Grant(Who, Who, Role),
    /// `cut A B | C`: only devices of one side reach each other.
    Cut(Vec<Vec<Who>>),
    /// `heal`: everybody reaches everybody.
    Heal,
    /// `A crashes`: at once.
    Crash(Who),
    /// `A crashes before output 3`: counted from here.
    CrashBefore(Who, u64),
    /// `A restarts`: with its disk alone.
    Restart(Who),
    /// `A is copied`: its disk.
    Copy(Who),
    /// `A is put back`: it dies, and has the copy instead of its disk.
    PutBack(Who),
    /// `wait 5s`
    Wait(u64),
    /// `all agree`, `A and B agree`: same state, within a bounded time.
    Agree(Vec<Who>),
    /// `A reads PATH = VALUE`
    Reads(Who, DocPath, String),
    /// `A reads nothing at PATH`
    ReadsNothing(Who, DocPath),
    /// `A is revoked`
    IsRevoked(Who),
    /// `A starts a mission of 3 steps`: what is said of the mission is said of the last one.
    StartMission(Who, usize),
    /// `until step 2 is done`: its home has the record and what it left, within a bounded time.
    StepDone(u64),
    /// `until 2 candidates are made`: different ones, known to anybody.
    CandidatesMade(usize),
    /// `the holder crashes`: of the mission's lease, as its home knows.
    HolderCrashes,
    /// `the holder is cut off`: from all others.
    HolderCutOff,
    /// `the lost one restarts`: who held the lease when it crashed.
    LostRestarts,
    /// `the mission is promoted`: on every device that is up, within a bounded time.
    Promoted,
    /// `the mission is resumed`: steps were done by another than who began.
    Resumed,
    /// `2 candidates are shown`: on every device that is up, within a bounded time.
    CandidatesShown(usize),
    /// `step 2 was started 1 times`: on every device that is up.
    StartedTimes(u64, usize),
}

/// Why a script is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScriptFault {
    /// Not TOML of a script's form.
    #[error("this is no script: {0}")]
    Toml(String),
    /// A device is named twice, badly, or there are too few or too many.
    #[error(
        "device {0:?}: write \"NAME ROLE\", \"NAME ROLE runs\" or \"NAME none\", each once, 64 at \
         most, first an owner"
    )]
    Device(String),
    /// A sentence that means nothing.
    #[error("step {0}, {1:?}, means nothing: see `kern-sim --help` for the sentences")]
    Sentence(usize, String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    title: String,
    devices: Vec<String>,
    steps: Vec<String>,
}

impl FromStr for Script {
    type Err = ScriptFault;

    fn from_str(text: &str) -> Result<Self, ScriptFault> {
        let file: File =
            toml::from_str(text).map_err(|error| ScriptFault::Toml(error.to_string()))?;
        let mut devices: Vec<Device> = Vec::new();
        for line in &file.devices {
            let bad = || ScriptFault::Device(line.clone());
            let words: Vec<_> = line.split(' ').collect();
            let (name, role, runs) = match words[..] {
                [name, role] => (name, role, false),
                [name, role, "runs"] => (name, role, true),
                _ => return Err(bad()),
            };
            let role = match role {
                "none" => None,
                role => Some(Role::ALL.into_iter().find(|r| r.name() == role).ok_or_else(bad)?),
            };
            let founds = devices.is_empty();
            let twice = devices.iter().any(|other| other.name == name);
            if twice || (founds && role != Some(Role::Owner)) {
                return Err(bad());
            }
            devices.push(Device { name: name.to_owned(), role, runs });
        }
        if devices.is_empty() || devices.len() > 64 {
            return Err(ScriptFault::Device(format!("{} devices", devices.len())));
        }
        let mut steps = Vec::new();
        for (at, line) in file.steps.iter().enumerate() {
            let step = sentence(line, &devices);
            steps.push(step.ok_or_else(|| ScriptFault::Sentence(at + 1, line.clone()))?);
        }
        Ok(Self { title: file.title, devices, steps })
    }
}

fn sentence(line: &str, devices: &[Device]) -> Option<Step> {
    let who = |name: &str| devices.iter().position(|other| other.name == name);
    let words: Vec<&str> = line.split_whitespace().collect();
    let value = || line.split_once(" = ").map(|(_, value)| value.trim().to_owned());
    if let Some(step) = of_mission(&words) {
        return Some(step);
    }
    match &words[..] {
        ["heal"] => Some(Step::Heal),
        ["all", "agree"] => Some(Step::Agree((0..devices.len()).collect())),
        ["wait", time] => Some(Step::Wait(milliseconds(time)?)),
        ["cut", ..] => {
            let sides = line.strip_prefix("cut")?.split('|');
            let side = |side: &str| side.split_whitespace().map(who).collect::<Option<Vec<_>>>();
            let sides = sides.map(side).collect::<Option<Vec<_>>>()?;
            (sides.len() > 1).then_some(Step::Cut(sides))
        }
        [a, "writes", path, "=", ..] => Some(Step::Write(who(a)?, path.parse().ok()?, value()?)),
        [a, "cannot", "write", path] => Some(Step::CannotWrite(who(a)?, path.parse().ok()?)),
        [a, "removes", path] => Some(Step::Remove(who(a)?, path.parse().ok()?)),
        [a, "revokes", b] => Some(Step::Revoke(who(a)?, who(b)?)),
        [a, "grants", b, role] => {
            let role = Role::ALL.into_iter().find(|r| r.name() == *role)?;
            Some(Step::Grant(who(a)?, who(b)?, role))
        }
        [a, "crashes"] => Some(Step::Crash(who(a)?)),
        [a, "crashes", "before", "output", n] => Some(Step::CrashBefore(who(a)?, n.parse().ok()?)),
        [a, "is", "copied"] => Some(Step::Copy(who(a)?)),
        [a, "is", "put", "back"] => Some(Step::PutBack(who(a)?)),
        [a, "restarts"] => Some(Step::Restart(who(a)?)),
        [a, "reads", "nothing", "at", path] => {
            Some(Step::ReadsNothing(who(a)?, path.parse().ok()?))
        }
        [a, "reads", path, "=", ..] => Some(Step::Reads(who(a)?, path.parse().ok()?, value()?)),
        [a, "is", "revoked"] => Some(Step::IsRevoked(who(a)?)),
        [a, "starts", "a", "mission", "of", steps, "steps"] => {
            Some(Step::StartMission(who(a)?, steps.parse().ok()?))
        }
        [.., "agree"] => {
            let names = words[..words.len() - 1].iter().filter(|word| **word != "and");
            let agree: Vec<_> = names.map(|name| who(name)).collect::<Option<_>>()?;
            (agree.len() > 1).then_some(Step::Agree(agree))
        }
        _ => None,
    }
}

/// Sentences about the mission that was started last.
fn of_mission(words: &[&str]) -> Option<Step> {
    Some(match words {
        ["until", "step", step, "is", "done"] => Step::StepDone(step.parse().ok()?),
        ["until", count, "candidates", "are", "made"] => Step::CandidatesMade(count.parse().ok()?),
        ["the", "holder", "crashes"] => Step::HolderCrashes,
        ["the", "holder", "is", "cut", "off"] => Step::HolderCutOff,
        ["the", "lost", "one", "restarts"] => Step::LostRestarts,
        ["the", "mission", "is", "promoted"] => Step::Promoted,
        ["the", "mission", "is", "resumed"] => Step::Resumed,
        [count, "candidates", "are", "shown"] => Step::CandidatesShown(count.parse().ok()?),
        ["step", step, "was", "started", times, "times"] => {
            Step::StartedTimes(step.parse().ok()?, times.parse().ok()?)
        }
        _ => return None,
    })
}

fn milliseconds(time: &str) -> Option<u64> {
    match time.strip_suffix("ms") {
        Some(number) => number.parse().ok(),
        None => time.strip_suffix('s')?.parse::<u64>().ok()?.checked_mul(1_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(line: &str) -> Option<Step> {
        let devices = [("laptop", Role::Owner), ("phone", Role::Member)];
        let device = |(name, role): (&str, _)| Device {
            name: name.to_owned(),
            role: Some(role),
            runs: false,
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

    #[test]
    fn what_means_nothing_is_told_with_its_place() {
        assert_eq!(step("laptop sings"), None);
        assert_eq!(step("tablet crashes"), None);
        let script = "title = 't'\ndevices = ['a owner']\nsteps = ['heal', 'sing']";
        let fault = Script::from_str(script).unwrap_err();
        assert_eq!(fault, ScriptFault::Sentence(2, "sing".to_owned()));
        for devices in
            ["[]", "['a member']", "['a owner', 'a member']", "['a']", "['a owner walks']"]
        {
            let script = format!("title = 't'\ndevices = {devices}\nsteps = []");
            assert!(matches!(Script::from_str(&script), Err(ScriptFault::Device(_))));
        }
    }
}
