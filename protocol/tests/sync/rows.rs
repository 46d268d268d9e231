//! What a member says that costs others, hides something from them or should not be passed on.

use std::collections::VecDeque;

use kernelos_protocol::command::{Command, Reply};
use kernelos_protocol::event::Verified;
use kernelos_protocol::id::Incarnation;
use kernelos_protocol::limits::{
    FRAMES_UNDER_WAY_MAX, JOIN_DELAY_MS, SERVE_EVENTS, STALL_MS, WANT_COUNT_MAX, WANTS_MAX,
};
use kernelos_protocol::replica::Input;
use kernelos_protocol::role::Role;
use kernelos_protocol::store::contract::read_all;
use kernelos_protocol::sync::{LinkId, Message};

use super::hostile::orphans;
use super::mesh::{Mesh, id};

/// All events on the disk of a device.
fn all(mesh: &mut Mesh, number: u8) -> Vec<Verified> {
    read_all(&mut mesh.device(number).disk, 64)
}

/// A link to device 1 of somebody with the key of device 2, who says just this and hears all.
struct Said<'a> {
    mesh: &'a mut Mesh,
    link: LinkId,
}

impl<'a> Said<'a> {
    fn hello(mesh: &'a mut Mesh, lanes_hash: [u8; 32]) -> Self {
        let (link, workspace, now) = (LinkId(1_000), [0; 32], mesh.now);
        let device = mesh.device(1);
        let up = Input::PeerUp { link, device: id(2), dialed: false, workspace };
        device.replica.handle(now, up);
        let mut said = Self { mesh, link };
        said.say(Message::Hello { workspace, incarnation: Incarnation([2; 8]), lanes_hash });
        said
    }

    fn say(&mut self, message: Message) {
        let now = self.mesh.now;
        let device = self.mesh.device(1);
        device.replica.handle(now, Input::Message(self.link, message));
        device.run(now);
    }

    /// What device 1 said on it since the last time.
    fn heard(&mut self) -> Vec<Message> {
        let link = self.link;
        let device = self.mesh.device(1);
        let (own, others): (VecDeque<_>, _) =
            device.wire.drain(..).partition(|(on, _)| *on == link);
        device.wire = others;
        own.iter().map(|(_, frame)| device.read(frame).unwrap()).collect()
    }
}

fn events(heard: &[Message]) -> usize {
    let of = |message: &Message| match message {
        Message::Events(runs) => runs.iter().map(|run| run.events().len()).sum(),
        _ => 0,
    };
    heard.iter().map(of).sum()
}

fn frames(heard: &[Message]) -> usize {
    heard.iter().filter(|message| matches!(message, Message::Events(_))).count()
}

#[test]
fn who_asks_for_everything_again_and_again_is_served_once_and_no_faster_than_it_takes() {
    // SPEC: SYNC-4
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    for number in 0..SERVE_EVENTS + 40 {
        mesh.set(1, "notes/a", &format!("{number}"));
    }
    let history = all(&mut mesh, 1);
    let tips = [history.last().unwrap().id(), history[history.len() / 2].id(), history[1].id()];
    let mut said = Said::hello(&mut mesh, [0; 32]);
    let wants = || tips.iter().cycle().take(WANTS_MAX).map(|tip| (*tip, WANT_COUNT_MAX)).collect();
    (0..50).for_each(|_| said.say(Message::Want(wants())));
    let mut heard = said.heard();
    let window = usize::try_from(FRAMES_UNDER_WAY_MAX).unwrap();
    assert!((1..=window).contains(&frames(&heard)), "{} frames", frames(&heard));
    // As it acknowledges, the rest comes: once, however often it was asked for.
    let before = events(&heard);
    for _ in 0..2 * window {
        said.say(Message::Ack(frames(&heard) as u64));
        heard.extend(said.heard());
    }
    let after = events(&heard) - before;
    assert!(after <= history.len(), "{after} of {}", history.len());
    let runs = heard.iter().filter_map(|message| match message {
        Message::Events(runs) => Some(runs),
        _ => None,
    });
    let newest = runs.flatten().flat_map(|run| run.events()).any(|event| event.id() == tips[0]);
    assert!(newest, "what was asked for came");
}

#[test]
fn of_a_frame_with_one_forged_event_the_honest_ones_come_by_who_is_honest() {
    // SPEC: SYNC-1
    let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Member)]);
    let links = [mesh.connect(1, 2), mesh.connect(1, 3)];
    links.into_iter().for_each(|link| mesh.cut(link));
    mesh.connect(2, 3);
    (0..20).for_each(|number| mesh.set(2, &format!("notes/{number}"), "honest"));
    let own = |event: &Verified| event.header().author == id(2);
    let honest: Vec<_> = all(&mut mesh, 2).into_iter().filter(own).collect();
    let mut frame = Message::events(honest.clone()).encode();
    let at = frame.len() - 1;
    frame[at] ^= 1;
    let before = mesh.status(1).events;
    let said = Said::hello(&mut mesh, [0; 32]);
    let link = said.link;
    let device = mesh.device(1);
    // A signature is looked at where a frame is read: nothing of it reaches the device.
    let fault = device.read(&frame).unwrap_err();
    assert_eq!(fault.code(), "bad_signature");
    let now = mesh.now;
    mesh.device(1).replica.handle(now, Input::Fault(link, fault.code().to_owned()));
    mesh.settle();
    assert_eq!(mesh.device(1).disconnected[&link], "bad_signature");
    assert_eq!(mesh.status(1).events, before);
    mesh.connect(1, 3);
    let here = all(&mut mesh, 1);
    assert!(honest.iter().all(|event| here.contains(event)), "all of them came");
    mesh.assert_equal(&[1, 3]);
}

#[test]
fn who_claims_to_hold_just_the_same_starves_itself_alone() {
    // SPEC: SYNC-2, SYNC-3
    let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Member)]);
    mesh.connect(1, 3);
    mesh.set(1, "notes/a", "hidden");
    // What device 1 says of all that it holds is what the liar says.
    let mut said = Said::hello(&mut mesh, [0; 32]);
    let heard = said.heard();
    let own = heard.iter().find_map(|message| match message {
        Message::Hello { lanes_hash, .. } => Some(*lanes_hash),
        _ => None,
    });
    let (link, now) = (said.link, mesh.now);
    mesh.device(1).replica.handle(now, Input::PeerDown(link));
    let mut said = Said::hello(&mut mesh, own.unwrap());
    let heard = said.heard();
    assert!(!heard.iter().any(|said| matches!(said, Message::Have(_) | Message::Events(_))));
    mesh.set(3, "notes/b", "goes on");
    mesh.assert_equal(&[1, 3]);
    // It may ask all the same, and is given what it names.
    let last = all(&mut mesh, 1).pop().unwrap().id();
    let mut said = Said { mesh: &mut mesh, link };
    said.say(Message::Want(vec![(last, WANT_COUNT_MAX)]));
    assert!(events(&said.heard()) > 0);
}

#[test]
fn what_is_not_taken_is_told_to_nobody() {
    // SPEC: SYNC-4, SYNC-5
    let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Member)]);
    mesh.connect(1, 3);
    mesh.set(1, "notes/a", "honest");
    let header = all(&mut mesh, 1).pop().unwrap().header().clone();
    let mut said = Said::hello(&mut mesh, [0; 32]);
    for junk in orphans(&header, 1_000).chunks(100) {
        said.say(Message::events(junk.to_vec()));
        said.heard();
    }
    let to_others = |mesh: &mut Mesh| mesh.device(1).wire.len();
    assert_eq!(to_others(&mut mesh), 0, "device 3 hears nothing of it");
    mesh.settle();
    mesh.set(1, "notes/b", "goes on");
    mesh.assert_equal(&[1, 3]);
}

#[test]
fn an_older_state_of_members_that_a_peer_serves_takes_back_nothing_that_is_known() {
    // SPEC: AUTH-14, SYNC-4
    let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Member), (4, Role::Member)]);
    let links = [2, 3, 4].map(|number| mesh.connect(1, number));
    links.into_iter().for_each(|link| mesh.cut(link));
    // Device 1 removes device 2, and device 3 hears of it; device 4 hears device 2 alone.
    let reason = "lost".to_owned();
    let revoked = mesh.ask(1, Command::Revoke { device: id(2), reason });
    assert!(!matches!(revoked, Reply::Failed(_)), "{revoked:?}");
    mesh.connect(1, 3);
    mesh.connect(2, 4);
    mesh.set(2, "notes/late", "of who was removed");
    assert_eq!(mesh.get(4, "notes/late"), "\"of who was removed\"");
    let is_member = |mesh: &Mesh, at: u8, device: u8| {
        let control = mesh.devices[&at].replica.workspace().control();
        control.members(&control.all()).contains_key(&id(device))
    };
    assert!(is_member(&mesh, 4, 2) && !is_member(&mesh, 3, 2));
    let older = all(&mut mesh, 4);
    // Each event of the older state, alone and in any order: none takes anything back.
    for event in older.iter().chain(older.iter().rev()) {
        mesh.feed(3, 4, Message::events(vec![event.clone()]));
        assert!(!is_member(&mesh, 3, 2), "it was removed");
        assert_eq!(mesh.get(3, "notes"), "{}");
    }
    // Who was served the older one first comes to the same as who was not.
    mesh.connect(4, 3);
    assert!(!is_member(&mesh, 4, 2));
    mesh.wait(JOIN_DELAY_MS);
    mesh.connect(1, 3);
    mesh.connect(3, 4);
    mesh.wait(STALL_MS);
    mesh.assert_equal(&[1, 3, 4]);
    assert_eq!(mesh.get(4, "notes"), "{}");
}
