//! What lists and pages read.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension, params};
use shared::area::{AreaId, Scope};
use shared::edit::Edit;
use shared::ids::{EditId, RecordId, Slot};
use shared::path::Path;
use shared::record::{Part, Record, RecordKind};
use shared::value::Value;

use super::alias::{self, Late};
use super::haystack::Choice;
use super::meta::{self, key};
use super::project::open_fields;
use super::rows::{blob, find, id_at, json, kind_of, shown};
use super::{Store, StoreError, lease, words};
use crate::handheld::SeenAt;

/// A row of a list, in no language yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The record.
    pub id: RecordId,
    /// Its kind.
    pub kind: RecordKind,
    /// Its title.
    pub title: String,
    /// Field and value, unmasked.
    pub facts: Vec<(String, Value)>,
    /// Where it lies.
    pub area: Option<AreaId>,
    /// Deleted.
    pub deleted: bool,
    /// Fields that are 待核对.
    pub conflicts: u32,
    /// When it was last written, by the clock of who wrote.
    pub updated: DateTime<Utc>,
    /// Whether edits of it have no receipt yet.
    pub waiting: bool,
}

/// A row with the fields that are 待核对 in it.
pub type OpenRow = (Row, Vec<(Part, String)>);

/// An own edit with its state and what it replaced.
#[derive(Debug, Clone, PartialEq)]
pub struct Own {
    /// The edit.
    pub edit: Edit,
    /// The state's code, see the table `edit`.
    pub state: String,
    /// What stood there before.
    pub replaced: BTreeMap<Path, Vec<Value>>,
}

/// A link to or from a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Linked {
    /// The field.
    pub field: String,
    /// The other record.
    pub id: RecordId,
    /// What is known of it; `None`: not held.
    pub known: Option<(RecordKind, String)>,
}

/// Which records a search may give.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sought<'a> {
    /// Only this kind.
    pub kind: Option<RecordKind>,
    /// Only in these areas.
    pub scope: Option<&'a Scope>,
    /// Only of this type (places, objects, organisations) or category (events).
    pub category: Option<&'a str>,
    /// Deleted ones too.
    pub deleted: bool,
    /// Only what was not visited since then, milliseconds since 1970 UTC.
    pub unvisited_since: Option<i64>,
}

/// Everything of one record.
#[derive(Debug, Clone)]
pub struct Whole {
    /// Confirmed and pending.
    pub record: Record,
    /// Own edits still kept, oldest first.
    pub own: Vec<Own>,
    /// Records it names.
    pub links: Vec<Linked>,
    /// Records that name it.
    pub linked_from: Vec<Linked>,
    /// Fields that are 待核对.
    pub open_fields: Vec<(Part, String)>,
    /// When this was read.
    pub seen: SeenAt,
    /// The record it was merged into, and its title if it is held.
    pub merged_into: Option<(RecordId, Option<String>)>,
    /// What reached records merged into this one since then.
    pub late: Vec<Late>,
    /// The restricted part is held and its lease is over: [`Record::restricted`] is empty.
    pub closed: bool,
}

fn sql_count(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

const ROW: &str = "SELECT id, kind, title, facts, area, deleted, conflicts, updated,
    EXISTS (SELECT 1 FROM edit WHERE edit.record = record.id AND edit.state = 'waiting') FROM record";

fn row_at(row: &rusqlite::Row<'_>) -> Result<Row, StoreError> {
    let area: u32 = row.get(4)?;
    Ok(Row {
        id: RecordId(id_at(row, 0)?),
        kind: kind_of(row.get_ref(1)?.as_str().unwrap_or_default())?,
        title: row.get(2)?,
        facts: json("facts", row.get_ref(3)?.as_str().unwrap_or_default())?,
        area: (area != 0).then_some(AreaId(area)),
        deleted: row.get(5)?,
        conflicts: row.get(6)?,
        updated: DateTime::from_timestamp_millis(row.get(7)?).unwrap_or_default(),
        waiting: row.get(8)?,
    })
}

pub(super) fn row(sql: &Connection, row: i64) -> Result<Option<Row>, StoreError> {
    let mut statement = sql.prepare_cached(&format!("{ROW} WHERE row = ?1"))?;
    let mut rows = statement.query([row])?;
    rows.next()?.map(row_at).transpose()
}

impl Store {
    /// Searches; see [`crate::handheld::Handheld::search`].
    pub fn search(
        &self,
        query: &str,
        sought: &Sought<'_>,
        limit: usize,
        offset: usize,
    ) -> Result<(Vec<Row>, bool), StoreError> {
        let words = words::query(query);
        let visited = sought.unvisited_since.map(|since| self.visited_since(since)).transpose()?;
        let Sought { kind, scope, category, deleted, .. } = *sought;
        let choice = Choice { kind, scope, category, deleted, without: visited.as_ref() };
        let (rows, more) =
            self.haystack.read().unwrap_or_else(PoisonError::into_inner).search(&words, &choice, limit, offset);
        Ok((self.rows_at(&rows)?, more))
    }

    /// The rows of these places; those that left meanwhile are left out.
    fn rows_at(&self, places: &[i64]) -> Result<Vec<Row>, StoreError> {
        self.read(|sql| {
            let mut hits = Vec::with_capacity(places.len());
            for place in places {
                hits.extend(row(sql, *place)?);
            }
            Ok(hits)
        })
    }

    /// The rows of these records, in this order; those not held are left out.
    pub fn rows(&self, ids: &[RecordId]) -> Result<Vec<Row>, StoreError> {
        self.read(|sql| {
            let mut hits = Vec::with_capacity(ids.len());
            for id in ids {
                if let Some((place, _)) = find(sql, *id)? {
                    hits.extend(row(sql, place)?);
                }
            }
            Ok(hits)
        })
    }

    /// Records by kind, deleted ones not counted.
    pub fn kinds(&self) -> BTreeMap<RecordKind, u64> {
        self.haystack.read().unwrap_or_else(PoisonError::into_inner).counts()
    }

    /// Records with a number of a paper (or a credit code) equal to this one.
    pub fn with_number(&self, number: &str) -> Result<Vec<Row>, StoreError> {
        let rows =
            self.haystack.read().unwrap_or_else(PoisonError::into_inner).containing(&words::number_word(number), 10);
        self.rows_at(&rows)
    }

    /// Records of this title, compared as search compares.
    pub fn with_title(&self, title: &str, limit: usize) -> Result<Vec<Row>, StoreError> {
        let title = words::normal(title);
        if title.is_empty() {
            return Ok(Vec::new());
        }
        // The title stands between two start marks.
        let needle = format!("{0}{title}{0}", words::START);
        let rows = self.haystack.read().unwrap_or_else(PoisonError::into_inner).containing(&needle, limit);
        self.rows_at(&rows)
    }

    /// A record as it is shown.
    pub fn record(&self, id: RecordId) -> Result<Option<Record>, StoreError> {
        self.read(|sql| shown(sql, id))
    }

    /// When and as whom what stands of a record now is read: goes with a context that is taken from it.
    pub fn seen(&self, id: RecordId) -> Result<SeenAt, StoreError> {
        self.read(|sql| seen(sql, id))
    }

    /// Everything the page of a record shows.
    pub fn whole(&self, id: RecordId) -> Result<Option<Whole>, StoreError> {
        let rules = self.rules();
        self.read(|sql| {
            let Some((place, kind)) = find(sql, id)? else { return Ok(None) };
            let Some(record) = shown(sql, id)? else { return Ok(None) };
            let fields =
                |part: Part| open_fields(&rules, kind, record.part(part)).into_iter().map(move |field| (part, field));
            let open_fields = fields(Part::Open).chain(fields(Part::Restricted)).collect();
            Ok(Some(Whole {
                own: own_edits(sql, id)?,
                links: linked(
                    sql,
                    "SELECT link.field, link.target, record.kind, record.title FROM link
                     LEFT JOIN record ON record.id = link.target WHERE link.from_row = ?1
                     ORDER BY link.field, link.target",
                    params![place],
                )?,
                linked_from: linked(
                    sql,
                    "SELECT link.field, record.id, record.kind, record.title FROM link
                     JOIN record ON record.row = link.from_row
                     WHERE link.target = ?1 AND record.deleted = 0 AND record.alias = x''
                     ORDER BY record.kind = 'event', record.updated DESC LIMIT 500",
                    params![blob(&id.0)],
                )?,
                open_fields,
                merged_into: alias::winner(sql, id)?,
                late: alias::late(sql, id)?,
                seen: seen(sql, id)?,
                closed: lease::is_closed(sql, id)?,
                record,
            }))
        })
    }

    /// Records with fields that are 待核对, the last written first, each with these fields; one more than `limit` means
    /// there are more.
    pub fn conflicts(&self, limit: usize, offset: usize) -> Result<Vec<OpenRow>, StoreError> {
        let rules = self.rules();
        self.read(|sql| {
            let mut statement = sql.prepare_cached(
                "SELECT row FROM record WHERE conflicts > 0 AND deleted = 0 AND alias = x'' ORDER BY updated DESC LIMIT ?1 OFFSET ?2",
            )?;
            let places = statement
                .query_map(params![sql_count(limit), sql_count(offset)], |row| row.get(0))?
                .collect::<Result<Vec<i64>, _>>()?;
            let mut found = Vec::new();
            for place in places {
                let Some(row) = row(sql, place)? else { continue };
                let Some(record) = shown(sql, row.id)? else { continue };
                let fields = Part::ALL
                    .into_iter()
                    .flat_map(|part| {
                        open_fields(&rules, row.kind, record.part(part)).into_iter().map(move |f| (part, f))
                    })
                    .collect();
                found.push((row, fields));
            }
            Ok(found)
        })
    }

    /// How many records have fields that are 待核对.
    pub fn conflict_count(&self) -> Result<u64, StoreError> {
        self.read(|sql| {
            let count: i64 = sql
                .prepare_cached("SELECT count(*) FROM record WHERE conflicts > 0 AND deleted = 0 AND alias = x''")?
                .query_row([], |row| row.get(0))?;
            Ok(count.cast_unsigned())
        })
    }

    /// The rejected edit of this id, if it is in the tray.
    pub fn rejected(&self, id: EditId) -> Result<Option<Edit>, StoreError> {
        self.read(|sql| {
            let text: Option<String> = sql
                .prepare_cached(
                    "SELECT opened(json) FROM edit WHERE id = ?1 AND state = 'rejected' AND opened(json) IS NOT NULL",
                )?
                .query_row([blob(&id.0)], |row| row.get(0))
                .optional()?;
            text.map(|text| json("edit", &text)).transpose()
        })
    }
}

fn seen(sql: &Connection, id: RecordId) -> Result<SeenAt, StoreError> {
    Ok(SeenAt { epoch: epoch(sql, id)?, slot: meta::get(sql, key::SLOT)?.unwrap_or(Slot(0)) })
}

/// The server's epoch in which what stands here of a record was read. While a fill goes on that is an earlier one for
/// what it has not named yet; if a restore cut the fill after another one short, what that had named is of the epoch
/// between.
pub(super) fn epoch(sql: &Connection, id: RecordId) -> Result<u32, StoreError> {
    let now: u32 = meta::get(sql, key::EPOCH)?.unwrap_or_default();
    let epochs: Vec<(i64, u32)> = meta::get(sql, key::FILL_EPOCHS)?.unwrap_or_default();
    if epochs.is_empty() {
        return Ok(now);
    }
    let fill: Option<i64> = sql
        .prepare_cached(
            "SELECT min(confirmed.fill) FROM record
             JOIN confirmed ON confirmed.place IN (2 * record.row, 2 * record.row + 1) WHERE record.id = ?1",
        )?
        .query_row(params![blob(&id.0)], |row| row.get(0))?;
    // Each says up to which fill what was taken in is of which epoch.
    let before = fill.and_then(|fill| epochs.iter().find(|(last, _)| fill <= *last));
    Ok(before.map_or(now, |(_, epoch)| *epoch))
}

fn own_edits(sql: &Connection, id: RecordId) -> Result<Vec<Own>, StoreError> {
    let mut statement = sql.prepare_cached(
        "SELECT opened(json), state, coalesce(opened(replaced), '{}') FROM edit
         WHERE record = ?1 AND opened(json) IS NOT NULL ORDER BY seq",
    )?;
    let mut rows = statement.query([blob(&id.0)])?;
    let mut own = Vec::new();
    while let Some(row) = rows.next()? {
        own.push(Own {
            edit: json("edit", row.get_ref(0)?.as_str().unwrap_or_default())?,
            state: row.get(1)?,
            replaced: json("replaced values", row.get_ref(2)?.as_str().unwrap_or_default())?,
        });
    }
    Ok(own)
}

fn linked(sql: &Connection, text: &str, args: &[&dyn rusqlite::ToSql]) -> Result<Vec<Linked>, StoreError> {
    let mut statement = sql.prepare_cached(text)?;
    let mut rows = statement.query(args)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let kind: Option<String> = row.get(2)?;
        let title: Option<String> = row.get(3)?;
        let known = match (kind, title) {
            (Some(kind), Some(title)) => Some((kind_of(&kind)?, title)),
            _ => None,
        };
        found.push(Linked { field: row.get(0)?, id: RecordId(id_at(row, 1)?), known });
    }
    Ok(found)
}
