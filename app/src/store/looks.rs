//! Masked values that the user asked to see: kept until the server has written them down.

use chrono::DateTime;
use rusqlite::params;
use shared::ids::RecordId;
use shared::outside::Outside;
use shared::wire::Look;
use uuid::Uuid;

use super::rows::{blob, id_at};
use super::{Store, StoreError};

/// The most looks of one request: the rest goes with the next.
const LOOKS: i64 = 200;

impl Store {
    /// Notes that a field of a record was shown in full. Durable when this returns: show it after.
    pub fn note_look(&self, record: RecordId, field: &str, outside: &dyn Outside) -> Result<(), StoreError> {
        let (id, at) = (outside.uuid(), outside.now().timestamp_millis());
        self.write(|tx| {
            tx.sql
                .prepare_cached("INSERT INTO look (id, record, field, at) VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![blob(&id), blob(&record.0), field, at])?;
            Ok(())
        })
    }

    /// The looks to send, the oldest first.
    pub fn looks(&self) -> Result<Vec<Look>, StoreError> {
        self.read(|sql| {
            let mut statement = sql.prepare_cached("SELECT id, record, field, at FROM look ORDER BY seq LIMIT ?1")?;
            let mut rows = statement.query([LOOKS])?;
            let mut looks = Vec::new();
            while let Some(row) = rows.next()? {
                looks.push(Look {
                    id: id_at(row, 0)?,
                    record: RecordId(id_at(row, 1)?),
                    field: row.get(2)?,
                    at: DateTime::from_timestamp_millis(row.get(3)?).unwrap_or_default(),
                });
            }
            Ok(looks)
        })
    }

    /// Forgets looks that a request carried and an answer acknowledged.
    pub fn forget_looks(&self, ids: &[Uuid]) -> Result<(), StoreError> {
        if ids.is_empty() {
            return Ok(());
        }
        self.write(|tx| {
            let mut statement = tx.sql.prepare_cached("DELETE FROM look WHERE id = ?1")?;
            for id in ids {
                statement.execute([blob(id)])?;
            }
            Ok(())
        })
    }
}
