-- Version 3: how many events a row holds. One alone is its envelope; several are consecutive ones of
-- one chain, `seq` and `arrival` those of the first, and `arrival` of the next row is that much
-- greater. Of those at one place only the first (`fork` 0) may stand in a row of several.
ALTER TABLE event ADD COLUMN count INTEGER NOT NULL DEFAULT 1;
