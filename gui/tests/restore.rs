//! A workspace whose devices are lost comes back through the node's API: a real client, real files,
//! and in the node's place a device in memory behind a socket.

use std::fs;
use std::io::Write as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use eframe::egui;
use kernelos_gui::client::{Client, News, Order, Rescuing, Restored, Restoring};
use kernelos_protocol::api::{Answer, Asked, NodeInfo, WorkspaceRow};
use kernelos_protocol::archive::{Header, Writer};
use kernelos_protocol::command::{Command, Failure, Mode, Reply};
use kernelos_protocol::event::Verified;
use kernelos_protocol::id::WorkspaceId;
use kernelos_protocol::recovery::file_text;
use kernelos_protocol::role::Role;
use kernelos_protocol::store::{EventStore as _, MemoryStore, Record};

use crate::mesh::{Mesh, id};
use crate::stage::info;
use crate::words::{request, respond};

/// How long a restore may take.
const LIMIT: Duration = Duration::from_secs(60);
/// The number of the new device.
const NEW: u8 = 9;

/// Who restores: the window's client, and a node that has nothing yet.
struct Site {
    folder: PathBuf,
    door: UnixListener,
    client: Client,
    /// Streams of events, which never end.
    watching: Vec<UnixStream>,
    mesh: Mesh,
    workspace: WorkspaceId,
    is_here: bool,
    /// How many slices came.
    slices: usize,
    /// From this slice on the node takes none.
    full_at: usize,
    /// Is a slice answered only once it is asked for? The one that waits.
    holds: bool,
    held: Option<(UnixStream, Asked)>,
}

impl Site {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("kern-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let socket = folder.join("kern.sock");
        let door = UnixListener::bind(&socket).unwrap();
        door.set_nonblocking(true).unwrap();
        let client = Client::start(socket, None, &egui::Context::default()).unwrap();
        let mut mesh = Mesh::of(&[]);
        let workspace = mesh.device(1).config.workspace;
        let (watching, is_here) = (Vec::new(), false);
        let full_at = usize::MAX;
        let (holds, held) = (false, None);
        let slices = 0;
        Self {
            folder,
            door,
            client,
            watching,
            mesh,
            workspace,
            is_here,
            slices,
            full_at,
            holds,
            held,
        }
    }

    /// All events that device 1 has, as a file.
    fn archive(&mut self, cut: usize) -> PathBuf {
        let mut events: Vec<Verified> = Vec::new();
        loop {
            let from = events.len();
            let Reply::EventsPage { runs, count, .. } =
                self.mesh.ask(1, Command::ExportEvents { from })
            else {
                panic!()
            };
            events.extend(runs.iter().flat_map(|run| run.events().to_vec()));
            if events.len() as u64 >= count as u64 {
                break;
            }
        }
        let header = Header { workspace: self.workspace, count: events.len() as u64 };
        let (mut writer, mut bytes) = Writer::begin(header);
        events.iter().for_each(|event| bytes.extend(writer.event(event).unwrap()));
        bytes.extend(writer.finish());
        bytes.truncate(bytes.len() - cut);
        self.file("home.events", &bytes)
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    fn key(&self) -> PathBuf {
        self.file("home.recovery", file_text("home", &[0xec; 32]).unwrap().as_bytes())
    }

    fn row(&self) -> WorkspaceRow {
        let workspace = "again".to_owned();
        let (device, mode) = ("new".to_owned(), Mode::Synced);
        WorkspaceRow { workspace, workspace_id: self.workspace, device, mode }
    }

    fn serve(&mut self, mut stream: UnixStream) {
        let (first, body) = request(&stream);
        let answer = match first.split(' ').nth(1).unwrap() {
            path if path.starts_with("/v1/watch") => {
                stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
                return self.watching.push(stream);
            }
            "/v1/node" => {
                let workspaces = self.is_here.then(|| self.row()).into_iter().collect();
                serde_json::to_vec(&NodeInfo { workspaces, ..info(&mut self.mesh) })
            }
            "/v1/workspaces/from" => {
                let asked: serde_json::Value = serde_json::from_slice(&body).unwrap();
                assert_eq!((&asked["name"], &asked["device"]), (&"again".into(), &"new".into()));
                let genesis = serde_json::from_value(asked["genesis"].clone()).unwrap();
                let mut disk = MemoryStore::default();
                disk.commit(&[Record::Event(genesis)]).unwrap();
                self.mesh.add(NEW, self.workspace, disk);
                self.is_here = true;
                serde_json::to_vec(&Answer::Done(self.row()))
            }
            "/v1/command" => {
                let asked: Asked = serde_json::from_slice(&body).unwrap();
                let is_slice = matches!(asked.command, Command::ImportEvents { .. });
                if is_slice && self.holds {
                    self.held = Some((stream, asked));
                    return;
                }
                self.slices += usize::from(is_slice);
                let failure = Failure::new(
                    kernelos_protocol::command::FailureKind::Failed,
                    "the disk is full",
                );
                let reply = match asked.command {
                    _ if is_slice && self.slices > self.full_at => Reply::Failed(failure),
                    command => self.mesh.ask(NEW, command),
                };
                serde_json::to_vec(&reply)
            }
            other => panic!("{other}"),
        };
        respond(stream, &answer.unwrap());
    }

    /// Restores, and tells what became of it and how far it was said to be.
    fn restore(
        &mut self,
        events: PathBuf,
        recovery_file: PathBuf,
    ) -> (Result<Restored, Failure>, Vec<(u64, u64)>) {
        self.begin(events, recovery_file);
        let mut progress = Vec::new();
        let answer = self.hear(|_, news| match news {
            Some(News::Restored(answer)) => Some(answer),
            Some(News::Restoring { here, of }) => {
                progress.push((here, of));
                None
            }
            _ => None,
        });
        (answer, progress)
    }

    fn begin(&self, events: PathBuf, recovery_file: PathBuf) {
        let rescuing = Rescuing { device: "new".to_owned(), recovery_file };
        let restoring = Restoring { name: "again".to_owned(), events, rescuing };
        assert!(self.client.order(Order::Restore(restoring)));
    }

    /// Serves until what is waited for is so.
    #[track_caller]
    fn hear<T>(&mut self, mut is_so: impl FnMut(&Self, Option<News>) -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            if let Ok((stream, _)) = self.door.accept() {
                self.serve(stream);
            }
            let news = self.client.news();
            if news.is_none() {
                std::thread::yield_now();
            }
            if let Some(so) = is_so(self, news) {
                return so;
            }
            assert!(begun.elapsed() < LIMIT, "it does not end");
        }
    }

    fn role(&mut self) -> Option<Role> {
        self.mesh.status(NEW).role
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.folder).ok();
    }
}

#[test]
fn a_workspace_comes_back_from_its_archive_and_its_recovery_key() {
    // SPEC: ARC-4
    let mut site = Site::new("restore");
    site.mesh.set(1, "notes/count", "9");
    let (events, key) = (site.archive(0), site.key());
    let (restored, progress) = site.restore(events, key);
    let restored = restored.unwrap();
    let all = restored.events;
    assert!(restored.is_rescued && restored.workspace == "again" && all > 4, "{restored:?}");
    assert_eq!(progress.last(), Some(&(all, all)), "{progress:?}");
    assert_eq!(site.role(), Some(Role::Owner));
    assert_eq!(site.mesh.get(NEW, "notes/count"), "\"9\"");
    let Reply::Devices { devices } = site.mesh.ask(NEW, Command::Devices) else { panic!() };
    let owner = devices.iter().find(|device| device.id == id(1)).unwrap();
    assert_eq!(owner.role, None, "who led before is out");
}

#[test]
fn a_restore_that_broke_off_goes_on_and_says_what_is_here() {
    let mut site = Site::new("goes-on");
    site.mesh.set(1, "notes/count", "9");
    let (events, key) = (site.archive(0), site.key());
    site.full_at = 0;
    let (broken, _) = site.restore(events.clone(), key.clone());
    let failure = broken.unwrap_err();
    assert!(failure.message.starts_with("the disk is full; "), "{failure:?}");
    assert_eq!(site.role(), None, "nobody leads half of it");
    site.full_at = usize::MAX;
    let (restored, _) = site.restore(events, key);
    assert!(restored.unwrap().is_rescued);
    assert_eq!(site.role(), Some(Role::Owner));
}

#[test]
fn what_is_asked_while_a_workspace_is_restored_is_done_meanwhile() {
    let mut site = Site::new("meanwhile");
    let (events, key) = (site.archive(0), site.key());
    site.holds = true;
    site.begin(events, key);
    site.hear(|site, _| site.held.is_some().then_some(()));
    assert!(site.client.order(Order::Do(site.workspace, Command::Status)));
    let role = site.hear(|_, news| match news {
        Some(News::Done(_, Ok(Reply::Status(status)))) => Some(status.role),
        _ => None,
    });
    assert_eq!(role, None, "nobody leads what is not here yet");
    let (stream, asked) = site.held.take().unwrap();
    let taken = site.mesh.ask(NEW, asked.command);
    respond(stream, &serde_json::to_vec(&taken).unwrap());
    let restored = site.hear(|_, news| match news {
        Some(News::Restored(answer)) => Some(answer),
        _ => None,
    });
    assert!(restored.unwrap().is_rescued);
    // And the node is asked at once what is here now.
    site.hear(|_, news| matches!(news, Some(News::Up(_))).then_some(()));
}

#[test]
fn what_is_no_archive_or_no_key_brings_nothing_here() {
    let mut site = Site::new("wrong");
    let (events, key) = (site.archive(0), site.key());
    let (text, none) = (site.file("text", b"words alone"), site.folder.join("none"));
    let cut = site.archive(40);
    let (folder, pipe) = (site.folder.clone(), site.folder.join("pipe"));
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for (events, key, why) in [
        (text.clone(), key.clone(), "this is no file of events (not_an_archive)"),
        (none.clone(), key.clone(), "No such file"),
        (folder, key.clone(), "it is no file"),
        (pipe.clone(), key.clone(), "it is no file"),
        (events.clone(), pipe, "it is no file"),
        (events, text, "this is no recovery key: 2 words"),
        (cut.clone(), none, "No such file"),
    ] {
        let (answer, _) = site.restore(events, key);
        let failure = answer.unwrap_err();
        assert!(failure.message.contains(why) && failure.hint.is_some(), "{failure:?}");
        assert!(!site.is_here, "{why}");
    }
    let (answer, _) = site.restore(cut, key);
    let failure = answer.unwrap_err();
    assert!(failure.message.contains("events of it are here, do it again"), "{failure:?}");
    assert_eq!(site.role(), None);
}
