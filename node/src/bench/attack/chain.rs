//! Events of an attacker: of one author, one after the other, and of good signatures.

use kernelos_protocol::command::Failure;
use kernelos_protocol::event::{Class, Header, Unsigned, Verified};
use kernelos_protocol::id::{EventId, Incarnation, Lane, WorkspaceId};
use kernelos_protocol::key::DeviceKey;
use kernelos_protocol::time::Stamp;

use super::super::device::failed;
use crate::home::random;

/// Events of one author, one after the other, that say nothing.
pub(super) struct Chain {
    key: DeviceKey,
    workspace: WorkspaceId,
    heard: EventId,
    incarnation: Incarnation,
    pub(super) last: Option<(u64, EventId)>,
}

impl Chain {
    pub(super) fn of(
        secret: &[u8; 32],
        workspace: WorkspaceId,
        heard: EventId,
    ) -> Result<Self, Failure> {
        let (key, life) = (DeviceKey::from_secret(secret), random()?);
        let incarnation = Incarnation(std::array::from_fn(|i| life[i]));
        Ok(Self { key, workspace, heard, incarnation, last: None })
    }

    pub(super) fn next(&mut self) -> Result<Verified, Failure> {
        let seq = self.last.map_or(0, |(seq, _)| seq + 1);
        let header = Header {
            workspace: self.workspace,
            lane: Lane::Content,
            author: self.key.device(),
            incarnation: self.incarnation,
            seq,
            prev: self.last.map(|(_, id)| id),
            parents: Vec::new(),
            heard: vec![self.heard],
            stamp: Stamp(seq),
            class: Class::Plain,
            epoch: None,
            body: None,
        };
        let event = Unsigned { header, body: None }.sign(&self.key).map_err(failed)?;
        self.last = Some((seq, event.id()));
        Ok(event)
    }
}
