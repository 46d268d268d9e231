//! Missions: which record may follow which, what holds, and what replay finds.

#[path = "mission/journal.rs"]
mod journal;
#[path = "mission/leases.rs"]
mod leases;
#[path = "mission/rules.rs"]
mod rules;
#[path = "mission/runs.rs"]
mod runs;

pub(crate) use runs::{Run, ended, mission, object, two_homes};
