//! Paths and targets of links: where they lead, on every system that may hold the tree.
//!
//! Git's own checks (`verify_path`, CVE-2014-9390, CVE-2019-1352) are kept for NTFS and HFS+ on
//! every device, for a workspace's devices are of all kinds.

use super::code::ChangeCode;
use crate::limits::{CHANGE_PATH_BYTES_MAX, CHANGE_SEGMENT_BYTES_MAX};
use crate::printable::is_unshowable;

/// The path as text if it names a place in the tree and nothing else. `SPEC: CHG-3, CHG-4`
pub(super) fn check(raw: &[u8]) -> Result<&str, ChangeCode> {
    let path = readable(raw)?;
    for segment in path.split('/') {
        if segment.len() > CHANGE_SEGMENT_BYTES_MAX {
            return Err(ChangeCode::PathLength);
        }
        if is_way(segment) {
            return Err(ChangeCode::PathSegment);
        }
        if is_disguised(segment, "git") || is_short_name(segment, "git~") {
            return Err(ChangeCode::GitFolder);
        }
    }
    Ok(path)
}

/// Whether it is the file that lists submodules, however it is spelled. `SPEC: CHG-5`
pub(super) fn lists_submodules(path: &str) -> bool {
    !path.contains('/')
        && (is_disguised(path, "gitmodules")
            || is_short_name(path, "gitmod~")
            || is_short_name(path, "gi7eba~"))
}

/// Whether a link at `path` stays in the tree: its target is relative and goes up at its beginning
/// only, not above the top. With `..` behind a name, that name being a link, it could lead
/// anywhere; without, links that each stay inside stay inside together. `SPEC: CHG-6`
pub(super) fn check_link(path: &str, target: Option<&[u8]>) -> Result<(), ChangeCode> {
    let target = target.ok_or(ChangeCode::LinkTarget)?;
    let target = match readable(target) {
        Err(ChangeCode::PathAbsolute) => return Err(ChangeCode::LinkEscapes),
        other => other.map_err(|_| ChangeCode::LinkTarget)?,
    };
    let mut up = 0;
    let mut is_beginning = true;
    // A link to a folder may end with a slash.
    for segment in target.strip_suffix('/').unwrap_or(target).split('/') {
        match segment {
            ".." if is_beginning => up += 1,
            "." if is_beginning => {}
            _ => {
                is_beginning = false;
                check(segment.as_bytes()).map_err(|_| ChangeCode::LinkEscapes)?;
            }
        }
    }
    let depth = path.split('/').count() - 1;
    if up <= depth { Ok(()) } else { Err(ChangeCode::LinkEscapes) }
}

/// Text of a fair length, without what no name may have, that does not start at a root.
fn readable(raw: &[u8]) -> Result<&str, ChangeCode> {
    if raw.len() > CHANGE_PATH_BYTES_MAX {
        return Err(ChangeCode::PathLength);
    }
    let path = std::str::from_utf8(raw).map_err(|_| ChangeCode::PathEncoding)?;
    let mut beginning = path.chars();
    let drive = (beginning.next(), beginning.next());
    let is_drive = matches!(drive, (Some(letter), Some(':')) if letter.is_ascii_alphabetic());
    if path.starts_with(['/', '\\']) || is_drive {
        return Err(ChangeCode::PathAbsolute);
    }
    // Windows separates by backslashes too, so one of them is never part of a name.
    if path.chars().any(|c| is_unshowable(c) || c == '\\') {
        return Err(ChangeCode::PathCharacter);
    }
    Ok(path)
}

/// Empty, `.` or `..`, with the dots and spaces at its end that Windows leaves out, and before the
/// colon where it starts to name a stream.
fn is_way(segment: &str) -> bool {
    trimmed(segment).is_empty()
}

/// What Windows takes for the name: what stands before a colon, without dots and spaces at its end.
fn trimmed(segment: &str) -> &str {
    let name = segment.split(':').next().unwrap_or_default();
    name.trim_end_matches(['.', ' '])
}

/// Whether NTFS or HFS+ may take it for `.` and `name`: HFS+ folds case and leaves out joiners.
fn is_disguised(segment: &str, name: &str) -> bool {
    let visible: String = segment.chars().filter(|c| !is_ignored(*c)).collect();
    let folded = trimmed(&visible).to_lowercase();
    folded.strip_prefix('.').is_some_and(|rest| rest == name)
}

/// Whether it may be the short name that NTFS gives to a file: a stem and a number.
fn is_short_name(segment: &str, stem: &str) -> bool {
    let folded = trimmed(segment).to_lowercase();
    let number = folded.strip_prefix(stem);
    number.is_some_and(|n| !n.is_empty() && n.chars().all(|c| c.is_ascii_digit()))
}

/// Characters that HFS+ leaves out when it compares names.
fn is_ignored(c: char) -> bool {
    is_unshowable(c) || matches!(c, '\u{200b}'..='\u{200f}')
}
