//! What the node said last, what is looked at, and what a person asks. Plain data: panels read it,
//! and nothing but [`crate::app`] changes it.

use std::collections::BTreeMap;

use kernelos_protocol::api::{NodeInfo, PendingRow, StandingRow};
use kernelos_protocol::command::{
    At, BoardPage, BranchChanges, BranchCommand, BranchPage, BranchPreview, BranchReply, Command,
    ConflictPage, ConflictPlace, ConflictRow, DeviceRow, Failure, FailureKind, PastCommand,
    PastRead, PastReply, QuarantinePage, ReadReply, Reply, Status,
};
use kernelos_protocol::document::DocPath;
use kernelos_protocol::facts::EventView;
use kernelos_protocol::id::{ConflictId, DeviceId, DocumentId, EventId, WorkspaceId};
use kernelos_protocol::mission::show::MissionView;
use kernelos_protocol::present::Doc;
use kernelos_protocol::present::registry::Standing;
use kernelos_protocol::role::Role;

use crate::client::Order;
use crate::form::Form;
use crate::pairing::Pairing;
use crate::panel::timeline::{self, Place, Timeline};
use crate::panel::{Panel, conflicts};

/// Why nothing is done by a node that does not answer.
const HANGS: &str = "the node does not answer";

/// Names by device.
pub type Names = BTreeMap<DeviceId, String>;

/// Is the node reached?
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Link {
    /// It was not yet tried.
    #[default]
    Connecting,
    /// It is.
    Up,
    /// It is not, and why; what it said last stays.
    Down(Failure),
}

/// What the inspector shows.
#[derive(Debug, Default)]
pub struct Model {
    /// Is the node reached?
    pub link: Link,
    /// What the node said of itself.
    pub node: Option<NodeInfo>,
    /// Which workspace is looked at.
    pub workspace: Option<WorkspaceId>,
    /// What it said of that workspace.
    pub said: Said,
    /// Which panel is looked at.
    pub panel: Panel,
    /// What is looked at within the panels.
    pub chosen: Chosen,
    /// How many commands are under way.
    pub pending: usize,
    /// How many events of an archive are here, and of how many, while one is restored; of none
    /// until it is known.
    pub restoring: Option<(u64, u64)>,
    /// What became of the last command.
    pub told: Option<Told>,
    /// What is to be confirmed before it is done.
    pub question: Option<Question>,
    /// What was typed into the palette, while it is open.
    pub palette: Option<String>,
    /// Which entry of the palette is marked, of those that are shown.
    pub marked: usize,
    /// Is the help open?
    pub help: bool,
    /// Are the doors looked at, though there is a workspace?
    pub doors: bool,
    /// Which pane the focus went to last.
    pub pane: usize,
    /// The past that every panel shows; empty: as it is now.
    pub past: Option<Past>,
    /// What is filled in before it is done.
    pub form: Option<Form>,
    /// Where the conflict stood that was looked at and is open no more.
    pub gone: Option<DocPath>,
    /// The conflicts that get the same choice, as they were when they were selected.
    pub selected: BTreeMap<ConflictId, ConflictRow>,
    /// Devices that are on their way in, and this one's way in elsewhere.
    pub pairing: Pairing,
}

/// Answers of the node about one workspace, the last of each kind.
#[derive(Debug, Default)]
pub struct Said {
    /// Where the device stands.
    pub status: Option<Status>,
    /// The devices' names.
    pub names: Names,
    /// The devices.
    pub devices: Option<Vec<DeviceRow>>,
    /// The open conflicts.
    pub conflicts: Option<ConflictPage>,
    /// What is kept apart.
    pub quarantine: Option<QuarantinePage>,
    /// What a branch that is kept apart would set.
    pub preview: Option<BranchPreview>,
    /// The branches.
    pub branches: Option<BranchPage>,
    /// What the merge of a branch would bring.
    pub branch: Option<BranchChanges>,
    /// The missions.
    pub missions: Option<Vec<MissionView>>,
    /// The boards.
    pub boards: Option<BoardPage>,
    /// What is at the path that is looked at.
    pub read: Option<ReadReply>,
    /// What was there in the past that is looked at.
    pub past: Option<PastRead>,
    /// What happened, as far as it was looked at.
    pub timeline: Timeline,
    /// The event that is looked at.
    pub event: Option<EventView>,
    /// The invitations that stand.
    pub standing: Option<Vec<StandingRow>>,
    /// Those that are open by a token, and who waits by them.
    pub pending: Option<Vec<PendingRow>>,
    /// What could not be said, and why.
    pub failed: BTreeMap<Topic, Failure>,
}

/// What is looked at within the panels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// Which conflict; none for the first of its page, or the last.
    pub conflict: Option<ConflictId>,
    /// Behind which place each page of conflicts begins, but the first; the last is looked at.
    pub pages: Vec<ConflictPlace>,
    /// Which of a page that was just reached: its last?
    pub from_end: bool,
    /// Which mission.
    pub mission: Option<EventId>,
    /// Which branch that is kept apart, by its last event.
    pub tip: Option<EventId>,
    /// Which branch, by its document.
    pub branch: Option<DocumentId>,
    /// Which path of the document; none for the whole.
    pub path: Option<DocPath>,
    /// Where in the timeline.
    pub place: Place,
    /// Is each event a row of its own there, also of those that are alike?
    pub each: bool,
    /// Which event.
    pub event: Option<EventId>,
}

impl Default for Chosen {
    fn default() -> Self {
        Self {
            conflict: None,
            pages: Vec::new(),
            from_end: false,
            mission: None,
            tip: None,
            branch: None,
            path: "tasks".parse().ok(),
            place: Place::default(),
            each: false,
            event: None,
        }
    }
}

/// What a person may do where an event is not taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instead {
    /// Take it back by force.
    Force(EventId),
    /// Take it back by its name, of what no key takes back without one.
    Named(EventId),
    /// Take that back which took it back already.
    BringBack(EventId),
}

/// What became of a command.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Told {
    /// What is shown.
    pub doc: Doc,
    /// The event that it wrote, which can be undone.
    pub event: Option<EventId>,
    /// Does undoing it change who is a member? Then it is asked first.
    pub asks: bool,
    /// What does all the same what was refused, or what comes nearest to it.
    pub instead: Option<Instead>,
    /// Was it not done?
    pub failed: bool,
    /// Not done since the node was not reached: nobody needs to know once it is.
    pub is_down: bool,
}

/// What is done only once a person said yes.
#[derive(Debug, Clone)]
pub struct Question {
    /// What will happen.
    pub text: String,
    /// What each thing becomes.
    pub doc: Doc,
    /// What the button says that does it.
    pub verb: String,
    /// What is done, and in which workspace: the one that was looked at as it was asked.
    pub order: Order,
}

/// The past that every panel shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    /// As of which event.
    pub event: EventId,
    /// In words.
    pub text: String,
}

/// Something that the node can say again and again, as it changes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// Where the device stands.
    Status,
    /// The devices' names.
    Names,
    /// The devices.
    Devices,
    /// The conflicts, from behind this place on.
    Conflicts(Option<ConflictPlace>),
    /// What is kept apart.
    Quarantine,
    /// What a branch would set.
    Preview(EventId),
    /// The branches.
    Branches,
    /// What the merge of one would bring.
    Branch(DocumentId),
    /// Part of the timeline: the one of this number, or its end; and whether runs of events that
    /// are alike are one row there.
    Timeline(Option<usize>, bool),
    /// One event.
    Event(EventId),
    /// The missions.
    Missions,
    /// The boards.
    Boards,
    /// What is at a path.
    Document(String),
    /// What was at a path after an event.
    Past(String, EventId),
    /// The invitations that stand: no command, but a step of pairing.
    Standing,
    /// Those that are open by a token: no command either.
    Pending,
}

impl Topic {
    /// How it is asked.
    #[must_use]
    pub fn command(&self) -> Option<Command> {
        Some(match self {
            Self::Status => Command::Status,
            Self::Names => Command::Glance { path: "devices".parse().ok()? },
            Self::Devices => Command::Devices,
            Self::Conflicts(None) => Command::Conflicts,
            Self::Conflicts(Some(place)) => Command::ConflictsBehind(place.clone()),
            Self::Quarantine => Command::Quarantine,
            Self::Preview(tip) => Command::Preview { begin: tip.to_string() },
            Self::Branches => Command::Branch(BranchCommand::List { all: true }),
            Self::Branch(id) => Command::Branch(BranchCommand::Preview { name: id.to_string() }),
            Self::Timeline(part, folded) => Command::Timeline(timeline::query(*part, *folded)),
            Self::Event(id) => Command::Event { begin: id.to_string() },
            Self::Missions => Command::Missions,
            Self::Boards => Command::Boards { all: true },
            Self::Document(path) => Command::Glance { path: path.parse().ok()? },
            Self::Past(path, event) => {
                let at = At::Event(event.to_string());
                Command::Past(PastCommand::Read { path: path.parse().ok()?, at })
            }
            Self::Standing | Self::Pending => return None,
        })
    }
}

/// What a person asks.
#[derive(Debug, Clone)]
pub enum Action {
    /// Look at another panel.
    Go(Panel),
    /// Look at another workspace.
    Workspace(WorkspaceId),
    /// Look at something within a panel.
    Choose(Chosen),
    /// Do this now.
    Do(Command),
    /// Do this once it is confirmed.
    Ask(Question),
    /// Nothing is to be confirmed any more.
    Cancel,
    /// Open the palette with this in it and that entry marked, or close it.
    Palette(Option<String>, usize),
    /// Open or close the help.
    Help(bool),
    /// Look at the past, or at now.
    Past(Option<Past>),
    /// Ask the node for something that is no command of the workspace alone.
    Order(Order),
    /// Fill this in, or do not.
    Form(Option<Form>),
    /// Select these conflicts for the same choice, or leave them.
    Select(Vec<ConflictRow>, bool),
    /// Show the doors to a workspace, or the panels.
    Doors(bool),
    /// The focus goes to the next pane.
    NextPane,
    /// Say why this cannot be done.
    WhyNot(&'static str, &'static str),
    /// Say this.
    Told(String),
    /// Forget what the last command became.
    Dismiss,
}

impl Model {
    /// Takes an answer.
    pub fn hear(&mut self, topic: Topic, answer: Result<Reply, Failure>) {
        if let Topic::Conflicts(behind) = &topic
            && behind.as_ref() != self.chosen.pages.last()
        {
            return;
        }
        if matches!(topic, Topic::Timeline(_, folded) if folded == self.chosen.each) {
            return;
        }
        let said = &mut self.said;
        match answer {
            Err(failure) => {
                said.failed.insert(topic, failure);
                return;
            }
            Ok(Reply::Status(status)) => said.status = Some(*status),
            Ok(Reply::Devices { devices }) => said.devices = Some(devices),
            Ok(Reply::Conflicts(page)) => conflicts::take(self, page),
            Ok(Reply::Quarantine(page)) => said.quarantine = Some(page),
            Ok(Reply::Preview(preview)) => said.preview = Some(preview),
            Ok(Reply::Branch(BranchReply::List(page))) => said.branches = Some(page),
            Ok(Reply::Branch(BranchReply::Changes(changes))) => said.branch = Some(*changes),
            Ok(Reply::Timeline(page)) => said.timeline.take(*page, &self.chosen.place),
            Ok(Reply::Event(event)) => said.event = Some(*event),
            Ok(Reply::Missions { missions }) => said.missions = Some(missions),
            Ok(Reply::Boards(page)) => said.boards = Some(page),
            Ok(Reply::Read(read)) if topic == Topic::Names => said.names = names(&read),
            Ok(Reply::Read(read)) => said.read = Some(read),
            Ok(Reply::Past(past)) => {
                if let PastReply::Read(read) = *past {
                    said.past = Some(read);
                }
            }
            Ok(_) => {}
        }
        self.said.failed.remove(&topic);
    }

    /// How many conflicts are open, as far as it is known.
    #[must_use]
    pub fn open_conflicts(&self) -> usize {
        // The list is asked for where it is looked at; elsewhere it is an old one.
        let page = self.said.conflicts.as_ref().filter(|_| self.panel == Panel::Conflicts);
        let listed = page.map(conflicts::total);
        let counted = self.said.status.as_ref().map(|status| status.conflicts);
        listed.max(counted).unwrap_or(0)
    }

    /// What decides whether something can be done now.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let status = self.said.status.as_ref();
        let is_seen = !self.doors && !self.is_homeless();
        let is_inbox = is_seen && self.panel == Panel::Conflicts;
        let conflict = is_inbox.then(|| conflicts::looked_at(self)).flatten();
        let step = |forwards| is_inbox.then(|| conflicts::step(self, forwards)).flatten();
        let is_known = status.is_some_and(|status| status.newer_format.is_none());
        let is = |role| is_known && status.is_some_and(|status| status.role >= Some(role));
        Standing {
            connected: self.link == Link::Up,
            workspace: self.workspace.is_some(),
            writes: is(Role::Member),
            leaves: is(Role::Store),
            leads: status.is_some_and(|status| status.role >= Some(Role::Admin)),
            past: self.past.is_some(),
            sides: conflict.map_or(0, |(_, row)| row.sides.len()),
            before: step(false).is_some(),
            after: step(true).is_some(),
            selected: self.selected.len(),
            event: is_seen && timeline::looked_at(self).is_some(),
            undoable: is_seen && timeline::undo(self).is_some(),
            first: is_seen && timeline::past(self).is_none(),
        }
    }

    /// Why nothing can be written now.
    #[must_use]
    pub fn why_no_write(&self) -> Option<&'static str> {
        let why = self.standing().why_no_write()?;
        Some(if self.hangs() { HANGS } else { why })
    }

    /// Why nobody is let in or put out now.
    #[must_use]
    pub fn why_no_lead(&self) -> Option<&'static str> {
        self.why_no_write().or_else(|| self.standing().why_no_lead())
    }

    /// Why no workspace is rescued now. Who does it need not be a member.
    #[must_use]
    pub fn why_no_rescue(&self) -> Option<&'static str> {
        Standing { writes: true, ..self.standing() }.why_no_write()
    }

    /// Asks whether this is to be done in the workspace that is looked at.
    #[must_use]
    pub fn ask(&self, verb: String, text: String, doc: Doc, command: Command) -> Action {
        let Some(id) = self.workspace else {
            return Action::WhyNot("Not done", "there is no workspace yet");
        };
        Action::Ask(Question { text, doc, verb, order: Order::Do(id, command) })
    }

    /// Is the node there, and does not answer?
    #[must_use]
    pub fn hangs(&self) -> bool {
        matches!(&self.link, Link::Down(failure) if failure.kind != FailureKind::NotRunning)
    }

    /// Is nothing known of a workspace since there is none?
    #[must_use]
    pub fn is_homeless(&self) -> bool {
        self.node.as_ref().is_some_and(|node| node.workspaces.is_empty())
    }
}

/// The names that devices have in the document.
fn names(read: &ReadReply) -> Names {
    let name = |(id, about): (&String, &serde_json::Value)| {
        Some((id.parse().ok()?, about.get("name")?.as_str()?.to_owned()))
    };
    read.value.as_object().into_iter().flatten().filter_map(name).collect()
}
