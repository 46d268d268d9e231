//! A survey: what is asked of all documents, one after the other, so that not all of them have to
//! be held at once (SPEC: PRJ-12).
//!
//! A document in which every change knew the one before it has no conflict, and none is looked for
//! there. How many another has is remembered until its heads are others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::command::{ConflictPlace, Reply, RequestId, TimelineQuery};
use crate::document::conflict::{ConflictList, Which};
use crate::document::{DocPath, DocumentTask, Edit, EditFault, Links, ReadValue};
use crate::id::{ChangeHash, ConflictId, DocumentId};
use crate::limits::SURVEY_OPENED_MAX;
use crate::replica::documents::{Pending, Purpose, edit_failure};
use crate::replica::inbox::{Listing, behind, decisions, is_open};
use crate::replica::timeline::disputed;
use crate::replica::work::Work;
use crate::replica::{LoadFor, Replica};
use crate::workspace::Disputes;

/// What a survey is for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum For {
    /// A caller asks where it stands, which is how many conflicts there are too.
    Status(RequestId),
    /// A caller asks for conflicts, perhaps for those behind a place.
    Conflicts(RequestId, Option<ConflictPlace>),
    /// A caller asks for the timeline, which shows what is in conflict.
    Timeline(RequestId, TimelineQuery),
    /// A glance is taken.
    Glance(Option<RequestId>),
    /// A caller resolves conflicts, by ids that do not say in which document they are.
    Resolving(RequestId, Vec<Edit>),
}

/// A survey under way.
pub(super) struct Survey {
    what: For,
    /// The documents that were not asked yet, the next one last.
    left: Vec<DocumentId>,
    /// An answer is waited for.
    is_asked: bool,
    /// The document that was opened to be asked.
    opened: Option<DocumentId>,
    listing: Listing,
    /// How many documents are left to another.
    beyond: usize,
    /// The conflicts that stand in no document, until it is known which of them are decided.
    disputes: Option<Arc<Disputes>>,
    /// How documents are named, once that is known.
    names: Option<Links>,
    /// Where the conflicts are that are to be resolved.
    found: BTreeMap<ConflictId, DocumentId>,
    /// Why nothing can be said.
    fault: Option<EditFault>,
}

/// How many conflicts a document had at these heads.
pub(super) struct Counted {
    heads: Vec<ChangeHash>,
    conflicts: usize,
}

impl Survey {
    /// Who waits for it.
    pub(super) fn request(&self) -> Option<RequestId> {
        match &self.what {
            For::Status(request)
            | For::Conflicts(request, _)
            | For::Timeline(request, _)
            | For::Resolving(request, _) => Some(*request),
            For::Glance(request) => *request,
        }
    }

    /// Is it enough to know how many there are?
    fn only_counts(&self) -> bool {
        matches!(self.what, For::Status(_) | For::Glance(_))
    }

    /// The place behind which conflicts are asked for.
    fn place(&self) -> Option<&ConflictPlace> {
        match &self.what {
            For::Conflicts(_, place) => place.as_ref(),
            _ => None,
        }
    }

    /// Which conflicts of a document that stands at `above` are asked for; none where it is known
    /// that it has none of them.
    fn which(&self, above: &DocPath) -> Option<Which> {
        match &self.what {
            For::Status(_) | For::Glance(_) => Some(Which::These(BTreeSet::new())),
            For::Resolving(_, edits) => {
                Some(Which::These(edits.iter().filter_map(Edit::conflict).collect()))
            }
            For::Timeline(..) => Some(Which::First),
            For::Conflicts(_, place) => behind(above, place.as_ref()),
        }
    }
}

impl Replica {
    /// Begins a survey. The caller sees to it that none is under way. `SPEC: PRJ-11`
    pub(super) fn start_survey(&mut self, what: For) {
        let mut survey = Survey {
            what,
            left: Vec::new(),
            is_asked: false,
            opened: None,
            listing: Listing::new(),
            beyond: 0,
            disputes: None,
            names: None,
            found: BTreeMap::new(),
            fault: None,
        };
        if !matches!(survey.what, For::Resolving(..)) {
            self.workspace.settle();
            survey.disputes = Some(self.workspace.disputes());
        }
        let root = self.workspace.held_document();
        let all: BTreeSet<_> = self.workspace.documents().collect();
        let others: Vec<_> = all.iter().copied().filter(|id| Some(*id) != root).collect();
        self.counted.retain(|id, _| all.contains(id));
        let is_timeline = matches!(survey.what, For::Timeline(..));
        if is_timeline {
            self.disputed.begin(self.workspace.changes_version());
            self.disputed.retain(&all);
        }
        let mut settled = Vec::new();
        for document in others {
            let line = self.workspace.line(&document);
            let known = self.counted.get(&document).filter(|known| known.heads == line.heads);
            match known.map(|known| known.conflicts) {
                _ if line.is_straight => settled.push(document),
                Some(0) => settled.push(document),
                Some(conflicts) if survey.only_counts() => {
                    survey.listing.total = survey.listing.total.saturating_add(conflicts);
                }
                _ if is_timeline && self.disputed.knows(&document, &line.heads) => {}
                _ => survey.left.push(document),
            }
        }
        for document in settled.into_iter().filter(|_| is_timeline) {
            self.disputed.set(document, Vec::new(), BTreeSet::new());
        }
        if survey.only_counts() || is_timeline {
            survey.beyond = survey.left.len().saturating_sub(SURVEY_OPENED_MAX);
            survey.left.truncate(SURVEY_OPENED_MAX);
        }
        if matches!(survey.what, For::Glance(_)) {
            // Nobody waits for a glance but a stop, and that not for documents to be opened.
            let before = survey.left.len();
            survey.left.retain(|document| self.workspace.is_open(document));
            survey.beyond = survey.beyond.saturating_add(before - survey.left.len());
        }
        survey.left.extend(root);
        if root.is_none() && !survey.only_counts() {
            let reply = Reply::Failed(self.unreadable());
            survey.request().into_iter().for_each(|request| self.reply(request, reply.clone()));
            return;
        }
        match survey.what {
            // There is but one place where they can be.
            For::Resolving(request, edits) if survey.left.len() == 1 => {
                self.edit(Purpose::Request(request), edits);
            }
            what => {
                self.survey = Some(Survey { what, ..survey });
                self.go_on_surveying();
            }
        }
    }

    /// Asks the next document, once it is open.
    pub(super) fn go_on_surveying(&mut self) {
        let is_opening = self.workspace.is_rebuilding()
            && self.loads.iter().any(|load| matches!(load, LoadFor::Bodies(_)));
        let Some(survey) = self.survey.as_mut().filter(|survey| !survey.is_asked) else { return };
        if is_opening {
            return;
        }
        let Some(document) = survey.left.last().copied() else {
            // Who holds no root knows of no decision.
            return self.on_decisions(None);
        };
        survey.is_asked = true;
        // The root comes first, so it is the one asked here.
        if survey.left.len() > 1 && survey.names.is_none() && !survey.only_counts() {
            return self.ask(Pending::Names, DocumentTask::Links { root: document });
        }
        let has_disputes = survey.disputes.as_ref().is_some_and(|some| !some.open.is_empty());
        if has_disputes && self.workspace.root_document() == Some(document) {
            let path = DocPath::default().child("workspace").unwrap_or_default();
            return self.ask(Pending::Decisions, DocumentTask::Read { document, path });
        }
        let above = above(self.workspace.root_document(), survey.names.as_ref(), &document);
        let Some(which) = survey.which(&above) else {
            // All of its conflicts stand before what is asked for: they are counted alone.
            let which = Which::These(BTreeSet::new());
            return self.ask_survey(document, which);
        };
        self.ask_survey(document, which);
    }

    fn ask_survey(&mut self, document: DocumentId, which: Which) {
        if self.workspace.is_open(&document) {
            // What a branch has of its origin is decided there.
            let which = match self.workspace.origin(&document) {
                Some(_) => Which::Own(self.workspace.own_changes(&document), Box::new(which)),
                None => which,
            };
            let put_back = match self.survey.as_ref().map(|survey| &survey.what) {
                Some(For::Conflicts(..) | For::Timeline(..)) => self.workspace.put_back(&document),
                _ => BTreeMap::new(),
            };
            let task = DocumentTask::Conflicts { document, which, put_back };
            return self.ask(Pending::Survey(document), task);
        }
        let Some(survey) = self.survey.as_mut() else { return };
        (survey.is_asked, survey.opened) = (false, Some(document));
        self.open(document);
        self.tell_now();
    }

    pub(super) fn on_survey_names(&mut self, links: Result<Links, EditFault>) {
        let Some(survey) = &mut self.survey else { return };
        survey.is_asked = false;
        // Without them documents are named by their ids.
        survey.names = Some(links.unwrap_or_default());
    }

    /// What was decided about conflicts that stand in no document is known: the others are open.
    pub(super) fn on_decisions(&mut self, read: Option<Result<ReadValue, EditFault>>) {
        let Some(survey) = &mut self.survey else { return };
        let is_end = read.is_none();
        survey.is_asked = false;
        if let Some(all) = survey.disputes.take() {
            let decided = read.map(decisions).unwrap_or_default();
            let disputes: Vec<_> = all.open.iter().filter(|one| is_open(one, &decided)).collect();
            let more = all.more;
            let place = survey.place().cloned();
            let listing = &mut survey.listing;
            listing.total = listing.total.saturating_add(disputes.len()).saturating_add(more);
            let at = place.map_or(0, |place| {
                disputes.partition_point(|one| (&one.path, one.id) <= (&place.path, place.id))
            });
            listing.before = listing.before.saturating_add(at);
            if let (false, Some(root)) = (survey.only_counts(), self.workspace.root_document()) {
                let rows = disputes.iter().skip(at).map(|dispute| self.dispute_row(root, dispute));
                let rows = rows.collect();
                if let Some(survey) = &mut self.survey {
                    survey.listing.add(rows, more > 0);
                }
            }
        }
        if is_end {
            self.end_survey();
        }
    }

    pub(super) fn on_surveyed(
        &mut self,
        document: DocumentId,
        list: Result<ConflictList, EditFault>,
    ) {
        let Some(survey) = &mut self.survey else { return };
        survey.is_asked = false;
        survey.left.pop();
        let is_root = self.workspace.root_document() == Some(document);
        let list = match list {
            Ok(list) => list,
            Err(fault) => {
                // Of another the status says that it is degraded, and the rest is shown.
                survey.fault = survey.fault.take().or_else(|| is_root.then_some(fault));
                ConflictList::default()
            }
        };
        let conflicts = list.total();
        survey.listing.total = survey.listing.total.saturating_add(conflicts);
        if let For::Timeline(..) = survey.what {
            let sides = disputed(&self.workspace, &document, &list);
            let heads = self.heads.get(&document).and_then(|heads| heads.as_ref().ok());
            self.disputed.set(document, heads.cloned().unwrap_or_default(), sides);
        }
        let mut is_needed = false;
        let mut rows = None;
        match &survey.what {
            For::Resolving(..) if !is_root => {
                is_needed = !list.found.is_empty();
                survey.found.extend(list.found.iter().map(|id| (*id, document)));
            }
            For::Conflicts(_, place) => {
                let above = above(self.workspace.root_document(), survey.names.as_ref(), &document);
                let is_past = behind(&above, place.as_ref()).is_none();
                let before = if is_past { conflicts } else { list.before };
                survey.listing.before = survey.listing.before.saturating_add(before);
                let is_cut = list.more > 0 && !is_past;
                let made = self.document_rows(document, &above, list.conflicts);
                rows = Some((made, is_cut));
            }
            _ => {}
        }
        if let (Some(survey), Some((rows, is_cut))) = (&mut self.survey, rows) {
            survey.listing.add(rows, is_cut);
        }
        let Some(survey) = &mut self.survey else { return };
        if let Some(Ok(heads)) = self.heads.get(&document).filter(|_| !is_root) {
            self.counted.insert(document, Counted { heads: heads.clone(), conflicts });
        }
        if survey.opened.take() == Some(document) && !is_needed {
            self.close_surveyed(document);
        }
    }

    /// What was opened to be asked is held no longer, unless somebody writes meanwhile.
    fn close_surveyed(&mut self, document: DocumentId) {
        let is_edit = |pending: &Pending| matches!(pending, Pending::Edit { .. });
        let is_edited = self.pending.iter().any(is_edit) || !self.redo.edits.is_empty();
        let is_degraded = matches!(self.heads.get(&document), Some(Err(_)));
        if self.workspace.opened().contains(&document) && !is_edited && !is_degraded {
            self.close(document);
        }
    }

    fn end_survey(&mut self) {
        let Some(survey) = self.survey.take() else { return };
        match (survey.what, survey.fault) {
            (For::Status(request), _) => {
                let mut reply = self.status(survey.listing.total);
                if let Reply::Status(status) = &mut reply {
                    status.uncounted = survey.beyond;
                }
                self.reply(request, reply);
            }
            (For::Timeline(request, query), _) => self.timeline(request, &query),
            (For::Glance(request), _) => {
                self.on_glance_count(request, (survey.listing.total, survey.beyond));
            }
            (For::Conflicts(request, _) | For::Resolving(request, _), Some(fault)) => {
                self.reply(request, Reply::Failed(edit_failure(&fault)));
            }
            (For::Conflicts(request, _), None) => {
                self.reply(request, Self::conflicts_reply(survey.listing));
            }
            (For::Resolving(request, edits), None) => {
                let work = Work::Edits { edits, found: survey.found };
                self.work(Purpose::Request(request), work);
            }
        }
    }
}

/// How the paths of a document begin, as seen from the root.
pub(super) fn above(
    root: Option<DocumentId>,
    names: Option<&Links>,
    document: &DocumentId,
) -> DocPath {
    match names {
        _ if root == Some(*document) => DocPath::default(),
        Some(names) => names.name_of(document),
        None => Links::default().name_of(document),
    }
}
