//! `kern board`: named sets of tasks and notes, each a document of its own.

use kernelos_protocol::command::{BoardPage, Command, Failure, Reply};
use kernelos_protocol::document::DocPath;
use kernelos_protocol::present;

use crate::cli::wrote::{Wrote, quoted};
use crate::cli::{Ui, links};

/// Boards: named sets of tasks and notes
///
/// A board is a document of its own below the workspace's: what is on it costs nothing elsewhere.
/// Its paths begin with boards/NAME in every command that takes one. Where two devices made a
/// board of one name apart both are kept: the name leads to one, `kern conflicts` shows both, and
/// each is reached by its id in the place of the name.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = "\
Examples:
  kern board create garden
  kern task add 'sow beans' --board garden
  kern doc set boards/garden/notes/soil '\"clay\"'
  kern doc get boards/garden
  kern board list")]
pub(super) enum Args {
    /// Make one
    #[command(after_help = "\
Examples:
  kern board create garden
  kern board create 'house and yard'
  kern board create garden --json")]
    Create {
        /// Its name, without /
        name: String,
    },
    /// List them
    #[command(after_help = "\
Examples:
  kern board list
  kern board list --all
  kern board list --all --json")]
    List {
        /// Those that are put away, too
        #[arg(long)]
        all: bool,
    },
    /// Put one away: it is listed no longer, and nothing of it is lost
    #[command(after_help = "\
Examples:
  kern board archive garden
  kern board archive garden --json
  kern board archive garden --undo")]
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
        Args::Create { name } => {
            let create = Command::CreateBoard { name: name.clone() };
            match ui.client()?.ask(ui.workspace(), create).await? {
                Reply::BoardMade { document, event } => {
                    let back = format!("kern board archive {}", quoted(&name));
                    links::made(ui, &name, document, &Wrote::by(Some(event), back))
                }
                other => Err(super::doc::unexpected(&other)),
            }
        }
        Args::List { all } => {
            let page = boards(ui, all).await?;
            ui.show(&page.boards, || present::boards(&page))?;
            ui.told_more(page.more)
        }
        Args::Archive { name, undo } => {
            let archive = Command::ArchiveBoard { name: name.clone(), archived: !undo };
            let back = format!("kern board archive {}", quoted(&name));
            let back = if undo { back } else { back + " --undo" };
            links::archive(ui, (&name, !undo), archive, |event| Wrote::by(event, back)).await
        }
    }
}

pub(super) async fn boards(ui: &Ui, all: bool) -> Result<BoardPage, Failure> {
    match ui.client()?.ask(ui.workspace(), Command::Boards { all }).await? {
        Reply::Boards(page) => Ok(page),
        other => Err(super::doc::unexpected(&other)),
    }
}

/// Where a board is, as its name or id says.
pub(super) fn path(name: &str) -> Result<DocPath, Failure> {
    links::path("boards", name)
}
