//! Leases that bring nothing: each is waited for longer than the one before, to a bound, and what
//! a device could not do is tried again ever later.

use kernelos_protocol::limits::{LEASE_DOUBLINGS_MAX, LEASE_MS, RETRY_DOUBLINGS_MAX, RETRY_MS};
use kernelos_protocol::mission::work::Outcome;

use super::super::worker::Site;

/// What a wait of this device's came to, in milliseconds: until its node has another order.
#[track_caller]
fn until_ordered(site: &mut Site, at_most: u64) -> u64 {
    let begin = site.mesh.now.monotonic_ms;
    while site.order(1).is_none() {
        let deadline = site.mesh.device(1).replica.next_deadline();
        let (at, _) = deadline.expect("it has something to wait for");
        let left = at.saturating_sub(site.mesh.now.monotonic_ms);
        site.mesh.wait(left);
        assert!(site.mesh.now.monotonic_ms - begin <= at_most, "it waits too long");
    }
    site.mesh.now.monotonic_ms - begin
}

/// A home that runs agents alone, at the first of two steps, which its node does not do.
fn alone() -> Site {
    let mut site = Site::of(&[], &[1]);
    site.idle.insert(1);
    site.start(2);
    site.until(|site| site.order(1).is_some());
    site
}

/// A step is done, and the next one is ordered: the lease brought something.
fn does_a_step(site: &mut Site) {
    assert!(site.work(1));
    site.until(|site| site.order(1).is_some());
}

fn epoch(site: &Site) -> Option<u64> {
    site.state(1)?.lease.as_ref().map(|lease| lease.epoch)
}

#[test]
fn each_lease_after_one_that_brought_nothing_is_waited_for_twice_as_long_six_times() {
    // SPEC: LSE-3
    let mut site = alone();
    let mut waited = Vec::new();
    for fruitless in 1..=9 {
        assert_eq!(epoch(&site), Some(fruitless));
        // The process dies: nobody holds this lease any more, and it is not known when to expire.
        site.mesh.restart(1);
        assert!(site.order(1).is_none());
        waited.push(until_ordered(&mut site, LEASE_MS << (LEASE_DOUBLINGS_MAX + 1)));
    }
    let times = [1, 2, 4, 8, 16, 32, 64, 64, 64];
    assert_eq!(waited, times.map(|times| times * LEASE_MS));
    does_a_step(&mut site);
    site.mesh.restart(1);
    assert_eq!(until_ordered(&mut site, LEASE_MS), LEASE_MS, "a step that ended begins it anew");
    site.idle.clear();
    site.until_all(&[1], "promoted");
}

#[test]
fn what_a_device_could_not_do_it_tries_again_ever_later_until_it_could() {
    // SPEC: LSE-3
    let mut site = alone();
    let mut waited = Vec::new();
    let fail = |site: &mut Site| {
        let order = site.order(1).unwrap();
        site.answer(1, &order, Outcome::Failed("the disk is full".to_owned()));
        until_ordered(site, (RETRY_MS + LEASE_MS) << (RETRY_DOUBLINGS_MAX + 1))
    };
    for _ in 0..9 {
        waited.push(fail(&mut site));
    }
    // Its own lease is given up at once, and expires from when it looks again.
    let times = [1, 2, 4, 8, 16, 32, 64, 64, 64];
    assert_eq!(waited, times.map(|times| times * (RETRY_MS + LEASE_MS)));
    does_a_step(&mut site);
    assert_eq!(fail(&mut site), RETRY_MS + LEASE_MS, "a step that ended begins it anew");
}
