-- Where an area lies: JSON [[[longitude, latitude], …], …] in millionths of a degree, WGS-84; [] while nobody drew it.
ALTER TABLE area ADD COLUMN outline TEXT NOT NULL DEFAULT '[]';
