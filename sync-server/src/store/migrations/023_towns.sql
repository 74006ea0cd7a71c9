-- That a record left this town for another one. It stands until the record comes back; of a record that went on, each town
-- says to which it let it go, so that who follows them arrives.
CREATE TABLE moved (
    town    INTEGER NOT NULL,
    record  BLOB NOT NULL CHECK (length(record) = 16),
    kind    TEXT NOT NULL,
    to_town INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    PRIMARY KEY (town, record)
) STRICT, WITHOUT ROWID;
CREATE INDEX moved_record ON moved (record);
-- In which towns a photo is linked or wanted.
CREATE INDEX photo_link_hash ON photo_link (hash);
CREATE INDEX photo_wanted_anywhere ON photo_wanted (hash);
