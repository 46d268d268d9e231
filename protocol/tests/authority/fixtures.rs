//! The histories that the original of the model made, and what it said of them.

use kernelos_protocol::role::Role;
use serde_json::Value;

use super::adapter::{Shape, compare};
use super::model::{Device, Event, History, Kind, Mask};
use super::random::without_strangers;

struct Check {
    among: Mask,
    ranks: Vec<Option<Role>>,
    counting: Mask,
    admitted: Mask,
}

struct Fixture {
    h: History,
    refused: Mask,
    checks: Vec<Check>,
}

fn mask(v: &Value) -> Mask {
    Mask::from_str_radix(v.as_str().expect("a mask"), 16).expect("hex")
}

fn role(v: &Value) -> Option<Role> {
    match v.as_u64() {
        Some(1) => Some(Role::Member),
        Some(2) => Some(Role::Admin),
        Some(3) => Some(Role::Owner),
        _ => None,
    }
}

fn event(v: &Value) -> Event {
    let kind = match v[1].as_str() {
        Some("genesis") => Kind::Genesis,
        Some("grant") => Kind::Grant,
        Some("revoke") => Kind::Revoke,
        Some("join") => Kind::Join,
        Some("change") => Kind::Change,
        other => panic!("kind {other:?}"),
    };
    Event {
        by: v[0].as_u64().expect("a device") as Device,
        life: 0,
        kind,
        target: v[2].as_u64().unwrap_or(0) as Device,
        rank: role(&v[3]).unwrap_or(Role::Store),
        cut: mask(&v[4]),
        past: mask(&v[5]),
    }
}

fn list(v: &Value) -> &[Value] {
    v.as_array().expect("a list")
}

fn fixtures() -> Vec<Fixture> {
    let lines = include_str!("../fixtures/authority.jsonl").lines();
    lines
        .map(|line| {
            let line: Value = serde_json::from_str(line).expect("JSON");
            let mut h = History::default();
            for v in list(&line["events"]) {
                h.add(event(v));
            }
            let check = |v: &Value| Check {
                among: mask(&v["among"]),
                ranks: list(&v["ranks"]).iter().map(role).collect(),
                counting: mask(&v["counting"]),
                admitted: mask(&v["admitted"]),
            };
            let checks = list(&line["checks"]).iter().map(check).collect();
            Fixture { h, refused: mask(&line["refused"]), checks }
        })
        .collect()
}

#[test]
fn the_port_says_what_the_original_says() {
    let fixtures = fixtures();
    assert!(fixtures.len() >= 150);
    for f in fixtures {
        let (clean, refused) = f.h.cleaned();
        assert_eq!(refused, f.refused, "refused");
        assert!(clean.events.iter().zip(&f.h.events).all(|(a, b)| a.past == b.past));
        for check in &f.checks {
            let counting = f.h.counting(check.among).into_iter();
            assert_eq!(counting.map(super::model::bit).sum::<Mask>(), check.counting);
            assert_eq!(f.h.admitted(check.among), check.admitted);
            for (d, &rank) in check.ranks.iter().enumerate() {
                assert_eq!(f.h.rank(d as Device, check.among), rank, "rank of {d}");
            }
        }
    }
}

/// `compare` asks the port, which the test above ties to the original.
#[test]
fn production_says_what_the_original_says() {
    for f in fixtures() {
        let mut among: Vec<Mask> = f.checks.iter().map(|c| c.among).collect();
        let (h, strangers) = without_strangers(&f.h, &mut among);
        compare(&h, f.refused | strangers, Shape::Flat, &among);
    }
}
