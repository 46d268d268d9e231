//! `kern bench`: this program measured on this machine, beside what it is measured against.
//!
//! Every workload runs the code that nodes run, on real stores in a folder of its own, and in turns
//! with what it is compared with: disks and machines differ a hundredfold, so only ratios of one
//! run mean anything. [`figures`] judges, `device` has the devices, `plain` what needs no
//! other program; what others' programs do is measured by `kern-bench`, see `foreign`. A figure
//! that misses its goal is told like one that does not.

mod append;
mod attack;
mod bytes;
mod catch_up;
mod device;
pub mod edits;
pub mod figures;
mod fleet;
mod foreign;
mod heal;
mod inspector;
mod live;
mod missions;
mod past;
pub(crate) mod plain;
mod scratch;
mod start_up;
mod together;

use std::path::Path;
use std::time::{Duration, Instant};

use kernelos_protocol::command::Failure;

use figures::{Machine, Row, commit_p95_ms};
use foreign::Foreign;
use scratch::Scratch;

/// The edits of a run.
const SEED: u64 = 1;

/// How often a workload and what it is measured against take turns.
const TIMES: usize = 3;

/// No figure begins one more turn after this long: what was measured until then is enough, and how
/// much that was is told.
const BUDGET: Duration = Duration::from_secs(240);

/// Commits from which F is taken, in full and quick.
const COMMITS: (usize, usize) = (400, 20);

/// What can be measured, in the order in which it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Workload {
    /// Edits until they are durable, in groups
    Append,
    /// A long history to a device that has nothing
    CatchUp,
    /// A command until it is durable, with two peers attached
    Dispatch,
    /// The first answer of a node with a long history
    StartUp,
    /// What goes over the wire
    Bytes,
    /// Devices that wrote apart meet again
    Heal,
    /// A task until a runner on another device has it
    DispatchRemote,
    /// An edit until it is on the other device
    Live,
    /// What nodes need that have nothing to do
    Idle,
    /// A mission whose holder was killed, until another goes on
    Resume,
    /// A command, and what a node needs, while a member or strangers send what they should not
    Attack,
    /// Every value that stood somewhere, in a long history
    History,
    /// A word that no event says, looked for in a long history
    Search,
    /// What the inspector needs to show a long history
    #[value(aliases = ["frame", "open", "repaints"])]
    Inspector,
}

/// A run.
pub(crate) struct Bench {
    scratch: Scratch,
    machine: Machine,
    foreign: Foreign,
    /// Small sizes: to see that it works, not how fast.
    quick: bool,
    times: usize,
    tell: fn(&str),
}

impl Bench {
    /// A run in a folder below `base`, which goes with it; `tell` says how far it is.
    pub(crate) fn new(base: &Path, quick: bool, tell: fn(&str)) -> Result<Self, Failure> {
        let scratch = Scratch::below(base)?;
        let machine = Machine::measure(&scratch, if quick { COMMITS.1 } else { COMMITS.0 })?;
        let foreign = Foreign::beside();
        let times = if quick { 1 } else { TIMES };
        Ok(Self { scratch, machine, foreign, quick, times, tell })
    }

    /// Measures one workload.
    pub(crate) async fn run(&self, workload: Workload) -> Result<Vec<Row>, Failure> {
        match workload {
            Workload::Append => append::run(self).await,
            Workload::CatchUp => catch_up::run(self).await,
            Workload::Dispatch => live::dispatch(self).await,
            Workload::StartUp => start_up::run(self).await,
            Workload::Bytes => bytes::run(self).await,
            Workload::Heal => heal::run(self).await,
            Workload::DispatchRemote => missions::dispatch(self).await,
            Workload::Live => live::live(self).await,
            Workload::Idle => fleet::idle(self).await,
            Workload::Resume => missions::resume(self).await,
            Workload::Attack => attack::run(self).await,
            Workload::History => past::history(self).await,
            Workload::Search => past::search(self).await,
            Workload::Inspector => inspector::run(self).await,
        }
    }

    /// Is there one more turn, after so many since then? Told is how far it is.
    fn goes_on(&self, of: &str, done: usize, turns: usize, since: Instant) -> bool {
        self.goes_on_for(BUDGET, of, (done, turns), since)
    }

    /// The same for so long.
    fn goes_on_for(
        &self,
        budget: Duration,
        of: &str,
        (done, turns): (usize, usize),
        since: Instant,
    ) -> bool {
        let goes_on = done == 0 || (done < turns && since.elapsed() < budget);
        if goes_on && !self.quick {
            (self.tell)(&format!("  {of}: {} of {turns}", done + 1));
        }
        goes_on
    }

    /// F, now: disks are slower while others write.
    fn commit_p95_ms(&self) -> Result<f64, Failure> {
        commit_p95_ms(&self.scratch, self.size(COMMITS.0, COMMITS.1))
    }

    fn size(&self, full: usize, quick: usize) -> usize {
        if self.quick { quick } else { full }
    }
}
