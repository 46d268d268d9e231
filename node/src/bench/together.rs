//! A long history as four devices make one workspace: edits side by side, runs of one device that
//! are one row of the timeline, places that were written apart and are not decided, and a branch.
//! The same seed gives the same edits.

use std::path::PathBuf;

use kernelos_protocol::command::{
    BranchCommand, BranchReply, Command, Failure, Reply, TimelineAt, TimelineQuery,
};
use kernelos_protocol::document::{DocPath, Edit as DocEdit};
use kernelos_protocol::limits::TIMELINE_EVENTS_MAX;
use serde_json::json;

use super::device::{Device, GROUP, Mark, Wire, failed, path};
use super::edits::{Edit, Edits};
use super::{Bench, SEED};

/// Devices that write it.
pub(super) const DEVICES: usize = 4;
/// Places that all of them write apart.
pub(super) const CONFLICTS: usize = 8;
/// Edits of each device before they wait for each other: so many side by side, then so many of one
/// after the other.
const TURN: usize = 250;
/// Edits of one command, where many places are written apart.
const AT_ONCE: usize = 500;
/// The mark of a branch that is made, above those of all turns.
const AT_BRANCH: u64 = 1 << 40;
/// Edits of the branch, which the founder and one other write.
const ON_BRANCH: usize = 32;

/// What was made.
pub(super) struct History {
    /// The home that holds all of it.
    pub(super) home: PathBuf,
    /// Rows of the timeline, of which those are one that fold.
    pub(super) rows: usize,
}

/// The home of a device with so many open conflicts: each of two wrote all the places apart.
pub(super) async fn conflicts(bench: &Bench, open: usize) -> Result<PathBuf, Failure> {
    let founder = Device::founder(&bench.scratch).await?;
    let other = founder.let_in(&bench.scratch, "other").await?;
    let wire = Wire::between(&founder, &other).await?;
    let mark = founder.mark(0).await?;
    other.wait_for(std::slice::from_ref(&mark)).await?;
    for device in [&founder, &other] {
        device.parted().await;
    }
    drop(wire);
    let mut marks = Vec::new();
    for (number, device) in [&founder, &other].into_iter().enumerate() {
        let places: Vec<_> = (0..open).collect();
        for places in places.chunks(AT_ONCE) {
            let edit = |place: &usize| {
                let set = path(&format!("notes/apart-{place:05}"))?;
                Ok(DocEdit::Set { set, value: json!(format!("device {number}")) })
            };
            let edits = places.iter().map(edit).collect::<Result<_, Failure>>()?;
            device.ask(Command::Edit { edits }).await?;
        }
        marks.push(device.mark(1).await?);
    }
    let _wire = Wire::between(&founder, &other).await?;
    for device in [&founder, &other] {
        device.wait_for(&marks).await?;
    }
    let Reply::Status(status) = founder.ask(Command::Status).await? else {
        return Err(failed("no status was given"));
    };
    if status.conflicts != open {
        return Err(failed(format!("{} open conflicts of {open}", status.conflicts)));
    }
    let home = founder.home();
    other.stop().await;
    founder.stop().await;
    Ok(home)
}

/// Makes a history of about so many events; it is checked that it is what it should be.
pub(super) async fn history(bench: &Bench, events: usize) -> Result<History, Failure> {
    let founder = Device::founder(&bench.scratch).await?;
    let (one, two, three) = tokio::join!(
        founder.let_in(&bench.scratch, "one"),
        founder.let_in(&bench.scratch, "two"),
        founder.let_in(&bench.scratch, "three"),
    );
    let others = [one?, two?, three?];
    let [one, two, three] = &others;
    let all = [&founder, one, two, three];
    let wires = meet(&founder, &others).await?;
    let mark = founder.mark(0).await?;
    for device in &others {
        device.wait_for(std::slice::from_ref(&mark)).await?;
    }
    let edits: Vec<_> = Edits::new(SEED).take(events).collect();
    for (turn, edits) in (1..).zip(edits.chunks(2 * DEVICES * TURN)) {
        write(&all, edits, 2 * turn).await?;
    }
    let branch = branch(&founder, &others).await?;
    agree(&all, AT_BRANCH + 1).await?;
    apart(&founder, &others, wires).await?;
    let rows = check(&founder, &branch, events).await?;
    let home = founder.home();
    for device in others {
        device.stop().await;
    }
    founder.stop().await;
    Ok(History { home, rows })
}

/// The founder is linked with each of the others.
async fn meet(founder: &Device, others: &[Device]) -> Result<Vec<Wire>, Failure> {
    let mut wires = Vec::new();
    for other in others {
        wires.push(Wire::between(founder, other).await?);
    }
    Ok(wires)
}

/// Waits until all have what each wrote.
async fn agree(all: &[&Device], turn: u64) -> Result<(), Failure> {
    let mut marks: Vec<Mark> = Vec::new();
    for device in all {
        marks.push(device.mark(turn).await?);
    }
    for device in all {
        device.wait_for(&marks).await?;
    }
    Ok(())
}

/// The first half side by side, the second one device after the other, each on tasks of its own:
/// they agree.
async fn write(all: &[&Device; DEVICES], edits: &[Edit], turn: u64) -> Result<(), Failure> {
    let (together, alone) = edits.split_at(edits.len() / 2);
    let of = |edits: &[Edit], device: usize| -> Vec<Edit> {
        let task = |edit: &Edit| Edit { task: edit.task / DEVICES * DEVICES + device, ..*edit };
        edits.iter().skip(device).step_by(DEVICES).map(task).collect()
    };
    let each: [_; DEVICES] = std::array::from_fn(|device| of(together, device));
    let ([a, b, c, d], [for_a, for_b, for_c, for_d]) = (all, &each);
    let wrote = tokio::join!(
        a.write(for_a, GROUP),
        b.write(for_b, GROUP),
        c.write(for_c, GROUP),
        d.write(for_d, GROUP),
    );
    wrote.0.and(wrote.1).and(wrote.2).and(wrote.3)?;
    agree(all, turn).await?;
    for (number, device) in all.iter().enumerate() {
        device.write(&of(alone, number), GROUP).await?;
        let mark = device.mark(turn.saturating_add(1)).await?;
        for other in all {
            other.wait_for(std::slice::from_ref(&mark)).await?;
        }
    }
    Ok(())
}

/// Two of them write to a branch.
async fn branch(founder: &Device, others: &[Device]) -> Result<String, Failure> {
    let (name, of) = ("try".to_owned(), DocPath::default());
    let create = BranchCommand::Create { name, of, at: None, purpose: "bench".to_owned() };
    let made = founder.ask(Command::Branch(create)).await?;
    let Reply::Branch(BranchReply::Made { document, .. }) = made else {
        return Err(failed("no branch was made"));
    };
    let mark = founder.mark(AT_BRANCH).await?;
    for (writer, device) in others.iter().take(1).chain([founder]).enumerate() {
        device.wait_for(std::slice::from_ref(&mark)).await?;
        for number in 0..ON_BRANCH / 2 {
            let set = path(&format!("branches/{document}/notes/{writer}-{number}"))?;
            let edits = vec![DocEdit::Set { set, value: json!(number) }];
            device.ask(Command::Edit { edits }).await?;
        }
    }
    Ok(document.to_string())
}

/// All write the same places while they do not hear of each other, and meet again.
async fn apart(founder: &Device, others: &[Device], wires: Vec<Wire>) -> Result<(), Failure> {
    let all: Vec<&Device> = std::iter::once(founder).chain(others).collect();
    for device in &all {
        device.parted().await;
    }
    drop(wires);
    let mut marks = Vec::new();
    for (number, device) in all.iter().enumerate() {
        for place in 0..CONFLICTS {
            let set = path(&format!("notes/apart-{place}"))?;
            let edits = vec![DocEdit::Set { set, value: json!(format!("device {number}")) }];
            device.ask(Command::Edit { edits }).await?;
        }
        marks.push(device.mark(AT_BRANCH + 2).await?);
    }
    let _wires = meet(founder, others).await?;
    for device in all {
        device.wait_for(&marks).await?;
    }
    Ok(())
}

/// It is what it should be; gives the rows of its timeline.
async fn check(founder: &Device, branch: &str, events: usize) -> Result<usize, Failure> {
    let Reply::Status(status) = founder.ask(Command::Status).await? else {
        return Err(failed("no status was given"));
    };
    let list = founder.ask(Command::Branch(BranchCommand::List { all: true })).await?;
    let has_branch = matches!(&list, Reply::Branch(BranchReply::List(page))
    if page.branches.iter().any(|row| {
        row.document.is_some_and(|id| id.to_string() == branch) && row.ahead == ON_BRANCH
    }));
    if status.conflicts != CONFLICTS || !has_branch || status.events < events {
        let (is, of) = (status.conflicts, status.events);
        return Err(failed(format!("a history with {is} conflicts of {of} events: {list:?}")));
    }
    let (mut rows, mut at) = (0, TimelineAt::Newest);
    loop {
        let (limit, folded) = (TIMELINE_EVENTS_MAX, true);
        let query = TimelineQuery { at, limit, folded, lanes: Vec::new() };
        let Reply::Timeline(page) = founder.ask(Command::Timeline(query)).await? else {
            return Err(failed("no timeline was given"));
        };
        rows += page.rows.len();
        if page.from == 0 || page.rows.is_empty() {
            break;
        }
        at = TimelineAt::Before(page.from);
    }
    // Half of it are runs of hundreds, each a row for 64 events.
    if rows > status.events * 3 / 4 {
        return Err(failed(format!("{rows} rows of {} events: nothing folds", status.events)));
    }
    Ok(rows)
}
