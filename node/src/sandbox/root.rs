//! The tree of files that a command sees: a new one, in which only what is granted exists.
//!
//! Every path has the name that it has outside, so that what a command prints means the same there.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};

use super::grants::DEVICES;
use super::plan::{Doing as _, Halt, Plan};

/// Where the old tree stands until it is let go.
const OLD: &str = "/.old";

/// Links that programs expect in /dev. Shared memory is a folder like any other.
const DEV_LINKS: &[(&str, &str)] = &[
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
];

/// Makes the new tree this process's root. In a mount namespace of its own.
pub(super) fn build(plan: &Plan) -> Result<(), Halt> {
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    rustix::mount::mount_change("/", private).doing("keep mounts to oneself")?;
    let bare = MountFlags::NOSUID | MountFlags::NODEV;
    rustix::mount::mount("tmpfs", "/tmp", "tmpfs", bare, c"mode=0755,size=1m")
        .doing("mount a new root")?;
    std::env::set_current_dir("/tmp").doing("enter the new root")?;
    fs::create_dir(".old").doing("make a place for the old root")?;
    rustix::process::pivot_root(".", ".old").doing("change the root")?;
    std::env::set_current_dir("/").doing("enter the new root")?;

    let mut paths: Vec<(&PathBuf, bool)> = plan.read.iter().map(|path| (path, false)).collect();
    paths.extend([(&plan.dir, true), (&plan.scratch, true)]);
    // What contains another path comes before it.
    paths.sort();
    for (path, _) in &paths {
        bind(path).doing(&format!("show {}", path.display()))?;
    }
    let git = plan.git.then(|| plan.dir.join(".git"));
    if let Some(git) = &git {
        bind(git).doing("show .git")?;
    }
    for path in &plan.masked {
        mask(path).doing(&format!("hide {}", path.display()))?;
    }
    let writable = |path: &Path| {
        let inside = |of: &Path| path.starts_with(of);
        let hidden = git.iter().chain(&plan.masked).any(|of| inside(of));
        // A grant for reading inside a folder that may be written stays one for reading.
        let nearest = paths.iter().rev().find(|(of, _)| inside(of));
        !hidden && nearest.is_some_and(|(_, writable)| *writable)
    };
    let mounts = mounts().doing("list mounts")?;
    for (path, flags) in
        mounts.iter().filter(|(path, _)| paths.iter().any(|(of, _)| path.starts_with(of)))
    {
        let mut flags = *flags | MountFlags::BIND | MountFlags::NOSUID | MountFlags::NODEV;
        flags.set(MountFlags::RDONLY, flags.contains(MountFlags::RDONLY) || !writable(path));
        rustix::mount::mount_remount(path, flags, c"")
            .doing(&format!("protect {}", path.display()))?;
    }
    links(plan).doing("make links")?;
    devices(plan).doing("show devices")?;
    proc(plan).doing("mount /proc")?;
    rustix::mount::unmount(OLD, UnmountFlags::DETACH).doing("let the old root go")?;
    fs::remove_dir(OLD).doing("remove the old root's place")?;
    let sealed = MountFlags::BIND | MountFlags::RDONLY | bare;
    rustix::mount::mount_remount("/", sealed, c"").doing("seal the new root")
}

fn old(path: &Path) -> PathBuf {
    Path::new(OLD).join(path.strip_prefix("/").unwrap_or(path))
}

/// Shows what stands at `path` in the old tree, with all that is mounted below it.
fn bind(path: &Path) -> io::Result<()> {
    let from = old(path);
    let meta = fs::symlink_metadata(&from)?;
    if meta.is_symlink() {
        return Err(io::Error::other("it became a link"));
    }
    place(path, meta.is_dir())?;
    Ok(rustix::mount::mount_bind_recursive(&from, path)?)
}

/// Makes a folder or an empty file to mount on, unless something shown before has one there.
fn place(path: &Path, folder: bool) -> io::Result<()> {
    if fs::symlink_metadata(path).is_ok_and(|meta| !meta.is_symlink()) {
        return Ok(());
    }
    if folder {
        return fs::create_dir_all(path);
    }
    fs::create_dir_all(path.parent().unwrap_or(path))?;
    File::create_new(path).map(drop)
}

/// Covers a folder with an empty one, a file with nothing.
fn mask(path: &Path) -> io::Result<()> {
    let Ok(meta) = fs::symlink_metadata(path) else { return Ok(()) };
    if meta.is_dir() {
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        Ok(rustix::mount::mount("tmpfs", path, "tmpfs", flags, c"mode=0000,size=4k")?)
    } else {
        // An empty file of this tree, which becomes read-only.
        let empty = Path::new("/.empty");
        if !empty.exists() {
            File::create_new(empty)?;
        }
        Ok(rustix::mount::mount_bind(empty, path)?)
    }
}

/// All mounts of the new tree, with the flags that a later change has to keep.
fn mounts() -> io::Result<Vec<(PathBuf, MountFlags)>> {
    let text = fs::read_to_string(format!("{OLD}/proc/self/mountinfo"))?;
    let mut mounts = Vec::new();
    for line in text.lines() {
        // proc_pid_mountinfo(5): the fifth field is where, the sixth how.
        let mut fields = line.split(' ').skip(4);
        let (Some(path), Some(options)) = (fields.next(), fields.next()) else { continue };
        let mut flags = MountFlags::empty();
        for option in options.split(',') {
            flags |= match option {
                "ro" => MountFlags::RDONLY,
                "noexec" => MountFlags::NOEXEC,
                _ => MountFlags::empty(),
            };
        }
        mounts.push((PathBuf::from(unescape(path)), flags));
    }
    Ok(mounts)
}

/// Space, tab, newline and backslash stand as a backslash and three octal digits.
fn unescape(text: &str) -> String {
    let escapes = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    escapes.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

fn links(plan: &Plan) -> io::Result<()> {
    for (path, to) in &plan.links {
        if fs::symlink_metadata(path).is_err() {
            fs::create_dir_all(path.parent().unwrap_or(path))?;
            symlink(to, path)?;
        }
    }
    if fs::symlink_metadata("/tmp").is_err() {
        symlink(&plan.scratch, "/tmp")?;
    }
    Ok(())
}

fn devices(plan: &Plan) -> io::Result<()> {
    for (path, _) in DEVICES {
        let path = Path::new(path);
        place(path, false)?;
        rustix::mount::mount_bind(old(path), path)?;
    }
    for (path, to) in DEV_LINKS {
        symlink(to, path)?;
    }
    symlink(&plan.scratch, "/dev/shm")
}

fn proc(plan: &Plan) -> io::Result<()> {
    fs::create_dir("/proc")?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC | MountFlags::RDONLY;
    if plan.means.own_proc {
        return Ok(rustix::mount::mount("proc", "/proc", "proc", flags, c"")?);
    }
    rustix::mount::mount_bind_recursive(old(Path::new("/proc")), "/proc")?;
    Ok(rustix::mount::mount_remount("/proc", flags | MountFlags::BIND, c"")?)
}
