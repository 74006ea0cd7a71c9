-- What the log of an event's open part folds to, beside what lists and rights need: lists, figures and the monthly report
-- read these rows and no state. All of it follows from the state; the program fills it (`projection::fill_beside`).
-- Times are milliseconds since 1970 UTC; the empty text and NULL say nothing.
CREATE TABLE event (
    town       INTEGER NOT NULL,
    record     BLOB NOT NULL,
    -- of its open part: whoever saw this number saw what stands here
    seq        INTEGER NOT NULL,
    areas      TEXT NOT NULL,
    readers    TEXT NOT NULL,
    visit      INTEGER NOT NULL CHECK (visit IN (0, 1)),
    deleted    INTEGER NOT NULL CHECK (deleted IN (0, 1)),
    title      TEXT NOT NULL,
    category   TEXT NOT NULL,
    source     TEXT NOT NULL,
    urgency    TEXT NOT NULL,
    service    TEXT NOT NULL,
    -- whom or what a visit or an inspection was about, and the 专项排查 it was made for
    subject    BLOB,
    campaign   BLOB,
    -- when it was reported; of work that is recorded, when it was done
    at         INTEGER NOT NULL,
    -- '' for work that is recorded
    stage      TEXT NOT NULL,
    level      TEXT NOT NULL,
    reported   INTEGER,
    moved      INTEGER,
    since      INTEGER,
    due        INTEGER,
    closed     INTEGER,
    host       BLOB,
    helpers    TEXT NOT NULL,
    dispatcher BLOB,
    asked      INTEGER NOT NULL CHECK (asked IN (0, 1)),
    contested  INTEGER NOT NULL CHECK (contested IN (0, 1)),
    on_site    INTEGER NOT NULL CHECK (on_site IN (0, 1)),
    urged      INTEGER NOT NULL,
    supervised INTEGER NOT NULL CHECK (supervised IN (0, 1)),
    outcome    TEXT NOT NULL,
    ledger     TEXT NOT NULL,
    -- whether it waits for somebody
    open       INTEGER NOT NULL CHECK (open IN (0, 1)),
    UNIQUE (town, record)
) STRICT;
CREATE INDEX event_open ON event (town, at) WHERE open = 1;
CREATE INDEX event_at ON event (town, at, category, service, stage, outcome, source, areas, visit, deleted, record);
CREATE INDEX event_category ON event (town, category, at, subject, areas, visit, deleted, record);
CREATE INDEX event_closed ON event (town, closed, category, service, outcome, areas, visit, deleted, record)
    WHERE closed IS NOT NULL;
CREATE INDEX event_ledger ON event (town, category, ledger) WHERE ledger <> '';

CREATE INDEX event_campaign ON event (town, campaign) WHERE campaign IS NOT NULL;

-- How much of what makes a record complete is not written in it.
ALTER TABLE part ADD COLUMN missing INTEGER NOT NULL DEFAULT 0;
-- Figures by kind and area are counted from this index alone.
CREATE INDEX part_counts ON part (town, part, kind, areas, visit, missing, deleted, record);

-- How many events are alike, by the months (of Beijing) in which they were reported or done, and closed: figures of years
-- are sums of these rows. Kept with each event in the same transaction.
CREATE TABLE event_count (
    town     INTEGER NOT NULL,
    at       TEXT NOT NULL,
    closed   TEXT NOT NULL,
    areas    TEXT NOT NULL,
    category TEXT NOT NULL,
    service  TEXT NOT NULL,
    stage    TEXT NOT NULL,
    outcome  TEXT NOT NULL,
    visit    INTEGER NOT NULL CHECK (visit IN (0, 1)),
    n        INTEGER NOT NULL CHECK (n >= 0),
    PRIMARY KEY (town, at, closed, areas, category, service, stage, outcome, visit)
) STRICT;
