//! `dispatch` and `live`: one edit after the other while devices are connected, until it is durable
//! here, and until it is in the document of another.

use std::time::{Duration, Instant};

use kernelos_protocol::command::Failure;
use tokio::time::sleep;

use super::device::{Device, Loopback, command};
use super::edits::Edits;
use super::figures::{Measured, Op, Row, ms, percentile};
use super::foreign::SAMOD;
use super::{Bench, SEED};

/// F, in the names of what is measured against.
const COMMIT: &str = "sqlite commit p95";

/// Between two commands: 50 a second.
const EVERY: Duration = Duration::from_millis(20);

/// Between two edits that are followed to the other device.
const LIVE_EVERY: Duration = Duration::from_millis(50);

/// `dispatch`: two peers are attached, each over plain QUIC on loopback.
pub(super) async fn dispatch(bench: &Bench) -> Result<Vec<Row>, Failure> {
    let (devices, loopback) = connected(bench, 3).await?;
    let size = bench.size(500, 20);
    let (mut times, mut commit) = (Vec::new(), Vec::new());
    let mut edits = Edits::new(SEED);
    for _ in 0..bench.times {
        commit.push(bench.commit_p95_ms()?);
        for edit in edits.by_ref().take(size) {
            let start = Instant::now();
            devices[0].ask(command(edit)?).await?;
            times.push(ms(start.elapsed()));
            sleep(EVERY.saturating_sub(start.elapsed())).await;
        }
    }
    ended(devices, loopback).await;
    let measured = Measured::new("dispatch", percentile(&mut times, 95), "ms p95")
        .with("commands", bench.times * size)
        .with("peers", 2)
        .against(COMMIT, percentile(&mut commit, 50));
    Ok(vec![measured.judge(&bench.machine, Op::AtMost, |of| Some(1.3 * of(COMMIT)? + 4.0))])
}

/// `live`: from before the edit on one device to its being read on the other.
pub(super) async fn live(bench: &Bench) -> Result<Vec<Row>, Failure> {
    let (devices, loopback) = connected(bench, 2).await?;
    let size = bench.size(100, 10);
    let (mut times, mut commit, mut samod) = (Vec::new(), Vec::new(), Ok(Vec::new()));
    let (mut turns, since) = (0, Instant::now());
    while bench.goes_on("turn", turns, bench.times, since) {
        commit.push(bench.commit_p95_ms()?);
        for edit in 0..size {
            let start = Instant::now();
            let mark = devices[0].mark((turns * size + edit) as u64 + 1).await?;
            while !devices[1].has(&mark).await {}
            times.push(ms(start.elapsed()));
            sleep(LIVE_EVERY.saturating_sub(start.elapsed())).await;
        }
        let edits = size.to_string();
        let args = ["live", "--peer", "samod", "--edits", &edits];
        bench.foreign.collect(&mut samod, &args, |run| run.p95_ms).await;
        turns += 1;
    }
    ended(devices, loopback).await;
    let measured = Measured::new("live", percentile(&mut times, 95), "ms p95")
        .with("edits", turns * size)
        .peers(bench.foreign.settings(&[SAMOD]).await)
        .against(COMMIT, percentile(&mut commit, 50))
        .against_what_is_there(SAMOD, samod.map(|mut times| percentile(&mut times, 50)));
    Ok(vec![
        measured.judge(&bench.machine, Op::AtMost, |of| Some(of(SAMOD)? + 2.0 * of(COMMIT)? + 4.0)),
    ])
}

/// So many devices that hold the same and are connected, each with each.
async fn connected(bench: &Bench, nodes: usize) -> Result<(Vec<Device>, Loopback), Failure> {
    let mut devices = vec![Device::founder(&bench.scratch).await?];
    for node in 1..nodes {
        let device = devices[0].let_in(&bench.scratch, &format!("node-{node}")).await?;
        devices.push(device);
    }
    let loopback = Loopback::meet(&devices.iter().collect::<Vec<_>>()).await?;
    let mark = devices[0].mark(0).await?;
    for device in &devices {
        device.wait_for(std::slice::from_ref(&mark)).await?;
    }
    Ok((devices, loopback))
}

async fn ended(devices: Vec<Device>, loopback: Loopback) {
    for device in devices {
        device.stop().await;
    }
    loopback.close().await;
}
