-- A table that somebody brings in, from the file to its undoing.
CREATE TABLE import (
    id    BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    town  INTEGER NOT NULL,
    -- none: a command on the server
    user  BLOB REFERENCES user (id),
    at    INTEGER NOT NULL,
    state TEXT NOT NULL,
    -- its writer, once there is one: all its edits are of it
    slot  INTEGER,
    -- JSON: how it is read, how far it is, what became of it; no value of a row
    body  TEXT NOT NULL
) STRICT;
CREATE INDEX import_town ON import (town, at);

-- What the columns of a header were said to be, for the next table with the same one.
CREATE TABLE import_header (
    town    INTEGER NOT NULL,
    -- the kind and the SHA-256 of the words
    header  TEXT NOT NULL,
    mapping TEXT NOT NULL,
    PRIMARY KEY (town, header)
) STRICT, WITHOUT ROWID;
