//! `kern log`: what happened, and what became of it.

use std::collections::BTreeSet;
use std::time::Duration;

use kernelos_protocol::command::{Command, Failure, Reply, TimelineAt, TimelineQuery};
use kernelos_protocol::limits::{LOAD_SLICE_EVENTS, TIMELINE_EVENTS_MAX};
use kernelos_protocol::present;
use tokio::time::sleep;

use crate::cli::Ui;
use crate::cli::names::names;
use crate::cli::past::SearchArgs;

/// Show the events, in the order in which they came here
///
/// Every event is shown: also what is quarantined, and what is void, with the reason. Between them
/// stand notices: what this device saw others do, such as a peer that broke a rule.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kern log
  kern log --graph               newest first, as lines of descent
  kern log --event 1f2e3d4c      what one of them says
  kern log --search rain --device phone --since '2 d ago'
  kern log --json | jq 'select(.kind == \"notice\")'")]
pub(super) struct Args {
    /// One event alone, whole, with what its body says
    ///
    /// As many digits of its id as say which, and four at least.
    #[arg(long, value_name = "ID", conflicts_with_all = ["search", "device", "kind", "since"])]
    event: Option<String>,
    #[command(flatten)]
    search: SearchArgs,
    /// Go on with what comes, until interrupted
    #[arg(long, conflicts_with_all = ["event", "search", "device", "kind", "since"])]
    follow: bool,
    /// Newest first, with lines to what each follows
    ///
    /// Runs of edits stand on one line.
    #[arg(long, conflicts_with_all = ["event", "follow", "search", "device", "kind", "since"])]
    graph: bool,
    /// Every event of a run on a line of its own
    #[arg(long, requires = "graph")]
    all: bool,
    /// Lines of ASCII
    #[arg(long, requires = "graph")]
    ascii: bool,
}

/// Between two looks at what came.
const LOOK_EVERY: Duration = Duration::from_millis(300);

pub(super) async fn run(ui: &Ui, args: Args) -> Result<(), Failure> {
    let client = ui.client()?;
    if let Some(begin) = args.event.clone() {
        return match client.ask(ui.workspace(), Command::Event { begin }).await? {
            Reply::Event(view) => {
                let names = names(ui).await?;
                ui.show(&view, || present::event(&view, &names))
            }
            other => Err(super::doc::unexpected(&other)),
        };
    }
    if args.search.is_any() {
        return super::past::search(ui, args.search).await;
    }
    if args.graph {
        return graph(ui, &args).await;
    }
    let mut names = names(ui).await?;
    // Notices have no place of their own: each is shown once.
    let (mut from, mut notices) = (0, BTreeSet::new());
    loop {
        let command = Command::Log { from, limit: LOAD_SLICE_EVENTS };
        let page = match client.ask(ui.workspace(), command).await? {
            Reply::Log(page) => page,
            other => return Err(super::doc::unexpected(&other)),
        };
        if args.follow
            && page.rows.iter().any(|row| row.id.is_some() && !names.contains_key(&row.author))
        {
            names.extend(super::names::names(ui).await?);
        }
        for row in &page.rows {
            let notice = (row.author, row.reason.clone(), row.stamp, row.times);
            if row.id.is_some() || notices.insert(notice) {
                ui.show(row, || present::log_row(row, &names))?;
            }
        }
        match page.next {
            Some(next) => from = next,
            None if args.follow => {
                from += page.rows.iter().filter(|row| row.id.is_some()).count();
                sleep(LOOK_EVERY).await;
            }
            None => return Ok(()),
        }
    }
}

/// The timeline, page by page, each going on where the one above ended. `SPEC: TIME-2`
async fn graph(ui: &Ui, args: &Args) -> Result<(), Failure> {
    let client = ui.client()?;
    let names = names(ui).await?;
    let (mut at, mut lanes) = (TimelineAt::Newest, Vec::new());
    loop {
        let query = TimelineQuery { at, limit: TIMELINE_EVENTS_MAX, folded: !args.all, lanes };
        let mut page = match client.ask(ui.workspace(), Command::Timeline(query)).await? {
            Reply::Timeline(page) => page,
            other => return Err(super::doc::unexpected(&other)),
        };
        if args.ascii {
            page.rows.iter_mut().for_each(|row| row.graph = present::ascii(&row.graph));
        }
        for row in &page.rows {
            ui.show(row, || present::timeline_line(row, &names))?;
        }
        if page.from == 0 {
            return Ok(());
        }
        (at, lanes) = (TimelineAt::Before(page.from), page.lanes);
    }
}
