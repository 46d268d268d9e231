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
mod limits;
mod listing;
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
pub use limits::{
    FILE_BYTES_MAX, FILES_MAX, LINK_BYTES_MAX, MESSAGE_BYTES_MAX, OBJECTS_MAX, PACK_BYTES_MAX,
    PATH_BYTES_MAX, TREE_BYTES_MAX,
};
pub use listing::{ChangedFile, Entry, MODE_FILE, MODE_LINK, MODE_PROGRAM};
pub use mission::MissionRepo;
pub use oid::{ObjectFormat, Oid};
pub use promote::{Promoted, promote};
pub use source::{Source, base_pack, inspect};
pub(crate) use worktree::remove_folder;

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
