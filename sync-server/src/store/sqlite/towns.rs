//! [`ReadTowns`] and [`KeepTowns`] over one file. Whoever writes holds every town.

use std::collections::BTreeSet;

use rusqlite::params;
use shared::area::AreaId;
use shared::ids::{PhotoHash, RecordId};

use super::InTown;
use super::columns::{kind, ms, time, uuid};
use crate::store::{Gone, KeepTowns, Moved, Read, ReadTowns, StoreError, Tx};

impl ReadTowns for InTown<'_> {
    fn beside<'s>(&'s self, town: AreaId) -> Box<dyn Read + 's> {
        Box::new(InTown { conn: self.conn, town, states: self.states })
    }

    fn moved(&self, records: &BTreeSet<RecordId>) -> Result<Vec<Moved>, StoreError> {
        let mut query =
            self.conn.prepare_cached("SELECT kind, to_town, at FROM moved WHERE town = ?1 AND record = ?2")?;
        let mut found = Vec::new();
        for record in records {
            let mut rows = query.query(params![self.town.0, record.0.as_bytes()])?;
            if let Some(row) = rows.next()? {
                let kind = kind(row.get_ref(0)?.as_str().unwrap_or_default())?;
                found.push(Moved { record: *record, kind, to: AreaId(row.get(1)?), at: time(row.get(2)?) });
            }
        }
        Ok(found)
    }

    fn moved_from(&self, record: RecordId) -> Result<Vec<AreaId>, StoreError> {
        let mut query =
            self.conn.prepare_cached("SELECT town FROM moved WHERE record = ?1 AND town <> ?2 ORDER BY town")?;
        let rows = query.query_map(params![record.0.as_bytes(), self.town.0], |row| row.get(0).map(AreaId))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn photo_towns(&self, hash: &PhotoHash) -> Result<BTreeSet<AreaId>, StoreError> {
        let mut query = self.conn.prepare_cached(
            "SELECT town FROM photo_link WHERE hash = ?1 UNION SELECT town FROM photo_wanted WHERE hash = ?1",
        )?;
        let rows = query.query_map(params![hash.as_str()], |row| row.get(0).map(AreaId))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

impl KeepTowns for InTown<'_> {
    fn hold(&mut self, _: &BTreeSet<AreaId>) -> Result<(), StoreError> {
        Ok(())
    }

    fn at<'s>(&'s mut self, town: AreaId) -> Result<Box<dyn Tx + 's>, StoreError> {
        Ok(Box::new(InTown { conn: self.conn, town, states: self.states }))
    }

    fn hand_over(&mut self, moved: &Moved) -> Result<(), StoreError> {
        let (from, to, record) = (self.town.0, moved.to.0, moved.record.0.as_bytes());
        self.uncount_event(moved.record)?;
        for sql in [
            "DELETE FROM part WHERE town = ?1 AND record = ?2 AND ?3 = ?3",
            "DELETE FROM event WHERE town = ?1 AND record = ?2 AND ?3 = ?3",
            "UPDATE once SET town = ?3 WHERE town = ?1
             AND edit IN (SELECT id FROM edit WHERE town = ?1 AND record = ?2)",
            "UPDATE seen SET town = ?3 WHERE town = ?1
             AND edit IN (SELECT id FROM edit WHERE town = ?1 AND record = ?2)",
            "UPDATE edit SET town = ?3 WHERE town = ?1 AND record = ?2",
            "UPDATE quarantine SET town = ?3 WHERE town = ?1 AND record = ?2",
            "UPDATE unreadable SET town = ?3 WHERE town = ?1 AND record = ?2",
            "UPDATE remain SET town = ?3 WHERE town = ?1 AND record = ?2",
            "UPDATE reporter SET town = ?3 WHERE town = ?1 AND record = ?2",
            "UPDATE intake_report SET town = ?3 WHERE town = ?1 AND record = ?2",
            "UPDATE photo_link SET town = ?3 WHERE town = ?1 AND record = ?2",
            "INSERT INTO photo (town, hash, bytes, received) SELECT ?3, hash, bytes, received FROM photo
             WHERE town = ?1 AND hash IN (SELECT hash FROM photo_link WHERE town = ?3 AND record = ?2)
             ON CONFLICT DO NOTHING",
            "INSERT INTO photo_sender (town, hash, user) SELECT ?3, hash, user FROM photo_sender
             WHERE town = ?1 AND hash IN (SELECT hash FROM photo_link WHERE town = ?3 AND record = ?2)
             ON CONFLICT DO NOTHING",
            "DELETE FROM photo_sender WHERE town = ?1
             AND hash IN (SELECT hash FROM photo_link WHERE town = ?3 AND record = ?2)
             AND NOT EXISTS (SELECT 1 FROM photo_link l WHERE l.town = ?1 AND l.hash = photo_sender.hash)",
            "DELETE FROM photo WHERE town = ?1
             AND hash IN (SELECT hash FROM photo_link WHERE town = ?3 AND record = ?2)
             AND NOT EXISTS (SELECT 1 FROM photo_link l WHERE l.town = ?1 AND l.hash = photo.hash)",
            "DELETE FROM moved WHERE town = ?3 AND record = ?2 AND ?1 = ?1",
        ] {
            self.conn.prepare_cached(sql)?.execute(params![from, record, to])?;
        }
        self.conn
            .prepare_cached("INSERT INTO moved (town, record, kind, to_town, at) VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute(params![from, record, moved.kind.code(), to, ms(moved.at)])?;
        Ok(())
    }

    fn bar_photos(&mut self, photos: &[PhotoHash]) -> Result<Gone, StoreError> {
        let mut linked = self.conn.prepare_cached("SELECT 1 FROM photo_link WHERE town = ?1 AND hash = ?2")?;
        let mut gone = Gone::default();
        for hash in photos {
            let of_it = params![self.town.0, hash.as_str()];
            if linked.exists(of_it)? {
                continue;
            }
            let mut uploads = self.conn.prepare_cached("SELECT id FROM upload WHERE town = ?1 AND hash = ?2")?;
            let rows = uploads.query_and_then(of_it, |row| uuid(&row.get::<_, Vec<u8>>(0)?))?;
            gone.uploads.extend(rows.collect::<Result<Vec<_>, _>>()?);
            for sql in [
                "DELETE FROM upload WHERE town = ?1 AND hash = ?2",
                "DELETE FROM photo_wanted WHERE town = ?1 AND hash = ?2",
                "DELETE FROM photo_sender WHERE town = ?1 AND hash = ?2",
                "DELETE FROM photo WHERE town = ?1 AND hash = ?2",
                "INSERT INTO erased_photo (town, hash) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
            ] {
                self.conn.prepare_cached(sql)?.execute(of_it)?;
            }
            gone.photos.push(hash.clone());
        }
        Ok(gone)
    }
}
