-- Under which dots people saw the edits that theirs stand in place of: told by the handheld of whoever saw them, and counts
-- for that person's own edits only.
CREATE TABLE seen (
    town INTEGER NOT NULL,
    edit BLOB NOT NULL CHECK (length(edit) = 16),
    slot INTEGER NOT NULL,
    n    INTEGER NOT NULL,
    user TEXT NOT NULL,
    PRIMARY KEY (town, edit, slot, n, user)
) STRICT, WITHOUT ROWID;
CREATE INDEX seen_dot ON seen (town, slot, n);
