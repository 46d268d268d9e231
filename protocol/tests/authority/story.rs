//! A small language for scenarios: events have names, devices are constants, and content events
//! are their author's chain unless said otherwise.

use kernelos_protocol::authority::{ContentLane, ControlFact, ControlLane, Refusal};
use kernelos_protocol::id::{DeviceId, EventId};
use kernelos_protocol::role::Role;

pub(crate) const A: DeviceId = DeviceId([1; 32]);
pub(crate) const B: DeviceId = DeviceId([2; 32]);
pub(crate) const C: DeviceId = DeviceId([3; 32]);
pub(crate) const D: DeviceId = DeviceId([4; 32]);
pub(crate) const E: DeviceId = DeviceId([5; 32]);

pub(crate) fn id(name: &str) -> EventId {
    let mut id = [0; 32];
    for (to, from) in id.iter_mut().zip(name.bytes()) {
        *to = from;
    }
    EventId(id)
}

pub(crate) fn ids(names: &[&str]) -> Vec<EventId> {
    let mut ids: Vec<EventId> = names.iter().copied().map(id).collect();
    ids.sort_unstable();
    ids
}

#[derive(Default)]
pub(crate) struct Story {
    pub(crate) control: ControlLane,
    pub(crate) content: ContentLane,
}

impl Story {
    /// A founds the workspace with `g` and grants each of these, with `gB`, `gC` and so on; the
    /// last one's name is the head of what all know.
    pub(crate) fn with(members: &[(DeviceId, Role)]) -> (Self, String) {
        let mut story = Self::default();
        story.fact("g", A, ControlFact::Genesis, &[]);
        let mut tip = String::from("g");
        for (device, role) in members {
            let name = format!("g{}", letter(device));
            story.grant(&name, A, *device, *role, &[&tip]);
            tip = name;
        }
        (story, tip)
    }

    pub(crate) fn try_fact(
        &mut self,
        name: &str,
        by: DeviceId,
        fact: ControlFact,
        before: &[&str],
    ) -> Result<(), Refusal> {
        let len = self.control.len();
        let added = self.control.add(id(name), by, fact, &ids(before));
        if added.is_err() {
            assert_eq!((self.control.len(), self.control.number(&id(name))), (len, None));
        }
        self.content.control_changed(&self.control);
        added.map(|_| ())
    }

    pub(crate) fn fact(&mut self, name: &str, by: DeviceId, fact: ControlFact, before: &[&str]) {
        assert_eq!(self.try_fact(name, by, fact, before), Ok(()), "{name}");
    }

    pub(crate) fn grant(
        &mut self,
        name: &str,
        by: DeviceId,
        to: DeviceId,
        role: Role,
        before: &[&str],
    ) {
        self.fact(name, by, ControlFact::Grant { device: to, role }, before);
    }

    pub(crate) fn revoke(
        &mut self,
        name: &str,
        by: DeviceId,
        target: DeviceId,
        cut: &[&str],
        before: &[&str],
    ) {
        self.fact(name, by, revocation(target, cut), before);
    }

    pub(crate) fn join(&mut self, name: &str, by: DeviceId, before: &[&str]) {
        self.fact(name, by, ControlFact::Join, before);
    }

    pub(crate) fn try_write(
        &mut self,
        name: &str,
        by: DeviceId,
        prev: &str,
        parents: &[&str],
        heard: &[&str],
    ) -> Result<(), Refusal> {
        let prev = (!prev.is_empty()).then(|| id(prev));
        let (len, parents, heard) = (self.content.len(), ids(parents), ids(heard));
        let added = self.content.add(&self.control, id(name), by, prev, &parents, &heard);
        if added.is_err() {
            assert_eq!((self.content.len(), self.content.number(&id(name))), (len, None));
        }
        added.map(|_| ())
    }

    /// A content event after `prev`, if that is not empty.
    pub(crate) fn write(
        &mut self,
        name: &str,
        by: DeviceId,
        prev: &str,
        parents: &[&str],
        heard: &[&str],
    ) {
        assert_eq!(self.try_write(name, by, prev, parents, heard), Ok(()), "{name}");
    }

    pub(crate) fn check_members(&self, expected: &[(DeviceId, Role)]) {
        let members = self.control.members(&self.control.all());
        assert_eq!(members, expected.iter().copied().collect());
    }

    pub(crate) fn check_counting(&self, expected: &[&str]) {
        let counting = self.control.counting(&self.control.all());
        let mut counting: Vec<EventId> = counting.iter().map(|&r| self.control.id(r)).collect();
        counting.sort_unstable();
        assert_eq!(counting, ids(expected));
    }

    pub(crate) fn check_in_effect(&self, name: &str, expected: bool) {
        let no = self.control.number(&id(name)).expect("it is here");
        assert_eq!(self.control.in_effect(no, &self.control.all()), expected, "{name}");
    }

    pub(crate) fn check_content(&self, name: &str, expected: Content) {
        let no = self.content.number(&id(name)).expect("it is here");
        let is = match (self.content.is_admitted(no), self.content.is_firm(no)) {
            (true, true) => Content::Firm,
            (true, false) => Content::GoodFaith,
            (false, false) => Content::Out,
            (false, true) => panic!("{name} is firm and not admitted"),
        };
        assert_eq!(is, expected, "{name}");
    }

    pub(crate) fn check_heads(&self, expected: &[&str]) {
        assert_eq!(self.content.admitted_heads(), ids(expected));
    }

    pub(crate) fn in_view(&self, of: &str, x: &str) -> bool {
        let no = |name| self.content.number(&id(name)).expect("it is here");
        self.content.in_view(no(of), no(x))
    }
}

#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Content {
    Firm,
    /// Admitted only because a firm event's author had admitted it.
    GoodFaith,
    Out,
}

pub(crate) fn revocation(target: DeviceId, cut: &[&str]) -> ControlFact {
    ControlFact::Revoke { target, cut: ids(cut), recovery: false }
}

fn letter(device: &DeviceId) -> char {
    char::from(b'A' + device.0[0] - 1)
}
