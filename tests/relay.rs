//! Who carries the packets of two devices is their enemy: it drops, doubles, reorders and repeats
//! them, makes some up, and reads them all. They agree, and it learns nothing of what they said.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::faults::Dice;
use crate::quic::{agree, two};

/// What nobody but both should ever find.
const SECRET: &str = "the-plum-is-ripe-at-midnight";

/// Datagrams that are kept to be repeated.
const KEPT: usize = 200;

/// Carries packets between whoever dials it and one device.
struct Relay {
    at: SocketAddr,
    stop: Arc<AtomicBool>,
    carried: Arc<Mutex<Carried>>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Carried {
    bytes: Vec<u8>,
    /// Towards the device, and back.
    packets: [usize; 2],
    misdeeds: usize,
}

/// One direction: where packets come from, and how they go on.
struct Way {
    from: UdpSocket,
    number: usize,
    kept: Vec<Vec<u8>>,
    late: Option<Vec<u8>>,
    dice: Dice,
}

impl Way {
    /// What becomes of one packet: those that go on, in their order.
    fn carry(&mut self, packet: &[u8], carried: &mut Carried) -> Vec<Vec<u8>> {
        carried.bytes.extend(packet);
        carried.packets[self.number] += 1;
        let mut out = vec![packet.to_vec()];
        match self.dice.throw() % 100 {
            0..10 => out.clear(),
            10..20 => out.push(packet.to_vec()),
            20..30 => {
                let late = self.late.replace(packet.to_vec());
                out = late.into_iter().collect();
            }
            30..40 if !self.kept.is_empty() => {
                let at = usize::try_from(self.dice.throw() % self.kept.len() as u64).unwrap();
                out.insert(0, self.kept[at].clone());
            }
            40..45 => {
                let mut forged = packet.to_vec();
                let at = usize::try_from(self.dice.throw() % forged.len() as u64).unwrap();
                forged[at] ^= 4;
                out.push(forged);
            }
            _ => {
                out.extend(self.late.take());
                return out;
            }
        }
        carried.misdeeds += 1;
        if self.kept.len() < KEPT {
            self.kept.push(packet.to_vec());
        }
        out
    }
}

impl Relay {
    fn to(device: SocketAddr) -> Self {
        let bind = || UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let (front, back) = (bind(), bind());
        let at = front.local_addr().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let carried = Arc::new(Mutex::new(Carried::default()));
        let dialer = Arc::new(Mutex::new(None));
        let sockets = [(front.try_clone().unwrap(), back.try_clone().unwrap()), (back, front)];
        let threads = sockets.into_iter().enumerate().map(|(number, (from, to))| {
            from.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
            let (stop, carried) = (Arc::clone(&stop), Arc::clone(&carried));
            let dialer = Arc::clone(&dialer);
            let (kept, late, dice) = (Vec::new(), None, Dice(7 + number as u64));
            let mut way = Way { from, number, kept, late, dice };
            thread::spawn(move || {
                let mut packet = [0; 65_536];
                while !stop.load(Ordering::Relaxed) {
                    let Ok((length, source)) = way.from.recv_from(&mut packet) else { continue };
                    let target = if number == 0 {
                        *dialer.lock().unwrap() = Some(source);
                        Some(device)
                    } else {
                        *dialer.lock().unwrap()
                    };
                    let out = way.carry(&packet[..length], &mut carried.lock().unwrap());
                    for packet in out {
                        target.map(|target| to.send_to(&packet, target));
                    }
                }
            })
        });
        let threads = threads.collect();
        Self { at, stop, carried, threads }
    }

    fn packets(&self) -> [usize; 2] {
        self.carried.lock().unwrap().packets
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().ok();
        }
    }
}

fn holds(bytes: &[u8], what: &[u8]) -> bool {
    bytes.windows(what.len()).any(|window| window == what)
}

#[test]
fn who_carries_their_packets_and_cheats_keeps_nobody_from_agreeing_and_reads_nothing() {
    // SPEC: LINK-3
    let both = two();
    let [laptop, server] = &both;
    let _nodes = both.each_ref().map(|device| device.up());
    let relay = Relay::to(server.at.parse().unwrap());
    laptop.home.run(&["peer", "add", &relay.at.to_string()]).done();
    laptop.home.run(&["doc", "set", "notes/secret", &format!("{SECRET:?}")]).done();
    agree([laptop, server], "carried");
    assert_eq!(server.home.get("notes/secret"), SECRET);
    let before = relay.packets();
    server.home.run(&["doc", "set", "notes/back", &format!("{:?}", SECRET.repeat(200))]).done();
    agree([laptop, server], "again");
    assert_eq!(laptop.home.get("notes/back"), SECRET.repeat(200));
    let after = relay.packets();
    assert!(after[0] > before[0] && after[1] > before[1], "they go by it: {before:?} {after:?}");

    let status = laptop.home.status();
    assert_eq!(status["damage"], serde_json::json!([]));
    let carried = relay.carried.lock().unwrap();
    assert!(carried.misdeeds > 10 && carried.bytes.len() > 10_000, "there was much to read");
    let workspace = status["workspace_id"].as_str().unwrap();
    let raw: Vec<u8> = (0..workspace.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&workspace[at..at + 2], 16).unwrap())
        .collect();
    for (what, secret) in [
        ("what was written", SECRET.as_bytes()),
        ("the workspace", &raw),
        ("its name in digits", workspace.as_bytes()),
        ("a path", b"notes/"),
    ] {
        assert!(!holds(&carried.bytes, secret), "{what} can be read on the way");
    }
}
