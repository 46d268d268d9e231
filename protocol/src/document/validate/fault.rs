//! Why a change is void. One variant per rule; the codes are stable and go into replies and logs.

use std::fmt;

macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $says:literal;)*) => {
        /// The rule that a change breaks. The first one found is reported; which that is, is part
        /// of the verdict and the same on every device.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum ChangeFault {
            $($(#[$doc])* $name,)*
        }

        impl ChangeFault {
            /// All faults, in the order of their declaration.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The stable name of the rule.
            pub fn code(self) -> &'static str {
                match self {
                    $(Self::$name => $code,)*
                }
            }

            fn sentence(self) -> &'static str {
                match self {
                    $(Self::$name => $says,)*
                }
            }
        }
    };
}

faults! {
    /// SPEC: DOC-1
    TooLarge = "too_large", "the change is longer than a change may be";
    /// SPEC: DOC-2
    Truncated = "truncated", "the bytes end inside the change";
    /// SPEC: DOC-2
    BadMagic = "bad_magic", "the bytes do not begin as an Automerge chunk";
    /// SPEC: DOC-2
    BadChecksum = "bad_checksum", "the checksum is not that of the contents";
    /// SPEC: DOC-3
    Compressed = "compressed", "the chunk is compressed";
    /// SPEC: DOC-3
    DocumentChunk = "document_chunk", "the chunk is a whole document, not a change";
    /// SPEC: DOC-3
    BundleChunk = "bundle_chunk", "the chunk is a bundle, not a change";
    /// SPEC: DOC-3
    UnknownChunk = "unknown_chunk", "the chunk is of an unknown type";
    /// SPEC: DOC-2
    TrailingBytes = "trailing_bytes", "there are bytes behind the chunk";
    /// SPEC: DOC-4
    NotCanonical = "not_canonical", "the change is not written in its one canonical form";
    /// SPEC: DOC-5
    TooManyDependencies = "too_many_dependencies", "the change names too many dependencies";
    /// SPEC: DOC-5
    DependenciesUnsorted = "dependencies_unsorted",
        "the dependencies are not strictly ascending";
    /// SPEC: DOC-6
    ActorLength = "actor_length", "an actor is not 16 bytes long";
    /// SPEC: DOC-6
    TooManyActors = "too_many_actors", "the change names too many actors";
    /// SPEC: DOC-6
    ActorsUnsorted = "actors_unsorted",
        "the other actors are not strictly ascending, or the author is among them";
    /// SPEC: DOC-7
    SeqRange = "seq_range", "the sequence number is zero or too great";
    /// SPEC: DOC-7
    StartOp = "start_op", "the first operation is not one more than the greatest before it";
    /// SPEC: DOC-8
    Time = "time", "the time is not zero";
    /// SPEC: DOC-8
    Message = "message", "the change carries a message";
    /// SPEC: DOC-8
    ExtraBytes = "extra_bytes", "the change carries extra bytes";
    /// SPEC: DOC-9
    UnknownColumn = "unknown_column", "the change has a column that no change has";
    /// SPEC: DOC-9
    ColumnsUnsorted = "columns_unsorted", "the columns are not strictly ascending";
    /// SPEC: DOC-9
    CompressedColumn = "compressed_column", "a column is compressed";
    /// SPEC: DOC-10
    TooManyOps = "too_many_ops", "the change holds too many operations or predecessors";
    /// SPEC: DOC-10
    TooManyKeyBytes = "too_many_key_bytes", "the keys of the change are too long together";
    /// SPEC: DOC-10
    Empty = "empty", "the change holds no operation and joins no heads";
    /// SPEC: DOC-11
    UnknownActor = "unknown_actor", "an operation names an actor that the change does not list";
    /// SPEC: DOC-11
    OpNumber = "op_number", "an operation names a number that no operation can have";
    /// SPEC: DOC-11
    UnknownAction = "unknown_action", "an operation does what no operation may do";
    /// SPEC: DOC-11
    UnknownValue = "unknown_value", "a value is of an unknown kind or of a wrong length";
    /// SPEC: DOC-12
    AutomergeRefused = "automerge_refused", "Automerge does not read the change";
    /// SPEC: DOC-13
    ActorMismatch = "actor_mismatch", "the actor is not the one the event's author may use";
    /// SPEC: DOC-14
    NotInView = "not_in_view", "a dependency is not in the view of the event's author";
    /// SPEC: DOC-14
    UnknownDependency = "unknown_dependency", "a dependency is not a change that counts";
    /// SPEC: DOC-15
    ForkedPast = "forked_past", "the past holds two changes of one actor and number";
    /// SPEC: DOC-16
    DuplicateSeq = "duplicate_seq", "the actor has used the sequence number before";
    /// SPEC: DOC-16
    SeqGap = "seq_gap", "the actor's previous change is not in the past of the change";
    /// SPEC: DOC-18
    UnknownObject = "unknown_object", "an operation names an object that is not in its past";
    /// SPEC: DOC-19
    WrongPlace = "wrong_place", "an operation does not fit the kind of its object";
    /// SPEC: DOC-19
    EmptyKey = "empty_key", "a map key is empty";
    /// SPEC: DOC-20
    UnknownElement = "unknown_element",
        "an operation names an element that is not in its object's past";
    /// SPEC: DOC-21
    UnknownPredecessor = "unknown_predecessor",
        "a predecessor is not a value at the operation's place in its past";
    /// SPEC: DOC-21
    DuplicatePredecessor = "duplicate_predecessor", "a predecessor is named twice";
    /// SPEC: DOC-21
    MissingPredecessor = "missing_predecessor", "an operation that needs a predecessor has none";
    /// SPEC: DOC-22
    OwnPredecessor = "own_predecessor",
        "an operation passes over a value that the change itself put at its place";
    /// SPEC: DOC-23
    NotACounter = "not_a_counter", "an increment has no counter among its predecessors";
    /// SPEC: DOC-23
    CounterRange = "counter_range", "a counter starts or steps too far";
    /// SPEC: DOC-24
    NotANumber = "not_a_number", "a value is not a number";
    /// SPEC: DOC-25
    TextElement = "text_element", "a text holds something else than strings that are not empty";
    /// SPEC: DOC-26
    MarkPair = "mark_pair", "the two ends of a mark do not follow each other";
    /// SPEC: DOC-26
    MarkOrder = "mark_order", "a mark ends before it begins";
    /// SPEC: DOC-17
    TooDeep = "too_deep", "objects are nested too deep";
}

impl fmt::Display for ChangeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence())
    }
}

impl std::error::Error for ChangeFault {}
