//! Who is a member: of each what it has and over what it is reached, taking one out and letting it
//! in again; and who is on its way in.

mod invitations;

use eframe::egui::Ui;
use kernelos_protocol::command::{Command, DeviceRow, Status, TakenOut};
use kernelos_protocol::present::{self, Block, Doc, Text, Tone, shown};

use crate::form::{self, Fill, Form};
use crate::model::{Action, Model, Topic};
use crate::panel::{absent, can_lead, empty};
use crate::render;

/// Where one device has all of it.
pub(super) const ALONE: &str = "No other device has any of this: what happens to this one happens \
to all of it. Invite one; kern invite does it, too";

/// Draws it.
pub fn show(ui: &mut Ui, model: &Model, actions: &mut Vec<Action>) {
    let Some(devices) = &model.said.devices else {
        return absent(ui, model, &Topic::Devices);
    };
    render::doc(ui, &present::devices(devices, &model.said.names));
    if devices.len() < 2 {
        empty(ui, model, actions, (ALONE, None));
    }
    if let (None, Some(why)) = (model.why_no_write(), model.why_no_lead()) {
        let text = format!("letting in and revoking: {why}");
        render::text(ui, &Text::toned(Tone::Quiet, text));
    }
    ui.push_id("pending", |ui| invitations::pending(ui, model, actions));
    for device in devices {
        ui.separator();
        ui.push_id(device.id.to_string(), |ui| {
            render::doc(ui, &facts(device, model));
            match &device.out {
                _ if device.own => {}
                Some(out) => let_in_again(ui, device, out, model, actions),
                None if device.role.is_some() => revoke(ui, device, model, actions),
                None => {}
            }
        });
    }
    ui.separator();
    ui.push_id("standing", |ui| invitations::standing(ui, model, actions));
}

/// The three facts of a device: what is saved, where it is known, and by which path.
fn facts(device: &DeviceRow, model: &Model) -> Doc {
    let name = present::device_name(&device.id, &model.said.names);
    let status = model.said.status.as_ref();
    let mut fields = Vec::new();
    let mut field = |name: &str, text: Text| fields.push((name.to_owned(), text));
    match status.and_then(|status| peer(status, device)) {
        Some(peer) => {
            let tone = if peer.acked == peer.of { Tone::Good } else { Tone::Attention };
            field("holds", Text::toned(tone, format!("{} of {} events", peer.acked, peer.of)));
            let now = status.map_or_else(Default::default, |status| status.said_at);
            let path = match (&peer.path, peer.rtt_ms) {
                (Some(path), Some(rtt)) => format!("{path}, {rtt} ms"),
                (Some(path), None) => path.clone(),
                (None, _) => present::away(peer, now),
            };
            field("path", Text::plain(path));
        }
        None if device.own => {
            let events = status.map_or(0, |status| status.events);
            field("saved here", Text::toned(Tone::Good, format!("{events} events")));
        }
        None => {}
    }
    let by = present::device_name(&device.added_by, &model.said.names);
    field("added by", Text::plain(by));
    Doc(vec![Block::Heading(name), Block::Fields(fields)])
}

fn peer<'a>(
    status: &'a Status,
    device: &DeviceRow,
) -> Option<&'a kernelos_protocol::sync::PeerState> {
    status.peers.iter().find(|peer| peer.device == device.id)
}

/// Takes the revocation back: the node says as what the device comes back.
fn let_in_again(
    ui: &mut Ui,
    device: &DeviceRow,
    out: &TakenOut,
    model: &Model,
    actions: &mut Vec<Action>,
) {
    let name = shown(&present::device_name(&device.id, &model.said.names), 64);
    if can_lead(ui, model, &format!("Let {name} in again…")) {
        let text = format!(
            "{name} is a member again as what it was, on every device, and reads all that comes: \
             the revocation {} is taken back",
            out.event.short()
        );
        let command = Command::Undo { begin: Some(out.event.to_string()), force: false };
        let verb = format!("Let {name} in again");
        actions.push(model.ask(verb, text, Doc::default(), command));
    }
}

fn revoke(ui: &mut Ui, device: &DeviceRow, model: &Model, actions: &mut Vec<Action>) {
    let name = present::device_name(&device.id, &model.said.names);
    if can_lead(ui, model, &format!("Revoke {}…", shown(&name, 128))) {
        // By its name where that is its own.
        let is_it = form::device(&name, model) == Ok(device.id);
        let called = if is_it { name } else { device.id.to_string() };
        let form = Form { typed: vec![called, String::new()], ..Form::of(Fill::Revoke, model) };
        actions.push(Action::Form(Some(form)));
    }
}
