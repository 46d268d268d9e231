//! `kern conflicts`: where devices disagree, and deciding.

use kernelos_protocol::command::{Command, ConflictPage, ConflictRow, Failure, FailureKind, Reply};
use kernelos_protocol::document::Edit;
use kernelos_protocol::id::ConflictId;
use kernelos_protocol::present;
use serde_json::{Value as Json, json};

use crate::cli::Ui;
use crate::cli::names::{Names, names};

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
    /// Decide one
    #[command(after_help = "\
Examples:
  kern conflicts resolve ID --keep A
  kern conflicts resolve ID --value '{\"title\": \"both\"}'")]
    Resolve(ResolveArgs),
}

#[derive(Debug, clap::Args)]
struct ResolveArgs {
    /// Which, as `kern conflicts` shows it: its id, or how that alone begins (four digits at least)
    id: String,
    /// The side that is kept, by its letter
    #[arg(long, value_name = "A", conflicts_with = "value")]
    keep: Option<String>,
    /// Another value, as JSON
    #[arg(long, value_name = "JSON", allow_negative_numbers = true)]
    value: Option<String>,
}

pub(super) async fn run(ui: &Ui, args: Args) -> Result<(), Failure> {
    if let Some(Subcommands::Resolve(args)) = args.command {
        return resolve(ui, args).await;
    }
    let page = page(ui).await?;
    let names = names(ui).await?;
    let rows: Vec<Json> = page.conflicts.iter().map(|row| row_json(row, &names)).collect();
    ui.show(&rows, || present::conflicts(&page, &names))?;
    let open = page.conflicts.len() + page.more;
    if args.exit_code && open > 0 {
        let told = if open == 1 { "a conflict is open" } else { "conflicts are open" };
        return Err(Failure::new(FailureKind::Conflicts, format!("{open}: {told}"))
            .with_hint("kern conflicts resolve ID --keep A, or --value JSON"));
    }
    Ok(())
}

async fn page(ui: &Ui) -> Result<ConflictPage, Failure> {
    match ui.client()?.ask(ui.workspace(), Command::Conflicts).await? {
        Reply::Conflicts(page) => Ok(page),
        other => Err(super::doc::unexpected(&other)),
    }
}

/// Scripts get the device's name where it has one.
fn row_json(row: &ConflictRow, names: &Names) -> Json {
    let sides: Vec<Json> = row
        .sides
        .iter()
        .map(|side| {
            let id = side.device.map(|device| device.to_string());
            let name = side.device.map(|device| present::device_name(&device, names));
            json!({ "side": side.side, "device": name, "device_id": id, "value": side.value,
                "deleted": side.deleted, "event": side.event, "time": side.time })
        })
        .collect();
    json!({ "id": row.id, "document": row.document, "path": row.path, "kind": row.kind,
        "base": row.base, "sides": sides,
        "why": row.why, "open": row.open })
}

/// The conflict whose id is this, or alone begins so.
async fn named(ui: &Ui, id: &str) -> Result<ConflictId, Failure> {
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
    let page = page(ui).await?;
    let ids = page.conflicts.iter().map(|row| row.id);
    let found: Vec<_> = ids.filter(|id| id.to_string().starts_with(&digits)).collect();
    match found[..] {
        [id] if page.more == 0 => Ok(id),
        [] if page.more == 0 => Err(Failure::new(
            FailureKind::Failed,
            format!("no open conflict's id begins with {id}"),
        )
        .with_hint("`kern conflicts` shows the ids")),
        [] | [_] => Err(wrong(format!("there are too many conflicts to tell which {id} begins"))),
        _ => Err(wrong(format!("{id} begins several ids"))),
    }
}

async fn resolve(ui: &Ui, args: ResolveArgs) -> Result<(), Failure> {
    let ResolveArgs { id, keep, value } = args;
    let edit: Box<dyn FnOnce(ConflictId) -> Edit> = match (keep, value) {
        (Some(keep), _) => {
            Box::new(move |resolve| Edit::Keep { resolve, keep: keep.to_uppercase() })
        }
        (None, Some(value)) => {
            let value = super::doc::parse_value(&value)?;
            Box::new(|resolve| Edit::Decide { resolve, value })
        }
        (None, None) => {
            let text = "say what is to stand there: --keep A or --value JSON";
            return Err(Failure::new(FailureKind::Usage, text)
                .with_hint("`kern conflicts` shows the sides with their letters"));
        }
    };
    let edited = super::doc::edit(ui, vec![edit(named(ui, &id).await?)]).await?;
    super::doc::told(ui, &edited)
}
