//! Why a pairing ends, with the code that is sent, logged and tested.

use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal, $message:literal;)+) => {
        /// Why a pairing, or an attempt at one, ended without a grant. `SPEC: PAIR-17`
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize,
            thiserror::Error,
        )]
        #[serde(rename_all = "snake_case")]
        pub enum PairingCode {
            $($(#[doc = $doc])+ #[error($message)] $name,)+
        }

        impl PairingCode {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The reason code that is sent and that logs and tests name.
            #[must_use]
            pub fn code(self) -> &'static str {
                match self {
                    $(Self::$name => $code,)+
                }
            }
        }
    };
}

codes! {
    /// The token is of this very device.
    OwnToken = "own_token", "this pairing code is this device's own: scan it on the other one";
    /// The token wants something else.
    WrongIntent = "wrong_intent", "this pairing code does not invite anybody";
    /// Another device answered than the token names.
    WrongEndpoint = "wrong_endpoint", "another device answered than the one that shows the code";
    /// The issuer's workspace is not the token's.
    ForeignWorkspace = "foreign_workspace", "the other device offers another workspace";
    /// The other side speaks another version.
    Version = "version", "the two devices speak different versions: upgrade both";
    /// Bytes that are no message.
    Malformed = "malformed", "the other side sent something that is no pairing message";
    /// A message beyond its bound.
    TooLarge = "too_large", "the other side sent too much";
    /// A message at the wrong time.
    OutOfOrder = "out_of_order", "the other side sent a message at the wrong time";
    /// No such invitation is open here, nor was since the start.
    Unknown = "invitation_unknown", "the code is not open there: ask for a new one";
    /// It had its session.
    Used = "invitation_used", "the code was used already: ask for a new one";
    /// Its time is over.
    Expired = "invitation_expired", "the code is older than five minutes: ask for a new one";
    /// It was burned for another reason.
    Burned = "invitation_burned", "the code is void: ask for a new one";
    /// A proof that is not of this secret on this channel.
    BadProof = "bad_proof", "the other side does not know the code";
    /// The third of those.
    BadProofs = "too_many_bad_proofs", "the code is void: somebody tried to guess it";
    /// A second one proved the secret.
    CodeSeen = "code_seen", "somebody else has seen the code: nothing was granted, show a new one";
    /// The person typed other digits.
    WrongCode = "wrong_check_code", "the two digits are wrong: nothing was granted, start again";
    /// The device's wished name is another's.
    NameUsed = "name_used", "another device has this name: choose another and start again";
    /// The name is none.
    BadName = "bad_name", "this cannot be the name of a device";
    /// The sealing key is not signed by the device, or is weak, as the device's own may be.
    BadKey = "bad_key", "the device's keys are not fit to be a member's";
    /// The newcomer's person said no, or the newcomer gave up.
    Declined = "declined", "the new device ended it";
    /// The issuer's person ended it.
    Cancelled = "cancelled", "the inviting device ended it";
    /// The other side went away.
    LinkLost = "link_lost", "the connection was lost: start again with a new code";
    /// It went away when all that was missing was its word.
    Unconfirmed = "unconfirmed", "the connection was lost: look there whether it was granted";
    /// A step took too long.
    Timeout = "timeout", "the other side took too long";
    /// Too many at once.
    Busy = "busy", "too many pairings at once: try again in a moment";
    /// The grant could not be written.
    NotGranted = "not_granted", "the inviting device could not write the grant";
    /// A code that this program does not know.
    Other = "other", "refused for a reason that this program does not know: upgrade";
}

impl PairingCode {
    /// Did nobody refuse, but the other side was not reached, went away or took too long? Then the
    /// same may go well later.
    #[must_use]
    pub fn is_unreachable(self) -> bool {
        matches!(self, Self::LinkLost | Self::Unconfirmed | Self::Timeout | Self::Busy)
    }

    /// The code with this name; [`Self::Other`] for one of a newer program.
    #[must_use]
    pub fn from_code(code: &str) -> Self {
        let known = Self::ALL.iter().copied().find(|known| known.code() == code);
        known.unwrap_or(Self::Other)
    }
}
