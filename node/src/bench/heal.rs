//! `heal`: devices that wrote apart meet again, each with each over plain QUIC on loopback, against
//! raw Automerge sync that keeps, signs and seals nothing.

use std::time::Instant;

use kernelos_protocol::command::Failure;

use super::device::{Device, GROUP, Loopback, join};
use super::edits::Edits;
use super::figures::{Measured, Op, Row, median, ms};
use super::foreign::{RAW, SAMOD};
use super::{Bench, SEED};

/// Devices, edits of each in full and quick, and how much of raw sync it may take.
const CASES: [(usize, usize, usize, f64); 2] = [(2, 10_000, 200, 1.3), (4, 2_500, 50, 0.8)];

pub(super) async fn run(bench: &Bench) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    for (nodes, full, quick, share) in CASES {
        let edits = bench.size(full, quick);
        let (mut ours, mut raw, mut samod) = (Vec::new(), Ok(Vec::new()), Ok(Vec::new()));
        let (mut turns, since) = (0, Instant::now());
        while bench.goes_on(&format!("{nodes} x {edits}"), turns, bench.times, since) {
            turns += 1;
            ours.push(once(bench, nodes, edits).await?);
            let [nodes, edits] = [nodes, edits].map(|number| number.to_string());
            let args = ["heal", "--nodes", &nodes, "--edits", &edits, "--peer"];
            for (peer, times) in [("raw", &mut raw), ("samod", &mut samod)] {
                bench.foreign.collect(times, &[&args[..], &[peer]].concat(), |run| run.ms).await;
            }
        }
        let measured = Measured::new("heal", median(&mut ours), "ms")
            .with("nodes", nodes)
            .with("edits", edits)
            .with("turns", turns)
            .peers(bench.foreign.settings(&[RAW, SAMOD]).await)
            .beside(SAMOD, samod.map(|mut times| median(&mut times)))
            .against_what_is_there(RAW, raw.map(|mut times| median(&mut times)));
        rows.push(measured.judge(&bench.machine, Op::AtMost, |of| Some(share * of(RAW)?)));
    }
    Ok(rows)
}

/// Milliseconds from the first link to the last edit on the last device.
async fn once(bench: &Bench, nodes: usize, edits: usize) -> Result<f64, Failure> {
    let mut devices = vec![Device::founder(&bench.scratch).await?];
    for node in 1..nodes {
        let name = format!("node-{node}");
        let device = devices[0].let_in(&bench.scratch, &name).await?;
        devices.push(device);
    }
    let met = Loopback::meet(&devices.iter().collect::<Vec<_>>()).await?;
    let mark = devices[0].mark(1).await?;
    for device in &devices {
        device.wait_for(std::slice::from_ref(&mark)).await?;
    }
    for device in &devices {
        device.parted().await;
    }
    met.close().await;
    let mut marks = Vec::new();
    for (device, seed) in devices.iter().zip(SEED..) {
        let edits: Vec<_> = Edits::new(seed).take(edits).collect();
        device.write(&edits, GROUP).await?;
        marks.push(device.mark(2).await?);
    }
    let loopback = Loopback::bind(&devices.iter().collect::<Vec<_>>())?;
    let links = loopback.links().await?;
    let start = Instant::now();
    for (one, other, link) in links {
        join(&devices[one], &devices[other], link).await;
    }
    for device in &devices {
        device.wait_for(&marks).await?;
    }
    let healed = ms(start.elapsed());
    for device in devices {
        device.stop().await;
    }
    loopback.close().await;
    Ok(healed)
}
