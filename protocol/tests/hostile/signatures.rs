//! Signatures are checked one by one and strictly: no other bytes than the author's pass.

use kernelos_protocol::cbor::{Writer, encode};
use kernelos_protocol::event::Signed;
use kernelos_protocol::hash;
use kernelos_protocol::id::DeviceId;
use kernelos_protocol::key::verify;

use super::samples::{events, key};

#[test]
fn no_signature_with_another_bit_and_no_parts_of_two_are_one() {
    // SPEC: EVT-5, EVT-6
    let all = events();
    let (event, other) = (&all[3], &all[4]);
    let id = event.id().0;
    let good = key(1).sign(hash::SIGN_EVENT, &id);
    let passes = |signature: &[u8; 64]| {
        let mut to = Writer::default();
        to.array(3).bytes(&encode(event.header())).bytes(signature).bytes_or_null(event.body());
        let whole = Signed::decode(&to.finish()).and_then(Signed::verify).is_ok();
        let device: DeviceId = event.header().author;
        assert_eq!(verify(&device, hash::SIGN_EVENT, &id, signature), whole, "two ways, one word");
        whole
    };
    assert!(passes(&good));
    for bit in 0..512 {
        let mut bad = good;
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(!passes(&bad), "bit {bit}");
    }
    // R of one and S of another, of the same key.
    let theirs = key(1).sign(hash::SIGN_EVENT, &other.id().0);
    for at in [0, 32] {
        let mut mixed = good;
        mixed[at..at + 32].copy_from_slice(&theirs[at..at + 32]);
        assert!(!passes(&mixed));
    }
    // R that no point has, and R of small order with the S that fits none.
    for point in [[0xff; 32], [0; 32]] {
        let mut bad = good;
        bad[..32].copy_from_slice(&point);
        assert!(!passes(&bad));
    }
}
