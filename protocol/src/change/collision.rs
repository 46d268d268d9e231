//! Paths of one change that are one path on a file system that does not know case.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use super::code::ChangeCode;
use super::{ChangeRefusal, ChangedFile};

/// How a place is spelled and used by the first that has it.
struct Place<'a> {
    spelling: &'a str,
    is_folder: bool,
    is_added: bool,
}

/// Refuses what is added, or stands beside something added, and is spelled like another path or
/// folder but for case, or is a file where another path has a folder. Deleted files are in nobody's
/// way. Paths that are no text are refused elsewhere. `SPEC: CHG-4`
pub(super) fn find(files: &[ChangedFile]) -> Vec<ChangeRefusal> {
    let mut refusals = Vec::new();
    let mut seen: BTreeSet<&[u8]> = BTreeSet::new();
    let mut places: BTreeMap<String, Place<'_>> = BTreeMap::new();
    for file in files {
        if !seen.insert(&file.path) {
            refusals.push(ChangeRefusal::of(ChangeCode::DuplicatePath, &file.path));
            continue;
        }
        let (Some(_), Ok(path)) = (&file.new, std::str::from_utf8(&file.path)) else { continue };
        let ends = path.match_indices('/').map(|(at, _)| (at, true));
        let mut is_refused = false;
        for (end, is_folder) in ends.chain([(path.len(), false)]) {
            let spelling = path.get(..end).unwrap_or(path);
            let place = Place { spelling, is_folder, is_added: file.is_added() };
            match places.entry(spelling.to_lowercase()) {
                Entry::Vacant(vacant) => {
                    vacant.insert(place);
                }
                Entry::Occupied(mut there) => {
                    let first = there.get_mut();
                    let differs = first.spelling != spelling || first.is_folder != is_folder;
                    is_refused |= differs && (first.is_added || place.is_added);
                    first.is_added |= place.is_added;
                }
            }
        }
        if is_refused {
            refusals.push(ChangeRefusal::of(ChangeCode::Collision, &file.path));
        }
    }
    refusals
}
