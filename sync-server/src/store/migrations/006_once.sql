-- Dots under which an edit stood before this server was restored, or before its handheld had to write as another one:
-- contexts of others still name them. Told by the handheld that keeps the edit.
CREATE TABLE once (
    town INTEGER NOT NULL,
    edit BLOB NOT NULL CHECK (length(edit) = 16),
    slot INTEGER NOT NULL,
    n    INTEGER NOT NULL,
    -- 1: a server had said that it applied it there
    sure INTEGER NOT NULL CHECK (sure IN (0, 1)),
    -- who told; it counts for their own edits only
    user TEXT NOT NULL,
    PRIMARY KEY (town, edit, slot, n)
) STRICT, WITHOUT ROWID;
CREATE INDEX once_dot ON once (town, slot, n);
