//! A disk that fails: `shim.c` between a process and the kernel, and the power cut, which puts back
//! what was not synced.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Seek as _, SeekFrom};
use std::ops::RangeInclusive;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::kern::Home;

/// Calls that can fail, as the shim has them.
pub(crate) const WRITE: u64 = 1;
pub(crate) const SYNC: u64 = 2;
pub(crate) const TRUNCATE: u64 = 4;
pub(crate) const LOCK: u64 = 8;
pub(crate) const MAP: u64 = 16;
pub(crate) const NAME: u64 = 32;
/// Syncs of folders alone.
pub(crate) const FOLDER: u64 = 64;

/// What is put back at once on a disk that loses power.
const SECTOR: u64 = 512;

/// What a call that fails does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// It gives this error.
    Error(i32),
    /// It writes half of what it was given; those behind it give this error.
    Half(i32),
    /// It does nothing any more, and neither does its process.
    Kill,
}

/// The places of the control file's numbers.
const CALLS: u64 = 0;
const FIRST: u64 = 8;
const LAST: u64 = 16;
const FIRED: u64 = 48;

/// A folder's disk.
pub(crate) struct Disk {
    folder: TempDir,
    below: PathBuf,
}

impl Disk {
    /// A home on a disk of its own, which does not fail yet.
    pub(crate) fn with_home() -> (Self, Home) {
        let folder = tempfile::Builder::new().prefix("disk").tempdir().unwrap();
        let variables = vec![("LD_PRELOAD", shim(folder.path())), ("FAULTS", control(&folder))];
        let home = Home::told(variables);
        let below = fs::canonicalize(home.file(".")).unwrap().join("home");
        fs::write(control(&folder), vec![0; 4_096 + 64]).unwrap();
        (Self { folder, below }, home)
    }

    fn word(&self, at: u64) -> u64 {
        let mut word = [0; 8];
        fs::File::open(control(&self.folder)).unwrap().read_exact_at(&mut word, at).unwrap();
        u64::from_le_bytes(word)
    }

    fn set(&self, at: u64, words: &[u64]) {
        let bytes: Vec<_> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let file = fs::OpenOptions::new().write(true).open(control(&self.folder)).unwrap();
        file.write_all_at(&bytes, at).unwrap();
    }

    /// From now on these calls of these classes fail so; the first one is 1.
    pub(crate) fn fails(&self, classes: u64, calls: RangeInclusive<u64>, action: Action) {
        let (code, error) = match action {
            Action::Error(error) => (1, error),
            Action::Half(error) => (2, error),
            Action::Kill => (3, 0),
        };
        let file = fs::OpenOptions::new().write(true).open(control(&self.folder)).unwrap();
        file.write_all_at(self.below.to_str().unwrap().as_bytes(), 64).unwrap();
        let (first, last) = calls.into_inner();
        self.set(CALLS, &[0, first, last, classes, code, u64::try_from(error).unwrap(), 0, 1]);
    }

    /// It works again.
    pub(crate) fn works(&self) {
        self.set(FIRST, &[u64::MAX]);
        self.set(LAST, &[0]);
    }

    /// How many calls there were of what was chosen.
    pub(crate) fn calls(&self) -> u64 {
        self.word(CALLS)
    }

    /// How many calls failed.
    pub(crate) fn fired(&self) -> u64 {
        self.word(FIRED)
    }

    /// The power is gone, when no process is left: of what was written and not synced each sector
    /// is lost with this chance in a hundred, and the newest names as far as chance will.
    pub(crate) fn loses_power(&self, lost: u64, seed: u64) {
        let path = control(&self.folder).with_extension("log");
        let log = fs::read(&path).unwrap();
        fs::write(&path, b"").unwrap();
        let mut dice = Dice(seed);
        let (bytes, names) = unsynced(&mut &log[..]);
        let files = files(&self.below);
        for record in bytes.iter().rev() {
            if let Some(path) = files.get(&record.inode) {
                record.undo(path, lost, &mut dice);
            }
        }
        for name in names.iter().rev().take_while(|_| dice.loses(lost)) {
            name.undo_name();
        }
    }
}

fn control(folder: &TempDir) -> PathBuf {
    folder.path().join("control")
}

/// The shim, built by `cc`.
fn shim(folder: &Path) -> PathBuf {
    let (source, shim) = (folder.join("shim.c"), folder.join("shim.so"));
    fs::write(&source, include_str!("shim.c")).unwrap();
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"]).arg(&shim).arg(&source);
    let built = cc.arg("-ldl").output().expect("this test needs cc: apt-get install gcc libc6-dev");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    shim
}

/// Every file below, by inode.
fn files(folder: &Path) -> BTreeMap<u64, PathBuf> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                files.insert(entry.metadata().unwrap().ino(), entry.path());
            }
        }
    }
    files
}

/// splitmix64.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn loses(&mut self, hundredth: u64) -> bool {
        self.throw() % 100 < hundredth
    }
}

/// What the shim noted.
struct Record {
    what: char,
    inode: u64,
    offset: u64,
    /// Of a write: the file's size before.
    size: u64,
    /// Of a write: how long it was.
    len: u64,
    name: String,
    bytes: Vec<u8>,
}

impl Record {
    fn read(log: &mut impl std::io::Read) -> Option<Self> {
        let mut head = [0; 40];
        log.read_exact(&mut head).ok()?;
        let word = |at: usize| u64::from_le_bytes(head[at..at + 8].try_into().unwrap());
        let name_len = word(0) >> 32;
        let what = char::from(head[0]);
        let mut name = vec![0; usize::try_from(name_len).unwrap()];
        let mut bytes = vec![0; usize::try_from(word(32)).unwrap()];
        log.read_exact(&mut name).ok()?;
        log.read_exact(&mut bytes).ok()?;
        let name = String::from_utf8(name).unwrap();
        Some(Self { what, inode: word(8), offset: word(16), size: word(24), len: 0, name, bytes })
    }

    /// The folder in which a name changed.
    fn folder(&self) -> &str {
        let path = self.name.rsplit('\n').next().unwrap();
        path.rsplit_once('/').map_or("", |(folder, _)| folder)
    }

    /// Puts back the bytes before, as far as chance will.
    fn undo(&self, path: &Path, lost: u64, dice: &mut Dice) {
        let mut file = fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
        if self.what == 'T' {
            if dice.loses(lost) {
                file.write_all_at(&self.bytes, self.offset).unwrap();
            }
            return;
        }
        let end = self.offset + self.len;
        let (mut at, mut keeps_growth) = (self.offset, false);
        while at < end {
            let next = ((at / SECTOR + 1) * SECTOR).min(end);
            if dice.loses(lost) {
                let old = usize::try_from(at - self.offset).unwrap().min(self.bytes.len());
                let to = usize::try_from(next - self.offset).unwrap().min(self.bytes.len());
                let mut sector = self.bytes[old..to].to_vec();
                sector.resize(usize::try_from(next - at).unwrap(), 0);
                file.write_all_at(&sector, at).unwrap();
            } else {
                keeps_growth |= next > self.size;
            }
            at = next;
        }
        let size = file.seek(SeekFrom::End(0)).unwrap();
        if !keeps_growth && end > self.size && size == end {
            file.set_len(self.size).unwrap();
        }
    }

    /// Takes back a name that was made, changed or removed.
    fn undo_name(&self) {
        match self.what {
            'C' => drop(fs::remove_file(self.name.trim_start_matches('\n'))),
            // Its folder may be gone too.
            'U' => drop(fs::write(&self.name, &self.bytes)),
            _ => {
                let (from, to) = self.name.split_once('\n').unwrap();
                fs::rename(to, from).unwrap();
                if self.size != 0 {
                    fs::write(to, &self.bytes).unwrap();
                }
            }
        }
    }
}

/// What was noted in folders that have other names for good.
fn moved(synced: &[Record], names: &mut [Record]) {
    for (from, to) in synced.iter().filter_map(|record| record.name.split_once('\n')) {
        for name in names.iter_mut().filter(|_| !from.is_empty()) {
            name.name = name.name.replace(&format!("{from}/"), &format!("{to}/"));
        }
    }
}

/// What no sync followed: bytes, and names. An error of a sync is none.
fn unsynced(mut log: &mut impl std::io::Read) -> (Vec<Record>, Vec<Record>) {
    let (mut bytes, mut names): (Vec<Record>, Vec<Record>) = Default::default();
    let mut replaced = None;
    while let Some(mut record) = Record::read(&mut log) {
        match record.what {
            'W' | 'T' => bytes.push(record),
            'L' => bytes.last_mut().unwrap().len = record.size,
            'S' => bytes.retain(|other| other.inode != record.inode),
            'D' => {
                let (synced, left) =
                    names.into_iter().partition(|x: &Record| x.folder() == record.name);
                names = left;
                moved(&synced, &mut names);
            }
            'O' => {
                bytes.retain(|other| other.inode != record.inode);
                replaced = Some(record.bytes);
            }
            what => {
                // A file that is gone leaves its number to another.
                bytes.retain(|other| what != 'U' || other.inode != record.inode);
                if let Some(before) = replaced.take().filter(|_| what == 'R') {
                    (record.bytes, record.size) = (before, 1);
                }
                names.push(record);
            }
        }
    }
    (bytes, names)
}
