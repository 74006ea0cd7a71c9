//! Records that were merged into others: they leave lists and search, their pages lead to the winner, and what reached them
//! later is offered there. An alias is a view like any other: nothing of the states changes.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension, params};
use shared::author::Author;
use shared::ids::RecordId;
use shared::merge::sees;
use shared::path::Path;
use shared::record::RecordKind;
use shared::value::Value;
use shared::view::{self, MERGED_INTO};
use uuid::Uuid;

use super::haystack::{Change, category_of};
use super::rows::{blob, find, id_at, shown};
use super::{StoreError, Tx};

/// A value that reached a record after it was merged into another.
#[derive(Debug, Clone, PartialEq)]
pub struct Late {
    /// The record it reached.
    pub record: RecordId,
    /// Where.
    pub path: Path,
    /// What.
    pub value: Value,
    /// Who.
    pub author: Arc<Author>,
    /// When, by the clock of the device.
    pub at: DateTime<Utc>,
}

/// The record this one was merged into, by its row.
fn alias_at(sql: &Connection, id: RecordId) -> Result<Option<RecordId>, StoreError> {
    let alias: Option<Vec<u8>> = sql
        .prepare_cached("SELECT alias FROM record WHERE id = ?1 AND alias <> x''")?
        .query_row([blob(&id.0)], |row| row.get(0))
        .optional()?;
    Ok(alias.and_then(|bytes| Uuid::from_slice(&bytes).ok()).map(RecordId))
}

/// The record this one was merged into, with its title if it is held.
pub(super) fn winner(sql: &Connection, id: RecordId) -> Result<Option<(RecordId, Option<String>)>, StoreError> {
    let Some(winner) = alias_at(sql, id)? else { return Ok(None) };
    let title = match find(sql, winner)? {
        Some((row, _)) => {
            Some(sql.prepare_cached("SELECT title FROM record WHERE row = ?1")?.query_row([row], |row| row.get(0))?)
        }
        None => None,
    };
    Ok(Some((winner, title)))
}

/// Records whose rows lead to this one.
fn losers(sql: &Connection, winner: RecordId) -> Result<Vec<RecordId>, StoreError> {
    let mut statement = sql.prepare_cached("SELECT id FROM record WHERE alias = ?1 AND alias <> x'' ORDER BY id")?;
    let ids = statement.query_map([blob(&winner.0)], |row| Ok(RecordId(id_at(row, 0)?)))?;
    Ok(ids.collect::<Result<_, _>>()?)
}

/// What stands in the open parts of records merged into this one and was not seen by whoever merged them.
pub(super) fn late(sql: &Connection, winner: RecordId) -> Result<Vec<Late>, StoreError> {
    let mut late = Vec::new();
    for id in losers(sql, winner)? {
        let Some(record) = shown(sql, id)? else { continue };
        let mergers: Vec<_> = record.open.live(&Path::field(MERGED_INTO)).map(|write| write.head).collect();
        for (path, write) in record.open.all_live().filter(|(path, _)| path.field_name() != MERGED_INTO) {
            let seen = mergers.iter().any(|head| {
                head.id == write.head.id || (head.context.covers(write.dot) && sees(head.epoch, write.head.epoch))
            });
            if !seen && !write.value.is_null() {
                late.push(Late {
                    record: id,
                    path: path.clone(),
                    value: write.value.clone(),
                    author: Arc::clone(&write.head.author),
                    at: write.head.at,
                });
            }
        }
    }
    Ok(late)
}

impl Tx<'_> {
    /// The row of a record was put, which says it was merged into `merged`. Follows where that leads: for it, and for those
    /// whose line leads through it.
    pub(super) fn follow_aliases(&mut self, id: RecordId, merged: Option<RecordId>) -> Result<(), StoreError> {
        let before = alias_at(&self.sql, id)?;
        let mut concerned: BTreeSet<RecordId> = losers(&self.sql, id)?.into_iter().collect();
        if merged.is_none() && before.is_none() && concerned.is_empty() {
            return Ok(());
        }
        concerned.insert(id);
        if let Some(before) = before {
            concerned.insert(before);
            concerned.extend(losers(&self.sql, before)?);
        }
        let mut next = merged;
        while let Some(step) = next.filter(|step| concerned.insert(*step)) {
            next = self.says(step)?;
        }
        for each in concerned {
            self.put_alias(each, (id, merged))?;
        }
        Ok(())
    }

    /// What a record says it was merged into.
    fn says(&self, id: RecordId) -> Result<Option<RecordId>, StoreError> {
        Ok(shown(&self.sql, id)?.and_then(|record| view::merged_into(&record.open)))
    }

    fn put_alias(&mut self, id: RecordId, (new, merged): (RecordId, Option<RecordId>)) -> Result<(), StoreError> {
        let Some((row, kind)) = find(&self.sql, id)? else { return Ok(()) };
        let mut failed = None;
        let end = view::alias_of(id, |step| {
            // The state of the record that is being put is not stored yet.
            let says = if step == new { Ok(merged) } else { self.says(step) };
            says.unwrap_or_else(|error| {
                failed = Some(error);
                None
            })
        });
        if let Some(error) = failed {
            return Err(error);
        }
        let alias = (end != id).then_some(end);
        if alias == alias_at(&self.sql, id)? && id != new {
            return Ok(());
        }
        let bytes: &[u8] = alias.as_ref().map_or(&[], |alias| blob(&alias.0));
        self.sql.prepare_cached("UPDATE record SET alias = ?2 WHERE row = ?1")?.execute(params![row, bytes])?;
        let change = if alias.is_some() { Change::Drop { row } } else { self.change_of(row, kind)? };
        self.changes.push(change);
        Ok(())
    }

    /// The row as search knows it.
    fn change_of(&self, row: i64, kind: RecordKind) -> Result<Change, StoreError> {
        let mut statement = self.sql.prepare_cached("SELECT area, deleted, words, facts FROM record WHERE row = ?1")?;
        Ok(statement.query_row([row], |at| {
            let category = category_of(at.get_ref(3)?.as_str().unwrap_or_default()).map(str::to_owned);
            Ok(Change::Put { row, kind, area: at.get(0)?, category, deleted: at.get(1)?, words: at.get(2)? })
        })?)
    }
}
