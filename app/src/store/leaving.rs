//! What leaves this handheld: parts that the feed says are gone, and what a finished fill did not name.

use std::collections::HashSet;

use rusqlite::params;
use shared::ids::RecordId;
use shared::mutants::Mutant;
use shared::record::{Part, RecordKind};
use shared::vector::VectorTimestamp;

use super::meta::{self, key};
use super::rows::{blob, find, id_at, kind_of, place};
use super::{StoreError, Tx};

impl Tx<'_> {
    /// Records with edits that are replayed.
    pub(super) fn edited_records(&self) -> Result<HashSet<RecordId>, StoreError> {
        let mut statement = self.sql.prepare_cached("SELECT record FROM edit WHERE state IN ('waiting', 'applied')")?;
        let rows = statement.query_map([], |row| Ok(RecordId(id_at(row, 0)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// A part left what the user may see. While edits of the record have no outcome it stays, and goes after them.
    pub(super) fn take_gone(&mut self, id: RecordId, part: Part, has_edits: bool) -> Result<(), StoreError> {
        let Some((row, _)) = find(&self.sql, id)? else { return Ok(()) };
        // Planted mistake, see shared::mutants.
        if Mutant::GoneForgotten.on() {
            return Ok(());
        }
        if has_edits {
            // Also where nothing was confirmed yet: made here and moved away before the server heard of it.
            self.sql
                .prepare_cached(
                    "INSERT INTO confirmed (place, fill, state) VALUES (?1, 0, ?2) ON CONFLICT (place) DO UPDATE SET fill = 0",
                )?
                .execute(params![place(row, part), r#"{"vector":{},"heads":[],"live":{}}"#])?;
            return meta::put(&self.sql, key::STALE, &true);
        }
        self.drop_part(id, row, part)
    }

    fn drop_part(&mut self, id: RecordId, row: i64, part: Part) -> Result<(), StoreError> {
        match part {
            // Without its open part a record cannot be shown at all.
            Part::Open => self.drop_record(id),
            Part::Restricted => {
                self.sql.prepare_cached("DELETE FROM confirmed WHERE place = ?1")?.execute([place(row, part)])?;
                self.refresh(id)
            }
        }
    }

    /// A fill ended: parts the server took edits of and did not name are none of this user's, and nothing more will be
    /// said of them. What waits for an answer keeps its record here.
    fn drop_unnamed(&mut self, fill: i64) -> Result<(), StoreError> {
        let mut unnamed: Vec<(RecordId, Part)> = Vec::new();
        {
            let mut statement = self.sql.prepare_cached(
                "SELECT DISTINCT edit.record, edit.part FROM edit
                 LEFT JOIN record ON record.id = edit.record
                 LEFT JOIN confirmed ON confirmed.place = 2 * record.row + (edit.part = 'restricted')
                 WHERE edit.state = 'applied' AND (confirmed.fill IS NULL OR confirmed.fill < ?1)",
            )?;
            let mut rows = statement.query([fill])?;
            while let Some(row) = rows.next()? {
                let part = Part::from_code(row.get_ref(1)?.as_str().unwrap_or_default()).unwrap_or_default();
                unnamed.push((RecordId(id_at(row, 0)?), part));
            }
        }
        for (id, part) in &unnamed {
            self.sql
                .prepare_cached("UPDATE edit SET state = 'done' WHERE record = ?1 AND part = ?2 AND state = 'applied'")?
                .execute(params![blob(&id.0), part.code()])?;
        }
        let edited = self.edited_records()?;
        for (id, part) in unnamed.into_iter().filter(|(id, _)| !edited.contains(id)) {
            if let Some((row, _)) = find(&self.sql, id)? {
                self.drop_part(id, row, part)?;
            }
        }
        Ok(())
    }

    /// Drops what a finished fill did not name again, and what left while it had unsent edits.
    /// After a restore of the server what others had written there is told.
    pub(super) fn drop_stale(&mut self, fill: i64, filling: bool, restored: bool) -> Result<(), StoreError> {
        if filling {
            self.drop_unnamed(fill)?;
            self.sql.execute("DELETE FROM aside WHERE fill < ?1", [fill])?;
        }
        let stale: bool = meta::get(&self.sql, key::STALE)?.unwrap_or_default();
        let from_empty: bool = meta::get(&self.sql, key::FROM_EMPTY)?.unwrap_or_default();
        if !stale && (!filling || from_empty) {
            // Nothing can be left over; looking would read every page of the database.
            return Ok(());
        }
        // Outside a fill only what is marked 0 goes: rows of older generations are as good as new ones.
        let bound = if filling { fill } else { 1 };
        let mut leaving: Vec<(RecordId, RecordKind, i64, Part)> = Vec::new();
        {
            let mut statement = self.sql.prepare(
                "SELECT record.id, record.kind, record.row, confirmed.place & 1 FROM confirmed
                 JOIN record ON record.row = confirmed.place / 2 WHERE confirmed.fill < ?1",
            )?;
            let mut rows = statement.query([bound])?;
            while let Some(row) = rows.next()? {
                let part = if row.get::<_, i64>(3)? == 0 { Part::Open } else { Part::Restricted };
                let kind = kind_of(row.get_ref(1)?.as_str().unwrap_or_default())?;
                leaving.push((RecordId(id_at(row, 0)?), kind, row.get(2)?, part));
            }
        }
        let edited = self.edited_records()?;
        let mut left = false;
        for (id, kind, row, part) in leaving {
            if restored {
                self.note_remains((id, kind, part), row, &VectorTimestamp::new())?;
            }
            if edited.contains(&id) {
                left = true;
                self.sql
                    .prepare_cached("UPDATE confirmed SET fill = 0 WHERE place = ?1")?
                    .execute([place(row, part)])?;
            } else if find(&self.sql, id)?.is_some() {
                self.drop_part(id, row, part)?;
            }
        }
        meta::put(&self.sql, key::STALE, &left)
    }
}
