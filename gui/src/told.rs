//! What a person is told of a command: what it became, and how it is taken back.

use kernelos_protocol::command::{
    BranchCommand, BranchReply, Command, NotUndone, Reply, TakenBack,
};
use kernelos_protocol::document::Edit;
use kernelos_protocol::id::EventId;
use kernelos_protocol::present::{self, Back, Block, Doc, Text, Tone, shown};

use crate::model::{Instead, Model, Names, Told};

/// Why a purge is not taken back.
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
            let over = match (edited.ended.first(), edited.decided.first()) {
                (Some(path), _) => {
                    let path = short(&path.to_string());
                    match edited.ended.len() + edited.ended_more {
                        1 => format!("; it ended the conflict at {path}: no undo opens it again"),
                        many => format!("; it ended {many} conflicts: no undo opens them again"),
                    }
                }
                (None, Some(path)) if !is_decided => {
                    let path = short(&path.to_string());
                    format!("; it decided the conflict at {path}: an undo opens it again")
                }
                _ => String::new(),
            };
            (!places.is_empty()).then(|| format!("{verb}: {}{over}", places.join(", ")))
        }
        (Command::Revoke { device, .. }, Reply::Revoked { .. }) => {
            let name = present::device_name(device, &model.said.names);
            Some(format!("{} is revoked", short(&name)))
        }
        (_, Reply::Branch(BranchReply::Merged { changes, .. })) => {
            Some(format!("merged: {changes} changes"))
        }
        (Command::Branch(BranchCommand::Create { name, .. }), Reply::Branch(_)) => {
            Some(format!("branch {} is made", short(name)))
        }
        (Command::Branch(BranchCommand::Archive { name, archived }), Reply::Branch(_)) => {
            let verb = if *archived { "put away" } else { "back" };
            Some(format!("branch {} is {verb}", short(name)))
        }
        (Command::CreateBoard { name }, Reply::BoardMade { .. }) => {
            Some(format!("board {} is made", short(name)))
        }
        (_, Reply::Readmitted { .. }) => Some("what was kept apart counts again".to_owned()),
        (_, Reply::Struck { .. }) => Some("it is struck, with what builds on it".to_owned()),
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
            let (text, hint) = present::not_undone(refused, names);
            let lines = [(Tone::Attention, text), (Tone::Quiet, hint)];
            let doc = lines.map(|(tone, text)| Block::Line(Text::toned(tone, text)));
            let doc = Doc(doc.to_vec());
            return Told { doc, instead: instead(refused), failed: true, ..Told::default() };
        }
        _ => match &event {
            Some(event) => {
                let back = match reply {
                    Reply::Struck { .. } => match command {
                        Command::Strike { begin, .. } => {
                            Back::By(format!("kern readmit --event {begin}"))
                        }
                        _ => Back::undo(event),
                    },
                    Reply::Purged { .. } => Back::Never(PURGE),
                    Reply::Readmitted { .. } => Back::Never("what came back can be struck again"),
                    Reply::Cancelled { .. } => Back::Never("it ended for good: start another"),
                    Reply::BoardMade { .. } => Back::By(archive(command)),
                    Reply::Edited(edited) if !edited.ended.is_empty() => {
                        Back::By(format!("kern undo {} --force", event.short()))
                    }
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
    );
    let asks = match reply {
        Reply::Granted { .. } | Reply::Revoked { .. } => true,
        Reply::Undone(undone) => {
            matches!(undone.what, Some(TakenBack::Grant { .. } | TakenBack::Revoke { .. }))
        }
        _ => false,
    };
    Told { doc, event: event.filter(|_| !is_for_good), asks, ..Told::default() }
}

/// What a person may do where an event is not taken back.
fn instead(refused: &NotUndone) -> Option<Instead> {
    let event = refused.refused?;
    match (&refused.force, refused.by) {
        (Some(command), _) if command.ends_with(" --force") => Some(Instead::Force(event)),
        (Some(_), _) => Some(Instead::Named(event)),
        (None, by) => by.map(Instead::BringBack),
    }
}

impl Instead {
    /// What the button says.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Force(_) | Self::Named(_) => "Undo it all the same",
            Self::BringBack(_) => "Bring it back",
        }
    }

    /// What happens then.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Force(_) => {
                "What was written there since, or apart, is taken back with it, on every device. \
                 One undo brings it all back"
            }
            Self::Named(_) => "It is taken back on every device",
            Self::BringBack(_) => "What took it back is taken back, on every device",
        }
    }

    pub(crate) fn command(self) -> Command {
        let (event, force) = match self {
            Self::Force(event) => (event, true),
            Self::Named(event) | Self::BringBack(event) => (event, false),
        };
        Command::Undo { begin: Some(event.to_string()), force }
    }
}

/// What puts a board away that was made.
fn archive(command: &Command) -> String {
    let name = match command {
        Command::CreateBoard { name } => shown(name, 96),
        _ => String::new(),
    };
    format!("kern board archive '{}'", name.replace('\'', "'\\''"))
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
