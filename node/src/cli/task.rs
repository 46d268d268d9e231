//! `kern task`: the tasks of the workspace, a board or a branch, as entries of its document.

use kernelos_protocol::command::{Command as Asked, Failure, FailureKind, ReadReply, Reply};
use kernelos_protocol::document::{DocPath, Edit};
use kernelos_protocol::id::to_hex;
use kernelos_protocol::present::{self, Block, Doc, Text, Tone};
use serde_json::{Value as Json, json};

use crate::cli::Ui;
use crate::home::random;

/// The tasks of the workspace, or of a board
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kern task add 'pack the tent'
  kern task list
  kern task done 1f2e3d4c
  kern task add 'sow beans' --board garden")]
pub(super) struct Command {
    /// Of which board, by its name or its id
    #[arg(long, global = true, value_name = "NAME", allow_hyphen_values = true)]
    board: Option<String>,
    /// On which branch, by its name or its id
    #[arg(long, global = true, value_name = "NAME", conflicts_with = "board")]
    #[arg(allow_hyphen_values = true)]
    branch: Option<String>,
    #[command(subcommand)]
    args: Args,
}

#[derive(Debug, clap::Subcommand)]
enum Args {
    /// Add one
    #[command(after_help = "\
Examples:
  kern task add 'pack the tent'
  kern task add 'sow beans' --board garden
  kern task add 'pack the tent' --branch try")]
    Add {
        /// What is to be done
        title: String,
    },
    /// List them
    #[command(after_help = "\
Examples:
  kern task list
  kern task list --board garden
  kern task list --json")]
    List,
    /// Mark one as done
    #[command(after_help = "\
Examples:
  kern task done 1f2e3d4c
  kern task done 1f2e3d4c --board garden
  kern task done 1f2e3d4c --branch try")]
    Done {
        /// Which, as `kern task list` shows it
        id: String,
    },
}

pub(super) async fn run(ui: &Ui, command: Command) -> Result<(), Failure> {
    let tasks_at = place(command.board.as_deref(), command.branch.as_deref())?;
    let (id, edited) = match command.args {
        Args::Add { title } if title.trim().is_empty() => {
            return Err(Failure::new(FailureKind::Usage, "a task has a title")
                .with_hint("kern task add 'buy socks'"));
        }
        Args::Add { title } => {
            let id = to_hex(&random()?[..4]);
            let value = json!({ "title": title, "state": "open" });
            let set = below(&tasks_at, &[&id])?;
            (id, super::doc::edit(ui, vec![Edit::Set { set, value }]).await?)
        }
        Args::List => {
            let read = read(ui, &tasks_at).await?;
            let tasks = rows(&read);
            return ui.show(&tasks, || {
                let Doc(mut blocks) = doc(&tasks);
                blocks.extend(present::conflict_below(&read));
                Doc(blocks)
            });
        }
        Args::Done { id } => {
            if !tasks(ui, &tasks_at).await?.iter().any(|task| task["id"] == *id) {
                return Err(Failure::new(FailureKind::Failed, format!("there is no task {id:?}"))
                    .with_hint("`kern task list` shows all"));
            }
            let set = below(&tasks_at, &[&id, "state"])?;
            (id, super::doc::edit(ui, vec![Edit::Set { set, value: json!("done") }]).await?)
        }
    };
    let (wrote, mut tasks) = (super::doc::wrote(&edited), tasks(ui, &tasks_at).await?);
    for row in tasks.iter_mut().filter(|row| row["id"] == *id) {
        wrote.put_in(row);
        super::doc::put_decided(row, &edited);
    }
    ui.wrote_as(&wrote, &json!(tasks), || {
        let Doc(mut blocks) = doc(&tasks);
        blocks.extend(super::doc::decided(&edited).0);
        Doc(blocks)
    })
}

/// Where the tasks are.
fn place(board: Option<&str>, branch: Option<&str>) -> Result<DocPath, Failure> {
    match board {
        Some(name) => below(&super::board::path(name)?, &["tasks"]),
        None => below(&super::branch::above(branch)?, &["tasks"]),
    }
}

fn below(path: &DocPath, segments: &[&str]) -> Result<DocPath, Failure> {
    let path = segments.iter().try_fold(path.clone(), |path, segment| path.child(segment));
    path.map_err(|fault| Failure::new(FailureKind::Usage, fault))
}

/// All tasks. What others wrote there is shown as far as it has the form of a task; what has none
/// of it is `no_task`.
async fn tasks(ui: &Ui, at: &DocPath) -> Result<Vec<Json>, Failure> {
    Ok(rows(&read(ui, at).await?))
}

async fn read(ui: &Ui, at: &DocPath) -> Result<ReadReply, Failure> {
    let read = Asked::Read { path: at.clone() };
    match ui.client()?.ask(ui.workspace(), read).await? {
        Reply::Read(read) => Ok(read),
        other => Err(super::doc::unexpected(&other)),
    }
}

fn rows(read: &ReadReply) -> Vec<Json> {
    let tasks = read.value.as_object().into_iter().flatten();
    let task = |(id, task): (&String, &Json)| {
        // Nobody takes leases yet.
        let mut row =
            json!({ "id": id, "title": task["title"], "state": task["state"], "lease": null });
        if !task.is_object() {
            row["no_task"] = task.clone();
        }
        row
    };
    tasks.map(task).collect()
}

/// Bytes of a text that are shown in the list; the whole of it is in `--json` and `kern doc get`.
const SHOWN_MAX: usize = 400;

/// Others write what they like there: what is no text is shown as what it is.
fn doc(tasks: &[Json]) -> Doc {
    let columns = ["task", "state", "title"].map(str::to_owned).to_vec();
    let text = |value: &Json| match value {
        Json::Null => Text::plain(""),
        Json::String(text) => Text::plain(present::shown(text, SHOWN_MAX)),
        odd => Text::toned(Tone::Attention, present::shown(&odd.to_string(), SHOWN_MAX)),
    };
    let rows = tasks.iter().map(|task| match task.get("no_task") {
        None => ["id", "state", "title"].map(|key| text(&task[key])).to_vec(),
        Some(odd) => {
            let is = Text::toned(Tone::Attention, "no task");
            let what = present::shown(&odd.to_string(), SHOWN_MAX);
            vec![text(&task["id"]), is, Text::toned(Tone::Attention, what)]
        }
    });
    Doc(vec![Block::Table { columns, rows: rows.collect() }])
}
