//! What events cost in memory that nothing refuses by itself: those that wait, and long chains.

use std::sync::PoisonError;

use kernelos_protocol::authority::{ContentLane, ControlFact, ControlLane};
use kernelos_protocol::event::{BodyRef, Header, Run, Unsigned};
use kernelos_protocol::id::{DeviceId, EventId};
use kernelos_protocol::limits::{HELD_BYTES_MAX, HELD_EVENTS_MAX};
use kernelos_protocol::sync::{Held, LinkId};
use kernelos_protocol::time::Stamp;

use crate::kit::Peer;
use crate::{COUNTING, peak_of};

#[test]
fn twenty_thousand_events_that_wait_take_no_more_memory_than_their_room() {
    // SPEC: SYNC-4
    let _counting = COUNTING.lock().unwrap_or_else(PoisonError::into_inner);
    let (founder, events) = Peer::founder();
    let body = vec![7; 1_000];
    let peak = |count: u64| {
        peak_of(|| {
            let mut held = Held::default();
            for number in 0..count {
                let header = Header {
                    stamp: Stamp(number),
                    body: Some(BodyRef::of(&body)),
                    ..events[3].header().clone()
                };
                let event = Unsigned { header, body: Some(body.clone()) }.sign(&founder.key);
                let mut missing = [9; 32];
                missing[..8].copy_from_slice(&number.to_be_bytes());
                held.hold(LinkId(1), Run::of(event.unwrap()).unwrap(), EventId(missing));
            }
            assert_eq!(held.size().0, HELD_EVENTS_MAX);
        })
    };
    let most = peak(20_000);
    assert!(most <= HELD_BYTES_MAX, "{most}");
    assert_eq!(peak(HELD_EVENTS_MAX as u64 + 1), most, "what is dropped leaves nothing");
}

fn event(lane: u8, n: u32) -> EventId {
    let mut id = [lane; 32];
    id[..4].copy_from_slice(&n.to_be_bytes());
    EventId(id)
}

#[test]
fn a_chain_twice_as_long_takes_twice_the_memory() {
    // SPEC: AUTH-18
    let _counting = COUNTING.lock().unwrap_or_else(PoisonError::into_inner);
    let peak = |events: u32| {
        peak_of(|| {
            let mut control = ControlLane::new();
            let founder = DeviceId([1; 32]);
            control.add(event(0, 0), founder, ControlFact::Genesis, &[]).expect("valid");
            let (heard, mut content) = ([event(0, 0)], ContentLane::new());
            for n in 0..events {
                let prev = (n > 0).then(|| event(1, n - 1));
                content.add(&control, event(1, n), founder, prev, &[], &heard).expect("in order");
            }
            assert_eq!(content.control_changed(&control).admitted.len(), events as usize);
        })
    };
    let (once, twice) = (peak(1 << 14), peak(1 << 15));
    assert!(twice <= once * 9 / 4, "{once} bytes, then {twice}");
}
