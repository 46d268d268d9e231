//! A real window on a display of its own, before real nodes: what a person does with mouse and
//! keys.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::{Value as Json, json};

use crate::kern::{Home, program, until};

/// A display without a screen, which ends with this.
struct Display(Child, String);

impl Display {
    fn new() -> Self {
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

    fn xdotool(&self, args: &[&str]) -> String {
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
struct Window<'a> {
    child: Child,
    describes: PathBuf,
    display: &'a Display,
}

impl<'a> Window<'a> {
    fn open(home: &Home, display: &'a Display) -> Self {
        let gui = program().with_file_name("kern-gui");
        assert!(gui.is_file(), "{} is not built: run tests/run", gui.display());
        let describes = home.file("tree");
        let mut command = home.command(&["ui", "--describe", describes.to_str().unwrap()]);
        command.env("DISPLAY", &display.1).env("LIBGL_ALWAYS_SOFTWARE", "1");
        command.env_remove("WAYLAND_DISPLAY").stderr(Stdio::inherit());
        Self { child: command.spawn().unwrap(), describes, display }
    }

    fn nodes(&self) -> Vec<Json> {
        let text = fs::read_to_string(&self.describes).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Waits for something that is called so, and can be used if it is a button.
    #[track_caller]
    fn find(&self, role: &str, name: &str) -> Json {
        until(&format!("{role} {name:?} in the window"), || {
            self.nodes().into_iter().find(|node| {
                let named = node["name"].as_str().unwrap().contains(name);
                node["role"] == role && named && node["disabled"] == false
            })
        })
    }

    #[track_caller]
    fn click(&self, name: &str) {
        let bounds = self.find("Button", name)["bounds"].clone();
        let at = |a: usize, b: usize| {
            let middle = (bounds[a].as_f64().unwrap() + bounds[b].as_f64().unwrap()) / 2.0;
            format!("{middle:.0}")
        };
        let id = self.id();
        self.display.xdotool(&["mousemove", "--window", &id, &at(0, 2), &at(1, 3), "click", "1"]);
    }

    fn key(&self, key: &str) {
        let id = self.id();
        self.display.xdotool(&["windowfocus", "--sync", &id, "key", key]);
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

#[test]
fn a_conflict_is_decided_by_the_mouse_and_undone_by_the_keyboard() {
    let [laptop, phone] = [Home::new(), Home::new()];
    laptop.init("home").done();
    let display = Display::new();
    let first = laptop.up();
    let window = Window::open(&laptop, &display);
    window.find("Label", "known on: no other device");
    let _second = phone.up();
    laptop.pair(&phone, "phone", "member");
    window.find("Label", "phone");
    laptop.run(&["doc", "set", "notes/a", "\"before\""]).done();
    until("the phone has it", || (phone.get("notes/a") == "before").then_some(()));

    phone.run(&["offline"]).done();
    laptop.run(&["doc", "set", "notes/a", "\"ours\""]).done();
    phone.run(&["doc", "set", "notes/a", "\"theirs\""]).done();
    phone.run(&["online"]).done();
    window.click("Conflicts (1)");
    let conflicts = laptop.run(&["conflicts", "--json"]).json();
    let sides = conflicts[0]["sides"].as_array().unwrap();
    let theirs = sides.iter().find(|side| side["value"] == "theirs").unwrap();
    window.click(&format!("Keep {}: notes/a = \"theirs\"", theirs["side"].as_str().unwrap()));
    until("both are told", || ([&laptop, &phone].map(open) == [0, 0]).then_some(()));
    assert_eq!(
        [&laptop, &phone].map(|home| home.get("notes/a")),
        [json!("theirs"), json!("theirs")]
    );

    window.find("Label", "0 conflicts");
    window.key("u");
    until("it is open again", || ([&laptop, &phone].map(open) == [1, 1]).then_some(()));
    window.find("Label", "1 conflict open");

    // The node goes and comes back; the window stays.
    drop(first);
    window.find("Label", "the node does not run: this is what it said last");
    let _again = laptop.up();
    until("it is reached again", || {
        let is_gone = |node: &Json| node["name"].as_str().unwrap().contains("does not run");
        (!window.nodes().iter().any(is_gone)).then_some(())
    });
    window.find("Label", "1 conflict open");
}
