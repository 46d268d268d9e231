//! Handshakes under way: how many, and whose turn ends where there is room for no more.
//!
//! Whoever begins one and says no more would hold its place until its time is over. So where
//! nearly all places are taken the oldest one of the address that has the most gives its place to
//! the newcomer: by silence nobody keeps others out, and who comes from one address fights with
//! itself alone (SPEC: LINK-8).

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// Handshakes under way, together with those that gave way and did not end yet. Each holds some
/// 100 KiB at most; further ones are refused at once.
pub(super) const HANDSHAKES_MAX: u32 = 64;

/// From so many on one gives way to each newcomer.
const HANDSHAKES_CALM_MAX: usize = 48;

/// From this many on, a newcomer must show that it receives at the address it claims: senders of
/// packets with invented addresses cannot take the places of the others.
const HANDSHAKES_UNPROVEN_MAX: usize = 8;

/// The handshakes of one transport.
#[derive(Clone)]
pub(super) struct Handshakes {
    places: Arc<Semaphore>,
    under_way: Arc<Mutex<UnderWay>>,
}

#[derive(Default)]
struct UnderWay {
    next: u64,
    /// By age: from where, and what ends it.
    of: BTreeMap<u64, (Option<IpAddr>, Arc<Notify>)>,
}

/// A handshake under way, until it is dropped.
pub(super) struct Handshake {
    number: u64,
    ended: Arc<Notify>,
    all: Handshakes,
    _place: OwnedSemaphorePermit,
}

impl Handshakes {
    pub(super) fn new() -> Self {
        let places = usize::try_from(HANDSHAKES_MAX).unwrap_or(1);
        Self { places: Arc::new(Semaphore::new(places)), under_way: Arc::default() }
    }

    /// A place for one more handshake from this address, none where it is no address of its own;
    /// none where all places are taken.
    pub(super) fn begin(&self, from: Option<IpAddr>) -> Option<Handshake> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if under_way.of.len() >= HANDSHAKES_CALM_MAX {
            under_way.end_one();
        }
        let number = under_way.next;
        under_way.next += 1;
        let ended = Arc::new(Notify::new());
        under_way.of.insert(number, (from.map(neighbourhood), Arc::clone(&ended)));
        drop(under_way);
        Some(Handshake { number, ended, all: self.clone(), _place: place })
    }

    /// Are there so many that a newcomer must show where it is?
    pub(super) fn are_crowded(&self) -> bool {
        let under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        under_way.of.len() >= HANDSHAKES_UNPROVEN_MAX
    }

    /// Waits until none is under way.
    pub(super) async fn all_ended(&self) {
        // An error would say that the semaphore is closed, which never happens.
        self.places.acquire_many(HANDSHAKES_MAX).await.ok();
    }
}

impl UnderWay {
    /// Ends the oldest of the address that has the most.
    fn end_one(&mut self) {
        let mut of_each: BTreeMap<Option<IpAddr>, (usize, u64)> = BTreeMap::new();
        for (number, (from, _)) in &self.of {
            of_each.entry(*from).or_insert((0, *number)).0 += 1;
        }
        let most = of_each.values().max_by_key(|(count, first)| (*count, u64::MAX - *first));
        if let Some((_, ended)) = most.and_then(|(_, first)| self.of.remove(first)) {
            ended.notify_one();
        }
    }
}

impl Handshake {
    /// Does the work of it; none where it gave way before that was done.
    pub(super) async fn during<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            done = work => Some(done),
            () = self.ended.notified() => None,
        }
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        let mut under_way = self.all.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        under_way.of.remove(&self.number);
    }
}

/// Whoever has one address of IPv6 has all of its network.
fn neighbourhood(at: IpAddr) -> IpAddr {
    match at.to_canonical() {
        IpAddr::V6(at) => Ipv6Addr::from_bits(at.to_bits() & !u128::from(u64::MAX)).into(),
        at @ IpAddr::V4(_) => at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    fn has_ended(handshake: &Handshake) -> bool {
        !handshake.all.under_way.lock().unwrap().of.contains_key(&handshake.number)
    }

    #[tokio::test]
    async fn where_places_run_out_the_oldest_of_the_address_with_the_most_gives_way() {
        // SPEC: LINK-8
        let all = Handshakes::new();
        let of = |from: &str| all.begin(at(from)).unwrap();
        let first = of("192.0.2.1");
        let crowd: Vec<_> = (1..=47).map(|host| of(&format!("2001:db8::{host:x}"))).collect();
        assert!(all.are_crowded() && !has_ended(&first) && !crowd.iter().any(has_ended));
        let newcomer = of("192.0.2.2");
        let ended: Vec<_> = crowd.iter().map(has_ended).collect();
        assert!(ended[0] && !ended[1..].contains(&true), "one network is one address: {ended:?}");
        assert_eq!(crowd[0].during(std::future::pending::<()>()).await, None, "it is told so");
        assert_eq!(newcomer.during(async { 7 }).await, Some(7));
        assert!(!has_ended(&first) && !has_ended(&newcomer));
        // Those that gave way and did not end yet hold what they hold.
        let more: Vec<_> = std::iter::from_fn(|| all.begin(at("2001:db8::1"))).take(100).collect();
        assert_eq!(2 + crowd.len() + more.len(), usize::try_from(HANDSHAKES_MAX).unwrap());
        drop((crowd, more));
        assert!(!all.are_crowded() && all.begin(None).is_some(), "places are given back");
        drop((first, newcomer));
        all.all_ended().await;
    }
}
