//! Asking: who is asked for what the others have, and who is waited for no longer.
//!
//! A chain is asked of one peer at a time, so that nothing comes twice. Whoever names it may lie:
//! who sends nothing, or nothing of it, is waited for a while and no longer, and gives way from
//! then on to who was not waited for in vain (SPEC: SYNC-4).

use std::collections::{BTreeMap, BTreeSet};

use super::session::Session;
use super::{Action, LinkId, Message, Sync};
use crate::id::{ChainId, EventId};
use crate::limits::{CHAIN_LATE_MS, WANTS_MAX};
use crate::time::Time;
use crate::workspace::Workspace;

/// Of whom a chain was asked.
pub(super) struct Asked {
    pub(super) link: LinkId,
    tip: EventId,
    seq: u64,
    /// How high the chain was here when this was noted, and when that was.
    height: u64,
    since: u64,
    /// How often that peer had been waited for in vain.
    vain: u32,
}

impl Asked {
    /// Is a peer that named an event at `seq` not to be asked for the chain, since this one is?
    /// Who was waited for in vain more often than another gives way to it. `SPEC: SYNC-4`
    fn stands(&self, link: LinkId, seq: u64, vain: u32) -> bool {
        (vain > self.vain && link != self.link) || (vain >= self.vain && self.seq >= seq)
    }
}

impl Sync {
    /// Asks each peer for what it has and nobody was asked for. `SPEC: SYNC-4`
    pub(super) fn ask(
        &mut self,
        now: Time,
        workspace: &Workspace,
        missing: &[(LinkId, EventId)],
    ) -> Vec<Action> {
        let mut actions = Vec::new();
        for (&link, session) in &mut self.sessions {
            if !session.greeted || session.farewell.is_some() {
                continue;
            }
            let mut wants: BTreeMap<EventId, u64> = BTreeMap::new();
            for (from, id) in missing {
                if *from == link && session.sought.insert(*id) {
                    wants.insert(*id, crate::limits::WANT_BACK);
                }
            }
            let room = WANTS_MAX.saturating_sub(wants.len());
            wants.extend(session.lacks(workspace, room).into_iter().map(|id| (id, 1)));
            for id in workspace.named_missing() {
                if wants.len() < WANTS_MAX && session.sought.insert(*id) {
                    wants.insert(*id, 1);
                }
            }
            for (chain, tips) in &session.tips {
                for (&id, &seq) in tips {
                    let vain = session.vain;
                    let asked = self.asked.get(chain);
                    let stands = asked.is_some_and(|asked| asked.stands(link, seq, vain));
                    if stands || wants.len() >= WANTS_MAX {
                        continue;
                    }
                    let height = workspace.height(chain);
                    wants.insert(id, seq.saturating_add(1).saturating_sub(height).max(1));
                    // Who names more and more of a chain wins no time by it.
                    let same = asked.filter(|asked| asked.link == link);
                    let (height, since) = same
                        .map_or((height, now.monotonic_ms), |asked| (asked.height, asked.since));
                    self.asked.insert(*chain, Asked { link, tip: id, seq, height, since, vain });
                }
            }
            if !wants.is_empty() {
                session.progress = now.monotonic_ms;
                actions.push(Action::Send(link, Message::Want(wants.into_iter().collect())));
            }
        }
        actions
    }

    /// Asks one peer for one branch in quarantine, where nothing that counts is waited for.
    /// `SPEC: SYNC-12`
    pub(super) fn ask_apart(
        &mut self,
        now: Time,
        workspace: &Workspace,
        missing: &[(LinkId, EventId)],
    ) -> Option<Action> {
        let is_idle = self.is_current() && self.asked.is_empty() && missing.is_empty();
        if !is_idle || !self.apart.is_over(now, workspace) {
            return None;
        }
        let heard = |session: &Session| session.greeted && session.farewell.is_none();
        let mut sessions = self.sessions.iter_mut().filter(|(_, session)| heard(session));
        let (link, want) =
            sessions.find_map(|(link, session)| Some((*link, session.offers.next(workspace)?)))?;
        self.apart.ask(now, link, want.0);
        Some(Action::Send(link, Message::Want(vec![want])))
    }

    /// Forgets what is here by now, and who is not waited for any more.
    pub fn take_stock(&mut self, now: Time, workspace: &Workspace) {
        self.release_stalled(now);
        self.asked.retain(|_, asked| !workspace.contains(&asked.tip));
        for session in self.sessions.values_mut() {
            session.tips.retain(|_, tips| {
                tips.retain(|id, _| !workspace.contains(id));
                !tips.is_empty()
            });
        }
        self.release_late(now, workspace);
    }

    /// A chain that was asked of one peer, and that others have too, is asked of those where
    /// nothing of it came for a while, whatever else that peer goes on sending. `SPEC: SYNC-4`
    fn release_late(&mut self, now: Time, workspace: &Workspace) {
        let mut late = Vec::new();
        for (chain, asked) in &mut self.asked {
            if now.monotonic_ms < asked.since.saturating_add(CHAIN_LATE_MS) {
                continue;
            }
            let height = workspace.height(chain);
            let has = |(link, session): (&LinkId, &Session)| {
                *link != asked.link && session.tips.contains_key(chain)
            };
            if height > asked.height || !self.sessions.iter().any(has) {
                (asked.height, asked.since) = (height, now.monotonic_ms);
            } else {
                late.push((*chain, asked.link));
            }
        }
        for (chain, link) in late {
            self.asked.remove(&chain);
            if let Some(session) = self.sessions.get_mut(&link) {
                session.tips.remove(&chain);
                session.vain = session.vain.saturating_add(1);
            }
        }
    }

    /// Who was asked and sends nothing for a while is not waited for: its tips are forgotten, and
    /// what they stood for is asked of others.
    fn release_stalled(&mut self, now: Time) {
        let stalled: BTreeSet<LinkId> = self
            .asked
            .values()
            .map(|asked| asked.link)
            .filter(|link| {
                let session = self.sessions.get(link);
                session.is_none_or(|session| session.is_stalled(now))
            })
            .collect();
        for link in stalled {
            self.forget(link);
            if let Some(session) = self.sessions.get_mut(&link) {
                session.tips.clear();
                session.sought.clear();
                session.vain = session.vain.saturating_add(1);
            }
        }
    }

    /// How many events are on their way that were asked for, as far as their chains tell.
    #[must_use]
    pub fn awaited(&self, workspace: &Workspace) -> u64 {
        let awaited = self.asked.iter().filter(|(_, asked)| !workspace.contains(&asked.tip));
        let left = |(chain, asked): (&ChainId, &Asked)| {
            asked.seq.saturating_add(1).saturating_sub(workspace.height(chain))
        };
        awaited.map(left).fold(0, u64::saturating_add)
    }
}
