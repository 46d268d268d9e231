//! `kern bench` at small sizes: that every workload is measured and judged, never how fast it is.

use serde_json::Value as Json;

use crate::inspector::Display;
use crate::kern::Home;

/// Rows of workloads, each checked as what scripts may rely on.
#[track_caller]
fn measured(home: &Home, workloads: &[&str]) -> Vec<Json> {
    let ran = home.run(&[&["bench", "--quick", "--json"], workloads].concat());
    let rows: Vec<Json> = serde_json::from_str(ran.done()).unwrap();
    for row in &rows {
        assert!(row["ours"].as_f64().is_some_and(|ours| ours.is_finite() && ours >= 0.0), "{row}");
        assert!(row["unit"].is_string() && row["params"].is_object(), "{row}");
        let against = row["against"].as_object().unwrap();
        assert!(against.values().all(|value| value.as_f64().is_some_and(|v| v >= 0.0)), "{row}");
        let machine = &row["machine"];
        assert!(machine["cores"].as_u64().is_some_and(|cores| cores > 0), "{row}");
        assert!(machine["commit_p95_ms"].as_f64().is_some_and(|ms| ms > 0.0), "{row}");
        let (ours, limit) = (row["ours"].as_f64(), row["limit"].as_f64());
        let met = ours.zip(limit).map(|(ours, limit)| match row["op"].as_str() {
            Some("<=") => ours <= limit,
            Some(">=") => ours >= limit,
            other => panic!("{other:?}"),
        });
        assert_eq!(row["met"], Json::from(met), "{row}");
        // Nothing is left unjudged without a reason.
        assert_eq!(row["missing"].is_string(), met.is_none(), "{row}");
    }
    let left = home.path().join("bench").read_dir().unwrap().count();
    assert_eq!(left, 0, "a run takes its folder with it");
    rows
}

fn named<'a>(rows: &'a [Json], workload: &str) -> Vec<&'a Json> {
    rows.iter().filter(|row| row["workload"] == workload).collect()
}

/// How the limit of a row follows from what it is measured against: so many times each of these,
/// and so much more.
struct Goal {
    workload: &'static str,
    /// The parameter that tells rows of a workload apart, and its value; or the unit.
    of: Option<(&'static str, &'static str)>,
    op: &'static str,
    terms: &'static [(f64, &'static str)],
    more: f64,
}

const F: &str = "sqlite commit p95";
const RAW: &str = "automerge sync";

const fn goal(
    workload: &'static str,
    of: Option<(&'static str, &'static str)>,
    terms: &'static [(f64, &'static str)],
    more: f64,
) -> Goal {
    Goal { workload, of, op: "<=", terms, more }
}

/// The figures that were set as goals; F is the 95th percentile of one commit.
const GOALS: [Goal; 20] = [
    Goal { op: ">=", ..goal("append", None, &[(0.8, "automerge + signature + sqlite")], 0.0) },
    goal("catch-up", None, &[(1.3, "sqlite + apply_changes")], 0.0),
    goal("dispatch", None, &[(1.3, F)], 4.0),
    goal("dispatch-remote", None, &[(3.0, F)], 12.0),
    goal("start-up", None, &[(1.0, "bare database")], 200.0),
    goal("bytes", Some(("kind", "batch")), &[(1.3, RAW)], 0.0),
    goal("bytes", Some(("kind", "live")), &[(1.0, "goal")], 0.0),
    goal("heal", Some(("nodes", "2")), &[(1.3, RAW)], 0.0),
    goal("heal", Some(("nodes", "4")), &[(0.8, RAW)], 0.0),
    goal("live", None, &[(1.0, "samod"), (2.0, F)], 4.0),
    goal("idle", Some(("unit", "MB/node")), &[(1.0, "goal")], 0.0),
    goal("idle", Some(("unit", "% of a core/node")), &[(1.0, "goal")], 0.0),
    goal("resume", None, &[(1.0, "the design's timers")], 0.0),
    goal("attack", Some(("unit", "ms p95")), &[(2.0, "without the attack")], 0.0),
    goal("attack", Some(("unit", "MB")), &[(1.0, "without the attack")], 67.108_864),
    goal("history", None, &[(1.3, "automerge get_changes + get_all_at")], 0.0),
    goal("search", None, &[(2.0, "bare database, rows opened")], 0.0),
    goal("frame", None, &[(1.0, "goal")], 0.0),
    goal("open", None, &[(1.0, "goal")], 0.0),
    goal("repaints", None, &[(1.0, "goal")], 0.0),
];

/// What is a number and not computed from a measurement, by workload and unit.
const NUMBERS: [(&str, &str, f64); 9] = [
    ("bytes", "bytes/edit", 600.0),
    ("idle", "MB/node", 60.0),
    ("idle", "% of a core/node", 0.3),
    ("resume", "ms p95", 5_000.0),
    ("frame", "ms of CPU p95", 4.0),
    ("frame", "ms of CPU, the most", 4.0),
    ("open", "ms", 500.0),
    ("open", "ms in a window", 500.0),
    ("repaints", "frames while idle", 0.0),
];

/// Checks that these workloads have rows, and each the limit of its goal.
#[track_caller]
fn have_limits(rows: &[Json], workloads: &[&str]) {
    let text = |value: &Json| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    for row in rows {
        let is_of = |(name, value): (&str, &str)| {
            let found = if name == "unit" { &row["unit"] } else { &row["params"][name] };
            text(found) == value
        };
        let is_goal = |goal: &&Goal| row["workload"] == goal.workload && goal.of.is_none_or(is_of);
        let goals: Vec<_> = GOALS.iter().filter(is_goal).collect();
        let [goal] = goals[..] else { panic!("{} goals of {row}", goals.len()) };
        let against = |name: &str| row["against"][name].as_f64().unwrap_or(f64::NAN);
        let expected = goal.terms.iter().map(|(times, name)| times * against(name)).sum::<f64>();
        let limit = row["limit"].as_f64().unwrap_or(f64::NAN);
        assert!((limit - expected - goal.more).abs() < 1e-9, "{row}");
        assert_eq!(row["op"], goal.op, "{row}");
        for (workload, unit, number) in NUMBERS {
            if (workload, unit) == (goal.workload, row["unit"].as_str().unwrap()) {
                let [(_, name)] = goal.terms else { continue };
                assert!(*name == RAW || against(name) == number, "{row}");
            }
        }
    }
    for workload in workloads {
        let goals = GOALS.iter().filter(|goal| goal.workload == *workload).count();
        assert!(goals > 0 && named(rows, workload).len() >= goals, "{workload}");
    }
}

#[test]
fn what_needs_no_other_program_is_measured_and_judged() {
    let workloads = ["append", "catch-up", "dispatch"];
    let rows = measured(&Home::new(), &workloads);
    have_limits(&rows, &workloads);
    let groups: Vec<_> = named(&rows, "append").iter().map(|row| &row["params"]["group"]).collect();
    assert_eq!(groups, [1, 16, 128]);
}

#[test]
fn a_start_is_that_of_a_process_after_a_stop_and_after_a_kill() {
    let rows = measured(&Home::new(), &["start-up"]);
    have_limits(&rows, &["start-up"]);
    let before: Vec<_> =
        named(&rows, "start-up").iter().map(|row| &row["params"]["before"]).collect();
    assert_eq!(before, ["stop", "SIGKILL"]);
}

#[test]
fn rows_of_an_earlier_run_are_shown_and_nothing_is_measured() {
    let home = Home::new();
    let file = home.file("rows.json");
    let row = serde_json::json!({
        "workload": "append", "params": {"group": 16}, "ours": 9.0, "unit": "events/s",
        "against": {"bare": 12.5}, "limit": 10.0, "op": ">=", "met": false,
        "machine": {"cpu": "x", "cores": 2, "kernel": "6", "commit_p95_ms": 0.31},
    });
    std::fs::write(&file, serde_json::to_vec(std::slice::from_ref(&row)).unwrap()).unwrap();
    let file = file.to_str().unwrap();
    let table = home.run(&["bench", "--rows", file, "--markdown"]);
    let line = "| append | group 16 | 9.00 | >= 10.0 | events/s | **missed** | bare 12.5 |";
    assert!(table.done().lines().any(|shown| shown == line), "{}", table.done());
    let kept: Vec<Json> =
        serde_json::from_str(home.run(&["bench", "--rows", file, "--json"]).done()).unwrap();
    assert_eq!(kept, [row]);
    std::fs::write(file, "append 9").unwrap();
    let ran = home.run(&["bench", "--rows", file]);
    assert!(ran.code == 1 && ran.stderr.contains("bench --json"), "{}", ran.stderr);
    assert!(!home.path().join("bench").exists());
}

#[test]
fn others_programs_are_measured_beside_it() {
    let workloads = ["bytes", "heal", "live"];
    let rows = measured(&Home::new(), &workloads);
    have_limits(&rows, &workloads);
    let peers = [vec![RAW], vec![RAW], vec![RAW, "samod"], vec![RAW, "samod"], vec!["samod"]];
    assert_eq!(rows.len(), peers.len());
    for (row, peers) in rows.iter().zip(peers) {
        // What it is measured against says of itself what it is.
        let told = row["peers"].as_object().unwrap();
        assert_eq!(told.keys().collect::<Vec<_>>(), peers, "{row}");
        for words in ["automerge 0.", "TCP_NODELAY", "in memory", "tokio 1."] {
            assert!(
                told.values().all(|how| how.as_str().unwrap().contains(words)),
                "{words}: {row}"
            );
        }
    }
    assert!(named(&rows, "heal").iter().all(|row| row["against"]["samod"].is_number()));
    // Where the bytes of a live edit go: together all that goes over the wire but lengths.
    let live = rows.iter().find(|row| row["params"]["kind"] == "live").unwrap();
    let kinds = live["params"]["bytes"].as_object().unwrap();
    let sum: f64 = kinds.values().filter_map(Json::as_f64).sum();
    let ours = live["ours"].as_f64().unwrap();
    assert!(kinds.contains_key("events") && kinds.contains_key("receipts"), "{live}");
    assert!(sum < ours + 16.0 && sum > 0.8 * ours, "{live}");
}

#[test]
fn a_holder_that_is_killed_is_followed_by_another_in_bounded_time() {
    let rows = measured(&Home::new(), &["resume"]);
    have_limits(&rows, &["resume"]);
    assert_eq!(rows.len(), 1);
    assert_eq!((&rows[0]["unit"], &rows[0]["params"]["kills"]), (&"ms p95".into(), &1.into()));
}

#[test]
fn the_inspector_is_measured_before_a_real_node_with_a_window_and_without() {
    let display = Display::new();
    let variables = [("DISPLAY", display.name()), ("LIBGL_ALWAYS_SOFTWARE", "1")];
    let home = Home::told(variables.map(|(name, value)| (name, value.into())).into());
    let rows = measured(&home, &["frame", "open", "repaints"]);
    have_limits(&rows, &["frame", "open", "repaints"]);
    let opens: Vec<_> = named(&rows, "open").iter().map(|row| row["unit"].clone()).collect();
    assert_eq!(opens, ["ms", "ms in a window"], "each is judged");
    assert!(named(&rows, "open").iter().all(|row| row["met"].is_boolean()), "{rows:?}");
    let repaints = named(&rows, "repaints");
    assert_eq!(repaints[0]["ours"].as_f64(), Some(0.0), "{repaints:?}");
    // A real history, scrolled from end to end.
    let of = |name: &str, param: &str| named(&rows, name)[0]["params"][param].as_u64();
    assert!(of("open", "events") >= Some(600), "{rows:?}");
    assert_eq!([of("open", "devices"), of("open", "conflicts")], [Some(4), Some(8)], "{rows:?}");
    // Runs of it are one row each.
    assert!(of("open", "rows").is_some() && of("open", "rows") < of("open", "events"), "{rows:?}");
    let frames = named(&rows, "frame");
    let drawn = |row: &&Json| row["params"]["frames"].as_u64() > Some(40);
    assert!(frames.len() == 4 && frames.iter().all(drawn), "{rows:?}");
    assert!(of("frame", "frames") > Some(96), "{rows:?}");
    // So were very many conflicts, before a node of their own.
    let inbox: Vec<_> = frames.iter().map(|row| row["params"]["conflicts"].as_u64()).collect();
    assert_eq!(inbox, [Some(8), Some(8), Some(40), Some(40)], "{rows:?}");
}

#[test]
fn looks_into_the_past_are_measured_of_a_key_an_object_and_all_events() {
    let rows = measured(&Home::new(), &["history", "search"]);
    have_limits(&rows, &["history", "search"]);
    let of = |row: &&Json| row["params"]["of"].as_str().unwrap().to_owned();
    assert_eq!(named(&rows, "history").iter().map(of).collect::<Vec<_>>(), ["key", "object"]);
    // It read and opened as much as there is.
    let search = &named(&rows, "search")[0]["params"];
    assert!(search["opened"].as_u64() >= search["events"].as_u64(), "{search}");
    assert!(search["events"].as_u64() >= Some(400), "{search}");
}

#[test]
fn a_node_under_attack_is_measured_against_itself_before() {
    let rows = measured(&Home::new(), &["attack"]);
    have_limits(&rows, &["attack"]);
    let kinds: Vec<_> = rows.iter().map(|row| row["params"]["kind"].as_str().unwrap()).collect();
    let all = [
        "packets",
        "half-way",
        "strangers",
        "introductions",
        "wants",
        "orphans",
        "quarantine",
        "refused",
        "changes",
    ];
    assert_eq!(kinds, all.map(|kind| [kind; 2]).as_flattened());
    // It was attacked, and as hard as it is told.
    for row in &rows {
        let at_least = |name: &str, count| row["params"][name].as_u64() >= Some(count);
        let hard = [
            ("events", 512),
            ("wants", 8_192),
            ("handshakes", 32),
            ("operations", 1_000),
            ("packets", 4_000),
        ];
        assert!(hard.into_iter().any(|(name, count)| at_least(name, count)), "{row}");
    }
}

#[test]
fn where_others_programs_are_missing_that_is_told_and_nothing_is_claimed() {
    let home = Home::new();
    let alone = home.file("alone");
    std::fs::create_dir_all(&alone).unwrap();
    let kern = alone.join("kern");
    std::fs::hard_link(crate::kern::program(), &kern)
        .or_else(|_| std::fs::copy(crate::kern::program(), &kern).map(drop))
        .unwrap();
    let mut command = std::process::Command::new(kern);
    command.args(["bench", "--quick", "--json", "bytes"]).env("KERNELOS_HOME", home.path());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let rows: Vec<Json> = serde_json::from_slice(&output.stdout).unwrap();
    let batch = rows.iter().find(|row| row["params"]["kind"] == "batch").unwrap();
    assert!(batch["met"].is_null() && batch["limit"].is_null(), "{batch}");
    assert!(batch["missing"].as_str().unwrap().contains("cargo build"), "{batch}");
    assert!(batch["ours"].is_number(), "{batch}");
}

#[test]
fn nodes_of_their_own_are_measured_idle_and_at_work() {
    let rows = measured(&Home::new(), &["idle", "dispatch-remote"]);
    let units: Vec<_> = named(&rows, "idle").iter().map(|row| row["unit"].clone()).collect();
    assert_eq!(units, ["MB/node", "% of a core/node"]);
    have_limits(&rows, &["idle", "dispatch-remote"]);
    assert_eq!(named(&rows, "dispatch-remote").len(), 1);
}

#[test]
fn what_is_no_workload_is_asked_wrongly() {
    let ran = Home::new().run(&["bench", "everything"]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("catch-up"), "{}", ran.stderr);
}
