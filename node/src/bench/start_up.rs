//! `start-up`: from opening a store with a long history to the first answer, against opening the
//! bare database.

use std::time::Instant;

use kernelos_protocol::command::Failure;

use super::device::{Device, GROUP};
use super::edits::Edits;
use super::figures::{Measured, Op, Row, median, ms};
use super::plain::open_bare;
use super::{Bench, SEED};

const PLAIN: &str = "bare database";

/// How much longer it may take, in milliseconds.
const MORE_MS: f64 = 200.0;

pub(super) async fn run(bench: &Bench) -> Result<Vec<Row>, Failure> {
    let size = bench.size(100_000, 1_000);
    let mut device = Device::founder(&bench.scratch).await?;
    let edits: Vec<_> = Edits::new(SEED).take(size).collect();
    device.write(&edits, GROUP).await?;
    let (mut ours, mut plain) = (Vec::new(), Vec::new());
    for _ in 0..bench.times {
        let first;
        (device, first) = device.restart().await?;
        ours.push(ms(first));
        let start = Instant::now();
        open_bare(device.store(), "SELECT max(arrival) FROM event")?;
        plain.push(ms(start.elapsed()));
    }
    device.stop().await;
    let measured = Measured::new("start-up", median(&mut ours), "ms")
        .with("events", size)
        .against(PLAIN, median(&mut plain));
    Ok(vec![measured.judge(&bench.machine, Op::AtMost, |of| Some(of(PLAIN)? + MORE_MS))])
}
