//! The thread that speaks to the node: it asks what is looked at, again whenever the node says that
//! something changed, and survives the node's restart.
//!
//! Nothing here polls: between changes it waits for the node's event stream. What a person asks is
//! done in order, but for a restore, which goes on beside it; what is looked at is the newest wish
//! alone.

mod doors;
mod http;
mod link;
mod restore;

use std::path::PathBuf;

use eframe::egui;
use kernelos_protocol::api::{Founded, NodeInfo, PairAnswer, PairAsked, Starting};
use kernelos_protocol::command::{Command, Failure, Mode, Reply};
use kernelos_protocol::id::{EventId, WorkspaceId};
use tokio::sync::{mpsc, watch};

use crate::model::Topic;

/// Words of the node that wait for the window: then the thread waits too.
const NEWS_MAX: usize = 64;
/// Things asked that wait for the node.
const ORDERS_MAX: usize = 16;

/// What is looked at.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wanted {
    /// Of which workspace; none for the first there is.
    pub workspace: Option<WorkspaceId>,
    /// What of it.
    pub topics: Vec<Topic>,
}

/// What is to be done.
#[derive(Debug, Clone)]
pub enum Order {
    /// A command for a workspace.
    Do(WorkspaceId, Command),
    /// Make a workspace.
    Create(Creating),
    /// Make this device the owner of a workspace by its recovery key.
    Rescue(WorkspaceId, Rescuing),
    /// Bring a workspace here from its archive, and make this device its owner.
    Restore(Restoring),
    /// Start a mission.
    Start(WorkspaceId, Starting),
    /// A step of pairing. Of an invitation and an attempt to join what becomes of it is told, too.
    Pair(PairAsked),
}

/// A workspace that is to be made.
#[derive(Debug, Clone)]
pub struct Creating {
    /// Its name.
    pub name: String,
    /// This device's name.
    pub device: String,
    /// Does this device speak with others?
    pub mode: Mode,
    /// Where its recovery key is written: a file that is not there yet.
    pub recovery_file: PathBuf,
}

/// By what a workspace is rescued.
#[derive(Debug, Clone)]
pub struct Rescuing {
    /// This device's name.
    pub device: String,
    /// Where its recovery key is.
    pub recovery_file: PathBuf,
}

/// By what a workspace is restored whose devices are lost.
#[derive(Debug, Clone)]
pub struct Restoring {
    /// Its name here, if it is not here yet.
    pub name: String,
    /// The file of its events.
    pub events: PathBuf,
    /// Its recovery key, and this device's name.
    pub rescuing: Rescuing,
}

/// A workspace that was restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// Its name here.
    pub workspace: String,
    /// Which.
    pub workspace_id: WorkspaceId,
    /// How many events of the file are here.
    pub events: u64,
    /// Was this device made its owner? Not where it is a member already.
    pub is_rescued: bool,
}

/// What the node said, or that it says nothing.
#[derive(Debug)]
pub enum News {
    /// It is reached.
    Up(NodeInfo),
    /// It is not.
    Down(Failure),
    /// Of a workspace.
    Said(WorkspaceId, Topic, Result<Reply, Failure>),
    /// What became of an [`Order::Do`].
    Done(Command, Result<Reply, Failure>),
    /// What became of an [`Order::Create`].
    Founded(Result<Founded, Failure>),
    /// What became of an [`Order::Rescue`].
    Rescued(Result<Reply, Failure>),
    /// How far an [`Order::Restore`] is.
    Restoring {
        /// How many events are here.
        here: u64,
        /// Of how many.
        of: u64,
    },
    /// What became of it.
    Restored(Result<Restored, Failure>),
    /// What became of an [`Order::Start`].
    Started(Result<EventId, Failure>),
    /// What became of a step of pairing, one that was asked for or one that follows it.
    Pair(PairAsked, Result<PairAnswer, Failure>),
}

/// A way to the node.
#[derive(Debug)]
pub struct Client {
    wanted: watch::Sender<Wanted>,
    orders: mpsc::Sender<Order>,
    news: mpsc::Receiver<News>,
}

/// The other end of a [`Client`].
#[derive(Debug)]
pub struct Ends {
    /// What is looked at.
    pub wanted: watch::Receiver<Wanted>,
    /// What is to be done.
    pub orders: mpsc::Receiver<Order>,
    /// What the node said.
    pub news: mpsc::Sender<News>,
}

impl Client {
    /// Both ends, for who speaks for the node itself.
    #[must_use]
    pub fn pair() -> (Self, Ends) {
        let (wanted, wants) = watch::channel(Wanted::default());
        let (orders, ordered) = mpsc::channel(ORDERS_MAX);
        let (tell, news) = mpsc::channel(NEWS_MAX);
        (Self { wanted, orders, news }, Ends { wanted: wants, orders: ordered, news: tell })
    }

    /// Starts the thread; `context` is woken whenever there is something new to show.
    pub fn start(
        socket: PathBuf,
        workspace: Option<String>,
        context: &egui::Context,
    ) -> std::io::Result<Self> {
        let (client, ends) = Self::pair();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let context = context.clone();
        let link = link::Link::new(socket, workspace, ends, move || context.request_repaint());
        let thread = std::thread::Builder::new().name("node".to_owned());
        thread.spawn(move || runtime.block_on(link.run()))?;
        Ok(client)
    }

    /// Says what is looked at.
    pub fn want(&self, wanted: Wanted) {
        self.wanted.send_if_modified(|now| {
            let changes = *now != wanted;
            *now = wanted;
            changes
        });
    }

    /// Asks for something to be done; false where too much waits.
    pub fn order(&self, order: Order) -> bool {
        self.orders.try_send(order).is_ok()
    }

    /// What the node said since.
    pub fn news(&mut self) -> Option<News> {
        self.news.try_recv().ok()
    }
}

/// Where the node of this home answers: `KERNELOS_HOME`, or the platform's data folder.
#[must_use]
pub fn socket() -> Option<PathBuf> {
    use etcetera::BaseStrategy as _;
    let home = std::env::var_os("KERNELOS_HOME").filter(|path| !path.is_empty());
    let home = match home {
        Some(home) => PathBuf::from(home),
        None => etcetera::choose_base_strategy().ok()?.data_dir().join("kernelos"),
    };
    Some(home.join("kern.sock"))
}
