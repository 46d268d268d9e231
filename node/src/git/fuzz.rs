//! Patterns of paths, by any bytes: a pattern, and behind a line's end a path. And what git says of
//! a repository that somebody else wrote.

use super::glob::Globs;
use super::limits::{FILE_BYTES_MAX, LINK_BYTES_MAX, PATH_BYTES_MAX, TREE_BYTES_MAX};
use super::listing::{Entries, MODE_FILE, MODE_LINK, MODE_PROGRAM, date, entries, targets};

pub(crate) fn glob(input: &[u8]) {
    let (pattern, path) = match input.iter().position(|byte| *byte == b'\n') {
        Some(at) => (&input[..at], &input[at + 1..]),
        None => (input, input),
    };
    let Ok(pattern) = std::str::from_utf8(pattern) else { return };
    let Ok(globs) = Globs::parse(&[pattern]) else { return };
    let matches = globs.matches(path);
    // No tree has a path with nothing between two slashes.
    if path.split(|byte| *byte == b'/').any(<[u8]>::is_empty) {
        return;
    }
    let is_plain = !pattern.contains(['*', '?', '[']);
    if is_plain {
        // A file, or a folder and what lies below it.
        let name = pattern.trim_end_matches('/').as_bytes();
        let below = path.strip_prefix(name).and_then(|rest| rest.strip_prefix(b"/"));
        let is_folder = pattern.ends_with('/');
        assert!(globs.matches(name) || is_folder);
        assert_eq!(
            matches,
            below.is_some_and(|rest| !is_folder || !rest.is_empty())
                || (path == name && !is_folder),
            "{pattern:?}"
        );
    } else if let Ok(deeper) = Globs::parse(&[format!("**/{pattern}")]) {
        // Any number of folders, also none.
        assert!(!matches || deeper.matches(path), "{pattern:?}");
        let below = [b"a/b/", path].concat();
        assert!(!matches || deeper.matches(&below), "{pattern:?}");
    }
    // Of several patterns it is enough that one matches.
    let both = Globs::parse(&[pattern, "no/such/path"]).unwrap();
    assert_eq!(
        both.matches(path),
        matches || path.starts_with(b"no/such/path/") || path == b"no/such/path"
    );
}

/// As git's own words; and each piece between zero bytes as the path of an entry, with a size that
/// its first byte chooses.
pub(crate) fn tree(input: &[u8]) {
    is_bounded(input);
    let mut listed = Vec::new();
    for piece in input.split(|byte| *byte == 0).filter(|piece| !piece.is_empty()) {
        let (mode, size) = match piece[0] & 3 {
            0 => (MODE_LINK, u64::from(piece[0])),
            1 => (MODE_PROGRAM, u64::from(piece[0]) << 22),
            _ => (MODE_FILE, u64::from(piece[0])),
        };
        listed.extend(format!("{mode:06o} blob {} {size:>7}\t", "0f".repeat(20)).bytes());
        listed.extend([piece, b"\0"].concat());
    }
    is_bounded(&listed);
    if let Some(date) = date(input) {
        let commit = format!("tree 0\ncommitter A <a@b> {date} +0000\n\nwords\n");
        assert_eq!(self::date(commit.as_bytes()), Some(date));
    }
}

fn is_bounded(listed: &[u8]) {
    let Ok(mut found) = entries(listed) else { return };
    let total: u64 = found.values().map(|entry| entry.size).sum();
    assert!(total <= TREE_BYTES_MAX);
    for (path, entry) in &found {
        let most = if entry.mode == MODE_LINK { LINK_BYTES_MAX } else { FILE_BYTES_MAX };
        assert!(entry.size <= most && path.len() <= PATH_BYTES_MAX && !path.contains(&0));
        assert!([MODE_FILE, MODE_LINK, MODE_PROGRAM].contains(&entry.mode));
        for name in path.split(|byte| *byte == b'/') {
            let is_own = name.eq_ignore_ascii_case(b".git") || name.eq_ignore_ascii_case(b"git~1");
            assert!(!is_own && ![&b""[..], b".", b".."].contains(&name), "{path:?}");
        }
    }
    let written = found.iter().flat_map(|(path, entry)| {
        let head = format!("{:06o} blob {} {}\t", entry.mode, entry.oid, entry.size);
        [head.as_bytes(), path, b"\0"].concat()
    });
    let written: Vec<u8> = written.collect();
    assert_eq!(entries(&written).as_ref(), Ok(&found), "it is read as it is written");
    reads_links(&mut found, listed);
}

/// Links are as long as they are said to be, whatever stands behind them.
fn reads_links(found: &mut Entries, bytes: &[u8]) {
    let links = || found.values().filter(|entry| entry.mode == MODE_LINK);
    let content = |size: u64| bytes.iter().cycle().take(usize::try_from(size).unwrap());
    let said = links().flat_map(|link| {
        let head = format!("{} blob {}\n", link.oid, link.size).into_bytes();
        head.into_iter().chain(content(link.size).copied()).chain([b'\n'])
    });
    let said: Vec<u8> = said.collect();
    let mut links: Vec<_> = found.values_mut().filter(|entry| entry.mode == MODE_LINK).collect();
    let is_some = !links.is_empty();
    targets(&said, links.iter_mut().map(|link| &mut **link).collect()).unwrap();
    for link in &links {
        let target = link.link_target.as_ref().unwrap();
        assert!(target.iter().eq(bytes.iter().cycle().take(target.len())));
        assert_eq!(target.len() as u64, link.size);
    }
    assert_eq!(targets(bytes, links).is_err(), is_some, "these words say nothing of links");
}
