//! Imports, in SQL.

use shared::ids::{RecordId, Slot, UserId};
use uuid::Uuid;

use super::InTown;
use super::columns::{count, int, ms, time, uuid};
use super::sql::{Row, params};
use crate::store::{KeepImports, ReadImports, StoreError, StoredImport};

/// The columns [`import`] reads, in order.
const IMPORT: &str = "id, user_id, at, state, slot, body";

fn import(row: &Row) -> Result<StoredImport, StoreError> {
    let user: Option<Vec<u8>> = row.get(1)?;
    Ok(StoredImport {
        id: uuid(&row.get::<Vec<u8>>(0)?)?,
        user: user.as_deref().map(uuid).transpose()?.map(UserId),
        at: time(row.get(2)?),
        state: row.get(3)?,
        slot: row.get::<Option<i64>>(4)?.map(|slot| Slot(count(slot))),
        body: row.get(5)?,
    })
}

impl ReadImports for InTown<'_> {
    fn import(&self, id: Uuid) -> Result<Option<StoredImport>, StoreError> {
        let sql = format!("SELECT {IMPORT} FROM import WHERE town = $1 AND id = $2");
        let query = self.conn.prepare_cached(&sql)?;
        let mut rows = query.rows(params![self.town.0, id.as_bytes()])?;
        rows.next()?.map(|row| import(&row)).transpose()
    }

    fn imports(&self, limit: usize) -> Result<Vec<StoredImport>, StoreError> {
        let sql = format!("SELECT {IMPORT} FROM import WHERE town = $1 ORDER BY at DESC, id DESC LIMIT $2");
        let query = self.conn.prepare_cached(&sql)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        query.map(params![self.town.0, limit], import)
    }

    fn import_mapping(&self, header: &str) -> Result<Option<String>, StoreError> {
        let query = self.conn.prepare_cached("SELECT mapping FROM import_header WHERE town = $1 AND header = $2")?;
        let mut rows = query.rows(params![self.town.0, header])?;
        rows.next()?.map(|row| row.get(0)).transpose()
    }

    fn edits_by(&self, slot: Slot, after: u64, limit: usize) -> Result<Vec<(u64, RecordId)>, StoreError> {
        let query = self.conn.prepare_cached(
            "SELECT n, record FROM edit WHERE slot = $1 AND n > $2 AND town = $3 ORDER BY n LIMIT $4",
        )?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let edit = |row: &Row| Ok::<_, StoreError>((count(row.get(0)?), RecordId(uuid(&row.get::<Vec<u8>>(1)?)?)));
        query.map(params![int(slot.0), int(after), self.town.0, limit], edit)
    }
}

impl KeepImports for InTown<'_> {
    fn put_import(&mut self, import: &StoredImport) -> Result<(), StoreError> {
        self.conn
            .prepare_cached(
                "INSERT INTO import (id, town, user_id, at, state, slot, body) VALUES ($1, $2, $3, $4, $5, $6, $7)
                 ON CONFLICT (id) DO UPDATE SET state = excluded.state, slot = excluded.slot, body = excluded.body",
            )?
            .execute(params![
                import.id.as_bytes(),
                self.town.0,
                import.user.map(|user| user.0.as_bytes().to_vec()),
                ms(import.at),
                import.state,
                import.slot.map(|slot| int(slot.0)),
                import.body
            ])?;
        Ok(())
    }

    fn put_import_mapping(&mut self, header: &str, mapping: &str) -> Result<(), StoreError> {
        self.conn
            .prepare_cached(
                "INSERT INTO import_header (town, header, mapping) VALUES ($1, $2, $3)
                 ON CONFLICT (town, header) DO UPDATE SET mapping = excluded.mapping",
            )?
            .execute(params![self.town.0, header, mapping])?;
        Ok(())
    }
}
