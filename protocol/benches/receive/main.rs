//! What a long history costs who serves it and who receives it, stage by stage:
//! `cargo bench -p kernelos-protocol --bench receive [EVENTS]`.
//!
//! One device writes so many events of one edit each; a member that has nothing gets them, over a
//! wire that is a queue, with stores in memory that keep what a row holds. Printed are nanoseconds
//! an event of each stage, beside the least that a receiver has to do: `apply_changes` of the same
//! changes, in batches that double. Everything in one thread; medians of three. Nothing here is a
//! test.

#![expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "a bench measures time")]

mod device;
#[path = "../../../node/src/bench/edits.rs"]
#[expect(unreachable_pub, reason = "a file of the node's, whole")]
mod edits;

use std::error::Error;
use std::time::{Duration, Instant};

use automerge::{Automerge, Change};
use kernelos_protocol::sync::{LinkId, workspace_tag};

use device::{Device, Spent, Stage};

/// How often everything is measured.
const TIMES: usize = 3;

/// Changes of the first application.
const FIRST: usize = 1_000;

/// The receiver gets all that the writer has; where the time of both went.
fn catch_up(writer: &mut Device, receiver: &mut Device) -> Result<Spent, Box<dyn Error>> {
    let (link, exporter) = (LinkId(writer.links_so_far() + 1), [7; 32]);
    let tag = workspace_tag(&exporter, &writer.workspace());
    writer.spent = Spent::default();
    receiver.spent = Spent::default();
    writer.connect(link, receiver.id(), true, tag);
    receiver.connect(link, writer.id(), false, tag);
    loop {
        writer.turns()?;
        receiver.turns()?;
        let (to_receiver, to_writer) = (writer.take_frames(), receiver.take_frames());
        if to_receiver.is_empty() && to_writer.is_empty() {
            break;
        }
        receiver.hear(link, &to_receiver)?;
        writer.hear(link, &to_writer)?;
    }
    writer.hang_up(link)?;
    receiver.hang_up(link)?;
    let (mut spent, of_receiver) = (std::mem::take(&mut writer.spent), &receiver.spent);
    spent.serves();
    spent.add(of_receiver);
    Ok(spent)
}

/// The least that a receiver has to do: the changes, whenever as many wait as are applied.
fn apply(changes: &[Vec<u8>]) -> Result<Duration, Box<dyn Error>> {
    let changes = changes.iter().map(|change| Change::from_bytes(change.clone()));
    let changes: Vec<_> = changes.collect::<Result<_, _>>()?;
    let start = Instant::now();
    let (mut document, mut applied) = (Automerge::new(), 0);
    let mut changes = changes.into_iter();
    loop {
        let batch: Vec<_> = changes.by_ref().take(applied.max(FIRST)).collect();
        if batch.is_empty() {
            return Ok(start.elapsed());
        }
        applied += batch.len();
        document.apply_changes(batch)?;
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

#[expect(clippy::print_stdout, reason = "a bench prints what it found")]
fn main() -> Result<(), Box<dyn Error>> {
    let events = std::env::args().skip(1).find_map(|text| text.parse().ok()).unwrap_or(20_000);
    let mut writer = Device::writer(events)?;
    let (mut runs, mut floor) = (Vec::new(), Vec::new());
    for number in 0..TIMES {
        let mut receiver = writer.let_in(u8::try_from(number)?.wrapping_add(2))?;
        runs.push(catch_up(&mut writer, &mut receiver)?);
        if receiver.kept() != writer.kept() {
            return Err(format!("{} of {} events came", receiver.kept(), writer.kept()).into());
        }
        floor.push(apply(&receiver.changes)?);
    }
    let each = |time: Duration| time.as_secs_f64() * 1e9 / f64::from(events);
    let floor = median(floor);
    println!("{:<44} {:>9} {:>9}", "stage", "ns/event", "of floor");
    let show = |name: &str, time: Duration| {
        let ratio = time.as_secs_f64() / floor.as_secs_f64().max(f64::MIN_POSITIVE);
        println!("{name:<44} {:>9.0} {ratio:>9.2}", each(time));
    };
    for stage in Stage::ALL {
        show(stage.name(), median(runs.iter().map(|spent| spent.of(stage)).collect()));
    }
    show("all but the documents", median(runs.iter().map(Spent::without_documents).collect()));
    show("all", median(runs.iter().map(Spent::all).collect()));
    show("floor: apply_changes, doubling batches", floor);
    Ok(())
}
