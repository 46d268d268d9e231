//! Devices with a node each in a process of its own, as people have them, over loopback; and
//! `idle`, what such nodes need where there is nothing to do.

use std::fs;
use std::time::Duration;

use kernelos_protocol::command::{Failure, FailureKind};
use rustix::param::clock_ticks_per_second;
use serde_json::Value as Json;
use tokio::time::sleep;

use super::Bench;
use super::device::failed;
use super::figures::{Measured, Op, Row};
use crate::cli::demo::nodes::Device;

/// Names of devices, as many as a fleet may have.
const NAMES: [&str; 3] = ["laptop", "phone", "edge"];

/// What a node may need.
const IDLE_MB: f64 = 60.0;
const IDLE_CORE_PERCENT: f64 = 0.3;

/// After it was paired, before it is looked at: joins, receipts and dials are over then.
const SETTLE: Duration = Duration::from_secs(10);

/// Nodes that are members of one workspace; dropped, they end.
pub(super) struct Fleet(pub(super) Vec<Device>);

impl Fleet {
    /// Makes a workspace, starts a node with each of these options, and lets all others in.
    pub(super) async fn start(bench: &Bench, options: &[&[&str]]) -> Result<Self, Failure> {
        let scratch = &bench.scratch;
        let mut devices = Vec::new();
        for (name, options) in NAMES.into_iter().zip(options) {
            let mut device = Device::at(name, scratch.file(name), scratch.file("log"))?;
            if devices.is_empty() {
                let recovery = scratch.file("recovery").display().to_string();
                let init = ["init", "bench", "--device", name, "--recovery-file", &recovery];
                device.ask(&init).await?;
            }
            device.start_with(options, false).await?;
            devices.push(device);
        }
        if let [first, others @ ..] = &devices[..] {
            for other in others {
                let_in(first, other).await?;
            }
        }
        Ok(Self(devices))
    }

    /// Ends the nodes.
    pub(super) async fn stop(mut self) {
        for device in &mut self.0 {
            device.stop().await;
        }
    }
}

async fn let_in(first: &Device, other: &Device) -> Result<(), Failure> {
    let mut invite = first.talk(&["invite"])?;
    let token = invite.hear("token").await?;
    let mut join = other.talk(&["join", "-", "--device", other.name])?;
    join.say(text(&token)).await?;
    let code = join.hear("check_code").await?;
    invite.say(text(&code)).await?;
    join.hear("history_events").await?;
    invite.hear("granted").await?;
    invite.end().await?;
    join.end().await
}

fn text(json: &Json) -> &str {
    json.as_str().unwrap_or_default()
}

/// `idle`: three nodes without a lease, each looked at as its system sees it; the worst counts.
pub(super) async fn idle(bench: &Bench) -> Result<Vec<Row>, Failure> {
    let fleet = Fleet::start(bench, &[&[], &[], &[]]).await?;
    let seconds = bench.size(30, 1);
    sleep(if bench.quick { SETTLE / 10 } else { SETTLE }).await;
    let pids: Vec<_> = fleet.0.iter().filter_map(|device| device.pid).collect();
    let before: Vec<_> = pids.iter().map(|pid| cpu_seconds(*pid)).collect::<Result<_, _>>()?;
    sleep(Duration::from_secs(seconds as u64)).await;
    let (mut percent, mut megabytes) = (0.0_f64, 0.0_f64);
    for (pid, before) in pids.iter().zip(before) {
        percent = percent.max((cpu_seconds(*pid)? - before) / seconds as f64 * 100.0);
        megabytes = megabytes.max(resident_mb(*pid)?);
    }
    fleet.stop().await;
    let row = |ours, unit, goal| {
        let measured = Measured::new("idle", ours, unit)
            .with("nodes", pids.len())
            .with("seconds", seconds)
            .against("goal", goal);
        measured.judge(&bench.machine, Op::AtMost, |of| of("goal"))
    };
    Ok(vec![
        row(megabytes, "MB/node", IDLE_MB),
        row(percent, "% of a core/node", IDLE_CORE_PERCENT),
    ])
}

/// What a process has computed, in seconds.
fn cpu_seconds(pid: u32) -> Result<f64, Failure> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).map_err(|_| no_proc())?;
    // The name before it may hold anything; user and system time are the 14th and 15th field.
    let (_, rest) = stat.rsplit_once(')').ok_or_else(no_proc)?;
    let ticks = rest.split_whitespace().skip(11).take(2).map(str::parse::<f64>);
    let ticks = ticks.sum::<Result<f64, _>>().map_err(failed)?;
    Ok(ticks / clock_ticks_per_second() as f64)
}

/// What of a process is in memory, in megabytes of 1,000,000 bytes.
pub(super) fn resident_mb(pid: u32) -> Result<f64, Failure> {
    memory_mb(pid, "VmRSS:")
}

fn memory_mb(pid: u32, which: &str) -> Result<f64, Failure> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).map_err(|_| no_proc())?;
    let line = status.lines().find_map(|line| line.strip_prefix(which));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()).ok_or_else(no_proc)?;
    Ok(kibibytes.parse::<f64>().map_err(failed)? * 1_024.0 / 1e6)
}

/// From now on the peak of a process is counted anew.
pub(super) fn begin_peak(pid: u32) -> Result<(), Failure> {
    // 5 resets the high water mark to what is in memory now: proc(5).
    fs::write(format!("/proc/{pid}/clear_refs"), "5").map_err(|_| no_proc())
}

/// The most that was in memory of a process since then, in megabytes of 1,000,000 bytes.
pub(super) fn peak_mb(pid: u32) -> Result<f64, Failure> {
    memory_mb(pid, "VmHWM:")
}

fn no_proc() -> Failure {
    Failure::new(FailureKind::Failed, "what a process needs is read from /proc, as on Linux")
        .with_hint("name the other workloads: kern bench append catch-up")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_held_and_gave_back_is_in_its_peak_until_that_begins_anew() {
        let pid = std::process::id();
        begin_peak(pid).unwrap();
        let before = peak_mb(pid).unwrap();
        // Every page of it is touched, and then it is the system's again.
        let held = vec![1_u8; 100_000_000];
        assert_eq!(std::hint::black_box(&held).last(), Some(&1));
        drop(held);
        let peak = peak_mb(pid).unwrap();
        assert!(peak > before + 90.0, "{before} MB, then {peak} MB");
        begin_peak(pid).unwrap();
        assert!(peak_mb(pid).unwrap() < peak - 50.0);
    }
}
