//! What git says of trees, links and commits, read.
//!
//! Whoever wrote the repository chose most of these bytes. Every tree that is read comes with
//! bounds on its files and on what they inflate to, and each of its paths is one that can be
//! written to a disk below a folder, and nowhere else.

use std::collections::BTreeMap;

use super::fault::{GitFault, printable};
use super::limits::{FILE_BYTES_MAX, FILES_MAX, LINK_BYTES_MAX, PATH_BYTES_MAX, TREE_BYTES_MAX};
use super::oid::Oid;

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

/// All files and links that `git ls-tree -r -z -l` lists.
pub(super) fn entries(listed: &[u8]) -> Result<Entries, GitFault> {
    let mut entries = Entries::new();
    let mut total = 0_u64;
    for line in listed.split(|byte| *byte == 0).filter(|line| !line.is_empty()) {
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

/// Takes the targets of these links out of what `git cat-file --batch` says of them:
/// `<id> SP blob SP <size> LF <content> LF` each, git-cat-file(1).
pub(super) fn targets(said: &[u8], links: Vec<&mut Entry>) -> Result<(), GitFault> {
    let mut rest = said;
    for link in links {
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

/// Seconds since 1970 at which a commit was committed, by its own bytes.
pub(super) fn date(commit: &[u8]) -> Option<u64> {
    let headers = commit.split(|byte| *byte == b'\n').take_while(|line| !line.is_empty());
    headers
        .filter_map(|line| line.strip_prefix(b"committer "))
        .filter_map(|person| person.split(|byte| *byte == b' ').rev().nth(1))
        .find_map(|date| str::from_utf8(date).ok()?.parse().ok())
}
