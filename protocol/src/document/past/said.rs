//! What a change says, for who looks for it: a line each for what it wrote, with the way there as
//! far as the change itself tells it.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use automerge::legacy::{Key, ObjectId, OpId, OpType};
use automerge::{ActorId, Change, ObjType, ScalarValue};

use crate::document::read::scalar_to_json;

/// The lines of an uncompressed change chunk that the validator passed; none where it is no chunk.
#[must_use]
pub fn said(chunk: &[u8]) -> Vec<String> {
    let lines = || Change::from_bytes(chunk.to_vec()).map(|change| of(&change));
    catch_unwind(AssertUnwindSafe(lines)).ok().and_then(Result::ok).unwrap_or_default()
}

type ById<T> = BTreeMap<(u64, ActorId), T>;

fn of(change: &Change) -> Vec<String> {
    // Where the objects stand that it makes, and the characters that it adds to texts.
    let (mut made, mut texts): (ById<String>, ById<String>) = (ById::new(), ById::new());
    let mut lines = Vec::new();
    let start = change.start_op().get();
    for (op, number) in change.decode().operations.iter().zip(start..) {
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
                let id = (number, change.actor_id().clone());
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
                lines.push(format!("{path}: removed"));
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
