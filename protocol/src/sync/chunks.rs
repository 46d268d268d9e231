//! The messages that bring chunks of artifacts. `SPEC: SYNC-8`

use super::message::Message;
use crate::artifact::Chunk;
use crate::cbor::{CborFault, Reader, Writer};
use crate::id::ChunkHash;
use crate::limits::{CHUNK_BYTES_MAX, CHUNK_WANTS_MAX};

const WANT: u64 = 10;
const CHUNKS: u64 = 11;
const HAVE: u64 = 12;

pub(super) fn write(message: &Message, to: &mut Writer) {
    match message {
        Message::WantChunks(hashes) => write_hashes(hashes, to.array(2).uint(WANT)),
        Message::HaveChunks(hashes) => write_hashes(hashes, to.array(2).uint(HAVE)),
        Message::Chunks { chunks, lacking } => {
            to.array(3).uint(CHUNKS).array(chunks.len());
            for chunk in chunks {
                to.bytes(chunk.bytes());
            }
            write_hashes(lacking, to);
        }
        _ => {}
    }
}

/// Reads what follows the number. Each chunk's hash is computed here, before anything is done.
pub(super) fn read(number: u64, len: usize, from: &mut Reader<'_>) -> Result<Message, CborFault> {
    match (number, len) {
        (WANT, 2) => Ok(Message::WantChunks(read_some(from)?)),
        (HAVE, 2) => Ok(Message::HaveChunks(read_some(from)?)),
        (CHUNKS, 3) => {
            let count = from.array(CHUNK_WANTS_MAX)?;
            let chunk = |bytes: &[u8]| Chunk::new(bytes.to_vec()).map_err(|_| CborFault::Malformed);
            let chunks = (0..count).map(|_| chunk(from.bytes(CHUNK_BYTES_MAX)?));
            let chunks: Vec<_> = chunks.collect::<Result<_, CborFault>>()?;
            let lacking = read_hashes(from)?;
            if chunks.is_empty() && lacking.is_empty() {
                return Err(CborFault::Malformed);
            }
            Ok(Message::Chunks { chunks, lacking })
        }
        _ => Err(CborFault::Malformed),
    }
}

fn write_hashes(hashes: &[ChunkHash], to: &mut Writer) {
    to.array(hashes.len());
    for hash in hashes {
        to.bytes(&hash.0);
    }
}

fn read_some(from: &mut Reader<'_>) -> Result<Vec<ChunkHash>, CborFault> {
    let hashes = read_hashes(from)?;
    if hashes.is_empty() { Err(CborFault::Malformed) } else { Ok(hashes) }
}

/// Hashes, strictly ascending.
fn read_hashes(from: &mut Reader<'_>) -> Result<Vec<ChunkHash>, CborFault> {
    let count = from.array(CHUNK_WANTS_MAX)?;
    let mut hashes: Vec<ChunkHash> = Vec::with_capacity(count);
    for _ in 0..count {
        let hash = ChunkHash(from.fixed()?);
        if hashes.last().is_some_and(|last| *last >= hash) {
            return Err(CborFault::Malformed);
        }
        hashes.push(hash);
    }
    Ok(hashes)
}
