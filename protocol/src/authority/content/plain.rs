//! An event that follows the newest one in its chain, names nothing else and heard the same comes
//! to what that one came to, where nothing is in doubt about that: nearly every event that is
//! received. What can be found of it by looking at the newest event is not looked up again.
//!
//! Nothing is in doubt where the author stands for it without a cut, by what it heard and by what
//! is known, all of its past is admitted, and no cut waits for it. Then it is at the end of the
//! same branch, excludes nothing, is firm, admitted, and a head in place of the one before.

use std::sync::Arc;

use super::{Added, ContentLane, ContentNo, Event, SetNo};
use crate::authority::control::{ControlLane, Standing};
use crate::id::{DeviceId, EventId};

/// What is known of the newest event where what follows it comes to the same.
#[derive(Clone, Debug)]
pub(super) struct Plain {
    author: DeviceId,
    /// What it said it heard.
    heard: Vec<EventId>,
    /// The same with what those before it heard.
    set: SetNo,
    /// So many control events were here.
    control: usize,
}

/// Does its author stand so for any event, whatever a cut covers?
fn is_plain(standing: &Standing) -> bool {
    standing.claims.iter().any(|claim| claim.within.is_empty())
}

impl ContentLane {
    /// Takes an event that comes to what the newest one came to; none where it has to be judged.
    /// `plain` is what is known of the newest.
    pub(super) fn follow(
        &mut self,
        plain: Plain,
        control: &ControlLane,
        (id, author): (EventId, DeviceId),
        (prev, parents, heard): (Option<EventId>, &[EventId], &[EventId]),
    ) -> Option<Added> {
        let newest = self.numbers.ids().last();
        let follows = prev.is_some()
            && prev.as_ref() == newest
            && author == plain.author
            && parents.is_empty()
            && heard == plain.heard
            && control.len() == plain.control;
        if !follows || self.cuts.awaits(&id) || self.numbers.contains(&id) {
            return None;
        }
        let before = ContentNo(u32::try_from(self.events.len().checked_sub(1)?).ok()?);
        let no = ContentNo(before.0.checked_add(1)?);
        let place = self.chains.follow(before)?;
        self.followed += 1;
        self.numbers.push(id);
        self.written.entry(author).or_default().push(no);
        let ends = self.ends.entry(author).or_default();
        ends.remove(&before);
        ends.insert(no);
        self.heads.remove(&before);
        self.heads.insert(no);
        self.events.push(Event {
            author,
            prev: Some(before),
            parents: Vec::new(),
            heard: plain.set,
            place,
            excluded: Arc::clone(&self.nothing),
            firm: true,
            admitted: true,
        });
        self.plain = Some(plain);
        let newly_admitted = vec![no];
        self.tips_grow(&newly_admitted);
        Some(Added { no, newly_admitted, views_grew: false })
    }

    /// Looks whether what follows the newest event, which was judged just now, comes to the same.
    pub(super) fn note_plain(&mut self, control: &ControlLane, no: ContentNo, heard: &[EventId]) {
        let event = self.at(no);
        let is_clear = event.admitted && event.firm && event.excluded.is_empty();
        let stands = |among| is_plain(&self.standing(control, no, among));
        if is_clear && self.heads.contains(&no) && stands(event.heard) && stands(self.now) {
            let (author, set) = (event.author, event.heard);
            let (heard, control) = (heard.to_vec(), control.len());
            self.plain = Some(Plain { author, heard, set, control });
        }
    }
}
