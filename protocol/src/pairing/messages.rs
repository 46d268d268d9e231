//! The messages of a pairing stream, each an array that begins with the number of its kind.
//!
//! The newcomer shows no more than its key and the invitation's name before the issuer has proved
//! the secret; the issuer shows no name before the newcomer has (SPEC: PAIR-9).

use crate::cbor::{self, Canonical, CborFault, Reader, Writer};
use crate::document::is_unshowable;
use crate::id::{EventId, WorkspaceId};
use crate::key::{SealingKey, SealingStatement};
use crate::limits::{NAME_BYTES_MAX, PAIRING_CODE_BYTES_MAX, PAIRING_MESSAGE_BYTES_MAX};
use crate::role::Role;

use super::code::PairingCode;
use super::token::InvitationId;

/// The version of these messages.
pub const MESSAGES_VERSION: u64 = 1;

/// A message; each is a frame of a link. `SPEC: PAIR-5, PAIR-6`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Newcomer: I come with this invitation.
    Hello {
        /// [`MESSAGES_VERSION`].
        version: u64,
        /// Which.
        invitation: InvitationId,
    },
    /// Issuer: it is to this workspace.
    Offer {
        /// Its whole id.
        workspace: WorkspaceId,
    },
    /// Newcomer: I know the secret.
    NewcomerProof([u8; 32]),
    /// Issuer: so do I, and this is what you come to.
    IssuerProof {
        /// The proof.
        proof: [u8; 32],
        /// What it invites to.
        welcome: Welcome,
    },
    /// Newcomer: its person wants that.
    Ready(Ready),
    /// Issuer: you are a member by this event.
    Granted {
        /// The grant.
        grant: EventId,
    },
    /// Either: no, and why.
    Refused(String),
    /// Issuer: you are a member by this event, by a file that is good for so many more.
    Admitted {
        /// The grant.
        grant: EventId,
        /// How many more.
        left: u32,
    },
}

/// What an invitation is to, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Welcome {
    /// The workspace's name.
    pub workspace_name: String,
    /// The inviting device's name.
    pub inviter: String,
    /// What the newcomer is to be.
    pub role: Role,
}

/// What a grant needs of the newcomer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    /// Its sealing key, signed by it.
    pub sealing: SealingStatement,
    /// The name it wishes.
    pub device_name: String,
}

impl Message {
    /// The refusal for this reason.
    #[must_use]
    pub fn refused(code: PairingCode) -> Self {
        Self::Refused(code.code().to_owned())
    }

    /// Its one encoding.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        cbor::encode(self)
    }

    /// Reads its one encoding; bytes beyond the bound are not looked at. A hello of another
    /// version is told apart by its second item, whatever follows it. `SPEC: PAIR-6`
    pub fn decode(bytes: &[u8]) -> Result<Self, PairingCode> {
        if bytes.len() > PAIRING_MESSAGE_BYTES_MAX {
            return Err(PairingCode::TooLarge);
        }
        if hello_version(bytes).is_some_and(|version| version != MESSAGES_VERSION) {
            return Err(PairingCode::Version);
        }
        cbor::decode(bytes).map_err(|_| PairingCode::Malformed)
    }
}

fn hello_version(bytes: &[u8]) -> Option<u64> {
    let mut from = Reader::new(bytes);
    let len = from.array(PAIRING_MESSAGE_BYTES_MAX).ok()?;
    if len < 2 || from.uint().ok()? != 0 {
        return None;
    }
    from.uint().ok()
}

impl Canonical for Message {
    fn write(&self, to: &mut Writer) {
        match self {
            Self::Hello { version, invitation } => {
                to.array(3).uint(0).uint(*version).bytes(&invitation.0);
            }
            Self::Offer { workspace } => {
                to.array(2).uint(1).bytes(&workspace.0);
            }
            Self::NewcomerProof(proof) => {
                to.array(2).uint(2).bytes(proof);
            }
            Self::IssuerProof { proof, welcome } => {
                to.array(5).uint(3).bytes(proof);
                to.text(&welcome.workspace_name).text(&welcome.inviter).uint(welcome.role as u64);
            }
            Self::Ready(Ready { sealing, device_name }) => {
                to.array(4).uint(4).bytes(&sealing.key.0).bytes(&sealing.signature);
                to.text(device_name);
            }
            Self::Granted { grant } => {
                to.array(2).uint(5).bytes(&grant.0);
            }
            Self::Refused(code) => {
                to.array(2).uint(6).text(code);
            }
            Self::Admitted { grant, left } => {
                to.array(3).uint(7).bytes(&grant.0).uint(u64::from(*left));
            }
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, CborFault> {
        let len = from.array(5)?;
        let message = match (from.uint()?, len) {
            (0, 3) => {
                Self::Hello { version: from.uint()?, invitation: InvitationId(from.fixed()?) }
            }
            (1, 2) => Self::Offer { workspace: WorkspaceId(from.fixed()?) },
            (2, 2) => Self::NewcomerProof(from.fixed()?),
            (3, 5) => Self::IssuerProof {
                proof: from.fixed()?,
                welcome: Welcome {
                    workspace_name: from.text(NAME_BYTES_MAX)?.to_owned(),
                    inviter: from.text(NAME_BYTES_MAX)?.to_owned(),
                    role: Role::from_number(from.uint()?).ok_or(CborFault::Malformed)?,
                },
            },
            (4, 4) => Self::Ready(Ready {
                sealing: SealingStatement {
                    key: SealingKey(from.fixed()?),
                    signature: from.fixed()?,
                },
                device_name: from.text(NAME_BYTES_MAX)?.to_owned(),
            }),
            (5, 2) => Self::Granted { grant: EventId(from.fixed()?) },
            (6, 2) => Self::Refused(from.text(PAIRING_CODE_BYTES_MAX)?.to_owned()),
            (7, 3) => Self::Admitted {
                grant: EventId(from.fixed()?),
                left: u32::try_from(from.uint()?).map_err(|_| CborFault::Malformed)?,
            },
            _ => return Err(CborFault::Malformed),
        };
        Ok(message)
    }
}

/// Is this a name that people can tell from others? `SPEC: PAIR-18`
#[must_use]
pub fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= NAME_BYTES_MAX
        && name.trim() == name
        && !name.contains('/')
        && !name.chars().any(is_unshowable)
}

/// A sealing statement as serde writes it: key and signature as one byte string of 96.
pub(crate) mod statement {
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    use super::{SealingKey, SealingStatement};

    pub(crate) fn serialize<S: Serializer>(
        statement: &SealingStatement,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        let mut bytes = statement.key.0.to_vec();
        bytes.extend(statement.signature);
        bytes.serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<SealingStatement, D::Error> {
        let bytes = Vec::<u8>::deserialize(from)?;
        let parts = bytes.split_first_chunk().map(|(key, rest)| (*key, rest.try_into()));
        match parts {
            Some((key, Ok(signature))) => Ok(SealingStatement { key: SealingKey(key), signature }),
            _ => Err(D::Error::custom("a sealing statement has 96 bytes")),
        }
    }
}
