//! Erasure: a person's right. Everything of the record goes from this handheld, sent or not; what stays is the place of
//! its edits in their slot, so that each n keeps an outcome, and, in the tray, that it was erased.

use std::collections::BTreeMap;

use rusqlite::params;
use shared::edit::Edit;
use shared::form::PhotoParticulars;
use shared::ids::RecordId;
use shared::record::Part;
use shared::value::Value;
use shared::vector::VectorTimestamp;
use shared::wire::{Outcome, RejectReason};

use super::rows::{blob, confirmed, find, json, text};
use super::{StoreError, Tx};

impl Tx<'_> {
    /// Erases a record.
    pub(super) fn erase(&mut self, id: RecordId) -> Result<(), StoreError> {
        // What is deleted is overwritten, not only left to be used again.
        self.sql.pragma_update(None, "secure_delete", true)?;
        let done = self.erase_all(id);
        self.sql.pragma_update(None, "secure_delete", false)?;
        done
    }

    fn erase_all(&mut self, id: RecordId) -> Result<(), StoreError> {
        let mut hashes: Vec<String> = Vec::new();
        if let Some((row, _)) = find(&self.sql, id)? {
            for part in Part::ALL {
                let state = confirmed(&self.sql, row, part)?;
                state.all_live().for_each(|(path, write)| photos_of(path.element_name(), write.value, &mut hashes));
            }
        }
        // What cannot be read has its outcome: nothing need keep its place.
        self.sql
            .prepare_cached("DELETE FROM edit WHERE record = ?1 AND opened(json) IS NULL")?
            .execute([blob(&id.0)])?;
        let edits = self.edits_of(id)?;
        for (_, edit, ..) in &edits {
            edit.writes.iter().for_each(|(path, value)| photos_of(path.element_name(), value, &mut hashes));
        }
        self.erase_photos(id, &hashes)?;
        for (seq, edit, state, receipt) in edits {
            self.empty(seq, edit, &state, &receipt)?;
        }
        for statement in [
            "DELETE FROM remain WHERE record = ?1",
            "DELETE FROM look WHERE record = ?1",
            "DELETE FROM aside WHERE record = ?1",
            "DELETE FROM track WHERE patrol = ?1",
        ] {
            self.sql.prepare_cached(statement)?.execute([blob(&id.0)])?;
        }
        self.sql
            .prepare_cached(
                "DELETE FROM draft WHERE instr(key, ?1) > 0 OR key = 'last-person' OR (json_valid(json)
                    AND ?1 IN (json_extract(json, '$.record'), json_extract(json, '$.values.subject')))",
            )?
            .execute([id.to_string()])?;
        self.drop_record(id)
    }

    fn edits_of(&self, id: RecordId) -> Result<Vec<(i64, Edit, String, String)>, StoreError> {
        let mut statement = self.sql.prepare_cached(
            "SELECT seq, opened(json), state, receipt FROM edit
                 WHERE record = ?1 AND opened(json) IS NOT NULL ORDER BY seq",
        )?;
        let mut rows = statement.query([blob(&id.0)])?;
        let mut edits = Vec::new();
        while let Some(row) = rows.next()? {
            let edit = json("edit", row.get_ref(1)?.as_str().unwrap_or_default())?;
            edits.push((row.get(0)?, edit, row.get(2)?, row.get(3)?));
        }
        Ok(edits)
    }

    /// Leaves of an edit nothing but its place. One that waits goes as a stand-in without content; of one that came back
    /// because of the erasure the words stay in the tray.
    fn empty(&self, seq: i64, mut edit: Edit, state: &str, receipt: &str) -> Result<(), StoreError> {
        let said = (state == "rejected").then(|| json::<Outcome>("receipt", receipt)).transpose()?;
        let erased = matches!(said, Some(Outcome::Rejected(why)) if why.reason == RejectReason::Erased);
        edit.writes = BTreeMap::new();
        edit.context = VectorTimestamp::new();
        let (state, away) = match state {
            "waiting" => ("waiting", "withdrawn"),
            "rejected" if erased => ("rejected", ""),
            _ => ("withdrawn", ""),
        };
        self.sql
            .prepare_cached(
                "UPDATE edit SET json = ?2, replaced = '{}', state = ?3, away = ?4, told = 1, released = 0, held = 0,
                    receipt = CASE WHEN ?3 = 'rejected' THEN receipt ELSE '' END
                 WHERE seq = ?1",
            )?
            .execute(params![seq, text("edit", &edit)?, state, away])?;
        Ok(())
    }

    fn erase_photos(&mut self, id: RecordId, hashes: &[String]) -> Result<(), StoreError> {
        let mut gone: Vec<String> = Vec::new();
        {
            let mut statement = self.sql.prepare_cached("DELETE FROM photo WHERE record = ?1 RETURNING hash")?;
            let rows = statement.query_map([blob(&id.0)], |row| row.get(0))?;
            gone.extend(rows.collect::<Result<Vec<String>, _>>()?);
            // Also what was fetched to be looked at; not what another record links.
            let mut statement =
                self.sql.prepare_cached("DELETE FROM photo WHERE hash = ?1 AND record = x'' RETURNING hash")?;
            for hash in hashes {
                let rows = statement.query_map([hash], |row| row.get(0))?;
                gone.extend(rows.collect::<Result<Vec<String>, _>>()?);
            }
        }
        self.photos_gone.extend(gone);
        Ok(())
    }
}

/// The hashes of a photo and its thumbnail, if that is what stands there.
fn photos_of(element: Option<&str>, value: &Value, hashes: &mut Vec<String>) {
    let Some(hash) = element.filter(|name| name.len() == 64) else { return };
    hashes.push(hash.to_owned());
    hashes.extend(value.get::<PhotoParticulars>().map(|photo| photo.thumbnail.as_str().to_owned()));
}
