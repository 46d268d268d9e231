//! Taking a lease: who may, who is first, and how long the others wait (SPEC: LSE-2, LSE-3).

use super::{Action, Driver, Peer, World};
use crate::id::{DeviceId, EventId};
use crate::limits::{
    INDEPENDENT_WAIT_MS, LEASE_DOUBLINGS_MAX, LEASE_MS, RANK_MS, STAND_IN_WAIT_MS,
};
use crate::mission::elect::rank;
use crate::mission::record::{Act, Stage};
use crate::mission::state::{Seen, State};
use crate::role::Role;
use crate::time::Time;

/// What is known of a mission's lease by this device's own clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Watch {
    /// How far the mission was, and which lease it had.
    about: (u8, usize, Option<EventId>),
    holder: Option<DeviceId>,
    /// Since when it is so, as far as this process knows.
    since: u64,
    /// When the holder was heard last; at first when its claim was learned of.
    heard: u64,
}

impl Watch {
    /// Its holder said that it lives: heard from itself, nobody else can say so.
    pub(super) fn heard(&mut self, now: Time, from: DeviceId, claim: EventId) {
        if self.about.2 == Some(claim) && self.holder == Some(from) {
            self.heard = now.monotonic_ms;
        }
    }

    /// What was said until now could not be heard: silence counts from now.
    pub(super) fn listen(&mut self, now: Time) {
        self.heard = now.monotonic_ms;
    }

    /// Since when the mission stands where it does.
    pub(super) fn since(&self) -> u64 {
        self.since
    }
}

impl Driver {
    /// The watch on a mission; anew where it went on.
    pub(super) fn watch(&mut self, now: Time, state: &State) -> Watch {
        let claim = state.lease.as_ref().map(|lease| lease.claim);
        let about = (state.progress.stages_done(), state.steps.len(), claim);
        let holder = state.lease.as_ref().map(|lease| lease.holder);
        let at = now.monotonic_ms;
        let new = Watch { about, holder, since: at, heard: at };
        let watch = self.watches.entry(state.mission).or_insert(new);
        if watch.about != about {
            // A holder that writes lives.
            *watch = new;
        }
        *watch
    }

    /// Takes the lease on `stage`, if it is this device's turn.
    pub(super) fn elect(
        &mut self,
        now: Time,
        world: &World<'_>,
        state: &State,
        stage: Stage,
    ) -> Option<Action> {
        let watch = self.watch(now, state);
        let expired = state.lease.as_ref().map(|lease| lease.holder);
        let open_at = match expired {
            // Where leases bring nothing, devices may not hear each other, or count too fast: they
            // fight ever less. `SPEC: LSE-5`
            Some(_) => {
                let doublings = state.fruitless.saturating_sub(1).min(LEASE_DOUBLINGS_MAX);
                watch.heard.saturating_add(LEASE_MS << doublings)
            }
            None => watch.since,
        };
        if now.monotonic_ms < open_at {
            self.wake_at(open_at);
            return None;
        }
        let may = world.own.runs && world.own.role >= Role::Runner && self.holding.is_none();
        if !may || !world.is_current || !is_supplied(world, state) {
            return None;
        }
        let attempt = world.journal.epoch(world.content, &state.mission).saturating_add(1);
        let (first, last) = eligible(world, state, stage, expired);
        let wait = match (first.is_empty(), stage) {
            (false, _) => STAND_IN_WAIT_MS,
            // Nobody is independent: after a while somebody is not.
            (true, Stage::Verify) => INDEPENDENT_WAIT_MS,
            (true, _) => 0,
        };
        let place = |devices: Vec<DeviceId>| {
            let ranked = rank(&state.mission, stage, attempt, devices);
            ranked.iter().position(|device| *device == world.own.device)
        };
        let (opens, place) = match place(first) {
            Some(place) => (open_at, place),
            None => (open_at.max(watch.since).saturating_add(wait), place(last)?),
        };
        let due = opens.saturating_add(RANK_MS.saturating_mul(place as u64));
        if now.monotonic_ms < due {
            self.wake_at(due);
            return None;
        }
        let decided = state.allowed == Some((world.own.device, Act::RunAgent));
        if decided && self.claiming == Some(state.mission) {
            return Some(Action::Write(state.mission, Seen::Claim));
        }
        self.claiming = Some(state.mission);
        Some(Action::Write(state.mission, Seen::Decide(Act::RunAgent)))
    }
}

/// Who can be reached and runs agents, this device among them.
fn runners<'a>(world: &'a World<'_>) -> impl Iterator<Item = &'a Peer> {
    let all = std::iter::once(&world.own).chain(world.peers);
    all.filter(|peer| peer.runs && peer.role >= Role::Runner)
}

/// Is what the stage starts from here?
fn is_supplied(world: &World<'_>, state: &State) -> bool {
    let base = (world.is_complete)(&state.contract().base_artifact);
    base && state.output().is_none_or(|output| (world.is_complete)(&output.artifact))
}

/// Who is asked first, and who only where none of those takes the lease: an expired holder, to
/// implement the repository's home, to verify who executed a step.
fn eligible(
    world: &World<'_>,
    state: &State,
    stage: Stage,
    expired: Option<DeviceId>,
) -> (Vec<DeviceId>, Vec<DeviceId>) {
    let is_first = |device: &DeviceId| {
        let is_apart = match stage {
            Stage::Verify => !state.executed(device),
            _ => *device != state.home(),
        };
        is_apart && Some(*device) != expired
    };
    runners(world).map(|peer| peer.device).partition(is_first)
}
