//! The Replica's side of sync: who may connect, what goes in, and what is said when.

use crate::event::Verified;
use crate::id::DeviceId;
use crate::limits::{JOIN_DELAY_MS, NOTICES_MAX};
use crate::replica::{LoadFor, Output, Replica};
use crate::store::{LoadRequest, Record};
use crate::sync::{Action, LinkId, Message};
use crate::workspace::{AuthorFault, InsertFault};

impl Replica {
    /// A connection is up. Its hello is named by what both ends of the channel know.
    pub(super) fn on_peer_up(
        &mut self,
        link: LinkId,
        device: DeviceId,
        dialed: bool,
        workspace: [u8; 32],
    ) {
        let own = self.key.device();
        let farewell = self.workspace.farewell(&device);
        let control = self.workspace.control();
        let role = |device: &DeviceId| control.role(device, &control.all());
        // Who has not read of its own grant yet cannot tell members from others; its node dials
        // only whom it was paired with.
        let is_stranger = role(&device).is_none() && role(&own).is_some();
        if device == own || (farewell.is_none() && is_stranger) {
            self.disconnect(link, "not_member");
            return;
        }
        let actions = self.sync.peer_up(self.now, link, device, own, dialed);
        let refused = actions.contains(&Action::Disconnect(link, "duplicate"));
        self.act(actions);
        if refused {
            return;
        }
        let hello = Message::Hello {
            workspace,
            incarnation: self.config.incarnation,
            lanes_hash: self.workspace.lanes_hash(),
        };
        self.send(link, &hello);
        if let Some(places) = farewell {
            self.sync.part_with(self.now, link, places);
        }
    }

    pub(super) fn on_peer_down(&mut self, link: LinkId) {
        self.sync.peer_down(link);
        self.held.forget(link);
    }

    /// What a peer sent broke a rule before it came here.
    pub(super) fn on_fault(&mut self, link: LinkId, code: &str) {
        self.misbehaved(link, code);
    }

    pub(super) fn on_message(&mut self, link: LinkId, message: Message) {
        if self.sync.device_of(link).is_none() {
            return;
        }
        if self.sync.is_greeted(link) == matches!(message, Message::Hello { .. }) {
            self.misbehaved(link, "hello");
            return;
        }
        match message {
            Message::Hello { lanes_hash, .. } => {
                self.sync.on_hello(link, lanes_hash, &self.workspace);
            }
            Message::Have(tips) => self.sync.on_have(link, tips),
            Message::Ack(frames) => self.sync.on_ack(link, frames),
            // A peer that is being cut off is neither served nor heard.
            Message::Want(_) | Message::Events(_) if self.sync.is_parting(link) => {}
            Message::Want(wants) => self.sync.on_want(link, &wants, &self.workspace),
            Message::Events(events) => {
                self.sync.on_events(self.now, link);
                self.receive(link, events);
            }
        }
    }

    /// Events from a peer go in, with what waited for them.
    fn receive(&mut self, link: LinkId, events: Vec<Verified>) {
        let mut inbox: Vec<_> = events.into_iter().map(|event| (link, event)).rev().collect();
        while let Some((from, event)) = inbox.pop() {
            match self.workspace.insert(&event, &self.key) {
                Ok(false) => {}
                Ok(true) => {
                    self.clock.saw(self.now, event.header().stamp);
                    inbox.extend(self.held.release(&event.id()));
                    self.persist.push(Record::Event(event));
                }
                Err(InsertFault::Missing(missing)) => self.held.hold(from, event, missing),
                Err(InsertFault::Refused(refusal)) => {
                    self.misbehaved(from, refusal.code());
                    inbox.retain(|(other, _)| *other != from);
                }
            }
        }
    }

    /// Says at the end of a turn what there is to say to peers.
    pub(super) fn speak(&mut self) {
        self.workspace.settle();
        for link in self.sync.links() {
            let Some(device) = self.sync.device_of(link) else { continue };
            if let Some(places) = self.workspace.farewell(&device) {
                self.sync.part_with(self.now, link, places);
            }
        }
        let missing = self.held.missing();
        let actions = self.sync.speak(self.now, &self.workspace, &missing);
        self.act(actions);
    }

    fn act(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Send(link, message) => self.send(link, &message),
                Action::Load(link, places) => {
                    self.load_next(LoadFor::Peer(link), LoadRequest::Events(places));
                }
                Action::Disconnect(link, reason) => self.disconnect(link, reason),
            }
        }
    }

    /// The store gave what a peer is to be sent.
    pub(super) fn serve(&mut self, link: LinkId, events: &[Verified]) {
        let actions = self.sync.on_loaded(link, events);
        self.act(actions);
    }

    fn send(&mut self, link: LinkId, message: &Message) {
        self.outputs.push_back(Output::Send(link, message.encode()));
    }

    fn disconnect(&mut self, link: LinkId, reason: &str) {
        self.on_peer_down(link);
        self.outputs.push_back(Output::Disconnect(link, reason.to_owned()));
    }

    fn misbehaved(&mut self, link: LinkId, code: &str) {
        if let Some(device) = self.sync.device_of(link) {
            if self.notices.len() >= NOTICES_MAX {
                self.notices.pop_front();
            }
            self.notices.push_back((device, code.to_owned()));
        }
        self.disconnect(link, code);
    }

    /// Own events: to be kept, and sent to everybody who is here.
    pub(super) fn wrote(&mut self, events: Vec<Verified>) {
        let ids: Vec<_> = events.iter().map(Verified::id).collect();
        self.persist.extend(events.into_iter().map(Record::Event));
        self.sync.push(&ids, &self.workspace);
    }

    /// Answers what is new about members by a join, and gives keys to who lacks them; a moment
    /// later, so that one is enough.
    pub(super) fn answer_news(&mut self) {
        let (device, incarnation) = (self.key.device(), self.config.incarnation);
        let news = self.workspace.has_news_for(&device, &incarnation);
        let keyless = self.workspace.has_keyless(&device);
        if !news && !keyless {
            self.join_at = None;
            return;
        }
        let at = *self.join_at.get_or_insert(self.now.monotonic_ms.saturating_add(JOIN_DELAY_MS));
        if self.now.monotonic_ms < at {
            return;
        }
        self.join_at = None;
        let written = self.with_pen(|workspace, pen| {
            let mut events = workspace.write_missing_wraps(pen)?;
            // A wrap names what it has heard, as a join does.
            if events.is_empty() {
                events.push(workspace.write_join(pen)?);
            }
            Ok::<_, AuthorFault>(events)
        });
        match written {
            Ok(events) => self.wrote(events),
            Err(fault) => self.damage.push(format!("no join was written: {fault}")),
        }
    }
}
