//! Writing inside one town's transaction.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use shared::area::Area;
use shared::edit::Edit;
use shared::ids::{DeviceId, EditId, RecordId, Slot, UserId};
use shared::record::Part;
use shared::wire::Rejection;
use uuid::Uuid;

use super::InTown;
use super::columns::{self, areas_text, int, key_text, ms, to_json, users_text};
use super::doubts::next_decision;
use super::failure::unique;
use super::sql::{Value, params, row, together};
use crate::store::common::{body, in_town};
use crate::store::{
    Ahead, Audit, Batch, Decision, Departure, Device, DeviceSeen, EnrolCode, Fate, Photo, PhotoLink, Quarantined,
    Session, SlotRow, StoreError, StoredEdit, StoredPart, Tx, Upload, User,
};
use crate::sync::incoming::Unreadable;

impl InTown<'_> {
    /// Tells every holder of a set-up or a tree that theirs is old.
    fn directory_changed(&self) -> Result<(), StoreError> {
        self.conn
            .prepare_cached(
                "UPDATE meta SET value = CAST(CAST(value AS BIGINT) + 1 AS TEXT) WHERE key = 'directory_version'",
            )?
            .execute(&[])?;
        Ok(())
    }
}

impl Tx for InTown<'_> {
    fn look_ahead(&mut self, asked: &Ahead) -> Result<(), StoreError> {
        self.ask_ahead(asked)
    }

    fn take_seqs(&mut self, part: Part, count: u64) -> Result<u64, StoreError> {
        let query = self.conn.prepare_cached(
            "INSERT INTO sequence AS s (town, part, last) VALUES ($1, $2, $3)
             ON CONFLICT (town, part) DO UPDATE SET last = s.last + $3 RETURNING s.last - $3 + 1",
        )?;
        let taken = params![self.town.0, part.code(), int(count)];
        if let Some(first) = self.known_seqs(part, count) {
            return query.later(taken).map(|()| first);
        }
        query.one(taken, |row| Ok(columns::count(row.get(0)?)))
    }

    fn save_many(&mut self, parts: &[StoredPart]) -> Result<(), StoreError> {
        // One statement may not replace a row twice: the last word of each counts.
        let last: BTreeMap<(RecordId, &str), &StoredPart> =
            parts.iter().map(|part| ((part.record, part.part.code()), part)).collect();
        let ints = |of: fn(&StoredPart) -> i64| Value::Ints(last.values().map(|part| of(part)).collect());
        let texts = |of: fn(&StoredPart) -> String| Value::Texts(last.values().map(|part| of(part)).collect());
        let query = self.prepare(
            "INSERT INTO {part} (town, record, part, kind, seq, areas, readers, anonymous, open_fields, deleted, title, words, state,
                 merged_into, visit, missing)
             SELECT $1::bigint, * FROM unnest($2::bytea[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[],
                 $8::bigint[], $9::bigint[], $10::bigint[], $11::text[], $12::text[], $13::text[], $14::text[],
                 $15::bigint[], $16::bigint[])
             ON CONFLICT (town, record, part) DO UPDATE SET seq = excluded.seq, areas = excluded.areas,
                 readers = excluded.readers, anonymous = excluded.anonymous, open_fields = excluded.open_fields,
                 deleted = excluded.deleted, title = excluded.title, words = excluded.words, state = excluded.state,
                 merged_into = excluded.merged_into, visit = excluded.visit,
                 missing = excluded.missing",
        )?;
        query.later(params![
            self.town.0,
            Value::Blobs(last.values().map(|part| part.record.0.as_bytes().to_vec()).collect()),
            texts(|part| part.part.code().to_owned()),
            texts(|part| part.kind.code().to_owned()),
            ints(|part| int(part.seq)),
            texts(|part| areas_text(&part.areas)),
            texts(|part| users_text(&part.readers)),
            ints(|part| part.anonymous.into()),
            ints(|part| part.open_fields.into()),
            ints(|part| part.deleted.into()),
            texts(|part| part.title.clone()),
            texts(|part| part.words.clone()),
            texts(|part| part.state.clone()),
            texts(|part| part.merged_into.map(|id| id.to_string()).unwrap_or_default()),
            ints(|part| part.visit.into()),
            ints(|part| part.missing.into()),
        ])?;
        self.save_events(last.into_values())?;
        self.wrote_parts();
        Ok(())
    }

    fn forget_beside(&mut self) -> Result<(), StoreError> {
        for sql in ["DELETE FROM event WHERE town = $1", "DELETE FROM event_count WHERE town = $1"] {
            self.conn.prepare_cached(sql)?.execute(params![self.town.0])?;
        }
        Ok(())
    }

    fn save_beside(&mut self, part: &StoredPart) -> Result<(), StoreError> {
        self.save_missing(part)?;
        self.save_events([part])
    }

    fn note_departures(&mut self, departures: &[Departure]) -> Result<(), StoreError> {
        // The last word of each key counts.
        let last: BTreeMap<(RecordId, &str, String), Option<u64>> =
            departures.iter().map(|it| ((it.record, it.part.code(), key_text(it.key)), it.seq)).collect();
        let columns = |left: bool| {
            let mut columns = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
            for ((record, part, key), seq) in last.iter().filter(|(_, seq)| seq.is_some() == left) {
                columns.0.push((*part).to_owned());
                columns.1.push(record.0.as_bytes().to_vec());
                columns.2.push(key.clone());
                columns.3.push(int(seq.unwrap_or_default()));
            }
            columns
        };
        let (part, record, key, seq) = columns(true);
        if !part.is_empty() {
            let put = self.prepare(
                "INSERT INTO {departed} (town, part, record, key, seq)
                 SELECT $1::bigint, * FROM unnest($2::text[], $3::bytea[], $4::text[], $5::bigint[])
                 ON CONFLICT (town, part, record, key) DO UPDATE SET seq = excluded.seq, erased = ''",
            )?;
            let args =
                params![self.town.0, Value::Texts(part), Value::Blobs(record), Value::Texts(key), Value::Ints(seq)];
            put.later(args)?;
        }
        let (part, record, key, _) = columns(false);
        if !part.is_empty() {
            let back = self.prepare(
                "DELETE FROM {departed} WHERE town = $1
                 AND (part, record, key) IN (SELECT * FROM unnest($2::text[], $3::bytea[], $4::text[]))",
            )?;
            back.later(params![self.town.0, Value::Texts(part), Value::Blobs(record), Value::Texts(key)])?;
        }
        Ok(())
    }

    fn save_edits(&mut self, edits: &[StoredEdit]) -> Result<(), StoreError> {
        let mut texts = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for StoredEdit { edit, vector, .. } in edits {
            texts.0.push(to_json("vector", vector)?);
            texts.1.push(edit.part.code().to_owned());
            texts.2.push(author(edit));
            texts.3.push(body(edit)?);
        }
        let blobs =
            |of: fn(&Edit) -> Uuid| Value::Blobs(edits.iter().map(|it| of(&it.edit).as_bytes().to_vec()).collect());
        let ints = |of: fn(&StoredEdit) -> i64| Value::Ints(edits.iter().map(of).collect());
        let query = self.prepare(
            "INSERT INTO {edit} (row, town, id, record, slot, n, received, vector, part, author, body)
             SELECT nextval('edit_row'), $1::bigint, e.* FROM unnest($2::bytea[], $3::bytea[], $4::bigint[], $5::bigint[],
                 $6::bigint[], $7::text[], $8::text[], $9::text[], $10::text[]) AS e",
        )?;
        query.later(params![
            self.town.0,
            blobs(|edit| edit.id.0),
            blobs(|edit| edit.record.0),
            ints(|it| int(it.edit.dot.slot.0)),
            ints(|it| int(it.edit.dot.n)),
            ints(|it| ms(it.received)),
            Value::Texts(texts.0),
            Value::Texts(texts.1),
            Value::Texts(texts.2),
            Value::Texts(texts.3),
        ])?;
        self.wrote_edits();
        Ok(())
    }

    fn put_quarantined(&mut self, edits: &[Quarantined]) -> Result<(), StoreError> {
        let mut rows = Vec::with_capacity(edits.len());
        for Quarantined { edit, slot, received, rejection, .. } in edits {
            rows.push(row![
                edit.id.0.as_bytes(),
                self.town.0,
                edit.record.0.as_bytes(),
                int(slot.0),
                ms(*received),
                to_json("reason", rejection)?,
                body(edit)?,
                int(edit.dot.slot.0),
                int(edit.dot.n),
                edit.part.code(),
                edit.kind.code(),
                author(edit),
                written::<i64>(edit, "area"),
                written::<String>(edit, "subject"),
            ]);
        }
        if rows.is_empty() {
            return Ok(());
        }
        let (select, columns) = together(
            [
                "bytea", "bigint", "bytea", "bigint", "bigint", "text", "text", "bigint", "bigint", "text", "text",
                "text", "bigint", "text",
            ],
            rows,
        );
        let query = self.conn.prepare_cached(&format!(
            "INSERT INTO quarantine (id, town, record, slot, received, reason, body, dot_slot, dot_n, part, kind, author, area,
                 about) {select}"
        ))?;
        query.later(&columns)?;
        self.wrote_edits();
        Ok(())
    }

    fn put_unreadable(
        &mut self,
        slot: Slot,
        received: DateTime<Utc>,
        edit: &Unreadable,
        why: &Rejection,
    ) -> Result<(), StoreError> {
        let query = self.conn.prepare_cached(
            "INSERT INTO unreadable (id, town, record, slot, n, received, reason, body)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )?;
        query.execute(params![
            edit.id.0.as_bytes(),
            self.town.0,
            edit.record.as_ref().map(|record| record.0.as_bytes().as_slice()).unwrap_or_default(),
            int(slot.0),
            int(edit.dot.n),
            ms(received),
            to_json("reason", why)?,
            edit.raw,
        ])?;
        Ok(())
    }

    fn decide_quarantined(&mut self, edit: EditId, outcome: &Decision) -> Result<(), StoreError> {
        let (decision, vector, note) = match outcome {
            Decision::Released(vector) => ("released", to_json("vector", vector)?, ""),
            Decision::Dismissed(note) => ("dismissed", String::new(), note.as_str()),
            // Only its author does that, see `withdraw`.
            Decision::Withdrawn => return Err(StoreError::Missing("the decision")),
        };
        let number = next_decision(self, edit)?;
        let query = self.conn.prepare_cached(
            "UPDATE quarantine SET decision = $3, vector = $4, note = $5, decided = $6
             WHERE town = $1 AND id = $2 AND decision = '' AND withdrawn = 0",
        )?;
        match query.execute(params![self.town.0, edit.0.as_bytes(), decision, vector, note, int(number)])? {
            0 => Err(StoreError::Missing("the undecided edit")),
            _ => Ok(()),
        }
    }

    fn put_slot(&mut self, slot: &SlotRow) -> Result<(), StoreError> {
        let query = self
            .conn
            .prepare_cached("INSERT INTO slot (slot, town, origin, label, high_water) VALUES ($1, $2, $3, $4, $5)")?;
        query
            .execute(params![int(slot.slot.0), slot.town.0, slot.origin.code(), slot.label, int(slot.high_water)])
            .map_err(unique("the slot"))?;
        Ok(())
    }

    fn set_high_water(&mut self, slot: Slot, n: u64) -> Result<(), StoreError> {
        let query = self.conn.prepare_cached("UPDATE slot SET high_water = $2 WHERE slot = $1")?;
        query.later_of("the slot", params![int(slot.0), int(n)])?;
        self.wrote_high_water(slot, n);
        Ok(())
    }

    fn put_areas(&mut self, areas: &[Area]) -> Result<(), StoreError> {
        let query = self.conn.prepare_cached(
            "INSERT INTO area (id, parent, level, name, code, outline, closed) VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (id) DO UPDATE SET parent = excluded.parent, level = excluded.level, name = excluded.name,
                 code = excluded.code, outline = excluded.outline, closed = excluded.closed",
        )?;
        for area in areas {
            let outline = super::columns::to_json("outline of an area", &area.outline)?;
            let parent = area.parent.map(|id| id.0);
            query.execute(params![area.id.0, parent, area.level.code(), area.name, area.code, outline, area.closed])?;
        }
        self.directory_changed()
    }

    fn put_user(&mut self, user: &User) -> Result<(), StoreError> {
        let query = self.conn.prepare_cached(
            "INSERT INTO users (id, town, name, login, role, scope, cleared, may_unmask, password, active)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
             ON CONFLICT (id) DO UPDATE SET town = excluded.town, name = excluded.name, login = excluded.login,
                 role = excluded.role, scope = excluded.scope, cleared = excluded.cleared,
                 may_unmask = excluded.may_unmask, password = excluded.password, active = excluded.active",
        )?;
        query
            .execute(params![
                user.id.0.as_bytes(),
                user.town.0,
                user.name,
                user.login,
                user.role.code(),
                areas_text(&user.scope),
                user.cleared,
                user.may_unmask,
                user.password.as_deref().unwrap_or_default(),
                user.active,
            ])
            .map_err(unique("the login"))?;
        self.directory_changed()
    }

    fn put_device(&mut self, device: &Device, token_hash: &[u8; 32]) -> Result<(), StoreError> {
        let query = self.conn.prepare_cached(
            "INSERT INTO device (id, town, user_id, slot, name, token, enrolled, expires, parted_from, seen, app, battery,
                 clock_off, undelivered, fate, fate_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, NULL, '', NULL, 0, 0, $10, $11)",
        )?;
        query
            .execute(params![
                device.id.0.as_bytes(),
                device.town.0,
                device.user.0.as_bytes(),
                int(device.slot.0),
                device.name,
                token_hash,
                ms(device.enrolled),
                ms(device.expires),
                device.parted_from.as_ref().map(|id| id.0.as_bytes().as_slice()),
                device.fate.map(|(fate, _)| fate.code()).unwrap_or_default(),
                device.fate.map(|(_, at)| ms(at)).unwrap_or_default(),
            ])
            .map_err(unique("the device"))?;
        self.write_down(&Audit {
            at: device.enrolled,
            user: Some(device.user),
            action: "audit-enrolled".to_owned(),
            subject: device.id.to_string(),
            detail: device.parted_from.map(|id| id.to_string()).unwrap_or_default(),
        })?;
        match &device.seen {
            Some(seen) => self.seen_device(device.id, seen),
            None => Ok(()),
        }
    }

    fn seen_device(&mut self, id: DeviceId, seen: &DeviceSeen) -> Result<(), StoreError> {
        let query = self.conn.prepare_cached(
            "UPDATE device SET seen = $2, app = $3, battery = $4, clock_off = $5, undelivered = $6, web_view = $7 WHERE id = $1",
        )?;
        query.later(params![
            id.0.as_bytes(),
            ms(seen.at),
            seen.app,
            seen.battery,
            seen.clock_off,
            seen.undelivered,
            seen.web_view
        ])
    }

    fn expire_device(&mut self, id: DeviceId, at: DateTime<Utc>) -> Result<(), StoreError> {
        let query = self.conn.prepare_cached(
            "WITH RECURSIVE chain (id) AS (
                 SELECT $2::bytea UNION SELECT d.parted_from FROM device d JOIN chain c ON d.id = c.id
                 WHERE d.parted_from IS NOT NULL)
             UPDATE device SET expires = least(expires, $3) WHERE town = $1 AND id IN (SELECT id FROM chain)",
        )?;
        match query.execute(params![self.town.0, id.0.as_bytes(), ms(at)])? {
            0 => Err(StoreError::Missing("the device")),
            _ => Ok(()),
        }
    }

    fn doom_device(&mut self, id: DeviceId, fate: Fate, at: DateTime<Utc>) -> Result<(), StoreError> {
        // What it went on from, and what went on from it; not what else went on from the former: that may be another one.
        let query = self.conn.prepare_cached(
            "WITH RECURSIVE
                 up (id) AS (SELECT $2::bytea UNION SELECT d.parted_from FROM device d JOIN up ON d.id = up.id
                             WHERE d.parted_from IS NOT NULL),
                 down (id) AS (SELECT $2::bytea UNION SELECT d.id FROM device d JOIN down ON d.parted_from = down.id)
             UPDATE device SET
                 fate = CASE WHEN fate = ANY ($5) THEN fate ELSE $3 END,
                 fate_at = CASE WHEN fate = ANY ($5) THEN fate_at ELSE $4 END
             WHERE town = $1 AND id IN (SELECT id FROM up UNION SELECT id FROM down)",
        )?;
        let stronger = Fate::ALL.into_iter().filter(|it| it.stands_against(fate));
        let stronger = Value::Texts(stronger.map(|it| it.code().to_owned()).collect());
        match query.execute(params![self.town.0, id.0.as_bytes(), fate.code(), ms(at), stronger])? {
            0 => Err(StoreError::Missing("the device")),
            _ => Ok(()),
        }
    }

    fn turn_device(
        &mut self,
        id: DeviceId,
        turn: u32,
        at: DateTime<Utc>,
        ends: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let query = self.conn.prepare_cached(
            "UPDATE device SET turn = $3, turned = $4, expires = $5 WHERE town = $1 AND id = $2 AND turn < $3",
        )?;
        query.execute(params![self.town.0, id.0.as_bytes(), turn, ms(at), ms(ends)])?;
        Ok(())
    }

    fn double_device(&mut self, id: DeviceId, at: DateTime<Utc>) -> Result<bool, StoreError> {
        let query = self
            .conn
            .prepare_cached("UPDATE device SET doubled = $3 WHERE town = $1 AND id = $2 AND doubled IS NULL")?;
        Ok(query.execute(params![self.town.0, id.0.as_bytes(), ms(at)])? == 1)
    }

    fn put_enrol_code(&mut self, code: &EnrolCode) -> Result<(), StoreError> {
        let query = self
            .conn
            .prepare_cached("INSERT INTO enrol_code (hash, town, user_id, expires) VALUES ($1, $2, $3, $4)")?;
        query
            .execute(params![code.hash, code.town.0, code.user.0.as_bytes(), ms(code.expires)])
            .map_err(unique("the code"))?;
        Ok(())
    }

    fn use_enrol_code(&mut self, hash: &[u8; 32]) -> Result<bool, StoreError> {
        let query = self.conn.prepare_cached("DELETE FROM enrol_code WHERE town = $1 AND hash = $2")?;
        Ok(query.execute(params![self.town.0, hash])? == 1)
    }

    fn put_session(&mut self, session: &Session) -> Result<(), StoreError> {
        let query = self.conn.prepare_cached(
            "INSERT INTO session (hash, town, user_id, csrf, expires, seen, second) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )?;
        query.execute(params![
            session.hash,
            session.town.0,
            session.user.0.as_bytes(),
            session.csrf,
            ms(session.expires),
            ms(session.seen),
            session.second,
        ])?;
        Ok(())
    }

    fn drop_session(&mut self, hash: &[u8; 32], now: DateTime<Utc>) -> Result<(), StoreError> {
        let query = self.conn.prepare_cached("DELETE FROM session WHERE hash = $1 OR expires <= $2")?;
        query.execute(params![hash, ms(now)])?;
        Ok(())
    }

    fn put_audit(&mut self, audit: &Audit) -> Result<(), StoreError> {
        self.write_down(audit)
    }

    fn note_look(&mut self, id: Uuid) -> Result<bool, StoreError> {
        let query = self.conn.prepare_cached("INSERT INTO look (town, id) VALUES ($1, $2) ON CONFLICT DO NOTHING")?;
        Ok(query.execute(params![self.town.0, id.as_bytes()])? == 1)
    }

    fn set_meta(&mut self, key: &str, value: &str) -> Result<(), StoreError> {
        let query = self.conn.prepare_cached(
            "INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        )?;
        query.execute(params![in_town(self.town, key), value])?;
        Ok(())
    }

    fn put_photo(&mut self, photo: &Photo, sender: UserId) -> Result<(), StoreError> {
        let hash = photo.hash.as_str();
        self.conn
            .prepare_cached(
                "INSERT INTO photo (town, hash, bytes, received) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (town, hash) DO UPDATE SET received = greatest(photo.received, excluded.received)",
            )?
            .execute(params![self.town.0, hash, int(photo.bytes), ms(photo.received)])?;
        self.conn
            .prepare_cached(
                "INSERT INTO photo_sender (town, hash, user_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            )?
            .execute(params![self.town.0, hash, sender.0.as_bytes()])?;
        self.conn
            .prepare_cached("DELETE FROM photo_wanted WHERE town = $1 AND hash = $2")?
            .execute(params![self.town.0, hash])?;
        Ok(())
    }

    fn link_photos(&mut self, slot: Slot, links: &[PhotoLink]) -> Result<(), StoreError> {
        if links.is_empty() {
            return Ok(());
        }
        let user = |link: &PhotoLink| link.user.map(|user| user.0.as_bytes().to_vec()).unwrap_or_default();
        let hashes = Value::Texts(links.iter().map(|link| link.hash.as_str().to_owned()).collect());
        let link = self.conn.prepare_cached(
            "INSERT INTO photo_link (town, hash, record, user_id, proved)
             SELECT $1::bigint, hash, record, who, max(proved)
             FROM unnest($2::text[], $3::bytea[], $4::bytea[], $5::bigint[]) AS l (hash, record, who, proved)
             GROUP BY hash, record, who
             ON CONFLICT (town, hash, record, user_id) DO UPDATE SET proved = greatest(photo_link.proved, excluded.proved)",
        )?;
        link.later(params![
            self.town.0,
            hashes,
            Value::Blobs(links.iter().map(|link| link.record.0.as_bytes().to_vec()).collect()),
            Value::Blobs(links.iter().map(user).collect()),
            Value::Ints(links.iter().map(|link| link.proved.into()).collect()),
        ])?;
        let want = self.conn.prepare_cached(
            "INSERT INTO photo_wanted (town, slot, hash)
             SELECT DISTINCT s.town, s.slot, w.hash FROM unnest($3::text[]) AS w (hash), slot s
             WHERE s.slot = $2 AND NOT EXISTS (SELECT 1 FROM photo p WHERE p.town = $1 AND p.hash = w.hash) ON CONFLICT DO NOTHING",
        )?;
        want.later(params![self.town.0, int(slot.0), hashes])
    }

    fn put_upload(&mut self, upload: &Upload) -> Result<(), StoreError> {
        let query = self.conn.prepare_cached(
            "INSERT INTO upload (id, town, user_id, device, hash, length, begun, done)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
             ON CONFLICT (id) DO UPDATE SET done = excluded.done",
        )?;
        query.execute(params![
            upload.id.as_bytes(),
            self.town.0,
            upload.user.0.as_bytes(),
            upload.device.as_ref().map(|device| device.0.as_bytes().as_slice()).unwrap_or_default(),
            upload.hash.as_str(),
            int(upload.length),
            ms(upload.begun),
            upload.done,
        ])?;
        Ok(())
    }

    fn drop_upload(&mut self, id: Uuid) -> Result<(), StoreError> {
        let query = self.conn.prepare_cached("DELETE FROM upload WHERE town = $1 AND id = $2")?;
        query.execute(params![self.town.0, id.as_bytes()])?;
        Ok(())
    }

    fn put_batch(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let query = self.conn.prepare_cached(
            "INSERT INTO batch (id, town, scope, format, masked, after_open, after_restricted, upto_open, upto_restricted,
                 at, user_id, manifest) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
             ON CONFLICT (id) DO UPDATE SET manifest = excluded.manifest",
        )?;
        let user = batch.user.as_ref().map(|user| user.0.as_bytes().as_slice());
        query.execute(params![
            batch.id.as_bytes(),
            self.town.0,
            areas_text(&batch.scope),
            batch.format,
            batch.masked,
            int(batch.after.0),
            int(batch.after.1),
            int(batch.upto.0),
            int(batch.upto.1),
            ms(batch.at),
            user,
            batch.manifest,
        ])?;
        Ok(())
    }
}

/// Who an edit says wrote it, as its text says it; empty where it says nobody.
pub(super) fn author(edit: &Edit) -> String {
    edit.author.user.map(|user| user.to_string()).unwrap_or_default()
}

/// What an edit writes at a path, if it is of this kind.
pub(super) fn written<T: serde::de::DeserializeOwned>(edit: &Edit, path: &str) -> Option<T> {
    let (_, value) = edit.writes.iter().find(|(at, _)| at.as_str() == path)?;
    serde_json::from_str(&to_json("value", value).ok()?).ok()
}
