//! What backups, erasure and duplicates need, in SQL.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use shared::ids::{Dot, EditId, PhotoHash, RecordId, Slot, UserId};
use shared::record::{Part, RecordKind};
use shared::view;
use shared::wire::Elsewhere;
use uuid::Uuid;

use super::InTown;
use super::ahead::{ENDED, edit_id, record_id};
use super::columns::{areas, count, int, key, kind, ms, photo_hash, time, users, uuid};
use super::read::{ids, records_of};
use super::sql::params;
use crate::store::{Erased, Gone, Keep, Kept, Overflown, Photo, ReaderKey, StoreError};

impl InTown<'_> {
    /// The ids of records that were merged into another, as bytes. There are few of them, and they are in an index of
    /// their own.
    pub(super) fn losers(&self) -> Result<BTreeSet<Vec<u8>>, StoreError> {
        let query =
            self.conn.prepare_cached("SELECT record, merged_into FROM part WHERE town = $1 AND merged_into <> ''")?;
        let mut rows = query.rows(params![self.town.0])?;
        let mut into: BTreeMap<RecordId, RecordId> = BTreeMap::new();
        while let Some(row) = rows.next()? {
            if let Ok(winner) = row.text(1)?.parse() {
                into.insert(RecordId(uuid(row.blob(0)?)?), winner);
            }
        }
        let lost = into.keys().filter(|id| view::alias_of(**id, |id| into.get(&id).copied()) != **id);
        Ok(lost.map(|id| id.0.as_bytes().to_vec()).collect())
    }

    fn says_merged_into(&self, record: RecordId) -> Result<Option<RecordId>, StoreError> {
        let query = self
            .conn
            .prepare_cached("SELECT merged_into FROM part WHERE town = $1 AND record = $2 AND merged_into <> ''")?;
        let into: Option<String> = query.first(params![self.town.0, record.0.as_bytes()], |row| row.get(0))?;
        Ok(into.and_then(|id| id.parse().ok()))
    }

    fn ids<T>(&self, sql: &str, record: RecordId, make: impl Fn(Uuid) -> T) -> Result<Vec<T>, StoreError> {
        let query = self.conn.prepare_cached(sql)?;
        let mut rows = query.rows(params![self.town.0, record.0.as_bytes()])?;
        let mut ids = Vec::new();
        while let Some(row) = rows.next()? {
            ids.push(make(uuid(row.blob(0)?)?));
        }
        Ok(ids)
    }
}

/// How far a slot is backed up.
pub(super) const BACKED_UP: &str = "SELECT n FROM backed_up WHERE slot = $1";

/// Those of these records that were erased.
pub(super) const ERASED: &str = "SELECT record FROM erased WHERE town = $1 AND record = ANY ($2)";

/// What is held again in quarantine has no n; the last row that a backup holds is noted under this slot, which is nobody's.
const HELD: Slot = Slot(0);

impl Kept for InTown<'_> {
    fn backed_up(&self, slot: Slot) -> Result<u64, StoreError> {
        if let Some(known) = self.known_answer().filter(|known| known.asked.slot == slot) {
            return Ok(known.backed_up);
        }
        Ok(self.conn.prepare_cached(BACKED_UP)?.first(params![int(slot.0)], |row| row.get(0))?.map_or(0, count))
    }

    fn are_backed_up(&self, elsewhere: &Elsewhere) -> Result<bool, StoreError> {
        for dot in elsewhere.upto.iter() {
            if dot.n > self.backed_up(dot.slot)? {
                return Ok(false);
            }
        }
        let last = self.backed_up(HELD)?;
        let row = self.conn.prepare_cached("SELECT row FROM quarantine WHERE id = $1")?;
        let others = self.conn.prepare_cached(
            "SELECT slot, n FROM edit WHERE id = $1 UNION ALL SELECT slot, n FROM unreadable WHERE id = $1
             UNION ALL SELECT slot, 0 FROM erased_edit WHERE id = $1",
        )?;
        for id in &elsewhere.held {
            let of = params![id.0.as_bytes()];
            let held = match row.first(of, |row| row.get(0))? {
                Some(row) => count(row) <= last,
                // Another installation offered it and it was taken there, or it could not be read. Of what was erased there
                // is nothing to keep.
                None => match others.first(of, |row| Ok((row.get(0)?, row.get(1)?)))? {
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
        let query = self.conn.prepare_cached(
            "SELECT s.slot, least(s.high_water, coalesce(
                 (SELECT min(coalesce(
                      (SELECT min(n) FROM (
                           SELECT e.n FROM photo_link l JOIN edit e ON e.town = l.town AND e.record = l.record
                           WHERE l.town = w.town AND l.hash = w.hash AND e.slot = w.slot AND strpos(e.body, w.hash) > 0
                           UNION ALL
                           SELECT q.dot_n
                           FROM photo_link l JOIN quarantine q ON q.town = l.town AND q.record = l.record
                           WHERE l.town = w.town AND l.hash = w.hash AND q.slot = w.slot AND strpos(q.body, w.hash) > 0
                      ) firsts), 1)) - 1
                  FROM photo_wanted w WHERE w.town = s.town AND w.slot = s.slot), s.high_water))
             FROM slot s WHERE s.town = $1 ORDER BY s.slot",
        )?;
        let mut upto = query.map(params![self.town.0], |row| Ok((Slot(count(row.get(0)?)), count(row.get(1)?))))?;
        let last = self.conn.prepare_cached("SELECT coalesce(max(row), 0) FROM quarantine")?;
        upto.push((HELD, count(last.one(&[], |row| row.get(0))?)));
        Ok(upto)
    }

    fn overflown(&self) -> Result<Vec<Overflown>, StoreError> {
        let query = self.conn.prepare_cached(
            "SELECT slot, high_water, highest FROM (
                 SELECT s.slot, s.high_water, greatest((SELECT max(n) FROM edit e WHERE e.slot = s.slot),
                     (SELECT max(n) FROM unreadable u WHERE u.slot = s.slot)) AS highest
                 FROM slot s WHERE s.town = $1) h
             WHERE highest > high_water ORDER BY slot",
        )?;
        query.map(params![self.town.0], |row| {
            Ok(Overflown {
                slot: Slot(count(row.get(0)?)),
                high_water: count(row.get(1)?),
                highest: count(row.get(2)?),
            })
        })
    }

    fn without_part(&self) -> Result<Vec<RecordId>, StoreError> {
        let query = self.conn.prepare_cached(
            "SELECT DISTINCT e.record FROM edit e WHERE e.town = $1 AND NOT EXISTS (
                 SELECT 1 FROM part p
                 WHERE p.town = e.town AND p.record = e.record AND p.part = e.part) ORDER BY 1",
        )?;
        query.map(params![self.town.0], |row| Ok(RecordId(uuid(&row.get::<Vec<u8>>(0)?)?)))
    }

    fn photos(&self) -> Result<Vec<Photo>, StoreError> {
        let query =
            self.conn.prepare_cached("SELECT hash, bytes, received FROM photo WHERE town = $1 ORDER BY hash")?;
        query.map(params![self.town.0], |row| {
            Ok(Photo { hash: photo_hash(row.get(0)?)?, bytes: count(row.get(1)?), received: time(row.get(2)?) })
        })
    }

    fn erased_of(&self, records: &BTreeSet<RecordId>) -> Result<BTreeSet<RecordId>, StoreError> {
        if let Some(known) = self.known_erased(records) {
            return Ok(known);
        }
        let query = self.conn.prepare_cached(ERASED)?;
        Ok(query.map(params![self.town.0, records_of(records)], record_id)?.into_iter().collect())
    }

    fn ended_of(&self, edits: &[EditId]) -> Result<BTreeSet<EditId>, StoreError> {
        if let Some(known) = self.known_ended(edits) {
            return Ok(known);
        }
        Ok(self.conn.prepare_cached(ENDED)?.map(params![ids(edits)], edit_id)?.into_iter().collect())
    }

    fn erased(&self) -> Result<Vec<Erased>, StoreError> {
        let query = self.conn.prepare_cached("SELECT record, kind, at FROM erased WHERE town = $1 ORDER BY record")?;
        query.map(params![self.town.0], |row| {
            Ok(Erased {
                record: RecordId(uuid(&row.get::<Vec<u8>>(0)?)?),
                kind: kind(&row.get::<String>(1)?)?,
                at: time(row.get(2)?),
            })
        })
    }

    fn holds_anything_of(&self, record: RecordId) -> Result<bool, StoreError> {
        let query = self.conn.prepare_cached(
            "SELECT 1 FROM part WHERE town = $1 AND record = $2
             UNION ALL SELECT 1 FROM edit WHERE town = $1 AND record = $2
             UNION ALL SELECT 1 FROM quarantine WHERE town = $1 AND record = $2
             UNION ALL SELECT 1 FROM unreadable WHERE town = $1 AND record = $2
             UNION ALL SELECT 1 FROM photo_link WHERE town = $1 AND record = $2 LIMIT 1",
        )?;
        query.exists(params![self.town.0, record.0.as_bytes()])
    }

    fn kind_refused(&self, record: RecordId) -> Result<Option<RecordKind>, StoreError> {
        let query = self.conn.prepare_cached("SELECT kind FROM quarantine WHERE town = $1 AND record = $2 LIMIT 1")?;
        let code: Option<String> = query.first(params![self.town.0, record.0.as_bytes()], |row| row.get(0))?;
        code.as_deref().map(kind).transpose()
    }

    fn readers_ever(&self, record: RecordId) -> Result<BTreeSet<ReaderKey>, StoreError> {
        let mut keys = BTreeSet::new();
        let lies =
            self.conn.prepare_cached("SELECT areas, readers, visit FROM part WHERE town = $1 AND record = $2")?;
        let mut rows = lies.rows(params![self.town.0, record.0.as_bytes()])?;
        while let Some(row) = rows.next()? {
            let by_scope = if row.get::<bool>(2)? { ReaderKey::Visits } else { ReaderKey::Area };
            keys.extend(areas(row.text(0)?).into_iter().map(by_scope));
            keys.extend(users(row.text(1)?).into_iter().map(ReaderKey::User));
        }
        let left = self.conn.prepare_cached("SELECT key FROM departed WHERE town = $1 AND record = $2")?;
        let mut rows = left.rows(params![self.town.0, record.0.as_bytes()])?;
        while let Some(row) = rows.next()? {
            keys.insert(key(row.text(0)?)?);
        }
        let wrote = "SELECT user_id FROM device WHERE slot IN (
                         SELECT slot FROM edit WHERE town = $1 AND record = $2
                         UNION SELECT slot FROM quarantine WHERE town = $1 AND record = $2
                         UNION SELECT slot FROM unreadable WHERE town = $1 AND record = $2)";
        keys.extend(self.ids(wrote, record, |id| ReaderKey::User(UserId(id)))?);
        Ok(keys)
    }

    fn is_erased_photo(&self, hash: &PhotoHash) -> Result<bool, StoreError> {
        let query = self.conn.prepare_cached(
            "SELECT 1 FROM erased_photo WHERE town = $1 AND hash = $2
             AND NOT EXISTS (SELECT 1 FROM photo_link WHERE town = $1 AND hash = $2)",
        )?;
        query.exists(params![self.town.0, hash.as_str()])
    }

    fn erased_photos(&self) -> Result<Vec<PhotoHash>, StoreError> {
        let query = self.conn.prepare_cached("SELECT hash FROM erased_photo WHERE town = $1 ORDER BY hash")?;
        query.map(params![self.town.0], |row| photo_hash(row.get(0)?))
    }

    fn refused_about(&self) -> Result<Vec<(RecordId, RecordId)>, StoreError> {
        let query = self.conn.prepare_cached(
            "SELECT DISTINCT record, about FROM quarantine
             WHERE town = $1 AND kind = 'event' AND about IS NOT NULL",
        )?;
        let mut rows = query.rows(params![self.town.0])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            // Whatever else was written there is nobody's id.
            if let Ok(about) = row.text(1)?.parse() {
                found.push((RecordId(uuid(row.blob(0)?)?), about));
            }
        }
        Ok(found)
    }

    fn photo_anywhere(&self, hash: &PhotoHash) -> Result<bool, StoreError> {
        let query = self.conn.prepare_cached("SELECT 1 FROM photo WHERE hash = $1")?;
        query.exists(params![hash.as_str()])
    }

    fn batches_telling(&self, records: &BTreeSet<RecordId>) -> Result<Vec<Uuid>, StoreError> {
        let query = self.conn.prepare_cached("SELECT id, records FROM batch WHERE town = $1 ORDER BY row")?;
        let mut rows = query.rows(params![self.town.0])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let holds = match row.get::<Option<Vec<u8>>>(1)? {
                None => true,
                Some(ids) => records.iter().any(|record| ids.chunks_exact(16).any(|id| id == record.0.as_bytes())),
            };
            if holds {
                found.push(uuid(row.blob(0)?)?);
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
        let query = self.conn.prepare_cached(
            "SELECT record FROM part
             WHERE town = $1 AND merged_into <> '' AND merged_into = $2
               AND kind = (SELECT kind FROM part WHERE town = $1 AND record = $3 AND part = 'open') ORDER BY record",
        )?;
        let mut rows = query.rows(params![self.town.0, record.to_string(), record.0.as_bytes()])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(RecordId(uuid(row.blob(0)?)?));
        }
        Ok(found)
    }
}

impl Keep for InTown<'_> {
    fn note_backed_up(&mut self, upto: &[(Slot, u64)]) -> Result<(), StoreError> {
        let query = self.conn.prepare_cached(
            "INSERT INTO backed_up (slot, n) VALUES ($1, $2) ON CONFLICT (slot) DO UPDATE SET n = greatest(backed_up.n, excluded.n)",
        )?;
        for (slot, n) in upto {
            query.execute(params![int(slot.0), int(*n)])?;
        }
        Ok(())
    }

    fn want_photo_again(&mut self, hash: &PhotoHash) -> Result<bool, StoreError> {
        let of_it = params![self.town.0, hash.as_str()];
        if self.conn.prepare_cached("DELETE FROM photo WHERE town = $1 AND hash = $2")?.execute(of_it)? == 0 {
            return Ok(false);
        }
        for sql in [
            "DELETE FROM upload WHERE town = $1 AND hash = $2",
            "INSERT INTO photo_wanted (town, slot, hash)
             SELECT DISTINCT s.town, s.slot, $2::text FROM photo_link l JOIN edit e ON e.town = l.town AND e.record = l.record
             JOIN slot s ON s.slot = e.slot
             WHERE l.town = $1 AND l.hash = $2 AND strpos(e.body, $2) > 0
             UNION SELECT DISTINCT s.town, s.slot, $2::text FROM photo_link l
             JOIN quarantine q ON q.town = l.town AND q.record = l.record JOIN slot s ON s.slot = q.slot
             WHERE l.town = $1 AND l.hash = $2 AND strpos(q.body, $2) > 0
             ON CONFLICT DO NOTHING",
        ] {
            self.conn.prepare_cached(sql)?.execute(of_it)?;
        }
        Ok(true)
    }

    fn begin_epoch(&mut self, epoch: u32) -> Result<(), StoreError> {
        self.conn
            .prepare_cached("UPDATE meta SET value = $1 WHERE key = 'epoch'")?
            .execute(params![epoch.to_string()])?;
        self.conn.execute_batch("DELETE FROM session; DELETE FROM enrol_code; DELETE FROM approval")?;
        Ok(())
    }

    fn erase(&mut self, erased: &Erased) -> Result<Gone, StoreError> {
        self.take_out(erased)
    }

    fn empty_edits(&mut self, record: RecordId, part: Part, edits: &BTreeSet<EditId>) -> Result<(), StoreError> {
        self.take_out_writes(record, part, edits)
    }

    fn put_erased_edit(&mut self, edit: EditId, dot: Dot) -> Result<(), StoreError> {
        self.conn
            .prepare_cached("INSERT INTO erased_edit (id, slot, n) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")?
            .execute(params![edit.0.as_bytes(), int(dot.slot.0), int(dot.n)])?;
        Ok(())
    }

    fn put_batch_records(&mut self, batch: Uuid, records: &BTreeSet<RecordId>) -> Result<(), StoreError> {
        let ids: Vec<u8> = records.iter().flat_map(|id| *id.0.as_bytes()).collect();
        self.conn.prepare_cached("UPDATE batch SET records = $3 WHERE town = $1 AND id = $2")?.execute(params![
            self.town.0,
            batch.as_bytes(),
            ids
        ])?;
        Ok(())
    }

    fn empty_batch(&mut self, batch: Uuid, at: DateTime<Utc>, manifest: &str) -> Result<(), StoreError> {
        self.conn
            .prepare_cached("UPDATE batch SET erased = $3, manifest = $4 WHERE town = $1 AND id = $2")?
            .execute(params![self.town.0, batch.as_bytes(), ms(at), manifest])?;
        Ok(())
    }
}
