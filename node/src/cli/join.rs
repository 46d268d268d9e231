//! `kern join`: takes this device into a workspace.

use std::collections::BTreeSet;
use std::future::Future;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;

use kernelos_protocol::command::{Command, Failure, FailureKind, Reply};
use kernelos_protocol::id::WorkspaceId;
use kernelos_protocol::present::{Block, Doc, Text, Tone};
use serde_json::json;
use tokio::time::{sleep, timeout};

use crate::api::client::Client;
use crate::api::{NodeInfo, PairAnswer, PairAsked};
use crate::cli::Ui;
use crate::cli::invite::{LEAVE, refused, unexpected};
use crate::cli::join_file;
use crate::cli::signals::Signals;
use crate::cli::stdin;
use crate::cli::stream::Progress;
use crate::pairing::{By, JoinEvent};

/// Join a workspace by the token that one of its devices shows
///
/// Shows two digits, to be typed on the inviting device; then the history comes.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kern join KOS1:… --device phone
  pbpaste | kern join - --device phone
  kern join --join-file box.join --device box      without a screen")]
pub(super) struct Args {
    /// The token, or - for stdin
    #[arg(required_unless_present = "join_file")]
    token: Option<String>,
    /// The file that `kern invite --join-file` wrote
    ///
    /// Nobody is asked anything, and the file is removed when it lets in nobody more.
    #[arg(long, value_name = "F", conflicts_with = "token")]
    join_file: Option<PathBuf>,
    /// This device's name, as the other members see it
    #[arg(long)]
    device: Option<String>,
}

/// Between two looks at how much is here.
const LOOK: Duration = Duration::from_millis(200);

pub(super) async fn run(ui: &Ui, args: Args) -> Result<(), Failure> {
    let mut signals = Signals::watch()?;
    let client = ui.client()?;
    let progress = Progress::new(ui.json);
    let by = async {
        let by = by(args.token, args.join_file.as_deref()).await?;
        // How far it is, is asked for who sees it, and stops no join.
        let info = if progress.is_due() { client.info().await.ok() } else { None };
        Ok((by, info.map(ids)))
    };
    let (by, before) = tokio::select! {
        biased;
        ended = signals.any() => return Err(ended),
        by = by => by?,
    };
    let device = args.device.unwrap_or_else(host_name);
    let began = client.pair(&PairAsked::Join { by, device }).await;
    let join = match began {
        Ok(PairAnswer::Began(join)) => join,
        Ok(_) => return Err(unexpected()),
        // What is in the file is none of ours, whatever it is called.
        Err(failure) if failure.message == "token_foreign" && args.join_file.is_some() => {
            let file = args.join_file.unwrap_or_default();
            let text = format!("{} is no join file ({})", file.display(), failure.message);
            return Err(Failure::new(FailureKind::Usage, text)
                .with_hint("name the file that `kern invite --join-file F` wrote"));
        }
        Err(failure) if failure.kind == FailureKind::Denied => {
            return refused(ui, &failure.message);
        }
        Err(failure) => return Err(failure),
    };
    let attending = attend(ui, &client, join, args.join_file.as_deref());
    let mut attending = pin!(telling(progress, &client, before, attending));
    let ended = tokio::select! {
        biased;
        ended = signals.any() => ended,
        done = &mut attending => return done,
    };
    let leaving = async {
        client.pair(&PairAsked::Leave { join }).await?;
        attending.await
    };
    match timeout(LEAVE, leaving).await {
        // It was in by then.
        Ok(Ok(())) => Ok(()),
        _ => Err(ended.with_hint("`kern workspace list` shows whether this device came in")),
    }
}

fn ids(info: NodeInfo) -> BTreeSet<WorkspaceId> {
    info.workspaces.into_iter().map(|row| row.workspace_id).collect()
}

/// Says how much of the history is here, now and again, while it comes; nothing where nobody knows
/// which workspaces were here `before`.
async fn telling(
    mut progress: Progress,
    client: &Client,
    before: Option<BTreeSet<WorkspaceId>>,
    attending: impl Future<Output = Result<(), Failure>>,
) -> Result<(), Failure> {
    let Some(before) = before else { return attending.await };
    let mut attending = pin!(attending);
    loop {
        let looking = async {
            sleep(LOOK).await;
            come(client, &before).await
        };
        let events = tokio::select! {
            biased;
            done = &mut attending => return done,
            events = looking => events,
        };
        if let Some(events) = events {
            progress.say(|| format!("{events} events are here"));
        }
    }
}

/// Events of a workspace that was not here before.
async fn come(client: &Client, before: &BTreeSet<WorkspaceId>) -> Option<usize> {
    let now = ids(client.info().await.ok()?);
    // Until the digits are typed there is none.
    let new = now.difference(before).next()?;
    match client.ask(Some(&new.to_string()), Command::Status).await {
        Ok(Reply::Status(status)) => Some(status.events),
        _ => None,
    }
}

/// Tells what happens to an attempt, until it is over.
async fn attend(ui: &Ui, client: &Client, join: u64, file: Option<&Path>) -> Result<(), Failure> {
    loop {
        let PairAnswer::Join(event) = client.pair(&PairAsked::Joining { join }).await? else {
            return Err(unexpected());
        };
        match event {
            JoinEvent::Waiting => {}
            JoinEvent::AskConsent { workspace, inviter, role } => {
                // Who brought the file here has said yes.
                let yes = file.is_some() || consent(ui, &workspace, &inviter, &role).await?;
                client.pair(&PairAsked::Consent { join, yes }).await?;
            }
            JoinEvent::CheckCode(code) => ui.show(&json!({ "check_code": code }), || {
                let text = format!("Type these two digits on the inviting device: {code}");
                Doc(vec![Block::Line(Text::toned(Tone::Attention, text))])
            })?,
            JoinEvent::Joined { workspace, device, history_events, left } => {
                if let (Some(file), Some(0)) = (file, left) {
                    join_file::remove(file)?;
                }
                let said = json!({ "workspace": workspace, "device": device,
                    "history_events": history_events });
                return ui.show(&said, || {
                    let text = format!(
                        "this device is {device:?} in {workspace:?}; its history of \
                         {history_events} events is here"
                    );
                    let back = format!("take it back, on another device: kern revoke {device:?}");
                    let lines = [(Tone::Good, text), (Tone::Quiet, back)];
                    Doc(lines.map(|(tone, text)| Block::Line(Text::toned(tone, text))).to_vec())
                });
            }
            JoinEvent::Refused(reason) => return refused(ui, &reason),
        }
    }
}

/// A person is asked; a script that calls this has decided.
async fn consent(ui: &Ui, workspace: &str, inviter: &str, role: &str) -> Result<bool, Failure> {
    if ui.json || !std::io::stdin().is_terminal() {
        return Ok(true);
    }
    let question = format!("Join {workspace:?}, invited by {inviter:?}, as {role}? [y/N] ");
    super::print(&question)?;
    Ok(read_line().await?.trim().eq_ignore_ascii_case("y"))
}

async fn by(token: Option<String>, file: Option<&Path>) -> Result<By, Failure> {
    match (token, file) {
        (_, Some(file)) => join_file::read(file).map(By::File),
        (Some(token), None) if token != "-" => Ok(By::Token(token)),
        _ => read_line().await.map(By::Token),
    }
}

async fn read_line() -> Result<String, Failure> {
    let line = stdin::done(stdin::line()?).await;
    line.map_err(|error| Failure::new(FailureKind::Usage, format!("stdin: {error}")))
}

/// The machine's name, where nobody gave another.
pub(super) fn host_name() -> String {
    let name = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "device".to_owned() } else { name.to_owned() }
}
