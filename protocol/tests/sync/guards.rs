//! What must not happen though nobody would see it at once: a row that is mended by what proves
//! nothing, a run that waits for ever, a chunk that is dropped since what names it is damaged, a
//! peer that is served the same again and again.

use kernelos_protocol::artifact::Chunk;
use kernelos_protocol::command::{Command, Reply};
use kernelos_protocol::event::{Run, Runs, Verified};
use kernelos_protocol::id::{EventId, Incarnation, Lane};
use kernelos_protocol::limits::{LOAD_SLICE_EVENTS, WANT_COUNT_MAX};
use kernelos_protocol::notice::{NoticeKind, Notices};
use kernelos_protocol::replica::Input;
use kernelos_protocol::role::Role;
use kernelos_protocol::store::contract::read_all;
use kernelos_protocol::store::{EventStore as _, LoadRequest, MemoryStore, Record};
use kernelos_protocol::sync::{LinkId, Message};
use kernelos_protocol::time::Stamp;

use super::artifacts::{LARGE, get, put};
use super::lives::{put_back, rest};
use super::mesh::{Mesh, id};

/// A link that only the test speaks on.
const LINK: LinkId = LinkId(2_000);

fn content_of(mesh: &mut Mesh, at: u8, of: u8) -> Vec<Verified> {
    let mut events = read_all(&mut mesh.device(at).disk, LOAD_SLICE_EVENTS);
    events.retain(|event| event.header().author == id(of) && event.header().lane == Lane::Content);
    events
}

/// Device `at` hears this from one with the key of device `by`, whose link stays; gives what it
/// says to that.
fn say(mesh: &mut Mesh, at: u8, by: u8, message: Message) -> Vec<Message> {
    let (now, workspace) = (mesh.now, [0; 32]);
    let hello =
        Message::Hello { workspace, incarnation: Incarnation([by; 8]), lanes_hash: [0; 32] };
    let device = mesh.device(at);
    device.replica.handle(now, Input::PeerDown(LINK));
    let up = Input::PeerUp { link: LINK, device: id(by), dialed: false, workspace };
    device.replica.handle(now, up);
    for message in [hello, message] {
        device.replica.handle(now, Input::Message(LINK, message));
        device.run(now);
    }
    assert_eq!(device.disconnected.get(&LINK), None);
    let frames: Vec<_> = device.wire.iter().filter(|(link, _)| *link == LINK).collect();
    let said = frames.into_iter().map(|(_, frame)| device.read(frame).unwrap()).collect();
    device.wire.retain(|(link, _)| *link != LINK);
    said
}

fn alone(event: &Verified) -> Run {
    Run::of(event.clone()).unwrap()
}

#[test]
fn a_copy_without_its_signature_does_not_mend_a_row_that_had_one() {
    // SPEC: DUR-6, EVT-12
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    mesh.set(1, "notes/a", "x");
    mesh.set(1, "notes/b", "y");
    mesh.cut(link);
    let events = content_of(&mut mesh, 2, 1);
    let [.., first, second] = events.as_slice() else { panic!() };
    assert!(first.is_signed() && second.is_signed(), "they came one by one");
    mesh.device(2).disk.damage_event(&first.id());
    mesh.ask(2, Command::Event { begin: first.id().to_string() });
    assert_eq!(mesh.status(2).damage.len(), 1);

    let run = alone(first).join(alone(second)).unwrap();
    assert!(!run.events()[0].is_signed());
    say(&mut mesh, 2, 1, Message::Events(vec![run]));
    assert_eq!(mesh.status(2).damage.len(), 1, "what others named by it needs its signature");
    say(&mut mesh, 2, 1, Message::Events(vec![alone(first)]));
    assert_eq!(mesh.status(2).damage, Vec::<String>::new());
    let kept = content_of(&mut mesh, 2, 1);
    assert!(kept.iter().all(Verified::is_signed));
}

#[test]
fn a_run_that_waits_for_what_the_store_gives_goes_in_with_it() {
    // SPEC: DUR-6, SYNC-4
    let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Member)]);
    let links = [mesh.connect(1, 2), mesh.connect(1, 3)];
    mesh.set(1, "notes/a", "damaged");
    mesh.set(1, "notes/b", "behind it on the disk");
    rest(&mut mesh);
    links.into_iter().for_each(|link| mesh.cut(link));
    mesh.set(3, "notes/c", "on both");
    let events = content_of(&mut mesh, 3, 1);
    let [.., first, second] = events.as_slice() else { panic!() };
    let last = content_of(&mut mesh, 3, 3).pop().unwrap();

    let mut disk = mesh.device(2).disk.clone();
    disk.damage_event(&first.id());
    put_back(&mut mesh, 2, disk);
    say(&mut mesh, 2, 3, Message::Events(vec![alone(&last)]));
    let holds = |mesh: &mut Mesh, id: &EventId| mesh.device(2).replica.workspace().contains(id);
    assert!(!holds(&mut mesh, &second.id()) && !holds(&mut mesh, &last.id()));
    let runs = Runs::of([first.clone()]);
    assert!(matches!(mesh.ask(2, Command::ImportEvents { runs }), Reply::EventsTaken { .. }));
    assert!(holds(&mut mesh, &second.id()), "the store gave it");
    assert!(holds(&mut mesh, &last.id()), "and nobody sends this again");
}

#[test]
fn chunks_stay_where_what_names_them_may_be_lost() {
    // SPEC: ART-7, DUR-6, DUR-7
    let mut mesh = Mesh::of(&[]);
    let (artifact, bytes) = put(&mut mesh, 1, LARGE, 1);
    let whole = mesh.device(1).disk.clone();
    let (named, events) = (whole.chunks(), read_all(&mut whole.clone(), LOAD_SLICE_EVENTS));
    let manifest = events.iter().find(|event| event.id() == artifact).unwrap().clone();

    let mut damaged = whole.clone();
    damaged.damage_event(&artifact);
    // Of a store that was salvaged, or whose log lost its end, nothing is left of the row.
    let without = |reason: &str| {
        let mut disk = whole.clone();
        let mut kept = MemoryStore::default();
        let rest = events.iter().filter(|event| event.id() != artifact);
        let mut records: Vec<_> = rest.map(|event| Record::Event(event.clone())).collect();
        records.extend(chunks_of(&mut disk).into_iter().map(Record::Chunk));
        let mut notices = Notices::default();
        let told = notices.note(NoticeKind::Life, id(1), reason, (Stamp(1), 1));
        records.extend(told.map(Record::Notice));
        kept.commit(&records).unwrap();
        kept
    };
    let disks =
        [damaged, without("store_salvaged: store.db.damaged-1"), without("log_tail_dropped")];
    for disk in disks {
        put_back(&mut mesh, 1, disk);
        assert_eq!(mesh.device(1).disk.chunks(), named);
        let runs = Runs::of([manifest.clone()]);
        assert!(matches!(mesh.ask(1, Command::ImportEvents { runs }), Reply::EventsTaken { .. }));
        assert_eq!(get(&mut mesh, 1, artifact), Ok(bytes.clone()));
    }
    // Where nothing was lost, what nothing names goes.
    put_back(&mut mesh, 1, without("store_healed"));
    assert_eq!(mesh.device(1).disk.chunks(), 0);
}

/// All chunks of a disk.
fn chunks_of(disk: &mut MemoryStore) -> Vec<Chunk> {
    let hashes = disk.load(&LoadRequest::ChunkList { after: None, limit: 1_000 }).unwrap();
    let listed: Vec<_> = hashes.chunk_list.into_iter().map(|(hash, _)| hash).collect();
    disk.load(&LoadRequest::Chunks(listed)).unwrap().chunks
}

#[test]
fn who_asks_for_the_same_again_and_again_is_served_once() {
    // SPEC: SYNC-4
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    mesh.set(2, "notes/theirs", "x");
    (0..60).for_each(|n| mesh.set(1, &format!("notes/{n}"), "y"));
    mesh.cut(link);
    let tip = content_of(&mut mesh, 1, 1).pop().unwrap().id();
    let other = content_of(&mut mesh, 1, 2).pop().unwrap().id();
    let served = |mesh: &mut Mesh, times: usize| {
        let mut wants = vec![(tip, WANT_COUNT_MAX); times];
        wants.push((other, 1));
        let said = say(mesh, 1, 2, Message::Want(wants));
        let runs = said.into_iter().filter_map(|message| match message {
            Message::Events(runs) => Some(runs),
            _ => None,
        });
        let events = runs.flatten().flat_map(|run| run.events().to_vec());
        let mut ids: Vec<_> = events.map(|event| event.id()).collect();
        ids.sort_unstable();
        ids.dedup();
        (ids.len(), ids.contains(&other))
    };
    let (all, _) = served(&mut mesh, 1);
    assert!(all > 60);
    assert_eq!(served(&mut mesh, 2), (all, true));
    // Twice the history is walked for one message, and no step further.
    assert_eq!(served(&mut mesh, 40), (all - 1, false));
}
