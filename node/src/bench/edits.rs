//! What every workload writes, ours and others' alike: 500 tasks of four fields, and edits that set
//! one field to a number, of which one in five meets the same 50 tasks. The same seed gives the
//! same edits. `kern-bench` has this very file.

/// Tasks in the document.
pub const TASKS: usize = 500;

/// The tasks that one edit in five is of.
const HOT: u64 = 50;

/// The fields of a task; all but the last are texts before they are edited.
pub const FIELDS: [&str; 4] = ["title", "state", "owner", "days"];

/// One field set to a new value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edit {
    /// Which task.
    pub task: usize,
    /// Which of its fields.
    pub field: usize,
    /// 32 random bits.
    pub value: u32,
}

/// Edits without an end.
#[derive(Debug, Clone)]
pub struct Edits(u64);

impl Edits {
    /// Those of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// SplitMix64: every seed is a good one.
    fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which is at least 1.
    fn below(&mut self, bound: u64) -> usize {
        usize::try_from(self.number() % bound).unwrap_or(0)
    }
}

impl Iterator for Edits {
    type Item = Edit;

    fn next(&mut self) -> Option<Edit> {
        let among = if self.below(5) == 0 { HOT } else { TASKS as u64 };
        let (task, field) = (self.below(among), self.below(FIELDS.len() as u64));
        let value = u32::try_from(self.number() >> 32).unwrap_or(0);
        Some(Edit { task, field, value })
    }
}

/// The name of a task.
#[must_use]
pub fn name(task: usize) -> String {
    format!("task-{task:03}")
}

/// What a text of a task says before it is edited.
#[must_use]
pub fn text(value: u32) -> String {
    format!("{value:08x}")
}
