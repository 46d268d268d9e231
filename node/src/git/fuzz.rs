//! Patterns of paths, by any bytes: a pattern, and behind a line's end a path.

use super::glob::Globs;

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
