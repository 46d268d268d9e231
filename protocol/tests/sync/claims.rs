//! Who says that it has what it never gives: others that have it are asked after a while, and the
//! next time at once.

use kernelos_protocol::id::{EventId, Lane};
use kernelos_protocol::limits::{CHAIN_LATE_MS, STALL_MS};
use kernelos_protocol::replica::Input;
use kernelos_protocol::role::Role;
use kernelos_protocol::store::contract::read_all;
use kernelos_protocol::sync::{LinkId, Message, Tip};

use super::mesh::{Mesh, id};

const BEFORE: &str = "\"before\"";
const AFTER: &str = "\"after\"";

/// Device 1 is connected with 2 alone, and lacks an event of 3: how this stands at the end of its
/// chain.
fn apart() -> (Mesh, LinkId, Tip) {
    let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Member)]);
    let link = mesh.connect(1, 3);
    mesh.set(3, "notes/a", "before");
    mesh.connect(1, 2);
    let tip = unheard(&mut mesh, link, "after");
    (mesh, LinkId(2), tip)
}

/// Device 3 writes while nobody hears it.
fn unheard(mesh: &mut Mesh, link: LinkId, value: &str) -> Tip {
    mesh.cut(link);
    mesh.set(3, "notes/a", value);
    let event = read_all(&mut mesh.device(3).disk, 64).pop().unwrap();
    Tip { chain: event.chain(), seq: event.header().seq, id: event.id() }
}

/// Device 2 claims to have it.
fn claim(mesh: &mut Mesh, link: LinkId, tip: Tip) {
    let now = mesh.now;
    mesh.device(1).replica.handle(now, Input::Message(link, Message::Have(vec![tip])));
    mesh.device(1).run(now);
    mesh.settle();
}

#[test]
fn who_claims_what_it_has_not_is_waited_for_once_and_then_not_at_all() {
    // SPEC: SYNC-3, SYNC-4
    let (mut mesh, link, tip) = apart();
    claim(&mut mesh, link, tip);
    let honest = mesh.connect(1, 3);
    mesh.wait(STALL_MS - 1);
    assert_eq!(mesh.get(1, "notes/a"), BEFORE, "a chain is asked of one peer at a time");
    mesh.wait(1);
    assert_eq!(mesh.get(1, "notes/a"), AFTER);
    mesh.assert_equal(&[1, 3]);

    let tip = unheard(&mut mesh, honest, "again");
    claim(&mut mesh, link, tip);
    mesh.connect(1, 3);
    assert_eq!(mesh.get(1, "notes/a"), "\"again\"", "no time passed");
    let frames = mesh.frames;
    (0..5).for_each(|_| claim(&mut mesh, link, tip));
    assert_eq!(mesh.frames, frames, "it is here: nobody is asked");
    mesh.assert_equal(&[1, 3]);
}

#[test]
fn who_was_waited_for_in_vain_takes_no_chain_from_who_is_sending_it() {
    // SPEC: SYNC-4
    let (mut mesh, link, tip) = apart();
    claim(&mut mesh, link, tip);
    let honest = mesh.connect(1, 3);
    mesh.wait(STALL_MS);
    let tip = unheard(&mut mesh, honest, "again");
    mesh.withheld = Some((3, |said| matches!(said, Message::Events(_))));
    mesh.connect(1, 3);
    let frames = mesh.frames;
    for more in 1..10 {
        claim(&mut mesh, link, Tip { seq: tip.seq + more, id: EventId([7; 32]), ..tip });
    }
    assert_eq!(mesh.frames, frames, "nobody is asked, and what is under way not once more");
    mesh.withheld = None;
    mesh.settle();
    assert_eq!(mesh.get(1, "notes/a"), "\"again\"");
}

#[test]
fn who_goes_on_sending_other_things_keeps_nothing_back_for_long() {
    // SPEC: SYNC-4
    let (mut mesh, link, tip) = apart();
    claim(&mut mesh, link, Tip { seq: u64::MAX, id: EventId([7; 32]), ..tip });
    mesh.connect(1, 3);
    for second in 0..CHAIN_LATE_MS / 1_000 {
        assert_eq!(mesh.get(1, "notes/a"), BEFORE, "after {second} s");
        mesh.set(2, "notes/own", &second.to_string());
        mesh.wait(1_000);
    }
    assert_eq!(mesh.get(1, "notes/a"), AFTER);
    mesh.assert_equal(&[1, 2, 3]);
}

#[test]
fn who_claims_more_and_more_of_a_chain_wins_no_time_by_it() {
    // SPEC: SYNC-4
    let (mut mesh, link, tip) = apart();
    let mut waited = 0;
    loop {
        let more = waited / 1_000;
        let id = EventId([u8::try_from(more).unwrap(); 32]);
        claim(&mut mesh, link, Tip { seq: tip.seq + more, id, ..tip });
        if waited == 0 {
            mesh.connect(1, 3);
        }
        if mesh.get(1, "notes/a") == AFTER {
            break;
        }
        assert!(waited < CHAIN_LATE_MS, "it is waited for for ever");
        waited += 1_000;
        mesh.wait(1_000);
    }
    assert_eq!(waited, CHAIN_LATE_MS);
    mesh.assert_equal(&[1, 3]);
}

#[test]
fn who_is_slow_and_sends_some_of_a_chain_now_and_then_is_asked_alone() {
    // SPEC: SYNC-4
    let (mut mesh, link, _) = apart();
    (0..4).for_each(|number| mesh.set(3, "notes/a", &number.to_string()));
    let mut own = read_all(&mut mesh.device(3).disk, 64);
    own.retain(|event| event.header().author == id(3) && event.header().lane == Lane::Content);
    let last = own.last().unwrap();
    claim(&mut mesh, link, Tip { chain: last.chain(), seq: last.header().seq, id: last.id() });
    mesh.connect(1, 3);
    let every = CHAIN_LATE_MS / 1_000 - 2;
    let mut came = own.split_off(own.len() - 5).into_iter();
    for second in 0..5 * every {
        if second % every == 0 {
            let (now, event) = (mesh.now, came.next().unwrap());
            let said = Input::Message(link, Message::events([event]));
            mesh.device(1).replica.handle(now, said);
            mesh.settle();
        }
        let shown = match (second / every).checked_sub(1) {
            None => AFTER.to_owned(),
            Some(number) => format!("\"{number}\""),
        };
        assert_eq!(mesh.get(1, "notes/a"), shown, "after {second} s: of one peer at a time");
        mesh.set(2, "notes/own", &second.to_string());
        mesh.wait(1_000);
    }
    mesh.assert_equal(&[1, 3]);
}
