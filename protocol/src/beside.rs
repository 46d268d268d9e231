//! The small texts that a node keeps beside a store: who the members are, and how far its hints are
//! numbered. Whoever wrote the file, it is one of these texts, whole, or nothing.

use std::collections::BTreeSet;

use crate::id::DeviceId;

/// Members, a device id a line. `SPEC: DUR-7`
#[must_use]
pub fn members_text<'a>(members: impl Iterator<Item = &'a DeviceId>) -> String {
    members.map(|member| format!("{member}\n")).collect()
}

/// Reads them; none where a line is no device.
#[must_use]
pub fn members_read(text: &str) -> Option<BTreeSet<DeviceId>> {
    text.lines().map(|line| line.parse().ok()).collect()
}

/// How many stretches of numbers were begun. `SPEC: HINT-2`
#[must_use]
pub fn hints_text(begun: u64) -> String {
    format!("{begun}\n")
}

/// Reads it; none where it is no number.
#[must_use]
pub fn hints_read(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}
