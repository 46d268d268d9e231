//! Artifacts: what is too large for an event. A manifest, which is an event, names the hashes of
//! sealed chunks; those are kept and sent apart (SPEC: ART-1).
//!
//! A manifest is valid by construction: it is made by [`seal`] or read from its one encoding. What
//! it claims about its chunks is shown by the chunks alone, so nothing is given out before it was
//! opened and compared.

use std::fmt;

use aes_gcm_siv::aead::{AeadInOut, KeyInit};
use aes_gcm_siv::{Aes256GcmSiv, Nonce};
use serde::{Deserialize, Serialize};

use crate::cbor::{self, Canonical, CborFault, Reader, Writer};
use crate::content::kind;
use crate::hash::{self, context};
use crate::id::ChunkHash;
use crate::limits::{
    ARTIFACT_BYTES_MAX, ARTIFACT_CHUNKS_MAX, ARTIFACT_NAME_MAX, CHUNK_BYTES_MAX, CHUNK_PLAIN_BYTES,
};

/// Bytes that the AEAD adds to a chunk.
const TAG_BYTES: usize = CHUNK_BYTES_MAX - CHUNK_PLAIN_BYTES;
/// What stands before the number of chunks in a chunk's associated data. `SPEC: ART-2`
const ASSOCIATED: &[u8] = b"kernelos/1/artifact-chunk\0";

/// Why an artifact is not made, or not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ArtifactFault {
    /// Not a name.
    #[error(
        "an artifact's name has 1 to {ARTIFACT_NAME_MAX} letters, digits, `.`, `_` and `-`, and \
         begins with a letter or digit"
    )]
    Name,
    /// More than an artifact may hold.
    #[error("an artifact has at most {ARTIFACT_BYTES_MAX} bytes: split it")]
    TooLarge,
    /// More bytes than a sealed chunk has, or fewer.
    #[error("a sealed chunk has {} to {CHUNK_BYTES_MAX} bytes", TAG_BYTES + 1)]
    ChunkLength,
    /// Fewer chunks or more than the manifest names.
    #[error("there are other chunks than the manifest names")]
    Count,
    /// A chunk that the manifest does not name in this place.
    #[error("a chunk is not the one that the manifest names in its place")]
    Foreign,
    /// A chunk that is not sealed under the artifact's key for its place.
    #[error("a chunk does not open under the artifact's key: its author made it wrongly")]
    Sealed,
    /// What was opened is not what the manifest says.
    #[error("the opened artifact is not what its manifest says: its author made it wrongly")]
    Plain,
}

impl ArtifactFault {
    /// The reason code that logs and tests name.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Name => "artifact_name",
            Self::TooLarge => "artifact_too_large",
            Self::ChunkLength => "chunk_length",
            Self::Count => "chunk_count",
            Self::Foreign => "chunk_foreign",
            Self::Sealed => "chunk_sealed",
            Self::Plain => "artifact_plain",
        }
    }
}

/// The key of one artifact: random, used for nothing else, and sealed with the manifest.
#[derive(Clone, PartialEq, Eq)]
pub struct ArtifactKey(pub [u8; 32]);

impl fmt::Debug for ArtifactKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ArtifactKey")
    }
}

/// A sealed chunk, with the hash that names it. `SPEC: ART-2`
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<u8>", into = "Vec<u8>")]
pub struct Chunk {
    hash: ChunkHash,
    bytes: Vec<u8>,
}

impl Chunk {
    /// The chunk of these sealed bytes.
    pub fn new(bytes: Vec<u8>) -> Result<Self, ArtifactFault> {
        if bytes.len() <= TAG_BYTES || bytes.len() > CHUNK_BYTES_MAX {
            return Err(ArtifactFault::ChunkLength);
        }
        Ok(Self { hash: ChunkHash(hash::hash(context::ARTIFACT_CHUNK, &[&bytes])), bytes })
    }

    /// What names it.
    #[must_use]
    pub fn hash(&self) -> ChunkHash {
        self.hash
    }

    /// The sealed bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Debug for Chunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Chunk({:?}, {} bytes)", self.hash, self.bytes.len())
    }
}

impl TryFrom<Vec<u8>> for Chunk {
    type Error = ArtifactFault;
    fn try_from(bytes: Vec<u8>) -> Result<Self, ArtifactFault> {
        Self::new(bytes)
    }
}

impl From<Chunk> for Vec<u8> {
    fn from(chunk: Chunk) -> Self {
        chunk.bytes
    }
}

/// What the body of an artifact event says. `SPEC: CNT-4`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<u8>", into = "Vec<u8>")]
pub struct Manifest {
    name: String,
    size: usize,
    key: ArtifactKey,
    plain: [u8; 32],
    chunks: Vec<ChunkHash>,
}

impl Manifest {
    /// Its name, such as `base` or `step-1`: for people; several artifacts may share one.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Bytes of the plaintext.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// The hash of the plaintext.
    #[must_use]
    pub fn plain(&self) -> [u8; 32] {
        self.plain
    }

    /// The chunks in their order, each with the length of its sealed bytes.
    pub fn chunks(&self) -> impl ExactSizeIterator<Item = (ChunkHash, usize)> {
        self.chunks.iter().enumerate().map(|(number, hash)| {
            let before = number.saturating_mul(CHUNK_PLAIN_BYTES);
            let plain = self.size.saturating_sub(before).min(CHUNK_PLAIN_BYTES);
            (*hash, plain + TAG_BYTES)
        })
    }

    /// Opens the chunk in place `number`, from 0. `SPEC: ART-2, ART-3`
    pub fn open_chunk(&self, number: usize, chunk: &Chunk) -> Result<Vec<u8>, ArtifactFault> {
        let (hash, len) = self.chunks().nth(number).ok_or(ArtifactFault::Count)?;
        if (chunk.hash, chunk.bytes.len()) != (hash, len) {
            return Err(ArtifactFault::Foreign);
        }
        let mut plain = chunk.bytes.clone();
        Aes256GcmSiv::new(&self.key.0.into())
            .decrypt_in_place(&nonce(number), &associated(self.chunks.len()), &mut plain)
            .map_err(|_| ArtifactFault::Sealed)?;
        Ok(plain)
    }

    /// Are these bytes, which were opened chunk by chunk, the artifact? `SPEC: ART-3`
    pub fn check_plain(&self, plain: &[u8]) -> Result<(), ArtifactFault> {
        if plain_hash(plain) == self.plain { Ok(()) } else { Err(ArtifactFault::Plain) }
    }
}

impl TryFrom<Vec<u8>> for Manifest {
    type Error = CborFault;
    fn try_from(bytes: Vec<u8>) -> Result<Self, CborFault> {
        cbor::decode(&bytes)
    }
}

impl From<Manifest> for Vec<u8> {
    fn from(manifest: Manifest) -> Self {
        cbor::encode(&manifest)
    }
}

/// The whole inside of the body: kind and payload.
impl Canonical for Manifest {
    fn write(&self, to: &mut Writer) {
        to.array(2).uint(kind::ARTIFACT).array(5).text(&self.name).uint(self.size as u64);
        to.bytes(&self.key.0).bytes(&self.plain).array(self.chunks.len());
        for chunk in &self.chunks {
            to.bytes(&chunk.0);
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, CborFault> {
        from.array_of(2)?;
        if from.uint()? != kind::ARTIFACT {
            return Err(CborFault::Malformed);
        }
        from.array_of(5)?;
        let name = from.text(ARTIFACT_NAME_MAX)?.to_owned();
        let size = usize::try_from(from.uint()?).map_err(|_| CborFault::Malformed)?;
        if !is_name(&name) || size > ARTIFACT_BYTES_MAX {
            return Err(CborFault::Malformed);
        }
        let (key, plain) = (ArtifactKey(from.fixed()?), from.fixed()?);
        let count = from.array(ARTIFACT_CHUNKS_MAX)?;
        if count != size.div_ceil(CHUNK_PLAIN_BYTES) {
            return Err(CborFault::Malformed);
        }
        let chunks = (0..count).map(|_| Ok(ChunkHash(from.fixed()?)));
        let chunks = chunks.collect::<Result<_, CborFault>>()?;
        Ok(Self { name, size, key, plain, chunks })
    }
}

/// Seals `bytes` under a key that was never used before. `SPEC: ART-1, ART-2`
pub fn seal(
    name: &str,
    key: ArtifactKey,
    bytes: &[u8],
) -> Result<(Manifest, Vec<Chunk>), ArtifactFault> {
    if !is_name(name) {
        return Err(ArtifactFault::Name);
    }
    if bytes.len() > ARTIFACT_BYTES_MAX {
        return Err(ArtifactFault::TooLarge);
    }
    let slices = bytes.chunks(CHUNK_PLAIN_BYTES);
    let cipher = Aes256GcmSiv::new(&key.0.into());
    let associated = associated(slices.len());
    let seal_slice = |(number, slice): (usize, &[u8])| {
        let mut sealed = Vec::with_capacity(slice.len() + TAG_BYTES);
        sealed.extend_from_slice(slice);
        // Fails only beyond 2^36 bytes, which a slice is not.
        cipher.encrypt_in_place(&nonce(number), &associated, &mut sealed).ok();
        Chunk::new(sealed)
    };
    let chunks = slices.enumerate().map(seal_slice).collect::<Result<Vec<_>, _>>()?;
    let manifest = Manifest {
        name: name.to_owned(),
        size: bytes.len(),
        key,
        plain: plain_hash(bytes),
        chunks: chunks.iter().map(Chunk::hash).collect(),
    };
    Ok((manifest, chunks))
}

/// Opens an artifact, if its chunks are all here, in their order, and say what the manifest says.
/// `SPEC: ART-3`
pub fn open(manifest: &Manifest, chunks: &[Chunk]) -> Result<Vec<u8>, ArtifactFault> {
    if chunks.len() != manifest.chunks.len() {
        return Err(ArtifactFault::Count);
    }
    let mut plain = Vec::with_capacity(manifest.size);
    for (number, chunk) in chunks.iter().enumerate() {
        plain.extend(manifest.open_chunk(number, chunk)?);
    }
    manifest.check_plain(&plain)?;
    Ok(plain)
}

/// The hash of an artifact's plaintext. `SPEC: ART-1`
#[must_use]
pub fn plain_hash(plain: &[u8]) -> [u8; 32] {
    hash::hash(context::ARTIFACT, &[plain])
}

fn is_name(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    name.len() <= ARTIFACT_NAME_MAX
        && name.bytes().all(inner)
        && name.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric())
}

fn nonce(number: usize) -> Nonce {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&(number as u64).to_be_bytes());
    Nonce::from(nonce)
}

fn associated(chunks: usize) -> Vec<u8> {
    [ASSOCIATED, &(chunks as u64).to_be_bytes()].concat()
}
