//! What cuts name and nobody shows.

use kernelos_protocol::limits::ABSENT_CUT_MS;

use super::offers::{devices, revoked};

#[test]
fn what_nobody_shows_is_waited_for_a_minute() {
    // SPEC: AUTH-13
    let (mut founder, base, late) = revoked(100);
    founder.take(&late);
    let tip = late[99].id();
    let back =
        founder.write(|workspace, pen| workspace.write_readmit_event(pen, &tip, "found")).unwrap();
    let mut mesh = devices(&[(4, &[&base[..], &back].concat())]);
    mesh.wait(ABSENT_CUT_MS - 1);
    let status = mesh.status(4);
    assert!(status.state_hash.is_none() && !status.current, "it may come still");
    mesh.wait(1);
    let status = mesh.status(4);
    assert!(status.state_hash.is_some() && status.current, "and not for ever");
}
