//! The device's secret under a key in the keyring of a desktop session: the Secret Service of GNOME
//! on a bus of its own, with folders of its own.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::json;

use crate::kern::{Home, Ran, until};

/// The password of the keyring, as a login gives it.
const LOGIN: &str = "open sesame";

/// A bus on which nobody is until somebody is started, and ends with this.
pub(crate) struct Session {
    folder: tempfile::TempDir,
    bus: Child,
    keyring: Option<Child>,
}

impl Session {
    pub(crate) fn begin() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["run", "data", "home"] {
            let path = folder.path().join(name);
            fs::create_dir(&path).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        }
        let config = format!(
            "<busconfig><type>session</type><listen>unix:path={}</listen><policy \
             context=\"default\"><allow send_destination=\"*\" eavesdrop=\"true\"/><allow \
             eavesdrop=\"true\"/><allow own=\"*\"/></policy></busconfig>",
            folder.path().join("bus").display()
        );
        let path = folder.path().join("bus.conf");
        fs::write(&path, config).unwrap();
        let mut bus = Command::new("dbus-daemon");
        bus.arg("--config-file").arg(&path).args(["--nofork", "--nopidfile"]);
        let bus = bus.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let begun = Self { folder, bus, keyring: None };
        until("the bus listens", || begun.at("bus").exists().then_some(()));
        begun
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn within(&self, command: &mut Command) {
        let bus = format!("unix:path={}", self.at("bus").display());
        command.env("DBUS_SESSION_BUS_ADDRESS", bus).env("XDG_RUNTIME_DIR", self.at("run"));
        command.env("XDG_DATA_HOME", self.at("data")).env("HOME", self.at("home"));
    }

    /// The keyring's service, unlocked as by a login or locked as it is without one.
    fn keyring(&mut self, unlocked: bool) {
        self.ends();
        let mut service = Command::new("gnome-keyring-daemon");
        service.args(["--foreground", "--components=secrets"]);
        service.args(unlocked.then_some("--unlock"));
        self.within(&mut service);
        service.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut service = service.spawn().unwrap();
        service.stdin.take().unwrap().write_all(LOGIN.as_bytes()).unwrap();
        self.keyring = Some(service);
        until("the keyring's service is on the bus", || {
            let mut asked = Command::new("dbus-send");
            asked.args(["--print-reply", "--dest=org.freedesktop.DBus", "/"]);
            asked.args(["org.freedesktop.DBus.NameHasOwner", "string:org.freedesktop.secrets"]);
            self.within(&mut asked);
            let told = asked.output().unwrap().stdout;
            String::from_utf8(told).unwrap().contains("boolean true").then_some(())
        });
    }

    fn ends(&mut self) {
        if let Some(mut service) = self.keyring.take() {
            service.kill().unwrap();
            service.wait().unwrap();
        }
    }

    fn run(&self, home: &Home, args: &[&str]) -> Ran {
        let mut command = home.command(args);
        self.within(&mut command);
        Ran::from(command.output().unwrap())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.ends();
        self.bus.kill().ok();
        self.bus.wait().ok();
    }
}

fn holds(path: &Path, what: &[u8]) -> bool {
    fs::read(path).unwrap().windows(what.len()).any(|window| window == what)
}

#[test]
fn a_secret_under_a_key_in_the_keyring_opens_in_that_session_and_nowhere_else() {
    // SPEC: REST-3, REST-5
    let home = Home::with_workspace();
    let secret = fs::read(home.path().join("device.key")).unwrap();
    let mut session = Session::begin();
    let protect = ["key", "protect", "--keyring", "--json"];
    session.run(&home, &protect).refused(1, "no keyring of a desktop session is in reach");
    assert_eq!(fs::read(home.path().join("device.key")).unwrap(), secret, "nothing was changed");

    session.keyring(true);
    assert_eq!(session.run(&home, &protect).json()["kept"], "keyring");
    let sealed = home.path().join("device.key");
    assert!(!holds(&sealed, &secret));
    // The keyring's own program ends by a kill: what it was given is on its disk.
    session.keyring(true);
    let up = ["up", "--listen", "127.0.0.1:0"];
    let bus = format!("DBUS_SESSION_BUS_ADDRESS=unix:path={}", session.at("bus").display());
    // What the environment names is of another seal, and not in the way.
    let node = home.up_by(&["env", &bus, "KERNELOS_KEY_FILE=/nowhere"], &[]);
    assert_eq!(home.status()["secret"], "keyring");
    home.run(&["doc", "set", "notes/a", "1"]).done();
    node.kill();

    let key = home.file("key");
    fs::write(&key, [7; 32]).unwrap();
    let key = key.to_str().unwrap();
    let given = [&up[..], &["--key-file", key]].concat();
    session.run(&home, &given).refused(1, "leave key file and passphrase out");
    session.keyring(false);
    session.run(&home, &up).refused(1, "the keyring is locked");
    let mut other = Session::begin();
    other.keyring(true);
    other.run(&home, &up).refused(1, "does not hold the key");

    // A backup from before it was sealed anew opens with the key that it was sealed under.
    session.keyring(true);
    let backup = fs::read(&sealed).unwrap();
    assert_eq!(session.run(&home, &protect).json()["kept"], "keyring");
    fs::write(&sealed, backup).unwrap();
    let anew = ["key", "protect", "--key-file", key, "--json"];
    assert_eq!(session.run(&home, &anew).json()["kept"], "key_file");
    home.run(&["key", "unprotect", "--key-file", key]).done();
    assert_eq!(fs::read(&sealed).unwrap(), secret);
    assert_eq!(home.run(&["key", "status", "--json"]).json()["kept"], json!("clear"));
}
