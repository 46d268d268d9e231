//! Frames between the processes of a sandbox: four bytes of length, big endian, then the bytes.
//!
//! What a frame says of its length costs nothing before the bytes are there.

use std::io::{self, Read, Write};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The longest frame, bytes: a standard input of full length, or a plan with a long environment.
pub(super) const MAX: usize = super::STDIN_MAX;
/// The longest report, bytes: a sentence, with a few paths.
pub(super) const REPORT_MAX: usize = 64 << 10;

/// The socket that is this process's standard input, under another number that no child inherits.
pub(super) fn of_stdin() -> io::Result<UnixStream> {
    Ok(UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?))
}

pub(super) fn head(body: &[u8]) -> io::Result<[u8; 4]> {
    let length = u32::try_from(body.len()).ok().filter(|_| body.len() <= MAX);
    length.map(u32::to_be_bytes).ok_or_else(too_long)
}

/// How long the frame is, where it may be so long.
pub(super) fn length(head: [u8; 4], max: usize) -> io::Result<usize> {
    usize::try_from(u32::from_be_bytes(head)).ok().filter(|n| *n <= max).ok_or_else(too_long)
}

fn too_long() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a frame is too long")
}

pub(super) fn send_bytes(mut to: impl Write, body: &[u8]) -> io::Result<()> {
    to.write_all(&head(body)?)?;
    to.write_all(body)
}

pub(super) fn read_bytes(mut from: impl Read) -> io::Result<Vec<u8>> {
    let mut head = [0; 4];
    from.read_exact(&mut head)?;
    let length = length(head, MAX)?;
    let mut body = Vec::new();
    from.take(length as u64).read_to_end(&mut body)?;
    if body.len() < length { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(body) }
}

pub(super) fn send(to: impl Write, value: &impl Serialize) -> io::Result<()> {
    send_bytes(to, &serde_json::to_vec(value)?)
}

pub(super) fn read<T: DeserializeOwned>(from: impl Read) -> io::Result<T> {
    Ok(serde_json::from_slice(&read_bytes(from)?)?)
}
