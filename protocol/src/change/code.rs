//! Why a change is refused, with the code that evidence, logs and tests name.

crate::code::codes! {
    /// Why a change, or one of its files, is refused. `SPEC: CHG-1`
    ChangeCode:
    /// More files than a change may touch.
    TooManyFiles = "too_many_files", "the change touches too many files: split it";
    /// More bytes than a change may leave.
    TooManyBytes = "too_many_bytes", "the change is too large: leave generated files out";
    /// A file that is in neither tree.
    NoSide = "no_side", "the file is in neither tree";
    /// Bytes that are no UTF-8.
    PathEncoding = "path_encoding", "the path is no UTF-8: rename the file";
    /// Longer than a path may be.
    PathLength = "path_length", "the path is too long: rename the file";
    /// It starts at the root of a file system.
    PathAbsolute = "path_absolute", "the path does not start in the tree";
    /// An empty segment, `.`, `..`, or what some systems take for one.
    PathSegment = "path_segment", "the path has a segment that is empty or a way up";
    /// Something that hides, reorders or separates.
    PathCharacter = "path_character", "the path has a character that no name may have";
    /// The folder of git, however it is spelled.
    GitFolder = "git_folder", "the path leads into git's own folder";
    /// A submodule is added or changed.
    Submodule = "submodule", "a change may not add or change a submodule: ask a person to";
    /// A mode that is no file, program or link.
    UnknownMode = "unknown_mode", "this is no file, program or link";
    /// A link without a target that can be read.
    LinkTarget = "link_target", "the link's target cannot be read: write it plainly";
    /// A link that leads out.
    LinkEscapes = "link_escapes", "the link leads out of the tree, or into git's folder";
    /// Two paths that are one on some file systems.
    Collision = "collision", "two paths differ by case alone, or one is a folder of the other";
    /// The same path twice.
    DuplicatePath = "duplicate_path", "the path is there twice";
    /// What nobody wrote.
    Throwaway = "throwaway", "this does not belong into a change";
    /// The program's own rules cannot be read: nothing is admitted.
    Rulebook = "rulebook", "this program's rulebook is broken: install it anew";
}
