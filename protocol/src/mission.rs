//! Missions: a goal, five stages, and evidence for each, so that no agent has to be believed.
//!
//! [`record`] is what stands in events; [`state`] the one function that says which record may
//! follow which, for who writes, who judges and who replays; [`stage`] the stages as types;
//! [`journal`] all missions of a workspace and which run of each holds; [`driver`] what this device
//! does for them, and when; [`work`] what the node is asked to do.

pub mod driver;
pub mod elect;
pub mod evidence;
pub mod journal;
pub mod policy;
pub mod record;
pub mod show;
pub mod stage;
pub mod state;
pub mod verification;
pub mod work;
