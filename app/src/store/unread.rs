//! Parts that this version of the app cannot read: kept as they came, counted, and read again by the next version. What
//! was known of them before stays in sight, whole.

use std::collections::HashSet;

use rusqlite::{Connection, params};
use shared::ids::RecordId;
use shared::record::Part;
use shared::wire::Item;

use super::meta::key;
use super::rows::{blob, find, id_at, json, place, text};
use super::{Store, StoreError, Tx};

/// The version of this app.
const APP: &str = env!("CARGO_PKG_VERSION");

/// The parts put aside, as they came.
pub(super) fn items(sql: &Connection) -> Result<Vec<Item>, StoreError> {
    let mut statement = sql.prepare_cached("SELECT opened(json) FROM aside WHERE opened(json) IS NOT NULL")?;
    let mut rows = statement.query([])?;
    let mut items = Vec::new();
    while let Some(row) = rows.next()? {
        items.push(json("item put aside", row.get_ref(0)?.as_str().unwrap_or_default())?);
    }
    Ok(items)
}

impl Tx<'_> {
    /// Records with parts put aside.
    pub(super) fn records_aside(&self) -> Result<HashSet<RecordId>, StoreError> {
        let mut statement = self.sql.prepare_cached("SELECT record FROM aside")?;
        let rows = statement.query_map([], |row| Ok(RecordId(id_at(row, 0)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Puts an item aside. The fill named it: what is known of the part does not leave.
    pub(super) fn put_aside(&self, item: &Item, fill: i64) -> Result<(), StoreError> {
        self.sql
            .prepare_cached(
                "INSERT OR REPLACE INTO aside (record, part, json, app, fill) VALUES (?1, ?2,
                    CASE WHEN ?2 = 'restricted' THEN sealed(?3) ELSE ?3 END, ?4, ?5)",
            )?
            .execute(params![blob(&item.id.0), item.part.code(), text("item put aside", item)?, APP, fill])?;
        if let Some((row, _)) = find(&self.sql, item.id)? {
            self.sql
                .prepare_cached("UPDATE confirmed SET fill = ?2 WHERE place = ?1 AND fill > 0")?
                .execute(params![place(row, item.part), fill])?;
        }
        Ok(())
    }

    /// The part can be read now, or is gone.
    pub(super) fn take_from_aside(&self, id: RecordId, part: Part) -> Result<(), StoreError> {
        self.sql
            .prepare_cached("DELETE FROM aside WHERE record = ?1 AND part = ?2")?
            .execute(params![blob(&id.0), part.code()])?;
        Ok(())
    }
}

impl Store {
    /// How many records have parts that this version cannot read.
    pub fn aside(&self) -> Result<u64, StoreError> {
        self.read(|sql| {
            let count: i64 =
                sql.prepare_cached("SELECT count(DISTINCT record) FROM aside")?.query_row([], |row| row.get(0))?;
            Ok(count.cast_unsigned())
        })
    }

    /// Lets a version that has not tried yet read again what an earlier one could not: the feed begins anew.
    pub fn try_aside_again(&self) -> Result<(), StoreError> {
        let other: bool =
            self.read(|sql| Ok(sql.prepare_cached("SELECT 1 FROM aside WHERE app <> ?1")?.exists([APP])?))?;
        if !other {
            return Ok(());
        }
        self.write(|tx| {
            tx.sql.execute("UPDATE aside SET app = ?1", [APP])?;
            tx.sql.execute("DELETE FROM meta WHERE key = ?1", [key::CURSOR])?;
            Ok(())
        })
    }
}
