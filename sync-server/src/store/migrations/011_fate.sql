-- What is to become, or became, of an enrolment before its time.
ALTER TABLE device ADD COLUMN fate TEXT NOT NULL DEFAULT ''
    CHECK (fate IN ('', 'revoked', 'wipe', 'stolen', 'wiped', 'handed_over'));
-- When that was said; 0: never.
ALTER TABLE device ADD COLUMN fate_at INTEGER NOT NULL DEFAULT 0;
