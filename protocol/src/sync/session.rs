//! One connection: what the peer has, what it wants, and what is under way.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{ChainId, DeviceId, EventId, Lane};
use crate::limits::{QUIET_MS, SILENT_MS, STALL_MS, TIPS_MAX};
use crate::sync::message::{Message, Tip};
use crate::sync::offer::Offers;
use crate::time::Time;
use crate::workspace::Workspace;

/// The state of a connection.
pub(super) struct Session {
    pub(super) device: DeviceId,
    pub(super) dialed: bool,
    /// How hellos name the workspace on this connection.
    pub(super) workspace: [u8; 32],
    pub(super) greeted: bool,
    /// The peer was revoked: it gets these control events, by place, and nothing else.
    pub(super) farewell: Option<BTreeSet<usize>>,
    /// It said what it has.
    told: bool,
    /// We said what we have at least once, and be it nothing: a farewell waits for that.
    pub(super) said: bool,
    /// Tips that the peer said it has and that are not here.
    pub(super) tips: BTreeMap<ChainId, BTreeMap<EventId, u64>>,
    /// The newest tip of each chain that the peer said it has.
    has: BTreeMap<ChainId, (u64, EventId)>,
    /// What is in quarantine at either end.
    pub(super) offers: Offers,
    /// Events that the peer asked for by name, with few before them.
    pub(super) alone: BTreeSet<EventId>,
    /// Missing events that the peer was asked for by name.
    pub(super) sought: BTreeSet<EventId>,
    /// Missing bodies that the peer was asked for.
    bodies: BTreeSet<EventId>,
    /// It was asked for all that were missing then, by the version of what is.
    asked_for: Option<u64>,
    /// Events that the peer asked for and that were not here.
    pub(super) due: BTreeSet<EventId>,
    /// The tips that the peer was told, or that it told us.
    pub(super) announced: BTreeSet<EventId>,
    /// Positions of what is to be sent: control first, then in causal order.
    pub(super) queue: BTreeSet<(u8, usize)>,
    pub(super) loading: bool,
    pub(super) sent_frames: u64,
    pub(super) acked_frames: u64,
    pub(super) received_frames: u64,
    pub(super) acknowledged_frames: u64,
    /// When something was asked or came last, by the monotonic clock.
    pub(super) progress: u64,
    /// How often it was waited for in vain.
    pub(super) vain: u32,
    /// When the peer said anything last.
    heard: u64,
    /// Since when it has something to acknowledge.
    owed: Option<u64>,
}

impl Session {
    pub(super) fn new(now: Time, device: DeviceId, dialed: bool, workspace: [u8; 32]) -> Self {
        Self {
            device,
            dialed,
            workspace,
            greeted: false,
            farewell: None,
            told: false,
            said: false,
            tips: BTreeMap::new(),
            has: BTreeMap::new(),
            offers: Offers::default(),
            alone: BTreeSet::new(),
            sought: BTreeSet::new(),
            bodies: BTreeSet::new(),
            asked_for: None,
            due: BTreeSet::new(),
            announced: BTreeSet::new(),
            queue: BTreeSet::new(),
            loading: false,
            sent_frames: 0,
            acked_frames: 0,
            received_frames: 0,
            acknowledged_frames: 0,
            progress: now.monotonic_ms,
            vain: 0,
            heard: now.monotonic_ms,
            owed: None,
        }
    }

    /// The peer said something.
    pub(super) fn hear(&mut self, now: Time) {
        self.heard = now.monotonic_ms;
    }

    /// Did it say nothing for a while?
    pub(super) fn is_quiet(&self, now: Time) -> bool {
        now.monotonic_ms >= self.heard.saturating_add(QUIET_MS)
    }

    /// Notes whether there is something to acknowledge.
    pub(super) fn take_stock(&mut self, now: Time) {
        if self.acked_frames == self.sent_frames {
            self.owed = None;
        } else {
            self.owed.get_or_insert(now.monotonic_ms);
        }
    }

    /// When it will have been silent for too long, if it stays so.
    pub(super) fn silent_at(&self) -> Option<u64> {
        Some(self.owed?.max(self.heard).saturating_add(SILENT_MS))
    }

    /// The peer has these. It is not told of them again.
    pub(super) fn has(&mut self, tips: Vec<Tip>) {
        self.told = true;
        let mut known = self.tips.values().map(BTreeMap::len).sum::<usize>();
        for tip in tips {
            if known < TIPS_MAX {
                let new = self.tips.entry(tip.chain).or_default().insert(tip.id, tip.seq);
                known += usize::from(new.is_none());
            }
            if self.has.len() < TIPS_MAX || self.has.contains_key(&tip.chain) {
                let newest = self.has.entry(tip.chain).or_insert((tip.seq, tip.id));
                *newest = (*newest).max((tip.seq, tip.id));
            }
            self.announced.insert(tip.id);
        }
    }

    /// The missing bodies to ask this peer for: each once, and anew where it was purged meanwhile.
    /// Some may be missing for good, so nothing is looked at while they are the same.
    /// `SPEC: SYNC-4`
    pub(super) fn lacks(&mut self, workspace: &Workspace, most: usize) -> Vec<EventId> {
        let version = workspace.without_bodies_version();
        if self.asked_for == Some(version) {
            return Vec::new();
        }
        let missing: BTreeSet<_> = workspace.without_bodies().collect();
        self.bodies.retain(|id| missing.contains(id));
        let wanted: Vec<_> = missing.difference(&self.bodies).take(most).copied().collect();
        self.bodies.extend(&wanted);
        self.asked_for = (self.bodies.len() == missing.len()).then_some(version);
        wanted
    }

    /// Says goodbye to a revoked peer; true when it has all that it gets.
    pub(super) fn part(&mut self, workspace: &Workspace) -> bool {
        let Some(farewell) = &mut self.farewell else { return false };
        if !self.told {
            return false;
        }
        // What its own tips stand for, it has.
        for position in std::mem::take(farewell) {
            let Some(place) = workspace.place_at(position) else { continue };
            let has = self.has.get(&place.chain).is_some_and(|(seq, _)| *seq >= place.seq);
            if !has {
                self.queue.insert((Lane::Control as u8, position));
            }
        }
        self.queue.is_empty() && !self.loading && self.acked_frames == self.sent_frames
    }

    /// The tips here that the peer has not been told.
    pub(super) fn news(&mut self, tips: Vec<Tip>) -> Vec<Message> {
        let current: BTreeSet<_> = tips.iter().map(|tip| tip.id).collect();
        let news: Vec<_> =
            tips.into_iter().filter(|tip| !self.announced.contains(&tip.id)).collect();
        self.announced.retain(|id| current.contains(id));
        self.announced.extend(news.iter().map(|tip| tip.id));
        if !std::mem::replace(&mut self.said, true) && news.is_empty() {
            return vec![Message::Have(Vec::new())];
        }
        news.chunks(TIPS_MAX).map(|tips| Message::Have(tips.to_vec())).collect()
    }

    /// Was it asked for something and sent nothing for a while?
    pub(super) fn is_stalled(&self, now: Time) -> bool {
        now.monotonic_ms >= self.progress.saturating_add(STALL_MS)
    }
}
