//! The device's secret on the disk: sealed, opened, changed, and nowhere clear.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::json;

use crate::kern::{Home, until};

/// What is written into the workspace, and must be found in no file.
const WRITTEN: &str = "the-plum-is-ripe-at-midnight";
const PASSPHRASE: &str = "three odd words";

fn key_file(home: &Home, name: &str, byte: u8) -> String {
    let path = home.file(name);
    fs::write(&path, [byte; 32]).unwrap();
    path.to_str().unwrap().to_owned()
}

fn passphrase_file(home: &Home, text: &str) -> String {
    let path = home.file("passphrase");
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, into);
        } else if path.is_file() {
            into.push(path);
        }
    }
}

/// The files below a folder that hold any of these.
fn holding(folder: &Path, what: &[&[u8]]) -> Vec<PathBuf> {
    let mut all = Vec::new();
    files(folder, &mut all);
    assert!(all.iter().any(|path| path.ends_with("store.db-wal")), "{all:?}");
    let holds = |path: &PathBuf| {
        let bytes = fs::read(path).unwrap();
        what.iter().any(|what| bytes.windows(what.len()).any(|window| window == *what))
    };
    all.into_iter().filter(holds).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_sealed_home_holds_no_clear_secret_and_opens_with_its_key_alone() {
    // SPEC: REST-1, REST-3, REST-4
    let home = Home::with_workspace();
    let node = home.up();
    home.run(&["doc", "set", "notes/a", &format!("{WRITTEN:?}")]).done();
    let state = home.status();
    assert_eq!(state["secret"], "clear");
    home.run(&["key", "protect", "--key-file", "/nowhere"]).refused(1, "is in use by process");
    let secret = fs::read(home.path().join("device.key")).unwrap();
    let digits = hex(&secret);
    let clear: [&[u8]; 3] = [&secret, digits.as_bytes(), WRITTEN.as_bytes()];
    assert_eq!(holding(&home.path(), &clear), [home.path().join("device.key")]);
    node.kill();

    let key = key_file(&home, "key", 7);
    let kept = home.run(&["key", "protect", "--key-file", &key, "--json"]).json();
    assert_eq!((&kept["kept"], &kept["device_id"]), (&json!("key_file"), &state["device_id"]));
    assert_eq!(holding(&home.path(), &clear), [] as [PathBuf; 0]);
    home.run(&["up"]).refused(1, "sealed under a key file");
    let other = key_file(&home, "other", 8);
    home.run(&["up", "--key-file", &other]).refused(1, "does not open");
    let words = passphrase_file(&home, PASSPHRASE);
    home.run(&["up", "--passphrase-file", &words]).refused(1, "sealed under a key file");
    home.run(&["up", "--key-file", "/nowhere"]).refused(1, "/nowhere");

    let node = home.up_with(&["--key-file", &key]);
    home.run(&["doc", "set", "notes/b", &format!("{WRITTEN:?}")]).done();
    assert_eq!(home.get("notes/a"), WRITTEN);
    assert_eq!(home.status()["secret"], "key_file");
    assert_eq!(holding(&home.path(), &clear), [] as [PathBuf; 0], "nor while it runs");
    node.kill();

    let unsealed = home.run(&["key", "unprotect", "--key-file", &key, "--json"]).json();
    assert_eq!(unsealed["kept"], "clear");
    assert_eq!(fs::read(home.path().join("device.key")).unwrap(), secret);
    drop(home.up());
}

#[test]
fn a_passphrase_comes_from_a_file_or_a_pipe_and_is_changed_by_who_knows_it() {
    // SPEC: REST-2, REST-3, REST-4
    let home = Home::with_workspace();
    let words = passphrase_file(&home, &format!("{PASSPHRASE}\n"));
    home.run_with(&["key", "protect", "--passphrase-file", "-"], "short\n")
        .refused(2, "8 to 1024 bytes");
    home.run(&["key", "protect"]).refused(2, "say what to seal it under");
    let kept = home.run(&["key", "protect", "--passphrase-file", &words, "--json"]).json();
    assert_eq!(kept["kept"], "passphrase");
    home.run(&["up"]).refused(1, "sealed under a passphrase");
    home.run_with(&["key", "unprotect", "--passphrase-file", "-"], "three odd word\n")
        .refused(1, "does not open");
    let next = ["key", "protect", "--passphrase-file", "-"];
    home.run_with(&next, "four quite other words").refused(1, "sealed under a passphrase");
    let old = ["--old-passphrase-file", &words];
    home.run_with(&[&next[..], &old].concat(), "four quite other words").done();
    home.run(&["key", "unprotect", "--passphrase-file", &words]).refused(1, "does not open");
    let ran = ["key", "unprotect", "--passphrase-file", "-", "--json"];
    assert_eq!(home.run_with(&ran, "four quite other words\r\n").json()["kept"], "clear");
}

#[test]
fn a_service_names_its_key_and_a_new_home_is_sealed_from_the_beginning() {
    // SPEC: REST-3
    let home = Home::new();
    let key = key_file(&home, "kernelos-key", 7);
    let run = |args: &[&str], name: &str, value: &str| {
        home.command(args).env(name, value).output().unwrap()
    };
    let recovery = home.file("r");
    let init = ["init", "home", "--device", "laptop", "--recovery-file"];
    let init = [&init[..], &[recovery.to_str().unwrap()]].concat();
    let folder = home.file("").to_str().unwrap().to_owned();
    assert!(run(&init, "CREDENTIALS_DIRECTORY", &folder).status.success());
    assert_eq!(home.run(&["key", "status", "--json"]).json()["kept"], "key_file");
    let unsealed = run(&["key", "unprotect"], "KERNELOS_KEY_FILE", &key);
    assert!(unsealed.status.success());
    // Who expects it to be sealed is not left to believe so.
    let told = run(&["up"], "KERNELOS_KEY_FILE", &key);
    let told = String::from_utf8(told.stderr).unwrap();
    assert!(told.contains("not sealed") && told.contains("kern key protect"), "{told}");
}

#[test]
fn a_sealed_file_that_was_changed_is_refused() {
    // SPEC: REST-1
    let home = Home::with_workspace();
    let key = key_file(&home, "key", 7);
    home.run(&["key", "protect", "--key-file", &key]).done();
    let path = home.path().join("device.key");
    let whole = fs::read(&path).unwrap();
    for (at, words) in [
        (7, "newer kern"),
        (3, "not a device key"),
        (8, "newer kern"),
        (30, "does not open"),
        (100, "does not open"),
        (144, "does not open"),
    ] {
        let mut changed = whole.clone();
        changed[at] ^= 0x40;
        fs::write(&path, &changed).unwrap();
        home.run(&["up", "--key-file", &key]).refused(1, words);
    }
    fs::write(&path, &whole).unwrap();
    drop(home.up_with(&["--key-file", &key]));
}

#[test]
fn a_process_killed_while_it_seals_leaves_a_home_that_opens() {
    // SPEC: REST-4
    let home = Home::with_workspace();
    let device = home.run(&["key", "status", "--json"]).json()["device_id"].clone();
    let key = key_file(&home, "key", 7);
    let (file, new) = (home.path().join("device.key"), home.path().join(".new-device.key"));
    for turn in 0..12 {
        let args = if turn % 2 == 0 { "protect" } else { "unprotect" };
        let mut child = home.command(&["key", args, "--key-file", &key]);
        let mut child = child.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let before = fs::read(&file).unwrap();
        // Some are killed while the new file is written, some when it has its name.
        let changed = || fs::read(&file).unwrap() != before;
        let seen = || changed() || (new.exists() && turn % 3 > 0);
        while !seen() && child.try_wait().unwrap().is_none() {}
        child.kill().ok();
        child.wait().unwrap();
        let kept = home.run(&["key", "status", "--json"]).json();
        assert_eq!(kept["device_id"], device);
        // The next turn finds it as this one was to leave it.
        let sealed = kept["kept"] == "key_file";
        if sealed != (turn % 2 == 0) {
            home.run(&["key", args, "--key-file", &key]).done();
        }
        assert!(!new.exists() || sealed == (turn % 2 == 0));
    }
    drop(home.up());
    assert!(!new.exists());
}

/// A terminal: what a person holds, and what the program is given.
pub(crate) fn terminal() -> (OwnedFd, fs::File) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let slave = fs::File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
    (master, slave)
}

#[test]
fn a_passphrase_that_is_typed_is_not_shown() {
    // SPEC: REST-3
    let home = Home::with_workspace();
    let (master, slave) = terminal();
    let given = || Stdio::from(slave.as_fd().try_clone_to_owned().unwrap());
    let ask = |command: &mut Command| command.stdin(given()).stderr(given()).spawn().unwrap();
    let mut master = fs::File::from(master);
    let mut shown = String::new();
    let mut answer = |question: &str, typed: &str| {
        let mut bytes = [0; 256];
        while !shown.contains(question) {
            let read = master.read(&mut bytes).unwrap();
            shown.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
        }
        let seen = std::mem::take(&mut shown);
        writeln!(master, "{typed}").unwrap();
        seen
    };
    let mut protect = home.command(&["key", "protect"]);
    let mut protect = ask(protect.stdout(Stdio::null()));
    let mut seen = answer("New passphrase: ", PASSPHRASE);
    seen += &answer("The same again: ", PASSPHRASE);
    assert!(protect.wait().unwrap().success());
    let mut up = home.command(&["up", "--json", "--listen", "127.0.0.1:0"]);
    let mut up = ask(up.stdout(Stdio::null()));
    seen += &answer("Passphrase of this device's secret: ", PASSPHRASE);
    until("the node answers", || (home.run(&["status"]).code == 0).then_some(()));
    up.kill().unwrap();
    up.wait().unwrap();
    assert!(!seen.contains(PASSPHRASE), "{seen:?}");

    // A person who gives up there leaves a terminal that shows what is typed.
    let echo = || rustix::termios::tcgetattr(&slave).unwrap().local_modes;
    let before = echo();
    let mut up = home.command(&["up"]);
    let mut up = ask(up.stdout(Stdio::null()));
    until("it asks", || (echo() != before).then_some(()));
    rustix::process::kill_process(
        rustix::process::Pid::from_child(&up),
        rustix::process::Signal::INT,
    )
    .unwrap();
    assert!(up.wait().unwrap().success());
    assert_eq!(echo(), before);
}
