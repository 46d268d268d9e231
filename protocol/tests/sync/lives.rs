//! Lives of a store: one that was put back, copied or damaged goes on without a fork, and what it
//! lost comes back.

use kernelos_protocol::command::{Command, Reply};
use kernelos_protocol::document::Edit;
use kernelos_protocol::event::{Runs, Verified};
use kernelos_protocol::id::{EventId, Incarnation, Lane};
use kernelos_protocol::limits::{JOIN_DELAY_MS, LOAD_SLICE_EVENTS, RECEIPT_INTERVAL_MS};
use kernelos_protocol::replica::Replica;
use kernelos_protocol::role::Role;
use kernelos_protocol::store::contract::read_all;
use kernelos_protocol::store::{EventStore as _, MemoryStore, Record};
use kernelos_protocol::sync::Message;

use super::mesh::{Device, Mesh, id};

const ELSEWHERE: &str = "new_life: own_event_elsewhere";
const DAMAGED: &str = "new_life: store_damaged";

pub(super) fn rest(mesh: &mut Mesh) {
    mesh.wait(JOIN_DELAY_MS);
    mesh.wait(RECEIPT_INTERVAL_MS);
}

/// The life in which a device writes, and what was told of its lives.
fn life(mesh: &mut Mesh, number: u8) -> (Option<Incarnation>, Vec<String>) {
    let told = mesh.status(number).lives.into_iter().map(|row| row.reason).collect();
    (mesh.device(number).disk.incarnation(), told)
}

/// Device `number` starts from this disk.
pub(super) fn put_back(mesh: &mut Mesh, number: u8, disk: MemoryStore) {
    mesh.device(number).disk = disk;
    mesh.device(number).config.seed[30] += 1;
    mesh.restart(number);
}

/// No chain forked, as this device knows.
#[track_caller]
fn assert_no_fork(mesh: &mut Mesh, numbers: &[u8]) {
    for number in numbers {
        assert_eq!(mesh.device(*number).replica.workspace().forks(), [], "device {number}");
    }
}

/// The first control event of each life of a device, as another knows it.
fn beginnings(mesh: &mut Mesh, at: u8, of: u8) -> Vec<(Incarnation, String)> {
    let workspace = mesh.device(at).replica.workspace();
    let first = workspace.order(0).filter_map(|event| {
        let header = workspace.header(event)?;
        let begins = header.author == id(of) && header.lane == Lane::Control && header.seq == 0;
        begins.then(|| (header.incarnation, workspace.kind(event).unwrap()))
    });
    first.collect()
}

#[test]
fn a_store_put_back_from_a_copy_goes_on_as_a_new_life_and_nothing_is_lost() {
    // SPEC: DUR-5
    for (writer, other) in [(1, 2), (2, 1)] {
        let mut mesh = Mesh::of(&[(2, Role::Member)]);
        let link = mesh.connect(1, 2);
        mesh.set(writer, "notes/a", "before");
        rest(&mut mesh);
        let copy = mesh.device(writer).disk.clone();
        for i in 0..40 {
            mesh.set(writer, &format!("notes/{i}"), "after");
        }
        mesh.cut(link);
        put_back(&mut mesh, writer, copy);
        mesh.connect(other, writer);
        assert_eq!(mesh.get(writer, "notes/39"), "\"after\"");
        let (new, told) = life(&mut mesh, writer);
        assert_eq!(told, [ELSEWHERE]);
        mesh.set(writer, "notes/b", "goes on");
        rest(&mut mesh);
        mesh.assert_equal(&[1, 2]);
        assert_no_fork(&mut mesh, &[1, 2]);
        assert!(beginnings(&mut mesh, other, writer).contains(&(new.unwrap(), "join".to_owned())));
        // It is the same life at the next start, and known to hold everything.
        mesh.restart(writer);
        mesh.connect(1, 2);
        mesh.set(writer, "notes/c", "still");
        rest(&mut mesh);
        assert_eq!(life(&mut mesh, writer), (new, vec![ELSEWHERE.to_owned()]));
        let peers = mesh.status(other).peers;
        assert_eq!(peers[0].acked, peers[0].of);
        assert_no_fork(&mut mesh, &[1, 2]);
    }
}

#[test]
fn an_archive_with_later_events_of_this_store_begins_a_life_too() {
    // SPEC: DUR-5, ARC-4
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    mesh.set(2, "notes/a", "before");
    let copy = mesh.device(2).disk.clone();
    mesh.set(2, "notes/b", "in the file");
    let events = read_all(&mut mesh.device(2).disk, 512);
    mesh.set(2, "notes/c", "in no file");
    mesh.cut(link);
    put_back(&mut mesh, 2, copy);
    let Reply::EventsTaken { new: 1, .. } =
        mesh.ask(2, Command::ImportEvents { runs: Runs::of(events) })
    else {
        panic!("one is new")
    };
    mesh.set(2, "notes/d", "goes on");
    let (_, told) = life(&mut mesh, 2);
    assert_eq!(told, [ELSEWHERE]);
    mesh.connect(1, 2);
    rest(&mut mesh);
    mesh.assert_equal(&[1, 2]);
    assert_eq!(mesh.get(2, "notes/c"), "\"in no file\"");
    assert_no_fork(&mut mesh, &[1, 2]);
}

#[test]
fn what_a_peer_sends_back_that_is_here_begins_no_life() {
    // SPEC: DUR-5
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    mesh.set(2, "notes/a", "mine");
    let events = read_all(&mut mesh.device(1).disk, 512);
    mesh.cut(link);
    mesh.feed(2, 1, Message::events(events));
    assert_eq!(life(&mut mesh, 2), (None, vec![]));
}

#[test]
fn an_own_event_that_cannot_go_in_yet_begins_a_life_too() {
    // SPEC: DUR-5
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    mesh.set(2, "notes/a", "before");
    let copy = mesh.device(2).disk.clone();
    mesh.set(2, "notes/b", "one");
    mesh.set(2, "notes/c", "two");
    let last = read_all(&mut mesh.device(2).disk, 512).pop().unwrap();
    mesh.cut(link);
    put_back(&mut mesh, 2, copy);
    mesh.feed(2, 1, Message::events(vec![last.clone()]));
    assert_eq!(life(&mut mesh, 2).1, [ELSEWHERE]);
    assert!(!mesh.device(2).replica.workspace().contains(&last.id()));
    mesh.set(2, "notes/d", "does not wait");
    mesh.connect(1, 2);
    mesh.assert_equal(&[1, 2]);
    assert_no_fork(&mut mesh, &[1, 2]);
}

#[test]
fn an_edit_under_way_is_made_again_in_the_new_life() {
    // SPEC: DUR-5, PRJ-2
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    mesh.set(2, "notes/a", "before");
    let copy = mesh.device(2).disk.clone();
    mesh.set(2, "notes/b", "after");
    let events = read_all(&mut mesh.device(2).disk, 512);
    mesh.cut(link);
    put_back(&mut mesh, 2, copy);
    let link = mesh.connect(1, 2);
    mesh.cut(link);
    let now = mesh.now;
    let edit = Edit::Set { set: "notes/c".parse().unwrap(), value: "mine".into() };
    let command = Command::Edit { edits: vec![edit] };
    let device = mesh.device(2);
    device.replica.handle(
        now,
        kernelos_protocol::replica::Input::Command(
            kernelos_protocol::command::RequestId(7),
            command,
        ),
    );
    mesh.feed(2, 1, Message::events(events));
    mesh.settle();
    let reply = mesh.device(2).replies.remove(&7);
    assert!(matches!(reply, Some(Reply::Edited(_))), "{reply:?}");
    mesh.connect(1, 2);
    mesh.assert_equal(&[1, 2]);
    assert_no_fork(&mut mesh, &[1, 2]);
}

#[test]
fn an_edit_under_way_and_one_of_a_clone_that_share_a_number_leave_the_document_whole() {
    // SPEC: DUR-5, PRJ-4, EVT-10
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    mesh.connect(1, 2);
    mesh.set(2, "notes/a", "before");
    let mut other = clone_of(&mut mesh, 2);
    mesh.restart(2);
    // Both began one actor anew, and each makes its first change.
    swap(&mut mesh, 2, &mut other);
    mesh.set(2, "notes/b", "of the clone");
    let events = read_all(&mut mesh.device(2).disk, 512);
    swap(&mut mesh, 2, &mut other);
    let edit = Edit::Set { set: "notes/c".parse().unwrap(), value: "mine".into() };
    let command = Command::Edit { edits: vec![edit] };
    let (now, request) = (mesh.now, kernelos_protocol::command::RequestId(7));
    let input = kernelos_protocol::replica::Input::Command(request, command);
    mesh.device(2).replica.handle(now, input);
    mesh.feed(2, 1, Message::events(events));
    mesh.settle();
    let reply = mesh.device(2).replies.remove(&7);
    assert!(matches!(reply, Some(Reply::Edited(_))), "{reply:?}");
    mesh.connect(1, 2);
    mesh.assert_equal(&[1, 2]);
    // Of two changes with one number the document holds one, and everybody the same.
    let shown = mesh.get(1, "notes");
    assert_eq!(mesh.get(2, "notes"), shown);
    assert!(shown.contains("of the clone") != shown.contains("mine"), "{shown}");
    assert!(mesh.status(2).damage.is_empty());
}

/// A second device with the disk, key and number of device `of`, off the mesh.
pub(super) fn clone_of(mesh: &mut Mesh, of: u8) -> Device {
    let (mut config, disk, now) =
        (mesh.device(of).config.clone(), mesh.device(of).disk.clone(), mesh.now);
    config.seed[31] ^= 0xaa;
    Device::new(config.clone(), Replica::load(config, now), disk)
}

/// The other of two with one number is the one that others meet.
pub(super) fn swap(mesh: &mut Mesh, number: u8, other: &mut Device) {
    std::mem::swap(mesh.device(number), other);
    mesh.settle();
}

#[test]
fn two_clones_of_one_home_each_begin_a_life_and_converge_over_a_third() {
    // SPEC: DUR-5
    for owner in [1, 2] {
        let third = 3 - owner;
        let mut mesh = Mesh::of(&[(2, Role::Member)]);
        let link = mesh.connect(1, 2);
        mesh.set(owner, "notes/a", "before");
        rest(&mut mesh);
        mesh.cut(link);
        let mut twin = clone_of(&mut mesh, owner);
        mesh.set(owner, "notes/b", "of the one");
        let link = mesh.connect(1, 2);
        rest(&mut mesh);
        mesh.cut(link);
        swap(&mut mesh, owner, &mut twin);
        // The twin meets what the other wrote before it writes itself.
        for round in 0..4 {
            let link = mesh.connect(1, 2);
            mesh.set(owner, &format!("notes/{round}"), "by turns");
            rest(&mut mesh);
            mesh.cut(link);
            swap(&mut mesh, owner, &mut twin);
        }
        let link = mesh.connect(1, 2);
        rest(&mut mesh);
        mesh.assert_equal(&[1, 2]);
        let of_one = mesh.state(owner);
        let (one, _) = life(&mut mesh, owner);
        mesh.cut(link);
        swap(&mut mesh, owner, &mut twin);
        mesh.connect(1, 2);
        rest(&mut mesh);
        let (other, told) = life(&mut mesh, owner);
        assert_ne!(one, other, "they never share a life again");
        assert!(!told.is_empty(), "it was told");
        assert_eq!(mesh.state(owner), mesh.state(third));
        assert_eq!(mesh.get(third, "notes/3"), "\"by turns\"");
        assert_eq!(mesh.get(third, "notes/b"), "\"of the one\"");
        assert!(!of_one.is_empty());
        assert_no_fork(&mut mesh, &[1, 2]);
    }
}

#[test]
fn two_clones_that_wrote_before_they_met_show_the_fork_and_go_on_without_another() {
    // SPEC: DUR-5, EVT-10
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    mesh.set(2, "notes/a", "before");
    rest(&mut mesh);
    mesh.cut(link);
    let mut twin = clone_of(&mut mesh, 2);
    mesh.set(2, "notes/b", "of the one");
    swap(&mut mesh, 2, &mut twin);
    mesh.set(2, "notes/c", "of the other");
    for round in 0..4 {
        let link = mesh.connect(1, 2);
        mesh.set(2, &format!("notes/{round}"), "by turns");
        rest(&mut mesh);
        mesh.cut(link);
        swap(&mut mesh, 2, &mut twin);
    }
    mesh.connect(1, 2);
    rest(&mut mesh);
    mesh.assert_equal(&[1, 2]);
    assert!(life(&mut mesh, 2).1.contains(&ELSEWHERE.to_owned()));
    swap(&mut mesh, 2, &mut twin);
    assert!(life(&mut mesh, 2).1.contains(&ELSEWHERE.to_owned()), "both are told");
    let forks = mesh.device(1).replica.workspace().forks();
    let copied = Incarnation([2; 8]);
    assert!(forks.iter().all(|fork| fork.chain.incarnation == copied), "{forks:?}");
    assert_eq!(forks.len(), 1);
}

/// The events of device `of` on its own disk.
fn own_events(mesh: &mut Mesh, of: u8) -> Vec<EventId> {
    let events = read_all(&mut mesh.device(of).disk, 512);
    let own = events.iter().filter(|event| event.header().author == id(of));
    own.map(Verified::id).collect()
}

#[test]
fn any_damaged_event_is_told_asked_of_peers_and_healed() {
    // SPEC: DUR-6
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    for i in 0..3 {
        mesh.set(1, &format!("notes/{i}"), "theirs");
        mesh.set(2, &format!("notes/own{i}"), "mine");
    }
    rest(&mut mesh);
    mesh.cut(link);
    let whole = mesh.device(2).disk.clone();
    let state = mesh.state(1);
    let all = read_all(&mut mesh.device(2).disk, 512);
    for event in &all {
        let mut disk = whole.clone();
        disk.damage_event(&event.id());
        put_back(&mut mesh, 2, disk);
        let status = mesh.status(2);
        assert!(status.damage[0].contains("asked of peers"), "{:?}", status.damage);
        // Who still knows that it may, writes on at once.
        if status.role.is_some() && mesh.device(2).replica.workspace().root_document().is_some() {
            let edit = Edit::Set { set: "notes/new".parse().unwrap(), value: "goes on".into() };
            mesh.ask(2, Command::Edit { edits: vec![edit] });
        }
        let link = mesh.connect(1, 2);
        rest(&mut mesh);
        let is_own = event.header().author == id(2);
        let (_, told) = life(&mut mesh, 2);
        assert_eq!(told.contains(&DAMAGED.to_owned()), is_own || told.len() > 1, "{told:?}");
        assert!(told.contains(&"store_healed".to_owned()));
        mesh.assert_equal(&[1, 2]);
        mesh.cut(link);
        mesh.restart(2);
        assert_eq!(mesh.state(1), mesh.state(2), "the disk is healed");
        let read = read_all(&mut mesh.device(2).disk, 512);
        assert!(all.iter().all(|event| read.contains(event)));
        assert_no_fork(&mut mesh, &[1, 2]);
    }
    assert_ne!(mesh.state(1), state, "joins of new lives came");
}

#[test]
fn a_damaged_own_tail_that_nobody_else_holds_does_not_stop_the_device() {
    // SPEC: DUR-6
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    mesh.set(2, "notes/a", "known");
    mesh.cut(link);
    mesh.set(2, "notes/b", "lost");
    mesh.set(2, "notes/c", "behind it");
    let own = own_events(&mut mesh, 2);
    mesh.device(2).disk.damage_event(&own[own.len() - 2]);
    mesh.restart(2);
    assert_eq!(life(&mut mesh, 2).1, [DAMAGED]);
    mesh.set(2, "notes/d", "goes on at once");
    mesh.connect(1, 2);
    rest(&mut mesh);
    assert_eq!(mesh.get(1, "notes"), r#"{"a":"known","d":"goes on at once"}"#);
    assert_eq!(mesh.status(1).state_hash, mesh.status(2).state_hash);
    assert_eq!(mesh.status(2).damage.len(), 1, "it stays told");
    let before = life(&mut mesh, 2);
    mesh.restart(2);
    assert_eq!(life(&mut mesh, 2), before, "one life is enough");
}

#[test]
fn what_stands_before_its_cause_on_the_disk_goes_in_all_the_same() {
    // SPEC: DUR-6
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    for i in 0..8 {
        mesh.set(1, &format!("notes/{i}"), "x");
    }
    let state = mesh.state(1);
    let mut backwards = MemoryStore::default();
    let mut events = read_all(&mut mesh.device(1).disk, 512);
    events.reverse();
    let records: Vec<_> = events.into_iter().map(Record::Event).collect();
    backwards.commit(&records).unwrap();
    put_back(&mut mesh, 1, backwards);
    assert_eq!(mesh.state(1), state);
    assert_eq!(life(&mut mesh, 1), (None, vec![]));
}

#[test]
fn a_new_life_stands_in_the_log() {
    // SPEC: DUR-4, DUR-5
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    let copy = mesh.device(2).disk.clone();
    mesh.set(2, "notes/a", "after");
    mesh.cut(link);
    put_back(&mut mesh, 2, copy);
    mesh.connect(1, 2);
    let command = Command::Log { from: 0, limit: LOAD_SLICE_EVENTS };
    let Reply::Log(page) = mesh.ask(2, command) else { panic!() };
    let notices: Vec<_> = page.rows.iter().filter(|row| row.id.is_none()).collect();
    assert_eq!(notices.len(), 1);
    assert_eq!((notices[0].author, notices[0].reason.as_deref()), (id(2), Some(ELSEWHERE)));
}

#[test]
fn a_row_that_goes_bad_while_it_runs_is_told_asked_of_peers_and_healed() {
    // SPEC: DUR-6
    let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Member)]);
    let link = mesh.connect(1, 2);
    for i in 0..3 {
        mesh.set(1, &format!("notes/{i}"), "theirs");
        mesh.set(2, &format!("notes/own{i}"), "mine");
    }
    rest(&mut mesh);
    let all = read_all(&mut mesh.device(2).disk, 512);
    for event in &all {
        mesh.device(2).disk.damage_event(&event.id());
    }
    mesh.cut(link);
    for event in &all {
        mesh.ask(2, Command::Event { begin: event.id().to_string() });
    }
    assert_eq!(mesh.status(2).damage.len(), all.len(), "each is told");
    // Who asks for them gets none.
    let link = mesh.connect(2, 3);
    assert_eq!(mesh.status(3).events, 0);
    mesh.cut(link);
    assert_eq!(mesh.status(2).state_hash, mesh.status(1).state_hash, "it knows what they say");
    mesh.set(2, "notes/new", "goes on");
    mesh.connect(1, 2);
    rest(&mut mesh);
    assert_eq!(life(&mut mesh, 2), (None, vec!["store_healed".to_owned()]), "no life ended");
    mesh.connect(2, 3);
    rest(&mut mesh);
    mesh.assert_equal(&[1, 2, 3]);
    mesh.restart(2);
    assert_eq!(mesh.status(2).damage, Vec::<String>::new(), "the disk is healed");
    let read = read_all(&mut mesh.device(2).disk, 512);
    assert!(all.iter().all(|event| read.contains(event)));
    assert_no_fork(&mut mesh, &[1, 2, 3]);
}
