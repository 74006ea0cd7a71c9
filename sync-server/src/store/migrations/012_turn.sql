-- Which credential of the enrolment was used last: 0 is the one it was given, each later one came with an answer (decision 15).
ALTER TABLE device ADD COLUMN turn INTEGER NOT NULL DEFAULT 0;
-- When that one was first used; none: at the enrolment.
ALTER TABLE device ADD COLUMN turned INTEGER;
-- When one was used whose successor had been used before: two installations have it, or somebody took it.
ALTER TABLE device ADD COLUMN doubled INTEGER;
