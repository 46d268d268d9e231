//! What is said and believed on a local network, flooded, changed bit by bit, and over minutes.

use super::*;

fn device(number: u8) -> DeviceId {
    DeviceId([number; 32])
}

fn at(number: u16) -> SocketAddr {
    SocketAddr::new([10, 77, 0, 2].into(), number)
}

fn missing(numbers: &[u8]) -> BTreeSet<DeviceId> {
    numbers.iter().map(|number| device(*number)).collect()
}

fn told(number: u8, addresses: &[SocketAddr]) -> Announcement {
    Announcement::new(&device(number), [7; 8], addresses).unwrap()
}

#[test]
fn an_announcement_is_one_short_message_of_dns_that_names_its_device_to_who_knows_it() {
    // SPEC: LINK-5, HASH-1
    let addresses: Vec<_> = (0..20).map(|port| format!("[fd77::2]:{}", 65_535 - port)).collect();
    let addresses: Vec<_> = addresses.iter().map(|at| at.parse().unwrap()).collect();
    let full = told(1, &addresses);
    assert_eq!(full.addresses().len(), NEARBY_ADDRESSES_MAX);
    let bytes = full.encode().unwrap();
    assert!(bytes.len() <= 512, "RFC 1035 section 2.3.4: {}", bytes.len());
    assert_eq!(Announcement::decode(&bytes), Some(full.clone()));
    assert!(full.is_of(&device(1)) && !full.is_of(&device(2)));
    assert!(!bytes.windows(8).any(|part| part == [1; 8]), "its id is not in it");
    let other = Announcement::new(&device(1), [8; 8], &addresses).unwrap();
    assert_ne!(full.tag, other.tag, "on another network nothing says that it is the same");
    assert_eq!(Announcement::new(&device(1), [7; 8], &[]), None);
    let vector: String =
        told(1, &[at(7_447)]).encode().unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        vector,
        "000084000000000100000000\
         095f6b65726e656c6f73045f756470056c6f63616c00001000010000000a0029\
         2861743d\
         83480707070707070707509ed47d35f0a620fc5f1fe2689c3e16a68182440a4d0002191d17"
    );
}

#[test]
fn whatever_is_changed_in_an_announcement_it_is_none_or_about_nobody() {
    // SPEC: LINK-5
    let bytes = told(1, &[at(1), at(2)]).encode().unwrap();
    for place in 0..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[place] ^= 1 << bit;
            let read = Announcement::decode(&changed);
            assert!(read.is_none_or(|read| !read.is_of(&device(1))), "bit {bit} of byte {place}");
        }
        assert_eq!(Announcement::decode(&bytes[..place]), None, "{place} bytes of it");
    }
    assert_eq!(Announcement::decode(&[&bytes[..], &[0]].concat()), None);
}

#[test]
fn who_misses_somebody_says_so_ever_more_seldom_and_anew_when_something_changed() {
    // SPEC: LINK-5
    let mut nearby = Nearby::default();
    let mut said = Vec::new();
    for now in (0..400_000).step_by(250) {
        let missed = if now < 200 { missing(&[]) } else { missing(&[1]) };
        let own = if now < 300_000 { at(1) } else { at(2) };
        if nearby.look(now, &missed, &[own]) {
            said.push(now / 250 * 250);
        }
    }
    let seconds: Vec<_> = said.iter().map(|ms| (ms - 250) / 1_000).collect();
    assert_eq!(
        seconds,
        [0, 1, 3, 7, 15, 31, 63, 123, 183, 243, 299, 300, 302, 306, 314, 330, 362],
        "{said:?}"
    );
    assert!(!nearby.look(1_000_000, &missing(&[]), &[at(3)]), "nobody is missed");
    assert!(!nearby.look(1_000_000, &missing(&[1]), &[]), "it is nowhere");
    // However often somebody goes and comes, no two are within a second.
    let mut last = None;
    for now in (2_000_000..2_100_000).step_by(50) {
        let missed = if now % 100 == 0 { missing(&[1]) } else { missing(&[]) };
        if nearby.look(now, &missed, &[at(3)]) {
            assert!(last.is_none_or(|last| now - last >= ANNOUNCE_MS.0), "{last:?} {now}");
            last = Some(now);
        }
    }
    assert!(last.is_some());
}

#[test]
fn a_flood_about_a_missed_device_makes_five_dials_a_minute_and_keeps_eight_addresses() {
    // SPEC: LINK-6
    let mut nearby = Nearby::default();
    nearby.look(0, &missing(&[1, 2]), &[at(1)]);
    let mut dials = Vec::new();
    for now in (0..180_000_u64).step_by(7) {
        let port = u16::try_from(now % 60_000 + 1).unwrap();
        assert!(nearby.hear(&told(1, &[at(port)]), |_| true));
        for (device_id, addresses) in nearby.due(now) {
            assert_eq!(device_id, device(1), "the other one is not dialed for it");
            assert!(addresses.len() <= NEARBY_ADDRESSES_MAX && addresses.contains(&at(port)));
            dials.push(now);
        }
    }
    assert_eq!(dials.len(), 15, "{dials:?}");
    for of_a_minute in dials.windows(NEARBY_DIALS_MAX + 1) {
        assert!(of_a_minute[NEARBY_DIALS_MAX] - of_a_minute[0] >= NEARBY_DIALS_MS);
    }
    assert_eq!(nearby.missed[&device(1)].heard_at.len(), NEARBY_ADDRESSES_MAX);
}

#[test]
fn what_is_about_nobody_who_is_missed_or_far_away_is_not_kept() {
    // SPEC: LINK-6
    let mut nearby = Nearby::default();
    nearby.look(0, &missing(&[1]), &[at(1)]);
    assert!(!nearby.hear(&told(2, &[at(5)]), |_| true), "not missed");
    assert!(nearby.hear(&told(1, &[at(5), at(6)]), |near| *near != at(5)));
    assert!(nearby.hear(&told(1, &[at(0)]), |_| true), "a port that nobody has");
    assert_eq!(nearby.due(1), BTreeMap::from([(device(1), vec![at(6)])]));
    assert_eq!(nearby.due(2), BTreeMap::new(), "once for what was heard once");
    assert!(nearby.hear(&told(1, &[at(6)]), |_| true));
    assert_eq!(nearby.due(3).len(), 1, "and again when it is said again");
    nearby.look(4, &missing(&[]), &[at(1)]);
    assert!(nearby.missed.is_empty(), "found: nothing of it stays");
}
