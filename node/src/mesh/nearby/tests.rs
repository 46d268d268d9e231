//! What a device is known by on local networks.

use super::*;

#[tokio::test]
async fn a_device_that_was_nowhere_for_a_while_is_known_by_another_nonce() {
    // SPEC: LINK-5
    let device = DeviceId([1; 32]);
    let missed = BTreeSet::from([DeviceId([2; 32])]);
    // Of no interface of any machine: nothing is sent.
    let here: SocketAddr = "203.0.113.7:1".parse().unwrap();
    let mut nearby = Nearby::new(device);
    nearby.look(0, &missed, &[here]).await;
    let first = nearby.nonce.clone().unwrap().0;
    nearby.look(1_000_000, &missed, &[here]).await;
    assert_eq!(nearby.nonce.clone().unwrap().0, first, "it stays as long as the network does");
    nearby.look(1_000_001, &missed, &[]).await;
    nearby.look(9_000_000, &missed, &[here]).await;
    assert_ne!(nearby.nonce.clone().unwrap().0, first);
}
