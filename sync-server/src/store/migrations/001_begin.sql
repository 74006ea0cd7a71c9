-- The first schema. Never changed once shipped: the next change is a file of its own.
-- Times are milliseconds since 1970 UTC. Ids are the 16 bytes of their UUID. Lists of ids are text, each id between commas.

CREATE TABLE meta (key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) STRICT;
INSERT INTO meta (key, value) VALUES ('epoch', '1'), ('directory_version', '1');

CREATE TABLE area (
    id     INTEGER NOT NULL PRIMARY KEY,
    parent INTEGER,
    level  TEXT NOT NULL CHECK (level IN ('county', 'town', 'community', 'grid')),
    name   TEXT NOT NULL,
    code   TEXT NOT NULL
) STRICT;

CREATE TABLE user (
    id         BLOB NOT NULL UNIQUE,
    town       INTEGER NOT NULL,
    name       TEXT NOT NULL,
    login      TEXT NOT NULL UNIQUE,
    role       TEXT NOT NULL,
    scope      TEXT NOT NULL,
    cleared    INTEGER NOT NULL CHECK (cleared IN (0, 1)),
    may_unmask INTEGER NOT NULL CHECK (may_unmask IN (0, 1)),
    password   TEXT NOT NULL,
    active     INTEGER NOT NULL CHECK (active IN (0, 1))
) STRICT;
CREATE INDEX user_town ON user (town, name);

CREATE TABLE slot (
    slot       INTEGER NOT NULL PRIMARY KEY,
    town       INTEGER NOT NULL,
    origin     TEXT NOT NULL CHECK (origin IN ('device', 'console', 'import')),
    label      TEXT NOT NULL,
    high_water INTEGER NOT NULL CHECK (high_water >= 0)
) STRICT;

CREATE TABLE device (
    id          BLOB NOT NULL UNIQUE,
    town        INTEGER NOT NULL,
    user        BLOB NOT NULL REFERENCES user (id),
    slot        INTEGER NOT NULL UNIQUE REFERENCES slot (slot),
    name        TEXT NOT NULL,
    token       BLOB NOT NULL UNIQUE,
    enrolled    INTEGER NOT NULL,
    expires     INTEGER NOT NULL,
    seen        INTEGER,
    app         TEXT NOT NULL,
    battery     INTEGER,
    clock_off   INTEGER NOT NULL,
    undelivered INTEGER NOT NULL
) STRICT;
CREATE INDEX device_town ON device (town);

CREATE TABLE enrol_code (
    hash    BLOB NOT NULL PRIMARY KEY,
    town    INTEGER NOT NULL,
    user    BLOB NOT NULL REFERENCES user (id),
    expires INTEGER NOT NULL
) STRICT;

CREATE TABLE session (
    hash    BLOB NOT NULL PRIMARY KEY,
    town    INTEGER NOT NULL,
    user    BLOB NOT NULL REFERENCES user (id),
    csrf    TEXT NOT NULL,
    expires INTEGER NOT NULL
) STRICT;

CREATE TABLE audit (
    id      INTEGER NOT NULL PRIMARY KEY,
    town    INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    user    BLOB,
    action  TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail  TEXT NOT NULL
) STRICT;
CREATE INDEX audit_town ON audit (town, id);

-- The last sequence number of each feed, taken under the write lock, so that numbers become visible in order.
CREATE TABLE sequence (
    town INTEGER NOT NULL,
    part TEXT NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY (town, part)
) STRICT;

-- One part of one record. The state stands last: the columns before it are read without it.
CREATE TABLE part (
    row         INTEGER NOT NULL PRIMARY KEY,
    town        INTEGER NOT NULL,
    record      BLOB NOT NULL,
    part        TEXT NOT NULL CHECK (part IN ('open', 'restricted')),
    kind        TEXT NOT NULL,
    seq         INTEGER NOT NULL,
    areas       TEXT NOT NULL,
    readers     TEXT NOT NULL,
    anonymous   INTEGER NOT NULL CHECK (anonymous IN (0, 1)),
    open_fields INTEGER NOT NULL,
    deleted     INTEGER NOT NULL CHECK (deleted IN (0, 1)),
    title       TEXT NOT NULL,
    words       TEXT NOT NULL,
    state       TEXT NOT NULL,
    UNIQUE (town, record, part)
) STRICT;
-- The feed is read from this index alone; a state is fetched only for a reader who may see it.
CREATE UNIQUE INDEX part_feed ON part (town, part, seq, kind, areas, readers, anonymous, record);
CREATE INDEX part_open ON part (town, part, seq) WHERE open_fields > 0;

-- What left the sight of the readers of an area ('a12') or of a person ('u' and the UUID).
CREATE TABLE departed (
    town   INTEGER NOT NULL,
    part   TEXT NOT NULL,
    record BLOB NOT NULL,
    key    TEXT NOT NULL,
    seq    INTEGER NOT NULL,
    PRIMARY KEY (town, part, record, key)
) STRICT;
CREATE INDEX departed_feed ON departed (town, part, seq, key, record);

CREATE TABLE edit (
    row      INTEGER NOT NULL PRIMARY KEY,
    id       BLOB NOT NULL UNIQUE,
    town     INTEGER NOT NULL,
    record   BLOB NOT NULL,
    slot     INTEGER NOT NULL,
    n        INTEGER NOT NULL,
    received INTEGER NOT NULL,
    vector   TEXT NOT NULL,
    body     TEXT NOT NULL,
    UNIQUE (slot, n)
) STRICT;
CREATE INDEX edit_record ON edit (town, record);

CREATE TABLE quarantine (
    row      INTEGER NOT NULL PRIMARY KEY,
    id       BLOB NOT NULL UNIQUE,
    town     INTEGER NOT NULL,
    record   BLOB NOT NULL,
    slot     INTEGER NOT NULL,
    received INTEGER NOT NULL,
    reason   TEXT NOT NULL,
    body     TEXT NOT NULL,
    -- '' while nobody has decided
    decision TEXT NOT NULL CHECK (decision IN ('', 'released', 'dismissed')),
    vector   TEXT NOT NULL,
    -- the running number of the decision, 0 while there is none
    decided  INTEGER NOT NULL
) STRICT;
CREATE INDEX quarantine_record ON quarantine (town, record);
CREATE INDEX quarantine_decided ON quarantine (slot, decided);

CREATE TABLE photo (
    town     INTEGER NOT NULL,
    hash     TEXT NOT NULL,
    bytes    INTEGER NOT NULL,
    received INTEGER NOT NULL,
    PRIMARY KEY (town, hash)
) STRICT;
CREATE TABLE photo_sender (
    town INTEGER NOT NULL,
    hash TEXT NOT NULL,
    user BLOB NOT NULL,
    PRIMARY KEY (town, hash, user)
) STRICT;
CREATE TABLE photo_link (
    town   INTEGER NOT NULL,
    hash   TEXT NOT NULL,
    record BLOB NOT NULL,
    user   BLOB NOT NULL,
    proved INTEGER NOT NULL CHECK (proved IN (0, 1)),
    PRIMARY KEY (town, hash, record, user)
) STRICT;
CREATE TABLE photo_wanted (
    town INTEGER NOT NULL,
    slot INTEGER NOT NULL,
    hash TEXT NOT NULL,
    PRIMARY KEY (town, slot, hash)
) STRICT;
CREATE INDEX photo_wanted_hash ON photo_wanted (town, hash);
CREATE TABLE upload (
    id     BLOB NOT NULL PRIMARY KEY,
    town   INTEGER NOT NULL,
    user   BLOB NOT NULL,
    hash   TEXT NOT NULL,
    length INTEGER NOT NULL,
    begun  INTEGER NOT NULL,
    done   INTEGER NOT NULL CHECK (done IN (0, 1))
) STRICT;

CREATE TABLE batch (
    row      INTEGER NOT NULL PRIMARY KEY,
    id       BLOB NOT NULL UNIQUE,
    town     INTEGER NOT NULL,
    scope    TEXT NOT NULL,
    format   TEXT NOT NULL,
    masked   INTEGER NOT NULL CHECK (masked IN (0, 1)),
    after_open       INTEGER NOT NULL,
    after_restricted INTEGER NOT NULL,
    upto_open        INTEGER NOT NULL,
    upto_restricted  INTEGER NOT NULL,
    at       INTEGER NOT NULL,
    user     BLOB,
    manifest TEXT NOT NULL
) STRICT;
CREATE INDEX batch_town ON batch (town, row);
