//! The Replica's side of sync: who may connect, what goes in, and what is said when.

use std::net::SocketAddr;

use crate::event::{Run, Verified};
use crate::id::{DeviceId, EventId};
use crate::limits::{CARDS_MAX, JOIN_DELAY_MS};
use crate::notice::NoticeKind;
use crate::replica::{LoadFor, Output, Replica};
use crate::store::{LoadRequest, Record};
use crate::sync::{Action, Card, Conduct, LinkId, Message, NOT_MEMBER, is_newer};
use crate::workspace::{AuthorFault, InsertFault, Inserted};

/// What is new of a run that went in.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// Events that were not here.
    pub(super) new: Vec<EventId>,
    /// Events that were here without their bodies.
    pub(super) filled: Vec<EventId>,
}

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
            self.disconnect(link, NOT_MEMBER);
            return;
        }
        let actions = self.sync.peer_up(self.now, link, device, own, dialed, workspace);
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
        self.forget_stranger(link);
        self.sync.peer_down(link);
        self.artifacts.link_down(link);
        self.held.forget(link);
        self.early_cards.retain(|(from, _)| *from != link);
        self.early_receipts.retain(|(from, _)| *from != link);
    }

    /// What a peer sent broke a rule, or is of a newer program, as was seen before it came here.
    pub(super) fn on_fault(&mut self, link: LinkId, code: &str) {
        self.misbehaved(link, code);
    }

    pub(super) fn on_message(&mut self, link: LinkId, message: Message) {
        let Some(device) = self.sync.device_of(link) else { return };
        self.saw(device);
        self.sync.hear(self.now, link);
        if self.sync.is_greeted(link) == matches!(message, Message::Hello { .. }) {
            self.misbehaved(link, "hello");
            return;
        }
        match message {
            Message::Hello { workspace, .. } if !self.sync.is_named(link, &workspace) => {
                self.misbehaved(link, "wrong_workspace");
            }
            Message::Hello { lanes_hash, .. } => {
                self.sync.on_hello(link, lanes_hash, &self.workspace);
                if !self.sync.is_parting(link) {
                    self.artifacts.link_up(link);
                    self.send_cards(link);
                }
            }
            Message::Cards(cards) => {
                for card in &cards {
                    self.keep_card(Some(link), card);
                }
            }
            // A peer that is being cut off is neither served nor heard. It may not know of that,
            // and its renewals follow what is forgotten here: no rule is broken. `SPEC: SYNC-6`
            Message::Want(_) | Message::Events(_) | Message::Receipts(_) | Message::Renewal(_)
                if self.sync.is_parting(link) => {}
            Message::Receipts(receipts) => self.on_receipts(link, &receipts),
            Message::Renewal(renewal) => self.on_renewal(link, &renewal),
            Message::Have(tips) => self.sync.on_have(link, tips),
            Message::Offer(tips) => self.sync.on_offer(link, tips),
            Message::Ack(frames) => self.sync.on_ack(link, frames),
            Message::Beat(claim) => self.on_beat(link, claim),
            Message::Want(wants) => self.sync.on_want(link, &wants, &self.workspace),
            Message::Events(runs) => {
                self.sync.on_events(self.now, link, &runs);
                self.receive(runs.into_iter().map(|run| (link, run)).collect());
            }
            message => self.on_chunk_message(link, message),
        }
    }

    /// Runs from peers go in, with what waited for them.
    pub(super) fn receive(&mut self, runs: Vec<(LinkId, Run)>) {
        let mut inbox: Vec<_> = runs.into_iter().rev().collect();
        let (mut new, mut filled) = (Vec::new(), Vec::new());
        while let Some((from, run)) = inbox.pop() {
            if self.is_too_much(&run) {
                continue;
            }
            match self.take(&run) {
                Ok(taken) => {
                    for id in &taken.new {
                        inbox.extend(self.held.release(id));
                    }
                    new.extend(taken.new);
                    // Who asked for the body when it was not here yet does not ask again.
                    filled.extend(taken.filled);
                }
                Err(InsertFault::Missing(missing)) => self.held.hold(from, run, missing),
                Err(InsertFault::Refused(refusal)) => {
                    self.misbehaved(from, refusal.code());
                    inbox.retain(|(other, _)| *other != from);
                }
            }
        }
        self.load_freed();
        self.sync.came(&new, &self.workspace);
        self.sync.push(&filled, &self.workspace);
    }

    /// Takes a run that comes from outside, all of it or nothing, and keeps what is new of it.
    pub(super) fn take(&mut self, run: &Run) -> Result<Taken, InsertFault> {
        for event in run.events() {
            self.hear_of_own(event);
        }
        let inserted = self.workspace.insert_run(run, &self.key)?;
        let mut taken = Taken::default();
        for (event, inserted) in run.events().iter().zip(inserted) {
            match inserted {
                Inserted::Known => {
                    self.came_again(event.clone());
                    continue;
                }
                Inserted::Filled => taken.filled.push(event.id()),
                Inserted::New => {
                    self.clock.saw(self.now, event.header().stamp);
                    self.came(&event.id());
                    taken.new.push(event.id());
                }
            }
            self.persist.push(Record::Event(event.clone()));
        }
        Ok(taken)
    }

    /// Says at the end of a turn what there is to say to peers.
    pub(super) fn speak(&mut self) {
        self.workspace.settle();
        self.part_with_strangers();
        for link in self.sync.links() {
            let Some(device) = self.sync.device_of(link) else { continue };
            if let Some(places) = self.workspace.farewell(&device) {
                self.sync.part_with(self.now, link, places);
            }
        }
        let mut missing = self.held.missing();
        missing.extend(self.missed_by_store());
        let actions = self.sync.speak(self.now, &self.workspace, &missing);
        self.act(actions);
    }

    fn act(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Send(link, message) => self.send(link, &message),
                Action::Load(link, sought) => {
                    self.load_next(LoadFor::Peer(link), LoadRequest::Sought(sought));
                }
                Action::Disconnect(link, reason) => self.disconnect(link, reason),
            }
        }
    }

    /// The store gave what a peer is to be sent.
    pub(super) fn serve(&mut self, link: LinkId, events: Vec<Verified>) {
        let actions = self.sync.on_loaded(link, events, &self.workspace);
        self.act(actions);
    }

    pub(super) fn send(&mut self, link: LinkId, message: &Message) {
        self.outputs.push_back(Output::Send(link, message.encode()));
    }

    pub(super) fn disconnect(&mut self, link: LinkId, reason: &str) {
        self.on_peer_down(link);
        self.outputs.push_back(Output::Disconnect(link, reason.to_owned()));
    }

    /// Whose message cannot be taken is cut off; who has a newer program broke no rule by it.
    /// `SPEC: LINK-9`
    pub(super) fn misbehaved(&mut self, link: LinkId, code: &str) {
        if let Some(device) = self.sync.device_of(link) {
            self.note(NoticeKind::Peer, device, code);
            if !is_newer(code) {
                self.conduct.broke_rule(self.now, device);
            }
        }
        self.disconnect(link, code);
    }

    /// Who broke rules, and is not met for a while: the node asks before it dials or lets in.
    #[must_use]
    pub fn conduct(&self) -> &Conduct {
        &self.conduct
    }

    /// Where this device can be reached now: told to everybody, if it is something new.
    pub(super) fn on_addresses(&mut self, addresses: Vec<SocketAddr>) {
        if let Some(card) = self.cards.next(&self.key, addresses) {
            self.keep_card(None, &card);
            self.persist.push(Record::Card(card));
        }
    }

    /// Keeps a card if it is newer, and passes it on. `SPEC: SYNC-7`
    pub(super) fn keep_card(&mut self, from: Option<LinkId>, card: &Card) {
        let control = self.workspace.control();
        let is_member = control.role(&card.device(), &control.all()).is_some();
        if let (Some(link), false) = (from, is_member) {
            // The grant may be on its way; a stranger's card is worth nothing.
            if self.early_cards.len() < CARDS_MAX {
                self.early_cards.push((link, card.clone()));
            }
            return;
        }
        if !self.cards.keep(card) {
            return;
        }
        if from.is_some() {
            self.persist.push(Record::Card(card.clone()));
        }
        if card.device() != self.key.device() {
            let addresses = card.addresses().to_vec();
            self.outputs.push_back(Output::Reachable(card.device(), addresses));
        }
        for link in self.sync.links() {
            if Some(link) != from && self.sync.is_greeted(link) && !self.sync.is_parting(link) {
                self.send(link, &Message::Cards(vec![card.clone()]));
            }
        }
    }

    /// Cards that came before the grants of their devices.
    pub(super) fn keep_early_cards(&mut self) {
        for (link, card) in std::mem::take(&mut self.early_cards) {
            self.keep_card(Some(link), &card);
        }
    }

    fn send_cards(&mut self, link: LinkId) {
        let control = self.workspace.control();
        let members = control.members(&control.all());
        // A newcomer has not read of its own grant when it first says where it is.
        let own = self.key.device();
        let cards = self
            .cards
            .all()
            .filter(|card| card.device() == own || members.contains_key(&card.device()));
        let cards: Vec<_> = cards.take(CARDS_MAX).cloned().collect();
        if !cards.is_empty() {
            self.send(link, &Message::Cards(cards));
        }
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
        if (!news && !keyless) || self.workspace.newer_format().is_some() {
            self.join_at = None;
            return;
        }
        let due = self.now.monotonic_ms.saturating_add(JOIN_DELAY_MS);
        let at = *self.join_at.get_or_insert(due);
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
            Err(fault) => self.damaged(format!("no join was written: {fault}")),
        }
    }
}
