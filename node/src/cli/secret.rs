//! What seals the device's secret: a key file, a passphrase from a file, a pipe or a terminal, or a
//! key in the desktop's keyring.
//! Never an argument, which other users see, and never the environment, which children inherit.

use std::ffi::OsStr;
use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};
use std::path::{Path, PathBuf};

use kernelos_protocol::command::{Failure, FailureKind};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use crate::cli::{keyring, stdin};
use crate::home::{KEY_FILE_BYTES, OwnedHome, PASSPHRASE_BYTES, Protection, SealedBy};

/// The variable that names the key file where no argument does.
const KEY_FILE_VARIABLE: &str = "KERNELOS_KEY_FILE";
/// What systemd calls the folder of a service's credentials, and ours in it.
const CREDENTIALS: (&str, &str) = ("CREDENTIALS_DIRECTORY", "kernelos-key");

/// Where the key is that the device's secret is sealed under.
#[derive(Debug, Default, clap::Args)]
pub(super) struct KeyArgs {
    /// The secret is sealed under this file's bytes
    ///
    /// Without it: KERNELOS_KEY_FILE, or the credential kernelos-key of systemd.
    #[arg(long, value_name = "F")]
    key_file: Option<PathBuf>,
    /// Under the passphrase in this file; - is stdin
    ///
    /// Without it a terminal is asked.
    #[arg(long, value_name = "F", conflicts_with = "key_file")]
    passphrase_file: Option<PathBuf>,
}

impl KeyArgs {
    /// These two.
    pub(super) fn of(key_file: Option<PathBuf>, passphrase_file: Option<PathBuf>) -> Self {
        Self { key_file, passphrase_file }
    }

    /// Was one named here?
    pub(super) fn is_given(&self) -> bool {
        self.key_file.is_some() || self.passphrase_file.is_some()
    }

    /// What was named here, if anything was.
    pub(super) async fn named_here(&self) -> Result<Option<SealedBy>, Failure> {
        match (&self.key_file, &self.passphrase_file) {
            (Some(path), _) => key_file(path).map(Some),
            (None, Some(path)) => passphrase_from(path).await.map(SealedBy::Passphrase).map(Some),
            (None, None) => Ok(None),
        }
    }

    /// The same, or what the surroundings of this process name.
    async fn named(&self) -> Result<Option<SealedBy>, Failure> {
        if self.is_given() {
            return self.named_here().await;
        }
        let named = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let path = named(KEY_FILE_VARIABLE).map(PathBuf::from).or_else(|| {
            let path = Path::new(&named(CREDENTIALS.0)?).join(CREDENTIALS.1);
            path.exists().then_some(path)
        });
        path.map(|path| key_file(&path)).transpose()
    }

    /// Opens the home's secret with what is named, or asks a terminal for the passphrase.
    pub(super) async fn unlock(&self, home: &OwnedHome) -> Result<(), Failure> {
        let kept = home.home().kept()?;
        // What the surroundings name is of another seal then, and not in the way.
        let entry = kept.and_then(|kept| kept.entry).filter(|_| !self.is_given());
        let mut named = match entry {
            Some(entry) => Some(keyring::named(entry).await?),
            None => self.named().await?,
        };
        if named.is_none()
            && kept.is_some_and(|kept| kept.protection == Protection::Passphrase)
            && io::stdin().is_terminal()
        {
            let typed = typed("Passphrase of this device's secret: ").await?;
            named = Some(SealedBy::Passphrase(typed));
        }
        home.unlock(named.as_ref())
    }
}

/// A passphrase that somebody chooses: typed twice.
pub(super) async fn chosen() -> Result<Zeroizing<Vec<u8>>, Failure> {
    let first = checked(typed("New passphrase: ").await?)?;
    if typed("The same again: ").await? == first {
        return Ok(first);
    }
    Err(Failure::new(FailureKind::Usage, "the two passphrases differ")
        .with_hint("nothing was changed: try again"))
}

fn key_file(path: &Path) -> Result<SealedBy, Failure> {
    let failed = |error: io::Error| {
        Failure::new(FailureKind::Failed, format!("{}: {error}", path.display())).with_hint(
            "name the key file; a new one: (umask 077; head -c 32 /dev/urandom > FILE), kept off \
             this disk",
        )
    };
    let mut bytes = Zeroizing::new(Vec::with_capacity(KEY_FILE_BYTES.end() + 1));
    let limit = u64::try_from(KEY_FILE_BYTES.end() + 1).unwrap_or(u64::MAX);
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(limit).read_to_end(&mut bytes).map_err(failed)?;
    if KEY_FILE_BYTES.contains(&bytes.len()) {
        return Ok(SealedBy::KeyFile(bytes));
    }
    let (least, most) = (KEY_FILE_BYTES.start(), KEY_FILE_BYTES.end());
    let text = format!("{} has not {least} to {most} bytes: it is no key file", path.display());
    Err(Failure::new(FailureKind::Failed, text)
        .with_hint("a new one: (umask 077; head -c 32 /dev/urandom > FILE), kept off this disk"))
}

async fn passphrase_from(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let read = if path == OsStr::new("-") {
        stdin::done(stdin::read(|stdin| first_line(stdin))?).await
    } else {
        std::fs::File::open(path).and_then(|file| first_line(&mut io::BufReader::new(file)))
    };
    checked(read.map_err(|error| {
        Failure::new(FailureKind::Failed, format!("{}: {error}", path.display()))
            .with_hint("its first line is the passphrase")
    })?)
}

/// Up to the end of the line, which is no part of it.
fn first_line(from: &mut impl io::BufRead) -> io::Result<Zeroizing<Vec<u8>>> {
    let limit = PASSPHRASE_BYTES.end() + 3;
    // Never moved to a larger place while it is read: nothing of it is left behind.
    let mut line = Zeroizing::new(Vec::with_capacity(limit));
    from.take(u64::try_from(limit).unwrap_or(u64::MAX)).read_until(b'\n', &mut line)?;
    for end in [b'\n', b'\r'] {
        if line.last() == Some(&end) {
            line.pop();
        }
    }
    Ok(line)
}

fn checked(passphrase: Zeroizing<Vec<u8>>) -> Result<Zeroizing<Vec<u8>>, Failure> {
    if PASSPHRASE_BYTES.contains(&passphrase.len()) {
        return Ok(passphrase);
    }
    let (least, most) = (PASSPHRASE_BYTES.start(), PASSPHRASE_BYTES.end());
    Err(Failure::new(FailureKind::Usage, format!("a passphrase has {least} to {most} bytes"))
        .with_hint("choose several words; what nobody can guess needs no odd characters"))
}

/// What a person types, unseen.
async fn typed(question: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let failed = |error: io::Error| Failure::new(FailureKind::Failed, format!("stdin: {error}"));
    if !io::stdin().is_terminal() {
        return Err(Failure::new(FailureKind::Usage, "nobody can type a passphrase here")
            .with_hint("--passphrase-file F, or - for stdin"));
    }
    // Unseen before it is asked for: who types at once is not shown either.
    let unseen = Unseen::begin().map_err(failed)?;
    let mut told = io::stderr();
    told.write_all(question.as_bytes()).and_then(|()| told.flush()).map_err(failed)?;
    let line = stdin::done(stdin::read(|stdin| first_line(stdin))?).await;
    drop(unseen);
    told.write_all(b"\n").ok();
    line.map_err(failed)
}

/// While this is there the terminal shows nothing of what is typed, however the wait ends.
struct Unseen(Termios);

impl Unseen {
    fn begin() -> io::Result<Self> {
        let saved = tcgetattr(io::stdin())?;
        let mut silent = saved.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Flush, &silent)?;
        Ok(Self(saved))
    }
}

impl Drop for Unseen {
    fn drop(&mut self) {
        // Where the terminal is gone nobody misses it.
        tcsetattr(io::stdin(), OptionalActions::Now, &self.0).ok();
    }
}
