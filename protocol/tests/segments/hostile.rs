//! Segments that lie: each is refused with its code.

use kernelos_protocol::cbor::Writer;
use kernelos_protocol::event::{Header, Run, Verified};
use kernelos_protocol::id::WorkspaceId;
use kernelos_protocol::limits::{BODY_BYTES_MAX, FRAME_EVENTS_MAX};
use kernelos_protocol::sync::Message;

use super::{WORKSPACE, after, chain, header, proven, read, sign};
use crate::kit::Peer;

/// One segment, as bytes that can be anything.
#[derive(Clone)]
struct Frame {
    table: Vec<u8>,
    author: u64,
    seq: u64,
    prev: Option<u64>,
    events: Vec<Event>,
}

#[derive(Clone)]
struct Event {
    stamp: u64,
    parents: Vec<u64>,
    heard: Option<Vec<u64>>,
    /// Class, and which epoch.
    seal: Option<(u64, Option<u64>)>,
    body: Body,
    signature: Option<Vec<u8>>,
}

#[derive(Clone)]
enum Body {
    None,
    Here(Vec<u8>),
    Absent([u8; 32], u64),
}

fn list(to: &mut Writer, names: &[u64]) {
    to.array(names.len());
    for name in names {
        to.uint(*name);
    }
}

impl Frame {
    /// The frame of a chain of `super::chain` from its beginning, with the last signature alone.
    fn of(events: &[Verified]) -> Self {
        let author = events[0].header().author.0;
        let table = [author, [0x11; 32], [0x12; 32]].concat();
        let item = |(index, event): (usize, &Verified)| Event {
            stamp: if index == 0 { event.header().stamp.0 } else { 1_000 },
            parents: Vec::new(),
            heard: (index == 0).then(|| vec![2, 4]),
            seal: (index == 0).then_some((1, Some(2))),
            body: Body::Here(event.body().unwrap().to_vec()),
            signature: (index + 1 == events.len()).then(|| signature(event)),
        };
        let events = events.iter().enumerate().map(item).collect();
        Self { table, author: 0, seq: 0, prev: None, events }
    }

    fn segment(&self, to: &mut Writer) {
        to.array(6).uint(1).uint(self.author).bytes(&[1; 8]).uint(self.seq);
        match self.prev {
            Some(prev) => to.uint(prev),
            None => to.null(),
        };
        to.array(self.events.len());
        for event in &self.events {
            to.array(6).uint(event.stamp);
            list(to, &event.parents);
            match &event.heard {
                Some(heard) => list(to, heard),
                None => drop(to.null()),
            }
            match event.seal {
                None => to.null(),
                Some((class, None)) => to.uint(class),
                Some((class, Some(epoch))) => to.array(2).uint(class).uint(epoch),
            };
            match &event.body {
                Body::None => to.null(),
                Body::Here(body) => to.bytes(body),
                Body::Absent(hash, len) => to.array(2).bytes(hash).uint(*len),
            };
            to.bytes_or_null(event.signature.as_deref());
        }
    }

    fn encode(&self) -> Vec<u8> {
        let mut to = Writer::default();
        to.array(3).uint(3).bytes(&self.table).array(1);
        self.segment(&mut to);
        to.finish()
    }

    fn with(&self, change: impl FnOnce(&mut Self)) -> Vec<u8> {
        let mut frame = self.clone();
        change(&mut frame);
        frame.encode()
    }
}

/// The last bytes of an event that stands alone in a frame.
fn signature(event: &Verified) -> Vec<u8> {
    let frame = Message::events([event.clone()]).encode();
    frame[frame.len() - 64..].to_vec()
}

fn code(frame: &[u8]) -> &'static str {
    read(frame).map_or_else(|code| code, |_| "message")
}

#[test]
fn the_frame_of_a_chain_is_these_bytes() {
    // SPEC: SYNC-11
    let events = chain(1, 5);
    assert_eq!(Frame::of(&events).encode(), Message::Events(proven(&events)).encode());
}

#[test]
fn a_segment_that_lies_about_its_chain_is_refused() {
    // SPEC: EVT-12, SYNC-11, EVT-6
    let events = chain(1, 65);
    let five = Frame::of(&events[..5]);
    let block = Frame::of(&events[..64]);
    let body = [0x77; 32];
    let rows = [
        ("as it was made", five.encode(), "message"),
        ("a whole block", block.encode(), "message"),
        ("two in the wrong order", five.with(|f| f.events.swap(1, 2)), "bad_signature"),
        ("a gap", five.with(|f| drop(f.events.remove(2))), "bad_signature"),
        ("one twice", five.with(|f| f.events.insert(1, f.events[1].clone())), "bad_signature"),
        ("another place", five.with(|f| f.seq = 1), "field"),
        ("a place that is none", five.with(|f| f.seq = u64::MAX), "field"),
        ("a prev of the first", five.with(|f| f.prev = Some(2)), "field"),
        ("another author", five.with(|f| f.author = 2), "frame_decode"),
        ("another stamp", five.with(|f| f.events[1].stamp += 1), "bad_signature"),
        ("another body", five.with(|f| f.events[1].body = Body::Here(vec![1])), "bad_signature"),
        ("no body", five.with(|f| f.events[1].body = Body::None), "field"),
        (
            "a body that lies",
            five.with(|f| f.events[1].body = Body::Absent(body, 40)),
            "bad_signature",
        ),
        ("an end without a signature", five.with(|f| f.events[4].signature = None), "unsigned"),
        ("no end", five.with(|f| f.events.truncate(4)), "unsigned"),
        ("a block that goes on", Frame::of(&events).encode(), "unsigned"),
        (
            "a signature of another event",
            five.with(|f| f.events[4].signature = Some(signature(&events[3]))),
            "bad_signature",
        ),
        (
            "a wrong signature inside",
            five.with(|f| f.events[1].signature = Some(vec![1; 64])),
            "bad_signature",
        ),
        (
            "a right signature inside",
            five.with(|f| f.events[1].signature = Some(signature(&events[1]))),
            "message",
        ),
        (
            "half a signature",
            five.with(|f| f.events[4].signature = Some(vec![1; 32])),
            "frame_decode",
        ),
    ];
    for (what, frame, expected) in rows {
        assert_eq!(code(&frame), expected, "{what}");
    }
    let other = Message::decode(&five.encode(), &WorkspaceId([1; 32]));
    assert_eq!(other.map_err(|fault| fault.code()), Err("bad_signature"), "of another workspace");
    // A length that lies about a body that does not travel, and one that does not.
    let named = events[1].header().body.unwrap();
    let absent = |len| five.with(|f| f.events[1].body = Body::Absent(named.hash, len));
    assert_eq!(code(&absent(named.len)), "message");
    assert_eq!(code(&absent(named.len + 1)), "bad_signature");
    assert_eq!(code(&absent(BODY_BYTES_MAX as u64 + 1)), "too_large");
}

#[test]
fn names_have_one_way_to_be_given() {
    // SPEC: SYNC-11, EVT-2
    let events = chain(1, 5);
    let five = Frame::of(&events);
    let swap = |f: &mut Frame| {
        let swapped = [&f.table[32..64], &f.table[..32], &f.table[64..]].concat();
        f.table = swapped;
        f.author = 2;
        (f.events[0].heard, f.events[0].seal) = (Some(vec![0, 4]), Some((1, Some(0))));
    };
    let rows = [
        ("beyond the table", five.with(|f| f.events[0].heard = Some(vec![2, 6])), "frame_decode"),
        ("before the frame", five.with(|f| f.events[1].parents = vec![3]), "frame_decode"),
        ("far beyond", five.with(|f| f.events[1].parents = vec![u64::MAX]), "frame_decode"),
        ("an entry without use", five.with(|f| f.table.extend([9; 32])), "frame_decode"),
        ("a table of another length", five.with(|f| f.table.push(9)), "frame_decode"),
        ("an entry cut off", five.with(|f| f.table.truncate(95)), "frame_decode"),
        ("a table in another order", five.with(swap), "frame_decode"),
        (
            "an entry twice",
            five.with(|f| {
                f.table.extend([0x12; 32]);
                f.events[0].heard = Some(vec![2, 6]);
            }),
            "frame_decode",
        ),
        (
            "an event of the frame in the table",
            five.with(|f| {
                f.table.extend(events[0].id().0);
                f.events[2].parents = vec![6];
            }),
            "frame_decode",
        ),
        ("heard said again", five.with(|f| f.events[1].heard = Some(vec![2, 4])), "frame_decode"),
        (
            "an epoch said again",
            five.with(|f| f.events[1].seal = Some((1, Some(2)))),
            "frame_decode",
        ),
        (
            "class 0 with an epoch",
            five.with(|f| f.events[0].seal = Some((0, Some(2)))),
            "frame_decode",
        ),
        ("class 3", five.with(|f| f.events[0].seal = Some((3, Some(2)))), "frame_decode"),
        ("class 1 alone", five.with(|f| f.events[0].seal = Some((1, None))), "frame_decode"),
        ("nothing heard", five.with(|f| f.events[0].heard = None), "field"),
        ("heard in another order", five.with(|f| f.events[0].heard = Some(vec![4, 2])), "parents"),
        ("a parent that is prev", five.with(|f| f.events[1].parents = vec![1]), "parents"),
        ("a parent twice", five.with(|f| f.events[1].parents = vec![2, 2]), "parents"),
        ("64 parents", five.with(|f| f.events[1].parents = vec![2; 64]), "parents"),
        ("65 parents", five.with(|f| f.events[1].parents = vec![2; 65]), "frame_decode"),
        ("no event", five.with(|f| f.events.clear()), "frame_decode"),
    ];
    for (what, frame, expected) in rows {
        assert_eq!(code(&frame), expected, "{what}");
    }
}

#[test]
fn a_segment_is_not_cut_in_two() {
    // SPEC: SYNC-11, EVT-2
    let events = chain(1, 5);
    let five = Frame::of(&events);
    let (mut head, mut tail) = (five.clone(), five.clone());
    head.events.truncate(2);
    tail.events.drain(..2);
    (tail.seq, tail.prev) = (2, Some(1));
    tail.events[0].stamp = events[2].header().stamp.0;
    tail.events[0].heard = Some(vec![2, 4]);
    tail.events[0].seal = Some((1, Some(2)));
    let mut to = Writer::default();
    to.array(3).uint(3).bytes(&five.table).array(2);
    head.segment(&mut to);
    tail.segment(&mut to);
    assert_eq!(code(&to.finish()), "frame_decode");
}

#[test]
fn a_run_is_no_heavier_than_an_event_may_be() {
    // SPEC: EVT-12
    let pair = |bytes: usize| {
        let first = sign(1, header(1), Some(vec![1; bytes]));
        let second = sign(1, Header { ..after(&first) }, Some(vec![2; bytes]));
        [first, second]
    };
    let (light, heavy) = (pair(99_000), pair(100_000));
    assert_eq!(code(&Frame::of(&light).encode()), "message");
    assert_eq!(code(&Frame::of(&heavy).encode()), "too_large");
    assert_eq!(proven(&heavy).len(), 2, "nor is one made");
    // Whether the bodies travel makes no difference: they may come later.
    let named = heavy[0].header().body.unwrap();
    let bare = Frame::of(&heavy).with(|f| f.events[0].body = Body::Absent(named.hash, named.len));
    assert_eq!(code(&bare), "too_large");
    let body = vec![3; BODY_BYTES_MAX];
    let greatest = Message::events([sign(1, header(1), Some(body))]).encode();
    assert_eq!(code(&greatest), "message");
}

#[test]
fn a_frame_holds_256_events_however_they_are_cut() {
    // SPEC: SYNC-11
    let events = chain(1, FRAME_EVENTS_MAX + 1);
    assert_eq!(code(&Message::Events(proven(&events[..FRAME_EVENTS_MAX])).encode()), "message");
    assert_eq!(code(&Message::Events(proven(&events)).encode()), "frame_decode");
    let (even, odd): (Vec<_>, Vec<_>) = events.iter().partition(|e| e.header().seq % 2 == 0);
    let apart: Vec<_> = even.into_iter().chain(odd).cloned().collect();
    assert_eq!(code(&Message::events(apart[1..].to_vec()).encode()), "message");
    assert_eq!(code(&Message::events(apart).encode()), "frame_decode");
}

#[test]
fn a_control_event_carries_its_signature() {
    // SPEC: EVT-12
    let (peer, events) = Peer::founder();
    let mut frame = Message::events([events[0].clone()]).encode();
    let read = |frame: &[u8]| Message::decode(frame, &peer.workspace.id());
    assert!(read(&frame).is_ok());
    frame.truncate(frame.len() - 66);
    frame.push(0xf6);
    assert_eq!(read(&frame).map_err(|fault| fault.code()), Err("unsigned"));
    let control = events[..2].iter().cloned().filter_map(Run::of).collect::<Vec<_>>();
    let [first, second] = control.try_into().unwrap();
    assert!(first.join(second).is_err(), "nor is one joined to another");
    assert_ne!(peer.workspace.id(), WORKSPACE);
}
