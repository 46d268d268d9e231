//! What a person is told of a command: what it became, and how it is taken back.

use kernelos_protocol::command::{BranchReply, Command, NotUndone, Reply};
use kernelos_protocol::document::Edit;
use kernelos_protocol::id::EventId;
use kernelos_protocol::present::{self, Back, Block, Doc, Text, Tone, shown};

use crate::model::{Model, Names, Told};

/// Why an agent is not taken back.
const AGENT: &str = "agents are changed by themselves: set it again with the commands that it had";

/// Nor a purge.
const PURGE: &str = "what was destroyed is gone; a device of role store alone keeps a sealed copy";

/// Places that are named of what was written.
const PLACES_NAMED: usize = 3;

/// What a command did, in words; none where the rest says it. Of conflicts it is found while they
/// are listed.
pub(crate) fn did(command: &Command, reply: &Reply, model: &Model) -> Option<String> {
    let short = |text: &str| shown(text, 96);
    match (command, reply) {
        (Command::Edit { edits }, Reply::Edited(edited)) if edited.event.is_some() => {
            let listed = model.said.conflicts.as_ref().map_or(&[][..], |page| &page.conflicts);
            let row = |id| listed.iter().find(|row| Some(row.id) == id);
            let path = |edit: &Edit| match edit.conflict() {
                Some(id) => row(Some(id)).map(|row| row.path.to_string()),
                None => edit.path().map(ToString::to_string),
            };
            let mut places: Vec<_> = edits.iter().filter_map(path).collect();
            places.dedup();
            let more = places.len().saturating_sub(PLACES_NAMED);
            let mut places: Vec<_> =
                places.iter().take(PLACES_NAMED).map(|path| short(path)).collect();
            places.extend((more > 0).then(|| format!("{more} more")));
            let is_decided = edits.iter().any(|edit| edit.conflict().is_some());
            let verb = if is_decided { "decided" } else { "written" };
            (!places.is_empty()).then(|| format!("{verb}: {}", places.join(", ")))
        }
        (Command::Revoke { device, .. }, Reply::Revoked { .. }) => {
            let name = present::device_name(device, &model.said.names);
            Some(format!("{} is revoked", short(&name)))
        }
        (_, Reply::Branch(BranchReply::Merged { changes, .. })) => {
            Some(format!("merged: {changes} changes"))
        }
        _ => None,
    }
}

/// What a command became, what it did, and how it is taken back.
pub(crate) fn told(
    command: &Command,
    reply: &Reply,
    (did, names): (Option<String>, &Names),
) -> Told {
    let mut told = became(command, reply, names);
    if let Some(did) = did {
        told.doc.0.insert(0, Block::Line(Text::plain(did)));
    }
    told
}

fn became(command: &Command, reply: &Reply, names: &Names) -> Told {
    let event = written(reply);
    let doc = match reply {
        Reply::Undone(undone) => present::undone(undone, names),
        Reply::NotUndone(refused) => {
            let (text, hint) = present::not_undone(refused);
            let lines = [(Tone::Attention, text), (Tone::Quiet, hint)];
            let doc = lines.map(|(tone, text)| Block::Line(Text::toned(tone, text)));
            let doc = Doc(doc.to_vec());
            return Told { doc, event: None, all_the_same: all_the_same(refused), failed: true };
        }
        _ => match &event {
            Some(event) => {
                let back = match reply {
                    _ if matches!(command, Command::SetAgent { .. }) => Back::Never(AGENT),
                    Reply::Struck { .. } => match command {
                        Command::Strike { begin, .. } => {
                            Back::By(format!("kern readmit --event {begin}"))
                        }
                        _ => Back::undo(event),
                    },
                    Reply::Purged { .. } => Back::Never(PURGE),
                    Reply::Readmitted { .. } => Back::Never("what came back can be struck again"),
                    Reply::Cancelled { .. } => Back::Never("it ended for good: start another"),
                    Reply::BoardMade { .. } => Back::By("kern board archive NAME".to_owned()),
                    _ => Back::undo(event),
                };
                let mut doc = match reply {
                    Reply::Branch(BranchReply::Merged { taken_back, .. }) => {
                        present::taken_back(taken_back)
                    }
                    _ => Doc::default(),
                };
                doc.0.extend(present::wrote_by(Some(event), &back).0);
                doc
            }
            None => Doc(vec![Block::Line(Text::plain("nothing was to change"))]),
        },
    };
    let is_for_good = matches!(
        reply,
        Reply::Readmitted { .. }
            | Reply::Cancelled { .. }
            | Reply::BoardMade { .. }
            | Reply::Purged { .. }
            | Reply::Struck { .. }
    ) || matches!(command, Command::SetAgent { .. });
    Told { doc, event: event.filter(|_| !is_for_good), all_the_same: None, failed: false }
}

/// What takes an event back that was refused, where something does: by force, or by its name.
fn all_the_same(refused: &NotUndone) -> Option<Command> {
    let command = refused.force.as_ref()?;
    let begin = Some(refused.refused?.to_string());
    Some(Command::Undo { begin, force: command.ends_with(" --force") })
}

/// The event that a reply names.
fn written(reply: &Reply) -> Option<EventId> {
    match reply {
        Reply::Edited(edited) => edited.event,
        Reply::BoardMade { event, .. }
        | Reply::Cancelled { event }
        | Reply::Branch(BranchReply::Made { event, .. } | BranchReply::Merged { event, .. }) => {
            Some(*event)
        }
        Reply::Undone(undone) => Some(undone.event).filter(|_| !undone.reopened),
        Reply::Revoked { event }
        | Reply::Granted { event, .. }
        | Reply::Struck { event, .. }
        | Reply::Purged { event, .. }
        | Reply::Readmitted { event, .. } => Some(*event),
        _ => None,
    }
}
