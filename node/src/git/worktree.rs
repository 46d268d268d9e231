//! Worktrees of a mission: real ones of `git worktree`, made and removed without trusting them.
//!
//! What is in a worktree after an agent was there, its `.git` file included, is only ever deleted.
//! What git knows of it lies in `worktrees/<name>` of the mission's repository
//! (gitrepository-layout(5)); a folder that is not registered there is removed only when empty.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::fault::GitFault;
use super::oid::Oid;
use super::process::Place;

/// Checks `commit` out into `dir`.
pub(super) fn add(place: &Place, repo: &Path, dir: &Path, commit: &Oid) -> Result<(), GitFault> {
    if let Some(parent) = dir.parent() {
        fs::create_dir_all(parent).map_err(|error| GitFault::io(parent, &error))?;
    }
    remove(repo, dir)?;
    let dir = absolute(dir)?;
    let args = [
        OsStr::new("worktree"),
        OsStr::new("add"),
        OsStr::new("--quiet"),
        OsStr::new("--detach"),
        dir.as_os_str(),
        OsStr::new(commit.as_str()),
    ];
    place.git(args).run().map(drop)
}

/// Removes `dir`, then what is known of it.
pub(super) fn remove(repo: &Path, dir: &Path) -> Result<(), GitFault> {
    let Ok(dir) = absolute(dir) else { return Ok(()) };
    let known = registrations(repo, &dir)?;
    let result = match dir.symlink_metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(_) if !known.is_empty() => remove_folder(&dir),
        Ok(_) => fs::remove_dir(&dir).map_err(|error| match error.kind() {
            ErrorKind::DirectoryNotEmpty | ErrorKind::NotADirectory => {
                io::Error::from(ErrorKind::AlreadyExists)
            }
            _ => error,
        }),
    };
    result.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => GitFault::NotOurs { path: dir.clone() },
        _ => GitFault::io(&dir, &error),
    })?;
    for folder in known {
        fs::remove_dir_all(&folder).map_err(|error| GitFault::io(&folder, &error))?;
    }
    Ok(())
}

/// The folders below `worktrees` that stand for `dir`.
fn registrations(repo: &Path, dir: &Path) -> Result<Vec<PathBuf>, GitFault> {
    let folder = repo.join("worktrees");
    let mut known = Vec::new();
    let list = match fs::read_dir(&folder) {
        Ok(list) => list,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(known),
        Err(error) => return Err(GitFault::io(&folder, &error)),
    };
    for entry in list {
        let path = entry.map_err(|error| GitFault::io(&folder, &error))?.path();
        let link = fs::read(path.join("gitdir")).unwrap_or_default();
        if Path::new(OsStr::from_bytes(link.trim_ascii_end())) == dir.join(".git") {
            known.push(path);
        }
    }
    Ok(known)
}

/// `dir` as git writes it: its parent without links.
fn absolute(dir: &Path) -> Result<PathBuf, GitFault> {
    let (Some(parent), Some(name)) = (dir.parent(), dir.file_name()) else {
        return Err(GitFault::NotOurs { path: dir.to_owned() });
    };
    let parent = parent.canonicalize().map_err(|error| GitFault::io(parent, &error))?;
    Ok(parent.join(name))
}

/// Removes a folder in which folders may be closed to us.
pub(crate) fn remove_folder(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            open_up(path)?;
            fs::remove_dir_all(path)
        }
        result => result,
    }
}

/// Bytes of a path below which no name can make it too long for the system (limits.h(0p): 4096).
const LONG: usize = 3_000;

/// Opens all folders in `root` to us. One that lies too deep to be named comes up to the top.
fn open_up(root: &Path) -> io::Result<()> {
    let mut folders = vec![root.to_owned()];
    while let Some(mut folder) = folders.pop() {
        fs::set_permissions(&folder, Permissions::from_mode(0o700))?;
        if folder.as_os_str().len() > LONG {
            let free = (0_u64..).map(|number| root.join(format!("deep-{number}")));
            let Some(near) = free.into_iter().find(|path| path.symlink_metadata().is_err()) else {
                continue;
            };
            fs::rename(&folder, &near)?;
            folder = near;
        }
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    Ok(())
}
