//! [`ReadTowns`] and [`KeepTowns`]: the locks of several towns.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use shared::area::AreaId;
use shared::ids::{PhotoHash, RecordId};

use super::InTown;
use super::ahead::record_id;
use super::columns::{kind, ms, time, uuid};
use super::read::records_of;
use super::sql::{Row, params};
use crate::store::{Gone, KeepTowns, Moved, Read, ReadTowns, StoreError, Tx};

/// The towns whose locks a transaction holds, and those it turned out to need.
#[derive(Debug, Default)]
pub struct Held {
    /// These.
    pub towns: BTreeSet<AreaId>,
    missing: RefCell<BTreeSet<AreaId>>,
    unheld: Cell<bool>,
}

impl Held {
    /// Of the locks of these towns.
    pub fn of(towns: BTreeSet<AreaId>) -> Self {
        Self { towns, ..Self::default() }
    }

    /// What the work has to be run again with; none: it had all it asked for.
    pub fn wanted(&self) -> Option<BTreeSet<AreaId>> {
        self.unheld.get().then(|| self.towns.union(&self.missing.borrow()).copied().collect())
    }

    /// That these are held.
    pub fn must_hold(&self, towns: &BTreeSet<AreaId>) -> Result<(), StoreError> {
        let missing: Vec<AreaId> = towns.difference(&self.towns).copied().collect();
        if missing.is_empty() {
            return Ok(());
        }
        self.missing.borrow_mut().extend(missing);
        self.unheld.set(true);
        Err(StoreError::Missing("the lock of another town"))
    }
}

/// Where those of these records went that a town handed over.
pub const MOVED: &str = "SELECT record, kind, to_town, at FROM moved WHERE town = $1 AND record = ANY ($2)";

pub fn moved_row(row: &Row) -> Result<Moved, StoreError> {
    Ok(Moved { record: record_id(row)?, kind: kind(row.text(1)?)?, to: AreaId(row.get(2)?), at: time(row.get(3)?) })
}

impl InTown<'_> {
    /// The same transaction in a town, which may be this one.
    fn in_another(&self, town: AreaId) -> InTown<'_> {
        InTown::new(self.conn, town, self.states, self.held, self.split.filter(|_| town == self.town))
    }
}

impl ReadTowns for InTown<'_> {
    fn beside<'s>(&'s self, town: AreaId) -> Box<dyn Read + 's> {
        Box::new(self.in_another(town))
    }

    fn moved(&self, records: &BTreeSet<RecordId>) -> Result<Vec<Moved>, StoreError> {
        if records.is_empty() {
            return Ok(Vec::new());
        }
        if let Some(known) = self.known_moved(records) {
            return Ok(known);
        }
        self.conn.prepare_cached(MOVED)?.map(params![self.town.0, records_of(records)], moved_row)
    }

    fn moved_from(&self, record: RecordId) -> Result<Vec<AreaId>, StoreError> {
        let query =
            self.conn.prepare_cached("SELECT town FROM moved WHERE record = $1 AND town <> $2 ORDER BY town")?;
        query.map(params![record.0.as_bytes(), self.town.0], |row| Ok(AreaId(row.get(0)?)))
    }

    fn photo_towns(&self, hash: &PhotoHash) -> Result<BTreeSet<AreaId>, StoreError> {
        let query = self.conn.prepare_cached(
            "SELECT town FROM photo_link WHERE hash = $1 UNION SELECT town FROM photo_wanted WHERE hash = $1",
        )?;
        Ok(query.map(params![hash.as_str()], |row| Ok(AreaId(row.get(0)?)))?.into_iter().collect())
    }
}

impl KeepTowns for InTown<'_> {
    fn hold(&mut self, towns: &BTreeSet<AreaId>) -> Result<(), StoreError> {
        self.held.must_hold(towns)
    }

    fn at<'s>(&'s mut self, town: AreaId) -> Result<Box<dyn Tx + 's>, StoreError> {
        self.held.must_hold(&BTreeSet::from([town]))?;
        Ok(Box::new(self.in_another(town)))
    }

    fn hand_over(&mut self, moved: &Moved) -> Result<(), StoreError> {
        self.held.must_hold(&BTreeSet::from([moved.to]))?;
        let (from, to, record) = (self.town.0, moved.to.0, moved.record.0.as_bytes());
        self.uncount_event(moved.record)?;
        for sql in
            ["DELETE FROM part WHERE town = $1 AND record = $2", "DELETE FROM event WHERE town = $1 AND record = $2"]
        {
            self.conn.prepare_cached(sql)?.execute(params![from, record])?;
        }
        for sql in [
            "UPDATE once SET town = $3 WHERE town = $1
             AND edit IN (SELECT id FROM edit WHERE town = $1 AND record = $2)",
            "UPDATE seen SET town = $3 WHERE town = $1
             AND edit IN (SELECT id FROM edit WHERE town = $1 AND record = $2)",
            "UPDATE edit SET town = $3 WHERE town = $1 AND record = $2",
            "UPDATE quarantine SET town = $3 WHERE town = $1 AND record = $2",
            "UPDATE unreadable SET town = $3 WHERE town = $1 AND record = $2",
            "UPDATE remain SET town = $3 WHERE town = $1 AND record = $2",
            "UPDATE reporter SET town = $3 WHERE town = $1 AND record = $2",
            "UPDATE intake_report SET town = $3 WHERE town = $1 AND record = $2",
            "UPDATE photo_link SET town = $3 WHERE town = $1 AND record = $2",
            "INSERT INTO photo (town, hash, bytes, received) SELECT $3::bigint, hash, bytes, received FROM photo
             WHERE town = $1 AND hash IN (SELECT hash FROM photo_link WHERE town = $3 AND record = $2)
             ON CONFLICT DO NOTHING",
            "INSERT INTO photo_sender (town, hash, user_id) SELECT $3::bigint, hash, user_id FROM photo_sender
             WHERE town = $1 AND hash IN (SELECT hash FROM photo_link WHERE town = $3 AND record = $2)
             ON CONFLICT DO NOTHING",
            "DELETE FROM photo_sender WHERE town = $1
             AND hash IN (SELECT hash FROM photo_link WHERE town = $3 AND record = $2)
             AND NOT EXISTS (SELECT 1 FROM photo_link l WHERE l.town = $1 AND l.hash = photo_sender.hash)",
            "DELETE FROM photo WHERE town = $1
             AND hash IN (SELECT hash FROM photo_link WHERE town = $3 AND record = $2)
             AND NOT EXISTS (SELECT 1 FROM photo_link l WHERE l.town = $1 AND l.hash = photo.hash)",
        ] {
            self.conn.prepare_cached(sql)?.execute(params![from, record, to])?;
        }
        self.conn.prepare_cached("DELETE FROM moved WHERE town = $1 AND record = $2")?.execute(params![to, record])?;
        self.conn
            .prepare_cached("INSERT INTO moved (town, record, kind, to_town, at) VALUES ($1, $2, $3, $4, $5)")?
            .execute(params![from, record, moved.kind.code(), to, ms(moved.at)])?;
        Ok(())
    }

    fn bar_photos(&mut self, photos: &[PhotoHash]) -> Result<Gone, StoreError> {
        let linked = self.conn.prepare_cached("SELECT 1 FROM photo_link WHERE town = $1 AND hash = $2")?;
        let mut gone = Gone::default();
        for hash in photos {
            let of_it = params![self.town.0, hash.as_str()];
            if linked.exists(of_it)? {
                continue;
            }
            let uploads = self.conn.prepare_cached("SELECT id FROM upload WHERE town = $1 AND hash = $2")?;
            gone.uploads.extend(uploads.map(of_it, |row| uuid(row.blob(0)?))?);
            for sql in [
                "DELETE FROM upload WHERE town = $1 AND hash = $2",
                "DELETE FROM photo_wanted WHERE town = $1 AND hash = $2",
                "DELETE FROM photo_sender WHERE town = $1 AND hash = $2",
                "DELETE FROM photo WHERE town = $1 AND hash = $2",
                "INSERT INTO erased_photo (town, hash) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            ] {
                self.conn.prepare_cached(sql)?.execute(of_it)?;
            }
            gone.photos.push(hash.clone());
        }
        Ok(gone)
    }
}
