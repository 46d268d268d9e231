//! `kern invite`: lets another device in.

use std::io::BufRead as _;

use clap::builder::PossibleValuesParser;
use kernelos_protocol::command::{Failure, FailureKind};
use kernelos_protocol::present::{Block, Doc, Text, Tone};
use kernelos_protocol::role::Role;
use serde_json::json;
use tokio::sync::oneshot;

use crate::api::client::Client;
use crate::api::{PairAnswer, PairAsked};
use crate::cli::{Ui, is_terminal};
use crate::pairing::InviteEvent;
use crate::qr::{Background, qr_text};

/// Let another device into the workspace
///
/// Shows a token, once, for five minutes at most. Who has seen it is not in yet: the new device
/// shows two digits, and you type them here.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kern invite
  kern invite --role observer --ttl 60")]
pub(super) struct Args {
    /// What it may do
    #[arg(long, default_value = "member", value_parser = roles())]
    role: String,
    /// For how many seconds; at most 300
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=300))]
    ttl: Option<u64>,
}

fn roles() -> PossibleValuesParser {
    PossibleValuesParser::new(Role::ALL.map(Role::name))
}

pub(super) async fn run(ui: &Ui, args: Args) -> Result<(), Failure> {
    let role = Role::ALL.into_iter().find(|role| role.name() == args.role);
    let role = role.ok_or_else(|| Failure::new(FailureKind::Usage, "there is no such role"))?;
    let client = ui.client()?;
    let asked = PairAsked::Invite {
        workspace: ui.workspace.clone(),
        role,
        ttl_ms: args.ttl.map(|seconds| seconds.saturating_mul(1_000)),
    };
    let PairAnswer::Open(open) = client.pair(&asked).await? else { return Err(unexpected()) };
    ui.show(&json!({ "token": open.token }), || token_doc(&open.token))?;
    let mut typed = None;
    loop {
        let asked = PairAsked::Invited { invitation: open.invitation.clone() };
        // Nobody may type for long: what happens meanwhile is heard all the same.
        let answer = tokio::select! {
            line = line_of(&mut typed) => {
                typed = None;
                give_code(&client, &open.invitation, line).await?;
                continue;
            }
            answer = client.pair(&asked) => answer?,
        };
        let PairAnswer::Invite(event) = answer else { return Err(unexpected()) };
        match event {
            InviteEvent::Waiting => {}
            InviteEvent::AskCode { device_name, .. } => {
                typed = Some(ask_code(ui, &device_name)?);
            }
            InviteEvent::Granted(device) => {
                return ui.show(&json!({ "granted": device }), || {
                    let text = format!("{device} is a member");
                    Doc(vec![Block::Line(Text::toned(Tone::Good, text))])
                });
            }
            InviteEvent::Refused(reason) => return refused(ui, &reason),
        }
    }
}

type Line = oneshot::Receiver<Option<String>>;

/// The line that is being typed, once it is whole; none where stdin ended.
async fn line_of(typed: &mut Option<Line>) -> Option<String> {
    match typed {
        Some(line) => line.await.ok().flatten(),
        None => std::future::pending().await,
    }
}

/// The digits come from stdin. They are read on a thread of their own, which ends with the
/// process: a read of stdin cannot be taken back, and a runtime would wait for it.
fn ask_code(ui: &Ui, device_name: &str) -> Result<Line, Failure> {
    if !ui.json {
        super::print(&format!("Type the two digits that {device_name:?} shows: "))?;
    }
    let (reading, line) = oneshot::channel();
    let read = move || {
        let mut line = String::new();
        let read = std::io::stdin().lock().read_line(&mut line);
        reading.send(read.is_ok_and(|read| read > 0).then_some(line)).ok();
    };
    let spawned = std::thread::Builder::new().name("stdin".to_owned()).spawn(read);
    spawned.map(|_| line).map_err(|error| Failure::new(FailureKind::Failed, error))
}

/// Hands over what was typed; nothing gives up.
async fn give_code(client: &Client, invitation: &str, code: Option<String>) -> Result<(), Failure> {
    let asked = PairAsked::Code { invitation: invitation.to_owned(), code };
    match client.pair(&asked).await {
        // What are no digits is no guess, and burns nothing: it gives up.
        Err(failure) if failure.kind == FailureKind::Usage => {
            let asked = PairAsked::Code { invitation: invitation.to_owned(), code: None };
            client.pair(&asked).await.map(drop)
        }
        answer => answer.map(drop),
    }
}

/// Says why nobody came in, where scripts look for it, and ends with 5.
pub(super) fn refused(ui: &Ui, reason: &str) -> Result<(), Failure> {
    if ui.json {
        super::print(&(json!({ "refused": reason }).to_string() + "\n"))?;
    }
    let hint = match reason {
        "name_used" => "a device of the workspace has this name: choose another with --device",
        "own_token" => "run `kern join` on the device that is to come in, not on this one",
        "already_member" => "this device is in the workspace already: `kern workspace list`",
        "link_lost" => {
            "the other device is not reached, or went away: look whether both run and \
                        are on one network, then open a new invitation"
        }
        _ => "open a new invitation and try again",
    };
    Err(Failure::new(FailureKind::Denied, format!("refused: {reason}")).with_hint(hint))
}

pub(super) fn unexpected() -> Failure {
    Failure::new(FailureKind::Failed, "the node answered something else")
        .with_hint("kern and the running node may be of different versions: restart it")
}

fn token_doc(token: &str) -> Doc {
    let mut blocks = Vec::new();
    if let Some(code) = qr_text(token, Background::Dark).filter(|_| is_terminal()) {
        blocks.push(Block::Verbatim(code));
    }
    blocks.push(Block::Line(Text::plain("On the new device, with `kern up` running:")));
    blocks.push(Block::Verbatim(format!("kern join {token}")));
    Doc(blocks)
}
