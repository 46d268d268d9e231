//! Notices: what others did that is no event, in the log and on the disk.

use std::collections::BTreeMap;

use kernelos_protocol::command::{Command, LogRow, Reply};
use kernelos_protocol::id::DeviceId;
use kernelos_protocol::limits::{LOAD_SLICE_EVENTS, NOTICE_BYTES_MAX, NOTICES_MAX};
use kernelos_protocol::notice::{NoticeKind, Notices};
use kernelos_protocol::present::{log_row, to_text};
use kernelos_protocol::role::Role;
use kernelos_protocol::time::Stamp;

use super::mesh::{Mesh, id};

fn log(mesh: &mut Mesh, number: u8, limit: usize) -> Vec<LogRow> {
    let mut rows = Vec::new();
    let mut from = Some(0);
    while let Some(at) = from {
        let Reply::Log(page) = mesh.ask(number, Command::Log { from: at, limit }) else { panic!() };
        rows.extend(page.rows);
        from = page.next;
    }
    rows
}

/// Device 2 sends device 1 bytes that are no message.
fn misbehave(mesh: &mut Mesh) {
    let link = mesh.connect(1, 2);
    mesh.device(2).wire.push_back((link, vec![0xff; 40]));
    mesh.settle();
    assert_eq!(mesh.device(1).disconnected[&link], "frame_decode");
}

#[test]
fn who_misbehaves_stands_in_the_log_with_the_reason_also_after_a_restart() {
    // SPEC: DUR-4
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let before = log(&mut mesh, 1, LOAD_SLICE_EVENTS);
    misbehave(&mut mesh);
    mesh.set(1, "notes/a", "one");
    let rows = log(&mut mesh, 1, LOAD_SLICE_EVENTS);
    let row = &rows[before.len()];
    assert_eq!((row.kind.as_str(), row.author), ("notice", id(2)));
    assert_eq!((row.reason.as_deref(), row.times), (Some("frame_decode"), Some(1)));
    assert_eq!((row.id, row.seq, row.lane, row.verdict), (None, None, None, None));
    assert!(rows[before.len() + 1..].iter().all(|row| row.id.is_some()), "it stands in its place");
    assert!(to_text(&log_row(row, &BTreeMap::new())).contains("notice (frame_decode)"));
    for limit in 1..rows.len() {
        assert_eq!(log(&mut mesh, 1, limit), rows, "in pages of {limit}");
    }
    mesh.restart(1);
    assert_eq!(log(&mut mesh, 1, LOAD_SLICE_EVENTS), rows);
    let Reply::Status(status) = mesh.ask(1, Command::Status) else { panic!() };
    assert_eq!(status.notices, [(id(2), "frame_decode".to_owned())]);
    let notices = |rows: &[LogRow]| rows.iter().filter(|row| row.id.is_none()).count();
    assert_eq!(notices(&log(&mut mesh, 2, LOAD_SLICE_EVENTS)), 0, "it goes nowhere");

    for _ in 0..3 {
        misbehave(&mut mesh);
    }
    let rows = log(&mut mesh, 1, LOAD_SLICE_EVENTS);
    assert_eq!(notices(&rows), 1);
    assert!(to_text(&log_row(rows.last().unwrap(), &BTreeMap::new())).contains("4 times"));
}

#[test]
fn what_the_node_saw_is_noted_if_it_is_short() {
    // SPEC: DUR-4
    let mut mesh = Mesh::of(&[]);
    let notice = |reason: &str| Command::Notice {
        kind: NoticeKind::Pairing,
        device: id(5),
        reason: reason.to_owned(),
    };
    assert_eq!(mesh.ask(1, notice("pairing_granted")), Reply::Noted);
    let long = "x".repeat(NOTICE_BYTES_MAX + 1);
    assert!(matches!(mesh.ask(1, notice(&long)), Reply::Failed(_)));
    let rows = log(&mut mesh, 1, LOAD_SLICE_EVENTS);
    let last = rows.last().unwrap();
    assert_eq!((last.author, last.reason.as_deref()), (id(5), Some("pairing_granted")));
    let Reply::Status(status) = mesh.ask(1, Command::Status) else { panic!() };
    assert!(status.notices.is_empty(), "no peer broke a rule");
}

#[test]
fn repeating_pushes_nobody_out_and_does_not_wear_out_a_disk() {
    // SPEC: DUR-4
    let mut notices = Notices::default();
    let device = |number: usize| DeviceId([u8::try_from(number % 251).unwrap(); 32]);
    let at = (Stamp(1), 3);
    assert!(notices.note(NoticeKind::Pairing, device(1), "pairing_granted", at).is_some());
    let kept = (0..1_000).filter_map(|_| notices.note(NoticeKind::Peer, device(1), "hello", at));
    assert_eq!(kept.count(), 10, "a repetition is kept at 1, 2, 4, … times");
    assert_eq!(notices.of(NoticeKind::Peer)[0].times, 1_000);
    for number in 0..2 * NOTICES_MAX {
        let kept = notices.note(NoticeKind::Peer, device(2), &format!("code_{number}"), at);
        assert!(kept.is_some_and(|notice| notice.slot < NOTICES_MAX as u64));
    }
    let peers = notices.of(NoticeKind::Peer);
    assert_eq!(peers.len(), NOTICES_MAX);
    assert_eq!(peers[0].reason, format!("code_{NOTICES_MAX}"), "the oldest go");
    let pairing = notices.of(NoticeKind::Pairing);
    assert_eq!((pairing.len(), pairing[0].slot), (1, NOTICES_MAX as u64));
}
