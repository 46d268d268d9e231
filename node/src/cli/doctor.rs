//! `kern doctor`: is this device fit, and what to do where it is not. Works without a node.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command as Process;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kernelos_protocol::command::{Command, Failure, FailureKind, Reply, Status};
use kernelos_protocol::present::{Block, Doc, NOT_READ, Text, Tone};
use rusqlite::{Connection, Error as SqlError, OpenFlags, Row};
use serde::Serialize;

use crate::cli::Ui;
use crate::cli::itself::{BUILD_GUI, find_gui, stores};
use crate::store::SCHEMA_VERSION;

/// A clock that is before this is not set: 2024 in seconds.
const CLOCK_MIN_S: u64 = 1_704_067_200;

/// By so much may the newest file be ahead of the clock: it is coarse.
const CLOCK_BACK: Duration = Duration::from_secs(600);

/// Free bytes below which a store soon cannot be written.
const FREE_MIN: u64 = 256 * 1024 * 1024;

/// Check this device: its home, store, clock, node, peers and tools
///
/// Each check says what it found, and what to do where that is not as it should be. Nothing is
/// changed. Ends with 1 where one is not ok.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kern doctor
  kern doctor --json | jq '.[] | select(.ok | not)'
  kern doctor && kern up")]
pub(super) struct Args {}

#[derive(Debug, Serialize)]
struct Check {
    check: &'static str,
    ok: bool,
    detail: String,
    /// What to do, where it is not ok.
    fix: Option<String>,
}

fn good(check: &'static str, detail: impl ToString) -> Check {
    Check { check, ok: true, detail: detail.to_string(), fix: None }
}

fn bad(check: &'static str, detail: impl ToString, fix: impl ToString) -> Check {
    Check { check, ok: false, detail: detail.to_string(), fix: Some(fix.to_string()) }
}

pub(super) async fn run(ui: &Ui) -> Result<(), Failure> {
    let path = ui.home.path();
    let mut checks = vec![home(path), secret(path), disk(path), clock(path), git(), sandbox()];
    checks.extend(stores(path).iter().map(|store| intact(store)));
    checks.push(match find_gui() {
        Some(path) => good("inspector", path.display()),
        None => good("inspector", format!("not installed; in a clone of the sources: {BUILD_GUI}")),
    });
    checks.extend(of_node(ui).await);
    let wrong = checks.iter().filter(|check| !check.ok).count();
    ui.show(&checks, || doc(&checks))?;
    if wrong > 0 {
        let text = match wrong {
            1 => "1 check is not ok".to_owned(),
            many => format!("{many} checks are not ok"),
        };
        return Err(Failure::new(FailureKind::Failed, text).with_hint("each says what to do"));
    }
    Ok(())
}

fn doc(checks: &[Check]) -> Doc {
    let line = |check: &Check| {
        let (tone, mark) = if check.ok { (Tone::Good, "ok ") } else { (Tone::Attention, "NOT") };
        let fix = check.fix.as_ref().map_or_else(String::new, |fix| format!("; {fix}"));
        let text = format!("{mark}  {:10}  {}{fix}", check.check, check.detail);
        Block::Line(Text::toned(tone, text))
    };
    Doc(checks.iter().map(line).collect())
}

fn home(path: &Path) -> Check {
    match fs::metadata(path) {
        Err(error) => bad("home", format!("{}: {error}", path.display()), "kern init makes it"),
        Ok(found) if !found.is_dir() => {
            bad("home", format!("{} is no folder", path.display()), "set KERNELOS_HOME to another")
        }
        Ok(found) if found.permissions().mode() & 0o077 != 0 => {
            let mode = found.permissions().mode() & 0o777;
            let text = format!("others can look into {} (mode {mode:o})", path.display());
            bad("home", text, format!("chmod 700 {}", path.display()))
        }
        Ok(found) if found.permissions().mode() & 0o200 == 0 => {
            let text = format!("{} cannot be written", path.display());
            bad("home", text, format!("chmod 700 {}", path.display()))
        }
        Ok(_) => good("home", path.display()),
    }
}

fn secret(home: &Path) -> Check {
    let path = home.join("device.key");
    match fs::metadata(&path) {
        Err(error) => bad("secret", format!("{}: {error}", path.display()), "kern init makes one"),
        Ok(found) if found.permissions().mode() & 0o077 != 0 => {
            let text = format!("{} can be read by others", path.display());
            bad("secret", text, "revoke this device if somebody may have; else chmod 600 it")
        }
        Ok(_) => match fs::read(&path) {
            Ok(_) => good("secret", "its owner alone can read it"),
            Err(error) => bad("secret", format!("{}: {error}", path.display()), "chmod 600 it"),
        },
    }
}

#[cfg(target_os = "linux")]
fn disk(home: &Path) -> Check {
    let found = home.ancestors().find_map(|path| rustix::fs::statvfs(path).ok());
    let free = found.map(|found| found.f_bavail.saturating_mul(found.f_frsize));
    match free {
        None => bad("disk", "its free space is not told", "look at it with df"),
        Some(free) if free < FREE_MIN => {
            bad("disk", format!("{} MiB are free", free >> 20), "make room: at least 256 MiB")
        }
        Some(free) => good("disk", format!("{} MiB are free", free >> 20)),
    }
}

#[cfg(not(target_os = "linux"))]
fn disk(_: &Path) -> Check {
    good("disk", format!("not looked at on this system; {} MiB are wanted", FREE_MIN >> 20))
}

/// Nothing decides by the clock; people and join files read it.
fn clock(home: &Path) -> Check {
    let now = SystemTime::now();
    let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    if seconds < CLOCK_MIN_S {
        return bad("clock", "it says a year before 2024", "set it: timedatectl set-ntp true");
    }
    let files =
        stores(home).into_iter().filter_map(|path| fs::metadata(path).ok()?.modified().ok());
    let newest = files.max().unwrap_or(UNIX_EPOCH);
    if newest.duration_since(now).is_ok_and(|ahead| ahead > CLOCK_BACK) {
        let text = "it went back: a store was written later than now";
        return bad("clock", text, "set it: timedatectl set-ntp true");
    }
    good("clock", "as it should be")
}

fn git() -> Check {
    match Process::new("git").arg("--version").output() {
        Ok(done) if done.status.success() => {
            good("git", String::from_utf8_lossy(&done.stdout).trim())
        }
        _ => bad("git", "git does not run", "install it: missions need it"),
    }
}

/// Missions alone need it.
fn sandbox() -> Check {
    let lsm = fs::read_to_string("/sys/kernel/security/lsm").unwrap_or_default();
    let has_landlock = lsm.split(',').any(|name| name.trim() == "landlock");
    let spaces = fs::read_to_string("/proc/sys/user/max_user_namespaces").unwrap_or_default();
    let has_spaces = spaces.trim().parse().is_ok_and(|count: u64| count > 0);
    match (has_landlock, has_spaces) {
        (true, true) => good("sandbox", "landlock and namespaces"),
        (true, false) => good("sandbox", "landlock, without namespaces: file modes stay visible"),
        (false, true) => good("sandbox", "namespaces; that there is landlock is not told here"),
        (false, false) => {
            bad("sandbox", "neither landlock nor namespaces", "run no agents here: kern up alone")
        }
    }
}

fn intact(store: &Path) -> Check {
    let look = || {
        let store = Connection::open_with_flags(store, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let version = store.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))?;
        let check = |row: &Row<'_>| row.get::<_, String>(0);
        Ok::<_, SqlError>((store.query_row("PRAGMA quick_check(1)", (), check)?, version))
    };
    let again = "kern up salvages it, at the start or when that part is read, and asks peers for \
                 the rest; check the disk";
    match look() {
        Ok((said, version)) if said == "ok" && version > SCHEMA_VERSION => {
            let text = format!("{} is of a newer kern", store.display());
            bad("store", text, "upgrade kern: this one leaves it as it is")
        }
        Ok((said, _)) if said == "ok" => good("store", store.display()),
        Ok((said, _)) => {
            let said = said.lines().collect::<Vec<_>>().join("; ");
            bad("store", format!("{}: {said}", store.display()), again)
        }
        Err(error) => bad("store", format!("{}: {error}", store.display()), again),
    }
}

async fn of_node(ui: &Ui) -> Vec<Check> {
    let client = match (ui.home.socket(), ui.client()) {
        (Ok(_), Ok(client)) => client,
        (Err(failure), _) | (_, Err(failure)) => {
            return vec![bad("socket", failure.message, failure.hint.unwrap_or_default())];
        }
    };
    let info = match client.info().await {
        Ok(info) => info,
        Err(failure) => {
            return vec![bad("node", failure.message, failure.hint.unwrap_or_default())];
        }
    };
    let own = env!("CARGO_PKG_VERSION");
    let mut checks = vec![if info.version == own {
        good("node", format!("runs, version {own}"))
    } else {
        let text = format!("it is of version {}, this program of {own}", info.version);
        bad("node", text, "restart it: kern up")
    }];
    for row in &info.workspaces {
        let id = row.workspace_id.to_string();
        match client.ask(Some(&id), Command::Status).await {
            Ok(Reply::Status(status)) => checks.extend(of_workspace(&status, info.online)),
            Ok(_) => checks.push(bad("node", "it answers something else", "restart it: kern up")),
            Err(failure) => {
                checks.push(bad("node", failure.message, failure.hint.unwrap_or_default()));
            }
        }
        if let Ok(Reply::Quarantine(page)) = client.ask(Some(&id), Command::Quarantine).await {
            let count = page.branches.len() + page.more;
            checks.push(match count {
                0 => good("quarantine", "nothing is kept apart"),
                1 => bad("quarantine", "1 branch is kept apart", "kern quarantine list"),
                _ => {
                    let text = format!("{count} branches are kept apart");
                    bad("quarantine", text, "kern quarantine list")
                }
            });
        }
    }
    checks
}

fn of_workspace(status: &Status, online: bool) -> Vec<Check> {
    let name = &status.workspace;
    let damage = status.damage.first().map_or_else(
        || good("damage", format!("none in {name}")),
        |first| bad("damage", first, "kern status shows all; peers heal what they hold"),
    );
    let conflicts = match status.conflicts {
        _ if !status.reads() => good("conflicts", NOT_READ),
        0 => good("conflicts", format!("none in {name}")),
        count => bad("conflicts", format!("{count} in {name}"), "kern conflicts"),
    };
    let connected = status.peers.iter().filter(|peer| peer.path.is_some()).count();
    let of = status.peers.len();
    let peers = match (online, connected) {
        (false, _) => good("peers", "offline, or no transport opens: kern online"),
        (true, 0) if of > 0 => {
            let text = format!("none of {of} is reached");
            bad("peers", text, "look whether one of them runs, and is on this network")
        }
        (true, _) => good("peers", format!("{connected} of {of} are reached")),
    };
    let behind = status.peers.iter().filter(|peer| peer.acked < peer.of).count();
    let receipts = match behind {
        0 => good("receipts", "every member is known to hold all"),
        _ => good("receipts", format!("{behind} of {of} members are not known to hold all yet")),
    };
    let mut checks = vec![damage, conflicts, peers, receipts];
    let faulty = status.peers.iter().filter(|peer| peer.strikes > 0).count();
    if faulty > 0 {
        let text = format!("{faulty} of {of} members broke rules, and are met less often");
        let hint = "kern log says which rule; mend or upgrade them, or kern revoke";
        checks.push(bad("conduct", text, hint));
    }
    checks
}
