-- Made where they are missing, so that a store of an earlier program gains them.
CREATE TABLE IF NOT EXISTS receipt (
    device BLOB NOT NULL,
    incarnation BLOB NOT NULL,
    receipt BLOB NOT NULL,
    PRIMARY KEY (device, incarnation)
) STRICT, WITHOUT ROWID;
