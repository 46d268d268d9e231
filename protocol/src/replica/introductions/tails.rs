//! The Replica's side of tails: what a revoked device shows of its own, and what is kept of what
//! one shows. Everything goes through the door of all events; only how much is bounded here.
//! `SPEC: INTRO-6`

use crate::command::Reply;
use crate::event::Verified;
use crate::id::{DeviceId, EventId, Lane};
use crate::limits::{FRAME_BYTES_MAX, TAIL_CONTROL_MAX, TAIL_EVENTS_MAX};
use crate::notice::NoticeKind;
use crate::replica::Replica;
use crate::store::{Place, Record};
use crate::sync::introduce::{Answer, IntroduceCode, check_tail};
use crate::workspace::InsertFault;

impl Replica {
    /// The own events that this member is not known to hold, nor two others, in causal order,
    /// without those that no tail may hold and those that were handed over to it.
    /// `SPEC: INTRO-6, INTRO-7`
    pub(in crate::replica) fn unsent(&self, to: &DeviceId) -> Vec<EventId> {
        let (own, control) = (self.key.device(), self.workspace.control());
        let members = control.members(&control.all());
        let others: Vec<_> = members.into_keys().filter(|device| *device != own).collect();
        let covers = |by: &DeviceId, id: &EventId| self.receipts.covers(&self.workspace, by, id);
        // One that says so may lie: to the others it is shown all the same.
        let is_held = |id: &EventId| {
            covers(to, id) || others.iter().filter(|by| covers(by, id)).nth(1).is_some()
        };
        let own_events = self.workspace.order(self.tails.handed_to(to)).filter(|id| {
            self.workspace.header(id).is_some_and(|header| header.author == own)
                && !matches!(
                    self.workspace.kind(id).as_deref(),
                    Some("genesis" | "grant" | "revoke" | "readmit" | "recover")
                )
        });
        own_events.filter(|id| !is_held(id)).copied().collect()
    }

    /// Where the first of them are kept: about as many as fit one frame.
    pub(in crate::replica) fn tail_places(&self, to: &DeviceId) -> Vec<Place> {
        let (mut places, mut sum) = (Vec::new(), 0_u64);
        for id in self.unsent(to).into_iter().take(TAIL_EVENTS_MAX) {
            let Some(header) = self.workspace.header(&id) else { break };
            sum = sum.saturating_add(header.body.as_ref().map_or(0, |body| body.len));
            if sum > FRAME_BYTES_MAX as u64 {
                break;
            }
            places.push(Place { chain: header.chain(), seq: header.seq, id });
        }
        places
    }

    /// Somebody was shown the first `sent` events of the own tail: the log says what came of it.
    pub(in crate::replica) fn answered(
        &mut self,
        device: DeviceId,
        answer: Answer,
        sent: usize,
    ) -> Reply {
        let unsent = self.unsent(&device);
        let reason = match answer {
            Answer::Taken(here) => format!("tail_taken: {here} of {}", unsent.len()),
            Answer::Refused(code) => format!("tail_refused: {}", code.code()),
            Answer::Accepted | Answer::Revoked => {
                format!("tail_refused: {}", IntroduceCode::Decode.code())
            }
        };
        let last = sent.checked_sub(1).and_then(|last| self.workspace.position(unsent.get(last)?));
        if let (Answer::Taken(here), Some((_, last))) = (answer, last)
            && here >= sent as u64
        {
            self.tails.handed_over(device, last.saturating_add(1));
        }
        self.note(NoticeKind::Introduction, device, &reason);
        Reply::Noted
    }

    /// Takes what can go in of the tail of `device`, whose key was proven by its connection.
    pub(in crate::replica) fn take_tail(
        &mut self,
        device: &DeviceId,
        events: Vec<Verified>,
    ) -> Reply {
        Reply::Introduced { answer: self.take_what_fits(device, events) }
    }

    fn take_what_fits(&mut self, device: &DeviceId, events: Vec<Verified>) -> Answer {
        // Of members and of those who never were any there is no farewell.
        if self.workspace.farewell(device).is_none() {
            return Answer::Refused(IntroduceCode::NotRevoked);
        }
        if let Err(code) = check_tail(&events, &self.workspace.id(), device) {
            return Answer::Refused(code);
        }
        let mut here = 0_u64;
        let mut released = Vec::new();
        for event in events {
            self.hear_of_own(&event);
            let is_here = self.workspace.contains(&event.id());
            let is_control = event.header().lane == Lane::Control;
            let has_room = self.tails.has_room(device, &event)
                && (!is_control || self.workspace.late_control(device) < TAIL_CONTROL_MAX);
            if !is_here && !has_room {
                if here == 0 {
                    return Answer::Refused(IntroduceCode::TailFull);
                }
                break;
            }
            match self.workspace.insert(&event, &self.key) {
                Ok(false) => here += 1,
                Ok(true) => {
                    here += 1;
                    if is_here {
                        self.sync.push(&[event.id()], &self.workspace);
                    } else {
                        self.tails.keep(*device, &event);
                        self.clock.saw(self.now, event.header().stamp);
                        released.extend(self.held.release(&event.id()));
                        self.came(&event.id());
                    }
                    self.persist.push(Record::Event(event));
                }
                // It can come another way; nothing waits for what this device may not bring.
                Err(InsertFault::Missing(_)) => {}
                Err(InsertFault::Refused(_)) => {
                    self.receive(released);
                    return Answer::Refused(IntroduceCode::InvalidEvent);
                }
            }
        }
        self.receive(released);
        Answer::Taken(here)
    }
}
