//! The names of records, in SQL.

use rusqlite::params;
use shared::ids::RecordId;
use shared::record::Part;

use super::InTown;
use super::columns::areas;
use crate::store::{ReadTitles, StoreError, Titled};

impl ReadTitles for InTown<'_> {
    fn titles(&self, records: &mut dyn Iterator<Item = RecordId>) -> Result<Vec<Titled>, StoreError> {
        let mut query =
            self.conn.prepare_cached("SELECT areas, title FROM part WHERE town = ?1 AND record = ?2 AND part = ?3")?;
        let mut found = Vec::new();
        for record in records {
            let mut rows = query.query(params![self.town.0, record.0.as_bytes(), Part::Open.code()])?;
            if let Some(row) = rows.next()? {
                let areas = areas(row.get_ref(0)?.as_str().unwrap_or_default());
                found.push(Titled { record, areas, title: row.get(1)? });
            }
        }
        Ok(found)
    }
}
