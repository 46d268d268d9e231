//! Copies of one home that speak as one device, and what others count of them.

use kernelos_protocol::role::Role;

use super::lives::{clone_of, rest, swap};
use super::mesh::{Mesh, id};

/// How many events device 1 knows to be on device 2, and of how many.
fn known(mesh: &mut Mesh) -> (usize, usize) {
    let peers = mesh.status(1).peers;
    let peer = peers.iter().find(|peer| peer.device == id(2)).unwrap();
    (peer.acked, peer.of)
}

/// Device 1, and two copies of device 2, the one of which heard of the other's new life.
fn copies() -> (Mesh, super::mesh::Device) {
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    mesh.set(2, "notes/a", "before");
    rest(&mut mesh);
    mesh.cut(link);
    let mut twin = clone_of(&mut mesh, 2);
    mesh.set(2, "notes/b", "of the one");
    let link = mesh.connect(1, 2);
    rest(&mut mesh);
    mesh.cut(link);
    // The copy hears what the other wrote, and begins a life.
    swap(&mut mesh, 2, &mut twin);
    let link = mesh.connect(1, 2);
    mesh.set(2, "notes/c", "of the other");
    rest(&mut mesh);
    mesh.cut(link);
    let (acked, of) = known(&mut mesh);
    assert_eq!(acked, of);
    (mesh, twin)
}

#[test]
fn a_copy_that_is_thrown_away_keeps_the_other_from_nothing() {
    // SPEC: RCPT-6
    let (mut mesh, mut one) = copies();
    // The copy is thrown away; who was first goes on in its older life.
    swap(&mut mesh, 2, &mut one);
    mesh.connect(1, 2);
    rest(&mut mesh);
    for round in 0..3 {
        mesh.set(1, &format!("notes/{round}"), "since");
        rest(&mut mesh);
    }
    let (acked, of) = known(&mut mesh);
    assert_eq!(acked, of, "it says what it holds");
    mesh.assert_equal(&[1, 2]);
}

#[test]
fn a_life_that_was_put_back_counts_no_more_beside_the_one_that_came_of_it() {
    // SPEC: RCPT-5, RCPT-6
    let (mut mesh, _) = copies();
    mesh.set(1, "notes/d", "nobody else has it");
    let (acked, of) = known(&mut mesh);
    assert_eq!(acked + 1, of, "the older life claims nothing of what the newer began by");
}
