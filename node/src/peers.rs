//! The fixed addresses that a person gave: where plain QUIC finds other devices.
//!
//! They lie in the home, one a line, and are durable before anybody hears that they are kept. Which
//! device was found at which is known while the node runs: it is learned by its key, each time.

#[cfg(test)]
pub(crate) mod fuzz;
mod list;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Mutex;

use kernelos_protocol::command::{Failure, FailureKind};
use kernelos_protocol::id::DeviceId;

use self::list::PEERS_MAX;
use crate::home::Home;
use crate::pairing::lock;

/// The addresses of one home.
pub(crate) struct Peers {
    folder: PathBuf,
    known: Mutex<BTreeMap<SocketAddr, Option<DeviceId>>>,
}

impl Peers {
    /// Those that the home holds.
    pub(crate) fn load(home: &Home) -> Result<Self, Failure> {
        let folder = home.path().to_owned();
        let path = folder.join("peers");
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            read => read.map_err(|error| unusable(&path, &error))?,
        };
        let known = list::read(&bytes).map_err(|why| unusable(&path, &why))?;
        let known = Mutex::new(known.into_iter().map(|at| (at, None)).collect());
        Ok(Self { folder, known })
    }

    /// All, with who was found there last.
    pub(crate) fn all(&self) -> Vec<(SocketAddr, Option<DeviceId>)> {
        lock(&self.known).iter().map(|(at, device)| (*at, *device)).collect()
    }

    /// Who is at an address was learned, or is not known any more.
    pub(crate) fn learned(&self, at: SocketAddr, device: Option<DeviceId>) {
        if let Some(known) = lock(&self.known).get_mut(&at) {
            *known = device;
        }
    }

    /// Keeps an address, at which this device was found.
    pub(crate) fn add(&self, at: SocketAddr, device: DeviceId) -> Result<(), Failure> {
        let mut known = lock(&self.known);
        if !known.contains_key(&at) && known.len() >= PEERS_MAX {
            let full = format!("{PEERS_MAX} addresses are kept, which is the most");
            return Err(Failure::new(FailureKind::Failed, full)
                .with_hint("take one out: kern peer rm ADDRESS:PORT"));
        }
        let mut next = known.clone();
        next.insert(at, Some(device));
        self.write(&next)?;
        *known = next;
        Ok(())
    }

    /// Takes an address out; false where it is not kept.
    pub(crate) fn remove(&self, at: SocketAddr) -> Result<bool, Failure> {
        let mut known = lock(&self.known);
        let mut next = known.clone();
        if next.remove(&at).is_none() {
            return Ok(false);
        }
        self.write(&next)?;
        *known = next;
        Ok(true)
    }

    /// The file is the old one or the new one, whenever the process dies.
    fn write(&self, known: &BTreeMap<SocketAddr, Option<DeviceId>>) -> Result<(), Failure> {
        let path = self.folder.join("peers");
        let unfinished = self.folder.join(".new-peers");
        let write = || {
            let mut file = File::create(&unfinished)?;
            file.write_all(list::written(known.keys()).as_bytes())?;
            file.sync_all()?;
            fs::rename(&unfinished, &path)?;
            File::open(&self.folder)?.sync_all()
        };
        write().map_err(|error| unusable(&path, &error))
    }
}

fn unusable(path: &std::path::Path, why: &dyn std::fmt::Display) -> Failure {
    Failure::new(FailureKind::Failed, format!("{} cannot be used: {why}", path.display()))
        .with_hint("it holds one ADDRESS:PORT a line; mend it, or move it away")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(number: usize) -> SocketAddr {
        format!("10.0.0.1:{}", 1_000 + number).parse().unwrap()
    }

    #[test]
    fn addresses_outlive_the_process_and_are_bounded_and_who_was_there_is_learned_anew() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path());
        let device = DeviceId([7; 32]);
        let peers = Peers::load(&home).unwrap();
        assert_eq!(peers.all(), []);
        for number in 0..PEERS_MAX {
            peers.add(at(number), device).unwrap();
        }
        peers.add(at(3), device).unwrap();
        assert_eq!(peers.add(at(PEERS_MAX), device).unwrap_err().kind, FailureKind::Failed);
        peers.learned(at(0), None);
        peers.learned(at(PEERS_MAX), Some(device));
        assert_eq!(peers.all()[..2], [(at(0), None), (at(1), Some(device))]);
        let again = Peers::load(&home).unwrap();
        assert_eq!(again.all().len(), PEERS_MAX);
        assert_eq!(again.all()[0], (at(0), None));
        assert_eq!((again.remove(at(0)), again.remove(at(0))), (Ok(true), Ok(false)));
        assert_eq!(Peers::load(&home).unwrap().all()[0], (at(1), None));
    }

    #[test]
    fn a_file_that_somebody_broke_is_told_and_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("peers"), "10.0.0.1:1\nlaptop\n").unwrap();
        let failure = Peers::load(&Home::at(folder.path())).err().unwrap();
        assert!(failure.message.contains("laptop"), "{failure}");
    }

    #[test]
    fn what_cannot_be_written_is_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let peers = Peers::load(&Home::at(folder.path())).unwrap();
        fs::create_dir(folder.path().join("peers")).unwrap();
        assert!(peers.add(at(1), DeviceId([7; 32])).is_err());
        assert_eq!(peers.all(), []);
    }
}
