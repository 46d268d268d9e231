//! Members that no card leads to any more are found on the local network.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

use crate::kern::until;
use crate::network::{Computer, Lan, agree};

/// Two members on one network, which then lost each other and came to another network apart.
fn moved_apart(lan: &Lan, [laptop, server]: [&Computer; 2], to: [&str; 2]) {
    for name in ["laptop", "server"] {
        lan.cable(name, "down");
    }
    until("both notice that they are alone", || {
        (laptop.peer("path").is_null() && server.peer("path").is_null()).then_some(())
    });
    for (computer, to) in [laptop, server].into_iter().zip(to) {
        computer.namespace.ip("addr flush dev eth0");
        computer.has(to);
    }
    for name in ["laptop", "server"] {
        lan.cable(name, "up");
    }
}

#[test]
fn two_that_moved_at_once_while_they_were_apart_find_each_other() {
    // SPEC: LINK-5, LINK-6
    let lan = Lan::new();
    let ([laptop, server], _nodes) = lan.members(["10.77.0.1/24", "10.77.0.2/24"]);
    for (note, to) in [
        ("moved", ["10.88.0.8/24", "10.88.0.9/24"]),
        ("six", ["fd88::8/64", "fd88::9/64"]),
        ("back", ["10.77.0.2/24", "10.77.0.1/24"]),
    ] {
        moved_apart(&lan, [&laptop, &server], to);
        agree([&laptop, &server], note);
    }
}

/// Waits until each computer said three times more where it is.
#[track_caller]
fn say_thrice(computers: &[&Computer]) {
    let said = || computers.iter().map(|computer| computer.counted("said"));
    let before: Vec<_> = said().collect();
    until("they say three times where they are", || {
        said().zip(&before).all(|(now, before)| now >= before + 3).then_some(())
    });
}

#[test]
fn who_is_told_not_to_look_says_nothing_and_hears_nothing() {
    // SPEC: LINK-5
    let lan = Lan::new();
    let laptop = lan.computer("laptop", &["10.77.0.1/24"]);
    let server = lan.computer("server", &["10.77.0.2/24"]);
    laptop.home.init("home").done();
    let _nodes = [laptop.up_with(&["--no-mdns"]), server.up()];
    for computer in [&laptop, &server] {
        computer.counts("said", "udp dport 5353");
    }
    laptop.home.pair(&server.home, "server", "member");
    moved_apart(&lan, [&laptop, &server], ["10.88.0.8/24", "10.88.0.9/24"]);
    say_thrice(&[&server]);
    assert_eq!(laptop.counted("said"), 0);
    for computer in [&laptop, &server] {
        assert!(computer.peer("path").is_null(), "they found each other without a word");
    }
}

/// Repeats whatever it hears with its own address written over everybody's, byte by byte, and makes
/// up more, thousands a second.
const SPOOFER: &str = r#"
use Socket qw(:DEFAULT IPPROTO_IP IP_ADD_MEMBERSHIP IP_MULTICAST_IF pack_ip_mreq);
$| = 1;
socket(my $s, PF_INET, SOCK_DGRAM, 0) or die;
setsockopt($s, SOL_SOCKET, SO_REUSEADDR, 1) or die;
bind($s, sockaddr_in(5353, inet_aton("224.0.0.251"))) or die;
my ($group, $own) = map { inet_aton($_) } "224.0.0.251", "10.88.0.66";
setsockopt($s, IPPROTO_IP, IP_ADD_MEMBERSHIP, pack_ip_mreq($group, $own)) or die;
setsockopt($s, IPPROTO_IP, IP_MULTICAST_IF, $own) or die;
my $to = sockaddr_in(5353, $group);
my $made_up = pack("H*", "000084000000000100000000095f6b65726e656c6f73045f756470056c6f63616c"
    . "00001000010000000a00292861743d83480707070707070707509ed47d35f0a620fc5f1fe2689c3e16a68182440a"
    . "580042191d17");
my ($heard, $sent) = (0, 0);
while (1) {
    vec(my $ready = "", fileno($s), 1) = 1;
    while (select(my $now = $ready, undef, undef, 0)) {
        my $from = recv($s, my $packet, 2000, 0) or last;
        next if (sockaddr_in($from))[1] eq $own;
        $heard++;
        for my $honest (inet_aton("10.88.0.8"), inet_aton("10.88.0.9")) {
            (my $changed = $packet) =~ s/\Q$honest\E/$own/g;
            for my $at (0 .. length($changed) - 1) {
                my $other = $changed;
                substr($other, $at, 1) = chr(rand 256);
                send($s, $_, 0, $to) for $changed, $other;
            }
        }
    }
    for (1 .. 100) {
        my $other = $made_up;
        substr($other, 47 + rand 24, 1) = chr(rand 256);
        send($s, $other, 0, $to);
        $sent++;
    }
    print "$heard $sent\n" if $sent % 1000 == 0;
    select(undef, undef, undef, 0.01);
}
"#;

/// Ends with the test.
struct Spoofer(Child);

impl Drop for Spoofer {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[test]
fn who_repeats_and_makes_up_announcements_by_the_thousand_is_never_dialed_and_stops_nobody() {
    // SPEC: LINK-5, LINK-6
    let lan = Lan::new();
    let laptop = lan.computer("laptop", &["10.77.0.1/24"]);
    let server = lan.computer("server", &["10.77.0.2/24"]);
    let stranger = lan.computer("stranger", &["10.88.0.66/24"]);
    laptop.home.init("home").done();
    let _nodes = [laptop.up(), server.up()];
    laptop.home.pair(&server.home, "server", "member");
    for computer in [&laptop, &server] {
        computer.counts("said", "udp dport 5353");
        computer.counts("knocked", "ip daddr 10.88.0.66");
    }
    let mut command = stranger.namespace.command("perl");
    let spoofing = command.args(["-e", SPOOFER]).stdout(Stdio::piped()).spawn().unwrap();
    let mut spoofing = Spoofer(spoofing);
    let mut lines = BufReader::new(spoofing.0.stdout.take().unwrap()).lines();
    let mut told = move || lines.next().unwrap().unwrap();
    told();
    // At first they hear each other, and the stranger, and reach nobody.
    for computer in [&laptop, &server] {
        computer.drops("ip saddr 10.88.0.0/24 udp dport != 5353");
    }
    moved_apart(&lan, [&laptop, &server], ["10.88.0.8/24", "10.88.0.9/24"]);
    say_thrice(&[&laptop, &server]);
    until("the stranger heard them and sent what it made of it", || {
        (!told().starts_with("0 ")).then_some(())
    });
    for computer in [&laptop, &server] {
        computer.drops_nothing();
    }
    agree([&laptop, &server], "found");
    for computer in [&laptop, &server] {
        assert_eq!(computer.counted("knocked"), 0, "nobody knocks at the stranger's");
    }
}
