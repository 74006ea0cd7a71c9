-- Who walks one grid reads what changed there, not all that changed in the town: by the area a part lies in; those that name
-- somebody or lie in several areas stand apart.
CREATE INDEX part_near ON part (town, part, areas, seq)
    WHERE NOT (readers <> ',' OR strpos(substr(areas, 2), ',') < length(areas) - 1);
CREATE INDEX part_beside ON part (town, part, seq)
    WHERE (readers <> ',' OR strpos(substr(areas, 2), ',') < length(areas) - 1);
