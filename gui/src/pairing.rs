//! Devices on their way in, and this one's own way into another workspace: what the node told of
//! it, and what a person is asked.

use std::collections::BTreeMap;

use eframe::egui::{self, Ui};
use kernelos_protocol::api::{By, InviteEvent, JoinEvent, PairAnswer, PairAsked};
use kernelos_protocol::command::{Failure, FailureKind};
use kernelos_protocol::pairing::PairingCode;
use kernelos_protocol::present::{Block, Doc, Text, Tone, shown};

use crate::client::Order;
use crate::model::{Action, Model, Told};
use crate::panel::failed;
use crate::{render, theme};

/// What pairs now.
#[derive(Debug, Default)]
pub struct Pairing {
    /// The tokens of the invitations that were opened here, by id: shown, and kept nowhere else.
    pub tokens: BTreeMap<String, String>,
    /// This device's attempt to join.
    pub join: Option<Joining>,
    /// The name of a workspace that was joined, until the node lists it.
    pub joined: Option<String>,
}

/// An attempt to join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joining {
    /// Which.
    pub join: u64,
    /// What was heard of it last.
    pub heard: JoinEvent,
}

impl Pairing {
    /// Takes what a step became; gives what a person is told, if that is the end of it.
    pub fn hear(
        &mut self,
        asked: PairAsked,
        answer: Result<PairAnswer, Failure>,
    ) -> Option<Result<String, Failure>> {
        match (asked, answer) {
            (PairAsked::Joining { .. }, Err(failure)) => {
                self.join = None;
                Some(Err(failure))
            }
            (_, Err(failure)) => Some(Err(failure)),
            (_, Ok(PairAnswer::Open(open))) => {
                self.tokens.insert(open.invitation, open.token);
                None
            }
            (_, Ok(PairAnswer::Began(join))) => {
                self.join = Some(Joining { join, heard: JoinEvent::Waiting });
                None
            }
            (PairAsked::Invited { invitation }, Ok(PairAnswer::Invite(event))) => match event {
                InviteEvent::Waiting | InviteEvent::AskCode { .. } => None,
                InviteEvent::Granted(device) => {
                    self.tokens.remove(&invitation);
                    Some(Ok(format!("{} is a member", device.short())))
                }
                InviteEvent::Refused(reason) => {
                    self.tokens.remove(&invitation);
                    Some(Err(refused(&reason)))
                }
            },
            (_, Ok(PairAnswer::Join(event))) => self.hear_join(event),
            (PairAsked::Withdraw { .. }, Ok(_)) => {
                Some(Ok("it lets nobody in any more".to_owned()))
            }
            _ => None,
        }
    }

    fn hear_join(&mut self, event: JoinEvent) -> Option<Result<String, Failure>> {
        match event {
            JoinEvent::Waiting => None,
            JoinEvent::Joined { workspace, device, history_events, .. } => {
                self.join = None;
                let text = format!(
                    "this device is {device:?} in {workspace:?}; its history of \
                     {history_events} events is here"
                );
                self.joined = Some(workspace);
                Some(Ok(text))
            }
            JoinEvent::Refused(reason) => {
                self.join = None;
                Some(Err(refused(&reason)))
            }
            asks => {
                if let Some(join) = &mut self.join {
                    join.heard = asks;
                }
                None
            }
        }
    }
}

/// What became of a step, as a person is told.
#[must_use]
pub fn told(result: Result<String, Failure>) -> Told {
    match result {
        Ok(text) => {
            let doc = Doc(vec![Block::Line(Text::toned(Tone::Good, text))]);
            Told { doc, ..Told::default() }
        }
        Err(failure) => Told { doc: failed(&failure), failed: true, ..Told::default() },
    }
}

fn refused(reason: &str) -> Failure {
    let hint = match reason {
        "already_member" => "this device is in the workspace already".to_owned(),
        code => PairingCode::from_code(code).to_string(),
    };
    Failure::new(FailureKind::Denied, format!("nobody came in: {reason}")).with_hint(hint)
}

/// By what a device joins: the text of a token.
#[must_use]
pub fn by(text: &str) -> By {
    By::Token(text.trim().to_owned())
}

/// A bar on every panel while this device joins a workspace.
pub fn show(ui: &mut Ui, model: &Model, actions: &mut Vec<Action>) {
    let Some(Joining { join, heard }) = &model.pairing.join else { return };
    let frame = egui::Frame::new().fill(theme::palette(ui).raised).inner_margin(6.0);
    let pair = |asked| Action::Order(Order::Pair(asked));
    frame.show(ui, |ui| {
        ui.ctx().accesskit_node_builder(ui.unique_id(), |node| {
            node.set_role(egui::accesskit::Role::Status);
            node.set_live(egui::accesskit::Live::Polite);
        });
        let text = match heard {
            JoinEvent::AskConsent { workspace, inviter, role } => {
                let (workspace, inviter) = (shown(workspace, 64), shown(inviter, 64));
                format!("Join {workspace:?}, invited by {inviter:?}, as {}?", shown(role, 64))
            }
            JoinEvent::CheckCode(code) => {
                format!("Type these two digits on the inviting device: {}", shown(code, 16))
            }
            _ => "Joining: the inviting device is awaited".to_owned(),
        };
        render::text(ui, &Text::toned(Tone::Attention, text));
        ui.horizontal_wrapped(|ui| {
            if matches!(heard, JoinEvent::AskConsent { .. }) && ui.button("Join").clicked() {
                actions.push(pair(PairAsked::Consent { join: *join, yes: true }));
            }
            if ui.button("Give up joining").clicked() {
                actions.push(pair(PairAsked::Leave { join: *join }));
            }
        });
    });
}
