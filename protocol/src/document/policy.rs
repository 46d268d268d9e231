//! Policies: what may be, by name, below `policies/`; and which of two is the stricter.
//!
//! While changes disagree on one, everything that reads it reads the strictest of what was written
//! (SPEC: POL-4), so that no merge allows what one side had forbidden.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use automerge::Automerge;
use serde_json::Value as Json;

use super::conflict::{ConflictIndex, Conflicts, Strictest};
use super::read::{self, ReadValue, Seen};
use super::{DocPath, EditFault};

/// The map of the root document that policies stand in.
pub const POLICIES: &str = "policies";

/// How much a policy allows. What is not known allows nothing. `SPEC: POL-5`
#[derive(Debug, Clone, Copy, PartialEq)]
enum Allows {
    Nothing,
    UpTo(f64),
    Asked,
    All,
}

impl Allows {
    fn of(value: Option<&Json>) -> Self {
        match value {
            Some(Json::String(text)) if text == "allow" => Self::All,
            Some(Json::String(text)) if text == "ask" => Self::Asked,
            Some(Json::Number(number)) => {
                // A ceiling below zero allows nothing either.
                let most = number.as_f64().filter(|most| *most > 0.0);
                most.map_or(Self::Nothing, Self::UpTo)
            }
            _ => Self::Nothing,
        }
    }

    /// Kinds of policies in one place are no numbers of one scale: a ceiling is stricter than an
    /// answer that asks.
    fn rank(self) -> u8 {
        match self {
            Self::Nothing => 0,
            Self::UpTo(_) => 1,
            Self::Asked => 2,
            Self::All => 3,
        }
    }
}

/// Does `one` allow less than `two`? Of equal ones the lower text goes, so there is one answer.
/// `SPEC: POL-5`
#[must_use]
pub fn is_stricter(one: Option<&Json>, two: Option<&Json>) -> bool {
    let (left, right) = (Allows::of(one), Allows::of(two));
    let by_kind = match (left, right) {
        (Allows::UpTo(left), Allows::UpTo(right)) => left.total_cmp(&right),
        _ => left.rank().cmp(&right.rank()),
    };
    let text = |value: Option<&Json>| value.map(Json::to_string);
    by_kind.then_with(|| text(one).cmp(&text(two))) == Ordering::Less
}

/// What is at `path` of the root, where of a policy the strictest counts.
pub(super) fn read(
    doc: &Automerge,
    conflicts: &mut Conflicts,
    path: &DocPath,
) -> Result<ReadValue, EditFault> {
    let is_near = path.segments().first().is_none_or(|first| first == POLICIES);
    if !is_near {
        return read::read(doc, path);
    }
    let policies = conflicts.index().policies(doc)?;
    with(doc, &policies, path)
}

/// The same as it was at these heads. Which changes disagreed then is found in a copy that holds no
/// later one.
pub(super) fn read_at(
    doc: &Automerge,
    heads: &[automerge::ChangeHash],
    path: &DocPath,
) -> Result<ReadValue, EditFault> {
    let seen = Seen::at(doc, heads);
    let is_near = path.segments().first().is_none_or(|first| first == POLICIES);
    let has_policies = || {
        let policies = seen.read(&DocPath::nearest(&[POLICIES.to_owned()]));
        policies.is_ok_and(|read| read.value.as_object().is_some_and(|map| !map.is_empty()))
    };
    if !is_near || !has_policies() {
        return seen.show(path);
    }
    let failed = |error: automerge::AutomergeError| EditFault::Document(error.to_string());
    let then = doc.fork_at(heads).map_err(failed)?;
    with(&then, &ConflictIndex::of(&then).policies(&then)?, path)
}

/// Is it the place of a policy?
pub(super) fn is_policy(path: &DocPath) -> bool {
    matches!(path.segments(), [map, _] if map == POLICIES)
}

fn with(
    doc: &Automerge,
    policies: &BTreeMap<String, Strictest>,
    path: &DocPath,
) -> Result<ReadValue, EditFault> {
    if policies.is_empty() {
        return read::read(doc, path);
    }
    let absent = || EditFault::Absent(path.to_string());
    match path.segments() {
        [] | [_] => {
            let mut whole = read::read(doc, path)?;
            let at = if path.segments().is_empty() {
                whole.value.get_mut(POLICIES)
            } else {
                Some(&mut whole.value)
            };
            at.into_iter().for_each(|at| overlay(at, policies));
            Ok(whole)
        }
        [_, name, below @ ..] => match policies.get(name) {
            None => read::read(doc, path),
            Some(strictest) => {
                let mut value = strictest.value.as_ref().ok_or_else(absent)?;
                for segment in below {
                    let item = match value {
                        Json::Object(map) => map.get(segment),
                        Json::Array(list) => {
                            segment.parse().ok().and_then(|at: usize| list.get(at))
                        }
                        _ => None,
                    };
                    value = item.ok_or_else(absent)?;
                }
                let change = Some(strictest.change);
                let (value, conflict_below) = (value.clone(), false);
                Ok(ReadValue { value, conflict: true, conflict_below, change })
            }
        },
    }
}

/// Puts into a map of policies what counts of each.
fn overlay(map: &mut Json, policies: &BTreeMap<String, Strictest>) {
    let Json::Object(map) = map else { return };
    for (name, strictest) in policies {
        match &strictest.value {
            Some(value) => map.insert(name.clone(), value.clone()),
            None => map.remove(name),
        };
    }
}
