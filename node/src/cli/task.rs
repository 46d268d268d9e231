//! `kern task`: the tasks of the workspace, as entries of the document.

use kernelos_protocol::command::{Command, Failure, FailureKind, Reply};
use kernelos_protocol::document::{DocPath, Edit};
use kernelos_protocol::id::to_hex;
use kernelos_protocol::present::{Block, Doc, Text};
use serde_json::{Value as Json, json};

use crate::cli::Ui;
use crate::home::random;

/// The tasks of the workspace
#[derive(Debug, clap::Subcommand)]
#[command(after_help = "\
Examples:
  kern task add 'pack the tent'
  kern task list
  kern task done 1f2e3d4c")]
pub(super) enum Args {
    /// Add one
    #[command(after_help = "Examples:\n  kern task add 'pack the tent'")]
    Add {
        /// What is to be done
        title: String,
    },
    /// List them
    #[command(after_help = "Examples:\n  kern task list\n  kern task list --json")]
    List,
    /// Mark one as done
    #[command(after_help = "Examples:\n  kern task done 1f2e3d4c")]
    Done {
        /// Which, as `kern task list` shows it
        id: String,
    },
}

pub(super) async fn run(ui: &Ui, args: Args) -> Result<(), Failure> {
    match args {
        Args::Add { title } if title.trim().is_empty() => {
            return Err(Failure::new(FailureKind::Usage, "a task has a title")
                .with_hint("kern task add 'buy socks'"));
        }
        Args::Add { title } => {
            let id = to_hex(&random()?[..4]);
            let value = json!({ "title": title, "state": "open" });
            super::doc::edit(ui, vec![Edit::Set { set: path(&[&id])?, value }]).await?;
        }
        Args::List => {}
        Args::Done { id } => {
            if !tasks(ui).await?.iter().any(|task| task["id"] == *id) {
                return Err(Failure::new(FailureKind::Failed, format!("there is no task {id:?}"))
                    .with_hint("`kern task list` shows all"));
            }
            let set = path(&[&id, "state"])?;
            super::doc::edit(ui, vec![Edit::Set { set, value: json!("done") }]).await?;
        }
    }
    let tasks = tasks(ui).await?;
    ui.show(&tasks, || doc(&tasks))
}

fn path(below: &[&str]) -> Result<DocPath, Failure> {
    let text = std::iter::once("tasks").chain(below.iter().copied()).collect::<Vec<_>>().join("/");
    text.parse().map_err(|fault| Failure::new(FailureKind::Usage, fault))
}

/// All tasks. What others wrote there is shown as far as it has the form of a task.
async fn tasks(ui: &Ui) -> Result<Vec<Json>, Failure> {
    let read = match ui.client()?.ask(ui.workspace(), Command::Read { path: path(&[])? }).await? {
        Reply::Read(read) => read,
        other => return Err(super::doc::unexpected(&other)),
    };
    let tasks = read.value.as_object().into_iter().flatten();
    let task = |(id, task): (&String, &Json)| {
        // Nobody takes leases yet.
        json!({ "id": id, "title": task["title"], "state": task["state"], "lease": null })
    };
    Ok(tasks.map(task).collect())
}

fn doc(tasks: &[Json]) -> Doc {
    let columns = ["task", "state", "title"].map(str::to_owned).to_vec();
    let text = |value: &Json| Text::plain(value.as_str().unwrap_or_default());
    let rows = tasks.iter().map(|task| ["id", "state", "title"].map(|key| text(&task[key])).into());
    Doc(vec![Block::Table { columns, rows: rows.collect() }])
}
