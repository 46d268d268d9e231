//! The strip that is always there: what is saved here, where it is known, by which path, and how
//! many conflicts are open. It is never good while one is.

use eframe::egui::{RichText, Ui};
use kernelos_protocol::command::Status;
use kernelos_protocol::present::{NOT_READ, Text, Tone, device_name, shown};

use crate::model::{Action, Link, Model, Names};
use crate::render;
use crate::theme::palette;

/// Draws it.
pub fn show(ui: &mut Ui, model: &Model, actions: &mut Vec<Action>) {
    ui.horizontal_wrapped(|ui| {
        for text in texts(model) {
            let colour = palette(ui).tone(text.tone);
            // Labels right below a wrapping layout break as one text does.
            ui.label(RichText::new(glyph(text.tone)).color(colour));
            ui.label(RichText::new(shown(&text.text, render::TEXT_BYTES_MAX)).color(colour));
        }
        // A finger presses no keys.
        if ui.button("All commands…").clicked() {
            actions.push(Action::Palette(Some(String::new()), 0));
        }
    });
}

/// Nothing is said by colour alone.
fn glyph(tone: Tone) -> &'static str {
    match tone {
        Tone::Good => "OK",
        Tone::Attention => "!",
        Tone::Plain | Tone::Quiet => "•",
    }
}

/// What it says.
#[must_use]
pub fn texts(model: &Model) -> Vec<Text> {
    let mut texts = Vec::new();
    match &model.link {
        Link::Connecting => texts.push(Text::toned(Tone::Quiet, "connecting to the node")),
        Link::Down(_) => {
            let (what, next) = match model.hangs() {
                true => ("answer", "; kern doctor says more"),
                false => ("run", "; start it: kern up"),
            };
            let last = if model.said.status.is_some() { ": this is what it said last" } else { "" };
            let text = format!("the node does not {what}{last}{next}");
            texts.push(Text::toned(Tone::Attention, text));
        }
        Link::Up if model.is_homeless() => {
            texts.push(Text::toned(Tone::Quiet, "the node is there; there is no workspace yet"));
        }
        Link::Up => {}
    }
    if let Some(status) = &model.said.status {
        let open = model.open_conflicts();
        // Nothing is good while it is not known: documents that were not looked at, a history that
        // is still read.
        let is_known = status.reads() && status.uncounted == 0 && status.loading.is_none();
        let is_live = model.link == Link::Up && open == 0 && is_known;
        let good = |good: bool| if good && is_live { Tone::Good } else { Tone::Plain };
        texts.push(Text::toned(
            good(status.damage.is_empty()),
            format!("saved here: {} events", status.events),
        ));
        texts.push(known(status, &model.said.names, good));
        texts.push(Text::plain(format!("path: {}", paths(status, &model.said.names))));
        texts.push(match open {
            _ if !status.reads() => Text::toned(Tone::Attention, format!("conflicts {}", NOT_READ)),
            0 if status.uncounted > 0 => {
                let text = format!("0 conflicts, {} documents not looked at", status.uncounted);
                Text::toned(Tone::Attention, text)
            }
            0 => Text::toned(good(true), "0 conflicts"),
            1 => Text::toned(Tone::Attention, "1 conflict open"),
            open => Text::toned(Tone::Attention, format!("{open} conflicts open")),
        });
    }
    if let Some((here, of)) = model.restoring {
        let text = match of {
            0 => "restoring…".to_owned(),
            _ => format!("restoring: {here} of {of} events are here"),
        };
        texts.push(Text::toned(Tone::Quiet, text));
    } else if model.pending > 0 {
        texts.push(Text::toned(Tone::Quiet, "working…"));
    }
    texts
}

/// Where all of it is known, and who lacks how much.
fn known(status: &Status, names: &Names, good: impl Fn(bool) -> Tone) -> Text {
    if status.peers.is_empty() {
        return Text::plain("known on: no other device");
    }
    let count = |peer: &kernelos_protocol::sync::PeerState| {
        let name = device_name(&peer.device, names);
        match peer.of.saturating_sub(peer.acked) {
            0 => name,
            behind => format!("{name} ({behind} behind)"),
        }
    };
    let all = status.peers.iter().all(|peer| peer.acked == peer.of);
    let said = status.peers.iter().map(count).collect::<Vec<_>>().join(", ");
    Text::toned(good(all), format!("known on: {said}"))
}

fn paths(status: &Status, names: &Names) -> String {
    let reached = status.peers.iter().filter_map(|peer| {
        let path = peer.path.as_ref()?;
        let rtt = peer.rtt_ms.map_or_else(String::new, |rtt| format!(" {rtt} ms"));
        Some(format!("{} {path}{rtt}", device_name(&peer.device, names)))
    });
    let reached: Vec<_> = reached.collect();
    match (reached.is_empty(), status.online) {
        (false, _) => reached.join(", "),
        (true, true) => "nobody is connected".to_owned(),
        (true, false) => "offline".to_owned(),
    }
}
