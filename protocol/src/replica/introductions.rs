//! The Replica's side of introduction: what this device shows, and whom it lets in by what others
//! show. Control events alone come in so, and all of them or none. `SPEC: INTRO-4`

mod tails;

use crate::command::{Failure, FailureKind, Reply, RequestId};
use crate::event::Verified;
use crate::id::DeviceId;
use crate::limits::INTRODUCTION_EVENTS_MAX;
use crate::replica::log::Asked;
use crate::replica::{LoadFor, Replica};
use crate::store::{LoadRequest, Record};
use crate::sync::introduce::{Answer, IntroduceCode, check};
use crate::workspace::InsertFault;

impl Replica {
    /// Asks the store for what this device shows of itself to another.
    pub(super) fn start_introduction(&mut self, request: RequestId, to: &DeviceId) {
        match self.workspace.introduction(&self.key.device()) {
            Some(mut places) if places.len() <= INTRODUCTION_EVENTS_MAX => {
                let load = LoadFor::Asked(request, Asked::Introduction(places.len()));
                places.extend(self.tail_places(to));
                self.load_next(load, LoadRequest::Events(places));
            }
            Some(_) => self.reply(request, Reply::Failed(not_shown("its past is too long"))),
            None => self.reply(request, Reply::Failed(not_shown("it holds no grant"))),
        }
    }

    pub(super) fn on_introduction_loaded(
        &mut self,
        request: RequestId,
        shown: usize,
        mut events: Vec<Verified>,
        is_damaged: bool,
    ) {
        let reply = if is_damaged || events.len() < shown {
            Reply::Failed(not_shown("its store is damaged"))
        } else {
            // What a peer gave back of it may lack its signature; the key makes the same again.
            let tail = events.split_off(shown);
            let tail = tail.iter().map(|event| event.signed_by(&self.key)).collect();
            let control = self.workspace.control();
            let member = control.role(&self.key.device(), &control.all()).is_some();
            Reply::Introduction { events, tail, member }
        };
        self.reply(request, reply);
    }

    /// Judges what `device` showed, whose key was proven by its connection.
    pub(super) fn introduced(&mut self, device: &DeviceId, events: Vec<Verified>) -> Reply {
        let answer = self.introduce(device, events);
        if answer == Answer::Accepted {
            self.saw(*device);
        }
        Reply::Introduced { answer }
    }

    fn introduce(&mut self, device: &DeviceId, events: Vec<Verified>) -> Answer {
        let control = self.workspace.control();
        if control.role(device, &control.all()).is_some() {
            return Answer::Accepted;
        }
        if let Err(code) = check(&events, &self.workspace.id(), device) {
            return Answer::Refused(code);
        }
        match self.workspace.would_be_member(device, &events) {
            Ok(true) => self.take_in(events),
            Ok(false) if self.workspace.farewell(device).is_some() => Answer::Revoked,
            Ok(false) => Answer::Refused(IntroduceCode::WithoutEffect),
            Err(_) => Answer::Refused(IntroduceCode::InvalidEvent),
        }
    }

    fn take_in(&mut self, events: Vec<Verified>) -> Answer {
        let mut released = Vec::new();
        for event in events {
            self.hear_of_own(&event);
            match self.workspace.insert(&event, &self.key) {
                Ok(false) => {}
                Ok(true) => {
                    self.clock.saw(self.now, event.header().stamp);
                    released.extend(self.held.release(&event.id()));
                    self.came(&event.id());
                    self.persist.push(Record::Event(event));
                }
                // The lane took it on trial, and its place in its chain was checked.
                Err(InsertFault::Missing(_) | InsertFault::Refused(_)) => {
                    return Answer::Refused(IntroduceCode::InvalidEvent);
                }
            }
        }
        self.receive(released);
        Answer::Accepted
    }
}

fn not_shown(why: &str) -> Failure {
    Failure::new(FailureKind::Failed, format!("this device cannot introduce itself: {why}"))
        .with_hint("bring it together with a device that knows it already")
}
