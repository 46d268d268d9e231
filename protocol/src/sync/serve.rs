//! Serving a peer: from what it wants to frames, in causal order, a window at a time.

use crate::event::Verified;
use crate::id::{EventId, Lane};
use crate::limits::{
    FRAME_BYTES_MAX, FRAME_EVENTS_MAX, FRAMES_UNDER_WAY_MAX, SERVE_EVENTS, WANT_COUNT_MAX,
};
use crate::store::Place;
use crate::sync::message::Message;
use crate::sync::session::Session;
use crate::workspace::Workspace;

/// Bytes of a frame that its events may take: the rest is the array's and the strings' heads.
const FRAME_ROOM: usize = FRAME_BYTES_MAX - 16 * FRAME_EVENTS_MAX;

impl Session {
    /// The peer wants these, each with so many before it in its chain.
    pub(super) fn want(&mut self, wants: &[(EventId, u64)], workspace: &Workspace) {
        for (tip, count) in wants {
            let mut next = Some(*tip);
            for _ in 0..(*count).min(WANT_COUNT_MAX) {
                let Some(id) = next else { break };
                if !self.enqueue(&id, workspace) {
                    break;
                }
                next = workspace.header(&id).and_then(|header| header.prev);
            }
        }
    }

    /// These are sent without being asked for.
    pub(super) fn push(&mut self, events: &[EventId], workspace: &Workspace) {
        for id in events {
            self.enqueue(id, workspace);
            self.announced.insert(*id);
        }
    }

    fn enqueue(&mut self, id: &EventId, workspace: &Workspace) -> bool {
        let Some((lane, position)) = workspace.position(id) else { return false };
        self.queue.insert((lane as u8, position));
        true
    }

    /// The next events to load for the peer, if the window is open.
    pub(super) fn next_places(&mut self, workspace: &Workspace) -> Option<Vec<Place>> {
        let under_way = self.sent_frames - self.acked_frames;
        if self.loading || under_way >= FRAMES_UNDER_WAY_MAX || self.queue.is_empty() {
            return None;
        }
        let mut places = Vec::new();
        while places.len() < SERVE_EVENTS {
            let Some((_, position)) = self.queue.pop_first() else { break };
            places.extend(workspace.place_at(position));
        }
        self.loading = true;
        Some(places)
    }

    /// What was loaded, in frames.
    pub(super) fn loaded(&mut self, events: &[Verified]) -> Vec<Message> {
        self.loading = false;
        let mut frames = Vec::new();
        let (mut frame, mut bytes) = (Vec::new(), 0);
        for event in events {
            let size = event.encode().len();
            if !frame.is_empty() && (bytes + size > FRAME_ROOM || frame.len() >= FRAME_EVENTS_MAX) {
                frames.push(Message::Events(std::mem::take(&mut frame)));
                bytes = 0;
            }
            frame.push(event.clone());
            bytes += size;
        }
        if !frame.is_empty() {
            frames.push(Message::Events(frame));
        }
        self.sent_frames += frames.len() as u64;
        frames
    }
}

/// The lanes in the order in which they are sent.
const _: () = assert!((Lane::Control as u8) < Lane::Content as u8);
