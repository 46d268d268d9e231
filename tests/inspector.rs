//! A real window on a display of its own, before real nodes: what a person does with mouse and
//! keys.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::{Value as Json, json};

use crate::kern::{Home, program, until};

/// A display without a screen, which ends with this.
pub(crate) struct Display(Child, String);

impl Display {
    pub(crate) fn new() -> Self {
        let screen = ["-screen", "0", "1000x760x24", "-nolisten", "tcp", "-displayfd", "1"];
        let mut server = Command::new("Xvfb")
            .args(screen)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("Xvfb is installed: .ci/run says how");
        let mut number = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut number).unwrap();
        Self(server, format!(":{}", number.trim()))
    }

    /// What a program is told to draw on it.
    pub(crate) fn name(&self) -> &str {
        &self.1
    }

    pub(crate) fn xdotool(&self, args: &[&str]) -> String {
        let mut command = Command::new("xdotool");
        let output = command.args(args).env("DISPLAY", &self.1).output();
        let output = output.expect("xdotool is installed: .ci/run says how");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// The inspector in a window, which is seen by what it gives to screen readers.
pub(crate) struct Window<'a> {
    child: Child,
    describes: PathBuf,
    display: &'a Display,
}

impl<'a> Window<'a> {
    pub(crate) fn open(home: &Home, display: &'a Display) -> Self {
        let describes = home.file("tree");
        let command = home.command(&["ui", "--describe", describes.to_str().unwrap()]);
        Self::begin(home, display, command)
    }

    /// The window of a command that opens one.
    pub(crate) fn begin(home: &Home, display: &'a Display, mut command: Command) -> Self {
        let gui = program().with_file_name("kern-gui");
        assert!(gui.is_file(), "{} is not built: run tests/run", gui.display());
        let describes = home.file("tree");
        command.env("DISPLAY", &display.1).env("LIBGL_ALWAYS_SOFTWARE", "1");
        command.env_remove("WAYLAND_DISPLAY").stderr(Stdio::inherit());
        Self { child: command.spawn().unwrap(), describes, display }
    }

    pub(crate) fn nodes(&self) -> Vec<Json> {
        let text = fs::read_to_string(&self.describes).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Waits for something that is called so, and can be used if it is a button.
    #[track_caller]
    pub(crate) fn find(&self, role: &str, name: &str) -> Json {
        until(&format!("{role} {name:?} in the window"), || {
            self.nodes().into_iter().find(|node| {
                let named = node["name"].as_str().unwrap().contains(name);
                node["role"] == role && named && node["disabled"] == false
            })
        })
    }

    #[track_caller]
    fn click(&self, name: &str) {
        self.click_on(&self.find("Button", name));
    }

    /// The same, of the button that says this and nothing more.
    #[track_caller]
    pub(crate) fn click_only(&self, name: &str) {
        self.click_on(&until(&format!("the button {name:?}"), || {
            let is_it = |node: &Json| node["role"] == "Button" && node["name"] == name;
            self.nodes().into_iter().find(|node| is_it(node) && node["disabled"] == false)
        }));
    }

    fn click_on(&self, node: &Json) {
        let bounds = &node["bounds"];
        let at = |a: usize, b: usize| {
            let middle = (bounds[a].as_f64().unwrap() + bounds[b].as_f64().unwrap()) / 2.0;
            format!("{middle:.0}")
        };
        let id = self.id();
        self.display.xdotool(&["mousemove", "--window", &id, &at(0, 2), &at(1, 3), "click", "1"]);
    }

    pub(crate) fn key(&self, key: &str) {
        let id = self.id();
        self.display.xdotool(&["windowfocus", "--sync", &id, "key", key]);
    }

    /// Types into the one field that there is, until that shows it.
    #[track_caller]
    fn type_in(&self, text: &str) {
        self.type_in_field(0, text);
    }

    /// Types into the field of this number, counted from above, until that shows it.
    #[track_caller]
    fn type_in_field(&self, number: usize, text: &str) {
        let id = self.id();
        until(&format!("{text:?} in field {number}"), || {
            let nodes = self.nodes();
            let mut fields: Vec<_> =
                nodes.iter().filter(|node| node["role"] == "TextInput").collect();
            fields.sort_by(|one, other| {
                let top = |node: &Json| node["bounds"][1].as_f64().unwrap();
                top(one).total_cmp(&top(other))
            });
            let field = fields.get(number)?;
            if field["value"] == text {
                return Some(());
            }
            self.click_on(field);
            let typed = ["windowfocus", "--sync", &id, "key", "ctrl+a", "type", text];
            self.display.xdotool(&typed);
            None
        });
    }

    /// Waits until nothing is called so any more.
    #[track_caller]
    pub(crate) fn gone(&self, name: &str) {
        until(&format!("the end of {name:?} in the window"), || {
            let is_called = |node: &Json| node["name"].as_str().unwrap().contains(name);
            (!self.nodes().iter().any(is_called)).then_some(())
        });
    }

    fn id(&self) -> String {
        until("the window", || {
            let found = self.display.xdotool(&["search", "--onlyvisible", "--name", "^KernelOS$"]);
            found.lines().next().map(str::to_owned)
        })
    }
}

impl Drop for Window<'_> {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn open(home: &Home) -> usize {
    home.run(&["conflicts", "--json"]).json().as_array().unwrap().len()
}

/// The conflict at notes/a, and the button that keeps what the phone wrote.
fn theirs(home: &Home) -> (String, String) {
    let conflicts = home.run(&["conflicts", "--json"]).json();
    let text = |value: &Json| value.as_str().unwrap().to_owned();
    let sides = conflicts[0]["sides"].as_array().unwrap();
    let theirs = sides.iter().find(|side| side["value"] == "theirs").unwrap();
    let keep = format!("Keep {}: notes/a = \"theirs\"", text(&theirs["side"]));
    (text(&conflicts[0]["id"]), keep)
}

/// Lets the phone in: invited in the window, it joins by its command line, and in the window its
/// digits are typed.
fn pair(window: &Window<'_>, laptop: &Home, phone: &Home) {
    window.click_only("Devices");
    window.click_only("Invite a device…");
    window.find("Dialog", "Invite a device");
    window.click_only("Invite a device");
    let token = window.find("Label", "KOS1:")["name"].as_str().unwrap().to_owned();
    let mut join = phone.talk(&["join", &token, "--device", "phone", "--json"]);
    let code = join.line()["check_code"].as_str().unwrap().to_owned();
    window.click_only("Let \"phone\" in…");
    window.find("Dialog", "Let the device in");
    window.type_in(&code);
    window.click_only("Let the device in");
    let joined = join.line();
    assert_eq!((&joined["device"], join.end()), (&json!("phone"), 0), "{joined}");
    window.gone("KOS1:");
    window.find("Heading", "phone");
    until("both know the same members", || {
        let known = [laptop, phone].map(|home| {
            let rows = home.run(&["devices", "--json"]).json();
            let of = |row: &Json| (row["id"].to_string(), row["role"].to_string());
            rows.as_array().unwrap().iter().map(of).collect::<std::collections::BTreeMap<_, _>>()
        });
        let roles: Vec<_> = known[0].values().map(String::as_str).collect();
        let is_whole =
            roles.len() == 2 && roles.contains(&"\"owner\"") && roles.contains(&"\"member\"");
        (is_whole && known[0] == known[1]).then_some(())
    });
}

/// Both devices hold the same state, and show the same sides of the one conflict: both values.
fn agree(laptop: &Home, phone: &Home) {
    until("one state hash on both devices", || {
        let [one, two] = [laptop, phone].map(|home| home.status()["state_hash"].clone());
        (one.is_string() && one == two).then_some(())
    });
    let [one, two] = [laptop, phone].map(|home| home.run(&["conflicts", "--json"]).json());
    assert_eq!(one, two);
    let sides = one[0]["sides"].as_array().unwrap().iter();
    let mut values: Vec<_> = sides.map(|side| side["value"].as_str().unwrap()).collect();
    values.sort_unstable();
    assert_eq!(values, ["ours", "theirs"]);
}

#[test]
fn a_device_is_let_in_and_a_conflict_decided_by_the_mouse_and_undone_by_the_keyboard() {
    let [laptop, phone] = [Home::new(), Home::new()];
    laptop.init("home").done();
    let display = Display::new();
    let first = laptop.up();
    let window = Window::open(&laptop, &display);
    window.find("Label", "known on: no other device");
    let _second = phone.up();
    pair(&window, &laptop, &phone);
    laptop.run(&["doc", "set", "notes/a", "\"before\""]).done();
    until("the phone has it", || (phone.get("notes/a") == "before").then_some(()));

    phone.run(&["offline"]).done();
    laptop.run(&["doc", "set", "notes/a", "\"ours\""]).done();
    phone.run(&["doc", "set", "notes/a", "\"theirs\""]).done();
    phone.run(&["online"]).done();
    window.click("Conflicts (1)");
    window.click(&theirs(&laptop).1);
    until("both are told", || ([&laptop, &phone].map(open) == [0, 0]).then_some(()));
    let values = [&laptop, &phone].map(|home| home.get("notes/a"));
    assert_eq!(values, [json!("theirs"), json!("theirs")]);

    window.find("Label", "0 conflicts");
    window.key("u");
    until("it is open again", || ([&laptop, &phone].map(open) == [1, 1]).then_some(()));
    window.find("Label", "1 conflict open");
    agree(&laptop, &phone);

    // The node dies while it is asked to decide: what is known of that is said, and the window
    // stays. When it comes back it says that nothing was decided, and decides.
    let (id, keep) = theirs(&laptop);
    first.freeze();
    window.click(&keep);
    window.find("Label", "working…");
    // That it hangs is said long before the order is given up.
    window.find("Label", "the node does not answer: this is what it said last");
    drop(first);
    // Also where it was not asked any more.
    window.find("Label", "start it");
    window.find("Label", "the node does not run: this is what it said last");
    let _again = laptop.up();
    window.gone("does not run");
    window.find("Label", "1 conflict open");
    assert_eq!([&laptop, &phone].map(open), [1, 1]);
    // It hears of what happens there again.
    laptop.run(&["conflicts", "resolve", &id, "--value", "\"both\""]).done();
    window.find("Label", "0 conflicts");
}

#[test]
fn a_workspace_whose_devices_are_lost_comes_back_by_its_file_and_key_in_a_new_ones_window() {
    // SPEC: ARC-4, CTL-9
    let [laptop, new] = [Home::new(), Home::new()];
    laptop.init("home").done();
    let lost = laptop.up();
    let notes = [("notes/a", "\"kept\""), ("notes/b", "{\"deep\": [1, 2]}")];
    for (path, value) in notes {
        laptop.run(&["doc", "set", path, value]).done();
    }
    let stick = new.file("stick");
    fs::create_dir(&stick).unwrap();
    let at = |name: &str| stick.join(name).to_str().unwrap().to_owned();
    laptop.run(&["export", "--events", &at("home.events")]).done();
    fs::copy(laptop.file("home.recovery"), at("home.recovery")).unwrap();
    let id = laptop.status()["workspace_id"].clone();
    // Nothing is left of it.
    lost.kill();
    fs::remove_dir_all(laptop.path()).unwrap();

    let display = Display::new();
    let _node = new.up();
    let window = Window::open(&new, &display);
    window.click_only("Restore a workspace…");
    window.find("Dialog", "Restore a workspace");
    let typed = [&at("home.events"), &at("home.recovery"), "again", "laptop2"];
    for (field, text) in typed.iter().enumerate() {
        window.type_in_field(field, text);
    }
    window.click_only("Restore a workspace");
    // What that does is said first.
    window.click_only("Restore again");
    window.gone("file of its events");
    window.find("Label", "saved here");
    for (path, value) in notes {
        let expected: Json = serde_json::from_str(value).unwrap();
        until(path, || (new.get(path) == expected).then_some(()));
    }
    let status = new.status();
    assert_eq!((&status["workspace_id"], &status["role"]), (&id, &json!("owner")), "{status}");
    assert_eq!((&status["workspace"], &status["device"]), (&json!("again"), &json!("laptop2")));
    let devices = new.run(&["devices", "--json"]).json();
    let roles: Vec<_> = devices.as_array().unwrap().iter().map(|row| row["role"].clone()).collect();
    assert!(roles.contains(&json!("owner")) && roles.contains(&Json::Null), "{devices}");
    new.run(&["doc", "set", "notes/c", "3"]).done();
    window.click_only("Documents");
    window.type_in("notes/a");
    window.click_only("Read");
    window.find("Label", "kept");
}
