//! The loop's side of connections that come and go.

use kernelos_protocol::replica::Input;
use kernelos_protocol::sync::{KEPT_OUT, LinkId, Message, NOT_MEMBER, workspace_tag};

use super::Loop;
use crate::clock;
use crate::transport::Link;

/// Connections that wait for the history; who comes beyond them dials again.
const ARRIVING_MAX: usize = 64;

impl Loop {
    /// A connection came: its device is judged by the whole history.
    pub(super) fn arrived(&mut self, link: Link, said: Option<Message>) {
        if self.stopping {
            // Dropped, so closed: it dials again when this device is back.
        } else if !self.replica.is_starting() {
            self.link_up(link, said);
        } else if self.arriving.len() < ARRIVING_MAX {
            self.arriving.push((link, said));
        }
    }

    /// Takes over the connections that waited, once the history is here; did any?
    pub(super) fn let_in(&mut self) -> bool {
        if self.arriving.is_empty() || self.replica.is_starting() {
            return false;
        }
        for (link, said) in std::mem::take(&mut self.arriving) {
            self.link_up(link, said);
        }
        true
    }

    /// No connection may stay up.
    pub(super) fn go_offline(&mut self) {
        self.arriving.clear();
        for link in self.links.ids() {
            self.links.close(link, "offline".to_owned());
            self.replica.handle(clock::now(), Input::PeerDown(link));
        }
    }

    /// A connection is this workspace's.
    fn link_up(&mut self, link: Link, said: Option<Message>) {
        let (device, dialed) = (link.peer, link.dialed);
        // Whoever brings what is lost is believed from the beginning of it.
        if self.replica.is_lost() && !self.known.may_bring(&device) {
            return link.close(NOT_MEMBER);
        }
        // SPEC: LINK-9
        if self.replica.conduct().kept_out_ms(clock::now(), &device) > 0 {
            return link.close(KEPT_OUT);
        }
        let workspace = workspace_tag(&link.exporter, &self.config.workspace);
        self.share(|shared| drop(shared.ended.remove(&device)));
        let link = self.links.open(link, self.config.workspace, self.inbox.clone());
        let up = Input::PeerUp { link, device, dialed, workspace };
        self.replica.handle(clock::now(), up);
        if let Some(message) = said {
            self.replica.handle(clock::now(), Input::Message(link, message));
        }
    }

    pub(super) fn link_down(&mut self, link: LinkId, reason: String) {
        if let Some(device) = self.links.device(link) {
            self.share(|shared| drop(shared.ended.insert(device, reason)));
        }
        self.links.gone(link);
        self.replica.handle(clock::now(), Input::PeerDown(link));
    }
}

#[cfg(test)]
mod tests;
