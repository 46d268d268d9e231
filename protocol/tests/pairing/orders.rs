//! Two that read the same code, in every order in which things can happen.

use std::collections::{BTreeMap, BTreeSet};

use kernelos_protocol::id::DeviceId;
use kernelos_protocol::limits::PAIRING_LIFETIME_MS;
use kernelos_protocol::pairing::{IssuerInput, IssuerOutput, NewcomerInput, PairingCode};

use super::kit::{GRANT, Guest, Room, Wire, invitation, other_than};

/// What can happen next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    Connect(usize),
    Up(usize),
    Down(usize),
    Consent(usize),
    /// The person types what this guest shows.
    Type(usize),
    /// The person types other digits than this guest shows.
    Mistype(usize),
    /// A guest's person gives up.
    Leave(usize),
    /// The grant is durable.
    Granted,
}

#[derive(Debug, Clone)]
struct World {
    room: Room,
    connected: [bool; 2],
    consented: [bool; 2],
    typed: bool,
    left: bool,
    granted: bool,
    /// Whose proof the issuer took, in order, before any digits were right.
    proved: Vec<DeviceId>,
}

impl World {
    fn new() -> Self {
        let (mut room, token) = Room::open();
        room.guest(1, &token);
        room.guest(2, &token);
        let no = [false; 2];
        Self {
            room,
            connected: no,
            consented: no,
            typed: false,
            left: false,
            granted: false,
            proved: vec![],
        }
    }

    fn deeds(&self) -> Vec<Deed> {
        let mut out = Vec::new();
        for (at, guest) in self.room.guests.iter().enumerate() {
            if !self.connected[at] {
                out.push(Deed::Connect(at));
                continue;
            }
            if !guest.up.is_empty() {
                out.push(Deed::Up(at));
            }
            if !guest.down.is_empty() {
                out.push(Deed::Down(at));
            }
            if guest.asked && !self.consented[at] && !guest.machine.is_over() {
                out.push(Deed::Consent(at));
            }
            let is_asked = |o: &IssuerOutput| matches!(o, IssuerOutput::AskCode { .. });
            if guest.shown.is_some() && !self.typed && self.room.outputs.iter().any(is_asked) {
                out.extend([Deed::Type(at), Deed::Mistype(at)]);
            }
            if !self.left && !guest.machine.is_over() {
                out.push(Deed::Leave(at));
            }
        }
        if !self.room.grants().is_empty() && !self.granted {
            out.push(Deed::Granted);
        }
        out
    }

    fn perform(&mut self, deed: Deed) {
        let open = self.room.ends().is_empty() && self.room.grants().is_empty();
        match deed {
            Deed::Connect(at) => {
                self.connected[at] = true;
                self.room.connect(at);
            }
            Deed::Up(at) => {
                let is_proof = |wire: &Wire| match wire {
                    Wire::Bytes(bytes) => bytes.starts_with(&[0x82, 2]),
                    Wire::Gone => false,
                };
                let proves = self.room.guests[at].up.front().is_some_and(is_proof);
                if proves && open {
                    self.proved.push(self.room.guests[at].device);
                }
                self.room.up(at);
            }
            Deed::Down(at) => {
                self.room.down(at);
            }
            Deed::Consent(at) => {
                self.consented[at] = true;
                self.room.tell_guest(at, NewcomerInput::Consent(true));
            }
            Deed::Type(at) => {
                self.typed = true;
                self.room.type_code(at);
            }
            Deed::Mistype(at) => {
                self.typed = true;
                let code = other_than(self.room.guests[at].shown.unwrap());
                self.room.tell(IssuerInput::Code { invitation: invitation(), code });
            }
            Deed::Leave(at) => {
                self.left = true;
                self.room.tell_guest(at, NewcomerInput::Cancel);
            }
            Deed::Granted => {
                self.granted = true;
                self.room.granted();
            }
        }
    }

    /// What must be so whenever nothing can happen any more; gives how the invitation ended.
    fn check(mut self) -> &'static str {
        if self.room.ends().is_empty() {
            self.room.pass(PAIRING_LIFETIME_MS);
            self.room.tell(IssuerInput::Tick);
        }
        let (ends, grants, audits) = (self.room.ends(), self.room.grants(), self.room.audits());
        assert_eq!(ends.len(), 1, "an invitation ends once");
        assert_eq!(audits.len(), 2, "an attempt leaves one record");
        assert!(self.room.guests.iter().all(|guest| guest.end().is_some()));
        let member = |guest: &&Guest| guest.end() == Some(Ok(GRANT));
        let members: Vec<_> =
            self.room.guests.iter().filter(member).map(|guest| guest.device).collect();
        match ends[0] {
            Ok(device) => {
                assert_eq!(grants, [device]);
                assert_eq!(self.proved, [device], "whoever came second came after the digits");
                assert!(members == [device] || (self.left && members.is_empty()));
                assert_eq!(audits.iter().filter(|(_, r)| *r == Ok(GRANT)).count(), 1);
                "granted"
            }
            Err(code) => {
                assert!(grants.is_empty() && members.is_empty());
                let is_seen = code == PairingCode::CodeSeen;
                assert_eq!(is_seen, self.proved.len() == 2, "{code:?}");
                if is_seen && !self.left {
                    let seen = Some(Err(PairingCode::CodeSeen));
                    assert!(self.room.guests.iter().all(|guest| guest.end() == seen));
                }
                code.code()
            }
        }
    }
}

/// Goes on in every way from here; a world that another way led to already is not gone on from.
fn explore(world: &World, seen: &mut BTreeSet<String>, ends: &mut BTreeMap<&'static str, u32>) {
    if !seen.insert(format!("{world:?}")) {
        return;
    }
    let deeds = world.deeds();
    if deeds.is_empty() {
        *ends.entry(world.clone().check()).or_default() += 1;
    }
    for deed in deeds {
        let mut next = world.clone();
        next.perform(deed);
        explore(&next, seen, ends);
    }
}

#[test]
fn in_no_order_do_two_with_one_code_both_get_in_nor_one_whom_nobody_vouched_for() {
    // SPEC: PAIR-11, PAIR-12, PAIR-13, PAIR-15
    let (mut seen, mut ends) = (BTreeSet::new(), BTreeMap::new());
    explore(&World::new(), &mut seen, &mut ends);
    assert_eq!(
        ends.keys().copied().collect::<Vec<_>>(),
        ["code_seen", "declined", "granted", "wrong_check_code"]
    );
}
