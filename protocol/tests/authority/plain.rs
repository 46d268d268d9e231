//! What follows the newest event of its chain is not judged again where nothing is in doubt: it
//! comes to the same as if it were, whatever was forked, cut or brought back before it.

use super::adapter::{Lanes, Shape, device_id, devices};
use super::model::{History, Mask, bit, bits};
use super::random::worlds;
use super::world::{World, Worlds};

/// All of these, behind what was told, in an order in which chains go on as long as they can, as
/// runs do.
fn by_chains(h: &History, among: Mask, told: Mask) -> Vec<usize> {
    let (mut order, mut done): (Vec<usize>, Mask) = (Vec::new(), told);
    while done != among {
        let ready = || bits(among & !done).filter(|&e| h.events[e].past & !done == 0);
        let follows = |e: &usize| h.prev(*e).is_some() && h.prev(*e) == order.last().copied();
        let next = ready().find(follows).or_else(|| ready().next()).expect("the first of the rest");
        order.push(next);
        done |= bit(next);
    }
    order
}

fn assert_alike(h: &History, one: &Lanes, other: &Lanes) {
    assert_eq!((one.admitted(), one.firm()), (other.admitted(), other.firm()));
    assert_eq!(one.heads(), other.heads());
    for device in devices(h).map(device_id) {
        assert_eq!(one.content.tips_of(&device), other.content.tips_of(&device));
        let tips = [one, other].map(|lanes| lanes.content.admitted_tips_of(&device));
        assert_eq!(tips[0], tips[1]);
    }
    assert_eq!(one.content.len(), other.content.len());
    for (a, b) in one.content.all().zip(other.content.all()) {
        assert_eq!(one.content.id(a), other.content.id(b));
        assert_eq!(one.content.heard_set(a), other.content.heard_set(b));
        assert_eq!(one.content.prev(a), other.content.prev(b));
        assert_eq!(one.content.role(&one.control, a), other.content.role(&other.control, b));
        for x in one.content.all() {
            assert_eq!(one.content.in_view(a, x), other.content.in_view(b, x));
            assert_eq!(one.content.in_past(a, x), other.content.in_past(b, x));
        }
    }
}

#[test]
fn what_follows_the_newest_event_comes_to_what_judging_it_comes_to() {
    // SPEC: AUTH-15, AUTH-16, AUTH-17
    let kinds = [Worlds::Plain, Worlds::Messy, Worlds::Rescued, Worlds::Restored, Worlds::Wide];
    let (mut followed, mut judged) = (0, 0);
    for seed in 0..worlds(500) {
        let world = World::new(seed, 4, None, kinds[seed as usize % kinds.len()]).run(50);
        let (h, refused) = world.h.cleaned();
        let h = h.chained();
        let (mut one, mut other) = (Lanes::default(), Lanes::default());
        // Half of them know what was revoked before they see the content.
        let control = if seed % 2 == 0 { h.everything() & h.control & !refused } else { 0 };
        let all = h.everything() & !refused;
        for e in by_chains(&h, control, 0).into_iter().chain(by_chains(&h, all, control)) {
            // Nothing is known of the newest event after that.
            other.content.control_changed(&other.control);
            assert_eq!(one.offer(&h, Shape::Chained, e), other.offer(&h, Shape::Chained, e));
        }
        assert_eq!(other.content.followed(), 0);
        followed += one.content.followed();
        judged += one.content.len() as u64 - one.content.followed();
        assert_alike(&h, &one, &other);
    }
    assert!(followed > 500 && judged > 500, "{followed} followed, {judged} did not");
}
