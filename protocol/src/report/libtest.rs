//! The lines of Rust's own harness, of one or several binaries and of examples in documentation.
//!
//! A block goes from `running 3 tests` to `test result:`; totals are compared for each. What failed
//! tests wrote stands in the block behind `failures:` and is not read. `SPEC: RPT-4`

use super::found::{Tests, number, plain};
use super::{ReportFault, TestState};

#[derive(Default)]
struct Reader {
    tests: Tests,
    block: Option<Block>,
    /// Whether a test or a total was seen, beside the beginning of a block.
    is_known: bool,
}

#[derive(Default)]
struct Block {
    announced: usize,
    passed: usize,
    failed: usize,
    ignored: usize,
    measured: usize,
    /// A test whose state comes after what it wrote.
    pending: Option<String>,
    is_over: bool,
}

/// None if there is no block.
pub(super) fn read(text: &str) -> Option<Tests> {
    let mut reader = Reader::default();
    for line in text.lines() {
        reader.line(&plain(line));
    }
    if reader.block.is_some() {
        reader.tests.fault(ReportFault::Incomplete);
    }
    reader.is_known.then_some(reader.tests)
}

impl Reader {
    fn line(&mut self, line: &str) {
        let line = line.trim_end();
        if let Some(totals) = line.strip_prefix("test result: ") {
            return self.end(totals);
        }
        let announced = announced(line);
        let Some(block) = self.block.as_mut() else {
            if let Some(announced) = announced {
                self.block = Some(Block { announced, ..Block::default() });
            }
            return;
        };
        if block.is_over {
            return;
        }
        if let Some(announced) = announced {
            self.tests.fault(ReportFault::Incomplete);
            self.block = Some(Block { announced, ..Block::default() });
        } else if matches!(line, "failures:" | "successes:") {
            block.is_over = true;
        } else if let Some((name, rest)) = test(line) {
            self.is_known = true;
            match Said::read(rest) {
                Some(said) => said.count(block, &mut self.tests, &name),
                None => block.pending = Some(name),
            }
        } else if let Some(said) = Said::read(line)
            && let Some(name) = block.pending.take()
        {
            said.count(block, &mut self.tests, &name);
        }
    }

    /// The end of a block: `ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; …`.
    fn end(&mut self, totals: &str) {
        let Some(block) = self.block.take() else {
            if self.is_known {
                self.tests.fault(ReportFault::Totals);
            }
            return;
        };
        self.is_known = true;
        let total = |what: &str| {
            let parts = totals.split(['.', ';']).map(str::trim);
            parts.filter_map(|part| part.split_once(' ')).find(|part| part.1 == what)
        };
        let agrees = |what, counted| total(what).and_then(|part| number(part.0)) == Some(counted);
        let counted = block.passed + block.failed + block.ignored + block.measured;
        let is_right = agrees("passed", block.passed)
            && agrees("failed", block.failed)
            && agrees("ignored", block.ignored)
            && agrees("measured", block.measured)
            && totals.starts_with("ok.") == (block.failed == 0);
        if !is_right || counted != block.announced {
            self.tests.fault(ReportFault::Totals);
        }
    }
}

/// What a line says of a test.
#[derive(Clone, Copy)]
enum Said {
    Ok,
    Failed,
    Ignored,
    Measured,
}

impl Said {
    fn read(text: &str) -> Option<Self> {
        // With --report-time a time follows.
        let said = text.split_once(" <").map_or(text, |(said, _)| said).trim();
        match said {
            "ok" => Some(Self::Ok),
            "FAILED" => Some(Self::Failed),
            "ignored" => Some(Self::Ignored),
            _ if said.starts_with("FAILED (") => Some(Self::Failed),
            _ if said.starts_with("ignored, ") => Some(Self::Ignored),
            _ if said.starts_with("bench: ") => Some(Self::Measured),
            _ => None,
        }
    }

    fn count(self, block: &mut Block, tests: &mut Tests, name: &str) {
        let (counter, state) = match self {
            Self::Ok => (&mut block.passed, TestState::Passed),
            Self::Failed => (&mut block.failed, TestState::Failed),
            Self::Ignored => (&mut block.ignored, TestState::Skipped),
            Self::Measured => (&mut block.measured, TestState::Passed),
        };
        *counter += 1;
        tests.add(name, state);
    }
}

fn announced(line: &str) -> Option<usize> {
    let rest = line.strip_prefix("running ")?;
    number(rest.strip_suffix(" tests").or_else(|| rest.strip_suffix(" test"))?)
}

/// The name and what is said of it: `test a::b ... ok`.
fn test(line: &str) -> Option<(String, &str)> {
    let rest = line.strip_prefix("test ")?;
    let (name, said) =
        rest.split_once(" ... ").or_else(|| Some((rest.strip_suffix(" ...")?, "")))?;
    Some((named(name), said))
}

/// The name without what changes when lines move: `src/a.rs - f (line 3)` is `src/a.rs - f`.
fn named(name: &str) -> String {
    let without_mark = name.strip_suffix(" - should panic").unwrap_or(name);
    let cut = without_mark.split_once(" (line ").and_then(|(head, rest)| {
        let (line, tail) = rest.split_once(')')?;
        number(line)?;
        Some(format!("{head}{tail}"))
    });
    cut.unwrap_or_else(|| without_mark.to_owned())
}
