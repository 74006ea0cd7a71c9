-- Who walks one grid reads what changed there, not all that changed in the town: by the area a part lies in; those that name
-- somebody or lie in several areas stand apart. Both are read from their index alone.
CREATE INDEX part_near ON part (town, part, areas, seq, kind, readers, anonymous, record, visit)
    WHERE NOT (readers <> ',' OR instr(substr(areas, 2), ',') < length(areas) - 1);
CREATE INDEX part_beside ON part (town, part, seq, kind, areas, readers, anonymous, record, visit)
    WHERE (readers <> ',' OR instr(substr(areas, 2), ',') < length(areas) - 1);
