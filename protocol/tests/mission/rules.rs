//! What has effect: the honest way to the end, and every way to leave it.

use kernelos_protocol::id::EventId;
use kernelos_protocol::mission::evidence::{PlanFacts, VerifyFacts};
use kernelos_protocol::mission::policy::{DEFAULT_DENY, RULES};
use kernelos_protocol::mission::record::{
    Act, Claim, Decision, Evidence, ObjectId, Promotion, Record, Stage, Step,
};
use kernelos_protocol::mission::stage::Progress;
use kernelos_protocol::mission::state::Seen;
use kernelos_protocol::role::Role;

use super::runs::{
    ended, good_logs, lease, object, plan, step, to_candidate, to_replayed, verified,
};
use super::{Run, two_homes};
use crate::kit::Peer;

fn progress(peer: &Peer, run: &Run) -> (u8, bool) {
    let head = peer.workspace.missions().head(peer.workspace.content(), &run.id).unwrap();
    let failed = matches!(head.state.progress, Progress::Failed(_));
    (head.state.progress.stages_done(), failed)
}

fn promoted(home: &mut Peer) -> Run {
    let mut run = Run::start(home);
    run.write_all(home, &to_candidate());
    run.write_all(home, &to_replayed());
    run.write_all(home, &[Seen::Decide(Act::MoveRef), Seen::Promote(object(3))]);
    run
}

#[test]
fn a_mission_goes_through_five_stages_and_every_record_counts_elsewhere() {
    // SPEC: MIS-1, MIS-2, MIS-3, EFF-7, EVD-1, EVD-4
    let (mut home, mut other) = two_homes(Role::Runner);
    let run = promoted(&mut home);
    other.take(&run.events);
    for peer in [&home, &other] {
        assert_eq!(progress(peer, &run), (5, false));
        for event in &run.events {
            assert_eq!(run.void(peer, &event.id()), None);
        }
    }
}

/// A lie: its name, what happened before it, the record on the last one, and its void code.
type Lie = (&'static str, Vec<Seen>, fn(EventId) -> Record, &'static str);

const CONTRACT: &str = "0808080808080808080808080808080808080808080808080808080808080808";

fn decide(on: EventId, act: Act, rule: &str) -> Record {
    Record::Decision(Decision { on, act, allowed: true, rule: rule.to_owned() })
}

fn step_on(on: EventId, input: ObjectId, number: u64) -> Record {
    let ended = ended(Some(0), None);
    Record::Step(Box::new(Step { on, number, input, ended }))
}

fn claim(on: EventId, stage: Stage, epoch: u64) -> Record {
    Record::Claim(Claim { on, stage, epoch })
}

fn evidence(on: EventId, stage: Stage, between: &str) -> Record {
    let facts = format!("{{\"contract\":\"{CONTRACT}\",{between}\"rulebook\":1}}");
    Record::Evidence(Evidence { on, stage, passed: true, facts })
}

fn promoted_at_once(on: EventId) -> Record {
    Record::Promotion(Promotion { on, old: object(1), now: object(3) })
}

fn leased() -> Vec<Seen> {
    [vec![plan()], lease().to_vec()].concat()
}

fn out_of_order() -> Vec<Lie> {
    let asked = vec![plan(), Seen::Decide(Act::RunAgent)];
    vec![
        ("no plan", vec![], |on| decide(on, Act::RunAgent, RULES[1].rule), "order"),
        ("no decision", leased(), |on| step_on(on, object(1), 1), "no_decision"),
        ("planned twice", vec![plan()], |on| evidence(on, Stage::Plan, ""), "order"),
        ("verified unseen", vec![plan()], |on| evidence(on, Stage::Verify, ""), "facts"),
        ("promoted at once", to_candidate(), promoted_at_once, "no_decision"),
        ("an epoch left out", asked.clone(), |on| claim(on, Stage::Implement, 2), "not_derived"),
        ("another stage's lease", asked, |on| claim(on, Stage::Verify, 1), "not_derived"),
    ]
}

fn untrue() -> Vec<Lie> {
    let started = [leased(), vec![Seen::Decide(Act::StartStep)]].concat();
    vec![
        ("wrong input", started.clone(), |on| step_on(on, object(9), 1), "not_derived"),
        ("wrong step", started, |on| step_on(on, object(1), 2), "not_derived"),
        ("another rule", leased(), |on| decide(on, Act::StartStep, "because"), "not_derived"),
        (
            "a credential",
            leased(),
            |on| decide(on, Act::ReadCredential, RULES[1].rule),
            "not_derived",
        ),
        ("a move too early", leased(), |on| decide(on, Act::MoveRef, "home-moves-refs"), "order"),
        ("facts with a space", vec![], |on| evidence(on, Stage::Plan, " "), "facts"),
    ]
}

#[test]
fn what_the_rules_do_not_derive_counts_for_nobody() {
    // SPEC: MIS-1, MIS-3, EFF-7, POL-1, POL-3, CNT-6, CNT-7, CNT-9, LSE-1
    for (name, before, lie, code) in out_of_order().into_iter().chain(untrue()) {
        let (mut home, mut other) = two_homes(Role::Runner);
        let mut run = Run::start(&mut home);
        run.write_all(&mut home, &before);
        let on = run.events.last().unwrap().id();
        let at = progress(&home, &run);
        let id = run.force(&mut home, &lie(on));
        other.take(&run.events);
        for peer in [&home, &other] {
            assert_eq!(run.void(peer, &id).as_deref(), Some(code), "{name}");
            assert_eq!(progress(peer, &run), at, "{name}");
        }
    }
}

#[test]
fn only_the_holder_works_only_the_home_plans_and_only_runners_take_part() {
    // SPEC: MIS-2, MIS-3, POL-2
    let (mut home, mut other) = two_homes(Role::Member);
    let mut run = Run::start(&mut home);
    other.take(&run.events);
    assert_eq!(run.derive(&other, &plan()), Err("not_home"));
    run.write_all(&mut home, &[vec![plan()], lease().to_vec(), step(2).to_vec()].concat());
    other.take(&run.events);
    let Ok(Record::Decision(asked)) = run.derive(&other, &Seen::Decide(Act::StartStep)) else {
        panic!("the policy answers everybody");
    };
    assert_eq!((asked.allowed, asked.rule.as_str()), (false, DEFAULT_DENY));
    assert_eq!(run.derive(&other, &Seen::Implement(None)), Err("not_holder"));
    run.write_all(&mut other, &lease());
    home.take(&run.events);
    let Ok(Record::Decision(late)) = run.derive(&home, &Seen::Decide(Act::StartStep)) else {
        panic!("the policy answers everybody");
    };
    assert!(!late.allowed, "the fence of an earlier holder is down");
    run.write_all(&mut other, &step(3));
    assert_eq!(run.derive(&home, &Seen::Implement(None)), Err("not_holder"));

    let (mut home, mut watcher) = two_homes(Role::Observer);
    let run = Run::start(&mut home);
    watcher.take(&run.events);
    assert_eq!(run.derive(&watcher, &Seen::Decide(Act::RunAgent)), Err("role"));
}

#[test]
fn a_verifier_that_executed_a_step_cannot_say_that_it_is_independent() {
    // SPEC: EVD-3
    let (mut home, mut other) = two_homes(Role::Member);
    let mut run = Run::start(&mut home);
    run.write_all(&mut home, &to_candidate());
    run.write_all(&mut home, &[lease().to_vec(), vec![Seen::Decide(Act::Verify)]].concat());
    let honest = run.derive(&home, &verified(&good_logs())).unwrap();
    let Record::Evidence(evidence) = honest else { panic!("evidence") };
    let mut facts: VerifyFacts = serde_json::from_str(&evidence.facts).unwrap();
    assert!(!facts.independent);
    facts.independent = true;
    let facts = serde_json::to_value(facts).unwrap().to_string();
    let id = run.force(&mut home, &Record::Evidence(Evidence { facts, ..evidence }));
    other.take(&run.events);
    assert_eq!(run.void(&other, &id).as_deref(), Some("not_derived"));
}

#[test]
fn a_step_that_ends_badly_and_a_verdict_that_refuses_end_the_mission() {
    // SPEC: MIS-3, EVD-2
    let (mut home, _) = two_homes(Role::Member);
    let mut run = Run::start(&mut home);
    run.write_all(&mut home, &[vec![plan()], lease().to_vec()].concat());
    let bad = Seen::Step(ended(Some(3), None));
    run.write_all(&mut home, &[Seen::Decide(Act::StartStep), bad, Seen::Implement(None)]);
    assert_eq!(progress(&home, &run), (1, true));

    let (mut home, _) = two_homes(Role::Member);
    let mut run = Run::start(&mut home);
    run.write_all(&mut home, &to_candidate());
    let mut logs = good_logs();
    logs[1] = logs[0].clone();
    let seen = [lease().to_vec(), vec![Seen::Decide(Act::Verify), verified(&logs)]].concat();
    run.write_all(&mut home, &seen);
    assert_eq!(progress(&home, &run), (2, true));

    let (mut home, _) = two_homes(Role::Member);
    let mut run = Run::start(&mut home);
    run.write_all(&mut home, &[to_candidate(), to_replayed()].concat());
    let moved = [Seen::Decide(Act::MoveRef), Seen::Promote(object(66))];
    run.write_all(&mut home, &moved);
    assert_eq!(progress(&home, &run), (4, true));
}

#[test]
fn a_journal_has_a_last_record() {
    // SPEC: MIS-4
    let (mut home, _) = two_homes(Role::Member);
    let mut run = Run::start(&mut home);
    run.write_all(&mut home, &leased());
    let asks = Seen::Decide(Act::ReadCredential);
    for _ in 4..1_023 {
        run.write(&mut home, &asks);
    }
    assert_eq!(run.derive(&home, &asks), Err("too_long"), "what it allowed would find no room");
}

#[test]
fn nothing_follows_an_end_and_nobody_asks_for_what_is_not_due() {
    // SPEC: MIS-3
    let (mut home, mut other) = two_homes(Role::Member);
    let run = promoted(&mut home);
    other.take(&run.events);
    for act in [Act::RunAgent, Act::StartStep, Act::Verify, Act::MoveRef, Act::ReadCredential] {
        assert_eq!(run.derive(&other, &Seen::Decide(act)), Err("order"), "{act:?}");
        assert_eq!(run.derive(&home, &Seen::Decide(act)), Err("order"), "{act:?}");
    }
}

#[test]
fn a_verification_of_fewer_runs_than_it_has_counts_for_nobody() {
    // SPEC: EVD-3
    let (mut home, _) = two_homes(Role::Member);
    let mut run = Run::start(&mut home);
    run.write_all(&mut home, &to_candidate());
    run.write_all(&mut home, &[lease().to_vec(), vec![Seen::Decide(Act::Verify)]].concat());
    let Seen::Verify { admission, runs, verdict, sandbox } = verified(&good_logs()) else {
        panic!("a verification")
    };
    let many = [runs.clone(), runs.clone()].concat();
    for runs in [Vec::new(), runs[..3].to_vec(), many] {
        let (admission, sandbox) = (admission.clone(), sandbox.clone());
        let seen = Seen::Verify { admission, runs, verdict: verdict.clone(), sandbox };
        assert_eq!(run.derive(&home, &seen), Err("runs"));
    }
}

#[test]
fn the_contract_is_what_its_evidence_names() {
    // SPEC: EVD-1
    let (mut home, _) = two_homes(Role::Member);
    let run = Run::start(&mut home);
    let Ok(Record::Evidence(evidence)) = run.derive(&home, &plan()) else { panic!("evidence") };
    let facts: PlanFacts = serde_json::from_str(&evidence.facts).unwrap();
    assert_eq!(facts, PlanFacts { contract: EventId([8; 32]), rulebook: 1 });
}
