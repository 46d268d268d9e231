//! Bodies of control events: who may do what, and which keys exist.
//!
//! A control body is plain, deterministic CBOR: an array of its kind's number and its fields.
//! The kinds are closed: a number that this program does not know is of a newer workspace format
//! (SPEC: CTL-1). What a kind means is in `authority` and `epoch`; here is only its shape, and
//! what can be checked without any other event.

mod fault;
mod recovery;
mod shape;
mod strike;
#[cfg(test)]
mod tests;

pub use fault::ControlFault;
pub use recovery::{Recover, Rescue};
pub use strike::{Strike, Upgrade};

use crate::cbor::{self, Canonical, CborFault, Reader, Writer};
use crate::event::Header;
use crate::id::{DeviceId, EventId, WorkspaceId};
use crate::key::{RecoveryPublic, SealingKey, SealingStatement, is_strong};
use crate::limits::{CAPABILITIES_MAX, CONTROL_TEXT_MAX, EPOCH_OLDER_MAX, WRAP_RECIPIENTS_MAX};
use crate::role::Role;
use shape::{
    read_authors, read_cut, read_statement, sorted, write_authors, write_cut, write_statement,
};

/// The workspace format that a genesis of this program names.
pub const WORKSPACE_FORMAT: u64 = 1;

/// Bytes of an epoch key as HPKE seals it: the key and a tag of 16.
pub const WRAPPED_KEY_BYTES: usize = 48;

/// Bytes of one older key within an epoch's sealed list: id, key and their CBOR heads, generous.
const OLDER_ENTRY_BYTES: usize = 72;

/// What a control event says. A join says nothing: it has no body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ControlBody {
    /// The workspace begins. Its author is the first owner.
    Genesis(Genesis),
    /// A device becomes a member, or another kind of member.
    Grant(Grant),
    /// A device is a member no longer.
    Revoke(Revoke),
    /// Content comes back that revocations left out.
    Readmit(Readmit),
    /// A key that bodies are sealed under.
    Epoch(Epoch),
    /// An epoch's key, sealed to some who may read.
    Wrap(Wrap),
    /// What the recovery key decides.
    Recover(Recover),
    /// The workspace has a newer format.
    Upgrade(Upgrade),
    /// All go on from before some content.
    Strike(Strike),
}

/// The first event. `SPEC: CTL-2`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Genesis {
    /// The set of control kinds that this workspace has.
    pub format: u64,
    /// Random, so that no two workspaces share an id.
    pub nonce: [u8; 16],
    /// The founder's sealing key.
    pub sealing: SealingStatement,
    /// The key above every device.
    pub recovery: RecoveryPublic,
}

/// A grant. `SPEC: CTL-3`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// To whom.
    pub device: DeviceId,
    /// The device's sealing key, signed by it.
    pub sealing: SealingStatement,
    /// As what.
    pub role: Role,
    /// How far its runs are trusted: 0 least.
    pub tier: u64,
    /// What it can do, sorted.
    pub capabilities: Vec<String>,
    /// The rule of the policy that allowed this grant.
    pub rule: String,
}

/// A revocation. `SPEC: CTL-4`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revoke {
    /// Whom.
    pub target: DeviceId,
    /// For each branch of its content chains, the last event that the author had admitted, sorted.
    pub cut: Vec<EventId>,
    /// Why, for people.
    pub reason: String,
}

/// A readmission. `SPEC: CTL-8`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Readmit {
    /// Whose content comes back, sorted; not empty.
    pub authors: Vec<DeviceId>,
    /// For each branch of their content chains, the last event that comes back, sorted; not empty.
    pub tips: Vec<EventId>,
    /// Why, for people.
    pub reason: String,
}

/// An epoch. `SPEC: CTL-5`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Epoch {
    /// Commitment to its key: nobody can give two devices different keys.
    pub commitment: [u8; 32],
    /// Every older key that no other older one leads to, sealed under its own; empty at first.
    pub older: Vec<u8>,
}

/// A wrap. `SPEC: CTL-6`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrap {
    /// The epoch.
    pub epoch: EventId,
    /// Its key for each recipient, sorted by recipient.
    pub keys: Vec<WrappedKey>,
}

/// An epoch's key, sealed to one recipient by HPKE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrappedKey {
    /// A device, or the signing half of the recovery key.
    pub recipient: DeviceId,
    /// The encapsulated key.
    pub encapsulated: [u8; 32],
    /// The epoch's key, sealed.
    pub sealed: [u8; WRAPPED_KEY_BYTES],
}

impl ControlBody {
    /// Its kind's number on the wire. `SPEC: CTL-1`
    #[must_use]
    pub fn number(&self) -> u64 {
        match self {
            Self::Genesis(_) => 0,
            Self::Grant(_) => 1,
            Self::Revoke(_) => 2,
            Self::Readmit(_) => 3,
            Self::Epoch(_) => 4,
            Self::Wrap(_) => 5,
            Self::Recover(_) => 7,
            Self::Upgrade(_) => 8,
            Self::Strike(_) => 9,
        }
    }

    /// The names of all kinds.
    pub const NAMES: [&str; 9] =
        ["genesis", "grant", "revoke", "readmit", "epoch", "wrap", "recover", "upgrade", "strike"];

    /// Its kind's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Genesis(_) => "genesis",
            Self::Grant(_) => "grant",
            Self::Revoke(_) => "revoke",
            Self::Readmit(_) => "readmit",
            Self::Epoch(_) => "epoch",
            Self::Wrap(_) => "wrap",
            Self::Recover(_) => "recover",
            Self::Upgrade(_) => "upgrade",
            Self::Strike(_) => "strike",
        }
    }

    /// The body's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        cbor::encode(self)
    }

    /// Reads the body of an event with this header, and checks what needs no other event.
    pub fn decode(header: &Header, bytes: &[u8]) -> Result<Self, ControlFault> {
        let mut reader = Reader::new(bytes);
        reader.array(usize::from(u8::MAX))?;
        let number = reader.uint()?;
        if !matches!(number, 0..=5 | 7..=9) {
            return Err(ControlFault::UnknownKind(number));
        }
        let body: Self = cbor::decode(bytes)?;
        body.check(header)?;
        Ok(body)
    }

    fn check(&self, header: &Header) -> Result<(), ControlFault> {
        if (header.workspace == WorkspaceId::UNBORN) != matches!(self, Self::Genesis(_)) {
            return Err(ControlFault::Genesis);
        }
        match self {
            Self::Genesis(genesis) => genesis.check(&header.author),
            Self::Grant(grant) => grant.check(),
            Self::Revoke(revoke) => sorted(&revoke.cut),
            Self::Readmit(readmit) if readmit.authors.is_empty() || readmit.tips.is_empty() => {
                Err(ControlFault::NothingReadmitted)
            }
            Self::Readmit(readmit) => sorted(&readmit.authors).and_then(|()| sorted(&readmit.tips)),
            Self::Recover(recover) => recover.check(&header.author),
            Self::Upgrade(upgrade) => upgrade.check(),
            Self::Strike(strike) => strike.check(),
            Self::Epoch(_) => Ok(()),
            Self::Wrap(wrap) => {
                let recipients: Vec<_> = wrap.keys.iter().map(|key| key.recipient).collect();
                if recipients.is_empty() {
                    return Err(ControlFault::NoRecipient);
                }
                sorted(&recipients)
            }
        }
    }
}

impl Genesis {
    fn check(&self, founder: &DeviceId) -> Result<(), ControlFault> {
        if self.format != WORKSPACE_FORMAT {
            return Err(ControlFault::Format(self.format));
        }
        if !is_strong(founder) || !is_strong(&self.recovery.signing) {
            return Err(ControlFault::WeakKey);
        }
        if !self.sealing.is_of(founder) || self.recovery.sealing.is_low_order() {
            return Err(ControlFault::Sealing);
        }
        Ok(())
    }
}

impl Grant {
    fn check(&self) -> Result<(), ControlFault> {
        if !is_strong(&self.device) {
            return Err(ControlFault::WeakKey);
        }
        if !self.sealing.is_of(&self.device) {
            return Err(ControlFault::Sealing);
        }
        sorted(&self.capabilities)
    }
}

impl Canonical for ControlBody {
    fn write(&self, to: &mut Writer) {
        match self {
            Self::Genesis(genesis) => {
                to.array(7).uint(0).uint(genesis.format).bytes(&genesis.nonce);
                write_statement(to, &genesis.sealing);
                to.bytes(&genesis.recovery.signing.0).bytes(&genesis.recovery.sealing.0);
            }
            Self::Grant(grant) => {
                to.array(8).uint(1).bytes(&grant.device.0);
                write_statement(to, &grant.sealing);
                to.uint(grant.role as u64).uint(grant.tier).array(grant.capabilities.len());
                for capability in &grant.capabilities {
                    to.text(capability);
                }
                to.text(&grant.rule);
            }
            Self::Revoke(revoke) => {
                to.array(4).uint(2).bytes(&revoke.target.0);
                write_cut(to, &revoke.cut);
                to.text(&revoke.reason);
            }
            Self::Readmit(readmit) => {
                to.array(4).uint(3);
                write_authors(to, &readmit.authors);
                write_cut(to, &readmit.tips);
                to.text(&readmit.reason);
            }
            Self::Epoch(epoch) => {
                to.array(3).uint(4).bytes(&epoch.commitment).bytes(&epoch.older);
            }
            Self::Wrap(wrap) => {
                to.array(3).uint(5).bytes(&wrap.epoch.0).array(wrap.keys.len());
                for key in &wrap.keys {
                    to.array(3).bytes(&key.recipient.0).bytes(&key.encapsulated);
                    to.bytes(&key.sealed);
                }
            }
            Self::Recover(recover) => {
                to.array(3).uint(7);
                recover.rescue.write(to);
                to.bytes(&recover.signature);
            }
            Self::Upgrade(upgrade) => {
                to.array(2).uint(8).uint(upgrade.format);
            }
            Self::Strike(strike) => strike.write(to),
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, CborFault> {
        let len = from.array(8)?;
        let kind = from.uint()?;
        match (kind, len) {
            (0, 7) => read_genesis(from).map(Self::Genesis),
            (1, 8) => read_grant(from).map(Self::Grant),
            (2, 4) => {
                let target = DeviceId(from.fixed()?);
                let cut = read_cut(from)?;
                let reason = from.text(CONTROL_TEXT_MAX)?.to_owned();
                Ok(Self::Revoke(Revoke { target, cut, reason }))
            }
            (3, 4) => {
                let authors = read_authors(from)?;
                let tips = read_cut(from)?;
                let reason = from.text(CONTROL_TEXT_MAX)?.to_owned();
                Ok(Self::Readmit(Readmit { authors, tips, reason }))
            }
            (4, 3) => {
                let commitment = from.fixed()?;
                let older = from.bytes(EPOCH_OLDER_MAX * OLDER_ENTRY_BYTES)?.to_vec();
                Ok(Self::Epoch(Epoch { commitment, older }))
            }
            (5, 3) => read_wrap(from).map(Self::Wrap),
            (7, 3) => {
                let rescue = Rescue::read(from)?;
                Ok(Self::Recover(Recover { rescue, signature: from.fixed()? }))
            }
            (8, 2) => Ok(Self::Upgrade(Upgrade { format: from.uint()? })),
            (9, 4) => Strike::read(from).map(Self::Strike),
            _ => Err(CborFault::Malformed),
        }
    }
}

fn read_genesis(from: &mut Reader<'_>) -> Result<Genesis, CborFault> {
    Ok(Genesis {
        format: from.uint()?,
        nonce: from.fixed()?,
        sealing: read_statement(from)?,
        recovery: RecoveryPublic {
            signing: DeviceId(from.fixed()?),
            sealing: SealingKey(from.fixed()?),
        },
    })
}

fn read_grant(from: &mut Reader<'_>) -> Result<Grant, CborFault> {
    Ok(Grant {
        device: DeviceId(from.fixed()?),
        sealing: read_statement(from)?,
        role: Role::from_number(from.uint()?).ok_or(CborFault::Malformed)?,
        tier: from.uint()?,
        capabilities: {
            let len = from.array(CAPABILITIES_MAX)?;
            let texts = (0..len).map(|_| Ok(from.text(CONTROL_TEXT_MAX)?.to_owned()));
            texts.collect::<Result<_, CborFault>>()?
        },
        rule: from.text(CONTROL_TEXT_MAX)?.to_owned(),
    })
}

fn read_wrap(from: &mut Reader<'_>) -> Result<Wrap, CborFault> {
    let epoch = EventId(from.fixed()?);
    let len = from.array(WRAP_RECIPIENTS_MAX)?;
    let keys = (0..len).map(|_| {
        from.array_of(3)?;
        Ok(WrappedKey {
            recipient: DeviceId(from.fixed()?),
            encapsulated: from.fixed()?,
            sealed: from.fixed()?,
        })
    });
    Ok(Wrap { epoch, keys: keys.collect::<Result<_, CborFault>>()? })
}
