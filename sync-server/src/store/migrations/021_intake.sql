-- Slots may be the intake's. SQLite changes no check of a table that is there: it is made anew, under its name, in one
-- transaction, so that the devices' references find their slots again.
PRAGMA defer_foreign_keys = ON;
CREATE TABLE slot_before AS SELECT slot, town, origin, label, high_water FROM slot;
DROP TABLE slot;
CREATE TABLE slot (
    slot       INTEGER NOT NULL PRIMARY KEY,
    town       INTEGER NOT NULL,
    origin     TEXT NOT NULL CHECK (origin IN ('device', 'console', 'import', 'intake')),
    label      TEXT NOT NULL,
    high_water INTEGER NOT NULL CHECK (high_water >= 0)
) STRICT;
INSERT INTO slot (slot, town, origin, label, high_water) SELECT slot, town, origin, label, high_water FROM slot_before;
DROP TABLE slot_before;

-- Reports from any phone that were taken: by what they are told apart, whose status is told, and what was told last.
-- A record of x'' is none: it waits in the tray, or was deleted there.
CREATE TABLE intake_report (
    id     BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    town   INTEGER NOT NULL,
    token  BLOB NOT NULL CHECK (length(token) = 32),
    record BLOB NOT NULL,
    told   INTEGER NOT NULL CHECK (told >= 0)
) STRICT, WITHOUT ROWID;
CREATE INDEX intake_report_record ON intake_report (town, record);

-- Who reported, where they said so: for the centre only, never in a feed or a batch.
CREATE TABLE reporter (
    town   INTEGER NOT NULL,
    record BLOB NOT NULL CHECK (length(record) = 16),
    name   TEXT NOT NULL,
    phone  TEXT NOT NULL,
    PRIMARY KEY (town, record)
) STRICT, WITHOUT ROWID;

-- What is suspicious waits here for somebody's word.
CREATE TABLE intake_tray (
    id     BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    town   INTEGER NOT NULL,
    area   INTEGER NOT NULL,
    at     INTEGER NOT NULL,
    reason TEXT NOT NULL,
    body   TEXT NOT NULL
) STRICT;
CREATE INDEX intake_tray_town ON intake_tray (town, at);
