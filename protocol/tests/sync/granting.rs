//! Granting: a name is one device's.

use kernelos_protocol::command::{Command, FailureKind, Reply, RequestId};
use kernelos_protocol::id::Signature;
use kernelos_protocol::key::DeviceKey;
use kernelos_protocol::pairing::Secret;
use kernelos_protocol::pairing::standing::rule_of;
use kernelos_protocol::replica::Input;
use kernelos_protocol::role::Role;

use super::mesh::Mesh;
use crate::kit::secret;

pub(super) fn grant(number: u8, name: &str) -> Command {
    let key = DeviceKey::from_secret(&secret(number));
    let sealing = key.sealing_statement();
    Command::Grant {
        device: key.device(),
        sealing_key: sealing.key,
        sealing_signature: Signature(sealing.signature),
        role: Role::Member,
        name: name.to_owned(),
        rule: String::new(),
        uses: None,
    }
}

/// The same by a rule that is good for `uses` devices.
fn by_file(number: u8, name: &str, uses: u32) -> Command {
    let invitation = Secret([9; 16]).invitation();
    match grant(number, name) {
        Command::Grant { device, sealing_key, sealing_signature, name, .. } => Command::Grant {
            device,
            sealing_key,
            sealing_signature,
            role: Role::Store,
            name,
            rule: rule_of(&invitation),
            uses: Some(uses),
        },
        _ => unreachable!("it is a grant"),
    }
}

/// How many devices are left, where one was let in.
#[track_caller]
fn left(reply: &Reply) -> Option<u32> {
    match reply {
        Reply::Granted { left, .. } => *left,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_join_file_lets_in_as_many_as_it_says_whoever_comes_at_once() {
    // SPEC: PAIR-24
    let mut mesh = Mesh::of(&[]);
    assert_eq!(left(&mesh.ask(1, by_file(2, "a", 3))), Some(2));
    let now = mesh.now;
    // Both wait in the same turn, and a third behind them is one too many.
    for (request, number, name) in [(1, 3, "b"), (2, 4, "c"), (3, 5, "d")] {
        let command = Input::Command(RequestId(request), by_file(number, name, 3));
        mesh.device(1).replica.handle(now, command);
    }
    mesh.settle();
    let replies = std::mem::take(&mut mesh.device(1).replies);
    assert_eq!((left(&replies[&1]), left(&replies[&2])), (Some(1), Some(0)));
    assert_eq!(replies[&3], Reply::RuleUsed);
    let events = mesh.device(1).disk.len();
    // Also after a restart; and who is in is told so again, which is no use.
    mesh.restart(1);
    assert_eq!(mesh.ask(1, by_file(5, "d", 3)), Reply::RuleUsed);
    assert_eq!(left(&mesh.ask(1, by_file(3, "b", 3))), Some(0));
    assert_eq!(mesh.device(1).disk.len(), events, "nothing was written");
    assert!(matches!(mesh.ask(1, grant(5, "d")), Reply::Granted { left: None, .. }));
}

#[test]
fn who_was_revoked_does_not_come_back_by_a_join_file() {
    // SPEC: PAIR-24
    let mut mesh = Mesh::of(&[]);
    let Reply::Granted { .. } = mesh.ask(1, by_file(2, "a", 3)) else { panic!("it is let in") };
    mesh.ask(1, grant(3, "b"));
    for number in [2, 3] {
        let device = super::mesh::id(number);
        mesh.ask(1, Command::Revoke { device, reason: String::new() });
    }
    assert_eq!(mesh.ask(1, by_file(2, "a", 3)), Reply::RuleUsed);
    let told = mesh.ask(1, by_file(3, "b", 3));
    assert!(matches!(&told, Reply::Failed(failure) if failure.kind == FailureKind::Denied));
    assert_eq!(mesh.ask(1, by_file(4, "device 1", 3)), Reply::NameUsed, "which is no use either");
    assert_eq!(left(&mesh.ask(1, by_file(4, "c", 3))), Some(1));
}

#[test]
fn a_name_is_looked_at_when_the_grant_is_made() {
    // SPEC: PAIR-18
    let mut mesh = Mesh::of(&[]);
    let now = mesh.now;
    // Both wait in the same turn; the second sees the name that the first gives.
    for (request, number) in [(1, 2), (2, 3)] {
        let command = Input::Command(RequestId(request), grant(number, "phone"));
        mesh.device(1).replica.handle(now, command);
    }
    mesh.settle();
    let replies = std::mem::take(&mut mesh.device(1).replies);
    assert!(matches!(replies[&1], Reply::Granted { .. }), "{replies:?}");
    assert_eq!(replies[&2], Reply::NameUsed);
    let events = mesh.device(1).disk.len();
    assert_eq!(mesh.ask(1, grant(4, "device 1")), Reply::NameUsed, "the founder's");
    assert_eq!(mesh.device(1).disk.len(), events, "and nothing was written");
    assert!(matches!(mesh.ask(1, grant(3, "tablet")), Reply::Granted { .. }));
    let again = mesh.ask(1, grant(3, "tablet"));
    assert!(matches!(again, Reply::Granted { .. }), "its own name is no other's: {again:?}");
}
