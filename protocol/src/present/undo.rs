//! What was written, and how it is taken back.

use std::collections::BTreeMap;

use super::{Block, Doc, Text, Tone, device_name};
use crate::command::{NotUndone, TakenBack, Undone, UndonePlace};
use crate::document::{DECIDED, DocPath};
use crate::id::{DeviceId, EventId};
use crate::limits::NAME_BYTES_MAX;
use crate::printable;

/// How much of a path is shown in a line.
const PATH_SHOWN_MAX: usize = 120;

/// So many events.
#[must_use]
pub fn events(count: impl std::fmt::Display) -> String {
    match count.to_string().as_str() {
        "1" => "1 event".to_owned(),
        many => format!("{many} events"),
    }
}

/// How what an event did is taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Back {
    /// By this command.
    By(String),
    /// Not, and why.
    Never(&'static str),
}

/// Why a device does not take back what put itself out.
pub const NOT_HERE: &str =
    "by this device, which is no member any more; another does so: kern undo EVENT";

impl Back {
    /// By an undo of the event.
    #[must_use]
    pub fn undo(event: &EventId) -> Self {
        Self::By(format!("kern undo {}", event.short()))
    }
}

/// Something was written, by an event where it was one, and how that is taken back.
#[must_use]
pub fn wrote_by(event: Option<&EventId>, back: &Back) -> Doc {
    let back = match back {
        Back::By(command) => format!("take it back: {command}"),
        Back::Never(why) => format!("it cannot be taken back: {why}"),
    };
    let event = event.map(|event| Block::Line(Text::plain(format!("event {event}"))));
    let back = Block::Line(Text::toned(Tone::Quiet, back));
    Doc(event.into_iter().chain([back]).collect())
}

/// An event was written that an undo takes back.
#[must_use]
pub fn wrote(event: &EventId) -> Doc {
    wrote_by(Some(event), &Back::undo(event))
}

/// Why an event is not taken back, and what a person can do then.
#[must_use]
pub fn not_undone(not: &NotUndone, names: &BTreeMap<DeviceId, String>) -> (String, String) {
    let Some(refused) = &not.refused else {
        let hint = "`kern log` shows all; `kern undo EVENT` takes back one that is named";
        return (not.reason.clone(), hint.to_owned());
    };
    let reason = match &not.device {
        Some(device) => {
            let name = printable::shown(&device_name(device, names), NAME_BYTES_MAX);
            format!("it revoked {name}, which would be a member again")
        }
        None => not.reason.clone(),
    };
    let text = format!("{} is not taken back: {reason}", refused.short());
    if let Some(command) = &not.again {
        return (text, format!("`{command}` shows what is open again by that, to be decided anew"));
    }
    let hint = match (&not.force, &not.by) {
        (None, Some(by)) => format!("`kern undo {}` brings back what it did", by.short()),
        (Some(command), _) if command.ends_with(" --force") => {
            format!("`{command}` takes it back all the same, with what else was written there")
        }
        (Some(command), _) => format!("`{command}` takes it back"),
        (None, None) => "`kern log` shows what there is, and what was taken back".to_owned(),
    };
    (text, hint)
}

/// An event was taken back: what that had done, and how that comes back.
#[must_use]
pub fn undone(undone: &Undone, names: &BTreeMap<DeviceId, String>) -> Doc {
    let also = undone.also.iter().map(|event| format!("and event {event}"));
    let mut told: Vec<_> = also.collect();
    told.push(match undone.also.is_empty() {
        true => format!("it takes back event {}", undone.undoes),
        false => format!("they take back event {}", undone.undoes),
    });
    told.extend(undone.passed.map(|event| {
        format!("not event {}, behind which nothing is to be put back", event.short())
    }));
    told.extend(
        undone
            .later
            .as_ref()
            .map(|later| format!("not event {}: {}", later.event.short(), later.how)),
    );
    let done = undone.what.as_ref().map(|what| had_done(what, undone.reopened, names));
    told.extend(done.map(|done| format!("takes back: {done}")));
    let back = match (undone.reopened, &undone.what) {
        (true, _) => Back::By("decide again: kern conflicts".to_owned()),
        (false, Some(TakenBack::Grant { own: true, .. })) => Back::Never(NOT_HERE),
        (false, _) => Back::undo(&undone.event),
    };
    let Doc(mut blocks) = wrote_by(Some(&undone.event), &back);
    blocks.splice(1..1, told.into_iter().map(|line| Block::Line(Text::plain(line))));
    Doc(blocks)
}

/// Is it where decisions stand about what stands at no place? `SPEC: CFL-16`
fn is_decision_apart(path: &DocPath) -> bool {
    matches!(path.segments(), [map, key] if map == "workspace" && key.starts_with(DECIDED))
}

/// What an event had done; one that a conflict is open again without had decided it.
fn had_done(what: &TakenBack, reopens: bool, names: &BTreeMap<DeviceId, String>) -> String {
    let name = |device| printable::shown(&device_name(device, names), NAME_BYTES_MAX);
    match what {
        TakenBack::Edit { undo, merge, places, more } => {
            let all = places;
            let place = |of: &UndonePlace| match is_decision_apart(&of.path) {
                true => "what stands at no place: a lease, or what is kept apart".to_owned(),
                false => printable::shown(&of.path.to_string(), PATH_SHOWN_MAX),
            };
            let mut places: Vec<_> = all.iter().map(place).collect();
            places.extend((*more > 0).then(|| format!("{more} more")));
            let is_apart = all.iter().any(|of| is_decision_apart(&of.path));
            let kind = match (*undo, *merge, reopens) {
                (true, ..) => "an undo of",
                _ if is_apart => "a decision about",
                (false, true, _) => "a merge, which changed",
                (false, false, true) => "a decision of",
                (false, false, false) => "an edit of",
            };
            format!("{kind} {}", places.join(", "))
        }
        TakenBack::Grant { device, .. } => {
            let name = name(device);
            format!("let in {name}: {name} is no member any more")
        }
        TakenBack::Revoke { device, role } => {
            let (name, role) = (name(device), role.name());
            let article = if role.starts_with(['a', 'o']) { "an" } else { "a" };
            format!("revoked {name}: {name} is {article} {role} again")
        }
    }
}
