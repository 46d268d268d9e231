//! What SQLite will take from a write-ahead log, and what it will drop without a word
//! (sqlite.org/fileformat2, section 4): a frame counts where it and all before it carry the sums
//! that they should, and a commit follows it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::pages::PAGE_BYTES;

const MAGIC: u32 = 0x377f_0682;
const HEAD_BYTES: usize = 32;
const FRAME_HEAD_BYTES: usize = 24;

/// A log that was read.
pub(super) struct Wal {
    file: File,
    /// Where each page stands that it has, as the last commit left it.
    pages: BTreeMap<u32, u64>,
    /// Commits that stand behind the first frame that does not count. One that a power cut tore may
    /// be there; more cannot, unless the log was damaged.
    dropped: usize,
}

/// The log of the file at `path`.
pub(super) fn path_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    PathBuf::from(name)
}

/// The two running sums of a log; its words are big endian, or little.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Sums(u32, u32);

impl Sums {
    fn of(bytes: &[u8], is_big: bool) -> Self {
        let word = |at: usize| {
            let word = bytes.get(at..).and_then(|rest| rest.first_chunk()).copied();
            let word = word.unwrap_or_default();
            if is_big { u32::from_be_bytes(word) } else { u32::from_le_bytes(word) }
        };
        Self(word(0), word(4))
    }

    fn with(self, bytes: &[u8], is_big: bool) -> Self {
        bytes.chunks_exact(8).fold(self, |sums, words| {
            let Self(a, b) = Self::of(words, is_big);
            let first = sums.0.wrapping_add(a).wrapping_add(sums.1);
            Self(first, sums.1.wrapping_add(b).wrapping_add(first))
        })
    }
}

impl Wal {
    /// The log of the file at `path`; none where there is none.
    pub(super) fn read(path: &Path) -> io::Result<Option<Self>> {
        let file = match File::open(path_of(path)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let mut wal = Self { file: file.try_clone()?, pages: BTreeMap::new(), dropped: 0 };
        let mut reader = BufReader::new(file);
        let mut head = [0; HEAD_BYTES];
        if fill(&mut reader, &mut head)? {
            wal.follow(&mut reader, &head)?;
        }
        Ok(Some(wal))
    }

    fn follow(&mut self, reader: &mut impl Read, head: &[u8; HEAD_BYTES]) -> io::Result<()> {
        let word = |at: usize| Sums::of(head.get(at..).unwrap_or_default(), true).0;
        let is_big = word(0) == MAGIC | 1;
        let sums = Sums::of(&head[24..], true);
        let mut counts = word(0) & !1 == MAGIC
            && word(8) as usize == PAGE_BYTES
            && Sums(0, 0).with(&head[..24], is_big) == sums;
        let (mut sums, mut salts) = (sums, counts.then(|| Sums::of(&head[16..], true)));
        let mut pending = BTreeMap::new();
        let mut frame = vec![0; FRAME_HEAD_BYTES + PAGE_BYTES];
        let mut at = HEAD_BYTES as u64;
        while fill(reader, &mut frame)? {
            let Sums(page, commit) = Sums::of(&frame, true);
            // Behind the last restart of the log stand frames of before, with other salts. Where
            // the log does not say its own, they are those of the first frame.
            let of_this = Sums::of(&frame[8..], true);
            let is_of_this = *salts.get_or_insert(of_this) == of_this;
            sums = sums.with(&frame[..8], is_big).with(&frame[FRAME_HEAD_BYTES..], is_big);
            counts &= is_of_this && sums == Sums::of(&frame[16..], true) && page != 0;
            if counts {
                pending.insert(page, at + FRAME_HEAD_BYTES as u64);
                if commit != 0 {
                    self.pages.append(&mut pending);
                    self.pages.retain(|page, _| *page <= commit);
                }
            } else if is_of_this && page != 0 && commit != 0 {
                self.dropped += 1;
            }
            at += frame.len() as u64;
        }
        Ok(())
    }

    /// How many commits SQLite will drop.
    pub(super) fn dropped(&self) -> usize {
        self.dropped
    }

    /// The last page that it has.
    pub(super) fn last_page(&self) -> u32 {
        self.pages.last_key_value().map_or(0, |(page, _)| *page)
    }

    /// The pages behind this one that it has.
    pub(super) fn pages_behind(&self, last: u32) -> impl Iterator<Item = u32> {
        self.pages.keys().copied().filter(move |page| *page > last)
    }

    /// A page, if it has it.
    pub(super) fn page(&self, number: u32) -> Option<io::Result<Vec<u8>>> {
        let at = *self.pages.get(&number)?;
        let mut page = vec![0; PAGE_BYTES];
        Some(self.file.read_exact_at(&mut page, at).map(|()| page))
    }
}

/// Fills `bytes`; says no where less is left.
fn fill(reader: &mut impl Read, bytes: &mut [u8]) -> io::Result<bool> {
    match reader.read_exact(bytes) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        done => done.map(|()| true),
    }
}
