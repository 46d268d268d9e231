//! Introduction: how a device gets in where nobody heard of its grant.
//!
//! A device that a third one paired shows the grant with all that the grant rests on. That is a
//! chain of signatures from the genesis to the key that TLS proved, so it can be checked by
//! whoever knows the workspace's id, with no state ([`read`]); whether it makes a member is judged
//! with everything that is here (`SPEC: INTRO-4`). Nothing of it is kept from who is none, but the
//! tail of a revoked device ([`read_tail`]).

mod tail;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::cbor::{CborFault, Reader, Writer};
use crate::control::{ControlBody, Recover, Rescue};
use crate::event::{EventFault, Signed, Verified};
use crate::id::{DeviceId, EventId, Lane, WorkspaceId};
use crate::limits::{
    EVENT_BYTES_MAX, FRAME_BYTES_MAX, INTRODUCTION_CODE_BYTES_MAX, INTRODUCTION_EVENTS_MAX,
    INTRODUCTIONS_AT_ONCE_MAX, INTRODUCTIONS_EVERY_MS,
};
use crate::time::Time;
pub use tail::{Tails, check_tail, encode_tail, read_tail};

/// The version of the frames.
pub const INTRODUCE_VERSION: u64 = 1;

/// What an introduction comes to. `SPEC: INTRO-1`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The key is a member's: it is let in on the mesh.
    Accepted,
    /// The key is a revoked device's: it is let in on the mesh, to be told so there.
    Revoked,
    /// It is not let in, and nothing was kept; or its tail breaks a rule.
    Refused(IntroduceCode),
    /// So many events of its tail are here, for good.
    Taken(u64),
}

/// Why a key is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum IntroduceCode {
    /// Not CBOR of the frame's form, or beyond a limit.
    #[error("the frame is no introduction")]
    Decode,
    /// Another version of the frames.
    #[error("the devices speak different versions of introduction: upgrade the older")]
    Version,
    /// The frame names no workspace that is here.
    #[error("the workspace is not there")]
    UnknownWorkspace,
    /// Too many at once, or the store cannot keep it now.
    #[error("too many introductions at once: it is tried again")]
    Busy,
    /// An event breaks a rule by its own bytes, or its author might not make it.
    #[error("an event of the introduction breaks a rule")]
    InvalidEvent,
    /// An event of another workspace.
    #[error("an event of the introduction is of another workspace")]
    WrongWorkspace,
    /// An event of the content lane.
    #[error("an event of the introduction is no control event")]
    NotControl,
    /// What an event names does not stand before it, or an event is not in the grant's past.
    #[error("the introduction is not the past of its grant")]
    NotThePast,
    /// The last event is no grant of the key that TLS proved.
    #[error("the introduction ends in no grant of this device")]
    OtherGrant,
    /// The grant is valid, and by what is known there it takes no effect.
    #[error("the grant takes no effect there: who made it was revoked")]
    WithoutEffect,
    /// A tail of who is no revoked device there.
    #[error("the device is not revoked there: what it wrote goes over the mesh")]
    NotRevoked,
    /// An event of a tail that another device wrote.
    #[error("an event of the tail is of another device")]
    ForeignAuthor,
    /// A tail of no events, with one twice, without its body, or that grants or revokes.
    #[error("an event of the tail may not be in one")]
    NotTheTail,
    /// As much of the device was kept as will be.
    #[error("no more of this device is kept there")]
    TailFull,
    /// A code that this program does not know.
    #[error("refused for a reason that this program does not know: upgrade")]
    Other,
}

impl IntroduceCode {
    const ALL: [Self; 15] = [
        Self::Decode,
        Self::Version,
        Self::UnknownWorkspace,
        Self::Busy,
        Self::InvalidEvent,
        Self::WrongWorkspace,
        Self::NotControl,
        Self::NotThePast,
        Self::OtherGrant,
        Self::WithoutEffect,
        Self::NotRevoked,
        Self::ForeignAuthor,
        Self::NotTheTail,
        Self::TailFull,
        Self::Other,
    ];

    /// The reason code that is sent and that logs and tests name.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Decode => "frame_decode",
            Self::Version => "introduce_version",
            Self::UnknownWorkspace => "unknown_workspace",
            Self::Busy => "busy",
            Self::InvalidEvent => "invalid_event",
            Self::WrongWorkspace => "wrong_workspace",
            Self::NotControl => "not_control",
            Self::NotThePast => "not_the_past",
            Self::OtherGrant => "other_grant",
            Self::WithoutEffect => "without_effect",
            Self::NotRevoked => "not_revoked",
            Self::ForeignAuthor => "foreign_author",
            Self::NotTheTail => "not_the_tail",
            Self::TailFull => "tail_full",
            Self::Other => "other",
        }
    }
}

impl From<CborFault> for IntroduceCode {
    fn from(_: CborFault) -> Self {
        Self::Decode
    }
}

impl From<EventFault> for IntroduceCode {
    fn from(_: EventFault) -> Self {
        Self::InvalidEvent
    }
}

/// The frame of a device that shows these events; none where they are too many for one.
/// `SPEC: INTRO-1`
#[must_use]
pub fn encode(workspace_tag: &[u8; 32], events: &[Verified]) -> Option<Vec<u8>> {
    let mut writer = Writer::default();
    writer.array(4).uint(0).uint(INTRODUCE_VERSION).bytes(workspace_tag).array(events.len());
    for event in events {
        writer.bytes(&event.encode());
    }
    let frame = writer.finish();
    (events.len() <= INTRODUCTION_EVENTS_MAX && frame.len() <= FRAME_BYTES_MAX).then_some(frame)
}

/// How the frame names its workspace: nothing else is read for who names none that is here.
pub fn named(frame: &[u8]) -> Result<[u8; 32], IntroduceCode> {
    head(frame).map(|(tag, _)| tag)
}

fn head(frame: &[u8]) -> Result<([u8; 32], Reader<'_>), IntroduceCode> {
    if frame.len() > FRAME_BYTES_MAX {
        return Err(IntroduceCode::Decode);
    }
    let mut reader = Reader::new(frame);
    let len = reader.array(4)?;
    if reader.uint()? != 0 {
        return Err(IntroduceCode::Decode);
    }
    if reader.uint()? != INTRODUCE_VERSION || len != 4 {
        return Err(IntroduceCode::Version);
    }
    let tag = reader.fixed()?;
    Ok((tag, reader))
}

/// Reads the frame of `device`, whose key TLS proved, with all the signatures in it, and checks it
/// without any state. `SPEC: INTRO-3`
pub fn read(
    frame: &[u8],
    workspace: &WorkspaceId,
    device: &DeviceId,
) -> Result<Vec<Verified>, IntroduceCode> {
    let (tag, mut reader) = head(frame)?;
    let count = reader.array(INTRODUCTION_EVENTS_MAX)?;
    let mut events = Vec::new();
    for _ in 0..count {
        events.push(Signed::decode(reader.bytes(EVENT_BYTES_MAX)?)?.verify()?);
    }
    reader.end()?;
    // There is one frame for these events: no byte of it is free.
    if encode(&tag, &events).as_deref() != Some(frame) {
        return Err(IntroduceCode::Decode);
    }
    check(&events, workspace, device)?;
    Ok(events)
}

/// Are these the whole past of a grant of `device` in `workspace`, in causal order, and nothing
/// beside? Then each can be inserted whose author might make it. `SPEC: INTRO-3`
pub fn check(
    events: &[Verified],
    workspace: &WorkspaceId,
    device: &DeviceId,
) -> Result<(), IntroduceCode> {
    let mut known = BTreeMap::new();
    for event in events {
        check_place(event, workspace, &known)?;
        if known.insert(event.id(), event).is_some() {
            return Err(IntroduceCode::NotThePast);
        }
    }
    let grant = events.last().ok_or(IntroduceCode::OtherGrant)?;
    match grant.control() {
        Some(ControlBody::Grant(body)) if body.device == *device => {}
        Some(ControlBody::Recover(Recover { rescue: Rescue::Lead { .. }, .. }))
            if grant.header().author == *device => {}
        _ => return Err(IntroduceCode::OtherGrant),
    }
    if past_of(grant, &known).len() == events.len() {
        Ok(())
    } else {
        Err(IntroduceCode::NotThePast)
    }
}

/// An event stands after all that it names, in a chain of this workspace's control lane.
fn check_place(
    event: &Verified,
    workspace: &WorkspaceId,
    known: &BTreeMap<EventId, &Verified>,
) -> Result<(), IntroduceCode> {
    let header = event.header();
    if event.workspace() != *workspace {
        return Err(IntroduceCode::WrongWorkspace);
    }
    if header.lane != Lane::Control {
        return Err(IntroduceCode::NotControl);
    }
    if !header.before().all(|id| known.contains_key(id)) {
        return Err(IntroduceCode::NotThePast);
    }
    let Some(prev) = header.prev.and_then(|prev| known.get(&prev)) else { return Ok(()) };
    let follows = prev.header().seq.checked_add(1) == Some(header.seq);
    if prev.chain() == event.chain() && follows { Ok(()) } else { Err(IntroduceCode::InvalidEvent) }
}

/// The grant and all that it names, and what that names.
fn past_of(grant: &Verified, known: &BTreeMap<EventId, &Verified>) -> BTreeSet<EventId> {
    let mut past = BTreeSet::new();
    let mut open = vec![grant.id()];
    while let Some(id) = open.pop() {
        if past.insert(id)
            && let Some(event) = known.get(&id)
        {
            open.extend(event.header().before().copied());
        }
    }
    past
}

impl Answer {
    /// The frame. `SPEC: INTRO-1`
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Accepted => answer(1, None),
            Self::Revoked => answer(2, None),
            Self::Refused(code) => answer(3, Some(code.code())),
            Self::Taken(count) => taken(*count),
        }
    }

    /// Reads the frame; a code of a newer program is [`IntroduceCode::Other`].
    pub fn decode(frame: &[u8]) -> Result<Self, IntroduceCode> {
        let mut reader = Reader::new(frame);
        let (read, code) = match (reader.array(2)?, reader.uint()?) {
            (1, 1) => (Self::Accepted, None),
            (1, 2) => (Self::Revoked, None),
            (2, 3) => {
                let code = reader.text(INTRODUCTION_CODE_BYTES_MAX)?;
                let known = IntroduceCode::ALL.into_iter().find(|known| known.code() == code);
                (Self::Refused(known.unwrap_or(IntroduceCode::Other)), Some(code))
            }
            (2, 5) => {
                let count = reader.uint()?;
                let is_its_frame = taken(count) == frame;
                return if is_its_frame {
                    Ok(Self::Taken(count))
                } else {
                    Err(IntroduceCode::Decode)
                };
            }
            _ => return Err(IntroduceCode::Decode),
        };
        // Behind it may be nothing, and there is one encoding; the code may be a newer one.
        let number = match read {
            Self::Accepted => 1,
            Self::Revoked => 2,
            Self::Refused(_) | Self::Taken(_) => 3,
        };
        if answer(number, code) == frame { Ok(read) } else { Err(IntroduceCode::Decode) }
    }
}

fn taken(count: u64) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.array(2).uint(5).uint(count);
    writer.finish()
}

fn answer(number: u64, code: Option<&str>) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.array(1 + usize::from(code.is_some())).uint(number);
    if let Some(code) = code {
        writer.text(code);
    }
    writer.finish()
}

/// How many introductions may be checked now, over all keys: checking signatures is what an
/// introduction costs. By the monotonic clock. `SPEC: INTRO-5`
#[derive(Debug, Default)]
pub struct Pace {
    /// When all that was used is given back, in milliseconds.
    full_at_ms: u64,
}

impl Pace {
    /// Takes one, if there is one.
    pub fn take(&mut self, now: Time) -> bool {
        let full_at_ms = self.full_at_ms.max(now.monotonic_ms);
        let after = full_at_ms.saturating_add(INTRODUCTIONS_EVERY_MS);
        let span = INTRODUCTIONS_AT_ONCE_MAX.saturating_mul(INTRODUCTIONS_EVERY_MS);
        let is_there = after <= now.monotonic_ms.saturating_add(span);
        if is_there {
            self.full_at_ms = after;
        }
        is_there
    }
}
