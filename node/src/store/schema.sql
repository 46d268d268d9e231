-- One workspace. Events stand verbatim, in the order in which they came: causes before effects.
-- There is no index on ids: random keys cost more than all the rest, and an event is found by its
-- place. Everything else is derived from the events and can be dropped.
CREATE TABLE meta (
    name TEXT PRIMARY KEY NOT NULL,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE chain (
    number INTEGER PRIMARY KEY,
    author BLOB NOT NULL,
    incarnation BLOB NOT NULL,
    lane INTEGER NOT NULL,
    UNIQUE (author, incarnation, lane)
) STRICT;

CREATE TABLE event (
    arrival INTEGER PRIMARY KEY,
    chain INTEGER NOT NULL REFERENCES chain (number),
    seq INTEGER NOT NULL,
    -- 0, or which one of a fork.
    fork INTEGER NOT NULL,
    envelope BLOB NOT NULL,
    -- The first half of a hash of the envelope: a bad page is told apart from a bad event.
    row_check BLOB NOT NULL,
    UNIQUE (chain, seq, fork)
) STRICT;

CREATE TABLE card (
    device BLOB PRIMARY KEY NOT NULL,
    card BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE counter (
    name TEXT PRIMARY KEY NOT NULL,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
