//! Why a control body is none.

use crate::cbor::CborFault;

/// What is wrong with a control body, each with a stable code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ControlFault {
    /// Not CBOR of its kind's shape, or beyond a limit.
    #[error("malformed")]
    Decode,
    /// Another encoding than the one that exists for this value.
    #[error("not in its one encoding")]
    NotCanonical,
    /// A kind that this workspace format does not have.
    #[error("kind {0} belongs to a newer workspace format: upgrade")]
    UnknownKind(u64),
    /// A workspace format that this program does not know.
    #[error("workspace format {0} is newer than this program: upgrade")]
    Format(u64),
    /// A genesis elsewhere than at the beginning, or something else there.
    #[error("only a genesis begins a workspace, and it begins nothing else")]
    Genesis,
    /// A key that signs everything.
    #[error("a weak public key")]
    WeakKey,
    /// The sealing key is not signed by the device, or is of low order.
    #[error("the sealing key is not signed by its device, or is of low order")]
    Sealing,
    /// A list that must be sorted and without doubles.
    #[error("a list is unsorted or has doubles")]
    Unsorted,
    /// A readmission of nobody or of nothing.
    #[error("a readmission that names no author or no event")]
    NothingReadmitted,
    /// A strike of nobody or of nothing.
    #[error("a strike that names no author or no event")]
    NothingStruck,
    /// An upgrade to the format that every workspace begins with.
    #[error("an upgrade to a format that is not above 1")]
    FirstFormat,
    /// A wrap to nobody.
    #[error("a wrap without a recipient")]
    NoRecipient,
}

impl ControlFault {
    /// The reason code that logs and tests name.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Decode => "control_decode",
            Self::NotCanonical => "non_canonical",
            Self::UnknownKind(_) | Self::Format(_) => "newer_format",
            Self::Genesis => "genesis",
            Self::WeakKey => "weak_key",
            Self::Sealing => "sealing_key",
            Self::Unsorted => "unsorted",
            Self::NothingReadmitted => "nothing_readmitted",
            Self::NothingStruck => "nothing_struck",
            Self::FirstFormat => "first_format",
            Self::NoRecipient => "no_recipient",
        }
    }
}

impl From<CborFault> for ControlFault {
    fn from(fault: CborFault) -> Self {
        match fault {
            CborFault::Malformed => Self::Decode,
            CborFault::NotCanonical => Self::NotCanonical,
        }
    }
}
