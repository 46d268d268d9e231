//! What repositories, trees and packs may hold: all of it comes from who is not trusted.

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
