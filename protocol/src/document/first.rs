//! The first change of a document: it makes what nobody is to make apart.

use automerge::transaction::{CommitOptions, Transactable as _};
use automerge::{ActorId, Automerge, ObjType, ROOT, ReadDoc as _};
use serde_json::Value as Json;

use super::DocPath;
use super::edit::{self, Edit, EditFault};

/// The maps that the first change of a workspace makes, so that no two devices make one apart.
/// `SPEC: PRJ-6`
pub const ROOT_MAPS: [&str; 18] = [
    "agents",
    "artifacts",
    "boards",
    "branches",
    "capabilities",
    "devices",
    "memory",
    "missions",
    "notes",
    "plugins",
    "policies",
    "providers",
    "routing",
    "runtimes",
    "skills",
    "tasks",
    "workflows",
    "workspace",
];

/// The maps that the first change of a board makes. `SPEC: PRJ-9`
const BOARD_MAPS: [&str; 3] = ["board", "notes", "tasks"];

/// The first change of a workspace: every root map, the workspace's name and the founder's.
/// `SPEC: PRJ-6`
pub fn founding_change(
    actor: [u8; 16],
    workspace: &str,
    device: (&str, &str),
) -> Result<Vec<u8>, EditFault> {
    let names = [
        (["workspace", "name"].to_vec(), workspace.into()),
        (["devices", device.0, "name"].to_vec(), device.1.into()),
    ];
    first_change(actor, &ROOT_MAPS, names)
}

/// The first change of a board: its maps, and how it was named. `SPEC: PRJ-9`
pub fn board_change(actor: [u8; 16], name: &str) -> Result<Vec<u8>, EditFault> {
    first_change(actor, &BOARD_MAPS, [(vec!["board", "name"], name.into())])
}

/// The first change of a mission's document: its contract. `SPEC: MIS-8`
pub fn mission_change(
    actor: [u8; 16],
    contract: &serde_json::Map<String, Json>,
) -> Result<Vec<u8>, EditFault> {
    let parts = contract.iter().map(|(name, part)| (vec![name.as_str()], part.clone()));
    first_change(actor, &[], parts)
}

fn first_change<'a>(
    actor: [u8; 16],
    maps: &[&str],
    values: impl IntoIterator<Item = (Vec<&'a str>, Json)>,
) -> Result<Vec<u8>, EditFault> {
    let failed = |error: automerge::AutomergeError| EditFault::Document(error.to_string());
    let mut doc = Automerge::new().with_actor(ActorId::from(&actor[..]));
    let mut tx = doc.transaction();
    for map in maps {
        tx.put_object(ROOT, *map, ObjType::Map).map_err(failed)?;
    }
    for (path, value) in values {
        let path = path.iter().try_fold(DocPath::default(), |path, segment| path.child(segment));
        let set = path.map_err(|fault| EditFault::Document(fault.to_string()))?;
        edit::apply(&mut tx, &Edit::Set { set, value })?;
    }
    let (hash, _) = tx.commit_with(CommitOptions::default().with_time(0));
    let made = hash.and_then(|hash| doc.get_change_by_hash(&hash));
    let missing = || EditFault::Document("no change was made".to_owned());
    made.map(|made| made.raw_bytes().to_vec()).ok_or_else(missing)
}
