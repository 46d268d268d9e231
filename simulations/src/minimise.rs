//! Makes a script that fails small: leaves out what the failure does not need.

use crate::run::run;
use crate::script::Script;

/// Runs that it may take.
const RUNS: usize = 400;

/// The smallest script found that breaks the same invariant as `script` does with `seed`.
#[must_use]
pub fn minimise(script: &Script, seed: u64) -> Script {
    let fails = |script: &Script| Some(run(script, seed, false).ok()?.0.failed?.1);
    let mut best = Script { seed: Some(seed), ..script.clone() };
    let Some(invariant) = fails(&best) else { return best };
    let mut left = RUNS;
    let mut try_out = |smaller: Script, best: &mut Script| {
        if left == 0 {
            return false;
        }
        left -= 1;
        let is_failing = fails(&smaller).as_ref() == Some(&invariant);
        if is_failing {
            *best = smaller;
        }
        is_failing
    };
    // Halves, quarters and so on, until no single step can go.
    let mut size = best.steps.len().div_ceil(2);
    loop {
        let mut at = 0;
        let mut is_smaller = false;
        while at < best.steps.len() {
            let mut smaller = best.clone();
            smaller.steps.drain(at..(at + size).min(best.steps.len()));
            if try_out(smaller, &mut best) {
                is_smaller = true;
            } else {
                at += size;
            }
        }
        match (size, is_smaller) {
            (1, false) => break,
            (1, true) => {}
            _ => size = size.div_ceil(2),
        }
    }
    for device in (1..best.devices.len()).rev() {
        if let Some(smaller) = without(&best, device) {
            try_out(smaller, &mut best);
        }
    }
    best
}

/// The script without a device and the sentences that name it; cuts go on without it.
fn without(script: &Script, device: usize) -> Option<Script> {
    let name = &script.devices.get(device)?.name;
    let (mut devices, steps) = script.lines();
    devices.remove(device);
    let names = |line: &str| line.split(' ').any(|word| word == name);
    let leave = |line: String| -> String {
        line.split(' ').filter(|word| word != name).collect::<Vec<_>>().join(" ")
    };
    let steps = steps.into_iter().filter(|line| line.starts_with("cut ") || !names(line));
    Script::of_lines(
        script.title.clone(),
        script.seed,
        &devices,
        &steps.map(leave).collect::<Vec<_>>(),
    )
    .ok()
}
