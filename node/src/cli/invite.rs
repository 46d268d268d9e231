//! `kern invite`: lets another device in.

use std::io::BufRead as _;

use clap::builder::PossibleValuesParser;
use kernelos_protocol::command::{Failure, FailureKind};
use kernelos_protocol::present::{Block, Doc, Text, Tone};
use kernelos_protocol::role::Role;
use serde_json::json;

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
    #[arg(long, value_name = "SECONDS")]
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
    loop {
        let asked = PairAsked::Invited { invitation: open.invitation.clone() };
        let PairAnswer::Invite(event) = client.pair(&asked).await? else {
            return Err(unexpected());
        };
        match event {
            InviteEvent::Waiting => {}
            InviteEvent::AskCode { device_name, .. } => {
                ask_code(ui, &client, &open.invitation, &device_name).await?;
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

/// The digits come from stdin; its end gives up.
async fn ask_code(
    ui: &Ui,
    client: &Client,
    invitation: &str,
    device_name: &str,
) -> Result<(), Failure> {
    if !ui.json {
        super::print(&format!("Type the two digits that {device_name:?} shows: "))?;
    }
    let read = || {
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line).map(|read| (read > 0).then_some(line))
    };
    let line = tokio::task::spawn_blocking(read).await;
    let code = line.ok().and_then(Result::ok).flatten();
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
    Err(Failure::new(FailureKind::Denied, format!("refused: {reason}"))
        .with_hint("open a new invitation and try again"))
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
