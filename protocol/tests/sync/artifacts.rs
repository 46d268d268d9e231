//! Artifacts between devices: they arrive whole, from whoever has them, and nobody's lie does.

use kernelos_protocol::artifact::{Chunk, Manifest};
use kernelos_protocol::command::{Command, FailureKind, Reply, RequestId};
use kernelos_protocol::id::{ChunkHash, EventId, WorkspaceId};
use kernelos_protocol::limits::{CHUNK_WANTS_MAX, KEEP_BYTES_MAX, STALL_MS};
use kernelos_protocol::replica::Input;
use kernelos_protocol::role::Role;
use kernelos_protocol::sync::{LinkId, Message, SyncFault};

use super::mesh::{Mesh, id};
use crate::artifact::sealed;

pub(super) const LARGE: usize = 3 * 1024 * 1024 / 2;

/// Keeps an artifact on a device; none where it died or refused on the way.
fn try_put(mesh: &mut Mesh, number: u8, manifest: &Manifest, chunks: &[Chunk]) -> Option<EventId> {
    let kept = try_ask(mesh, number, Command::KeepChunks { chunks: chunks.to_vec() })?;
    assert_eq!(kept, Reply::Kept);
    match try_ask(mesh, number, Command::WriteArtifact { manifest: manifest.clone() })? {
        Reply::ArtifactWritten { event } => Some(event),
        other => panic!("{other:?}"),
    }
}

fn try_ask(mesh: &mut Mesh, number: u8, command: Command) -> Option<Reply> {
    let now = mesh.now;
    mesh.device(number).replica.handle(now, Input::Command(RequestId(8), command));
    mesh.settle();
    mesh.device(number).replies.remove(&8)
}

/// Keeps an artifact of so many bytes; gives its event and its bytes.
pub(super) fn put(mesh: &mut Mesh, number: u8, len: usize, key: u8) -> (EventId, Vec<u8>) {
    let (bytes, manifest, chunks) = sealed(len, key);
    (try_put(mesh, number, &manifest, &chunks).unwrap(), bytes)
}

/// The bytes of an artifact; `Failed` where it is wrong for good.
pub(super) fn get(mesh: &mut Mesh, number: u8, artifact: EventId) -> Result<Vec<u8>, FailureKind> {
    let (mut bytes, mut part) = (Vec::new(), 0);
    loop {
        match mesh.ask(number, Command::ReadArtifact { artifact, part }) {
            Reply::ArtifactPart(read) => {
                bytes.extend(read.bytes);
                part += 1;
                if part >= read.parts {
                    assert_eq!(read.size, bytes.len());
                    return Ok(bytes);
                }
            }
            Reply::Failed(failure) => {
                assert_eq!(failure.kind, FailureKind::Busy, "it may come: {failure}");
                return Err(failure.kind);
            }
            Reply::ArtifactWrong(failure) => return Err(failure.kind),
            other => panic!("{other:?}"),
        }
    }
}

fn has(mesh: &mut Mesh, number: u8, artifact: &EventId) -> bool {
    mesh.device(number).replica.artifacts().is_complete(artifact)
}

/// Connects without delivering anything yet.
fn connect_silently(mesh: &mut Mesh, a: u8, b: u8) -> LinkId {
    let link = LinkId(mesh.links.len() as u64 + 1);
    mesh.links.insert(link, (a, b));
    let now = mesh.now;
    for (own, other, dialed) in [(a, b, true), (b, a, false)] {
        let up = Input::PeerUp { link, device: id(other), dialed, workspace: [0; 32] };
        mesh.device(own).replica.handle(now, up);
    }
    link
}

/// Delivers one frame after the other until `until` says so or nothing is left.
fn deliver_until(mesh: &mut Mesh, mut until: impl FnMut(&Message) -> bool) {
    loop {
        let now = mesh.now;
        mesh.devices.values_mut().for_each(|device| device.run(now));
        let next = mesh.devices.iter_mut().find_map(|(number, device)| {
            device.wire.pop_front().map(|(link, frame)| (*number, link, frame))
        });
        let Some((from, link, frame)) = next else { return };
        mesh.deliver(from, link, &frame);
        if mesh.device(from).read(&frame).is_ok_and(|message| until(&message)) {
            return;
        }
    }
}

#[test]
fn an_artifact_written_on_one_device_arrives_on_all_that_work_with_them() {
    // SPEC: ART-4, SYNC-8, EFF-6
    let roles = [(2, Role::Runner), (3, Role::Member), (4, Role::Observer), (5, Role::Store)];
    let mut mesh = Mesh::of(&roles);
    for (number, _) in roles {
        mesh.connect(1, number);
    }
    mesh.connect(2, 3);
    let (artifact, bytes) = put(&mut mesh, 2, LARGE, 1);
    for number in [1, 2, 3] {
        assert_eq!(get(&mut mesh, number, artifact).as_ref(), Ok(&bytes), "device {number}");
        let complete: Vec<_> = mesh.device(number).replica.artifacts().complete().collect();
        assert_eq!(complete, [artifact]);
    }
    for number in [4, 5] {
        assert_eq!(get(&mut mesh, number, artifact), Err(FailureKind::Busy));
        assert_eq!(mesh.device(number).disk.chunks(), 0, "device {number} keeps none");
    }
    let kind = mesh.device(3).replica.workspace().kind(&artifact);
    assert_eq!(kind.as_deref(), Some("artifact"));
    (0..8).for_each(|_| mesh.wait(60_000));
    let frames = mesh.frames;
    mesh.wait(60_000);
    assert_eq!(mesh.frames, frames, "a mesh that has everything is quiet");
    mesh.restart(3);
    assert_eq!(get(&mut mesh, 3, artifact), Ok(bytes), "its disk has it");
}

#[test]
fn an_artifact_passes_through_a_device_that_had_to_fetch_it_itself() {
    // SPEC: ART-6
    let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Member)]);
    mesh.connect(1, 2);
    mesh.connect(2, 3);
    let (artifact, bytes) = put(&mut mesh, 1, LARGE, 1);
    assert_eq!(get(&mut mesh, 3, artifact), Ok(bytes));
    let (empty, bytes) = put(&mut mesh, 3, 0, 2);
    assert_eq!(get(&mut mesh, 1, empty), Ok(bytes), "an empty one has no chunks");
}

#[test]
fn where_its_writer_vanishes_half_way_another_device_gives_the_rest() {
    // SPEC: ART-6
    let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Member)]);
    mesh.connect(1, 2);
    let (artifact, bytes) = put(&mut mesh, 1, LARGE, 1);
    let writer = connect_silently(&mut mesh, 1, 3);
    let mut chunks = 0;
    deliver_until(&mut mesh, |message| {
        chunks += usize::from(matches!(message, Message::Chunks { .. }));
        chunks == 4
    });
    let half = mesh.device(3).disk.chunks();
    assert!((1..9).contains(&half), "{half} of 9 chunks are durable");
    assert!(!has(&mut mesh, 3, &artifact));
    mesh.cut(writer);
    assert!(!has(&mut mesh, 3, &artifact), "nobody else is here");
    mesh.connect(2, 3);
    assert_eq!(get(&mut mesh, 3, artifact), Ok(bytes));
}

#[test]
fn a_peer_that_is_asked_and_silent_is_not_waited_for() {
    // SPEC: ART-6
    let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Member)]);
    mesh.connect(1, 2);
    let (artifact, bytes) = put(&mut mesh, 1, LARGE, 1);
    let silent = connect_silently(&mut mesh, 1, 3);
    deliver_until(&mut mesh, |message| matches!(message, Message::WantChunks(_)));
    let now = mesh.now;
    mesh.device(1).run(now);
    let late: Vec<_> = std::mem::take(&mut mesh.device(1).wire).into();
    mesh.connect(2, 3);
    mesh.wait(STALL_MS);
    assert_eq!(get(&mut mesh, 3, artifact), Ok(bytes), "device 2 was asked in its place");
    assert!(!late.is_empty());
    for (link, frame) in late {
        mesh.deliver(1, link, &frame);
    }
    mesh.settle();
    assert!(!mesh.device(3).disconnected.contains_key(&silent), "what comes late is welcome");
    let deadline = mesh.device(3).replica.next_deadline();
    assert!(deadline.is_none_or(|(_, what)| what != "silent peer"), "{deadline:?}");
}

#[test]
fn a_peer_that_sends_junk_is_cut_off_and_the_chunk_is_fetched_elsewhere() {
    // SPEC: ART-6, SYNC-8
    let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Member)]);
    mesh.connect(1, 2);
    let (artifact, bytes) = put(&mut mesh, 1, LARGE, 1);
    let liar = connect_silently(&mut mesh, 2, 3);
    deliver_until(&mut mesh, |message| matches!(message, Message::WantChunks(_)));
    let junk = Chunk::new(vec![0xbb; 4_000]).unwrap();
    let lie = Message::Chunks { chunks: vec![junk], lacking: Vec::new() };
    mesh.device(2).wire.push_front((liar, lie.encode()));
    mesh.settle();
    assert_eq!(mesh.device(3).disconnected[&liar], "unasked_chunk");
    assert!(!has(&mut mesh, 3, &artifact));
    mesh.connect(1, 3);
    assert_eq!(get(&mut mesh, 3, artifact), Ok(bytes));
    let Reply::Status(status) = mesh.ask(3, Command::Status) else { panic!() };
    assert_eq!(status.notices, [(id(2), "unasked_chunk".to_owned())]);
}

#[test]
fn who_answers_unasked_or_asks_too_much_is_cut_off() {
    // SPEC: ART-6
    let hash = |byte: u8| ChunkHash([byte; 32]);
    let unasked = Message::Chunks { chunks: Vec::new(), lacking: vec![hash(1)] };
    let wants = Message::WantChunks((0..CHUNK_WANTS_MAX as u8).map(hash).collect());
    let (_, _, chunks) = sealed(LARGE, 1);
    let mut real: Vec<_> = chunks.iter().map(Chunk::hash).collect();
    real.sort();
    real.truncate(8);
    let table = [
        (vec![unasked], Some("unasked_chunk")),
        (vec![wants.clone(), wants], None),
        (vec![Message::HaveChunks(vec![hash(1)])], None),
        (vec![Message::WantChunks(real.clone()); 2], None),
        (vec![Message::WantChunks(real); 3], Some("chunk_wants")),
    ];
    for (messages, code) in table {
        let mut mesh = Mesh::of(&[(2, Role::Member)]);
        let link = mesh.connect(1, 2);
        put(&mut mesh, 1, LARGE, 1);
        let now = mesh.now;
        for message in &messages {
            let input = Input::Message(link, message.clone());
            mesh.device(1).replica.handle(now, input);
        }
        let device = mesh.device(1);
        device.run(now);
        let ended = device.disconnected.get(&link).map(String::as_str);
        assert_eq!(ended, code, "{messages:?}");
    }
}

#[test]
fn a_chunk_that_a_disk_lost_is_fetched_anew() {
    // SPEC: ART-7
    let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Member)]);
    let link = mesh.connect(1, 2);
    let (artifact, bytes) = put(&mut mesh, 1, LARGE, 1);
    let (_, _, chunks) = sealed(LARGE, 1);
    mesh.cut(link);
    mesh.device(2).disk.damage_chunk(&chunks[3].hash());
    // Found when it is served, to a device that then has to have it from elsewhere.
    mesh.connect(2, 3);
    assert!(!has(&mut mesh, 3, &artifact) && !has(&mut mesh, 2, &artifact));
    assert_eq!(mesh.device(3).disk.chunks(), chunks.len() - 1);
    mesh.connect(1, 2);
    assert_eq!(get(&mut mesh, 2, artifact).as_ref(), Ok(&bytes));
    assert_eq!(get(&mut mesh, 3, artifact).as_ref(), Ok(&bytes));
    // Found when it is read.
    mesh.device(3).disk.damage_chunk(&chunks[0].hash());
    assert_eq!(get(&mut mesh, 3, artifact), Err(FailureKind::Busy));
    assert_eq!(get(&mut mesh, 3, artifact), Ok(bytes));
    mesh.assert_equal(&[1, 2, 3]);
}

#[test]
fn an_artifact_has_effect_only_while_it_is_firm() {
    // SPEC: EFF-6, AUTH-17
    let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Member)]);
    let first = mesh.connect(1, 2);
    let second = mesh.connect(2, 3);
    mesh.cut(first);
    mesh.ask(1, Command::Revoke { device: id(2), reason: String::new() });
    let (artifact, bytes) = put(&mut mesh, 2, 1_000, 1);
    assert_eq!(get(&mut mesh, 3, artifact), Ok(bytes));
    mesh.set(3, "notes/a", "on top of it, in good faith");
    mesh.cut(second);
    mesh.connect(3, 1);
    for number in [1, 3] {
        assert_eq!(get(&mut mesh, number, artifact), Err(FailureKind::Failed), "device {number}");
        assert!(!has(&mut mesh, number, &artifact));
        let workspace = mesh.device(number).replica.workspace();
        let (verdict, reason) = workspace.verdict(&artifact).unwrap();
        assert_eq!(format!("{verdict:?}"), "Void");
        assert!(reason.unwrap().starts_with("not_firm"));
    }
    assert_eq!(mesh.get(1, "notes/a"), "\"on top of it, in good faith\"");
    mesh.restart(3);
    assert_eq!(mesh.device(3).disk.chunks(), 1, "what an event names is not dropped");
}

#[test]
fn a_command_that_would_break_a_bound_is_refused() {
    // SPEC: ART-1, ART-5
    let mut mesh = Mesh::of(&[(2, Role::Observer)]);
    mesh.connect(1, 2);
    let (_, manifest, chunks) = sealed(1_000, 1);
    let write = Command::WriteArtifact { manifest: manifest.clone() };
    let kind = |reply| match reply {
        Reply::Failed(failure) => failure.kind,
        other => panic!("{other:?}"),
    };
    assert_eq!(kind(mesh.ask(1, write.clone())), FailureKind::Usage, "no chunk is kept");
    assert_eq!(mesh.ask(2, Command::KeepChunks { chunks }), Reply::Kept);
    assert_eq!(kind(mesh.ask(2, write)), FailureKind::Denied, "an observer writes nothing");
    let (_, _, chunks) = sealed(KEEP_BYTES_MAX, 1);
    let keep = Command::KeepChunks { chunks };
    assert_eq!(kind(mesh.ask(1, keep)), FailureKind::Usage);
    let (artifact, _) = put(&mut mesh, 1, 1_000, 1);
    let read = Command::ReadArtifact { artifact, part: 1 };
    assert_eq!(kind(mesh.ask(1, read)), FailureKind::Usage, "there is one part");
}

#[test]
fn chunks_that_no_manifest_names_go_at_the_next_start() {
    // SPEC: ART-7
    let mut mesh = Mesh::of(&[]);
    let (artifact, bytes) = put(&mut mesh, 1, LARGE, 1);
    let named = mesh.device(1).disk.chunks();
    let (_, manifest, chunks) = sealed(LARGE, 2);
    assert_eq!(mesh.ask(1, Command::KeepChunks { chunks: chunks.clone() }), Reply::Kept);
    assert_eq!(mesh.device(1).disk.chunks(), 2 * named);
    mesh.restart(1);
    assert_eq!(mesh.device(1).disk.chunks(), named, "its node died before it was written");
    assert_eq!(get(&mut mesh, 1, artifact), Ok(bytes));
    let again = try_put(&mut mesh, 1, &manifest, &chunks).unwrap();
    assert!(has(&mut mesh, 1, &again));
}

#[test]
fn what_cannot_be_read_is_answered() {
    let mut mesh = Mesh::of(&[]);
    let (artifact, _) = put(&mut mesh, 1, 1_000, 1);
    let genesis = mesh.device(1).replica.workspace().id().genesis();
    assert_eq!(get(&mut mesh, 1, genesis), Err(FailureKind::Failed), "that is no artifact");
    assert_eq!(get(&mut mesh, 1, EventId([9; 32])), Err(FailureKind::Busy), "it may come");
    // The turn fails while the store is asked: its caller is one of those who hear that.
    let read = Command::ReadArtifact { artifact, part: 0 };
    let now = mesh.now;
    let replica = &mut mesh.device(1).replica;
    replica.handle(now, Input::Command(RequestId(8), read));
    while replica.poll_output().is_some() {}
    assert_eq!(replica.unanswered(), [RequestId(8)]);
}

#[test]
fn a_writer_that_dies_between_any_two_outputs_loses_nothing_it_acknowledged() {
    // SPEC: DUR-1, ART-1
    let (bytes, manifest, chunks) = sealed(1_000, 1);
    let mut outcomes = [0, 0];
    for at in 1.. {
        let mut mesh = Mesh::of(&[]);
        mesh.device(1).dies_before = Some(at);
        let written = try_put(&mut mesh, 1, &manifest, &chunks);
        if !mesh.device(1).is_dead() {
            break;
        }
        mesh.restart(1);
        outcomes[usize::from(written.is_some())] += 1;
        let workspace = mesh.device(1).replica.workspace();
        let there: Vec<_> = workspace.artifacts().map(|(id, _)| id).collect();
        assert!(written.is_none_or(|event| there == [event]), "died before output {at}");
        for artifact in there {
            let read = get(&mut mesh, 1, artifact);
            assert_eq!(read.as_ref(), Ok(&bytes), "no event without its chunks, at {at}");
        }
        assert!(try_put(&mut mesh, 1, &manifest, &chunks).is_some(), "it can be written again");
    }
    assert!(outcomes[0] > 1 && outcomes[1] > 0, "it died before and after: {outcomes:?}");
}

#[test]
fn a_receiver_that_dies_between_any_two_outputs_gets_the_whole_afterwards() {
    // SPEC: DUR-1, ART-4
    for at in 1.. {
        let mut mesh = Mesh::of(&[(2, Role::Member)]);
        let there = [1, 2].map(|key| put(&mut mesh, 1, 1_000, key));
        mesh.device(2).dies_before = Some(at);
        mesh.connect(1, 2);
        if !mesh.device(2).is_dead() {
            assert!(at > 6, "it had something to do: {at}");
            break;
        }
        mesh.restart(2);
        mesh.connect(1, 2);
        for (artifact, bytes) in there {
            assert_eq!(get(&mut mesh, 2, artifact), Ok(bytes), "died before output {at}");
        }
    }
}

#[test]
fn the_messages_of_chunks_are_read_as_they_are_written_and_nothing_else_is() {
    // SPEC: SYNC-8
    let hashes: Vec<_> = (0..CHUNK_WANTS_MAX as u8).map(|byte| ChunkHash([byte; 32])).collect();
    let small: Vec<_> = (0..3).map(|byte| Chunk::new(vec![byte; 17]).unwrap()).collect();
    let messages = [
        Message::WantChunks(hashes.clone()),
        Message::HaveChunks(hashes[..1].to_vec()),
        Message::Chunks { chunks: small.clone(), lacking: Vec::new() },
        Message::Chunks { chunks: Vec::new(), lacking: hashes.clone() },
        Message::Chunks { chunks: small, lacking: hashes.clone() },
    ];
    let read = |frame: &[u8]| Message::decode(frame, &WorkspaceId::UNBORN);
    for message in messages {
        let frame = message.encode();
        assert_eq!(read(&frame), Ok(message));
        for len in 0..frame.len() {
            assert!(read(&frame[..len]).is_err(), "cut at {len}");
        }
        let trailing = [&frame[..], &[0]].concat();
        assert_eq!(read(&trailing), Err(SyncFault::Decode));
    }
    let reversed = hashes.iter().rev().copied().collect();
    let many = (0..=CHUNK_WANTS_MAX as u8).map(|byte| ChunkHash([byte; 32])).collect();
    let twice = vec![hashes[0]; 2];
    let refused = [Vec::new(), twice, reversed, many].map(Message::WantChunks);
    let nothing = Message::Chunks { chunks: Vec::new(), lacking: Vec::new() };
    for message in refused.into_iter().chain([nothing]) {
        assert_eq!(read(&message.encode()), Err(SyncFault::Decode), "{message:?}");
    }
    // [11, [16 bytes], []]: a chunk of nothing but a tag.
    let frame = [&[0x83, 0x0b, 0x81, 0x50][..], &[0; 16], &[0x80]].concat();
    assert_eq!(read(&frame), Err(SyncFault::Decode));
}
