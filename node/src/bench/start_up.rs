//! `start-up`: from starting `kern up` on a store with a long history to its first answer, against
//! a process that opens the bare database: after an orderly stop, and after SIGKILL, where what was
//! shown last lacks an edit and the answer says so. `read_ms` is a read that lacks nothing.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

use kernelos_protocol::command::{Command, Failure, Reply};
use kernelos_protocol::document::Edit as DocEdit;
use serde_json::json;

use super::device::{self, GROUP, failed, path};
use super::edits::Edits;
use super::figures::{Measured, Op, Row, median, ms};
use super::{Bench, SEED};
use crate::api::client::Client;
use crate::cli::demo::nodes;
use crate::home::Home;

const PLAIN: &str = "bare database";

/// What is read.
const READ: &str = "tasks/task-000/title";

/// How much longer it may take, in milliseconds.
const MORE_MS: f64 = 200.0;

pub(super) async fn run(bench: &Bench) -> Result<Vec<Row>, Failure> {
    let size = bench.size(100_000, 300);
    let founder = device::Device::founder(&bench.scratch).await?;
    let edits: Vec<_> = Edits::new(SEED).take(size).collect();
    founder.write(&edits, GROUP).await?;
    let (home, store) = founder.leave().await;
    let mut site = Site::at(bench, home, store)?;
    let mut rows = Vec::new();
    for is_killed in [false, true] {
        let (mut first, mut read, mut plain) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..bench.times {
            if is_killed {
                site.be_killed().await?;
            }
            let start = Instant::now();
            site.node.start_with(&[], false).await?;
            if is_killed {
                site.glance().await?;
            } else {
                site.read().await?;
            }
            first.push(ms(start.elapsed()));
            site.read().await?;
            read.push(ms(start.elapsed()));
            site.node.stop().await;
            plain.push(bare_ms(&site.store).await?);
        }
        let (before, asked) = if is_killed { ("SIGKILL", "glance") } else { ("stop", "read") };
        let measured = Measured::new("start-up", median(&mut first), "ms")
            .with("events", size)
            .with("before", before)
            .with("asked", asked)
            .with("starts", first.len())
            .with("read_ms", median(&mut read).round())
            .against(PLAIN, median(&mut plain));
        rows.push(measured.judge(&bench.machine, Op::AtMost, |of| Some(of(PLAIN)? + MORE_MS)));
    }
    Ok(rows)
}

/// A home whose node is started anew and anew, each in a process of its own, and the door to it.
struct Site {
    node: nodes::Device,
    client: Client,
    store: PathBuf,
    kills: u64,
}

impl Site {
    fn at(bench: &Bench, home: PathBuf, store: PathBuf) -> Result<Self, Failure> {
        let client = Client::of(&Home::at(&home))?;
        let node = nodes::Device::at("founder", home, bench.scratch.file("log"))?;
        Ok(Self { node, client, store, kills: 0 })
    }

    async fn read(&self) -> Result<(), Failure> {
        let read = Command::Read { path: path(READ)? };
        self.client.ask(None, read).await.map(drop)
    }

    /// The same as it was, where that is here sooner.
    async fn glance(&self) -> Result<(), Failure> {
        let glance = Command::Glance { path: path(READ)? };
        match self.client.ask(None, glance).await? {
            Reply::Read(read) if read.loading.is_none_or(|loading| loading.shown < loading.of) => {
                Ok(())
            }
            other => Err(failed(format!("a start answered {other:?}"))),
        }
    }

    /// Its node acknowledges one edit, and is killed before it keeps what it shows.
    async fn be_killed(&mut self) -> Result<(), Failure> {
        self.node.start_with(&[], false).await?;
        self.kills += 1;
        let edit = DocEdit::Set { set: path("notes/killed")?, value: json!(self.kills) };
        self.client.ask(None, Command::Edit { edits: vec![edit] }).await?;
        self.node.kill().await.map(drop)
    }
}

/// What a process takes to open a database and ask it for its last row.
async fn bare_ms(store: &Path) -> Result<f64, Failure> {
    let program = std::env::current_exe().map_err(failed)?;
    let mut bare = tokio::process::Command::new(program);
    bare.args(["bench", "--bare"]).arg(store).stdin(Stdio::null());
    let start = Instant::now();
    let opened = bare.output().await.map_err(failed)?;
    let took = ms(start.elapsed());
    let told = String::from_utf8_lossy(&opened.stderr);
    if opened.status.success() { Ok(took) } else { Err(failed(told.trim())) }
}
