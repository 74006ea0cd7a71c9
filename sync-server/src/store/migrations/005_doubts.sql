-- A handheld that was given a slot of its own because two installations shared one.
ALTER TABLE device ADD COLUMN parted_from BLOB;
CREATE INDEX device_user ON device (user);

-- Which question was answered with which new enrolment: asked again, it is answered with the same. Of the question's key
-- the SHA-256 is kept, because the token is made of the key.
CREATE TABLE parting (
    row    INTEGER NOT NULL PRIMARY KEY,
    device BLOB NOT NULL CHECK (length(device) = 16),
    key    BLOB NOT NULL CHECK (length(key) = 32),
    user   BLOB NOT NULL,
    at     INTEGER NOT NULL,
    made   BLOB NOT NULL UNIQUE
) STRICT;
CREATE INDEX parting_key ON parting (device, key);
CREATE INDEX parting_user ON parting (user, at);

-- When its author took a quarantined edit back; 0 while they have not.
ALTER TABLE quarantine ADD COLUMN withdrawn INTEGER NOT NULL DEFAULT 0;

-- The running number of decisions is never used twice, not even when a decided edit is erased.
INSERT INTO sequence (town, part, last)
SELECT town, 'decided', max(decided) FROM quarantine GROUP BY town HAVING max(decided) > 0;

-- What handhelds still showed of edits that were lost when the server was restored.
CREATE TABLE remain (
    town     INTEGER NOT NULL,
    edit     BLOB NOT NULL CHECK (length(edit) = 16),
    path     TEXT NOT NULL,
    record   BLOB NOT NULL,
    kind     TEXT NOT NULL,
    part     TEXT NOT NULL CHECK (part IN ('open', 'restricted')),
    value    TEXT NOT NULL,
    at       INTEGER NOT NULL,
    author   TEXT NOT NULL,
    -- who told it, and when by the server's clock
    shown_by BLOB NOT NULL,
    shown    INTEGER NOT NULL,
    -- when somebody had seen to it; 0 while nobody has
    settled  INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (town, edit, path)
) STRICT, WITHOUT ROWID;
CREATE INDEX remain_record ON remain (town, settled, record);
