//! What this device does for missions, and when: takes leases, keeps them, works through stages.
//!
//! Its state is what only this process knows: which lease it took itself, when it heard a holder
//! last, what the node is busy with. All else is in the journal, so a process that dies loses no
//! more than the step under way. Timers read the monotonic clock, which counts suspended time
//! (SPEC: LSE-3, LSE-4).

mod election;
mod unusable;

use std::collections::BTreeMap;

use super::journal::{Entry, Journal};
use super::record::{Act, Record, Stage};
use super::stage::{Progress, Replayed};
use super::state::{Seen, State};
use super::verification::{admission, weigh_runs};
use super::work::{CommandLog, CommandRun, Order, Outcome, Source, Task, Ticket};
use crate::authority::ContentLane;
use crate::id::{DeviceId, EventId};
use crate::limits::{BEAT_MS, BOUNDARY_WAIT_MS, LEASE_MS, RETRY_DOUBLINGS_MAX, RETRY_MS};
use crate::role::Role;
use crate::time::Time;
use election::Watch;
use unusable::unusable;

/// A device that can be reached now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Which.
    pub device: DeviceId,
    /// Its role.
    pub role: Role,
    /// Was it started so that it runs agents?
    pub runs: bool,
}

/// What the driver sees of the rest.
pub struct World<'a> {
    /// This device.
    pub own: Peer,
    /// Who can be reached.
    pub peers: &'a [Peer],
    /// All that peers said they have is here.
    pub is_current: bool,
    /// The document is here, and no edit of it is under way: the next one waits until it is done.
    pub may_edit: bool,
    /// The content lane.
    pub content: &'a ContentLane,
    /// The missions.
    pub journal: &'a Journal,
    /// Does a peer's receipt cover this record and this artifact?
    pub covered: &'a dyn Fn(&EventId, &EventId) -> bool,
    /// Is every chunk of this artifact here?
    pub is_complete: &'a dyn Fn(&EventId) -> bool,
}

/// What the driver wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Write the record that follows on the mission's head.
    Write(EventId, Seen),
    /// Write the contract of a mission into the document, and then its evidence.
    Contract(EventId),
    /// Feed the mission's records to the rules again, with what the verification printed, and
    /// write what that gave.
    Replay(EventId, Vec<CommandLog>),
    /// The same before the branch is moved, whoever replayed it before: nothing is written.
    Check(EventId, Vec<CommandLog>),
    /// Give the node something to do.
    Order(Order),
    /// What the node does is of no use any more.
    Cancel(Ticket),
    /// Tell everybody that the holder of this claim lives.
    Beat(EventId),
}

/// The lease that this process took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Holding {
    mission: EventId,
    claim: EventId,
    /// When it told others last.
    beat_at: u64,
}

/// What the node is busy with, or did.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Job {
    ticket: Ticket,
    /// The record on which it was ordered.
    on: EventId,
    /// What came of it.
    outcome: Option<Outcome>,
}

/// What could not be done.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Unable {
    /// When it is tried again.
    until: u64,
    /// How often it failed in a row.
    times: u32,
    why: String,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Driver {
    holding: Option<Holding>,
    /// The mission whose lease is being taken.
    claiming: Option<EventId>,
    jobs: BTreeMap<EventId, Job>,
    watches: BTreeMap<EventId, Watch>,
    /// Missions whose contract is being written.
    contracts: Vec<EventId>,
    /// What this device could not do.
    unable: BTreeMap<EventId, Unable>,
    /// The last records of missions that this device replayed itself.
    checked: BTreeMap<EventId, EventId>,
    tickets: u64,
    next_at: Option<u64>,
}

impl Driver {
    /// A driver whose tickets no earlier one of this process gave.
    #[must_use]
    pub fn new(now: Time) -> Self {
        Self { tickets: now.monotonic_ms.saturating_mul(1 << 16), ..Self::default() }
    }

    /// When the driver is to be asked again, if nothing happens before.
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        self.next_at
    }

    /// Why this device does not go on with a mission, if so.
    #[must_use]
    pub fn trouble(&self, mission: &EventId) -> Option<&str> {
        let unable = self.unable.get(mission).filter(|_| !self.jobs.contains_key(mission));
        unable.map(|unable| unable.why.as_str())
    }

    /// A claim was written by this process.
    pub fn claimed(&mut self, now: Time, mission: EventId, claim: EventId) {
        self.claiming = None;
        // The first beat is due at once.
        let beat_at = now.monotonic_ms.saturating_sub(BEAT_MS);
        self.holding = Some(Holding { mission, claim, beat_at });
    }

    /// This device cannot go on with a mission now.
    pub fn give_up(&mut self, now: Time, mission: EventId, why: String) {
        self.holding = self.holding.filter(|holding| holding.mission != mission);
        let times = self.unable.get(&mission).map_or(0, |unable| unable.times);
        let wait = RETRY_MS << times.min(RETRY_DOUBLINGS_MAX);
        let until = now.monotonic_ms.saturating_add(wait);
        self.unable.insert(mission, Unable { until, times: times.saturating_add(1), why });
    }

    /// This device replayed a mission up to this record, and all was equal.
    pub fn checked(&mut self, mission: EventId, last: EventId) {
        self.checked.insert(mission, last);
    }

    /// The contract of a mission was written, or could not be.
    pub fn contracted(&mut self, mission: &EventId) {
        self.contracts.retain(|of| of != mission);
    }

    /// The holder of a claim says that it lives; `from` is who said so.
    pub fn beat(&mut self, now: Time, from: DeviceId, claim: EventId) {
        for watch in self.watches.values_mut() {
            watch.heard(now, from, claim);
        }
    }

    /// The node did what it was ordered.
    pub fn done(&mut self, ticket: Ticket, outcome: Outcome) {
        if let Some(job) = self.jobs.values_mut().find(|job| job.ticket == ticket) {
            job.outcome = Some(outcome);
        }
    }

    /// The next thing to do; none when there is nothing to do before [`Self::next_deadline`].
    pub fn poll(&mut self, now: Time, world: &World<'_>) -> Option<Action> {
        // Who slept has heard nobody, so nobody was silent.
        let was_due = self.next_at.take();
        if was_due.is_some_and(|due| now.monotonic_ms > due.saturating_add(LEASE_MS)) {
            self.watches.values_mut().for_each(|watch| watch.listen(now));
        }
        if let Some(action) = self.keep_lease(now, world) {
            return Some(action);
        }
        let missions: Vec<_> = world.journal.missions().copied().collect();
        for mission in missions {
            let Some(head) = world.journal.head(world.content, &mission) else { continue };
            if let Some(action) = self.go_on(now, world, &mission, head) {
                return Some(action);
            }
        }
        None
    }

    /// This device is no member any more: the next thing that its node is to stop doing.
    pub fn stop(&mut self) -> Option<Action> {
        self.next_at = None;
        self.holding = None;
        while let Some((_, job)) = self.jobs.pop_first() {
            if job.outcome.is_none() {
                return Some(Action::Cancel(job.ticket));
            }
        }
        None
    }

    /// Asks to be asked again at this time, if nothing happens before.
    pub fn wake_at(&mut self, at: u64) {
        self.next_at = Some(self.next_at.map_or(at, |other| other.min(at)));
    }

    /// Tells others that this holder lives; gives up a lease that is lost. A holder that slept is
    /// expired when it wakes, before it does anything. `SPEC: LSE-4`
    fn keep_lease(&mut self, now: Time, world: &World<'_>) -> Option<Action> {
        let holding = self.holding?;
        let head = world.journal.head(world.content, &holding.mission);
        let lease = head.and_then(|head| head.state.lease.as_ref());
        let is_ours = lease.is_some_and(|lease| lease.claim == holding.claim);
        let slept = now.monotonic_ms > holding.beat_at.saturating_add(BEAT_MS + LEASE_MS);
        if !is_ours || slept || world.own.role < Role::Runner {
            self.holding = None;
            return self.cancel(&holding.mission);
        }
        let due = holding.beat_at.saturating_add(BEAT_MS);
        if now.monotonic_ms < due {
            self.wake_at(due);
            return None;
        }
        self.holding = Some(Holding { beat_at: now.monotonic_ms, ..holding });
        Some(Action::Beat(holding.claim))
    }

    fn cancel(&mut self, mission: &EventId) -> Option<Action> {
        let job = self.jobs.remove(mission)?;
        job.outcome.is_none().then_some(Action::Cancel(job.ticket))
    }

    fn holds(&self, state: &State) -> bool {
        let lease = state.lease.as_ref().map(|lease| lease.claim);
        self.holding.is_some_and(|holding| Some(holding.claim) == lease)
    }

    /// What there is to do for one mission.
    fn go_on(
        &mut self,
        now: Time,
        world: &World<'_>,
        mission: &EventId,
        head: &Entry,
    ) -> Option<Action> {
        let state = &*head.state;
        if let Some(until) = self.unable.get(mission).map(|unable| unable.until)
            && now.monotonic_ms < until
        {
            self.wake_at(until);
            return None;
        }
        // The mission went on without what the node does for it.
        if self.jobs.get(mission).is_some_and(|job| job.on != state.last)
            && let Some(action) = self.cancel(mission)
        {
            return Some(action);
        }
        match self.jobs.get(mission) {
            Some(Job { outcome: None, .. }) => return None,
            Some(_) => {
                let outcome = self.jobs.remove(mission)?.outcome?;
                return self.take(now, state, outcome);
            }
            None => {}
        }
        // To ask again would give the same answer.
        if matches!(&head.record, Record::Decision(decision) if !decision.allowed)
            && head.who.device == world.own.device
        {
            return None;
        }
        match &state.progress {
            Progress::Started(_) => self.plan(world, state),
            Progress::Planned(_) if self.holds(state) => self.implement(now, world, state),
            Progress::Implemented(implemented) if self.holds(state) => {
                if state.allowed == Some((world.own.device, Act::Verify)) {
                    let contract = state.contract();
                    let candidate = implemented.candidate.clone();
                    let (command, tests) = (contract.verify.clone(), contract.tests.clone());
                    let goal = contract.goal.clone();
                    return self.order(state, Task::Verify { candidate, command, tests, goal });
                }
                Some(Action::Write(*mission, Seen::Decide(Act::Verify)))
            }
            Progress::Verified(verified) if self.holds(state) => {
                let logs = verified.logs.clone();
                self.order(state, Task::Logs { logs })
            }
            Progress::Planned(_) => self.elect(now, world, state, Stage::Implement),
            Progress::Implemented(_) | Progress::Verified(_) => {
                self.elect(now, world, state, Stage::Verify)
            }
            Progress::Replayed(replayed) if state.home() == world.own.device => {
                self.promote(world, state, replayed)
            }
            Progress::Replayed(_) | Progress::Promoted(_) | Progress::Failed(_) => None,
        }
    }

    /// The home believes nobody: it replays the records itself before it moves the branch.
    /// `SPEC: MIS-9`
    fn promote(&mut self, world: &World<'_>, state: &State, replayed: &Replayed) -> Option<Action> {
        if state.allowed == Some((world.own.device, Act::MoveRef)) {
            let candidate = replayed.verified.implemented.candidate.clone();
            let (branch, goal) = (state.contract().branch.clone(), state.contract().goal.clone());
            return self.order(state, Task::Promote { candidate, branch, goal });
        }
        if self.checked.get(&state.mission) == Some(&state.last) {
            return Some(Action::Write(state.mission, Seen::Decide(Act::MoveRef)));
        }
        let logs = replayed.verified.logs.clone();
        self.order(state, Task::Logs { logs })
    }

    fn plan(&mut self, world: &World<'_>, state: &State) -> Option<Action> {
        let is_due = state.home() == world.own.device && !self.contracts.contains(&state.mission);
        // Asked again when the document is here, and the edit under way is done.
        (is_due && world.may_edit).then(|| {
            self.contracts.push(state.mission);
            Action::Contract(state.mission)
        })
    }

    fn implement(&mut self, now: Time, world: &World<'_>, state: &State) -> Option<Action> {
        let mission = state.mission;
        let Some(number) = state.next_step() else {
            return match state.output() {
                Some(output) => {
                    let (candidate, goal) = (output.clone(), state.contract().goal.clone());
                    self.order(state, Task::Changes { candidate, goal })
                }
                None => Some(Action::Write(mission, Seen::Implement(None))),
            };
        };
        if state.allowed == Some((world.own.device, Act::StartStep)) {
            let contract = state.contract();
            let at = usize::try_from(number.saturating_sub(1)).unwrap_or(usize::MAX);
            let command = contract.steps.get(at)?.clone();
            let input = state.output().map(Source::of);
            let goal = contract.goal.clone();
            return self.order(state, Task::Step { number, input, command, goal });
        }
        if !self.may_cross(now, world, state) {
            return None;
        }
        Some(Action::Write(mission, Seen::Decide(Act::StartStep)))
    }

    /// A step starts when somebody else has what the last one left, or nobody else is here: so no
    /// recorded step is ever executed again. `SPEC: MIS-6`
    fn may_cross(&mut self, now: Time, world: &World<'_>, state: &State) -> bool {
        let Some(last) = state.steps.last() else { return true };
        let Some(output) = &last.ended.output else { return true };
        if !world.peers.iter().any(|peer| peer.role >= Role::Runner)
            || (world.covered)(&last.record, &output.artifact)
        {
            return true;
        }
        let since = self.watch(now, state).since();
        let until = since.saturating_add(BOUNDARY_WAIT_MS);
        if now.monotonic_ms >= until {
            return true;
        }
        self.wake_at(until);
        false
    }

    fn order(&mut self, state: &State, task: Task) -> Option<Action> {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        let contract = state.contract();
        let base = Source { commit: contract.base.clone(), artifact: contract.base_artifact };
        self.jobs.insert(state.mission, Job { ticket, on: state.last, outcome: None });
        Some(Action::Order(Order { ticket, mission: state.mission, base, task }))
    }

    /// What the node saw becomes a record.
    fn take(&mut self, now: Time, state: &State, outcome: Outcome) -> Option<Action> {
        let seen = match outcome {
            Outcome::Step(ended) => Seen::Step(ended),
            Outcome::Unusable(why) => match unusable(state, &why) {
                Some(seen) => seen,
                None => {
                    self.give_up(now, state.mission, why);
                    return None;
                }
            },
            Outcome::Logs(logs) if matches!(state.progress, Progress::Replayed(_)) => {
                return Some(Action::Check(state.mission, logs));
            }
            Outcome::Changes(changes) => Seen::Implement(Some(admission(&changes))),
            Outcome::Verified { changes, runs, sandbox } => {
                let admission = admission(&changes);
                let verdict = weigh_runs(&runs, state.contract().floor);
                let runs = runs.into_iter().map(CommandRun::facts).collect();
                Seen::Verify { admission, runs, verdict, sandbox }
            }
            Outcome::Logs(logs) => return Some(Action::Replay(state.mission, logs)),
            Outcome::Promoted(now) => Seen::Promote(now),
            Outcome::Failed(why) => {
                // Others may be able to: the lease is let go.
                self.give_up(now, state.mission, why);
                return None;
            }
        };
        self.unable.remove(&state.mission);
        Some(Action::Write(state.mission, seen))
    }
}
