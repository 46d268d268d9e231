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
    /// One that does not grow before it has written so many bytes.
    #[must_use]
    pub fn of_bytes(bytes: usize) -> Self {
        Self(Encoder::new(Vec::with_capacity(bytes)))
    }

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

/// Bytes of the shortest head that says this number.
fn head_bytes(number: u64) -> usize {
    match number {
        0..24 => 1,
        24..0x100 => 2,
        0x100..0x1_0000 => 3,
        0x1_0000..0x1_0000_0000 => 5,
        _ => 9,
    }
}

/// Reads one item after the other. Whoever does not write again what was read, and compare, asks
/// [`Reader::is_shortest`].
pub struct Reader<'b> {
    decoder: Decoder<'b>,
    is_shortest: bool,
}

impl<'b> Reader<'b> {
    /// Reads from `bytes`.
    #[must_use]
    pub fn new(bytes: &'b [u8]) -> Self {
        Self { decoder: Decoder::new(bytes), is_shortest: true }
    }

    /// Was every number and length that was read in the shortest form that there is? What was
    /// skipped does not count.
    #[must_use]
    pub fn is_shortest(&self) -> bool {
        self.is_shortest
    }

    /// Notes the head that began at `from` and says `number`; `content` bytes behind it were read.
    fn note(&mut self, from: usize, content: usize, number: u64) {
        let read = self.decoder.position().saturating_sub(from);
        self.is_shortest &= read == head_bytes(number).saturating_add(content);
    }

    /// The length of an array, at most `max`.
    pub fn array(&mut self, max: usize) -> Result<usize, CborFault> {
        let from = self.decoder.position();
        let len = self.decoder.array()?.ok_or(CborFault::NotCanonical)?;
        self.note(from, 0, len);
        usize::try_from(len).ok().filter(|len| *len <= max).ok_or(CborFault::Malformed)
    }

    /// An array of exactly `len` items.
    pub fn array_of(&mut self, len: usize) -> Result<(), CborFault> {
        if self.array(len)? == len { Ok(()) } else { Err(CborFault::Malformed) }
    }

    /// An unsigned integer.
    pub fn uint(&mut self) -> Result<u64, CborFault> {
        let from = self.decoder.position();
        let number = self.decoder.u64()?;
        self.note(from, 0, number);
        Ok(number)
    }

    /// A byte string of at most `max` bytes.
    pub fn bytes(&mut self, max: usize) -> Result<&'b [u8], CborFault> {
        let from = self.decoder.position();
        let bytes = self.decoder.bytes()?;
        self.note(from, bytes.len(), bytes.len() as u64);
        if bytes.len() <= max { Ok(bytes) } else { Err(CborFault::Malformed) }
    }

    /// A byte string of exactly `N` bytes.
    pub fn fixed<const N: usize>(&mut self) -> Result<[u8; N], CborFault> {
        self.bytes(N)?.try_into().map_err(|_| CborFault::Malformed)
    }

    /// A text string of at most `max` bytes.
    pub fn text(&mut self, max: usize) -> Result<&'b str, CborFault> {
        let from = self.decoder.position();
        let text = self.decoder.str()?;
        self.note(from, text.len(), text.len() as u64);
        if text.len() <= max { Ok(text) } else { Err(CborFault::Malformed) }
    }

    /// Null, which is then consumed; or something else, which is not.
    pub fn is_null(&mut self) -> Result<bool, CborFault> {
        let null = self.decoder.datatype()? == minicbor::data::Type::Null;
        if null {
            self.decoder.null()?;
        }
        Ok(null)
    }

    /// Is the next item an array?
    pub fn is_array(&self) -> Result<bool, CborFault> {
        Ok(self.decoder.datatype()? == minicbor::data::Type::Array)
    }

    /// Nothing may follow.
    pub fn end(&self) -> Result<(), CborFault> {
        if self.decoder.position() == self.decoder.input().len() {
            Ok(())
        } else {
            Err(CborFault::NotCanonical)
        }
    }

    /// Steps over one item of any shape. Its nesting costs no stack.
    pub fn skip(&mut self) -> Result<(), CborFault> {
        Ok(self.decoder.skip()?)
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
