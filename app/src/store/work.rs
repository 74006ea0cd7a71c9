//! Work that is recorded: what is due, when it was last done, who was not visited.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use chrono::{Days, NaiveDate};
use rusqlite::{Connection, OptionalExtension, params};
use shared::ids::RecordId;
use shared::merge::PartState;
use shared::record::{Part, RecordKind};
use shared::value::Value;
use shared::view::{self, Policy};
use shared::work::Work;
use uuid::Uuid;

use super::read::{Row, row};
use super::rows::{blob, confirmed, id_at, live_edits, shown};
use super::{Store, StoreError};

/// A visit that is due.
#[derive(Debug, Clone)]
pub struct Due {
    /// Who or what is to be visited.
    pub row: Row,
    /// The day on which it is due.
    pub date: NaiveDate,
}

/// A 专项排查 with what remains of it here.
#[derive(Debug, Clone)]
pub struct Campaign {
    /// Its row.
    pub row: Row,
    /// Its last day, if it names one.
    pub until: Option<NaiveDate>,
    /// How many of its targets are held here.
    pub targets: usize,
    /// Those of them that nobody has looked at for it.
    pub remaining: Vec<RecordId>,
}

/// When a subject was visited last, and the day that visit names for the next one.
#[derive(Clone, Copy)]
struct Visited {
    at: i64,
    next: Option<NaiveDate>,
}

fn day(count: i32) -> Option<NaiveDate> {
    (count > 0).then(|| NaiveDate::from_num_days_from_ce_opt(count)).flatten()
}

impl Store {
    /// The visits that are due until `until`, the longest due first. Due is what the last visit says; of people in care
    /// whose last visit names no day it is the end of their cycle after it, and `today` for those never visited.
    pub fn visits_due(&self, today: NaiveDate, until: NaiveDate) -> Result<Vec<Due>, StoreError> {
        self.read(|sql| {
            let visited = visited(sql)?;
            let mut due: BTreeMap<RecordId, NaiveDate> =
                visited.iter().filter_map(|(id, visit)| Some((*id, visit.next?))).collect();
            for (person, every) in cared(sql, today)? {
                let date = match visited.get(&person) {
                    Some(Visited { next: Some(next), .. }) => Some(*next),
                    Some(Visited { at, .. }) => chrono::DateTime::from_timestamp_millis(*at)
                        .and_then(|at| shared::mask::today(at).checked_add_days(Days::new(every))),
                    None => Some(today),
                };
                due.extend(date.map(|date| (person, date)));
            }
            let mut found = Vec::new();
            for (id, date) in due.into_iter().filter(|(_, date)| *date <= until) {
                let Some(row) = row_of(sql, id)?.filter(|row| !row.deleted) else { continue };
                if row.kind != RecordKind::Person || is_still_there(sql, row.id)? {
                    found.push(Due { row, date });
                }
            }
            found.sort_by_key(|due| (due.date, due.row.id));
            Ok(found)
        })
    }

    /// When a record was last visited, milliseconds since 1970 UTC.
    pub fn last_visit(&self, id: RecordId) -> Result<Option<i64>, StoreError> {
        self.read(|sql| {
            let at = sql
                .prepare_cached(
                    "SELECT max(at) FROM work WHERE work = ?1 AND (subject = ?2
                        OR subject IN (SELECT id FROM record WHERE alias = ?2 AND alias <> x''))",
                )?
                .query_row(params![Work::Visit.code(), blob(&id.0)], |row| row.get(0))
                .optional()?;
            Ok(at.flatten())
        })
    }

    /// The rows of all that was visited since then.
    pub(super) fn visited_since(&self, since: i64) -> Result<HashSet<i64>, StoreError> {
        self.read(|sql| {
            let mut statement = sql.prepare_cached(
                "SELECT DISTINCT coalesce((SELECT row FROM record WHERE id = subject.alias), subject.row)
                 FROM work JOIN record AS subject ON subject.id = work.subject
                 WHERE work.work = ?1 AND work.at >= ?2",
            )?;
            let rows = statement.query_map(params![Work::Visit.code(), since], |row| row.get(0))?;
            Ok(rows.collect::<Result<HashSet<i64>, _>>()?)
        })
    }

    /// When work of a kind was done last by anybody whose records are held here.
    pub fn last_work(&self, work: Work) -> Result<Option<i64>, StoreError> {
        self.read(|sql| {
            let at = sql
                .prepare_cached("SELECT max(at) FROM work WHERE work = ?1")?
                .query_row([work.code()], |row| row.get(0))
                .optional()?;
            Ok(at.flatten())
        })
    }

    /// The 专项排查 that are under way on `today`, the soonest end first.
    pub fn campaigns(&self, today: NaiveDate) -> Result<Vec<Campaign>, StoreError> {
        let mut found = self.all_campaigns()?;
        found.retain(|campaign| campaign.until.is_none_or(|until| until >= today));
        Ok(found)
    }

    /// A 专项排查, also one that is over.
    pub fn campaign(&self, id: RecordId) -> Result<Option<Campaign>, StoreError> {
        Ok(self.all_campaigns()?.into_iter().find(|campaign| campaign.row.id == id))
    }

    fn all_campaigns(&self) -> Result<Vec<Campaign>, StoreError> {
        self.read(|sql| {
            let mut statement = sql.prepare_cached(
                "SELECT work.row, record.id, work.next FROM work JOIN record ON record.row = work.row
                 WHERE work.work = ?1 ORDER BY work.next = 0, work.next",
            )?;
            let mut rows = statement.query([Work::Campaign.code()])?;
            let mut found = Vec::new();
            while let Some(next) = rows.next()? {
                let (place, id, until): (i64, RecordId, i32) = (next.get(0)?, RecordId(id_at(next, 1)?), next.get(2)?);
                let Some(row) = row(sql, place)? else { continue };
                let targets = targets(sql, place)?;
                let looked_at = looked_at(sql, id)?;
                let remaining: Vec<RecordId> =
                    targets.iter().copied().filter(|target| !looked_at.contains(target)).collect();
                found.push(Campaign { row, until: day(until), targets: targets.len(), remaining });
            }
            Ok(found)
        })
    }
}

/// The targets of a campaign that are held here; those of other grids are theirs.
fn targets(sql: &Connection, campaign: i64) -> Result<Vec<RecordId>, StoreError> {
    let mut statement = sql.prepare_cached(
        "SELECT DISTINCT record.id, record.title FROM link JOIN record AS target ON target.id = link.target
            JOIN record ON record.id = CASE target.alias WHEN x'' THEN target.id ELSE target.alias END
         WHERE link.from_row = ?1 AND link.field = ?2 AND record.deleted = 0 ORDER BY record.title, record.id",
    )?;
    let rows = statement.query_map(params![campaign, shared::work::TARGETS], |row| id_at(row, 0).map(RecordId))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// What was looked at for a campaign.
fn looked_at(sql: &Connection, campaign: RecordId) -> Result<BTreeSet<RecordId>, StoreError> {
    let merged = merged(sql)?;
    let mut statement = sql.prepare_cached(
        "SELECT work.subject FROM link JOIN work ON work.row = link.from_row
         WHERE link.target = ?1 AND link.field = ?2 AND length(work.subject) = 16",
    )?;
    let rows = statement.query_map(params![blob(&campaign.0), shared::work::CAMPAIGN], |row| id_at(row, 0))?;
    let subject = |id: Uuid| *merged.get(&RecordId(id)).unwrap_or(&RecordId(id));
    Ok(rows.map(|id| id.map(subject)).collect::<Result<_, _>>()?)
}

/// Records that were merged into others, with those. They are few: to look for them in the row of each record would read
/// most of the file.
fn merged(sql: &Connection) -> Result<HashMap<RecordId, RecordId>, StoreError> {
    let mut statement = sql.prepare_cached("SELECT id, alias FROM record WHERE alias <> x''")?;
    let rows = statement.query_map([], |row| Ok((RecordId(id_at(row, 0)?), RecordId(id_at(row, 1)?))))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The row of a record, or of the one it was merged into.
fn row_of(sql: &Connection, id: RecordId) -> Result<Option<Row>, StoreError> {
    let place: Option<i64> = sql
        .prepare_cached(
            "SELECT coalesce((SELECT row FROM record WHERE id = loser.alias), loser.row) FROM record AS loser
             WHERE id = ?1",
        )?
        .query_row([blob(&id.0)], |row| row.get(0))
        .optional()?;
    place.map(|place| row(sql, place)).transpose().map(Option::flatten)
}

/// Whether somebody lives where they are recorded, as far as is known.
fn is_still_there(sql: &Connection, person: RecordId) -> Result<bool, StoreError> {
    let Some(person) = shown(sql, person)? else { return Ok(false) };
    let status = view::shown(&person.open, "residence_status", Policy::One).map(Value::plain);
    Ok(!matches!(status.as_deref(), Some("moved_out" | "deceased")))
}

/// The last visit of everything that was ever visited, also under the id of a record that was merged into it.
fn visited(sql: &Connection) -> Result<BTreeMap<RecordId, Visited>, StoreError> {
    // Of the row with the largest `at`: SQLite says so of bare columns beside one max().
    let mut statement = sql.prepare_cached(
        "SELECT subject, max(at), next FROM work WHERE work = ?1 AND length(subject) = 16 GROUP BY subject",
    )?;
    let merged = merged(sql)?;
    let mut rows = statement.query([Work::Visit.code()])?;
    let mut found: BTreeMap<RecordId, Visited> = BTreeMap::new();
    while let Some(next) = rows.next()? {
        let (id, visit) = (RecordId(id_at(next, 0)?), Visited { at: next.get(1)?, next: day(next.get(2)?) });
        let known = found.entry(*merged.get(&id).unwrap_or(&id)).or_insert(visit);
        if known.at < visit.at {
            *known = visit;
        }
    }
    Ok(found)
}

/// Who is in care on `today` with a cycle of visits, in days. Nobody while what is restricted lies closed.
fn cared(sql: &Connection, today: NaiveDate) -> Result<Vec<(RecordId, u64)>, StoreError> {
    let mut some: BTreeMap<RecordId, PartState> = BTreeMap::new();
    let mut statement = sql.prepare_cached(
        "SELECT record.row, record.id FROM confirmed JOIN record ON record.row = confirmed.place / 2
         WHERE confirmed.place % 2 = 1 AND record.kind = 'person' AND record.alias = x''",
    )?;
    let mut rows = statement.query([])?;
    while let Some(next) = rows.next()? {
        let id = RecordId(id_at(next, 1)?);
        let mut state = confirmed(sql, next.get(0)?, Part::Restricted)?;
        for edit in live_edits(sql, id)?.iter().filter(|edit| edit.part == Part::Restricted) {
            state.apply(edit);
        }
        some.insert(id, state);
    }
    let mut statement = sql.prepare_cached(
        "SELECT DISTINCT record FROM edit WHERE part = 'restricted' AND state IN ('waiting', 'applied') AND away = ''",
    )?;
    let mut rows = statement.query([])?;
    while let Some(next) = rows.next()? {
        let id = RecordId(id_at(next, 0)?);
        if !some.contains_key(&id)
            && let Some(record) = shown(sql, id)?
        {
            some.insert(id, record.restricted);
        }
    }
    let cycle = |state: &PartState| {
        let until = shared::mask::parse_date(&view::shown(state, "care_until", Policy::One)?.as_text()?)?;
        let every = view::shown(state, "care_every_days", Policy::One)?.get::<f64>()?;
        // The form keeps it between 1 and 366.
        (until >= today && every.is_finite() && every >= 1.0).then_some(every.min(366.0) as u64)
    };
    Ok(some.into_iter().filter_map(|(id, state)| Some((id, cycle(&state)?))).collect())
}
