-- Version 2: sealed chunks of artifacts, by the hash of their bytes. Some thousands of up to 192 KiB,
-- so an index on hashes costs nothing beside them. Those that no manifest names are dropped at the
-- next start.
CREATE TABLE chunk (
    hash BLOB PRIMARY KEY NOT NULL,
    bytes BLOB NOT NULL
) STRICT;
