//! Events: what a device signed, and how far it has been checked.
//!
//! `Unsigned -> Signed -> Verified`: each step consumes the one before, so nothing is used that
//! was not checked. An event that comes without its signature is proven by the next signed one of
//! its chain: it becomes [`Verified`] with the [`Run`] that this one ends. The id is the hash of
//! the header's very bytes (SPEC: EVT-4). What an event *does* is decided elsewhere: authority
//! says whether it is admitted, effect what it changes.

mod header;
mod proving;
mod run;
pub(crate) mod stored;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub(crate) use header::SALT_BYTES;
pub use header::{BodyRef, Class, HEADER_VERSION, Header};
pub use proving::Proving;
pub use run::{Run, Runs};
use stored::Parts;

use crate::cbor::{self, CborFault, Writer};
use crate::control::{ControlBody, ControlFault};
use crate::hash::{self, context};
use crate::id::{ChainId, EventId, Lane, WorkspaceId};
use crate::key::{DeviceKey, verify};
use crate::limits::{BODY_BYTES_MAX, HEADER_BYTES_MAX};
use crate::seal::is_salt_of;

/// Why bytes are no event. Every variant has a stable code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventFault {
    /// Not CBOR of the right shape.
    #[error("the bytes are no event")]
    Decode,
    /// Another encoding than the one that exists for this value.
    #[error("the event is not in its one encoding")]
    NotCanonical,
    /// A header version that this program does not know.
    #[error("header version {0} is newer than this program: upgrade")]
    Version(u64),
    /// The parents, or the heads heard, are too many, unsorted, doubled, or name prev.
    #[error("the event's parents or heard heads break the rules")]
    Parents,
    /// Fields that do not fit together, such as a genesis with a parent.
    #[error("the event's {0} does not fit its other fields")]
    Field(&'static str),
    /// Larger than a body may be.
    #[error("the event's body is larger than {BODY_BYTES_MAX} bytes")]
    TooLarge,
    /// The body is not the one that the header names.
    #[error("the body is not the one that the header names")]
    BodyMismatch,
    /// The event carries no signature, and none that follows it stands for it.
    #[error("the event carries no signature, and no other proves it")]
    Unsigned,
    /// The author's key is weak, or the signature is not the author's.
    #[error("the signature is not the author's")]
    BadSignature,
    /// A control body that breaks the rules of its kind.
    #[error("control body: {0}")]
    Control(#[from] ControlFault),
    /// An event of another workspace.
    #[error("the event belongs to another workspace")]
    WrongWorkspace,
}

impl EventFault {
    /// The reason code that logs and tests name.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Decode => "decode",
            Self::NotCanonical => "non_canonical",
            Self::Version(_) => "version",
            Self::Parents => "parents",
            Self::Field(_) => "field",
            Self::TooLarge => "too_large",
            Self::BodyMismatch => "body_mismatch",
            Self::Unsigned => "unsigned",
            Self::BadSignature => "bad_signature",
            Self::Control(fault) => fault.code(),
            Self::WrongWorkspace => "wrong_workspace",
        }
    }
}

impl From<CborFault> for EventFault {
    fn from(fault: CborFault) -> Self {
        match fault {
            CborFault::Malformed => Self::Decode,
            CborFault::NotCanonical => Self::NotCanonical,
        }
    }
}

/// Most bytes of an envelope beside its header and its body: the signature, and the heads of all.
const ENVELOPE_HEADS: usize = 1 + 3 + 66 + 5;

/// An event that its author has yet to sign.
#[derive(Debug, Clone)]
pub struct Unsigned {
    /// Its header; the author must be the key that signs.
    pub header: Header,
    /// The stored body, if any; the header names its hash and length.
    pub body: Option<Vec<u8>>,
}

/// An event as it travels: well formed, its signature not yet checked, or left out.
#[derive(Debug, Clone)]
pub struct Signed {
    /// Shared with who keeps the header alone.
    header: Arc<Header>,
    header_bytes: Vec<u8>,
    id: EventId,
    signature: Option<[u8; 64]>,
    body: Option<Vec<u8>>,
}

/// The body of an event that is put together from its parts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Part<'a> {
    /// The header names none.
    None,
    /// It is here, with its salt.
    Here(&'a [u8]),
    /// It is named and not here.
    Absent(BodyRef),
}

/// An event that its author signed: itself, or a later one of its chain. Cheap to clone.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "Vec<u8>", into = "Vec<u8>")]
pub struct Verified(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    signed: Signed,
    control: Option<ControlBody>,
}

impl Unsigned {
    /// Signs with `key`. `SPEC: EVT-5`
    pub fn sign(self, key: &DeviceKey) -> Result<Verified, EventFault> {
        if self.header.author != key.device() {
            return Err(EventFault::Field("author"));
        }
        let header_bytes = cbor::encode(&self.header);
        let id = id_of(&header_bytes);
        let signature = Some(key.sign(hash::SIGN_EVENT, &id.0));
        let (header, body) = (Arc::new(self.header), self.body);
        let signed = Signed { header, header_bytes, id, signature, body };
        signed.header.check()?;
        signed.check_body()?;
        signed.into_verified()
    }
}

impl Signed {
    /// Reads an envelope: an array of header, signature, body. `SPEC: EVT-3`
    pub fn decode(bytes: &[u8]) -> Result<Self, EventFault> {
        let signed = Self::read(bytes, Header::decode)?;
        if signed.encode() != bytes {
            return Err(EventFault::NotCanonical);
        }
        signed.check_body()?;
        Ok(signed)
    }

    /// Its parts, and that it is signed if it must be; the rest is what `decode` checks.
    fn read(
        bytes: &[u8],
        header: impl FnOnce(&[u8]) -> Result<Header, EventFault>,
    ) -> Result<Self, EventFault> {
        let Parts { header: header_bytes, signature, body } = Parts::read(bytes)?;
        let header = Arc::new(header(header_bytes)?);
        let (id, header_bytes) = (id_of(header_bytes), header_bytes.to_vec());
        let body = body.map(<[u8]>::to_vec);
        let signed = Self { header, header_bytes, id, signature, body };
        signed.check_signature()?;
        Ok(signed)
    }

    /// Puts an event together whose header was rebuilt; the header names no body yet.
    /// `SPEC: SYNC-11`
    pub(crate) fn rebuild(
        header: Header,
        signature: Option<[u8; 64]>,
        body: Part<'_>,
    ) -> Result<Self, EventFault> {
        let salt = header.class.salt_bytes();
        let (named, body) = match body {
            Part::None => (None, None),
            Part::Here(bytes) => {
                let stored = bytes.get(salt..).ok_or(EventFault::BodyMismatch)?;
                (Some(BodyRef::of(stored)), Some(bytes.to_vec()))
            }
            Part::Absent(named) if header.lane == Lane::Content => (Some(named), None),
            Part::Absent(_) => return Err(EventFault::BodyMismatch),
        };
        let header = Header { body: named, ..header };
        header.check()?;
        let header_bytes = cbor::encode(&header);
        if header_bytes.len() > HEADER_BYTES_MAX {
            return Err(EventFault::Decode);
        }
        let (id, header) = (id_of(&header_bytes), Arc::new(header));
        let signed = Self { id, header, header_bytes, signature, body };
        signed.check_signature()?;
        Ok(signed)
    }

    /// Its id.
    pub(crate) fn id(&self) -> EventId {
        self.id
    }

    /// The workspace that it belongs to: for a genesis, the one that it makes.
    pub(crate) fn workspace(&self) -> WorkspaceId {
        match self.header.workspace {
            WorkspaceId::UNBORN => WorkspaceId(self.id.0),
            workspace => workspace,
        }
    }

    pub(crate) fn header(&self) -> &Header {
        &self.header
    }

    pub(crate) fn signature(&self) -> Option<&[u8; 64]> {
        self.signature.as_ref()
    }

    pub(crate) fn body(&self) -> Option<&[u8]> {
        self.body.as_deref()
    }

    /// Who may come without a signature. `SPEC: EVT-12`
    fn check_signature(&self) -> Result<(), EventFault> {
        let may_lack_it = self.header.may_be_inside();
        if self.signature.is_some() || may_lack_it { Ok(()) } else { Err(EventFault::Unsigned) }
    }

    /// Writes the envelope.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let body = self.body.as_ref().map_or(0, Vec::len);
        let bytes = self.header_bytes.len().saturating_add(body).saturating_add(ENVELOPE_HEADS);
        let mut writer = Writer::of_bytes(bytes);
        writer.array(3).bytes(&self.header_bytes);
        writer.bytes_or_null(self.signature.as_ref().map(|signature| signature.as_slice()));
        writer.bytes_or_null(self.body.as_deref());
        writer.finish()
    }

    /// A body that is here must be the one named; one that was named may be absent (purged).
    /// Control bodies are never absent.
    fn check_body(&self) -> Result<(), EventFault> {
        // Beside a shreddable body stands its salt, which no hash covers: it can be destroyed.
        let salt = self.header.class.salt_bytes();
        let stored = self.body.as_ref().map(|body| body.get(salt..));
        if stored.flatten().is_some_and(|body| body.len() > BODY_BYTES_MAX) {
            return Err(EventFault::TooLarge);
        }
        match (&self.header.body, stored) {
            (None, None) => Ok(()),
            (Some(named), Some(Some(body))) if *named == BodyRef::of(body) => Ok(()),
            (Some(_), None) if self.header.lane == Lane::Content => Ok(()),
            _ => Err(EventFault::BodyMismatch),
        }
    }

    /// Checks the author's signature, strictly and alone. `SPEC: EVT-5, EVT-6`
    pub fn verify(self) -> Result<Verified, EventFault> {
        self.check_author()?;
        self.into_verified()
    }

    fn check_author(&self) -> Result<(), EventFault> {
        let signature = self.signature.as_ref().ok_or(EventFault::Unsigned)?;
        let is_its_own = verify(&self.header.author, hash::SIGN_EVENT, &self.id.0, signature);
        if is_its_own { Ok(()) } else { Err(EventFault::BadSignature) }
    }

    fn into_verified(mut self) -> Result<Verified, EventFault> {
        // No hash covers a salt: whoever passed the event on may have changed it. `SPEC: SEAL-4`
        if self.header.class == Class::Shreddable {
            self.body = self.body.filter(|stored| is_salt_of(stored));
        }
        let control = match (self.header.lane, &self.body) {
            (Lane::Control, Some(body)) => Some(ControlBody::decode(&self.header, body)?),
            _ => None,
        };
        Ok(Verified(Arc::new(Inner { signed: self, control })))
    }
}

impl Verified {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> EventId {
        self.0.signed.id
    }

    pub(crate) fn signed(&self) -> &Signed {
        &self.0.signed
    }

    /// Does it carry its signature? One that does not is proven by the run that it stands in.
    #[must_use]
    pub fn is_signed(&self) -> bool {
        self.0.signed.signature.is_some()
    }

    /// The same event with its signature, where `key` is its author's: there is one.
    #[must_use]
    pub fn signed_by(&self, key: &DeviceKey) -> Self {
        if self.is_signed() || self.header().author != key.device() {
            return self.clone();
        }
        let signature = Some(key.sign(hash::SIGN_EVENT, &self.id().0));
        self.with(Signed { signature, ..self.0.signed.clone() })
    }

    /// What is known of this event where `other` is the same one; none if that adds nothing.
    #[must_use]
    pub fn merge(&self, other: &Self) -> Option<Self> {
        let (this, that) = (&self.0.signed, &other.0.signed);
        let adds_body = this.body.is_none() && that.body.is_some();
        let adds_signature = this.signature.is_none() && that.signature.is_some();
        let body = if adds_body { &that.body } else { &this.body };
        let signature = if adds_signature { that.signature } else { this.signature };
        let merged = Signed { signature, body: body.clone(), ..this.clone() };
        (adds_body || adds_signature).then(|| self.with(merged))
    }

    /// The same event as these bytes of it.
    fn with(&self, signed: Signed) -> Self {
        Self(Arc::new(Inner { signed, control: self.0.control.clone() }))
    }

    /// The same event as it is kept or sent inside a run.
    fn without_signature(mut self) -> Self {
        match Arc::get_mut(&mut self.0) {
            Some(inner) => {
                inner.signed.signature = None;
                self
            }
            // Others hold it as it is.
            None => self.with(Signed { signature: None, ..self.0.signed.clone() }),
        }
    }

    /// Its header.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.0.signed.header
    }

    /// The same, for who keeps it when the rest of the event is not needed any more.
    pub(crate) fn shared_header(&self) -> Arc<Header> {
        Arc::clone(&self.0.signed.header)
    }

    /// Its stored body, if it has one and it is here.
    #[must_use]
    pub fn body(&self) -> Option<&[u8]> {
        self.0.signed.body.as_deref()
    }

    /// Its decoded control body; none for content, and for a join.
    #[must_use]
    pub fn control(&self) -> Option<&ControlBody> {
        self.0.control.as_ref()
    }

    /// The chain that it stands in.
    #[must_use]
    pub fn chain(&self) -> ChainId {
        self.header().chain()
    }

    /// The workspace that it belongs to: for a genesis, the one that it makes.
    #[must_use]
    pub fn workspace(&self) -> WorkspaceId {
        self.signed().workspace()
    }

    /// The envelope's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        self.0.signed.encode()
    }

    /// The same event as it is kept where its body is not; none for a control event.
    #[must_use]
    pub fn without_body(&self) -> Option<Self> {
        let content = self.header().lane == Lane::Content;
        let signed = Signed { body: None, ..self.0.signed.clone() };
        content.then(|| self.with(signed))
    }
}

impl PartialEq for Verified {
    fn eq(&self, other: &Self) -> bool {
        self.id() == other.id() && self.body() == other.body()
    }
}

impl Eq for Verified {}

impl TryFrom<Vec<u8>> for Verified {
    type Error = EventFault;
    fn try_from(bytes: Vec<u8>) -> Result<Self, EventFault> {
        Signed::decode(&bytes)?.verify()
    }
}

impl From<Verified> for Vec<u8> {
    fn from(event: Verified) -> Self {
        event.encode()
    }
}

/// Id of the event with these header bytes. `SPEC: EVT-4`
#[must_use]
pub fn id_of(header_bytes: &[u8]) -> EventId {
    EventId(hash::hash(context::EVENT_ID, &[header_bytes]))
}
