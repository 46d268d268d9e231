//! What a person does on a device beside edits, and how a script says it.

use kernelos_protocol::document::DocPath;

use crate::script::{Device, Who};

/// What is tried: where it is off, may not or finds nothing, nothing comes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// `A tries to undo`: the last that it can; `A tries to undo by force`: also where something
    /// else stands there since.
    Undo {
        /// By force?
        force: bool,
    },
    /// `A tries to cancel the mission`: the last one that was started.
    Cancel,
    /// `A tries to strike B`: the last content of B that it knows.
    Strike(Who),
    /// `A tries to bring back what is struck`: the last of it.
    ReadmitStruck,
    /// `A tries to readmit B`: everything of it that revocations left out.
    Readmit(Who),
    /// `A tries to purge`: the last artifact that it knows.
    Purge,
    /// `A tries to rescue`: by the recovery key, and keeps nobody who led.
    Rescue,
    /// `A tries to branch NAME`: of the workspace's document; `A tries to branch NAME of PATH`.
    Branch(String, DocPath),
    /// `A tries to merge NAME`: a branch, into what it was made of.
    Merge(String),
    /// `A tries to put away NAME`, a branch; `A tries to get back NAME`.
    PutAway(String, bool),
}

impl Act {
    /// What the words behind the device's name say.
    pub(super) fn read(words: &[&str], who: &impl Fn(&str) -> Option<usize>) -> Option<Self> {
        Some(match words {
            ["tries", "to", "undo"] => Self::Undo { force: false },
            ["tries", "to", "undo", "by", "force"] => Self::Undo { force: true },
            ["tries", "to", "cancel", "the", "mission"] => Self::Cancel,
            ["tries", "to", "strike", b] => Self::Strike(who(b)?),
            ["tries", "to", "bring", "back", "what", "is", "struck"] => Self::ReadmitStruck,
            ["tries", "to", "readmit", b] => Self::Readmit(who(b)?),
            ["tries", "to", "purge"] => Self::Purge,
            ["tries", "to", "rescue"] => Self::Rescue,
            ["tries", "to", "branch", name] => Self::Branch((*name).to_owned(), DocPath::default()),
            ["tries", "to", "branch", name, "of", path] => {
                Self::Branch((*name).to_owned(), path.parse().ok()?)
            }
            ["tries", "to", "merge", name] => Self::Merge((*name).to_owned()),
            ["tries", "to", "put", "away", name] => Self::PutAway((*name).to_owned(), true),
            ["tries", "to", "get", "back", name] => Self::PutAway((*name).to_owned(), false),
            _ => return None,
        })
    }

    /// The words behind the device's name.
    pub(super) fn words(&self, devices: &[Device]) -> String {
        let name = |who: &Who| devices.get(*who).map_or("?", |device| device.name.as_str());
        match self {
            Self::Undo { force: false } => "tries to undo".to_owned(),
            Self::Undo { force: true } => "tries to undo by force".to_owned(),
            Self::Cancel => "tries to cancel the mission".to_owned(),
            Self::Strike(b) => format!("tries to strike {}", name(b)),
            Self::ReadmitStruck => "tries to bring back what is struck".to_owned(),
            Self::Readmit(b) => format!("tries to readmit {}", name(b)),
            Self::Purge => "tries to purge".to_owned(),
            Self::Rescue => "tries to rescue".to_owned(),
            Self::Branch(name, of) if of.segments().is_empty() => format!("tries to branch {name}"),
            Self::Branch(name, of) => format!("tries to branch {name} of {of}"),
            Self::Merge(name) => format!("tries to merge {name}"),
            Self::PutAway(name, true) => format!("tries to put away {name}"),
            Self::PutAway(name, false) => format!("tries to get back {name}"),
        }
    }
}
