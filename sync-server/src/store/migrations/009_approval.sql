-- What takes two people: one asks, another releases, and it is used once. Whoever asks never releases.
CREATE TABLE approval (
    id          BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    town        INTEGER NOT NULL,
    -- what it is for, and what exactly: ids and code names, nothing personal
    kind        TEXT NOT NULL,
    subject     TEXT NOT NULL,
    asked_by    BLOB NOT NULL REFERENCES user (id),
    asked_at    INTEGER NOT NULL,
    released_by BLOB REFERENCES user (id),
    released_at INTEGER,
    used_at     INTEGER,
    CHECK (released_by <> asked_by),
    CHECK ((released_by IS NULL) = (released_at IS NULL)),
    CHECK (used_at IS NULL OR released_at IS NOT NULL)
) STRICT;
CREATE INDEX approval_town ON approval (town, kind, asked_at);
