//! The panels: each a function from what is known to widgets and what a person asks.

pub mod branches;
pub mod conflicts;
pub mod devices;
pub mod documents;
pub mod missions;
pub mod overview;
pub mod quarantine;
pub mod timeline;

use eframe::egui::{self, Ui};
use kernelos_protocol::command::{Failure, FailureKind};
use kernelos_protocol::present::{Block, Doc, Text, Tone};

use crate::form::{Fill, Form};
use crate::model::{Action, Link, Model, Topic};
use crate::{keys, render};

/// Points of what is said of something that come in sight as it is chosen.
const BELOW_SEEN: f32 = 120.0;

/// Which panel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Panel {
    /// Where this device stands.
    #[default]
    Overview,
    /// What happened.
    Timeline,
    /// Who is a member, and what each has.
    Devices,
    /// Where devices disagree.
    Conflicts,
    /// What is to be reached, and how far it is.
    Missions,
    /// What the documents say.
    Documents,
    /// What is kept apart.
    Quarantine,
    /// What goes on apart, until it is merged.
    Branches,
}

impl Panel {
    /// All, in their order.
    pub const ALL: [Self; 8] = [
        Self::Overview,
        Self::Timeline,
        Self::Devices,
        Self::Conflicts,
        Self::Missions,
        Self::Documents,
        Self::Quarantine,
        Self::Branches,
    ];

    /// Its name.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Timeline => "Timeline",
            Self::Devices => "Devices",
            Self::Conflicts => "Conflicts",
            Self::Missions => "Missions",
            Self::Documents => "Documents",
            Self::Quarantine => "Quarantine",
            Self::Branches => "Branches",
        }
    }

    /// The entry of the command registry that goes there.
    #[must_use]
    pub fn entry(self) -> &'static str {
        match self {
            Self::Overview => "go.overview",
            Self::Timeline => "go.timeline",
            Self::Devices => "go.devices",
            Self::Conflicts => "go.conflicts",
            Self::Missions => "go.missions",
            Self::Documents => "go.documents",
            Self::Quarantine => "go.quarantine",
            Self::Branches => "go.branches",
        }
    }

    /// What it shows, beside what the strip shows.
    #[must_use]
    pub fn topics(self, model: &Model) -> Vec<Topic> {
        let path = |model: &Model| model.chosen.path.as_ref().map(ToString::to_string);
        match self {
            Self::Overview => vec![],
            Self::Timeline => timeline::topics(model),
            Self::Devices => vec![Topic::Devices, Topic::Pending, Topic::Standing],
            Self::Conflicts => {
                let preview = conflicts::looked_at(model).and_then(|(_, row)| conflicts::tip(row));
                let list = Topic::Conflicts(model.chosen.pages.last().cloned());
                [Some(list), preview.map(Topic::Preview)].into_iter().flatten().collect()
            }
            Self::Missions => vec![Topic::Missions],
            Self::Documents => {
                let path = path(model).unwrap_or_default();
                match &model.past {
                    Some(past) => vec![Topic::Past(path, past.event)],
                    None => vec![Topic::Boards, Topic::Document(path)],
                }
            }
            Self::Quarantine => {
                let preview = model.chosen.tip.map(Topic::Preview);
                [Some(Topic::Quarantine), preview].into_iter().flatten().collect()
            }
            Self::Branches => {
                let branch = model.chosen.branch.map(Topic::Branch);
                [Some(Topic::Branches), branch].into_iter().flatten().collect()
            }
        }
    }
}

/// Draws the panel that is looked at, and above it what could not be said of it.
pub fn show(ui: &mut Ui, model: &Model, actions: &mut Vec<Action>) {
    failures(ui, model);
    read_only(ui, model);
    match model.panel {
        Panel::Overview => overview::show(ui, model, actions),
        Panel::Timeline => timeline::show(ui, model, actions),
        Panel::Devices => devices::show(ui, model, actions),
        Panel::Conflicts => conflicts::show(ui, model, actions),
        Panel::Missions => missions::show(ui, model, actions),
        Panel::Documents => documents::show(ui, model, actions),
        Panel::Quarantine => quarantine::show(ui, model, actions),
        Panel::Branches => branches::show(ui, model, actions),
    }
}

/// Says it also where an older answer is shown below.
fn failures(ui: &mut Ui, model: &Model) {
    let mut topics = model.panel.topics(model);
    topics.extend((model.panel == Panel::Overview).then_some(Topic::Status));
    let mut told: Vec<&Failure> = Vec::new();
    for failure in topics.iter().filter_map(|topic| model.said.failed.get(topic)) {
        if !told.contains(&failure) {
            render::doc(ui, &failed(failure));
            told.push(failure);
        }
    }
}

/// A button that writes: true as it is used. Where nothing can be written it says why.
pub(crate) fn can(ui: &mut Ui, model: &Model, text: &str) -> bool {
    can_unless(ui, model.why_no_write(), text)
}

/// The same of what an owner or an admin does.
pub(crate) fn can_lead(ui: &mut Ui, model: &Model, text: &str) -> bool {
    can_unless(ui, model.why_no_lead(), text)
}

fn can_unless(ui: &mut Ui, why_not: Option<&str>, text: &str) -> bool {
    let button = ui.add_enabled(why_not.is_none(), egui::Button::new(text).wrap());
    // Who holds a key down means what had the focus first.
    let is_clicked = button.clicked() && !keys::is_click_held(ui.ctx());
    let Some(why) = why_not else { return is_clicked };
    ui.ctx().accesskit_node_builder(button.id, |node| node.set_description(why));
    false
}

/// What a panel is of which there is nothing yet, and the next step.
pub(crate) fn empty(
    ui: &mut Ui,
    model: &Model,
    actions: &mut Vec<Action>,
    (what, next): (&str, Option<Fill>),
) {
    render::text(ui, &Text::toned(Tone::Quiet, what));
    if let Some(fill) = next {
        offer(ui, model, Form::of(fill, model), actions);
    }
}

/// Parts what is chosen in a list from it. As a person chooses another, the beginning of what is
/// said of it comes in sight, unless the row that was chosen would go out of it.
pub(crate) fn below(ui: &mut Ui, is_new: bool) {
    ui.separator();
    let begin = ui.cursor().min;
    let focused = ui.memory(egui::Memory::focused);
    let row = focused.and_then(|id| ui.ctx().read_response(id)).map(|row| row.rect.top());
    let fits = row.is_none_or(|top| begin.y + BELOW_SEEN - top <= ui.clip_rect().height());
    if is_new && fits {
        let size = egui::vec2(1.0, BELOW_SEEN);
        ui.scroll_to_rect(egui::Rect::from_min_size(begin, size), None);
    }
}

/// A button that opens a form, as it is filled in already.
pub(crate) fn offer(ui: &mut Ui, model: &Model, form: Form, actions: &mut Vec<Action>) {
    if can(ui, model, &format!("{}…", form.fill.title())) {
        actions.push(Action::Form(Some(form)));
    }
}

/// Says in words why nothing is written on panels that do: a finger hovers over nothing. The bar
/// of the past says it there.
fn read_only(ui: &mut Ui, model: &Model) {
    let writes = !matches!(model.panel, Panel::Overview | Panel::Conflicts);
    let why = model.why_no_write().filter(|_| writes && model.past.is_none());
    if let Some(why) = why.filter(|_| model.said.status.is_some()) {
        let text = format!("nothing can be written now: {why}");
        render::text(ui, &Text::toned(Tone::Attention, text));
    }
}

/// Shows why something is not there: it is awaited, or the node does not run. What failed is said
/// above.
pub(crate) fn absent(ui: &mut Ui, model: &Model, topic: &Topic) {
    let line = |tone, text: String| Doc(vec![Block::Line(Text::toned(tone, text))]);
    if model.said.failed.contains_key(topic) {
        return;
    }
    match &model.link {
        Link::Down(failure) => render::doc(ui, &failed(failure)),
        _ => render::doc(ui, &line(Tone::Quiet, "loading…".to_owned())),
    }
}

/// Why something was not done, and what to do. It stays in sight, and the node may run again before
/// it is read.
#[must_use]
pub fn undone(mut failure: Failure) -> Doc {
    if failure.kind == FailureKind::NotRunning {
        failure.message = "not done: the node did not run".to_owned();
    }
    failed(&failure)
}

/// A failure, and what to do.
#[must_use]
pub fn failed(failure: &Failure) -> Doc {
    let told = Block::Line(Text::toned(Tone::Attention, &failure.message));
    let hint = failure.hint.as_ref().map(|hint| Block::Line(Text::toned(Tone::Quiet, hint)));
    Doc([Some(told), hint].into_iter().flatten().collect())
}
