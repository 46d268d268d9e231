//! What is listed of branches: those that were made, what devices wrote apart, and what is of
//! forks, each with the commands that go on from there. `SPEC: BRA-5, BRA-8, BRA-12`

use std::collections::{BTreeMap, BTreeSet};

use crate::command::{Apart, BranchKind, BranchPage, BranchSide, BranchState, LostMerge};
use crate::document::{BranchLink, Links, check_name};
use crate::id::{ChangeHash, DocumentId, EventId};
use crate::limits::BRANCHES_LISTED_MAX;
use crate::replica::Replica;
use crate::replica::documents::quoted;
use crate::workspace::{ApartSide, Divergence};

impl Replica {
    pub(super) fn branch_page(&self, links: &Links, all: bool) -> BranchPage {
        let of_branches: BTreeSet<_> =
            self.workspace.branches().map(|(branch, _)| branch).collect();
        let mut linked: Vec<_> = links.branches.iter().collect();
        linked.retain(|link| of_branches.contains(&link.document));
        let named: BTreeSet<_> = linked.iter().map(|link| link.document).collect();
        linked.retain(|link| all || !link.archived);
        // Of one whose making was taken back there is nothing to look at, unless it was written to.
        let others = of_branches.difference(&named).copied();
        let others = others.filter(|branch| all || self.workspace.is_written(branch));
        let rows = linked.iter().map(|link| (link.document, Some(*link)));
        let rows: Vec<_> = rows.chain(others.map(|branch| (branch, None))).collect();
        let diverged = self.workspace.divergences();
        let apart = self.workspace.quarantine().branches;
        let left_out: Vec<_> = apart.iter().filter(|row| row.why == Apart::Forked).collect();
        let count = rows.len() + diverged.len() + left_out.len();
        // What an origin's heads are is found once.
        let mut lines = BTreeMap::new();
        let mut taken_back = self.workspace.merges_taken_back();
        let made = rows.into_iter().map(|row| {
            let taken_back = taken_back.remove(&row.0).unwrap_or_default();
            let row = self.made(links, row, &mut lines);
            // What is put away is brought back first.
            let again = taken_back.iter().map(LostMerge::command).filter(|_| !row.archived);
            let next = again.chain(row.next).collect();
            BranchState { taken_back, next, ..row }
        });
        let diverged = diverged.into_iter().map(|one| self.diverged(links, one));
        let left_out = left_out.into_iter().map(|row| BranchState {
            kind: BranchKind::LeftOut,
            ahead: row.events,
            devices: vec![row.author],
            event: Some(row.tip),
            next: self.next_of_left_out(&row.tip),
            ..nobodys()
        });
        // What a person has to look at comes first where not all is listed.
        let rows = diverged.chain(left_out).chain(made).take(BRANCHES_LISTED_MAX);
        let mut branches: Vec<_> = rows.collect();
        branches.sort_by_key(|row| (row.kind != BranchKind::Made, row.name.is_none()));
        BranchPage { more: count - branches.len(), branches }
    }

    fn made(
        &self,
        links: &Links,
        (branch, link): (DocumentId, Option<&BranchLink>),
        lines: &mut BTreeMap<DocumentId, Vec<ChangeHash>>,
    ) -> BranchState {
        let origin = self.workspace.origin(&branch).unwrap_or(branch);
        let heads = lines.entry(origin).or_insert_with(|| self.workspace.line(&origin).heads);
        let distance = self.workspace.distance(&branch, heads.clone());
        let is_shown = link.is_some_and(|link| link.is_shown);
        let name = link.map(|link| link.name.clone());
        let event = self.workspace.made_by(&branch);
        // What no person could have named so is called by its id.
        let typed = name.clone().filter(|name| is_shown && check_name(name).is_ok());
        let archived = link.is_some_and(|link| link.archived);
        let takes = self.put_away(links, &origin).is_none();
        let mut next =
            next_of_made(typed.as_deref(), &branch, (archived, distance.ahead > 0, takes));
        // What took its making back took its name.
        let by = event.and_then(|event| self.workspace.taken_back_by(&event));
        let by = by.filter(|_| name.is_none());
        next.extend(by.map(|by| format!("kern undo {}", by.short())));
        BranchState {
            name,
            document: Some(branch),
            of: self.path_of(links, &origin),
            purpose: link.map_or_else(String::new, |link| link.purpose.clone()),
            ahead: distance.ahead,
            behind: distance.behind,
            behind_at_least: distance.behind_at_least,
            devices: distance.devices.into_iter().collect(),
            archived,
            is_shown,
            conflict: link.is_some_and(|link| link.conflict),
            event,
            next,
            ..nobodys()
        }
    }

    fn diverged(&self, links: &Links, of: Divergence) -> BranchState {
        let path = self.path_of(links, &of.document);
        let keep = |side: &ApartSide| {
            let of =
                if path.is_empty() { String::new() } else { format!(" --of {}", quoted(&path)) };
            format!("kern branch create NAME{of} --at {}", side.event.short())
        };
        let mut next = vec!["kern conflicts".to_owned()];
        next.extend(of.sides.iter().map(keep));
        let sides = of.sides.iter().map(|side| BranchSide {
            device: side.device,
            changes: side.changes,
            at_least: side.at_least,
            event: side.event,
        });
        BranchState {
            kind: BranchKind::Divergent,
            document: Some(of.document),
            of: path.clone(),
            ahead: of.sides.iter().map(|side| side.changes).sum(),
            devices: of.sides.iter().map(|side| side.device).collect(),
            sides: sides.collect(),
            next,
            ..nobodys()
        }
    }

    /// What is left out cannot come in beside what has its number; whoever wants it strikes that.
    fn next_of_left_out(&self, tip: &EventId) -> Vec<String> {
        let mut next = vec![format!("kern quarantine show {}", tip.short())];
        let stands = self.workspace.in_place_of(tip);
        next.extend(stands.map(|other| format!("kern strike {}", other.short())));
        next
    }
}

/// What can be done with a branch. What no name leads to has no link to put away, and into
/// an origin that was put away nothing is merged.
fn next_of_made(
    name: Option<&str>,
    branch: &DocumentId,
    (is_archived, is_ahead, origin_takes): (bool, bool, bool),
) -> Vec<String> {
    let called = quoted(&name.map_or_else(|| branch.to_string(), str::to_owned));
    let verbs: &[&str] = match (is_archived, is_ahead) {
        (true, _) | (false, false) => &["archive"],
        (false, true) if origin_takes => &["preview", "merge", "archive"],
        (false, true) => &["preview", "archive"],
    };
    let can = verbs.iter().filter(|verb| name.is_some() || **verb != "archive");
    let back = if is_archived { " --undo" } else { "" };
    can.map(|verb| format!("kern branch {verb} {called}{back}")).collect()
}

fn nobodys() -> BranchState {
    BranchState {
        kind: BranchKind::Made,
        name: None,
        document: None,
        of: String::new(),
        purpose: String::new(),
        ahead: 0,
        behind: 0,
        behind_at_least: false,
        devices: Vec::new(),
        sides: Vec::new(),
        taken_back: Vec::new(),
        archived: false,
        is_shown: false,
        conflict: false,
        event: None,
        next: Vec::new(),
    }
}
