//! What a person is told of a command: what it became, and how it is taken back.

use kernelos_protocol::command::{BranchReply, Command, Reply};
use kernelos_protocol::id::EventId;
use kernelos_protocol::present::{self, Back, Block, Doc, Text, Tone};

use crate::model::{Names, Told};

/// Why an agent is not taken back.
const AGENT: &str = "agents are changed by themselves: set it again with the commands that it had";

/// Nor a purge.
const PURGE: &str = "what was destroyed is gone; a device of role store alone keeps a sealed copy";

/// What a command became, and how it is taken back.
pub(crate) fn told(command: &Command, reply: &Reply, names: &Names) -> Told {
    let event = written(reply);
    let doc = match reply {
        Reply::Undone(undone) => present::undone(undone, names),
        Reply::NotUndone(refused) => {
            let (text, hint) = present::not_undone(refused);
            let lines = [(Tone::Attention, text), (Tone::Quiet, hint)];
            let doc = lines.map(|(tone, text)| Block::Line(Text::toned(tone, text)));
            return Told { doc: Doc(doc.to_vec()), event: None, failed: true };
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
    let is_undo = matches!(command, Command::Undo { .. });
    let is_for_good = matches!(
        reply,
        Reply::Readmitted { .. }
            | Reply::Cancelled { .. }
            | Reply::BoardMade { .. }
            | Reply::Purged { .. }
            | Reply::Struck { .. }
    ) || matches!(command, Command::SetAgent { .. });
    let is_undoable = !is_undo && !is_for_good;
    Told { doc, event: event.filter(|_| is_undoable), failed: false }
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
