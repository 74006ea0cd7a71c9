//! Reading one town at one moment.

use std::collections::BTreeSet;
use std::sync::Arc;

use rusqlite::{OptionalExtension, Row, params};
use serde_json::value::RawValue;
use shared::area::AreaId;
use shared::ids::{EditId, PhotoHash, RecordId, Slot, UserId};
use shared::record::Part;
use shared::wire::{Outcome, RejectReason, Rejection};
use uuid::Uuid;

use super::InTown;
use super::columns::{areas, count, from_json, int, photo_hash, time, uuid};
use super::global::{DEVICE, USER, device, user};
use super::parts::{PART, feed_left, feed_part, in_areas, stored_part};
use super::uploads::{UPLOAD, upload};
use crate::store::common::in_town;
use crate::store::{
    Audit, AuditFilter, Audited, Batch, Decision, Device, FeedEntry, Near, Origin, PartFilter, Photo, PhotoLink,
    Quarantined, Read, SeenEdit, SlotRow, Standing, StoreError, StoredEdit, StoredPart, Upload, User,
};
use crate::sync::incoming::Unreadable;

const QUARANTINED: &str = "q.body, q.received, q.reason, q.decision, q.vector, coalesce(s.label, ''), q.slot, q.note, \
                           q.withdrawn";

fn quarantined(row: &Row<'_>) -> Result<Quarantined, StoreError> {
    let decision: String = row.get(3)?;
    let vector: String = row.get(4)?;
    Ok(Quarantined {
        edit: from_json("quarantined edit", &row.get::<_, String>(0)?)?,
        received: time(row.get(1)?),
        rejection: from_json("reason of a quarantined edit", &row.get::<_, String>(2)?)?,
        decision: match decision.as_str() {
            "released" => Some(Decision::Released(from_json("vector", &vector)?)),
            "dismissed" => Some(Decision::Dismissed(row.get(7)?)),
            _ if row.get::<_, i64>(8)? > 0 => Some(Decision::Withdrawn),
            _ => None,
        },
        origin: row.get(5)?,
        slot: Slot(count(row.get(6)?)),
    })
}

fn batch(row: &Row<'_>) -> Result<Batch, StoreError> {
    let user: Option<Vec<u8>> = row.get(9)?;
    Ok(Batch {
        id: uuid(&row.get::<_, Vec<u8>>(0)?)?,
        scope: areas(&row.get::<_, String>(1)?),
        format: row.get(2)?,
        masked: row.get(3)?,
        after: (count(row.get(4)?), count(row.get(5)?)),
        upto: (count(row.get(6)?), count(row.get(7)?)),
        at: time(row.get(8)?),
        user: user.as_deref().map(uuid).transpose()?.map(UserId),
        manifest: row.get(10)?,
        erased: row.get::<_, Option<i64>>(11)?.map(time),
    })
}

const BATCH: &str = "id, scope, format, masked, after_open, after_restricted, upto_open, upto_restricted, at, user, manifest, \
     erased";

impl Read for InTown<'_> {
    fn town(&self) -> AreaId {
        self.town
    }

    fn load_many(&self, keys: &[(RecordId, Part)]) -> Result<Vec<StoredPart>, StoreError> {
        let sql = format!("SELECT {PART} FROM part p WHERE p.town = ?1 AND p.record = ?2 AND p.part = ?3");
        let mut query = self.conn.prepare_cached(&sql)?;
        let mut found = Vec::with_capacity(keys.len());
        for (record, part) in keys {
            let mut rows = query.query(params![self.town.0, record.0.as_bytes(), part.code()])?;
            if let Some(row) = rows.next()? {
                found.push(stored_part(row)?);
            }
        }
        Ok(found)
    }

    fn each_part(
        &self,
        filter: &PartFilter,
        each: &mut dyn FnMut(StoredPart) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        if filter.limit.is_some() {
            return self.each_of_page(filter, each);
        }
        let (sql, args) = self.filtered(PART, filter);
        let mut query = self.conn.prepare_cached(&sql)?;
        let mut rows = query.query(rusqlite::params_from_iter(args.iter()))?;
        let losers = if filter.with_merged { BTreeSet::new() } else { self.losers()? };
        let (mut passed, mut given) = (0, 0);
        while filter.limit.is_none_or(|limit| given < limit) {
            let Some(row) = rows.next()? else { break };
            let lost = !losers.is_empty() && losers.contains(row.get_ref(0)?.as_blob().unwrap_or_default());
            if lost || !in_areas(filter, row.get_ref(4)?.as_str().unwrap_or_default()) {
                continue;
            }
            passed += 1;
            if passed <= filter.offset {
                continue;
            }
            given += 1;
            if !each(stored_part(row)?)? {
                break;
            }
        }
        Ok(())
    }

    fn count_parts(&self, filter: &PartFilter) -> Result<u64, StoreError> {
        let plain = PartFilter {
            part: filter.part,
            kind: filter.kind,
            kinds: filter.kinds.clone(),
            without_visits: filter.without_visits,
            areas: filter.areas.clone(),
            with_merged: filter.with_merged,
            newest_first: filter.newest_first,
            offset: filter.offset,
            limit: filter.limit,
            ..PartFilter::default()
        };
        if plain == *filter {
            return self.count_by_area(filter);
        }
        let (sql, args) = self.filtered("p.areas, p.record", filter);
        let losers = if filter.with_merged { BTreeSet::new() } else { self.losers()? };
        let mut query = self.conn.prepare_cached(&sql)?;
        let mut rows = query.query(rusqlite::params_from_iter(args.iter()))?;
        let mut counted = 0;
        while let Some(row) = rows.next()? {
            let lost = !losers.is_empty() && losers.contains(row.get_ref(1)?.as_blob().unwrap_or_default());
            counted += u64::from(!lost && in_areas(filter, row.get_ref(0)?.as_str().unwrap_or_default()));
        }
        Ok(counted)
    }

    fn feed_near(
        &self,
        of: Part,
        after: u64,
        near: &Near,
        each: &mut dyn FnMut(FeedEntry) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        let (places, texts) = near.places("instr", "?", 4);
        // In order each of them; SQLite merges them without sorting.
        let places = places.iter().map(|place| {
            format!(
                "SELECT seq, record, row, kind, areas, readers, anonymous, visit FROM part INDEXED BY {}
                 WHERE town = ?1 AND part = ?2 AND seq > ?3{}",
                place.index, place.asked
            )
        });
        let places: Vec<String> = places.collect();
        let mut parts = self.conn.prepare_cached(&format!("{} ORDER BY seq", places.join(" UNION ALL ")))?;
        let mut left = self.conn.prepare_cached(
            "SELECT seq, record, key, erased FROM departed INDEXED BY departed_feed
             WHERE town = ?1 AND part = ?2 AND seq > ?3 ORDER BY seq",
        )?;
        let (code, after) = (of.code(), int(after));
        let mut args: Vec<&dyn rusqlite::ToSql> = vec![&self.town.0, &code, &after];
        let mut left = left.query(&*args)?;
        args.extend(texts.iter().map(|text| text as &dyn rusqlite::ToSql));
        let mut parts = parts.query(&*args)?;
        let mut next_part = parts.next()?.map(feed_part).transpose()?;
        let mut next_left = left.next()?.map(feed_left).transpose()?;
        loop {
            // Both are ordered; a departure has the number of the save that caused it and comes before it.
            let left_first = match (&next_part, &next_left) {
                (None, None) => return Ok(()),
                (Some(part), Some(left)) => left.seq <= part.seq,
                (None, Some(_)) => true,
                (Some(_), None) => false,
            };
            let entry = if left_first {
                std::mem::replace(&mut next_left, left.next()?.map(feed_left).transpose()?)
            } else {
                std::mem::replace(&mut next_part, parts.next()?.map(feed_part).transpose()?)
            };
            if let Some(entry) = entry
                && !each(entry)?
            {
                return Ok(());
            }
        }
    }

    fn feed_state(&self, row: i64) -> Result<String, StoreError> {
        let mut query = self.conn.prepare_cached("SELECT state FROM part WHERE row = ?1")?;
        Ok(query.query_row(params![row], |row| row.get(0))?)
    }

    fn told_state(&self, part: Part, seq: u64, row: i64) -> Result<Arc<RawValue>, StoreError> {
        let key = (self.town, part, seq);
        self.states.get(&key).map_or_else(|| self.states.keep(key, self.feed_state(row)?), Ok)
    }

    fn standing(&self) -> Result<Standing, StoreError> {
        let mut query = self.conn.prepare_cached(
            "SELECT (SELECT value FROM meta WHERE key = 'directory_version'), (SELECT value FROM meta WHERE key = 'epoch'),
                 (SELECT count(*) FROM edition WHERE town = ?1),
                 coalesce((SELECT last FROM sequence WHERE town = ?1 AND part = 'open'), 0),
                 coalesce((SELECT last FROM sequence WHERE town = ?1 AND part = 'restricted'), 0),
                 coalesce((SELECT last FROM sequence WHERE town = ?1 AND part = 'decided'), 0)",
        )?;
        let mut rows = query.query(params![self.town.0])?;
        let row = rows.next()?.ok_or(StoreError::Missing("how the town stands"))?;
        Ok(Standing {
            directory: from_json("directory version", row.get_ref(0)?.as_str().unwrap_or_default())?,
            epoch: from_json("epoch", row.get_ref(1)?.as_str().unwrap_or_default())?,
            editions: usize::try_from(count(row.get(2)?)).unwrap_or(usize::MAX),
            open: count(row.get(3)?),
            restricted: count(row.get(4)?),
            decided: count(row.get(5)?),
        })
    }

    fn last_seq(&self, part: Part) -> Result<u64, StoreError> {
        let mut query = self.conn.prepare_cached("SELECT last FROM sequence WHERE town = ?1 AND part = ?2")?;
        let last: Option<i64> = query.query_row(params![self.town.0, part.code()], |row| row.get(0)).optional()?;
        Ok(last.map_or(0, count))
    }

    fn edits_of(&self, record: RecordId) -> Result<Vec<StoredEdit>, StoreError> {
        let mut query = self.conn.prepare_cached(
            "SELECT e.body, e.received, e.vector, s.label FROM edit e JOIN slot s ON s.slot = e.slot
             WHERE e.town = ?1 AND e.record = ?2 ORDER BY e.row",
        )?;
        let mut rows = query.query(params![self.town.0, record.0.as_bytes()])?;
        let mut edits = Vec::new();
        while let Some(row) = rows.next()? {
            edits.push(StoredEdit {
                edit: from_json("edit", &row.get::<_, String>(0)?)?,
                received: time(row.get(1)?),
                vector: from_json("vector", &row.get::<_, String>(2)?)?,
                origin: row.get(3)?,
            });
        }
        Ok(edits)
    }

    fn outcomes(&self, edits: &[EditId]) -> Result<Vec<SeenEdit>, StoreError> {
        let mut applied = self.conn.prepare_cached("SELECT vector FROM edit WHERE id = ?1")?;
        let mut rejected = self.conn.prepare_cached(
            "SELECT reason FROM quarantine WHERE id = ?1 UNION ALL SELECT reason FROM unreadable WHERE id = ?1",
        )?;
        let mut erased = self.conn.prepare_cached("SELECT 1 FROM erased_edit WHERE id = ?1")?;
        let mut seen = Vec::new();
        for edit in edits {
            let id = params![edit.0.as_bytes()];
            // Quarantine first: a released edit stands in both tables, and its first outcome was the rejection.
            if let Some(reason) = rejected.query_row(id, |row| row.get::<_, String>(0)).optional()? {
                seen.push(SeenEdit { edit: *edit, outcome: Outcome::Rejected(from_json("reason", &reason)?) });
            } else if let Some(vector) = applied.query_row(id, |row| row.get::<_, String>(0)).optional()? {
                seen.push(SeenEdit {
                    edit: *edit,
                    outcome: Outcome::Applied { vector: from_json("vector", &vector)? },
                });
            } else if erased.exists(id)? {
                seen.push(SeenEdit { edit: *edit, outcome: Outcome::Rejected(Rejection::of(RejectReason::Erased)) });
            }
        }
        Ok(seen)
    }

    fn quarantine(&self, open: bool, limit: usize) -> Result<Vec<Quarantined>, StoreError> {
        let sql = format!(
            "SELECT {QUARANTINED} FROM quarantine q LEFT JOIN slot s ON s.slot = q.slot
             WHERE q.town = ?1 AND (NOT ?2 OR (q.decision = '' AND q.withdrawn = 0)) ORDER BY q.row DESC LIMIT ?3"
        );
        let mut query = self.conn.prepare_cached(&sql)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        query.query_and_then(params![self.town.0, open, limit], quarantined)?.collect()
    }

    fn quarantined(&self, edit: EditId) -> Result<Option<Quarantined>, StoreError> {
        let sql = format!(
            "SELECT {QUARANTINED} FROM quarantine q LEFT JOIN slot s ON s.slot = q.slot WHERE q.town = ?1 AND q.id = ?2"
        );
        let mut query = self.conn.prepare_cached(&sql)?;
        query.query_and_then(params![self.town.0, edit.0.as_bytes()], quarantined)?.next().transpose()
    }

    fn quarantined_of(&self, record: RecordId) -> Result<Vec<Quarantined>, StoreError> {
        let sql = format!(
            "SELECT {QUARANTINED} FROM quarantine q LEFT JOIN slot s ON s.slot = q.slot
             WHERE q.town = ?1 AND q.record = ?2 ORDER BY q.row"
        );
        let mut query = self.conn.prepare_cached(&sql)?;
        query.query_and_then(params![self.town.0, record.0.as_bytes()], quarantined)?.collect()
    }

    fn unreadable(&self) -> Result<Vec<Unreadable>, StoreError> {
        let mut query = self
            .conn
            .prepare_cached("SELECT id, record, slot, n, body FROM unreadable WHERE town = ?1 ORDER BY row")?;
        let mut rows = query.query(params![self.town.0])?;
        let mut kept = Vec::new();
        while let Some(row) = rows.next()? {
            kept.push(Unreadable {
                id: EditId(uuid(&row.get::<_, Vec<u8>>(0)?)?),
                record: uuid(&row.get::<_, Vec<u8>>(1)?).ok().map(RecordId),
                dot: (Slot(count(row.get(2)?)), count(row.get(3)?)).into(),
                raw: row.get(4)?,
            });
        }
        Ok(kept)
    }

    fn has_quarantined(&self, record: RecordId) -> Result<bool, StoreError> {
        let mut query = self.conn.prepare_cached(
            "SELECT 1 FROM quarantine WHERE town = ?1 AND record = ?2
             UNION ALL SELECT 1 FROM unreadable WHERE town = ?1 AND record = ?2 LIMIT 1",
        )?;
        Ok(query.exists(params![self.town.0, record.0.as_bytes()])?)
    }

    fn users(&self) -> Result<Vec<User>, StoreError> {
        let sql = format!("SELECT {USER} FROM user u WHERE u.town = ?1 ORDER BY u.name, u.id");
        let mut query = self.conn.prepare_cached(&sql)?;
        query.query_and_then(params![self.town.0], |row| user(row, 0))?.collect()
    }

    fn user(&self, id: UserId) -> Result<Option<User>, StoreError> {
        let sql = format!("SELECT {USER} FROM user u WHERE u.town = ?1 AND u.id = ?2");
        let mut query = self.conn.prepare_cached(&sql)?;
        query.query_and_then(params![self.town.0, id.0.as_bytes()], |row| user(row, 0))?.next().transpose()
    }

    fn devices(&self) -> Result<Vec<Device>, StoreError> {
        let sql = format!("SELECT {DEVICE} FROM device d WHERE d.town = ?1 ORDER BY d.seen DESC, d.enrolled DESC");
        let mut query = self.conn.prepare_cached(&sql)?;
        query.query_and_then(params![self.town.0], |row| device(row, 0))?.collect()
    }

    fn slot(&self, slot: Slot) -> Result<Option<SlotRow>, StoreError> {
        let mut query = self.conn.prepare_cached("SELECT town, origin, label, high_water FROM slot WHERE slot = ?1")?;
        let mut rows = query.query(params![int(slot.0)])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let origin: String = row.get(1)?;
        Ok(Some(SlotRow {
            slot,
            town: AreaId(row.get(0)?),
            origin: Origin::from_code(&origin)
                .ok_or_else(|| StoreError::Corrupt { what: "origin of a slot".to_owned(), why: origin })?,
            label: row.get(2)?,
            high_water: count(row.get(3)?),
        }))
    }

    fn audits(&self, limit: usize) -> Result<Vec<Audit>, StoreError> {
        let newest = self.audit_entries(&AuditFilter { limit, ..AuditFilter::default() })?;
        Ok(newest.iter().map(|(entry, _)| entry.audit()).collect())
    }

    fn meta(&self, key: &str) -> Result<Option<String>, StoreError> {
        let mut query = self.conn.prepare_cached("SELECT value FROM meta WHERE key = ?1")?;
        Ok(query.query_row(params![in_town(self.town, key)], |row| row.get(0)).optional()?)
    }

    fn photo(&self, hash: &PhotoHash) -> Result<Option<Photo>, StoreError> {
        let mut query = self.conn.prepare_cached("SELECT bytes, received FROM photo WHERE town = ?1 AND hash = ?2")?;
        let found =
            query.query_row(params![self.town.0, hash.as_str()], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        Ok(found.map(|(bytes, received)| Photo { hash: hash.clone(), bytes: count(bytes), received: time(received) }))
    }

    fn photo_senders(&self, hash: &PhotoHash) -> Result<Vec<UserId>, StoreError> {
        let mut query = self.conn.prepare_cached("SELECT user FROM photo_sender WHERE town = ?1 AND hash = ?2")?;
        let rows = query
            .query_and_then(params![self.town.0, hash.as_str()], |row| Ok(UserId(uuid(&row.get::<_, Vec<u8>>(0)?)?)))?;
        rows.collect()
    }

    fn photo_links(&self, hash: &PhotoHash) -> Result<Vec<PhotoLink>, StoreError> {
        let mut query =
            self.conn.prepare_cached("SELECT record, user, proved FROM photo_link WHERE town = ?1 AND hash = ?2")?;
        let rows = query.query_and_then(params![self.town.0, hash.as_str()], |row| {
            let user: Vec<u8> = row.get(1)?;
            let user = if user.is_empty() { None } else { Some(UserId(uuid(&user)?)) };
            let record = RecordId(uuid(&row.get::<_, Vec<u8>>(0)?)?);
            Ok(PhotoLink { hash: hash.clone(), record, user, proved: row.get(2)? })
        })?;
        rows.collect()
    }

    fn wanted(&self, slot: Slot, limit: usize) -> Result<Vec<PhotoHash>, StoreError> {
        let mut query = self.conn.prepare_cached(
            "SELECT hash FROM photo_wanted
             WHERE town = ?1 AND slot IN (SELECT slot FROM device WHERE user = (SELECT user FROM device WHERE slot = ?2))
             GROUP BY hash ORDER BY max(slot = ?2) DESC, hash",
        )?;
        query
            .query_and_then(params![self.town.0, int(slot.0)], |row| photo_hash(row.get::<_, String>(0)?))?
            .take(limit)
            .collect()
    }

    fn upload(&self, id: Uuid) -> Result<Option<Upload>, StoreError> {
        let sql = format!("SELECT {UPLOAD} FROM upload WHERE town = ?1 AND id = ?2");
        let mut query = self.conn.prepare_cached(&sql)?;
        query.query_and_then(params![self.town.0, id.as_bytes()], upload)?.next().transpose()
    }

    fn batches(&self, limit: usize) -> Result<Vec<Batch>, StoreError> {
        let sql = format!("SELECT {BATCH} FROM batch WHERE town = ?1 ORDER BY row DESC LIMIT ?2");
        let mut query = self.conn.prepare_cached(&sql)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        query.query_and_then(params![self.town.0, limit], batch)?.collect()
    }

    fn batch(&self, id: Uuid) -> Result<Option<Batch>, StoreError> {
        let sql = format!("SELECT {BATCH} FROM batch WHERE town = ?1 AND id = ?2");
        let mut query = self.conn.prepare_cached(&sql)?;
        query.query_and_then(params![self.town.0, id.as_bytes()], batch)?.next().transpose()
    }
}
