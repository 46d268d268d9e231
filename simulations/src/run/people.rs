//! What people do beside edits: take back, put an end to missions, strike, purge, rescue, branch.
//!
//! Each is tried: where nothing is there for it, or it is refused, nothing comes of it, and the
//! trace says so.

use kernelos_protocol::command::{BranchCommand, Command, LogRow, RecoverySecret, Reply};
use kernelos_protocol::id::{EventId, Lane};

use crate::script::{Act, Who};
use crate::world::{RECOVERY, World};

/// Rows of the log at once.
const PAGE: usize = 256;

/// Does it, if the device is on.
pub(super) fn perform(world: &mut World, who: Who, act: &Act) {
    let reason = "scripted".to_owned();
    let command = match act {
        Act::Undo { force } => Some(Command::Undo { begin: None, force: *force }),
        Act::Cancel => {
            world.missions.last().map(|(_, mission)| Command::CancelMission { id: *mission })
        }
        Act::Strike(of) => {
            let author = world.nodes[*of].device();
            let is_of = |row: &LogRow| row.author == author && row.lane == Some(Lane::Content);
            last(world, who, is_of).map(|id| Command::Strike { begin: id.to_string(), reason })
        }
        Act::ReadmitStruck => {
            let is_struck = |row: &LogRow| {
                row.reason.as_deref().is_some_and(|reason| reason.starts_with("struck"))
            };
            last(world, who, is_struck)
                .map(|id| Command::ReadmitEvent { begin: id.to_string(), reason })
        }
        Act::Readmit(of) => Some(Command::Readmit { device: world.nodes[*of].device(), reason }),
        Act::Purge => last(world, who, |row| row.kind == "artifact")
            .map(|id| Command::Purge { begin: vec![id.to_string()] }),
        Act::Rescue => Some(Command::Rescue {
            recovery: RecoverySecret(RECOVERY),
            name: world.nodes[who].name.clone(),
            keep: Vec::new(),
            reason,
        }),
        Act::Branch(name, of) => {
            let (name, of, purpose) = (name.clone(), of.clone(), String::new());
            Some(Command::Branch(BranchCommand::Create { name, of, at: None, purpose }))
        }
        Act::Merge(name) => Some(Command::Branch(BranchCommand::Merge { name: name.clone() })),
        Act::PutAway(name, archived) => {
            let (name, archived) = (name.clone(), *archived);
            Some(Command::Branch(BranchCommand::Archive { name, archived }))
        }
    };
    if let Some(command) = command {
        world.ask(who, command);
    }
}

/// The last event of its log of which this is true.
fn last(world: &mut World, who: Who, is_it: impl Fn(&LogRow) -> bool) -> Option<EventId> {
    let (mut from, mut found) = (0, None);
    loop {
        let Some(Reply::Log(page)) = world.ask(who, Command::Log { from, limit: PAGE }) else {
            return found;
        };
        let row = page.rows.iter().rev().find(|row| row.id.is_some() && is_it(row));
        found = row.and_then(|row| row.id).or(found);
        match page.next {
            Some(next) => from = next,
            None => return found,
        }
    }
}
