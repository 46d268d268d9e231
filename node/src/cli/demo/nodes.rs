//! The devices of a demo, or of a bench: a home each, a node each, and the commands that a person
//! types there.
//!
//! A node runs in a process group of its own, so that ctrl-C on the terminal reaches the demo
//! alone, and holds the end of a pipe from the demo, so that it ends when the demo is killed.

use std::fs::OpenOptions;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use kernelos_protocol::command::{Failure, FailureKind};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value as Json;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::cli::demo::folder::Folder;
use crate::home::HOME_VARIABLE;

/// For how long one answer is waited for.
const ANSWER: Duration = Duration::from_secs(30);

/// For how long a node may finish what is under way.
const STOP: Duration = Duration::from_secs(10);

/// A device.
#[derive(Debug)]
pub(crate) struct Device {
    pub(crate) name: &'static str,
    pub(crate) home: PathBuf,
    /// The process of its last node.
    pub(crate) pid: Option<u32>,
    log: PathBuf,
    program: PathBuf,
    node: Option<Node>,
}

/// A node that runs.
#[derive(Debug)]
struct Node {
    child: Child,
    /// Kept open: what a node says later must find a reader.
    stdout: Lines<BufReader<ChildStdout>>,
}

impl Device {
    pub(in crate::cli::demo) fn new(name: &'static str, folder: &Folder) -> Result<Self, Failure> {
        Self::at(name, folder.path().join(name), folder.log(name))
    }

    /// One with its home here, whose node writes there what it has to say.
    pub(crate) fn at(name: &'static str, home: PathBuf, log: PathBuf) -> Result<Self, Failure> {
        let program = std::env::current_exe().map_err(failed)?;
        Ok(Self { name, home, pid: None, log, program, node: None })
    }

    /// Starts its node, on which agents may run; returns once that says that it is ready.
    pub(crate) async fn start(&mut self, outlives: bool) -> Result<u32, Failure> {
        self.start_with(&["--run"], outlives).await
    }

    /// The same with these options.
    pub(crate) async fn start_with(
        &mut self,
        options: &[&str],
        outlives: bool,
    ) -> Result<u32, Failure> {
        let log = OpenOptions::new().create(true).append(true).open(&self.log).map_err(failed)?;
        let mut command = self.command(&["up", "--json", "--listen", "127.0.0.1:0"]);
        command.args(options);
        command.stdout(Stdio::piped()).stderr(log).process_group(0);
        if outlives {
            command.stdin(Stdio::null());
        } else {
            command.arg("--until-stdin-ends").stdin(Stdio::piped());
        }
        let mut child = command.spawn().map_err(failed)?;
        let pid = child.id();
        let stdout = child.stdout.take().ok_or_else(|| self.trouble("has no stdout"))?;
        // Kept before anything is waited for: where that ends early, somebody must stop it.
        let node = self.node.insert(Node { child, stdout: BufReader::new(stdout).lines() });
        self.pid = pid;
        let first = timeout(ANSWER, node.stdout.next_line()).await;
        match first {
            Ok(Ok(Some(line))) if json(&line)["ready"] == true => {
                pid.ok_or_else(|| self.trouble("has no process"))
            }
            Ok(_) => Err(self.trouble("did not say that it is ready")),
            Err(_) => Err(self.trouble(format!("was not ready within {} s", ANSWER.as_secs()))),
        }
    }

    /// Tells its node to finish what is under way and end; kills it where that takes too long.
    pub(crate) async fn stop(&mut self) {
        let Some(mut node) = self.node.take() else { return };
        if let Some(pid) = node.child.id().and_then(pid) {
            kill_process(pid, Signal::TERM).ok();
        }
        if timeout(STOP, node.child.wait()).await.is_err() {
            node.child.kill().await.ok();
        }
    }

    /// Kills its node as a lost battery does; which process was it?
    pub(crate) async fn kill(&mut self) -> Result<u32, Failure> {
        let mut node = self.node.take().ok_or_else(|| self.trouble("does not run"))?;
        node.child.kill().await.map_err(failed)?;
        self.pid.ok_or_else(|| self.trouble("has no process"))
    }

    /// What a command answers, as scripts get it.
    pub(crate) async fn ask(&self, args: &[&str]) -> Result<Json, Failure> {
        Ok(json(&self.run(&[args, &["--json"]].concat()).await?))
    }

    /// What a command shows to people.
    pub(crate) async fn show(&self, args: &[&str]) -> Result<String, Failure> {
        self.run(args).await
    }

    async fn run(&self, args: &[&str]) -> Result<String, Failure> {
        let output = self.command(args).stdin(Stdio::null()).kill_on_drop(true).output();
        let output = timeout(ANSWER, output).await.map_err(|_| self.silent(args))?;
        let output = output.map_err(failed)?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            let told = String::from_utf8_lossy(&output.stderr);
            Err(self.refused(args, output.status, &told))
        }
    }

    /// Starts a command that shows a line, waits for one, and so on.
    pub(crate) fn talk(&self, args: &[&str]) -> Result<Talk<'_>, Failure> {
        let args: Vec<String> = args.iter().chain(&["--json"]).map(ToString::to_string).collect();
        let mut command = self.command(&args.iter().map(String::as_str).collect::<Vec<_>>());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.kill_on_drop(true);
        let mut child = command.spawn().map_err(failed)?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let (Some(stdin), Some(stdout)) = (stdin, stdout) else {
            return Err(self.trouble("has no pipes"));
        };
        Ok(Talk { device: self, args, child, stdin, lines: BufReader::new(stdout).lines() })
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(args).env(HOME_VARIABLE, &self.home);
        command
    }

    fn trouble(&self, what: impl std::fmt::Display) -> Failure {
        Failure::new(FailureKind::Failed, format!("the node of {} {what}", self.name))
    }

    fn silent(&self, args: &[&str]) -> Failure {
        let (seconds, command) = (ANSWER.as_secs(), args.join(" "));
        let text = format!("on {}, `kern {command}` gave no answer in {seconds} s", self.name);
        Failure::new(FailureKind::Failed, text)
    }

    fn refused(&self, args: &[&str], status: ExitStatus, stderr: &str) -> Failure {
        let failure = serde_json::from_str::<Failure>(stderr.trim());
        let why = failure.map_or_else(|_| stderr.trim().to_owned(), |failure| failure.message);
        let command = args.join(" ");
        let text = format!("on {}, `kern {command}` ended with {status}: {why}", self.name);
        Failure::new(FailureKind::Failed, text)
    }
}

/// A command that is talked to line by line; dropped, it is killed.
pub(crate) struct Talk<'a> {
    device: &'a Device,
    args: Vec<String>,
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Talk<'_> {
    /// What the next line says under `key`.
    pub(crate) async fn hear(&mut self, key: &str) -> Result<Json, Failure> {
        let args: Vec<&str> = self.args.iter().map(String::as_str).collect();
        let line = timeout(ANSWER, self.lines.next_line()).await;
        let line = line.map_err(|_| self.device.silent(&args))?.map_err(failed)?;
        match line.map(|line| json(&line)) {
            Some(mut said) if !said[key].is_null() => Ok(said[key].take()),
            Some(said) => {
                let text = format!("on {}, `kern {}` said {said}", self.device.name, args[0]);
                Err(Failure::new(FailureKind::Failed, text))
            }
            None => {
                let mut told = String::new();
                if let Some(mut stderr) = self.child.stderr.take() {
                    timeout(ANSWER, stderr.read_to_string(&mut told)).await.ok();
                }
                let status = timeout(ANSWER, self.child.wait()).await;
                let status = status.map_err(|_| self.device.silent(&args))?.map_err(failed)?;
                Err(self.device.refused(&args, status, &told))
            }
        }
    }

    /// Types a line.
    pub(crate) async fn say(&mut self, line: &str) -> Result<(), Failure> {
        self.stdin.write_all(format!("{line}\n").as_bytes()).await.map_err(failed)
    }

    /// It must end well.
    pub(crate) async fn end(mut self) -> Result<(), Failure> {
        let args: Vec<&str> = self.args.iter().map(String::as_str).collect();
        let status = timeout(ANSWER, self.child.wait()).await;
        let status = status.map_err(|_| self.device.silent(&args))?.map_err(failed)?;
        if status.success() { Ok(()) } else { Err(self.device.refused(&args, status, "")) }
    }
}

/// What a program says in no JSON is shown as it is, where something else was expected.
fn json(text: &str) -> Json {
    serde_json::from_str(text).unwrap_or_else(|_| Json::String(text.trim().to_owned()))
}

fn pid(id: u32) -> Option<Pid> {
    i32::try_from(id).ok().and_then(Pid::from_raw)
}

pub(crate) fn failed(error: std::io::Error) -> Failure {
    Failure::new(FailureKind::Failed, error)
}
