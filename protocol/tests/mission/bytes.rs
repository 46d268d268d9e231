//! The bytes of records: one encoding each, and what is none.

use kernelos_protocol::cbor::{self, CborFault};
use kernelos_protocol::content::Content;
use kernelos_protocol::id::EventId;
use kernelos_protocol::mission::record::{
    Act, Claim, Decision, Evidence, Mission, Output, Promotion, Record, Stage, Step,
};

use super::runs::{ended, mission, object};

/// One record of each kind, by name.
pub(crate) fn records() -> Vec<(&'static str, Record)> {
    let on = EventId([5; 32]);
    let output = Some(Output { commit: object(2), tree: object(3), artifact: EventId([6; 32]) });
    let facts = "{\"contract\":\"00\"}".to_owned();
    let rule = "runner-runs-agents".to_owned();
    vec![
        ("mission", Record::Mission(Box::new(mission()))),
        ("decision", Record::Decision(Decision { on, act: Act::RunAgent, allowed: true, rule })),
        ("lease", Record::Claim(Claim { on, stage: Stage::Implement, epoch: 1 })),
        (
            "run",
            Record::Step(Box::new(Step {
                on,
                number: 1,
                input: object(1),
                ended: ended(Some(0), output),
            })),
        ),
        ("evidence", Record::Evidence(Evidence { on, stage: Stage::Plan, passed: true, facts })),
        ("promote", Record::Promotion(Promotion { on, old: object(1), now: object(2) })),
    ]
}

#[test]
fn a_record_has_one_encoding_and_every_part_of_it_is_none() {
    // SPEC: CNT-5, CNT-6, CNT-7, CNT-8, CNT-9, CNT-10, EVT-2
    for (name, record) in records() {
        let bytes = cbor::encode(&record);
        assert_eq!(Content::decode(&bytes), Ok(Content::Record(record.clone())), "{name}");
        for cut in 0..bytes.len() {
            assert!(Content::decode(&bytes[..cut]).is_err(), "{name} cut at {cut}");
        }
        let longer = [&bytes[..], &[0]].concat();
        assert!(Content::decode(&longer).is_err(), "{name} and a byte");
        // The array's length in two bytes where one is enough.
        let wide = [&[0x98, bytes[0] & 0x1f], &bytes[1..]].concat();
        assert_eq!(cbor::decode::<Record>(&wide), Err(CborFault::NotCanonical), "{name}");
    }
}

#[test]
fn a_mission_beyond_a_limit_is_none() {
    // SPEC: CNT-5
    type Change = fn(&mut Mission);
    let rows: [(&str, Change); 9] = [
        ("no goal", |of| of.goal.clear()),
        ("a long goal", |of| of.goal = "x".repeat(4_097)),
        ("no step", |of| of.steps.clear()),
        ("17 steps", |of| of.steps = vec!["x".to_owned(); 17]),
        ("an empty step", |of| of.steps[0].clear()),
        ("no command to verify", |of| of.verify.clear()),
        ("33 patterns", |of| of.tests = vec!["x".to_owned(); 33]),
        ("a long branch", |of| of.branch = "x".repeat(256)),
        ("no test at least", |of| of.floor = 0),
    ];
    for (name, change) in rows {
        let mut broken = mission();
        change(&mut broken);
        let bytes = cbor::encode(&Record::Mission(Box::new(broken)));
        assert_eq!(cbor::decode::<Record>(&bytes), Err(CborFault::Malformed), "{name}");
    }
}
