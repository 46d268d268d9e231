//! Trees of a repository: what they hold, how two differ, one laid over another.
//!
//! What is read of them is read by `listing`, with its bounds.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;
use std::io::Write as _;
use std::path::Path;

use super::fault::GitFault;
use super::glob::Globs;
use super::listing::{self, ChangedFile, Entries, Entry, MODE_LINK, check_path};
use super::oid::Oid;
use super::process::Place;
use super::scratch::Scratch;

/// All that `tree` (or a commit's tree) holds.
pub(super) fn entries(place: &Place, tree: &Oid) -> Result<Entries, GitFault> {
    let args = ["ls-tree", "-r", "-z", "-l", "--full-tree", tree.as_str()];
    let said = place.git(args).said()?;
    if said.status != 0 {
        return Err(GitFault::Incomplete { id: tree.clone() });
    }
    listing::entries(&said.output)
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
    listing::targets(&output, links)
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
