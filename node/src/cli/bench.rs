//! `kern bench`: what this program does on this machine, beside what it is measured against.

use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::ValueEnum as _;
use kernelos_protocol::command::{Failure, FailureKind};
use kernelos_protocol::present::{Block, Doc, Text, Tone, to_text};

use crate::bench::figures::{Op, Row};
use crate::bench::plain::open_bare;
use crate::bench::{Bench, Workload};
use crate::cli::{Ui, print};

/// Measure this program on this machine
///
/// Runs workloads in a folder of their own, each in turns with what it is measured against, and
/// says whether it reaches its goal. A goal that is missed is no failure of the command. Your
/// workspaces are not touched. All of it takes many minutes.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kern bench                          everything
  kern bench append --dir /mnt/disk   some of it, on another disk
  kern bench --quick --json           small sizes: does it work at all?
  kern bench --rows FILE --markdown   what --json gave, as a table for a README

NAME is append, catch-up, dispatch, start-up, bytes, heal, dispatch-remote,
live, idle, resume, attack, history, search or inspector.")]
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
    /// Show rows that `--json` gave earlier; measure nothing
    #[arg(long, value_name = "FILE", conflicts_with_all = ["workloads", "quick", "dir"])]
    rows: Option<PathBuf>,
    /// A table in Markdown
    #[arg(long)]
    markdown: bool,
    /// Open a database and ask it for its last row: what `start-up` is measured against
    #[arg(long, hide = true, value_name = "FILE")]
    bare: Option<PathBuf>,
}

pub(super) async fn run(ui: &Ui, args: Args) -> Result<(), Failure> {
    if let Some(store) = args.bare {
        return open_bare(&store);
    }
    let markdown = args.markdown;
    let rows = match &args.rows {
        Some(file) => kept(file)?,
        None => measured(ui, args).await?,
    };
    if markdown && !ui.json { print(&table(&rows)) } else { ui.show(&rows, || shown(&rows)) }
}

async fn measured(ui: &Ui, args: Args) -> Result<Vec<Row>, Failure> {
    let base = args.dir.unwrap_or_else(|| ui.home.path().join("bench"));
    let wanted: BTreeSet<_> = args.workloads.into_iter().collect();
    let all = Workload::value_variants().iter().copied();
    let no_room = format!("has {} room? another disk: kern bench --dir FOLDER", base.display());
    let bench = Bench::new(&base, args.quick, tell)?;
    let mut rows = Vec::new();
    for workload in all.filter(|workload| wanted.is_empty() || wanted.contains(workload)) {
        if let Some(name) = workload.to_possible_value() {
            tell(&format!("measuring {}", name.get_name()));
        }
        let measured = bench.run(workload).await.map_err(|failure| match failure.hint {
            None => failure.with_hint(&no_room),
            Some(_) => failure,
        })?;
        for row in &measured {
            tell(&format!("  {}", sentence(row)));
        }
        rows.extend(measured);
    }
    Ok(rows)
}

/// The rows of an earlier run.
fn kept(file: &Path) -> Result<Vec<Row>, Failure> {
    let unreadable = |error: &dyn std::fmt::Display| {
        Failure::new(FailureKind::Failed, format!("{} holds no rows: {error}", file.display()))
            .with_hint("give what `kern bench --json` wrote")
    };
    let text = std::fs::read(file).map_err(|error| unreadable(&error))?;
    serde_json::from_slice(&text).map_err(|error| unreadable(&error))
}

/// The head of a table in Markdown.
const TABLE: &str = "\
| workload | of | ours | limit | unit | | against |
|---|---|---|---|---|---|---|
";

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
        let (workload, unit) = (Text::plain(&row.workload), Text::plain(&row.unit));
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
    blocks.extend(machine(rows).map(|line| Block::Line(Text::plain(line))));
    Doc(blocks)
}

/// On what the rows were measured.
fn machine(rows: &[Row]) -> Option<String> {
    let machine = &rows.first()?.machine;
    Some(format!(
        "on {} ({} cores, kernel {}); a commit here takes {} ms (F, p95)",
        machine.cpu,
        machine.cores,
        machine.kernel,
        number(machine.commit_p95_ms)
    ))
}

/// The rows as Markdown; params that are no plain value are left to `--json`. A file's words
/// rewrite no screen.
fn table(rows: &[Row]) -> String {
    let mut lines: Vec<_> = TABLE.lines().map(str::to_owned).collect();
    for row in rows {
        let params = row.params.iter().filter(|(_, value)| !value.is_object());
        let row =
            Row { params: params.map(|(k, v)| (k.clone(), v.clone())).collect(), ..row.clone() };
        let [of, ours, limit, against] = parts(&row);
        let met = match row.met {
            Some(true) => "met",
            Some(false) => "**missed**",
            None => "not judged",
        };
        let (workload, unit) = (&row.workload, &row.unit);
        let line =
            [workload, &of, &ours, &limit, unit, met, &against].map(|cell| cell.replace('|', "/"));
        lines.push(format!("| {} |", line.join(" | ")));
    }
    if let Some(line) = machine(rows) {
        lines.extend([String::new(), format!("Measured {line}.")]);
    }
    to_text(&Doc(lines.into_iter().map(|line| Block::Line(Text::plain(line))).collect()))
}

fn sentence(row: &Row) -> String {
    let [of, ours, limit, against] = parts(row);
    let met = match row.met {
        Some(true) => "met",
        Some(false) => "missed",
        None => "not judged",
    };
    let (workload, unit) = (&row.workload, &row.unit);
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What `--json` gave.
    fn rows() -> Vec<Row> {
        let row = |ours: Option<f64>, met: Option<bool>| {
            json!({
                "workload": "append", "params": {"group": 16, "bytes": {"events": 3}}, "ours": ours,
                "unit": "events/s", "against": {"bare": 12_000.0}, "limit": 9_600.0, "op": ">=",
                "met": met,
                "machine": {"cpu": "x|y", "cores": 2, "kernel": "6", "commit_p95_ms": 0.31},
            })
        };
        let rows = [row(Some(9_700.0), Some(true)), row(Some(9.0), Some(false)), row(None, None)];
        serde_json::from_value(json!(rows)).unwrap()
    }

    #[test]
    fn a_table_shows_what_was_missed_as_missed_and_the_machine() {
        let expected = format!(
            "{TABLE}\
            | append | group 16 | 9700 | >= 9600 | events/s | met | bare 12000 |\n\
            | append | group 16 | 9.00 | >= 9600 | events/s | **missed** | bare 12000 |\n\
            | append | group 16 | ? | >= 9600 | events/s | not judged | bare 12000 |\n\
            \nMeasured on x|y (2 cores, kernel 6); a commit here takes 0.310 ms (F, p95).\n"
        );
        assert_eq!(table(&rows()), expected);
    }

    #[test]
    fn words_of_a_file_rewrite_no_screen() {
        let mut rows = rows();
        rows[0].workload = "a\u{1b}[2J\nb".to_owned();
        rows[0].machine.cpu = "\u{202e}x".to_owned();
        let table = table(&rows);
        assert!(table.contains("| a\\u{1b}[2J\\u{a}b | group 16 |"), "{table}");
        assert!(table.contains("Measured on \\u{202e}x ("), "{table}");
    }

    /// What the workloads count in.
    const UNITS: [&str; 11] = [
        "events/s",
        "bytes/edit",
        "ms",
        "ms p95",
        "ms of CPU p95",
        "ms of CPU, the most",
        "ms in a window",
        "frames while idle",
        "MB",
        "MB/node",
        "% of a core/node",
    ];

    /// What is wrong with the cells of a row, where this program never prints it so.
    fn fault(line: &str) -> Option<&'static str> {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let Ok([workload, _, ours, limit, unit, met, _]) = <[&str; 7]>::try_from(cells) else {
            return Some("its cells");
        };
        let is_number = |cell: &str| cell == "?" || cell.parse().is_ok_and(f64::is_finite);
        let (op, limit) = limit.split_once(' ').unwrap_or(("<=", limit));
        let [number, bound] = [ours, limit].map(|cell| cell.parse::<f64>().ok());
        let is_reached = number.zip(bound).map(|(ours, limit)| match op {
            "<=" => ours <= limit,
            _ => ours >= limit,
        });
        let is_met = match met {
            "met" => Some(true),
            "**missed**" => Some(false),
            "not judged" => None,
            _ => return Some("whether it is met"),
        };
        let is_of_inspector = ["frame", "open", "repaints"].contains(&workload);
        match () {
            () if !is_of_inspector && Workload::from_str(workload, false).is_err() => {
                Some("its workload")
            }
            () if !UNITS.contains(&unit) => Some("its unit"),
            () if ![ours, limit].into_iter().all(is_number) => Some("its numbers"),
            () if !["<=", ">="].contains(&op) => Some("its limit"),
            // Numbers that are shown alike may differ.
            () if is_reached != is_met && ours != limit => Some("whether it is met"),
            () => None,
        }
    }

    #[test]
    fn every_row_of_readmes_table_has_the_cells_of_one_that_this_program_prints() {
        let readme = include_str!("../../../README.md");
        let (_, figures) = readme.split_once(TABLE).expect("the head of the table");
        let lines: Vec<_> = figures.lines().take_while(|line| line.starts_with("| ")).collect();
        assert!(lines.len() >= 10);
        for line in lines {
            assert_eq!(fault(line), None, "{line}");
        }
        for (line, expected) in [
            ("| append | | 2000 | >= 3000 | events/s | **missed** | |", None),
            ("| apend | | 2000 | >= 3000 | events/s | **missed** | |", Some("its workload")),
            ("| append | | 2000 | >= 3000 | events | **missed** | |", Some("its unit")),
            ("| append | | 2,000 | >= 3000 | events/s | **missed** | |", Some("its numbers")),
            ("| append | | 2000 | > 3000 | events/s | **missed** | |", Some("its limit")),
            ("| append | | 2000 | >= 3000 | events/s | met | |", Some("whether it is met")),
            ("| append | | ? | >= 3000 | events/s | met | |", Some("whether it is met")),
            ("| append | | 2000 | events/s | **missed** | |", Some("its cells")),
        ] {
            assert_eq!(fault(line), expected, "{line}");
        }
    }
}
