//! Partition scripts: TOML files that read like a story, one sentence a step.
//!
//! ```toml
//! title = "Two devices write apart and meet again"
//! devices = ["laptop owner", "phone member"]
//! steps = ["cut laptop | phone", "laptop writes notes/a = left", "heal", "all agree"]
//! ```

mod act;
mod sentences;

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use kernelos_protocol::document::DocPath;
use kernelos_protocol::role::Role;
use serde::Deserialize;

pub use crate::script::act::Act;
use crate::script::sentences::{sentence, words};

/// A device of a script, by its place in the list.
pub type Who = usize;

/// What a script says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// What it is about.
    pub title: String,
    /// The seed for which it was found to fail, where it was.
    pub seed: Option<u64>,
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
    /// Whose home it is a clone of, with its key, once it is cloned.
    pub copy_of: Option<Who>,
}

/// What a device does that is not ours any more. It holds its key and all that it was sent; its
/// Replica goes on, so that it looks honest meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lie {
    /// `A forks PATH = VALUE`: signs two events for one place, and shows one of them to some.
    Fork(DocPath, String),
    /// `A backdates PATH = VALUE`: writes on from its copy as if it had heard nothing since.
    Backdate(DocPath, String),
    /// `A backdates anew PATH = VALUE`: the same as a new life, in which nothing forks.
    BackdateAnew(DocPath, String),
    /// `A backdates a revocation of B`
    BackdateRevocation(Who),
    /// `A withholds from B`: sends it no events any more.
    Withhold(Who),
    /// `A replays`: sends again what it sent before, to everybody.
    Replay,
    /// `A sends garbage`: frames that are none, and true ones with a bit turned or the end cut off.
    Garbage,
    /// `A sends too much`: a frame beyond the limit.
    TooMuch,
    /// `A claims everything`: a receipt of all that is anywhere, and of what is nowhere.
    Claim,
    /// `A wants forever`: whatever it gets, it wants all of it again, and what is nowhere.
    Want,
    /// `A offers what is not there`: ends of everybody's chains that nobody wrote.
    Offer,
    /// `A floods 9 events`: large ones, without the one that they all build on.
    Flood(u64),
}

/// One sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// `A writes PATH = VALUE`
    Write(Who, DocPath, String),
    /// `A tries PATH = VALUE`: where it is off or may not, nothing comes of it.
    TryWrite(Who, DocPath, String),
    /// `A tries a board NAME`
    TryBoard(Who, String),
    /// `A tries to remove PATH`
    TryRemove(Who, DocPath),
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
    /// `A starts`: where it is off.
    Start(Who),
    /// `A restarts`: with its disk alone.
    Restart(Who),
    /// `A is copied`: its disk.
    Copy(Who),
    /// `A is put back`: it dies, and has the copy instead of its disk.
    PutBack(Who),
    /// `A is cloned`: a device that is the copy of another starts from that one's disk, beside it.
    Clone(Who),
    /// `A sets its clock forward 1h`: the wall clock.
    ClockForward(Who, u64),
    /// `A sets its clock back 1h`
    ClockBack(Who, u64),
    /// `A gains 300 ppm`, `A loses 300 ppm`: its clocks, against the world's time, from now on.
    Drift(Who, i64),
    /// `A sleeps 30s`: suspended; its monotonic clock goes on.
    Sleep(Who, u64),
    /// It tries what a person does beside edits.
    Act(Who, Act),
    /// `A does not hear B`: what B sends does not reach A, until `heal`.
    Deaf(Who, Who),
    /// It lies: from the first such sentence on nothing is promised of it.
    Lie(Who, Lie),
    /// `wait 5s`
    Wait(u64),
    /// `all agree`, `A and B agree`: same state, within a bounded time.
    Agree(Vec<Who>),
    /// `all settle`: faults end, everybody restarts, and the honest members agree.
    Settle,
    /// `A reads PATH = VALUE`
    Reads(Who, DocPath, String),
    /// `A reads nothing at PATH`
    ReadsNothing(Who, DocPath),
    /// `A is revoked`
    IsRevoked(Who),
    /// `A shows a fork of B`: two events that B signed for one place.
    ShowsFork(Who, Who),
    /// `A began a new life`: and says so.
    NewLife(Who),
    /// `A tries a mission of 3 steps`
    TryMission(Who, usize),
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
    /// `the holder sleeps 60s`
    HolderSleeps(u64),
    /// `the lost one restarts`: who held the lease when it crashed.
    LostRestarts,
    /// `the mission is promoted`: on every device that is up, within a bounded time.
    Promoted,
    /// `the mission is resumed`: steps were done by another than who began.
    Resumed,
    /// `the mission is not resumed`: on no device that is up.
    NotResumed,
    /// `2 candidates are shown`: on every device that is up, within a bounded time.
    CandidatesShown(usize),
    /// `step 2 was started 1 times`: on every device that is up.
    StartedTimes(u64, usize),
    /// `no step was started more than 2 times`: on every device that is up.
    StartedAtMost(usize),
}

/// Why a script is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScriptFault {
    /// Not TOML of a script's form.
    #[error("this is no script: {0}")]
    Toml(String),
    /// A device is named twice, badly, or there are too few or too many.
    #[error(
        "device {0:?}: write \"NAME ROLE\", \"NAME ROLE runs\", \"NAME none\" or \
         \"NAME copy of OTHER\", each once, 64 at most, first an owner"
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
    seed: Option<u64>,
    devices: Vec<String>,
    steps: Vec<String>,
}

impl FromStr for Script {
    type Err = ScriptFault;

    fn from_str(text: &str) -> Result<Self, ScriptFault> {
        let file: File =
            toml::from_str(text).map_err(|error| ScriptFault::Toml(error.to_string()))?;
        Self::of_lines(file.title, file.seed, &file.devices, &file.steps)
    }
}

impl Script {
    /// The script of these lines about devices and steps.
    pub fn of_lines(
        title: String,
        seed: Option<u64>,
        devices_of: &[String],
        steps_of: &[String],
    ) -> Result<Self, ScriptFault> {
        let mut devices: Vec<Device> = Vec::new();
        for line in devices_of {
            let bad = || ScriptFault::Device(line.clone());
            let words: Vec<_> = line.split(' ').collect();
            let place = |name: &str| devices.iter().position(|other| other.name == name);
            let (name, role, runs, copy_of) = match words[..] {
                [name, role] => (name, role, false, None),
                [name, role, "runs"] => (name, role, true, None),
                [name, "copy", "of", other] => {
                    let of = place(other).ok_or_else(bad)?;
                    (name, "none", devices[of].runs, Some(of))
                }
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
            devices.push(Device { name: name.to_owned(), role, runs, copy_of });
        }
        if devices.is_empty() || devices.len() > 64 {
            return Err(ScriptFault::Device(format!("{} devices", devices.len())));
        }
        let mut steps = Vec::new();
        for (at, line) in steps_of.iter().enumerate() {
            let step = sentence(line, &devices);
            steps.push(step.ok_or_else(|| ScriptFault::Sentence(at + 1, line.clone()))?);
        }
        Ok(Self { title, seed, devices, steps })
    }
}

/// As a file: what [`Script::from_str`] reads as the same script.
impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What JSON writes as a string is one in TOML.
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        writeln!(f, "title = {}", quoted(&self.title))?;
        if let Some(seed) = self.seed {
            writeln!(f, "seed = {seed}")?;
        }
        let (devices, steps) = self.lines();
        let devices: Vec<_> = devices.iter().map(|line| quoted(line)).collect();
        writeln!(f, "devices = [{}]\nsteps = [", devices.join(", "))?;
        for line in steps {
            writeln!(f, "    {},", quoted(&line))?;
        }
        writeln!(f, "]")
    }
}

impl Script {
    /// Those who lie in it, and their clones, which have the same key.
    #[must_use]
    pub fn rogues(&self) -> BTreeSet<Who> {
        let key = |who: Who| self.devices.get(who).and_then(|device| device.copy_of).unwrap_or(who);
        let liar = |step: &Step| match step {
            Step::Lie(who, _) => Some(key(*who)),
            _ => None,
        };
        let keys: BTreeSet<_> = self.steps.iter().filter_map(liar).collect();
        (0..self.devices.len()).filter(|who| keys.contains(&key(*who))).collect()
    }

    /// Its lines about devices and steps.
    #[must_use]
    pub fn lines(&self) -> (Vec<String>, Vec<String>) {
        let devices = self.devices.iter().map(|device| self.device_words(device));
        let steps = self.steps.iter().map(|step| words(step, &self.devices));
        (devices.collect(), steps.collect())
    }

    fn device_words(&self, device: &Device) -> String {
        let name = &device.name;
        match (device.copy_of.and_then(|of| self.devices.get(of)), device.role) {
            (Some(of), _) => format!("{name} copy of {}", of.name),
            (None, None) => format!("{name} none"),
            (None, Some(role)) if device.runs => format!("{name} {} runs", role.name()),
            (None, Some(role)) => format!("{name} {}", role.name()),
        }
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
        for devices in
            ["[]", "['a member']", "['a owner', 'a member']", "['a']", "['a owner walks']"]
        {
            let script = format!("title = 't'\ndevices = {devices}\nsteps = []");
            assert!(matches!(Script::from_str(&script), Err(ScriptFault::Device(_))));
        }
    }
}
