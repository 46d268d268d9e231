//! Read strictly is written again and compared: the same frames and no others.

use super::read::{begin, rebuild};
use super::rewrite;
use crate::cbor::{Reader, Writer};
use crate::event::{BodyRef, Class, Header, Unsigned, Verified};
use crate::id::{EventId, Incarnation, Lane, WorkspaceId};
use crate::key::DeviceKey;
use crate::time::Stamp;

const WORKSPACE: WorkspaceId = WorkspaceId([0xaa; 32]);

/// Is it the one frame of the events that it rebuilds; and is it that, written again? None where it
/// rebuilds none.
fn both(frame: &[u8]) -> Option<(bool, bool)> {
    let (events, is_only) = rebuild(&mut begin(frame).ok()?, &WORKSPACE).ok()?;
    Some((is_only, rewrite(&events) == frame))
}

/// A later event of a chain of one of two devices, which names some of those before it.
fn next(before: &[Verified], dice: &mut Dice) -> Verified {
    let key = DeviceKey::from_secret(&[dice.byte(2) + 1; 32]);
    let own = |event: &&Verified| event.header().author == key.device();
    let last = before.iter().rev().filter(own).nth(usize::from(dice.below(8) == 0));
    let mut parents: Vec<_> = match dice.below(3) {
        0 => before.iter().rev().skip(1).take(2).map(Verified::id).collect(),
        1 => vec![EventId([dice.byte(3); 32])],
        _ => Vec::new(),
    };
    parents.retain(|id| last.map(Verified::id) != Some(*id));
    parents.sort();
    let first = EventId([0x11; 32]);
    let heard = vec![before.first().filter(|_| dice.below(4) == 0).map_or(first, Verified::id)];
    let class = if dice.below(4) == 0 { Class::Plain } else { Class::Sealed };
    let body = (class == Class::Sealed).then(|| vec![dice.byte(3); 30]);
    let header = Header {
        workspace: WORKSPACE,
        lane: Lane::Content,
        author: key.device(),
        incarnation: Incarnation([1; 8]),
        seq: last.map_or(0, |last| last.header().seq + 1),
        prev: last.map(Verified::id),
        parents,
        heard,
        stamp: Stamp(1_700_000_000_000_000 + dice.below(4) as u64),
        class,
        epoch: body.as_ref().map(|_| EventId([0x11 + dice.byte(2); 32])),
        body: body.as_ref().map(|body| BodyRef::of(body)),
    };
    Unsigned { header, body }.sign(&key).unwrap()
}

struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % end
    }

    fn byte(&mut self, end: usize) -> u8 {
        u8::try_from(self.below(end)).unwrap()
    }
}

/// Where each item of a frame begins and ends, those within others too.
fn items(frame: &[u8]) -> Vec<(usize, usize)> {
    let mut items = Vec::new();
    let (mut open, mut at) = (vec![(0, 1_usize)], 0);
    while at < frame.len() {
        let (kind, short) = (frame[at] >> 5, usize::from(frame[at] & 31));
        let width = if (24..28).contains(&short) { 1 << (short - 24) } else { 0 };
        let said =
            frame[at + 1..][..width].iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        let value = if width > 0 { said } else { short };
        let from = at;
        at += 1 + width + if kind == 2 { value } else { 0 };
        open.push((from, if kind == 4 { value } else { 0 }));
        while let Some((from, 0)) = open.last().copied() {
            open.pop();
            items.push((from, at));
            if let Some((_, left)) = open.last_mut() {
                *left -= 1;
            }
        }
    }
    items
}

/// The same item with a longer head, where it has one.
fn longer(item: &[u8]) -> Vec<u8> {
    let (kind, short) = (item[0] >> 5, item[0] & 31);
    match (kind, short) {
        (0 | 2 | 4, 0..24) => [&[kind << 5 | 24, short], &item[1..]].concat(),
        (0 | 2 | 4, 24) => [&[kind << 5 | 25, 0], &item[1..]].concat(),
        _ => item.to_vec(),
    }
}

/// The frame with something in it put wrong.
fn mutated(frame: &[u8], dice: &mut Dice) -> Vec<u8> {
    let items = items(frame);
    let item = |dice: &mut Dice| items[dice.below(items.len())];
    let (from, to) = item(dice);
    let other = match dice.below(6) {
        // A number, most often a name, is another.
        0 | 1 if frame[from] < 22 => vec![(frame[from] + dice.byte(5)).saturating_sub(2)],
        2 => longer(&frame[from..to]),
        3 => {
            let at = from + dice.below(to - from);
            let mut other = frame.to_vec();
            other[at] ^= 1 << dice.below(8);
            return other;
        }
        // Entries of the table in another order.
        4 => {
            let mut other = frame.to_vec();
            let table = if frame[2] == 0x58 { 4 } else { 5 };
            let [one, two] = [0, 0].map(|_: usize| table + 32 * dice.below(3));
            let entry = frame[one..one + 32].to_vec();
            other[two..two + 32].copy_from_slice(&entry);
            return other;
        }
        _ => {
            let (from, to) = item(dice);
            frame[from..to].to_vec()
        }
    };
    [&frame[..from], &other, &frame[to..]].concat()
}

#[test]
fn what_is_read_strictly_is_what_would_be_written_again_as_it_is() {
    // SPEC: SYNC-11, EVT-2
    let mut dice = Dice(88_172_645_463_325_252);
    let (mut only, mut odd, mut none) = (0, 0, 0);
    for _ in 0..60 {
        let mut events = Vec::new();
        for _ in 0..12 {
            events.push(next(&events, &mut dice));
        }
        // Some are left out, some stand twice or elsewhere.
        for _ in 0..dice.below(4) {
            let event = events.remove(dice.below(events.len()));
            for _ in 0..dice.below(3) {
                events.insert(dice.below(events.len()), event.clone());
            }
        }
        let frame = rewrite(&events.iter().map(|event| event.signed().clone()).collect::<Vec<_>>());
        assert_eq!(both(&frame), Some((true, true)), "as it was written");
        for _ in 0..400 {
            let other = mutated(&frame, &mut dice);
            match both(&other) {
                Some((strict, again)) => {
                    assert_eq!(strict, again, "{other:02x?}");
                    only += usize::from(again);
                    odd += usize::from(!again);
                }
                None => none += 1,
            }
        }
    }
    assert!(only > 1_000 && odd > 2_000 && none > 1_000, "{only} {odd} {none}");
}

#[test]
fn a_head_is_the_shortest_or_told() {
    // SPEC: EVT-2
    for number in [0, 23, 24, 255, 256, 65_535, 65_536, u64::from(u32::MAX), 1 << 32, u64::MAX] {
        let mut shortest = Writer::default();
        shortest.uint(number);
        let shortest = shortest.finish();
        for (head, width) in [(24_u8, 1), (25, 2), (26, 4), (27, 8)] {
            let whole = number.to_be_bytes();
            let (lost, said) = whole.split_at(8 - width);
            if lost.iter().any(|byte| *byte != 0) {
                continue;
            }
            let head = [&[head], said].concat();
            let mut reader = Reader::new(&head);
            assert_eq!(reader.uint(), Ok(number));
            assert_eq!(reader.is_shortest(), shortest == head, "{number} in {width} bytes");
        }
        let mut reader = Reader::new(&shortest);
        assert!(reader.uint() == Ok(number) && reader.is_shortest());
    }
    // Of bytes and arrays too.
    let mut bytes = Reader::new(&[0x58, 2, 1, 1]);
    assert!(bytes.bytes(2).is_ok() && !bytes.is_shortest());
    let mut array = Reader::new(&[0x98, 1, 1]);
    assert!(array.array_of(1).is_ok() && !array.is_shortest());
    let mut text = Reader::new(&[0x78, 1, 0x61]);
    assert!(text.text(1).is_ok() && !text.is_shortest());
}
