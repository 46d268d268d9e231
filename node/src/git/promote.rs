//! The end of a mission: the person's branch moves, and work trees on it follow.
//!
//! The order, after `receive.denyCurrentBranch=updateInstead` (git-config(1)), with one lock more:
//! 1. the objects are checked in a quarantine and moved in; nothing names them yet;
//! 2. the branch's lock is taken, and the branch is at OLD;
//! 3. each work tree on it is clean, or already at NEW (we died in step 5); else all stays as it
//!    is;
//! 4. no file that git does not know, ignored ones included, lies where NEW has files;
//! 5. each work tree goes to NEW by a two-way merge, which checks 3 and 4 once more, file by file;
//! 6. the branch moves to NEW and the lock is given back.
//!
//! So a person finds either all of it or nothing, and whatever no commit holds stays. A crash
//! before 6 leaves the branch at OLD, and the next call goes on from there.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::fault::GitFault;
use super::listing::Entries;
use super::oid::Oid;
use super::process::Place;
use super::source::{self, Person};
use super::transaction::Transaction;
use super::tree;
use super::{FILES_MAX, incoming};

/// What became of the branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Promoted {
    /// It is at the new commit.
    Done {
        /// The work trees that followed.
        followed: Vec<PathBuf>,
    },
    /// It was there already; nothing was touched.
    Already,
    /// It is elsewhere; nothing was touched.
    Moved {
        /// Where.
        now: Oid,
    },
}

enum WorkTree {
    AtOld,
    AtNew,
    Dirty,
}

struct Change<'a> {
    old: &'a Oid,
    new: &'a Oid,
    before: Entries,
    added: Vec<Vec<u8>>,
}

/// Moves `branch` of the repository at `root` from `old` to `new`, which `pack` holds.
///
/// Faults leave the branch and its work trees as they are; calling it again is always right.
pub fn promote(
    root: &Path,
    branch: &str,
    old: &Oid,
    new: &Oid,
    pack: &[u8],
) -> Result<Promoted, GitFault> {
    let person = source::find(root)?;
    if old.format() != person.format || new.format() != person.format {
        return Err(GitFault::OtherFormat);
    }
    source::check_branch(&person.place, branch)?;
    if let Some(elsewhere) = elsewhere(&person.place, branch, old, new)? {
        return Ok(elsewhere);
    }
    receive(&person, old, new, pack)?;
    let change = Change::between(&person.place, old, new)?;
    let Some(transaction) = Transaction::prepare(&person.place, branch, old, new)? else {
        return elsewhere(&person.place, branch, old, new)?.ok_or_else(|| GitFault::Locked {
            why: format!("refs/heads/{branch} could not be locked"),
        });
    };
    let checkouts = source::checkouts(&person.place, branch)?;
    let followed = follow_all(&checkouts, &change)?;
    if !transaction.commit() && source::tip(&person.place, branch)?.as_ref() != Some(new) {
        for place in &followed {
            switch(place, new, old).ok();
        }
        let why = "the branch could not be moved".to_owned();
        return Err(GitFault::Failed { command: "update-ref".to_owned(), why });
    }
    let late = late(&person.place, branch, &checkouts, &change);
    let followed = followed.into_iter().chain(late).map(|place| place.folder).collect();
    Ok(Promoted::Done { followed })
}

/// What to answer where the branch is not at `old`.
fn elsewhere(
    place: &Place,
    branch: &str,
    old: &Oid,
    new: &Oid,
) -> Result<Option<Promoted>, GitFault> {
    match source::tip(place, branch)? {
        None => Err(GitFault::BranchAbsent { branch: branch.to_owned() }),
        Some(now) if now == *new => Ok(Some(Promoted::Already)),
        Some(now) if now == *old => Ok(None),
        // We died after the move, and somebody went on from there.
        Some(now) if is_within(place, new, &now) => Ok(Some(Promoted::Already)),
        Some(now) => Ok(Some(Promoted::Moved { now })),
    }
}

/// Whether `commit` is here and `now` descends from it.
fn is_within(place: &Place, commit: &Oid, now: &Oid) -> bool {
    place
        .git(["merge-base", "--is-ancestor", commit.as_str(), now.as_str()])
        .holds()
        .unwrap_or(false)
}

/// Step 1.
fn receive(person: &Person, old: &Oid, new: &Oid, pack: &[u8]) -> Result<(), GitFault> {
    let check = |place: &Place| {
        tree::check_complete(place, new, Some(old))?;
        let descends = place.git(["merge-base", "--is-ancestor", old.as_str(), new.as_str()]);
        if descends.holds()? {
            return Ok(());
        }
        Err(GitFault::NotDescendant { old: old.clone(), new: new.clone() })
    };
    match check(&person.place) {
        Err(GitFault::Incomplete { .. }) => {
            incoming::receive(&person.place, &person.git_dir.join("objects"), pack, check)
        }
        result => result,
    }
}

impl<'a> Change<'a> {
    fn between(place: &Place, old: &'a Oid, new: &'a Oid) -> Result<Self, GitFault> {
        let before = tree::entries(place, old)?;
        let after = tree::entries(place, new)?;
        let added = after.into_keys().filter(|path| !before.contains_key(path)).collect();
        Ok(Self { old, new, before, added })
    }

    /// Steps 3 and 4; whether there is something to do.
    fn check(&self, place: &Place) -> Result<bool, GitFault> {
        match state(place, self.old, self.new)? {
            WorkTree::AtNew => return Ok(false),
            WorkTree::AtOld => {}
            WorkTree::Dirty => return Err(dirty(place)?),
        }
        let mut lying = BTreeSet::new();
        for path in &self.added {
            self.in_the_way(&place.folder, path, &mut lying)?;
        }
        if lying.is_empty() {
            return Ok(true);
        }
        let (files, more) = source::named(lying.iter().map(Vec::as_slice));
        Err(GitFault::InTheWay { root: place.folder.clone(), files, more })
    }

    /// Notes what lies at `path` or above it and is not in the old tree.
    fn in_the_way(
        &self,
        root: &Path,
        path: &[u8],
        lying: &mut BTreeSet<Vec<u8>>,
    ) -> Result<(), GitFault> {
        let at = |path: &[u8]| root.join(std::ffi::OsStr::from_bytes(path));
        for parent in tree::parents(path) {
            match at(parent).symlink_metadata() {
                Err(_) => return Ok(()),
                Ok(metadata) if metadata.is_dir() => {}
                Ok(_) if self.before.contains_key(parent) => return Ok(()),
                Ok(_) => {
                    lying.insert(parent.to_vec());
                    return Ok(());
                }
            }
        }
        let mut paths = vec![path.to_vec()];
        while let Some(path) = paths.pop() {
            let Ok(metadata) = at(&path).symlink_metadata() else { continue };
            if !metadata.is_dir() {
                if !self.before.contains_key(&path) {
                    lying.insert(path);
                }
                continue;
            }
            for entry in fs::read_dir(at(&path)).map_err(|error| GitFault::io(root, &error))? {
                let entry = entry.map_err(|error| GitFault::io(root, &error))?;
                paths.push([&path[..], b"/", entry.file_name().as_bytes()].concat());
            }
            if paths.len() > FILES_MAX {
                lying.insert(path);
                return Ok(());
            }
        }
        Ok(())
    }
}

fn dirty(place: &Place) -> Result<GitFault, GitFault> {
    let (files, more) = source::dirty(place, "--untracked-files=no")?;
    Ok(GitFault::Dirty { root: place.folder.clone(), files, more })
}

/// Whether index and work tree are those of `old`, or of `new`.
fn state(place: &Place, old: &Oid, new: &Oid) -> Result<WorkTree, GitFault> {
    // Exit 1: some files differ, which the next commands say better.
    let refresh = place.git(["update-index", "-q", "--refresh"]);
    let said = refresh.said()?;
    if said.status > 1 {
        // Quiet as it is, it does not even say that somebody else holds the index.
        let lock = place.git(["rev-parse", "--git-path", "index.lock"]).line()?;
        if place.folder.join(lock).exists() {
            let why = format!("the index of {} is locked", place.folder.display());
            return Err(GitFault::Locked { why });
        }
        return Err(refresh.failed(&said));
    }
    let files = ["diff-files", "--quiet", "--ignore-submodules=all"];
    if !place.git(files).holds()? {
        return Ok(WorkTree::Dirty);
    }
    let index = ["diff-index", "--cached", "--quiet", "--ignore-submodules=all"];
    let index_is = |id: &Oid| place.git(index.into_iter().chain([id.as_str(), "--"])).holds();
    if index_is(old)? {
        Ok(WorkTree::AtOld)
    } else if index_is(new)? {
        Ok(WorkTree::AtNew)
    } else {
        Ok(WorkTree::Dirty)
    }
}

/// Step 5: all work trees, or none. Those that followed now.
fn follow_all(checkouts: &[Place], change: &Change<'_>) -> Result<Vec<Place>, GitFault> {
    let mut due = Vec::new();
    for place in checkouts {
        if change.check(place)? {
            due.push(place.clone());
        }
    }
    for (count, place) in due.iter().enumerate() {
        if let Err(fault) = switch(place, change.old, change.new) {
            for done in due.iter().take(count) {
                switch(done, change.new, change.old).ok();
            }
            return Err(fault);
        }
    }
    Ok(due)
}

/// Takes index and work tree from `from` to `to`; git refuses where a file is neither.
fn switch(place: &Place, from: &Oid, to: &Oid) -> Result<(), GitFault> {
    let args = ["read-tree", "-m", "-u", "--no-recurse-submodules", from.as_str(), to.as_str()];
    let git = place.git(args).finishes();
    let said = git.said()?;
    match said.status {
        0 => Ok(()),
        _ if said.words.contains("error: Entry") || said.words.contains("error: Untracked") => {
            dirty(place).and_then(Err)
        }
        _ => Err(git.failed(&said)),
    }
}

/// Work trees that came to the branch between the look at them and its move.
fn late(place: &Place, branch: &str, known: &[Place], change: &Change<'_>) -> Vec<Place> {
    let now = source::checkouts(place, branch).unwrap_or_default();
    let new = now.into_iter().filter(|place| known.iter().all(|k| k.folder != place.folder));
    let follows = |place: &Place| {
        change.check(place).is_ok_and(|due| due) && switch(place, change.old, change.new).is_ok()
    };
    new.filter(follows).collect()
}
