//! Computers on a network of their own: each node has a network namespace with one cable to a
//! switch, which is a bridge in a namespace that nothing else is in.
//!
//! This needs `unshare` and `nsenter` of util-linux, `ip` of iproute2, and root or user namespaces.

use std::process::{Child, Command, Stdio};

use crate::kern::{Home, Node, until};

/// A namespace lives as long as this process, which ends when its input does.
struct Namespace {
    child: Child,
    /// The command that runs others in it.
    enter: Vec<String>,
}

/// How a network namespace is made and entered: by root, and by others in a user namespace of their
/// own, which holds all those that are made within.
const WAYS: [(&[&str], &[&str]); 2] = [
    (&["unshare", "--net"], &["--net"]),
    (&["unshare", "--map-root-user", "--net"], &["--user", "--preserve-credentials", "--net"]),
];

/// Says when the namespace is there, then waits.
const HOLD: &str = "echo there; exec cat";

impl Namespace {
    /// Makes one by this command, to be entered with these options of `nsenter`.
    fn made(by: &[&str], options: &[&str]) -> Result<Self, String> {
        let mut command = Command::new(by[0]);
        command.args(&by[1..]).args(["sh", "-c", HOLD]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("{}: {error}", by[0]))?;
        let mut there = [0; 6];
        let stdout = child.stdout.as_mut().unwrap();
        if std::io::Read::read_exact(stdout, &mut there).is_err() {
            let output = child.wait_with_output().unwrap();
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        let target = child.id().to_string();
        let enter = ["nsenter", "--target", &target].into_iter().chain(options.iter().copied());
        let enter = enter.map(str::to_owned).collect();
        Ok(Self { child, enter })
    }

    /// Runs `ip` in it.
    #[track_caller]
    fn ip(&self, command: &str) {
        let (program, rest) = self.enter.split_first().unwrap();
        let mut ip = Command::new(program);
        let output = ip.args(rest).arg("ip").args(command.split(' ')).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "ip {command}: {told}");
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A switch, and how computers are attached to it.
struct Lan {
    switch: Namespace,
    options: &'static [&'static str],
}

/// A computer: one network card, `eth0`.
struct Computer {
    namespace: Namespace,
    home: Home,
}

impl Lan {
    fn new() -> Self {
        let mut told = String::new();
        for (by, options) in WAYS {
            match Namespace::made(by, options) {
                Ok(switch) => {
                    switch.ip("link add switch type bridge");
                    switch.ip("link set switch up");
                    return Self { switch, options };
                }
                Err(error) => told += &error,
            }
        }
        panic!(
            "this test needs network namespaces: run it as root (CAP_SYS_ADMIN) or allow \
             unprivileged user namespaces, with `unshare`, `nsenter` and `ip` (Debian: apt-get \
             install util-linux iproute2)\n{told}"
        )
    }

    /// Attaches a computer that has these addresses, in CIDR notation.
    fn computer(&self, name: &str, addresses: &[&str]) -> Computer {
        let by: Vec<_> = self.switch.enter.iter().map(String::as_str).collect();
        let namespace = Namespace::made(&[&by[..], &["unshare", "--net"]].concat(), self.options);
        let namespace = namespace.unwrap();
        let pid = namespace.child.id();
        self.switch.ip(&format!("link add {name} type veth peer name eth0 netns {pid}"));
        self.switch.ip(&format!("link set {name} master switch"));
        self.switch.ip(&format!("link set {name} up"));
        let computer = Computer { namespace, home: Home::new() };
        computer.namespace.ip("link set lo up");
        computer.namespace.ip("link set eth0 up");
        for address in addresses {
            computer.has(address);
        }
        computer
    }

    /// Pulls a computer's cable, or puts it in again.
    fn cable(&self, name: &str, state: &str) {
        self.switch.ip(&format!("link set {name} {state}"));
    }
}

impl Computer {
    /// Gets an address, in CIDR notation.
    fn has(&self, address: &str) {
        // An IPv6 address is usable at once only where nobody is asked whether it is taken.
        let extra = if address.contains(':') { " nodad" } else { "" };
        self.namespace.ip(&format!("addr add {address} dev eth0{extra}"));
    }

    /// Loses it.
    fn loses(&self, address: &str) {
        self.namespace.ip(&format!("addr del {address} dev eth0"));
    }

    fn up(&self) -> Node {
        let begin: Vec<_> = self.namespace.enter.iter().map(String::as_str).collect();
        self.home.up_anywhere(&begin)
    }

    /// What it says of its only peer.
    fn peer(&self, fact: &str) -> serde_json::Value {
        self.home.status()["peers"][0][fact].clone()
    }
}

/// Both wrote, and both hold what both wrote.
#[track_caller]
fn agree(computers: [&Computer; 2], note: &str) {
    for (at, computer) in computers.iter().enumerate() {
        computer.home.run(&["doc", "set", &format!("notes/{note}{at}"), "1"]).done();
    }
    until(&format!("the same on both after {note}"), || {
        let [a, b] = computers.map(|computer| computer.home.status());
        (a["state_hash"] == b["state_hash"] && a["events"] == b["events"]).then_some(())
    });
    for computer in computers {
        for at in 0..2 {
            assert_eq!(computer.home.get(&format!("notes/{note}{at}")), 1, "{note}{at}");
        }
    }
}

#[test]
fn two_computers_on_one_network_pair_and_find_each_other_after_whatever_happens_to_it() {
    // SPEC: LINK-1
    let lan = Lan::new();
    let laptop = lan.computer("laptop", &["10.77.0.1/24"]);
    let server = lan.computer("server", &["10.77.0.2/24"]);
    laptop.home.init("home").done();
    let _nodes = [laptop.up(), server.up()];
    laptop.home.pair(&server.home, "server", "member");
    agree([&laptop, &server], "paired");
    assert_eq!(laptop.peer("path"), "lan");

    lan.cable("server", "down");
    until("the laptop notices that the cable is out", || {
        laptop.peer("path").is_null().then_some(())
    });
    for (computer, note) in [(&laptop, "alone"), (&server, "apart")] {
        computer.home.run(&["doc", "set", &format!("notes/{note}"), "2"]).done();
    }
    lan.cable("server", "up");
    agree([&laptop, &server], "cable");

    server.loses("10.77.0.2/24");
    server.has("10.77.0.9/24");
    agree([&laptop, &server], "moved");

    laptop.loses("10.77.0.1/24");
    laptop.has("10.77.0.8/24");
    agree([&laptop, &server], "moved_too");
}

#[test]
fn two_computers_with_ipv6_alone_pair_and_agree() {
    // SPEC: LINK-1
    let lan = Lan::new();
    let laptop = lan.computer("laptop", &["fd77::1/64"]);
    let server = lan.computer("server", &["fd77::2/64"]);
    laptop.home.init("home").done();
    let _nodes = [laptop.up(), server.up()];
    laptop.home.pair(&server.home, "server", "member");
    agree([&laptop, &server], "paired");
}

#[test]
fn what_reaches_the_other_in_one_direction_only_is_noticed_and_made_up_for() {
    // SPEC: LINK-1, LINK-4
    let lan = Lan::new();
    let laptop = lan.computer("laptop", &["10.77.0.1/24"]);
    let server = lan.computer("server", &["10.77.0.2/24"]);
    laptop.home.init("home").done();
    let _nodes = [laptop.up(), server.up()];
    laptop.home.pair(&server.home, "server", "member");
    for (computer, other) in [(&server, "10.77.0.1"), (&laptop, "10.77.0.2")] {
        computer.namespace.ip(&format!("route add blackhole {other}/32"));
        until("both notice that one of them is not heard", || {
            (laptop.peer("path").is_null() && server.peer("path").is_null()).then_some(())
        });
        for at in [&laptop, &server] {
            at.home.run(&["doc", "set", "notes/apart", &format!("\"{other}\"")]).done();
        }
        computer.namespace.ip(&format!("route del blackhole {other}/32"));
        agree([&laptop, &server], &format!("unheard{}", other.replace('.', "")));
    }
}

#[test]
fn a_computer_that_slept_goes_on_where_the_others_are() {
    // SPEC: LINK-1
    let lan = Lan::new();
    let laptop = lan.computer("laptop", &["10.77.0.1/24"]);
    let server = lan.computer("server", &["10.77.0.2/24"]);
    laptop.home.init("home").done();
    let nodes = [laptop.up(), server.up()];
    laptop.home.pair(&server.home, "server", "member");
    let pid = rustix::process::Pid::from_raw(nodes[0].pid().cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    until("the server notices", || server.peer("path").is_null().then_some(()));
    server.home.run(&["doc", "set", "notes/meanwhile", "1"]).done();
    rustix::process::kill_process(pid, rustix::process::Signal::CONT).unwrap();
    agree([&laptop, &server], "awake");
    assert_eq!(laptop.home.get("notes/meanwhile"), 1);
}
