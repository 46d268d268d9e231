//! What a decision comes to is told before it is made, and then it is so.

use std::collections::BTreeMap;

use kernelos_protocol::command::{
    Command, ConflictRow, Deciding, Outcome, Reply, outcome, outcomes,
};
use kernelos_protocol::document::conflict::ConflictKind;
use kernelos_protocol::present;
use kernelos_protocol::role::Role;
use serde_json::{Value as Json, json};

use super::mesh::Mesh;

/// Two that disagree in each way in which places do.
fn at_odds() -> Mesh {
    let mut mesh = Mesh::of(&[(2, Role::Admin)]);
    let link = mesh.connect(1, 2);
    let set = |path: &str, value: Json| json!({ "set": path, "value": value });
    let plans = json!({"p": {"final": false}, "q": {"final": false}});
    mesh.edit(
        1,
        json!([
            set("notes/value", json!("rain")),
            set("notes/gone", json!("rain")),
            set("policies/spend", json!(10)),
            set("tasks/t", json!({ "plans": plans })),
        ]),
    );
    mesh.cut(link);
    for (number, value, spend, plan) in [(1, json!("sun"), 100, "p"), (2, json!([1]), 20, "q")] {
        let gone = match number {
            1 => json!({ "rm": "notes/gone" }),
            _ => set("notes/gone", json!("snow")),
        };
        let is_final = set(&format!("tasks/t/plans/{plan}/final"), json!(true));
        let spend = set("policies/spend", json!(spend));
        mesh.edit(number, json!([set("notes/value", value), gone, spend, is_final]));
    }
    mesh.connect(1, 2);
    mesh
}

/// What is there; of plans which are final. Null where nothing is.
fn shows(mesh: &mut Mesh, row: &ConflictRow) -> Json {
    let value = match mesh.ask(2, Command::Read { path: row.path.clone() }) {
        Reply::Read(read) => read.value,
        Reply::Failed(_) => Json::Null,
        other => panic!("{other:?}"),
    };
    match (row.kind, value) {
        (ConflictKind::PlansFinal, Json::Object(plans)) => {
            plans.into_iter().map(|(name, plan)| (name, plan["final"].clone())).collect()
        }
        (_, value) => value,
    }
}

fn said(outcome: &Outcome) -> String {
    present::to_text(&present::outcomes(std::slice::from_ref(outcome), &BTreeMap::new()))
}

#[test]
fn what_a_decision_comes_to_is_told_before_and_is_so_then() {
    // SPEC: CFL-11, CFL-12, POL-4
    let rows = at_odds().conflicts(1);
    let kinds: Vec<_> = rows.iter().map(|row| row.kind).collect();
    let (values, gone) = (ConflictKind::Values, ConflictKind::DeleteEdit);
    assert_eq!(kinds, [gone, values, ConflictKind::Policy, ConflictKind::PlansFinal]);
    for (at, row) in rows.iter().enumerate() {
        let mut all = vec![Deciding::Value(json!({"of": "one's own"}))];
        all.extend(row.sides.iter().map(|side| Deciding::Keep(side.side.clone())));
        for deciding in all {
            let mut mesh = at_odds();
            let row = mesh.conflicts(1).remove(at);
            let Some(told) = outcome(&row, &deciding) else {
                assert!(matches!(
                    (row.kind, deciding),
                    (ConflictKind::PlansFinal, Deciding::Value(_))
                ));
                continue;
            };
            assert_eq!(told.now, shows(&mut mesh, &row), "{told:?}");
            let edit = match &deciding {
                Deciding::Keep(side) => json!({ "resolve": row.id, "keep": side }),
                Deciding::Value(value) => json!({ "resolve": row.id, "value": value }),
            };
            mesh.edit(1, json!([edit]));
            assert_eq!(told.then, shows(&mut mesh, &row), "{told:?}");
            let lost: Vec<_> = told.lost.iter().map(|side| &side.side).collect();
            let kept = told.keep.as_ref();
            let others: Vec<_> = row
                .sides
                .iter()
                .map(|side| &side.side)
                .filter(|side| Some(*side) != kept)
                .collect();
            assert_eq!(lost, others, "{told:?}");
            let text = said(&told);
            let verb = if told.now == told.then { " stays" } else { " becomes " };
            let word = if row.kind == ConflictKind::PlansFinal { "gives way: " } else { "lost: " };
            assert!(text.contains(verb) && text.matches(word).count() == lost.len(), "{text}");
        }
    }
}

#[test]
fn what_no_side_says_has_no_outcome_and_what_two_say_alike_is_not_lost() {
    // SPEC: CFL-11
    let mut mesh = at_odds();
    let mut row = mesh.conflicts(1).remove(1);
    assert_eq!(outcome(&row, &Deciding::Keep("C".to_owned())), None);
    assert_eq!(outcomes(&row).len(), 2);
    let same = row.sides[0].then.clone();
    let told = outcome(&row, &Deciding::Value(same.clone())).unwrap();
    assert_eq!(told.lost, [row.sides[1].clone()], "a value that a side says keeps that side's");
    row.sides[1].then = same;
    assert_eq!(outcomes(&row)[0].lost, []);
    // A side that leaves nothing there is not one that leaves null.
    row.sides[1].then = Json::Null;
    let null = outcome(&row, &Deciding::Value(Json::Null)).unwrap();
    assert_eq!(null.lost.len(), 1, "{null:?}");
    row.sides[1].deleted = true;
    let null = outcome(&row, &Deciding::Value(Json::Null)).unwrap();
    assert_eq!(null.lost.len(), 2, "{null:?}");
}
