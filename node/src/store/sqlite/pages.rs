//! The records of a SQLite file whose trees cannot be walked any more (sqlite.org/fileformat2):
//! every page that looks like one of a table or an index is read by itself, so that a bad page
//! costs what stands on it and nothing else. What a record says is for the caller to verify.
//!
//! The bytes are those of a damaged disk: every number in them may be anything.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::wal::Wal;

/// The size of a page in every store.
pub(super) const PAGE_BYTES: usize = 4_096;
/// Bytes of a record: an event or a chunk at its largest, and some more.
const RECORD_BYTES_MAX: u64 = 4 << 20;
/// Values of a record: twice what the widest table has.
const VALUES_MAX: usize = 12;

const TABLE_LEAF: u8 = 0x0d;
const INDEX_INTERIOR: u8 = 0x02;
const INDEX_LEAF: u8 = 0x0a;

/// A value of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Null,
    Int(i64),
    Text(Vec<u8>),
    Blob(Vec<u8>),
    /// A number that no store has.
    Float,
}

/// Where a record stands. Of a table: by which row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cell {
    pub(super) row: Option<i64>,
    pub(super) page: u32,
    /// Where its payload begins in the page.
    at: usize,
    len: u64,
}

/// A file with what its log says of it.
pub(super) struct Pages {
    file: File,
    in_file: u32,
    /// The last page that there may be.
    count: u32,
    wal: Option<Wal>,
}

impl Pages {
    /// The file at `path`, with its log beside it.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let wal = Wal::read(path)?;
        let pages = file.metadata()?.len().div_ceil(PAGE_BYTES as u64);
        let logged = wal.as_ref().map_or(0, Wal::last_page);
        let in_file = u32::try_from(pages).unwrap_or(u32::MAX);
        Ok(Self { file, in_file, count: in_file.max(logged), wal })
    }

    /// One page, as the log has it where it does; what the file lacks of it is zeros.
    fn page(&self, number: u32) -> io::Result<Vec<u8>> {
        if let Some(page) = self.wal.as_ref().and_then(|wal| wal.page(number)) {
            return page;
        }
        let mut page = vec![0; PAGE_BYTES];
        let from = u64::from(number.saturating_sub(1)) * PAGE_BYTES as u64;
        let mut got = 0;
        while let Some(rest) = page.get_mut(got..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, from + got as u64)? {
                0 => break,
                read => got += read,
            }
        }
        Ok(page)
    }

    /// Where records stand, page by page.
    pub(super) fn cells(&self) -> io::Result<Vec<Cell>> {
        let free = self.free_pages()?;
        let mut cells = Vec::new();
        // A log may name a page far behind the others: what lies between is nowhere.
        let logged = self.wal.iter().flat_map(|wal| wal.pages_behind(self.in_file));
        let numbers = (1..=self.in_file).chain(logged);
        for number in numbers.filter(|number| !free.contains(number)) {
            let page = self.page(number)?;
            cells_of(&page, number, &mut cells);
        }
        Ok(cells)
    }

    /// The pages that hold nothing any more, where the file can say; else none, for what stands on
    /// a page that counts must not be taken for nothing.
    fn free_pages(&self) -> io::Result<BTreeSet<u32>> {
        let first = self.page(1)?;
        let (Some(mut trunk), Some(count)) = (u32_at(&first, 32), u32_at(&first, 36)) else {
            return Ok(BTreeSet::new());
        };
        let mut free = BTreeSet::new();
        while trunk != 0 && trunk <= self.count && free.insert(trunk) {
            let page = self.page(trunk)?;
            let leaves = u32_at(&page, 4).unwrap_or(0);
            let listed = (0..leaves.min(1_022) as usize).filter_map(|n| u32_at(&page, 8 + 4 * n));
            free.extend(listed);
            trunk = u32_at(&page, 0).unwrap_or(0);
        }
        let is_told = u32::try_from(free.len()).is_ok_and(|listed| listed == count);
        Ok(if is_told { free } else { BTreeSet::new() })
    }

    /// The values of a record; none where they are no record.
    pub(super) fn record(&self, cell: &Cell) -> io::Result<Option<Vec<Value>>> {
        let is_table = cell.row.is_some();
        let local = local_len(cell.len, is_table);
        let page = self.page(cell.page)?;
        let Some(part) = page.get(cell.at..).and_then(|rest| rest.get(..local)) else {
            return Ok(None);
        };
        let mut payload = part.to_vec();
        let len = usize::try_from(cell.len).unwrap_or(usize::MAX);
        let mut next = u32_at(&page, cell.at + local).unwrap_or(0);
        while payload.len() < len {
            if next == 0 || next > self.count {
                return Ok(None);
            }
            let page = self.page(next)?;
            let part = (len - payload.len()).min(PAGE_BYTES - 4);
            payload.extend_from_slice(page.get(4..4 + part).unwrap_or_default());
            next = u32_at(&page, 0).unwrap_or(0);
        }
        Ok(values(&payload))
    }
}

/// How much of a payload stands in the page of its cell.
fn local_len(len: u64, is_table: bool) -> usize {
    let usable = PAGE_BYTES as u64;
    let max = if is_table { usable - 35 } else { (usable - 12) * 64 / 255 - 23 };
    let min = (usable - 12) * 32 / 255 - 23;
    let local = if len <= max {
        len
    } else {
        let fits = min + (len - min) % (usable - 4);
        if fits <= max { fits } else { min }
    };
    usize::try_from(local).unwrap_or(0)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|number| u32::from_be_bytes(*number))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<usize> {
    bytes.get(at..)?.first_chunk().map(|number| usize::from(u16::from_be_bytes(*number)))
}

/// SQLite's numbers of variable length; and how long it is.
fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut number = 0;
    for (at, byte) in bytes.iter().enumerate().take(9) {
        if at == 8 {
            return Some((number << 8 | u64::from(*byte), 9));
        }
        number = number << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((number, at + 1));
        }
    }
    None
}

fn cells_of(page: &[u8], number: u32, cells: &mut Vec<Cell>) {
    let head = if number == 1 { 100 } else { 0 };
    let (pointers, is_table) = match page.get(head) {
        Some(&TABLE_LEAF) => (head + 8, true),
        Some(&INDEX_LEAF) => (head + 8, false),
        Some(&INDEX_INTERIOR) => (head + 12, false),
        _ => return,
    };
    let child = if pointers == head + 12 { 4 } else { 0 };
    for nth in 0..u16_at(page, head + 3).unwrap_or(0) {
        let Some(at) = u16_at(page, pointers + 2 * nth) else { return };
        cells.extend(cell_at(page, number, at + child, is_table));
    }
}

fn cell_at(page: &[u8], number: u32, at: usize, is_table: bool) -> Option<Cell> {
    let (len, skip) = varint(page.get(at..)?)?;
    let mut at = at + skip;
    let mut row = None;
    if is_table {
        let (id, skip) = varint(page.get(at..)?)?;
        row = Some(id.cast_signed());
        at += skip;
    }
    (len <= RECORD_BYTES_MAX).then_some(Cell { row, page: number, at, len })
}

fn values(payload: &[u8]) -> Option<Vec<Value>> {
    let (head_len, mut at) = varint(payload)?;
    let head_len = usize::try_from(head_len).ok()?;
    let head = payload.get(..head_len)?;
    let mut body = payload.get(head_len..)?;
    let mut values = Vec::new();
    while at < head.len() {
        if values.len() == VALUES_MAX {
            return None;
        }
        let (kind, skip) = varint(head.get(at..)?)?;
        at += skip;
        let len = match kind {
            0 | 8 | 9 => 0,
            1..=4 => usize::try_from(kind).ok()?,
            5 => 6,
            6 | 7 => 8,
            10 | 11 => return None,
            _ => usize::try_from((kind - 12) / 2).ok()?,
        };
        let (bytes, rest) = body.split_at_checked(len)?;
        body = rest;
        values.push(match kind {
            0 => Value::Null,
            7 => Value::Float,
            8 | 9 => Value::Int(i64::from(kind == 9)),
            1..=6 => Value::Int(int(bytes)),
            _ if kind % 2 == 0 => Value::Blob(bytes.to_vec()),
            _ => Value::Text(bytes.to_vec()),
        });
    }
    Some(values)
}

/// A number of up to eight bytes, with its sign.
fn int(bytes: &[u8]) -> i64 {
    let negative = bytes.first().is_some_and(|first| first & 0x80 != 0);
    let begin = if negative { -1 } else { 0 };
    bytes.iter().fold(begin, |number, byte| number << 8 | i64::from(*byte))
}
