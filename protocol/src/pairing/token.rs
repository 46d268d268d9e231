//! The token: what a QR code of pairing says, as bytes and as text.
//!
//! A token is shown on a screen, so others may read it too: it is worth one session, for five
//! minutes, and even then nothing without the two digits. It names no workspace, only a prefix
//! that tells the right one from another.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use data_encoding::BASE32_NOPAD;
use serde::{Deserialize, Serialize};

use crate::hash::{self, context};
use crate::id::{BadId, DeviceId, WorkspaceId, from_hex, to_hex};
use crate::key::is_strong;
use crate::limits::{PAIRING_ADDRESSES_MAX, PAIRING_TEXT_BYTES_MAX};

/// The token version that this program writes and reads.
pub const TOKEN_VERSION: u8 = 1;

/// What every token's text begins with.
pub const TOKEN_PREFIX: &str = "KOS1:";

/// Bytes of the workspace that a token holds: enough that no two of a person's are confused, and
/// the whole id is compared by the proofs.
pub const WORKSPACE_PREFIX_BYTES: usize = 8;

const SECRET_BYTES: usize = 16;
const CHECKSUM_BYTES: usize = 4;
const FAMILY_V4: u8 = 4;
const FAMILY_V6: u8 = 6;

/// Why a text is no token. Every variant has a stable code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    /// It begins as one and is not well formed.
    #[error("this pairing code is incomplete, or holds something that no pairing code holds")]
    Malformed,
    /// A token of a newer program.
    #[error("this pairing code is of a newer version: upgrade this device")]
    Version,
    /// Any other text.
    #[error("this is no pairing code: one begins with {TOKEN_PREFIX}")]
    Foreign,
    /// Some of its characters are wrong.
    #[error("this pairing code was mistyped: its checksum does not fit")]
    Checksum,
}

impl TokenFault {
    /// The reason code that logs and tests name.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Malformed => "token_malformed",
            Self::Version => "token_version",
            Self::Foreign => "token_foreign",
            Self::Checksum => "token_checksum",
        }
    }
}

/// What the device that shows the token wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Intent {
    /// It invites the reader into its workspace.
    Invite = 1,
    /// It asks to be taken into the reader's. Reserved: no machine follows it yet.
    AskIn = 2,
}

/// A one-time secret: 16 random bytes, drawn by the caller. It is not printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret(pub [u8; SECRET_BYTES]);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Secret {
    /// The invitation that this secret opens: a name that does not give the secret away.
    /// `SPEC: PAIR-3`
    #[must_use]
    pub fn invitation(&self) -> InvitationId {
        InvitationId(first(&hash::hash(context::PAIRING_INVITATION, &[&self.0])))
    }
}

/// An invitation: a hash of its secret, fit for logs and for the first message.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct InvitationId(pub [u8; 8]);

impl fmt::Display for InvitationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&to_hex(&self.0))
    }
}

impl fmt::Debug for InvitationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for InvitationId {
    type Error = BadId;
    fn try_from(text: String) -> Result<Self, BadId> {
        from_hex(&text).map(Self).ok_or(BadId { what: "invitation id", expected: 16 })
    }
}

impl From<InvitationId> for String {
    fn from(id: InvitationId) -> Self {
        id.to_string()
    }
}

/// What a token says of `workspace`. `SPEC: PAIR-3`
#[must_use]
pub fn workspace_prefix(workspace: &WorkspaceId) -> [u8; WORKSPACE_PREFIX_BYTES] {
    first(&hash::hash(context::PAIRING_WORKSPACE, &[&workspace.0]))
}

/// A token. `SPEC: PAIR-1`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// What its shower wants.
    pub intent: Intent,
    /// Whom to dial: TLS proves that it is this one who answers.
    pub endpoint: DeviceId,
    /// What both prove to know.
    pub secret: Secret,
    /// See [`workspace_prefix`].
    pub workspace_prefix: [u8; WORKSPACE_PREFIX_BYTES],
    /// Seconds since 1970 by the issuer's wall clock: shown, decides nothing. `SPEC: PAIR-4`
    pub expires: u32,
    /// Where it may be found, best first. Others than [`is_dialable`] ones are not written.
    pub addresses: Vec<SocketAddr>,
}

/// May this address stand in a token? One address has one form, and none of them sends the
/// newcomer to everybody or to nobody. `SPEC: PAIR-1`
#[must_use]
pub fn is_dialable(address: &SocketAddr) -> bool {
    let ip = address.ip();
    let ip_is_fit = match ip {
        IpAddr::V4(ip) => !ip.is_broadcast(),
        IpAddr::V6(ip) => ip.to_ipv4_mapped().is_none() && !ip.is_unicast_link_local(),
    };
    address.port() != 0 && !ip.is_unspecified() && !ip.is_multicast() && ip_is_fit
}

impl Token {
    /// Its one text. Of the addresses the first two dialable ones are written, each once.
    /// `SPEC: PAIR-1, PAIR-2`
    #[must_use]
    pub fn to_text(&self) -> String {
        format!("{TOKEN_PREFIX}{}", BASE32_NOPAD.encode(&self.to_bytes()))
    }

    /// Finds the token in what a person scanned or pasted. `SPEC: PAIR-2`
    pub fn from_text(text: &str) -> Result<Self, TokenFault> {
        let text = text.trim();
        if text.len() > PAIRING_TEXT_BYTES_MAX {
            return Err(TokenFault::Foreign);
        }
        let upper = text.to_ascii_uppercase();
        let token = match upper.strip_prefix("HTTPS://") {
            Some(url) => url.split_once('#').map(|(_, fragment)| fragment),
            None => Some(upper.as_str()),
        };
        let token = token.ok_or(TokenFault::Foreign)?;
        let Some(encoded) = token.strip_prefix(TOKEN_PREFIX) else {
            return Err(fault_of_other(token));
        };
        let bytes = BASE32_NOPAD.decode(encoded.as_bytes()).map_err(|_| TokenFault::Malformed)?;
        Self::from_bytes(&bytes)
    }

    /// Its one encoding. `SPEC: PAIR-1`
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = vec![TOKEN_VERSION, self.intent as u8];
        out.extend(self.endpoint.0);
        out.extend(self.secret.0);
        out.extend(self.workspace_prefix);
        out.extend(self.expires.to_be_bytes());
        for address in written(&self.addresses) {
            match address.ip() {
                IpAddr::V4(ip) => {
                    out.push(FAMILY_V4);
                    out.extend(ip.octets());
                }
                IpAddr::V6(ip) => {
                    out.push(FAMILY_V6);
                    out.extend(ip.octets());
                }
            }
            out.extend(address.port().to_be_bytes());
        }
        let checksum = checksum(&out);
        out.extend(checksum);
        out
    }

    /// Reads its one encoding. The checksum is looked at first, wherever a version puts the rest.
    /// `SPEC: PAIR-1, PAIR-2`
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TokenFault> {
        let (inside, sum) = bytes.split_last_chunk().ok_or(TokenFault::Malformed)?;
        if checksum(inside) != *sum {
            return Err(TokenFault::Checksum);
        }
        let mut from = Bytes(inside);
        let [version] = from.take()?;
        if version != TOKEN_VERSION {
            return Err(TokenFault::Version);
        }
        let token = Self {
            intent: intent(from.take()?)?,
            endpoint: DeviceId(from.take()?),
            secret: Secret(from.take()?),
            workspace_prefix: from.take()?,
            expires: u32::from_be_bytes(from.take()?),
            addresses: from.addresses()?,
        };
        // Nothing but the one encoding: what is not written is not read.
        if is_strong(&token.endpoint) && token.to_bytes() == bytes {
            Ok(token)
        } else {
            Err(TokenFault::Malformed)
        }
    }
}

/// `KOS` and another number is a token of another version; anything else is no token.
fn fault_of_other(text: &str) -> TokenFault {
    let number = text.strip_prefix("KOS").and_then(|rest| rest.split_once(':'));
    match number {
        Some((number, _))
            if (1..=3).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit()) =>
        {
            TokenFault::Version
        }
        _ => TokenFault::Foreign,
    }
}

fn intent([number]: [u8; 1]) -> Result<Intent, TokenFault> {
    [Intent::Invite, Intent::AskIn]
        .into_iter()
        .find(|intent| *intent as u8 == number)
        .ok_or(TokenFault::Version)
}

/// The addresses that a token holds of these.
fn written(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let mut out: Vec<SocketAddr> = Vec::new();
    for address in addresses.iter().filter(|address| is_dialable(address)) {
        // Flow and scope of IPv6 mean nothing on another device.
        let address = SocketAddr::new(address.ip(), address.port());
        if out.len() < PAIRING_ADDRESSES_MAX && !out.contains(&address) {
            out.push(address);
        }
    }
    out
}

pub(super) fn checksum(inside: &[u8]) -> [u8; CHECKSUM_BYTES] {
    first(&hash::hash(context::PAIRING_CHECKSUM, &[inside]))
}

pub(super) fn first<const N: usize>(hash: &[u8; 32]) -> [u8; N] {
    hash.first_chunk().copied().unwrap_or([0; N])
}

/// What is still to be read.
struct Bytes<'b>(&'b [u8]);

impl Bytes<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], TokenFault> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(TokenFault::Malformed)?;
        self.0 = rest;
        Ok(*taken)
    }

    /// All that is left, at most two.
    fn addresses(&mut self) -> Result<Vec<SocketAddr>, TokenFault> {
        let mut out = Vec::new();
        while !self.0.is_empty() {
            if out.len() == PAIRING_ADDRESSES_MAX {
                return Err(TokenFault::Malformed);
            }
            let ip = match self.take()? {
                [FAMILY_V4] => IpAddr::V4(Ipv4Addr::from(self.take::<4>()?)),
                [FAMILY_V6] => IpAddr::V6(Ipv6Addr::from(self.take::<16>()?)),
                _ => return Err(TokenFault::Malformed),
            };
            out.push(SocketAddr::new(ip, u16::from_be_bytes(self.take()?)));
        }
        Ok(out)
    }
}
