//! The tail of a revoked device: what it wrote and nobody is known to hold, shown on the link on
//! which it was told that it is revoked (`SPEC: INTRO-6`).
//!
//! It is judged like everything else, so it is within the cut, or kept in quarantine. It can grant
//! and revoke nobody, and how much of a device is kept is bounded: a thief has the key.

use std::collections::{BTreeMap, BTreeSet};

use super::IntroduceCode;
use crate::cbor::{Reader, Writer};
use crate::control::ControlBody;
use crate::event::{Signed, Verified};
use crate::id::{DeviceId, WorkspaceId};
use crate::limits::{EVENT_BYTES_MAX, FRAME_BYTES_MAX, TAIL_EVENTS_MAX, TAIL_KEPT_BYTES_MAX};

/// The frame of as many of these events as fit one, from the first on, and how many that are.
/// `SPEC: INTRO-6`
#[must_use]
pub fn encode_tail(events: &[Verified]) -> (Vec<u8>, usize) {
    let mut envelopes: Vec<Vec<u8>> = Vec::new();
    let mut sum = FRAME_OVERHEAD;
    for event in events.iter().take(TAIL_EVENTS_MAX) {
        let envelope = event.encode();
        sum = sum.saturating_add(envelope.len()).saturating_add(STRING_OVERHEAD);
        if sum > FRAME_BYTES_MAX {
            break;
        }
        envelopes.push(envelope);
    }
    (frame(&envelopes), envelopes.len())
}

/// Bytes of a frame without envelopes: two arrays and a number.
const FRAME_OVERHEAD: usize = 8;
/// Bytes before an envelope of at most 256 KiB.
const STRING_OVERHEAD: usize = 5;

fn frame(envelopes: &[Vec<u8>]) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.array(2).uint(4).array(envelopes.len());
    for envelope in envelopes {
        writer.bytes(envelope);
    }
    writer.finish()
}

/// Reads the frame of `device`, with all the signatures in it, and checks it without any state.
/// `SPEC: INTRO-6`
pub fn read_tail(
    bytes: &[u8],
    workspace: &WorkspaceId,
    device: &DeviceId,
) -> Result<Vec<Verified>, IntroduceCode> {
    if bytes.len() > FRAME_BYTES_MAX {
        return Err(IntroduceCode::Decode);
    }
    let mut reader = Reader::new(bytes);
    if reader.array(2)? != 2 || reader.uint()? != 4 {
        return Err(IntroduceCode::Decode);
    }
    let count = reader.array(TAIL_EVENTS_MAX)?;
    let mut events = Vec::new();
    for _ in 0..count {
        events.push(Signed::decode(reader.bytes(EVENT_BYTES_MAX)?)?.verify()?);
    }
    reader.end()?;
    // There is one frame for these events: no byte of it is free.
    let envelopes: Vec<_> = events.iter().map(Verified::encode).collect();
    if frame(&envelopes) != bytes {
        return Err(IntroduceCode::Decode);
    }
    check_tail(&events, workspace, device)?;
    Ok(events)
}

/// Are these events of `device` in `workspace`, each once and whole, that grant and revoke nobody?
/// `SPEC: INTRO-6`
pub fn check_tail(
    events: &[Verified],
    workspace: &WorkspaceId,
    device: &DeviceId,
) -> Result<(), IntroduceCode> {
    let mut known = BTreeSet::new();
    for event in events {
        if event.workspace() != *workspace {
            return Err(IntroduceCode::WrongWorkspace);
        }
        if event.header().author != *device {
            return Err(IntroduceCode::ForeignAuthor);
        }
        let is_whole = event.header().body.is_some() == event.body().is_some();
        if !is_whole || !is_harmless(event) || !known.insert(event.id()) {
            return Err(IntroduceCode::NotTheTail);
        }
    }
    if events.is_empty() { Err(IntroduceCode::NotTheTail) } else { Ok(()) }
}

/// Content, and of control events those that content needs and that say nothing of devices.
fn is_harmless(event: &Verified) -> bool {
    match event.control() {
        None | Some(ControlBody::Epoch(_) | ControlBody::Wrap(_)) => true,
        Some(
            ControlBody::Genesis(_)
            | ControlBody::Grant(_)
            | ControlBody::Revoke(_)
            | ControlBody::Readmit(_)
            | ControlBody::Strike(_)
            | ControlBody::Upgrade(_)
            | ControlBody::Recover(_),
        ) => false,
    }
}

/// What is remembered of tails while the process lives.
#[derive(Debug, Default)]
pub struct Tails {
    /// Bytes kept of each revoked device.
    kept: BTreeMap<DeviceId, usize>,
    /// The own events that went in before these places were taken by these members.
    handed_to: BTreeMap<DeviceId, usize>,
}

impl Tails {
    /// Is there room for an event of this device?
    #[must_use]
    pub fn has_room(&self, device: &DeviceId, event: &Verified) -> bool {
        let kept = self.kept.get(device).copied().unwrap_or(0);
        kept.saturating_add(event.encode().len()) <= TAIL_KEPT_BYTES_MAX
    }

    /// An event of this device is kept.
    pub fn keep(&mut self, device: DeviceId, event: &Verified) {
        let kept = self.kept.entry(device).or_default();
        *kept = kept.saturating_add(event.encode().len());
    }

    /// A member took the own events that went in before this place, as it says. That is nothing to
    /// the others: it may have kept none of them. `SPEC: INTRO-7`
    pub fn handed_over(&mut self, member: DeviceId, to: usize) {
        let place = self.handed_to.entry(member).or_default();
        *place = (*place).max(to);
    }

    /// Where the rest begins, for a member.
    #[must_use]
    pub fn handed_to(&self, member: &DeviceId) -> usize {
        self.handed_to.get(member).copied().unwrap_or(0)
    }
}
