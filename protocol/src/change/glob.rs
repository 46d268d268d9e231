//! Patterns of paths, by segments.
//!
//! In a segment `*` is any run of characters, `?` one, and `%` one or more digits, as many as
//! stand there. A segment `**` is any number of segments, none included. A pattern starts at the
//! top of the tree unless it begins with `**/`; one that ends with `/` means everything below that
//! folder. Letters are compared in lower case: a pattern that is written otherwise is refused, and
//! paths are folded by who asks. `SPEC: CHG-8`

/// A pattern that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Any,
    Segment(Vec<char>),
}

impl Pattern {
    /// None if it is empty, has an empty segment, a `**` inside a segment, or a capital letter.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (body, below) = text.strip_suffix('/').map_or((text, false), |body| (body, true));
        let mut pieces = Vec::new();
        for segment in body.split('/') {
            let is_fine = !segment.is_empty() && segment.to_lowercase() == segment;
            match segment {
                "**" => pieces.push(Piece::Any),
                _ if !is_fine || segment.contains("**") => return None,
                _ => pieces.push(Piece::Segment(segment.chars().collect())),
            }
        }
        if below {
            pieces.extend([Piece::Any, Piece::Segment(vec!['*'])]);
        }
        Some(Self(pieces))
    }

    /// Whether it is the path of these segments, which are folded to lower case.
    pub(super) fn matches(&self, path: &[Vec<char>]) -> bool {
        let is_one = |piece: &Piece, segment: &Vec<char>| match piece {
            Piece::Any => false,
            Piece::Segment(pattern) => segment_matches(pattern, segment),
        };
        matches_runs(&self.0, path, |piece| *piece == Piece::Any, is_one)
    }
}

/// Matches with wildcards for runs, going back to the last of them only: no more than the product
/// of both lengths is compared.
fn matches_runs<P, T>(
    pattern: &[P],
    text: &[T],
    is_run: impl Fn(&P) -> bool,
    is_one: impl Fn(&P, &T) -> bool,
) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    loop {
        match (pattern.get(p), text.get(t)) {
            (None, None) => return true,
            (Some(piece), _) if is_run(piece) => {
                back = Some((p, t));
                p += 1;
            }
            (Some(piece), Some(one)) if is_one(piece, one) => (p, t) = (p + 1, t + 1),
            _ => {
                let Some((run, from)) = back.filter(|(_, from)| *from < text.len()) else {
                    return false;
                };
                back = Some((run, from + 1));
                (p, t) = (run + 1, from + 1);
            }
        }
    }
}

/// A segment; a run of digits in the text is one thing where the pattern has `%`.
fn segment_matches(pattern: &[char], segment: &[char]) -> bool {
    if !pattern.contains(&'%') {
        return matches_runs(pattern, segment, |p| *p == '*', |p, c| *p == '?' || p == c);
    }
    let mut folded: Vec<char> = Vec::with_capacity(segment.len());
    for c in segment {
        // A `%` of the text itself is no digit.
        let c = if *c == '%' { '\u{0}' } else { *c };
        let is_digit = c.is_ascii_digit();
        if !(is_digit && folded.last() == Some(&'%')) {
            folded.push(if is_digit { '%' } else { c });
        }
    }
    matches_runs(pattern, &folded, |p| *p == '*', |p, c| *p == '?' || p == c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, path: &str) -> bool {
        let segments: Vec<Vec<char>> = path.split('/').map(|s| s.chars().collect()).collect();
        Pattern::read(pattern).unwrap().matches(&segments)
    }

    #[test]
    fn a_pattern_is_what_its_signs_say() {
        // SPEC: CHG-8
        for (pattern, path, expected) in [
            ("a", "a", true),
            ("a", "b/a", false),
            ("**/a", "a", true),
            ("**/a", "c/b/a", true),
            ("**/a", "c/b/a/d", false),
            ("**/a/", "a", false),
            ("**/a/", "b/a/c/d", true),
            ("a/", "b/a/c", false),
            ("**/a/**/b", "x/a/b", true),
            ("**/a/**/b", "x/a/y/a/z/b", true),
            ("**/a/**/b", "x/a/y/c", false),
            ("**/*.log", "x/.log", true),
            ("**/*.log", "x/y.logs", false),
            ("**/a*b*c", "aXbXbXc", true),
            ("**/a*b*c", "aXcXb", false),
            ("**/?.o", "a.o", true),
            ("**/?.o", "ab.o", false),
            ("**/core.%", "core.1234", true),
            ("**/core.%", "core.js", false),
            ("**/core.%", "core.%", false),
            ("**/core.%", "core.", false),
            ("**/*.log.%", "a1.log.22", true),
        ] {
            assert_eq!(matches(pattern, path), expected, "{pattern} on {path}");
        }
        for pattern in ["", "/", "/a", "a//b", "a**", "A", "**/B/"] {
            assert_eq!(Pattern::read(pattern), None, "{pattern:?}");
        }
    }

    #[test]
    fn a_pattern_of_many_runs_on_a_long_name_takes_no_time() {
        let pattern = format!("**/{}b", "*a".repeat(40));
        assert!(!matches(&pattern, &"a".repeat(500)));
    }
}
