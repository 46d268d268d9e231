//! Conflicts that stand at no place of a document: two that hold one lease, branches that are kept
//! apart. Like all conflicts they are a view of what is here, the same on every device with the
//! same events; what a person decided about one stands in the root document, under its id.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::Workspace;
use crate::command::{Apart, BranchRow};
use crate::document::DocPath;
use crate::document::conflict::ConflictKind;
use crate::hash::{self, context};
use crate::id::{ConflictId, DeviceId, EventId};
use crate::mission::journal::Entry;
use crate::mission::state::Lease;

/// A conflict that stands at no place of a document.
#[derive(Debug, Clone, PartialEq)]
pub struct Dispute {
    /// Its name, the same on every device.
    pub id: ConflictId,
    /// What it is about.
    pub kind: ConflictKind,
    /// How that is named among paths.
    pub path: DocPath,
    /// Who disagrees, in the order of their letters.
    pub sides: Vec<DisputeSide>,
    /// Why neither gave way, for people.
    pub why: String,
    /// The last that the sides have in common, where that is known.
    pub common: Option<EventId>,
    /// What a person may do, as commands.
    pub next: Vec<String>,
}

/// One side of it.
#[derive(Debug, Clone, PartialEq)]
pub struct DisputeSide {
    /// What a decision for it is: the text that stands in the document.
    pub key: String,
    /// Whose it is.
    pub device: Option<DeviceId>,
    /// What made it.
    pub event: Option<EventId>,
    /// What it says.
    pub value: Json,
    /// What becomes of it once it is kept.
    pub then: Json,
    /// It is no decision about what is shown: keeping it brings this branch back.
    pub readmits: Option<EventId>,
}

/// All of them that are listed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Disputes {
    /// By path and id.
    pub open: Vec<Dispute>,
    /// How many there are beyond those.
    pub more: usize,
}

/// The disputes, and what was here when they were found.
pub(super) type KeptDisputes = Option<([u64; 6], Arc<Disputes>)>;

impl Workspace {
    /// All of them, by path and id; and how many there are beyond those. They are found anew where
    /// something came since. `SPEC: CFL-13, CFL-14, CFL-18`
    #[must_use]
    pub fn disputes(&self) -> Arc<Disputes> {
        let here = [
            self.order.len() as u64,
            self.effects.judged() as u64,
            self.strikes_version(),
            self.shares.version(),
            self.content.rejudged(),
            self.missions().version(),
        ];
        let mut kept = self.room.disputes.borrow_mut();
        if let Some((_, disputes)) = kept.as_ref().filter(|(of, _)| *of == here) {
            return Arc::clone(disputes);
        }
        let quarantine = self.quarantine();
        let missions = self.missions().missions().filter_map(|mission| self.holders(mission));
        let apart = quarantine.branches.iter().map(|row| self.branch_dispute(row));
        let mut open: Vec<_> = missions.chain(apart).collect();
        open.sort_by(|one, two| (&one.path, one.id).cmp(&(&two.path, two.id)));
        let disputes = Arc::new(Disputes { open, more: quarantine.more });
        *kept = Some((here, Arc::clone(&disputes)));
        disputes
    }

    fn dispute_id(&self, kind: ConflictKind, about: &[&[u8]]) -> ConflictId {
        let kind = [kind as u8];
        let parts: Vec<&[u8]> =
            [&self.id.0[..], &kind[..]].into_iter().chain(about.iter().copied()).collect();
        let full = hash::hash(context::CONFLICT, &parts);
        let mut id = [0; 16];
        id.copy_from_slice(&full[..16]);
        ConflictId(id)
    }

    fn branch_dispute(&self, row: &BranchRow) -> Dispute {
        let kind = match row.why {
            Apart::Forked => ConflictKind::Divergent,
            Apart::Revoked | Apart::Struck | Apart::Dependent => ConflictKind::Quarantine,
        };
        let id = self.dispute_id(kind, &[&row.tip.0, &[row.why as u8]]);
        let tip = row.tip.short();
        let why = match row.why {
            Apart::Revoked => "its author was revoked, and nobody built on it in good faith",
            Apart::Struck => "a strike names it",
            Apart::Dependent => "it builds on what was struck",
            Apart::Forked => {
                "its device forked: another change has the same number, and more members built on \
                 that"
            }
        };
        let stays = DisputeSide {
            key: "apart".to_owned(),
            device: row.by,
            event: row.decision,
            value: json!("stays apart"),
            then: json!("stays apart"),
            readmits: None,
        };
        let branch = DisputeSide {
            key: row.tip.to_string(),
            device: Some(row.author),
            event: Some(row.tip),
            value: json!({ "events": row.events, "tip": row.tip }),
            then: json!("comes back"),
            readmits: (kind == ConflictKind::Quarantine).then_some(row.tip),
        };
        let mut next = vec![format!("kern quarantine show {tip}")];
        if kind == ConflictKind::Quarantine {
            next.push(format!("kern readmit --event {tip}"));
        }
        next.push(format!("kern conflicts resolve {id} --keep A"));
        // Of a fork the other cannot come back: its number is taken.
        let sides = match kind {
            ConflictKind::Divergent => {
                let then = json!("stays apart: what it set can be set anew");
                vec![stays, DisputeSide { then, key: String::new(), ..branch }]
            }
            _ => vec![stays, branch],
        };
        let common = self.content.number(&row.tip).and_then(|no| self.before_branch(no, row));
        Dispute {
            id,
            kind,
            path: named("quarantine", &row.tip),
            sides,
            why: match row.reason.as_str() {
                "" => why.to_owned(),
                reason => format!("{why}; the reason given: {reason}"),
            },
            common,
            next,
        }
    }

    /// The event of its chain before a branch; where none is, one that its first event builds on.
    fn before_branch(&self, tip: crate::authority::ContentNo, row: &BranchRow) -> Option<EventId> {
        let mut at = tip;
        for _ in 0..row.events {
            let Some(prev) = self.content.prev(at) else {
                let known = self.content.parents(at).iter().filter(|no| self.counts(**no));
                return known.map(|no| self.content.id(*no)).min();
            };
            at = prev;
        }
        Some(self.content.id(at))
    }

    /// Leases on one stage of a mission that goes on, of which no holder knew the other's.
    fn holders(&self, mission: &EventId) -> Option<Dispute> {
        let held = self.missions().holders(&self.content, mission);
        let mut leases: Vec<Lease> =
            held.iter().filter_map(|entry| entry.state.lease.clone()).collect();
        leases.sort_by_key(|lease| lease.claim);
        if leases.len() < 2 {
            return None;
        }
        let claims: Vec<&[u8]> = leases.iter().map(|lease| &lease.claim.0[..]).collect();
        let id = self.dispute_id(ConflictKind::Holders, &claims);
        let side = |lease: &Lease| DisputeSide {
            key: lease.claim.to_string(),
            device: Some(lease.holder),
            event: Some(lease.claim),
            value: json!({ "stage": lease.stage, "epoch": lease.epoch, "holder": lease.holder }),
            then: json!({ "holder": lease.holder }),
            readmits: None,
        };
        let why = "None of these leases has another in its past: both holders may work, and which \
                   run goes on is decided by what it comes to; a decision takes this off the list \
                   and stops nobody";
        let next = vec![
            format!("kern mission show {}", mission.short()),
            format!("kern conflicts resolve {id} --keep A"),
        ];
        Some(Dispute {
            id,
            kind: ConflictKind::Holders,
            path: named("missions", mission),
            sides: leases.iter().map(side).collect(),
            why: why.to_owned(),
            common: self.last_common(&held),
            next,
        })
    }

    /// The last record on the way to all of these.
    fn last_common(&self, ends: &[&Entry]) -> Option<EventId> {
        let ways: Vec<Vec<EventId>> = ends
            .iter()
            .map(|end| self.missions().way(&end.state.last).into_iter().map(|(id, _)| id).collect())
            .collect();
        let (first, others) = ways.split_first()?;
        let shared = first.iter().enumerate();
        let shared =
            shared.take_while(|(at, id)| others.iter().all(|way| way.get(*at) == Some(id)));
        shared.last().map(|(_, id)| *id)
    }
}

fn named(map: &str, id: &EventId) -> DocPath {
    format!("{map}/{id}").parse().unwrap_or_default()
}
