//! R1: the recorded results of a mission, fed to the rules again, must give the same events: the
//! same records, and sealed into the same headers the same ids (SPEC: MIS-7). No command runs.

use super::Workspace;
use crate::cbor;
use crate::event::{BodyRef, Header, id_of};
use crate::id::EventId;
use crate::mission::journal::Entry;
use crate::mission::record::Record;
use crate::mission::state::{Seen, State, Who, seen};
use crate::mission::verification::weigh_logs;
use crate::mission::work::CommandLog;
use crate::seal::{pack, seal};

impl Workspace {
    /// The first record on the way to `last` that comes out differently; none when all are equal.
    /// `logs` are what the runs of the verification printed, in their order.
    #[must_use]
    pub fn replay(&self, last: &EventId, logs: &[CommandLog]) -> Option<EventId> {
        let mut state: Option<State> = None;
        for (id, entry) in self.missions().way(last) {
            let made = match &state {
                None => begin(&id, entry),
                Some(before) => again(before, &entry.who, &id, &entry.record, logs),
            };
            match made {
                Some((after, record)) if self.reseal(&id, &record) == Some(id) => {
                    state = Some(after);
                }
                _ => return Some(id),
            }
        }
        None
    }

    /// The id of the event that holds `record` under the header of `id`.
    fn reseal(&self, id: &EventId, record: &Record) -> Option<EventId> {
        let header = Header { body: None, ..self.header(id)?.clone() };
        let key = self.ring.key(&header.epoch?)?;
        let body = seal(key, &header, pack(&cbor::encode(record)).ok()?);
        let header = Header { body: Some(BodyRef::of(&body)), ..header };
        Some(id_of(&cbor::encode(&header)))
    }
}

fn begin(id: &EventId, entry: &Entry) -> Option<(State, Record)> {
    let Record::Mission(mission) = &entry.record else { return None };
    let state = State::begin(&entry.who, *id, (**mission).clone()).ok()?;
    Some((state, entry.record.clone()))
}

/// Makes a record anew from what its author saw; what a verdict says is found anew as well.
fn again(
    before: &State,
    who: &Who,
    id: &EventId,
    record: &Record,
    logs: &[CommandLog],
) -> Option<(State, Record)> {
    let seen = match seen(record)? {
        Seen::Verify { admission, runs, sandbox, .. } => {
            let verdict = weigh_logs(&runs, logs, before.contract().floor);
            Seen::Verify { admission, runs, verdict, sandbox }
        }
        seen => seen,
    };
    let made = before.derive(who, &seen).ok()?;
    let after = before.apply(who, *id, &made).ok()?;
    Some((after, made))
}
