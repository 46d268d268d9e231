//! `kern mission`: a goal, handed to whoever can reach it; shown step by step.

use std::path::PathBuf;

use kernelos_protocol::command::{Command, Failure, FailureKind, Reply};
use kernelos_protocol::id::EventId;
use kernelos_protocol::mission::show::MissionView;
use kernelos_protocol::present;
use serde_json::{Value as Json, json};

use crate::cli::Ui;
use crate::cli::names::{Names, names};
use crate::cli::wrote::Wrote;
use crate::missions::Starting;

/// Missions: plan, implement, verify, replay, promote
#[derive(Debug, clap::Subcommand)]
#[command(after_help = "\
Examples:
  kern mission start 'greet' --repo . --verify 'sh check' --agent fixer
  kern mission list
  kern mission show 1f2e3d4c
  kern mission cancel 1f2e3d4c")]
pub(super) enum Args {
    /// Start one; this device is the repository's home
    ///
    /// It moves the branch at the end.
    #[command(after_help = "\
Examples:
  kern mission start 'greet' --repo . --verify 'sh check' --agent fixer
  kern mission start 'fix it' --repo ../shop --branch main --agent fixer \\
    --verify './check' --tests 'tests/**' --tests check
  kern mission start 'greet' --repo . --verify ./check --agent fixer --floor 12")]
    Start(Start),
    /// List them
    #[command(after_help = "\
Examples:
  kern mission list
  kern mission list --json
  kern mission list --workspace work")]
    List,
    /// Show one: its stages, its steps, who ran what, and the evidence
    #[command(after_help = "\
Examples:
  kern mission show 1f2e3d4c
  kern mission show 1f
  kern mission show 1f --json")]
    Show {
        /// Its id, or how it begins
        id: String,
    },
    /// End one for good: whoever works on it stops
    ///
    /// For its home, owners and admins.
    #[command(after_help = "\
Examples:
  kern mission cancel 1f2e3d4c
  kern mission cancel 1f
  kern mission cancel 1f --json      {\"mission\":…,\"event\":…}")]
    Cancel {
        /// Its id, or how it begins
        id: String,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct Start {
    /// What is to be reached, in words
    goal: String,
    /// The repository
    #[arg(long, value_name = "P")]
    repo: PathBuf,
    /// The branch that is to move
    ///
    /// Without it the one that is checked out.
    #[arg(long, value_name = "B")]
    branch: Option<String>,
    /// The command that verifies
    ///
    /// It should print TAP, JUnit XML or what `cargo test` prints: what cannot be read counts as
    /// one test.
    #[arg(long, value_name = "C")]
    verify: String,
    /// Which agent, by its name
    #[arg(long, value_name = "A")]
    agent: String,
    /// Which paths are tests; may be given several times
    ///
    /// The candidate must pass with the base's own. Without any, the usual ones are meant.
    #[arg(long, value_name = "GLOB")]
    tests: Vec<String>,
    /// How many tests there must be at least
    #[arg(long, value_name = "N", default_value_t = 1)]
    floor: u64,
}

pub(super) async fn run(ui: &Ui, args: Args) -> Result<(), Failure> {
    match args {
        Args::Start(start) => {
            let repo = std::path::absolute(&start.repo)
                .map_err(|error| Failure::new(FailureKind::Usage, error))?;
            let starting = Starting {
                goal: start.goal,
                repo,
                branch: start.branch,
                verify: start.verify,
                agent: start.agent,
                tests: start.tests,
                floor: start.floor,
            };
            let id = ui.client()?.start_mission(ui.workspace(), &starting).await?;
            let wrote = Wrote::by(Some(id), format!("kern mission cancel {}", id.short()));
            ui.wrote(&wrote, json!({ "id": id }), || present::started(&id))
        }
        Args::List => {
            let (missions, names) = (list(ui).await?, names(ui).await?);
            let rows: Vec<Json> = missions.iter().map(|row| named(&json!(row), &names)).collect();
            ui.show(&rows, || present::missions(&missions, &names))
        }
        Args::Show { id } => {
            let view = show(ui, &id).await?;
            let names = names(ui).await?;
            ui.show(&named(&json!(view), &names), || present::mission(&view, &names))
        }
        Args::Cancel { id } => {
            let id = find(ui, &id).await?;
            match ui.client()?.ask(ui.workspace(), Command::CancelMission { id }).await? {
                Reply::Cancelled { event } => {
                    let wrote = Wrote::never(Some(event), "it ended for good: start another");
                    ui.wrote(&wrote, json!({ "mission": id }), || present::cancelled(&id))
                }
                other => Err(super::doc::unexpected(&other)),
            }
        }
    }
}

async fn list(ui: &Ui) -> Result<Vec<MissionView>, Failure> {
    match ui.client()?.ask(ui.workspace(), Command::Missions).await? {
        Reply::Missions { missions } => Ok(missions),
        other => Err(super::doc::unexpected(&other)),
    }
}

async fn show(ui: &Ui, begin: &str) -> Result<MissionView, Failure> {
    let id = find(ui, begin).await?;
    match ui.client()?.ask(ui.workspace(), Command::Mission { id }).await? {
        Reply::Mission(view) => Ok(*view),
        other => Err(super::doc::unexpected(&other)),
    }
}

/// The mission whose id begins so.
async fn find(ui: &Ui, begin: &str) -> Result<EventId, Failure> {
    let is_digit = |c: char| matches!(c, '0'..='9' | 'a'..='f');
    if begin.is_empty() || begin.len() > 64 || !begin.chars().all(is_digit) {
        return Err(Failure::new(FailureKind::Usage, format!("{begin:?} begins no mission's id"))
            .with_hint("an id has hex digits, lower case: `kern mission list` shows all"));
    }
    let missions = list(ui).await?;
    let ids = missions.iter().map(|row| row.id).filter(|id| id.to_string().starts_with(begin));
    let ids: Vec<EventId> = ids.collect();
    match &ids[..] {
        [id] => Ok(*id),
        [] => {
            let text = format!("there is no mission {begin:?}");
            Err(Failure::new(FailureKind::Failed, text).with_hint("`kern mission list` shows all"))
        }
        _ => {
            let text = format!("{} missions begin with {begin:?}", ids.len());
            Err(Failure::new(FailureKind::Usage, text).with_hint("give more of the id"))
        }
    }
}

/// The same with the names of devices where their ids stand.
fn named(row: &Json, names: &Names) -> Json {
    match row {
        Json::String(text) => match text.parse() {
            Ok(device) if names.contains_key(&device) => {
                Json::String(present::device_name(&device, names))
            }
            _ => row.clone(),
        },
        Json::Array(items) => items.iter().map(|item| named(item, names)).collect(),
        Json::Object(fields) => {
            fields.iter().map(|(key, value)| (key.clone(), named(value, names))).collect()
        }
        _ => row.clone(),
    }
}
