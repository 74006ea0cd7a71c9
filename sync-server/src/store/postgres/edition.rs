//! What was published, in SQL.

use shared::ids::UserId;

use super::InTown;
use super::columns::{ms, time, uuid};
use super::failure::unique;
use super::sql::{Row, params};
use crate::store::{Edition, KeepEditions, ReadEditions, StoreError};

fn edition(row: &Row) -> Result<Edition, StoreError> {
    Ok(Edition {
        name: row.get(0)?,
        version: row.get(1)?,
        text: row.get(2)?,
        at: time(row.get(3)?),
        user: UserId(uuid(&row.get::<Vec<u8>>(4)?)?),
    })
}

impl ReadEditions for InTown<'_> {
    fn edition_count(&self) -> Result<usize, StoreError> {
        let query = self.conn.prepare_cached("SELECT count(*) FROM edition WHERE town = $1")?;
        let found: u32 = query.one(params![self.town.0], |row| row.get(0))?;
        Ok(usize::try_from(found).unwrap_or(usize::MAX))
    }

    fn editions(&self) -> Result<Vec<Edition>, StoreError> {
        let sql = "SELECT name, version, text, at, user_id FROM edition WHERE town = $1 ORDER BY name, version";
        self.conn.prepare_cached(sql)?.map(params![self.town.0], edition)
    }
}

impl KeepEditions for InTown<'_> {
    fn put_edition(&mut self, edition: &Edition) -> Result<(), StoreError> {
        let sql = "INSERT INTO edition (town, name, version, text, at, user_id) VALUES ($1, $2, $3, $4, $5, $6)";
        let by = edition.user.0.as_bytes();
        self.conn
            .prepare_cached(sql)?
            .execute(params![self.town.0, edition.name, edition.version, edition.text, ms(edition.at), by])
            .map_err(unique("a version of this number"))?;
        Ok(())
    }
}
