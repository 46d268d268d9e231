//! Deterministic CBOR (RFC 8949 section 4.2.1), the part of it that the protocol uses: unsigned
//! integers, byte and text strings, arrays of a definite length, null.
//!
//! Writing is deterministic by construction; whatever was read is written again and compared, so
//! no value has two encodings (SPEC: EVT-2).

use minicbor::{Decoder, Encoder};

/// Why bytes are not what was to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CborFault {
    /// Not CBOR, or not of the expected shape.
    #[error("malformed")]
    Malformed,
    /// The right value in other bytes than the one encoding, or bytes behind it.
    #[error("not in its one encoding")]
    NotCanonical,
}

impl From<minicbor::decode::Error> for CborFault {
    fn from(_: minicbor::decode::Error) -> Self {
        Self::Malformed
    }
}

/// A header of the usual size is written without growing.
const WRITTEN_BYTES: usize = 256;

/// Writes one item after the other. Writing to memory cannot fail.
pub struct Writer(Encoder<Vec<u8>>);

impl Default for Writer {
    fn default() -> Self {
        Self(Encoder::new(Vec::with_capacity(WRITTEN_BYTES)))
    }
}

impl Writer {
    /// An array of `len` items, which must follow.
    pub fn array(&mut self, len: usize) -> &mut Self {
        self.0.array(len as u64).ok();
        self
    }

    /// An unsigned integer.
    pub fn uint(&mut self, value: u64) -> &mut Self {
        self.0.u64(value).ok();
        self
    }

    /// A byte string.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.bytes(bytes).ok();
        self
    }

    /// A byte string, or null.
    pub fn bytes_or_null(&mut self, bytes: Option<&[u8]>) -> &mut Self {
        match bytes {
            Some(bytes) => self.bytes(bytes),
            None => self.null(),
        }
    }

    /// A text string.
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.0.str(text).ok();
        self
    }

    /// Null, for an absent field.
    pub fn null(&mut self) -> &mut Self {
        self.0.null().ok();
        self
    }

    /// Items that were written before.
    pub fn raw(&mut self, items: &[u8]) -> &mut Self {
        self.0.writer_mut().extend_from_slice(items);
        self
    }

    /// What was written.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.0.into_writer()
    }
}

/// Reads one item after the other.
pub struct Reader<'b>(Decoder<'b>);

impl<'b> Reader<'b> {
    /// Reads from `bytes`.
    #[must_use]
    pub fn new(bytes: &'b [u8]) -> Self {
        Self(Decoder::new(bytes))
    }

    /// The length of an array, at most `max`.
    pub fn array(&mut self, max: usize) -> Result<usize, CborFault> {
        let len = self.0.array()?.ok_or(CborFault::NotCanonical)?;
        usize::try_from(len).ok().filter(|len| *len <= max).ok_or(CborFault::Malformed)
    }

    /// An array of exactly `len` items.
    pub fn array_of(&mut self, len: usize) -> Result<(), CborFault> {
        if self.array(len)? == len { Ok(()) } else { Err(CborFault::Malformed) }
    }

    /// An unsigned integer.
    pub fn uint(&mut self) -> Result<u64, CborFault> {
        Ok(self.0.u64()?)
    }

    /// A byte string of at most `max` bytes.
    pub fn bytes(&mut self, max: usize) -> Result<&'b [u8], CborFault> {
        let bytes = self.0.bytes()?;
        if bytes.len() <= max { Ok(bytes) } else { Err(CborFault::Malformed) }
    }

    /// A byte string of exactly `N` bytes.
    pub fn fixed<const N: usize>(&mut self) -> Result<[u8; N], CborFault> {
        self.0.bytes()?.try_into().map_err(|_| CborFault::Malformed)
    }

    /// A text string of at most `max` bytes.
    pub fn text(&mut self, max: usize) -> Result<&'b str, CborFault> {
        let text = self.0.str()?;
        if text.len() <= max { Ok(text) } else { Err(CborFault::Malformed) }
    }

    /// Null, which is then consumed; or something else, which is not.
    pub fn is_null(&mut self) -> Result<bool, CborFault> {
        let null = self.0.datatype()? == minicbor::data::Type::Null;
        if null {
            self.0.null()?;
        }
        Ok(null)
    }

    /// Is the next item an array?
    pub fn is_array(&self) -> Result<bool, CborFault> {
        Ok(self.0.datatype()? == minicbor::data::Type::Array)
    }

    /// Nothing may follow.
    pub fn end(&self) -> Result<(), CborFault> {
        if self.0.position() == self.0.input().len() {
            Ok(())
        } else {
            Err(CborFault::NotCanonical)
        }
    }

    /// Steps over one item of any shape. Its nesting costs no stack.
    pub fn skip(&mut self) -> Result<(), CborFault> {
        Ok(self.0.skip()?)
    }
}

/// Something with exactly one encoding.
pub trait Canonical: Sized {
    /// Writes its one encoding.
    fn write(&self, to: &mut Writer);
    /// Reads it from any encoding that minicbor takes; [`decode`] compares afterwards.
    fn read(from: &mut Reader<'_>) -> Result<Self, CborFault>;
}

/// The one encoding of `value`.
pub fn encode(value: &impl Canonical) -> Vec<u8> {
    let mut writer = Writer::default();
    value.write(&mut writer);
    writer.finish()
}

/// Reads `bytes`, and refuses every encoding but the one. `SPEC: EVT-2`
pub fn decode<T: Canonical>(bytes: &[u8]) -> Result<T, CborFault> {
    let mut reader = Reader::new(bytes);
    let value = T::read(&mut reader)?;
    reader.end()?;
    if encode(&value) == bytes { Ok(value) } else { Err(CborFault::NotCanonical) }
}
