//! The one inbox: conflicts of documents and those that stand in none, with who, when and why; and
//! deciding, which is always an event that can be taken back.

use std::collections::{BTreeMap, BTreeSet};

use crate::command::{
    Command, ConflictPage, ConflictPlace, ConflictRow, Failure, FailureKind, Reply, RequestId,
    SideRow,
};
use crate::document::conflict::{Conflict, ConflictKind, Side, Which};
use crate::document::{DECIDED, DocPath, Edit, EditFault, ReadValue};
use crate::id::{ConflictId, DocumentId, EventId};
use crate::limits::{CONFLICTS_LISTED_BYTES_MAX, CONFLICTS_LISTED_MAX};
use crate::replica::Replica;
use crate::replica::documents::{Purpose, edit_failure};
use crate::replica::survey::For;
use crate::workspace::{Dispute, DisputeSide};

/// Conflicts of one document, or of none, as seen from the root.
pub(super) struct Listing {
    rows: Vec<ConflictRow>,
    /// Where the rows of some document end though it has more: behind it nothing is known.
    fence: Option<ConflictPlace>,
    bytes: usize,
    /// How many there are, and how many of them before the place that was asked for.
    pub(super) total: usize,
    pub(super) before: usize,
}

impl Listing {
    pub(super) fn new() -> Self {
        Self { rows: Vec::new(), fence: None, bytes: 0, total: 0, before: 0 }
    }

    /// Takes rows in, which go on behind the last of them where `is_cut` says so.
    pub(super) fn add(&mut self, rows: Vec<ConflictRow>, is_cut: bool) {
        if let Some(last) = rows.last().filter(|_| is_cut) {
            let last = place_of(last);
            let is_first = self.fence.as_ref().is_none_or(|fence| last < *fence);
            self.fence = if is_first { Some(last) } else { self.fence.take() };
        }
        self.rows.extend(rows);
        self.rows.sort_by(|one, two| (&one.path, one.id).cmp(&(&two.path, two.id)));
        if let Some(fence) = &self.fence {
            self.rows.retain(|row| place_of(row) <= *fence);
        }
        self.cut();
    }

    /// No more is kept than one reply may hold.
    fn cut(&mut self) {
        let (mut bytes, mut kept) = (0_usize, 0);
        for row in self.rows.iter().take(CONFLICTS_LISTED_MAX) {
            bytes = bytes.saturating_add(size(row));
            if bytes > CONFLICTS_LISTED_BYTES_MAX && kept > 0 {
                break;
            }
            kept += 1;
        }
        if kept < self.rows.len() {
            self.rows.truncate(kept);
            self.fence = self.rows.last().map(place_of);
        }
        self.bytes = bytes;
    }

    fn page(self) -> ConflictPage {
        let more = self.total.saturating_sub(self.before.saturating_add(self.rows.len()));
        let next = self.rows.last().map(place_of).filter(|_| more > 0);
        ConflictPage { conflicts: self.rows, more, total: self.total, next }
    }
}

fn place_of(row: &ConflictRow) -> ConflictPlace {
    ConflictPlace { path: row.path.clone(), id: row.id }
}

fn size(row: &ConflictRow) -> usize {
    let of =
        |side: &SideRow| side.value.to_string().len().saturating_add(side.then.to_string().len());
    let sides: usize = row.sides.iter().map(of).sum();
    let [base, now] = [&row.base, &row.now].map(|value| value.to_string().len());
    sides.saturating_add(base).saturating_add(now).saturating_add(row.why.len())
}

/// Which conflicts of a document stand behind a place, as seen from the root; none where all stand
/// before it.
pub(super) fn behind(above: &DocPath, place: Option<&ConflictPlace>) -> Option<Which> {
    let Some(place) = place else { return Some(Which::First) };
    match place.path.segments().strip_prefix(above.segments()) {
        Some(_) => Some(Which::Behind(place.path.below(above.segments().len()), place.id)),
        None if *above < place.path => None,
        None => Some(Which::First),
    }
}

/// What was decided about conflicts that stand in no document: text by id. Any other shape decides
/// nothing. `SPEC: CFL-16`
pub(super) fn decisions(read: Result<ReadValue, EditFault>) -> BTreeMap<ConflictId, String> {
    let Ok(ReadValue { value: serde_json::Value::Object(map), .. }) = read else {
        return BTreeMap::new();
    };
    let decided = map.iter().filter_map(|(key, value)| {
        Some((key.strip_prefix(DECIDED)?.parse().ok()?, value.as_str()?.to_owned()))
    });
    decided.collect()
}

/// Is nothing decided about it yet?
pub(super) fn is_open(dispute: &Dispute, decided: &BTreeMap<ConflictId, String>) -> bool {
    let Some(key) = decided.get(&dispute.id) else { return true };
    !dispute.sides.iter().any(|side| side.key == *key && !key.is_empty())
}

impl Replica {
    /// Resolves conflicts: at their places, or by a decision about those that have none.
    /// `SPEC: CFL-11, CFL-16`
    pub(super) fn resolve(&mut self, request: RequestId, edits: Vec<Edit>) -> Result<(), Failure> {
        self.workspace.settle();
        let all = self.workspace.disputes();
        let disputes: BTreeMap<ConflictId, &Dispute> =
            all.open.iter().map(|one| (one.id, one)).collect();
        let of = |edit: &Edit| edit.conflict().and_then(|id| disputes.get(&id).copied());
        if !edits.iter().any(|edit| of(edit).is_some()) {
            self.start_survey(For::Resolving(request, edits));
            return Ok(());
        }
        let mut decisions = Vec::with_capacity(edits.len());
        for edit in &edits {
            let dispute = of(edit).ok_or_else(|| edit_failure(&EditFault::Mixed))?;
            let side = chosen(dispute, edit)?;
            if let Some(tip) = side.readmits {
                return self.bring_back(request, edits.len(), &tip);
            }
            let set = format!("workspace/{DECIDED}{}", dispute.id).parse();
            let set = set.map_err(|fault| Failure::new(FailureKind::Failed, fault))?;
            decisions.push(Edit::Set { set, value: side.key.as_str().into() });
        }
        self.edit(Purpose::Request(request), decisions);
        Ok(())
    }

    /// A branch that is kept counts again.
    fn bring_back(
        &mut self,
        request: RequestId,
        edits: usize,
        tip: &EventId,
    ) -> Result<(), Failure> {
        if edits > 1 {
            let text = "a branch comes back by an event of its own, not with other decisions";
            return Err(Failure::new(FailureKind::Usage, text)
                .with_hint(format!("kern readmit --event {}", tip.short())));
        }
        let reason = "a conflict was decided so".to_owned();
        self.perform_apart(request, Command::ReadmitEvent { begin: tip.to_string(), reason });
        Ok(())
    }

    /// Rows of a document, as seen from the root. Who wrote each side, and when, is known by the
    /// event that carries its change. `SPEC: CFL-17`
    pub(super) fn document_rows(
        &self,
        document: DocumentId,
        above: &DocPath,
        conflicts: Vec<Conflict>,
    ) -> Vec<ConflictRow> {
        conflicts.into_iter().map(|conflict| self.document_row(document, above, conflict)).collect()
    }

    fn document_row(
        &self,
        document: DocumentId,
        above: &DocPath,
        conflict: Conflict,
    ) -> ConflictRow {
        let carriers = conflict.common.iter().filter_map(|c| self.workspace.carrier(&document, c));
        let common: BTreeSet<EventId> = carriers.collect();
        let common: Vec<_> = common.into_iter().collect();
        let keep = format!("kern conflicts resolve {} --keep A", conflict.id);
        let value = format!("kern conflicts resolve {} --value JSON", conflict.id);
        let is_plan = conflict.kind == ConflictKind::PlansFinal;
        ConflictRow {
            id: conflict.id,
            document,
            path: conflict.path.under(above),
            kind: conflict.kind,
            base: conflict.base,
            now: conflict.now,
            sides: conflict.sides.into_iter().map(|side| self.side_row(&document, side)).collect(),
            more_sides: conflict.more_sides,
            below: conflict.below.iter().map(|path| path.under(above)).collect(),
            below_more: conflict.below_more,
            why: format!("{} {}", conflict.why, last_known(&common)),
            common,
            next: if is_plan { vec![keep] } else { vec![keep, value] },
            open: true,
        }
    }

    fn side_row(&self, document: &DocumentId, side: Side) -> SideRow {
        let made = self.workspace.carrier(document, &side.change);
        let wrote = side.wrote.and_then(|change| self.workspace.carrier(document, &change));
        let row = SideRow { put_back: wrote.and(made), ..self.made_by(wrote.or(made)) };
        let then = side.then.unwrap_or_else(|| side.value.clone());
        SideRow { side: side.letter, value: side.value, then, deleted: side.deleted, ..row }
    }

    /// Who wrote an event, and when; of a side the rest is to be said.
    fn made_by(&self, event: Option<EventId>) -> SideRow {
        let header = event.and_then(|event| self.workspace.header(&event));
        let device = header.map(|header| header.author);
        let control = self.workspace.control();
        let member = device.and_then(|device| control.present_members().get(&device).copied());
        let time = header.map(|header| header.stamp);
        SideRow {
            side: String::new(),
            device,
            member,
            value: serde_json::Value::Null,
            then: serde_json::Value::Null,
            deleted: false,
            event,
            time,
            clock_wrong: time.is_some_and(|time| self.is_wrong(time)),
            readmits: false,
            put_back: None,
        }
    }

    /// The row of a conflict that stands in no document.
    pub(super) fn dispute_row(&self, root: DocumentId, dispute: &Dispute) -> ConflictRow {
        let letters = ('A'..='Z').map(String::from);
        let side = |(letter, side): (String, &DisputeSide)| SideRow {
            side: letter,
            device: side.device,
            value: side.value.clone(),
            then: side.then.clone(),
            readmits: side.readmits.is_some() || side.key.is_empty(),
            ..self.made_by(side.event)
        };
        let sides: Vec<_> = letters.zip(&dispute.sides).map(side).collect();
        let common: Vec<_> = dispute.common.into_iter().collect();
        ConflictRow {
            id: dispute.id,
            document: root,
            path: dispute.path.clone(),
            kind: dispute.kind,
            base: serde_json::Value::Null,
            now: serde_json::Value::Null,
            more_sides: dispute.sides.len().saturating_sub(sides.len()),
            below: Vec::new(),
            below_more: 0,
            sides,
            why: format!("{}. {}", dispute.why, last_known(&common)),
            common,
            next: dispute.next.clone(),
            open: true,
        }
    }

    pub(super) fn conflicts_reply(listing: Listing) -> Reply {
        Reply::Conflicts(listing.page())
    }
}

/// `SPEC: CFL-17`
fn last_known(common: &[EventId]) -> String {
    let told: Vec<_> = common.iter().take(3).map(EventId::short).collect();
    match (common.len(), told.join(", ")) {
        (0, _) => "They have no event in common here.".to_owned(),
        (1, told) => format!("The last event that all of them knew is {told}."),
        (2 | 3, told) => format!("The last events that all of them knew are {told}."),
        (many, told) => {
            format!("The last events that all of them knew are {told} and {} more.", many - 3)
        }
    }
}

/// The side that an edit keeps.
fn chosen<'a>(dispute: &'a Dispute, edit: &Edit) -> Result<&'a DisputeSide, Failure> {
    let Edit::Keep { keep, .. } = edit else {
        return Err(edit_failure(&EditFault::BySide(dispute.id)));
    };
    let letter = |at: usize| ('A'..='Z').nth(at).map(String::from).unwrap_or_default();
    let at = (0..dispute.sides.len().min(26)).find(|at| letter(*at) == *keep);
    let side = at.and_then(|at| dispute.sides.get(at));
    let side = side.ok_or_else(|| {
        let last = letter(dispute.sides.len().saturating_sub(1).min(25));
        edit_failure(&EditFault::NoSide { conflict: dispute.id, side: keep.clone(), last })
    })?;
    if side.key.is_empty() {
        let text = "the branch of a forked device cannot come back: its number is taken";
        return Err(Failure::new(FailureKind::Failed, text)
            .with_hint(dispute.next.first().cloned().unwrap_or_default()));
    }
    Ok(side)
}

#[cfg(test)]
mod tests;
