//! Branches: whoever holds the same events lists the same ones, as far from their origins, and
//! reads the same on each.

use kernelos_protocol::command::{BranchCommand, BranchKind, BranchReply, BranchState};
use kernelos_protocol::command::{Command, Reply};
use serde_json::{Value as Json, json};

use crate::checks::Broken;
use crate::world::World;

const AGREE: &str = "devices agree about branches";

/// All these devices tell the same of all branches. `SPEC: BRA-2, BRA-11`
pub fn branches_agree(world: &mut World, devices: &[usize]) -> Result<(), Broken> {
    let mut first = None;
    for &device in devices {
        let name = world.nodes[device].name.clone();
        let command = Command::Branch(BranchCommand::List { all: true });
        let told = match world.ask(device, command) {
            Some(Reply::Branch(BranchReply::List(page))) => {
                let mut told: Vec<_> =
                    page.branches.iter().map(|row| told(world, device, row)).collect();
                // What has no name stands in the order in which it came.
                told.sort_by_cached_key(Json::to_string);
                told.push(json!({ "more": page.more }));
                told
            }
            // Where the history was taken from under the branches, all say so.
            Some(Reply::Failed(failure)) => vec![json!(failure.message)],
            other => {
                let detail = format!("{name}: {other:?}");
                return Err(Broken { invariant: AGREE, detail });
            }
        };
        match &first {
            None => first = Some((name, told)),
            Some((other, expected)) if *expected != told => {
                let detail = format!("{other}: {expected:?}, {name}: {told:?}");
                return Err(Broken { invariant: AGREE, detail });
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// What is the same for all: of a change that several events carry each names the one it had first.
fn told(world: &mut World, device: usize, row: &BranchState) -> Json {
    let sides: Vec<_> = row.sides.iter().map(|side| (side.device, side.changes)).collect();
    let notes = row.document.filter(|_| row.kind == BranchKind::Made).and_then(|document| {
        let path = format!("branches/{document}/notes").parse().ok()?;
        match world.ask(device, Command::Read { path }) {
            Some(Reply::Read(read)) => Some(read.value),
            other => Some(json!(format!("{other:?}"))),
        }
    });
    json!({
        "kind": format!("{:?}", row.kind), "name": row.name, "document": row.document,
        "of": row.of, "ahead": row.ahead, "behind": row.behind, "devices": row.devices,
        "sides": sides, "archived": row.archived, "is_shown": row.is_shown,
        "conflict": row.conflict, "notes": notes,
    })
}
