//! Puts a history of the model into the production lanes, and compares what they say.
//!
//! Events are named by their numbers. A control event names the heads of its past. Content comes
//! in three shapes: *flat*, where every event opens a chain of its own and a cut names every event
//! of its mask, so any mask can be expressed; *dense*, the same with more parents than the heads;
//! and *chained*, where the author's last event in the past is its prev and a cut names tips, which
//! needs a history whose cuts are closed under prev.

use std::collections::BTreeMap;

use kernelos_protocol::authority::{
    Added, ContentLane, ContentNo, ControlFact, ControlLane, ControlNo, Refusal,
};
use kernelos_protocol::id::{DeviceId, EventId};
use kernelos_protocol::role::Role;

use super::model::{Device, Event, History, Kind, Mask, bit, bits, has};
use super::set::{Set, those};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Shape {
    Flat,
    Dense,
    Chained,
}

pub(crate) fn event_id(e: usize) -> EventId {
    // Not in order of number, so that nothing leans on that.
    let mut id = [0; 32];
    id[0] = (e as u8).wrapping_mul(101);
    id[1..5].copy_from_slice(&(e as u32).to_be_bytes());
    EventId(id)
}

pub(crate) fn number_of(id: &EventId) -> usize {
    let number = id.0[1..5].try_into().expect("four bytes");
    u32::from_be_bytes(number) as usize
}

pub(crate) fn device_id(d: Device) -> DeviceId {
    DeviceId([d + 1; 32])
}

pub(crate) fn ids<M: Set>(mask: M) -> Vec<EventId> {
    bits(mask).map(event_id).collect()
}

fn sorted<M: Set>(mask: M) -> Vec<EventId> {
    let mut ids = ids(mask);
    ids.sort_unstable();
    ids
}

pub(crate) fn mask_of<M: Set>(ids: &[EventId]) -> M {
    those(ids.iter().map(number_of))
}

/// Both lanes, fed event by event, as a device that is told of them.
#[derive(Default)]
pub(crate) struct Lanes {
    pub(crate) control: ControlLane,
    pub(crate) content: ContentLane,
    written: Vec<(usize, ContentNo)>,
    /// What the content lane said is admitted, from what it said of each step.
    told: Mask,
}

impl Lanes {
    pub(crate) fn of(h: &History, shape: Shape, order: impl IntoIterator<Item = usize>) -> Self {
        let mut lanes = Self::default();
        for e in order {
            lanes.deliver(h, shape, e);
        }
        lanes
    }

    /// Adds event `e`, whose past is here.
    pub(crate) fn deliver(&mut self, h: &History, shape: Shape, e: usize) {
        self.offer(h, shape, e).expect("its past is here, and says that it may be");
    }

    /// Adds event `e` if it can go in; else says why not, and nothing is changed.
    pub(crate) fn offer(&mut self, h: &History, shape: Shape, e: usize) -> Result<(), Refusal> {
        let sizes = (self.control.len(), self.content.len());
        let taken = if has(h.control, e) {
            self.add_control(h, shape, e).map(|_| {
                let changes = self.content.control_changed(&self.control);
                self.tell(&changes.admitted, &changes.fallen);
            })
        } else {
            self.add_content(h, shape, e).map(|added| {
                self.written.push((e, added.no));
                self.tell(&added.newly_admitted, &[]);
            })
        };
        assert!(taken.is_ok() || sizes == (self.control.len(), self.content.len()));
        assert_eq!(self.told, self.admitted(), "what is told is what changed");
        taken
    }

    fn add_content(&mut self, h: &History, shape: Shape, e: usize) -> Result<Added, Refusal> {
        let event = &h.events[e];
        let had = event.past & !h.control;
        let prev = (shape == Shape::Chained).then(|| h.prev(e)).flatten();
        let more = bits(had).filter(|x| shape == Shape::Dense && (e + x).is_multiple_of(3));
        let named = h.heads(had) | more.map(bit).sum::<Mask>();
        let parents = ids(named & !prev.map_or(0, bit));
        let heard = ids(h.heads(event.past & h.control));
        let (id, by) = (event_id(e), device_id(event.by));
        self.content.add(&self.control, id, by, prev.map(event_id), &parents, &heard)
    }

    fn tell(&mut self, admitted: &[ContentNo], fallen: &[ContentNo]) {
        for &no in admitted {
            let e = bit(number_of(&self.content.id(no)));
            assert_eq!(self.told & e, 0, "admitted once");
            self.told |= e;
        }
        for &no in fallen {
            let e = bit(number_of(&self.content.id(no)));
            assert_eq!(self.told & e, e, "only what was admitted falls");
            self.told &= !e;
        }
    }

    fn add_control(&mut self, h: &History, shape: Shape, e: usize) -> Result<ControlNo, Refusal> {
        let event = &h.events[e];
        let before = ids(h.heads(event.past));
        let (by, fact) = (device_id(event.by), fact(h, shape, event));
        let judged = self.control.judge(by, &fact, &before);
        let added = self.control.add(event_id(e), by, fact, &before);
        assert_eq!(judged.err(), added.clone().err(), "judge says what add does");
        added
    }

    pub(crate) fn admitted(&self) -> Mask {
        self.content_where(|no| self.content.is_admitted(no))
    }

    pub(crate) fn firm(&self) -> Mask {
        self.content_where(|no| self.content.is_firm(no))
    }

    fn content_where(&self, is: impl Fn(ContentNo) -> bool) -> Mask {
        self.written.iter().filter(|(_, no)| is(*no)).map(|&(e, _)| bit(e)).sum()
    }

    pub(crate) fn heads(&self) -> Mask {
        mask_of(&self.content.admitted_heads())
    }

    pub(crate) fn counting(&self) -> Mask {
        let counting = self.control.counting(&self.control.all());
        counting.into_iter().map(|r| bit(number_of(&self.control.id(r)))).sum()
    }

    pub(crate) fn members(&self) -> BTreeMap<DeviceId, Role> {
        self.control.members(&self.control.all())
    }
}

pub(crate) fn fact<M: Set>(h: &History<M>, shape: Shape, event: &Event<M>) -> ControlFact {
    let target = device_id(event.target);
    match event.kind {
        Kind::Genesis => ControlFact::Genesis,
        Kind::Grant => ControlFact::Grant { device: target, role: event.rank },
        Kind::Recover => ControlFact::Recover,
        Kind::Revoke | Kind::RecoveryRevoke | Kind::Readmit => {
            let mask = match shape {
                // Some are control events, or of other authors: those cover nothing.
                Shape::Flat | Shape::Dense => event.cut,
                Shape::Chained => {
                    let mask = event.cut.less(h.control);
                    mask.less(those(bits(mask).filter_map(|e| h.prev(e))))
                }
            };
            let recovery = event.kind == Kind::RecoveryRevoke;
            match event.kind {
                Kind::Readmit => ControlFact::Readmit { authors: vec![target], tips: sorted(mask) },
                _ => ControlFact::Revoke { target, cut: ids(mask), recovery },
            }
        }
        Kind::Strike => {
            ControlFact::Strike { authors: vec![target], events: sorted(event.cut.less(h.control)) }
        }
        Kind::Upgrade => ControlFact::Upgrade,
        Kind::Join => ControlFact::Join,
        Kind::Epoch => ControlFact::Epoch,
        Kind::Wrap => ControlFact::Wrap,
        Kind::Change => unreachable!("content"),
    }
}

/// Compares the lanes with the model, for a cleaned history without strangers' content: on the
/// whole, and for each set of `among` as a device that was told of that set alone and as a question
/// to who knows everything.
pub(crate) fn compare(h: &History, refused: Mask, shape: Shape, among: &[Mask]) {
    let mut whole = Lanes::default();
    for e in 0..h.events.len() {
        if has(refused, e) {
            assert!(whole.offer(h, shape, e).is_err(), "{e} is refused");
        } else {
            whole.deliver(h, shape, e);
        }
    }
    let everything = h.everything() & !refused;
    compare_told(h, shape, &whole, everything);
    compare_views(h, &whole, everything);
    for &known in among {
        compare_asked(h, &whole.control, known);
        if known != everything {
            compare_told(h, shape, &Lanes::of(h, shape, bits(known)), known);
        }
    }
}

pub(crate) fn devices<M: Set>(h: &History<M>) -> impl Iterator<Item = Device> {
    0..=h.events.iter().map(|e| e.by.max(e.target)).max().unwrap_or(0)
}

/// What lanes that were told of `known` say.
fn compare_told(h: &History, shape: Shape, lanes: &Lanes, known: Mask) {
    assert_eq!(lanes.admitted(), h.admitted(known), "{shape:?}: admitted");
    assert_eq!(lanes.heads(), h.heads(h.admitted(known)), "{shape:?}: heads");
    let firm = bits(known & !h.control).filter(|&e| h.firm(e, known).is_some());
    assert_eq!(lanes.firm(), firm.map(bit).sum(), "{shape:?}: firm");
    for no in bits(known & !h.control).filter_map(|e| lanes.content.number(&event_id(e))) {
        let e = number_of(&lanes.content.id(no));
        assert_eq!(lanes.content.role(&lanes.control, no), h.firm(e, known), "role of {e}");
    }
    compare_asked(h, &lanes.control, known);
    for d in devices(h) {
        compare_tips(h, shape, lanes, d, known);
    }
}

/// What a lane that knows `known`, and perhaps more, says of it.
pub(crate) fn compare_asked<M: Set>(h: &History<M>, control: &ControlLane, known: M) {
    let set = control.set_of(&ids(known & h.control)).expect("all are here");
    assert_eq!(set.len(), (known & h.control).len(), "closed");
    let counting: Vec<usize> =
        control.counting(&set).into_iter().map(|r| number_of(&control.id(r))).collect();
    assert_eq!(counting, h.counting(known), "counting");
    assert_eq!(mask_of::<M>(&control.heads(&set)), h.heads(known & h.control), "control heads");
    let mut members = BTreeMap::new();
    for d in devices(h) {
        let rank = h.rank(d, known);
        assert_eq!(control.role(&device_id(d), &set), rank, "role of {d}");
        members.extend(rank.map(|rank| (device_id(d), rank)));
        let mut against = h.counting(known);
        against.retain(|&r| h.events[r].target == d);
        let said = control.revocations_of(&device_id(d), &set);
        let said: Vec<usize> = said.into_iter().map(|r| number_of(&control.id(r))).collect();
        assert_eq!(said, against, "revocations of {d}");
    }
    assert_eq!(control.members(&set), members, "members");
    let readmits = bits(known & h.control).filter(|&e| h.events[e].kind == Kind::Readmit);
    let readmissions: Vec<_> = readmits.filter_map(|e| control.number(&event_id(e))).collect();
    let readmissions = control.those_in_effect(&readmissions, &set);
    for e in bits(known & h.control) {
        let no = control.number(&event_id(e)).expect("it is here");
        let expected = match h.events[e].kind {
            Kind::Revoke | Kind::RecoveryRevoke => h.counting(known).contains(&e),
            Kind::Join => true,
            _ => h.in_effect(e, known),
        };
        assert_eq!(control.in_effect(no, &set), expected, "effect of {e}");
        if h.events[e].kind != Kind::Strike {
            continue;
        }
        for of in bits(h.events[e].cut.less(h.control)) {
            let (by, id) = (device_id(h.events[of].by), event_id(of));
            let holds = expected && control.strikes(no, &by, &id, &readmissions);
            assert_eq!(holds, h.strikes(e, of, known), "{of} is struck by {e}");
        }
    }
}

fn compare_views(h: &History, lanes: &Lanes, known: Mask) {
    let content: Vec<usize> = bits(known & !h.control).collect();
    let no = |e| lanes.content.number(&event_id(e)).expect("it is here");
    for &of in &content {
        for &x in &content {
            assert_eq!(lanes.content.in_view(no(of), no(x)), has(h.view(of), x), "{x} in {of}");
            let past = has(h.events[of].past, x);
            assert_eq!(lanes.content.in_past(no(of), no(x)), past, "{x} before {of}");
        }
        let heard = lanes.content.heard_set(no(of));
        let heard: Mask = heard.iter().map(|c| bit(number_of(&lanes.control.id(c)))).sum();
        assert_eq!(heard, h.events[of].past & h.control, "heard by {of}");
    }
}

/// Everything of the target that is admitted is a tip or before one, and no tip is before another.
fn compare_tips(h: &History, shape: Shape, lanes: &Lanes, d: Device, known: Mask) {
    let tips: Mask = mask_of(&lanes.content.admitted_tips_of(&device_id(d)));
    let own = h.own(d, h.admitted(known));
    let mut covered = 0;
    for tip in bits(tips) {
        let mut next = Some(tip);
        while let Some(e) = next {
            assert!(e == tip || !has(tips, e), "a tip is last");
            covered |= bit(e);
            next = if shape == Shape::Chained { h.prev(e) } else { None };
        }
    }
    assert_eq!((tips & !own, own & !covered), (0, 0), "tips of {d}");
}
