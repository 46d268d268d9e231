//! Serving a peer: from what it wants to frames, in causal order, a window at a time.
//!
//! What is kept without its signature goes with all that stands between it and the signature that
//! proves it, and signatures that a later one makes needless are left out (SPEC: EVT-12).

use std::collections::BTreeSet;

use crate::event::{Run, Runs, Verified};
use crate::id::{EventId, Lane};
use crate::limits::{
    FRAME_BYTES_MAX, FRAME_EVENTS_MAX, FRAMES_UNDER_WAY_MAX, SERVE_EVENTS, WANT_BACK,
    WANT_COUNT_MAX, WANTS_MAX,
};
use crate::store::Sought;
use crate::sync::message::Message;
use crate::sync::session::Session;
use crate::workspace::{Step, Workspace};

/// Bytes of a frame that its events may take: the rest is the heads of its arrays.
const FRAME_ROOM: usize = FRAME_BYTES_MAX - 64;

/// Most bytes of an event in a frame beside its body and what it names: signature, stamp, heads.
const EVENT_HEADS: usize = 96;

/// Where less than this part of what waits is added, 1 in so many, the rest is not moved.
const QUEUE_SHARE: usize = 8;

/// Most bytes of a segment beside its events and what it names.
const SEGMENT_HEADS: usize = 32;

impl Session {
    /// The peer wants these, each with so many before it in its chain.
    pub(super) fn want(&mut self, wants: &[(EventId, u64)], workspace: &Workspace) {
        // Honest wants do not overlap; whoever asks for the same again and again is served once.
        let mut steps = workspace.len().saturating_mul(2).saturating_add(wants.len());
        let mut found = Vec::new();
        'wants: for (tip, count) in wants {
            if *count <= WANT_BACK && workspace.contains(tip) {
                self.alone.insert(*tip);
            }
            if self.due.len() < WANTS_MAX && !workspace.contains(tip) {
                self.due.insert(*tip);
            }
            let mut next = workspace.step(tip);
            for _ in 0..(*count).min(WANT_COUNT_MAX) {
                let Some(step) = next else { break };
                let Some(left) = steps.checked_sub(1) else { break 'wants };
                steps = left;
                next = workspace.step_before(&step);
                self.find(&step, workspace, &mut found);
            }
        }
        self.enqueue(found);
    }

    /// What is to be sent with an event that is wanted: itself, and what proves it. Of chains that
    /// are walked back event by event, that was found with the one before.
    fn find(&self, step: &Step, workspace: &Workspace, found: &mut Vec<(u8, usize)>) {
        let Step { lane, position, .. } = *step;
        let lane = lane as u8;
        // A want may name one tip again and again.
        if found.last() == Some(&(lane, position)) {
            return;
        }
        let behind = (lane, position.saturating_add(1));
        if step.is_inside && found.last() != Some(&behind) && !self.queue.contains(&behind) {
            found.extend(workspace.run_from(position).skip(1).map(|position| (lane, position)));
        }
        found.push((lane, position));
    }

    /// Puts into the queue what was found. A long history goes in at once, in one pass of both; a
    /// little does not move what waits already.
    fn enqueue(&mut self, found: Vec<(u8, usize)>) {
        if found.len() < self.queue.len() / QUEUE_SHARE {
            self.queue.extend(found);
        } else {
            self.queue.append(&mut found.into_iter().collect());
        }
    }

    /// These came: what the peer asked for when it was not here is sent now. `SPEC: SYNC-4`
    pub(super) fn came(&mut self, events: &[EventId], workspace: &Workspace) {
        if !self.due.is_empty() {
            let due: Vec<_> = events.iter().filter(|id| self.due.remove(*id)).copied().collect();
            self.push(&due, workspace);
        }
    }

    /// These are sent without being asked for.
    pub(super) fn push(&mut self, events: &[EventId], workspace: &Workspace) {
        let mut found = Vec::new();
        for id in events {
            if let Some(step) = workspace.step(id) {
                self.find(&step, workspace, &mut found);
            }
            self.announced.insert(*id);
        }
        self.enqueue(found);
    }

    /// The next events to load for the peer, if the window is open.
    pub(super) fn next_places(&mut self, workspace: &Workspace) -> Option<Vec<Sought>> {
        let under_way = self.sent_frames - self.acked_frames;
        if self.loading || under_way >= FRAMES_UNDER_WAY_MAX || self.queue.is_empty() {
            return None;
        }
        let mut places = Vec::new();
        // What one signature proves is loaded together.
        let mut is_inside = false;
        while is_inside || places.len() < SERVE_EVENTS {
            let Some((_, position)) = self.queue.pop_first() else { break };
            let Some((sought, inside)) = workspace.sought(position) else { continue };
            places.push(sought);
            is_inside = inside;
        }
        self.loading = true;
        Some(places)
    }

    /// What was loaded, in frames.
    pub(super) fn loaded(&mut self, events: Vec<Verified>, workspace: &Workspace) -> Vec<Message> {
        self.loading = false;
        let frames = frames(join(Runs::of(events), workspace, &self.alone));
        if self.queue.is_empty() {
            self.alone.clear();
        }
        self.sent_frames += frames.len() as u64;
        frames
    }
}

/// Leaves out the signatures that are not needed: within an admitted run, of what no other chain
/// names. Who asked for an event by its name gets its signature: it may mend a row. `SPEC: EVT-12`
fn join(runs: Vec<Run>, workspace: &Workspace, alone: &BTreeSet<EventId>) -> Vec<Run> {
    let mut joined: Vec<Run> = Vec::new();
    let mut stood = false;
    for run in runs.into_iter().filter(Run::fits) {
        let stands = workspace.stands_for_others(&run.ends().1);
        let before = joined.pop().map(|before| {
            let end = before.ends().1;
            // What another chain names keeps its signature.
            (before, stood && stands && !alone.contains(&end) && !workspace.is_named(&end))
        });
        stood = stands;
        match before {
            None => joined.push(run),
            Some((before, false)) => joined.extend([before, run]),
            Some((before, true)) => match before.join(run) {
                Ok(run) => joined.push(run),
                Err((before, run)) => joined.extend([before, run]),
            },
        }
    }
    joined
}

/// Cuts runs into frames, by the most that each takes.
fn frames(runs: Vec<Run>) -> Vec<Message> {
    let mut frames = Vec::new();
    let (mut frame, mut room) = (Vec::new(), Room::default());
    for run in runs {
        if !room.take(&run) && !frame.is_empty() {
            frames.push(Message::Events(std::mem::take(&mut frame)));
            room = Room::default();
            room.take(&run);
        }
        frame.push(run);
    }
    if !frame.is_empty() {
        frames.push(Message::Events(frame));
    }
    frames
}

/// What a frame holds so far.
#[derive(Default)]
struct Room {
    events: usize,
    bytes: usize,
    named: BTreeSet<[u8; 32]>,
}

impl Room {
    /// Is there room for this run? It is taken.
    fn take(&mut self, run: &Run) -> bool {
        let mut bytes = SEGMENT_HEADS;
        for (index, event) in run.events().iter().enumerate() {
            let header = event.header();
            let mut names = header.parents.iter().chain(&header.heard).chain(&header.epoch);
            bytes += EVENT_HEADS + event.body().map_or(0, <[u8]>::len);
            bytes += names.by_ref().map(|id| self.name(&id.0)).sum::<usize>();
            if index == 0 {
                bytes += self.name(&header.author.0);
                bytes += header.prev.map_or(1, |prev| self.name(&prev.0));
            }
        }
        self.events += run.events().len();
        self.bytes += bytes;
        self.events <= FRAME_EVENTS_MAX && self.bytes <= FRAME_ROOM
    }

    /// Most bytes of a name, here and in the table.
    fn name(&mut self, name: &[u8; 32]) -> usize {
        if self.named.insert(*name) { 32 + 3 } else { 3 }
    }
}

/// The lanes in the order in which they are sent.
const _: () = assert!((Lane::Control as u8) < Lane::Content as u8);
