//! What the content lane costs where a history is very long or very wide.

use kernelos_protocol::authority::{ContentLane, ControlFact, ControlLane};
use kernelos_protocol::id::{DeviceId, EventId};

use crate::kit::setting;

/// Heads that nobody joined. Were each held against all others, the tests below would take hours.
const HEADS: u32 = 100_000;

fn event(lane: u8, n: u32) -> EventId {
    let mut id = [lane; 32];
    id[..4].copy_from_slice(&n.to_be_bytes());
    EventId(id)
}

/// A lane of a founder, and `events` of its content, each after what `before` says.
fn lane(events: u32, before: impl Fn(u32) -> Option<EventId>) -> (ControlLane, ContentLane) {
    let mut control = ControlLane::new();
    let founder = DeviceId([1; 32]);
    control.add(event(0, 0), founder, ControlFact::Genesis, &[]).expect("valid");
    let heard = [event(0, 0)];
    let mut content = ContentLane::new();
    for n in 0..events {
        content.add(&control, event(1, n), founder, before(n), &[], &heard).expect("in order");
    }
    (control, content)
}

#[test]
fn a_hundred_thousand_heads_are_all_heads_and_one_event_joins_32_of_them() {
    // SPEC: AUTH-19, STATE-1
    let (control, mut content) = lane(HEADS, |_| None);
    assert_eq!(content.control_changed(&control).admitted.len(), HEADS as usize);
    assert_eq!(content.admitted_heads().len(), HEADS as usize);
    let parents: Vec<_> = (0..32).map(|n| event(1, n)).collect();
    let (founder, heard) = (DeviceId([1; 32]), [event(0, 0)]);
    content.add(&control, event(2, 0), founder, None, &parents, &heard).expect("in order");
    content.control_changed(&control);
    assert_eq!(content.admitted_heads().len(), HEADS as usize - 32 + 1);
}

#[test]
fn a_hundred_thousand_forks_of_one_event_are_each_admitted_and_told_as_they_come() {
    // SPEC: AUTH-12, AUTH-19
    let (control, mut content) = lane(1, |_| None);
    content.control_changed(&control);
    let (founder, heard, first) = (DeviceId([1; 32]), [event(0, 0)], event(1, 0));
    assert_eq!(content.admitted_tips_of(&founder), [first]);
    for n in 1..HEADS {
        let prev = Some(first);
        let added = content.add(&control, event(1, n), founder, prev, &[], &heard);
        assert_eq!(added.expect("in order").newly_admitted.len(), 1);
        if n.is_power_of_two() {
            assert_eq!(content.admitted_tips_of(&founder).len(), n as usize);
        }
    }
    assert_eq!(content.admitted_heads().len(), HEADS as usize - 1);
}

#[test]
fn a_chain_of_a_hundred_thousand_is_judged_in_a_small_stack() {
    // SPEC: AUTH-19
    // A million of them by hand: nothing below asks how many there are.
    let events = setting("KERNELOS_CHAIN", 100_000);
    let judge = move || {
        let length = events as u32;
        let (control, mut content) = lane(length, |n| (n > 0).then(|| event(1, n - 1)));
        assert_eq!(content.control_changed(&control).admitted.len(), events);
        assert_eq!(content.admitted_heads(), [event(1, length - 1)]);
    };
    let thread = std::thread::Builder::new().stack_size(128 * 1024).spawn(judge);
    thread.expect("a thread").join().expect("its stack is enough");
}
