-- What backups hold, what was erased, what batches hold, which records are duplicates of another.

-- Up to which n of a slot the last good backup holds every edit and photo.
CREATE TABLE backed_up (
    slot INTEGER NOT NULL PRIMARY KEY,
    n    INTEGER NOT NULL CHECK (n >= 0)
) STRICT;

-- Ids whose values went for good; the file erased.list says the same and is no part of any backup.
CREATE TABLE erased (
    town   INTEGER NOT NULL,
    record BLOB    NOT NULL,
    kind   TEXT    NOT NULL,
    at     INTEGER NOT NULL,
    PRIMARY KEY (town, record)
) STRICT, WITHOUT ROWID;
-- Edits of erased records: id and dot, nothing of what they wrote. Sent again they get their answer.
CREATE TABLE erased_edit (
    id   BLOB    NOT NULL PRIMARY KEY,
    slot INTEGER NOT NULL,
    n    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
-- Photos that went with them and are not taken again.
CREATE TABLE erased_photo (
    town INTEGER NOT NULL,
    hash TEXT    NOT NULL,
    PRIMARY KEY (town, hash)
) STRICT, WITHOUT ROWID;

-- The kind of an erased record; '' where it only left.
ALTER TABLE departed ADD COLUMN erased TEXT NOT NULL DEFAULT '';
DROP INDEX departed_feed;
CREATE INDEX departed_feed ON departed (town, part, seq, key, record, erased);

-- The ids told in a batch, 16 bytes each; NULL: not known, it may hold any.
ALTER TABLE batch ADD COLUMN records BLOB;
-- When its files went because they held an erased record.
ALTER TABLE batch ADD COLUMN erased INTEGER;

-- The record an open part says it was merged into; '' for none. The last dot decides.
ALTER TABLE part ADD COLUMN merged_into TEXT NOT NULL DEFAULT '';
UPDATE part SET merged_into = coalesce(json_extract(state, '$.live.merged_into[#-1][1]'), '')
WHERE part = 'open' AND instr(state, '"merged_into":') > 0;
CREATE INDEX part_merged ON part (town, record, merged_into) WHERE merged_into <> '';
