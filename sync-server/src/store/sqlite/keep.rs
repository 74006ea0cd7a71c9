//! What backups, erasure and duplicates need, in SQL.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension, params};
use shared::ids::{Dot, EditId, PhotoHash, RecordId, Slot, UserId};
use shared::record::{Part, RecordKind};
use shared::view;
use shared::wire::Elsewhere;
use uuid::Uuid;

use super::InTown;
use super::columns::{areas, count, int, key, kind, ms, photo_hash, time, users, uuid};
use crate::store::{Erased, Gone, Keep, Kept, Overflown, Photo, ReaderKey, StoreError};

impl InTown<'_> {
    /// The ids of records that were merged into another, as bytes. There are few of them, and they are in an index of
    /// their own.
    pub(super) fn losers(&self) -> Result<BTreeSet<Vec<u8>>, StoreError> {
        let mut query = self.conn.prepare_cached(
            "SELECT record, merged_into FROM part INDEXED BY part_merged WHERE town = ?1 AND merged_into <> ''",
        )?;
        let mut rows = query.query(params![self.town.0])?;
        let mut into: BTreeMap<RecordId, RecordId> = BTreeMap::new();
        while let Some(row) = rows.next()? {
            if let Ok(winner) = row.get_ref(1)?.as_str().unwrap_or_default().parse() {
                into.insert(RecordId(uuid(row.get_ref(0)?.as_blob().unwrap_or_default())?), winner);
            }
        }
        let lost = into.keys().filter(|id| view::alias_of(**id, |id| into.get(&id).copied()) != **id);
        Ok(lost.map(|id| id.0.as_bytes().to_vec()).collect())
    }

    fn says_merged_into(&self, record: RecordId) -> Result<Option<RecordId>, StoreError> {
        let mut query = self.conn.prepare_cached(
            "SELECT merged_into FROM part INDEXED BY part_merged WHERE town = ?1 AND record = ?2 AND merged_into <> ''",
        )?;
        let into: Option<String> =
            query.query_row(params![self.town.0, record.0.as_bytes()], |row| row.get(0)).optional()?;
        Ok(into.and_then(|id| id.parse().ok()))
    }

    fn ids<T>(&self, sql: &str, record: RecordId, make: impl Fn(Uuid) -> T) -> Result<Vec<T>, StoreError> {
        let mut query = self.conn.prepare_cached(sql)?;
        let mut rows = query.query(params![self.town.0, record.0.as_bytes()])?;
        let mut ids = Vec::new();
        while let Some(row) = rows.next()? {
            ids.push(make(uuid(row.get_ref(0)?.as_blob().unwrap_or_default())?));
        }
        Ok(ids)
    }
}

/// What is held again in quarantine has no n; the last row that a backup holds is noted under this slot, which is nobody's.
const HELD: Slot = Slot(0);

impl Kept for InTown<'_> {
    fn backed_up(&self, slot: Slot) -> Result<u64, StoreError> {
        let mut query = self.conn.prepare_cached("SELECT n FROM backed_up WHERE slot = ?1")?;
        Ok(query.query_row(params![int(slot.0)], |row| row.get(0)).optional()?.map_or(0, count))
    }

    fn are_backed_up(&self, elsewhere: &Elsewhere) -> Result<bool, StoreError> {
        for dot in elsewhere.upto.iter() {
            if dot.n > self.backed_up(dot.slot)? {
                return Ok(false);
            }
        }
        let last = self.backed_up(HELD)?;
        let mut row = self.conn.prepare_cached("SELECT row FROM quarantine WHERE id = ?1")?;
        let mut others = self.conn.prepare_cached(
            "SELECT slot, n FROM edit WHERE id = ?1 UNION ALL SELECT slot, n FROM unreadable WHERE id = ?1
             UNION ALL SELECT slot, 0 FROM erased_edit WHERE id = ?1",
        )?;
        for id in &elsewhere.held {
            let of = params![id.0.as_bytes()];
            let held = match row.query_row(of, |row| row.get(0)).optional()? {
                Some(row) => count(row) <= last,
                // Another installation offered it and it was taken there, or it could not be read. Of what was erased there
                // is nothing to keep.
                None => match others.query_row(of, |row| Ok((row.get(0)?, row.get(1)?))).optional()? {
                    Some((slot, n)) => count(n) <= self.backed_up(Slot(count(slot)))?,
                    None => false,
                },
            };
            if !held {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn complete_upto(&self) -> Result<Vec<(Slot, u64)>, StoreError> {
        // A wanted photo whose edit is not found under this slot (it came first under another) holds all of it back.
        let mut query = self.conn.prepare_cached(
            "SELECT s.slot, min(s.high_water, coalesce(
                 (SELECT min(coalesce(
                      (SELECT min(n) FROM (
                           SELECT e.n FROM photo_link l JOIN edit e ON e.town = l.town AND e.record = l.record
                           WHERE l.town = w.town AND l.hash = w.hash AND e.slot = w.slot AND instr(e.body, w.hash) > 0
                           UNION ALL
                           SELECT json_extract(q.body, '$.dot[1]')
                           FROM photo_link l JOIN quarantine q ON q.town = l.town AND q.record = l.record
                           WHERE l.town = w.town AND l.hash = w.hash AND q.slot = w.slot AND instr(q.body, w.hash) > 0
                      )), 1)) - 1
                  FROM photo_wanted w WHERE w.town = s.town AND w.slot = s.slot), s.high_water))
             FROM slot s WHERE s.town = ?1 ORDER BY s.slot",
        )?;
        let rows = query.query_map(params![self.town.0], |row| Ok((Slot(count(row.get(0)?)), count(row.get(1)?))))?;
        let mut upto = rows.collect::<Result<Vec<_>, _>>()?;
        let mut last = self.conn.prepare_cached("SELECT coalesce(max(row), 0) FROM quarantine")?;
        upto.push((HELD, count(last.query_row([], |row| row.get(0))?)));
        Ok(upto)
    }

    fn overflown(&self) -> Result<Vec<Overflown>, StoreError> {
        let mut query = self.conn.prepare_cached(
            "SELECT s.slot, s.high_water, max(coalesce((SELECT max(n) FROM edit e WHERE e.slot = s.slot), 0),
                 coalesce((SELECT max(n) FROM unreadable u WHERE u.slot = s.slot), 0)) AS highest
             FROM slot s WHERE s.town = ?1 AND highest > s.high_water ORDER BY s.slot",
        )?;
        let rows = query.query_map(params![self.town.0], |row| {
            Ok(Overflown {
                slot: Slot(count(row.get(0)?)),
                high_water: count(row.get(1)?),
                highest: count(row.get(2)?),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn without_part(&self) -> Result<Vec<RecordId>, StoreError> {
        let mut query = self.conn.prepare_cached(
            "SELECT DISTINCT e.record FROM edit e WHERE e.town = ?1 AND NOT EXISTS (
                 SELECT 1 FROM part p
                 WHERE p.town = e.town AND p.record = e.record AND p.part = json_extract(e.body, '$.part'))",
        )?;
        let rows = query.query_and_then(params![self.town.0], |row| Ok(RecordId(uuid(&row.get::<_, Vec<u8>>(0)?)?)))?;
        rows.collect()
    }

    fn photos(&self) -> Result<Vec<Photo>, StoreError> {
        let mut query =
            self.conn.prepare_cached("SELECT hash, bytes, received FROM photo WHERE town = ?1 ORDER BY hash")?;
        let rows = query.query_and_then(params![self.town.0], |row| {
            Ok(Photo { hash: photo_hash(row.get(0)?)?, bytes: count(row.get(1)?), received: time(row.get(2)?) })
        })?;
        rows.collect()
    }

    fn erased_of(&self, records: &BTreeSet<RecordId>) -> Result<BTreeSet<RecordId>, StoreError> {
        let mut query = self.conn.prepare_cached("SELECT 1 FROM erased WHERE town = ?1 AND record = ?2")?;
        let mut found = BTreeSet::new();
        for record in records {
            if query.exists(params![self.town.0, record.0.as_bytes()])? {
                found.insert(*record);
            }
        }
        Ok(found)
    }

    fn ended_of(&self, edits: &[EditId]) -> Result<BTreeSet<EditId>, StoreError> {
        let mut query = self.conn.prepare_cached("SELECT 1 FROM ended_edit WHERE id = ?1")?;
        let mut found = BTreeSet::new();
        for edit in edits {
            if query.exists(params![edit.0.as_bytes()])? {
                found.insert(*edit);
            }
        }
        Ok(found)
    }

    fn erased(&self) -> Result<Vec<Erased>, StoreError> {
        let mut query =
            self.conn.prepare_cached("SELECT record, kind, at FROM erased WHERE town = ?1 ORDER BY record")?;
        let rows = query.query_and_then(params![self.town.0], |row| {
            Ok(Erased {
                record: RecordId(uuid(&row.get::<_, Vec<u8>>(0)?)?),
                kind: kind(&row.get::<_, String>(1)?)?,
                at: time(row.get(2)?),
            })
        })?;
        rows.collect()
    }

    fn holds_anything_of(&self, record: RecordId) -> Result<bool, StoreError> {
        let mut query = self.conn.prepare_cached(
            "SELECT 1 FROM part WHERE town = ?1 AND record = ?2
             UNION ALL SELECT 1 FROM edit WHERE town = ?1 AND record = ?2
             UNION ALL SELECT 1 FROM quarantine WHERE town = ?1 AND record = ?2
             UNION ALL SELECT 1 FROM unreadable WHERE town = ?1 AND record = ?2
             UNION ALL SELECT 1 FROM photo_link WHERE town = ?1 AND record = ?2 LIMIT 1",
        )?;
        Ok(query.exists(params![self.town.0, record.0.as_bytes()])?)
    }

    fn kind_refused(&self, record: RecordId) -> Result<Option<RecordKind>, StoreError> {
        let mut query = self.conn.prepare_cached(
            "SELECT json_extract(body, '$.kind') FROM quarantine WHERE town = ?1 AND record = ?2 LIMIT 1",
        )?;
        let code: Option<String> =
            query.query_row(params![self.town.0, record.0.as_bytes()], |row| row.get(0)).optional()?;
        code.as_deref().map(kind).transpose()
    }

    fn readers_ever(&self, record: RecordId) -> Result<BTreeSet<ReaderKey>, StoreError> {
        let mut keys = BTreeSet::new();
        let mut lies =
            self.conn.prepare_cached("SELECT areas, readers, visit FROM part WHERE town = ?1 AND record = ?2")?;
        let mut rows = lies.query(params![self.town.0, record.0.as_bytes()])?;
        while let Some(row) = rows.next()? {
            let by_scope = if row.get(2)? { ReaderKey::Visits } else { ReaderKey::Area };
            keys.extend(areas(row.get_ref(0)?.as_str().unwrap_or_default()).into_iter().map(by_scope));
            keys.extend(users(row.get_ref(1)?.as_str().unwrap_or_default()).into_iter().map(ReaderKey::User));
        }
        let mut left = self.conn.prepare_cached("SELECT key FROM departed WHERE town = ?1 AND record = ?2")?;
        let mut rows = left.query(params![self.town.0, record.0.as_bytes()])?;
        while let Some(row) = rows.next()? {
            keys.insert(key(row.get_ref(0)?.as_str().unwrap_or_default())?);
        }
        let wrote = "SELECT user FROM device WHERE slot IN (
                         SELECT slot FROM edit WHERE town = ?1 AND record = ?2
                         UNION SELECT slot FROM quarantine WHERE town = ?1 AND record = ?2
                         UNION SELECT slot FROM unreadable WHERE town = ?1 AND record = ?2)";
        keys.extend(self.ids(wrote, record, |id| ReaderKey::User(UserId(id)))?);
        Ok(keys)
    }

    fn is_erased_photo(&self, hash: &PhotoHash) -> Result<bool, StoreError> {
        let mut query = self.conn.prepare_cached(
            "SELECT 1 FROM erased_photo WHERE town = ?1 AND hash = ?2
             AND NOT EXISTS (SELECT 1 FROM photo_link WHERE town = ?1 AND hash = ?2)",
        )?;
        Ok(query.exists(params![self.town.0, hash.as_str()])?)
    }

    fn erased_photos(&self) -> Result<Vec<PhotoHash>, StoreError> {
        let mut query = self.conn.prepare_cached("SELECT hash FROM erased_photo WHERE town = ?1 ORDER BY hash")?;
        query.query_and_then(params![self.town.0], |row| photo_hash(row.get(0)?))?.collect()
    }

    fn refused_about(&self) -> Result<Vec<(RecordId, RecordId)>, StoreError> {
        let mut query = self.conn.prepare_cached(
            "SELECT DISTINCT record, body ->> '$.writes.subject' FROM quarantine
             WHERE town = ?1 AND body ->> '$.kind' = 'event' AND body ->> '$.writes.subject' IS NOT NULL",
        )?;
        let mut rows = query.query(params![self.town.0])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            // Whatever else was written there is nobody's id.
            if let Ok(about) = row.get_ref(1)?.as_str().unwrap_or_default().parse() {
                found.push((RecordId(uuid(row.get_ref(0)?.as_blob().unwrap_or_default())?), about));
            }
        }
        Ok(found)
    }

    fn photo_anywhere(&self, hash: &PhotoHash) -> Result<bool, StoreError> {
        let mut query = self.conn.prepare_cached("SELECT 1 FROM photo WHERE hash = ?1")?;
        Ok(query.exists(params![hash.as_str()])?)
    }

    fn batches_telling(&self, records: &BTreeSet<RecordId>) -> Result<Vec<Uuid>, StoreError> {
        let mut query = self.conn.prepare_cached("SELECT id, records FROM batch WHERE town = ?1 ORDER BY row")?;
        let mut rows = query.query(params![self.town.0])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let holds = match row.get_ref(1)?.as_blob_or_null().unwrap_or_default() {
                None => true,
                Some(ids) => records.iter().any(|record| ids.chunks_exact(16).any(|id| id == record.0.as_bytes())),
            };
            if holds {
                found.push(uuid(row.get_ref(0)?.as_blob().unwrap_or_default())?);
            }
        }
        Ok(found)
    }

    fn alias_of(&self, record: RecordId) -> Result<RecordId, StoreError> {
        let mut failed = None;
        let alias = view::alias_of(record, |id| {
            self.says_merged_into(id).unwrap_or_else(|error| {
                failed = Some(error);
                None
            })
        });
        failed.map_or(Ok(alias), Err)
    }

    fn merged_into(&self, record: RecordId) -> Result<Vec<RecordId>, StoreError> {
        let mut query = self.conn.prepare_cached(
            "SELECT record FROM part INDEXED BY part_merged
             WHERE town = ?1 AND merged_into <> '' AND merged_into = ?2
               AND kind = (SELECT kind FROM part WHERE town = ?1 AND record = ?3 AND part = 'open') ORDER BY record",
        )?;
        let mut rows = query.query(params![self.town.0, record.to_string(), record.0.as_bytes()])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(RecordId(uuid(row.get_ref(0)?.as_blob().unwrap_or_default())?));
        }
        Ok(found)
    }
}

impl Keep for InTown<'_> {
    fn note_backed_up(&mut self, upto: &[(Slot, u64)]) -> Result<(), StoreError> {
        let mut query = self.conn.prepare_cached(
            "INSERT INTO backed_up (slot, n) VALUES (?1, ?2) ON CONFLICT (slot) DO UPDATE SET n = max(n, excluded.n)",
        )?;
        for (slot, n) in upto {
            query.execute(params![int(slot.0), int(*n)])?;
        }
        Ok(())
    }

    fn want_photo_again(&mut self, hash: &PhotoHash) -> Result<bool, StoreError> {
        let of_it = params![self.town.0, hash.as_str()];
        if self.conn.prepare_cached("DELETE FROM photo WHERE town = ?1 AND hash = ?2")?.execute(of_it)? == 0 {
            return Ok(false);
        }
        for sql in [
            "DELETE FROM upload WHERE town = ?1 AND hash = ?2",
            "INSERT INTO photo_wanted (town, slot, hash)
             SELECT DISTINCT s.town, s.slot, ?2 FROM photo_link l JOIN edit e ON e.town = l.town AND e.record = l.record
             JOIN slot s ON s.slot = e.slot
             WHERE l.town = ?1 AND l.hash = ?2 AND instr(e.body, ?2) > 0
             UNION SELECT DISTINCT s.town, s.slot, ?2 FROM photo_link l
             JOIN quarantine q ON q.town = l.town AND q.record = l.record JOIN slot s ON s.slot = q.slot
             WHERE l.town = ?1 AND l.hash = ?2 AND instr(q.body, ?2) > 0
             ON CONFLICT DO NOTHING",
        ] {
            self.conn.prepare_cached(sql)?.execute(of_it)?;
        }
        Ok(true)
    }

    fn begin_epoch(&mut self, epoch: u32) -> Result<(), StoreError> {
        self.conn
            .prepare_cached("UPDATE meta SET value = ?1 WHERE key = 'epoch'")?
            .execute(params![epoch.to_string()])?;
        self.conn.execute_batch("DELETE FROM session; DELETE FROM enrol_code; DELETE FROM approval")?;
        Ok(())
    }

    fn erase(&mut self, erased: &Erased) -> Result<Gone, StoreError> {
        // What a deletion frees is overwritten, whatever becomes of the scrubbing afterwards.
        self.conn.pragma_update(None, "secure_delete", "ON")?;
        let done = self.take_out(erased);
        self.conn.pragma_update(None, "secure_delete", "OFF")?;
        done
    }

    fn empty_edits(&mut self, record: RecordId, part: Part, edits: &BTreeSet<EditId>) -> Result<(), StoreError> {
        self.conn.pragma_update(None, "secure_delete", "ON")?;
        let done = self.take_out_writes(record, part, edits);
        self.conn.pragma_update(None, "secure_delete", "OFF")?;
        done
    }

    fn put_erased_edit(&mut self, edit: EditId, dot: Dot) -> Result<(), StoreError> {
        self.conn
            .prepare_cached("INSERT INTO erased_edit (id, slot, n) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING")?
            .execute(params![edit.0.as_bytes(), int(dot.slot.0), int(dot.n)])?;
        Ok(())
    }

    fn put_batch_records(&mut self, batch: Uuid, records: &BTreeSet<RecordId>) -> Result<(), StoreError> {
        let ids: Vec<u8> = records.iter().flat_map(|id| *id.0.as_bytes()).collect();
        self.conn.prepare_cached("UPDATE batch SET records = ?3 WHERE town = ?1 AND id = ?2")?.execute(params![
            self.town.0,
            batch.as_bytes(),
            ids
        ])?;
        Ok(())
    }

    fn empty_batch(&mut self, batch: Uuid, at: DateTime<Utc>, manifest: &str) -> Result<(), StoreError> {
        self.conn
            .prepare_cached("UPDATE batch SET erased = ?3, manifest = ?4 WHERE town = ?1 AND id = ?2")?
            .execute(params![self.town.0, batch.as_bytes(), ms(at), manifest])?;
        Ok(())
    }
}
