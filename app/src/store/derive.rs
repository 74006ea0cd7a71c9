//! What an earlier version did not derive from the records it held, at the first opening after it.

use shared::ids::RecordId;
use shared::view::MOVED_FROM;

use super::meta::{self, key};
use super::rows::id_at;
use super::{Store, StoreError};

impl Store {
    /// Derives events, points and arrivals anew if a step of the schema asks for it.
    pub(super) fn derive_anew(&self) -> Result<(), StoreError> {
        let marks = [key::DERIVE_EVENTS, key::DERIVE_POINTS];
        let asked = self.read(|sql| {
            marks.into_iter().try_fold(false, |asked, mark| Ok(asked || meta::get::<bool>(sql, mark)?.is_some()))
        })?;
        if !asked {
            return Ok(());
        }
        self.write(|tx| {
            let ids = {
                // Of people, who are most of it, only those of whom a newer version said that they moved.
                let mut records = tx.sql.prepare(
                    "SELECT record.id FROM record LEFT JOIN confirmed ON confirmed.place = record.row * 2
                     WHERE record.kind <> 'person' OR instr(confirmed.state, ?1) > 0",
                )?;
                records.query_map([MOVED_FROM], |row| id_at(row, 0).map(RecordId))?.collect::<Result<Vec<_>, _>>()?
            };
            for id in ids {
                tx.refresh(id)?;
            }
            for mark in marks {
                tx.sql.execute("DELETE FROM meta WHERE key = ?1", [mark])?;
            }
            Ok(())
        })
    }
}
