-- Which handheld began an upload; x'' where that was not noted.
ALTER TABLE upload ADD COLUMN device BLOB NOT NULL DEFAULT x'';
CREATE INDEX upload_unfinished ON upload (town, device) WHERE done = 0;
CREATE INDEX upload_hash ON upload (town, hash);

-- How many bytes of photos each handheld announced, by the hour (since 1970).
CREATE TABLE upload_hour (
    town   INTEGER NOT NULL,
    device BLOB NOT NULL CHECK (length(device) = 16),
    hour   INTEGER NOT NULL,
    bytes  INTEGER NOT NULL CHECK (bytes >= 0),
    PRIMARY KEY (town, device, hour)
) STRICT, WITHOUT ROWID;
