//! Patterns of paths, matched on the whole path from the root of the repository.
//!
//! A component is literal, or holds `*` (any characters), `?` (one) and `[a-z]`, `[!a-z]` (one of,
//! none of); none of them matches a `/`. The component `**` stands for any number of components,
//! also none, at the end at least one. A pattern without any of these names a file, or a folder and
//! all that lies below. Matching takes time in the product of the two lengths, whatever the
//! pattern.

use super::fault::GitFault;

/// Bytes of one pattern; a longer one is no path.
const GLOB_BYTES_MAX: usize = 1024;
/// Patterns in one list: a contract names folders, not files.
const GLOBS_MAX: usize = 256;

/// A list of patterns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Globs(Vec<Glob>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Glob {
    components: Vec<Component>,
    below: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Component {
    AnyNumber,
    One(Vec<Token>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Any,
    One,
    Literal(u8),
    Class { not: bool, ranges: Vec<(char, char)> },
}

impl Globs {
    /// The patterns that `globs` spell.
    pub fn parse<S: AsRef<str>>(globs: &[S]) -> Result<Self, GitFault> {
        if globs.len() > GLOBS_MAX {
            let what = "patterns in a list".to_owned();
            return Err(GitFault::TooLarge { what, max: GLOBS_MAX as u64 });
        }
        let parse = |glob: &S| {
            let glob = glob.as_ref();
            Glob::parse(glob).map_err(|why| GitFault::BadGlob { glob: glob.to_owned(), why })
        };
        globs.iter().map(parse).collect::<Result<_, _>>().map(Self)
    }

    /// Whether one of them matches `path`.
    #[must_use]
    pub fn matches(&self, path: &[u8]) -> bool {
        let path: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
        self.0.iter().any(|glob| glob.matches(&path))
    }
}

impl Glob {
    fn parse(text: &str) -> Result<Self, &'static str> {
        if text.is_empty() {
            return Err("it is empty");
        }
        if text.len() > GLOB_BYTES_MAX {
            return Err("it is longer than 1024 bytes");
        }
        if text.bytes().any(|byte| byte == 0 || byte == b'\\') {
            return Err("it holds a backslash or a NUL");
        }
        if text.starts_with('/') {
            return Err("it starts with a slash");
        }
        let folder = text.ends_with('/');
        let trimmed = text.strip_suffix('/').unwrap_or(text);
        let mut components =
            trimmed.split('/').map(Component::parse).collect::<Result<Vec<_>, _>>()?;
        let plain = components.iter().all(Component::is_plain);
        if folder {
            components.push(Component::AnyNumber);
        }
        // What lies below a folder is not the folder.
        if components.last() == Some(&Component::AnyNumber) {
            components.push(Component::One(vec![Token::One, Token::Any]));
        }
        Ok(Self { components, below: plain && !folder })
    }

    fn matches(&self, path: &[&[u8]]) -> bool {
        // at[i]: the components so far match the first i of the path.
        let mut at = vec![false; path.len() + 1];
        if let Some(first) = at.first_mut() {
            *first = true;
        }
        for component in &self.components {
            at = match component {
                Component::AnyNumber => {
                    let mut reached = false;
                    at.iter()
                        .map(|here| {
                            reached |= *here;
                            reached
                        })
                        .collect()
                }
                Component::One(tokens) => {
                    let next = at.iter().zip(path).map(|(here, name)| *here && one(tokens, name));
                    std::iter::once(false).chain(next).collect()
                }
            };
        }
        if self.below { at.contains(&true) } else { at.last().is_some_and(|end| *end) }
    }
}

impl Component {
    fn parse(text: &str) -> Result<Self, &'static str> {
        match text {
            "" => return Err("it holds an empty component"),
            "." | ".." => return Err("it holds . or .."),
            "**" => return Ok(Self::AnyNumber),
            _ if text.contains("**") => return Err("** stands alone between slashes"),
            _ => {}
        }
        let mut tokens = Vec::new();
        let mut rest = text.chars();
        while let Some(c) = rest.next() {
            match c {
                '*' => tokens.push(Token::Any),
                '?' => tokens.push(Token::One),
                '[' => {
                    let (inside, after) =
                        class_end(rest.as_str()).ok_or("a [ has no ], or nothing in it")?;
                    tokens.push(class(inside)?);
                    rest = after.chars();
                }
                _ => tokens.extend(c.encode_utf8(&mut [0; 4]).bytes().map(Token::Literal)),
            }
        }
        Ok(Self::One(tokens))
    }

    fn is_plain(&self) -> bool {
        match self {
            Self::AnyNumber => false,
            Self::One(tokens) => tokens.iter().all(|token| matches!(token, Token::Literal(_))),
        }
    }
}

/// What stands in a class and what follows it; a `]` that comes first stands for itself.
fn class_end(text: &str) -> Option<(&str, &str)> {
    let start = usize::from(text.starts_with(['!', '^']));
    let from = start + text.get(start..)?.chars().next()?.len_utf8();
    let end = from + text.get(from..)?.find(']')?;
    Some((text.get(..end)?, text.get(end + 1..)?))
}

fn class(inside: &str) -> Result<Token, &'static str> {
    let not = inside.starts_with(['!', '^']);
    let mut rest = inside.chars().skip(usize::from(not)).peekable();
    let mut ranges = Vec::new();
    while let Some(low) = rest.next() {
        let mut ahead = rest.clone();
        match (ahead.next(), ahead.next()) {
            (Some('-'), Some(high)) if low <= high => {
                ranges.push((low, high));
                rest = ahead;
            }
            (Some('-'), Some(_)) => return Err("a range in [..] runs backwards"),
            _ => ranges.push((low, low)),
        }
    }
    Ok(Token::Class { not, ranges })
}

/// Whether `tokens` match the whole of `name`: on a mismatch the last `*` takes one more.
fn one(tokens: &[Token], name: &[u8]) -> bool {
    let (mut token, mut at) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    loop {
        let rest = name.get(at..).unwrap_or_default();
        let step = match tokens.get(token) {
            Some(Token::Any) => {
                retry = Some((token + 1, at));
                token += 1;
                continue;
            }
            Some(Token::Literal(byte)) => rest.first().filter(|first| *first == byte).map(|_| 1),
            Some(Token::One) => character(rest).map(|(_, length)| length),
            Some(Token::Class { not, ranges }) => character(rest).and_then(|(c, length)| {
                let inside = c.is_some_and(|c| ranges.iter().any(|(a, b)| (*a..=*b).contains(&c)));
                (inside != *not).then_some(length)
            }),
            None if rest.is_empty() => return true,
            None => None,
        };
        match (step, retry) {
            (Some(length), _) => {
                token += 1;
                at += length;
            }
            (None, Some((after, from))) => {
                let Some((_, length)) = character(name.get(from..).unwrap_or_default()) else {
                    return false;
                };
                at = from + length;
                token = after;
                retry = Some((after, at));
            }
            (None, None) => return false,
        }
    }
}

/// The first character and its bytes; a byte that is no UTF-8 is one that no class holds.
fn character(bytes: &[u8]) -> Option<(Option<char>, usize)> {
    let first = bytes.first()?;
    let length = match first {
        0xc0..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xff => 4,
        _ => 1,
    };
    let text = bytes.get(..length).and_then(|bytes| str::from_utf8(bytes).ok());
    let c = text.and_then(|text| text.chars().next());
    Some(c.map_or((None, 1), |c| (Some(c), length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glob_matches_whole_paths() {
        let cases: &[(&str, &[&str], &[&str])] = &[
            ("tests", &["tests", "tests/a", "tests/a/b"], &["tests2", "a/tests", "test"]),
            ("tests/", &["tests/a", "tests/a/b"], &["tests", "tests2/a"]),
            ("tests/*", &["tests/a"], &["tests", "tests/a/b"]),
            ("tests/**", &["tests/a", "tests/a/b"], &["tests", "x/tests/a"]),
            ("**/tests/**", &["tests/a", "x/tests/a", "x/y/tests/a/b"], &["x/test/a"]),
            ("**", &["a", "a/b/c"], &[]),
            ("**/*.rs", &["a.rs", "x/a.rs", "x/y/.rs"], &["a.rsx", "x/a.rs/b"]),
            ("src/**/*_test.rs", &["src/a_test.rs", "src/x/y/_test.rs"], &["a_test.rs"]),
            ("*", &["a", ".a"], &["a/b"]),
            ("a?c", &["abc", "aéc", "a€c"], &["ac", "abbc", "a/c"]),
            ("[a-c]x", &["ax", "cx"], &["dx", "x", "-x"]),
            ("[!a-c]x", &["dx", "éx"], &["ax", "x", "/x"]),
            ("[]-]x", &["]x", "-x"], &["ax"]),
            ("[a-]x", &["ax", "-x"], &["bx"]),
            ("[à-ü]x", &["éx"], &["ex"]),
            ("a*b*c", &["abc", "axbxbxc", "abcbc"], &["abcd", "acb"]),
            ("a.b", &["a.b", "a.b/c"], &["axb"]),
            ("x/*/y", &["x/a/y"], &["x/y", "x/a/b/y", "x/a/y/z"]),
            ("**/**/a", &["a", "b/a"], &["a/b"]),
            ("Tests", &["Tests/a"], &["tests/a"]),
        ];
        for (glob, good, bad) in cases {
            let globs = Globs::parse(&[*glob]).unwrap();
            for path in *good {
                assert!(globs.matches(path.as_bytes()), "{glob} does not match {path}");
            }
            for path in *bad {
                assert!(!globs.matches(path.as_bytes()), "{glob} matches {path}");
            }
        }
    }

    #[test]
    fn bytes_that_are_no_text_count_as_characters() {
        assert!(Globs::parse(&["a?c"]).unwrap().matches(b"a\xffc"));
        assert!(Globs::parse(&["*"]).unwrap().matches(b"\xff\xe2\x82"));
        assert!(Globs::parse(&["[!a]"]).unwrap().matches(b"\xe2"));
        assert!(!Globs::parse(&["[a-z]"]).unwrap().matches(b"\xff"));
    }

    #[test]
    fn a_bad_glob_is_refused_with_a_reason() {
        let bad = [
            "", "/", "/a", "a//b", "a/../b", "./a", "..", "a**", "**b", "a/**b/c", "[", "[]", "[a",
            "[!]", "a\\b", "a\0b", "[z-a]", "a//",
        ];
        for glob in bad {
            let fault = Globs::parse(&[glob]).unwrap_err();
            assert!(matches!(&fault, GitFault::BadGlob { .. }), "{glob:?} gave {fault:?}");
            assert_eq!(fault.code(), "git_bad_glob");
        }
        assert!(Globs::parse(&["a".repeat(GLOB_BYTES_MAX + 1)]).is_err());
        assert!(Globs::parse(&vec!["a"; GLOBS_MAX + 1]).is_err());
    }

    #[test]
    fn no_glob_takes_long() {
        let glob = format!("{}b", "a*".repeat(500));
        assert!(!Globs::parse(&[glob]).unwrap().matches("a".repeat(4000).as_bytes()));
        let glob = format!("{}x", "**/".repeat(300));
        assert!(!Globs::parse(&[glob]).unwrap().matches("a/".repeat(2000).as_bytes()));
    }
}
