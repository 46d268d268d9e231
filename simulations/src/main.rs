//! `kern-sim`: runs partition scripts, and swarms of seeds.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, Subcommand};
use kernelos_simulations::minimise::minimise as smallest;
use kernelos_simulations::run::{Outcome, run};
use kernelos_simulations::script::Script;
use kernelos_simulations::swarm;
use serde_json::{Value as Json, json};

/// KernelOS in a deterministic world
#[derive(Debug, Parser)]
#[command(name = "kern-sim", version, after_help = SENTENCES)]
struct Args {
    /// Prints one JSON object
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Subcommands,
}

const SENTENCES: &str = "\
Sentences of a script:
  A writes PATH = VALUE · A removes PATH · A cannot write PATH · A grants B ROLE · A revokes B
  A tries PATH = VALUE · A tries to remove PATH · A tries a mission of N steps
  A tries to undo · A tries to undo by force · A tries to cancel the mission · A tries to purge
  A tries to strike B · A tries to bring back what is struck · A tries to readmit B
  A tries to rescue · A tries to branch NAME · A tries to branch NAME of PATH
  A tries to merge NAME · A tries to put away NAME · A tries to get back NAME
  cut A B | C · A does not hear B · heal · wait 5s · A crashes · A crashes before output N
  A starts · A restarts
  A is copied · A is put back · A loses rows · A is cloned · A sleeps 5s
  A sets its clock forward 1h · A sets its clock back 1h · A gains 300 ppm · A loses 300 ppm
  A forks PATH = VALUE · A backdates PATH = VALUE · A backdates anew PATH = VALUE
  A backdates a revocation of B · A withholds from B · A replays · A sends garbage
  A sends too much · A claims everything · A wants forever · A offers what is not there
  A floods N events
  all settle · A shows a fork of B · A began a new life
  all agree · A and B agree · A reads PATH = VALUE · A reads nothing at PATH · A is revoked
  A starts a mission of N steps · until step N is done · until N candidates are made
  the holder crashes · the holder is cut off · the holder sleeps 60s · the lost one restarts
  the mission is promoted · the mission is resumed · the mission is not resumed
  N candidates are shown
  step N was started N times · no step was started more than N times

Examples:
  kern-sim run simulations/scenarios/apart_and_together.toml --seed 7
  kern-sim swarm --seeds 100";

#[derive(Debug, Subcommand)]
enum Subcommands {
    /// Run one script
    #[command(after_help = "\
Examples:
  kern-sim run simulations/scenarios/lost_phone.toml --seed 7
  kern-sim run simulations/scenarios/lost_phone.toml --trace trace.jsonl")]
    Run {
        /// The script, a TOML file
        script: PathBuf,
        /// What chance comes from; the script's own seed, or 1, where it is not given
        #[arg(long)]
        seed: Option<u64>,
        /// Where to write what happened, one JSON object a line
        #[arg(long)]
        trace: Option<PathBuf>,
    },
    /// Run generated scripts, one a seed
    #[command(after_help = "\
Examples:
  kern-sim swarm --seeds 100
  kern-sim swarm --seeds 1 --first 4711
  kern-sim swarm --seeds 1000 --minimise simulations/regressions")]
    Swarm {
        /// How many seeds
        #[arg(long)]
        seeds: u64,
        /// The first one
        #[arg(long, default_value_t = 1)]
        first: u64,
        /// A folder that takes the script of each seed that fails, as small as it can be made
        #[arg(long, value_name = "FOLDER")]
        minimise: Option<PathBuf>,
    },
}

fn main() -> ExitCode {
    let args = Args::parse();
    match perform(&args) {
        Ok(report) => {
            let failed = report["failed"].as_array().is_some_and(|failed| !failed.is_empty());
            let text = if args.json { report.to_string() } else { describe(&report) };
            // Who closed the pipe has read enough.
            writeln!(std::io::stdout(), "{text}").ok();
            ExitCode::from(u8::from(failed))
        }
        // As `kern` does: what is not there, or is no script, failed; clap says what is usage.
        Err(error) => {
            let told = json!({ "kind": "failed", "message": error, "hint": null });
            let text = if args.json { told.to_string() } else { format!("error: {error}") };
            writeln!(std::io::stderr(), "{text}").ok();
            ExitCode::from(1)
        }
    }
}

fn perform(args: &Args) -> Result<Json, String> {
    let begin = Instant::now();
    match &args.command {
        Subcommands::Run { script, seed, trace } => {
            let name = script.display().to_string();
            let text =
                std::fs::read_to_string(script).map_err(|error| format!("{name}: {error}"))?;
            let parsed: Script = text.parse().map_err(|fault| format!("{name}: {fault}"))?;
            let seed = seed.or(parsed.seed).unwrap_or(1);
            let (outcome, happened) = run(&parsed, seed, trace.is_some())?;
            if let Some(path) = trace {
                std::fs::write(path, happened)
                    .map_err(|error| format!("{}: {error}", path.display()))?;
            }
            let replay = format!("kern-sim run {name} --seed {seed}");
            Ok(report(1, &[(seed, outcome, replay)], begin))
        }
        Subcommands::Swarm { seeds, first, minimise } => {
            let mut outcomes = Vec::new();
            for seed in *first..first.saturating_add(*seeds) {
                let outcome = swarm::run(seed)?;
                let mut replay = format!("kern-sim swarm --seeds 1 --first {seed}");
                if let (Some(folder), Some(_)) = (minimise, &outcome.failed) {
                    let script = smallest(&swarm::plan(seed), seed);
                    let path = folder.join(format!("seed_{seed}.toml"));
                    let name = path.display();
                    std::fs::write(&path, script.to_string())
                        .map_err(|error| format!("{name}: {error}"))?;
                    replay = format!("kern-sim run {name}");
                }
                outcomes.push((seed, outcome, replay));
            }
            Ok(report(*seeds, &outcomes, begin))
        }
    }
}

fn report(seeds: u64, outcomes: &[(u64, Outcome, String)], begin: Instant) -> Json {
    let failed: Vec<Json> = outcomes
        .iter()
        .filter_map(|(seed, outcome, replay)| {
            let (step, invariant, detail) = outcome.failed.as_ref()?;
            Some(json!({ "seed": seed, "step": step, "invariant": invariant, "detail": detail,
                "replay": replay }))
        })
        .collect();
    let sum =
        |of: fn(&Outcome) -> u64| outcomes.iter().map(|(_, outcome, _)| of(outcome)).sum::<u64>();
    json!({
        "seeds": seeds,
        "failed": failed,
        "deliveries": sum(|outcome| outcome.deliveries),
        "faults": sum(|outcome| outcome.faults),
        "missions": sum(|outcome| outcome.missions),
        "promoted": sum(|outcome| outcome.promoted),
        "compared": sum(|outcome| outcome.compared),
        "virtual_s": sum(|outcome| outcome.virtual_ms) / 1_000,
        "wall_s": begin.elapsed().as_secs_f64(),
        "commit": env!("KERNELOS_COMMIT"),
    })
}

fn describe(report: &Json) -> String {
    let mut text = format!(
        "{} seeds, {} failed, {} deliveries, {} faults, {} of {} missions promoted, \
         {} states compared, {} s of virtual time in {:.1} s, commit {}",
        report["seeds"],
        report["failed"].as_array().map_or(0, Vec::len),
        report["deliveries"],
        report["faults"],
        report["promoted"],
        report["missions"],
        report["compared"],
        report["virtual_s"],
        report["wall_s"].as_f64().unwrap_or(0.0),
        report["commit"].as_str().unwrap_or_default(),
    );
    for failure in report["failed"].as_array().into_iter().flatten() {
        let word = |key: &str| failure[key].as_str().unwrap_or_default().to_owned();
        text += &format!(
            "\nFAILED seed {} at step {}: {}: {}\n  replay: {}",
            failure["seed"],
            failure["step"],
            word("invariant"),
            word("detail"),
            word("replay")
        );
    }
    text
}
