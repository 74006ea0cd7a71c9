//! 待核对 afterwards: what was decided here and can be taken back, and what others decided where an own value stood. Both
//! follow from own edits and from what stands now, see `docs/decisions/016`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use rusqlite::{Connection, params};
use shared::author::Author;
use shared::edit::Edit;
use shared::ids::{Dot, EditId, RecordId, UserId};
use shared::merge::LiveWrite;
use shared::path::Path;
use shared::record::{Part, Record, RecordKind};
use shared::value::Value;
use shared::view::Policy;

use super::pending::Replaced;
use super::rows::{blob, find, json, shown};
use super::{Store, StoreError, read};

/// A field of a record.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// The record.
    pub record: RecordId,
    /// Its kind.
    pub kind: RecordKind,
    /// Its title.
    pub title: String,
    /// The part the field belongs to.
    pub part: Part,
    /// Its name.
    pub field: String,
}

/// A decision made on this handheld that still stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The edit that decided.
    pub edit: EditId,
    /// Where.
    pub place: Place,
    /// What was used.
    pub value: Value,
    /// Whether a value that somebody else had filled in gave way or was used: they are told.
    pub others: bool,
    /// When, by the clock of the handheld.
    pub at: DateTime<Utc>,
}

/// Somebody else decided where an own value stood.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// The own edit.
    pub own: EditId,
    /// The edit that decided.
    pub by: EditId,
    /// Where.
    pub place: Place,
    /// What was filled in here.
    pub filled: Value,
    /// What is used now.
    pub value: Value,
    /// Who decided.
    pub author: Arc<Author>,
    /// When, by their clock.
    pub at: DateTime<Utc>,
}

/// How far the clocks of two handhelds may be apart, in milliseconds: both follow the server's.
const CLOCKS_APART: i64 = 3_600_000;

impl Store {
    /// Decisions made here that still stand, the last one first, at most `limit`: own edits in whose place several
    /// values stood, and beside which nobody has written since.
    pub fn decisions(&self, limit: usize) -> Result<Vec<Decision>, StoreError> {
        self.read(|sql| {
            let mut statement = sql.prepare_cached(
                "SELECT opened(json), opened(replaced), over <> '[]' FROM edit
                 WHERE state IN ('waiting', 'applied', 'done') AND away = '' AND opened(json) IS NOT NULL
                    AND EXISTS (SELECT 1 FROM json_each(opened(replaced)) AS was WHERE json_array_length(was.value) > 1)
                 ORDER BY seq DESC",
            )?;
            let mut rows = statement.query([])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                let edit: Edit = json("edit", row.get_ref(0)?.as_str().unwrap_or_default())?;
                let replaced: Replaced = json("replaced values", row.get_ref(1)?.as_str().unwrap_or_default())?;
                let others = row.get(2)?;
                let Some((record, title)) = listed(sql, edit.record)? else { continue };
                // Taking back an edit takes back all that it wrote: a decision writes one field.
                for (path, value) in edit.writes.iter().filter(|_| edit.writes.len() == 1) {
                    let before = replaced.get(path).map(Vec::as_slice).unwrap_or_default();
                    let differed = before.iter().any(|value| Some(value) != before.first());
                    let mut live = record.part(edit.part).live(path).peekable();
                    let stands = live.peek().is_some() && live.all(|write| write.head.id == edit.id);
                    if differed && stands && self.is_decided(edit.kind, path) {
                        found.push(Decision {
                            edit: edit.id,
                            place: place(&edit, title.clone(), path),
                            value: value.clone(),
                            others,
                            at: edit.at,
                        });
                    }
                }
                if found.len() >= limit {
                    break;
                }
            }
            found.truncate(limit);
            Ok(found)
        })
    }

    /// What others decided where a value of `me` stood and `me` was not told of yet, the last one first.
    pub fn decided_by_others(&self, me: UserId) -> Result<Vec<Told>, StoreError> {
        self.read(|sql| {
            // Where nobody wrote later the own values stand; most records need not be looked at.
            let mut statement = sql.prepare_cached(
                "SELECT opened(edit.json), edit.noted FROM edit JOIN record ON record.id = edit.record
                 WHERE edit.state IN ('applied', 'done') AND edit.away = '' AND opened(edit.json) IS NOT NULL
                    AND (record.updated > edit.saved - ?1 OR edit.part = 'restricted')
                 ORDER BY edit.seq DESC",
            )?;
            let mut rows = statement.query([CLOCKS_APART])?;
            let mut records: BTreeMap<RecordId, Option<(Record, String)>> = BTreeMap::new();
            // Of several own values of a field the last is the one that was filled in.
            let mut last: BTreeSet<(RecordId, Path)> = BTreeSet::new();
            let mut found: Vec<Told> = Vec::new();
            while let Some(row) = rows.next()? {
                let edit: Edit = json("edit", row.get_ref(0)?.as_str().unwrap_or_default())?;
                let noted: BTreeSet<EditId> = json("what was told", row.get_ref(1)?.as_str().unwrap_or_default())?;
                if let std::collections::btree_map::Entry::Vacant(entry) = records.entry(edit.record) {
                    entry.insert(listed(sql, edit.record)?);
                }
                let Some(Some((record, title))) = records.get(&edit.record) else { continue };
                for (path, filled) in edit.writes.iter().filter(|(path, _)| self.is_decided(edit.kind, path)) {
                    if !last.insert((edit.record, path.clone())) {
                        continue;
                    }
                    let mut live = record.part(edit.part).live(path);
                    let (Some(write), None) = (live.next(), live.next()) else { continue };
                    if decides(&write, &edit, me) && !noted.contains(&write.head.id) {
                        found.push(Told {
                            own: edit.id,
                            by: write.head.id,
                            place: place(&edit, title.clone(), path),
                            filled: filled.clone(),
                            value: write.value.clone(),
                            author: Arc::clone(&write.head.author),
                            at: write.head.at,
                        });
                    }
                }
            }
            found.sort_by_key(|told| std::cmp::Reverse(told.at));
            Ok(found)
        })
    }

    /// Notes that the user has seen these: the own edit and the edit that decided.
    pub fn note_told(&self, seen: &[(EditId, EditId)]) -> Result<(), StoreError> {
        if seen.is_empty() {
            return Ok(());
        }
        self.write(|tx| {
            let mut statement =
                tx.sql.prepare_cached("UPDATE edit SET noted = json_insert(noted, '$[#]', ?2) WHERE id = ?1")?;
            for (own, by) in seen {
                statement.execute(params![blob(&own.0), by.to_string()])?;
            }
            Ok(())
        })
    }

    /// Whether a person decides where values of this path differ.
    fn is_decided(&self, kind: RecordKind, path: &Path) -> bool {
        let form = self.rules().form(kind);
        let field = form.as_ref().and_then(|form| form.field(path.field_name()));
        path.element_name().is_none() && field.is_some_and(|field| field.policy() == Policy::One)
    }
}

/// A record as it is shown, with its title; not one that was deleted.
fn listed(sql: &Connection, id: RecordId) -> Result<Option<(Record, String)>, StoreError> {
    let Some((row, _)) = find(sql, id)? else { return Ok(None) };
    let Some(row) = read::row(sql, row)?.filter(|row| !row.deleted) else { return Ok(None) };
    Ok(shown(sql, id)?.map(|record| (record, row.title)))
}

fn place(edit: &Edit, title: String, path: &Path) -> Place {
    Place { record: edit.record, kind: edit.kind, title, part: edit.part, field: path.field_name().to_owned() }
}

/// Whether `write` decided where `own` had filled in a value: somebody else wrote it, had seen the own value, and had seen
/// something beside it that the own edit had not. Without the last nothing can have been at odds; with it something need
/// not have been (decision 016), so only that is said which is true of both.
fn decides(write: &LiveWrite<'_>, own: &Edit, me: UserId) -> bool {
    let context = &write.head.context;
    let beside = |dot: Dot| dot.slot != own.dot.slot && !own.context.covers(dot);
    write.head.author.user != Some(me) && context.covers(own.dot) && context.iter().any(beside)
}
