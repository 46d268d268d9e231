//! The one place that changes the [`Model`]: hears the node, draws, and does what was asked.

use eframe::egui::{self, CentralPanel, Panel as Side, Ui};
use kernelos_protocol::command::{BranchReply, Command, Failure, FailureKind, Reply};
use kernelos_protocol::id::EventId;
use kernelos_protocol::present::{self, Back, Block, Doc, Text, Tone};

use crate::client::{Client, News, Order, Wanted};
use crate::model::{Action, Link, Model, Said, Told, Topic};
use crate::panel::failed;
use crate::{doors, keys, nav, over, panel, render, strip, theme};

/// Below this width the ways to the panels stand above, not beside.
const NARROW: f32 = 720.0;

/// The inspector.
#[derive(Debug)]
pub struct App {
    /// What is shown.
    pub model: Model,
    client: Client,
}

impl App {
    /// Shows what `client` hears.
    #[must_use]
    pub fn new(context: &egui::Context, client: Client) -> Self {
        theme::install(context);
        let app = Self { model: Model::default(), client };
        app.want();
        app
    }

    /// Takes what the node said since.
    pub fn hear(&mut self) {
        while let Some(news) = self.client.news() {
            match news {
                News::Up(info) => {
                    let is_here = |id| info.workspaces.iter().any(|row| row.workspace_id == id);
                    if !self.model.workspace.is_some_and(is_here) {
                        self.model.workspace = None;
                    }
                    self.model.link = Link::Up;
                    self.model.node = Some(info);
                }
                News::Down(failure) => {
                    self.model.link = Link::Down(failure);
                    self.model.pending = 0;
                }
                News::Said(workspace, topic, answer) => {
                    if *self.model.workspace.get_or_insert(workspace) == workspace {
                        self.model.hear(topic, answer);
                    }
                }
                News::Done(command, answer) => self.done(&command, answer),
                News::Founded(answer) => self.founded(answer),
            }
        }
        self.want();
    }

    fn want(&self) {
        let mut topics = vec![Topic::Status, Topic::Names];
        topics.extend(self.model.panel.topics(&self.model));
        self.client.want(Wanted { workspace: self.model.workspace, topics });
    }

    fn done(&mut self, command: &Command, answer: Result<Reply, Failure>) {
        self.model.pending = self.model.pending.saturating_sub(1);
        let told = match answer {
            Ok(reply) => told(command, &reply),
            Err(failure) => Told { doc: failed(&failure), event: None, failed: true },
        };
        self.model.told = Some(told);
    }

    fn founded(&mut self, answer: Result<kernelos_protocol::api::Founded, Failure>) {
        self.model.pending = self.model.pending.saturating_sub(1);
        self.model.told = Some(match answer {
            Ok(founded) => {
                self.model.workspace = Some(founded.workspace_id);
                let text = format!("workspace {} is made", founded.workspace);
                let doc = Doc(vec![Block::Line(Text::toned(Tone::Good, text))]);
                Told { doc, event: None, failed: false }
            }
            Err(failure) => Told { doc: failed(&failure), event: None, failed: true },
        });
    }

    /// Does what was asked.
    pub fn apply(&mut self, action: Action) {
        match action {
            Action::Go(panel) => {
                self.model.panel = panel;
                self.model.doors = false;
            }
            Action::Workspace(id) => {
                if self.model.workspace != Some(id) {
                    self.model.workspace = Some(id);
                    self.model.said = Said::default();
                    self.model.past = None;
                }
            }
            Action::Choose(chosen) => self.model.chosen = chosen,
            Action::Do(command) => {
                self.model.question = None;
                self.order(|id| Some(Order::Do(id?, command)));
            }
            Action::Found(founding) => self.order(|_| Some(Order::Found(founding))),
            Action::Ask(question) => self.model.question = Some(question),
            Action::Cancel => self.model.question = None,
            Action::Palette(typed, marked) => {
                self.model.palette = typed;
                self.model.marked = marked;
            }
            Action::Help(open) => self.model.help = open,
            Action::Past(past) => self.model.past = past,
            Action::Doors(open) => self.model.doors = open,
            Action::NextPane => self.model.pane = (self.model.pane + 1) % PANES,
            Action::WhyNot(title, why) => {
                let text = Text::toned(Tone::Attention, format!("{title}: {why}"));
                let doc = Doc(vec![Block::Line(text)]);
                self.model.told = Some(Told { doc, event: None, failed: true });
            }
            Action::Dismiss => self.model.told = None,
        }
        self.want();
    }

    fn order(
        &mut self,
        order: impl FnOnce(Option<kernelos_protocol::id::WorkspaceId>) -> Option<Order>,
    ) {
        let Some(order) = order(self.model.workspace) else { return };
        if self.client.order(order) {
            self.model.pending += 1;
        } else {
            let failure = Failure::new(FailureKind::Busy, "too much waits for the node")
                .with_hint("try again in a moment");
            self.model.told = Some(Told { doc: failed(&failure), event: None, failed: true });
        }
    }

    /// Draws everything, and does what a person asked by it.
    pub fn draw(&mut self, ui: &mut Ui) {
        let mut actions = Vec::new();
        let model = &self.model;
        keys::pressed(ui.ctx(), model, &mut actions);
        Side::bottom("strip").show(ui, |ui| {
            pane(ui, 2, "What is saved and where");
            strip::show(ui, model);
        });
        let ways = |ui: &mut Ui, actions: &mut Vec<Action>| {
            pane(ui, 0, "Panels");
            nav::show(ui, model, actions);
        };
        if ui.available_width() < NARROW {
            Side::top("ways").show(ui, |ui| ui.horizontal_wrapped(|ui| ways(ui, &mut actions)));
        } else {
            let layout = egui::Layout::top_down_justified(egui::Align::Min);
            Side::left("ways").resizable(false).default_size(168.0).show(ui, |ui| {
                ui.with_layout(layout, |ui| ways(ui, &mut actions));
            });
        }
        CentralPanel::default().show(ui, |ui| {
            pane(ui, 1, model.panel.title());
            over::past(ui, model, &mut actions);
            over::told(ui, model, &mut actions);
            if model.panel == panel::Panel::Timeline && !model.is_homeless() && !model.doors {
                // It lays out what is in sight alone, and scrolls by itself.
                return central(ui, model, &mut actions);
            }
            egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
                central(ui, model, &mut actions);
                theme::reveal_focus(ui);
            });
        });
        over::show(ui, model, &mut actions);
        theme::focus_ring(ui);
        for action in actions {
            if matches!(action, Action::NextPane) {
                ui.memory_mut(|memory| memory.request_focus(pane_id(self.model.pane)));
            }
            self.apply(action);
        }
    }
}

fn central(ui: &mut Ui, model: &Model, actions: &mut Vec<Action>) {
    if model.is_homeless() || model.doors {
        return doors::show(ui, model, actions);
    }
    render::heading(ui, model.panel.title());
    panel::show(ui, model, actions);
}

/// How many panes there are.
const PANES: usize = 3;

fn pane_id(pane: usize) -> egui::Id {
    egui::Id::unique(("pane", pane))
}

/// Where the focus lands that goes to this pane: before all that is in it.
fn pane(ui: &Ui, number: usize, name: &str) {
    let place =
        egui::Rect::from_min_size(ui.max_rect().min, egui::vec2(ui.max_rect().width(), 2.0));
    let sense = egui::Sense::focusable_noninteractive();
    let response = ui.interact(place, pane_id(number), sense);
    response.widget_info(|| egui::WidgetInfo::labeled(egui::accesskit::Role::Group, true, name));
}

/// What a command became, and how it is taken back.
fn told(command: &Command, reply: &Reply) -> Told {
    let event = written(reply);
    let doc = match reply {
        Reply::Undone(undone) => {
            let what = format!("it takes back event {}", undone.undoes);
            let mut blocks = vec![Block::Line(Text::plain(what))];
            blocks.extend(present::wrote_by(Some(&undone.event), &Back::undo(&undone.event)).0);
            Doc(blocks)
        }
        Reply::NotUndone(refused) => {
            let text = Text::toned(Tone::Attention, format!("not undone: {}", refused.reason));
            return Told { doc: Doc(vec![Block::Line(text)]), event: None, failed: true };
        }
        _ => match &event {
            Some(event) => {
                let back = match reply {
                    Reply::Readmitted { .. } => Back::Never("what came back can be struck again"),
                    _ => Back::undo(event),
                };
                present::wrote_by(Some(event), &back)
            }
            None => Doc(vec![Block::Line(Text::plain("nothing was to change"))]),
        },
    };
    let is_undo = matches!(command, Command::Undo { .. });
    let is_undoable = !is_undo && !matches!(reply, Reply::Readmitted { .. });
    Told { doc, event: event.filter(|_| is_undoable), failed: false }
}

/// The event that a reply names.
fn written(reply: &Reply) -> Option<EventId> {
    match reply {
        Reply::Edited(edited) => edited.event,
        Reply::Undone(undone) => Some(undone.event),
        Reply::Branch(BranchReply::Merged { event, .. }) => Some(*event),
        Reply::Revoked { event }
        | Reply::Granted { event, .. }
        | Reply::Struck { event, .. }
        | Reply::Readmitted { event, .. } => Some(*event),
        _ => None,
    }
}

impl eframe::App for App {
    fn logic(&mut self, _: &egui::Context, _: &mut eframe::Frame) {
        self.hear();
    }

    fn ui(&mut self, ui: &mut Ui, _: &mut eframe::Frame) {
        self.draw(ui);
    }
}
