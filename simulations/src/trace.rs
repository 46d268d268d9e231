//! What happened, one JSON object a line: equal for two runs of one seed, byte for byte.

use serde_json::{Value as Json, json};

/// The trace of a run.
#[derive(Debug, Default)]
pub struct Trace {
    lines: Vec<String>,
    keep: bool,
    hash: Fold,
}

/// A running hash, so that long runs can be compared without being kept (FNV-1a, 64 bits).
#[derive(Debug)]
struct Fold(u64);

impl Default for Fold {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Trace {
    /// A trace that keeps its lines, or only their hash.
    #[must_use]
    pub fn new(keep: bool) -> Self {
        Self { keep, ..Self::default() }
    }

    /// Adds what happened at a virtual time, in milliseconds, on a device.
    pub fn add(&mut self, time: u64, device: &str, what: Json) {
        let line = json!({ "t": time, "device": device, "what": what }).to_string();
        for byte in line.bytes().chain([b'\n']) {
            self.hash.0 = (self.hash.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        if self.keep {
            self.lines.push(line);
        }
    }

    /// All lines.
    #[must_use]
    pub fn text(&self) -> String {
        self.lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
    }

    /// The hash of all lines, in hex.
    #[must_use]
    pub fn hash(&self) -> String {
        format!("{:016x}", self.hash.0)
    }
}
