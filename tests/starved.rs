//! A node that gets no memory any more, and one that strangers would have fill its disk with words.

use std::fs;
use std::io::Write as _;
use std::net::UdpSocket;
use std::os::unix::net::UnixStream;
use std::path::Path;

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::json;

use crate::disks::{holds_without_fork, set};
use crate::kern::Home;
use crate::quic::free;

/// What a process may write of its memory now, in bytes.
fn memory(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmData:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

#[test]
fn a_node_that_gets_no_memory_any_more_loses_nothing_acknowledged() {
    // SPEC: DUR-1
    let home = Home::with_workspace();
    let mut events = Vec::new();
    for round in 0..3 {
        let mut node = home.up();
        events.push(set(&home, "notes/a", &round.to_string()));
        let pid = Pid::from_raw(node.pid().cast_signed()).unwrap();
        let most = Some(memory(node.pid()) + (round << 20));
        let limit = Rlimit { current: most, maximum: most };
        prlimit(Some(pid), Resource::Data, limit).unwrap();
        let large = json!("x".repeat(9_000)).to_string();
        let mut refused = 0;
        for write in 0..500 {
            let path = format!("notes/{round}-{write}");
            let ran = home.run(&["doc", "set", &path, &large, "--json"]);
            if ran.code == 0 {
                events.push(ran.json()["event"].clone());
            } else {
                assert!(ran.stderr.contains("hint"), "{}", ran.stderr);
                refused += 1;
            }
            if node.ended().is_some() || refused == 5 {
                break;
            }
        }
        assert!(refused > 0, "its memory was enough: nothing is shown");
        node.kill();
        let node = home.up();
        holds_without_fork(&home, &events);
        assert_eq!(home.status()["damage"], json!([]));
        events.push(set(&home, "notes/after", "1"));
        assert!(node.terminate().success());
    }
}

/// Bytes of all files below a folder.
fn size(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .map(
            |path| {
                if path.is_dir() { size(&path) } else { fs::metadata(&path).map_or(0, |f| f.len()) }
            },
        )
        .sum()
}

#[test]
fn strangers_write_nothing_to_its_disk_and_nothing_to_its_log() {
    let home = Home::with_workspace();
    let told = home.file("told");
    let addresses = [free(), free()];
    let [by_iroh, plain] = addresses;
    let start =
        format!("exec \"$1\" up --json --listen {by_iroh} --quic {plain} 2>{}", told.display());
    let node = home.up_by(&["sh", "-c", &start, "sh"], &[]);
    set(&home, "notes/a", "1");
    let (before, said) = (size(&home.path()), fs::metadata(&told).unwrap().len());
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for number in 0..20_000_u32 {
        // What looks like the first packet of a connection (RFC 9000 section 17.2.2), and noise.
        let mut packet = vec![0xc3, 0, 0, 0, 1, 8];
        packet.extend(u64::from(number).to_be_bytes());
        packet.extend([0, 0, 0x44, 0x9e]);
        packet.resize(1_200, number.to_le_bytes()[0]);
        if number % 3 == 0 {
            packet[0] = number.to_le_bytes()[0];
        }
        for at in &addresses {
            socket.send_to(&packet, at).ok();
        }
    }
    for number in 0..500_u32 {
        let mut door = UnixStream::connect(home.path().join("kern.sock")).unwrap();
        let noise = format!("GET /{number} HTTP/9.9\r\n{}\r\n\r\n", "\u{1b}[2J".repeat(200));
        door.write_all(noise.as_bytes()).ok();
    }
    set(&home, "notes/b", "2");
    let grown = size(&home.path()) - before;
    assert!(grown < 64 * 1024, "{grown} bytes came to its home");
    let said = fs::metadata(&told).unwrap().len() - said;
    assert!(said < 4 * 1024, "{said} bytes came to its log: {:?}", fs::read_to_string(&told));
    assert!(home.notices().len() < 50);
    assert!(node.terminate().success());
}
