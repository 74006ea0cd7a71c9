-- Areas that were given up: what lies there stays, nothing new is begun.
ALTER TABLE area ADD COLUMN closed INTEGER NOT NULL DEFAULT 0 CHECK (closed IN (0, 1));

-- What a town publishes beside what comes with the program: forms, its calendar with the limits. Every version is kept.
CREATE TABLE edition (
    town    INTEGER NOT NULL,
    name    TEXT    NOT NULL,
    version INTEGER NOT NULL CHECK (version > 0),
    text    TEXT    NOT NULL,
    at      INTEGER NOT NULL,
    user    BLOB    NOT NULL CHECK (length(user) = 16),
    PRIMARY KEY (town, name, version)
) STRICT, WITHOUT ROWID;

-- The version of the web view a handheld shows its pages with; '' where it did not say.
ALTER TABLE device ADD COLUMN web_view TEXT NOT NULL DEFAULT '';
