//! Archives: every byte of a file is hostile until it was read, and what was read is judged.

use kernelos_protocol::archive::{ArchiveFault, Header, Item, MAGIC, Reader, Slice, Writer};
use kernelos_protocol::event::{Run, Verified};
use kernelos_protocol::id::WorkspaceId;
use kernelos_protocol::limits::{ARCHIVE_SLICE_BYTES, EVENT_BYTES_MAX, LOAD_SLICE_EVENTS};
use kernelos_protocol::role::Role;
use kernelos_protocol::workspace::Workspace;

use crate::kit::{Peer, recovery};

/// Some history of three devices, one of them removed.
fn history() -> (WorkspaceId, Vec<Verified>) {
    let (mut peer, mut events) = Peer::founder();
    events.extend(peer.grant(2, Role::Member));
    events.extend(peer.set("notes/a", "one"));
    events.extend(peer.revoke(2));
    events.extend(peer.set("notes/a", "two"));
    (peer.workspace.id(), events)
}

fn archive(workspace: WorkspaceId, events: &[Verified]) -> Vec<u8> {
    let header = Header { workspace, count: events.len() as u64 };
    let (mut writer, mut bytes) = Writer::begin(header);
    bytes.extend(events.iter().flat_map(|event| writer.event(event).unwrap()));
    bytes.extend(writer.finish());
    bytes
}

/// Reads pieces of this size; the events before a fault, and the fault.
fn read(bytes: &[u8], piece: usize) -> (Vec<Verified>, Result<(), ArchiveFault>) {
    let (mut reader, mut events) = (Reader::default(), Vec::new());
    for piece in bytes.chunks(piece) {
        reader.push(piece);
        loop {
            match reader.next_item() {
                Ok(None) => break,
                Ok(Some(Item::Run(run))) => events.extend(run.into_events()),
                Ok(Some(_)) => {}
                Err(fault) => return (events, Err(fault)),
            }
        }
    }
    (events, reader.finish())
}

#[test]
fn what_was_written_is_read_in_whatever_pieces_it_comes() {
    // SPEC: ARC-1
    let (workspace, events) = history();
    let bytes = archive(workspace, &events);
    assert!(bytes.starts_with(b"KernelOS events\n\0\0\0\x01"));
    assert_eq!(bytes[20..52], workspace.0);
    for piece in [1, 7, 4_096, bytes.len()] {
        assert_eq!(read(&bytes, piece), (events.clone(), Ok(())), "in pieces of {piece}");
    }
}

#[test]
fn a_file_that_is_cut_anywhere_gives_what_is_whole_and_says_so() {
    // SPEC: ARC-2
    let (workspace, events) = history();
    let bytes = archive(workspace, &events);
    for length in (0..80).chain((80..bytes.len()).step_by(11)) {
        let (read, end) = read(&bytes[..length], 512);
        assert_eq!(end, Err(ArchiveFault::Truncated), "{length} bytes");
        assert!(events.starts_with(&read));
    }
    assert_eq!(read(b"Kernel panic", 512).1, Err(ArchiveFault::NotAnArchive));
}

#[test]
fn no_byte_of_a_file_can_be_another() {
    // SPEC: ARC-2
    let (workspace, events) = history();
    let bytes = archive(workspace, &events);
    for at in (0..80).chain((80..bytes.len()).step_by(11)).chain([bytes.len() - 1]) {
        let mut other = bytes.clone();
        other[at] ^= 1;
        let (read, end) = read(&other, 4_096);
        assert!(end.is_err(), "byte {at}");
        assert!(events.starts_with(&read), "byte {at} made an event");
    }
}

#[test]
fn every_fault_of_a_file_has_its_code() {
    // SPEC: ARC-1, ARC-2
    let (workspace, events) = history();
    let good = archive(workspace, &events);
    let mut stranger = Peer::new(5, WorkspaceId::UNBORN);
    let public = recovery().public();
    let (_, other) = stranger.write(|_, pen| Workspace::found(pen, public)).unwrap();
    let with = |at: usize, bytes: &[u8]| {
        let mut changed = good.clone();
        changed[at..at + bytes.len()].copy_from_slice(bytes);
        changed
    };
    let first = &events[0];
    let envelope = first.encode();
    assert_eq!(envelope[1], 0x58, "a header of less than 256 bytes");
    let signature = 64 + 3 + usize::from(envelope[2]) + 2;
    let most = u32::try_from(EVENT_BYTES_MAX).unwrap();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("not_an_archive", b"PK\x03\x04 some other file of any length".to_vec()),
        ("not_an_archive", with(15, b"\r")),
        ("not_an_archive", with(16, &[0; 4])),
        ("archive_version", with(16, &2_u32.to_be_bytes())),
        ("archive_version", [&MAGIC[..], &9_u32.to_be_bytes(), b"anything"].concat()),
        ("archive_genesis", with(52, &[0; 8])),
        ("archive_genesis", with(20, &[7; 32])),
        ("archive_genesis", archive(workspace, &events[1..])),
        ("archive_length", with(60, &[0; 4])),
        ("archive_length", with(60, &(most + 1).to_be_bytes())),
        // Ten gibibytes and more are refused before a byte of them is waited for.
        ("archive_length", with(60, &u32::MAX.to_be_bytes())[..64].to_vec()),
        ("decode", with(64, &[0xff])),
        ("bad_signature", with(signature, &[!good[signature]])),
        ("wrong_workspace", archive(workspace, &[first.clone(), other[1].clone()])),
        ("archive_truncated", with(52, &u64::MAX.to_be_bytes())[..good.len() - 32].to_vec()),
        ("archive_hash", with(good.len() - 1, &[!good[good.len() - 1]])),
        ("archive_trailing", [&good[..], b"\n"].concat()),
        ("archive_trailing", [&good[..], &good[..]].concat()),
    ];
    for (number, (code, bytes)) in cases.into_iter().enumerate() {
        let fault = read(&bytes, 64).1.expect_err("a file that is wrong");
        let newer = code == "archive_version";
        assert_eq!((fault.code(), fault.is_newer()), (code, newer), "case {number}: {fault}");
    }
}

#[test]
fn what_is_handed_over_at_once_is_bounded_and_nothing_is_lost_or_reordered() {
    // SPEC: ARC-3
    let mut peer = Peer::founder().0;
    let mut state = 1_u32;
    let letter = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(b'a' + (state >> 24) as u8 % 26)
    };
    let text: String = (0..9_000).map(letter).collect();
    let [large, small] = [text.as_str(), "short"].map(|text| peer.set("notes/a", text).remove(0));
    // Where they come from says nothing here: first all of one kind, then all of the other.
    let events = [vec![small; LOAD_SLICE_EVENTS + 30], vec![large; 400]].concat();
    let (mut slice, mut handed) = (Slice::default(), Vec::new());
    for event in &events {
        handed.push(slice.add(Run::of(event.clone()).unwrap()));
    }
    handed.push(slice.take());
    assert!(slice.take().is_empty());
    handed.retain(|runs| !runs.is_empty());
    assert!(handed.len() > 2, "{} requests", handed.len());
    for runs in &handed {
        let events: Vec<_> = runs.iter().flat_map(Run::events).collect();
        let bytes: usize = events.iter().map(|event| event.encode().len()).sum();
        assert!(events.len() <= LOAD_SLICE_EVENTS, "{} events", events.len());
        assert!(bytes <= ARCHIVE_SLICE_BYTES, "{bytes} bytes");
    }
    let all: Vec<_> = handed.into_iter().flatten().flat_map(Run::into_events).collect();
    assert_eq!(all, events);
}
