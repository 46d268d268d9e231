//! The id of a git object: the hash that names it, never the null id.

use std::fmt;

use super::fault::GitFault;

/// How a repository names its objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectFormat {
    /// SHA-1: 40 hex digits.
    Sha1,
    /// SHA-256: 64 hex digits.
    Sha256,
}

impl ObjectFormat {
    /// Git's name of it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
        }
    }

    /// The format with git's name `name`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Sha1, Self::Sha256].into_iter().find(|format| format.name() == name)
    }

    /// Hex digits of an id.
    #[must_use]
    pub fn digits(self) -> usize {
        match self {
            Self::Sha1 => 40,
            Self::Sha256 => 64,
        }
    }
}

/// The id of an object: 40 or 64 lowercase hex digits. The null id, which git reads as "absent"
/// when a ref is moved, is none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Oid(String);

impl Oid {
    /// The id that `text` spells.
    pub fn parse(text: &str) -> Result<Self, GitFault> {
        let long = [ObjectFormat::Sha1, ObjectFormat::Sha256];
        let length = long.iter().any(|format| format.digits() == text.len());
        let hex = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if length && hex && text.bytes().any(|byte| byte != b'0') {
            return Ok(Self(text.to_owned()));
        }
        Err(GitFault::NotAnId)
    }

    /// Its digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The format of the repository that it comes from.
    #[must_use]
    pub fn format(&self) -> ObjectFormat {
        if self.0.len() == ObjectFormat::Sha1.digits() {
            ObjectFormat::Sha1
        } else {
            ObjectFormat::Sha256
        }
    }
}

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_one_spelling_of_an_object_is_an_id() {
        let cases = [
            ("a".repeat(40), true),
            ("0f".repeat(32), true),
            ("A".repeat(40), false),
            ("0".repeat(40), false),
            ("0".repeat(64), false),
            ("a".repeat(39), false),
            ("g".repeat(40), false),
            (format!("-{}", "a".repeat(39)), false),
            (String::new(), false),
        ];
        for (text, good) in cases {
            assert_eq!(Oid::parse(&text).is_ok(), good, "{text}");
        }
    }
}
