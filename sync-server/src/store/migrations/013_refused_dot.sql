-- Which refused edit had a dot: no other can have stood there.
CREATE INDEX quarantine_dot ON quarantine (town, body ->> '$.dot[0]', body ->> '$.dot[1]');
