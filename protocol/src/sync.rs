//! Sync: how two devices come to hold the same events.
//!
//! One stream a peer and workspace. Both sides say *hello*; where their lanes differ each says
//! what it *has* (the tips of its chains), the other *wants* what it lacks as (tip, count), and
//! *events* come in causal order across chains, control first, a frame at a time. Each frame is
//! durable and admitted before it is acknowledged, so a cut at any byte costs at most the frames
//! under way. From then on an own event is sent at once, and what came from others is announced,
//! so that in a mesh nobody is sent what it has.
//!
//! Nothing here trusts a peer: a frame is decoded and its signatures are checked before it comes
//! in ([`message`]), tips that a peer cannot serve are forgotten after a while, and what waits is
//! bounded. Quotas only slow or drop; they never decide whether an event counts.

mod asking;
pub(crate) mod card;
mod chunks;
mod conduct;
mod held;
pub mod hint;
pub mod hints;
pub mod introduce;
pub mod message;
pub mod nearby;
mod offer;
mod peer;
mod receipt;
mod receipts;
mod renewal;
mod segment;
mod serve;
mod session;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use card::{Card, Cards};
pub use conduct::{Conduct, KEPT_OUT, is_newer};
pub use held::Held;
pub use introduce::Tails;
pub use message::{Message, SyncFault, Tip, workspace_tag};
pub use peer::{Overheard, PeerState};
pub use receipt::{Claims, Receipt};
pub use receipts::{Own, Receipts, Said};
pub use renewal::Renewal;

use crate::event::{Run, Verified};
use crate::id::{ChainId, DeviceId, EventId};
use crate::limits::STALL_MS;
use crate::store::Sought;
use crate::time::Time;
use crate::workspace::Workspace;
use asking::Asked;
use offer::AskedApart;
use session::Session;

/// Why a connection ends with a device that is no member by what is known here: the code.
pub const NOT_MEMBER: &str = "not_member";

/// Why a connection ends with a device that was revoked, once it was told: the code.
pub const REVOKED: &str = "revoked";

/// Names a connection, as long as it lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LinkId(pub u64);

/// What sync wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Send a message.
    Send(LinkId, Message),
    /// Load these events from the store and give them to [`Sync::on_loaded`].
    Load(LinkId, Vec<Sought>),
    /// End the connection, and say why.
    Disconnect(LinkId, &'static str),
}

/// All sessions of a workspace.
#[derive(Default)]
pub struct Sync {
    sessions: BTreeMap<LinkId, Session>,
    /// Which connection was asked for which chain, and up to where.
    asked: BTreeMap<ChainId, Asked>,
    apart: AskedApart,
}

impl Sync {
    /// A connection is up; `own` and the peer's key were proven by it, and hellos name the
    /// workspace on it by `workspace`. Of two connections with one device the one that the lower id
    /// dialed stays, of two that one side dialed the newer; one that said nothing for a while gives
    /// way to any newer. `SPEC: SYNC-10`
    pub fn peer_up(
        &mut self,
        now: Time,
        link: LinkId,
        device: DeviceId,
        own: DeviceId,
        dialed: bool,
        workspace: [u8; 32],
    ) -> Vec<Action> {
        let dialer = if dialed { own } else { device };
        let other = self.sessions.iter().find(|(_, session)| session.device == device);
        if let Some((&old, session)) = other {
            let old_dialer = if session.dialed { own } else { device };
            if dialer > old_dialer && !session.is_quiet(now) {
                return vec![Action::Disconnect(link, "duplicate")];
            }
            self.sessions.remove(&old);
            self.forget(old);
            self.sessions.insert(link, Session::new(now, device, dialed, workspace));
            return vec![Action::Disconnect(old, "duplicate")];
        }
        self.sessions.insert(link, Session::new(now, device, dialed, workspace));
        Vec::new()
    }

    /// A connection is gone: what it was asked for can be asked of others.
    pub fn peer_down(&mut self, link: LinkId) {
        self.sessions.remove(&link);
        self.forget(link);
    }

    fn forget(&mut self, link: LinkId) {
        self.asked.retain(|_, asked| asked.link != link);
        self.apart.forget(link);
    }

    /// The device at the other end of a connection that is up.
    #[must_use]
    pub fn device_of(&self, link: LinkId) -> Option<DeviceId> {
        Some(self.sessions.get(&link)?.device)
    }

    /// The connections that are up.
    #[must_use]
    pub fn links(&self) -> Vec<LinkId> {
        self.sessions.keys().copied().collect()
    }

    /// The peer was revoked: it is told so, and then cut off. `SPEC: SYNC-6`
    pub fn part_with(&mut self, now: Time, link: LinkId, places: BTreeSet<usize>) {
        let Some(session) = self.sessions.get_mut(&link) else { return };
        if session.farewell.is_none() {
            session.queue.clear();
            session.farewell = Some(places);
            session.progress = now.monotonic_ms;
        }
    }

    /// Is this peer being cut off?
    #[must_use]
    pub fn is_parting(&self, link: LinkId) -> bool {
        self.sessions.get(&link).is_some_and(|session| session.farewell.is_some())
    }

    /// Is this how a hello names the workspace on this connection? `SPEC: SYNC-2`
    #[must_use]
    pub fn is_named(&self, link: LinkId, workspace: &[u8; 32]) -> bool {
        self.sessions.get(&link).is_some_and(|session| session.workspace == *workspace)
    }

    /// The peer said hello: where our lanes are equal, it has what we have.
    pub fn on_hello(&mut self, link: LinkId, lanes_hash: [u8; 32], workspace: &Workspace) {
        let Some(session) = self.sessions.get_mut(&link) else { return };
        session.greeted = true;
        if lanes_hash == workspace.lanes_hash() {
            session.has(workspace.tips());
            session.said = true;
        }
    }

    /// Has the peer said hello?
    #[must_use]
    pub fn is_greeted(&self, link: LinkId) -> bool {
        self.sessions.get(&link).is_some_and(|session| session.greeted)
    }

    /// The peer said what it has.
    pub fn on_have(&mut self, link: LinkId, tips: Vec<Tip>) {
        if let Some(session) = self.sessions.get_mut(&link) {
            session.has(tips);
        }
    }

    /// The peer offers what is in quarantine there. `SPEC: SYNC-12`
    pub fn on_offer(&mut self, link: LinkId, tips: Vec<Tip>) {
        if let Some(session) = self.sessions.get_mut(&link) {
            session.offers.hear(tips);
        }
    }

    /// The peer said something.
    pub fn hear(&mut self, now: Time, link: LinkId) {
        if let Some(session) = self.sessions.get_mut(&link) {
            session.hear(now);
        }
    }

    /// The peer wants events.
    pub fn on_want(&mut self, link: LinkId, wants: &[(EventId, u64)], workspace: &Workspace) {
        if let Some(session) = self.sessions.get_mut(&link) {
            session.want(wants, workspace);
        }
    }

    /// The peer holds this many of our frames for good.
    pub fn on_ack(&mut self, link: LinkId, frames: u64) {
        if let Some(session) = self.sessions.get_mut(&link) {
            session.acked_frames = session.acked_frames.max(frames.min(session.sent_frames));
        }
    }

    /// A frame of events came in and is about to be durable: it is acknowledged with the turn.
    /// Who sent it need not be told of it.
    pub fn on_events(&mut self, now: Time, link: LinkId, runs: &[Run]) {
        if let Some(session) = self.sessions.get_mut(&link) {
            session.received_frames += 1;
            session.progress = now.monotonic_ms;
            session.announced.extend(runs.iter().map(|run| run.ends().1));
        }
    }

    /// An own event goes to everybody at once. `SPEC: SYNC-5`
    pub fn push(&mut self, events: &[EventId], workspace: &Workspace) {
        let members = |session: &&mut Session| session.greeted && session.farewell.is_none();
        for session in self.sessions.values_mut().filter(members) {
            session.push(events, workspace);
        }
    }

    /// Events came from outside: who asked for one before is sent it. `SPEC: SYNC-4`
    pub fn came(&mut self, events: &[EventId], workspace: &Workspace) {
        let members = |session: &&mut Session| session.greeted && session.farewell.is_none();
        self.sessions.values_mut().filter(members).for_each(|s| s.came(events, workspace));
    }

    /// Events that were asked of the store for a connection.
    pub fn on_loaded(
        &mut self,
        link: LinkId,
        events: Vec<Verified>,
        workspace: &Workspace,
    ) -> Vec<Action> {
        let Some(session) = self.sessions.get_mut(&link) else { return Vec::new() };
        let frames = session.loaded(events, workspace);
        frames.into_iter().map(|frame| Action::Send(link, frame)).collect()
    }

    /// What there is to say at the end of a turn: acknowledgements, news, wants, and the next
    /// events of what was wanted. `missing` are events that held ones wait for, with who sent them.
    /// Bodies that are missing are asked of everybody.
    pub fn speak(
        &mut self,
        now: Time,
        workspace: &Workspace,
        missing: &[(LinkId, EventId)],
    ) -> Vec<Action> {
        let mut actions = Vec::new();
        self.take_stock(now, workspace);
        let apart = workspace.apart_tips();
        for (&link, session) in &mut self.sessions {
            session.take_stock(now);
            if session.silent_at().is_some_and(|at| now.monotonic_ms >= at) {
                actions.push(Action::Disconnect(link, "silent"));
                continue;
            }
            if !session.greeted {
                continue;
            }
            if session.farewell.is_some() {
                if session.part(workspace) || session.is_stalled(now) {
                    actions.push(Action::Disconnect(link, REVOKED));
                } else if let Some(places) = session.next_places(workspace) {
                    actions.push(Action::Load(link, places));
                }
                continue;
            }
            if session.acknowledged_frames < session.received_frames {
                session.acknowledged_frames = session.received_frames;
                actions.push(Action::Send(link, Message::Ack(session.received_frames)));
            }
            let news = session.news(workspace.tips());
            actions.extend(news.into_iter().map(|have| Action::Send(link, have)));
            actions.extend(session.offers.news(&apart).map(|offer| Action::Send(link, offer)));
            if let Some(places) = session.next_places(workspace) {
                actions.push(Action::Load(link, places));
            }
        }
        actions.extend(self.ask(now, workspace, missing));
        actions.extend(self.ask_apart(now, workspace, missing));
        actions
    }

    /// When the next stalled peer is to be given up.
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        let asked = self.asked.values().filter_map(|asked| self.sessions.get(&asked.link));
        let parting = self.sessions.values().filter(|session| session.farewell.is_some());
        let stalled = asked.chain(parting).map(|session| session.progress.saturating_add(STALL_MS));
        let silent = self.sessions.values().filter_map(Session::silent_at);
        stalled.chain(silent).chain(self.apart.deadline()).min()
    }

    /// Is everything here that the peers said they have? Who sends nothing for a while is not
    /// waited for.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.sessions.values().all(|session| session.farewell.is_some() || session.tips.is_empty())
    }
}
