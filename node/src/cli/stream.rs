//! Long files in and out: a thread of their own reads or writes them, so that a signal is heard
//! meanwhile, and a little waits between; and how far it is, for who looks at the terminal.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, IsTerminal as _, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use kernelos_protocol::command::{Failure, FailureKind};
use tokio::sync::{mpsc, oneshot};

/// Bytes that are read at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// Chunks that wait between the thread and the command.
const CHUNKS_MAX: usize = 4;

/// Between two words about how far it is.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

/// Stands for stdin or stdout.
pub(super) const DASH: &str = "-";

fn thread(work: impl FnOnce() + Send + 'static) -> Result<(), Failure> {
    let spawned = std::thread::Builder::new().name("stream".to_owned()).spawn(work);
    spawned.map(drop).map_err(|error| Failure::new(FailureKind::Failed, error))
}

/// A file that is read from its beginning to its end, or stdin.
pub(super) struct Source(mpsc::Receiver<io::Result<Vec<u8>>>);

impl Source {
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let mut from: Box<dyn io::Read + Send> = if path == Path::new(DASH) {
            Box::new(io::stdin())
        } else {
            Box::new(File::open(path).map_err(|error| unreadable(path, &error))?)
        };
        let (give, chunks) = mpsc::channel(CHUNKS_MAX);
        thread(move || {
            loop {
                let mut chunk = vec![0; CHUNK_BYTES];
                let read = match from.read(&mut chunk) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    read => read,
                };
                let is_end = !matches!(read, Ok(1..));
                let chunk = read.map(|length| {
                    chunk.truncate(length);
                    chunk
                });
                if give.blocking_send(chunk).is_err() || is_end {
                    break;
                }
            }
        })?;
        Ok(Self(chunks))
    }

    /// The next bytes; none at the end.
    pub(super) async fn next(&mut self) -> io::Result<Vec<u8>> {
        self.0.recv().await.unwrap_or_else(|| Ok(Vec::new()))
    }
}

/// A file could not be read.
pub(super) fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::new(FailureKind::Failed, format!("{}: {error}", path.display()))
        .with_hint("name a file that is there and can be read, or - for stdin")
}

/// A new file, or stdout. The file has its name once it is whole and durable; until then it has
/// another one beside it, which goes when this does.
pub(super) struct Sink {
    path: PathBuf,
    unfinished: Option<Unfinished>,
    chunks: mpsc::Sender<Vec<u8>>,
    done: oneshot::Receiver<io::Result<()>>,
}

struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        // After the rename there is none.
        fs::remove_file(&self.0).ok();
    }
}

impl Sink {
    /// Begins to write; a name that is taken is refused before anything is written.
    pub(super) fn create(path: &Path) -> Result<Self, Failure> {
        let failed = |error: io::Error| unwritable(path, &error);
        let (mut to, unfinished): (Box<dyn FileLike>, _) = if path == Path::new(DASH) {
            if io::stdout().is_terminal() {
                return Err(Failure::new(FailureKind::Usage, "a terminal shows no such bytes")
                    .with_hint("name a file, or pipe stdout to something"));
            }
            (Box::new(io::stdout()), None)
        } else {
            if fs::symlink_metadata(path).is_ok() {
                return Err(failed(io::ErrorKind::AlreadyExists.into()));
            }
            let beside = beside(path).map_err(failed)?;
            let mut options = OpenOptions::new();
            let file = options.write(true).create_new(true).mode(0o600).open(&beside);
            (Box::new(file.map_err(failed)?), Some(Unfinished(beside)))
        };
        let (chunks, mut waiting) = mpsc::channel::<Vec<u8>>(CHUNKS_MAX);
        let (tell, done) = oneshot::channel();
        thread(move || {
            let mut written = Ok(());
            while let (true, Some(chunk)) = (written.is_ok(), waiting.blocking_recv()) {
                written = to.write_all(&chunk);
            }
            tell.send(written.and_then(|()| to.settle())).ok();
        })?;
        Ok(Self { path: path.to_owned(), unfinished, chunks, done })
    }

    /// Writes behind what was written. What went wrong is told at the end.
    pub(super) async fn write(&self, bytes: Vec<u8>) -> bool {
        self.chunks.send(bytes).await.is_ok()
    }

    /// Everything was written: it is durable, and has its name.
    pub(super) async fn finish(self) -> Result<(), Failure> {
        let Self { path, unfinished, chunks, done } = self;
        drop(chunks);
        let written = done.await.unwrap_or_else(|error| Err(io::Error::other(error)));
        let named = written.and_then(|()| match &unfinished {
            Some(unfinished) => name(&unfinished.0, &path),
            None => Ok(()),
        });
        named.map_err(|error| unwritable(&path, &error))
    }
}

/// Takes the name, which nobody may have, and gives it to what is whole. No link: a stick that is
/// carried between devices seldom knows them.
fn name(unfinished: &Path, path: &Path) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    if let Err(error) = fs::rename(unfinished, path) {
        fs::remove_file(path).ok();
        return Err(error);
    }
    File::open(folder(path))?.sync_all()
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

fn beside(path: &Path) -> io::Result<PathBuf> {
    let last = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut name = OsString::from(format!(".new-{}-", std::process::id()));
    name.push(last);
    Ok(folder(path).join(name))
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    let hint = match error.kind() {
        // What went out cannot be taken back: whoever reads it has a part.
        _ if path == Path::new(DASH) => {
            "whoever reads it has a part at most: export it again to what takes all of it"
        }
        io::ErrorKind::AlreadyExists => "nothing is overwritten: choose another name",
        _ => "nothing is left of it; choose a folder that can be written and has room",
    };
    let text = match error.kind() {
        io::ErrorKind::AlreadyExists => format!("{} is there already", path.display()),
        _ => format!("{}: {error}", path.display()),
    };
    Failure::new(FailureKind::Failed, text).with_hint(hint)
}

trait FileLike: Write + Send {
    /// What was written is where it is to be.
    fn settle(&mut self) -> io::Result<()>;
}

impl FileLike for File {
    fn settle(&mut self) -> io::Result<()> {
        self.sync_all()
    }
}

impl FileLike for io::Stdout {
    fn settle(&mut self) -> io::Result<()> {
        self.flush()
    }
}

/// How far it is, on one line of stderr, if that is a terminal: at once, then now and again, so
/// that who waits sees what is waited for.
pub(super) struct Progress {
    shows: bool,
    last: Option<Instant>,
}

impl Progress {
    pub(super) fn new(is_quiet: bool) -> Self {
        Self { shows: !is_quiet && io::stderr().is_terminal(), last: None }
    }

    pub(super) fn show(&mut self, done: u64, of: u64) {
        if done < of {
            self.say(|| format!("{done} of {of} events"));
        }
    }

    /// Is a word due? Who looks at nothing is asked nothing.
    pub(super) fn is_due(&self) -> bool {
        self.shows && self.last.is_none_or(|last| last.elapsed() >= PROGRESS_EVERY)
    }

    pub(super) fn say(&mut self, what: impl FnOnce() -> String) {
        if self.is_due() {
            self.last = Some(Instant::now());
            // The rest of a longer line before it goes.
            write!(io::stderr(), "\r{}\u{1b}[K", what()).ok();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.last.is_some() {
            writeln!(io::stderr()).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_went_out_by_stdout_nobody_says_that_nothing_is_left() {
        let error = || io::Error::from(io::ErrorKind::BrokenPipe);
        let hint = |path: &str| unwritable(Path::new(path), &error()).hint.unwrap();
        assert!(hint(DASH).contains("a part") && !hint(DASH).contains("nothing is left"));
        assert!(hint("home.events").contains("nothing is left"));
    }
}
