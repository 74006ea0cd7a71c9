-- What whoever left a quarantined edit out wrote to its author; '' where nobody did.
ALTER TABLE quarantine ADD COLUMN note TEXT NOT NULL DEFAULT '';

-- Looks of handhelds that stand in the audit already: one that is sent again is not written twice.
CREATE TABLE look (
    town INTEGER NOT NULL,
    id   BLOB NOT NULL CHECK (length(id) = 16),
    PRIMARY KEY (town, id)
) STRICT, WITHOUT ROWID;
