//! `kern doctor`: every check that can fail is made to fail once, and then says what to do.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Permissions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Command;
use std::thread;
use std::time::{Duration, SystemTime};

use rusqlite::Connection;
use serde_json::Value as Json;

use crate::apart::unshare;
use crate::disks::{agree, store};
use crate::kern::{Home, Ran, program, until};
use crate::long::message;

/// The checks that are not ok, each with what to do.
#[track_caller]
fn wrong(ran: &Ran) -> BTreeMap<String, String> {
    let checks: Json = serde_json::from_str(&ran.stdout).unwrap();
    let rows = checks.as_array().unwrap();
    assert!(rows.iter().all(|row| (row["ok"] == true) == row["fix"].is_null()), "{checks}");
    let text = |value: &Json| value.as_str().unwrap().to_owned();
    // What is well says so, too.
    assert!(rows.iter().all(|row| !text(&row["detail"]).is_empty()), "{checks}");
    let wrong: BTreeMap<_, _> = rows
        .iter()
        .filter(|row| row["ok"] != true)
        .map(|row| (text(&row["check"]), text(&row["fix"])))
        .collect();
    assert_eq!(ran.code, i32::from(!wrong.is_empty()), "{checks}");
    wrong
}

/// What may be so on any machine, also where everything else is well.
const OF_MACHINE: [&str; 2] = ["disk", "sandbox"];

/// The doctor finds this wrong and nothing else of a device, and says so what to do.
#[track_caller]
fn finds(ran: &Ran, expected: &[(&str, &str)]) {
    let wrong = wrong(ran);
    let wanted: BTreeSet<_> = expected.iter().map(|(check, _)| *check).collect();
    let names = wrong.keys().map(String::as_str);
    let names = names.filter(|name| wanted.contains(name) || !OF_MACHINE.contains(name));
    assert_eq!(names.collect::<BTreeSet<_>>(), wanted, "{wrong:?}");
    for (check, fix) in expected {
        assert!(wrong[*check].contains(fix), "{check}: {wrong:?}");
    }
}

fn doctor(home: &Home) -> Ran {
    home.run(&["doctor", "--json"])
}

const OFF: (&str, &str) = ("node", "start it: kern up");

#[test]
fn what_is_wrong_with_a_device_is_found_without_a_node() {
    let absent = Home::new();
    let made = ("home", "kern init makes it");
    finds(&doctor(&absent), &[made, ("secret", "kern init makes one"), OFF]);
    fs::write(absent.path(), "").unwrap();
    let other = ("home", "set KERNELOS_HOME to another");
    finds(&doctor(&absent), &[other, ("secret", "kern init makes one"), OFF]);

    let home = Home::with_workspace();
    finds(&doctor(&home), &[OFF]);
    let mode = |path: &std::path::Path, mode| {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    };
    mode(&home.path(), 0o755);
    finds(&doctor(&home), &[("home", "chmod 700 "), OFF]);
    mode(&home.path(), 0o700);
    let key = home.path().join("device.key");
    mode(&key, 0o644);
    finds(&doctor(&home), &[("secret", "chmod 600"), OFF]);
    mode(&key, 0o600);

    let store = store(&home);
    let file = fs::File::options().write(true).open(&store).unwrap();
    let written = file.metadata().unwrap().modified().unwrap();
    file.set_modified(SystemTime::now() + Duration::from_secs(86_400)).unwrap();
    finds(&doctor(&home), &[("clock", "timedatectl"), OFF]);
    file.set_modified(written).unwrap();
    let bare = home.command(&["doctor", "--json"]).env("PATH", "/nowhere").output().unwrap();
    finds(&Ran::from(bare), &[("git", "install it"), OFF]);
    let far = home.path().join("f".repeat(120));
    let far = home.command(&["doctor", "--json"]).env("KERNELOS_HOME", far).output().unwrap();
    let far = wrong(&Ran::from(far));
    assert!(far["socket"].contains("shorter path"), "{far:?}");

    let newer = |version| {
        let database = Connection::open(&store).unwrap();
        database.pragma_update(None, "user_version", version).unwrap();
    };
    newer(99);
    finds(&doctor(&home), &[("store", "upgrade kern"), OFF]);
    newer(2);
    fs::write(&store, vec![7; 8_192]).unwrap();
    finds(&doctor(&home), &[("store", "kern up salvages it"), OFF]);
    home.run(&["doctor"]).refused(1, " checks are not ok");
    assert!(home.run(&["doctor"]).stdout.contains("NOT  store"));
}

/// A small disk over the home, and a kernel that tells of no namespaces and no Landlock.
const SMALL: &str = "set -e
mount -t tmpfs -o size=8m,mode=0700 kern \"$1\"
echo 0 > \"$1/none\"
mount --bind \"$1/none\" /proc/sys/user/max_user_namespaces
if [ -e /sys/kernel/security/lsm ]; then
    mount --bind \"$1/none\" /sys/kernel/security/lsm
fi
exec \"$2\" doctor --json";

#[test]
fn a_disk_without_room_and_a_kernel_without_a_sandbox_are_found() {
    let home = Home::with_workspace();
    let way = unshare();
    let mut command = Command::new(way[0]);
    command.args(&way[1..]).args(["sh", "-c", SMALL, "sh"]).args([home.path(), program()]);
    let ran = Ran::from(command.env("KERNELOS_HOME", home.path()).output().unwrap());
    let disk = ("disk", "make room: at least 256 MiB");
    let sandbox = ("sandbox", "run no agents here");
    finds(&ran, &[disk, sandbox, ("secret", "kern init makes one"), OFF]);
}

/// What a node of another version would say.
fn of_other_version(answer: String) -> String {
    let own = format!("\"version\":\"{}\"", env!("CARGO_PKG_VERSION"));
    let older = own.replace(|c: char| c.is_ascii_digit(), "0");
    answer.replace(&own, &older)
}

/// What a node would say of which a peer broke rules.
fn of_faulty_peer(answer: String) -> String {
    answer.replace("\"strikes\":0", "\"strikes\":3")
}

/// A node answers at this home's API: what another one says, but for what is put in its place.
fn front(home: &Home, replaced: fn(String) -> String) -> Home {
    let front = Home::with_workspace();
    let listener = UnixListener::bind(front.path().join("kern.sock")).unwrap();
    let node = home.path().join("kern.sock");
    // It ends with this process.
    thread::spawn(move || {
        for asking in listener.incoming() {
            let mut asking = asking.unwrap();
            let Ok(asked) = message(&mut asking) else { continue };
            let mut to = UnixStream::connect(&node).unwrap();
            to.write_all(&asked).unwrap();
            let answer = String::from_utf8(message(&mut to).unwrap()).unwrap();
            asking.write_all(replaced(answer).as_bytes()).ok();
            // Until it has read all of it.
            asking.read_to_end(&mut Vec::new()).ok();
        }
    });
    front
}

#[test]
fn what_is_wrong_in_the_mesh_is_found_by_a_node_that_runs() {
    let [laptop, phone] = [Home::with_workspace(), Home::new()];
    let (node, peer) = (laptop.up(), phone.up());
    laptop.pair(&phone, "phone", "member");
    agree(&[&laptop, &phone]);
    finds(&doctor(&laptop), &[]);
    finds(&doctor(&front(&laptop, of_other_version)), &[("node", "restart it: kern up")]);
    let faulty = doctor(&front(&laptop, of_faulty_peer));
    finds(&faulty, &[("conduct", "kern log says which rule")]);
    assert!(faulty.stdout.contains("\"1 of 1 members broke rules"), "{}", faulty.stdout);

    for (home, value) in [(&laptop, "1"), (&phone, "2")] {
        home.run(&["offline"]).done();
        home.run(&["doc", "set", "notes/a", value]).done();
    }
    for home in [&laptop, &phone] {
        home.run(&["online"]).done();
    }
    agree(&[&laptop, &phone]);
    finds(&doctor(&laptop), &[("conflicts", "kern conflicts")]);
    laptop.run(&["conflicts", "resolve", "--all", "--take", "newest", "--yes"]).done();
    let event = laptop.run(&["doc", "set", "notes/b", "1", "--json"]).json()["event"].clone();
    laptop.run(&["strike", event.as_str().unwrap()]).done();
    // Whether that stays so is a question, too.
    let apart = ("quarantine", "kern quarantine list");
    finds(&doctor(&laptop), &[("conflicts", "kern conflicts"), apart]);
    laptop.run(&["readmit", "--event", event.as_str().unwrap()]).done();

    assert!(peer.terminate().success());
    until("the laptop notices", || wrong(&doctor(&laptop)).contains_key("peers").then_some(()));
    finds(&doctor(&laptop), &[("peers", "look whether one of them runs")]);
    assert!(node.terminate().success());
    fs::write(store(&laptop).with_file_name("invitations"), "no JSON").unwrap();
    let (_node, _peer) = (laptop.up(), phone.up());
    until("they meet", || {
        let wrong = wrong(&doctor(&laptop));
        (!wrong.contains_key("peers")).then_some(())
    });
    finds(&doctor(&laptop), &[("damage", "kern status shows all")]);
}
