//! The schema, in numbered steps that are only ever appended to. `PRAGMA user_version` counts the steps done.
//!
//! Column meanings never change. Ids are the 16 bytes of a UUID, times milliseconds since 1970 UTC, JSON is text.

use rusqlite::{Connection, TransactionBehavior};

use super::StoreError;

/// Step `i` leads from version `i` to `i + 1`. Never edit one that was released.
const STEPS: &[&str] = &[
    // 1: everything the first version needs.
    "
    -- What there is one of: slot, next n, cursor, token, …; see `meta`.
    CREATE TABLE meta (
        key TEXT NOT NULL PRIMARY KEY,
        value TEXT NOT NULL
    ) STRICT;

    -- One row a record, as lists show it: derived from confirmed and edit, never the truth.
    CREATE TABLE record (
        row INTEGER NOT NULL PRIMARY KEY,
        id BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
        kind TEXT NOT NULL,
        title TEXT NOT NULL,
        facts TEXT NOT NULL,              -- JSON [[field, value], …]
        area INTEGER NOT NULL,            -- 0: nobody said
        deleted INTEGER NOT NULL CHECK (deleted IN (0, 1)),
        conflicts INTEGER NOT NULL,       -- fields that are 待核对, both parts
        updated INTEGER NOT NULL,
        words TEXT NOT NULL               -- what search looks through, see `words`
    ) STRICT;
    CREATE INDEX record_conflicts ON record (updated) WHERE conflicts > 0;

    -- Exactly the server's projection for this user.
    CREATE TABLE confirmed (
        place INTEGER NOT NULL PRIMARY KEY, -- 2 * record.row + (0 open, 1 restricted)
        fill INTEGER NOT NULL,              -- the generation that last named it; 0: it left what the user may see
        state TEXT NOT NULL                 -- JSON of PartState as received
    ) STRICT;

    -- Every edit saved here: the outbox, the tray, and 30 days of what was delivered.
    CREATE TABLE edit (
        seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
        id BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
        record BLOB NOT NULL CHECK (length(record) = 16),
        part TEXT NOT NULL,
        slot INTEGER NOT NULL,
        n INTEGER NOT NULL,
        state TEXT NOT NULL CHECK (state IN
            ('waiting',    -- no receipt yet
             'applied',    -- receipt, but confirmed does not cover it yet
             'done',       -- confirmed covers it
             'rejected',   -- in the tray
             'corrected', 'withdrawn')),
        json TEXT NOT NULL,
        replaced TEXT NOT NULL,           -- JSON {path: [values]} that stood there before
        receipt TEXT NOT NULL,            -- JSON of the outcome, '' before
        saved INTEGER NOT NULL,
        answered INTEGER NOT NULL         -- 0: not yet
    ) STRICT;
    CREATE INDEX edit_record ON edit (record);
    CREATE INDEX edit_live ON edit (seq) WHERE state IN ('waiting', 'applied');
    CREATE INDEX edit_waiting ON edit (seq) WHERE state = 'waiting';
    CREATE INDEX edit_rejected ON edit (seq) WHERE state = 'rejected';

    -- Which record names which.
    CREATE TABLE link (
        from_row INTEGER NOT NULL,
        field TEXT NOT NULL,
        target BLOB NOT NULL,
        PRIMARY KEY (from_row, field, target)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX link_target ON link (target);

    -- What lists of events order and choose by; derived.
    CREATE TABLE event (
        row INTEGER NOT NULL PRIMARY KEY,
        stage TEXT NOT NULL,
        ended INTEGER NOT NULL CHECK (ended IN (0, 1)),
        due INTEGER NOT NULL,             -- the largest number: no limit runs
        reporter BLOB NOT NULL,           -- empty: not known
        updated INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX event_order ON event (ended, due, updated);

    CREATE TABLE draft (
        key TEXT NOT NULL PRIMARY KEY,
        json TEXT NOT NULL,
        saved INTEGER NOT NULL
    ) STRICT;

    -- Photos and thumbnails; the bytes lie in encrypted files named by the hash.
    CREATE TABLE photo (
        seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
        hash TEXT NOT NULL UNIQUE CHECK (length(hash) = 64),
        thumbnail TEXT NOT NULL,          -- hash of its thumbnail; '' if it is one
        state TEXT NOT NULL CHECK (state IN
            ('taken',      -- no save links it yet
             'waiting',    -- to be delivered
             'delivered',  -- the server said the hash back
             'fetched')),  -- somebody else's, kept for reading
        secret BLOB NOT NULL CHECK (length(secret) = 32),
        bytes INTEGER NOT NULL,
        sent INTEGER NOT NULL,
        upload TEXT NOT NULL,             -- where the upload goes on, '' before it began
        record BLOB NOT NULL,             -- empty: none yet
        taken INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX photo_waiting ON photo (seq) WHERE state = 'waiting';
    ",
    // 2: the asking to see a masked value is told to the server, which writes it down.
    "
    CREATE TABLE look (
        seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
        id BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
        record BLOB NOT NULL CHECK (length(record) = 16),
        field TEXT NOT NULL,              -- its name, never its value
        at INTEGER NOT NULL
    ) STRICT;
    ",
    // 3: who this installation is, restores of the server, digests, aliases, what cannot be read yet.
    "
    -- 'corrected' or 'withdrawn' of an edit that has to be offered again although its author has done with it: it goes
    -- as a stand-in and is not shown.
    ALTER TABLE edit ADD COLUMN away TEXT NOT NULL DEFAULT '';
    -- 0: the server has not heard yet that its author has done with it.
    ALTER TABLE edit ADD COLUMN told INTEGER NOT NULL DEFAULT 1;
    -- The fill that last said that it was decided on in quarantine; 0: none.
    ALTER TABLE edit ADD COLUMN released INTEGER NOT NULL DEFAULT 0;
    UPDATE edit SET told = 0 WHERE state IN ('corrected', 'withdrawn');
    CREATE INDEX edit_dot ON edit (slot, n);
    CREATE INDEX edit_untold ON edit (seq) WHERE told = 0;

    -- The record it was merged into; empty: none.
    ALTER TABLE record ADD COLUMN alias BLOB NOT NULL DEFAULT x'';
    CREATE INDEX record_alias ON record (alias) WHERE alias <> x'';

    -- Own edits that stand under another dot than they were saved with: forms opened before still name the old ones.
    CREATE TABLE moved (
        slot INTEGER NOT NULL,
        n INTEGER NOT NULL,
        to_slot INTEGER NOT NULL,
        to_n INTEGER NOT NULL,
        at INTEGER NOT NULL,
        PRIMARY KEY (slot, n)
    ) STRICT, WITHOUT ROWID;

    -- What was shown here of edits that a restored server lost: to be told.
    CREATE TABLE remain (
        seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
        edit BLOB NOT NULL CHECK (length(edit) = 16),
        record BLOB NOT NULL CHECK (length(record) = 16),
        path TEXT NOT NULL,
        json TEXT NOT NULL,               -- of a wire::Remain
        UNIQUE (edit, path)
    ) STRICT;

    -- Parts that this version cannot read, as they came.
    CREATE TABLE aside (
        record BLOB NOT NULL CHECK (length(record) = 16),
        part TEXT NOT NULL,
        json TEXT NOT NULL,
        app TEXT NOT NULL,                -- the version that could not read it
        fill INTEGER NOT NULL,            -- the generation that last named it
        PRIMARY KEY (record, part)
    ) STRICT, WITHOUT ROWID;
    ",
    // 4: edits keep what they were known by before a restore of the server.
    "
    -- JSON [[[slot, n], sure], …]: dots it had before that contexts of others may name; sure: a server had said that it
    -- applied it there.
    ALTER TABLE edit ADD COLUMN once TEXT NOT NULL DEFAULT '[]';
    -- 1: the server refused it before it was restored, and has to be given it for its quarantine again.
    ALTER TABLE edit ADD COLUMN held INTEGER NOT NULL DEFAULT 0;
    CREATE INDEX edit_held ON edit (seq) WHERE held = 1;
    -- 1: a server had applied the edit under the dot it moved from, which is nobody else's.
    ALTER TABLE moved ADD COLUMN sure INTEGER NOT NULL DEFAULT 0;
    -- When it was first found delivered or fetched, by the server's clock; 0: not yet.
    ALTER TABLE photo ADD COLUMN delivered INTEGER NOT NULL DEFAULT 0;
    DELETE FROM meta WHERE key = 'enrolled_open';
    ",
    // 5: edits remember what they stand in place of.
    "
    -- JSON [[edit, [slot, n]], …]: the writes that stood live where this edit wrote, each with the dot it had: what its
    -- context means by these dots.
    ALTER TABLE edit ADD COLUMN over TEXT NOT NULL DEFAULT '[]';
    ",
    // 6: what is restricted lies under a leased key, see `lease`: its texts begin with '~' then.
    "
    CREATE INDEX edit_restricted ON edit (seq) WHERE part = 'restricted';
    ",
    // 7: work that is recorded: visits and what is due, see `work`.
    "
    -- Events that are work done; derived. Deleted ones are not in it.
    CREATE TABLE work (
        row INTEGER NOT NULL PRIMARY KEY,
        work TEXT NOT NULL,               -- the category: visit, patrol, inspection, meeting, campaign
        subject BLOB NOT NULL,            -- whom or what it was about; empty: nothing
        at INTEGER NOT NULL,              -- when it was done
        next INTEGER NOT NULL             -- a visit: the day of the next one, a campaign: its last day; counted from
                                          -- 0001-01-01 as 1; 0: none said
    ) STRICT;
    CREATE INDEX work_subject ON work (work, subject, at, next);
    CREATE INDEX confirmed_restricted ON confirmed (place) WHERE place % 2 = 1;
    -- What earlier versions did not know of events they hold is derived at the next opening.
    INSERT OR REPLACE INTO meta (key, value) SELECT 'derive_events', 'true' WHERE EXISTS (SELECT 1 FROM event);
    ",
    // 8: who filled in a value is told what was decided, once.
    "
    -- JSON [edit, …]: edits of others that decided where this one had filled in a value, and that its author was told of.
    ALTER TABLE edit ADD COLUMN noted TEXT NOT NULL DEFAULT '[]';
    ",
    // 9: where records are, who moved here from another grid, and where a patrol went.
    "
    -- Where a record says it is, in millionths of a degree, WGS-84; derived. Deleted ones are not in it.
    CREATE TABLE point (
        row INTEGER NOT NULL PRIMARY KEY,
        lon INTEGER NOT NULL,
        lat INTEGER NOT NULL
    ) STRICT;
    -- People who moved here, until somebody says that they did; derived.
    CREATE TABLE arrival (
        row INTEGER NOT NULL PRIMARY KEY,
        from_area INTEGER NOT NULL
    ) STRICT;
    -- Where a patrol went, if it was switched on: stays on this handheld, for 30 days (decision 018).
    CREATE TABLE track (
        patrol BLOB NOT NULL CHECK (length(patrol) = 16),
        at INTEGER NOT NULL,              -- by the server's clock as last seen
        lon INTEGER NOT NULL,
        lat INTEGER NOT NULL,
        PRIMARY KEY (patrol, at)
    ) STRICT, WITHOUT ROWID;
    INSERT OR REPLACE INTO meta (key, value) SELECT 'derive_points', 'true' WHERE EXISTS (SELECT 1 FROM record);
    ",
    // 10: what the camera gave is kept until its photo is delivered; thumbnails come with their records.
    "
    -- The key of the file of what the camera gave; empty: none is kept.
    ALTER TABLE photo ADD COLUMN original BLOB NOT NULL DEFAULT x'';
    -- What was written into the picture: with it the original gives the same photo again.
    ALTER TABLE photo ADD COLUMN stamp TEXT NOT NULL DEFAULT '';
    -- When it was last looked at, by the device's clock: of what was fetched the oldest goes first.
    ALTER TABLE photo ADD COLUMN used INTEGER NOT NULL DEFAULT 0;
    -- The photos that records link; derived. Deleted records have none.
    CREATE TABLE picture (
        row INTEGER NOT NULL,
        hash TEXT NOT NULL,
        thumbnail TEXT NOT NULL,
        at INTEGER NOT NULL,              -- when it was taken
        PRIMARY KEY (row, hash)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX picture_hash ON picture (hash);
    CREATE INDEX picture_thumbnail ON picture (thumbnail);
    INSERT OR REPLACE INTO meta (key, value) SELECT 'derive_points', 'true' WHERE EXISTS (SELECT 1 FROM record);
    ",
    // 11: what the town publishes, see `edition`.
    "
    -- The set-up names it; one that came before was read without it and is asked for once more.
    UPDATE meta SET value = json_set(value, '$.version', '') WHERE key = 'setup';
    ",
];

/// The newest version this code knows.
pub const NEWEST: i64 = STEPS.len() as i64;

/// Brings the schema up to date, each step in a transaction of its own.
pub(super) fn run(connection: &mut Connection) -> Result<(), StoreError> {
    let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if found > NEWEST {
        return Err(StoreError::FromTheFuture { found, known: NEWEST });
    }
    for (version, step) in (1_i64..).zip(STEPS).filter(|(version, _)| *version > found) {
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        tx.execute_batch(step)?;
        tx.pragma_update(None, "user_version", version)?;
        tx.commit()?;
    }
    Ok(())
}
