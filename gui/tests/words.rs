//! The words that `kern` itself prints are those that a screen reader hears of the inspector: both
//! ask the same node, which here is a device in memory behind a real socket.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, Stdio};
use std::time::{Duration, Instant};

use eframe::egui::accesskit;
use kernelos_gui::client::News;
use kernelos_gui::model::{Action, Chosen, Topic};
use kernelos_gui::panel::Panel;
use kernelos_protocol::api::Asked;
use kernelos_protocol::command::{
    BranchCommand, BranchKind, BranchReply, Command, Edited, Failure, FailureKind, QuarantinePage,
    Reply,
};
use kernelos_protocol::document::{DocPath, Edit};
use kernelos_protocol::role::Role;
use serde_json::json;

use crate::mesh::{Mesh, id};
use crate::stage::{self, Stage, app, go, name, nodes, play, words};

/// How long a command may take.
const LIMIT: Duration = Duration::from_secs(60);

/// A home whose node is device 1 of a mesh.
struct Node {
    home: PathBuf,
    door: UnixListener,
}

impl Node {
    fn new(name: &str) -> Self {
        let home = std::env::temp_dir().join(format!("kern-{}-{name}", std::process::id()));
        fs::create_dir_all(&home).unwrap();
        let door = UnixListener::bind(home.join("kern.sock")).unwrap();
        door.set_nonblocking(true).unwrap();
        Self { home, door }
    }

    /// Runs `kern` to its end; what it prints.
    fn kern(&self, mesh: &mut Mesh, args: &[&str]) -> String {
        let test = std::env::current_exe().unwrap();
        let program = test.parent().and_then(Path::parent).unwrap().join("kern");
        assert!(program.is_file(), "{} is not built: run tests/run", program.display());
        let out = self.home.join("out");
        let mut kern = Process::new(program);
        kern.args(args).env("KERNELOS_HOME", &self.home).stdin(Stdio::null());
        let mut child = kern.stdout(fs::File::create(&out).unwrap()).spawn().unwrap();
        let begun = Instant::now();
        let status = loop {
            match self.door.accept() {
                Ok((stream, _)) => serve(stream, mesh),
                Err(_) => match ended(&mut child) {
                    Some(is_good) => break is_good,
                    None if begun.elapsed() > LIMIT => {
                        child.kill().ok();
                        child.wait().ok();
                        panic!("kern {args:?} does not end");
                    }
                    None => std::thread::yield_now(),
                },
            }
        };
        assert!(status, "kern {args:?}");
        fs::read_to_string(out).unwrap()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.home).ok();
    }
}

fn ended(child: &mut Child) -> Option<bool> {
    child.try_wait().unwrap().map(|status| status.success())
}

/// A request: its first line, and its body.
pub(crate) fn request(stream: &UnixStream) -> (String, Vec<u8>) {
    stream.set_nonblocking(false).unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let (mut first, mut length) = (String::new(), 0);
    reader.read_line(&mut first).unwrap();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let line = line.to_lowercase();
        match line.trim_end().split_once(": ") {
            Some(("content-length", value)) => length = value.parse().unwrap(),
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    (first, body)
}

/// Answers one request as a node does.
fn serve(stream: UnixStream, mesh: &mut Mesh) {
    let (first, body) = request(&stream);
    let answer = if first.starts_with("GET /v1/node ") {
        serde_json::to_vec(&stage::info(mesh)).unwrap()
    } else {
        assert!(first.starts_with("POST /v1/command "), "{first}");
        let asked: Asked = serde_json::from_slice(&body).unwrap();
        serde_json::to_vec(&answer(mesh, asked.command)).unwrap()
    };
    respond(stream, &answer);
}

/// Answers with this JSON.
pub(crate) fn respond(mut stream: UnixStream, answer: &[u8]) {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close";
    write!(stream, "{head}\r\ncontent-length: {}\r\n\r\n", answer.len()).unwrap();
    stream.write_all(answer).unwrap();
}

/// Missions are what another test made up: a mesh in memory runs none.
fn answer(mesh: &mut Mesh, command: Command) -> Reply {
    let missions = crate::states::missions();
    match command {
        Command::Missions => Reply::Missions { missions },
        Command::Mission { id } => {
            let found = missions.into_iter().find(|view| view.id == id);
            Reply::Mission(Box::new(found.unwrap()))
        }
        command => mesh.ask(1, command),
    }
}

fn split(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// What a person compares: a stage before a world, and `kern` before the same.
struct Both<'a> {
    node: Node,
    stage: Stage<'a>,
    compared: usize,
}

impl Both<'_> {
    fn before(name: &str, mesh: Mesh) -> Self {
        let stage = stage::stage([1_600.0, 6_000.0], mesh);
        Self { node: Node::new(name), stage, compared: 0 }
    }

    fn kern(&mut self, line: &str) -> String {
        let args: Vec<_> = line.split(' ').collect();
        self.node.kern(&mut self.stage.state_mut().mesh, &args)
    }

    fn looks(&mut self, panel: Panel, chosen: Chosen) {
        app(&mut self.stage).apply(Action::Choose(chosen));
        go(&mut self.stage, panel);
        if panel == Panel::Missions {
            let show = self.stage.state_mut();
            let workspace = show.mesh.device(1).config.workspace;
            let said = Ok(answer(&mut show.mesh, Command::Missions));
            show.ends.news.try_send(News::Said(workspace, Topic::Missions, said)).unwrap();
            self.stage.run();
        }
    }

    /// These words of `kern` are heard in one piece.
    fn hears(&mut self, line: &str, said: &str) {
        let (heard, said) = (words(&self.stage), split(said));
        assert!(!said.is_empty(), "kern {line} says nothing");
        let is_heard = heard.windows(said.len()).any(|part| part == said);
        assert!(is_heard, "kern {line}\n{}\nheard: {}", said.join(" "), heard.join(" "));
        self.compared += 1;
    }

    fn same(&mut self, line: &str, panel: Panel, chosen: Chosen) {
        let said = self.kern(line);
        self.looks(panel, chosen);
        self.hears(line, &said);
    }

    /// Everything that both show.
    fn everything(&mut self) {
        let now = Chosen::default;
        self.same("status", Panel::Overview, now());
        self.same("devices", Panel::Devices, now());
        self.same("board list --all", Panel::Documents, now());
        self.same("quarantine list", Panel::Quarantine, now());
        self.same("branch list --all", Panel::Branches, now());
        self.same("mission list", Panel::Missions, now());
        for path in ["tasks", "notes", "devices"] {
            let chosen = Chosen { path: path.parse::<DocPath>().ok(), ..now() };
            self.same(&format!("doc get {path}"), Panel::Documents, chosen);
        }
        for view in crate::states::missions() {
            let chosen = Chosen { mission: Some(view.id), ..now() };
            self.same(&format!("mission show {}", view.id), Panel::Missions, chosen);
        }
        self.conflicts();
        self.timeline();
        self.branches_and_what_is_apart();
    }

    /// `kern` shows them below each other, the inspector one by one.
    fn conflicts(&mut self) {
        let said = self.kern("conflicts");
        let Reply::Conflicts(page) = self.stage.state_mut().mesh.ask(1, Command::Conflicts) else {
            panic!()
        };
        let mut parts: Vec<String> = Vec::new();
        let ids: Vec<_> = page.conflicts.iter().map(|row| row.id.to_string()).collect();
        for line in said.lines() {
            if parts.is_empty() || ids.get(parts.len()).is_some_and(|id| line.contains(id)) {
                parts.push(String::new());
            }
            *parts.last_mut().unwrap() += &format!("{line}\n");
        }
        assert_eq!(parts.len(), ids.len().max(1), "{said}");
        for (at, part) in parts.iter().enumerate() {
            let conflict = page.conflicts.get(at).map(|row| row.id);
            self.looks(Panel::Conflicts, Chosen { conflict, ..Chosen::default() });
            self.hears("conflicts", part);
            // What each decision comes to, before one is taken.
            if let Some(id) = ids.get(at) {
                let said = self.kern(&format!("conflicts resolve {id} --preview"));
                self.hears("conflicts resolve --preview", &said);
            }
        }
    }

    /// A line of one is a row of the other, and an event is the same whole.
    fn timeline(&mut self) {
        let said = self.kern("log --graph");
        self.looks(Panel::Timeline, Chosen::default());
        let all = nodes(&self.stage);
        let options = all.iter().filter(|(_, node)| node.role() == accesskit::Role::ListBoxOption);
        let rows: Vec<_> = options.map(|(_, node)| name(node)).collect();
        let rows: Vec<_> = rows.into_iter().filter(|row| row.starts_with("event")).collect();
        let lines: Vec<_> = said.lines().collect();
        assert_eq!(lines.len(), rows.len(), "{said}");
        for (line, row) in lines.iter().zip(&rows) {
            let says = row.split_once(": ").unwrap().1.split("; ").next().unwrap();
            assert!(line.ends_with(says), "{line:?} does not say {says:?}");
        }
        self.compared += 1;
        let log = self.stage.state_mut().mesh.ask(1, Command::Log { from: 0, limit: 100 });
        let Reply::Log(log) = log else { panic!() };
        let last = log.rows.iter().rev().filter_map(|row| row.id).take(4);
        for event in last.collect::<Vec<_>>() {
            let chosen = Chosen { event: Some(event), ..Chosen::default() };
            self.same(&format!("log --event {event}"), Panel::Timeline, chosen);
        }
    }

    fn branches_and_what_is_apart(&mut self) {
        let mesh = &mut self.stage.state_mut().mesh;
        let list = Command::Branch(BranchCommand::List { all: true });
        let Reply::Branch(BranchReply::List(page)) = mesh.ask(1, list) else { panic!() };
        let Reply::Quarantine(QuarantinePage { branches, .. }) = mesh.ask(1, Command::Quarantine)
        else {
            panic!()
        };
        let made = page.branches.iter().filter(|row| row.kind == BranchKind::Made);
        for branch in made.filter_map(|row| row.document) {
            let chosen = Chosen { branch: Some(branch), ..Chosen::default() };
            self.same(&format!("branch preview {branch}"), Panel::Branches, chosen);
        }
        for row in branches {
            let chosen = Chosen { tip: Some(row.tip), ..Chosen::default() };
            self.same(&format!("quarantine show {}", row.tip), Panel::Quarantine, chosen);
        }
    }
}

fn edit(mesh: &mut Mesh, device: u8, edits: serde_json::Value) {
    let edits: Vec<Edit> = serde_json::from_value(edits).unwrap();
    let reply = mesh.ask(device, Command::Edit { edits });
    assert!(matches!(reply, Reply::Edited(Edited { event: Some(_), .. })), "{reply:?}");
}

/// A board, and branches: one that was merged, one whose merge would bring a conflict, and one
/// whose merge was taken back.
fn branched() -> Mesh {
    let mut mesh = stage::world();
    mesh.ask(1, Command::CreateBoard { name: "garden".to_owned() });
    for name in ["try", "later", "back"] {
        let create = BranchCommand::Create {
            name: name.to_owned(),
            of: DocPath::default(),
            at: None,
            purpose: "shorter titles".to_owned(),
        };
        let made = mesh.ask(1, Command::Branch(create));
        assert!(matches!(made, Reply::Branch(_)), "{made:?}");
        let note = format!("branches/{name}/notes/{name}");
        edit(&mut mesh, 2, json!([{ "set": note, "value": "short" }]));
    }
    edit(&mut mesh, 1, json!([{ "set": "notes/later", "value": "long" }]));
    for name in ["try", "back"] {
        let merged = mesh.ask(1, Command::Branch(BranchCommand::Merge { name: name.to_owned() }));
        assert!(matches!(merged, Reply::Branch(_)), "{merged:?}");
    }
    let undone = mesh.ask(1, Command::Undo { begin: None, force: false });
    assert!(matches!(undone, Reply::Undone(_)), "{undone:?}");
    mesh
}

/// A device that goes on writing when it was taken out.
fn revoked() -> Mesh {
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    mesh.set(1, "notes/today", "rain");
    mesh.cut(link);
    mesh.ask(1, Command::Revoke { device: id(2), reason: "lost".to_owned() });
    mesh.set(2, "notes/today", "snow");
    mesh.connect(1, 2);
    mesh
}

#[test]
fn what_kern_prints_is_what_the_inspector_says() {
    let mut both = Both::before("branched", branched());
    both.everything();
    let resolve = both.kern("conflicts resolve --all --take A --yes");
    assert!(resolve.contains(" decided"), "{resolve}");
    play(&mut both.stage);
    both.conflicts();
    both.same("status", Panel::Overview, Chosen::default());
    let mut alone = Both::before("revoked", revoked());
    alone.same("status", Panel::Overview, Chosen::default());
    alone.same("devices", Panel::Devices, Chosen::default());
    alone.same("quarantine list", Panel::Quarantine, Chosen::default());
    alone.conflicts();
    alone.timeline();
    alone.branches_and_what_is_apart();
    let compared = both.compared + alone.compared;
    assert!(compared >= 30, "{compared}");
}

#[test]
fn a_failure_is_the_same_sentence_with_the_same_way_out() {
    let failure = Failure::new(FailureKind::NotRunning, "the node does not run")
        .with_hint("start it: kern up");
    let shown = split(&kernelos_protocol::present::to_text(&kernelos_gui::panel::failed(&failure)));
    let node = Node::new("down");
    fs::remove_file(node.home.join("kern.sock")).unwrap();
    let program = std::env::current_exe().unwrap();
    let program = program.parent().and_then(Path::parent).unwrap().join("kern");
    let ran = Process::new(program).arg("status").env("KERNELOS_HOME", &node.home).output();
    let told = String::from_utf8(ran.unwrap().stderr).unwrap();
    assert!(told.contains("the node does not run"), "{told}");
    let told = told.replace("error: ", "").replace("hint: ", "");
    assert_eq!(split(&told), shown);
}
