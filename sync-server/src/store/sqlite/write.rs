//! Writing inside one town's transaction.

use chrono::{DateTime, Utc};
use rusqlite::params;
use shared::area::Area;
use shared::ids::{DeviceId, EditId, Slot, UserId};
use shared::record::Part;
use shared::wire::Rejection;
use uuid::Uuid;

use super::InTown;
use super::columns::{self, areas_text, int, key_text, ms, to_json, users_text};
use super::doubts::next_decision;
use crate::store::common::{body, in_town};
use crate::store::{
    Audit, Batch, Decision, Departure, Device, DeviceSeen, EnrolCode, Fate, Photo, PhotoLink, Quarantined, Session,
    SlotRow, StoreError, StoredEdit, StoredPart, Tx, Upload, User,
};
use crate::sync::incoming::Unreadable;

/// Names what already existed when a unique column refused a row.
pub(super) fn unique(what: &'static str) -> impl Fn(rusqlite::Error) -> StoreError {
    move |error| match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::ConstraintViolation) => StoreError::Exists(what),
        _ => error.into(),
    }
}

impl InTown<'_> {
    /// Tells every holder of a set-up or a tree that theirs is old.
    fn directory_changed(&self) -> Result<(), StoreError> {
        self.conn
            .prepare_cached(
                "UPDATE meta SET value = CAST(CAST(value AS INTEGER) + 1 AS TEXT) WHERE key = 'directory_version'",
            )?
            .execute([])?;
        Ok(())
    }
}

impl Tx for InTown<'_> {
    fn take_seqs(&mut self, part: Part, count: u64) -> Result<u64, StoreError> {
        let mut query = self.conn.prepare_cached(
            "INSERT INTO sequence (town, part, last) VALUES (?1, ?2, ?3)
             ON CONFLICT (town, part) DO UPDATE SET last = last + ?3 RETURNING last - ?3 + 1",
        )?;
        let first: i64 = query.query_row(params![self.town.0, part.code(), int(count)], |row| row.get(0))?;
        Ok(columns::count(first))
    }

    fn save_many(&mut self, parts: &[StoredPart]) -> Result<(), StoreError> {
        // Most of what is written lies where it lay: two of the indexes then need not be touched.
        let mut same_place = self.conn.prepare_cached(
            "UPDATE part SET seq = ?1, readers = ?2, anonymous = ?3, open_fields = ?4, title = ?5, words = ?6, state = ?7
             WHERE town = ?8 AND record = ?9 AND part = ?10 AND areas = ?11 AND deleted = ?12 AND merged_into = ?13
                 AND visit = ?14 AND missing = ?15",
        )?;
        let mut query = self.conn.prepare_cached(
            "INSERT INTO part (town, record, part, kind, seq, areas, readers, anonymous, open_fields, deleted, title, words, state,
                 merged_into, visit, missing)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)
             ON CONFLICT (town, record, part) DO UPDATE SET seq = excluded.seq, areas = excluded.areas,
                 readers = excluded.readers, anonymous = excluded.anonymous, open_fields = excluded.open_fields,
                 deleted = excluded.deleted, title = excluded.title, words = excluded.words, state = excluded.state,
                 merged_into = excluded.merged_into, visit = excluded.visit,
                 missing = excluded.missing",
        )?;
        for part in parts {
            let (areas, readers) = (areas_text(&part.areas), users_text(&part.readers));
            let merged_into = part.merged_into.map(|id| id.to_string()).unwrap_or_default();
            let stood = same_place.execute(params![
                int(part.seq),
                readers,
                part.anonymous,
                part.open_fields,
                part.title,
                part.words,
                part.state,
                self.town.0,
                part.record.0.as_bytes(),
                part.part.code(),
                areas,
                part.deleted,
                merged_into,
                part.visit,
                part.missing,
            ])?;
            if stood == 0 {
                query.execute(params![
                    self.town.0,
                    part.record.0.as_bytes(),
                    part.part.code(),
                    part.kind.code(),
                    int(part.seq),
                    areas,
                    readers,
                    part.anonymous,
                    part.open_fields,
                    part.deleted,
                    part.title,
                    part.words,
                    part.state,
                    merged_into,
                    part.visit,
                    part.missing,
                ])?;
            }
            self.save_event(part)?;
        }
        Ok(())
    }

    fn forget_beside(&mut self) -> Result<(), StoreError> {
        for sql in ["DELETE FROM event WHERE town = ?1", "DELETE FROM event_count WHERE town = ?1"] {
            self.conn.prepare_cached(sql)?.execute(params![self.town.0])?;
        }
        Ok(())
    }

    fn save_beside(&mut self, part: &StoredPart) -> Result<(), StoreError> {
        self.save_missing(part)?;
        self.save_event(part)
    }

    fn note_departures(&mut self, departures: &[Departure]) -> Result<(), StoreError> {
        let mut put = self.conn.prepare_cached(
            "INSERT INTO departed (town, part, record, key, seq) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (town, part, record, key) DO UPDATE SET seq = excluded.seq, erased = ''",
        )?;
        let mut back = self
            .conn
            .prepare_cached("DELETE FROM departed WHERE town = ?1 AND part = ?2 AND record = ?3 AND key = ?4")?;
        for departure in departures {
            let (part, record, key) = (departure.part.code(), departure.record.0.as_bytes(), key_text(departure.key));
            match departure.seq {
                Some(seq) => put.execute(params![self.town.0, part, record, key, int(seq)])?,
                None => back.execute(params![self.town.0, part, record, key])?,
            };
        }
        Ok(())
    }

    fn save_edits(&mut self, edits: &[StoredEdit]) -> Result<(), StoreError> {
        let mut query = self.conn.prepare_cached(
            "INSERT INTO edit (id, town, record, slot, n, received, vector, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?;
        for StoredEdit { edit, received, vector, .. } in edits {
            query.execute(params![
                edit.id.0.as_bytes(),
                self.town.0,
                edit.record.0.as_bytes(),
                int(edit.dot.slot.0),
                int(edit.dot.n),
                ms(*received),
                to_json("vector", vector)?,
                body(edit)?,
            ])?;
        }
        Ok(())
    }

    fn put_quarantined(&mut self, edits: &[Quarantined]) -> Result<(), StoreError> {
        let mut query = self.conn.prepare_cached(
            "INSERT INTO quarantine (id, town, record, slot, received, reason, body, decision, vector, decided)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, '', '', 0)",
        )?;
        for Quarantined { edit, slot, received, rejection, .. } in edits {
            query.execute(params![
                edit.id.0.as_bytes(),
                self.town.0,
                edit.record.0.as_bytes(),
                int(slot.0),
                ms(*received),
                to_json("reason", rejection)?,
                body(edit)?,
            ])?;
        }
        Ok(())
    }

    fn put_unreadable(
        &mut self,
        slot: Slot,
        received: DateTime<Utc>,
        edit: &Unreadable,
        why: &Rejection,
    ) -> Result<(), StoreError> {
        let mut query = self.conn.prepare_cached(
            "INSERT INTO unreadable (id, town, record, slot, n, received, reason, body)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
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
        let mut query = self.conn.prepare_cached(
            "UPDATE quarantine SET decision = ?3, vector = ?4, note = ?5, decided = ?6
             WHERE town = ?1 AND id = ?2 AND decision = '' AND withdrawn = 0",
        )?;
        match query.execute(params![self.town.0, edit.0.as_bytes(), decision, vector, note, int(number)])? {
            0 => Err(StoreError::Missing("the undecided edit")),
            _ => Ok(()),
        }
    }

    fn put_slot(&mut self, slot: &SlotRow) -> Result<(), StoreError> {
        let mut query = self
            .conn
            .prepare_cached("INSERT INTO slot (slot, town, origin, label, high_water) VALUES (?1, ?2, ?3, ?4, ?5)")?;
        query
            .execute(params![int(slot.slot.0), slot.town.0, slot.origin.code(), slot.label, int(slot.high_water)])
            .map_err(unique("the slot"))?;
        Ok(())
    }

    fn set_high_water(&mut self, slot: Slot, n: u64) -> Result<(), StoreError> {
        let mut query = self.conn.prepare_cached("UPDATE slot SET high_water = ?2 WHERE slot = ?1")?;
        match query.execute(params![int(slot.0), int(n)])? {
            0 => Err(StoreError::Missing("the slot")),
            _ => Ok(()),
        }
    }

    fn put_areas(&mut self, areas: &[Area]) -> Result<(), StoreError> {
        let mut query = self.conn.prepare_cached(
            "INSERT INTO area (id, parent, level, name, code, outline, closed) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
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
        let mut query = self.conn.prepare_cached(
            "INSERT INTO user (id, town, name, login, role, scope, cleared, may_unmask, password, active)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
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
        let mut query = self.conn.prepare_cached(
            "INSERT INTO device (id, town, user, slot, name, token, enrolled, expires, parted_from, seen, app, battery,
                 clock_off, undelivered, fate, fate_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, NULL, '', NULL, 0, 0, ?10, ?11)",
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
        let mut query = self.conn.prepare_cached(
            "UPDATE device SET seen = ?2, app = ?3, battery = ?4, clock_off = ?5, undelivered = ?6, web_view = ?7 WHERE id = ?1",
        )?;
        query.execute(params![
            id.0.as_bytes(),
            ms(seen.at),
            seen.app,
            seen.battery,
            seen.clock_off,
            seen.undelivered,
            seen.web_view
        ])?;
        Ok(())
    }

    fn expire_device(&mut self, id: DeviceId, at: DateTime<Utc>) -> Result<(), StoreError> {
        let mut query = self.conn.prepare_cached(
            "WITH RECURSIVE chain (id) AS (
                 SELECT ?2 UNION SELECT d.parted_from FROM device d JOIN chain c ON d.id = c.id
                 WHERE d.parted_from IS NOT NULL)
             UPDATE device SET expires = min(expires, ?3) WHERE town = ?1 AND id IN (SELECT id FROM chain)",
        )?;
        match query.execute(params![self.town.0, id.0.as_bytes(), ms(at)])? {
            0 => Err(StoreError::Missing("the device")),
            _ => Ok(()),
        }
    }

    fn doom_device(&mut self, id: DeviceId, fate: Fate, at: DateTime<Utc>) -> Result<(), StoreError> {
        // What it went on from, and what went on from it; not what else went on from the former: that may be another one.
        let mut query = self.conn.prepare_cached(
            "WITH RECURSIVE
                 up (id) AS (SELECT ?2 UNION SELECT d.parted_from FROM device d JOIN up ON d.id = up.id
                             WHERE d.parted_from IS NOT NULL),
                 down (id) AS (SELECT ?2 UNION SELECT d.id FROM device d JOIN down ON d.parted_from = down.id)
             UPDATE device SET
                 fate = iif(instr(?5, '''' || fate || ''''), fate, ?3),
                 fate_at = iif(instr(?5, '''' || fate || ''''), fate_at, ?4)
             WHERE town = ?1 AND id IN (SELECT id FROM up UNION SELECT id FROM down)",
        )?;
        let stronger = Fate::ALL.into_iter().filter(|it| it.stands_against(fate));
        let stronger = stronger.map(|it| format!("'{}'", it.code())).collect::<Vec<_>>().join(",");
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
        let mut query = self.conn.prepare_cached(
            "UPDATE device SET turn = ?3, turned = ?4, expires = ?5 WHERE town = ?1 AND id = ?2 AND turn < ?3",
        )?;
        query.execute(params![self.town.0, id.0.as_bytes(), turn, ms(at), ms(ends)])?;
        Ok(())
    }

    fn double_device(&mut self, id: DeviceId, at: DateTime<Utc>) -> Result<bool, StoreError> {
        let mut query = self
            .conn
            .prepare_cached("UPDATE device SET doubled = ?3 WHERE town = ?1 AND id = ?2 AND doubled IS NULL")?;
        Ok(query.execute(params![self.town.0, id.0.as_bytes(), ms(at)])? == 1)
    }

    fn put_enrol_code(&mut self, code: &EnrolCode) -> Result<(), StoreError> {
        let mut query =
            self.conn.prepare_cached("INSERT INTO enrol_code (hash, town, user, expires) VALUES (?1, ?2, ?3, ?4)")?;
        query
            .execute(params![code.hash, code.town.0, code.user.0.as_bytes(), ms(code.expires)])
            .map_err(unique("the code"))?;
        Ok(())
    }

    fn use_enrol_code(&mut self, hash: &[u8; 32]) -> Result<bool, StoreError> {
        let mut query = self.conn.prepare_cached("DELETE FROM enrol_code WHERE town = ?1 AND hash = ?2")?;
        Ok(query.execute(params![self.town.0, hash])? == 1)
    }

    fn put_session(&mut self, session: &Session) -> Result<(), StoreError> {
        let mut query = self.conn.prepare_cached(
            "INSERT INTO session (hash, town, user, csrf, expires, seen, second) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
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
        let mut query = self.conn.prepare_cached("DELETE FROM session WHERE hash = ?1 OR expires <= ?2")?;
        query.execute(params![hash, ms(now)])?;
        Ok(())
    }

    fn put_audit(&mut self, audit: &Audit) -> Result<(), StoreError> {
        self.write_down(audit)
    }

    fn note_look(&mut self, id: Uuid) -> Result<bool, StoreError> {
        let mut query =
            self.conn.prepare_cached("INSERT INTO look (town, id) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?;
        Ok(query.execute(params![self.town.0, id.as_bytes()])? == 1)
    }

    fn set_meta(&mut self, key: &str, value: &str) -> Result<(), StoreError> {
        let mut query = self.conn.prepare_cached(
            "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        )?;
        query.execute(params![in_town(self.town, key), value])?;
        Ok(())
    }

    fn put_photo(&mut self, photo: &Photo, sender: UserId) -> Result<(), StoreError> {
        let hash = photo.hash.as_str();
        self.conn
            .prepare_cached(
                "INSERT INTO photo (town, hash, bytes, received) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (town, hash) DO UPDATE SET received = max(received, excluded.received)",
            )?
            .execute(params![self.town.0, hash, int(photo.bytes), ms(photo.received)])?;
        self.conn
            .prepare_cached("INSERT INTO photo_sender (town, hash, user) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING")?
            .execute(params![self.town.0, hash, sender.0.as_bytes()])?;
        self.conn
            .prepare_cached("DELETE FROM photo_wanted WHERE town = ?1 AND hash = ?2")?
            .execute(params![self.town.0, hash])?;
        Ok(())
    }

    fn link_photos(&mut self, slot: Slot, links: &[PhotoLink]) -> Result<(), StoreError> {
        let mut link = self.conn.prepare_cached(
            "INSERT INTO photo_link (town, hash, record, user, proved) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (town, hash, record, user) DO UPDATE SET proved = max(proved, excluded.proved)",
        )?;
        let mut want = self.conn.prepare_cached(
            "INSERT INTO photo_wanted (town, slot, hash) SELECT s.town, s.slot, ?3 FROM slot s
             WHERE s.slot = ?2 AND NOT EXISTS (SELECT 1 FROM photo WHERE town = ?1 AND hash = ?3) ON CONFLICT DO NOTHING",
        )?;
        for PhotoLink { hash, record, user, proved } in links {
            let user = user.as_ref().map(|user| user.0.as_bytes().as_slice()).unwrap_or_default();
            link.execute(params![self.town.0, hash.as_str(), record.0.as_bytes(), user, proved])?;
            want.execute(params![self.town.0, int(slot.0), hash.as_str()])?;
        }
        Ok(())
    }

    fn put_upload(&mut self, upload: &Upload) -> Result<(), StoreError> {
        let mut query = self.conn.prepare_cached(
            "INSERT INTO upload (id, town, user, device, hash, length, begun, done)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
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
        let mut query = self.conn.prepare_cached("DELETE FROM upload WHERE town = ?1 AND id = ?2")?;
        query.execute(params![self.town.0, id.as_bytes()])?;
        Ok(())
    }

    fn put_batch(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let mut query = self.conn.prepare_cached(
            "INSERT INTO batch (id, town, scope, format, masked, after_open, after_restricted, upto_open, upto_restricted,
                 at, user, manifest) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
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
