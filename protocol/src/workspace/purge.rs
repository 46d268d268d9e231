//! What is purged: the bodies that a purge in effect names, and what is left to destroy of them.
//!
//! Which bodies these are is a function of the set of events (SPEC: EFF-12), found anew where a
//! purge may have gained or lost its effect. What is destroyed stays so: where a purge falls, a
//! body is missing as if it had never come, and may be asked of others.

use std::collections::{BTreeMap, BTreeSet};

use super::{AuthorFault, Pen, Workspace};
use crate::artifact::Manifest;
use crate::authority::ContentNo;
use crate::cbor;
use crate::content::Purge;
use crate::effect::Effect;
use crate::event::{Class, Verified};
use crate::id::{ChunkHash, EventId};
use crate::present::utc;
use crate::role::Role;
use crate::store::Place;

/// What purges come to.
#[derive(Default)]
pub(super) struct Purges {
    /// The purges that are here, in effect or not.
    all: BTreeSet<ContentNo>,
    /// What is purged, each with the purge that says so; of several the one with the lowest id.
    purged: BTreeMap<ContentNo, ContentNo>,
    /// Bodies that are purged and stand in the store.
    bodies: BTreeSet<ContentNo>,
    /// Chunks that manifests name that are purged, and those of bodies that a purge gave back
    /// before it destroyed them, until they are read again.
    chunks: BTreeMap<ContentNo, Vec<ChunkHash>>,
    /// Those that came since it was found.
    fresh: Vec<ContentNo>,
    /// It is to be found anew.
    stale: bool,
}

impl Workspace {
    /// Purges may have gained or lost their effect.
    pub(super) fn unsettle_purges(&mut self) {
        self.purges.stale |= !self.purges.all.is_empty();
    }

    /// An event was judged: it may be a purge.
    pub(super) fn note_purge(&mut self, no: ContentNo) {
        if *self.effects.of(no) != Effect::Unread && !self.purges.purged.contains_key(&no) {
            self.purges.chunks.remove(&no);
        }
        if matches!(self.effects.of(no), Effect::Purge(_)) && self.purges.all.insert(no) {
            self.purges.fresh.push(no);
        }
    }

    /// Is the body of this event purged?
    #[must_use]
    pub fn is_purged(&self, id: &EventId) -> bool {
        self.content.number(id).is_some_and(|no| self.purges.purged.contains_key(&no))
    }

    /// By which event a body was purged, and when, in words.
    pub(super) fn purged_words(&self, no: ContentNo) -> String {
        let by = self.purges.purged.get(&no).map(|by| self.content.id(*by));
        let header = by.and_then(|by| Some((by, self.header(&by)?)));
        header.map_or_else(
            || "purged".to_owned(),
            |(by, header)| {
                let (author, when) = (header.author.short(), utc(header.stamp));
                format!("purged by {author} on {when}, in event {}", by.short())
            },
        )
    }

    /// Why an event cannot be read whose body is not here, in words. `SPEC: DUR-17`
    #[must_use]
    pub fn why_absent(&self, id: &EventId) -> Option<String> {
        let no = self.content.number(id).filter(|no| self.bare.contains(no))?;
        Some(self.unread_words(no))
    }

    /// Why an event cannot be read, in words.
    pub(super) fn unread_words(&self, no: ContentNo) -> String {
        if !self.bare.contains(&no) {
            return "its body cannot be read here".to_owned();
        }
        let takes = |by: &&ContentNo| match self.effects.of(**by) {
            Effect::Purge(names) => names.contains(&no),
            _ => false,
        };
        match self.purges.all.iter().find(takes) {
            Some(by) => format!(
                "its body is gone since event {} purged it, which has no effect any more; a device \
                 that still has it gives it back",
                self.content.id(*by).short()
            ),
            None => {
                "its body is not here, and every device that connects is asked for it".to_owned()
            }
        }
    }

    /// An event as it is kept and sent here: without its body, where that is purged.
    /// `SPEC: SYNC-16`
    #[must_use]
    pub fn without_purged(&self, event: Verified) -> Verified {
        if event.header().class == Class::Shreddable && self.is_purged(&event.id()) {
            return event.without_body().unwrap_or(event);
        }
        event
    }

    /// Finds anew what is purged.
    pub(super) fn settle_purges(&mut self) {
        let fresh = std::mem::take(&mut self.purges.fresh);
        if !std::mem::take(&mut self.purges.stale) {
            return self.settle_fresh_purges(&fresh);
        }
        let mut purged: BTreeMap<ContentNo, ContentNo> = BTreeMap::new();
        for &by in &self.purges.all {
            self.add_purge(by, &mut purged);
        }
        let before = std::mem::replace(&mut self.purges.purged, purged.clone());
        for no in purged.keys().filter(|no| !before.contains_key(no)) {
            self.purge(*no);
        }
        for no in before.keys().filter(|no| !purged.contains_key(no)) {
            self.unpurge(*no);
        }
    }

    /// What these purge, which came since: nothing else of it changed.
    fn settle_fresh_purges(&mut self, fresh: &[ContentNo]) {
        let mut purged = std::mem::take(&mut self.purges.purged);
        let new: Vec<_> = fresh.iter().flat_map(|by| self.add_purge(*by, &mut purged)).collect();
        self.purges.purged = purged;
        for no in new {
            self.purge(no);
        }
    }

    /// Adds what a purge takes, where it holds; gives what nothing took before.
    fn add_purge(
        &self,
        by: ContentNo,
        purged: &mut BTreeMap<ContentNo, ContentNo>,
    ) -> Vec<ContentNo> {
        let mut new = Vec::new();
        let Effect::Purge(names) = self.effects.of(by) else { return new };
        if !self.holds(by) {
            return new;
        }
        for no in names {
            let first = purged.entry(*no).or_insert_with(|| {
                new.push(*no);
                by
            });
            if self.content.id(by) < self.content.id(*first) {
                *first = by;
            }
        }
        new
    }

    /// A body is purged from now on. Nothing waited for it. `SPEC: STATE-4`
    fn purge(&mut self, no: ContentNo) {
        if let Effect::Artifact(manifest) = self.effects.of(no) {
            let chunks = manifest.chunks().map(|(hash, _)| hash);
            self.purges.chunks.insert(no, chunks.collect());
        }
        self.effects.purge(no);
        self.artifacts_changed |= self.artifacts.remove(&no);
        self.readable.remove(&no);
        self.lost.forget(no);
        if !self.bare.remove(&no) {
            self.purges.bodies.insert(no);
        }
    }

    /// A body is purged no longer: it is not here, unless it was not destroyed yet.
    fn unpurge(&mut self, no: ContentNo) {
        self.effects.forget(no);
        if self.purges.bodies.remove(&no) {
            self.readable.insert(no);
        } else {
            self.bare.insert(no);
        }
    }

    /// What the store is to destroy: bodies, and chunks that no manifest names that is left and was
    /// read, be it before a purge of it fell. `SPEC: DUR-11`
    pub fn take_shreds(&mut self) -> (Vec<Place>, BTreeSet<ChunkHash>) {
        self.settle();
        let bodies = std::mem::take(&mut self.purges.bodies);
        let place = |no: &ContentNo| self.place_at(self.position(&self.content.id(*no))?.1);
        let places = bodies.iter().filter_map(place).collect();
        let all = std::mem::take(&mut self.purges.chunks);
        let is_purged = |no: &ContentNo| self.purges.purged.contains_key(no);
        let (purged, kept): (BTreeMap<_, _>, _) =
            all.into_iter().partition(|row| is_purged(&row.0));
        self.purges.chunks = kept;
        let mut chunks: BTreeSet<_> = purged.into_values().flatten().collect();
        if !chunks.is_empty() {
            let manifests = self.artifacts.iter().filter_map(|no| self.manifest(*no));
            let named = manifests.flat_map(Manifest::chunks).map(|(hash, _)| hash);
            for hash in named.chain(self.purges.chunks.values().flatten().copied()) {
                chunks.remove(&hash);
            }
        }
        (places, chunks)
    }

    /// Destroys the bodies of these events everywhere. `SPEC: CNT-11`
    pub fn write_purge(
        &mut self,
        pen: &mut Pen<'_>,
        events: &[EventId],
    ) -> Result<Vec<Verified>, AuthorFault> {
        self.settle();
        let device = pen.key.device();
        let role = self.control.role(&device, &self.control.all());
        for id in events {
            let no = self.content.number(id).ok_or(AuthorFault::NotShreddable(*id))?;
            if !self.effects.is_shreddable(no) {
                return Err(AuthorFault::NotShreddable(*id));
            }
            if !self.content.is_admitted(no) {
                return Err(AuthorFault::NotAdmitted(*id));
            }
            let least = if self.content.author(no) == device { Role::Runner } else { Role::Admin };
            if role < Some(least) {
                return Err(AuthorFault::Role(role));
            }
        }
        let purge = Purge::of(events.to_vec()).ok_or(AuthorFault::PurgeNames(events.len()))?;
        self.write_content(pen, &cbor::encode(&purge), Class::Sealed)
    }
}
