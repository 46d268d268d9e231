//! `append`: edits until they are durable, so many handed in at once, against the least that a
//! signed and durable Automerge change takes.

use std::time::Instant;

use kernelos_protocol::command::Failure;

use super::device::Device;
use super::edits::Edits;
use super::figures::{Measured, Op, Row, median};
use super::plain::Core;
use super::{Bench, SEED};

/// Handed in at once.
const GROUPS: [usize; 3] = [1, 16, 128];

pub(super) async fn run(bench: &Bench) -> Result<Vec<Row>, Failure> {
    let device = Device::founder(&bench.scratch).await?;
    let mut core = Core::create(&bench.scratch.file("core"))?;
    let mut edits = Edits::new(SEED);
    let mut rows = Vec::new();
    for group in GROUPS {
        let count = bench.size((64 * group).clamp(512, 4_096), 2 * group.max(16));
        let (mut ours, mut plain) = (Vec::new(), Vec::new());
        for _ in 0..bench.times {
            let edits: Vec<_> = edits.by_ref().take(count).collect();
            let start = Instant::now();
            device.write(&edits, group).await?;
            ours.push(count as f64 / start.elapsed().as_secs_f64());
            let start = Instant::now();
            for group in edits.chunks(group) {
                core.append(group)?;
            }
            plain.push(count as f64 / start.elapsed().as_secs_f64());
        }
        let measured = Measured::new("append", median(&mut ours), "events/s")
            .with("group", group)
            .with("events", count)
            .against("automerge + signature + sqlite", median(&mut plain));
        rows.push(measured.judge(&bench.machine, Op::AtLeast, |of| {
            Some(0.8 * of("automerge + signature + sqlite")?)
        }));
    }
    device.stop().await;
    Ok(rows)
}
