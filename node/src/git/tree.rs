//! Trees of a repository: what they hold, how two differ, one laid over another.
//!
//! Every tree that is read comes with bounds on its files and on what they inflate to, and each of
//! its paths is one that can be written to a disk below a folder, and nowhere else.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;
use std::io::Write as _;
use std::path::Path;

use super::fault::{GitFault, printable};
use super::glob::Globs;
use super::oid::Oid;
use super::process::Place;
use super::scratch::Scratch;
use super::{FILE_BYTES_MAX, FILES_MAX, LINK_BYTES_MAX, PATH_BYTES_MAX, TREE_BYTES_MAX};

/// The mode of a symbolic link.
pub const MODE_LINK: u32 = 0o120_000;
/// The mode of a file.
pub const MODE_FILE: u32 = 0o100_644;
/// The mode of a program.
pub const MODE_PROGRAM: u32 = 0o100_755;
const MODE_SUBMODULE: u32 = 0o160_000;

/// A file or a link in a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// [`MODE_FILE`], [`MODE_PROGRAM`] or [`MODE_LINK`].
    pub mode: u32,
    /// Its content.
    pub oid: Oid,
    /// Bytes of its content.
    pub size: u64,
    /// Where a link leads; set by `changes` alone.
    pub link_target: Option<Vec<u8>>,
}

/// A path at which two trees differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedFile {
    /// The path, from the root, components separated by `/`.
    pub path: Vec<u8>,
    /// What was there.
    pub old: Option<Entry>,
    /// What is there.
    pub new: Option<Entry>,
}

/// Files and links by path.
pub(super) type Entries = BTreeMap<Vec<u8>, Entry>;

/// All that `tree` (or a commit's tree) holds.
pub(super) fn entries(place: &Place, tree: &Oid) -> Result<Entries, GitFault> {
    let args = ["ls-tree", "-r", "-z", "-l", "--full-tree", tree.as_str()];
    let said = place.git(args).said()?;
    if said.status != 0 {
        return Err(GitFault::Incomplete { id: tree.clone() });
    }
    let mut entries = Entries::new();
    let mut total = 0_u64;
    for line in said.output.split(|byte| *byte == 0).filter(|line| !line.is_empty()) {
        let (path, entry) = entry(line)?;
        check_path(&path)?;
        total = total.saturating_add(entry.size);
        check_size(&path, &entry, total)?;
        entries.insert(path, entry);
        if entries.len() > FILES_MAX {
            let what = "files in the tree".to_owned();
            return Err(GitFault::TooLarge { what, max: FILES_MAX as u64 });
        }
    }
    Ok(entries)
}

/// `<mode> SP <type> SP <id> SP+ <size> TAB <path>`, git-ls-tree(1).
fn entry(line: &[u8]) -> Result<(Vec<u8>, Entry), GitFault> {
    let unread = || GitFault::BadTree { path: printable(line), why: "it cannot be read" };
    let tab = line.iter().position(|byte| *byte == b'\t').ok_or_else(unread)?;
    let (head, path) = line.split_at_checked(tab).ok_or_else(unread)?;
    let path = path.get(1..).unwrap_or_default().to_vec();
    let head = str::from_utf8(head).map_err(|_| unread())?;
    let mut fields = head.split_ascii_whitespace();
    let mode = fields.next().and_then(|mode| u32::from_str_radix(mode, 8).ok());
    let mode = match (mode, fields.next()) {
        (Some(MODE_SUBMODULE), _) => {
            return Err(GitFault::Submodules { path: printable(&path) });
        }
        // 100664 is what git wrote before 2005, and reads as 100644.
        (Some(0o100_664), Some("blob")) => MODE_FILE,
        (Some(mode @ (MODE_FILE | MODE_PROGRAM | MODE_LINK)), Some("blob")) => mode,
        _ => {
            let why = "it is neither a file nor a link";
            return Err(GitFault::BadTree { path: printable(&path), why });
        }
    };
    let oid = Oid::parse(fields.next().unwrap_or_default())?;
    let size = fields.next().and_then(|size| size.parse().ok()).ok_or_else(unread)?;
    Ok((path, Entry { mode, oid, size, link_target: None }))
}

fn check_size(path: &[u8], entry: &Entry, total: u64) -> Result<(), GitFault> {
    if entry.mode == MODE_LINK && entry.size > LINK_BYTES_MAX {
        let why = "it is a link to a path longer than any";
        return Err(GitFault::BadTree { path: printable(path), why });
    }
    if entry.size > FILE_BYTES_MAX {
        let what = format!("bytes of the file {:?}", printable(path));
        return Err(GitFault::TooLarge { what, max: FILE_BYTES_MAX });
    }
    if total > TREE_BYTES_MAX {
        let what = "bytes of all files".to_owned();
        return Err(GitFault::TooLarge { what, max: TREE_BYTES_MAX });
    }
    Ok(())
}

/// A path stays below its folder and touches no repository, on any filesystem.
pub(super) fn check_path(path: &[u8]) -> Result<(), GitFault> {
    let bad = |why| Err(GitFault::BadTree { path: printable(path), why });
    if path.len() > PATH_BYTES_MAX {
        return bad("its path is too long");
    }
    for name in path.split(|byte| *byte == b'/') {
        match name {
            b"" => return bad("it has an empty component"),
            b"." | b".." => return bad("it leads out of its folder"),
            _ if name.contains(&0) => return bad("it holds a NUL"),
            _ if is_git_folder(name) => return bad("it is the name of a repository's own folder"),
            _ => {}
        }
    }
    Ok(())
}

/// Whether a filesystem may take `name` for `.git`: any case; NTFS drops dots and spaces at the
/// end and what follows a colon, and knows the short name `git~1`; HFS+ drops some characters
/// (git's path.c and utf8.c, CVE-2014-9390).
fn is_git_folder(name: &[u8]) -> bool {
    let visible: String = String::from_utf8_lossy(name)
        .chars()
        .filter(|c| {
            let dropped = matches!(c, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
                | '\u{206a}'..='\u{206f}' | '\u{feff}');
            !dropped
        })
        .collect();
    let short = visible.split([':', '\\']).next().unwrap_or_default().trim_end_matches(['.', ' ']);
    [".git", "git~1"].iter().any(|own| short.eq_ignore_ascii_case(own))
}

/// Writes the tree of `entries`, whose objects are there.
pub(super) fn write(place: &Place, scratch: &Scratch, entries: &Entries) -> Result<Oid, GitFault> {
    let mut list = Vec::new();
    for (path, entry) in entries {
        check_path(path)?;
        write!(list, "{:06o} {}\t", entry.mode, entry.oid).ok();
        list.extend_from_slice(path);
        list.push(0);
    }
    let list = scratch.file("index-info", &list)?;
    let place = place.clone().with("GIT_INDEX_FILE", scratch.path("index"));
    place.git(["update-index", "-z", "--index-info"]).input(&list).run()?;
    Oid::parse(&place.git(["write-tree"]).line()?)
}

/// The paths at which `from` and `to` differ, in the order of their bytes.
pub(super) fn changes(
    place: &Place,
    scratch: &Scratch,
    from: &Oid,
    to: &Oid,
) -> Result<Vec<ChangedFile>, GitFault> {
    let mut old = entries(place, from)?;
    let mut changed = BTreeMap::new();
    for (path, new) in entries(place, to)? {
        let old = old.remove(&path);
        if old.as_ref() != Some(&new) {
            changed.insert(path, (old, Some(new)));
        }
    }
    changed.extend(old.into_iter().map(|(path, old)| (path, (Some(old), None))));
    let mut changed: Vec<_> =
        changed.into_iter().map(|(path, (old, new))| ChangedFile { path, old, new }).collect();
    read_links(place, scratch, &mut changed)?;
    Ok(changed)
}

fn read_links(
    place: &Place,
    scratch: &Scratch,
    changed: &mut [ChangedFile],
) -> Result<(), GitFault> {
    let sides = changed.iter_mut().flat_map(|file| [&mut file.old, &mut file.new]);
    let links: Vec<&mut Entry> = sides.flatten().filter(|entry| entry.mode == MODE_LINK).collect();
    if links.is_empty() {
        return Ok(());
    }
    let ids: String = links.iter().map(|entry| format!("{}\n", entry.oid)).collect();
    let ids = scratch.file("links", ids.as_bytes())?;
    let output = place.git(["cat-file", "--batch"]).input(&ids).run()?;
    let mut rest = output.as_slice();
    for link in links {
        // "<id> SP blob SP <size> LF <content> LF", git-cat-file(1).
        let head = format!("{} blob {}\n", link.oid, link.size);
        let size = usize::try_from(link.size).unwrap_or(usize::MAX);
        let parts = rest.strip_prefix(head.as_bytes()).and_then(|rest| rest.split_at_checked(size));
        let Some((target, after)) = parts else {
            return Err(GitFault::Incomplete { id: link.oid.clone() });
        };
        link.link_target = Some(target.to_vec());
        rest = after.strip_prefix(b"\n").unwrap_or(after);
    }
    Ok(())
}

/// `onto`, in which the paths that `globs` match are those of `from`, as they are there.
///
/// Where one tree has a file and the other a folder of the same name, what comes from `from` stays.
pub(super) fn lay_over(
    place: &Place,
    scratch: &Scratch,
    onto: &Oid,
    from: &Oid,
    globs: &Globs,
) -> Result<Oid, GitFault> {
    let mut kept = entries(place, onto)?;
    kept.retain(|path, _| !globs.matches(path));
    let mut laid = entries(place, from)?;
    laid.retain(|path, _| globs.matches(path));
    for (path, entry) in kept {
        let below = [&path[..], b"/"].concat();
        let next = laid.range(below.clone()..).next();
        let is_folder = next.is_some_and(|(path, _)| path.starts_with(&below));
        let is_below = parents(&path).any(|parent| laid.contains_key(parent));
        if !is_folder
            && !is_below
            && let Slot::Vacant(slot) = laid.entry(path)
        {
            slot.insert(entry);
        }
    }
    write(place, scratch, &laid)
}

/// The folders above `path`, the nearest last.
pub(super) fn parents(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    slashes.filter_map(|(at, _)| path.get(..at))
}

/// Everything that `tip` needs is there; what `not` needs is taken for granted.
pub(super) fn check_complete(place: &Place, tip: &Oid, not: Option<&Oid>) -> Result<(), GitFault> {
    let incomplete = || GitFault::Incomplete { id: tip.clone() };
    let commit = format!("{tip}^{{commit}}");
    let said =
        place.git(["rev-parse", "--verify", "--quiet", "--end-of-options", &commit]).said()?;
    if said.status != 0 || said.output.trim_ascii_end() != tip.as_str().as_bytes() {
        return Err(incomplete());
    }
    let mut args = vec!["rev-list".to_owned(), "--objects".to_owned(), "--quiet".to_owned()];
    args.push(tip.to_string());
    args.extend(not.map(|not| format!("^{not}")));
    if place.git(&args).said()?.status != 0 {
        return Err(incomplete());
    }
    entries(place, tip).map(drop)
}

/// The tree of `commit`.
pub(super) fn of_commit(place: &Place, commit: &Oid) -> Result<Oid, GitFault> {
    let tree = format!("{commit}^{{tree}}");
    let said = place.git(["rev-parse", "--verify", "--quiet", "--end-of-options", &tree]).said()?;
    if said.status != 0 {
        return Err(GitFault::Incomplete { id: commit.clone() });
    }
    Oid::parse(String::from_utf8_lossy(said.output.trim_ascii_end()).as_ref())
}

/// Whether the file at `path` is there, as what it is itself.
pub(super) fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}
