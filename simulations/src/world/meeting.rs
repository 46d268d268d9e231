//! Who connects with whom, and when: tries, links that break, and introductions.

use kernelos_protocol::command::{Command, Reply};
use kernelos_protocol::replica::Input;
use kernelos_protocol::sync::{LinkId, introduce, introduce::Answer, workspace_tag};
use rand_chacha::rand_core::Rng as _;
use serde_json::json;

use crate::network::Link;
use crate::world::{CONNECT_MS, Happening, NOTICE_MS, World};

impl World {
    pub(super) fn arrange_all(&mut self) {
        for device in 0..self.nodes.len() {
            self.arrange_connections(device, CONNECT_MS);
        }
    }

    /// What was under way is lost, and both ends notice some time later.
    pub(super) fn break_link(&mut self, id: LinkId) {
        let Some(link) = self.network.disconnect(id) else { return };
        for device in [link.from, link.to] {
            let at = self.now + 1 + self.rng.next_u64() % NOTICE_MS;
            self.arrange(at, Happening::Notice { link: id, device, within: CONNECT_MS });
        }
    }

    pub(super) fn arrange_connections(&mut self, device: usize, within: u64) {
        for other in 0..self.nodes.len() {
            if other != device && !self.network.are_connected(device, other) {
                let at = self.now + 1 + self.rng.next_u64() % within;
                self.try_to_connect(device, other, at);
            }
        }
    }

    pub(super) fn try_to_connect(&mut self, a: usize, b: usize, at: u64) {
        if self.trying.insert((a.min(b), a.max(b))) {
            let (from, to) = if self.rng.next_u64().is_multiple_of(2) { (a, b) } else { (b, a) };
            self.arrange(at, Happening::Connect { from, to });
        }
    }

    pub(super) fn connect(&mut self, from: usize, to: usize) {
        self.trying.remove(&(from.min(to), from.max(to)));
        let is_there = |d: &usize| self.nodes[*d].is_up() && !self.asleep.contains_key(d);
        // Nobody dials itself.
        let is_one = self.nodes[from].device() == self.nodes[to].device();
        if is_one
            || ![from, to].iter().all(is_there)
            || !self.network.reaches(from, to)
            || self.network.are_connected(from, to)
        {
            return;
        }
        let is_refused = self.refused.remove(&(from, to));
        if is_refused || !self.is_known(from, to) {
            self.introduce(from, to, is_refused);
        }
        let link = self.network.connect(Link { from, to });
        self.trace.add(self.now, &self.nodes[from].name, json!({ "connects": to, "link": link }));
        let exporter = kernelos_protocol::hash::hash_under(
            "kernelos 1 simulated channel",
            &[&link.0.to_be_bytes()],
        );
        let workspace = workspace_tag(&exporter, &self.nodes[from].config.workspace);
        for (own, other, dialed) in [(from, to, true), (to, from, false)] {
            let device = self.nodes[other].device();
            self.input(own, Input::PeerUp { link, device, dialed, workspace });
        }
    }

    /// Would the guard of `to` let `from` in?
    fn is_known(&self, from: usize, to: usize) -> bool {
        let granted = self.nodes[to].granted_devices();
        granted.is_empty() || granted.contains(&self.nodes[from].device())
    }

    /// A device that is not known, or was told that it is revoked, shows its grant, as a node does
    /// that is turned away. `SPEC: INTRO-6`
    fn introduce(&mut self, from: usize, to: usize, is_refused: bool) {
        let Some(Reply::Introduction { events, tail, member }) =
            self.ask(from, Command::Introduction { to: self.nodes[to].device() })
        else {
            return;
        };
        if is_refused && !member && tail.is_empty() {
            return;
        }
        let tag = [0; 32];
        let (device, workspace) = (self.nodes[from].device(), self.nodes[to].config.workspace);
        let read = introduce::encode(&tag, &events)
            .and_then(|frame| introduce::read(&frame, &workspace, &device).ok());
        if let Some(events) = read {
            let answer = self.ask(to, Command::Introduce { device, events });
            if answer == Some(Reply::Introduced { answer: Answer::Revoked }) && !tail.is_empty() {
                let (frame, sent) = introduce::encode_tail(&tail);
                let Ok(events) = introduce::read_tail(&frame, &workspace, &device) else { return };
                let taken = self.ask(to, Command::TakeTail { device, events });
                if let Some(Reply::Introduced { answer }) = taken {
                    let device = self.nodes[to].device();
                    self.ask(from, Command::TailAnswered { device, answer, sent });
                }
            }
        }
    }
}
