//! Granting: a name is one device's.

use kernelos_protocol::command::{Command, Reply, RequestId};
use kernelos_protocol::id::Signature;
use kernelos_protocol::key::DeviceKey;
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
    }
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
