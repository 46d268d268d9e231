//! What a change says, for who looks for it: a line each for what it wrote, with the way there as
//! far as the change itself tells it.
//!
//! Nearly every change is one plain operation. That is read by our own reader of them, which gives
//! what Automerge gives, without its hash and its tables: who looks reads every change there is.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use automerge::legacy::{Key, ObjectId, Op, OpId, OpType};
use automerge::{ActorId, Change, ObjType, ScalarValue};

use crate::document::read::scalar_to_json;
use crate::document::validate::plain_operation;

/// The lines of an uncompressed change chunk that the validator passed; none where it is no chunk.
#[must_use]
pub fn said(chunk: &[u8]) -> Vec<String> {
    if let Some(op) = plain_operation(chunk) {
        // Nothing stands in what one operation makes, so nobody asks for its name.
        return of(&[op], 0, &ActorId::from(&[][..]));
    }
    let lines = || Change::from_bytes(chunk.to_vec()).map(|change| of_change(&change));
    catch_unwind(AssertUnwindSafe(lines)).ok().and_then(Result::ok).unwrap_or_default()
}

fn of_change(change: &Change) -> Vec<String> {
    of(&change.decode().operations, change.start_op().get(), change.actor_id())
}

type ById<T> = BTreeMap<(u64, ActorId), T>;

/// The lines of operations of this actor, the first of which has this number.
fn of(operations: &[Op], start: u64, actor: &ActorId) -> Vec<String> {
    // Where the objects stand that it makes, and the characters that it adds to texts.
    let (mut made, mut texts): (ById<String>, ById<String>) = (ById::new(), ById::new());
    let mut lines = Vec::new();
    for (op, number) in operations.iter().zip(start..) {
        let object = match &op.obj {
            ObjectId::Root => None,
            ObjectId::Id(OpId(number, actor)) => Some((*number, actor.clone())),
        };
        let above = object.as_ref().and_then(|object| made.get(object)).cloned();
        let path = match (&op.key, above.unwrap_or_default()) {
            (Key::Map(key), above) if above.is_empty() => key.to_string(),
            (Key::Map(key), above) => format!("{above}/{key}"),
            (Key::Seq(_), above) => above,
        };
        match (&op.action, object) {
            (OpType::Make(kind), _) => {
                let id = (number, actor.clone());
                if *kind == ObjType::Text {
                    texts.insert(id.clone(), String::new());
                }
                made.insert(id, path);
            }
            (OpType::Put(ScalarValue::Str(text)), Some(object)) if op.insert => {
                texts.entry(object).or_default().push_str(text);
            }
            (OpType::Put(value), _) => lines.push(format!("{path}: {}", plain(value))),
            (OpType::Delete, _) if matches!(op.key, Key::Map(_)) => {
                // What is removed to be put there anew is not gone: so an undo puts it back.
                let at = usize::try_from(number.saturating_sub(start)).unwrap_or(usize::MAX);
                let next = operations.get(at.saturating_add(1));
                if !next.is_some_and(|next| next.obj == op.obj && next.key == op.key) {
                    lines.push(format!("{path}: removed"));
                }
            }
            (OpType::Increment(by), _) => lines.push(format!("{path}: {by:+}")),
            _ => {}
        }
    }
    lines.extend(texts.into_iter().map(|(id, text)| match made.get(&id) {
        Some(path) => format!("{path}: {text}"),
        None => text,
    }));
    lines
}

fn plain(value: &ScalarValue) -> String {
    match value {
        ScalarValue::Str(text) => text.to_string(),
        value => scalar_to_json(value).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use automerge::transaction::{CommitOptions, Transactable as _, Transaction};
    use automerge::{Automerge, ROOT, ReadDoc as _};

    use super::*;

    /// What was edited last, in a document that holds a map with a number in it.
    fn edited(edit: impl FnOnce(&mut Transaction<'_>)) -> Change {
        let mut doc = Automerge::new().with_actor(ActorId::from([1; 16]));
        let mut tx = doc.transaction();
        let map = tx.put_object(ROOT, "map", ObjType::Map).unwrap();
        tx.put(&map, "here", 1).unwrap();
        tx.commit_with(CommitOptions::default().with_time(0));
        let mut tx = doc.transaction();
        edit(&mut tx);
        tx.commit_with(CommitOptions::default().with_time(0));
        doc.get_last_local_change().unwrap()
    }

    #[test]
    fn a_plain_operation_says_what_automerge_reads_of_it() {
        // SPEC: PAST-4
        let map = |tx: &Transaction<'_>| tx.get(ROOT, "map").unwrap().unwrap().1;
        for (change, line) in [
            (edited(|tx| tx.put(map(tx), "here", -7_i64).unwrap()), Some("here: -7")),
            (edited(|tx| tx.put(map(tx), "here", "Word").unwrap()), Some("here: Word")),
            (edited(|tx| tx.put(ROOT, "new", 0.5).unwrap()), Some("new: 0.5")),
            (edited(|tx| tx.put(ROOT, "new", true).unwrap()), Some("new: true")),
            (edited(|tx| tx.put(ROOT, "new", ()).unwrap()), Some("new: null")),
            (edited(|tx| tx.delete(map(tx), "here").unwrap()), Some("here: removed")),
            (edited(|tx| drop(tx.put_object(ROOT, "t", ObjType::Text).unwrap())), Some("t: ")),
            (edited(|tx| drop(tx.put_object(ROOT, "l", ObjType::List).unwrap())), None),
        ] {
            assert!(plain_operation(change.raw_bytes()).is_some(), "{line:?} is one operation");
            let lines = said(change.raw_bytes());
            assert_eq!(lines, of_change(&change));
            assert_eq!(lines, line.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn several_operations_say_a_line_each_with_the_way_there() {
        let change = edited(|tx| {
            let task = tx.put_object(ROOT, "task", ObjType::Map).unwrap();
            let text = tx.put_object(&task, "title", ObjType::Text).unwrap();
            tx.splice_text(&text, 0, 0, "milk").unwrap();
            tx.put(&task, "days", 3).unwrap();
        });
        assert_eq!(said(change.raw_bytes()), ["task/days: 3", "task/title: milk"]);
        assert_eq!(said(b"no chunk"), Vec::<String>::new());
    }
}
