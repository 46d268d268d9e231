//! `kern conflicts`: where devices disagree, and deciding.

mod bulk;

use kernelos_protocol::command::{
    Command, ConflictPage, ConflictPlace, ConflictRow, Deciding, Failure, FailureKind, Reply,
    SideRow, outcome, outcomes,
};
use kernelos_protocol::document::Edit;
use kernelos_protocol::document::conflict::ConflictKind;
use kernelos_protocol::id::ConflictId;
use kernelos_protocol::present::{self, Block, Doc, Text, Tone};
use serde_json::{Value as Json, json};

use crate::cli::Ui;
use crate::cli::names::{Names, names};
use crate::cli::wrote::Wrote;

/// Digits of an id that name a conflict, where no other begins with them.
const BEGINNING_MIN: usize = 4;

/// List where devices disagree, or decide
///
/// A conflict is a place that devices changed without knowing of each other. It stays open, on
/// every device alike, until somebody decides; a decision is an event that everybody gets.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kern conflicts
  kern conflicts --exit-code              ends with 4 while any is open
  kern conflicts resolve ID --keep A
  kern conflicts resolve ID --value '\"both\"'")]
pub(super) struct Args {
    /// End with 4 while any is open
    #[arg(long)]
    exit_code: bool,
    #[command(subcommand)]
    command: Option<Subcommands>,
}

#[derive(Debug, clap::Subcommand)]
enum Subcommands {
    /// Decide one, or many at once by the same choice
    #[command(after_help = "\
Examples:
  kern conflicts resolve ID --preview
  kern conflicts resolve ID --value '{\"title\": \"both\"}'
  kern conflicts resolve --all --take laptop --preview
  kern conflicts resolve --path 'tasks/**' --take newest --yes")]
    Resolve(ResolveArgs),
}

#[derive(Debug, clap::Args)]
struct ResolveArgs {
    /// Which, as `kern conflicts` shows it
    ///
    /// Its id, or how that alone begins (four digits at least).
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    /// The side that is kept, by its letter
    #[arg(long, value_name = "A", conflicts_with_all = ["value", "take"])]
    keep: Option<String>,
    /// Another value, as JSON
    #[arg(long, value_name = "JSON", allow_negative_numbers = true, conflicts_with = "take")]
    value: Option<String>,
    /// The same choice for many
    ///
    /// The side of this letter, the one of a device, or the newest.
    #[arg(long, value_name = "SIDE|DEVICE|newest")]
    take: Option<String>,
    /// All that are open
    #[arg(long, requires = "take", conflicts_with_all = ["ids", "path"])]
    all: bool,
    /// Those at such paths, as 'tasks/**'
    #[arg(long, value_name = "GLOB", requires = "take", conflicts_with = "ids")]
    path: Option<String>,
    /// Show what it comes to, and decide nothing
    ///
    /// Of one conflict: what stands there then, and whose is lost; by each of its sides where
    /// neither --keep nor --value is said. Of many: what each becomes.
    #[arg(long)]
    preview: bool,
    /// Do not ask
    #[arg(long, requires = "take")]
    yes: bool,
}

pub(super) async fn run(ui: &Ui, args: Args) -> Result<(), Failure> {
    if let Some(Subcommands::Resolve(args)) = args.command {
        return match &args.take {
            Some(take) => bulk::run(ui, &args, take).await,
            None => resolve(ui, args).await,
        };
    }
    let names = names(ui).await?;
    let open = if ui.json {
        let rows: Vec<Json> = all(ui).await?.iter().map(|row| row_json(row, &names)).collect();
        ui.show(&rows, Doc::default)?;
        rows.len()
    } else {
        let mut pages = Pages::default();
        while let Some(page) = pages.next(ui).await? {
            ui.show(&(), || present::conflicts(&page, &names))?;
        }
        pages.shown + pages.more
    };
    if args.exit_code && open > 0 {
        let told = if open == 1 { "a conflict is open" } else { "conflicts are open" };
        return Err(Failure::new(FailureKind::Conflicts, format!("{open}: {told}"))
            .with_hint("kern conflicts resolve ID --keep A, or --value JSON"));
    }
    Ok(())
}

/// The list, page by page: between two a signal is heard.
#[derive(Default)]
struct Pages {
    place: Option<ConflictPlace>,
    ended: bool,
    shown: usize,
    /// Behind the last page, with no way to go there.
    more: usize,
}

impl Pages {
    async fn next(&mut self, ui: &Ui) -> Result<Option<ConflictPage>, Failure> {
        while !self.ended {
            let command = self.place.clone().map_or(Command::Conflicts, Command::ConflictsBehind);
            let mut page = match ui.client()?.ask(ui.workspace(), command).await? {
                Reply::Conflicts(page) => page,
                other => return Err(super::doc::unexpected(&other)),
            };
            // Each goes on behind the one before, whatever is decided meanwhile.
            let next = page.next.clone().filter(|next| Some(next) > self.place.as_ref());
            self.ended = next.is_none();
            self.place = next;
            // What the next page shows is not said to be missing.
            page.more = if self.ended { page.more } else { 0 };
            self.more = page.more;
            self.shown += page.conflicts.len();
            // One without any says so where there is no other.
            if !page.conflicts.is_empty() || (self.ended && self.shown == 0) {
                return Ok(Some(page));
            }
        }
        Ok(None)
    }
}

/// All that are open.
async fn all(ui: &Ui) -> Result<Vec<ConflictRow>, Failure> {
    let (mut pages, mut rows) = (Pages::default(), Vec::new());
    while let Some(mut page) = pages.next(ui).await? {
        rows.append(&mut page.conflicts);
    }
    Ok(rows)
}

/// Scripts get the device's name where it has one.
fn row_json(row: &ConflictRow, names: &Names) -> Json {
    let sides: Vec<Json> = row
        .sides
        .iter()
        .map(|side| {
            let id = side.device.map(|device| device.to_string());
            let name = side.device.map(|device| present::device_name(&device, names));
            json!({ "side": side.side, "device": name, "device_id": id, "member": side.member,
                "value": side.value, "then": side.then, "deleted": side.deleted,
                "event": side.event, "time": side.time, "clock_wrong": side.clock_wrong,
                "put_back": side.put_back })
        })
        .collect();
    json!({ "id": row.id, "document": row.document, "path": row.path, "kind": row.kind,
        "base": row.base, "now": row.now, "sides": sides, "more_sides": row.more_sides,
        "below": row.below, "below_more": row.below_more,
        "why": row.why,
        "common": row.common, "next": row.next, "open": row.open })
}

/// The conflict whose id is this, or alone begins so.
fn named(rows: &[ConflictRow], id: &str) -> Result<ConflictId, Failure> {
    let wrong = |fault: String| {
        Failure::new(FailureKind::Usage, fault).with_hint("`kern conflicts` shows the ids")
    };
    let whole = id.parse::<ConflictId>();
    let digits = id.to_ascii_lowercase();
    let is_beginning =
        digits.len() >= BEGINNING_MIN && digits.bytes().all(|b| b.is_ascii_hexdigit());
    if whole.is_ok() || !is_beginning || digits.len() >= 32 {
        return whole.map_err(|fault| wrong(fault.to_string()));
    }
    let ids = rows.iter().map(|row| row.id);
    let found: Vec<_> = ids.filter(|id| id.to_string().starts_with(&digits)).collect();
    match found[..] {
        [id] => Ok(id),
        [] => Err(Failure::new(
            FailureKind::Failed,
            format!("no open conflict's id begins with {id}"),
        )
        .with_hint("`kern conflicts` shows the ids")),
        _ => Err(wrong(format!("{id} begins several ids"))),
    }
}

/// Shows what a decision comes to, or each that keeps a side; nothing is written.
async fn foresee(ui: &Ui, id: &str, deciding: Option<&Deciding>) -> Result<(), Failure> {
    let rows = all(ui).await?;
    let id = named(&rows, id)?;
    let row = rows.iter().find(|row| row.id == id).ok_or_else(|| {
        Failure::new(FailureKind::Failed, format!("there is no open conflict {id}"))
            .with_hint("`kern conflicts` lists what is open")
    })?;
    let all = match deciding {
        None => outcomes(row),
        Some(deciding) => vec![outcome(row, deciding).ok_or_else(|| {
            Failure::new(FailureKind::Failed, format!("conflict {id} is not decided so"))
                .with_hint("`kern conflicts` shows the sides with their letters")
        })?],
    };
    let names = names(ui).await?;
    let readmits = |side: &SideRow| {
        side.readmits && all.iter().any(|one| one.keep.as_ref() == Some(&side.side))
    };
    // A fork's twin stays apart whatever is kept.
    let comes_back = row.kind == ConflictKind::Quarantine && row.sides.iter().any(readmits);
    ui.show(&all, || {
        let mut doc = present::outcomes(&all, &names);
        if comes_back {
            let text = format!("no undo takes out again what comes back: {}", super::rescue::EACH);
            doc.0.push(Block::Line(Text::toned(Tone::Attention, text)));
        }
        doc
    })
}

async fn resolve(ui: &Ui, args: ResolveArgs) -> Result<(), Failure> {
    let (keep, value) = (args.keep.clone(), args.value.clone());
    let [id] = &args.ids[..] else {
        let is_one = args.ids.is_empty() && !args.all && args.path.is_none();
        let (text, hint) = match is_one {
            true => ("which conflict?", "`kern conflicts` shows the ids"),
            false => (
                "one is decided by --keep or --value, many by --take",
                "for example: kern conflicts resolve --all --take A",
            ),
        };
        return Err(Failure::new(FailureKind::Usage, text).with_hint(hint));
    };
    let deciding = match (keep, value) {
        (Some(keep), _) => Some(Deciding::Keep(keep.to_uppercase())),
        (None, Some(value)) => Some(Deciding::Value(super::doc::parse_value(&value)?)),
        (None, None) => None,
    };
    if args.preview {
        return foresee(ui, id, deciding.as_ref()).await;
    }
    let Some(deciding) = deciding else {
        let text = "say what is to stand there: --keep A or --value JSON";
        return Err(Failure::new(FailureKind::Usage, text)
            .with_hint("`kern conflicts` shows the sides with their letters"));
    };
    let resolve = match id.parse() {
        Ok(id) => id,
        Err(_) => named(&all(ui).await?, id)?,
    };
    let edit = match deciding {
        Deciding::Keep(keep) => Edit::Keep { resolve, keep },
        Deciding::Value(value) => Edit::Decide { resolve, value },
    };
    let command = Command::Edit { edits: vec![edit] };
    match ui.client()?.ask(ui.workspace(), command).await? {
        Reply::Edited(edited) => super::doc::told(ui, &edited),
        // A branch that is kept comes back.
        Reply::Readmitted { event, events, .. } => {
            let object = json!({ "events": events });
            ui.wrote(&Wrote::never(Some(event), super::rescue::EACH), object, Doc::default)
        }
        other => Err(super::doc::unexpected(&other)),
    }
}
