//! The git driver of a mission. Git itself is called, never a library.
//!
//! A mission changes a repository whose home is one device. The home reads the base commit from the
//! person's repository ([`inspect`], [`base_pack`]); every device keeps a [`MissionRepo`], a bare
//! repository of its own that is shallow at the base, in which worktrees come and go; at the end
//! the home moves the person's branch ([`promote()`]). Between devices travel packs and nothing
//! else.
//!
//! Rules. Packs, trees and worktrees are hostile: objects are checked in a quarantine before they
//! count, a worktree's own `.git` is never read, nothing that a repository, a tree or a worktree
//! names (hook, filter, monitor, transport) runs. Every call has a time limit and bounded output
//! and ends no later than we do (`process.rs`). Each operation can be called again after a crash.
//! In the person's repository nothing is overwritten that no commit has.
//!
//! All of it blocks: call it where that is allowed.

mod fault;
#[cfg(test)]
pub(crate) mod fuzz;
mod glob;
mod incoming;
mod mission;
mod oid;
mod process;
mod promote;
mod scratch;
mod snapshot;
mod source;
mod transaction;
mod tree;
mod worktree;

#[cfg(test)]
mod tests;

pub use fault::GitFault;
pub use glob::Globs;
pub use mission::MissionRepo;
pub use oid::{ObjectFormat, Oid};
pub use promote::{Promoted, promote};
pub use source::{Source, base_pack, inspect};
pub use tree::{ChangedFile, Entry, MODE_FILE, MODE_LINK, MODE_PROGRAM};
pub(crate) use worktree::remove_folder;

/// Bytes of a pack: those of an artifact.
pub const PACK_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Objects in a pack: bounds what checking them costs, far above a pack of sources of 64 MiB.
pub const OBJECTS_MAX: u32 = 500_000;
/// Files in a tree: a large repository has fewer, and listing them stays below a second.
pub const FILES_MAX: usize = 100_000;
/// Bytes of one file, inflated: what is larger is no source, and would not fit a pack.
pub const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Bytes of all files of a tree, inflated: what one worktree may cost the disk.
pub const TREE_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// Bytes of a path: what systems take.
pub const PATH_BYTES_MAX: usize = 4096;
/// Bytes of a link's target: what systems take.
pub const LINK_BYTES_MAX: u64 = 4096;
/// Bytes of a commit's message.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// `bytes` as git unquotes them inside `"..."` (quote.c).
fn quoted(bytes: &[u8]) -> Vec<u8> {
    let mut quoted = Vec::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'"' | b'\\' => quoted.extend([b'\\', *byte]),
            0..b' ' | 0x7f => quoted.extend(format!("\\{byte:03o}").bytes()),
            _ => quoted.push(*byte),
        }
    }
    quoted
}
