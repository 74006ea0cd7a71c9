//! What remains of edits that a restored server lost and that were not saved here: kept until it was told.

use rusqlite::params;
use shared::ids::{EditId, RecordId};
use shared::limits::REMAINS_A_ROUND;
use shared::path::Path;
use shared::record::{Part, RecordKind};
use shared::vector::VectorTimestamp;
use shared::wire::Remain;

use super::rows::{blob, confirmed, json, text};
use super::{Store, StoreError, Tx};

impl Tx<'_> {
    /// The confirmed state of a part is about to be replaced by one that knows of `vector`. What others had written and is
    /// not in it was lost. Own edits go again by themselves.
    pub(super) fn note_remains(
        &self,
        (record, kind, part): (RecordId, RecordKind, Part),
        row: i64,
        vector: &VectorTimestamp,
    ) -> Result<(), StoreError> {
        let held = confirmed(&self.sql, row, part)?;
        for (path, write) in held.all_live().filter(|(_, write)| !vector.covers(write.dot)) {
            let own = self.sql.prepare_cached("SELECT 1 FROM edit WHERE id = ?1")?.exists([blob(&write.head.id.0)])?;
            if own {
                continue;
            }
            let remain = Remain {
                edit: write.head.id,
                record,
                kind,
                part,
                path: path.clone(),
                value: write.value.clone(),
                at: write.head.at,
                author: (*write.head.author).clone(),
            };
            self.sql
                .prepare_cached("INSERT OR IGNORE INTO remain (edit, record, path, json) VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![blob(&remain.edit.0), blob(&record.0), path.as_str(), text("remain", &remain)?])?;
        }
        Ok(())
    }
}

impl Store {
    /// What to tell, the oldest first, at most one request's.
    pub fn remains(&self) -> Result<Vec<Remain>, StoreError> {
        self.read(|sql| {
            let mut statement = sql.prepare_cached("SELECT json FROM remain ORDER BY seq LIMIT ?1")?;
            let mut rows = statement.query([i64::try_from(REMAINS_A_ROUND).unwrap_or(i64::MAX)])?;
            let mut remains = Vec::new();
            while let Some(row) = rows.next()? {
                remains.push(json("remain", row.get_ref(0)?.as_str().unwrap_or_default())?);
            }
            Ok(remains)
        })
    }

    /// An answer came to a request that told these.
    pub fn forget_remains(&self, told: &[(EditId, Path)]) -> Result<(), StoreError> {
        if told.is_empty() {
            return Ok(());
        }
        self.write(|tx| {
            let mut statement = tx.sql.prepare_cached("DELETE FROM remain WHERE edit = ?1 AND path = ?2")?;
            for (edit, path) in told {
                statement.execute(params![blob(&edit.0), path.as_str()])?;
            }
            Ok(())
        })
    }
}
