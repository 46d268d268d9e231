//! Frames between the processes of a sandbox, by any bytes: as they stand in the socket, and each
//! as the words of a frame that says its length.

use std::io::Cursor;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::frame::{read, read_bytes, send, send_bytes};
use super::plan::{Report, Role};

/// Frames of one input: more only cost.
const FRAMES_MAX: usize = 64;

pub(crate) fn frame(input: &[u8]) {
    let mut socket = Cursor::new(input);
    for _ in 0..FRAMES_MAX {
        let begin = usize::try_from(socket.position()).unwrap();
        let Ok(body) = read_bytes(&mut socket) else { break };
        let end = usize::try_from(socket.position()).unwrap();
        // What was read is what was sent, and not a byte of the next.
        let mut again = Vec::new();
        send_bytes(&mut again, &body).unwrap();
        assert_eq!(again, input[begin..end]);
        words(&body);
    }
    words(input);
}

fn words(body: &[u8]) {
    same::<Role>(body);
    same::<Report>(body);
}

/// Whatever it means, it means the same when it is said again.
fn same<T: Serialize + DeserializeOwned>(body: &[u8]) {
    let mut sent = Vec::new();
    send_bytes(&mut sent, body).unwrap();
    let Ok(said) = read::<T>(&sent[..]) else { return };
    let (mut once, mut twice) = (Vec::new(), Vec::new());
    if send(&mut once, &said).is_err() {
        // A path that is no text cannot be said.
        return;
    }
    send(&mut twice, &read::<T>(&once[..]).unwrap()).unwrap();
    assert_eq!(once, twice);
}
