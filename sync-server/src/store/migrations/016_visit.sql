-- Whether a record tells of a visit: whoever may not know who lives there does not read those by their scope.
ALTER TABLE part ADD COLUMN visit INTEGER NOT NULL DEFAULT 0 CHECK (visit IN (0, 1));
-- What cannot be read stays closed until it is put right.
UPDATE part SET visit = CASE
    WHEN NOT json_valid(state) THEN 1
    ELSE EXISTS (SELECT 1 FROM json_each(state, '$.live.category') c WHERE c.value ->> '$[1]' = 'visit') END
WHERE kind = 'event' AND part = 'open' AND instr(state, '"visit"') > 0;
UPDATE part SET visit = 1 WHERE kind = 'event' AND part = 'restricted' AND EXISTS (
    SELECT 1 FROM part o WHERE o.town = part.town AND o.record = part.record AND o.part = 'open' AND o.visit = 1);

-- Whoever holds one and may not any more is told with their next round that it left; who still sees it is not. A number for
-- each: a page of the feed may end after any of them.
INSERT INTO departed (town, part, record, key, seq)
SELECT p.town, 'open', p.record, 'a' || lies.value,
       (SELECT s.last FROM sequence s WHERE s.town = p.town AND s.part = 'open')
           + row_number() OVER (PARTITION BY p.town ORDER BY p.row, lies.value)
FROM part p, json_each('[' || trim(p.areas, ',') || ']') lies
WHERE p.part = 'open' AND p.visit = 1
ON CONFLICT (town, part, record, key) DO UPDATE SET seq = excluded.seq, erased = '';
UPDATE sequence SET last = max(last, coalesce(
    (SELECT max(d.seq) FROM departed d WHERE d.town = sequence.town AND d.part = 'open'), 0))
WHERE part = 'open';

-- The feed is read from this index alone.
DROP INDEX part_feed;
CREATE UNIQUE INDEX part_feed ON part (town, part, seq, kind, areas, readers, anonymous, record, visit);

-- What waits for a decision or a look is walked whole, because only some of it is for whoever asks.
CREATE INDEX quarantine_open ON quarantine (town, row) WHERE decision = '' AND withdrawn = 0;
DROP INDEX remain_record;
CREATE INDEX remain_record ON remain (town, settled, record, part);
CREATE INDEX remain_shown_by ON remain (town, shown_by) WHERE settled = 0;
