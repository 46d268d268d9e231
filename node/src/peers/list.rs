//! The file of addresses: one a line.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::SocketAddr;

/// Addresses that are kept: each is dialed while a member is missing. A closed network has some
/// dozens of devices, and two addresses for each are plenty.
pub(super) const PEERS_MAX: usize = 64;

/// The addresses of a file; or why it is none of ours.
pub(super) fn read(bytes: &[u8]) -> Result<BTreeSet<SocketAddr>, String> {
    let text = str::from_utf8(bytes).map_err(|_| "it is no text".to_owned())?;
    let mut found = BTreeSet::new();
    for line in text.lines() {
        let shown = || line.chars().take(80).collect::<String>();
        found.insert(line.parse().map_err(|_| format!("no address: {:?}", shown()))?);
        if found.len() > PEERS_MAX {
            return Err(format!("more than {PEERS_MAX} addresses"));
        }
    }
    Ok(found)
}

/// The file of these addresses.
pub(super) fn written<'a>(known: impl Iterator<Item = &'a SocketAddr>) -> String {
    known.fold(String::new(), |mut text, at| {
        writeln!(text, "{at}").ok();
        text
    })
}
