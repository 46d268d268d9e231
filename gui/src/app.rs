//! The one place that changes the [`Model`]: hears the node, draws, and does what was asked.

use eframe::egui::{self, Ui};
use kernelos_protocol::api::{Founded, NodeInfo, PairAnswer, PairAsked};
use kernelos_protocol::command::{Command, Failure, FailureKind, Reply};
use kernelos_protocol::document::Edit;
use kernelos_protocol::id::{EventId, WorkspaceId};
use kernelos_protocol::present::{Block, Doc, Text, Tone};

use crate::client::{Client, News, Order, Restored, Wanted};
use crate::form::Form;
use crate::model::{Action, Chosen, Link, Model, Said, Told, Topic};
use crate::panel::{conflicts, failed};
use crate::told::{did, told};
use crate::{pairing, pane, panel, theme};

mod draw;

/// The number of a restore among the orders, of which there is one at a time.
const RESTORE: u64 = u64::MAX;

/// The inspector.
#[derive(Debug)]
pub struct App {
    /// What is shown.
    pub model: Model,
    client: Client,
    /// How many orders but a restore were given, and answered: they are, one after the other.
    ordered: u64,
    answered: u64,
}

impl App {
    /// Shows what `client` hears.
    #[must_use]
    pub fn new(context: &egui::Context, client: Client) -> Self {
        theme::install(context);
        let app = Self { model: Model::default(), client, ordered: 0, answered: 0 };
        app.want();
        app
    }

    /// Takes what the node said since.
    pub fn hear(&mut self) {
        while let Some(news) = self.client.news() {
            match news {
                News::Up(info) => self.up(info),
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
                News::Rescued(answer) => self.rescued(answer),
                News::Restoring { here, of } => self.model.restoring = Some((here, of)),
                News::Restored(answer) => self.restored(answer),
                News::Started(answer) => self.started(answer),
                News::Pair(asked, answer) => self.paired(asked, answer),
            }
        }
        self.want();
    }

    fn want(&self) {
        let mut topics = vec![Topic::Status, Topic::Names];
        topics.extend(self.model.panel.topics(&self.model));
        let form = self.model.form.as_ref().and_then(|form| form.fill.topic());
        topics.extend(form.filter(|topic| !topics.contains(topic)));
        self.client.want(Wanted { workspace: self.model.workspace, topics });
    }

    fn done(&mut self, command: &Command, answer: Result<Reply, Failure>) {
        let Some(answer) = self.answer(answer) else { return };
        let told = match answer {
            Ok(reply) => {
                let did = did(command, &reply, &self.model);
                self.decided(command);
                told(command, &reply, (did, &self.model.said.names))
            }
            Err(failure) => Told { doc: panel::undone(failure), failed: true, ..Told::default() },
        };
        self.model.told = Some(told);
    }

    /// Conflicts that were decided are selected and looked at no more.
    fn decided(&mut self, command: &Command) {
        let Command::Edit { edits } = command else { return };
        let resolved = edits.iter().filter_map(|edit| match edit {
            Edit::Keep { resolve, .. } | Edit::Decide { resolve, .. } => Some(*resolve),
            _ => None,
        });
        conflicts::decided(&mut self.model, &resolved.collect());
    }

    /// The node is reached.
    fn up(&mut self, info: NodeInfo) {
        let is_here = |id| info.workspaces.iter().any(|row| row.workspace_id == id);
        if self.model.workspace.is_some_and(|id| !is_here(id)) {
            self.look(None);
        }
        let joined = self.model.pairing.joined.as_ref();
        let listed = self.model.node.as_ref().map_or(&[][..], |node| &node.workspaces);
        let is_old = |id| listed.iter().any(|row| row.workspace_id == id);
        // Two workspaces may have one name: the one that was joined was not there before.
        let named = info.workspaces.iter().filter(|row| Some(&row.workspace) == joined);
        let joined = named.map(|row| row.workspace_id).min_by_key(|id| is_old(*id));
        self.model.link = Link::Up;
        if let Some(form) = self.model.form.as_mut().filter(|form| form.is_down) {
            (form.fault, form.is_down) = (None, false);
        }
        self.model.told.take_if(|told| told.is_down);
        self.model.node = Some(info);
        if let Some(id) = joined {
            self.model.pairing.joined = None;
            self.arrive(id);
        }
    }

    /// Looks at another workspace; what belongs to the one before is left there.
    fn look(&mut self, workspace: Option<WorkspaceId>) {
        if self.model.workspace == workspace {
            return;
        }
        self.model.workspace = workspace;
        self.model.said = Said::default();
        self.model.chosen = Chosen::default();
        self.model.selected.clear();
        self.model.gone = None;
        (self.model.past, self.model.told, self.model.question) = (None, None, None);
        let is_of_one = |form: &Form| form.fill.is_of_workspace();
        if self.model.form.as_ref().is_some_and(is_of_one) {
            self.model.form = None;
        }
    }

    /// A workspace is here that was waited for. Who is asked something, or fills something in,
    /// stays where that belongs, and goes there by a click.
    fn arrive(&mut self, id: WorkspaceId) {
        let form = self.model.form.as_ref();
        let is_busy = form.is_some_and(|form| form.fill.is_of_workspace());
        if !is_busy && self.model.question.is_none() {
            let told = self.model.told.take();
            self.look(Some(id));
            self.model.told = told;
        }
    }

    fn founded(&mut self, answer: Result<Founded, Failure>) {
        let Some(answer) = self.answer(answer) else { return };
        let told = answer.map(|founded| {
            self.arrive(founded.workspace_id);
            let made = founded.workspace;
            format!("workspace {made} is made; keep its recovery key off this device")
        });
        self.settled(told);
    }

    fn rescued(&mut self, answer: Result<Reply, Failure>) {
        let Some(answer) = self.answer(answer) else { return };
        let told = answer.map(|reply| match reply {
            Reply::Rescued { removed, .. } => {
                format!("this device leads the workspace; {} were removed", removed.len())
            }
            _ => "the node answered something else: restart it".to_owned(),
        });
        self.settled(told);
    }

    fn restored(&mut self, answer: Result<Restored, Failure>) {
        self.model.restoring = None;
        let Some(answer) = self.close(RESTORE, answer) else { return };
        let told = answer.map(|restored| {
            self.arrive(restored.workspace_id);
            let who = if restored.is_rescued { "this device leads it" } else { "it was a member" };
            format!("{}: {} events are here; {who}", restored.workspace, restored.events)
        });
        self.settled(told);
    }

    fn started(&mut self, answer: Result<EventId, Failure>) {
        let Some(answer) = self.answer(answer) else { return };
        self.settled(answer.map(|id| format!("mission {} is started", id.short())));
    }

    /// The node answered the next order.
    fn answer<T>(&mut self, answer: Result<T, Failure>) -> Option<Result<T, Failure>> {
        self.model.pending = self.model.pending.saturating_sub(1);
        self.answered = self.answered.saturating_add(1).min(self.ordered);
        self.close(self.answered, answer)
    }

    /// Was this order a form's, that closes where it is done; otherwise it stays and says why not,
    /// and nobody else needs to.
    fn close<T>(&mut self, order: u64, answer: Result<T, Failure>) -> Option<Result<T, Failure>> {
        let form = self.model.form.as_mut().filter(|form| form.sent == Some(order));
        let Some(form) = form else { return Some(answer) };
        match answer {
            Ok(done) => {
                self.model.form = None;
                Some(Ok(done))
            }
            Err(failure) => {
                form.sent = None;
                form.is_down = failure.kind == FailureKind::NotRunning;
                let hint = failure.hint.map(|hint| format!(": {hint}")).unwrap_or_default();
                form.fault = Some(format!("{}{hint}", failure.message));
                None
            }
        }
    }

    /// What was ordered is over.
    fn settled(&mut self, told: Result<String, Failure>) {
        if told.is_ok() {
            self.model.doors = false;
        }
        self.model.told = Some(pairing::told(told));
    }

    fn paired(&mut self, asked: PairAsked, answer: Result<PairAnswer, Failure>) {
        let topic = match asked {
            PairAsked::Standing { .. } => Some(Topic::Standing),
            PairAsked::Pending { .. } => Some(Topic::Pending),
            _ => None,
        };
        if let Some(topic) = topic {
            match answer {
                Ok(PairAnswer::Standing(rows)) => self.model.said.standing = Some(rows),
                Ok(PairAnswer::Pending(rows)) => self.model.said.pending = Some(rows),
                Ok(_) => return,
                Err(failure) => return drop(self.model.said.failed.insert(topic, failure)),
            }
            self.model.said.failed.remove(&topic);
            return;
        }
        let answer = match asked {
            PairAsked::Invited { .. } | PairAsked::Joining { .. } => Some(answer),
            _ => self.answer(answer),
        };
        let Some(answer) = answer else { return };
        if matches!(answer, Ok(PairAnswer::Open(_))) {
            // There its token stands.
            self.apply(Action::Go(panel::Panel::Devices));
        }
        if let Some(told) = self.model.pairing.hear(asked, answer) {
            self.model.told = Some(pairing::told(told));
        }
    }

    /// Does what was asked.
    pub fn apply(&mut self, action: Action) {
        match action {
            Action::Go(panel) => {
                self.model.panel = panel;
                self.model.doors = false;
            }
            Action::Workspace(id) => self.look(Some(id)),
            Action::Choose(chosen) => self.choose(chosen),
            Action::Do(command) => {
                let Some(id) = self.model.workspace else {
                    return self.apply(Action::WhyNot("Not done", "there is no workspace yet"));
                };
                return self.apply(Action::Order(Order::Do(id, command)));
            }
            Action::Order(order) => {
                self.model.question = None;
                if let Some(why) = self.why_not(&order) {
                    return self.apply(Action::WhyNot("Not done", why));
                }
                self.order(order);
            }
            Action::Form(form) => {
                self.model.palette = None;
                self.model.form = form;
            }
            Action::Select(rows, is_selected) => {
                for row in rows {
                    if is_selected {
                        self.model.selected.insert(row.id, row);
                    } else {
                        self.model.selected.remove(&row.id);
                    }
                }
            }
            Action::Ask(question) => self.model.question = Some(question),
            Action::Cancel => self.model.question = None,
            Action::Palette(typed, marked) => {
                self.model.palette = typed;
                self.model.marked = marked;
            }
            Action::Help(open) => self.model.help = open,
            Action::Past(past) => {
                // What is to be confirmed or filled in belongs to now.
                (self.model.question, self.model.form) = (None, None);
                self.model.past = past;
                self.model.said.past = None;
            }
            Action::Doors(open) => self.model.doors = open,
            Action::NextPane => self.model.pane = (self.model.pane + 1) % pane::COUNT,
            Action::WhyNot(title, why) => match &mut self.model.form {
                Some(form) => {
                    form.is_down = self.model.link != Link::Up;
                    form.fault = Some(why.to_owned());
                }
                None => self.say(format!("{title}: {why}")),
            },
            Action::Told(text) => self.say(text),
            Action::Dismiss => self.model.told = None,
        }
        self.want();
    }

    /// Says why something was not done.
    fn say(&mut self, text: String) {
        let doc = Doc(vec![Block::Line(Text::toned(Tone::Attention, text))]);
        let is_down = self.model.link != Link::Up;
        self.model.told = Some(Told { doc, failed: true, is_down, ..Told::default() });
    }

    fn choose(&mut self, chosen: Chosen) {
        if chosen.pages != self.model.chosen.pages {
            self.model.said.conflicts = None;
        }
        if chosen.each != self.model.chosen.each {
            self.model.said.timeline.refold();
        }
        self.model.chosen = chosen;
        self.model.gone = None;
    }

    /// Why an order is not given now. Doors lead to other workspaces, in whose past nobody is.
    fn why_not(&self, order: &Order) -> Option<&'static str> {
        let of = match order {
            Order::Do(id, _) | Order::Start(id, _) | Order::Rescue(id, _) => Some(*id),
            Order::Create(_) | Order::Restore(_) | Order::Pair(_) => None,
        };
        if of.is_some() && of != self.model.workspace {
            return Some("another workspace is looked at now");
        }
        let writes = match order {
            // Whoever it is may leave.
            Order::Do(_, Command::Revoke { .. }) => return self.model.standing().why_no_leave(),
            Order::Do(_, command) => command.writes(),
            Order::Start(..) => true,
            // Who rescues is no member yet.
            Order::Rescue(..) => return self.model.why_no_rescue(),
            Order::Pair(asked) => matches!(
                asked,
                PairAsked::Invite { .. }
                    | PairAsked::Withdraw { .. }
                    | PairAsked::Code { code: Some(_), .. }
            ),
            Order::Restore(_) if self.model.restoring.is_some() => {
                return Some("a workspace is being restored already");
            }
            Order::Create(_) | Order::Restore(_) => false,
        };
        self.model.why_no_write().filter(|_| writes)
    }

    fn order(&mut self, order: Order) {
        let is_restore = matches!(order, Order::Restore(_));
        let number = if is_restore { RESTORE } else { self.ordered.saturating_add(1) };
        if self.client.order(order) {
            if is_restore {
                self.model.restoring = Some((0, 0));
            } else {
                (self.model.pending, self.ordered) = (self.model.pending + 1, number);
            }
            if let Some(form) = &mut self.model.form {
                form.sent = Some(number);
            }
        } else {
            let failure = Failure::new(FailureKind::Busy, "too much waits for the node")
                .with_hint("try again in a moment");
            self.model.told = Some(Told { doc: failed(&failure), failed: true, ..Told::default() });
        }
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
