//! What the secret proves, on one TLS channel and in one direction, and the two digits.
//!
//! A proof is bound to both keys that TLS proved and to the channel itself: read on one channel it
//! is worth nothing on another, and sent back it is the proof of the other side, which it is not.

use std::fmt;
use std::str::FromStr;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::token::Secret;
use crate::hash::{self, context};
use crate::id::{DeviceId, WorkspaceId};

/// Which end a proof is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The one that comes.
    Newcomer,
    /// The one that invites.
    Issuer,
}

impl Side {
    /// What its proof begins with; neither is the beginning of the other.
    #[must_use]
    pub fn label(self) -> &'static [u8] {
        match self {
            Self::Newcomer => b"kernelos/1/pairing/newcomer\0",
            Self::Issuer => b"kernelos/1/pairing/issuer\0",
        }
    }
}

/// One TLS channel between two devices.
#[derive(Debug, Clone, Copy)]
pub struct Channel {
    /// The key that TLS proved of the one that comes.
    pub newcomer: DeviceId,
    /// The key that TLS proved of the one that invites.
    pub issuer: DeviceId,
    /// What both ends exported from TLS.
    pub exporter: [u8; 32],
}

impl Channel {
    /// The proof of `side`. `SPEC: PAIR-7`
    #[must_use]
    pub fn prove(&self, side: Side, secret: &Secret, workspace: &WorkspaceId) -> [u8; 32] {
        self.mac(side, secret, workspace).map_or([0; 32], |mac| mac.finalize().into_bytes().into())
    }

    /// Is this the proof of `side`? Compared in constant time. `SPEC: PAIR-7`
    #[must_use]
    pub fn is_proven(
        &self,
        side: Side,
        secret: &Secret,
        workspace: &WorkspaceId,
        proof: &[u8; 32],
    ) -> bool {
        self.mac(side, secret, workspace).is_some_and(|mac| mac.verify_slice(proof).is_ok())
    }

    /// HMAC takes keys of any length, so there always is one.
    fn mac(&self, side: Side, secret: &Secret, workspace: &WorkspaceId) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&secret.0).ok()?;
        mac.update(side.label());
        mac.update(&self.newcomer.0);
        mac.update(&self.issuer.0);
        mac.update(&workspace.0);
        mac.update(&self.exporter);
        Some(mac)
    }

    /// The two digits of this channel. `SPEC: PAIR-8`
    #[must_use]
    pub fn check_code(&self, secret: &Secret) -> CheckCode {
        let parts: [&[u8]; 4] = [&self.exporter, &secret.0, &self.newcomer.0, &self.issuer.0];
        let hash = hash::hash(context::PAIRING_CHECK_CODE, &parts);
        // Of 2^128 values the first 56 remainders have one more than the rest: nobody notices.
        let number = hash.first_chunk().map_or(0, |bytes| u128::from_be_bytes(*bytes));
        CheckCode(u8::try_from(number % 100).unwrap_or(0))
    }
}

/// Two digits, shown by the newcomer and typed at the issuer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CheckCode(u8);

/// Text that is not two digits. It is no guess: the person is asked again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the check code is the two digits that the other device shows")]
pub struct BadCheckCode;

impl FromStr for CheckCode {
    type Err = BadCheckCode;
    fn from_str(text: &str) -> Result<Self, BadCheckCode> {
        let text = text.trim();
        if text.len() != 2 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(BadCheckCode);
        }
        text.parse().map(Self).map_err(|_| BadCheckCode)
    }
}

impl fmt::Display for CheckCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}", self.0)
    }
}

impl TryFrom<String> for CheckCode {
    type Error = BadCheckCode;
    fn try_from(text: String) -> Result<Self, BadCheckCode> {
        text.parse()
    }
}

impl From<CheckCode> for String {
    fn from(code: CheckCode) -> Self {
        code.to_string()
    }
}
