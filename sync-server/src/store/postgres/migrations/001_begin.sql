-- The first schema of the store in PostgreSQL. Never changed once shipped: the next change is a file of its own.
-- Columns mean what they mean in SQLite's (store/migrations), under the same names; `user` is a word of SQL here, so that
-- the table is `users` and the column `user_id`. What queries ask of an edit's JSON there stands in columns here.
-- Times are milliseconds since 1970 UTC. Ids are the 16 bytes of their UUID. Lists of ids are text, each id between commas.
-- Flags are 0 or 1. Text is compared by its bytes.
--
-- What grows with the records is partitioned by the hash of its town: sixteen tables of a sixteenth each, so that vacuum,
-- indexes and their repair stay of a size that fits in memory. One partition for each town would cost more than it gives:
-- planning looks at each of thousands wherever a statement names no town. Everything else is small, or is looked up by a key
-- of its own before the town is known.

CREATE TABLE meta (key TEXT COLLATE "C" NOT NULL PRIMARY KEY, value TEXT COLLATE "C" NOT NULL);
INSERT INTO meta (key, value) VALUES ('epoch', '1'), ('directory_version', '1');

CREATE TABLE area (
    id      BIGINT NOT NULL PRIMARY KEY,
    parent  BIGINT,
    level   TEXT COLLATE "C" NOT NULL CHECK (level IN ('county', 'town', 'community', 'grid')),
    name    TEXT COLLATE "C" NOT NULL,
    code    TEXT COLLATE "C" NOT NULL,
    outline TEXT COLLATE "C" NOT NULL,
    closed  SMALLINT NOT NULL CHECK (closed IN (0, 1))
);

CREATE TABLE users (
    id         BYTEA NOT NULL PRIMARY KEY,
    town       BIGINT NOT NULL,
    name       TEXT COLLATE "C" NOT NULL,
    login      TEXT COLLATE "C" NOT NULL UNIQUE,
    role       TEXT COLLATE "C" NOT NULL,
    scope      TEXT COLLATE "C" NOT NULL,
    cleared    SMALLINT NOT NULL CHECK (cleared IN (0, 1)),
    may_unmask SMALLINT NOT NULL CHECK (may_unmask IN (0, 1)),
    password   TEXT COLLATE "C" NOT NULL,
    active     SMALLINT NOT NULL CHECK (active IN (0, 1))
);
CREATE INDEX user_town ON users (town);

CREATE TABLE slot (
    slot       BIGINT NOT NULL PRIMARY KEY,
    town       BIGINT NOT NULL,
    origin     TEXT COLLATE "C" NOT NULL CHECK (origin IN ('device', 'console', 'import', 'intake')),
    label      TEXT COLLATE "C" NOT NULL,
    high_water BIGINT NOT NULL CHECK (high_water >= 0)
);
CREATE INDEX slot_town ON slot (town);

CREATE TABLE device (
    id          BYTEA NOT NULL PRIMARY KEY,
    town        BIGINT NOT NULL,
    user_id     BYTEA NOT NULL REFERENCES users (id),
    slot        BIGINT NOT NULL UNIQUE REFERENCES slot (slot),
    name        TEXT COLLATE "C" NOT NULL,
    token       BYTEA NOT NULL UNIQUE,
    enrolled    BIGINT NOT NULL,
    expires     BIGINT NOT NULL,
    seen        BIGINT,
    app         TEXT COLLATE "C" NOT NULL,
    battery     BIGINT,
    clock_off   BIGINT NOT NULL,
    undelivered BIGINT NOT NULL,
    parted_from BYTEA,
    fate        TEXT COLLATE "C" NOT NULL CHECK (fate IN ('', 'revoked', 'wipe', 'stolen', 'wiped', 'handed_over')),
    fate_at     BIGINT NOT NULL,
    turn        BIGINT NOT NULL DEFAULT 0,
    turned      BIGINT,
    doubled     BIGINT,
    web_view    TEXT COLLATE "C" NOT NULL DEFAULT ''
);
CREATE INDEX device_town ON device (town);
CREATE INDEX device_user ON device (user_id);
CREATE INDEX device_parted_from ON device (parted_from) WHERE parted_from IS NOT NULL;

-- Which question was answered with which new enrolment.
CREATE TABLE parting (
    row     BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device  BYTEA NOT NULL CHECK (length(device) = 16),
    key     BYTEA NOT NULL CHECK (length(key) = 32),
    user_id BYTEA NOT NULL,
    at      BIGINT NOT NULL,
    made    BYTEA NOT NULL UNIQUE
);
CREATE INDEX parting_key ON parting (device, key);
CREATE INDEX parting_user ON parting (user_id, at);

CREATE TABLE enrol_code (
    hash    BYTEA NOT NULL PRIMARY KEY,
    town    BIGINT NOT NULL,
    user_id BYTEA NOT NULL REFERENCES users (id),
    expires BIGINT NOT NULL
);

CREATE TABLE session (
    hash    BYTEA NOT NULL PRIMARY KEY,
    town    BIGINT NOT NULL,
    user_id BYTEA NOT NULL REFERENCES users (id),
    csrf    TEXT COLLATE "C" NOT NULL,
    expires BIGINT NOT NULL,
    seen    BIGINT NOT NULL,
    second  SMALLINT NOT NULL CHECK (second IN (0, 1))
);
CREATE INDEX session_of_user ON session (user_id);
CREATE INDEX session_expires ON session (expires);

CREATE TABLE second_factor (
    user_id   BYTEA NOT NULL PRIMARY KEY REFERENCES users (id),
    town      BIGINT NOT NULL,
    secret    BYTEA NOT NULL,
    confirmed SMALLINT NOT NULL CHECK (confirmed IN (0, 1)),
    step      BIGINT NOT NULL
);

CREATE TABLE recovery_code (
    hash    BYTEA NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    town    BIGINT NOT NULL,
    user_id BYTEA NOT NULL REFERENCES users (id)
);
CREATE INDEX recovery_code_user ON recovery_code (user_id);

CREATE TABLE approval (
    id          BYTEA NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    town        BIGINT NOT NULL,
    kind        TEXT COLLATE "C" NOT NULL,
    subject     TEXT COLLATE "C" NOT NULL,
    asked_by    BYTEA NOT NULL REFERENCES users (id),
    asked_at    BIGINT NOT NULL,
    released_by BYTEA REFERENCES users (id),
    released_at BIGINT,
    used_at     BIGINT,
    CHECK (released_by <> asked_by),
    CHECK ((released_by IS NULL) = (released_at IS NULL)),
    CHECK (used_at IS NULL OR released_at IS NOT NULL)
);
CREATE INDEX approval_town ON approval (town, kind, asked_at);

-- The audit is only ever added to; each entry carries the hash over the one before it and over itself. An id is taken under
-- the town's lock: within a town ids ascend with the numbers, and one that was taken is never given again.
CREATE SEQUENCE audit_id;
CREATE TABLE audit (
    id      BIGINT NOT NULL PRIMARY KEY,
    town    BIGINT NOT NULL,
    number  BIGINT NOT NULL CHECK (number > 0),
    at      BIGINT NOT NULL,
    user_id BYTEA,
    action  TEXT COLLATE "C" NOT NULL,
    subject TEXT COLLATE "C" NOT NULL,
    detail  TEXT COLLATE "C" NOT NULL,
    hash    BYTEA NOT NULL CHECK (length(hash) = 32),
    UNIQUE (town, number)
);
CREATE TABLE audit_head (
    town   BIGINT NOT NULL PRIMARY KEY,
    number BIGINT NOT NULL CHECK (number > 0),
    id     BIGINT NOT NULL,
    hash   BYTEA NOT NULL CHECK (length(hash) = 32)
);
-- Against mistakes of our own. Whoever owns the tables can drop a trigger; the hashes are against them.
CREATE FUNCTION audit_is_only_added_to() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'the audit is only added to'; END $$;
CREATE TRIGGER audit_is_not_altered BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION audit_is_only_added_to();
CREATE TRIGGER audit_head_stays BEFORE DELETE OR TRUNCATE ON audit_head
    FOR EACH STATEMENT EXECUTE FUNCTION audit_is_only_added_to();
CREATE TRIGGER audit_head_goes_on BEFORE UPDATE ON audit_head
    FOR EACH ROW WHEN (NEW.number <= OLD.number OR NEW.town <> OLD.town) EXECUTE FUNCTION audit_is_only_added_to();

CREATE TABLE look (
    town BIGINT NOT NULL,
    id   BYTEA NOT NULL CHECK (length(id) = 16),
    PRIMARY KEY (town, id)
);

-- The last sequence number of each feed, taken under the town's lock, so that numbers become visible in order.
CREATE TABLE sequence (
    town BIGINT NOT NULL,
    part TEXT COLLATE "C" NOT NULL,
    last BIGINT NOT NULL,
    PRIMARY KEY (town, part)
);

-- One part of one record. A row is known by its place in the feed.
CREATE TABLE part (
    town        BIGINT NOT NULL,
    record      BYTEA NOT NULL,
    part        TEXT COLLATE "C" NOT NULL CHECK (part IN ('open', 'restricted')),
    kind        TEXT COLLATE "C" NOT NULL,
    seq         BIGINT NOT NULL,
    areas       TEXT COLLATE "C" NOT NULL,
    readers     TEXT COLLATE "C" NOT NULL,
    anonymous   SMALLINT NOT NULL CHECK (anonymous IN (0, 1)),
    open_fields BIGINT NOT NULL,
    deleted     SMALLINT NOT NULL CHECK (deleted IN (0, 1)),
    title       TEXT COLLATE "C" NOT NULL,
    words       TEXT COLLATE "C" NOT NULL,
    state       TEXT COLLATE "C" NOT NULL,
    merged_into TEXT COLLATE "C" NOT NULL,
    visit       SMALLINT NOT NULL CHECK (visit IN (0, 1)),
    missing     BIGINT NOT NULL,
    PRIMARY KEY (town, record, part)
) PARTITION BY HASH (town);
CREATE UNIQUE INDEX part_feed ON part (town, part, seq);
CREATE INDEX part_kind ON part (town, part, kind, seq);
CREATE INDEX part_open ON part (town, part, seq) WHERE open_fields > 0;
CREATE INDEX part_merged ON part (town, merged_into) WHERE merged_into <> '';

-- What left the sight of the readers of an area ('a12') or of a person ('u' and the UUID); `erased`: the kind of an erased one.
CREATE TABLE departed (
    town   BIGINT NOT NULL,
    part   TEXT COLLATE "C" NOT NULL,
    record BYTEA NOT NULL,
    key    TEXT COLLATE "C" NOT NULL,
    seq    BIGINT NOT NULL,
    erased TEXT COLLATE "C" NOT NULL DEFAULT '',
    PRIMARY KEY (town, part, record, key)
) PARTITION BY HASH (town);
CREATE INDEX departed_feed ON departed (town, part, seq);

-- A slot is of one town, so that its dots are unique over all; an id is looked for in all towns before it is taken.
CREATE TABLE edit (
    row      BIGINT NOT NULL,
    id       BYTEA NOT NULL,
    town     BIGINT NOT NULL,
    record   BYTEA NOT NULL,
    slot     BIGINT NOT NULL,
    n        BIGINT NOT NULL,
    received BIGINT NOT NULL,
    vector   TEXT COLLATE "C" NOT NULL,
    part     TEXT COLLATE "C" NOT NULL,
    author   TEXT COLLATE "C" NOT NULL,
    body     TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (town, id),
    UNIQUE (town, slot, n)
) PARTITION BY HASH (town);
CREATE SEQUENCE edit_row;
CREATE INDEX edit_id ON edit (id);
CREATE INDEX edit_dot ON edit (slot, n);
CREATE INDEX edit_record ON edit (town, record);

CREATE TABLE quarantine (
    row      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id       BYTEA NOT NULL UNIQUE,
    town     BIGINT NOT NULL,
    record   BYTEA NOT NULL,
    slot     BIGINT NOT NULL,
    received BIGINT NOT NULL,
    reason   TEXT COLLATE "C" NOT NULL,
    -- of the edit, as it names them
    dot_slot BIGINT NOT NULL,
    dot_n    BIGINT NOT NULL,
    part     TEXT COLLATE "C" NOT NULL,
    kind     TEXT COLLATE "C" NOT NULL,
    author   TEXT COLLATE "C" NOT NULL,
    -- what it writes there, where it does
    area     BIGINT,
    about    TEXT COLLATE "C",
    body     TEXT COLLATE "C" NOT NULL,
    decision TEXT COLLATE "C" NOT NULL DEFAULT '' CHECK (decision IN ('', 'released', 'dismissed')),
    vector   TEXT COLLATE "C" NOT NULL DEFAULT '',
    decided  BIGINT NOT NULL DEFAULT 0,
    note     TEXT COLLATE "C" NOT NULL DEFAULT '',
    withdrawn BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX quarantine_record ON quarantine (town, record);
CREATE INDEX quarantine_decided ON quarantine (slot, decided);
CREATE INDEX quarantine_dot ON quarantine (town, dot_slot, dot_n);
CREATE INDEX quarantine_open ON quarantine (town, row) WHERE decision = '' AND withdrawn = 0;

CREATE TABLE unreadable (
    row      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id       BYTEA NOT NULL UNIQUE,
    town     BIGINT NOT NULL,
    record   BYTEA NOT NULL,
    slot     BIGINT NOT NULL,
    n        BIGINT NOT NULL,
    received BIGINT NOT NULL,
    reason   TEXT COLLATE "C" NOT NULL,
    body     TEXT COLLATE "C" NOT NULL
);
CREATE INDEX unreadable_record ON unreadable (town, record);
CREATE INDEX unreadable_dot ON unreadable (slot, n);

CREATE TABLE once (
    town    BIGINT NOT NULL,
    edit    BYTEA NOT NULL CHECK (length(edit) = 16),
    slot    BIGINT NOT NULL,
    n       BIGINT NOT NULL,
    sure    SMALLINT NOT NULL CHECK (sure IN (0, 1)),
    user_id TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (town, edit, slot, n)
);
CREATE INDEX once_dot ON once (town, slot, n);

CREATE TABLE seen (
    town    BIGINT NOT NULL,
    edit    BYTEA NOT NULL CHECK (length(edit) = 16),
    slot    BIGINT NOT NULL,
    n       BIGINT NOT NULL,
    user_id TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (town, edit, slot, n, user_id)
);
CREATE INDEX seen_dot ON seen (town, slot, n);

CREATE TABLE remain (
    town     BIGINT NOT NULL,
    edit     BYTEA NOT NULL CHECK (length(edit) = 16),
    path     TEXT COLLATE "C" NOT NULL,
    record   BYTEA NOT NULL,
    kind     TEXT COLLATE "C" NOT NULL,
    part     TEXT COLLATE "C" NOT NULL CHECK (part IN ('open', 'restricted')),
    value    TEXT COLLATE "C" NOT NULL,
    at       BIGINT NOT NULL,
    author   TEXT COLLATE "C" NOT NULL,
    shown_by BYTEA NOT NULL,
    shown    BIGINT NOT NULL,
    settled  BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (town, edit, path)
);
CREATE INDEX remain_record ON remain (town, settled, record, part);
CREATE INDEX remain_shown_by ON remain (town, shown_by) WHERE settled = 0;

CREATE TABLE backed_up (
    slot BIGINT NOT NULL PRIMARY KEY,
    n    BIGINT NOT NULL CHECK (n >= 0)
);

CREATE TABLE erased (
    town   BIGINT NOT NULL,
    record BYTEA NOT NULL,
    kind   TEXT COLLATE "C" NOT NULL,
    at     BIGINT NOT NULL,
    PRIMARY KEY (town, record)
);
CREATE TABLE erased_edit (
    id   BYTEA NOT NULL PRIMARY KEY,
    slot BIGINT NOT NULL,
    n    BIGINT NOT NULL
);
CREATE INDEX erased_edit_dot ON erased_edit (slot, n);
CREATE TABLE erased_photo (
    town BIGINT NOT NULL,
    hash TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (town, hash)
);
CREATE TABLE ended_edit (
    id BYTEA NOT NULL PRIMARY KEY CHECK (length(id) = 16)
);

CREATE TABLE photo (
    town     BIGINT NOT NULL,
    hash     TEXT COLLATE "C" NOT NULL,
    bytes    BIGINT NOT NULL,
    received BIGINT NOT NULL,
    PRIMARY KEY (town, hash)
);
CREATE INDEX photo_hash ON photo (hash);
CREATE TABLE photo_sender (
    town    BIGINT NOT NULL,
    hash    TEXT COLLATE "C" NOT NULL,
    user_id BYTEA NOT NULL,
    PRIMARY KEY (town, hash, user_id)
);
CREATE TABLE photo_link (
    town    BIGINT NOT NULL,
    hash    TEXT COLLATE "C" NOT NULL,
    record  BYTEA NOT NULL,
    user_id BYTEA NOT NULL,
    proved  SMALLINT NOT NULL CHECK (proved IN (0, 1)),
    PRIMARY KEY (town, hash, record, user_id)
);
CREATE INDEX photo_link_record ON photo_link (town, record);
CREATE TABLE photo_wanted (
    town BIGINT NOT NULL,
    slot BIGINT NOT NULL,
    hash TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (town, slot, hash)
);
CREATE INDEX photo_wanted_hash ON photo_wanted (town, hash);
CREATE TABLE upload (
    id      BYTEA NOT NULL PRIMARY KEY,
    town    BIGINT NOT NULL,
    user_id BYTEA NOT NULL,
    device  BYTEA NOT NULL,
    hash    TEXT COLLATE "C" NOT NULL,
    length  BIGINT NOT NULL,
    begun   BIGINT NOT NULL,
    done    SMALLINT NOT NULL CHECK (done IN (0, 1))
);
CREATE INDEX upload_unfinished ON upload (town, device) WHERE done = 0;
CREATE INDEX upload_hash ON upload (town, hash);
CREATE TABLE upload_hour (
    town   BIGINT NOT NULL,
    device BYTEA NOT NULL CHECK (length(device) = 16),
    hour   BIGINT NOT NULL,
    bytes  BIGINT NOT NULL CHECK (bytes >= 0),
    PRIMARY KEY (town, device, hour)
);

CREATE TABLE batch (
    row      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id       BYTEA NOT NULL UNIQUE,
    town     BIGINT NOT NULL,
    scope    TEXT COLLATE "C" NOT NULL,
    format   TEXT COLLATE "C" NOT NULL,
    masked   SMALLINT NOT NULL CHECK (masked IN (0, 1)),
    after_open       BIGINT NOT NULL,
    after_restricted BIGINT NOT NULL,
    upto_open        BIGINT NOT NULL,
    upto_restricted  BIGINT NOT NULL,
    at       BIGINT NOT NULL,
    user_id  BYTEA,
    manifest TEXT COLLATE "C" NOT NULL,
    -- the ids told in it, 16 bytes each; NULL: not known, it may hold any
    records  BYTEA,
    erased   BIGINT
);
CREATE INDEX batch_town ON batch (town, row);

-- What the log of an event's open part folds to, beside what lists and rights need; all of it follows from the state.
CREATE TABLE event (
    town       BIGINT NOT NULL,
    record     BYTEA NOT NULL,
    seq        BIGINT NOT NULL,
    areas      TEXT COLLATE "C" NOT NULL,
    readers    TEXT COLLATE "C" NOT NULL,
    visit      SMALLINT NOT NULL CHECK (visit IN (0, 1)),
    deleted    SMALLINT NOT NULL CHECK (deleted IN (0, 1)),
    title      TEXT COLLATE "C" NOT NULL,
    category   TEXT COLLATE "C" NOT NULL,
    source     TEXT COLLATE "C" NOT NULL,
    urgency    TEXT COLLATE "C" NOT NULL,
    service    TEXT COLLATE "C" NOT NULL,
    subject    BYTEA,
    campaign   BYTEA,
    at         BIGINT NOT NULL,
    stage      TEXT COLLATE "C" NOT NULL,
    level      TEXT COLLATE "C" NOT NULL,
    reported   BIGINT,
    moved      BIGINT,
    since      BIGINT,
    due        BIGINT,
    closed     BIGINT,
    host       BYTEA,
    helpers    TEXT COLLATE "C" NOT NULL,
    dispatcher BYTEA,
    asked      SMALLINT NOT NULL CHECK (asked IN (0, 1)),
    contested  SMALLINT NOT NULL CHECK (contested IN (0, 1)),
    on_site    SMALLINT NOT NULL CHECK (on_site IN (0, 1)),
    urged      BIGINT NOT NULL,
    supervised SMALLINT NOT NULL CHECK (supervised IN (0, 1)),
    outcome    TEXT COLLATE "C" NOT NULL,
    ledger     TEXT COLLATE "C" NOT NULL,
    open       SMALLINT NOT NULL CHECK (open IN (0, 1)),
    PRIMARY KEY (town, record)
) PARTITION BY HASH (town);
CREATE INDEX event_open ON event (town, at) WHERE open = 1;
CREATE INDEX event_at ON event (town, at);
CREATE INDEX event_closed ON event (town, closed) WHERE closed IS NOT NULL;
CREATE INDEX event_ledger ON event (town, at) WHERE ledger <> '';
CREATE INDEX event_campaign ON event (town, campaign) WHERE campaign IS NOT NULL;

-- How many events are alike, by the months (of Beijing) in which they were reported or done, and closed. What is alike is
-- known by its MD5, because an index holds no long text.
CREATE TABLE event_count (
    town     BIGINT NOT NULL,
    at       TEXT COLLATE "C" NOT NULL,
    closed   TEXT COLLATE "C" NOT NULL,
    alike    TEXT COLLATE "C" NOT NULL,
    areas    TEXT COLLATE "C" NOT NULL,
    category TEXT COLLATE "C" NOT NULL,
    service  TEXT COLLATE "C" NOT NULL,
    stage    TEXT COLLATE "C" NOT NULL,
    outcome  TEXT COLLATE "C" NOT NULL,
    visit    SMALLINT NOT NULL CHECK (visit IN (0, 1)),
    n        BIGINT NOT NULL CHECK (n >= 0),
    PRIMARY KEY (town, at, closed, alike)
);

CREATE TABLE edition (
    town    BIGINT NOT NULL,
    name    TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL CHECK (version > 0),
    text    TEXT COLLATE "C" NOT NULL,
    at      BIGINT NOT NULL,
    user_id BYTEA NOT NULL CHECK (length(user_id) = 16),
    PRIMARY KEY (town, name, version)
);

CREATE TABLE import (
    id      BYTEA NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    town    BIGINT NOT NULL,
    user_id BYTEA REFERENCES users (id),
    at      BIGINT NOT NULL,
    state   TEXT COLLATE "C" NOT NULL,
    slot    BIGINT,
    body    TEXT COLLATE "C" NOT NULL
);
CREATE INDEX import_town ON import (town, at);
CREATE TABLE import_header (
    town    BIGINT NOT NULL,
    header  TEXT COLLATE "C" NOT NULL,
    mapping TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (town, header)
);

CREATE TABLE intake_report (
    id     BYTEA NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    town   BIGINT NOT NULL,
    token  BYTEA NOT NULL CHECK (length(token) = 32),
    record BYTEA NOT NULL,
    told   BIGINT NOT NULL CHECK (told >= 0)
);
CREATE INDEX intake_report_record ON intake_report (town, record);
CREATE TABLE reporter (
    town   BIGINT NOT NULL,
    record BYTEA NOT NULL CHECK (length(record) = 16),
    name   TEXT COLLATE "C" NOT NULL,
    phone  TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (town, record)
);
CREATE TABLE intake_tray (
    id     BYTEA NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    town   BIGINT NOT NULL,
    area   BIGINT NOT NULL,
    at     BIGINT NOT NULL,
    reason TEXT COLLATE "C" NOT NULL,
    body   TEXT COLLATE "C" NOT NULL
);
CREATE INDEX intake_tray_town ON intake_tray (town, at);

DO $$ BEGIN
    FOR n IN 0..15 LOOP
        EXECUTE format('CREATE TABLE part_%s PARTITION OF part FOR VALUES WITH (MODULUS 16, REMAINDER %s)', n, n);
        EXECUTE format('CREATE TABLE departed_%s PARTITION OF departed FOR VALUES WITH (MODULUS 16, REMAINDER %s)', n, n);
        EXECUTE format('CREATE TABLE edit_%s PARTITION OF edit FOR VALUES WITH (MODULUS 16, REMAINDER %s)', n, n);
        EXECUTE format('CREATE TABLE event_%s PARTITION OF event FOR VALUES WITH (MODULUS 16, REMAINDER %s)', n, n);
    END LOOP;
END $$;
