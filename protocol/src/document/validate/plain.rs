//! Changes of one plain operation: a key of a map is put or deleted. Nearly every edit is one, and
//! reading it here takes a tenth of what Automerge's decoder and encoder take.
//!
//! What is read is what Automerge reads, and Automerge writes these very bytes for it (DOC-4): a
//! column of one row has one form here, whatever could be written in another is left to Automerge.
//! Builds with debug assertions, and so all tests and fuzz targets, ask it every time.

use automerge::legacy::{Key, ObjectId, Op, OpId, OpType, SortedVec};
use automerge::{ActorId, ObjType, ScalarValue};

use super::chunk::ACTOR_BYTES;
use super::columns::{
    ACTION, INSERT, KEY_STRING, OBJECT_ACTOR, OBJECT_NUMBER, PRED_ACTOR, PRED_NUMBER, PREDS, VALUE,
    VALUE_KIND,
};
use super::leb::Reader;

/// Magic, checksum and type of a chunk.
const HEAD_BYTES: usize = 9;

/// A run of one value that stands by itself.
const ALONE: i64 = -1;

/// The actors that a change names beside its author: of one operation with one predecessor, two.
const OTHERS_MAX: usize = 2;

/// The columns that the operation may have, in the order in which they stand.
const PLAIN: [u64; 10] = [
    OBJECT_ACTOR,
    OBJECT_NUMBER,
    KEY_STRING,
    INSERT,
    ACTION,
    VALUE_KIND,
    VALUE,
    PREDS,
    PRED_ACTOR,
    PRED_NUMBER,
];

/// Data by column; none where it is left out.
type Columns<'a> = [Option<&'a [u8]>; PLAIN.len()];

/// A change of one plain operation.
#[derive(Debug, PartialEq)]
pub(crate) struct PlainChange<'a> {
    /// What it depends on.
    pub(crate) deps: &'a [[u8; 32]],
    /// Who made it.
    pub(crate) actor: ActorId,
    /// Its number among the changes of its actor.
    pub(crate) seq: u64,
    /// The number of its operation.
    pub(crate) start: u64,
    /// What it does.
    pub(crate) op: Op,
}

/// The operation of a change whose frame is sound, if it is one alone and plain. None says nothing
/// about the change.
pub(crate) fn operation(bytes: &[u8]) -> Option<Op> {
    change(bytes).map(|change| change.op)
}

/// The same with what stands before it.
pub(crate) fn change(bytes: &[u8]) -> Option<PlainChange<'_>> {
    let mut contents = Reader::new(bytes.get(HEAD_BYTES..)?);
    contents.unsigned().ok()?;
    let deps = usize::try_from(contents.unsigned().ok()?).ok()?;
    let (deps, _) = contents.take(deps.checked_mul(32)?).ok()?.as_chunks();
    let author = actor(&mut contents)?;
    // These, the time and the length of the message: the frame judged them.
    let (seq, start) = (contents.unsigned().ok()?, contents.unsigned().ok()?);
    contents.unsigned().ok()?;
    if contents.unsigned().ok()? != 0 {
        return None;
    }
    let mut actors = Actors { all: vec![author.clone()], used: [true, false, false] };
    let others = usize::try_from(contents.unsigned().ok()?).ok()?;
    (others <= OTHERS_MAX).then_some(())?;
    for _ in 0..others {
        actors.all.push(actor(&mut contents)?);
    }
    let op = read(&columns(&mut contents)?, &mut actors)?;
    // An actor that nothing names is not written again.
    let all_used = actors.used.iter().take(actors.all.len()).all(|used| *used);
    all_used.then_some(PlainChange { deps, actor: author, seq, start, op })
}

/// The actors of a change, its author first, and which of them the operation names.
struct Actors {
    all: Vec<ActorId>,
    used: [bool; 1 + OTHERS_MAX],
}

impl Actors {
    /// The name of an operation, by the columns of its actor and number.
    fn op_id(&mut self, actor: u64, number: u64) -> Option<OpId> {
        let at = usize::try_from(actor).ok()?;
        *self.used.get_mut(at)? = true;
        // Automerge takes number 0 for the document, which is written as nothing.
        (number > 0).then_some(())?;
        Some(OpId::new(number, self.all.get(at)?))
    }
}

fn actor(contents: &mut Reader<'_>) -> Option<ActorId> {
    (contents.unsigned().ok()? == ACTOR_BYTES as u64).then_some(())?;
    Some(ActorId::from(&contents.array::<ACTOR_BYTES>().ok()?[..]))
}

fn columns<'a>(contents: &mut Reader<'a>) -> Option<Columns<'a>> {
    let count = contents.unsigned().ok()?;
    let (mut lengths, mut next) = ([0; PLAIN.len()], 0);
    for _ in 0..count {
        let column = contents.unsigned().ok()?;
        let at = next + PLAIN.get(next..)?.iter().position(|plain| *plain == column)?;
        *lengths.get_mut(at)? = usize::try_from(contents.unsigned().ok()?).ok()?;
        next = at + 1;
    }
    let mut columns = Columns::default();
    for (column, length) in columns.iter_mut().zip(lengths).filter(|(_, length)| *length > 0) {
        *column = Some(contents.take(length).ok()?);
    }
    contents.is_empty().then_some(columns)
}

fn read(columns: &Columns<'_>, actors: &mut Actors) -> Option<Op> {
    let [object_actor, object_number, key, insert, action, kind, value, preds, by, number] =
        *columns;
    let obj = match (object_actor, object_number) {
        (None, None) => ObjectId::Root,
        (Some(actor), Some(number)) => {
            ObjectId::Id(actors.op_id(alone(actor, unsigned)?, alone(number, unsigned)?)?)
        }
        _ => return None,
    };
    let key = alone(key?, |reader| {
        let length = usize::try_from(reader.unsigned().ok()?).ok()?;
        std::str::from_utf8(reader.take(length).ok()?).ok()
    })?;
    // One row, and that is no insertion.
    (insert? == [1]).then_some(())?;
    let value = scalar(alone(kind?, unsigned)?, value.unwrap_or_default())?;
    let action = match (alone(action?, unsigned)?, value) {
        (1, value) => OpType::Put(value),
        (0, ScalarValue::Null) => OpType::Make(ObjType::Map),
        (2, ScalarValue::Null) => OpType::Make(ObjType::List),
        (3, ScalarValue::Null) => OpType::Delete,
        (4, ScalarValue::Null) => OpType::Make(ObjType::Text),
        _ => return None,
    };
    let pred = match (alone(preds?, unsigned)?, by, number) {
        (0, None, None) => Vec::new(),
        (1, Some(by), Some(number)) => {
            let number = alone(number, |reader| reader.signed().ok())?;
            vec![actors.op_id(alone(by, unsigned)?, u64::try_from(number).ok()?)?]
        }
        _ => return None,
    };
    let pred = SortedVec::from(pred);
    Some(Op { action, obj, key: Key::Map(key.into()), pred, insert: false })
}

/// The value of a column of one row.
fn alone<'a, T>(data: &'a [u8], read: impl Fn(&mut Reader<'a>) -> Option<T>) -> Option<T> {
    let mut reader = Reader::new(data);
    (reader.signed().ok()? == ALONE).then_some(())?;
    let value = read(&mut reader)?;
    reader.is_empty().then_some(value)
}

fn unsigned(reader: &mut Reader<'_>) -> Option<u64> {
    reader.unsigned().ok()
}

/// A value by its kind: four bits of type below the length.
fn scalar(kind: u64, bytes: &[u8]) -> Option<ScalarValue> {
    (kind >> 4 == bytes.len() as u64).then_some(())?;
    let mut reader = Reader::new(bytes);
    let value = match kind & 0x0f {
        0 => ScalarValue::Null,
        1 => ScalarValue::Boolean(false),
        2 => ScalarValue::Boolean(true),
        3 => ScalarValue::Uint(reader.unsigned().ok()?),
        4 => ScalarValue::Int(reader.signed().ok()?),
        // What is no number is refused later, and is not equal to itself.
        5 => {
            let number = f64::from_le_bytes(reader.array().ok()?);
            ScalarValue::F64(Some(number).filter(|number| !number.is_nan())?)
        }
        6 => ScalarValue::Str(std::str::from_utf8(reader.take(bytes.len()).ok()?).ok()?.into()),
        _ => return None,
    };
    reader.is_empty().then_some(value)
}

#[cfg(test)]
mod tests {
    use automerge::transaction::{CommitOptions, Transactable as _};
    use automerge::{ActorId, Automerge, Change, ObjType, ROOT};

    use super::super::columns::{
        ACTION, INSERT, KEY_STRING, OBJECT_ACTOR, OBJECT_NUMBER, PRED_ACTOR, PRED_NUMBER, PREDS,
        VALUE, VALUE_KIND,
    };
    use super::{change, operation};

    /// A document, and what is edited next by another actor.
    fn edited(edit: impl FnOnce(&mut automerge::transaction::Transaction<'_>)) -> Change {
        let mut doc = Automerge::new().with_actor(ActorId::from([2; 16]));
        let mut tx = doc.transaction();
        let map = tx.put_object(ROOT, "map", ObjType::Map).unwrap();
        tx.put(&map, "a", 1).unwrap();
        tx.put(ROOT, "b", "text").unwrap();
        tx.commit_with(CommitOptions::default().with_time(0));
        doc.set_actor(ActorId::from([1; 16]));
        let mut tx = doc.transaction();
        edit(&mut tx);
        tx.commit_with(CommitOptions::default().with_time(0));
        doc.get_last_local_change().unwrap()
    }

    #[test]
    fn an_edit_of_a_key_is_read_as_automerge_reads_it() {
        // SPEC: DOC-4
        let map = |tx: &automerge::transaction::Transaction<'_>| {
            automerge::ReadDoc::get(tx, ROOT, "map").unwrap().unwrap().1
        };
        let changes = [
            edited(|tx| tx.put(ROOT, "new", 7_u64).unwrap()),
            edited(|tx| tx.put(ROOT, "b", -300_i64).unwrap()),
            edited(|tx| tx.put(map(tx), "a", "other").unwrap()),
            edited(|tx| tx.put(map(tx), "a", 0.5).unwrap()),
            edited(|tx| tx.put(ROOT, "b", true).unwrap()),
            edited(|tx| tx.put(ROOT, "b", ()).unwrap()),
            edited(|tx| tx.delete(map(tx), "a").unwrap()),
            edited(|tx| drop(tx.put_object(ROOT, "b", ObjType::Text).unwrap())),
            edited(|tx| drop(tx.put_object(map(tx), "list", ObjType::List).unwrap())),
        ];
        for made in changes {
            let head = change(made.raw_bytes()).unwrap();
            let deps: Vec<_> = head.deps.iter().map(|dep| automerge::ChangeHash(*dep)).collect();
            assert_eq!((&head.actor, &deps[..]), (made.actor_id(), made.deps()));
            assert_eq!((head.seq, head.start), (made.seq(), made.start_op().get()));
            let read = operation(made.raw_bytes());
            let all = made.decode().operations;
            assert_eq!(read.as_slice(), &all[..]);
            assert_eq!(read.as_slice().len(), 1, "{all:?}");
        }
        let two = edited(|tx| {
            tx.put(ROOT, "x", 1).unwrap();
            tx.put(ROOT, "y", 1).unwrap();
        });
        assert_eq!(operation(two.raw_bytes()), None);
    }

    /// Parts of a change: what it lists of other actors, and its columns.
    type Parts = (Vec<[u8; 16]>, Vec<(u64, Vec<u8>)>);

    /// Puts a value at a key of a map of the second actor, in the place of another value of it.
    fn parts() -> Parts {
        let columns = [
            (OBJECT_ACTOR, vec![0x7f, 1]),
            (OBJECT_NUMBER, vec![0x7f, 1]),
            (KEY_STRING, vec![0x7f, 1, b'k']),
            (INSERT, vec![1]),
            (ACTION, vec![0x7f, 1]),
            (VALUE_KIND, vec![0x7f, 0x14]),
            (VALUE, vec![7]),
            (PREDS, vec![0x7f, 1]),
            (PRED_ACTOR, vec![0x7f, 1]),
            (PRED_NUMBER, vec![0x7f, 2]),
        ];
        (vec![[2; 16]], columns.into())
    }

    fn byte(number: impl TryInto<u8>) -> u8 {
        number.try_into().ok().filter(|number| *number < 0x80).unwrap()
    }

    fn bytes((others, columns): Parts) -> Vec<u8> {
        let mut bytes = vec![0; super::HEAD_BYTES];
        // A length, no dependencies, the author, its number, the first operation, time, message.
        bytes.extend([0, 0, 16]);
        bytes.extend([1; 16]);
        bytes.extend([1, 9, 0, 0, byte(others.len())]);
        others.iter().for_each(|other| bytes.extend([&[16][..], other].concat()));
        bytes.push(byte(columns.len()));
        let heads = columns.iter().map(|(column, data)| [byte(*column), byte(data.len())]);
        heads.for_each(|head| bytes.extend(head));
        columns.iter().for_each(|(_, data)| bytes.extend(data));
        bytes
    }

    /// The same with other data of a column; none leaves it out.
    fn with(column: u64, data: &[u8]) -> Vec<u8> {
        let (others, mut columns) = parts();
        columns.retain_mut(|(of, there)| {
            if *of == column {
                *there = data.to_vec();
            }
            !there.is_empty()
        });
        bytes((others, columns))
    }

    #[test]
    fn what_could_be_written_in_another_form_is_left_to_automerge() {
        // SPEC: DOC-4
        assert!(operation(&bytes(parts())).is_some());
        let unused = {
            let (mut others, columns) = parts();
            others.push([3; 16]);
            bytes((others, columns))
        };
        let of_two_bytes = |value: &[u8]| {
            let (others, mut columns) = parts();
            columns[5].1 = vec![0x7f, 0x24];
            columns[6].1 = value.to_vec();
            bytes((others, columns))
        };
        let rest = [bytes(parts()), vec![0]].concat();
        for (what, bytes) in [
            ("a run of one", with(ACTION, &[1, 1])),
            ("a run of nulls", with(OBJECT_ACTOR, &[0, 1])),
            ("a key in two runs", with(KEY_STRING, &[0x7f, 1, b'k', 0x7f, 1, b'k'])),
            ("an insertion", with(INSERT, &[0, 1])),
            ("no insertion twice", with(INSERT, &[1, 0])),
            ("an object without a number", with(OBJECT_NUMBER, &[])),
            ("the document, by number", with(OBJECT_NUMBER, &[0x7f, 0])),
            ("a value that a deletion has", with(ACTION, &[0x7f, 3])),
            ("a mark", with(ACTION, &[0x7f, 7])),
            ("a longer value than it says", with(VALUE, &[7, 0])),
            ("a shorter value than it says", of_two_bytes(&[7])),
            ("a number with something behind it", of_two_bytes(&[7, 0])),
            ("a number in a longer form", of_two_bytes(&[0x87, 0])),
            ("a counter", with(VALUE_KIND, &[0x7f, 0x18])),
            ("predecessors without actors", with(PRED_ACTOR, &[])),
            ("one of two predecessors", with(PREDS, &[0x7f, 2])),
            ("predecessors that nothing counts", with(PREDS, &[0x7f, 0])),
            ("an actor that nothing names", unused),
            ("an actor that is not listed", with(PRED_ACTOR, &[0x7f, 2])),
            ("bytes behind the columns", rest),
        ] {
            assert_eq!(operation(&bytes), None, "{what}");
        }
    }
}
