//! `kern invite`: lets another device in.

use std::pin::pin;
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use kernelos_protocol::command::{Failure, FailureKind};
use kernelos_protocol::pairing::PairingCode;
use kernelos_protocol::present::{Block, Doc, Text, Tone};
use kernelos_protocol::role::Role;
use serde_json::json;
use tokio::time::timeout;

use crate::api::client::Client;
use crate::api::{PairAnswer, PairAsked};
use crate::cli::join_file::{self, FileArgs};
use crate::cli::signals::Signals;
use crate::cli::stdin::{self, Reading};
use crate::cli::wrote::Wrote;
use crate::cli::{Ui, is_terminal};
use crate::pairing::{HISTORY_LATE, InviteEvent, NOT_STORED};
use crate::qr::{Background, qr_text};

/// Let another device into the workspace
///
/// Shows a token, once, for five minutes at most. Who has seen it is not in yet: the new device
/// shows two digits, and you type them here.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kern invite
  kern invite --role observer --ttl 60
  kern invite --join-file box.join --role store      without a screen
  kern invite --join-file rack.join --uses 8 --expires 2h
  kern invite --list
  kern invite --revoke ID")]
pub(super) struct Args {
    /// member, or store, observer, runner, admin, owner
    #[arg(long, default_value = "member", value_parser = roles())]
    #[arg(hide_default_value = true, hide_possible_values = true)]
    role: String,
    /// For how many seconds; at most 300
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=300))]
    ttl: Option<u64>,
    #[command(flatten)]
    file: FileArgs,
}

fn roles() -> PossibleValuesParser {
    PossibleValuesParser::new(Role::ALL.map(Role::name))
}

/// For how long an end that somebody asked for is waited for.
pub(super) const LEAVE: Duration = Duration::from_secs(2);

pub(super) async fn run(ui: &Ui, args: Args) -> Result<(), Failure> {
    let role = Role::ALL.into_iter().find(|role| role.name() == args.role);
    let role = role.ok_or_else(|| Failure::new(FailureKind::Usage, "there is no such role"))?;
    let mut signals = Signals::watch()?;
    let done = tokio::select! {
        biased;
        ended = signals.any() => return Err(ended.with_hint("kern invite --list")),
        done = join_file::run(ui, &args.file, role) => done?,
    };
    if done {
        return Ok(());
    }
    let client = ui.client()?;
    let asked = PairAsked::Invite {
        workspace: ui.workspace.clone(),
        role,
        ttl_ms: args.ttl.map(|seconds| seconds.saturating_mul(1_000)),
    };
    let PairAnswer::Open(open) = client.pair(&asked).await? else { return Err(unexpected()) };
    ui.show(&json!({ "token": open.token }), || token_doc(&open.token))?;
    let mut attending = pin!(attend(ui, &client, &open.invitation));
    let ended = tokio::select! {
        biased;
        ended = signals.any() => ended,
        done = &mut attending => return done,
    };
    // The token that was shown lets nobody in any more, unless somebody is in by now.
    let closing = async {
        give_code(&client, &open.invitation, None).await?;
        attending.await
    };
    match timeout(LEAVE, closing).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(failure)) if failure.kind == FailureKind::Denied => {
            Err(ended.with_hint("the invitation is closed, and nobody came in"))
        }
        _ => Err(ended.with_hint("the invitation closes by itself, after five minutes at most")),
    }
}

/// Tells what happens to an invitation, until it is over.
///
/// The digits come from stdin, which is read from the beginning: where it ended nobody can type,
/// and a line that came early is the answer to the question.
async fn attend(ui: &Ui, client: &Client, invitation: &str) -> Result<(), Failure> {
    let asked = PairAsked::Invited { invitation: invitation.to_owned() };
    let mut typing = Some(stdin::line()?);
    let (mut typed, mut is_asked) = (None, false);
    // What is asked is never dropped half way: what the node answered to that would be lost.
    let mut heard = Box::pin(client.pair(&asked));
    loop {
        tokio::select! {
            line = line_of(&mut typing) => {
                typing = None;
                match line {
                    Some(line) => typed = Some(line),
                    None => give_code(client, invitation, None).await?,
                }
            }
            answer = &mut heard => {
                let PairAnswer::Invite(event) = answer? else { return Err(unexpected()) };
                heard = Box::pin(client.pair(&asked));
                match event {
                    InviteEvent::Waiting => {}
                    InviteEvent::AskCode { device_name, .. } => {
                        is_asked = true;
                        ask_code(ui, &device_name)?;
                    }
                    InviteEvent::Granted(device) => {
                        let grant = super::past::grant_of(ui, device).await?;
                        let back = format!("kern revoke {device}");
                        let object = json!({ "granted": device });
                        return ui.wrote(&Wrote::by(grant, back), object, || {
                            let text = format!("{device} is a member");
                            Doc(vec![Block::Line(Text::toned(Tone::Good, text))])
                        });
                    }
                    InviteEvent::Refused(reason) => return refused_here(ui, &reason),
                }
            }
        }
        if is_asked && let Some(line) = typed.take() {
            match give_code(client, invitation, Some(line)).await {
                // What are no digits is no guess: the person is told, and asked again.
                Err(failure) if failure.kind == FailureKind::Usage => {
                    super::tell(ui.json, &failure)
                }
                given => {
                    given?;
                    is_asked = false;
                }
            }
            typing = Some(stdin::line()?);
        }
    }
}

/// The line that is being typed, once it is whole; none where stdin ended.
async fn line_of(typed: &mut Option<Reading<String>>) -> Option<String> {
    match typed {
        Some(line) => line.await.ok()?.ok().filter(|line| !line.is_empty()),
        None => std::future::pending().await,
    }
}

fn ask_code(ui: &Ui, device_name: &str) -> Result<(), Failure> {
    if ui.json {
        return Ok(());
    }
    super::print(&format!("Type the two digits that {device_name:?} shows: "))
}

/// An invitation that nobody came to in time was not unreachable: it let nobody in.
fn refused_here(ui: &Ui, reason: &str) -> Result<(), Failure> {
    if reason == PairingCode::Expired.code() {
        return ended(ui, reason, FailureKind::Denied);
    }
    refused(ui, reason)
}

/// Hands over what was typed; nothing gives up.
async fn give_code(client: &Client, invitation: &str, code: Option<String>) -> Result<(), Failure> {
    let asked = PairAsked::Code { invitation: invitation.to_owned(), code };
    client.pair(&asked).await.map(drop)
}

/// Says why nobody came in, where scripts look for it. Ends with 7 where nobody refused, but the
/// other side is not reached or took too long, with 2 where what was given is no token, else with
/// 5.
pub(super) fn refused(ui: &Ui, reason: &str) -> Result<(), Failure> {
    let kind = match reason {
        HISTORY_LATE => FailureKind::Busy,
        _ if reason.starts_with(NOT_STORED) => FailureKind::Failed,
        _ if PairingCode::from_code(reason).is_unreachable() => FailureKind::Busy,
        // What was given is none; nobody was asked.
        _ if reason.starts_with("token_") => FailureKind::Usage,
        _ => FailureKind::Denied,
    };
    ended(ui, reason, kind)
}

fn ended(ui: &Ui, reason: &str, kind: FailureKind) -> Result<(), Failure> {
    if ui.json {
        super::print(&(json!({ "refused": reason }).to_string() + "\n"))?;
    }
    let hint = match reason {
        "invitation_used" | "invitation_expired" | "invitation_unknown" => {
            "ask the inviting device for a new code or join file"
        }
        "token_foreign" => "give the whole token that `kern invite` shows: KOS1:…",
        "token_version" => "it is of a newer version: upgrade KernelOS on this device",
        _ if reason.starts_with("token_") => "copy the whole of it, or ask for a new one",
        "name_used" => "a device of the workspace has this name: choose another with --device",
        "own_token" => "run `kern join` on the device that is to come in, not on this one",
        "already_member" => {
            "this device is in the workspace already: `kern workspace list`; where it was revoked, \
             an owner takes that back by `kern undo EVENT`: `kern devices` names the event there"
        }
        "link_lost" => {
            "the other device is not reached, or went away: look whether both run and \
                        are on one network, then try again, or with a new invitation"
        }
        HISTORY_LATE => "this device is a member; `kern status` shows when its history is here",
        _ => "open a new invitation and try again",
    };
    let what = if kind == FailureKind::Denied { "refused" } else { "not done" };
    Err(Failure::new(kind, format!("{what}: {reason}")).with_hint(hint))
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
