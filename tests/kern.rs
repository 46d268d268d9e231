//! Real nodes for tests: a home each, the built `kern`, and waiting on what can be seen.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value as Json;
use tempfile::TempDir;

/// The built program. `tests/run` builds it before the tests start.
pub(crate) fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let folder = test.parent().and_then(Path::parent).unwrap();
    let program = folder.join("kern");
    assert!(program.is_file(), "{} is not built: run tests/run", program.display());
    program
}

/// How a node is started that others on this machine may reach.
const UP: [&str; 4] = ["up", "--json", "--listen", "127.0.0.1:0"];

/// A device: its home, in a folder that goes away with it, and what its own processes are told by
/// their environment.
pub(crate) struct Home(TempDir, Vec<(&'static str, PathBuf)>);

/// What a command did.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self::told(Vec::new())
    }

    /// A home whose processes have these variables.
    pub(crate) fn told(variables: Vec<(&'static str, PathBuf)>) -> Self {
        Self(tempfile::Builder::new().prefix("kern").tempdir().unwrap(), variables)
    }

    /// A home with one workspace.
    pub(crate) fn with_workspace() -> Self {
        let home = Self::new();
        home.init("home").done();
        home
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().join("home")
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn command(&self, args: &[impl AsRef<OsStr>]) -> Command {
        let mut command = Command::new(program());
        command.args(args).env("KERNELOS_HOME", self.path()).stdin(Stdio::null());
        command.envs(self.1.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Makes a workspace, its recovery key beside the home.
    pub(crate) fn init(&self, name: &str) -> Ran {
        let file = self.file(&format!("{name}.recovery"));
        let file = file.to_str().unwrap();
        self.run(&["init", name, "--device", "laptop", "--recovery-file", file, "--json"])
    }

    /// Runs `kern` to its end.
    pub(crate) fn run(&self, args: &[impl AsRef<OsStr>]) -> Ran {
        Ran::from(self.command(args).output().unwrap())
    }

    /// The same, of a process that is told nothing by its environment.
    pub(crate) fn run_apart(&self, args: &[impl AsRef<OsStr>]) -> Ran {
        let mut command = self.command(args);
        for (name, _) in &self.1 {
            command.env_remove(name);
        }
        Ran::from(command.output().unwrap())
    }

    /// Runs `kern` with something on its stdin.
    pub(crate) fn run_with(&self, args: &[impl AsRef<OsStr>], stdin: impl AsRef<[u8]>) -> Ran {
        let mut command = self.command(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut pipe = child.stdin.take().unwrap();
        let text = stdin.as_ref().to_owned();
        // A program that refuses early closes the pipe; that is for its exit code to say.
        let writer = thread::spawn(move || pipe.write_all(&text).ok());
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        Ran::from(output)
    }

    /// Runs the node; returns once it says that it is ready.
    pub(crate) fn up(&self) -> Node {
        self.up_with(&[])
    }

    /// The same with more options.
    pub(crate) fn up_with(&self, options: &[&str]) -> Node {
        Node::ready(self.command(&[&UP, options].concat()))
    }

    /// Runs the node, if it starts; else what it ended with.
    pub(crate) fn try_up(&self) -> Result<Node, Ran> {
        Node::try_ready(self.command(&UP))
    }

    /// The same, with what it said when it was ready.
    #[track_caller]
    pub(crate) fn up_saying(&self) -> (Node, Json) {
        let mut command = self.command(&UP);
        Node::saying(&mut command)
    }

    /// The same with these options alone.
    pub(crate) fn up_as(&self, options: &[&str]) -> Node {
        Node::ready(self.command(&[&["up", "--json"], options].concat()))
    }

    /// The same by another program, which becomes the node once it did what `begin` says.
    pub(crate) fn up_by(&self, begin: &[&str], options: &[&str]) -> Node {
        let [first, rest @ ..] = begin else { return self.up_with(options) };
        let mut command = Command::new(first);
        command.args(rest).arg(program()).args(UP).args(options);
        command.env("KERNELOS_HOME", self.path()).stdin(Stdio::null());
        Node::ready(command)
    }

    /// The same, on every network that it finds there.
    pub(crate) fn up_anywhere(&self, begin: &[&str], options: &[&str]) -> Node {
        let mut command = Command::new(begin[0]);
        command.args(&begin[1..]).arg(program()).args(["up", "--json"]).args(options);
        command.env("KERNELOS_HOME", self.path()).stdin(Stdio::null());
        Node::ready(command)
    }

    /// Runs `kern` and leaves it running, to be talked to line by line.
    pub(crate) fn talk(&self, args: &[impl AsRef<OsStr>]) -> Talk {
        let mut command = self.command(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Talk { child, stdout }
    }

    /// Pairs another running device with this one, as two people do it.
    pub(crate) fn pair(&self, other: &Self, name: &str, role: &str) -> Json {
        self.pair_into("home", other, name, role)
    }

    /// The same, into the workspace of this name.
    pub(crate) fn pair_into(&self, into: &str, other: &Self, name: &str, role: &str) -> Json {
        let mut invite = self.talk(&["invite", "--role", role, "--workspace", into, "--json"]);
        let token = invite.line()["token"].as_str().unwrap().to_owned();
        let mut join = other.talk(&["join", &token, "--device", name, "--json"]);
        let code = join.line()["check_code"].as_str().unwrap().to_owned();
        invite.say(&code);
        let joined = join.line();
        assert_eq!(joined["device"], name);
        assert!(invite.line()["granted"].is_string());
        assert_eq!((invite.end(), join.end()), (0, 0));
        joined
    }

    /// Where this device stands.
    pub(crate) fn status(&self) -> Json {
        self.run(&["status", "--json"]).json()
    }

    /// What is at a path; null where nothing is.
    pub(crate) fn get(&self, path: &str) -> Json {
        let ran = self.run(&["doc", "get", path, "--json"]);
        if ran.code == 0 { ran.json()["value"].clone() } else { Json::Null }
    }

    /// What `kern log` shows.
    pub(crate) fn log(&self) -> Vec<Json> {
        self.log_by(&["log", "--json"])
    }

    /// The same, of the workspace of this name.
    pub(crate) fn log_of(&self, workspace: &str) -> Vec<Json> {
        self.log_by(&["log", "--json", "--workspace", workspace])
    }

    fn log_by(&self, args: &[&str]) -> Vec<Json> {
        let ran = self.run(args);
        ran.done().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Home {
    /// What `kern log` shows that is no event.
    pub(crate) fn notices(&self) -> Vec<Json> {
        self.log().into_iter().filter(|row| row["kind"] == "notice").collect()
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ran {
    /// It must have been done; its stdout.
    #[track_caller]
    pub(crate) fn done(&self) -> &str {
        assert_eq!(self.code, 0, "{}", self.stderr);
        &self.stdout
    }

    /// It must have been done; its one JSON object.
    #[track_caller]
    pub(crate) fn json(&self) -> Json {
        serde_json::from_str(self.done()).unwrap()
    }

    /// It must have been refused with this exit code, in these words, and with a hint.
    #[track_caller]
    pub(crate) fn refused(&self, code: i32, words: &str) {
        assert_eq!(self.code, code, "{}{}", self.stdout, self.stderr);
        assert!(self.stderr.contains(words), "{:?} does not say {words:?}", self.stderr);
        assert!(self.stderr.contains("hint"), "{:?} has no hint", self.stderr);
    }
}

/// A command that runs and is talked to.
pub(crate) struct Talk {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Talk {
    /// The next line that it says, as JSON.
    #[track_caller]
    pub(crate) fn line(&mut self) -> Json {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|_| {
            let mut told = String::new();
            std::io::Read::read_to_string(&mut self.child.stderr.take().unwrap(), &mut told).ok();
            panic!("it says {line:?}, and {told}")
        })
    }

    /// All that it says on stderr, once it ended.
    pub(crate) fn told(&mut self) -> String {
        let mut told = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        std::io::Read::read_to_string(&mut stderr, &mut told).unwrap();
        told
    }

    /// The next line that it says, if it says one; it is ended where nobody `hopes` any more.
    pub(crate) fn line_while(&mut self, hopes: impl Fn() -> bool) -> Option<Json> {
        let (stdout, child) = (&mut self.stdout, &mut self.child);
        let line = thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut line = String::new();
                stdout.read_line(&mut line).map(|_| line)
            });
            while !reader.is_finished() {
                if !hopes() {
                    child.kill().unwrap();
                }
                thread::sleep(Duration::from_millis(5));
            }
            reader.join().unwrap().unwrap()
        });
        serde_json::from_str(&line).ok()
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Its exit code, once it ended by itself: its stdin stays open until then.
    pub(crate) fn end_open(mut self) -> i32 {
        // Waiting would close it.
        let _stdin = self.child.stdin.take();
        self.child.wait().unwrap().code().unwrap_or(-1)
    }

    /// Hands it bytes, and leaves its stdin open.
    pub(crate) fn give(&mut self, bytes: &[u8]) {
        let stdin = self.child.stdin.as_mut().unwrap();
        stdin.write_all(bytes).and_then(|()| stdin.flush()).unwrap();
    }

    /// Types a line.
    pub(crate) fn say(&mut self, line: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Types a line, if it still listens.
    pub(crate) fn try_say(&mut self, line: &str) -> Option<()> {
        writeln!(self.child.stdin.as_mut()?, "{line}").ok()
    }

    /// Its exit code, once it ended by itself: whoever types could still do so.
    #[track_caller]
    pub(crate) fn ended(&mut self) -> i32 {
        assert!(self.child.stdin.is_some());
        let status = until("the end of a command", || self.child.try_wait().unwrap());
        status.code().unwrap_or(-1)
    }

    /// Its exit code, once it ended.
    pub(crate) fn end(mut self) -> i32 {
        drop(self.child.stdin.take());
        self.child.wait().unwrap().code().unwrap_or(-1)
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Waits until `seen` gives something; what it waits for is named where it never does.
#[track_caller]
pub(crate) fn until<T>(what: &str, mut seen: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(40);
    loop {
        if let Some(seen) = seen() {
            return seen;
        }
        assert!(Instant::now() < end, "this never came: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// A node that runs. Dropped, it is killed.
pub(crate) struct Node {
    child: Child,
    _stdout: BufReader<ChildStdout>,
}

impl Node {
    /// Starts it; returns once it says that it is ready.
    #[track_caller]
    fn ready(mut command: Command) -> Self {
        Self::saying(&mut command).0
    }

    #[track_caller]
    fn saying(command: &mut Command) -> (Self, Json) {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let ready: Json = serde_json::from_str(&line).expect("a node that starts says so");
        assert_eq!(ready["ready"], true);
        (Self { child, _stdout: stdout }, ready)
    }

    /// The same, if it says so; else what it ended with. What it tells goes to a file, which no
    /// reader keeps up with.
    fn try_ready(mut command: Command) -> Result<Self, Ran> {
        let told = tempfile::NamedTempFile::new().unwrap();
        command.stdout(Stdio::piped()).stderr(told.reopen().unwrap());
        let mut child = command.spawn().unwrap();
        let mut reader = BufReader::new(child.stdout.take().unwrap());
        let mut stdout = String::new();
        reader.read_line(&mut stdout).unwrap();
        if stdout.contains("\"ready\":true") {
            return Ok(Self { child, _stdout: reader });
        }
        let code = child.wait().unwrap().code().unwrap_or(-1);
        let stderr = std::fs::read_to_string(told.path()).unwrap();
        Err(Ran { code, stdout, stderr })
    }

    /// What it ended with, once it did by itself; none while it runs.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGTERM, and what it ended with.
    pub(crate) fn terminate(self) -> ExitStatus {
        self.signal(Signal::TERM)
    }

    /// SIGINT, and what it ended with.
    pub(crate) fn interrupt(self) -> ExitStatus {
        self.signal(Signal::INT)
    }

    fn signal(mut self, signal: Signal) -> ExitStatus {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        self.child.wait().unwrap()
    }

    /// SIGSTOP: it is there, and does nothing any more.
    pub(crate) fn freeze(&self) {
        kill_process(Pid::from_child(&self.child), Signal::STOP).unwrap();
    }

    /// SIGKILL.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
