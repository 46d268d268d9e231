//! Standing invitations, and the join file in which one travels to a machine without a screen.
//!
//! Who holds the file may come in, without digits: so it is for few devices, for a time, for a role
//! that grants nothing, and is redeemed at its issuer alone. A use is a grant in the log, so what
//! was used is what is durable there, and no count stands beside it that could lag behind.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use data_encoding::BASE32_NOPAD;
use serde::{Deserialize, Serialize};

use super::code::PairingCode;
use super::token::{InvitationId, Secret, TokenFault, checksum, first, is_dialable};
use crate::cbor::{self, Canonical, CborFault, Reader, Writer};
use crate::hash::{self, context};
use crate::id::{DeviceId, WorkspaceId};
use crate::key::is_strong;
use crate::limits::{
    JOIN_FILE_ADDRESSES_MAX, JOIN_FILE_BYTES_MAX, STANDING_LIFETIME_MAX_S, STANDING_USES_MAX,
};
use crate::role::Role;
use crate::sync::card::{read_in_any_order, write_addresses};

/// What the line of a join file begins with.
pub const JOIN_FILE_PREFIX: &str = "KOSJ1:";

/// The version of join files that this program writes and reads.
const VERSION: u64 = 1;

/// What a join file says. `SPEC: PAIR-20`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinFile {
    /// Whom to dial: TLS proves that it is this one who answers.
    pub endpoint: DeviceId,
    /// What both prove to know.
    pub secret: Secret,
    /// To which workspace.
    pub workspace: WorkspaceId,
    /// As what. Told; the issuer decides by what it keeps itself.
    pub role: Role,
    /// For how many devices.
    pub uses: u32,
    /// Until when, in seconds since 1970. Told; the issuer decides.
    pub expires_s: u64,
    /// Where the issuer was when it was written, best first.
    pub addresses: Vec<SocketAddr>,
}

impl JoinFile {
    /// Its text: what people should know, and one line. `SPEC: PAIR-20`
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut bytes = cbor::encode(self);
        bytes.extend(checksum(&bytes));
        format!(
            "# Who has this file can come into the workspace {} as {}.\n\
             # Keep it to yourself, and bring it to the new device: kern join --join-file FILE\n\
             {JOIN_FILE_PREFIX}{}\n",
            self.workspace,
            self.role.name(),
            BASE32_NOPAD.encode(&bytes)
        )
    }

    /// Reads a file's text: the first line that says something. `SPEC: PAIR-20`
    pub fn from_text(text: &str) -> Result<Self, TokenFault> {
        if text.len() > JOIN_FILE_BYTES_MAX {
            return Err(TokenFault::Foreign);
        }
        let mut lines = text.lines().map(str::trim);
        let line = lines.find(|line| !line.is_empty() && !line.starts_with('#'));
        let Some(encoded) = line.and_then(|line| line.strip_prefix(JOIN_FILE_PREFIX)) else {
            let newer = line.is_some_and(|line| line.starts_with("KOSJ") && line.contains(':'));
            return Err(if newer { TokenFault::Version } else { TokenFault::Foreign });
        };
        let bytes = BASE32_NOPAD.decode(encoded.as_bytes()).map_err(|_| TokenFault::Malformed)?;
        let (inside, sum) = bytes.split_last_chunk().ok_or(TokenFault::Malformed)?;
        if checksum(inside) != *sum {
            return Err(TokenFault::Checksum);
        }
        cbor::decode(inside).map_err(|_| TokenFault::Malformed)
    }
}

impl Canonical for JoinFile {
    fn write(&self, to: &mut Writer) {
        to.array(8).uint(VERSION).bytes(&self.endpoint.0).bytes(&self.secret.0);
        to.bytes(&self.workspace.0).uint(self.role as u64).uint(u64::from(self.uses));
        to.uint(self.expires_s);
        write_addresses(to, &written(&self.addresses));
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, CborFault> {
        from.array_of(8)?;
        if from.uint()? != VERSION {
            return Err(CborFault::Malformed);
        }
        let endpoint = DeviceId(from.fixed()?);
        let secret = Secret(from.fixed()?);
        let workspace = WorkspaceId(from.fixed()?);
        let role = Role::from_number(from.uint()?).ok_or(CborFault::Malformed)?;
        let uses = u32::try_from(from.uint()?).map_err(|_| CborFault::Malformed)?;
        let expires_s = from.uint()?;
        let addresses = read_in_any_order(from, JOIN_FILE_ADDRESSES_MAX)?;
        if !is_strong(&endpoint) || !may_stand(role, uses) {
            return Err(CborFault::Malformed);
        }
        Ok(Self { endpoint, secret, workspace, role, uses, expires_s, addresses })
    }
}

/// The addresses that a file holds of these: dialable ones, each once, the first eight.
fn written(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let mut seen = BTreeSet::new();
    let dialable = addresses.iter().filter(|address| is_dialable(address));
    let plain = dialable.map(|address| SocketAddr::new(address.ip(), address.port()));
    plain.filter(|address| seen.insert(*address)).take(JOIN_FILE_ADDRESSES_MAX).collect()
}

/// May an invitation to this, for so many, stand? `SPEC: PAIR-21`
#[must_use]
pub fn may_stand(role: Role, uses: u32) -> bool {
    role <= Role::Member && (1..=STANDING_USES_MAX).contains(&uses)
}

/// What an issuer keeps of a standing invitation. Its secret is not in it. `SPEC: PAIR-22`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standing {
    /// 16 fresh random bytes.
    pub nonce: [u8; 16],
    /// To which workspace.
    pub workspace: WorkspaceId,
    /// As what.
    pub role: Role,
    /// For how many devices.
    pub uses: u32,
    /// Until when, in seconds since 1970.
    pub expires_s: u64,
    /// The latest moment that the issuer knows has come.
    pub seen_s: u64,
    /// How many more it may let in, as of the last one. Shown; what counts is the log.
    pub left: u32,
    /// Why it is over.
    pub over: Option<PairingCode>,
}

impl Standing {
    /// A new one at the wall clock's `now_s`, for `lifetime_s` seconds; none where it may not be.
    #[must_use]
    pub fn new(
        nonce: [u8; 16],
        workspace: WorkspaceId,
        (role, uses): (Role, u32),
        now_s: u64,
        lifetime_s: u64,
    ) -> Option<Self> {
        let may = may_stand(role, uses) && (1..=STANDING_LIFETIME_MAX_S).contains(&lifetime_s);
        let expires_s = now_s.saturating_add(lifetime_s);
        may.then_some(Self {
            nonce,
            workspace,
            role,
            uses,
            expires_s,
            seen_s: now_s,
            left: uses,
            over: None,
        })
    }

    /// Its secret, from that of its issuer: of other terms it is another one. `SPEC: PAIR-22`
    #[must_use]
    pub fn secret(&self, issuer: &[u8; 32]) -> Secret {
        let (role, uses) = ([self.role as u8], self.uses.to_be_bytes());
        let expires = self.expires_s.to_be_bytes();
        let parts: [&[u8]; 6] = [issuer, &self.nonce, &self.workspace.0, &role, &uses, &expires];
        Secret(first(&hash::hash(context::PAIRING_STANDING, &parts)))
    }

    /// Time went on: to the wall clock's `now_s`, and by `passed_s` since it was last told. Neither
    /// takes it back. `SPEC: PAIR-23`
    pub fn saw(&mut self, now_s: u64, passed_s: u64) {
        self.seen_s = now_s.max(self.seen_s.saturating_add(passed_s));
        if self.seen_s >= self.expires_s && self.over.is_none() {
            self.over = Some(PairingCode::Expired);
        }
    }

    /// How long it stands yet, in milliseconds.
    #[must_use]
    pub fn left_ms(&self) -> u64 {
        match self.over {
            Some(_) => 0,
            None => self.expires_s.saturating_sub(self.seen_s).saturating_mul(1_000),
        }
    }
}

/// The rule under which a standing invitation's grants stand in the log. `SPEC: PAIR-24`
#[must_use]
pub fn rule_of(invitation: &InvitationId) -> String {
    format!("{STANDING_RULE}{invitation}")
}

/// What every such rule begins with.
pub const STANDING_RULE: &str = "join file ";
