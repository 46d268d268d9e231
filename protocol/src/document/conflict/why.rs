//! Why the sides of a conflict did not give way: what each knew of the others.

use std::collections::BTreeSet;

use super::lineage::Lineage;
use super::scan::OpenSide;
use super::{Knew, Side};
use crate::id::ChangeHash;

/// Sides that the sentence speaks of; the data has them all.
const SIDES_TOLD: usize = 3;

/// The name of a side: they are at most as many as there are letters.
pub(super) fn letter(at: usize) -> String {
    let at = u8::try_from(at).unwrap_or(u8::MAX);
    char::from(b'A'.saturating_add(at)).to_string()
}

/// What the change of one side knew of the others: not of sides that it wrote too.
pub(super) fn knew(lineage: &Lineage, sides: &[OpenSide], at: usize) -> Vec<Knew> {
    let Some(side) = sides.get(at) else {
        return Vec::new();
    };
    let others = sides.iter().enumerate().filter(|(_, of)| of.change != side.change);
    let known = others.map(|(other, of)| {
        let known = lineage.knew(side.change, of.change);
        Knew {
            of: letter(other),
            changes: known.map_or(0, |(number, _)| number),
            last: known.map(|(_, hash)| ChangeHash(hash.0)),
        }
    });
    known.collect()
}

/// Which changes do not know each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Apart {
    /// Those that wrote what the sides show.
    Written,
    /// One of those knew another, which an undo put back apart from it.
    PutBack,
    /// One of the sides knows another.
    Not,
}

/// For people. Of what one change wrote the first side is told. `SPEC: CFL-8`
pub(super) fn sentence(sides: &[Side], apart: Apart) -> String {
    let mut named = BTreeSet::new();
    let changes = sides.iter().filter(|side| named.insert(side.wrote.unwrap_or(side.change)));
    let changes: Vec<_> = changes.collect();
    // As two final plans may be: nobody knew another.
    if changes.len() == 1 {
        return "One change wrote all of them.".to_owned();
    }
    let told = &changes[..changes.len().min(SIDES_TOLD)];
    let lead = match (apart, changes.len()) {
        (Apart::Not, _) => "One change has another in its past and lets it stand".to_owned(),
        (Apart::PutBack, _) => {
            "One change has another in its past, and an undo that it did not know put that back"
                .to_owned()
        }
        (Apart::Written, 2) => "Neither change has the other in its past".to_owned(),
        (Apart::Written, many) => format!("None of the {many} changes has another in its past"),
    };
    let each: Vec<_> = told
        .iter()
        .map(|side| {
            let knew = side.knew.iter().filter(|knew| told.iter().any(|t| t.letter == knew.of));
            let knew: Vec<_> = knew.map(one).collect();
            format!("{} was made knowing {}", side.letter, knew.join(" and "))
        })
        .collect();
    let rest = if told.len() < changes.len() { "; and so on" } else { "" };
    format!("{lead}: {}{rest}.", each.join("; "))
}

fn one(knew: &Knew) -> String {
    // A device writes on several lines: on one in each of its lives, and on others where an undo
    // put several values back or a branch begins. Which change was the last is no event's id.
    let of = &knew.of;
    match knew.changes {
        0 => format!("no change of {of}'s line"),
        1 => format!("1 change of {of}'s line"),
        many => format!("{many} changes of {of}'s line"),
    }
}
