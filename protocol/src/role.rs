//! Roles, from the lowest to the highest. A higher one may what a lower one may.

use serde::{Deserialize, Serialize};

/// What a device may do in a workspace (SPEC: AUTH-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Role {
    /// Keeps, checks, orders and forwards ciphertext; holds no key.
    Store = 1,
    /// Reads.
    Observer = 2,
    /// Takes leases and writes run events.
    Runner = 3,
    /// Writes content.
    Member = 4,
    /// Grants and revokes below admin.
    Admin = 5,
    /// Everything.
    Owner = 6,
}

impl Role {
    /// All roles, lowest first.
    pub const ALL: [Self; 6] =
        [Self::Store, Self::Observer, Self::Runner, Self::Member, Self::Admin, Self::Owner];

    /// The role with this number on the wire.
    #[must_use]
    pub fn from_number(number: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|role| *role as u64 == number)
    }

    /// Its name, as people type it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Observer => "observer",
            Self::Runner => "runner",
            Self::Member => "member",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }

    /// May it hold epoch keys?
    #[must_use]
    pub fn reads(self) -> bool {
        self >= Self::Observer
    }

    /// May it write content at all?
    #[must_use]
    pub fn writes_content(self) -> bool {
        self >= Self::Runner
    }
}
