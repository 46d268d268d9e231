//! What surfaces show of another member: how far it is, by its own words, and how it is reached.

use serde::{Deserialize, Serialize};

use crate::id::DeviceId;

/// How far another member is, as surfaces show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerState {
    /// Which device.
    pub device: DeviceId,
    /// How many of the admitted events here its receipt covers. `SPEC: RCPT-5`
    pub acked: usize,
    /// How many that could be.
    pub of: usize,
    /// Seconds since it said something, counting those asleep; none where it did not since this
    /// device started.
    pub last_seen_s: Option<u64>,
    /// Over what it is reached, as the node sees it; none while it is not connected.
    pub path: Option<String>,
    /// The round trip, as last estimated.
    pub rtt_ms: Option<u64>,
    /// How often it broke a rule that nobody honest breaks, as far as that is remembered.
    /// `SPEC: LINK-9`
    #[serde(default)]
    pub strikes: u32,
    /// For so many seconds it is not met for that.
    #[serde(default)]
    pub kept_out_s: Option<u64>,
    /// What was heard of it by gossip, as the node sees it; none while it is connected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heard: Option<Overheard>,
}

/// A device with which there need not be a connection was heard, by its own signed words. Nothing
/// is decided by it. `SPEC: HINT-5`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overheard {
    /// Seconds since.
    pub ago_s: u64,
    /// It says that it holds events that are not here.
    pub is_ahead: bool,
}
