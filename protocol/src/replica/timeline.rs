//! The timeline of this device: what it says of each event, and which events are in conflict.

use std::collections::{BTreeMap, BTreeSet};

use crate::authority::ControlFact;
use crate::command::{
    Failure, Follow, Reply, RequestId, TimelineAt, TimelineFlag, TimelinePage, TimelineQuery,
};
use crate::document::conflict::ConflictList;
use crate::id::{ChangeHash, DeviceId, DocumentId, EventId};
use crate::mission::record::Record;
use crate::mission::stage::Progress;
use crate::replica::Replica;
use crate::replica::log::notice_row;
use crate::replica::survey::For;
use crate::time::Stamp;
use crate::timeline::{self, Look};
use crate::workspace::{Verdict, Workspace};

/// The events that are sides of open conflicts, as the last survey found them.
#[derive(Default)]
pub(super) struct Disputed {
    /// With the heads at which that was found.
    events: BTreeMap<DocumentId, (Vec<ChangeHash>, BTreeSet<EventId>)>,
    /// No document that is held changed since that survey began.
    is_current: bool,
    /// What counted then, of all documents.
    version: u64,
}

impl Disputed {
    /// A survey begins.
    pub(super) fn begin(&mut self, version: u64) {
        (self.is_current, self.version) = (true, version);
    }

    /// A document changed.
    pub(super) fn outdate(&mut self) {
        self.is_current = false;
    }

    /// What is not among these documents any more has no conflicts.
    pub(super) fn retain(&mut self, documents: &BTreeSet<DocumentId>) {
        self.events.retain(|document, _| documents.contains(document));
    }

    pub(super) fn set(
        &mut self,
        document: DocumentId,
        heads: Vec<ChangeHash>,
        events: BTreeSet<EventId>,
    ) {
        if events.is_empty() {
            self.events.remove(&document);
        } else {
            self.events.insert(document, (heads, events));
        }
    }

    /// Is it known which events of a document with these heads are in conflict? `SPEC: TIME-5`
    pub(super) fn knows(&self, document: &DocumentId, heads: &[ChangeHash]) -> bool {
        self.events.get(document).is_some_and(|(at, _)| at == heads)
    }

    fn has(&self, event: &EventId) -> bool {
        self.events.values().any(|(_, events)| events.contains(event))
    }
}

/// The events that made the sides of these conflicts, and those that wrote them, where an undo put
/// them back.
pub(super) fn disputed(
    workspace: &Workspace,
    document: &DocumentId,
    list: &ConflictList,
) -> BTreeSet<EventId> {
    let sides = list.conflicts.iter().flat_map(|conflict| &conflict.sides);
    let changes = sides.flat_map(|side| side.wrote.into_iter().chain([side.change]));
    changes.filter_map(|change| workspace.carrier(document, &change)).collect()
}

impl Replica {
    /// Is it to be found out first what is in conflict?
    pub(super) fn must_survey(&self) -> bool {
        let is_current =
            self.disputed.is_current && self.disputed.version == self.workspace.changes_version();
        !is_current && self.workspace.held_document().is_some()
    }

    pub(super) fn start_timeline(
        &mut self,
        request: RequestId,
        mut query: TimelineQuery,
    ) -> Result<(), Failure> {
        if let TimelineAt::Event(begin) = &query.at {
            let place = self.workspace.position(&self.find_event(begin)?);
            query.at = place.map_or(TimelineAt::Newest, |(_, at)| TimelineAt::Around(at));
        }
        if self.must_survey() {
            self.start_survey(For::Timeline(request, query));
        } else {
            self.timeline(request, &query);
        }
        Ok(())
    }

    /// `SPEC: TIME-1`
    pub(super) fn timeline(&mut self, request: RequestId, query: &TimelineQuery) {
        let reply = Reply::Timeline(Box::new(self.timeline_page(query)));
        self.reply(request, reply);
    }

    fn timeline_page(&self, query: &TimelineQuery) -> TimelinePage {
        let total = self.workspace.len();
        let (from, to) = timeline::span(total, query);
        let notices = self.notices.between(from, (to < total).then_some(to));
        let place = |after: u64| usize::try_from(after).unwrap_or(usize::MAX);
        let notices = notices.into_iter().map(|of| (place(of.after), notice_row(of)));
        let mut notices: Vec<_> = notices.collect();
        notices.sort_by_key(|(after, _)| *after);
        timeline::page(total, query, &mut |at| self.look(at), notices)
    }

    fn look(&self, at: usize) -> Option<Look> {
        let id = self.workspace.event_at(at)?;
        let event = self.log_row(&id)?;
        let header = self.workspace.header(&id)?;
        let mut since = Stamp::default();
        let mut follows = Vec::with_capacity(event.parents.len());
        for parent in &event.parents {
            let before = self.workspace.header(parent)?;
            if !self.is_wrong(before.stamp) {
                since = since.max(before.stamp);
            }
            let index = self.workspace.position(parent)?.1;
            follows.push(Follow { index, id: *parent, author: before.author });
        }
        let named = self.workspace.is_named(&id);
        let followed = named || self.workspace.is_continued(&id);
        let flags = self.flags(&id, &header.author, event.verdict);
        let about = self.about(&id);
        Some(Look { event, about, follows, since, followed, named, flags })
    }

    /// Whom a grant or a revocation is about.
    fn about(&self, id: &EventId) -> Option<DeviceId> {
        let control = self.workspace.control();
        match control.fact(control.number(id)?) {
            ControlFact::Grant { device, .. } | ControlFact::Revoke { target: device, .. } => {
                Some(*device)
            }
            _ => None,
        }
    }

    fn flags(
        &self,
        id: &EventId,
        author: &DeviceId,
        verdict: Option<Verdict>,
    ) -> Vec<TimelineFlag> {
        let mut flags = Vec::new();
        let mut set = |is: bool, flag| flags.extend(is.then_some(flag));
        set(*author == self.key.device(), TimelineFlag::Own);
        set(verdict == Some(Verdict::Void), TimelineFlag::Void);
        set(verdict == Some(Verdict::Quarantined), TimelineFlag::Quarantined);
        set(self.disputed.has(id), TimelineFlag::Conflict);
        if let Some(entry) = self.workspace.missions().entry(id) {
            let failed = match &entry.record {
                Record::Evidence(evidence) => !evidence.passed,
                Record::Step(step) => step.ended.exit != Some(0),
                _ => matches!(entry.state.progress, Progress::Failed(_)),
            };
            set(failed, TimelineFlag::Failed);
            let refused = matches!(&entry.record, Record::Decision(of) if !of.allowed);
            set(refused, TimelineFlag::Refused);
        }
        flags
    }
}
