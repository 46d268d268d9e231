//! The mission of the demo: three steps on a repository, and a holder that is killed after the
//! second. What is checked is what `kern mission show` says, and in the end git.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use kernelos_protocol::command::{Failure, FailureKind};
use kernelos_protocol::present::headline;
use serde::Deserialize;
use serde_json::Value as Json;

use crate::cli::demo::nodes::Device;
use crate::cli::demo::report::ms_since;
use crate::cli::demo::repository::{GOAL, Repository, TESTS, VERIFY, steps, verify};
use crate::cli::demo::story::{Story, otherwise};
use crate::cli::demo::wait::until;

/// The agent's name.
const AGENT: &str = "mender";

/// For how long one turn of a mission is waited for.
const TURN: Duration = Duration::from_secs(60);

/// What `kern mission show` says, as far as the demo looks at it.
#[derive(Debug, Deserialize)]
struct Mission {
    state: String,
    held_by: Option<String>,
    stages: Vec<Stage>,
    steps: Vec<Step>,
    branch: Option<String>,
    independent: Option<bool>,
    promoted_commit: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Stage {
    name: String,
    devices: Vec<String>,
    state: String,
}

#[derive(Debug, Deserialize)]
struct Step {
    n: u64,
    name: String,
    device: Option<String>,
    executions: u64,
    result: Json,
}

impl Mission {
    fn step(&self, n: u64) -> Option<&Step> {
        self.steps.iter().find(|step| step.n == n)
    }

    /// Has this step a result?
    fn has_done(&self, n: u64) -> bool {
        self.step(n).is_some_and(|step| !step.result.is_null())
    }

    /// What can be said of it, a line for each thing.
    fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("mission: {}", self.state)];
        for step in &self.steps {
            let Some(device) = &step.device else { continue };
            let state = if step.result.is_null() { "is at" } else { "has done" };
            let name = headline(&step.name);
            lines.push(format!("{device} {state} step {}, {name}", step.n));
        }
        for stage in self.stages.iter().filter(|stage| !stage.devices.is_empty()) {
            let devices = stage.devices.join(", ");
            lines.push(format!("stage {}: {} ({devices})", stage.name, stage.state));
        }
        lines
    }
}

/// A mission that is watched.
struct Watched {
    id: String,
    told: BTreeSet<String>,
}

impl Story {
    /// All chapters of the mission.
    pub(super) async fn mission(&mut self) -> Result<(), Failure> {
        let repository = self.break_something().await?;
        let id = self.begin_mission(&repository).await?;
        let mut watched = Watched { id, told: BTreeSet::new() };
        let ended = self.watch_mission(&repository, &mut watched).await;
        self.report.seen.mission = self.edge.ask(&["mission", "show", &watched.id]).await.ok();
        ended
    }

    async fn watch_mission(
        &mut self,
        repository: &Repository,
        watched: &mut Watched,
    ) -> Result<(), Failure> {
        let (holder, killed) = self.kill_holder(watched).await?;
        self.resume(watched, holder, killed).await?;
        let mission = self.promote(watched, holder).await?;
        self.look_at_branch(repository, &mission).await?;
        self.start_again(holder).await
    }

    async fn break_something(&mut self) -> Result<Repository, Failure> {
        self.report.chapter("A repository on the edge, with a test that fails");
        let repository = Repository::make(&self.folder).await?;
        self.report.tell(format!("edge: {}", repository.path.display()));
        let (passes, told) = verify(&repository.path).await?;
        self.report.tell(format!("{VERIFY}:"));
        self.report.quote(&told);
        if passes {
            return Err(otherwise("the tests of the repository pass before anything is mended"));
        }
        Ok(repository)
    }

    async fn begin_mission(&mut self, repository: &Repository) -> Result<String, Failure> {
        self.report.chapter("A mission of three steps begins");
        let steps = steps();
        for device in self.devices() {
            // It is on all where one device's agents are known to the others.
            let agents = device.ask(&["agent", "list"]).await?;
            if agents.as_array().into_iter().flatten().any(|agent| agent["name"] == AGENT) {
                continue;
            }
            let mut add = vec!["agent", "add", AGENT];
            add.extend(steps.iter().flat_map(|step| ["--command", step]));
            device.ask(&add).await?;
            self.report.tell(format!("{}: kern agent add {AGENT}", device.name));
        }
        let repo = repository.path.display().to_string();
        let start = ["mission", "start", GOAL, "--repo", &repo, "--verify", VERIFY];
        let start = [&start[..], &["--agent", AGENT, "--tests", TESTS]].concat();
        let id = self.edge.ask(&start).await?["id"].take();
        self.report.tell(format!("edge: kern mission start {GOAL:?}: {id}"));
        id.as_str().map(str::to_owned).ok_or_else(|| otherwise("the mission has no id"))
    }

    async fn kill_holder(
        &mut self,
        watched: &mut Watched,
    ) -> Result<(&'static str, Instant), Failure> {
        let holder = self
            .watch(watched, "the second step", |mission| {
                let holder = mission.held_by.clone()?;
                (mission.has_done(2) && !mission.has_done(3)).then_some(holder)
            })
            .await?;
        self.report.chapter("The device that works on it is killed");
        if holder == self.edge.name {
            return Err(otherwise("the edge works on it, and there is nobody to promote it then"));
        }
        let device = self.device(&holder)?;
        let (name, killed) = (device.name, Instant::now());
        let pid = device.kill().await?;
        self.report.tell(format!("{name}: SIGKILL to process {pid}, after two of three steps"));
        Ok((name, killed))
    }

    async fn resume(
        &mut self,
        watched: &mut Watched,
        holder: &str,
        killed: Instant,
    ) -> Result<(), Failure> {
        let other = |device: &Option<String>| device.clone().filter(|device| device != holder);
        let resumed_by = self
            .watch(watched, "another device at the third step", |mission| {
                let at_third = mission.step(3).and_then(|step| other(&step.device));
                at_third.or_else(|| other(&mission.held_by))
            })
            .await?;
        let took = ms_since(killed);
        self.report.seen.figures.resume_ms = Some(took);
        self.report.tell(format!("{resumed_by} has taken over, {took} ms after the kill"));
        Ok(())
    }

    async fn promote(&mut self, watched: &mut Watched, holder: &str) -> Result<Mission, Failure> {
        self.report.chapter("Another device resumes, one that ran no step verifies");
        let mission = self
            .watch(watched, "the promotion", |mission| (mission.state == "promoted").then_some(()))
            .await;
        mission?;
        let mission = self.show_mission(&watched.id).await?;
        for step in &mission.steps {
            let by = step.device.as_deref().unwrap_or("nobody");
            let (n, executions) = (step.n, step.executions);
            self.report.tell(format!("step {n}: by {by}, executions: {executions}"));
            if step.result.is_null() || (n < 3 && executions != 1) || (n == 3 && by == holder) {
                return Err(otherwise(format!("step {n} did not go as it must")));
            }
        }
        let runners: Vec<_> =
            mission.steps.iter().filter_map(|step| step.device.as_ref()).collect();
        let verify = mission.stages.iter().find(|stage| stage.name.starts_with("verif"));
        let verifiers = verify.map(|stage| &stage.devices[..]).unwrap_or_default();
        if verifiers.is_empty() || verifiers.iter().any(|device| runners.contains(&device)) {
            return Err(otherwise("no device that ran no step has verified"));
        }
        if mission.independent != Some(true) {
            return Err(otherwise("the mission does not say that its verifier is independent"));
        }
        Ok(mission)
    }

    async fn look_at_branch(
        &mut self,
        repository: &Repository,
        mission: &Mission,
    ) -> Result<(), Failure> {
        self.report.chapter("The branch has the commit, and the tests pass");
        let branch = mission.branch.as_deref().ok_or_else(|| otherwise("it names no branch"))?;
        let commit = mission.promoted_commit.as_deref();
        let commit = commit.ok_or_else(|| otherwise("it names no commit"))?;
        let tip = repository.git(&["rev-parse", &format!("refs/heads/{branch}")]).await?;
        if tip != commit {
            return Err(otherwise(format!("{branch} is at {tip}, and {commit} was promoted")));
        }
        let subject = repository.git(&["log", "-1", "--format=%h %s", &tip]).await?;
        self.report.tell(format!("{branch} in {}: {subject}", repository.path.display()));
        let at = repository.checkout(branch, "promoted").await?;
        let (passes, told) = verify(&at).await?;
        self.report.tell(format!("{VERIFY}, in a fresh checkout:"));
        self.report.quote(&told);
        if passes { Ok(()) } else { Err(otherwise("the tests fail on what was promoted")) }
    }

    async fn start_again(&mut self, holder: &str) -> Result<(), Failure> {
        self.report.chapter("The killed device comes back");
        let live: Vec<&Device> =
            self.devices().into_iter().filter(|device| device.name != holder).collect();
        let hash = self.agree(&live).await?;
        self.report.tell(format!("the other two hold {hash}"));
        let keep = self.keep;
        let pid = self.device(holder)?.start(keep).await?;
        self.report.tell(format!("{holder}: kern up, process {pid}"));
        let hash = self.agree(&self.devices()).await?;
        self.report.tell(format!("all three hold {hash}"));
        Ok(())
    }

    /// Waits for something about the mission, and says what else happens to it.
    async fn watch<T>(
        &self,
        watched: &mut Watched,
        what: &str,
        mut seen: impl FnMut(&Mission) -> Option<T>,
    ) -> Result<T, Failure> {
        until(&self.report, what, TURN, async || {
            let mission = self.show_mission(&watched.id).await?;
            for line in mission.lines() {
                if watched.told.insert(line.clone()) {
                    self.report.tell(line);
                }
            }
            match seen(&mission) {
                None if mission.state == "failed" => Err(otherwise("the mission failed")),
                seen => Ok(seen),
            }
        })
        .await
    }

    async fn show_mission(&self, id: &str) -> Result<Mission, Failure> {
        let shown = self.edge.ask(&["mission", "show", id]).await?;
        serde_json::from_value(shown).map_err(|error| {
            let text = format!("`kern mission show` says something else: {error}");
            Failure::new(FailureKind::Failed, text)
        })
    }

    fn device(&mut self, name: &str) -> Result<&mut Device, Failure> {
        let devices = [&mut self.laptop, &mut self.phone, &mut self.edge];
        let device = devices.into_iter().find(|device| device.name == name);
        device.ok_or_else(|| otherwise(format!("{name:?} is no device of this demo")))
    }
}
