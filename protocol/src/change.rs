//! What a change may do to a tree, whoever made it: the one choke point.
//!
//! [`admit_change`] is called where a candidate, a merge or a benchmark hands in a change, and
//! nothing else makes an [`AdmittedChange`]; what comes later takes only that. It judges names,
//! modes, sizes and links, never contents. Reading order: `path`, `collision`, `rulebook`.
//!
//! Invariant: every refusal is told with its path, so that all can be mended at once (to
//! [`CHANGE_REFUSALS_MAX`]).

mod code;
mod collision;
mod glob;
mod path;
mod rulebook;

use serde::{Deserialize, Serialize};

use crate::limits::{
    CHANGE_BYTES_TOTAL_MAX, CHANGE_FILES_MAX, CHANGE_PATH_BYTES_MAX, CHANGE_REFUSALS_MAX,
    CHANGE_RULES_VERSION, CHANGE_SEGMENT_BYTES_MAX,
};
use crate::printable::{shown, shown_bytes};

pub use code::ChangeCode;
pub use rulebook::{Kind, RULEBOOK, Rulebook, RulebookFault};

/// Git's mode of a file.
pub const MODE_FILE: u32 = 0o100_644;
/// Git's mode of a program.
pub const MODE_PROGRAM: u32 = 0o100_755;
/// Git's mode of a symbolic link.
pub const MODE_LINK: u32 = 0o120_000;
/// Git's mode of a submodule.
pub const MODE_SUBMODULE: u32 = 0o160_000;

/// One side of a changed file, as a tree of git has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Git's mode, such as `0o100644`.
    pub mode: u32,
    /// Bytes of its content.
    pub size: u64,
    /// What a link points to.
    pub link_target: Option<Vec<u8>>,
}

/// One path that differs between two trees. A renamed file is two of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedFile {
    /// From the top of the tree, with `/` between segments; bytes as git has them.
    pub path: Vec<u8>,
    /// In the base; none if the change adds it.
    pub old: Option<Entry>,
    /// In the candidate; none if the change deletes it.
    pub new: Option<Entry>,
}

impl ChangedFile {
    fn is_added(&self) -> bool {
        self.old.is_none() && self.new.is_some()
    }
}

/// Why a change, or one of its files, is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChangeRefusal {
    /// For programs and tests.
    pub code: ChangeCode,
    /// The file, in showable form; empty if it is the whole change.
    pub path: String,
    /// For people.
    pub text: String,
}

impl ChangeRefusal {
    fn of(code: ChangeCode, path: &[u8]) -> Self {
        let path = shown_bytes(path, CHANGE_PATH_BYTES_MAX);
        Self { code, path, text: code.to_string() }
    }

    fn with(code: ChangeCode, path: &[u8], more: &str) -> Self {
        let mut refusal = Self::of(code, path);
        refusal.text = format!("{code}: {}", shown(more, CHANGE_PATH_BYTES_MAX));
        refusal
    }
}

/// A change that keeps the rules. It can be made by [`admit_change`] alone and is not read from
/// bytes. `SPEC: CHG-1`
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AdmittedChange {
    rules: u32,
    added: usize,
    modified: usize,
    deleted: usize,
    bytes: u64,
}

impl AdmittedChange {
    /// The version of the rules that it kept. `SPEC: CHG-9`
    #[must_use]
    pub fn rules(&self) -> u32 {
        self.rules
    }

    /// Files that it adds, modifies or deletes: 0 to 80.
    #[must_use]
    pub fn files(&self) -> usize {
        self.added + self.modified + self.deleted
    }

    /// Files that it adds.
    #[must_use]
    pub fn added(&self) -> usize {
        self.added
    }

    /// Files that it modifies.
    #[must_use]
    pub fn modified(&self) -> usize {
        self.modified
    }

    /// Files that it deletes.
    #[must_use]
    pub fn deleted(&self) -> usize {
        self.deleted
    }

    /// Bytes of all files as it leaves them: 0 to 1,000,000.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// The bytes that name the rules of change, for who hashes them into evidence: the version, the
/// limits, the rulebook. `SPEC: CHG-9`
#[must_use]
pub fn rules_bytes() -> Vec<u8> {
    let limits = format!(
        "{CHANGE_FILES_MAX} {CHANGE_BYTES_TOTAL_MAX} {CHANGE_PATH_BYTES_MAX} \
         {CHANGE_SEGMENT_BYTES_MAX}"
    );
    format!("{CHANGE_RULES_VERSION} {limits}\n{RULEBOOK}").into_bytes()
}

/// Judges a change: admitted, or everything that is wrong with it, to [`CHANGE_REFUSALS_MAX`], in
/// the order of the files. Of a change with too many files the first 80 are looked at.
/// `SPEC: CHG-1, CHG-2`
pub fn admit_change(files: &[ChangedFile]) -> Result<AdmittedChange, Vec<ChangeRefusal>> {
    let rulebook = Rulebook::read(RULEBOOK).map_err(|fault| {
        vec![ChangeRefusal::with(ChangeCode::Rulebook, b"", &fault.to_string())]
    })?;
    let sizes = files.iter().filter_map(|file| file.new.as_ref()).map(|entry| entry.size);
    let bytes = sizes.fold(0_u64, u64::saturating_add);

    let mut refusals = Vec::new();
    if files.len() > CHANGE_FILES_MAX {
        let count = format!("{} files, at most {CHANGE_FILES_MAX}", files.len());
        refusals.push(ChangeRefusal::with(ChangeCode::TooManyFiles, b"", &count));
    }
    if bytes > CHANGE_BYTES_TOTAL_MAX {
        let count = format!("{bytes} bytes, at most {CHANGE_BYTES_TOTAL_MAX}");
        refusals.push(ChangeRefusal::with(ChangeCode::TooManyBytes, b"", &count));
    }
    let looked_at = files.get(..CHANGE_FILES_MAX).unwrap_or(files);
    refusals.extend(looked_at.iter().flat_map(|file| judge(&rulebook, file)));
    refusals.extend(collision::find(looked_at));
    refusals.truncate(CHANGE_REFUSALS_MAX);
    if !refusals.is_empty() {
        return Err(refusals);
    }
    let count = |is: fn(&ChangedFile) -> bool| files.iter().filter(|file| is(file)).count();
    Ok(AdmittedChange {
        rules: CHANGE_RULES_VERSION,
        added: count(ChangedFile::is_added),
        modified: count(|file| file.old.is_some() && file.new.is_some()),
        deleted: count(|file| file.new.is_none()),
        bytes,
    })
}

/// What is wrong with one file.
fn judge(rulebook: &Rulebook, file: &ChangedFile) -> Vec<ChangeRefusal> {
    let raw = file.path.as_slice();
    let mut refusals = Vec::new();
    let path = match path::check(raw) {
        Ok(path) => Some(path),
        Err(code) => {
            refusals.push(ChangeRefusal::of(code, raw));
            None
        }
    };
    match (&file.old, &file.new) {
        (None, None) => refusals.push(ChangeRefusal::of(ChangeCode::NoSide, raw)),
        // Taking away is no harm, not even of what should never have come in.
        (Some(_), None) => {}
        (old, Some(new)) => {
            refusals.extend(entry(old.as_ref(), new, raw, path));
        }
    }
    let is_link = file.new.as_ref().is_some_and(|new| new.mode == MODE_LINK);
    // Rule: what the base tracks may be modified, of whatever kind it is. SPEC: CHG-7
    let kind = path.filter(|_| file.is_added()).and_then(|path| rulebook.kind_of(path, is_link));
    if let Some(kind) = kind {
        let more = format!("{} ({})", kind.why, kind.name);
        refusals.push(ChangeRefusal::with(ChangeCode::Throwaway, raw, &more));
    }
    refusals
}

/// What is wrong with the new side of a file. `SPEC: CHG-5, CHG-6`
fn entry(
    old: Option<&Entry>,
    new: &Entry,
    raw: &[u8],
    path: Option<&str>,
) -> Option<ChangeRefusal> {
    let was_submodule = old.is_some_and(|old| old.mode == MODE_SUBMODULE);
    let lists_submodules = path.is_some_and(path::lists_submodules);
    if was_submodule || lists_submodules || new.mode == MODE_SUBMODULE {
        return Some(ChangeRefusal::of(ChangeCode::Submodule, raw));
    }
    match new.mode {
        MODE_FILE | MODE_PROGRAM => None,
        MODE_LINK => {
            let fault = path::check_link(path?, new.link_target.as_deref()).err()?;
            let target = new.link_target.as_deref().unwrap_or_default();
            let target = shown_bytes(target, CHANGE_PATH_BYTES_MAX);
            Some(ChangeRefusal::with(fault, raw, &target))
        }
        other => {
            let more = format!("{other:o}");
            Some(ChangeRefusal::with(ChangeCode::UnknownMode, raw, &more))
        }
    }
}
