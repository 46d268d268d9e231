//! A file of addresses, by any bytes: as it is, and each pair of bytes as an address of it.

use std::net::SocketAddr;

use super::list::{PEERS_MAX, read, written};

pub(crate) fn peers(input: &[u8]) {
    if let Ok(found) = read(input) {
        assert!(found.len() <= PEERS_MAX);
        assert_eq!(
            read(written(found.iter()).as_bytes()),
            Ok(found),
            "it is read as it is written"
        );
    }
    let addresses = input.chunks_exact(2).map(|pair| {
        let (ip, port) = (pair[0], u16::from(pair[1]));
        match ip & 1 {
            0 => SocketAddr::from(([10, 0, 0, ip], port)),
            _ => SocketAddr::from(([0xfd00, 0, 0, 0, 0, 0, 0, u16::from(ip)], port)),
        }
    });
    let addresses: std::collections::BTreeSet<_> = addresses.collect();
    let file = written(addresses.iter());
    let again = read(file.as_bytes());
    assert_eq!(again.is_ok(), addresses.len() <= PEERS_MAX);
    assert!(again.is_err() || again == Ok(addresses));
}
