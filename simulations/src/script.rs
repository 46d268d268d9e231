//! Partition scripts: TOML files that read like a story, one sentence a step.
//!
//! ```toml
//! title = "Two devices write apart and meet again"
//! devices = ["laptop owner", "phone member"]
//! steps = ["cut laptop | phone", "laptop writes notes/a = left", "heal", "all agree"]
//! ```

mod act;
mod sentences;
#[cfg(test)]
mod tests;

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
    /// `A loses rows`: it dies, and of what others hold too a part of its disk cannot be read any
    /// more. What is salvaged lacks that, and it stands last where it comes again.
    LoseRows(Who),
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
         \"NAME copy of OTHER\", each once, 64 at most, first an owner; \
         a name is of letters, digits, - and _, and no word that begins a sentence"
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
            if !is_name(name) {
                return Err(bad());
            }
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

/// Is this what a sentence can call a device by?
fn is_name(name: &str) -> bool {
    let is_of_one = |c: char| c.is_ascii_alphanumeric() || ['-', '_'].contains(&c);
    let begins = |c: char| c.is_ascii_alphabetic();
    // With these a sentence begins, or they join names.
    let says = ["all", "and", "cut", "heal", "no", "step", "the", "until", "wait"];
    name.starts_with(begins) && name.chars().all(is_of_one) && !says.contains(&name)
}

/// As a file: what [`Script::from_str`] reads as the same script.
impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What JSON writes as a string is one in TOML, but for one character.
        let quoted =
            |text: &str| serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f");
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
