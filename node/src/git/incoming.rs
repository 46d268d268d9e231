//! Objects from elsewhere: received into a quarantine, checked there, and only then moved in.
//!
//! The folder of a quarantine is named as git names its own, so that `git prune` removes what a
//! crash left in it (tmp_objdir.c).

use std::fs::{self, File};
use std::path::Path;

use super::fault::{GitFault, printable};
use super::process::{Place, Said};
use super::scratch::Scratch;
use super::{OBJECTS_MAX, PACK_BYTES_MAX};

const QUARANTINE: &str = "tmp_objdir-kern-";

/// Takes the objects of `pack` into the repository at `place`, whose objects lie in `objects`, if
/// git finds each well-formed and with all that it links to, and `check`, which sees them, agrees.
pub(super) fn receive(
    place: &Place,
    objects: &Path,
    pack: &[u8],
    check: impl FnOnce(&Place) -> Result<(), GitFault>,
) -> Result<(), GitFault> {
    check_header(pack)?;
    let quarantine = Scratch::new(objects, QUARANTINE)?;
    let input = quarantine.file("incoming", pack)?;
    let inside = place
        .clone()
        .with("GIT_OBJECT_DIRECTORY", quarantine.folder())
        .with("GIT_ALTERNATE_OBJECT_DIRECTORIES", alternate(objects));
    let size = format!("--max-input-size={PACK_BYTES_MAX}");
    let said = inside.git(["index-pack", "--stdin", "--strict", &size]).input(&input).said()?;
    match said {
        Said { status: 0, .. } => {}
        Said { no_room: Some(why), .. } => return Err(GitFault::NoRoom { why }),
        Said { words: why, .. } => return Err(GitFault::BadPack { why }),
    }
    check(&inside)?;
    migrate(&quarantine.path("pack"), &objects.join("pack"))
}

/// "PACK", version 2, the number of objects: gitformat-pack(5).
fn check_header(pack: &[u8]) -> Result<(), GitFault> {
    if pack.len() > PACK_BYTES_MAX {
        let what = "bytes of the pack".to_owned();
        return Err(GitFault::TooLarge { what, max: PACK_BYTES_MAX as u64 });
    }
    let count = pack.strip_prefix(b"PACK\0\0\0\x02").and_then(|rest| rest.first_chunk());
    let Some(count) = count.map(|count| u32::from_be_bytes(*count)) else {
        return Err(GitFault::BadPack { why: printable(b"it has no header of a pack") });
    };
    if count > OBJECTS_MAX {
        let what = "objects in the pack".to_owned();
        return Err(GitFault::TooLarge { what, max: u64::from(OBJECTS_MAX) });
    }
    Ok(())
}

/// Moves a pack and what belongs to it; the index last, for it makes the pack count.
fn migrate(from: &Path, to: &Path) -> Result<(), GitFault> {
    let fault = |error| GitFault::io(to, &error);
    let mut names: Vec<_> = fs::read_dir(from)
        .map_err(|error| GitFault::io(from, &error))?
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect::<Result<_, _>>()
        .map_err(|error| GitFault::io(from, &error))?;
    names.sort_by_key(|name| name.to_string_lossy().ends_with(".idx"));
    fs::create_dir_all(to).map_err(fault)?;
    for name in names {
        // A pack is named by its content: one of the same name is the same.
        if !to.join(&name).exists() {
            fs::rename(from.join(&name), to.join(&name)).map_err(fault)?;
        }
    }
    File::open(to).and_then(|folder| folder.sync_all()).map_err(fault)
}

/// A path as git takes it in a list that is separated by colons (git(1)).
fn alternate(path: &Path) -> std::ffi::OsString {
    use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
    let mut quoted = vec![b'"'];
    quoted.extend(super::quoted(path.as_os_str().as_bytes()));
    quoted.push(b'"');
    std::ffi::OsString::from_vec(quoted)
}
