//! Reading an Automerge file that somebody else made, in a process of its own: whatever the file
//! does to Automerge, that process alone ends by it, within bounds of memory and time.
//! `SPEC: PRJ-8`

use std::io::{self, Read as _, Write as _};
use std::process::{ExitCode, Stdio};

use kernelos_protocol::command::{Failure, FailureKind};
use kernelos_protocol::document::foreign::{self, Foreign, ForeignFault};
use kernelos_protocol::limits::{
    DOCUMENT_STACK_BYTES, FOREIGN_BYTES_MAX, FOREIGN_CPU_S, FOREIGN_JSON_BYTES_MAX,
    FOREIGN_MEMORY_BYTES,
};
use rustix::process::{Resource, Rlimit, setrlimit};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;

/// What makes this program that process: its first argument.
pub const INSIDE: &str = "__read-automerge";

/// The process: bytes on stdin, what stands in them on stdout.
#[must_use]
pub fn inside() -> ExitCode {
    match bounded().and_then(|()| answer()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn bounded() -> io::Result<()> {
    for (resource, most) in
        [(Resource::As, FOREIGN_MEMORY_BYTES), (Resource::Cpu, FOREIGN_CPU_S), (Resource::Core, 0)]
    {
        let limit = Rlimit { current: Some(most), maximum: Some(most) };
        setrlimit(resource, limit)?;
    }
    Ok(())
}

fn answer() -> io::Result<()> {
    let mut bytes = Vec::new();
    io::stdin().take(FOREIGN_BYTES_MAX).read_to_end(&mut bytes)?;
    let thread = std::thread::Builder::new().stack_size(DOCUMENT_STACK_BYTES);
    let read = thread.spawn(move || foreign::read(&bytes))?.join();
    let read = read.unwrap_or(Err(ForeignFault::Broken));
    let text = serde_json::to_vec(&read)?;
    io::stdout().write_all(&text)?;
    io::stdout().flush()
}

/// Has a file read by such a process.
pub async fn read(bytes: Vec<u8>) -> Result<Foreign, Failure> {
    let failed = |error: io::Error| Failure::new(FailureKind::Failed, error);
    let mut child = Command::new(std::env::current_exe().map_err(failed)?)
        .arg(INSIDE)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // A panic's words are of no use to anybody here.
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    if let Some(mut stdin) = stdin {
        // Where it ended early, how it did says more.
        stdin.write_all(&bytes).await.ok();
    }
    let mut text = Vec::new();
    if let Some(stdout) = stdout {
        stdout.take(FOREIGN_JSON_BYTES_MAX).read_to_end(&mut text).await.map_err(failed)?;
    }
    child.kill().await.ok();
    // One that was ended by a signal, or wrote too much, said nothing whole.
    let read: Result<Foreign, ForeignFault> =
        serde_json::from_slice(&text).unwrap_or(Err(ForeignFault::Broken));
    read.map_err(|fault| {
        let hint = match fault {
            ForeignFault::TooDeep
            | ForeignFault::TooMany
            | ForeignFault::TooLarge
            | ForeignFault::EmptyKey => {
                "nothing was changed; take it in by parts, or write it in another form"
            }
            _ => "nothing was changed; a file as Automerge.save writes it is taken in",
        };
        let text = format!("{fault} ({})", fault.code());
        Failure::new(FailureKind::Failed, text).with_hint(hint)
    })
}
