//! What a screen reader gets of the inspector's window, and what it does there: over AT-SPI, on a
//! session and a display of its own.

use std::collections::VecDeque;
use std::process::{Child, Command, Stdio};

use crate::inspector::{Display, Window};
use crate::kern::{Home, until};
use crate::keyring::Session;

/// Where Debian has the programs of AT-SPI, which are no commands.
const FOLDER: &str = "/usr/libexec";

const ACCESSIBLE: &str = "org.a11y.atspi.Accessible";

/// A screen reader's side of a session, which ends with this.
struct Reader {
    session: Session,
    programs: Vec<Child>,
    /// Of the bus on which windows tell what is in them.
    bus: String,
}

/// Something in a window: who tells of it, and under which name.
#[derive(Clone)]
struct Node(String, String);

impl Reader {
    fn begin() -> Self {
        let session = Session::begin();
        let mut reader = Self { session, programs: Vec::new(), bus: String::new() };
        reader.start("at-spi-bus-launcher", &["--launch-immediately"]);
        let set = |what: &str| {
            let (of, what) = ("string:org.a11y.Status", format!("string:{what}"));
            let set = "org.freedesktop.DBus.Properties.Set";
            let bus = ["--session", "--dest=org.a11y.Bus", "/org/a11y/bus", set];
            reader.send(&[&bus[..], &[of, &what, "variant:boolean:true"]].concat())
        };
        until("AT-SPI is there", || set("IsEnabled").map(drop));
        set("ScreenReaderEnabled").unwrap();
        let asked =
            ["--session", "--dest=org.a11y.Bus", "/org/a11y/bus", "org.a11y.Bus.GetAddress"];
        reader.bus = strings(&reader.send(&asked).unwrap()).remove(0);
        reader.start("at-spi2-registryd", &[]);
        until("windows can be registered", || reader.children(&reader.desktop()).map(drop));
        reader
    }

    fn start(&mut self, program: &str, args: &[&str]) {
        let mut command = Command::new(format!("{FOLDER}/{program}"));
        command.args(args).env("AT_SPI_BUS_ADDRESS", &self.bus);
        if self.bus.is_empty() {
            command.env_remove("AT_SPI_BUS_ADDRESS");
        }
        self.session.within(&mut command);
        // What is set is kept in the desktop's settings, of which there are none here.
        command.env("GSETTINGS_BACKEND", "memory");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let started = command.spawn().expect("at-spi2-core is installed: .ci/run says how");
        self.programs.push(started);
    }

    /// What is answered to a message; none where it is an error.
    fn send(&self, message: &[&str]) -> Option<String> {
        let mut command = Command::new("dbus-send");
        command.arg("--print-reply").args(message);
        self.session.within(&mut command);
        let output = command.output().expect("dbus-bin is installed: .ci/run says how");
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
    }

    /// What a node answers.
    fn ask(&self, node: &Node, method: &str, args: &[&str]) -> Option<String> {
        let [bus, of] = [format!("--bus={}", self.bus), format!("--dest={}", node.0)];
        self.send(&[&[bus.as_str(), &of, &node.1, method], args].concat())
    }

    fn desktop(&self) -> Node {
        Node("org.a11y.atspi.Registry".to_owned(), "/org/a11y/atspi/accessible/root".to_owned())
    }

    fn children(&self, node: &Node) -> Option<Vec<Node>> {
        let told = self.ask(node, &format!("{ACCESSIBLE}.GetChildren"), &[])?;
        let told = strings(&told);
        Some(told.chunks_exact(2).map(|pair| Node(pair[0].clone(), pair[1].clone())).collect())
    }

    fn name(&self, node: &Node) -> String {
        let get = "org.freedesktop.DBus.Properties.Get";
        let of = format!("string:{ACCESSIBLE}");
        let told = self.ask(node, get, &[&of, "string:Name"]).unwrap_or_default();
        strings(&told).pop().unwrap_or_default()
    }

    /// Waits for something in a window that is called so.
    #[track_caller]
    fn find(&self, name: &str) -> Node {
        until(&format!("{name:?} for a screen reader"), || {
            let mut nodes = VecDeque::from([self.desktop()]);
            while let Some(node) = nodes.pop_front() {
                if self.name(&node).starts_with(name) {
                    return Some(node);
                }
                nodes.extend(self.children(&node).unwrap_or_default());
            }
            None
        })
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        for program in &mut self.programs {
            program.kill().ok();
            program.wait().ok();
        }
    }
}

/// The texts in what `dbus-send` prints.
fn strings(printed: &str) -> Vec<String> {
    let lines = printed.lines().filter(|line| !line.starts_with("method return"));
    lines.filter_map(|line| Some(line.split_once('"')?.1.rsplit_once('"')?.0.to_owned())).collect()
}

#[test]
fn a_screen_reader_hears_what_the_window_shows_and_presses_its_buttons() {
    let home = Home::with_workspace();
    let _node = home.up();
    let (display, reader) = (Display::new(), Reader::begin());
    let mut command = home.command(&["ui"]);
    reader.session.within(&mut command);
    let _window = Window::begin(&home, &display, command);
    reader.find("saved here: ");
    reader.find("0 conflicts");
    let conflicts = reader.find("Conflicts");
    let pressed = reader.ask(&conflicts, "org.a11y.atspi.Action.DoAction", &["int32:0"]);
    assert!(pressed.is_some_and(|told| told.contains("boolean true")));
    reader.find("What devices write at one place while apart comes here");
}
