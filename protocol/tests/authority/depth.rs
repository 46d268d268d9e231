//! What the rules cost in stack: nothing here recurses over a history.

use kernelos_protocol::authority::{ContentLane, ControlFact, ControlLane};
use kernelos_protocol::id::{DeviceId, EventId};
use kernelos_protocol::role::Role;

fn event(lane: u8, n: u32) -> EventId {
    let mut id = [lane; 32];
    id[..4].copy_from_slice(&n.to_be_bytes());
    EventId(id)
}

fn device(n: u32) -> DeviceId {
    let mut id = [0; 32];
    id[..4].copy_from_slice(&n.to_be_bytes());
    DeviceId(id)
}

/// Two owners and twenty roles at most; grants, the joins that answer, a revocation now and then.
fn boring(events: u32) -> ControlLane {
    let mut lane = ControlLane::new();
    lane.add(event(0, 0), device(0), ControlFact::Genesis, &[]).expect("valid");
    let second = ControlFact::Grant { device: device(1), role: Role::Owner };
    lane.add(event(0, 1), device(0), second, &[event(0, 0)]).expect("valid");
    let mut granted = 1;
    for n in 2..events {
        let (by, fact) = match n % 4 {
            0 if n % 40 == 0 => {
                let target = device(granted);
                (device(0), ControlFact::Revoke { target, cut: vec![event(1, n)], recovery: false })
            }
            0 => {
                granted += 1;
                (device(1), ControlFact::Grant { device: device(granted), role: Role::Member })
            }
            who => (device((who - 1) % granted.max(1)), ControlFact::Join),
        };
        lane.add(event(0, n), by, fact, &[event(0, n - 1)]).expect("valid");
    }
    lane
}

// SPEC: AUTH-22
#[test]
fn four_times_the_honest_history_is_four_times_the_looks() {
    let looks = |events: u32| {
        let lane = boring(events);
        let all = lane.all();
        assert_eq!(lane.members(&all).len(), lane.present_members().len());
        lane.looks()
    };
    let told: Vec<_> = [2_500, 5_000, 10_000].map(looks).into();
    for pair in told.windows(2) {
        assert!(10 * pair[1] < 23 * pair[0], "{told:?} for twice as many each time");
    }
    assert!(told[2] < 40 * 10_000, "{told:?}");
}

/// As many revocations as grants, half of them concurrent and against each other.
fn disputed(events: u32) -> ControlLane {
    let mut lane = ControlLane::new();
    lane.add(event(0, 0), device(0), ControlFact::Genesis, &[]).expect("valid");
    let owners = events / 2;
    for n in 1..owners {
        let fact = ControlFact::Grant { device: device(n), role: Role::Owner };
        lane.add(event(0, n), device(0), fact, &[event(0, n - 1)]).expect("valid");
    }
    for n in owners..events {
        let by = n - owners;
        let fact = ControlFact::Revoke {
            target: device((by + 1) % owners),
            cut: Vec::new(),
            recovery: false,
        };
        lane.add(event(0, n), device(by), fact, &[event(0, owners - 1)]).expect("valid");
    }
    lane
}

/// Two keys of a thief that revoke each other again and again, to make disputes by the square.
fn fight(events: u32) -> ControlLane {
    let mut lane = ControlLane::new();
    lane.add(event(0, 0), device(0), ControlFact::Genesis, &[]).expect("valid");
    let members = 12;
    for n in 1..members {
        let fact = ControlFact::Grant { device: device(n), role: Role::Owner };
        lane.add(event(0, n), device(0), fact, &[event(0, n - 1)]).expect("valid");
    }
    for n in members..events {
        let (by, target) = (device(1 + n % 2), device(2 - n % 2));
        // Each forks its chain: in the past of a second one the other would be no member.
        let before = event(0, members - 1);
        let fact = ControlFact::Revoke { target, cut: Vec::new(), recovery: false };
        lane.add(event(0, n), by, fact, &[before]).expect("valid");
    }
    lane
}

/// Of two owners one grants somebody another role and the other revokes it, neither having heard of
/// the other; both hear of both, it is let in anew, and so on.
fn against_each_other(events: u32) -> ControlLane {
    let mut lane = ControlLane::new();
    lane.add(event(0, 0), device(0), ControlFact::Genesis, &[]).expect("valid");
    for (n, by) in [(1, 1), (2, 2)] {
        let fact = ControlFact::Grant { device: device(by), role: Role::Owner };
        lane.add(event(0, n), device(0), fact, &[event(0, n - 1)]).expect("valid");
    }
    let mut before = vec![event(0, 2)];
    for n in (3..events).step_by(3) {
        let target = device(3 + (n / 3) % 24);
        let grant = |role| ControlFact::Grant { device: target, role };
        let revoke = ControlFact::Revoke { target, cut: Vec::new(), recovery: false };
        let said = |lane: &mut ControlLane, n, by, fact, before: &[EventId]| {
            lane.add(event(0, n), device(by), fact, before).expect("valid");
        };
        said(&mut lane, n, 1, grant(Role::Member), &before);
        said(&mut lane, n + 1, 1, grant(Role::Observer), &[event(0, n)]);
        said(&mut lane, n + 2, 2, revoke, &[event(0, n)]);
        before = vec![event(0, n + 1), event(0, n + 2)];
    }
    lane
}

/// How often events are looked at until all of it is judged, and what each of them costs.
fn looks(lane: &ControlLane) -> u64 {
    assert_eq!(lane.members(&lane.all()).len(), lane.present_members().len());
    lane.looks()
}

// SPEC: AUTH-22
#[test]
fn ten_thousand_grants_and_revocations_against_each_other_take_time_by_their_number() {
    let told: Vec<_> = [2_500, 5_000, 10_000].map(|n| looks(&against_each_other(n))).into();
    for pair in told.windows(2) {
        assert!(10 * pair[1] < 23 * pair[0], "{told:?} for twice as many each time");
    }
    assert!(told[2] < 60 * 10_000, "{told:?}");
}

// SPEC: AUTH-22
#[test]
fn two_keys_that_fork_their_chains_to_remove_each_other_take_no_more_than_the_square() {
    let told: Vec<_> = [250, 500, 1_000].map(|n| looks(&fight(n))).into();
    for pair in told.windows(2) {
        assert!(10 * pair[1] < 46 * pair[0], "{told:?} for twice as many each time");
    }
    assert!(told[2] < 20 * 1_000 * 1_000, "{told:?}");
}

// SPEC: AUTH-19
#[test]
fn long_histories_need_no_deep_stack() {
    let judge = || {
        for lane in [boring(400), disputed(200), fight(200)] {
            assert!(lane.counting(&lane.all()).len() <= lane.revocations().len());
        }
        let control = boring(40);
        let heard = control.heads(&control.all());
        let mut content = ContentLane::new();
        for e in 0..3000 {
            let prev = (e > 0).then(|| event(1, e - 1));
            content.add(&control, event(1, e), device(0), prev, &[], &heard).expect("in order");
        }
        assert_eq!(content.control_changed(&control).admitted.len(), 3000);
        assert_eq!(content.admitted_tips_of(&device(0)), [event(1, 2999)]);
    };
    let thread = std::thread::Builder::new().stack_size(128 * 1024).spawn(judge);
    thread.expect("a thread").join().expect("its stack is enough");
}
