//! Missions: which record may follow which, what holds, and what replay finds.

#[path = "mission/bytes.rs"]
mod bytes;
#[path = "mission/cancel.rs"]
mod cancel;
#[path = "mission/holders.rs"]
mod holders;
#[path = "mission/journal.rs"]
mod journal;
#[path = "mission/leases.rs"]
mod leases;
#[path = "mission/rules.rs"]
mod rules;
#[path = "mission/runs.rs"]
pub(crate) mod runs;

pub(crate) use bytes::records;
pub(crate) use runs::{Run, ended, good_logs, mission, object, two_homes};
