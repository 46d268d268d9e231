//! What the inspector costs on a long history: four devices make it, with runs that fold, conflicts
//! and a branch, a node of one of them runs as people have it, and `kern-gui --bench` starts before
//! that: a program of its own, so that this one needs no renderer.
//!
//! `open` lasts until the timeline is shown, `frame` is what drawing takes while it is scrolled,
//! and `repaints` what is drawn while nothing happens: that it listened is seen by a change then.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use kernelos_protocol::command::Failure;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use super::Bench;
use super::figures::{Measured, Op, Row, median, ms};
use super::together::{CONFLICTS, DEVICES, History, history};
use crate::cli::demo::nodes::Device as Node;
use crate::cli::itself::find_gui;

/// A history that is long, and one to see that it works.
const EVENTS: (usize, usize) = (100_000, 600);
/// For how many seconds nothing happens.
const IDLE: (usize, usize) = (60, 1);
/// What the inspector says next comes within this time, or it is told that it does not.
const PATIENCE: Duration = Duration::from_secs(120);

/// The timeline is shown, of a history of so many events.
#[derive(Debug, Deserialize)]
struct Shown {
    events: usize,
}

/// What drawing costs.
#[derive(Debug, Deserialize)]
struct Cost {
    frame_ms: f64,
    frames: usize,
    repaints: usize,
}

/// What one run of `kern bench` tells.
struct Told {
    open_ms: f64,
    events: usize,
    cost: Cost,
}

pub(super) async fn run(bench: &Bench) -> Result<Vec<Row>, Failure> {
    let seconds = bench.size(IDLE.0, IDLE.1);
    let mut rows_of = 0;
    let told = match find_gui() {
        None => Err("kern-gui is not beside this program nor on the PATH: build it (cargo build \
                     --release -p kernelos-gui) to measure the inspector"
            .to_owned()),
        Some(program) => {
            let (mut node, rows) = node(bench).await?;
            rows_of = rows;
            let told = measure(bench, &program, &node, seconds).await;
            node.stop().await;
            told
        }
    };
    let row = |workload, unit, goal: f64, of: fn(&Told) -> f64| {
        let ours = told.as_ref().map_or(f64::NAN, of);
        let goal = told.as_ref().map(|_| goal).map_err(Clone::clone);
        let measured = Measured::new(workload, ours, unit).against_what_is_there("goal", goal);
        match &told {
            Ok(told) => measured
                .with("events", told.events)
                .with("rows", rows_of)
                .with("devices", DEVICES)
                .with("conflicts", CONFLICTS),
            Err(_) => measured,
        }
    };
    let frames = told.as_ref().map_or(0, |told| told.cost.frames);
    let rows = [
        row("frame", "ms of CPU p95", 4.0, |told| told.cost.frame_ms).with("frames", frames),
        row("open", "ms", 500.0, |told| told.open_ms),
        row("repaints", "frames while idle", 0.0, |told| told.cost.repaints as f64)
            .with("seconds", seconds),
    ];
    let judge = |row: Measured| row.judge(&bench.machine, Op::AtMost, |of| of("goal"));
    Ok(rows.map(judge).into())
}

/// A node that runs on a history of many events, which four devices made; and how many rows it is.
async fn node(bench: &Bench) -> Result<(Node, usize), Failure> {
    let History { home, rows } = history(bench, bench.size(EVENTS.0, EVENTS.1)).await?;
    let mut node = Node::at("founder", home, bench.scratch.file("log"))?;
    node.start_with(&[], false).await?;
    Ok((node, rows))
}

/// Opens the inspector some times; the last is scrolled, idle, and hears of a change.
async fn measure(
    bench: &Bench,
    program: &Path,
    node: &Node,
    seconds: usize,
) -> Result<Told, String> {
    let socket = node.home.join("kern.sock");
    let mut opens = Vec::new();
    for _ in 1..bench.times {
        opens.push(Inspector::open(program, &socket, seconds).await?.1);
    }
    let (mut inspector, last, events) = Inspector::open(program, &socket, seconds).await?;
    opens.push(last);
    let cost: Cost = inspector.line(seconds).await?;
    let change = node.ask(&["doc", "set", "notes/bench", "true"]).await;
    change.map_err(|failure| failure.message)?;
    let Shown { events: after } = inspector.line(0).await?;
    if after <= events {
        return Err(format!("{}: it saw no change", program.display()));
    }
    Ok(Told { open_ms: median(&mut opens), events, cost })
}

/// The inspector, which ends with this.
struct Inspector {
    program: PathBuf,
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Inspector {
    /// Starts it; gives the milliseconds until it shows the timeline, and of how many events.
    async fn open(
        program: &Path,
        socket: &Path,
        seconds: usize,
    ) -> Result<(Self, f64, usize), String> {
        let failed = |error: std::io::Error| format!("{}: {error}", program.display());
        let mut command = Command::new(program);
        command.args(["--bench", &seconds.to_string(), "--socket"]).arg(socket);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let start = Instant::now();
        let mut child = command.kill_on_drop(true).spawn().map_err(failed)?;
        let stdout = child.stdout.take().ok_or("it has no stdout")?;
        let lines = BufReader::new(stdout).lines();
        let mut inspector = Self { program: program.to_owned(), child, lines };
        let Shown { events } = inspector.line(0).await?;
        Ok((inspector, ms(start.elapsed()), events))
    }

    /// What it says next, after it was idle for so many seconds.
    async fn line<T: DeserializeOwned>(&mut self, seconds: usize) -> Result<T, String> {
        let program = self.program.display();
        let patience = PATIENCE + Duration::from_secs(seconds as u64);
        let line = timeout(patience, self.lines.next_line()).await;
        let line = line.map_err(|_| format!("{program} says nothing for {patience:?}"))?;
        match line.map_err(|error| format!("{program}: {error}"))? {
            Some(line) => {
                serde_json::from_str(&line).map_err(|error| format!("{program}: {error}"))
            }
            None => {
                let mut told = String::new();
                if let Some(stderr) = &mut self.child.stderr {
                    stderr.take(4_096).read_to_string(&mut told).await.ok();
                }
                Err(format!("{program}: {}", told.trim()))
            }
        }
    }
}
