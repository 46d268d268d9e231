//! A network for tests alone: each computer has a network namespace with one cable to a switch,
//! which is a bridge in a namespace that nothing else is in.
//!
//! This needs `unshare` and `nsenter` of util-linux, `ip` and `tc` of iproute2, `nft` of nftables
//! where packets are to be lost or counted, and root or user namespaces.

use std::net::{IpAddr, SocketAddr};
use std::process::{Child, Command, Stdio};

use crate::kern::{Home, Node, until};

/// A namespace lives as long as this process, which ends when its input does.
pub(crate) struct Namespace {
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

    /// A program in it.
    pub(crate) fn command(&self, program: &str) -> Command {
        let (enter, rest) = self.enter.split_first().unwrap();
        let mut command = Command::new(enter);
        command.args(rest).arg(program);
        command
    }

    /// Runs `ip` in it.
    #[track_caller]
    pub(crate) fn ip(&self, command: &str) {
        let output = self.command("ip").args(command.split(' ')).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "ip {command}: {told}");
    }

    /// Gives these rules to its packet filter, and what that says.
    #[track_caller]
    pub(crate) fn nft(&self, rules: &str) -> String {
        let output = self.command("nft").arg(rules).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "nft {rules}: {told} (Debian: apt-get install nftables)");
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A switch, and how computers are attached to it.
pub(crate) struct Lan {
    switch: Namespace,
    options: &'static [&'static str],
}

/// By what members meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// As nodes do where nobody says anything: they pair by it, too.
    Usual,
    /// Plain QUIC alone, each told the other's address.
    Fixed,
}

/// Where plain QUIC listens.
const PORT: u16 = 7447;

impl Way {
    fn options(self, address: &str) -> Vec<String> {
        let any = if address.contains(':') { "[::]" } else { "0.0.0.0" };
        match self {
            Self::Usual => Vec::new(),
            Self::Fixed => {
                ["--listen", "none", "--quic", &format!("{any}:{PORT}")].map(str::to_owned).into()
            }
        }
    }
}

/// A computer: one network card, `eth0`.
pub(crate) struct Computer {
    pub(crate) namespace: Namespace,
    pub(crate) home: Home,
}

impl Lan {
    pub(crate) fn new() -> Self {
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
    pub(crate) fn computer(&self, name: &str, addresses: &[&str]) -> Computer {
        self.computer_at("switch", name, addresses)
    }

    /// Two members of a workspace that run, at these addresses.
    pub(crate) fn members(&self, [laptop, server]: [&str; 2]) -> ([Computer; 2], [Node; 2]) {
        let both = [self.computer("laptop", &[laptop]), self.computer("server", &[server])];
        both[0].home.init("home").done();
        let nodes = [both[0].up(), both[1].up()];
        both[0].home.pair(&both[1].home, "server", "member");
        (both, nodes)
    }

    /// The same where members meet by this way alone, once they are paired.
    pub(crate) fn members_by(&self, way: Way, at: [&str; 2]) -> ([Computer; 2], [Node; 2]) {
        let (both, nodes) = self.members(at);
        if way == Way::Usual {
            return (both, nodes);
        }
        for node in nodes {
            assert!(node.terminate().success());
        }
        let options = way.options(at[0]);
        let options: Vec<_> = options.iter().map(String::as_str).collect();
        let nodes = both.each_ref().map(|computer| computer.up_with(&options));
        both[0].is_told(at[1]);
        both[1].is_told(at[0]);
        (both, nodes)
    }

    /// Makes the switch a router that hides those at it behind this address, as a home has one. At
    /// the other side of it is a switch `outside`.
    pub(crate) fn hides(&self, inside: &str, outside: &str, ports: &str) {
        for command in [
            "link add outside type bridge",
            "link set outside up",
            &format!("addr add {inside} dev switch"),
            &format!("addr add {outside} dev outside"),
        ] {
            self.switch.ip(command);
        }
        let forward = "echo 1 > /proc/sys/net/ipv4/ip_forward";
        assert!(self.switch.command("sh").args(["-c", forward]).status().unwrap().success());
        self.hides_by(outside, ports);
    }

    /// The same by other ports, and everything that was known is forgotten.
    pub(crate) fn hides_by(&self, outside: &str, ports: &str) {
        let chain = "{ type nat hook postrouting priority 100; }";
        self.switch.nft(&format!(
            "add table ip nat; delete table ip nat; add table ip nat; \
             add chain ip nat out {chain}; \
             add rule ip nat out oifname outside meta l4proto udp masquerade to :{ports}"
        ));
        // What is hidden behind an address is forgotten with it.
        self.switch.ip(&format!("addr del {outside} dev outside"));
        self.switch.ip(&format!("addr add {outside} dev outside"));
    }

    /// Attaches a computer to this switch.
    pub(crate) fn computer_at(&self, switch: &str, name: &str, addresses: &[&str]) -> Computer {
        let by: Vec<_> = self.switch.enter.iter().map(String::as_str).collect();
        let namespace = Namespace::made(&[&by[..], &["unshare", "--net"]].concat(), self.options);
        let namespace = namespace.unwrap();
        let pid = namespace.child.id();
        self.switch.ip(&format!("link add {name} type veth peer name eth0 netns {pid}"));
        self.switch.ip(&format!("link set {name} master {switch}"));
        self.switch.ip(&format!("link set {name} up"));
        let computer = Computer { namespace, home: Home::new() };
        computer.namespace.ip("link set lo up");
        // What the filters see is what a cable carries: packets, not bundles of them.
        computer.namespace.ip("link set eth0 gso_max_segs 1");
        computer.namespace.ip("link set eth0 up");
        for address in addresses {
            computer.has(address);
        }
        computer
    }

    /// Pulls a computer's cable, or puts it in again.
    pub(crate) fn cable(&self, name: &str, state: &str) {
        self.switch.ip(&format!("link set {name} {state}"));
    }
}

impl Computer {
    /// Gets an address, in CIDR notation.
    pub(crate) fn has(&self, address: &str) {
        // An IPv6 address is usable at once only where nobody is asked whether it is taken.
        let extra = if address.contains(':') { " nodad" } else { "" };
        self.namespace.ip(&format!("addr add {address} dev eth0{extra}"));
    }

    /// Loses it.
    pub(crate) fn loses(&self, address: &str) {
        self.namespace.ip(&format!("addr del {address} dev eth0"));
    }

    pub(crate) fn up(&self) -> Node {
        self.up_with(&[])
    }

    /// The same with more options.
    pub(crate) fn up_with(&self, options: &[&str]) -> Node {
        let begin: Vec<_> = self.namespace.enter.iter().map(String::as_str).collect();
        self.home.up_anywhere(&begin, options)
    }

    /// Is told where another one listens by plain QUIC, in CIDR notation.
    #[track_caller]
    pub(crate) fn is_told(&self, address: &str) {
        let ip: IpAddr = address.split('/').next().unwrap().parse().unwrap();
        let at = SocketAddr::new(ip, PORT).to_string();
        self.home.run(&["peer", "add", &at]).done();
    }

    /// Drops what comes in and matches this expression of the packet filter.
    pub(crate) fn drops(&self, what: &str) {
        let chain = "{ type filter hook input priority 0; }";
        self.namespace.nft(&format!(
            "add table inet bad; add chain inet bad in {chain}; add rule inet bad in {what} drop"
        ));
    }

    /// Drops nothing any more.
    pub(crate) fn drops_nothing(&self) {
        self.namespace.nft("delete table inet bad");
    }

    /// Counts under this name what goes out and matches this expression.
    pub(crate) fn counts(&self, name: &str, what: &str) {
        let chain = "{ type filter hook output priority 0; }";
        self.namespace.nft(&format!(
            "add table inet {name}; add chain inet {name} out {chain}; \
             add rule inet {name} out {what} counter"
        ));
    }

    /// How many packets that was.
    pub(crate) fn counted(&self, name: &str) -> u64 {
        let told = self.namespace.nft(&format!("list table inet {name}"));
        let (_, after) = told.split_once("packets ").unwrap();
        after.split(' ').next().unwrap().parse().unwrap()
    }

    /// What it says of its only peer.
    pub(crate) fn peer(&self, fact: &str) -> serde_json::Value {
        self.home.status()["peers"][0][fact].clone()
    }
}

/// Both wrote, and both hold what both wrote.
#[track_caller]
pub(crate) fn agree(computers: [&Computer; 2], note: &str) {
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
