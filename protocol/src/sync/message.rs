//! The messages of a sync stream: one a frame, deterministic CBOR, bounded, checked before the
//! Replica sees them (SPEC: SYNC-1).

use serde::{Deserialize, Serialize};

use crate::artifact::Chunk;
use crate::cbor::{CborFault, Reader, Writer};
use crate::event::{EventFault, Run, Runs, Verified};
use crate::hash;
use crate::id::{ChainId, ChunkHash, DeviceId, EventId, Incarnation, Lane, WorkspaceId};
use crate::limits::{
    CARDS_MAX, FRAME_BYTES_MAX, RECEIPT_BYTES_MAX, RECEIPTS_MAX, TIPS_MAX, WANTS_MAX,
};
use crate::sync::card::Card;
use crate::sync::receipt::Receipt;
use crate::sync::renewal::{self, Renewal};
use crate::sync::{chunks, offer, segment};

/// Bytes of one card: its addresses, and 160 beside them.
const CARD_BYTES_MAX: usize = 768;

/// The version of the messages.
pub const SYNC_VERSION: u64 = 3;

/// The end of a chain that a device has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Tip {
    /// The chain.
    pub chain: ChainId,
    /// The last event's place.
    pub seq: u64,
    /// The last event.
    pub id: EventId,
}

/// What is said between two devices. `SPEC: SYNC-1`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Message {
    /// First of all. `SPEC: SYNC-2`
    Hello {
        /// Which workspace, told to nobody who does not know it.
        workspace: [u8; 32],
        /// The life of the sender's store.
        incarnation: Incarnation,
        /// The root over its lanes.
        lanes_hash: [u8; 32],
    },
    /// Ends of chains that the sender has; added to what it said before.
    Have(Vec<Tip>),
    /// Events that the sender lacks: each with so many before it in its chain, itself included.
    Want(Vec<(EventId, u64)>),
    /// Events, whatever they name before them. `SPEC: SYNC-11`
    Events(Vec<Run>),
    /// So many frames of events are durable at the sender.
    Ack(u64),
    /// Where devices can be reached, in their own words.
    Cards(Vec<Card>),
    /// The holder of this claim lives, says the holder.
    Beat(EventId),
    /// What devices hold for good, in their own words. `SPEC: RCPT-4`
    Receipts(Vec<Receipt>),
    /// What the sender holds for good, after what it said before. `SPEC: SYNC-14`
    Renewal(Renewal),
    /// Ends of branches in quarantine at the sender, for who wishes. `SPEC: SYNC-12`
    Offer(Vec<Tip>),
    /// Chunks of artifacts that the sender lacks. `SPEC: SYNC-8`
    WantChunks(Vec<ChunkHash>),
    /// What was asked for: the chunks, and which of them the sender lacks itself.
    Chunks {
        /// Sealed chunks, whatever they are: who asked knows by their hashes.
        chunks: Vec<Chunk>,
        /// What the sender lacks.
        lacking: Vec<ChunkHash>,
    },
    /// Chunks that the sender said to lack, and has now.
    HaveChunks(Vec<ChunkHash>),
}

/// Why a frame is no message: its sender is disconnected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SyncFault {
    /// Not CBOR of a message's form, or beyond a limit.
    #[error("the frame is no message")]
    Decode,
    /// Another version of the messages.
    #[error("the peer speaks version {0} of sync, this program {SYNC_VERSION}: upgrade the older")]
    Version(u64),
    /// An event in it breaks a rule.
    #[error("an event in the frame: {0}")]
    Event(#[from] EventFault),
}

impl SyncFault {
    /// The reason code that logs and tests name.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Decode => "frame_decode",
            Self::Version(_) => "sync_version",
            Self::Event(fault) => fault.code(),
        }
    }
}

impl From<CborFault> for SyncFault {
    fn from(_: CborFault) -> Self {
        Self::Decode
    }
}

/// How a hello names a workspace on a channel: who does not know the workspace learns nothing.
/// `SPEC: SYNC-2`
#[must_use]
pub fn workspace_tag(exporter: &[u8; 32], workspace: &WorkspaceId) -> [u8; 32] {
    hash::hash(hash::context::SYNC_WORKSPACE, &[exporter, &workspace.0])
}

impl Message {
    /// The message of these events; without those that no signature among them proves.
    #[must_use]
    pub fn events(events: impl IntoIterator<Item = Verified>) -> Self {
        Self::Events(Runs::of(events))
    }

    /// What a frame is by its number, for who counts frames: nothing of it is checked.
    #[must_use]
    pub fn kind_of(frame: &[u8]) -> &'static str {
        match frame.get(1).copied().map(u64::from) {
            Some(0) => "hello",
            Some(1) => "have",
            Some(2) => "want",
            Some(segment::NUMBER) => "events",
            Some(4) => "ack",
            Some(5) => "cards",
            Some(8) => "beat",
            Some(9 | renewal::NUMBER) => "receipts",
            Some(10..=12) => "chunks",
            Some(offer::OFFER) => "offer",
            _ => "other",
        }
    }

    /// The frame.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        match self {
            Self::Hello { workspace, incarnation, lanes_hash } => {
                writer.array(5).uint(0).uint(SYNC_VERSION).bytes(workspace);
                writer.bytes(&incarnation.0).bytes(lanes_hash);
            }
            Self::Have(tips) => {
                writer.array(2).uint(1).array(tips.len());
                tips.iter().for_each(|tip| write_tip(tip, &mut writer));
            }
            Self::Want(wants) => {
                writer.array(2).uint(2).array(wants.len());
                for (id, count) in wants {
                    writer.array(2).bytes(&id.0).uint(*count);
                }
            }
            Self::Events(runs) => segment::write(runs, &mut writer),
            Self::Ack(frames) => {
                writer.array(2).uint(4).uint(*frames);
            }
            Self::Cards(cards) => {
                writer.array(2).uint(5).array(cards.len());
                for card in cards {
                    writer.bytes(&crate::cbor::encode(card));
                }
            }
            Self::Beat(claim) => {
                writer.array(2).uint(8).bytes(&claim.0);
            }
            Self::Receipts(receipts) => {
                writer.array(2).uint(9).array(receipts.len());
                for receipt in receipts {
                    writer.bytes(&crate::cbor::encode(receipt));
                }
            }
            Self::Renewal(renewal) => renewal::write(renewal, &mut writer),
            Self::Offer(tips) => offer::write(tips, &mut writer),
            Self::WantChunks(_) | Self::Chunks { .. } | Self::HaveChunks(_) => {
                chunks::write(self, &mut writer);
            }
        }
        writer.finish()
    }

    /// Reads a frame in its one encoding, rebuilds the events of `workspace` in it and checks every
    /// signature. Without any state.
    pub fn decode(frame: &[u8], workspace: &WorkspaceId) -> Result<Self, SyncFault> {
        if frame.len() > FRAME_BYTES_MAX {
            return Err(SyncFault::Decode);
        }
        let mut reader = Reader::new(frame);
        let len = reader.array(renewal::ITEMS)?;
        let message = match (reader.uint()?, len) {
            (0, _) => {
                let version = reader.uint()?;
                if version != SYNC_VERSION || len != 5 {
                    return Err(SyncFault::Version(version));
                }
                Self::Hello {
                    workspace: reader.fixed()?,
                    incarnation: Incarnation(reader.fixed()?),
                    lanes_hash: reader.fixed()?,
                }
            }
            (1, 2) => {
                let count = reader.array(TIPS_MAX)?;
                let tips = (0..count).map(|_| read_tip(&mut reader));
                Self::Have(tips.collect::<Result<_, _>>()?)
            }
            (2, 2) => {
                let count = reader.array(WANTS_MAX)?;
                let wants = (0..count).map(|_| {
                    reader.array_of(2)?;
                    Ok((EventId(reader.fixed()?), reader.uint()?))
                });
                Self::Want(wants.collect::<Result<_, CborFault>>()?)
            }
            // It was compared before its signatures were checked.
            (segment::NUMBER, 3) => {
                return Ok(Self::Events(segment::read(&mut reader, frame, workspace)?));
            }
            (4, 2) => Self::Ack(reader.uint()?),
            (5, 2) => {
                let count = reader.array(CARDS_MAX)?;
                let cards = (0..count).map(|_| Card::decode(reader.bytes(CARD_BYTES_MAX)?));
                Self::Cards(cards.collect::<Result<_, _>>()?)
            }
            (8, 2) => Self::Beat(EventId(reader.fixed()?)),
            (9, 2) => {
                let count = reader.array(RECEIPTS_MAX)?;
                let read = |_| Receipt::decode(reader.bytes(RECEIPT_BYTES_MAX)?);
                Self::Receipts((0..count).map(read).collect::<Result<_, _>>()?)
            }
            (renewal::NUMBER, renewal::ITEMS) => Self::Renewal(renewal::read(&mut reader)?),
            (offer::OFFER, 2) => offer::read(&mut reader)?,
            (number @ 10..=12, _) => chunks::read(number, len, &mut reader)?,
            _ => return Err(SyncFault::Decode),
        };
        reader.end()?;
        // There is one frame for this message.
        if message.encode() == frame { Ok(message) } else { Err(SyncFault::Decode) }
    }
}

pub(super) fn write_tip(tip: &Tip, to: &mut Writer) {
    to.array(5).uint(tip.chain.lane as u64).bytes(&tip.chain.author.0);
    to.bytes(&tip.chain.incarnation.0).uint(tip.seq).bytes(&tip.id.0);
}

pub(super) fn read_tip(reader: &mut Reader<'_>) -> Result<Tip, CborFault> {
    reader.array_of(5)?;
    let lane = match reader.uint()? {
        0 => Lane::Control,
        1 => Lane::Content,
        _ => return Err(CborFault::Malformed),
    };
    let author = DeviceId(reader.fixed()?);
    let incarnation = Incarnation(reader.fixed()?);
    let chain = ChainId { author, incarnation, lane };
    Ok(Tip { chain, seq: reader.uint()?, id: EventId(reader.fixed()?) })
}
