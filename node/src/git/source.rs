//! The person's repository: what a mission starts from, and the mistakes people make with it.
//!
//! Its own configuration is trusted for the layout alone. Filters that it names are emptied, so
//! that nothing of it runs; what the person ignores everywhere (core.excludesFile) stays ignored.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use super::fault::{GitFault, printable};
use super::mission::packed;
use super::oid::{ObjectFormat, Oid};
use super::process::Place;
use super::scratch::Scratch;
use super::{PACK_BYTES_MAX, tree};

/// `git worktree list -z` came with it.
const VERSION_MIN: (u32, u32) = (2, 36);
/// Paths that a fault names.
const NAMED_MAX: usize = 5;

/// Where a mission starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The work tree's top folder.
    pub root: PathBuf,
    /// The repository's own folder, that of the main work tree.
    pub git_dir: PathBuf,
    /// The branch, without `refs/heads/`.
    pub branch: String,
    /// The commit at its tip.
    pub commit: Oid,
    /// That commit's tree.
    pub tree: Oid,
    /// Whether the branch is checked out, in this work tree or another.
    pub is_checked_out: bool,
    /// How the repository names objects.
    pub object_format: ObjectFormat,
}

/// A person's repository, found.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) root: PathBuf,
    pub(super) git_dir: PathBuf,
    pub(super) format: ObjectFormat,
    pub(super) place: Place,
}

/// Looks at the repository that `path` lies in, and at `branch`, or else at the branch that is
/// checked out there.
pub fn inspect(path: &Path, branch: Option<&str>) -> Result<Source, GitFault> {
    let person = find(path)?;
    let branch = match branch {
        Some(branch) => branch.to_owned(),
        None => head(&person.place)?.ok_or(GitFault::Detached)?,
    };
    check_branch(&person.place, &branch)?;
    let Some(commit) = tip(&person.place, &branch)? else {
        let unborn = head(&person.place)?.as_deref() == Some(&branch);
        let absent = GitFault::BranchAbsent { branch: branch.clone() };
        return Err(if unborn { GitFault::NoCommit { branch } } else { absent });
    };
    let tree = tree::of_commit(&person.place, &commit)?;
    tree::entries(&person.place, &tree)?;
    let checkouts = checkouts(&person.place, &branch)?;
    for checkout in &checkouts {
        let (files, more) = dirty(checkout, "--untracked-files=normal")?;
        if !files.is_empty() {
            return Err(GitFault::Dirty { root: checkout.folder.clone(), files, more });
        }
    }
    Ok(Source {
        root: person.root,
        git_dir: person.git_dir,
        branch,
        commit,
        tree,
        is_checked_out: !checkouts.is_empty(),
        object_format: person.format,
    })
}

/// A pack of the base commit and its tree, without its parents.
pub fn base_pack(source: &Source) -> Result<Vec<u8>, GitFault> {
    base_pack_within(source, PACK_BYTES_MAX)
}

pub(super) fn base_pack_within(source: &Source, max: usize) -> Result<Vec<u8>, GitFault> {
    let place = find(&source.root)?.place;
    let args = ["rev-list", "--objects", "--no-object-names", "--no-walk", source.commit.as_str()];
    let list = place.git(args).run()?;
    let scratch = Scratch::new(&std::env::temp_dir(), "kern-pack-")?;
    let list = scratch.file("objects", &list)?;
    let git = place.git(["pack-objects", "--quiet", "--stdout"]);
    packed(git.input(&list).output_max(max).run())
}

/// Git is there and not too old.
pub(super) fn check_version(place: &Place) -> Result<(), GitFault> {
    // "git version 2.47.3", and what a vendor adds.
    let found = place.git(["version"]).line()?;
    let number = found.strip_prefix("git version ").unwrap_or_default();
    let mut parts = number.split(['.', ' ', '-']).map(|part| part.parse::<u32>().ok());
    match (parts.next().flatten(), parts.next().flatten()) {
        (Some(major), Some(minor)) if (major, minor) >= VERSION_MIN => Ok(()),
        _ => Err(GitFault::TooOld { found: printable(found.as_bytes()) }),
    }
}

/// The repository that `path` lies in.
pub(super) fn find(path: &Path) -> Result<Person, GitFault> {
    let none = || GitFault::NotARepository { path: path.to_owned() };
    let full = path.canonicalize().map_err(|_| none())?;
    let folder = if full.is_dir() { full.as_path() } else { full.parent().ok_or_else(none)? };
    let mut place = Place::folder(folder);
    check_version(&place)?;
    let git = place.git(["rev-parse", "--show-object-format", "--is-inside-work-tree"]);
    let said = git.said()?;
    if said.status != 0 {
        let absent = said.words.contains("not a git repository");
        return Err(if absent { none() } else { git.failed(&said) });
    }
    let said = String::from_utf8_lossy(&said.output);
    let mut lines = said.lines();
    let format = lines.next().and_then(ObjectFormat::from_name).ok_or_else(none)?;
    if lines.next() != Some("true") {
        return Err(GitFault::Bare { path: path.to_owned() });
    }
    let root = path_of(&place, "--show-toplevel")?;
    let git_dir = path_of(&place, "--git-common-dir")?;
    if !tree::exists(&root.join(".git")) {
        return Err(GitFault::WorkTreeElsewhere { root });
    }
    place.folder.clone_from(&root);
    place.config = neutral(&place)?;
    place.config.extend(excludes(&place)?.map(|file| ("core.excludesFile".to_owned(), file)));
    Ok(Person { root, git_dir, format, place })
}

fn path_of(place: &Place, what: &str) -> Result<PathBuf, GitFault> {
    let mut output = place.git(["rev-parse", "--path-format=absolute", what]).run()?;
    output.pop_if(|byte| *byte == b'\n');
    Ok(PathBuf::from(OsString::from_vec(output)))
}

/// Empties every filter that the repository's configuration names.
fn neutral(place: &Place) -> Result<Vec<(String, String)>, GitFault> {
    let names = place.git(["config", "--list", "--name-only", "-z"]).run()?;
    let names = String::from_utf8_lossy(&names).into_owned();
    let mut config = Vec::new();
    for name in names.split('\0') {
        let Some((driver, key)) = name.strip_prefix("filter.").and_then(|n| n.rsplit_once('.'))
        else {
            continue;
        };
        let value = if key == "required" { "false" } else { "" };
        if matches!(key, "clean" | "smudge" | "process" | "required") {
            config.push((format!("filter.{driver}.{key}"), value.to_owned()));
        }
    }
    Ok(config)
}

/// The file of what the person ignores everywhere, in the order of gitignore(5).
fn excludes(place: &Place) -> Result<Option<String>, GitFault> {
    let Some(home) = std::env::var_os("HOME").filter(|home| !home.is_empty()) else {
        return Ok(None);
    };
    let xdg = std::env::var_os("XDG_CONFIG_HOME").filter(|folder| !folder.is_empty());
    let xdg = xdg.map_or_else(|| Path::new(&home).join(".config"), PathBuf::from).join("git");
    let asking = place.clone().with("HOME", &home);
    let own = Path::new(&home).join(".gitconfig");
    let files = [own.as_os_str(), xdg.join("config").as_os_str()].map(OsStr::to_owned);
    let scopes = std::iter::once(vec![OsString::from("--local")])
        .chain(files.map(|file| vec![OsString::from("--file"), file]));
    for scope in scopes {
        let mut args = vec![OsString::from("config")];
        args.extend(scope);
        args.extend(["--type=path", "--get", "core.excludesFile"].map(OsString::from));
        let said = asking.git(&args).said()?;
        if said.status == 0 {
            return Ok(String::from_utf8(said.output).ok().map(|file| file.trim_end().to_owned()));
        }
    }
    let default = xdg.join("ignore");
    Ok(if default.is_file() { default.to_str().map(str::to_owned) } else { None })
}

/// The branch that is checked out at `place`.
fn head(place: &Place) -> Result<Option<String>, GitFault> {
    let git = place.git(["symbolic-ref", "--quiet", "HEAD"]);
    let said = git.said()?;
    match said.status {
        0 => {
            let name = String::from_utf8_lossy(said.output.trim_ascii_end()).into_owned();
            Ok(name.strip_prefix("refs/heads/").map(str::to_owned))
        }
        1 => Ok(None),
        _ => Err(git.failed(&said)),
    }
}

/// `branch` is a branch's name, and not another name of one.
pub(super) fn check_branch(place: &Place, branch: &str) -> Result<(), GitFault> {
    let bad = || GitFault::BranchName { branch: printable(branch.as_bytes()) };
    if branch.contains('\0') {
        return Err(bad());
    }
    let name = format!("refs/heads/{branch}");
    if place.git(["check-ref-format", &name]).said()?.status != 0 {
        return Err(bad());
    }
    if place.git(["symbolic-ref", "--quiet", &name]).said()?.status == 0 {
        return Err(bad());
    }
    Ok(())
}

/// The commit at the tip of `branch`.
pub(super) fn tip(place: &Place, branch: &str) -> Result<Option<Oid>, GitFault> {
    let name = format!("refs/heads/{branch}^{{commit}}");
    let said = place.git(["rev-parse", "--verify", "--quiet", "--end-of-options", &name]).said()?;
    if said.status != 0 {
        return Ok(None);
    }
    Oid::parse(String::from_utf8_lossy(said.output.trim_ascii_end()).as_ref()).map(Some)
}

/// The work trees, linked ones too, in which `branch` is checked out.
pub(super) fn checkouts(place: &Place, branch: &str) -> Result<Vec<Place>, GitFault> {
    let output = place.git(["worktree", "list", "--porcelain", "-z"]).run()?;
    let wanted = format!("branch refs/heads/{branch}");
    let mut folder = None;
    let mut checkouts = Vec::new();
    for line in output.split(|byte| *byte == 0) {
        if let Some(path) = line.strip_prefix(b"worktree ") {
            folder = Some(PathBuf::from(OsStr::from_bytes(path)));
        } else if line == wanted.as_bytes()
            && let Some(folder) = folder.take().filter(|folder| folder.is_dir())
        {
            checkouts.push(Place { folder, ..place.clone() });
        }
    }
    Ok(checkouts)
}

/// The first few paths of a work tree that differ from its commit, and how many more there are.
pub(super) fn dirty(place: &Place, untracked: &str) -> Result<(Vec<String>, usize), GitFault> {
    let args = ["status", "--porcelain", "-z", "--no-renames", "--ignore-submodules=all"];
    let output = place.git(args.into_iter().chain([untracked])).run()?;
    // "XY <path>", git-status(1).
    let paths = output.split(|byte| *byte == 0).filter_map(|line| line.get(3..));
    Ok(named(paths))
}

/// The first few of `paths` for people, and how many more there are.
pub(super) fn named<'a>(paths: impl Iterator<Item = &'a [u8]>) -> (Vec<String>, usize) {
    let mut paths = paths.map(printable);
    let first = paths.by_ref().take(NAMED_MAX).collect();
    (first, paths.count())
}
