//! Taking everything of a record out.

use std::collections::BTreeSet;

use rusqlite::{OptionalExtension as _, params};
use shared::edit::Edit;
use shared::ids::{EditId, RecordId};
use shared::record::Part;

use super::InTown;
use super::columns::{from_json, int, key_text, ms, photo_hash};
use crate::store::common::body;
use crate::store::{Erased, Gone, KeepTowns, Kept, StoreError, Tx};

impl InTown<'_> {
    /// See [`crate::store::Keep::erase`].
    pub(super) fn take_out(&mut self, erased: &Erased) -> Result<Gone, StoreError> {
        let (town, record) = (self.town.0, erased.record);
        let of_it = params![town, record.0.as_bytes()];
        let readers = self.readers_ever(record)?;
        let restricted = self
            .conn
            .prepare_cached(
                "SELECT 1 FROM part WHERE town = ?1 AND record = ?2 AND part = 'restricted'
             UNION ALL SELECT 1 FROM departed WHERE town = ?1 AND record = ?2 AND part = 'restricted'",
            )?
            .exists(of_it)?;
        for part in Part::ALL.into_iter().filter(|part| *part == Part::Open || restricted) {
            let seq = self.take_seqs(part, 1)?;
            let mut tell = self.conn.prepare_cached(
                "INSERT INTO departed (town, part, record, key, seq, erased) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT (town, part, record, key) DO UPDATE SET seq = excluded.seq, erased = excluded.erased",
            )?;
            for reader in &readers {
                let kind = erased.kind.code();
                tell.execute(params![town, part.code(), record.0.as_bytes(), key_text(*reader), int(seq), kind])?;
            }
        }
        self.conn
            .prepare_cached(
                "INSERT INTO erased (town, record, kind, at) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
            )?
            .execute(params![town, record.0.as_bytes(), erased.kind.code(), ms(erased.at)])?;
        self.uncount_event(record)?;
        let uuid_text = record.to_string();
        for (sql, with_text) in [
            (
                "INSERT INTO erased_edit (id, slot, n) SELECT id, slot, n FROM edit WHERE town = ?1 AND record = ?2
              ON CONFLICT DO NOTHING",
                false,
            ),
            (
                "INSERT INTO erased_edit (id, slot, n) SELECT id, slot, json_extract(body, '$.dot[1]') FROM quarantine
              WHERE town = ?1 AND record = ?2 ON CONFLICT DO NOTHING",
                false,
            ),
            // Of some that could not be read it is not known what they were for: those that name it go with it.
            (
                "INSERT INTO erased_edit (id, slot, n) SELECT id, slot, n FROM unreadable WHERE town = ?1
              AND (record = ?2 OR (record = x'' AND instr(body, ?3) > 0)) ON CONFLICT DO NOTHING",
                true,
            ),
            (
                "DELETE FROM unreadable WHERE town = ?1 AND (record = ?2 OR (record = x'' AND instr(body, ?3) > 0))",
                true,
            ),
            ("DELETE FROM reporter WHERE town = ?1 AND record = ?2", false),
            ("DELETE FROM part WHERE town = ?1 AND record = ?2", false),
            ("DELETE FROM event WHERE town = ?1 AND record = ?2", false),
            ("DELETE FROM edit WHERE town = ?1 AND record = ?2", false),
            ("DELETE FROM quarantine WHERE town = ?1 AND record = ?2", false),
        ] {
            let mut query = self.conn.prepare_cached(sql)?;
            if with_text {
                query.execute(params![town, record.0.as_bytes(), uuid_text])?;
            } else {
                query.execute(of_it)?;
            }
        }
        self.take_out_photos(record)
    }

    /// See [`crate::store::Keep::empty_edits`].
    pub(super) fn take_out_writes(
        &mut self,
        record: RecordId,
        part: Part,
        edits: &BTreeSet<EditId>,
    ) -> Result<(), StoreError> {
        let town = self.town.0;
        for id in edits {
            self.conn
                .prepare_cached("INSERT INTO ended_edit (id) VALUES (?1) ON CONFLICT DO NOTHING")?
                .execute(params![id.0.as_bytes()])?;
            for (read, write) in [
                (
                    "SELECT body FROM edit WHERE town = ?1 AND id = ?2",
                    "UPDATE edit SET body = ?3 WHERE town = ?1 AND id = ?2",
                ),
                (
                    "SELECT body FROM quarantine WHERE town = ?1 AND id = ?2",
                    "UPDATE quarantine SET body = ?3, note = '' WHERE town = ?1 AND id = ?2",
                ),
            ] {
                let mut query = self.conn.prepare_cached(read)?;
                let text: Option<String> =
                    query.query_row(params![town, id.0.as_bytes()], |row| row.get(0)).optional()?;
                if let Some(text) = text {
                    let mut edit: Edit = from_json("edit", &text)?;
                    edit.writes.clear();
                    self.conn.prepare_cached(write)?.execute(params![town, id.0.as_bytes(), body(&edit)?])?;
                }
            }
        }
        // Of what cannot be read it is not known what it was for; its answer stays.
        self.conn
            .prepare_cached(
                "UPDATE unreadable SET body = '' WHERE town = ?1
                 AND (record = ?2 OR (record = x'' AND instr(body, ?3) > 0)) AND instr(body, ?4) > 0",
            )?
            .execute(params![town, record.0.as_bytes(), record.to_string(), part.code()])?;
        self.conn
            .prepare_cached("DELETE FROM remain WHERE town = ?1 AND record = ?2 AND part = ?3")?
            .execute(params![town, record.0.as_bytes(), part.code()])?;
        Ok(())
    }

    /// Its links, and the photos that nothing else links.
    fn take_out_photos(&mut self, record: RecordId) -> Result<Gone, StoreError> {
        let town = self.town.0;
        let mut alone = self.conn.prepare_cached(
            "SELECT DISTINCT hash FROM photo_link l WHERE town = ?1 AND record = ?2
             AND NOT EXISTS (SELECT 1 FROM photo_link o WHERE o.town = ?1 AND o.hash = l.hash AND o.record <> ?2)",
        )?;
        let rows = alone.query_and_then(params![town, record.0.as_bytes()], |row| photo_hash(row.get(0)?))?;
        let photos: Vec<_> = rows.collect::<Result<_, _>>()?;
        self.conn
            .prepare_cached("DELETE FROM photo_link WHERE town = ?1 AND record = ?2")?
            .execute(params![town, record.0.as_bytes()])?;
        self.bar_photos(&photos)
    }
}
