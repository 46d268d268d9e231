//! `kern branch`: documents that go on from another, to try something and bring it back.

use kernelos_protocol::command::{BranchCommand, BranchPage, BranchReply, Command, Failure, Reply};
use kernelos_protocol::document::DocPath;
use kernelos_protocol::present::{self, Block, Text, Tone};
use serde_json::json;

use crate::cli::names::names;
use crate::cli::wrote::Wrote;
use crate::cli::{Ui, links};

/// Try something apart, and bring it back
///
/// A branch is a document that goes on from another: it shares all that was there, and what is
/// written to it stays on it until it is merged. A merge overwrites nothing: where both changed one
/// place it is a conflict, and somebody decides.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = "\
Examples:
  kern branch create try --purpose 'shorter titles'
  kern doc set notes/today '\"sun\"' --branch try
  kern branch preview try")]
pub(super) enum Args {
    /// Make one; of an old state too, which is not a way back but a branch
    #[command(after_help = "\
Examples:
  kern branch create try
  kern branch create try --of boards/garden --purpose 'other beds'
  kern branch create monday --at 1f2e3d4c")]
    Create {
        /// Its name
        name: String,
        /// Of which document: boards/NAME or branches/NAME
        ///
        /// Without it of the workspace's.
        #[arg(long, value_name = "PATH", default_value = "", hide_default_value = true)]
        of: String,
        /// As that was at an event, by how its id begins
        #[arg(long, value_name = "EVENT")]
        at: Option<String>,
        /// What it is for
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        purpose: String,
    },
    /// List them, and what devices wrote while apart
    #[command(after_help = "\
Examples:
  kern branch list
  kern branch list --all
  kern branch list --all --json")]
    List {
        /// Those that are put away, too
        #[arg(long)]
        all: bool,
    },
    /// Show what was changed on one since it was made
    #[command(after_help = "\
Examples:
  kern branch diff try
  kern branch diff 1f2e3d4c
  kern branch diff try --json")]
    Diff {
        /// Its name or id
        #[arg(allow_hyphen_values = true)]
        name: String,
    },
    /// Show what its merge would bring, and its conflicts
    ///
    /// Nothing is written.
    #[command(after_help = "\
Examples:
  kern branch preview try
  kern branch preview 1f2e3d4c
  kern branch preview try --json")]
    Preview {
        /// Its name or id
        #[arg(allow_hyphen_values = true)]
        name: String,
    },
    /// Bring what was changed on one to where it comes from
    #[command(after_help = "\
Examples:
  kern branch merge try
  kern branch merge 1f2e3d4c
  kern branch merge try --json")]
    Merge {
        /// Its name or id
        #[arg(allow_hyphen_values = true)]
        name: String,
    },
    /// Put one away: it is listed no longer, and nothing of it is lost
    #[command(after_help = "\
Examples:
  kern branch archive try
  kern branch archive try --json
  kern branch archive try --undo")]
    Archive {
        /// Which, by its name
        #[arg(allow_hyphen_values = true)]
        name: String,
        /// Bring it back
        #[arg(long)]
        undo: bool,
    },
}

pub(super) async fn run(ui: &Ui, args: Args) -> Result<(), Failure> {
    match args {
        Args::Create { name, of, at, purpose } => {
            let of = super::doc::parse_path(&of)?;
            let create = BranchCommand::Create { name: name.clone(), of, at, purpose };
            match ask(ui, create).await? {
                Reply::Branch(BranchReply::Made { document, event }) => {
                    links::made(ui, &name, document, &Wrote::undo(Some(event)))
                }
                other => Err(super::doc::unexpected(&other)),
            }
        }
        Args::List { all } => {
            let page = branches(ui, all).await?;
            let names = names(ui).await?;
            ui.show(&page.branches, || present::branches(&page, &names))?;
            ui.told_more(page.more)
        }
        Args::Diff { name } => compare(ui, BranchCommand::Diff { name }).await,
        Args::Preview { name } => compare(ui, BranchCommand::Preview { name }).await,
        Args::Merge { name } => merge(ui, name).await,
        Args::Archive { name, undo } => {
            let archive = BranchCommand::Archive { name: name.clone(), archived: !undo };
            links::archive(ui, (&name, !undo), Command::Branch(archive), Wrote::undo).await
        }
    }
}

/// The branches; those that are put away, too, where `all` are asked for.
pub(super) async fn branches(ui: &Ui, all: bool) -> Result<BranchPage, Failure> {
    match ask(ui, BranchCommand::List { all }).await? {
        Reply::Branch(BranchReply::List(page)) => Ok(page),
        other => Err(super::doc::unexpected(&other)),
    }
}

/// Merges, and says what that brought: what shows nothing new has nothing to take back.
async fn merge(ui: &Ui, name: String) -> Result<(), Failure> {
    let (shows, conflicts) = match ask(ui, BranchCommand::Preview { name: name.clone() }).await {
        Ok(Reply::Branch(BranchReply::Changes(brings))) => {
            let conflicts = brings.conflicts.len().saturating_add(brings.more_conflicts);
            (!brings.changes.is_empty() || brings.more > 0 || conflicts > 0, Some(conflicts))
        }
        // Why it is not merged, that says.
        _ => (true, None),
    };
    let merged = ask(ui, BranchCommand::Merge { name: name.clone() }).await?;
    let Reply::Branch(BranchReply::Merged { event, changes, taken_back }) = merged else {
        return Err(super::doc::unexpected(&merged));
    };
    let mut object = json!({ "name": name, "changes": changes });
    if let Some(conflicts) = conflicts {
        object["conflicts"] = json!(conflicts);
    }
    if !taken_back.is_empty() {
        object["taken_back"] = json!(taken_back);
    }
    let wrote = match shows {
        true => Wrote::undo(Some(event)),
        false => Wrote::never(Some(event), "it shows nothing new"),
    };
    ui.wrote(&wrote, object, || {
        let mut doc = present::taken_back(&taken_back);
        let brought = match conflicts {
            None | Some(0) => None,
            Some(1) => Some("it brought a conflict: kern conflicts".to_owned()),
            Some(many) => Some(format!("it brought {many} conflicts: kern conflicts")),
        };
        doc.0.extend(brought.map(|text| Block::Line(Text::toned(Tone::Attention, text))));
        doc
    })
}

async fn compare(ui: &Ui, command: BranchCommand) -> Result<(), Failure> {
    let is_merge = matches!(command, BranchCommand::Preview { .. });
    match ask(ui, command).await? {
        Reply::Branch(BranchReply::Changes(changes)) => {
            let names = names(ui).await?;
            ui.show(&changes, || present::branch_changes(&changes, is_merge, &names))
        }
        other => Err(super::doc::unexpected(&other)),
    }
}

async fn ask(ui: &Ui, command: BranchCommand) -> Result<Reply, Failure> {
    ui.client()?.ask(ui.workspace(), Command::Branch(command)).await
}

/// The path of a branch's document; of the root's without one.
pub(super) fn above(branch: Option<&str>) -> Result<DocPath, Failure> {
    let Some(name) = branch else { return Ok(DocPath::default()) };
    links::path("branches", name)
}
