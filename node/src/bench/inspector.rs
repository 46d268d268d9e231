//! What the inspector costs on a long history: four devices make it, with runs that fold, conflicts
//! and a branch, a node of one of them runs as people have it, and `kern-gui --bench` starts before
//! that: a program of its own, so that this one needs no renderer.
//!
//! `open` lasts until the timeline is shown: laid out, and in a window, where there is a display.
//! `frame` is what drawing takes while it is scrolled, and while one goes from conflict to conflict
//! where very many are open: the 95th percentile and the most. `repaints` is what is drawn while
//! nothing happens: that it listened is seen by a change then.

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
use super::together::{CONFLICTS, DEVICES, History, conflicts, history};
use crate::cli::demo::nodes::Device as Node;
use crate::cli::itself::find_gui;

/// A history that is long, and one to see that it works.
const EVENTS: (usize, usize) = (100_000, 600);
/// Conflicts that are open at once before another node, and to see that it works.
const OPEN: (usize, usize) = (10_000, 40);
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
    timeline: Frames,
    conflicts: Option<(usize, Frames)>,
    repaints: usize,
}

/// Milliseconds of CPU of one frame.
#[derive(Debug, Deserialize)]
struct Frames {
    p95_ms: f64,
    most_ms: f64,
    frames: usize,
}

/// What one run of `kern bench` tells.
struct Told {
    open_ms: f64,
    /// The same in a window, or why there is none.
    window_ms: Result<f64, String>,
    events: usize,
    /// Of the timeline, of which those events are one that fold.
    rows: usize,
    cost: Cost,
    /// Where very many conflicts are open.
    inbox: (usize, Frames),
}

pub(super) async fn run(bench: &Bench) -> Result<Vec<Row>, Failure> {
    let told = match find_gui() {
        None => Err("kern-gui is not beside this program nor on the PATH: build it (cargo build \
                     --release -p kernelos-gui) to measure the inspector"
            .to_owned()),
        Some(program) => tell(bench, &program).await?,
    };
    let row = |workload, unit, goal: f64, of: fn(&Told) -> f64| {
        let ours = told.as_ref().map_or(f64::NAN, of);
        let goal = told.as_ref().map(|_| goal).map_err(Clone::clone);
        Measured::new(workload, ours, unit).against_what_is_there("goal", goal)
    };
    let long = |row: Measured| match &told {
        Ok(told) => row
            .with("events", told.events)
            .with("rows", told.rows)
            .with("devices", DEVICES)
            .with("conflicts", CONFLICTS),
        Err(_) => row,
    };
    let open = told.as_ref().map_or(0, |told| told.inbox.0);
    let frames = |of: fn(&Told) -> &Frames| told.as_ref().map_or(0, |told| of(told).frames);
    let timeline = |row| long(row).with("frames", frames(|told| &told.cost.timeline));
    let inbox = |row: Measured| {
        row.with("conflicts", open).with("devices", 2).with("frames", frames(|told| &told.inbox.1))
    };
    let window = told.as_ref().map_err(Clone::clone).and_then(|told| told.window_ms.clone());
    let shown = window.as_ref().map_or(f64::NAN, |ms| *ms);
    let window = Measured::new("open", shown, "ms in a window")
        .against_what_is_there("goal", window.map(|_| 500.0));
    let (p95, most, seconds) = ("ms of CPU p95", "ms of CPU, the most", idle(bench));
    let rows = [
        timeline(row("frame", p95, 4.0, |told| told.cost.timeline.p95_ms)),
        timeline(row("frame", most, 4.0, |told| told.cost.timeline.most_ms)),
        inbox(row("frame", p95, 4.0, |told| told.inbox.1.p95_ms)),
        inbox(row("frame", most, 4.0, |told| told.inbox.1.most_ms)),
        long(row("open", "ms", 500.0, |told| told.open_ms)),
        long(window),
        long(row("repaints", "frames while idle", 0.0, |told| told.cost.repaints as f64))
            .with("seconds", seconds),
    ];
    let judge = |row: Measured| row.judge(&bench.machine, Op::AtMost, |of| of("goal"));
    Ok(rows.map(judge).into())
}

/// For how many seconds nothing happens.
fn idle(bench: &Bench) -> usize {
    bench.size(IDLE.0, IDLE.1)
}

/// What the inspector costs on a long history, and where very many conflicts are open.
async fn tell(bench: &Bench, program: &Path) -> Result<Result<Told, String>, Failure> {
    let History { home, rows } = history(bench, bench.size(EVENTS.0, EVENTS.1)).await?;
    let mut node = node_at(bench, home).await?;
    let told = measure(bench, program, &node, idle(bench)).await;
    node.stop().await;
    let (open_ms, window_ms, events, cost) = match told {
        Ok(told) => told,
        Err(why) => return Ok(Err(why)),
    };
    let home = conflicts(bench, bench.size(OPEN.0, OPEN.1)).await?;
    let mut node = node_at(bench, home).await?;
    let inbox = inbox(program, &node).await;
    node.stop().await;
    Ok(inbox.map(|inbox| Told { open_ms, window_ms, events, rows, cost, inbox }))
}

/// A node that runs on what this home has.
async fn node_at(bench: &Bench, home: PathBuf) -> Result<Node, Failure> {
    let mut node = Node::at("founder", home, bench.scratch.file("log"))?;
    node.start_with(&[], false).await?;
    Ok(node)
}

/// Goes from conflict to conflict; gives how many are open and what that costs.
async fn inbox(program: &Path, node: &Node) -> Result<(usize, Frames), String> {
    let socket = node.home.join("kern.sock");
    let (mut inspector, ..) = Inspector::open(program, &["--bench", "0"], &socket).await?;
    let cost: Cost = inspector.line(0).await?;
    cost.conflicts.ok_or_else(|| format!("{}: it saw no conflict", program.display()))
}

/// Opens the inspector some times; the last is scrolled, idle, and hears of a change.
async fn measure(
    bench: &Bench,
    program: &Path,
    node: &Node,
    seconds: usize,
) -> Result<(f64, Result<f64, String>, usize, Cost), String> {
    let socket = node.home.join("kern.sock");
    let (mut opens, idle) = (Vec::new(), seconds.to_string());
    for _ in 1..bench.times {
        opens.push(Inspector::open(program, &["--bench", &idle], &socket).await?.1);
    }
    let (mut inspector, last, events) =
        Inspector::open(program, &["--bench", &idle], &socket).await?;
    opens.push(last);
    let cost: Cost = inspector.line(seconds).await?;
    let change = node.ask(&["doc", "set", "notes/bench", "true"]).await;
    change.map_err(|failure| failure.message)?;
    let Shown { events: after } = inspector.line(0).await?;
    if after <= events {
        return Err(format!("{}: it saw no change", program.display()));
    }
    let window = window(bench, program, &socket).await;
    Ok((median(&mut opens), window, events, cost))
}

/// Opens a window some times; gives the milliseconds until it shows the timeline.
async fn window(bench: &Bench, program: &Path, socket: &Path) -> Result<f64, String> {
    if ["DISPLAY", "WAYLAND_DISPLAY"].iter().all(|name| std::env::var_os(name).is_none()) {
        return Err("no display: set DISPLAY or WAYLAND_DISPLAY, as xvfb-run does".to_owned());
    }
    let mut opens = Vec::new();
    for _ in 0..bench.times {
        opens.push(Inspector::open(program, &["--bench-window"], socket).await?.1);
    }
    Ok(median(&mut opens))
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
        arguments: &[&str],
        socket: &Path,
    ) -> Result<(Self, f64, usize), String> {
        let failed = |error: std::io::Error| format!("{}: {error}", program.display());
        let mut command = Command::new(program);
        command.args(arguments).arg("--socket").arg(socket);
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
