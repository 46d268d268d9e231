//! Long work shows how far it is, and an interruption leaves it whole or not begun: its exit code
//! is 130, it says what is here by then, and the next run goes on.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::fd::AsFd as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use automerge::transaction::Transactable as _;
use automerge::{AutoCommit, ROOT};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value as Json, json};

use crate::faults::Dice;
use crate::kern::{Home, until};
use crate::keys::terminal;

/// What a process says. A thread of its own reads it, so that who waits for it has a deadline.
pub(crate) struct Heard {
    pieces: mpsc::Receiver<Vec<u8>>,
    said: Vec<u8>,
}

impl Heard {
    pub(crate) fn new(mut from: impl Read + Send + 'static) -> Self {
        let (tell, pieces) = mpsc::channel();
        // Behind the last word of whoever held it a terminal gives an error. It ends with that.
        thread::spawn(move || {
            let mut bytes = [0; 512];
            while let Ok(read @ 1..) = from.read(&mut bytes) {
                if tell.send(bytes[..read].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self { pieces, said: Vec::new() }
    }

    /// All that it said by now.
    pub(crate) fn said(&self) -> String {
        String::from_utf8_lossy(&self.said).into_owned()
    }

    /// Waits until what it said `is_enough`, or it ended; did it say so?
    #[track_caller]
    pub(crate) fn says(&mut self, is_enough: impl Fn(&str) -> bool) -> bool {
        let end = Instant::now() + Duration::from_secs(40);
        while !is_enough(&self.said()) {
            match self.pieces.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(piece) => self.said.extend(piece),
                Err(RecvTimeoutError::Disconnected) => return false,
                Err(RecvTimeoutError::Timeout) => panic!("nothing comes behind {:?}", self.said()),
            }
        }
        true
    }
}

/// A command whose stderr is a terminal, with what that shows.
struct Watched {
    child: Child,
    terminal: Heard,
}

impl Watched {
    fn new(mut command: Command) -> Self {
        let (master, slave) = terminal();
        let given = Stdio::from(slave.as_fd().try_clone_to_owned().unwrap());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(given);
        let child = command.spawn().unwrap();
        // The command alone holds the other end, also in the file that `command` keeps.
        drop((slave, command));
        Self { child, terminal: Heard::new(File::from(master)) }
    }

    /// Waits until the terminal shows this.
    #[track_caller]
    fn shows(&mut self, what: &str) {
        let does = self.terminal.says(|shown| shown.contains(what));
        assert!(does, "it ends and never shows {what:?}: {:?}", self.terminal.said());
    }

    /// Ctrl-C, and how it says that it ended.
    #[track_caller]
    fn interrupted(mut self) -> String {
        kill_process(Pid::from_child(&self.child), Signal::INT).unwrap();
        self.shows("interrupted");
        self.terminal.says(|_| false);
        assert_eq!(self.child.wait().unwrap().code(), Some(130));
        self.terminal.said()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// One message of HTTP with its body.
pub(crate) fn message(from: &mut UnixStream) -> io::Result<Vec<u8>> {
    let (mut message, mut byte) = (Vec::new(), [0]);
    while !message.ends_with(b"\r\n\r\n") {
        from.read_exact(&mut byte)?;
        message.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&message).to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    from.read_exact(&mut body)?;
    message.extend(body);
    Ok(message)
}

/// A home whose API hands on what it is asked to the node of `home`, and answers nothing to what
/// does not `pass`.
fn held(home: &Home, passes: impl Fn(&str) -> bool + Send + Sync + 'static) -> Home {
    let front = Home::new();
    DirBuilder::new().mode(0o700).create(front.path()).unwrap();
    let listener = UnixListener::bind(front.path().join("kern.sock")).unwrap();
    let (node, passes) = (home.path().join("kern.sock"), Arc::new(passes));
    // It ends with this process.
    thread::spawn(move || {
        let mut unanswered = Vec::new();
        for asking in listener.incoming() {
            let mut asking = asking.unwrap();
            let Ok(asked) = message(&mut asking) else { continue };
            if !passes(&String::from_utf8_lossy(&asked)) {
                unanswered.push(asking);
                continue;
            }
            let node = node.clone();
            thread::spawn(move || -> io::Result<()> {
                let mut node = UnixStream::connect(node)?;
                node.write_all(&asked)?;
                let answer = message(&mut node)?;
                asking.write_all(&answer)
            });
        }
    });
    front
}

/// The same of a node that answers so many requests with this in them, and then none.
fn held_after(home: &Home, count: usize, what: &'static str) -> Home {
    let seen = AtomicUsize::new(0);
    held(home, move |asked| !asked.contains(what) || seen.fetch_add(1, Ordering::Relaxed) < count)
}

/// A history of more than a page of an export: random names do not become shorter by packing them.
fn long_history(home: &Home) {
    let mut dice = Dice(7);
    for round in 0..10 {
        let edit = |number: usize| {
            let noise: String = (0..15).map(|_| format!("{:016x}", dice.throw())).collect();
            json!({ "set": format!("notes/{round}/{noise}"), "value": number })
        };
        let edits: Vec<Json> = (0..1_000).map(edit).collect();
        home.run_with(&["doc", "apply", "-"], json!(edits).to_string()).done();
    }
}

/// What is in a folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

#[test]
fn files_of_events_that_are_interrupted_half_way_go_on_the_next_time() {
    let (home, edge) = (Home::with_workspace(), Home::new());
    let _nodes = [home.up(), edge.up()];
    long_history(&home);
    let events = home.status()["events"].clone();
    let folder = home.file("files");
    fs::create_dir(&folder).unwrap();
    let file = text(&folder.join("all.events"));

    let front = held_after(&home, 1, "export_events");
    let mut export = Watched::new(front.command(&["export", "--events", &file]));
    export.shows(&format!(" of {events} events"));
    let said = export.interrupted();
    assert!(said.contains("nothing is left of the file"), "{said}");
    assert_eq!(names(&folder), [""; 0]);
    let front = held_after(&home, 1, "export_events");
    let mut export = Watched::new(front.command(&["export", "--events", "-"]));
    export.shows(&format!(" of {events} events"));
    let said = export.interrupted();
    assert!(said.contains("stdout has a part of it"), "{said}");
    let whole = home.run(&["export", "--events", &file, "--json"]).json();
    assert_eq!(whole["events"], events);

    let bytes = fs::read(&file).unwrap();
    let mut import =
        Watched::new(edge.command(&["import", "--events", "-", "--workspace", "home"]));
    let mut stdin = import.child.stdin.take().unwrap();
    stdin.write_all(&bytes[..bytes.len() * 19 / 20]).unwrap();
    import.shows(&format!(" of {events} events"));
    until("a part of it is here", || {
        let status = edge.run(&["status", "--json"]);
        (status.code == 0 && status.json()["events"].as_u64() > Some(1)).then_some(())
    });
    let said = import.interrupted();
    assert!(said.contains("take it in again"), "{said}");
    assert!(edge.status()["events"].as_u64() < events.as_u64());
    edge.run(&["import", "--events", &file]).done();
    assert_eq!(edge.status()["events"], events);
}

#[test]
fn documents_that_are_interrupted_half_way_are_whole_files_or_taken_back_by_what_is_said() {
    let home = Home::with_workspace();
    let _node = home.up();
    for round in 0..2 {
        let edit =
            |number: usize| json!({ "set": format!("notes/{round}/{number:040}"), "value": 1 });
        let edits: Vec<Json> = (0..1_000).map(edit).collect();
        home.run_with(&["doc", "apply", "-"], json!(edits).to_string()).done();
    }
    home.run(&["board", "create", "garden"]).done();
    let (out, again) = (home.file("out"), home.file("again"));

    let front = held_after(&home, 1, "save_document");
    let mut export = Watched::new(front.command(&["export", "--automerge", &text(&out)]));
    export.shows("0 of 2 documents");
    let said = export.interrupted();
    assert!(said.contains("have their names are whole"), "{said}");
    assert!(names(&out).iter().all(|name| name == "workspace.automerge"), "{:?}", names(&out));
    let written = home.run(&["export", "--automerge", &text(&again), "--json"]).json();
    assert_eq!(written["files"].as_array().unwrap().len(), 2);

    let foreign = text(&again.join("workspace.automerge"));
    let front = held_after(&home, 1, "\"command\":\"edit\"");
    let args = ["import", "--automerge", &foreign, "notes/plan"];
    let mut import = Watched::new(front.command(&args));
    import.shows("0 of ");
    until("the first of it is here", || (!home.get("notes/plan").is_null()).then_some(()));
    let said = import.interrupted();
    assert!(said.contains("kern doc rm notes/plan"), "{said}");
    home.run(&args).refused(1, "something is at notes/plan already");
    home.run(&["doc", "rm", "notes/plan"]).done();
    home.run(&args).done();
}

/// A file of another program with a conflict, and with more than one event takes.
fn conflicted() -> Vec<u8> {
    let mut document = AutoCommit::new();
    for number in 0..2_000 {
        document.put(ROOT, format!("{number:040}"), 1).unwrap();
    }
    let mut other = document.fork();
    for (side, title) in [(&mut document, "ours"), (&mut other, "theirs")] {
        side.put(ROOT, "title", title).unwrap();
    }
    document.merge(&mut other).unwrap();
    document.save()
}

#[test]
fn an_import_with_conflicts_is_taken_back_whole_by_what_is_said() {
    // SPEC: PRJ-8
    const SAYS: &str = "kern doc rm notes/plan && kern doc rm notes/plan-conflicts";
    let home = Home::with_workspace();
    let _node = home.up();
    let file = home.file("conflicted.automerge");
    fs::write(&file, conflicted()).unwrap();
    let args = ["import", "--automerge", &text(&file), "notes/plan"];
    let taken = home.run(&[&args[..], &["--json"]].concat()).json();
    assert_eq!((&taken["conflicts"], &taken["undo"]), (&json!(1), &json!(SAYS)));
    for said in SAYS.split(" && ") {
        home.run(&said.split(' ').skip(1).collect::<Vec<_>>()).done();
    }

    let front = held_after(&home, 1, "\"command\":\"edit\"");
    let mut import = Watched::new(front.command(&args));
    until("the first of it is here", || (!home.get("notes/plan").is_null()).then_some(()));
    import.shows("0 of ");
    let said = import.interrupted();
    assert!(said.contains(SAYS), "{said}");
    home.run(&["doc", "rm", "notes/plan"]).done();
    home.run(&args).done();
}

#[test]
fn a_choice_for_many_conflicts_that_is_interrupted_tells_what_was_decided_and_its_undo() {
    let [laptop, phone] = [Home::with_workspace(), Home::new()];
    let _nodes = [laptop.up(), phone.up()];
    let file = text(&laptop.file("box.join"));
    laptop.run(&["invite", "--join-file", &file]).done();
    phone.run(&["join", "--join-file", &file, "--device", "phone"]).done();
    phone.run(&["offline"]).done();
    for (home, value) in [(&laptop, 1), (&phone, 2)] {
        let edit = |key: usize| json!({ "set": format!("notes/k{key}"), "value": value });
        let edits: Vec<Json> = (0..1_200).map(edit).collect();
        home.run_with(&["doc", "apply", "-"], json!(edits).to_string()).done();
    }
    phone.run(&["online"]).done();
    let open = |many: u64| (laptop.status()["conflicts"] == many).then_some(());
    until("1,200 conflicts", || open(1_200));

    let asked = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&asked);
    let is_edit = |what: &str| what.contains("\"command\":\"edit\"");
    let front =
        held(&laptop, move |what| !is_edit(what) || seen.fetch_add(1, Ordering::Relaxed) < 1);
    let args = ["conflicts", "resolve", "--all", "--take", "newest", "--yes"];
    let mut resolve = Watched::new(front.command(&args));
    resolve.shows(" of 1200 conflicts are decided");
    until("the second event", || (asked.load(Ordering::Relaxed) > 1).then_some(()));
    let said = resolve.interrupted();
    let undo = said.split("take it back: kern undo ").nth(1).unwrap_or_else(|| panic!("{said}"));
    let undo: String = undo.chars().take_while(char::is_ascii_hexdigit).collect();
    laptop.run(&["undo", &undo]).done();
    until("all are open again", || open(1_200));
    laptop.run(&args).done();
    until("none is open", || open(0));
}

#[test]
fn who_joins_sees_the_history_come_and_an_interruption_leaves_a_member() {
    let [laptop, phone] = [Home::with_workspace(), Home::new()];
    let _nodes = [laptop.up(), phone.up()];
    let file = text(&laptop.file("box.join"));
    laptop.run(&["invite", "--join-file", &file]).done();
    // Whoever waits for the end of it waits on.
    let is_in = AtomicBool::new(false);
    let front = held(&phone, move |asked| {
        is_in.fetch_or(asked.contains("\"consent\""), Ordering::Relaxed);
        !(asked.contains("\"joining\"") && is_in.load(Ordering::Relaxed))
    });
    let args = ["join", "--join-file", &file, "--device", "phone"];
    let mut join = Watched::new(front.command(&args));
    join.shows(" events are here");
    let said = join.interrupted();
    assert!(said.contains("kern workspace list"), "{said}");
    assert_eq!(phone.run(&["workspace", "list", "--json"]).json()[0]["workspace"], "home");
}

#[test]
fn a_node_that_does_not_say_how_far_it_is_lets_a_join_end() {
    let [laptop, phone] = [Home::with_workspace(), Home::new()];
    let _nodes = [laptop.up(), phone.up()];
    let file = text(&laptop.file("box.join"));
    laptop.run(&["invite", "--join-file", &file]).done();
    let front = held_after(&phone, 1, "/v1/node");
    let args = ["join", "--join-file", &file, "--device", "phone"];
    let mut join = Watched::new(front.command(&args));
    let ended = until("the end of a join", || join.child.try_wait().unwrap());
    assert_eq!(ended.code(), Some(0));
    assert_eq!(phone.run(&["workspace", "list", "--json"]).json()[0]["workspace"], "home");
}

#[test]
fn a_bench_that_is_interrupted_leaves_no_folder() {
    let home = Home::new();
    let folder = home.file("measured");
    let args = ["bench", "catch-up", "--quick", "--dir", folder.to_str().unwrap()];
    let mut bench = Watched::new(home.command(&args));
    bench.shows("measuring catch-up");
    bench.interrupted();
    assert_eq!(names(&folder), [""; 0]);
}
