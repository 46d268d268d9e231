//! One event, shown whole: what its body says, and why it cannot be said.

use kernelos_protocol::command::{Command, FailureKind, Reply, RequestId};
use kernelos_protocol::event::Verified;
use kernelos_protocol::facts::{BodyState, EventView};
use kernelos_protocol::id::EventId;
use kernelos_protocol::present::{event, to_text};
use kernelos_protocol::replica::Input;
use kernelos_protocol::role::Role;
use kernelos_protocol::store::contract::read_all;
use kernelos_protocol::store::{EventStore as _, MemoryStore, Record};
use serde_json::json;

use super::mesh::{Mesh, id};

fn view(mesh: &mut Mesh, at: u8, begin: &str) -> EventView {
    match mesh.ask(at, Command::Event { begin: begin.to_owned() }) {
        Reply::Event(view) => *view,
        other => panic!("{other:?}"),
    }
}

fn refused(mesh: &mut Mesh, at: u8, begin: &str) -> FailureKind {
    match mesh.ask(at, Command::Event { begin: begin.to_owned() }) {
        Reply::Failed(failure) if failure.hint.is_some() => failure.kind,
        other => panic!("{other:?}"),
    }
}

fn order(mesh: &mut Mesh, at: u8) -> Vec<EventId> {
    mesh.device(at).replica.workspace().order(0).copied().collect()
}

#[test]
fn every_event_says_what_it_says_and_a_store_says_that_it_is_sealed() {
    let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Store)]);
    mesh.connect(1, 2);
    mesh.connect(1, 3);
    mesh.set(2, "notes/a", "rain");
    let revoke = Command::Revoke { device: id(2), reason: "left\u{202e} on the train".to_owned() };
    let Reply::Revoked { event: revocation } = mesh.ask(1, revoke) else { panic!() };
    let mut kinds = Vec::new();
    for event_id in order(&mut mesh, 1) {
        let seen = view(&mut mesh, 1, &event_id.to_string());
        assert_eq!(
            (seen.row.id, view(&mut mesh, 1, &event_id.short())),
            (Some(event_id), seen.clone())
        );
        match &seen.body {
            BodyState::None => assert_eq!(seen.row.kind, "join"),
            state => {
                assert_eq!((state, &seen.facts["kind"]), (&BodyState::Open, &json!(seen.row.kind)))
            }
        }
        // What a store holds of it, it cannot read; control events everybody can.
        let stored = view(&mut mesh, 3, &event_id.to_string());
        let sealed = seen.row.kind == "change";
        assert_eq!(stored.body == BodyState::Sealed, sealed, "{stored:?}");
        assert_eq!(stored.facts.is_null(), sealed || seen.body == BodyState::None, "{stored:?}");
        kinds.push(seen.row.kind);
    }
    for kind in ["genesis", "epoch", "wrap", "grant", "change", "revoke"] {
        assert!(kinds.iter().any(|seen| seen == kind), "{kind}: {kinds:?}");
    }
    let seen = view(&mut mesh, 1, &revocation.to_string());
    assert_eq!(seen.facts["device"], json!(id(2)));
    assert_eq!(seen.facts["cut"].as_array().unwrap().len(), 1, "{}", seen.facts);
    let names = [(id(2), "phone".to_owned())].into();
    let text = to_text(&event(&seen, &names));
    assert!(text.contains(&format!("phone {}", id(2))), "{text}");
    assert!(text.contains("left\\u{202e} on the train"), "{text}");
    // Over the API it comes as it went.
    let reply = Reply::Event(Box::new(seen));
    let there = serde_json::to_string(&reply).unwrap();
    assert_eq!(serde_json::from_str::<Reply>(&there).unwrap(), reply);
}

#[test]
fn a_change_tells_its_operations_and_no_key_is_told() {
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    mesh.set(1, "notes/a", "rain");
    let last = *order(&mut mesh, 1).last().unwrap();
    let change = &view(&mut mesh, 1, &last.to_string()).facts["changes"][0];
    // The map `a` stands in is there: a text, and its four letters.
    assert_eq!((&change["operations"], &change["makes_document"]), (&json!(5), &json!(false)));
    let genesis = order(&mut mesh, 1)[0];
    let facts = view(&mut mesh, 1, &genesis.to_string()).facts;
    let keys: Vec<_> = facts.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["format", "kind", "recovery_sealing", "recovery_signing", "sealing_key"]);
}

#[test]
fn a_body_that_is_not_here_is_told_as_missing() {
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    mesh.set(1, "notes/a", "rain");
    let events = read_all(&mut mesh.device(1).disk, 64);
    let workspace = mesh.device(1).config.workspace;
    let mut disk = MemoryStore::default();
    let bare =
        |event: &Verified| Record::Event(event.without_body().unwrap_or_else(|| event.clone()));
    disk.commit(&events.iter().map(bare).collect::<Vec<_>>()).unwrap();
    mesh.add(2, workspace, disk);
    let last = events.last().unwrap().id();
    let seen = view(&mut mesh, 2, &last.to_string());
    assert_eq!((&seen.body, seen.facts.is_null()), (&BodyState::Missing, true));
    assert!(seen.body_bytes > Some(0));
    let text = to_text(&event(&seen, &[].into()));
    assert!(text.contains("not on this device"), "{text}");
}

#[test]
fn the_beginning_of_an_id_says_which_where_it_is_one_and_four_digits_long() {
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let first = order(&mut mesh, 1)[0].to_string();
    for begin in ["", "000", &first[..3], &first.to_uppercase(), &format!("{first}0"), "wxyz"] {
        assert_eq!(refused(&mut mesh, 1, begin), FailureKind::Usage, "{begin}");
    }
    assert_eq!(refused(&mut mesh, 1, &"0".repeat(64)), FailureKind::Failed);
    assert_eq!(view(&mut mesh, 1, &first[..5]).row.id.unwrap().to_string(), first);
    // Until two begin alike.
    let shared = (0..).find_map(|number| {
        mesh.set(1, "notes/a", &number.to_string());
        let mut begins: Vec<_> =
            order(&mut mesh, 1).iter().map(|id| id.to_string()[..4].to_owned()).collect();
        begins.sort_unstable();
        begins.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0].clone())
    });
    assert_eq!(refused(&mut mesh, 1, &shared.unwrap()), FailureKind::Usage);
}

#[test]
fn who_waits_for_an_event_is_known_while_the_store_is_asked() {
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let begin = order(&mut mesh, 1)[0].to_string();
    let now = mesh.now;
    let request = RequestId(9);
    let replica = &mut mesh.device(1).replica;
    replica.handle(now, Input::Command(request, Command::Event { begin }));
    while replica.poll_output().is_some() {}
    assert_eq!(replica.unanswered(), [request]);
}
