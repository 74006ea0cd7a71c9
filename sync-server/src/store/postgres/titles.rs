//! The names of records, in SQL.

use shared::ids::RecordId;
use shared::record::Part;

use super::InTown;
use super::columns::{areas, uuid};
use super::sql::{Value, params};
use crate::store::{ReadTitles, StoreError, Titled};

impl ReadTitles for InTown<'_> {
    fn titles(&self, records: &mut dyn Iterator<Item = RecordId>) -> Result<Vec<Titled>, StoreError> {
        let query = self.conn.prepare_cached(
            "SELECT p.record, p.areas, p.title FROM unnest($2::bytea[]) WITH ORDINALITY AS k (record, place)
                 JOIN part p ON p.town = $1 AND p.record = k.record AND p.part = $3 ORDER BY k.place",
        )?;
        let wanted = Value::Blobs(records.map(|record| record.0.as_bytes().to_vec()).collect());
        query.map(params![self.town.0, wanted, Part::Open.code()], |row| {
            Ok(Titled { record: RecordId(uuid(row.blob(0)?)?), areas: areas(row.text(1)?), title: row.get(2)? })
        })
    }
}
