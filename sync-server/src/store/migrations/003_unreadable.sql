-- Edits of which only id and dot could be read, as they came. A version that knows more can read them later.
CREATE TABLE unreadable (
    row      INTEGER NOT NULL PRIMARY KEY,
    id       BLOB NOT NULL UNIQUE,
    town     INTEGER NOT NULL,
    -- empty: not known
    record   BLOB NOT NULL,
    slot     INTEGER NOT NULL,
    n        INTEGER NOT NULL,
    received INTEGER NOT NULL,
    reason   TEXT NOT NULL,
    body     TEXT NOT NULL
) STRICT;
CREATE INDEX unreadable_record ON unreadable (town, record);
