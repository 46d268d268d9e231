//! What is filled in before it is done: each form asks for what the command line takes as
//! arguments, says what is wrong with it, and stays until the node did it: nothing of what was
//! typed is lost.

mod draw;
mod read;

use kernelos_protocol::api::{PairAsked, Starting};
use kernelos_protocol::command::{BranchCommand, Command, Mode};
use kernelos_protocol::document::Edit;
use kernelos_protocol::id::{ConflictId, WorkspaceId};
use kernelos_protocol::role::Role;

use crate::client::{Creating, Order};
use crate::model::{Action, Model, Topic};
use crate::pairing;
use crate::panel::conflicts;

pub use draw::show;
pub(crate) use read::device;
use read::{absolute, filled, name, path};

/// What a form is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fill {
    /// Put a value somewhere.
    SetValue,
    /// Take one away.
    RemoveValue,
    /// The same choice for all conflicts that are selected.
    Bulk,
    /// Decide a conflict by a value that no side shows.
    Decide(ConflictId),
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
    /// Say what an agent runs.
    SetAgent,
    /// Put a board away, or bring it back.
    ArchiveBoard(bool),
    /// Put a branch away, or bring it back.
    ArchiveBranch(bool),
    /// Take the effect of an event.
    Strike,
    /// Bring an event back.
    Readmit,
    /// Bring back what a device wrote that was revoked.
    ReadmitDevice,
    /// Destroy what artifacts hold.
    Purge,
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
    /// Bring a workspace here from its archive, and lead it by its recovery key.
    Restore,
    /// Lead a workspace that is here by its recovery key.
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
    /// Is that alone wrong that the node did not run?
    pub is_down: bool,
    /// The workspace that was looked at as it was opened.
    pub workspace: Option<WorkspaceId>,
    /// As which order it was sent, until the node answers.
    pub sent: Option<u64>,
}

/// One thing that is asked for: its name, and what it looks like.
type Ask = (&'static str, &'static str);

const PATH: Ask = ("path", "tasks/T-41/owner");
const VALUE: Ask = ("value as JSON", "\"Dana\"");
const WHY: Ask = ("why, for the others", "");
const DEVICE: Ask = ("name of this device", "laptop");
const EVENTS: Ask = ("file of its events", "/media/usb/home.events");
const RECOVERY: Ask = ("recovery file", "/media/usb/home.recovery");

impl Fill {
    /// What the form is called, and what its button says.
    #[must_use]
    pub fn title(&self) -> &'static str {
        match self {
            Self::SetValue => "Set a value",
            Self::RemoveValue => "Remove a value",
            Self::Bulk => "Decide all that are selected",
            Self::Decide(_) => "Decide by a value of your own",
            Self::CreateBoard => "Create a board",
            Self::CreateBranch => "Create a branch",
            Self::MergeBranch => "Merge a branch",
            Self::StartMission => "Start a mission",
            Self::CancelMission => "Cancel a mission",
            Self::SetAgent => "Set an agent",
            Self::ArchiveBoard(true) => "Put a board away",
            Self::ArchiveBoard(false) => "Bring a board back",
            Self::ArchiveBranch(true) => "Put a branch away",
            Self::ArchiveBranch(false) => "Bring a branch back",
            Self::Strike => "Strike an event",
            Self::Readmit => "Bring an event back",
            Self::ReadmitDevice => "Bring back what a device wrote",
            Self::Purge => "Purge artifacts",
            Self::Invite => "Invite a device",
            Self::Code(_) => "Let the device in",
            Self::Revoke => "Revoke a device",
            Self::CreateWorkspace => "Create a workspace",
            Self::Join => "Join a workspace",
            Self::Restore => "Restore a workspace",
            Self::Rescue => "Rescue this workspace",
        }
    }

    fn asks(&self) -> &'static [Ask] {
        match self {
            Self::SetValue => &[PATH, VALUE],
            Self::Decide(_) => &[VALUE],
            Self::RemoveValue => &[PATH],
            Self::Bulk => &[("keep: newest, a side's letter, or a device's name", "newest")],
            Self::CreateBoard => &[("name", "plans")],
            Self::CreateBranch => &[
                ("name", "try"),
                ("of which board or branch; empty for the workspace", "boards/plans"),
                ("as of which event; empty: as it is now", "1f2e3d4c"),
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
            Self::SetAgent => &[("name", "fixer"), ("commands, a line for each step", "./fix.sh")],
            Self::ArchiveBoard(_) => &[("board", "garden")],
            Self::ArchiveBranch(_) => &[("branch", "try")],
            Self::Strike | Self::Readmit => &[("event", "1f2e3d4c"), WHY],
            Self::ReadmitDevice => &[("device", "phone"), WHY],
            Self::Purge => &[("artifacts, by their events", "1f2e3d4c 5a6b7c8d")],
            Self::Invite => &[("role", "member")],
            Self::Code(_) => &[("the two digits that it shows", "42")],
            Self::Revoke => &[("device", "phone"), WHY],
            Self::CreateWorkspace => &[("name of the workspace", "home"), DEVICE, RECOVERY],
            Self::Join => &[("token", "KOS1:…"), DEVICE],
            Self::Restore => &[EVENTS, RECOVERY, ("name of the workspace here", "home"), DEVICE],
            Self::Rescue => &[RECOVERY, DEVICE],
        }
    }

    /// Does the field of this number take several lines?
    fn takes_lines(&self, field: usize) -> bool {
        matches!((self, field), (Self::SetAgent, 1))
    }

    /// Is it about the workspace that is looked at?
    #[must_use]
    pub fn is_of_workspace(&self) -> bool {
        !matches!(self, Self::CreateWorkspace | Self::Join | Self::Restore)
    }

    /// What the node is asked for while it is filled in.
    #[must_use]
    pub fn topic(&self) -> Option<Topic> {
        match self {
            Self::CancelMission => Some(Topic::Missions),
            Self::MergeBranch => Some(Topic::Branches),
            Self::Code(_) => Some(Topic::Pending),
            Self::Purge => Some(Topic::Devices),
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
            Self::Restore => {
                "The file is what kern export --events wrote, of any size; where it was \
                 interrupted, it goes on."
            }
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
            Fill::Strike => chosen.event.map(|id| id.to_string()),
            Fill::Readmit => chosen.tip.map(|id| id.to_string()),
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
        Self { fill, typed, fault: None, is_down: false, workspace: model.workspace, sent: None }
    }

    /// What is asked once it is filled in; or what is wrong.
    pub fn submit(&self, model: &Model) -> Result<Action, String> {
        let field = |at: usize| self.typed.get(at).map_or("", |text| text.trim());
        if self.fill.is_of_workspace() && self.workspace != model.workspace {
            return Err("another workspace is looked at now: open this form there".to_owned());
        }
        let command = match &self.fill {
            Fill::SetValue => Command::Edit { edits: vec![read::set(field(0), field(1))?] },
            Fill::Decide(resolve) => {
                let (resolve, value) = (*resolve, read::value(field(0))?);
                Command::Edit { edits: vec![Edit::Decide { resolve, value }] }
            }
            Fill::RemoveValue => Command::Edit { edits: vec![Edit::Rm { rm: path(field(0))? }] },
            Fill::CreateBoard => Command::CreateBoard { name: name(field(0))? },
            Fill::CreateBranch => Command::Branch(BranchCommand::Create {
                name: name(field(0))?,
                of: field(1).parse().map_err(|fault| format!("{fault}"))?,
                at: Some(field(2).to_owned()).filter(|at| !at.is_empty()),
                purpose: field(3).to_owned(),
            }),
            Fill::ArchiveBoard(archived) => {
                Command::ArchiveBoard { name: name(field(0))?, archived: *archived }
            }
            Fill::ArchiveBranch(archived) => Command::Branch(BranchCommand::Archive {
                name: name(field(0))?,
                archived: *archived,
            }),
            _ => return self.ask(model),
        };
        Ok(Action::Do(command))
    }

    /// The same, of what is asked once more before it is done.
    fn ask(&self, model: &Model) -> Result<Action, String> {
        let field = |at: usize| self.typed.get(at).map_or("", |text| text.trim());
        match &self.fill {
            Fill::MergeBranch => read::merge(&filled(field(0), "branch")?, model),
            Fill::CancelMission => read::cancel(field(0), model),
            Fill::Bulk => conflicts::bulk(model, &read::take(field(0), model)?),
            Fill::Revoke => read::revoke(field(0), field(1), model),
            Fill::Restore => read::restore([field(0), field(1), field(2), field(3)]),
            Fill::Rescue => read::rescue((field(0), field(1)), model),
            Fill::Strike => read::strike(field(0), field(1), model),
            Fill::Readmit => read::readmit(field(0), field(1), model),
            Fill::ReadmitDevice => read::readmit_device(field(0), field(1), model),
            Fill::SetAgent => read::agent(field(0), field(1), model),
            Fill::Purge => read::purge(field(0), model),
            _ => self.order(model).map(Action::Order),
        }
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
