//! `kern agent`: agents of the workspace, as commands.

use kernelos_protocol::command::{Command, Failure, FailureKind, Reply};
use kernelos_protocol::document::DocPath;
use kernelos_protocol::present::{Block, Doc, Text};
use serde_json::{Value as Json, json};

use crate::cli::Ui;
use crate::cli::wrote::Wrote;

/// The agents of the workspace
///
/// An agent is one command a step. Each is run by `sh -c` in a git work tree, in a sandbox without
/// a network; it finds the goal on its standard input and in $KERNELOS_GOAL_FILE, may write there
/// and in $KERNELOS_SCRATCH, and exits with 0 when it is finished.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = "\
Examples:
  kern agent add fixer --command './fix.sh'
  kern agent add two --command './plan.sh' --command './edit.sh'
  kern agent list")]
pub(super) enum Args {
    /// Add one, or replace its commands
    #[command(after_help = "\
Examples:
  kern agent add fixer --command './fix.sh'
  kern agent add two --command './plan.sh' --command './edit.sh'
  kern agent add fixer --command './fix.sh' --json")]
    Add {
        /// Its name
        name: String,
        /// What a step runs; several make several steps
        #[arg(long = "command", required = true, value_name = "C")]
        commands: Vec<String>,
    },
    /// List them
    #[command(after_help = "\
Examples:
  kern agent list
  kern agent list --json
  kern agent list --workspace work")]
    List,
}

pub(super) async fn run(ui: &Ui, args: Args) -> Result<(), Failure> {
    let Args::Add { name, commands } = args else {
        let agents = agents(ui).await?;
        return ui.show(&agents, || doc(&agents));
    };
    let command = Command::SetAgent { name: name.clone(), commands };
    let event = match ui.client()?.ask(ui.workspace(), command).await? {
        Reply::Edited(edited) => edited.event,
        other => return Err(super::doc::unexpected(&other)),
    };
    let (wrote, mut agents) = (Wrote::undo(event), agents(ui).await?);
    agents.iter_mut().filter(|row| row["name"] == *name).for_each(|row| wrote.put_in(row));
    ui.wrote_as(&wrote, &json!(agents), || doc(&agents))
}

/// All agents. What has not the form of one is not shown.
async fn agents(ui: &Ui) -> Result<Vec<Json>, Failure> {
    let path: DocPath =
        "agents".parse().map_err(|fault| Failure::new(FailureKind::Usage, fault))?;
    let read = match ui.client()?.ask(ui.workspace(), Command::Read { path }).await? {
        Reply::Read(read) => read,
        other => return Err(super::doc::unexpected(&other)),
    };
    let agents = read.value.as_object().into_iter().flatten();
    let agents = agents.filter(|(_, agent)| agent["commands"].is_array());
    Ok(agents.map(|(name, agent)| json!({ "name": name, "commands": agent["commands"] })).collect())
}

fn doc(agents: &[Json]) -> Doc {
    let columns = ["agent", "step", "command"].map(str::to_owned).to_vec();
    let rows = agents.iter().flat_map(|agent| {
        let commands = agent["commands"].as_array().into_iter().flatten();
        commands.enumerate().map(|(at, command)| {
            let name = agent["name"].as_str().unwrap_or_default();
            let command = command.as_str().unwrap_or_default();
            vec![Text::plain(name), Text::plain(at + 1), Text::plain(command)]
        })
    });
    Doc(vec![Block::Table { columns, rows: rows.collect() }])
}
