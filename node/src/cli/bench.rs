//! `kern bench`: what this program does on this machine, beside what it is measured against.

use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::ValueEnum as _;
use kernelos_protocol::command::Failure;
use kernelos_protocol::present::{Block, Doc, Text, Tone};

use crate::bench::figures::{Op, Row};
use crate::bench::{Bench, Workload};
use crate::cli::Ui;

/// Measure this program on this machine
///
/// Runs workloads in a folder of their own, each in turns with what it is measured against, and
/// says whether it reaches its goal. A goal that is missed is no failure of the command. Your
/// workspaces are not touched. All of it takes many minutes.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kern bench                          everything
  kern bench append catch-up          some of it
  kern bench --quick --json           small sizes: does it work at all?
  kern bench --dir /mnt/disk          on another disk

NAME is append, catch-up, dispatch, start-up, bytes, heal, dispatch-remote,
live, idle, resume, attack or inspector.")]
pub(super) struct Args {
    /// What to measure; without a name everything
    #[arg(value_name = "NAME", hide_possible_values = true)]
    workloads: Vec<Workload>,
    /// Small sizes
    #[arg(long)]
    quick: bool,
    /// Where to write, instead of below KERNELOS_HOME
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
}

pub(super) async fn run(ui: &Ui, args: Args) -> Result<(), Failure> {
    let base = args.dir.unwrap_or_else(|| ui.home.path().join("bench"));
    let wanted: BTreeSet<_> = args.workloads.into_iter().collect();
    let all = Workload::value_variants().iter().copied();
    let bench = Bench::new(&base, args.quick, tell)?;
    let mut rows = Vec::new();
    for workload in all.filter(|workload| wanted.is_empty() || wanted.contains(workload)) {
        if let Some(name) = workload.to_possible_value() {
            tell(&format!("measuring {}", name.get_name()));
        }
        let measured = bench.run(workload).await?;
        for row in &measured {
            tell(&format!("  {}", sentence(row)));
        }
        rows.extend(measured);
    }
    ui.show(&rows, || shown(&rows))
}

/// What is measured takes minutes: who watches sees how far it is.
fn tell(line: &str) {
    writeln!(io::stderr().lock(), "{line}").ok();
}

fn shown(rows: &[Row]) -> Doc {
    let columns = ["workload", "of", "ours", "limit", "unit", "met", "against"];
    let cells = rows.iter().map(|row| {
        let met = match row.met {
            Some(true) => Text::toned(Tone::Good, "yes"),
            Some(false) => Text::toned(Tone::Attention, "missed"),
            None => Text::toned(Tone::Quiet, "?"),
        };
        let [of, ours, limit, against] = parts(row).map(Text::plain);
        let (workload, unit) = (Text::plain(&row.workload), Text::plain(row.unit));
        vec![workload, of, ours, limit, unit, met, against]
    });
    let columns = columns.map(str::to_owned).to_vec();
    let mut blocks = vec![Block::Table { columns, rows: cells.collect() }];
    let missing: BTreeSet<_> = rows.iter().filter_map(|row| row.missing.as_ref()).collect();
    let peers: BTreeSet<_> = rows.iter().flat_map(|row| &row.peers).collect();
    blocks.extend(
        peers.into_iter().map(|(peer, how)| Block::Line(Text::plain(format!("{peer}: {how}")))),
    );
    blocks.extend(missing.into_iter().map(|why| Block::Line(Text::toned(Tone::Attention, why))));
    if let Some(row) = rows.first() {
        let machine = &row.machine;
        blocks.push(Block::Line(Text::plain(format!(
            "on {} ({} cores, kernel {}); a commit here takes {} ms (F, p95)",
            machine.cpu,
            machine.cores,
            machine.kernel,
            number(machine.commit_p95_ms)
        ))));
    }
    Doc(blocks)
}

fn sentence(row: &Row) -> String {
    let [of, ours, limit, against] = parts(row);
    let met = match row.met {
        Some(true) => "met",
        Some(false) => "missed",
        None => "not judged",
    };
    let (workload, unit) = (&row.workload, row.unit);
    format!("{workload} {of}: {ours} {unit}, limit {limit}, {met} ({against})")
}

fn parts(row: &Row) -> [String; 4] {
    let of = row.params.iter().map(|(name, value)| match value.as_str() {
        Some(text) => format!("{name} {text}"),
        None => format!("{name} {}", value.to_string().replace('"', "")),
    });
    let against = row.against.iter().map(|(name, value)| format!("{name} {}", number(*value)));
    let op = match row.op {
        Op::AtMost => "<=",
        Op::AtLeast => ">=",
    };
    let limit = row.limit.map_or_else(|| "?".to_owned(), |limit| format!("{op} {}", number(limit)));
    let ours = row.ours.map_or_else(|| "?".to_owned(), number);
    [of.collect::<Vec<_>>().join(", "), ours, limit, against.collect::<Vec<_>>().join(", ")]
}

/// Three digits are more than a run is good for.
fn number(number: f64) -> String {
    let digits = match number.abs() {
        100.0.. => 0,
        10.0..100.0 => 1,
        1.0..10.0 => 2,
        _ => 3,
    };
    format!("{number:.digits$}")
}
