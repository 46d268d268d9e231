//! What a workload measured, beside what it is measured against in the same run, and whether that
//! reaches the goal.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use kernelos_protocol::command::Failure;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::plain::Database;
use super::scratch::Scratch;

/// Which side of the limit is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Op {
    /// As little as possible.
    #[serde(rename = "<=")]
    AtMost,
    /// As much as possible.
    #[serde(rename = ">=")]
    AtLeast,
}

/// One figure.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Row {
    /// Which workload.
    pub workload: String,
    /// Its size and kind.
    pub params: BTreeMap<String, Json>,
    /// What was measured; null where it was not.
    pub ours: Option<f64>,
    /// Of `ours`, `against` and `limit`.
    pub unit: String,
    /// What it is measured against, in the same run.
    pub against: BTreeMap<String, f64>,
    /// Computed from `against`; null where that lacks something.
    pub limit: Option<f64>,
    /// How `ours` must stand to `limit`.
    pub op: Op,
    /// Does it? Null where one of them is.
    pub met: Option<bool>,
    /// How the programs of others were set that it is measured against.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub peers: BTreeMap<String, String>,
    /// On what.
    pub machine: Machine,
    /// Why something is null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
}

/// What the figures were taken on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's name.
    pub cpu: String,
    /// How many may run at once.
    pub cores: usize,
    /// The system's kernel.
    pub kernel: String,
    /// F: the 95th percentile of one SQLite commit, WAL and FULL, of one row of 400 bytes.
    pub commit_p95_ms: f64,
}

impl Machine {
    /// This one, with its disk below `scratch`.
    pub(super) fn measure(scratch: &Scratch, commits: usize) -> Result<Self, Failure> {
        let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let cpu = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let kernel = rustix::system::uname().release().to_string_lossy().into_owned();
        let cpu = cpu.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, cpu)| cpu.to_owned());
        Ok(Self { cpu, cores, kernel, commit_p95_ms: commit_p95_ms(scratch, commits)? })
    }
}

/// F: what no durable write can be faster than.
pub(super) fn commit_p95_ms(scratch: &Scratch, commits: usize) -> Result<f64, Failure> {
    let mut database = Database::create(&scratch.file("commit"))?;
    let row = vec![7; 400];
    let mut times = Vec::with_capacity(commits);
    for _ in 0..commits {
        let start = Instant::now();
        database.insert([row.as_slice()])?;
        times.push(ms(start.elapsed()));
    }
    Ok(percentile(&mut times, 95))
}

/// Milliseconds.
pub(super) fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// The middle of some numbers; of none, no number.
pub(super) fn median(numbers: &mut [f64]) -> f64 {
    percentile(numbers, 50)
}

/// The number that `percent` of them do not exceed (nearest rank); of none, no number.
pub(super) fn percentile(numbers: &mut [f64], percent: usize) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let rank = (numbers.len() * percent).div_ceil(100).max(1);
    numbers.get(rank - 1).copied().unwrap_or(f64::NAN)
}

/// What a workload gives, before it is judged.
pub(super) struct Measured {
    workload: &'static str,
    params: BTreeMap<String, Json>,
    ours: Option<f64>,
    unit: &'static str,
    against: BTreeMap<String, f64>,
    peers: BTreeMap<String, String>,
    missing: Option<String>,
}

impl Measured {
    pub(super) fn new(workload: &'static str, ours: f64, unit: &'static str) -> Self {
        let (params, against, peers) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { workload, params, ours: finite(ours), unit, against, peers, missing: None }
    }

    pub(super) fn with(mut self, name: &str, value: impl Into<Json>) -> Self {
        self.params.insert(name.to_owned(), value.into());
        self
    }

    pub(super) fn against(mut self, name: &str, value: f64) -> Self {
        self.against.extend(finite(value).map(|value| (name.to_owned(), value)));
        self
    }

    /// The same, where it could be measured; otherwise why not.
    pub(super) fn against_what_is_there(self, name: &str, value: Result<f64, String>) -> Self {
        match value {
            Ok(value) => self.against(name, value),
            Err(why) => Self { missing: Some(why), ..self },
        }
    }

    /// Something beside it that the limit is not computed from: why it is not there is told.
    pub(super) fn beside(self, name: &str, value: Result<f64, String>) -> Self {
        match value {
            Ok(value) => self.against(name, value),
            Err(why) => self.with(name, why),
        }
    }

    /// How others' programs were set that are measured.
    pub(super) fn peers(self, peers: BTreeMap<String, String>) -> Self {
        Self { peers, ..self }
    }

    /// Is the goal reached? Its limit is computed from what is measured against, and from nothing
    /// else.
    pub(super) fn judge(
        self,
        machine: &Machine,
        op: Op,
        limit: impl FnOnce(&dyn Fn(&str) -> Option<f64>) -> Option<f64>,
    ) -> Row {
        let Self { workload, params, ours, unit, against, peers, missing } = self;
        let limit = limit(&|name| against.get(name).copied()).and_then(finite);
        let met = ours.zip(limit).map(|(ours, limit)| match op {
            Op::AtMost => ours <= limit,
            Op::AtLeast => ours >= limit,
        });
        let (workload, unit) = (workload.to_owned(), unit.to_owned());
        let machine = machine.clone();
        Row { workload, params, ours, unit, against, limit, op, met, peers, machine, missing }
    }
}

/// JSON has no other numbers.
fn finite(number: f64) -> Option<f64> {
    number.is_finite().then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> Machine {
        Machine { cpu: "x".to_owned(), cores: 2, kernel: "y".to_owned(), commit_p95_ms: 1.0 }
    }

    #[test]
    fn a_percentile_is_a_number_that_was_measured() {
        for (percent, expected) in [(50, 3.0), (95, 5.0), (1, 1.0), (100, 5.0)] {
            assert_eq!(percentile(&mut [5.0, 1.0, 4.0, 2.0, 3.0], percent), expected);
        }
        assert!(median(&mut []).is_nan());
    }

    #[test]
    fn a_limit_is_computed_from_what_was_measured_beside_it() {
        let judge = |ours, op| {
            let measured = Measured::new("w", ours, "ms").against("bare", 10.0);
            measured.judge(&machine(), op, |of| Some(of("bare")? * 1.3))
        };
        let cases = [
            (13.0, Op::AtMost, Some(true)),
            (13.1, Op::AtMost, Some(false)),
            (12.9, Op::AtLeast, Some(false)),
            (13.0, Op::AtLeast, Some(true)),
            (f64::NAN, Op::AtMost, None),
        ];
        for (ours, op, met) in cases {
            let row = judge(ours, op);
            assert_eq!((row.limit, row.met), (Some(13.0), met), "{ours} {op:?}");
        }
    }

    #[test]
    fn what_cannot_be_measured_is_told_and_judges_nothing() {
        let why = Err("no kern-bench".to_owned());
        let measured = Measured::new("w", 1.0, "ms").against_what_is_there("raw", why);
        let row = measured.judge(&machine(), Op::AtMost, |of| of("raw"));
        assert_eq!((row.limit, row.met), (None, None));
        let json = serde_json::to_value(&row).unwrap();
        assert!(json["met"].is_null() && json["op"] == "<=");
        assert_eq!(json["missing"], "no kern-bench");
    }
}
