//! The inspector on a stage: its other end is a device of a mesh in memory, and what it asks is
//! done there.

use eframe::egui::{self, Key, accesskit::Role};
use egui_kittest::Harness;
use egui_kittest::kittest::{AccessKitNode, NodeT as _, Queryable as _};
use kernelos_gui::app::App;
use kernelos_gui::client::{Client, Ends, News, Order};
use kernelos_gui::form::Fill;
use kernelos_gui::model::Topic;
use kernelos_gui::panel::Panel;
use kernelos_protocol::api::{
    NodeInfo, PairAnswer, PairAsked, PendingRow, Protection, StandingRow, WorkspaceRow,
};
use kernelos_protocol::command::{Command, Mode, Reply};
use kernelos_protocol::id::{ConflictId, Signature};
use kernelos_protocol::key::DeviceKey;
use kernelos_protocol::role::Role as Grant;
use kernelos_protocol::store::MemoryStore;

pub(crate) use crate::full::full_world;
use crate::kit::secret;
use crate::mesh::{Mesh, id};

/// What the window shows and what it speaks to.
pub(crate) struct Show {
    pub(crate) app: Option<App>,
    pub(crate) ends: Ends,
    pub(crate) mesh: Mesh,
    /// What was ordered that is no command of the mesh.
    pub(crate) ordered: Vec<Order>,
    pub(crate) standing: Vec<StandingRow>,
    pub(crate) pending: Vec<PendingRow>,
    client: Option<Client>,
}

pub(crate) type Stage<'a> = Harness<'a, Show>;

/// Lets a device in by this name.
pub(crate) fn grant(number: u8, name: &str, role: Grant) -> Command {
    let key = DeviceKey::from_secret(&secret(number));
    let sealing = key.sealing_statement();
    Command::Grant {
        device: key.device(),
        sealing_key: sealing.key,
        sealing_signature: Signature(sealing.signature),
        role,
        name: name.to_owned(),
        rule: "test".to_owned(),
        uses: None,
    }
}

/// Three devices, of which two wrote the same places apart.
pub(crate) fn world() -> Mesh {
    let mut mesh = Mesh::of(&[]);
    let workspace = mesh.device(1).config.workspace;
    for (number, name) in [(2, "phone"), (3, "server")] {
        assert!(matches!(mesh.ask(1, grant(number, name, Grant::Member)), Reply::Granted { .. }));
        mesh.add(number, workspace, MemoryStore::default());
    }
    let link = mesh.connect(1, 2);
    mesh.connect(1, 3);
    mesh.set(1, "tasks/T-41/owner", "Dana");
    mesh.set(1, "notes/today", "rain");
    mesh.cut(link);
    mesh.set(1, "tasks/T-41/owner", "Priya");
    mesh.set(2, "tasks/T-41/owner", "agent:triage");
    mesh.set(1, "notes/today", "sun");
    mesh.set(2, "notes/today", "snow");
    mesh.connect(1, 2);
    mesh
}

pub(crate) fn info(mesh: &mut Mesh) -> NodeInfo {
    let config = mesh.device(1).config.clone();
    let row = WorkspaceRow {
        workspace: "home".to_owned(),
        workspace_id: config.workspace,
        device: "laptop".to_owned(),
        mode: Mode::Synced,
    };
    NodeInfo {
        version: "0".to_owned(),
        device_id: id(1),
        secret: Some(Protection::Clear),
        online: true,
        workspaces: vec![row],
    }
}

/// An invitation in a file.
fn in_file() -> StandingRow {
    let (uses, left, expires) = (8, 5, 1_700_003_600);
    let invitation = "5e".repeat(16);
    StandingRow { invitation, role: Grant::Store, uses, left, expires, over: None }
}

/// An invitation by which a device waits.
fn waits() -> PendingRow {
    let asks = Some((id(5), "tablet".to_owned()));
    let invitation = "a7".repeat(16);
    PendingRow { invitation, role: Grant::Member, expires: 1_700_000_300, asks }
}

/// A window of this size in points, before that workspace.
pub(crate) fn stage<'a>(size: [f32; 2], mesh: Mesh) -> Stage<'a> {
    scaled(size, 1.0, mesh)
}

/// The same, with so many pixels a point.
pub(crate) fn scaled<'a>(size: [f32; 2], scale: f32, mesh: Mesh) -> Stage<'a> {
    paced(size, (scale, 0.25), mesh)
}

/// The same, with so many seconds from one frame to the next.
pub(crate) fn paced<'a>(size: [f32; 2], (scale, dt): (f32, f32), mut mesh: Mesh) -> Stage<'a> {
    let (client, ends) = Client::pair();
    ends.news.try_send(News::Up(info(&mut mesh))).unwrap();
    let (standing, pending) = (vec![in_file()], vec![waits()]);
    let ordered = Vec::new();
    let show = Show { app: None, ends, mesh, ordered, standing, pending, client: Some(client) };
    let builder = Harness::builder().with_size(size).with_pixels_per_point(scale);
    let builder = builder.with_theme(egui::Theme::Dark).with_step_dt(dt);
    let draw = |ui: &mut egui::Ui, show: &mut Show| {
        if let Some(client) = show.client.take() {
            show.app = Some(App::new(ui.ctx(), client));
        }
        let app = show.app.as_mut().unwrap();
        app.hear();
        app.draw(ui);
    };
    let mut stage = builder.build_ui_state(draw, show);
    play(&mut stage);
    stage
}

/// The node answers what is looked at, and does what is asked, until nothing more is.
pub(crate) fn play(stage: &mut Stage<'_>) {
    for _ in 0..3 {
        settle(stage);
        let show = stage.state_mut();
        let workspace = show.mesh.device(1).config.workspace;
        while let Ok(order) = show.ends.orders.try_recv() {
            match order {
                Order::Do(of, command) => {
                    assert_eq!(of, workspace);
                    let answer = ask(&mut show.mesh, command.clone());
                    show.ends.news.try_send(News::Done(command, answer)).unwrap();
                }
                other => show.ordered.push(other),
            }
        }
        let wanted = show.ends.wanted.borrow().clone();
        for topic in wanted.topics {
            let workspace = workspace.to_string();
            let paired = match topic {
                Topic::Standing => {
                    let asked = PairAsked::Standing { workspace: Some(workspace) };
                    Some((asked, PairAnswer::Standing(show.standing.clone())))
                }
                Topic::Pending => {
                    let asked = PairAsked::Pending { workspace: Some(workspace) };
                    Some((asked, PairAnswer::Pending(show.pending.clone())))
                }
                _ => None,
            };
            if let Some((asked, answer)) = paired {
                show.ends.news.try_send(News::Pair(asked, Ok(answer))).unwrap();
                continue;
            }
            let workspace = show.mesh.device(1).config.workspace;
            let Some(command) = topic.command() else { continue };
            let answer = ask(&mut show.mesh, command);
            show.ends.news.try_send(News::Said(workspace, topic, answer)).unwrap();
        }
        settle(stage);
    }
}

/// Until nothing moves any more: a list that became shorter springs back for some frames.
fn settle(stage: &mut Stage<'_>) {
    assert!((0..16).any(|_| stage.run_ok().is_some()), "it never comes to rest");
}

fn ask(mesh: &mut Mesh, command: Command) -> Result<Reply, kernelos_protocol::command::Failure> {
    match mesh.ask(1, command) {
        Reply::Failed(failure) => Err(failure),
        reply => Ok(reply),
    }
}

pub(crate) fn app<'s>(stage: &'s mut Stage<'_>) -> &'s mut App {
    stage.state_mut().app.as_mut().unwrap()
}

pub(crate) fn go(stage: &mut Stage<'_>, panel: Panel) {
    app(stage).apply(kernelos_gui::model::Action::Go(panel));
    play(stage);
}

pub(crate) fn press(stage: &mut Stage<'_>, key: Key) {
    stage.key_press(key);
    play(stage);
}

/// All nodes that a screen reader hears of, in its order, with their depth.
pub(crate) fn nodes<'s>(stage: &'s Stage<'_>) -> Vec<(usize, AccessKitNode<'s>)> {
    let mut found = Vec::new();
    let mut waiting = vec![(0, stage.root().accesskit_node())];
    while let Some((depth, node)) = waiting.pop() {
        let says = node.role() != Role::GenericContainer || node.has_label();
        let below = if says { depth + 1 } else { depth };
        let children: Vec<_> = node.children().collect();
        waiting.extend(children.into_iter().rev().map(|child| (below, child)));
        if says {
            found.push((depth, node));
        }
    }
    found
}

/// What a node is called.
pub(crate) fn name(node: &AccessKitNode<'_>) -> String {
    let text = node.label().or_else(|| node.value());
    text.unwrap_or_default()
}

/// Every text that a screen reader hears, in its order, as words.
pub(crate) fn words(stage: &Stage<'_>) -> Vec<String> {
    let texts = nodes(stage).into_iter().map(|(_, node)| node);
    let texts = texts.filter(|node| matches!(node.role(), Role::Label | Role::Heading));
    let texts = texts.map(|node| name(&node));
    texts.flat_map(|text| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// Before a node that has no workspace.
pub(crate) fn homeless<'a>(size: [f32; 2]) -> Stage<'a> {
    let mut stage = stage(size, Mesh::of(&[]));
    let mut info = info(&mut stage.state_mut().mesh);
    info.workspaces.clear();
    told(&mut stage, News::Up(info));
    stage
}

/// All that is filled in anywhere.
pub(crate) fn every_fill() -> Vec<Fill> {
    let (away, back) = (true, false);
    vec![
        Fill::SetValue,
        Fill::RemoveValue,
        Fill::Bulk,
        Fill::Decide(ConflictId([7; 16])),
        Fill::CreateBoard,
        Fill::ArchiveBoard(away),
        Fill::ArchiveBoard(back),
        Fill::CreateBranch,
        Fill::MergeBranch,
        Fill::ArchiveBranch(away),
        Fill::ArchiveBranch(back),
        Fill::SetAgent,
        Fill::StartMission,
        Fill::CancelMission,
        Fill::Strike,
        Fill::Readmit,
        Fill::Purge,
        Fill::Invite,
        Fill::Code("a7".repeat(16)),
        Fill::Revoke,
        Fill::ReadmitDevice,
        Fill::CreateWorkspace,
        Fill::Join,
        Fill::Restore,
        Fill::Rescue,
    ]
}

/// Everything that is said, as one line.
pub(crate) fn line(stage: &Stage<'_>) -> String {
    words(stage).join(" ")
}

/// Clicks the button of this name.
pub(crate) fn click(stage: &mut Stage<'_>, button: &str) {
    stage.get_by_role_and_label(Role::Button, button).click();
    play(stage);
}

/// The node says something of itself.
pub(crate) fn told(stage: &mut Stage<'_>, news: News) {
    stage.state_mut().ends.news.try_send(news).unwrap();
    stage.run();
}
