//! The past, as `kern doc get --at`, `kern doc history` and `kern log --search` show it.

use kernelos_protocol::command::{
    At, Command, Failure, FailureKind, FoundPage, PastCommand, PastReply, Reply, Search,
};
use kernelos_protocol::document::DocPath;
use kernelos_protocol::facts::ID_DIGITS_MIN;
use kernelos_protocol::id::{DeviceId, EventId};
use kernelos_protocol::limits::HISTORY_ROWS_MAX;
use kernelos_protocol::present::{self, Block, Doc, Text, Tone};
use kernelos_protocol::time::Stamp;
use serde_json::json;

use crate::cli::Ui;
use crate::cli::names::names;
use crate::cli::stream::Progress;
use crate::clock;

/// Said where people look on, so that no output is not taken for a fault.
const NOTHING_FOUND: &str = "nothing found";

/// What to look for, as a person says it.
#[derive(Debug, Default, clap::Args)]
pub(super) struct SearchArgs {
    /// Those that say this
    ///
    /// In paths, values, names, kinds, goals, reasons.
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// Those that this device signed, by name or id
    #[arg(long, value_name = "D")]
    device: Option<String>,
    /// Those of one kind, such as change, grant, mission
    #[arg(long, value_name = "K")]
    kind: Option<String>,
    /// Those stamped since then, such as 14:02 or '2 h ago'
    ///
    /// Also 2026-11-25T21:30:05Z or 2026-11-25; all in UTC.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
}

impl SearchArgs {
    pub(super) fn is_any(&self) -> bool {
        self.search.is_some()
            || self.device.is_some()
            || self.kind.is_some()
            || self.since.is_some()
    }
}

/// A moment, or how the id of an event begins.
fn at(text: &str) -> Result<At, Failure> {
    let is_digit = |c: char| matches!(c, '0'..='9' | 'a'..='f');
    if text.len() >= ID_DIGITS_MIN && text.chars().all(is_digit) {
        return Ok(At::Event(text.to_owned()));
    }
    named(text, present::end_of_moment).map(At::Time)
}

fn moment(text: &str) -> Result<Stamp, Failure> {
    named(text, present::moment)
}

fn named(text: &str, moment: fn(&str, Stamp) -> Option<Stamp>) -> Result<Stamp, Failure> {
    moment(text, Stamp(clock::now().wall_us)).ok_or_else(|| {
        Failure::new(FailureKind::Usage, format!("{text:?} is no event and no time")).with_hint(
            "a time is 2026-11-25T21:30:05Z, 2026-11-25, 14:02 or '2 h ago', in UTC; an event is \
             how its id begins, four digits at least",
        )
    })
}

async fn ask(ui: &Ui, asked: PastCommand) -> Result<PastReply, Failure> {
    match ui.client()?.ask(ui.workspace(), Command::Past(asked)).await? {
        Reply::Past(reply) => Ok(*reply),
        other => Err(super::doc::unexpected(&other)),
    }
}

fn unexpected() -> Failure {
    Failure::new(FailureKind::Failed, "the node answered something else")
}

/// What was at a path.
pub(super) async fn get(ui: &Ui, path: DocPath, when: &str) -> Result<(), Failure> {
    match ask(ui, PastCommand::Read { path, at: at(when)? }).await? {
        PastReply::Read(read) => ui.show(&read, || present::past_read(&read)),
        _ => Err(unexpected()),
    }
}

/// Every value that stood at a path.
pub(super) async fn history(ui: &Ui, path: DocPath, limit: usize) -> Result<(), Failure> {
    let limit = limit.clamp(1, HISTORY_ROWS_MAX);
    let PastReply::History(page) = ask(ui, PastCommand::History { path, limit }).await? else {
        return Err(unexpected());
    };
    let names = names(ui).await?;
    let above = [None].into_iter().chain(page.rows.iter().map(Some));
    for (row, above) in page.rows.iter().zip(above) {
        let device = row.device.map(|device| present::device_name(&device, &names));
        let object = json!({ "value": row.value, "removed": row.removed, "event": row.event,
            "device": device, "device_id": row.device, "time": row.time,
            "clock_wrong": row.clock_wrong, "current": row.current,
            "part": row.part, "lost_to": row.lost_to, "follows": row.follows });
        ui.show(&object, || present::history_row(row, above, &names))?;
    }
    if page.older > 0 {
        ui.show_aside(&json!({ "older": page.older }), || {
            let text =
                format!("{} older changes touched this and are not shown: --limit", page.older);
            Doc(vec![Block::Line(Text::toned(Tone::Quiet, text))])
        })?;
    }
    Ok(())
}

/// The events that somebody looks for, page by page: between two a signal is heard.
pub(super) async fn search(ui: &Ui, args: SearchArgs) -> Result<(), Failure> {
    let device = match &args.device {
        Some(device) => Some(super::revoke::find(ui, device).await?),
        None => None,
    };
    let mut search = Search { text: args.search, device, kind: args.kind, ..Search::default() };
    search.since = args.since.as_deref().map(moment).transpose()?;
    let names = names(ui).await?;
    if let Some(text) = &search.text {
        let text = text.to_lowercase();
        let named = names.iter().filter(|(_, name)| name.to_lowercase().contains(&text));
        search.named = named.map(|(device, _)| *device).collect();
    }
    let (mut progress, mut unread, mut found) = (Progress::new(ui.json), 0, 0_usize);
    loop {
        let PastReply::Found(page) = ask(ui, PastCommand::Search(search.clone())).await? else {
            return Err(unexpected());
        };
        let FoundPage { rows, next, of, unread: not } = page;
        unread += not;
        found += rows.len();
        for row in &rows {
            ui.show(row, || present::found(row, &names))?;
        }
        let Some(next) = next else { break };
        progress.show(next as u64, of as u64);
        search.from = next;
    }
    drop(progress);
    if found == 0 && !ui.json {
        // Events are found by the keys that they wrote, one by one.
        let is_path = |text: &String| text.contains('/') && text.parse::<DocPath>().is_ok();
        let path = search.text.as_ref().filter(|text| is_path(text));
        let text = match path {
            Some(path) => format!("{NOTHING_FOUND}; of a place: kern doc history {path:?}"),
            None => NOTHING_FOUND.to_owned(),
        };
        let text = match ui.client()?.ask(ui.workspace(), Command::Status).await {
            Ok(Reply::Status(status)) if !status.reads() => {
                format!("{text}: this device reads nothing of what is written")
            }
            _ => text,
        };
        ui.show_aside(&(), || Doc(vec![Block::Line(Text::toned(Tone::Quiet, text))]))?;
    }
    if unread > 0 {
        ui.show_aside(&json!({ "unread": unread }), || {
            let text = format!("{unread} events could not be read here");
            Doc(vec![Block::Line(Text::toned(Tone::Attention, text))])
        })?;
    }
    Ok(())
}

/// The last grant of a device that is here.
pub(super) async fn grant_of(ui: &Ui, device: DeviceId) -> Result<Option<EventId>, Failure> {
    let (text, kind) = (Some(device.to_string()), Some("grant".to_owned()));
    let (mut search, mut last) = (Search { text, kind, ..Search::default() }, None);
    loop {
        let PastReply::Found(page) = ask(ui, PastCommand::Search(search.clone())).await? else {
            return Err(unexpected());
        };
        // What it signed as a granter itself is no grant of it.
        let about = page.rows.iter().filter(|row| row.row.author != device);
        last = about.filter_map(|row| row.row.id).next_back().or(last);
        match page.next {
            Some(next) => search.from = next,
            None => return Ok(last),
        }
    }
}
