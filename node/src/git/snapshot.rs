//! What an agent left in a worktree, as a tree.
//!
//! The folder is walked by ourselves. No link is followed, pipes, sockets and devices are skipped,
//! and `.git` is never entered, at whatever depth: a repository that the agent made inside is taken
//! as plain files. (Its history is no part of the change and could not be stored in a tree;
//! refusing it would throw away a run over an `init` that a tool did by itself; a submodule would
//! name a commit that nobody else has.) Git says what is ignored, names the content without
//! converting it, and writes the tree. At the end everything that was seen must be as it was.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use super::fault::{GitFault, printable};
use super::listing::{Entries, Entry, MODE_FILE, MODE_LINK, MODE_PROGRAM, check_path};
use super::oid::Oid;
use super::process::Place;
use super::scratch::Scratch;
use super::tree;
use super::{FILE_BYTES_MAX, FILES_MAX, LINK_BYTES_MAX, TREE_BYTES_MAX};

/// Folders below folders: deeper is no project, and each level costs one call of git.
const DEPTH_MAX: usize = 100;
/// Names that are looked at, ignored ones included: bounds what a flood of files costs.
const NAMES_MAX: usize = 4 * FILES_MAX;
/// Bytes of a `.gitignore`: git reads it whole and tries each line on each path.
const IGNORE_BYTES_MAX: u64 = 256 * 1024;

/// What says whether a file or a folder is still as it was.
type Stamp = (u64, u64, u32, u64, i64, i64, i64, i64);

struct Walk<'a> {
    place: Place,
    scratch: &'a Scratch,
    root: PathBuf,
    tracked: Entries,
    found: BTreeMap<Vec<u8>, Metadata>,
    seen: BTreeMap<Vec<u8>, Stamp>,
    names: usize,
    bytes: u64,
}

/// The tree of `dir`, which was checked out at `base`.
pub(super) fn take(
    place: &Place,
    scratch: &Scratch,
    dir: &Path,
    base: &Oid,
) -> Result<Oid, GitFault> {
    let root = dir.canonicalize().map_err(|error| GitFault::io(dir, &error))?;
    let tracked = tree::entries(place, base)?;
    let mut inside = place.clone().with("GIT_WORK_TREE", &root);
    inside.folder.clone_from(&root);
    let mut walk = Walk {
        place: inside,
        scratch,
        root,
        tracked,
        found: BTreeMap::new(),
        seen: BTreeMap::new(),
        names: 0,
        bytes: 0,
    };
    walk.untracked()?;
    walk.tracked_below_ignored()?;
    let entries = walk.hash()?;
    walk.check_unchanged()?;
    tree::write(place, scratch, &entries)
}

impl Walk<'_> {
    fn absolute(&self, path: &[u8]) -> PathBuf {
        self.root.join(OsStr::from_bytes(path))
    }

    /// One level of folders after the other, so that git is asked once for each level.
    fn untracked(&mut self) -> Result<(), GitFault> {
        let mut level = vec![Vec::new()];
        for _ in 0..DEPTH_MAX {
            let mut candidates = BTreeMap::new();
            for folder in &level {
                self.list(folder, &mut candidates)?;
            }
            let ignored = self.ignored(&candidates)?;
            level.clear();
            for (path, metadata) in candidates {
                let is_ignored = ignored.contains(&path);
                if metadata.is_dir() && !is_ignored {
                    level.push(path);
                } else if !metadata.is_dir() && (!is_ignored || self.tracked.contains_key(&path)) {
                    self.find(path, metadata)?;
                }
            }
            if level.is_empty() {
                return Ok(());
            }
        }
        let what = "folders below folders in the worktree".to_owned();
        Err(GitFault::TooLarge { what, max: DEPTH_MAX as u64 })
    }

    /// The files, links and folders in `folder`.
    fn list(
        &mut self,
        folder: &[u8],
        candidates: &mut BTreeMap<Vec<u8>, Metadata>,
    ) -> Result<(), GitFault> {
        let unreadable = |path: &[u8]| GitFault::Unreadable { path: printable(path) };
        let absolute = self.absolute(folder);
        let metadata = absolute.symlink_metadata().map_err(|_| unreadable(folder))?;
        self.seen.insert(folder.to_vec(), stamp(&metadata));
        for entry in fs::read_dir(&absolute).map_err(|_| unreadable(folder))? {
            let entry = entry.map_err(|_| unreadable(folder))?;
            let name = entry.file_name();
            self.names += 1;
            if self.names > NAMES_MAX {
                let what = "names in the worktree".to_owned();
                return Err(GitFault::TooLarge { what, max: NAMES_MAX as u64 });
            }
            if name == ".git" {
                continue;
            }
            let mut path = folder.to_vec();
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(name.as_bytes());
            let metadata = entry.metadata().map_err(|_| unreadable(&path))?;
            if name == ".gitignore" {
                check_ignore_file(&path, &metadata)?;
            }
            let kind = metadata.file_type();
            let special = kind.is_fifo()
                || kind.is_socket()
                || kind.is_block_device()
                || kind.is_char_device();
            if !special {
                check_path(&path)?;
                candidates.insert(path, metadata);
            }
        }
        Ok(())
    }

    /// Which of `candidates` the worktree's `.gitignore` files name.
    fn ignored(
        &self,
        candidates: &BTreeMap<Vec<u8>, Metadata>,
    ) -> Result<BTreeSet<Vec<u8>>, GitFault> {
        if candidates.is_empty() {
            return Ok(BTreeSet::new());
        }
        // A path that starts with a colon would be more than a path: gitglossary(7), pathspec.
        let mut list = Vec::new();
        for path in candidates.keys() {
            list.extend(b"./");
            list.extend(path);
            list.push(0);
        }
        let list = self.scratch.file("candidates", &list)?;
        let git = self.place.git(["check-ignore", "-z", "--stdin", "--no-index"]).input(&list);
        let said = git.said()?;
        if said.status > 1 || said.status < 0 {
            return Err(git.failed(&said));
        }
        let names = said.output.split(|byte| *byte == 0);
        Ok(names.filter_map(|name| name.strip_prefix(b"./")).map(<[u8]>::to_vec).collect())
    }

    /// Files that the base has, in folders that are ignored.
    fn tracked_below_ignored(&mut self) -> Result<(), GitFault> {
        let missed: Vec<_> =
            self.tracked.keys().filter(|path| !self.found.contains_key(*path)).cloned().collect();
        for path in missed {
            let mut real = true;
            for parent in tree::parents(&path) {
                let metadata = self.absolute(parent).symlink_metadata();
                real = real && metadata.is_ok_and(|metadata| metadata.is_dir());
            }
            let metadata = self.absolute(&path).symlink_metadata();
            if let (true, Ok(metadata)) = (real, metadata)
                && (metadata.is_file() || metadata.is_symlink())
            {
                self.find(path, metadata)?;
            }
        }
        Ok(())
    }

    fn find(&mut self, path: Vec<u8>, metadata: Metadata) -> Result<(), GitFault> {
        let size = metadata.len();
        if metadata.is_file() && size > FILE_BYTES_MAX {
            let what = format!("bytes of the file {:?}", printable(&path));
            return Err(GitFault::TooLarge { what, max: FILE_BYTES_MAX });
        }
        self.bytes = self.bytes.saturating_add(size);
        if self.bytes > TREE_BYTES_MAX {
            let what = "bytes of all files".to_owned();
            return Err(GitFault::TooLarge { what, max: TREE_BYTES_MAX });
        }
        if self.found.len() >= FILES_MAX {
            let what = "files in the tree".to_owned();
            return Err(GitFault::TooLarge { what, max: FILES_MAX as u64 });
        }
        self.seen.insert(path.clone(), stamp(&metadata));
        self.found.insert(path, metadata);
        Ok(())
    }

    /// Puts the content of everything found into the repository.
    fn hash(&self) -> Result<Entries, GitFault> {
        let mut list = Vec::new();
        for (count, (path, metadata)) in self.found.iter().enumerate() {
            list.push(b'"');
            if metadata.is_symlink() {
                let target = self.link(path, count)?;
                list.extend(super::quoted(target.as_os_str().as_bytes()));
            } else {
                list.extend(super::quoted(path));
            }
            list.extend(b"\"\n");
        }
        let list = self.scratch.file("found", &list)?;
        let git = self.place.git(["hash-object", "-w", "--no-filters", "--stdin-paths"]);
        let git = git.input(&list);
        let said = git.said()?;
        if said.status != 0 {
            // "could not open '<path>' for reading: ..."
            return Err(match said.words.split('\'').nth(1) {
                Some(path) => GitFault::Unreadable { path: path.to_owned() },
                None => git.failed(&said),
            });
        }
        let output = said.output;
        let mut ids = output.split(|byte| *byte == b'\n');
        let mut entries = Entries::new();
        for (path, metadata) in &self.found {
            let id = str::from_utf8(ids.next().unwrap_or_default()).unwrap_or_default();
            let mode = match metadata.mode() {
                _ if metadata.is_symlink() => MODE_LINK,
                mode if mode & 0o100 != 0 => MODE_PROGRAM,
                _ => MODE_FILE,
            };
            let oid = Oid::parse(id)?;
            let entry = Entry { mode, oid, size: metadata.len(), link_target: None };
            entries.insert(path.clone(), entry);
        }
        Ok(entries)
    }

    /// A file that holds where the link at `path` leads.
    fn link(&self, path: &[u8], count: usize) -> Result<PathBuf, GitFault> {
        let unreadable = |_| GitFault::Unreadable { path: printable(path) };
        let target = fs::read_link(self.absolute(path)).map_err(unreadable)?;
        if target.as_os_str().len() as u64 > LINK_BYTES_MAX {
            let why = "it is a link to a path longer than any";
            return Err(GitFault::BadTree { path: printable(path), why });
        }
        self.scratch.file(&format!("link-{count}"), target.as_os_str().as_bytes())
    }

    fn check_unchanged(&self) -> Result<(), GitFault> {
        for (path, before) in &self.seen {
            let now = self.absolute(path).symlink_metadata();
            if now.ok().map(|metadata| stamp(&metadata)).as_ref() != Some(before) {
                return Err(GitFault::Changing { path: printable(path) });
            }
        }
        Ok(())
    }
}

fn check_ignore_file(path: &[u8], metadata: &Metadata) -> Result<(), GitFault> {
    if metadata.is_file() && metadata.len() > IGNORE_BYTES_MAX {
        let what = format!("bytes of {:?}", printable(path));
        return Err(GitFault::TooLarge { what, max: IGNORE_BYTES_MAX });
    }
    // Git would open a pipe and wait. It does not follow a link.
    if metadata.is_file() || metadata.is_dir() || metadata.is_symlink() {
        return Ok(());
    }
    Err(GitFault::SpecialFile { path: printable(path) })
}

fn stamp(metadata: &Metadata) -> Stamp {
    (
        metadata.dev(),
        metadata.ino(),
        metadata.mode(),
        metadata.len(),
        metadata.mtime(),
        metadata.mtime_nsec(),
        metadata.ctime(),
        metadata.ctime_nsec(),
    )
}
