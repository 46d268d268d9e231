//! What the inspector costs on a long history: `kern-gui --bench` draws it without a window, and
//! says so. It is a program of its own, so that this one needs no renderer.

use std::process::Stdio;
use std::time::Duration;

use kernelos_protocol::command::Failure;
use serde::Deserialize;
use tokio::process::Command;
use tokio::time::timeout;

use super::Bench;
use super::figures::{Measured, Op, Row};
use crate::cli::itself::find_gui;

/// A history that is long, and one to see that it works.
const EVENTS: (usize, usize) = (100_000, 2_000);

/// It draws some hundred frames.
const PATIENCE: Duration = Duration::from_secs(120);

/// What drawing costs, as the inspector says.
#[derive(Debug, Deserialize)]
struct Cost {
    frame_ms: f64,
    open_ms: f64,
    repaints: f64,
}

pub(super) async fn run(bench: &Bench) -> Result<Vec<Row>, Failure> {
    let events = bench.size(EVENTS.0, EVENTS.1);
    let cost = cost(events).await;
    let row = |workload, unit, goal: f64, of: fn(&Cost) -> f64| {
        let ours = cost.as_ref().map_or(f64::NAN, of);
        let measured = Measured::new(workload, ours, unit).with("events", events);
        let goal = cost.as_ref().map(|_| goal).map_err(Clone::clone);
        let measured = measured.against_what_is_there("goal", goal);
        measured.judge(&bench.machine, Op::AtMost, |of| of("goal"))
    };
    Ok(vec![
        row("frame", "ms of CPU p95", 4.0, |cost| cost.frame_ms),
        row("open", "ms", 500.0, |cost| cost.open_ms),
        row("repaints", "frames/idle minute", 0.0, |cost| cost.repaints),
    ])
}

async fn cost(events: usize) -> Result<Cost, String> {
    let program = find_gui().ok_or_else(|| {
        "kern-gui is not beside this program nor on the PATH: build it (cargo build --release -p \
         kernelos-gui) to measure the inspector"
            .to_owned()
    })?;
    let mut command = Command::new(&program);
    command.args(["--bench", &events.to_string()]).stdin(Stdio::null()).kill_on_drop(true);
    let late = |_| format!("{} takes longer than {PATIENCE:?}", program.display());
    let output = timeout(PATIENCE, command.output()).await.map_err(late)?;
    let output = output.map_err(|error| format!("{}: {error}", program.display()))?;
    serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("{}: {error}", program.display()))
}
