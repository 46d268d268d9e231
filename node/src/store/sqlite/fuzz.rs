//! A store's file, its log and a row of it, by any bytes. A log is read as it is, and with the sums
//! that it should carry up to a frame that the bytes choose: what is read of that is known.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use super::introducer::{self, BYTES_MAX};
use super::pages::{PAGE_BYTES, Pages, Value};
use super::wal::{Wal, path_of};

/// Frames of a log that is made, and records that are read of a file: more only costs.
const FRAMES_MAX: usize = 64;
const RECORDS_MAX: usize = 64;

/// What a log that was made should be read as.
#[derive(Debug, Default, PartialEq, Eq)]
struct Known {
    pages: BTreeMap<u32, u8>,
    dropped: usize,
}

struct Sums(u32, u32);

impl Sums {
    fn add(&mut self, bytes: &[u8], is_big: bool) {
        let word = |at: usize| {
            let word: [u8; 4] = bytes[at..at + 4].try_into().unwrap();
            if is_big { u32::from_be_bytes(word) } else { u32::from_le_bytes(word) }
        };
        for at in (0..bytes.len() / 8).map(|pair| pair * 8) {
            self.0 = self.0.wrapping_add(word(at)).wrapping_add(self.1);
            self.1 = self.1.wrapping_add(word(at + 4)).wrapping_add(self.0);
        }
    }

    fn bytes(&self) -> [u8; 8] {
        let [a, b] = [self.0, self.1].map(u32::to_be_bytes);
        [a, b].concat().try_into().unwrap()
    }
}

/// A log whose frames are four bytes each of the input: page, size after a commit (0: none), what
/// stands on the page, and whether its sums are broken.
fn made(input: &[u8]) -> (Vec<u8>, Known) {
    let is_big = input.first().is_some_and(|byte| byte & 1 == 1);
    let magic = 0x377f_0682_u32 | u32::from(is_big);
    let words = [magic, 3_007_000, 4_096, 0, 0x1234_5678, 0x9abc_def0].map(u32::to_be_bytes);
    let mut log = words.concat();
    let mut sums = Sums(0, 0);
    sums.add(&log, is_big);
    log.extend(sums.bytes());
    let (mut known, mut pending, mut is_whole) = (Known::default(), BTreeMap::new(), true);
    for frame in input.get(1..).unwrap_or_default().chunks_exact(4).take(FRAMES_MAX) {
        let &[page, size, on_it, broken] = frame else { continue };
        // Large numbers too: what a page is named says nothing of how many there are.
        let large = |number: u8| u32::from(number) << if number & 0x80 == 0 { 0 } else { 24 };
        let (page, size) = (large(page), large(size));
        let head = [page.to_be_bytes(), size.to_be_bytes()].concat();
        let whole = [on_it; PAGE_BYTES];
        sums.add(&head, is_big);
        sums.add(&whole, is_big);
        let mut told = sums.bytes();
        if broken & 0x70 == 0x70 {
            told[usize::from(broken & 7)] ^= 1;
            is_whole = false;
        }
        log.extend([&head[..], &log[16..24], &told, &whole].concat());
        is_whole &= page != 0;
        if is_whole {
            pending.insert(page, on_it);
            if size != 0 {
                known.pages.append(&mut pending);
                known.pages.retain(|page, _| *page <= size);
            }
        } else if page != 0 && size != 0 {
            known.dropped += 1;
        }
    }
    (log, known)
}

pub(crate) fn wal(input: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    fs::write(path_of(&path), input).unwrap();
    let read = Wal::read(&path).unwrap().unwrap();
    let frames = input.len() / PAGE_BYTES;
    assert!(read.dropped() <= frames);
    let (log, known) = made(input);
    fs::write(path_of(&path), log).unwrap();
    let read = Wal::read(&path).unwrap().unwrap();
    assert_eq!(read.dropped(), known.dropped);
    assert_eq!(read.last_page(), known.pages.last_key_value().map_or(0, |(page, _)| *page));
    let named = input.iter().flat_map(|byte| [u32::from(*byte), u32::from(*byte) << 24]);
    for page in named.collect::<BTreeSet<_>>() {
        let on_it = read.page(page).map(|page| page.unwrap());
        let expected = known.pages.get(&page).map(|on_it| vec![*on_it; PAGE_BYTES]);
        assert_eq!(on_it, expected, "page {page}");
    }
}

/// A file with a log beside it: its first two bytes say how much of the rest the log is.
pub(crate) fn pages(input: &[u8]) {
    let Some((length, rest)) = input.split_first_chunk::<2>() else { return };
    let (log, file) = rest.split_at(usize::from(u16::from_be_bytes(*length)).min(rest.len()));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    // As the first page, where a file's header stands before its records; and as a later one.
    for empty in [0, PAGE_BYTES] {
        fs::write(&path, [&vec![0; empty], file].concat()).unwrap();
        fs::write(path_of(&path), made(log).0).unwrap();
        let pages = Pages::open(&path).unwrap();
        let cells = pages.cells().unwrap();
        for cell in cells.iter().take(RECORDS_MAX) {
            let Some(values) = pages.record(cell).unwrap() else { continue };
            let bytes = values.iter().map(|value| match value {
                Value::Blob(bytes) | Value::Text(bytes) => bytes.len(),
                Value::Null | Value::Int(_) | Value::Float => 0,
            });
            assert!(bytes.sum::<usize>() <= 4 << 20);
        }
    }
}

/// The row that says who let this device in: what is read is written as what reads the same.
pub(crate) fn introducer(input: &[u8]) {
    let Some(read) = introducer::read(input) else { return };
    assert!(input.len() <= BYTES_MAX, "what is larger than rows are is none");
    let written = introducer::written(read.as_ref());
    // It may be written longer than it was read: then it is not written at all.
    match written {
        Ok(row) => assert_eq!(introducer::read(&row), Some(read), "it is read as it is written"),
        Err(_) => assert!(input.len() > BYTES_MAX / 2, "a short row has room"),
    }
}
