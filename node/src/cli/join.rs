//! `kern join`: takes this device into a workspace.

use std::io::{BufRead as _, IsTerminal as _};

use kernelos_protocol::command::{Failure, FailureKind};
use kernelos_protocol::present::{Block, Doc, Text, Tone};
use serde_json::json;

use crate::api::{PairAnswer, PairAsked};
use crate::cli::Ui;
use crate::cli::invite::{refused, unexpected};
use crate::pairing::JoinEvent;

/// Join a workspace by the token that one of its devices shows
///
/// Shows two digits, to be typed on the inviting device; then the history comes.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kern join KOS1:… --device phone
  pbpaste | kern join - --device phone")]
pub(super) struct Args {
    /// The token, or - for stdin
    token: String,
    /// This device's name, as the other members see it
    #[arg(long)]
    device: Option<String>,
}

pub(super) async fn run(ui: &Ui, args: Args) -> Result<(), Failure> {
    let token = if args.token == "-" { read_line()? } else { args.token };
    let device = args.device.unwrap_or_else(host_name);
    let client = ui.client()?;
    let began = client.pair(&PairAsked::Join { token, device }).await;
    let join = match began {
        Ok(PairAnswer::Began(join)) => join,
        Ok(_) => return Err(unexpected()),
        Err(failure) if failure.kind == FailureKind::Denied => {
            return refused(ui, &failure.message);
        }
        Err(failure) => return Err(failure),
    };
    loop {
        let PairAnswer::Join(event) = client.pair(&PairAsked::Joining { join }).await? else {
            return Err(unexpected());
        };
        match event {
            JoinEvent::Waiting => {}
            JoinEvent::AskConsent { workspace, inviter, role } => {
                let yes = consent(ui, &workspace, &inviter, &role)?;
                client.pair(&PairAsked::Consent { join, yes }).await?;
            }
            JoinEvent::CheckCode(code) => ui.show(&json!({ "check_code": code }), || {
                let text = format!("Type these two digits on the inviting device: {code}");
                Doc(vec![Block::Line(Text::toned(Tone::Attention, text))])
            })?,
            JoinEvent::Joined { workspace, device, history_events } => {
                let said = json!({ "workspace": workspace, "device": device,
                    "history_events": history_events });
                return ui.show(&said, || {
                    let text = format!(
                        "this device is {device:?} in {workspace:?}; its history of \
                         {history_events} events is here"
                    );
                    Doc(vec![Block::Line(Text::toned(Tone::Good, text))])
                });
            }
            JoinEvent::Refused(reason) => return refused(ui, &reason),
        }
    }
}

/// A person is asked; a script that calls this has decided.
fn consent(ui: &Ui, workspace: &str, inviter: &str, role: &str) -> Result<bool, Failure> {
    if ui.json || !std::io::stdin().is_terminal() {
        return Ok(true);
    }
    let question = format!("Join {workspace:?}, invited by {inviter:?}, as {role}? [y/N] ");
    super::print(&question)?;
    Ok(read_line()?.trim().eq_ignore_ascii_case("y"))
}

fn read_line() -> Result<String, Failure> {
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    read.map_err(|error| Failure::new(FailureKind::Usage, format!("stdin: {error}")))?;
    Ok(line)
}

/// The machine's name, where nobody gave another.
fn host_name() -> String {
    let name = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "device".to_owned() } else { name.to_owned() }
}
