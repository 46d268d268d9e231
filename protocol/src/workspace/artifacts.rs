//! The artifacts that events name: which have effect, and which chunks anything names at all.

use std::collections::BTreeSet;

use super::Workspace;
use crate::artifact::Manifest;
use crate::authority::ContentNo;
use crate::effect::Effect;
use crate::event::{Class, Verified};
use crate::id::{ChunkHash, EventId};
use crate::role::Role;
use crate::workspace::{AuthorFault, Pen};

impl Workspace {
    /// An event was judged: it may be an artifact's.
    pub(super) fn note_artifact(&mut self, no: ContentNo) {
        if matches!(self.effects.of(no), Effect::Artifact(_)) && self.artifacts.insert(no) {
            self.artifacts_changed = true;
        }
    }

    pub(super) fn manifest(&self, no: ContentNo) -> Option<&Manifest> {
        match self.effects.of(no) {
            Effect::Artifact(manifest) => Some(manifest),
            _ => None,
        }
    }

    /// The artifacts that have effect, in the order in which they came here: those that are firm.
    /// `SPEC: AUTH-17, EFF-6`
    pub fn artifacts(&self) -> impl Iterator<Item = (EventId, &Manifest)> {
        let firm = self.artifacts.iter().filter(|no| self.holds(**no));
        firm.filter_map(|no| Some((self.content.id(*no), self.manifest(*no)?)))
    }

    /// The manifest of an artifact that has effect.
    #[must_use]
    pub fn artifact(&self, id: &EventId) -> Option<&Manifest> {
        let no = self.content.number(id).filter(|no| self.holds(*no))?;
        self.manifest(no)
    }

    /// Was this event read, and is it no artifact that has effect?
    #[must_use]
    pub fn is_no_artifact(&self, id: &EventId) -> bool {
        let is_read = |no| *self.effects.of(no) != Effect::Unread;
        let read = self.content.number(id).map_or_else(|| self.contains(id), is_read);
        read && self.artifact(id).is_none()
    }

    /// Every chunk that a manifest names, has it effect or not; none while an event is unread,
    /// which may name more. One whose body is not here names none that is. `SPEC: ART-7`
    #[must_use]
    pub fn named_chunks(&self) -> Option<BTreeSet<ChunkHash>> {
        let is_here = |no: &ContentNo| !self.bare.contains(no);
        if self.effects.has_unread() || self.effects.has_unread_shreddable(is_here) {
            return None;
        }
        let manifests = self.artifacts.iter().filter_map(|no| self.manifest(*no));
        Some(manifests.flat_map(Manifest::chunks).map(|(hash, _)| hash).collect())
    }

    /// May other artifacts have effect than at the last call?
    pub fn take_artifacts_changed(&mut self) -> bool {
        self.settle();
        std::mem::take(&mut self.artifacts_changed)
    }

    /// The event of an artifact. Its chunks are durable before it, or in the same turn. It holds
    /// their key, so it can be purged. `SPEC: CNT-4`
    pub fn write_artifact(
        &mut self,
        pen: &mut Pen<'_>,
        manifest: Manifest,
    ) -> Result<Vec<Verified>, AuthorFault> {
        let role = self.control.role(&pen.key.device(), &self.control.all());
        if role < Some(Role::Runner) {
            return Err(AuthorFault::Role(role));
        }
        self.settle();
        let inside: Vec<u8> = manifest.into();
        self.write_content(pen, &inside, Class::Shreddable)
    }
}
