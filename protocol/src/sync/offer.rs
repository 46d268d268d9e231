//! Offering what is in quarantine, apart from what is admitted (SPEC: SYNC-12): the message, what a
//! peer offered, and who was asked for what.
//!
//! Nobody has to take it: a device asks for one branch at a time, when all that is admitted is
//! here, and where it has room for its author. What a readmission or a cut names, it asks for at
//! once.

use std::collections::{BTreeMap, BTreeSet};

use super::message::{Message, Tip, read_tip, write_tip};
use crate::cbor::{CborFault, Reader, Writer};
use crate::id::{EventId, Lane};
use crate::limits::{OFFERS_MAX, STALL_MS};
use crate::sync::LinkId;
use crate::time::Time;
use crate::workspace::Workspace;

/// The number of the message.
pub(super) const OFFER: u64 = 13;

pub(super) fn write(tips: &[Tip], to: &mut Writer) {
    to.array(2).uint(OFFER).array(tips.len());
    tips.iter().for_each(|tip| write_tip(tip, to));
}

/// Reads what follows the number.
pub(super) fn read(from: &mut Reader<'_>) -> Result<Message, CborFault> {
    let count = from.array(OFFERS_MAX)?;
    let tips: Vec<Tip> = (0..count).map(|_| read_tip(from)).collect::<Result<_, _>>()?;
    let is_content = |tip: &Tip| tip.chain.lane == Lane::Content;
    if tips.is_empty() || !tips.iter().all(is_content) {
        return Err(CborFault::Malformed);
    }
    Ok(Message::Offer(tips))
}

/// What one peer offered, and was offered.
#[derive(Default)]
pub(super) struct Offers {
    /// Not here yet, and not asked of it.
    theirs: BTreeMap<EventId, Tip>,
    /// What it has, by its word or ours.
    told: BTreeSet<EventId>,
}

impl Offers {
    /// The peer offers these; what is too much is forgotten.
    pub(super) fn hear(&mut self, tips: Vec<Tip>) {
        for tip in tips {
            if self.theirs.len() < OFFERS_MAX {
                self.theirs.insert(tip.id, tip);
                self.told.insert(tip.id);
            }
        }
    }

    /// The tips here that the peer was not offered, as many as one message holds.
    pub(super) fn news(&mut self, tips: &[Tip]) -> Option<Message> {
        if !self.told.is_empty() {
            let current: BTreeSet<_> = tips.iter().map(|tip| tip.id).collect();
            let theirs = &self.theirs;
            self.told.retain(|id| current.contains(id) || theirs.contains_key(id));
        }
        let news = tips.iter().filter(|tip| !self.told.contains(&tip.id));
        let news: Vec<Tip> = news.take(OFFERS_MAX).copied().collect();
        self.told.extend(news.iter().map(|tip| tip.id));
        (!news.is_empty()).then_some(Message::Offer(news))
    }

    /// The next branch to ask for, with how many events of it are not here; each once.
    pub(super) fn next(&mut self, workspace: &Workspace) -> Option<(EventId, u64)> {
        self.theirs.retain(|id, _| !workspace.contains(id));
        let lacks = |tip: &Tip| {
            let height = workspace.height(&tip.chain);
            tip.seq.saturating_add(1).saturating_sub(height).max(1)
        };
        let has_room = |tip: &&Tip| workspace.has_room_apart(&tip.chain.author, lacks(tip));
        let tip = *self.theirs.values().find(has_room)?;
        self.theirs.remove(&tip.id);
        Some((tip.id, lacks(&tip)))
    }
}

/// The branch that was asked for last, of whom, and until when it is waited for.
#[derive(Default)]
pub(super) struct AskedApart(Option<(LinkId, EventId, u64)>);

impl AskedApart {
    pub(super) fn ask(&mut self, now: Time, link: LinkId, tip: EventId) {
        self.0 = Some((link, tip, now.monotonic_ms.saturating_add(STALL_MS)));
    }

    /// Is none waited for any more?
    pub(super) fn is_over(&mut self, now: Time, workspace: &Workspace) -> bool {
        self.0 =
            self.0.filter(|(_, tip, until)| now.monotonic_ms < *until && !workspace.contains(tip));
        self.0.is_none()
    }

    pub(super) fn forget(&mut self, link: LinkId) {
        self.0 = self.0.filter(|(of, ..)| *of != link);
    }

    pub(super) fn deadline(&self) -> Option<u64> {
        self.0.map(|(.., until)| until)
    }
}
