//! A survey: what is asked of all documents, one after the other, so that not all of them have to
//! be held at once (SPEC: PRJ-12).
//!
//! A document in which every change knew the one before it has no conflict, and none is looked for
//! there. How many another has is remembered until its heads are others.

use std::collections::BTreeMap;

use crate::command::{ConflictPage, ConflictRow, Reply, RequestId, SideRow};
use crate::document::conflict::{Conflict, ConflictList, Side};
use crate::document::{DocumentTask, Edit, EditFault, Links};
use crate::id::{ChangeHash, ConflictId, DocumentId};
use crate::limits::{CONFLICTS_LISTED_MAX, SURVEY_OPENED_MAX};
use crate::replica::documents::{Pending, Purpose, edit_failure};
use crate::replica::work::Work;
use crate::replica::{LoadFor, Replica};

/// What a survey is for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum For {
    /// A caller asks where it stands, which is how many conflicts there are too.
    Status(RequestId),
    /// A caller asks for conflicts.
    Conflicts(RequestId),
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
    count: usize,
    /// How many documents are left to another.
    beyond: usize,
    list: Vec<(DocumentId, Conflict)>,
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
            For::Status(request) | For::Conflicts(request) | For::Resolving(request, _) => {
                Some(*request)
            }
            For::Glance(request) => *request,
        }
    }

    /// Is it enough to know how many there are?
    fn only_counts(&self) -> bool {
        matches!(self.what, For::Status(_) | For::Glance(_))
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
            count: 0,
            beyond: 0,
            list: Vec::new(),
            names: None,
            found: BTreeMap::new(),
            fault: None,
        };
        let root = self.workspace.held_document();
        let others: Vec<_> = self.workspace.documents().filter(|id| Some(*id) != root).collect();
        self.counted.retain(|id, _| others.contains(id));
        for document in others {
            let line = self.workspace.line(&document);
            let known = self.counted.get(&document).filter(|known| known.heads == line.heads);
            match known.map(|known| known.conflicts) {
                _ if line.is_straight => {}
                Some(conflicts) if conflicts == 0 || survey.only_counts() => {
                    survey.count = survey.count.saturating_add(conflicts);
                }
                _ => survey.left.push(document),
            }
        }
        if survey.only_counts() {
            survey.beyond = survey.left.len().saturating_sub(SURVEY_OPENED_MAX);
            survey.left.truncate(SURVEY_OPENED_MAX);
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
        let Some(document) = survey.left.last().copied() else { return self.end_survey() };
        survey.is_asked = true;
        if survey.left.len() > 1 && survey.names.is_none() && !survey.only_counts() {
            // The root comes first, so it is the one asked here.
            return self.ask(Pending::Names, DocumentTask::Links { root: document });
        }
        if self.workspace.is_open(&document) {
            return self.ask(Pending::Survey(document), DocumentTask::Conflicts { document });
        }
        (survey.is_asked, survey.opened) = (false, Some(document));
        self.open(document);
        self.project();
    }

    pub(super) fn on_survey_names(&mut self, links: Result<Links, EditFault>) {
        let Some(survey) = &mut self.survey else { return };
        survey.is_asked = false;
        // Without them documents are named by their ids.
        survey.names = Some(links.unwrap_or_default());
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
        let conflicts = list.conflicts.len().saturating_add(list.more);
        survey.count = survey.count.saturating_add(conflicts);
        let mut is_needed = false;
        if let For::Resolving(_, edits) = &survey.what {
            for id in edits.iter().filter_map(Edit::conflict) {
                if !is_root && list.conflicts.iter().any(|conflict| conflict.id == id) {
                    survey.found.insert(id, document);
                    is_needed = true;
                }
            }
        } else if !survey.only_counts() {
            let room = CONFLICTS_LISTED_MAX.saturating_sub(survey.list.len());
            let rows = list.conflicts.into_iter().take(room);
            survey.list.extend(rows.map(|conflict| (document, conflict)));
        }
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
                let mut reply = self.status(survey.count);
                if let Reply::Status(status) = &mut reply {
                    status.uncounted = survey.beyond;
                }
                self.reply(request, reply);
            }
            (For::Glance(request), _) => self.on_glance_count(request, survey.count),
            (For::Conflicts(request) | For::Resolving(request, _), Some(fault)) => {
                self.reply(request, Reply::Failed(edit_failure(&fault)));
            }
            (For::Conflicts(request), None) => {
                let page = self.conflict_page(survey.list, survey.count, survey.names);
                self.reply(request, Reply::Conflicts(page));
            }
            (For::Resolving(request, edits), None) => {
                let work = Work::Edits { edits, found: survey.found };
                self.work(Purpose::Request(request), work);
            }
        }
    }

    /// Who wrote each side, and when, is known by the event that carries its change.
    fn conflict_page(
        &self,
        list: Vec<(DocumentId, Conflict)>,
        count: usize,
        names: Option<Links>,
    ) -> ConflictPage {
        let root = self.workspace.root_document();
        let side = |document: &DocumentId, side: Side| {
            let event = self.workspace.carrier(document, &side.change);
            let header = event.and_then(|event| self.workspace.header(&event));
            SideRow {
                side: side.letter,
                device: header.map(|header| header.author),
                value: side.value,
                deleted: side.deleted,
                event,
                time: header.map(|header| header.stamp),
            }
        };
        let names = names.unwrap_or_default();
        let row = |(document, conflict): (DocumentId, Conflict)| {
            let path = if root == Some(document) {
                conflict.path
            } else {
                conflict.path.under(&names.name_of(&document))
            };
            ConflictRow {
                id: conflict.id,
                document,
                path,
                kind: conflict.kind,
                base: conflict.base,
                sides: conflict.sides.into_iter().map(|of| side(&document, of)).collect(),
                why: conflict.why,
                open: true,
            }
        };
        let mut conflicts: Vec<_> = list.into_iter().map(row).collect();
        conflicts.sort_by(|a, b| (&a.path, &a.id).cmp(&(&b.path, &b.id)));
        let more = count.saturating_sub(conflicts.len());
        ConflictPage { conflicts, more }
    }
}
