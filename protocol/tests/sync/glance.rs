//! What a start shows before it has read its history.

use kernelos_protocol::command::{Command, Loading, ReadReply, Reply, RequestId};
use kernelos_protocol::limits::{GLANCE_EVENTS_MIN, GLANCE_QUIET_MS, LOAD_SLICE_EVENTS};
use kernelos_protocol::present;
use kernelos_protocol::replica::{Config, Input, Output, Replica};
use kernelos_protocol::role::Role;
use kernelos_protocol::store::{EventStore as _, MemoryStore, Record};

use super::mesh::Mesh;
use crate::kit::NOON;

/// A workspace whose history takes more than one slice to read.
fn long() -> Mesh {
    let mut mesh = Mesh::of(&[]);
    for i in 0..LOAD_SLICE_EVENTS {
        mesh.set(1, &format!("notes/{}", i % 40), &format!("value-{i}"));
    }
    mesh
}

/// What a start from this disk answers to these commands when it has read one slice of history.
fn answers(config: &Config, disk: &mut MemoryStore, commands: &[Command]) -> Vec<Option<Reply>> {
    let mut replica = Replica::load(config.clone(), NOON);
    let Some(Output::Load(request)) = replica.poll_output() else { panic!("it asks the store") };
    replica.handle(NOON, Input::Loaded(disk.load(&request).unwrap()));
    for (number, command) in (0..).zip(commands) {
        replica.handle(NOON, Input::Command(RequestId(number), command.clone()));
    }
    let mut replies = vec![None; commands.len()];
    while let Some(output) = replica.poll_output() {
        match output {
            Output::Reply(request, reply) => replies[request.0 as usize] = Some(reply),
            Output::Load(_) => {}
            other => panic!("nothing else is done: {other:?}"),
        }
    }
    let waiting = replies.iter().filter(|reply| reply.is_none()).count();
    assert_eq!(replica.unanswered().len(), waiting, "who is not answered waits");
    replies
}

fn read(path: &str) -> Command {
    Command::Read { path: path.parse().unwrap() }
}

fn glance(path: &str) -> Command {
    Command::Glance { path: path.parse().unwrap() }
}

/// What is said with what an older glance showed.
const BEFORE: &str = "starting: this is how it was before";

#[test]
fn a_start_answers_as_it_stopped_before_its_history_is_read() {
    // SPEC: DUR-9
    let mut mesh = long();
    let asked = [read("notes/7"), read("notes"), read("notes/new"), Command::Status, Command::Rest];
    let mut before: Vec<_> =
        asked[..2].iter().map(|command| Some(mesh.ask(1, command.clone()))).collect();
    let status = mesh.status(1);
    assert!(matches!(mesh.ask(1, Command::Rest), Reply::Noted));
    let mut disk = mesh.device(1).disk.clone();
    let mut replies = answers(&mesh.device(1).config, &mut disk, &asked);
    assert_eq!(replies.pop(), Some(Some(Reply::Noted)), "a stop does not wait for a start");
    let Some(Some(Reply::Status(shown))) = replies.pop() else { panic!("{replies:?}") };
    let events = status.events;
    let loading = Loading { events: LOAD_SLICE_EVENTS, of: events, shown: events };
    assert_eq!((shown.loading, shown.state_hash, shown.current), (Some(loading), None, false));
    assert_eq!((shown.events, shown.role, shown.conflicts), (events, status.role, 0));
    // What is not there may be elsewhere in the history of another program's writing: it waits.
    before.push(None);
    assert_eq!(replies, before);
    mesh.restart(1);
    let status = mesh.status(1);
    assert_eq!(status.loading, None);
    assert!(status.state_hash.is_some());
}

#[test]
fn a_glance_holds_the_boards_that_were_open_and_leads_to_them_by_their_links() {
    // SPEC: DUR-9, PRJ-10
    let mut mesh = long();
    for name in ["open", "closed"] {
        let made = mesh.ask(1, Command::CreateBoard { name: name.to_owned() });
        assert!(matches!(made, Reply::BoardMade { .. }), "{made:?}");
        mesh.set(1, &format!("boards/{name}/notes/a"), name);
    }
    mesh.restart(1);
    let asked = [read("boards/open/notes/a"), read("boards/open"), read("boards")];
    let before: Vec<_> = asked.iter().map(|command| Some(mesh.ask(1, command.clone()))).collect();
    mesh.ask(1, Command::Rest);
    let mut disk = mesh.device(1).disk.clone();
    assert_eq!(answers(&mesh.device(1).config, &mut disk, &asked), before);
    let closed = [read("boards/closed/notes/a"), read("boards/closed")];
    assert_eq!(answers(&mesh.device(1).config, &mut disk, &closed), [None, None], "they wait");
}

#[test]
fn a_glance_opens_no_document_and_says_how_many_it_did_not_look_at() {
    // SPEC: DUR-9
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    mesh.ask(1, Command::CreateBoard { name: "a".to_owned() });
    mesh.cut(link);
    for number in [1, 2] {
        mesh.set(number, "boards/a/notes/x", &number.to_string());
    }
    mesh.connect(1, 2);
    mesh.restart(1);
    let told = mesh.device(1).told.len();
    mesh.ask(1, Command::Rest);
    assert_eq!(mesh.device(1).told.len(), told);
    let mut disk = mesh.device(1).disk.clone();
    let replies = answers(&mesh.device(1).config, &mut disk, &[Command::Status]);
    let Some(Reply::Status(shown)) = &replies[0] else { panic!("{replies:?}") };
    assert_eq!((shown.conflicts, shown.uncounted), (0, 1));
    assert_eq!((mesh.status(1).conflicts, mesh.status(1).uncounted), (1, 0));
}

#[test]
fn a_glance_that_is_behind_answers_who_takes_it_so_and_says_what_it_lacks() {
    // SPEC: DUR-9
    let mut mesh = long();
    let Reply::Read(before) = mesh.ask(1, read("notes/7")) else { panic!() };
    mesh.ask(1, Command::Rest);
    mesh.set(1, "notes/7", "newer");
    mesh.set(1, "notes/new", "newest");
    let mut disk = mesh.device(1).disk.clone();
    let asked = [read("notes/7"), Command::Status, glance("notes/7"), glance("notes/new")];
    let replies = answers(&mesh.device(1).config, &mut disk, &asked);
    assert_eq!(replies[0], None, "who does not say that it may be older waits");
    let Some(Reply::Status(status)) = &replies[1] else { panic!("{replies:?}") };
    let loading = status.loading.unwrap();
    assert_eq!((loading.events, loading.of), (LOAD_SLICE_EVENTS, loading.shown + 2));
    let Some(Reply::Read(shown)) = &replies[2] else { panic!("{replies:?}") };
    assert_eq!(shown, &ReadReply { loading: Some(loading), ..before });
    let said = present::to_text(&present::behind(shown).unwrap());
    assert_eq!(said, format!("{BEFORE} the last 2 of {} events\n", loading.of));
    assert_eq!(replies[3], None, "what is not in it may be in what it lacks");
    mesh.restart(1);
    for asked in [read("notes/7"), glance("notes/7")] {
        let Reply::Read(now) = mesh.ask(1, asked) else { panic!() };
        assert_eq!((&now.value, now.loading), (&"newer".into(), None));
        assert_eq!(present::behind(&now), None);
    }
}

#[test]
fn who_takes_an_older_glance_hears_no_doubt_of_the_newest() {
    // SPEC: DUR-9
    let mut mesh = long();
    let Reply::Read(before) = mesh.ask(1, read("notes/7")) else { panic!() };
    mesh.ask(1, Command::Rest);
    let mut disk = mesh.device(1).disk.clone();
    let replies = answers(&mesh.device(1).config, &mut disk, &[glance("notes/7")]);
    assert_eq!(before.loading, None);
    assert_eq!(replies, [Some(Reply::Read(before))]);
}

#[test]
fn a_glance_of_more_than_the_store_holds_answers_no_read() {
    // SPEC: DUR-9
    let mut mesh = long();
    let mut shorter = mesh.device(1).disk.clone();
    mesh.set(1, "notes/7", "lost");
    mesh.ask(1, Command::Rest);
    let glanced = mesh.device(1).disk.glance().unwrap().to_vec();
    shorter.commit(&[Record::Glance(glanced)]).unwrap();
    let asked = [glance("notes/7"), read("notes/7")];
    assert_eq!(answers(&mesh.device(1).config, &mut shorter, &asked), [None, None]);
}

#[test]
fn a_glance_is_sealed_for_its_device_and_one_that_does_not_open_is_none() {
    // SPEC: DUR-9
    let mut mesh = long();
    mesh.ask(1, Command::Rest);
    let glance = mesh.device(1).disk.glance().unwrap().to_vec();
    let holds = |bytes: &[u8]| bytes.windows(6).any(|window| window == b"value-");
    assert!(!holds(&glance));
    let own = mesh.device(1).config.clone();
    let mut foreign = own.clone();
    foreign.secret = [0x77; 32];
    let mut shown = |glance: &[u8], config: &Config| {
        let mut disk = mesh.device(1).disk.clone();
        disk.commit(&[Record::Glance(glance.to_vec())]).unwrap();
        answers(config, &mut disk, &[Command::Status])[0].is_some()
    };
    assert!(shown(&glance, &own));
    assert!(!shown(&glance, &foreign), "another device's");
    for at in [0, 11, 12, glance.len() / 2, glance.len() - 1] {
        let mut damaged = glance.clone();
        damaged[at] ^= 1;
        assert!(!shown(&damaged, &own), "byte {at}");
    }
    for len in [0, 5, 12, 20] {
        assert!(!shown(&glance[..len], &own), "cut at {len}");
    }
}

#[test]
fn a_device_with_much_history_keeps_a_glance_when_nothing_came_for_a_while() {
    // SPEC: DUR-9
    let mut mesh = long();
    let events = mesh.status(1).events;
    mesh.wait(GLANCE_QUIET_MS);
    assert_eq!(mesh.device(1).disk.glance(), None, "{events} events are read at once");
    for i in events..GLANCE_EVENTS_MIN {
        mesh.set(1, "notes/7", &format!("value {i}"));
    }
    mesh.wait(GLANCE_QUIET_MS - 1);
    assert_eq!(mesh.device(1).disk.glance(), None, "something may come");
    mesh.wait(1);
    let mut disk = mesh.device(1).disk.clone();
    assert!(disk.glance().is_some());
    assert!(answers(&mesh.device(1).config, &mut disk, &[read("notes/7")])[0].is_some());
    let deadline = mesh.device(1).replica.next_deadline();
    assert!(deadline.is_none_or(|(_, what)| what != "glance"), "once, and it is quiet");
}
