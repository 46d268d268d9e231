//! `bytes`: what goes over a link, in both directions, with acknowledgements and receipts, until
//! nothing does any more.

use std::collections::BTreeMap;
use std::time::Duration;

use kernelos_protocol::command::{Command, Failure};
use serde_json::{Value as Json, json};
use tokio::time::sleep;

use super::device::{Device, Sent, Wire, doc_edit};
use super::edits::Edits;
use super::figures::{Measured, Op, Row, median};
use super::foreign::RAW;
use super::{Bench, SEED};

/// Bytes of one live edit.
const LIVE_BYTES: f64 = 600.0;

/// Edits in one command, as many as one may hold.
const BATCH: usize = 5_000;

/// A link on which nothing moved for so long is quiet: receipts come every tenth of a second.
const QUIET: Duration = Duration::from_millis(400);

pub(super) async fn run(bench: &Bench) -> Result<Vec<Row>, Failure> {
    let device = Device::founder(&bench.scratch).await?;
    let other = device.let_in(&bench.scratch, "other").await?;
    let wire = Wire::between(&device, &other).await?;
    other.wait_for(&[device.mark(0).await?]).await?;
    let rows =
        vec![batch(bench, &device, &wire).await?, live(bench, [&device, &other], &wire).await?];
    device.stop().await;
    other.stop().await;
    Ok(rows)
}

async fn batch(bench: &Bench, device: &Device, wire: &Wire) -> Result<Row, Failure> {
    let size = bench.size(2 * BATCH, 200);
    let mut edits = Edits::new(SEED);
    let (mut ours, mut raw) = (Vec::new(), Ok(Vec::new()));
    for _ in 0..bench.times {
        let before = quiet(wire).await;
        let edits: Result<Vec<_>, _> = edits.by_ref().take(size).map(doc_edit).collect();
        for edits in edits?.chunks(BATCH) {
            device.ask(Command::Edit { edits: edits.to_vec() }).await?;
        }
        ours.push((quiet(wire).await - before) as f64 / size as f64);
        let size = size.to_string();
        bench.foreign.collect(&mut raw, &["bytes", "--edits", &size], |run| run.bytes).await;
    }
    let raw = raw.map(|mut bytes| median(&mut bytes) / size as f64);
    let measured = Measured::new("bytes", median(&mut ours), "bytes/edit")
        .with("edits", size)
        .with("events", size.div_ceil(BATCH))
        .with("kind", "batch")
        .peers(bench.foreign.settings(&[RAW]).await)
        .against_what_is_there(RAW, raw);
    Ok(measured.judge(&bench.machine, Op::AtMost, |of| Some(1.3 * of(RAW)?)))
}

async fn live(bench: &Bench, [a, b]: [&Device; 2], wire: &Wire) -> Result<Row, Failure> {
    let size = bench.size(20, 3);
    let (mut ours, mut raw) = (Vec::new(), Ok(Vec::new()));
    quiet(wire).await;
    let sent = || [a, b].map(Device::sent);
    let begun = sent();
    for edit in 0..size {
        let before = quiet(wire).await;
        b.wait_for(&[a.mark(edit as u64 + 1).await?]).await?;
        ours.push((quiet(wire).await - before) as f64);
    }
    let kinds = by_kind(&begun, &sent(), size);
    let edits = size.to_string();
    for _ in 0..bench.times {
        let args = ["bytes", "--single", "--edits", &edits];
        bench.foreign.collect(&mut raw, &args, |run| run.bytes).await;
    }
    let raw = raw.map(|mut bytes| median(&mut bytes) / size as f64);
    let measured = Measured::new("bytes", median(&mut ours), "bytes/edit")
        .with("edits", size)
        .with("kind", "live")
        .with("bytes", kinds)
        .peers(bench.foreign.settings(&[RAW]).await)
        .against("goal", LIVE_BYTES)
        .against_what_is_there(RAW, raw);
    Ok(measured.judge(&bench.machine, Op::AtMost, |of| of("goal")))
}

/// What frames say that were sent meanwhile, in bytes an edit, without the lengths before them.
fn by_kind(before: &[Sent; 2], after: &[Sent; 2], edits: usize) -> Json {
    let mut kinds = BTreeMap::new();
    for (before, after) in before.iter().zip(after) {
        for (kind, bytes) in after {
            let sent = bytes.saturating_sub(before.get(kind).copied().unwrap_or_default());
            *kinds.entry(*kind).or_insert(0.0) += sent as f64 / edits.max(1) as f64;
        }
    }
    kinds.retain(|_, bytes| *bytes > 0.0);
    json!(kinds)
}

/// Waits until nothing moves; gives what moved until then.
async fn quiet(wire: &Wire) -> u64 {
    loop {
        let before = wire.bytes();
        sleep(QUIET).await;
        if wire.bytes() == before {
            return before;
        }
    }
}
