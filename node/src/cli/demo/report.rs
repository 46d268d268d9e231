//! What a demo says: each thing when it is seen, and at the end the timeline and the figures.
//!
//! For scripts the same is one JSON object at the end and nothing before it. Times are
//! milliseconds since the demo began.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Instant;

use kernelos_protocol::command::{Failure, FailureKind};
use kernelos_protocol::present::{Block, Doc, Text};
use serde::Serialize;
use serde_json::Value as Json;

use crate::cli::{look, print};

/// What was seen so far.
#[derive(Debug)]
pub(super) struct Report {
    quiet: bool,
    begin: Instant,
    pub(super) seen: Seen,
}

/// What scripts get.
#[derive(Debug, Default, Serialize)]
pub(super) struct Seen {
    pub(super) ok: bool,
    /// By device.
    pub(super) nodes: BTreeMap<&'static str, NodeSeen>,
    /// Of all devices, at the end.
    pub(super) state_hashes: Vec<String>,
    /// As all devices showed them before one was decided.
    pub(super) conflicts: Vec<Json>,
    pub(super) resolved: Vec<Json>,
    /// As `kern mission show` gives it; null where there was none.
    pub(super) mission: Option<Json>,
    pub(super) figures: Figures,
    pub(super) timeline: Vec<Chapter>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) failure: Option<String>,
}

/// A node, at the end.
#[derive(Debug, Default, Serialize)]
pub(super) struct NodeSeen {
    pub(super) home: PathBuf,
    pub(super) pid: Option<u32>,
    pub(super) state_hash: Option<String>,
}

/// Milliseconds; null where it did not come to that.
#[derive(Debug, Default, Serialize)]
pub(super) struct Figures {
    /// From `invite` until both ends are done, of the slower device.
    pub(super) pair_ms: Option<u64>,
    /// From `online` until all devices show one state hash.
    pub(super) converge_ms: Option<u64>,
    /// From the kill of a mission's holder until another device holds it.
    pub(super) resume_ms: Option<u64>,
}

#[derive(Debug, Serialize)]
pub(super) struct Chapter {
    title: String,
    at_ms: u64,
    took_ms: u64,
}

impl Report {
    pub(super) fn new(quiet: bool) -> Self {
        Self { quiet, begin: Instant::now(), seen: Seen::default() }
    }

    /// Milliseconds since the demo began.
    pub(super) fn now(&self) -> u64 {
        ms_since(self.begin)
    }

    /// Begins a chapter.
    pub(super) fn chapter(&mut self, title: &str) {
        self.close();
        let number = self.seen.timeline.len() + 1;
        self.show(Block::Line(Text::plain("")));
        self.show(Block::Heading(format!("{number}. {title}")));
        let chapter = Chapter { title: title.to_owned(), at_ms: self.now(), took_ms: 0 };
        self.seen.timeline.push(chapter);
    }

    /// Ends the last chapter.
    pub(super) fn close(&mut self) {
        let now = self.now();
        if let Some(last) = self.seen.timeline.last_mut() {
            last.took_ms = now.saturating_sub(last.at_ms);
        }
    }

    /// The chapter that is told, as a failure names it.
    pub(super) fn place(&self) -> String {
        self.seen.timeline.last().map_or_else(String::new, |chapter| {
            format!("chapter {}, {:?}: ", self.seen.timeline.len(), chapter.title)
        })
    }

    /// Says what was just seen.
    pub(super) fn tell(&self, text: impl std::fmt::Display) {
        let now = self.now();
        self.show(Block::Line(Text::plain(format!("{now:>7} ms  {text}"))));
    }

    /// Shows what a command shows.
    pub(super) fn quote(&self, text: &str) {
        for line in text.lines() {
            self.show(Block::Line(Text::plain(format!("            | {line}"))));
        }
    }

    pub(super) fn show(&self, block: Block) {
        if !self.quiet {
            // Where nobody can be told anything, the end of the demo still says it by its code.
            print(&look::at_stdout().text(&Doc(vec![block]))).ok();
        }
    }

    /// The end: timeline, figures, and where to go from here.
    pub(super) fn end(&self, keep: bool, folder: &Path) -> Result<(), Failure> {
        if self.quiet {
            let text = serde_json::to_string(&self.seen);
            let text = text.map_err(|error| Failure::new(FailureKind::Failed, error))?;
            return print(&format!("{text}\n"));
        }
        print(&look::at_stdout().text(&self.timeline()))?;
        if self.seen.ok {
            print(&look::at_stdout().text(&self.next(keep, folder)))?;
        }
        Ok(())
    }

    fn timeline(&self) -> Doc {
        let columns = ["at", "took", "chapter"].map(str::to_owned).to_vec();
        let row = |(index, chapter): (usize, &Chapter)| {
            let ms = |ms: u64| Text::plain(format!("{ms:>6} ms"));
            let title = Text::plain(format!("{}. {}", index + 1, chapter.title));
            vec![ms(chapter.at_ms), ms(chapter.took_ms), title]
        };
        let rows = self.seen.timeline.iter().enumerate().map(row).collect();
        let mut blocks = vec![Block::Line(Text::plain("")), Block::Heading("Timeline".into())];
        blocks.push(Block::Table { columns, rows });
        let figures = &self.seen.figures;
        let figures = [
            (figures.pair_ms, "to pair a device: from its code to the whole history"),
            (figures.converge_ms, "to agree: from online to one state hash on all devices"),
            (figures.resume_ms, "to take over: from the kill to another device at work"),
        ];
        let figures: Vec<_> = figures
            .into_iter()
            .filter_map(|(ms, what)| Some((format!("{:>6} ms", ms?), Text::plain(what))))
            .collect();
        if !figures.is_empty() {
            blocks.extend([Block::Line(Text::plain("")), Block::Heading("Figures".into())]);
            blocks.push(Block::Fields(figures));
        }
        Doc(blocks)
    }

    fn next(&self, keep: bool, folder: &Path) -> Doc {
        let kern = quoted(&std::env::args_os().next().unwrap_or_else(|| OsString::from("kern")));
        let mut lines = vec![String::new()];
        if keep {
            lines.push("The nodes live on. Ask them:".to_owned());
            for node in self.seen.nodes.values() {
                let home = quoted(node.home.as_os_str());
                lines.push(format!("  KERNELOS_HOME={home} {kern} status"));
            }
            let pids = self.seen.nodes.values().filter_map(|node| node.pid);
            let pids: Vec<_> = pids.map(|pid| pid.to_string()).collect();
            let folder = quoted(folder.as_os_str());
            lines.push(format!("End them: kill {} && rm -r {folder}", pids.join(" ")));
        } else {
            lines.push("Nothing is left running, and the folder is gone.".to_owned());
            lines.push(format!("  {kern} demo --keep    leaves the nodes running, to look around"));
        }
        lines.push(format!("  {kern} --help         a workspace of your own begins with init"));
        Doc(lines.into_iter().map(|line| Block::Line(Text::plain(line))).collect())
    }
}

/// Milliseconds since then.
pub(super) fn ms_since(begin: Instant) -> u64 {
    u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// As a shell takes it as one word.
pub(super) fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:,@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.into_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}
