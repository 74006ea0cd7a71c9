-- The second factor of whoever may see or take out more than others, and when a log-in was last used.
-- Log-ins from before tell neither: everybody logs in once more.
DELETE FROM session;
ALTER TABLE session ADD COLUMN seen INTEGER NOT NULL DEFAULT 0;
-- whether the second factor was given
ALTER TABLE session ADD COLUMN second INTEGER NOT NULL DEFAULT 0 CHECK (second IN (0, 1));

CREATE TABLE second_factor (
    user      BLOB NOT NULL PRIMARY KEY REFERENCES user (id),
    town      INTEGER NOT NULL,
    -- a nonce, then the secret in XChaCha20-Poly1305 under a key made from server.key
    secret    BLOB NOT NULL,
    -- whether a right code was typed since it was shown; before that it opens nothing
    confirmed INTEGER NOT NULL CHECK (confirmed IN (0, 1)),
    -- the last 30 seconds whose code was used: none is used twice
    step      INTEGER NOT NULL
) STRICT;

-- SHA-256 over user and code; a used one goes.
CREATE TABLE recovery_code (
    hash BLOB NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    town INTEGER NOT NULL,
    user BLOB NOT NULL REFERENCES user (id)
) STRICT;
CREATE INDEX recovery_code_user ON recovery_code (user);
