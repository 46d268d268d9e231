//! The repository of a mission: bare, ours, shallow at the base, fed by packs alone.
//!
//! Content is kept as it is: the attributes of its trees convert nothing (`info/attributes` stands
//! above them, gitattributes(5)), so that a worktree holds the very bytes of the tree and a
//! snapshot of it the very tree. It has no refs: commits are named by their ids.

use std::fs::{self, DirBuilder, File};
use std::io::Write as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::fault::GitFault;
use super::glob::Globs;
use super::listing::{self, ChangedFile};
use super::oid::{ObjectFormat, Oid};
use super::process::{IDENTITY_EMAIL, IDENTITY_NAME, Place};
use super::scratch::Scratch;
use super::tree;
use super::{MESSAGE_BYTES_MAX, PACK_BYTES_MAX, incoming, snapshot, source, worktree};

const SCRATCH: &str = "kern-scratch-";
/// Written last: the repository is complete.
const ATTRIBUTES: &str = "* !text !eol !crlf !ident !filter !working-tree-encoding\n";
/// Bytes of a commit object: its message and a few headers, signatures among them.
const COMMIT_BYTES_MAX: usize = 1024 * 1024;
/// Seconds since 1970 that every git reads back as it wrote them.
const DATE_MAX: u64 = 1 << 40;

/// A mission's repository on this device.
#[derive(Debug, Clone)]
pub struct MissionRepo {
    folder: PathBuf,
    place: Place,
    format: ObjectFormat,
}

impl MissionRepo {
    /// Makes the repository in `dir`; where it is there already, it is opened.
    pub fn create(dir: &Path, format: ObjectFormat) -> Result<Self, GitFault> {
        let fault = |error| GitFault::io(dir, &error);
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(fault)?;
        source::check_version(&Place::folder(dir))?;
        let attributes = dir.join("info/attributes");
        if !attributes.exists() {
            let format = format!("--object-format={}", format.name());
            let args = ["init", "--quiet", "--bare", "--template=", "--initial-branch=main"];
            Place::folder(dir).git(args.into_iter().chain([format.as_str(), "."])).run()?;
            fs::create_dir_all(dir.join("info")).map_err(fault)?;
            replace(&attributes, ATTRIBUTES.as_bytes())?;
        }
        let repo = Self::open(dir)?;
        if repo.format == format { Ok(repo) } else { Err(GitFault::OtherFormat) }
    }

    /// Opens the repository in `dir`.
    pub fn open(dir: &Path) -> Result<Self, GitFault> {
        let none = || GitFault::NotAMission { path: dir.to_owned() };
        let folder = dir.canonicalize().map_err(|_| none())?;
        if !folder.join("info/attributes").is_file() {
            return Err(none());
        }
        Scratch::sweep(&folder, SCRATCH);
        let place = Place::folder(&folder).with("GIT_DIR", &folder);
        let name = place.git(["rev-parse", "--show-object-format"]).line()?;
        let format = ObjectFormat::from_name(&name).ok_or_else(none)?;
        Ok(Self { folder, place, format })
    }

    /// How it names objects.
    #[must_use]
    pub fn object_format(&self) -> ObjectFormat {
        self.format
    }

    /// Takes in the base: a pack of `commit`, its tree, and no parents. The same base can be
    /// imported again, and another one beside it, when the branch has moved.
    pub fn import_base(&self, commit: &Oid, pack: &[u8]) -> Result<(), GitFault> {
        self.check_format(&[commit])?;
        self.make_shallow(commit)?;
        self.import(commit, pack)
    }

    /// Is all of `tip` here?
    #[must_use]
    pub fn has(&self, tip: &Oid) -> bool {
        self.check_format(&[tip])
            .and_then(|()| tree::check_complete(&self.place, tip, None))
            .is_ok()
    }

    /// Takes in a pack that, with what is here already, holds `tip` completely.
    pub fn import(&self, tip: &Oid, pack: &[u8]) -> Result<(), GitFault> {
        self.check_format(&[tip])?;
        if tree::check_complete(&self.place, tip, None).is_ok() {
            return Ok(());
        }
        incoming::receive(&self.place, &self.folder.join("objects"), pack, |inside| {
            tree::check_complete(inside, tip, None)
        })
    }

    /// A pack of what `tip` needs and `base` does not have.
    pub fn pack(&self, base: &Oid, tip: &Oid) -> Result<Vec<u8>, GitFault> {
        self.check_format(&[base, tip])?;
        let scratch = self.scratch()?;
        let wanted = scratch.file("wanted", format!("{tip}\n^{base}\n").as_bytes())?;
        let git = self.place.git(["pack-objects", "--quiet", "--stdout", "--revs"]);
        packed(git.input(&wanted).output_max(PACK_BYTES_MAX).run())
    }

    /// The commit of `tree` on `parent`: the same on every device.
    ///
    /// Its date is one second after the parent's, in UTC; author and committer are
    /// `KernelOS <kern@localhost>`.
    pub fn commit(&self, tree: &Oid, parent: &Oid, message: &str) -> Result<Oid, GitFault> {
        self.check_format(&[tree, parent])?;
        if message.len() > MESSAGE_BYTES_MAX || message.contains('\0') {
            return Err(GitFault::BadMessage);
        }
        let date = self.date_of(parent)?.saturating_add(1).min(DATE_MAX);
        let person = format!("{IDENTITY_NAME} <{IDENTITY_EMAIL}> {date} +0000");
        let end = if message.ends_with('\n') { "" } else { "\n" };
        // Written by ourselves: `git commit-tree` may one day say more than this.
        let text = format!(
            "tree {tree}\nparent {parent}\nauthor {person}\ncommitter {person}\n\n{message}{end}"
        );
        tree::entries(&self.place, tree)?;
        let scratch = self.scratch()?;
        let file = scratch.file("commit", text.as_bytes())?;
        let git = self.place.git(["hash-object", "-t", "commit", "-w", "--stdin"]);
        Oid::parse(&git.input(&file).line()?)
    }

    /// The tree of `commit`.
    pub fn tree_of(&self, commit: &Oid) -> Result<Oid, GitFault> {
        self.check_format(&[commit])?;
        tree::of_commit(&self.place, commit)
    }

    /// Checks `commit` out into `dir`, detached. What an earlier call left there goes away; a
    /// folder that is not this mission's is left alone.
    pub fn worktree(&self, dir: &Path, commit: &Oid) -> Result<(), GitFault> {
        self.check_format(&[commit])?;
        tree::check_complete(&self.place, commit, None)?;
        worktree::add(&self.place, &self.folder, dir, commit)
    }

    /// Removes the worktree `dir` and what is known of it; none is fine.
    pub fn remove_worktree(&self, dir: &Path) -> Result<(), GitFault> {
        worktree::remove(&self.folder, dir)
    }

    /// The tree of what lies in the worktree `dir`, which was checked out at `base`.
    ///
    /// It holds what `git add --all` would add: files that `base` has stay even where the
    /// worktree's `.gitignore` files name them. Nothing may write in `dir` meanwhile: what changes
    /// while it is read is a fault.
    pub fn snapshot(&self, dir: &Path, base: &Oid) -> Result<Oid, GitFault> {
        self.check_format(&[base])?;
        snapshot::take(&self.place, &self.scratch()?, dir, base)
    }

    /// The paths at which two trees (or commits) differ, in the order of their bytes.
    pub fn changes(&self, from: &Oid, to: &Oid) -> Result<Vec<ChangedFile>, GitFault> {
        self.check_format(&[from, to])?;
        tree::changes(&self.place, &self.scratch()?, from, to)
    }

    /// The tree `onto`, in which the paths that `globs` match are those of the tree `from`, as they
    /// are there: what `from` does not have goes away. Where one tree has a file and the other a
    /// folder of the same name, what comes from `from` stays.
    pub fn lay_over(&self, onto: &Oid, from: &Oid, globs: &[String]) -> Result<Oid, GitFault> {
        self.check_format(&[onto, from])?;
        tree::lay_over(&self.place, &self.scratch()?, onto, from, &Globs::parse(globs)?)
    }

    fn check_format(&self, ids: &[&Oid]) -> Result<(), GitFault> {
        let good = ids.iter().all(|id| id.format() == self.format);
        if good { Ok(()) } else { Err(GitFault::OtherFormat) }
    }

    fn scratch(&self) -> Result<Scratch, GitFault> {
        Scratch::new(&self.folder, SCRATCH)
    }

    /// Seconds since 1970 at which `commit` was committed.
    fn date_of(&self, commit: &Oid) -> Result<u64, GitFault> {
        let git = self.place.git(["cat-file", "commit", commit.as_str()]);
        let said = git.output_max(COMMIT_BYTES_MAX).said()?;
        listing::date(&said.output).ok_or_else(|| GitFault::Incomplete { id: commit.clone() })
    }

    /// Names `commit` as one whose parents are not here: gitrepository-layout(5), `shallow`.
    fn make_shallow(&self, commit: &Oid) -> Result<(), GitFault> {
        let path = self.folder.join("shallow");
        let before = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(GitFault::io(&path, &error)),
        };
        if before.lines().any(|line| line == commit.as_str()) {
            return Ok(());
        }
        replace(&path, format!("{before}{commit}\n").as_bytes())
    }
}

/// A pack that is too large, in words for people.
pub(super) fn packed(pack: Result<Vec<u8>, GitFault>) -> Result<Vec<u8>, GitFault> {
    pack.map_err(|fault| match fault {
        GitFault::TooLarge { max, .. } => {
            GitFault::TooLarge { what: "bytes of the pack of all files".to_owned(), max }
        }
        other => other,
    })
}

/// Replaces the file at `path` in one step that outlives a crash.
fn replace(path: &Path, bytes: &[u8]) -> Result<(), GitFault> {
    let fault = |error| GitFault::io(path, &error);
    let new = path.with_extension("kern-new");
    let mut file = File::create(&new).map_err(fault)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(fault)?;
    fs::rename(&new, path).map_err(fault)?;
    match path.parent() {
        Some(folder) => File::open(folder).and_then(|folder| folder.sync_all()).map_err(fault),
        None => Ok(()),
    }
}
