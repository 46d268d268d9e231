//! Production against the port, over random histories.

use super::adapter::{Shape, compare};
use super::model::{History, Mask, bits, has};
use crate::kit::setting;

use super::world::{World, Worlds, attack_after_rescue, late_attack};
use kernelos_protocol::role::Role;

/// Takes strangers' content out of a cleaned history, and out of what is asked about it. By the
/// model it is admitted in no set and its absence changes nothing of the rest.
// SPEC: AUTH-20
pub(super) fn without_strangers(h: &History, among: &mut [Mask]) -> (History, Mask) {
    let strangers = h.strangers();
    let rest = h.without(strangers);
    for known in among {
        let admitted = h.admitted(*known);
        assert_eq!(admitted & strangers, 0, "admitted by nobody");
        *known &= !strangers;
        assert_eq!(rest.admitted(*known), admitted, "nor missed");
    }
    (rest, strangers)
}

/// How many histories: so many, or as `KERNELOS_WORLDS` says.
pub(super) fn worlds(usual: usize) -> u64 {
    setting("KERNELOS_WORLDS", usual) as u64
}

fn check(w: &World) {
    let (h, refused) = w.h.cleaned();
    // A thief may know an event without its past; a replica never does.
    let closed = |known| bits(known & !refused).fold(0, |all, e| all | h.with_past(e));
    let mut among: Vec<Mask> = w.stores().into_iter().map(closed).collect();
    let (h, strangers) = without_strangers(&h, &mut among);
    let refused = refused | strangers;
    among.sort_unstable();
    among.dedup();
    compare(&h, refused, Shape::Flat, &among);
    compare(&h, refused, Shape::Dense, &[]);
    compare(&h.chained(), refused, Shape::Chained, &among);
}

#[test]
fn random_histories_are_judged_as_the_model_does() {
    for seed in 0..worlds(800) {
        check(&World::new(seed, 5, None, Worlds::Plain).run(26));
    }
}

#[test]
fn histories_with_all_roles_are_judged_as_the_model_does() {
    for seed in 0..worlds(800) {
        check(&World::new(seed, 6, None, Worlds::Wide).run(34));
    }
}

#[test]
fn messy_histories_are_judged_as_the_model_does() {
    for seed in 0..worlds(1200) {
        check(&World::new(seed, 4, None, Worlds::Messy).run(40));
    }
}

#[test]
fn histories_with_rescues_and_readmissions_are_judged_as_the_model_does() {
    for seed in 0..worlds(500) {
        check(&World::new(seed, 5, None, Worlds::Rescued).run(40));
    }
}

#[test]
fn histories_of_restored_and_cloned_stores_are_judged_as_the_model_does() {
    // SPEC: AUTH-12, AUTH-18
    let mut lives = 0;
    for seed in 0..worlds(150) {
        let w = World::new(seed, 4, None, Worlds::Restored).run(40);
        lives += w.h.events.iter().filter(|e| e.life > 0).count();
        check(&w);
    }
    assert!(lives > 500, "{lives} events of later lives say something");
}

#[test]
fn histories_with_strangers_are_judged_as_the_model_does() {
    for seed in 0..worlds(400) {
        check(&World::new(seed, 4, None, Worlds::Strange).run(40));
    }
}

#[test]
fn late_attack_brings_no_revoked_device_back() {
    let mut attacks = 0;
    for (w, puppets, heard) in (0..worlds(800)).filter_map(late_attack) {
        attacks += 1;
        let (h, refused) = w.h.cleaned();
        for h in [&w.h, &h] {
            let everything = h.everything() & !refused;
            for &p in &puppets {
                assert_eq!(h.rank(p, everything), None, "{p} came back");
            }
            // What was written after all had heard is in nobody's view but the attackers'.
            let late = h.admitted(everything) & !heard;
            assert!((0..h.events.len()).all(|e| !has(late, e)), "late content stays out");
        }
        check(&w);
    }
    assert!(attacks > 100, "{attacks} attacks are enough to say something");
}

#[test]
fn what_the_recovery_key_decided_stands_whatever_a_thief_backdates() {
    for (seed, attack) in (0..worlds(500)).map(|seed| (seed, attack_after_rescue(seed))) {
        let Some((w, rescuer, out, heard)) = attack else { continue };
        let (h, refused) = w.h.cleaned();
        for h in [&w.h, &h] {
            let everything = h.everything() & !refused;
            assert_eq!(h.rank(rescuer, everything), Some(Role::Owner), "{seed}: the rescuer leads");
            for &d in &out {
                assert_eq!(h.rank(d, everything), None, "{seed}: {d} came back");
            }
            let late = h.admitted(everything) & !heard;
            assert!((0..h.events.len()).all(|e| !has(late, e)), "{seed}: late content stays out");
        }
        check(&w);
    }
}
