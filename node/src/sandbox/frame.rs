//! Frames between the processes of a sandbox: four bytes of length, big endian, then the bytes.

use std::io::{self, Read, Write};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The longest frame, bytes: a standard input of full length, or a plan with a long environment.
pub(super) const MAX: usize = super::STDIN_MAX;

/// The socket that is this process's standard input, under another number that no child inherits.
pub(super) fn of_stdin() -> io::Result<UnixStream> {
    Ok(UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?))
}

pub(super) fn head(body: &[u8]) -> io::Result<[u8; 4]> {
    let length = u32::try_from(body.len()).ok().filter(|_| body.len() <= MAX);
    length.map(u32::to_be_bytes).ok_or_else(too_long)
}

pub(super) fn length(head: [u8; 4]) -> io::Result<usize> {
    usize::try_from(u32::from_be_bytes(head)).ok().filter(|n| *n <= MAX).ok_or_else(too_long)
}

fn too_long() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a frame is too long")
}

pub(super) fn send_bytes(mut to: &UnixStream, body: &[u8]) -> io::Result<()> {
    to.write_all(&head(body)?)?;
    to.write_all(body)
}

pub(super) fn read_bytes(mut from: &UnixStream) -> io::Result<Vec<u8>> {
    let mut head = [0; 4];
    from.read_exact(&mut head)?;
    let mut body = vec![0; length(head)?];
    from.read_exact(&mut body)?;
    Ok(body)
}

pub(super) fn send(to: &UnixStream, value: &impl Serialize) -> io::Result<()> {
    send_bytes(to, &serde_json::to_vec(value)?)
}

pub(super) fn read<T: DeserializeOwned>(from: &UnixStream) -> io::Result<T> {
    Ok(serde_json::from_slice(&read_bytes(from)?)?)
}
