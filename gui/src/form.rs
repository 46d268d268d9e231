//! What is filled in before it is done: each form asks for what the command line takes as
//! arguments, says what is wrong with it, and stays until the node did it: nothing of what was
//! typed is lost.

mod draw;

use std::path::PathBuf;

use kernelos_protocol::api::PairAsked;
use kernelos_protocol::command::{BranchCommand, BranchKind, BranchState, Command, Mode, Take};
use kernelos_protocol::document::{DocPath, Edit};
use kernelos_protocol::id::{DeviceId, EventId, WorkspaceId};
use kernelos_protocol::limits::NAME_BYTES_MAX;
use kernelos_protocol::pairing::messages::is_name;
use kernelos_protocol::present::{Doc, device_name, shown};
use kernelos_protocol::role::Role;

use crate::client::{Creating, Order, Rescuing, Starting};
use crate::model::{Action, Model, Question, Topic};
use crate::pairing;
use crate::panel::{branches, conflicts};

pub use draw::show;

/// What a form is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fill {
    /// Put a value somewhere.
    SetValue,
    /// Take one away.
    RemoveValue,
    /// The same choice for all conflicts that are selected.
    Bulk,
    /// Make a board.
    CreateBoard,
    /// Make a branch.
    CreateBranch,
    /// Bring a branch back to where it comes from.
    MergeBranch,
    /// Start a mission.
    StartMission,
    /// End one.
    CancelMission,
    /// Let a device in.
    Invite,
    /// The digits that a device shows which waits by this invitation.
    Code(String),
    /// Take a device out.
    Revoke,
    /// Make a workspace.
    CreateWorkspace,
    /// Join one.
    Join,
    /// Lead a workspace by its recovery key.
    Rescue,
}

/// A form as it is filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// What for.
    pub fill: Fill,
    /// What was typed, in the order of `Fill::asks`.
    pub typed: Vec<String>,
    /// What is wrong with it.
    pub fault: Option<String>,
    /// The workspace that was looked at as it was opened.
    pub workspace: Option<WorkspaceId>,
    /// As which order it was sent, until the node answers.
    pub sent: Option<u64>,
}

/// One thing that is asked for: its name, and what it looks like.
type Ask = (&'static str, &'static str);

const PATH: Ask = ("path", "tasks/T-41/owner");
const DEVICE: Ask = ("name of this device", "laptop");
const RECOVERY: Ask = ("recovery file", "/media/usb/home.recovery");

impl Fill {
    /// What the form is called, and what its button says.
    #[must_use]
    pub fn title(&self) -> &'static str {
        match self {
            Self::SetValue => "Set a value",
            Self::RemoveValue => "Remove a value",
            Self::Bulk => "Decide all that are selected",
            Self::CreateBoard => "Create a board",
            Self::CreateBranch => "Create a branch",
            Self::MergeBranch => "Merge a branch",
            Self::StartMission => "Start a mission",
            Self::CancelMission => "Cancel a mission",
            Self::Invite => "Invite a device",
            Self::Code(_) => "Let the device in",
            Self::Revoke => "Revoke a device",
            Self::CreateWorkspace => "Create a workspace",
            Self::Join => "Join a workspace",
            Self::Rescue => "Restore a workspace",
        }
    }

    fn asks(&self) -> &'static [Ask] {
        match self {
            Self::SetValue => &[PATH, ("value as JSON", "\"Dana\"")],
            Self::RemoveValue => &[PATH],
            Self::Bulk => &[("keep: newest, a side's letter, or a device's name", "newest")],
            Self::CreateBoard => &[("name", "plans")],
            Self::CreateBranch => &[
                ("name", "try"),
                ("of which board or branch; empty for the workspace", "boards/plans"),
                ("as of which event; empty for now", "1f2e3d4c"),
                ("what it is for", ""),
            ],
            Self::MergeBranch => &[("branch", "try")],
            Self::StartMission => &[
                ("goal", "the tests pass"),
                ("folder of the repository", "/home/dana/site"),
                ("agent", "triage"),
                ("command that verifies", "make test"),
            ],
            Self::CancelMission => &[("mission", "1f2e3d4c")],
            Self::Invite => &[("role", "member")],
            Self::Code(_) => &[("the two digits that it shows", "42")],
            Self::Revoke => &[("device", "phone"), ("why, for the others", "")],
            Self::CreateWorkspace => &[("name of the workspace", "home"), DEVICE, RECOVERY],
            Self::Join => &[("token", "KOS1:…"), DEVICE],
            Self::Rescue => &[RECOVERY, DEVICE],
        }
    }

    /// Is it about the workspace that is looked at?
    #[must_use]
    pub fn is_of_workspace(&self) -> bool {
        !matches!(self, Self::CreateWorkspace | Self::Join)
    }

    /// What the node is asked for while it is filled in.
    #[must_use]
    pub fn topic(&self) -> Option<Topic> {
        match self {
            Self::CancelMission => Some(Topic::Missions),
            Self::MergeBranch => Some(Topic::Branches),
            Self::Code(_) => Some(Topic::Pending),
            _ => None,
        }
    }

    /// What a person should know before.
    fn says(&self) -> &'static str {
        match self {
            Self::CreateWorkspace => {
                "The recovery key gives the workspace back when all devices are lost. It is \
                 written to this file, which must not exist yet, and is kept nowhere else."
            }
            Self::Join => "The other device shows a token: kern invite, or its panel Devices.",
            Self::Rescue => {
                "This device becomes the owner, and all that led before are removed for good."
            }
            Self::Invite => "Roles: owner, admin, member, observer, store, runner.",
            _ => "",
        }
    }
}

impl Form {
    /// A form that knows what is looked at.
    #[must_use]
    pub fn of(fill: Fill, model: &Model) -> Self {
        let chosen = &model.chosen;
        let first = match &fill {
            Fill::SetValue | Fill::RemoveValue => chosen.path.as_ref().map(ToString::to_string),
            Fill::MergeBranch => chosen.branch.map(|id| id.to_string()),
            Fill::CancelMission => chosen.mission.map(|id| id.to_string()),
            Fill::Invite => Some("member".to_owned()),
            _ => None,
        };
        let mut typed = vec![String::new(); fill.asks().len()];
        if let (Some(to), Some(first)) = (typed.first_mut(), first) {
            *to = first;
        }
        if let (Fill::CreateBranch, Some(past)) = (&fill, &model.past)
            && let Some(at) = typed.get_mut(2)
        {
            *at = past.event.to_string();
        }
        Self { fill, typed, fault: None, workspace: model.workspace, sent: None }
    }

    /// What is asked once it is filled in; or what is wrong.
    pub fn submit(&self, model: &Model) -> Result<Action, String> {
        let field = |at: usize| self.typed.get(at).map_or("", |text| text.trim());
        if self.fill.is_of_workspace() && self.workspace != model.workspace {
            return Err("another workspace is looked at now: open this form there".to_owned());
        }
        let command = match &self.fill {
            Fill::SetValue => Command::Edit { edits: vec![set(field(0), field(1))?] },
            Fill::RemoveValue => Command::Edit { edits: vec![Edit::Rm { rm: path(field(0))? }] },
            Fill::CreateBoard => Command::CreateBoard { name: name(field(0))? },
            Fill::CreateBranch => Command::Branch(BranchCommand::Create {
                name: name(field(0))?,
                of: field(1).parse().map_err(|fault| format!("{fault}"))?,
                at: Some(field(2).to_owned()).filter(|at| !at.is_empty()),
                purpose: field(3).to_owned(),
            }),
            Fill::MergeBranch => return merge(&filled(field(0), "branch")?, model),
            Fill::CancelMission => return cancel(field(0), model),
            Fill::Bulk => return conflicts::bulk(model, &take(field(0), model)?),
            Fill::Revoke => return revoke(field(0), field(1), model),
            Fill::Rescue => return rescue((field(0), field(1)), model),
            _ => return self.order(model).map(Action::Order),
        };
        Ok(Action::Do(command))
    }

    /// The same, of what is no command.
    fn order(&self, model: &Model) -> Result<Order, String> {
        let field = |at: usize| self.typed.get(at).map_or("", |text| text.trim());
        let here = || model.workspace.ok_or_else(|| "there is no workspace yet".to_owned());
        Ok(match &self.fill {
            Fill::StartMission => Order::Start(
                here()?,
                Starting {
                    goal: filled(field(0), "goal")?,
                    repo: absolute(field(1))?,
                    branch: None,
                    agent: filled(field(2), "agent")?,
                    verify: filled(field(3), "command that verifies")?,
                    tests: Vec::new(),
                    floor: 1,
                },
            ),
            Fill::Code(invitation) => {
                let code = field(0);
                if code.len() != 2 || !code.bytes().all(|byte| byte.is_ascii_digit()) {
                    return Err("a check code is two digits".to_owned());
                }
                let (invitation, code) = (invitation.clone(), Some(code.to_owned()));
                Order::Pair(PairAsked::Code { invitation, code })
            }
            Fill::CreateWorkspace => Order::Create(Creating {
                name: name(field(0))?,
                device: name(field(1))?,
                mode: Mode::Synced,
                recovery_file: absolute(field(2))?,
            }),
            Fill::Join => Order::Pair(PairAsked::Join {
                by: pairing::by(&filled(field(0), "token")?),
                device: name(field(1))?,
            }),
            _ => {
                let role = Role::ALL.into_iter().find(|role| role.name() == field(0));
                let role = role.ok_or_else(|| format!("there is no role {:?}", field(0)))?;
                let workspace = Some(here()?.to_string());
                Order::Pair(PairAsked::Invite { workspace, role, ttl_ms: None })
            }
        })
    }
}

fn filled(text: &str, what: &str) -> Result<String, String> {
    if text.is_empty() { Err(format!("{what}: nothing is filled in")) } else { Ok(text.to_owned()) }
}

fn name(text: &str) -> Result<String, String> {
    let wrong = || {
        format!("{text:?} is no name: 1 to {NAME_BYTES_MAX} bytes without / and control characters")
    };
    is_name(text).then(|| text.to_owned()).ok_or_else(wrong)
}

fn path(text: &str) -> Result<DocPath, String> {
    let path: DocPath = text.parse().map_err(|fault| format!("{fault}"))?;
    if path.segments().is_empty() { Err("path: nothing is filled in".to_owned()) } else { Ok(path) }
}

fn set(at: &str, value: &str) -> Result<Edit, String> {
    let value = serde_json::from_str(value);
    let value = value.map_err(|fault| format!("this is no JSON, a text has quotes: {fault}"))?;
    Ok(Edit::Set { set: path(at)?, value })
}

/// The window knows no folder that a person would mean by a name alone.
fn absolute(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    if path.is_absolute() { Ok(path) } else { Err("write the path from / on".to_owned()) }
}

fn mission(begin: &str, model: &Model) -> Result<EventId, String> {
    if let Ok(id) = begin.parse() {
        return Ok(id);
    }
    let all = model.said.missions.as_deref().unwrap_or_default();
    let is_meant = |id: &EventId| begin.len() >= 4 && id.to_string().starts_with(begin);
    let mut named = all.iter().map(|view| view.id).filter(is_meant);
    match (named.next(), named.next()) {
        (Some(id), None) => Ok(id),
        (Some(_), Some(_)) => Err("several missions begin so: write more of the id".to_owned()),
        _ => Err("no mission begins so: the panel Missions has their ids".to_owned()),
    }
}

/// Ending a mission cannot be taken back.
fn cancel(begin: &str, model: &Model) -> Result<Action, String> {
    let id = mission(begin, model)?;
    let all = model.said.missions.as_deref().unwrap_or_default();
    let goal = all.iter().find(|view| view.id == id).map(|view| shown(&view.goal, 128));
    let goal = goal.map(|goal| format!(" ({goal:?})")).unwrap_or_default();
    let text = format!("Mission {}{goal} ends for good, on every device", id.short());
    let verb = format!("Cancel mission {}", id.short());
    Ok(model.ask(verb, text, Doc::default(), Command::CancelMission { id }))
}

/// What a merge brings is said before.
fn merge(typed: &str, model: &Model) -> Result<Action, String> {
    let page = model.said.branches.as_ref();
    let page = page.ok_or_else(|| "the branches are not known yet: try again".to_owned())?;
    let is_meant = |row: &&BranchState| {
        row.kind == BranchKind::Made
            && (row.name.as_deref() == Some(typed)
                || row.document.is_some_and(|id| id.to_string() == typed))
    };
    let mut named = page.branches.iter().filter(is_meant);
    match (named.next(), named.next()) {
        (Some(row), None) if row.ahead == 0 => Err("nothing was changed on it".to_owned()),
        (Some(row), None) => Ok(branches::merging(row, model)),
        (Some(_), Some(_)) => Err("several have this name: choose one in Branches".to_owned()),
        _ => Err("no branch has this name".to_owned()),
    }
}

/// A rescue cannot be taken back: what it removes, and where, is said before.
fn rescue((file, device): (&str, &str), model: &Model) -> Result<Action, String> {
    let id = model.workspace.ok_or_else(|| "there is no workspace yet".to_owned())?;
    let rescuing = Rescuing { recovery_file: absolute(file)?, device: name(device)? };
    let rows = model.node.iter().flat_map(|node| &node.workspaces);
    let named = rows.filter(|row| row.workspace_id == id).map(|row| row.workspace.clone()).next();
    let called = shown(&named.unwrap_or_else(|| id.short()), 64);
    let text = format!(
        "In the workspace {called}, this device becomes the owner, and every owner and admin \
         besides is removed for good; members and what was written stay. kern rescue --keep \
         keeps some of them"
    );
    let (doc, verb) = (Doc::default(), format!("Rescue {called}"));
    Ok(Action::Ask(Question { text, doc, verb, order: Order::Rescue(id, rescuing) }))
}

/// Taking a device out is confirmed: it is named by what was found, not by what was typed.
fn revoke(typed: &str, reason: &str, model: &Model) -> Result<Action, String> {
    let device = device(typed, model)?;
    Ok(revoking(model, device, reason, &device_name(&device, &model.said.names)))
}

fn device(typed: &str, model: &Model) -> Result<DeviceId, String> {
    let names = &model.said.names;
    let mut named = names.iter().filter(|(_, name)| *name == typed).map(|(id, _)| *id);
    match (named.next(), named.next(), typed.parse()) {
        (Some(id), None, _) | (None, _, Ok(id)) => Ok(id),
        (Some(_), Some(_), _) => Err("several have this name: write the id".to_owned()),
        _ => Err("no device has this name".to_owned()),
    }
}

/// Which side of each conflict, as `kern conflicts resolve --take` reads it.
fn take(typed: &str, model: &Model) -> Result<Take, String> {
    match typed {
        "newest" => Ok(Take::Newest),
        letter if letter.len() == 1 && letter.bytes().all(|byte| byte.is_ascii_alphabetic()) => {
            Ok(Take::Side(letter.to_ascii_uppercase()))
        }
        name => device(name, model).map(Take::Device),
    }
}

/// What is asked before a device is taken out.
#[must_use]
pub fn revoking(model: &Model, device: DeviceId, reason: &str, name: &str) -> Action {
    let name = shown(name, 128);
    let text = format!(
        "{name} is removed on every device, and cannot read what is written from now on. \
         What it wrote stays"
    );
    let command = Command::Revoke { device, reason: reason.to_owned() };
    model.ask(format!("Revoke {name}"), text, Doc::default(), command)
}
