//! Reading and writing the rows of one record.

use chrono::Datelike;
use rusqlite::types::Type;
use rusqlite::{CachedStatement, Connection, OptionalExtension, params};
use serde::Serialize;
use serde::de::DeserializeOwned;
use shared::edit::Edit;
use shared::ids::RecordId;
use shared::merge::PartState;
use shared::record::{Part, Record, RecordKind};
use shared::workflow::Stage;
use uuid::Uuid;

use super::haystack::{Change, category_of};
use super::project::{Shown, project};
use super::{StoreError, Tx};

/// The bytes of an id as SQL takes them.
pub(super) fn blob(id: &Uuid) -> &[u8] {
    id.as_bytes()
}

/// An id from a column.
pub(super) fn id_at(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<Uuid> {
    let bytes = row
        .get_ref(column)?
        .as_blob()
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Blob, Box::new(error)))?;
    Uuid::from_slice(bytes)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Blob, Box::new(error)))
}

/// JSON from a column.
pub(super) fn json<T: DeserializeOwned>(what: &'static str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Row { what, why: error.to_string() })
}

/// JSON for a column.
pub(super) fn text<T: Serialize>(what: &'static str, value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Row { what, why: error.to_string() })
}

pub(super) fn kind_of(code: &str) -> Result<RecordKind, StoreError> {
    RecordKind::from_code(code).ok_or_else(|| StoreError::Row { what: "kind", why: code.to_owned() })
}

pub(super) fn place(row: i64, part: Part) -> i64 {
    row * 2 + i64::from(part == Part::Restricted)
}

/// The row of a record.
pub(super) fn find(sql: &Connection, id: RecordId) -> Result<Option<(i64, RecordKind)>, StoreError> {
    let found: Option<(i64, String)> = sql
        .prepare_cached("SELECT row, kind FROM record WHERE id = ?1")?
        .query_row([blob(&id.0)], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    found.map(|(row, kind)| Ok((row, kind_of(&kind)?))).transpose()
}

/// What the server says of a part; empty if it never said anything.
pub(super) fn confirmed(sql: &Connection, row: i64, part: Part) -> Result<PartState, StoreError> {
    // Empty too while it lies closed, see `lease`.
    let state: Option<Option<String>> = sql
        .prepare_cached("SELECT opened(state) FROM confirmed WHERE place = ?1")?
        .query_row([place(row, part)], |row| row.get(0))
        .optional()?;
    state.flatten().map_or_else(|| Ok(PartState::default()), |state| json("confirmed state", &state))
}

const PUT_CONFIRMED: &str = "INSERT INTO confirmed (place, fill, state) VALUES (?1, ?2, ?3)
    ON CONFLICT (place) DO UPDATE SET fill = ?2, state = ?3";

pub(super) fn put_confirmed(sql: &Connection, row: i64, part: Part, fill: i64, state: &str) -> Result<(), StoreError> {
    match part {
        Part::Open => sql.prepare_cached(PUT_CONFIRMED)?.execute(params![place(row, part), fill, state])?,
        Part::Restricted => sql.prepare_cached(&PUT_CONFIRMED.replace("?3", "sealed(?3)"))?.execute(params![
            place(row, part),
            fill,
            state
        ])?,
    };
    Ok(())
}

/// The edits of a record that are replayed on top of confirmed, in order.
pub(super) fn live_edits(sql: &Connection, id: RecordId) -> Result<Vec<Edit>, StoreError> {
    let mut statement = sql.prepare_cached(
        "SELECT opened(json) FROM edit WHERE record = ?1 AND state IN ('waiting', 'applied') AND away = ''
            AND opened(json) IS NOT NULL ORDER BY seq",
    )?;
    let mut rows = statement.query([blob(&id.0)])?;
    let mut edits = Vec::new();
    while let Some(row) = rows.next()? {
        edits.push(json("edit", row.get_ref(0)?.as_str().unwrap_or_default())?);
    }
    Ok(edits)
}

/// A record as it is shown: confirmed, with its live edits on top. `None` if this handheld holds nothing of it.
pub(super) fn shown(sql: &Connection, id: RecordId) -> Result<Option<Record>, StoreError> {
    let Some((row, kind)) = find(sql, id)? else { return Ok(None) };
    let mut record = Record::empty(id, kind);
    for part in Part::ALL {
        *record.part_mut(part) = confirmed(sql, row, part)?;
    }
    for edit in live_edits(sql, id)? {
        record.part_mut(edit.part).apply(&edit);
    }
    Ok(Some(record))
}

/// What stands beside the row: links, where it is, and what lists of events and of arrivals need.
fn put_beside(sql: &Connection, row: i64, shown: &Shown) -> Result<(), StoreError> {
    for (field, target) in &shown.links {
        sql.prepare_cached("INSERT OR IGNORE INTO link (from_row, field, target) VALUES (?1, ?2, ?3)")?
            .execute(params![row, field, blob(&target.0)])?;
    }
    let stays = !shown.deleted && shown.merged.is_none();
    if let Some([lon, lat]) = shown.point.filter(|_| stays) {
        sql.prepare_cached("INSERT OR REPLACE INTO point (row, lon, lat) VALUES (?1, ?2, ?3)")?
            .execute(params![row, lon, lat])?;
    }
    if let Some(from) = shown.moved_from.filter(|_| stays) {
        sql.prepare_cached("INSERT OR REPLACE INTO arrival (row, from_area) VALUES (?1, ?2)")?
            .execute(params![row, from])?;
    }
    for (hash, photo) in shown.photos.iter().filter(|_| stays) {
        sql.prepare_cached("INSERT OR IGNORE INTO picture (row, hash, thumbnail, at) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![row, hash, photo.thumbnail.as_str(), photo.at])?;
    }
    if let Some(event) = &shown.event {
        let stage = serde_json::to_string(&event.stage).unwrap_or_default();
        // Work that is recorded waits for nobody.
        let done = matches!(event.stage, Stage::Closed | Stage::Archived) || event.work.is_some();
        let ended = shown.deleted || done;
        let reporter = event.reporter.map(|user| user.0.as_bytes().to_vec()).unwrap_or_default();
        sql.prepare_cached(
            "INSERT INTO event (row, stage, ended, due, reporter, updated) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (row) DO UPDATE SET stage = ?2, ended = ?3, due = ?4, reporter = ?5, updated = ?6",
        )?
        .execute(params![
            row,
            stage.trim_matches('"'),
            ended,
            event.due.unwrap_or(i64::MAX),
            reporter,
            shown.updated
        ])?;
        if let Some(work) = event.work.as_ref().filter(|_| stays) {
            let subject = work.subject.map(|id| id.0.as_bytes().to_vec()).unwrap_or_default();
            let next = work.next.map_or(0, |day| day.num_days_from_ce());
            sql.prepare_cached(
                "INSERT OR REPLACE INTO work (row, work, subject, at, next) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![row, work.work.code(), subject, work.at, next])?;
        }
    }
    Ok(())
}

fn put(row: i64, kind: RecordKind, shown: Shown) -> Change {
    let category = category_of(&shown.facts).map(str::to_owned);
    Change::Put { row, kind, area: shown.area, category, deleted: shown.deleted, words: shown.words }
}

/// Puts rows of records that are not there yet; the statements are looked up once for all of them.
pub(super) struct NewRows<'a> {
    sql: &'a Connection,
    record: CachedStatement<'a>,
    confirmed: CachedStatement<'a>,
    fill: i64,
}

impl<'a> NewRows<'a> {
    pub(super) fn of(sql: &'a Connection, fill: i64) -> Result<Self, StoreError> {
        let record = sql.prepare_cached(
            "INSERT INTO record (id, kind, title, facts, area, deleted, conflicts, updated, words)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (id) DO NOTHING",
        )?;
        let confirmed = sql.prepare_cached(PUT_CONFIRMED)?;
        Ok(Self { sql, record, confirmed, fill })
    }

    /// Puts one record with its open part. `None`: it is there already, and nothing was changed.
    pub(super) fn put(
        &mut self,
        id: RecordId,
        kind: RecordKind,
        shown: Shown,
        state: &str,
    ) -> Result<Option<Change>, StoreError> {
        let added = self.record.execute(params![
            blob(&id.0),
            kind.code(),
            shown.title,
            shown.facts,
            shown.area,
            shown.deleted,
            shown.conflicts,
            shown.updated,
            shown.words
        ])?;
        if added == 0 {
            return Ok(None);
        }
        let row = self.sql.last_insert_rowid();
        self.confirmed.execute(params![place(row, Part::Open), self.fill, state])?;
        put_beside(self.sql, row, &shown)?;
        Ok(Some(put(row, kind, shown)))
    }
}

impl Tx<'_> {
    /// Derives row, links, event and words of a record anew.
    pub(super) fn put_shown(&mut self, record: &Record) -> Result<i64, StoreError> {
        let shown = project(&self.rules, record.kind, &record.open, &record.restricted);
        let merged = shown.merged;
        let row: i64 = self
            .sql
            .prepare_cached(
                "INSERT INTO record (id, kind, title, facts, area, deleted, conflicts, updated, words)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
                 ON CONFLICT (id) DO UPDATE SET title = ?3, facts = ?4, area = ?5, deleted = ?6, conflicts = ?7,
                    updated = ?8, words = ?9
                 RETURNING row",
            )?
            .query_row(
                params![
                    blob(&record.id.0),
                    record.kind.code(),
                    shown.title,
                    shown.facts,
                    shown.area,
                    shown.deleted,
                    shown.conflicts,
                    shown.updated,
                    shown.words
                ],
                |row| row.get(0),
            )?;
        self.sql.prepare_cached("DELETE FROM link WHERE from_row = ?1")?.execute([row])?;
        match record.kind {
            RecordKind::Event => self.sql.prepare_cached("DELETE FROM work WHERE row = ?1")?.execute([row])?,
            RecordKind::Person => self.sql.prepare_cached("DELETE FROM arrival WHERE row = ?1")?.execute([row])?,
            _ => 0,
        };
        if record.kind != RecordKind::Person {
            self.sql.prepare_cached("DELETE FROM point WHERE row = ?1")?.execute([row])?;
            self.sql.prepare_cached("DELETE FROM picture WHERE row = ?1")?.execute([row])?;
        }
        put_beside(&self.sql, row, &shown)?;
        self.changes.push(put(row, record.kind, shown));
        self.follow_aliases(record.id, merged)?;
        Ok(row)
    }

    /// Derives a record anew from what is stored, or drops its row when nothing is stored of it any more.
    pub(super) fn refresh(&mut self, id: RecordId) -> Result<(), StoreError> {
        let record = match shown(&self.sql, id)? {
            Some(record) => record,
            // A restored server did not name it, and so it left; what is offered again of it is shown all the same.
            None => {
                let edits = live_edits(&self.sql, id)?;
                let Some(first) = edits.first() else { return Ok(()) };
                let mut record = Record::empty(id, first.kind);
                for edit in &edits {
                    record.part_mut(edit.part).apply(edit);
                }
                record
            }
        };
        if record.open.is_empty() && record.restricted.is_empty() {
            self.drop_record(id)
        } else {
            self.put_shown(&record).map(drop)
        }
    }

    /// Takes a record off this handheld. Its edits stay.
    pub(super) fn drop_record(&mut self, id: RecordId) -> Result<(), StoreError> {
        let Some((row, _)) = find(&self.sql, id)? else { return Ok(()) };
        self.drop_pictures(row)?;
        let sql = &self.sql;
        sql.prepare_cached("DELETE FROM link WHERE from_row = ?1")?.execute([row])?;
        sql.prepare_cached("DELETE FROM event WHERE row = ?1")?.execute([row])?;
        sql.prepare_cached("DELETE FROM work WHERE row = ?1")?.execute([row])?;
        sql.prepare_cached("DELETE FROM point WHERE row = ?1")?.execute([row])?;
        sql.prepare_cached("DELETE FROM arrival WHERE row = ?1")?.execute([row])?;
        sql.prepare_cached("DELETE FROM confirmed WHERE place IN (?1, ?2)")?
            .execute([place(row, Part::Open), place(row, Part::Restricted)])?;
        sql.prepare_cached("DELETE FROM record WHERE row = ?1")?.execute([row])?;
        self.changes.push(Change::Drop { row });
        Ok(())
    }
}
