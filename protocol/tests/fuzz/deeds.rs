//! What devices of `orders` do beside edits and grants: strike, bring back, rescue, keep what may
//! be purged and purge it, branch, write on branches and merge them, lead missions. Each does
//! what it may by what it knows.

use std::collections::BTreeSet;

use kernelos_protocol::artifact::{self, ArtifactKey};
use kernelos_protocol::content::DocumentChange;
use kernelos_protocol::document::{DocumentDone, DocumentTask, Edit, begin_branch, merging_change};
use kernelos_protocol::event::{Class, Verified};
use kernelos_protocol::hash;
use kernelos_protocol::id::{DeviceId, DocumentId, EventId, Lane, to_hex};
use kernelos_protocol::mission::evidence::PlanFacts;
use kernelos_protocol::mission::record::{Act, Mission, Record};
use kernelos_protocol::mission::state::{Seen, Who};
use kernelos_protocol::workspace::{AuthorFault, Verdict};

use crate::changes::common::Rng;
use crate::kit::{Peer, recovery};

/// What was made so far, whoever knows of it.
#[derive(Default)]
pub(super) struct Made {
    pub(super) branches: Vec<DocumentId>,
    missions: Vec<EventId>,
    /// What was not only tried.
    pub(super) done: BTreeSet<&'static str>,
}

/// All of these things.
pub(super) const DEEDS: [&str; 11] = [
    "strike",
    "readmit event",
    "readmit",
    "rescue",
    "artifact",
    "purge",
    "branch",
    "write",
    "merge",
    "mission",
    "lead",
];

type Written = Result<Vec<Verified>, AuthorFault>;

/// One of these things, of a device that holds these events and can read the root document. Where
/// there is nothing to do it to, that is made first.
pub(super) fn deed(peer: &mut Peer, held: &[Verified], made: &mut Made, rng: &mut Rng) -> Written {
    let one = |rng: &mut Rng, of: &dyn Fn(&Verified) -> bool| {
        let all: Vec<_> = held.iter().filter(|event| of(event)).collect();
        all.get(rng.below(all.len())).map(|event| event.id())
    };
    let is_content = |event: &Verified| event.header().lane == Lane::Content;
    let is_shreddable = |event: &Verified| event.header().class == Class::Shreddable;
    peer.workspace.settle();
    let counts =
        |id: &EventId| matches!(peer.workspace.verdict(id), Some((Verdict::Admitted, _)) | None);
    let apart = held.iter().filter(|event| is_content(event)).map(Verified::id);
    let apart: BTreeSet<EventId> = apart.filter(|id| !counts(id)).collect();
    let none = Ok(Vec::new());
    let what = match rng.below(DEEDS.len()) {
        2 if apart.is_empty() => 1,
        5 if !held.iter().any(is_shreddable) => 4,
        7 if !made.branches.iter().any(|branch| knows(peer, branch)) => 8,
        10 if made.missions.is_empty() => 9,
        what => what,
    };
    let written = match what {
        0 => one(rng, &is_content).map_or(none, |event| {
            peer.write(|workspace, pen| workspace.write_strike(pen, &event, "bad"))
        }),
        1 if apart.is_empty() => one(rng, &is_content).map_or(none, |event| {
            peer.write(|workspace, pen| {
                let mut written = workspace.write_strike(pen, &event, "bad")?;
                written.extend(workspace.write_readmit_event(pen, &event, "good")?);
                Ok(written)
            })
        }),
        1 => one(rng, &|event| apart.contains(&event.id())).map_or(none, |event| {
            peer.write(|workspace, pen| workspace.write_readmit_event(pen, &event, "good"))
        }),
        2 => {
            let apart: Vec<_> = held.iter().filter(|event| apart.contains(&event.id())).collect();
            let Some(event) = apart.get(rng.below(apart.len())) else { return none };
            let author = event.header().author;
            peer.write(|workspace, pen| workspace.write_readmit(pen, &[author], "good"))
        }
        3 => {
            let authors: BTreeSet<_> = held.iter().map(|event| event.header().author).collect();
            let keep: BTreeSet<DeviceId> =
                authors.into_iter().filter(|_| rng.below(2) == 0).collect();
            let key = recovery();
            let rescue = peer.write(|workspace, pen| workspace.write_rescue(pen, &key, &keep, "x"));
            rescue.map(|rescued| rescued.events)
        }
        4 => {
            let manifest = manifest(rng);
            peer.write(|workspace, pen| workspace.write_artifact(pen, manifest))
        }
        5 => one(rng, &is_shreddable).map_or(none, |event| {
            peer.write(|workspace, pen| workspace.write_purge(pen, &[event]))
        }),
        6 => branch(peer, made, rng),
        7 => match document(peer, made, rng) {
            Some(document) => write_on(peer, document, rng),
            None => none,
        },
        8 => merge(peer, made, rng),
        9 => start(peer, made),
        _ => lead(peer, made, rng),
    };
    if written.as_ref().is_ok_and(|written| !written.is_empty()) {
        made.done.insert(DEEDS[what]);
    }
    written
}

fn knows(peer: &Peer, branch: &DocumentId) -> bool {
    !peer.workspace.line(branch).heads.is_empty()
}

fn manifest(rng: &mut Rng) -> artifact::Manifest {
    let bytes = [rng.below(256) as u8; 40];
    artifact::seal("a", ArtifactKey([3; 32]), &bytes).unwrap().0
}

/// A branch that the device knows.
fn document(peer: &Peer, made: &Made, rng: &mut Rng) -> Option<DocumentId> {
    let known: Vec<_> = made.branches.iter().filter(|branch| knows(peer, branch)).collect();
    known.get(rng.below(known.len())).map(|document| **document)
}

fn actor(peer: &Peer, document: &DocumentId) -> [u8; 16] {
    hash::actor(&peer.key.device(), &peer.incarnation, document, 1)
}

/// A branch of the root document, or of another branch.
fn branch(peer: &mut Peer, made: &mut Made, rng: &mut Rng) -> Written {
    let root = peer.document();
    let origin = document(peer, made, rng).filter(|_| rng.below(3) == 0).unwrap_or(root);
    peer.project();
    let (device, life) = (peer.key.device(), peer.incarnation);
    let Some(branch) = peer.workspace.next_branch(&device, &life, &origin) else {
        return Ok(Vec::new());
    };
    let deps = peer.workspace.line(&origin).heads;
    let start = peer.workspace.next_op(&origin, &deps);
    let change = begin_branch(actor(peer, &branch), &deps, start);
    let change = DocumentChange { document: None, generation: 1, change };
    let written = peer.write(|workspace, pen| workspace.write_branch(pen, origin, vec![change]))?;
    if !made.branches.contains(&branch) {
        made.branches.push(branch);
    }
    Ok(peer.keep(written))
}

/// A value at one of a few places of a document.
pub(super) fn write_on(peer: &mut Peer, document: DocumentId, rng: &mut Rng) -> Written {
    if !peer.workspace.is_open(&document) {
        peer.workspace.open(document);
    }
    peer.project();
    let set = format!("notes/{}", rng.below(3)).parse().unwrap();
    let edits = vec![Edit::Set { set, value: rng.below(9).into() }];
    let task = DocumentTask::Transact { document, actor: actor(peer, &document), edits };
    // Where it fell, or nothing would change, there is nothing to write; nor where a number of its
    // own was struck, which a node does not use again.
    let DocumentDone::Transacted(Ok(Some(change))) = peer.documents.perform(task) else {
        return Ok(Vec::new());
    };
    let change = DocumentChange { document: Some(document), generation: 1, change: change.chunk };
    let written = peer.write(|workspace, pen| workspace.write_change(pen, vec![change]))?;
    Ok(peer.keep(written))
}

/// The root document knows all that a branch does, and that is something.
fn merge(peer: &mut Peer, made: &mut Made, rng: &mut Rng) -> Written {
    let mut written = Vec::new();
    if !made.branches.iter().any(|branch| knows(peer, branch)) {
        written.extend(branch(peer, made, rng)?);
    }
    let Some(branch) = document(peer, made, rng) else { return Ok(written) };
    written.extend(write_on(peer, branch, rng)?);
    peer.project();
    let root = peer.document();
    let mut deps = peer.workspace.line(&root).heads;
    deps.extend(peer.workspace.line(&branch).heads);
    deps.sort_unstable();
    deps.dedup();
    let start = peer.workspace.next_op(&root, &deps);
    let change = merging_change(actor(peer, &root), &deps, start);
    let change = DocumentChange { document: Some(root), generation: 1, change };
    written.extend(peer.write(|workspace, pen| workspace.write_change(pen, vec![change]))?);
    Ok(peer.keep(written))
}

fn start(peer: &mut Peer, made: &mut Made) -> Written {
    let mission = Mission {
        goal: "g".to_owned(),
        repository: "shop".to_owned(),
        branch: "main".to_owned(),
        base: to_hex(&[1; 20]).try_into().unwrap(),
        base_artifact: EventId([7; 32]),
        agent: "fixer".to_owned(),
        steps: vec!["./one".to_owned()],
        verify: "true".to_owned(),
        tests: vec!["tests/**".to_owned()],
        floor: 1,
    };
    let record = Record::Mission(Box::new(mission));
    let written = peer.write(|workspace, pen| workspace.write_record(pen, &record))?;
    made.missions.extend(written.last().map(Verified::id));
    Ok(peer.keep(written))
}

/// What follows in a mission by what the device saw of it, where anything does.
fn lead(peer: &mut Peer, made: &Made, rng: &mut Rng) -> Written {
    let Some(mission) = made.missions.get(rng.below(made.missions.len())) else {
        return Ok(Vec::new());
    };
    let seen = match rng.below(3) {
        0 => Seen::Plan(PlanFacts { contract: EventId([8; 32]), rulebook: 1 }),
        1 => Seen::Decide(Act::RunAgent),
        _ => Seen::Claim,
    };
    let (journal, content) = (peer.workspace.missions(), peer.workspace.content());
    let (control, device) = (peer.workspace.control(), peer.key.device());
    let role = control.role(&device, &control.all());
    let Some(head) = journal.head(content, mission) else { return Ok(Vec::new()) };
    let who = Who { device, role, epoch: journal.epoch(content, mission) };
    let Ok(record) = head.state.derive(&who, &seen) else { return Ok(Vec::new()) };
    let written = peer.write(|workspace, pen| workspace.write_record(pen, &record))?;
    Ok(peer.keep(written))
}
