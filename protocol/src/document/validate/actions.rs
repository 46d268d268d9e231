//! What an operation does and with what value, each alone. (DOC-11, DOC-23 to DOC-25.)

use automerge::legacy::{Op, OpType};
use automerge::{ObjType, ScalarValue};

use super::facts::Kind;
use super::fault::ChangeFault;
use crate::limits::{COUNTER_START_MAX, COUNTER_STEP_MAX};

/// A text holds strings, each at least one character, and marks; its elements are deleted but not
/// replaced. An element of no width has no index, so no writer could ever reach it. SPEC: DOC-25
pub(crate) fn text_rule(op: &Op, kind: Kind) -> Result<(), ChangeFault> {
    let fits = match &op.action {
        OpType::Put(ScalarValue::Str(text)) => op.insert && !text.is_empty(),
        _ => kind.is_mark() || kind == Kind::Delete,
    };
    if fits { Ok(()) } else { Err(ChangeFault::TextElement) }
}

/// What the operation does, if that is something an operation may do.
pub(crate) fn kind(action: &OpType) -> Result<Kind, ChangeFault> {
    match action {
        OpType::Make(ObjType::Map) => Ok(Kind::Map),
        OpType::Make(ObjType::List) => Ok(Kind::List),
        OpType::Make(ObjType::Text) => Ok(Kind::Text),
        // SPEC: DOC-11
        OpType::Make(ObjType::Table) => Err(ChangeFault::UnknownAction),
        OpType::Delete => Ok(Kind::Delete),
        // SPEC: DOC-23
        OpType::Increment(step) if step.unsigned_abs() > COUNTER_STEP_MAX => {
            Err(ChangeFault::CounterRange)
        }
        OpType::Increment(_) => Ok(Kind::Increment),
        OpType::Put(value) => value_kind(value),
        OpType::MarkBegin(mark) => match value_kind(&mark.value)? {
            // Automerge takes any operation with a counter for one.
            Kind::Counter => Err(ChangeFault::UnknownValue),
            _ => Ok(Kind::MarkBegin),
        },
        OpType::MarkEnd(_) => Ok(Kind::MarkEnd),
    }
}

fn value_kind(value: &ScalarValue) -> Result<Kind, ChangeFault> {
    match value {
        // SPEC: DOC-24. Processors may change the bits of one on copying it.
        ScalarValue::F64(number) if number.is_nan() => Err(ChangeFault::NotANumber),
        ScalarValue::Counter(counter) => {
            let start = i64::from(counter).unsigned_abs();
            // SPEC: DOC-23
            if start > COUNTER_START_MAX {
                return Err(ChangeFault::CounterRange);
            }
            Ok(Kind::Counter)
        }
        ScalarValue::Unknown { .. } => Err(ChangeFault::UnknownValue),
        _ => Ok(Kind::Value),
    }
}
