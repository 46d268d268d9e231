//! What can go wrong with git: a code for scripts, a sentence for people, and what to do.

use std::io;
use std::path::{Path, PathBuf};

use super::oid::Oid;

macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident
        $({ $($(#[$field_doc:meta])* $field:ident: $kind:ty),+ $(,)? })?,
        $code:literal, $text:literal, $hint:literal;)+) => {
        /// Why git did not do it.
        #[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
        pub enum GitFault {
            $($(#[$doc])* #[error($text)] $name $({ $($(#[$field_doc])* $field: $kind),+ })?,)+
        }

        impl GitFault {
            /// The stable code, lower_snake.
            #[must_use]
            pub fn code(&self) -> &'static str {
                match self { $(Self::$name { .. } => $code,)+ }
            }

            /// What a person can do.
            #[must_use]
            pub fn hint(&self) -> &'static str {
                match self { $(Self::$name { .. } => $hint,)+ }
            }
        }
    };
}

faults! {
    /// There is no `git` on the PATH.
    NotInstalled, "git_not_installed", "git is not installed",
        "install git 2.36 or newer and start again";
    /// The `git` on the PATH is older than what is used here.
    TooOld {
        /// What it says of itself.
        found: String,
    }, "git_too_old", "git is too old: {found}", "install git 2.36 or newer and start again";
    /// The path lies in no repository.
    NotARepository {
        /// The path.
        path: PathBuf,
    }, "git_not_a_repository", "{path:?} is in no git repository",
        "name a folder of a git repository, or make one: git init, git add -A, git commit";
    /// The repository has no work tree.
    Bare {
        /// The repository.
        path: PathBuf,
    }, "git_bare", "{path:?} is no work tree of a git repository",
        "name a folder in which the files of the repository are checked out";
    /// The repository's configuration puts its work tree elsewhere.
    WorkTreeElsewhere {
        /// The folder that the configuration names.
        root: PathBuf,
    }, "git_work_tree_elsewhere", "the repository's configuration moves its work tree to {root:?}",
        "remove core.worktree from the repository's configuration";
    /// Nothing has been committed.
    NoCommit {
        /// The branch.
        branch: String,
    }, "git_no_commit", "the branch {branch:?} has no commit yet",
        "commit what is there: git add -A, git commit";
    /// No branch is checked out and none was named.
    Detached, "git_detached", "no branch is checked out (the HEAD is detached)",
        "name the branch that the mission may move, or check it out: git switch BRANCH";
    /// There is no such branch.
    BranchAbsent {
        /// The branch.
        branch: String,
    }, "git_branch_absent", "there is no branch {branch:?}",
        "name a local branch (git branch lists them), or make it: git branch NAME";
    /// The name cannot be a branch's, or the branch is only another name of one.
    BranchName {
        /// The branch.
        branch: String,
    }, "git_branch_name", "{branch:?} cannot be moved as a branch",
        "name a local branch as git branch lists it, without refs/heads/";
    /// The work tree holds what no commit has.
    Dirty {
        /// The work tree.
        root: PathBuf,
        /// The first few paths.
        files: Vec<String>,
        /// How many more there are.
        more: usize,
    }, "git_dirty", "{root:?} has changes that are not committed: {files:?} and {more} more",
        "commit them, or put them away: git stash -u";
    /// Files that git does not know lie where the new commit has files.
    InTheWay {
        /// The work tree.
        root: PathBuf,
        /// The first few paths.
        files: Vec<String>,
        /// How many more there are.
        more: usize,
    }, "git_in_the_way", "in {root:?} the change would overwrite {files:?} and {more} more",
        "move these files away, then try again";
    /// The commit holds submodules.
    Submodules {
        /// The first of them.
        path: String,
    }, "git_submodules", "the repository has a submodule: {path:?}",
        "missions cannot take submodules along: use a branch without them";
    /// Something is larger than what a mission carries.
    TooLarge {
        /// What.
        what: String,
        /// The bound, in its own unit.
        max: u64,
    }, "git_too_large", "{what}: at most {max}",
        "use a branch with fewer or smaller files, or ignore what is not source";
    /// No id of an object.
    NotAnId, "git_not_an_id", "an object's id is 40 or 64 lowercase hex digits",
        "use the full id that git rev-parse prints";
    /// Ids of two formats, or of another one than the repository's.
    OtherFormat, "git_other_format", "the ids of the objects are not of this repository's format",
        "use ids of this repository";
    /// The folder is no mission repository, or an unfinished one.
    NotAMission {
        /// The folder.
        path: PathBuf,
    }, "git_not_a_mission", "{path:?} is no repository of a mission",
        "let the mission make it again";
    /// The folder is not a worktree of this mission, and holds something.
    NotOurs {
        /// The folder.
        path: PathBuf,
    }, "git_not_ours", "{path:?} is no worktree of this mission and is not empty",
        "give the mission another folder; this one was left alone";
    /// The bytes are no pack of whole and well-formed objects.
    BadPack {
        /// Git's words.
        why: String,
    }, "git_bad_pack", "the pack is refused: {why}",
        "fetch the artifact again; if it stays so, its author made a bad one";
    /// The object is not there, or not all that it needs.
    Incomplete {
        /// The object.
        id: Oid,
    }, "git_incomplete", "{id} is not there completely",
        "import the pack that holds it first";
    /// A tree holds what is never written to a disk.
    BadTree {
        /// The path.
        path: String,
        /// What is wrong with it.
        why: &'static str,
    }, "git_bad_tree", "the tree holds {path:?}: {why}",
        "remove it from the tree";
    /// The message cannot be a commit's.
    BadMessage, "git_bad_message", "the message holds a NUL, or is longer than 64 KiB",
        "shorten the message";
    /// A file of the worktree cannot be read.
    Unreadable {
        /// The path.
        path: String,
    }, "git_unreadable", "{path:?} in the worktree cannot be read",
        "make it readable, or ignore it";
    /// A file that git itself would read is a pipe, a socket or a device.
    SpecialFile {
        /// The path.
        path: String,
    }, "git_special_file", "{path:?} in the worktree is no regular file",
        "remove it";
    /// The worktree changed while it was read.
    Changing {
        /// The path.
        path: String,
    }, "git_changing", "{path:?} changed while the worktree was read",
        "stop what still writes there, then try again";
    /// A glob that says nothing, or nothing certain.
    BadGlob {
        /// The glob.
        glob: String,
        /// What is wrong with it.
        why: &'static str,
    }, "git_bad_glob", "the pattern {glob:?} is refused: {why}",
        "write paths from the root of the repository, with **, *, ? and [..], as in tests/**";
    /// The new commit does not descend from the old one.
    NotDescendant {
        /// The old commit.
        old: Oid,
        /// The new commit.
        new: Oid,
    }, "git_not_descendant", "{new} does not descend from {old}",
        "rebase the change onto the branch, then verify it again";
    /// Another git holds the repository's lock.
    Locked {
        /// Git's words.
        why: String,
    }, "git_locked", "another git process holds the repository: {why}",
        "let it end, then try again; if none runs, remove the .lock file";
    /// Git took too long.
    TimedOut {
        /// What it was doing.
        command: String,
    }, "git_timed_out", "git {command} took too long and was stopped",
        "try again when the device is less busy; a repository this slow may be too large";
    /// The disk or the system gave git no room for its objects.
    NoRoom {
        /// Git's words.
        why: String,
    }, "git_no_room", "git cannot keep its objects: {why}",
        "free some room on the disk, or check it; it is tried again";
    /// Git failed in a way that is not foreseen.
    Failed {
        /// What it was doing.
        command: String,
        /// Git's words.
        why: String,
    }, "git_failed", "git {command} failed: {why}",
        "the words of git say what it needs";
    /// The disk, or the system, refused.
    Io {
        /// What.
        path: PathBuf,
        /// The system's words.
        why: String,
    }, "git_io", "{path:?} cannot be used: {why}",
        "make it writable, and look for room on the disk";
}

impl GitFault {
    pub(super) fn io(path: &Path, error: &io::Error) -> Self {
        Self::Io { path: path.to_owned(), why: error.to_string() }
    }
}

/// Bytes that are not ours, for people: no control character reaches a terminal.
pub(super) fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let safe = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    text.chars().take(400).map(safe).collect()
}
