-- That a record left this town for another one. It stands until the record comes back; of a record that went on, each town
-- says to which it let it go, so that who follows them arrives.
CREATE TABLE moved (
    town    BIGINT NOT NULL,
    record  BYTEA NOT NULL CHECK (length(record) = 16),
    kind    TEXT COLLATE "C" NOT NULL,
    to_town BIGINT NOT NULL,
    at      BIGINT NOT NULL,
    PRIMARY KEY (town, record)
);
CREATE INDEX moved_record ON moved (record);
-- In which towns a photo is linked or wanted.
CREATE INDEX photo_link_hash ON photo_link (hash);
CREATE INDEX photo_wanted_anywhere ON photo_wanted (hash);
