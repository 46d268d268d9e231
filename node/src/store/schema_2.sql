-- Version 2: sealed chunks of artifacts, by the hash of their bytes. Some thousands of up to 192 KiB,
-- so an index on hashes costs nothing beside them. Those that no manifest names are dropped at the
-- next start.
CREATE TABLE chunk (
    hash BLOB PRIMARY KEY NOT NULL,
    bytes BLOB NOT NULL
) STRICT;
-- The newest receipt of each life of a device.
CREATE TABLE receipt (
    device BLOB NOT NULL,
    incarnation BLOB NOT NULL,
    receipt BLOB NOT NULL,
    PRIMARY KEY (device, incarnation)
) STRICT, WITHOUT ROWID;
-- What others did that is no event, a row a slot of the ring.
CREATE TABLE notice (
    slot INTEGER PRIMARY KEY,
    number INTEGER NOT NULL,
    device BLOB NOT NULL,
    reason TEXT NOT NULL,
    stamp INTEGER NOT NULL,
    after INTEGER NOT NULL,
    times INTEGER NOT NULL
) STRICT;
