-- Edits whose writes were taken out because the time of their part was over; when one comes again, what it wrote is taken
-- out again. The file erased.list says the same and is no part of any backup.
CREATE TABLE ended_edit (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16)
) STRICT, WITHOUT ROWID;
