//! What events do, and what hostile ones do not: a member with every key writes what it likes.

use std::fmt::Write as _;

use kernelos_protocol::cbor::Writer;
use kernelos_protocol::content::{DocumentChange, encode_changes, encode_undo};
use kernelos_protocol::control::ControlBody;
use kernelos_protocol::document::{DocumentDone, DocumentTask, board_change, founding_change};
use kernelos_protocol::epoch::{EpochKey, unwrap_key};
use kernelos_protocol::event::{BodyRef, Class, Header, Unsigned, Verified};
use kernelos_protocol::hash;
use kernelos_protocol::id::{DocumentId, EventId, Lane};
use kernelos_protocol::limits::PARENTS_MAX;
use kernelos_protocol::role::Role;
use kernelos_protocol::seal::{pack, seal};
use kernelos_protocol::time::Stamp;
use kernelos_protocol::workspace::{AuthorFault, InsertFault};

use crate::kit::Peer;

/// Device 2, with a role and every key, and the founder that judges what it writes.
struct Attack {
    founder: Peer,
    attacker: Peer,
    epoch: EventId,
    key: EpochKey,
}

impl Attack {
    fn by(role: Role) -> Self {
        let (mut founder, mut events) = Peer::founder();
        events.extend(founder.grant(2, role));
        let mut attacker = Peer::new(2, founder.workspace.id());
        attacker.take(&events);
        attacker.project();
        let find = |id: EventId| events.iter().find(|event| event.id() == id).unwrap();
        let wrap = events.iter().rev().find_map(|event| match event.control() {
            Some(ControlBody::Wrap(wrap)) => Some(wrap),
            _ => None,
        });
        let wrap = wrap.unwrap();
        let Some(ControlBody::Epoch(epoch)) = find(wrap.epoch).control() else { panic!() };
        let device = attacker.key.device();
        let secret = attacker.key.sealing_secret();
        let key = unwrap_key(&founder.workspace.id(), wrap, epoch, &device, secret).unwrap();
        Self { founder, attacker, epoch: wrap.epoch, key }
    }

    /// The header of the attacker's next content event.
    fn header(&self) -> Header {
        let device = self.attacker.key.device();
        let incarnation = self.attacker.incarnation;
        let prev = self.attacker.workspace.own_tip(&device, &incarnation, Lane::Content);
        let control = self.attacker.workspace.control();
        Header {
            workspace: self.founder.workspace.id(),
            lane: Lane::Content,
            author: device,
            incarnation,
            seq: u64::from(prev.is_some()),
            prev,
            parents: vec![self.founding()],
            heard: control.heads(&control.all()),
            stamp: Stamp(1),
            class: Class::Sealed,
            epoch: Some(self.epoch),
            body: None,
        }
    }

    /// The first content event of the workspace.
    fn founding(&self) -> EventId {
        let first = self.founder.workspace.order(0).find(|id| {
            self.founder.workspace.header(id).is_some_and(|header| header.lane == Lane::Content)
        });
        *first.unwrap()
    }

    /// What the founder says of an event with this header and stored body: verdict and reason.
    fn send(&mut self, header: Header, body: Vec<u8>) -> String {
        let header = Header { body: Some(BodyRef::of(&body)), ..header };
        let event = Unsigned { header, body: Some(body) }.sign(&self.attacker.key).unwrap();
        self.deliver(&event)
    }

    fn deliver(&mut self, event: &Verified) -> String {
        let before = self.founder.get("");
        if let Err(fault) = self.founder.workspace.insert(event, &self.founder.key) {
            let InsertFault::Refused(refusal) = fault else { panic!("{fault:?}") };
            return format!("refused {}", refusal.code());
        }
        self.founder.take(std::slice::from_ref(event));
        let (verdict, reason) = self.founder.workspace.verdict(&event.id()).unwrap();
        let kind = self.founder.workspace.kind(&event.id()).unwrap();
        let mut said = format!("{kind} {verdict:?}");
        if let Some(reason) = reason {
            write!(said, " {}", reason.split(':').next().unwrap()).unwrap();
        }
        assert_eq!(self.founder.get(""), before, "what is void changes nothing");
        said
    }

    fn send_inside(&mut self, inside: &[u8]) -> String {
        let header = self.header();
        let body = seal(&self.key, &header, pack(inside).unwrap());
        self.send(header, body)
    }

    fn send_changes(&mut self, changes: Vec<DocumentChange>) -> String {
        self.send_inside(&encode_changes(changes))
    }

    /// A change of a document that would count if it came alone.
    fn good_change(&self, document: Option<DocumentId>) -> DocumentChange {
        let device = self.attacker.key.device();
        let made = hash::document_id(&device, &self.attacker.incarnation, 0);
        let actor = hash::actor(&device, &self.attacker.incarnation, &document.unwrap_or(made), 1);
        let change = founding_change(actor, "evil", ("d", "evil")).unwrap();
        DocumentChange { document, generation: 1, change }
    }
}

#[test]
fn a_kind_that_is_not_known_is_kept_and_shown_as_unknown() {
    // SPEC: CNT-1, CNT-2
    let mut attack = Attack::by(Role::Member);
    let mut writer = Writer::default();
    writer.array(2).uint(99).text("from a newer program");
    let said = attack.send_inside(&writer.finish());
    assert_eq!(said, "unknown-99 Admitted its kind is unknown here");
}

#[test]
fn a_body_that_does_not_open_or_decode_is_void() {
    // SPEC: EFF-1, SEAL-1, SEAL-2
    let mut attack = Attack::by(Role::Member);
    let header = attack.header();
    assert_eq!(attack.send(header, vec![7; 40]), "sealed Void body_sealed");
    assert_eq!(attack.send_inside(b"not CBOR"), "sealed Void body_decode");
    let mut trailing = encode_changes(vec![attack.good_change(None)]);
    trailing.push(0);
    assert_eq!(attack.send_inside(&trailing), "sealed Void body_decode");
    let twice = vec![attack.good_change(None), attack.good_change(None)];
    assert_eq!(attack.send_changes(twice), "sealed Void body_decode");
    assert_eq!(attack.send_changes(Vec::new()), "sealed Void body_decode");
}

#[test]
fn an_epoch_that_its_author_had_not_heard_of_seals_nothing() {
    // SPEC: EFF-2
    let mut attack = Attack::by(Role::Member);
    for epoch in [EventId([9; 32]), attack.founder.workspace.id().genesis()] {
        let header = Header { epoch: Some(epoch), ..attack.header() };
        let inside = encode_changes(vec![attack.good_change(None)]);
        let body = seal(&attack.key, &header, pack(&inside).unwrap());
        assert_eq!(attack.send(header, body), "sealed Void epoch_unheard");
    }
}

#[test]
fn a_runner_changes_no_document() {
    // SPEC: EFF-3
    let mut attack = Attack::by(Role::Runner);
    let change = attack.good_change(None);
    assert_eq!(attack.send_changes(vec![change]), "sealed Void role");
}

#[test]
fn a_runner_keeps_artifacts_and_an_observer_does_not() {
    // SPEC: EFF-6, AUTH-20
    let (_, manifest, _) = crate::artifact::sealed(100, 1);
    let inside = kernelos_protocol::cbor::encode(&manifest);
    for (role, kind) in
        [(Role::Runner, "artifact Admitted"), (Role::Observer, "refused not_member")]
    {
        let mut attack = Attack::by(role);
        let said = attack.send_inside(&inside);
        assert!(said.starts_with(kind), "{role:?}: {said}");
        let artifacts = attack.founder.workspace.artifacts().count();
        assert_eq!(artifacts, usize::from(role == Role::Runner));
    }
    // A payload in another form is no manifest.
    let mut attack = Attack::by(Role::Runner);
    let said = attack.send_inside(&[&inside[..], &[0]].concat());
    assert_eq!(said, "sealed Void body_decode");
}

#[test]
fn a_document_that_nobody_made_cannot_be_changed() {
    // SPEC: EFF-3
    let mut attack = Attack::by(Role::Member);
    let change = attack.good_change(Some(DocumentId([9; 32])));
    assert_eq!(attack.send_changes(vec![change]), "sealed Void unknown_document");
}

#[test]
fn a_document_of_an_event_that_its_author_has_not_seen_cannot_be_changed() {
    // SPEC: EFF-3, PRJ-9
    let mut attack = Attack::by(Role::Member);
    // The founder makes a document that the attacker's next event does not have in its past.
    let device = attack.founder.key.device();
    let made = hash::document_id(&device, &attack.founder.incarnation, 1);
    let actor = hash::actor(&device, &attack.founder.incarnation, &made, 1);
    let change = board_change(actor, "apart").unwrap();
    let event = attack.founder.change(None, change).unwrap();
    attack.founder.project();
    assert!(attack.founder.workspace.has_document(&made));
    let blind = attack.good_change(Some(made));
    assert_eq!(attack.send_changes(vec![blind.clone()]), "sealed Void unknown_document");
    // Seen, it may be changed like every other.
    let header = Header { parents: vec![event.last().unwrap().id()], ..attack.header() };
    let body = seal(&attack.key, &header, pack(&encode_changes(vec![blind])).unwrap());
    assert_eq!(attack.send(header, body), "change Admitted");
}

#[test]
fn an_event_makes_one_document_and_changes_sixteen() {
    // SPEC: CNT-3, PRJ-9
    let mut attack = Attack::by(Role::Member);
    let mut many: Vec<_> = (0..17)
        .map(|n| DocumentChange { document: Some(DocumentId([n; 32])), ..attack.good_change(None) })
        .collect();
    assert_eq!(attack.send_changes(many.clone()), "sealed Void body_decode");
    many.pop();
    assert_eq!(attack.send_changes(many), "sealed Void unknown_document");
}

#[test]
fn hostile_changes_are_void_before_automerge_sees_them() {
    // SPEC: PRJ-3, DOC-3, DOC-13
    let mut attack = Attack::by(Role::Member);
    let mut compressed = attack.good_change(None);
    compressed.change[8] = 2;
    assert_eq!(attack.send_changes(vec![compressed]), "sealed Void compressed");
    let mut foreign = attack.good_change(None);
    foreign.generation = 2;
    assert_eq!(attack.send_changes(vec![foreign]), "sealed Void actor_mismatch");
    let mut broken = attack.good_change(None);
    *broken.change.last_mut().unwrap() ^= 1;
    assert_eq!(attack.send_changes(vec![broken]), "sealed Void bad_checksum");
}

#[test]
fn one_bad_change_makes_the_whole_event_void() {
    // SPEC: EFF-4
    let mut attack = Attack::by(Role::Member);
    let good = attack.good_change(None);
    let mut bad = attack.good_change(Some(attack.founder.document()));
    bad.change.pop();
    let said = attack.send_changes(vec![good.clone(), bad]);
    assert_eq!(said, "sealed Void truncated");
    // The good one alone makes a document of its own, beside the root.
    assert_eq!(attack.send_changes(vec![good]), "change Admitted");
}

#[test]
fn a_change_that_comes_before_what_it_builds_on_is_judged_when_that_is_here() {
    // SPEC: EFF-1, DOC-28
    let (mut founder, mut events) = Peer::founder();
    let mut changes = Vec::new();
    for i in 0..5 {
        changes.extend(founder.set(&format!("notes/{i}"), "text"));
    }
    events.extend(founder.grant(2, Role::Member));
    events.extend(changes.into_iter().rev());
    let mut other = Peer::new(2, founder.workspace.id());
    other.take(&events);
    assert_eq!(other.state(), founder.state());
    other.take(&events);
    assert_eq!(other.state(), founder.state());
}

#[test]
fn two_texts_set_apart_are_a_conflict_and_not_a_mixture() {
    // SPEC: PRJ-5
    let (mut founder, mut events) = Peer::founder();
    events.extend(founder.grant(2, Role::Member));
    let mut other = Peer::new(2, founder.workspace.id());
    other.take(&events);
    let theirs = other.set("notes/a", "theirs");
    founder.set("notes/a", "ours");
    founder.take(&theirs);
    founder.project();
    let (document, path) = (founder.document(), "notes/a".parse().unwrap());
    let done = founder.documents.perform(DocumentTask::Read { document, path });
    let DocumentDone::Read(Ok(read)) = done else { panic!("{done:?}") };
    assert!(read.conflict, "both values are there");
    assert!(["\"ours\"", "\"theirs\""].contains(&read.value.to_string().as_str()));
}

#[test]
fn more_heads_than_an_event_names_are_joined_first() {
    // SPEC: EVT-11, CTL-7
    let (mut founder, mut events) = Peer::founder();
    let numbers = 2..=u8::try_from(PARENTS_MAX).unwrap() + 8;
    for number in numbers.clone() {
        events.extend(founder.grant(number, Role::Member));
    }
    let mut apart = Vec::new();
    for number in numbers {
        let mut peer = Peer::new(number, founder.workspace.id());
        peer.take(&events);
        apart.extend(peer.set(&format!("notes/{number}"), "apart"));
        apart.push(peer.write(|workspace, pen| workspace.write_join(pen)).unwrap());
    }
    founder.take(&apart);
    let written = founder.set("notes/all", "together");
    assert!(written.len() >= 3, "joins of control and of content came first");
    let last = written.last().unwrap().header();
    assert!(last.parents.len() <= PARENTS_MAX && last.heard.len() <= PARENTS_MAX);
    let control = founder.workspace.control();
    assert_eq!(control.heads(&control.all()), last.heard, "all that is known was heard");
    let kinds: Vec<_> =
        written.iter().map(|event| founder.workspace.kind(&event.id()).unwrap()).collect();
    assert_eq!(kinds.first().map(String::as_str), Some("join"));
}

#[test]
fn an_undo_names_content_that_its_author_has_seen() {
    // SPEC: CNT-12
    let unseen = "not_in_view: it takes back an event that it has not seen";
    for (names, reason) in [
        (Named::Later, unseen),
        (Named::Nothing, unseen),
        (Named::Control, unseen),
        (Named::Seen, "it takes back"),
    ] {
        let mut attack = Attack::by(Role::Member);
        let seen = attack.founding();
        let undoes = match names {
            Named::Later => attack.founder.set("notes/later", "1").last().unwrap().id(),
            Named::Nothing => EventId([9; 32]),
            Named::Control => *attack.founder.workspace.order(0).next().unwrap(),
            Named::Seen => seen,
        };
        let change = attack.attacker.change_of("notes/a", "1");
        let document = Some(attack.attacker.document());
        let change = DocumentChange { document, generation: 1, change };
        let event = attack.attacker.craft(&encode_undo(undoes, vec![change]), vec![seen]);
        attack.founder.take(std::slice::from_ref(&event));
        attack.founder.workspace.settle();
        let told = attack.founder.workspace.verdict(&event.id()).unwrap().1.unwrap_or_default();
        assert!(told.starts_with(reason), "{told}");
    }
}

/// Which event an undo names.
enum Named {
    Later,
    Nothing,
    Control,
    Seen,
}

#[test]
fn nothing_is_taken_back_that_is_in_nobodys_view() {
    // SPEC: CNT-12
    for (named, is_written) in
        [("a stranger", false), ("a control event", false), ("a change", true)]
    {
        let (mut founder, _) = Peer::founder();
        let set = founder.set("notes/a", "x").pop().unwrap().id();
        let undoes = match named {
            "a stranger" => EventId([9; 32]),
            "a control event" => founder.workspace.id().genesis(),
            _ => set,
        };
        let change = founder.change_of("notes/a", "y");
        let change = DocumentChange { document: Some(founder.document()), generation: 1, change };
        let written =
            founder.write(|workspace, pen| workspace.write_undo(pen, undoes, vec![change]));
        match written {
            Ok(_) => assert!(is_written, "{named}"),
            Err(AuthorFault::NotAdmitted(id)) => assert_eq!((id, is_written), (undoes, false)),
            Err(other) => panic!("{named}: {other}"),
        }
    }
}
