-- The audit is only ever added to, and each entry carries the hash over the one before it and over itself: what is altered,
-- taken out or put in between is found. What stood in it before is chained by the program that runs this step, from
-- audit_unchained, which goes then.
DROP INDEX audit_town;
ALTER TABLE audit RENAME TO audit_unchained;
CREATE TABLE audit (
    id      INTEGER NOT NULL PRIMARY KEY,
    town    INTEGER NOT NULL,
    -- counts from 1 in each town, without a gap
    number  INTEGER NOT NULL CHECK (number > 0),
    at      INTEGER NOT NULL,
    user    BLOB,
    action  TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail  TEXT NOT NULL,
    hash    BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;
CREATE UNIQUE INDEX audit_town ON audit (town, number);

-- The last entry of each town, in a place of its own: that the newest were cut off is found too.
CREATE TABLE audit_head (
    town   INTEGER NOT NULL PRIMARY KEY,
    number INTEGER NOT NULL CHECK (number > 0),
    id     INTEGER NOT NULL,
    hash   BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;

-- Against mistakes of our own. Whoever has the file can drop a trigger; the hashes are against them.
CREATE TRIGGER audit_is_not_altered BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit is only added to'); END;
CREATE TRIGGER audit_is_not_shortened BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit is only added to'); END;
-- INSERT OR REPLACE deletes without asking the trigger before.
CREATE TRIGGER audit_is_not_replaced BEFORE INSERT ON audit
WHEN EXISTS (SELECT 1 FROM audit WHERE id = NEW.id)
    OR EXISTS (SELECT 1 FROM audit WHERE town = NEW.town AND number = NEW.number)
BEGIN SELECT RAISE(ABORT, 'the audit is only added to'); END;
CREATE TRIGGER audit_head_goes_on BEFORE UPDATE ON audit_head WHEN NEW.number <= OLD.number OR NEW.town <> OLD.town
BEGIN SELECT RAISE(ABORT, 'the head of the audit only goes on'); END;
CREATE TRIGGER audit_head_stays BEFORE DELETE ON audit_head
BEGIN SELECT RAISE(ABORT, 'the head of the audit only goes on'); END;
CREATE TRIGGER audit_head_is_not_replaced BEFORE INSERT ON audit_head
WHEN EXISTS (SELECT 1 FROM audit_head WHERE town = NEW.town AND number >= NEW.number)
BEGIN SELECT RAISE(ABORT, 'the head of the audit only goes on'); END;
