//! The loop's side of connections that come and go.

use kernelos_protocol::replica::Input;
use kernelos_protocol::sync::{LinkId, Message, workspace_tag};

use super::Loop;
use crate::clock;
use crate::transport::Link;

impl Loop {
    /// No connection may stay up.
    pub(super) fn go_offline(&mut self) {
        for link in self.links.ids() {
            self.links.close(link, "offline".to_owned());
            self.replica.handle(clock::now(), Input::PeerDown(link));
        }
    }

    /// A connection is this workspace's.
    pub(super) fn link_up(&mut self, link: Link, said: Option<Message>) {
        let (device, dialed) = (link.peer, link.dialed);
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
