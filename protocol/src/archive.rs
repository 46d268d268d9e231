//! Archives: the events of a workspace as one file, for devices that never meet.
//!
//! A file is as hostile as a peer. [`Reader`] is handed bytes as they come and gives verified
//! events run by run; it holds one run at most and what was handed in last, whatever lengths the
//! file claims. What an event is worth is judged where it goes in, as of a peer.

mod slice;

use crate::event::{EventFault, Run, Signed, Verified};
use crate::hash::{context, hasher};
use crate::id::WorkspaceId;
use crate::limits::{ARCHIVE_VERSION, EVENT_BYTES_MAX};

pub use slice::Slice;

/// The first bytes of an archive. The line's end shows what copied it as a text. `SPEC: ARC-1`
pub const MAGIC: &[u8; 16] = b"KernelOS events\n";

/// Bytes before the first event: magic, version, workspace, count.
const HEADER_BYTES: usize = MAGIC.len() + 4 + 32 + 8;

/// Bytes of the hash at the end.
const HASH_BYTES: usize = 32;

/// Why a file is no archive, or only the beginning of one. Every variant has a stable code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArchiveFault {
    /// It begins with something else.
    #[error("this is no file of events")]
    NotAnArchive,
    /// A version that this program does not know.
    #[error("the file has version {0}, which is newer than this program")]
    Version(u32),
    /// It does not begin with the genesis of the workspace that it names.
    #[error("the first event is not the genesis of the workspace that the file names")]
    Genesis,
    /// A length that no event has.
    #[error("event {number}: {bytes} bytes are no event")]
    Length {
        /// Which, from 1.
        number: u64,
        /// What the file says.
        bytes: u32,
    },
    /// An event that breaks a rule by itself.
    #[error("event {number}: {fault}")]
    Event {
        /// Which, from 1.
        number: u64,
        /// What is wrong with it.
        fault: EventFault,
    },
    /// It ends too early.
    #[error("the file is cut off")]
    Truncated,
    /// Something stands behind its end.
    #[error("something stands behind the end of the file")]
    Trailing,
    /// Its hash is another.
    #[error("the hash at the end is not that of the file")]
    Hash,
}

impl ArchiveFault {
    /// The reason code that people and scripts see.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotAnArchive => "not_an_archive",
            Self::Version(_) => "archive_version",
            Self::Genesis => "archive_genesis",
            Self::Length { .. } => "archive_length",
            Self::Event { fault, .. } => fault.code(),
            Self::Truncated => "archive_truncated",
            Self::Trailing => "archive_trailing",
            Self::Hash => "archive_hash",
        }
    }

    /// Is it of a newer program, which could read it?
    #[must_use]
    pub fn is_newer(&self) -> bool {
        match self {
            Self::Version(_) => true,
            Self::Event { fault, .. } => matches!(fault.code(), "version" | "newer_format"),
            _ => false,
        }
    }
}

/// What stands before the events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Whose events they are.
    pub workspace: WorkspaceId,
    /// How many.
    pub count: u64,
}

/// Makes an archive, piece by piece. `SPEC: ARC-1`
#[derive(Debug)]
pub struct Writer(blake3::Hasher);

impl Writer {
    /// Begins an archive; gives its first bytes.
    #[must_use]
    pub fn begin(header: Header) -> (Self, Vec<u8>) {
        let mut writer = Self(hasher(context::ARCHIVE));
        let mut bytes = MAGIC.to_vec();
        bytes.extend(ARCHIVE_VERSION.to_be_bytes());
        bytes.extend(header.workspace.0);
        bytes.extend(header.count.to_be_bytes());
        writer.0.update(&bytes);
        (writer, bytes)
    }

    /// The bytes of one more event; none where it is larger than any event is.
    pub fn event(&mut self, event: &Verified) -> Option<Vec<u8>> {
        let envelope = event.encode();
        let length = u32::try_from(envelope.len()).ok()?;
        let mut bytes = length.to_be_bytes().to_vec();
        bytes.extend(envelope);
        self.0.update(&bytes);
        Some(bytes)
    }

    /// The last bytes.
    #[must_use]
    pub fn finish(self) -> [u8; HASH_BYTES] {
        *self.0.finalize().as_bytes()
    }
}

/// One thing that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// What stands before the events.
    Header(Header),
    /// Events whose author's signature was checked.
    Run(Run),
    /// The hash at the end is right.
    End,
}

/// Reads an archive from bytes as they come. `SPEC: ARC-1, ARC-2`
#[derive(Debug)]
pub struct Reader {
    hasher: blake3::Hasher,
    /// What was handed in and not read yet, from `at` on.
    buffer: Vec<u8>,
    at: usize,
    header: Option<Header>,
    read: u64,
    /// Events whose signature has not come yet.
    open: Vec<Signed>,
    is_over: bool,
}

impl Default for Reader {
    fn default() -> Self {
        Self {
            hasher: hasher(context::ARCHIVE),
            buffer: Vec::new(),
            at: 0,
            header: None,
            read: 0,
            open: Vec::new(),
            is_over: false,
        }
    }
}

impl Reader {
    /// Hands bytes in, once [`Self::next_item`] gives none.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.at);
        self.at = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next item; none where it needs more bytes.
    pub fn next_item(&mut self) -> Result<Option<Item>, ArchiveFault> {
        let Some(header) = self.header else { return self.read_header() };
        while self.read < header.count {
            match self.read_event(header.workspace)? {
                Some(event) => {
                    if let Some(run) = self.prove(event)? {
                        return Ok(Some(Item::Run(run)));
                    }
                }
                None => return Ok(None),
            }
        }
        if !self.open.is_empty() {
            return Err(ArchiveFault::Event { number: self.read, fault: EventFault::Unsigned });
        }
        if !self.is_over {
            let Some(hash) = self.rest().first_chunk::<HASH_BYTES>() else { return Ok(None) };
            if self.hasher.finalize().as_bytes() != hash {
                return Err(ArchiveFault::Hash);
            }
            self.at = self.at.saturating_add(HASH_BYTES);
            self.is_over = true;
            return Ok(Some(Item::End));
        }
        if self.rest().is_empty() { Ok(None) } else { Err(ArchiveFault::Trailing) }
    }

    /// Nothing more comes: was that everything?
    pub fn finish(&self) -> Result<(), ArchiveFault> {
        if self.is_over {
            return Ok(());
        }
        let begins = self.header.is_some() || MAGIC.starts_with(self.rest());
        let begins = begins || self.rest().starts_with(MAGIC);
        Err(if begins { ArchiveFault::Truncated } else { ArchiveFault::NotAnArchive })
    }

    fn rest(&self) -> &[u8] {
        self.buffer.get(self.at..).unwrap_or_default()
    }

    /// Counts these bytes as read.
    fn took(&mut self, length: usize) {
        let read = self.buffer.get(self.at..self.at.saturating_add(length)).unwrap_or_default();
        self.hasher.update(read);
        self.at = self.at.saturating_add(length);
    }

    fn read_header(&mut self) -> Result<Option<Item>, ArchiveFault> {
        let Some((magic, rest)) = self.rest().split_first_chunk::<16>() else { return Ok(None) };
        if magic != MAGIC {
            return Err(ArchiveFault::NotAnArchive);
        }
        let Some((version, rest)) = rest.split_first_chunk::<4>() else { return Ok(None) };
        // What follows a newer version is not known: nothing else is looked at first.
        match u32::from_be_bytes(*version) {
            ARCHIVE_VERSION => {}
            0 => return Err(ArchiveFault::NotAnArchive),
            newer => return Err(ArchiveFault::Version(newer)),
        }
        let Some((workspace, rest)) = rest.split_first_chunk::<32>() else { return Ok(None) };
        let Some(count) = rest.first_chunk::<8>() else { return Ok(None) };
        let (workspace, count) = (WorkspaceId(*workspace), u64::from_be_bytes(*count));
        if count == 0 {
            return Err(ArchiveFault::Genesis);
        }
        let header = Header { workspace, count };
        self.took(HEADER_BYTES);
        self.header = Some(header);
        Ok(Some(Item::Header(header)))
    }

    /// Takes the next event of a run; gives the run that it proves. No more than one run is held.
    fn prove(&mut self, event: Signed) -> Result<Option<Run>, ArchiveFault> {
        let number = self.read;
        let fault = |fault| ArchiveFault::Event { number, fault };
        let goes_on = self.open.last().is_none_or(|last| {
            event.header().follows(&last.id(), last.header()) && last.header().may_be_inside()
        });
        if !goes_on {
            return Err(fault(EventFault::Unsigned));
        }
        let is_proven = event.signature().is_some();
        self.open.push(event);
        if !Run::may_be(&self.open) {
            return Err(fault(EventFault::TooLarge));
        }
        if !is_proven {
            return Ok(None);
        }
        Run::verify(std::mem::take(&mut self.open)).map(Some).map_err(fault)
    }

    fn read_event(&mut self, workspace: WorkspaceId) -> Result<Option<Signed>, ArchiveFault> {
        let number = self.read.saturating_add(1);
        let Some((length, rest)) = self.rest().split_first_chunk::<4>() else { return Ok(None) };
        let bytes = u32::from_be_bytes(*length);
        let length = usize::try_from(bytes).unwrap_or(usize::MAX);
        // Before a byte of it is waited for: a length is not worth any memory.
        if length == 0 || length > EVENT_BYTES_MAX {
            return Err(ArchiveFault::Length { number, bytes });
        }
        let Some(envelope) = rest.get(..length) else { return Ok(None) };
        let event = Signed::decode(envelope);
        let event = event.map_err(|fault| ArchiveFault::Event { number, fault })?;
        if number == 1 && event.id() != workspace.genesis() {
            return Err(ArchiveFault::Genesis);
        }
        if event.workspace() != workspace {
            let fault = EventFault::WrongWorkspace;
            return Err(ArchiveFault::Event { number, fault });
        }
        self.took(length.saturating_add(4));
        self.read = number;
        Ok(Some(event))
    }
}
