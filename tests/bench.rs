//! `kern bench` at small sizes: that every workload is measured and judged, never how fast it is.

use serde_json::Value as Json;

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
        assert!(against.values().all(|value| value.as_f64().is_some_and(|v| v > 0.0)), "{row}");
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

#[test]
fn what_needs_no_other_program_is_measured_and_judged() {
    let rows = measured(&Home::new(), &["append", "catch-up", "start-up", "dispatch"]);
    for (workload, limits) in [
        ("append", ("automerge + signature + sqlite", 0.8, 0.0)),
        ("catch-up", ("sqlite + apply_changes", 1.3, 0.0)),
        ("start-up", ("bare database", 1.0, 200.0)),
        ("dispatch", ("sqlite commit p95", 1.3, 4.0)),
    ] {
        let (name, factor, more) = limits;
        let rows = named(&rows, workload);
        assert!(!rows.is_empty(), "{workload}");
        for row in rows {
            let expected = factor * row["against"][name].as_f64().unwrap() + more;
            let limit = row["limit"].as_f64().unwrap();
            assert!((limit - expected).abs() < 1e-9, "{row}");
        }
    }
    let groups: Vec<_> = named(&rows, "append").iter().map(|row| &row["params"]["group"]).collect();
    assert_eq!(groups, [1, 16, 128]);
}

#[test]
fn others_programs_are_measured_beside_it() {
    let rows = measured(&Home::new(), &["bytes", "heal", "live"]);
    let limits: Vec<_> = rows.iter().map(|row| row["limit"].is_number()).collect();
    assert_eq!(limits, [true; 5], "{rows:?}");
    for (row, share) in named(&rows, "heal").into_iter().zip([1.3, 0.8]) {
        let raw = row["against"]["automerge sync"].as_f64().unwrap();
        assert!((row["limit"].as_f64().unwrap() - share * raw).abs() < 1e-9, "{row}");
        assert!(row["against"]["samod"].is_number(), "{row}");
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
    assert_eq!(named(&rows, "dispatch-remote").len(), 1);
}

#[test]
fn what_is_no_workload_is_asked_wrongly() {
    let ran = Home::new().run(&["bench", "everything"]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("catch-up"), "{}", ran.stderr);
}
