//! Folders for one test, and how a job is run in them.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{OnceLock, mpsc};
use std::thread;
use std::time::Duration;

use kernelos_node::sandbox::{Ended, Job, Limits, Means, Sandbox, SandboxFault};
use tempfile::TempDir;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_kern");

/// Every combination that confines writes. Which of them this system has, it says itself.
pub(crate) const MEANS: [(&str, Means); 6] = [
    ("all", Means::ALL),
    ("shared /proc", Means { own_proc: false, ..Means::ALL }),
    ("no user namespace", Means { user_namespace: false, ..Means::ALL }),
    ("no landlock", Means { landlock: false, ..Means::ALL }),
    ("no filter", Means { syscall_filter: false, ..Means::ALL }),
    ("no namespaces", Means::NO_NAMESPACES),
];

/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(15);

pub(crate) struct Place {
    pub(crate) root: TempDir,
    pub(crate) dir: PathBuf,
    pub(crate) scratch: PathBuf,
    /// Holds `file` with "kept" and `key` with "secret".
    pub(crate) outside: PathBuf,
}

impl Place {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let [dir, scratch, outside] = ["dir", "scratch", "outside"].map(|name| {
            let path = root.path().join(name);
            fs::create_dir(&path).unwrap();
            path
        });
        fs::write(outside.join("file"), "kept").unwrap();
        fs::write(outside.join("key"), "secret").unwrap();
        Self { root, dir, scratch, outside }
    }

    pub(crate) fn job(&self, command: &str) -> Job {
        Job {
            command: command.to_owned(),
            dir: self.dir.clone(),
            scratch: self.scratch.clone(),
            stdin: Vec::new(),
            env: [].into(),
            readable: Vec::new(),
            hidden: Vec::new(),
            limits: Limits { wall: PATIENCE, ..Limits::default() },
        }
    }

    /// This program plays `part` inside.
    pub(crate) fn part(&self, part: &str) -> Job {
        let program = std::env::current_exe().unwrap();
        let mut job = self.job(&part_command(&program));
        job.env.insert("PART".to_owned(), part.to_owned());
        job.readable.push(program);
        job
    }

    pub(crate) fn names_of(&self, folder: &Path) -> Vec<String> {
        assert!(folder.starts_with(self.root.path()));
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Makes a pipe `dir/alive` and listens to it: who holds it open is alive.
    pub(crate) fn pipe(&self) -> Alive {
        let path = self.dir.join("alive");
        fs::remove_file(&path).ok();
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        let (tell, told) = mpsc::channel();
        thread::spawn(move || {
            // Opens when the first one opens it for writing.
            let mut file = File::open(&path).unwrap();
            let mut byte = [0];
            while file.read(&mut byte).is_ok_and(|read| read == 1) {
                tell.send(()).ok();
            }
        });
        Alive(told)
    }
}

pub(crate) fn part_command(program: &Path) -> String {
    format!("exec '{}' --exact part_of_a_command --nocapture --test-threads 1", program.display())
}

pub(crate) struct Alive(mpsc::Receiver<()>);

impl Alive {
    /// Waits for a byte that a command writes.
    pub(crate) fn wait_for_a_sign(&self) {
        self.0.recv_timeout(PATIENCE).expect("no sign of life");
    }

    /// Waits until all that held the pipe are dead.
    pub(crate) fn wait_for_the_end(&self) {
        loop {
            match self.0.recv_timeout(PATIENCE) {
                Ok(()) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
                Err(mpsc::RecvTimeoutError::Timeout) => panic!("something is still alive"),
            }
        }
    }
}

pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(work)
}

pub(crate) fn sandbox() -> Sandbox {
    static FOUND: OnceLock<Sandbox> = OnceLock::new();
    let probe = || {
        let folder = tempfile::tempdir().unwrap();
        block_on(Sandbox::probe(PROGRAM.as_ref(), folder.path())).unwrap()
    };
    FOUND.get_or_init(probe).clone()
}

pub(crate) fn run_with(sandbox: &Sandbox, job: Job) -> Result<Ended, SandboxFault> {
    block_on(sandbox.run(job, std::future::pending()))
}

pub(crate) fn try_run(means: Means, job: Job) -> Result<Ended, SandboxFault> {
    run_with(&sandbox().with(means), job)
}

/// Runs with the means that this system was found to have.
pub(crate) fn run_here(job: Job) -> Ended {
    run_with(&sandbox(), job).unwrap()
}

/// Runs with these means. `None`: this system does not have them, and said so without running it.
pub(crate) fn run(means: Means, job: Job) -> Option<Ended> {
    match try_run(means, job) {
        Ok(ended) => Some(ended),
        Err(fault) if lacking(means, &fault) => None,
        Err(fault) => panic!("{means:?}: {fault}"),
    }
}

/// Is it namespaces that failed, on a system whose probe found that they do?
fn lacking(means: Means, fault: &SandboxFault) -> bool {
    let found = sandbox().means();
    let rootless = !means.user_namespace && means.namespaces;
    matches!(fault, SandboxFault::Failed(_))
        && means.namespaces
        && (!found.namespaces || rootless || !found.user_namespace)
}
