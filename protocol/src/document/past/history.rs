//! Every value that ever stood at a path: which change wrote it, and whether it lost.
//!
//! A change touches a path where one of its operations is there, above it or below it. What it
//! wrote is what the path showed once it was made, to who knew its past and nothing else; so an
//! object that is edited below has as many values as it was edited. `SPEC: PAST-3, PAST-5`

use std::cell::Cell;
use std::collections::BTreeSet;

use automerge::{Automerge, ChangeHash as Hash};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::way::{Touch, Way};
use crate::document::conflict::{ConflictIndex, Conflicts};
use crate::document::read::{self, ReadValue, Seen};
use crate::document::{DocPath, EditFault, policy};
use crate::id::ChangeHash;
use crate::limits::{
    HISTORY_APART_MAX, HISTORY_BYTES_MAX, HISTORY_LOOKS_MAX, HISTORY_MERGES_MAX, HISTORY_ROWS_MAX,
};

/// The values of a place.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// As many as were asked for, causes first: the newest last.
    pub values: Vec<Stood>,
    /// How many older changes touched the place, and were not looked at.
    pub older: usize,
}

/// A value that stood at a place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stood {
    /// What; none where nothing did any more.
    pub value: Option<Json>,
    /// The change that wrote it.
    pub change: ChangeHash,
    /// No later one took its place, and it did not lose.
    pub current: bool,
    /// It stands as a part of what is shown, which others wrote apart.
    #[serde(default)]
    pub part: bool,
    /// The change that did not know it, and whose value is shown in its place, or was kept by who
    /// decided.
    pub lost_to: Option<ChangeHash>,
    /// What it was made on showed just what stands before it in the list.
    pub follows: bool,
}

/// A change that is not in the list, and what it shows: what its dependencies did.
type Silent = (ChangeHash, Option<Json>);

/// What decides nothing and loses nothing.
struct Aside<'a> {
    /// The changes of what was taken back, and of what took it back.
    undone: &'a BTreeSet<ChangeHash>,
    /// Those that wrote below the place alone.
    below: &'a BTreeSet<ChangeHash>,
}

/// How a touch stands to the others.
#[derive(Clone, Copy, Default)]
struct Standing {
    /// What it was made on is what the one before it shows.
    follows: bool,
    /// Another touched the place apart from it, or it knew several that did.
    apart: bool,
    /// Another touched the place, or something below it, and neither knows the other.
    beside: bool,
}

/// What a walk over the touches found, the newest first.
#[derive(Default)]
struct Walk {
    values: Vec<Stood>,
    looked: usize,
    /// Those that found nothing there and left nothing.
    bare: BTreeSet<ChangeHash>,
    /// Those that are not in the list, and stand apart from another.
    silent: Vec<Silent>,
    /// Those in the list that wrote below the place alone.
    below: BTreeSet<ChangeHash>,
}

/// A value, and the change that wrote what is shown.
type Shown = (Option<Json>, Option<ChangeHash>);

pub(super) fn of(
    doc: &Automerge,
    (conflicts, undone): (&mut Conflicts, &BTreeSet<ChangeHash>),
    (path, is_of_root): (&DocPath, bool),
    limit: usize,
) -> Result<History, EditFault> {
    let now = if is_of_root { policy::read(doc, conflicts, path) } else { read::read(doc, path) };
    let index = &*conflicts.index();
    let (way, touches) = Way::of(doc, index, path);
    let shown = |heads: &[Hash]| {
        let path = (!heads.is_empty()).then(|| way.then(heads)).flatten();
        let read = path.and_then(|path| Seen::at(doc, heads).read(&path).ok());
        read.map_or((None, None), |read| (Some(read.value), read.change))
    };
    let walked = walk(&touches, &standings(index, &touches), limit, shown);
    let Walk { mut values, looked, bare, silent, below } = walked;
    let older = touches.len() - looked;
    values.reverse();
    // Of a policy the strictest of two counts. SPEC: POL-4
    let is_policy = is_of_root && policy::is_policy(path);
    let together = |heads: &[Hash]| {
        if !is_policy {
            return shown(heads).0;
        }
        let each = heads.iter().map(|head| shown(&[*head]).0);
        let stricter = |one: Option<Json>, two: Option<Json>| {
            if policy::is_stricter(two.as_ref(), one.as_ref()) { two } else { one }
        };
        each.reduce(stricter).flatten()
    };
    judge_all(index, &mut values, (&bare, &silent, &Aside { undone, below: &below }), together);
    match now {
        Ok(now) => {
            one_stands(index, &mut values, &now);
            values.iter_mut().for_each(|value| value.part &= value.current);
        }
        Err(_) => values.iter_mut().for_each(|value| value.current &= value.value.is_none()),
    }
    if way.is_moved() {
        // What stood at this number goes on to stand at another: it lost nothing.
        values.iter_mut().for_each(|value| value.lost_to = None);
    }
    if values.is_empty() && older == 0 {
        return Err(EditFault::Absent(path.to_string()));
    }
    Ok(History { values, older })
}

/// Looks at the newest touches, as many as may be.
fn walk(
    touches: &[Touch],
    standings: &[Standing],
    limit: usize,
    shown: impl Fn(&[Hash]) -> Shown,
) -> Walk {
    let (mut of, mut bytes) = (Walk::default(), 0_usize);
    // What the next one shows, where the one before it in this walk was made on exactly that.
    let mut next = None;
    // What the last one in the list was made on.
    let mut made_on = None;
    for (at, touch) in touches.iter().enumerate().rev().take(HISTORY_LOOKS_MAX) {
        if of.values.len() >= limit.clamp(1, HISTORY_ROWS_MAX) || bytes > HISTORY_BYTES_MAX {
            break;
        }
        of.looked += 1;
        let (value, wrote) = next.take().unwrap_or_else(|| shown(&[touch.hash]));
        // What shows nothing new was read, too.
        bytes = bytes.saturating_add(value.as_ref().map_or(0, |value| value.to_string().len()));
        let before = shown(&touch.deps);
        let standing = standings.get(at).copied().unwrap_or_default();
        if standing.follows {
            next = Some(before.clone());
        }
        let (change, before) = (ChangeHash(touch.hash.0), before.0);
        let is_new = value != before;
        // What was written once more stands against what was written apart from it, and may win.
        let is_bare = !is_new && value.is_none();
        let has_written = touch.wrote || wrote == Some(change);
        if !(is_new || standing.apart && has_written) {
            // An edit of a list on the way there names no index: it says nothing of this item.
            let says = standing.beside && (touch.wrote || !touch.near);
            of.silent.extend(says.then_some((change, value)));
            continue;
        }
        if !touch.near {
            of.below.insert(change);
        }
        if is_bare {
            of.bare.insert(change);
        } else {
            // What was written apart stands beside each other: neither took out what it never saw.
            let newer_on = made_on.replace(before);
            let newer = of.values.iter_mut().rev().find(|newer| !of.bare.contains(&newer.change));
            if let Some(newer) = newer {
                newer.follows = newer_on.as_ref() == Some(&value);
            }
        }
        of.values.push(Stood {
            value,
            change,
            current: false,
            part: false,
            lost_to: None,
            follows: false,
        });
    }
    of
}

/// Judges the values. One that found nothing and left nothing is in the list only where another
/// lost to it, as to a map that was made anew above the place: else nobody removed anything there.
fn judge_all(
    index: &ConflictIndex,
    values: &mut Vec<Stood>,
    (bare, silent, aside): (&BTreeSet<ChangeHash>, &[Silent], &Aside<'_>),
    shown: impl Fn(&[Hash]) -> Option<Json>,
) {
    let merges = Cell::new(0_usize);
    let merged = |one: &ChangeHash, two: &ChangeHash| {
        merges.set(merges.get() + 1);
        let heads = [Hash(one.0), Hash(two.0)];
        if merges.get() > HISTORY_MERGES_MAX { None } else { Some(shown(&heads)) }
    };
    judge(index, values, (silent, aside), merged);
    if bare.is_empty() {
        return hide(index, values, silent, merged);
    }
    let won: BTreeSet<_> = values
        .iter()
        .filter(|value| !bare.contains(&value.change))
        .filter_map(|value| value.lost_to)
        .collect();
    let count = values.len();
    values.retain(|value| !bare.contains(&value.change) || won.contains(&value.change));
    if values.len() < count {
        // Those that are gone may have stood behind others, or before them. What they took of the
        // pairs must not show in what is left.
        merges.set(0);
        judge(index, values, (silent, aside), merged);
    }
    let mut is_below_bare = false;
    for value in values.iter_mut() {
        value.follows &= !is_below_bare;
        is_below_bare = bare.contains(&value.change);
    }
    hide(index, values, silent, merged);
}

/// What stands is what is shown: not what was written apart from that, be it the same, or older
/// than all that is listed.
fn one_stands(index: &ConflictIndex, values: &mut [Stood], now: &ReadValue) {
    for value in values.iter_mut() {
        value.part = value.value.as_ref() != Some(&now.value);
    }
    let Some(shown) = now.change else { return };
    for value in values.iter_mut().filter(|value| value.current && value.change != shown) {
        // Who wrote the same once more, knowing it, is not listed: it stands all the same, or its
        // part of a map does.
        if !index.knows(&shown, &value.change) && !index.knows(&value.change, &shown) {
            let is_same = value.value.as_ref() == Some(&now.value);
            value.current = false;
            value.lost_to = (!is_same).then_some(shown);
        }
    }
}

/// Of each touch, which come causes first: does it know the one before, and that all others before?
/// Then what it was made on is what that one shows, for nothing else touched the place. And is it
/// apart from another? Where too many wrote apart, it is said to be so and to follow none: each
/// touch would be compared with all of them.
fn standings(index: &ConflictIndex, touches: &[Touch]) -> Vec<Standing> {
    let mut standings = vec![Standing::default(); touches.len()];
    // Those that no later one knows; and of those that wrote the place, that no later such does.
    let (mut last, mut sides): (Vec<usize>, Vec<usize>) = (Vec::new(), Vec::new());
    for (at, touch) in touches.iter().enumerate() {
        let given_up = last.len().max(sides.len()) > HISTORY_APART_MAX;
        let (mut follows, mut apart, mut beside) = (false, given_up, given_up);
        if !given_up {
            let count = last.len();
            last.retain(|past| !has_known(index, touches, touch, *past));
            follows = count == 1 && last.is_empty();
            apart = !last.is_empty() || count > 1;
            beside = !last.is_empty();
            for past in &last {
                if let Some(past) = standings.get_mut(*past) {
                    past.beside = true;
                }
            }
            last.push(at);
            sides.retain(|past| {
                // To ask the index for each of a long line takes longer.
                let known = last.len() == 1 || has_known(index, touches, touch, *past);
                if let (false, Some(side)) = (known, standings.get_mut(*past)) {
                    side.apart = true;
                }
                !(known && touch.near)
            });
            if touch.near {
                sides.push(at);
            }
        }
        if let Some(standing) = standings.get_mut(at) {
            *standing = Standing { follows, apart, beside };
        }
    }
    standings
}

/// Does a touch know an earlier one? What it was made on it knows, without asking the index.
fn has_known(index: &ConflictIndex, touches: &[Touch], touch: &Touch, past: usize) -> bool {
    touches.get(past).is_some_and(|past| {
        touch.deps.contains(&past.hash)
            || index.knows(&ChangeHash(touch.hash.0), &ChangeHash(past.hash.0))
    })
}

/// Which of them lost, and which stand. `merged` shows the place to who knows two changes, as long
/// as it may.
fn judge(
    index: &ConflictIndex,
    values: &mut [Stood],
    (silent, aside): (&[Silent], &Aside<'_>),
    merged: impl Fn(&ChangeHash, &ChangeHash) -> Option<Option<Json>>,
) {
    // Causes come first, so nothing knows what stands behind it.
    let knows: Vec<Vec<bool>> = values
        .iter()
        .enumerate()
        .map(|(at, one)| {
            values.iter().take(at).map(|past| index.knows(&one.change, &past.change)).collect()
        })
        .collect();
    let knew = |one: usize, past: usize| {
        one == past || knows.get(one).and_then(|of| of.get(past)).is_some_and(|knew| *knew)
    };
    // The last of its line that was written apart from the other: what came behind took its place.
    let is_side = |one: usize, other: usize| {
        !(one + 1..values.len())
            .any(|heir| knew(heir, one) && !knew(other, heir) && !knew(heir, other))
    };
    let lost = |one: usize| {
        let mut rivals = (0..values.len()).rev().filter(|rival| {
            !knew(one, *rival) && !knew(*rival, one) && is_side(one, *rival) && is_side(*rival, one)
        });
        let (this, own) = (&values.get(one)?.change, &values.get(one)?.value);
        let won = rivals.find(|at| {
            let Some(rival) = values.get(*at).filter(|rival| rival.value != *own) else {
                return false;
            };
            let is_of_both = |value: &Option<Json>| value == own || *value == rival.value;
            // Who only edited below and left what was there before both took part in nothing.
            let before = (0..values.len()).rev().find(|past| knew(one, *past) && knew(*at, *past));
            let before = before.and_then(|past| values.get(past)).map(|past| &past.value);
            if aside.below.contains(this) && before == Some(own) {
                return false;
            }
            let Some(shown) = merged(this, &rival.change).filter(is_of_both) else { return false };
            // The first who knew both decided, whatever was shown until then; but for decisions
            // that were taken back, and for what took them back.
            let mut heirs = (one.max(*at) + 1..values.len())
                .filter(|heir| knew(*heir, one) && knew(*heir, *at))
                .filter_map(|heir| values.get(heir))
                .filter(|heir| !aside.undone.contains(&heir.change));
            let is_decided = |first: &&Stood| {
                is_of_both(&first.value)
                    && first.value != shown
                    && !is_parted(index, [this, &rival.change], first, (values, silent))
            };
            let decision = heirs.next().filter(is_decided).map(|first| &first.value);
            *decision.unwrap_or(&shown) == rival.value
        });
        values.get(won?).map(|won| won.change)
    };
    let has_heir = |one: usize| (one + 1..values.len()).any(|heir| knew(heir, one));
    let judged: Vec<_> = (0..values.len()).map(|one| (lost(one), has_heir(one))).collect();
    for (value, (lost_to, has_heir)) in values.iter_mut().zip(judged) {
        value.current = lost_to.is_none() && !has_heir;
        value.lost_to = lost_to;
    }
}

/// One that shows nothing new may be shown in the place of another all the same, as that twin of an
/// undo is that puts back what is there: what stood before it stands, and the other lost to it. It
/// is listed itself where what it shows is what several had written.
fn hide(
    index: &ConflictIndex,
    values: &mut Vec<Stood>,
    silent: &[Silent],
    merged: impl Fn(&ChangeHash, &ChangeHash) -> Option<Option<Json>>,
) {
    for at in 0..values.len() {
        let Some(one) = values.get_mut(at).filter(|one| one.current) else { continue };
        let hides = |(change, value): &&Silent| {
            *value != one.value
                && !index.knows(change, &one.change)
                && !index.knows(&one.change, change)
                && merged(&one.change, change).is_some_and(|shown| shown == *value)
        };
        let Some((change, value)) = silent.iter().find(hides) else { continue };
        (one.current, one.lost_to) = (false, Some(*change));
        let stands = |past: &&mut Stood| {
            past.value == *value && past.lost_to.is_none() && index.knows(change, &past.change)
        };
        if let Some(past) = values.iter_mut().rev().find(stands) {
            past.current = true;
        } else if !values.iter().any(|listed| listed.change == *change) {
            let (value, change, lost_to) = (value.clone(), *change, None);
            let (current, part, follows) = (true, false, false);
            values.push(Stood { value, change, current, part, lost_to, follows });
        }
    }
}

/// Did another who knew both of these show something else apart from the first who did, that is of
/// theirs? Each decided otherwise: nothing is decided by that.
fn is_parted(
    index: &ConflictIndex,
    both: [&ChangeHash; 2],
    first: &Stood,
    (values, silent): (&[Stood], &[Silent]),
) -> bool {
    let listed = values.iter().map(|value| (&value.change, &value.value));
    let theirs: Vec<_> = listed
        .clone()
        .filter(|(change, _)| both.contains(change))
        .map(|(_, value)| value)
        .collect();
    let all = listed.chain(silent.iter().map(|(change, value)| (change, value)));
    let parts = |(change, value): (&ChangeHash, &Option<Json>)| {
        *value != first.value
            && theirs.contains(&value)
            && both.iter().all(|of| index.knows(change, of))
            && !index.knows(change, &first.change)
            && !index.knows(&first.change, change)
    };
    all.filter(|(change, _)| **change != first.change).any(parts)
}

#[cfg(test)]
mod tests;
