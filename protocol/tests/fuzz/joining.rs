//! How devices come together, and what one keeps to itself: join files, standing invitations,
//! announcements on a local network, glances.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use data_encoding::BASE32_NOPAD;
use kernelos_protocol::command::{Command, Reply, RequestId};
use kernelos_protocol::hash::{self, context};
use kernelos_protocol::id::{DeviceId, WorkspaceId};
use kernelos_protocol::limits::{
    JOIN_FILE_ADDRESSES_MAX, JOIN_FILE_BYTES_MAX, NEARBY_ADDRESSES_MAX, NEARBY_DIALS_MAX,
    STANDING_LIFETIME_MAX_S,
};
use kernelos_protocol::pairing::standing::{JOIN_FILE_PREFIX, JoinFile, Standing, may_stand};
use kernelos_protocol::replica::{Input, Output, Replica};
use kernelos_protocol::seal::seal_local;
use kernelos_protocol::store::Slice;
use kernelos_protocol::sync::nearby::{Announcement, Nearby};

use crate::kit::{NOON, config, secret};

/// A text as it is, and a line of these bytes with a checksum that fits.
pub(super) fn join_file(input: &[u8]) {
    let read = |text: &str| {
        let Ok(file) = JoinFile::from_text(text) else { return };
        assert!(may_stand(file.role, file.uses));
        assert!(file.addresses.len() <= JOIN_FILE_ADDRESSES_MAX);
        assert_eq!(JoinFile::from_text(&file.to_text()), Ok(file));
    };
    std::str::from_utf8(input).map(read).ok();
    // A longer one is refused by its length.
    let input = &input[..input.len().min(JOIN_FILE_BYTES_MAX)];
    let sum = hash::hash(context::PAIRING_CHECKSUM, &[input]);
    read(&format!("{JOIN_FILE_PREFIX}{}", BASE32_NOPAD.encode(&[input, &sum[..4]].concat())));
}

/// What an issuer's disk holds of its invitations; time never makes one longer.
pub(super) fn standing(input: &[u8]) {
    let Ok(kept) = serde_json::from_slice::<Vec<Standing>>(input) else { return };
    let written = serde_json::to_vec(&kept).unwrap();
    assert_eq!(serde_json::from_slice::<Vec<Standing>>(&written).unwrap(), kept);
    for mut standing in kept {
        let secret = standing.secret(&secret(1));
        let mut left = standing.left_ms();
        for (now_s, passed_s) in [(0, 0), (standing.seen_s, 1), (1, u64::MAX), (u64::MAX, 0)] {
            standing.saw(now_s, passed_s);
            assert!(standing.left_ms() <= left, "{standing:?}");
            left = standing.left_ms();
        }
        assert_eq!(left, 0, "it ends");
        assert!(standing.over.is_some());
        assert_eq!(standing.secret(&self::secret(1)), secret, "its file is what it was");
        let (role, uses) = (standing.role, standing.uses);
        let made = Standing::new(standing.nonce, standing.workspace, (role, uses), 5, left);
        assert_eq!(made, None, "for no time");
        let long = STANDING_LIFETIME_MAX_S;
        let made = Standing::new(standing.nonce, standing.workspace, (role, uses), 5, long);
        assert_eq!(made.is_some(), may_stand(role, uses));
    }
}

/// A message as it is, and a text of these bytes in the one frame that announcements have.
pub(super) fn announcement(input: &[u8]) {
    let device = DeviceId([7; 32]);
    let read = |message: &[u8]| {
        let Some(said) = Announcement::decode(message) else { return };
        assert_eq!(said.encode().as_deref(), Some(message));
        assert!((1..=NEARBY_ADDRESSES_MAX).contains(&said.addresses().len()));
        hear(&said, &device);
    };
    read(input);
    let at: SocketAddr = "192.0.2.1:7".parse().unwrap();
    let honest = Announcement::new(&device, [1; 8], &[at]).unwrap().encode().unwrap();
    let text = honest.windows(3).position(|key| key == b"at=").unwrap();
    let (before, length) = (&honest[..text - 3], input.len().min(252) as u8 + 3);
    let record = (u16::from(length) + 1).to_be_bytes();
    let inside = &input[..usize::from(length) - 3];
    read(&[before, &record, &[length], b"at=", inside].concat());
    // Somebody who knows the device may say anything of it: no more is made of that.
    let port = |at: &[u8]| SocketAddr::from(([192, 0, 2, at[0]], u16::from(at[1])));
    let addresses: Vec<_> = input.chunks_exact(2).take(40).map(port).collect();
    if let Some(said) = Announcement::new(&device, [2; 8], &addresses) {
        assert!(said.is_of(&device));
        assert_eq!(Announcement::decode(&said.encode().unwrap()).as_ref(), Some(&said));
        hear(&said, &device);
    }
}

/// However often it is heard, few dials and few addresses come of it.
fn hear(said: &Announcement, device: &DeviceId) {
    let mut nearby = Nearby::default();
    nearby.look(0, &BTreeSet::from([*device]), &[]);
    let mut dials = 0;
    for now_ms in 0..20 {
        let is_new = nearby.hear(said, |_| true);
        assert_eq!(is_new, said.is_of(device));
        for addresses in nearby.due(now_ms).into_values() {
            dials += 1;
            assert!(addresses.len() <= NEARBY_ADDRESSES_MAX);
            assert!(addresses.iter().all(|at| at.port() != 0 && said.addresses().contains(at)));
        }
    }
    assert!(dials <= NEARBY_DIALS_MAX);
}

/// A glance as a store holds it; and what one says that this device sealed.
pub(super) fn glance(input: &[u8]) {
    let workspace = WorkspaceId([5; 32]);
    let key = hash::hash(context::GLANCE_KEY, &[&secret(1)]);
    let sealed = seal_local(&key, &workspace.0, [1; 12], input.to_vec());
    for glance in [input.to_vec(), sealed] {
        let mut replica = Replica::load(config(1, workspace), NOON);
        assert!(matches!(replica.poll_output(), Some(Output::Load(_))));
        let (glance, kept, next) = (Some(glance), 3, Some(1));
        replica.handle(NOON, Input::Loaded(Slice { glance, kept, next, ..Slice::default() }));
        let paths = ["notes", "notes/a", "tasks/t/title"].map(|path| path.parse().unwrap());
        let reads = paths.into_iter().map(|path| Command::Read { path });
        for (number, command) in (0..).zip(reads.chain([Command::Status])) {
            replica.handle(NOON, Input::Command(RequestId(number), command));
        }
        while let Some(output) = replica.poll_output() {
            match output {
                // It claims nothing: neither a state nor that nothing is missing.
                Output::Reply(_, Reply::Status(status)) => {
                    assert!(status.state_hash.is_none() && !status.current);
                    assert!(status.loading.is_some());
                }
                Output::Reply(_, Reply::Read(_)) | Output::Load(_) => {}
                other => panic!("nothing else is done: {other:?}"),
            }
        }
    }
}
