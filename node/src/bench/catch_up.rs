//! `catch-up`: a history of one-edit events to a device that has nothing, against keeping the same
//! rows in SQLite and applying the same changes.

use std::time::Instant;

use automerge::Change;
use kernelos_protocol::command::{Command, Failure, Reply};

use super::device::{Device, GROUP, Wire, failed};
use super::edits::Edits;
use super::figures::{Measured, Op, Row, median, ms};
use super::plain::{changes_of, envelopes, receive};
use super::{Bench, SEED};

const PLAIN: &str = "sqlite + apply_changes";

pub(super) async fn run(bench: &Bench) -> Result<Vec<Row>, Failure> {
    let device = Device::founder(&bench.scratch).await?;
    let (mut edits, mut written, mut rows) = (Edits::new(SEED), 0, Vec::new());
    for size in [bench.size(20_000, 500), bench.size(100_000, 1_000)] {
        let more: Vec<_> = edits.by_ref().take(size - written).collect();
        device.write(&more, GROUP).await?;
        written = size;
        rows.push(one_size(bench, &device, size).await?);
    }
    device.stop().await;
    Ok(rows)
}

async fn one_size(bench: &Bench, device: &Device, size: usize) -> Result<Row, Failure> {
    let changes = changes(device).await?;
    let events = envelopes(device.store())?;
    let (mut ours, mut plain) = (Vec::new(), Vec::new());
    for time in 0..bench.times {
        let mark = device.mark((size + time) as u64).await?;
        let empty = device.let_in(&bench.scratch, &format!("empty-{size}-{time}")).await?;
        let start = Instant::now();
        let wire = Wire::between(device, &empty).await?;
        empty.wait_for(&[mark]).await?;
        ours.push(ms(start.elapsed()));
        drop(wire);
        empty.stop().await;
        let changes = changes.clone();
        let start = Instant::now();
        receive(&bench.scratch.file("plain"), &events, changes)?;
        plain.push(ms(start.elapsed()));
    }
    let measured = Measured::new("catch-up", median(&mut ours), "ms")
        .with("events", size)
        .against(PLAIN, median(&mut plain));
    Ok(measured.judge(&bench.machine, Op::AtMost, |of| Some(1.3 * of(PLAIN)?)))
}

/// The changes of its document.
pub(super) async fn changes(device: &Device) -> Result<Vec<Change>, Failure> {
    let mut saved = Vec::new();
    loop {
        let command = Command::SaveDocument { document: None, from: saved.len() };
        let Reply::DocumentPart(part) = device.ask(command).await? else {
            return Err(failed("the document cannot be saved"));
        };
        saved.extend(&part.bytes);
        if part.bytes.is_empty() || saved.len() >= part.size {
            return changes_of(&saved);
        }
    }
}
