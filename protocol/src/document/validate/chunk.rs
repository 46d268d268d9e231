//! The frame of a change: our own small parser, which runs before Automerge sees a byte.
//!
//! It keeps DOC-1 to DOC-11: sizes, checksum, one canonical form of every number, bounded
//! dependencies and actors, no time, message or extra bytes, and columns whose run lengths add up
//! (`columns.rs`). Nothing is expanded, so a run of 2^60 is refused as fast as a run of two.

use automerge::ChangeHash;
use sha2::{Digest, Sha256};

use super::columns::{self, Tally};
use super::fault::ChangeFault;
use super::leb::Reader;
use crate::limits::{CHANGE_ACTORS_MAX, CHANGE_BYTES_MAX, CHANGE_DEPS_MAX, OP_NUMBER_MAX};

const MAGIC: [u8; 4] = [0x85, 0x6f, 0x4a, 0x83];
const DOCUMENT: u8 = 0;
const CHANGE: u8 = 1;
const COMPRESSED: u8 = 2;
const BUNDLE: u8 = 3;

/// How long every actor is.
pub const ACTOR_BYTES: usize = 16;

/// What the head of a change says, once its frame is known to be sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Framed {
    /// SHA-256 of type, length and contents: the change's name.
    pub hash: ChangeHash,
    /// Who made the change.
    pub actor: [u8; ACTOR_BYTES],
    /// The number of the change among those of its actor, from 1.
    pub seq: u32,
    /// The number of its first operation, from 1.
    pub start_op: u32,
    /// What it depends on, strictly ascending.
    pub deps: Vec<ChangeHash>,
    /// How many operations it holds, from 1.
    pub ops: u32,
}

/// Reads the frame of a change. The verdict depends on the bytes alone.
pub fn frame(bytes: &[u8]) -> Result<Framed, ChangeFault> {
    // SPEC: DOC-1
    if bytes.len() > CHANGE_BYTES_MAX {
        return Err(ChangeFault::TooLarge);
    }
    let (hash, mut contents) = open(bytes)?;
    let deps = dependencies(&mut contents)?;
    let actor = actor(&mut contents)?;
    // SPEC: DOC-7
    let seq = contents.bounded(u32::MAX, ChangeFault::SeqRange)?;
    if seq == 0 {
        return Err(ChangeFault::SeqRange);
    }
    let start_op = contents.bounded(OP_NUMBER_MAX, ChangeFault::StartOp)?;
    if start_op == 0 {
        return Err(ChangeFault::StartOp);
    }
    // SPEC: DOC-8
    if contents.signed()? != 0 {
        return Err(ChangeFault::Time);
    }
    if contents.unsigned()? != 0 {
        return Err(ChangeFault::Message);
    }
    let others = other_actors(&mut contents, &actor)?;
    let Tally { ops } = columns::walk(&mut contents, others + 1)?;
    // Without operations it joins heads, or it is nothing.
    if ops == 0 && deps.len() < 2 {
        return Err(ChangeFault::Empty);
    }
    if !contents.is_empty() {
        return Err(ChangeFault::ExtraBytes);
    }
    // `start_op` and `ops` are bounded far below 2^32 together.
    if start_op - 1 + ops > OP_NUMBER_MAX {
        return Err(ChangeFault::StartOp);
    }
    Ok(Framed { hash, actor, seq, start_op, deps, ops })
}

/// The chunk's hash and contents. SPEC: DOC-2, DOC-3
fn open(bytes: &[u8]) -> Result<(ChangeHash, Reader<'_>), ChangeFault> {
    let mut reader = Reader::new(bytes);
    if reader.array::<4>()? != MAGIC {
        return Err(ChangeFault::BadMagic);
    }
    let checksum = reader.array::<4>()?;
    match reader.byte()? {
        CHANGE => {}
        COMPRESSED => return Err(ChangeFault::Compressed),
        DOCUMENT => return Err(ChangeFault::DocumentChunk),
        BUNDLE => return Err(ChangeFault::BundleChunk),
        _ => return Err(ChangeFault::UnknownChunk),
    }
    let length = reader.unsigned()?;
    match (reader.len() as u64).cmp(&length) {
        std::cmp::Ordering::Less => return Err(ChangeFault::Truncated),
        std::cmp::Ordering::Greater => return Err(ChangeFault::TrailingBytes),
        std::cmp::Ordering::Equal => {}
    }
    // The hash is over type, length and contents as they stand: all that follows the checksum.
    let hash: [u8; 32] = Sha256::digest(&bytes[8..]).into();
    if hash[..4] != checksum {
        return Err(ChangeFault::BadChecksum);
    }
    Ok((ChangeHash(hash), reader))
}

/// SPEC: DOC-5
fn dependencies(contents: &mut Reader<'_>) -> Result<Vec<ChangeHash>, ChangeFault> {
    let count = contents.bounded(CHANGE_DEPS_MAX, ChangeFault::TooManyDependencies)?;
    let hashes = contents.take(count as usize * 32)?;
    let (hashes, _) = hashes.as_chunks::<32>();
    if !hashes.is_sorted_by(|one, next| one < next) {
        return Err(ChangeFault::DependenciesUnsorted);
    }
    Ok(hashes.iter().map(|hash| ChangeHash(*hash)).collect())
}

/// SPEC: DOC-6
fn actor(contents: &mut Reader<'_>) -> Result<[u8; ACTOR_BYTES], ChangeFault> {
    if contents.unsigned()? != ACTOR_BYTES as u64 {
        return Err(ChangeFault::ActorLength);
    }
    contents.array()
}

/// How many actors are listed beside the author. SPEC: DOC-6
fn other_actors(contents: &mut Reader<'_>, author: &[u8; ACTOR_BYTES]) -> Result<u32, ChangeFault> {
    let count = contents.bounded(CHANGE_ACTORS_MAX, ChangeFault::TooManyActors)?;
    let mut before: Option<[u8; ACTOR_BYTES]> = None;
    for _ in 0..count {
        let next = actor(contents)?;
        if next == *author || before.is_some_and(|before| before >= next) {
            return Err(ChangeFault::ActorsUnsorted);
        }
        before = Some(next);
    }
    Ok(count)
}
