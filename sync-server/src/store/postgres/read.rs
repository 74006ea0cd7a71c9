//! Reading one town at one moment.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::value::RawValue;
use shared::area::AreaId;
use shared::ids::{EditId, PhotoHash, RecordId, Slot, UserId};
use shared::record::Part;
use uuid::Uuid;

use super::ahead::{KnownAnswer, Table};
use super::columns::{areas, count, from_json, int, photo_hash, time, uuid};
use super::global::{DEVICE, USER, device, user};
use super::parts::{columns_of, load, stored_part};
use super::sql::{Row, Value, params};
use super::uploads::{UPLOAD, upload};
use super::{Fetched, InTown};
use crate::store::common::in_town;
use crate::store::{
    Answering, Audit, AuditFilter, Audited, Batch, Decision, Device, FeedEntry, Near, Origin, PartFilter, Photo,
    PhotoLink, Quarantined, Read, SeenEdit, SlotRow, Standing, StoreError, StoredEdit, StoredPart, Upload, User,
};
use crate::sync::incoming::Unreadable;

const QUARANTINED: &str = "q.body, q.received, q.reason, q.decision, q.vector, coalesce(s.label, ''), q.slot, q.note, \
                           q.withdrawn";

fn quarantined(row: &Row) -> Result<Quarantined, StoreError> {
    let decision: String = row.get(3)?;
    let vector: String = row.get(4)?;
    Ok(Quarantined {
        edit: from_json("quarantined edit", &row.get::<String>(0)?)?,
        received: time(row.get(1)?),
        rejection: from_json("reason of a quarantined edit", &row.get::<String>(2)?)?,
        decision: match decision.as_str() {
            "released" => Some(Decision::Released(from_json("vector", &vector)?)),
            "dismissed" => Some(Decision::Dismissed(row.get(7)?)),
            _ if row.get::<i64>(8)? > 0 => Some(Decision::Withdrawn),
            _ => None,
        },
        origin: row.get(5)?,
        slot: Slot(count(row.get(6)?)),
    })
}

fn batch(row: &Row) -> Result<Batch, StoreError> {
    let user: Option<Vec<u8>> = row.get(9)?;
    Ok(Batch {
        id: uuid(&row.get::<Vec<u8>>(0)?)?,
        scope: areas(&row.get::<String>(1)?),
        format: row.get(2)?,
        masked: row.get(3)?,
        after: (count(row.get(4)?), count(row.get(5)?)),
        upto: (count(row.get(6)?), count(row.get(7)?)),
        at: time(row.get(8)?),
        user: user.as_deref().map(uuid).transpose()?.map(UserId),
        manifest: row.get(10)?,
        erased: row.get::<Option<i64>>(11)?.map(time),
    })
}

const BATCH: &str = "id, scope, format, masked, after_open, after_restricted, upto_open, upto_restricted, at, user_id, manifest, \
     erased";

/// Photos that the user of a slot owes.
pub(super) const WANTED: &str = "SELECT hash FROM photo_wanted
    WHERE town = $1 AND slot IN (SELECT slot FROM device WHERE user_id = (SELECT user_id FROM device WHERE slot = $2))
    GROUP BY hash ORDER BY bool_or(slot = $2) DESC, hash LIMIT $3";

pub(super) fn wanted_row(row: &Row) -> Result<PhotoHash, StoreError> {
    photo_hash(row.get(0)?)
}

/// How a town stands.
pub(super) const STANDING: &str = "SELECT (SELECT value FROM meta WHERE key = 'directory_version'),
    (SELECT value FROM meta WHERE key = 'epoch'), (SELECT count(*) FROM edition WHERE town = $1),
    coalesce((SELECT last FROM sequence WHERE town = $1 AND part = 'open'), 0),
    coalesce((SELECT last FROM sequence WHERE town = $1 AND part = 'restricted'), 0),
    coalesce((SELECT last FROM sequence WHERE town = $1 AND part = 'decided'), 0)";

pub(super) fn standing_row(row: &Row) -> Result<Standing, StoreError> {
    Ok(Standing {
        directory: from_json("directory version", row.text(0)?)?,
        epoch: from_json("epoch", row.text(1)?)?,
        editions: usize::try_from(count(row.get(2)?)).unwrap_or(usize::MAX),
        open: count(row.get(3)?),
        restricted: count(row.get(4)?),
        decided: count(row.get(5)?),
    })
}

/// A writer, as [`slot_row`] reads it.
pub(super) const SLOT: &str = "SELECT town, origin, label, high_water FROM slot WHERE slot = $1";

pub(super) fn slot_row(slot: Slot, row: &Row) -> Result<SlotRow, StoreError> {
    let origin: String = row.get(1)?;
    Ok(SlotRow {
        slot,
        town: AreaId(row.get(0)?),
        origin: Origin::from_code(&origin)
            .ok_or_else(|| StoreError::Corrupt { what: "origin of a slot".to_owned(), why: origin })?,
        label: row.get(2)?,
        high_water: count(row.get(3)?),
    })
}

impl Read for InTown<'_> {
    fn town(&self) -> AreaId {
        self.town
    }

    fn load_many(&self, keys: &[(RecordId, Part)]) -> Result<Vec<StoredPart>, StoreError> {
        if let Some(known) = self.known_parts(keys) {
            return Ok(known);
        }
        let (records, parts) = columns_of(keys);
        self.prepare(&load())?.map(params![self.town.0, records, parts], stored_part)
    }

    fn each_part(
        &self,
        filter: &PartFilter,
        each: &mut dyn FnMut(StoredPart) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        self.each_wanted(filter, each)
    }

    fn count_parts(&self, filter: &PartFilter) -> Result<u64, StoreError> {
        let wanted = self.wanted_parts(filter)?;
        let query = self.conn.prepare_cached(&format!("SELECT count(*) FROM part p WHERE {}", wanted.sql))?;
        query.one(&wanted.args, |row| Ok(count(row.get(0)?)))
    }

    fn feed_near(
        &self,
        of: Part,
        after: u64,
        near: &Near,
        each: &mut dyn FnMut(FeedEntry) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        self.walk_feed(of, after, near, each)
    }

    fn feed_state(&self, row: i64) -> Result<String, StoreError> {
        self.state_at(row)
    }

    fn told_state(&self, part: Part, seq: u64, row: i64) -> Result<Arc<RawValue>, StoreError> {
        if let Some(Fetched::Told(state)) = self.fetched.borrow().get(&row) {
            return Ok(Arc::clone(state));
        }
        let key = (self.town, part, seq);
        self.states.get(&key).map_or_else(|| self.states.keep(key, self.state_at(row)?), Ok)
    }

    fn look_ahead_for(&self, asked: &Answering) -> Result<(), StoreError> {
        self.ask_for_answer(asked)
    }

    fn standing(&self) -> Result<Standing, StoreError> {
        if let Some(known) = self.known_answer() {
            return Ok(known.standing);
        }
        self.conn.prepare_cached(STANDING)?.one(params![self.town.0], standing_row)
    }

    fn last_seq(&self, part: Part) -> Result<u64, StoreError> {
        let query = self.conn.prepare_cached("SELECT last FROM sequence WHERE town = $1 AND part = $2")?;
        let last: Option<i64> = query.first(params![self.town.0, part.code()], |row| row.get(0))?;
        Ok(last.map_or(0, count))
    }

    fn edits_of(&self, record: RecordId) -> Result<Vec<StoredEdit>, StoreError> {
        let query = self.conn.prepare_cached(
            "SELECT e.body, e.received, e.vector, s.label FROM edit e JOIN slot s ON s.slot = e.slot
             WHERE e.town = $1 AND e.record = $2 ORDER BY e.row",
        )?;
        let mut rows = query.rows(params![self.town.0, record.0.as_bytes()])?;
        let mut edits = Vec::new();
        while let Some(row) = rows.next()? {
            edits.push(StoredEdit {
                edit: from_json("edit", &row.get::<String>(0)?)?,
                received: time(row.get(1)?),
                vector: from_json("vector", &row.get::<String>(2)?)?,
                origin: row.get(3)?,
            });
        }
        Ok(edits)
    }

    fn outcomes(&self, edits: &[EditId]) -> Result<Vec<SeenEdit>, StoreError> {
        // The first outcome of a released edit was the rejection.
        let mut found = BTreeMap::new();
        for seen in self.seen(edits, |table| (table == Table::Erased, table))? {
            found.entry(seen.edit).or_insert(seen.outcome);
        }
        Ok(edits.iter().filter_map(|edit| Some(SeenEdit { edit: *edit, outcome: found.get(edit)?.clone() })).collect())
    }

    fn quarantine(&self, open: bool, limit: usize) -> Result<Vec<Quarantined>, StoreError> {
        let sql = format!(
            "SELECT {QUARANTINED} FROM quarantine q LEFT JOIN slot s ON s.slot = q.slot
             WHERE q.town = $1 AND (NOT $2 OR (q.decision = '' AND q.withdrawn = 0)) ORDER BY q.row DESC LIMIT $3"
        );
        let query = self.conn.prepare_cached(&sql)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        query.map(params![self.town.0, open, limit], quarantined)
    }

    fn quarantined(&self, edit: EditId) -> Result<Option<Quarantined>, StoreError> {
        let sql = format!(
            "SELECT {QUARANTINED} FROM quarantine q LEFT JOIN slot s ON s.slot = q.slot WHERE q.town = $1 AND q.id = $2"
        );
        let query = self.conn.prepare_cached(&sql)?;
        query.first(params![self.town.0, edit.0.as_bytes()], quarantined)
    }

    fn quarantined_of(&self, record: RecordId) -> Result<Vec<Quarantined>, StoreError> {
        let sql = format!(
            "SELECT {QUARANTINED} FROM quarantine q LEFT JOIN slot s ON s.slot = q.slot
             WHERE q.town = $1 AND q.record = $2 ORDER BY q.row"
        );
        let query = self.conn.prepare_cached(&sql)?;
        query.map(params![self.town.0, record.0.as_bytes()], quarantined)
    }

    fn unreadable(&self) -> Result<Vec<Unreadable>, StoreError> {
        let query = self
            .conn
            .prepare_cached("SELECT id, record, slot, n, body FROM unreadable WHERE town = $1 ORDER BY row")?;
        let mut rows = query.rows(params![self.town.0])?;
        let mut kept = Vec::new();
        while let Some(row) = rows.next()? {
            kept.push(Unreadable {
                id: EditId(uuid(&row.get::<Vec<u8>>(0)?)?),
                record: uuid(&row.get::<Vec<u8>>(1)?).ok().map(RecordId),
                dot: (Slot(count(row.get(2)?)), count(row.get(3)?)).into(),
                raw: row.get(4)?,
            });
        }
        Ok(kept)
    }

    fn has_quarantined(&self, record: RecordId) -> Result<bool, StoreError> {
        let query = self.conn.prepare_cached(
            "SELECT 1 FROM quarantine WHERE town = $1 AND record = $2
             UNION ALL SELECT 1 FROM unreadable WHERE town = $1 AND record = $2 LIMIT 1",
        )?;
        query.exists(params![self.town.0, record.0.as_bytes()])
    }

    fn users(&self) -> Result<Vec<User>, StoreError> {
        let sql = format!("SELECT {USER} FROM users u WHERE u.town = $1 ORDER BY u.name, u.id");
        let query = self.conn.prepare_cached(&sql)?;
        query.map(params![self.town.0], |row| user(row, 0))
    }

    fn user(&self, id: UserId) -> Result<Option<User>, StoreError> {
        let sql = format!("SELECT {USER} FROM users u WHERE u.town = $1 AND u.id = $2");
        let query = self.conn.prepare_cached(&sql)?;
        query.first(params![self.town.0, id.0.as_bytes()], |row| user(row, 0))
    }

    fn devices(&self) -> Result<Vec<Device>, StoreError> {
        let sql =
            format!("SELECT {DEVICE} FROM device d WHERE d.town = $1 ORDER BY d.seen DESC NULLS LAST, d.enrolled DESC");
        let query = self.conn.prepare_cached(&sql)?;
        query.map(params![self.town.0], |row| device(row, 0))
    }

    fn slot(&self, slot: Slot) -> Result<Option<SlotRow>, StoreError> {
        if let Some(known) = self.known_slot(slot) {
            return Ok(known);
        }
        if let Some(known) = self.known_answer().filter(|known| known.asked.slot == slot) {
            return Ok(known.slot.clone());
        }
        self.conn.prepare_cached(SLOT)?.first(params![int(slot.0)], |row| slot_row(slot, row))
    }

    fn audits(&self, limit: usize) -> Result<Vec<Audit>, StoreError> {
        let newest = self.audit_entries(&AuditFilter { limit, ..AuditFilter::default() })?;
        Ok(newest.iter().map(|(entry, _)| entry.audit()).collect())
    }

    fn meta(&self, key: &str) -> Result<Option<String>, StoreError> {
        let query = self.conn.prepare_cached("SELECT value FROM meta WHERE key = $1")?;
        query.first(params![in_town(self.town, key)], |row| row.get(0))
    }

    fn photo(&self, hash: &PhotoHash) -> Result<Option<Photo>, StoreError> {
        let query = self.conn.prepare_cached("SELECT bytes, received FROM photo WHERE town = $1 AND hash = $2")?;
        let found = query.first(params![self.town.0, hash.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(found.map(|(bytes, received)| Photo { hash: hash.clone(), bytes: count(bytes), received: time(received) }))
    }

    fn photo_senders(&self, hash: &PhotoHash) -> Result<Vec<UserId>, StoreError> {
        let query = self.conn.prepare_cached("SELECT user_id FROM photo_sender WHERE town = $1 AND hash = $2")?;
        query.map(params![self.town.0, hash.as_str()], |row| Ok(UserId(uuid(&row.get::<Vec<u8>>(0)?)?)))
    }

    fn photo_links(&self, hash: &PhotoHash) -> Result<Vec<PhotoLink>, StoreError> {
        let query =
            self.conn.prepare_cached("SELECT record, user_id, proved FROM photo_link WHERE town = $1 AND hash = $2")?;
        query.map(params![self.town.0, hash.as_str()], |row| {
            let user: Vec<u8> = row.get(1)?;
            let user = if user.is_empty() { None } else { Some(UserId(uuid(&user)?)) };
            let record = RecordId(uuid(&row.get::<Vec<u8>>(0)?)?);
            Ok(PhotoLink { hash: hash.clone(), record, user, proved: row.get(2)? })
        })
    }

    fn wanted(&self, slot: Slot, limit: usize) -> Result<Vec<PhotoHash>, StoreError> {
        let asked = |known: &&KnownAnswer| known.asked.slot == slot && known.asked.wanted == limit;
        if let Some(known) = self.known_answer().filter(asked) {
            return Ok(known.wanted.clone());
        }
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.conn.prepare_cached(WANTED)?.map(params![self.town.0, int(slot.0), limit], wanted_row)
    }

    fn upload(&self, id: Uuid) -> Result<Option<Upload>, StoreError> {
        let sql = format!("SELECT {UPLOAD} FROM upload WHERE town = $1 AND id = $2");
        let query = self.conn.prepare_cached(&sql)?;
        query.first(params![self.town.0, id.as_bytes()], upload)
    }

    fn batches(&self, limit: usize) -> Result<Vec<Batch>, StoreError> {
        let sql = format!("SELECT {BATCH} FROM batch WHERE town = $1 ORDER BY row DESC LIMIT $2");
        let query = self.conn.prepare_cached(&sql)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        query.map(params![self.town.0, limit], batch)
    }

    fn batch(&self, id: Uuid) -> Result<Option<Batch>, StoreError> {
        let sql = format!("SELECT {BATCH} FROM batch WHERE town = $1 AND id = $2");
        let query = self.conn.prepare_cached(&sql)?;
        query.first(params![self.town.0, id.as_bytes()], batch)
    }
}

/// Ids of records as a parameter.
pub(super) fn records_of(records: &BTreeSet<RecordId>) -> Value {
    Value::Blobs(records.iter().map(|record| record.0.as_bytes().to_vec()).collect())
}

/// Ids of edits as a parameter.
pub(super) fn ids(edits: &[EditId]) -> Value {
    Value::Blobs(edits.iter().map(|edit| edit.0.as_bytes().to_vec()).collect())
}
