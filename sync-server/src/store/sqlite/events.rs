//! Events as lists and figures need them, in rows.

use chrono::{DateTime, Utc};
use rusqlite::types::ToSql;
use rusqlite::{Row, params};
use shared::area::AreaId;
use shared::ids::{RecordId, UserId};
use shared::record::Part;
use shared::workflow::{Level, Stage};
use uuid::Uuid;

use super::InTown;
use super::columns::{areas, areas_text, count, int, kind, ms, time, users, users_text, uuid};
use crate::store::{
    By, EventFacts, EventFilter, EventRow, EventTally, PartTally, ReadEvents, Span, StoreError, StoredPart,
};

/// The columns [`event_row`] reads, in order.
const EVENT: &str = "e.record, e.areas, e.readers, e.visit, e.deleted, e.title, e.category, e.source, e.urgency, e.service, \
                     e.at, e.stage, e.level, e.reported, e.moved, e.since, e.due, e.closed, e.host, e.helpers, \
                     e.dispatcher, e.asked, e.contested, e.on_site, e.urged, e.supervised, e.outcome, e.ledger, e.subject, e.campaign, e.seq";

fn some_time(row: &Row<'_>, column: usize) -> Result<Option<DateTime<Utc>>, StoreError> {
    Ok(row.get::<_, Option<i64>>(column)?.map(time))
}

fn some_id(row: &Row<'_>, column: usize) -> Result<Option<Uuid>, StoreError> {
    row.get::<_, Option<Vec<u8>>>(column)?.as_deref().map(uuid).transpose()
}

fn event_row(row: &Row<'_>) -> Result<EventRow, StoreError> {
    let stage: String = row.get(11)?;
    let level: String = row.get(12)?;
    Ok(EventRow {
        record: RecordId(uuid(row.get_ref(0)?.as_blob().unwrap_or_default())?),
        seq: count(row.get(30)?),
        areas: areas(row.get_ref(1)?.as_str().unwrap_or_default()),
        readers: users(row.get_ref(2)?.as_str().unwrap_or_default()),
        visit: row.get(3)?,
        deleted: row.get(4)?,
        title: row.get(5)?,
        facts: EventFacts {
            category: row.get(6)?,
            source: row.get(7)?,
            urgency: row.get(8)?,
            service: row.get(9)?,
            at: time(row.get(10)?),
            stage: Stage::ALL.iter().copied().find(|it| it.code() == stage),
            level: Level::ALL.iter().copied().find(|it| it.code() == level).unwrap_or_default(),
            reported: some_time(row, 13)?,
            moved: some_time(row, 14)?,
            since: some_time(row, 15)?,
            due: some_time(row, 16)?,
            closed: some_time(row, 17)?,
            host: some_id(row, 18)?.map(UserId),
            helpers: users(row.get_ref(19)?.as_str().unwrap_or_default()),
            dispatcher: some_id(row, 20)?.map(UserId),
            asked: row.get(21)?,
            contested: row.get(22)?,
            on_site: row.get(23)?,
            urged: row.get(24)?,
            supervised: row.get(25)?,
            outcome: row.get(26)?,
            ledger: row.get(27)?,
            subject: some_id(row, 28)?.map(RecordId),
            campaign: some_id(row, 29)?.map(RecordId),
        },
    })
}

impl InTown<'_> {
    /// How much is missing of a part, where another program wrote it.
    pub(super) fn save_missing(&self, part: &StoredPart) -> Result<(), StoreError> {
        let mut query = self.conn.prepare_cached(
            "UPDATE part SET missing = ?4 WHERE town = ?1 AND record = ?2 AND part = ?3 AND missing <> ?4",
        )?;
        query.execute(params![self.town.0, part.record.0.as_bytes(), part.part.code(), part.missing])?;
        Ok(())
    }

    /// What stands of an event beside its part; nothing for what is no event.
    pub(super) fn save_event(&self, part: &StoredPart) -> Result<(), StoreError> {
        let Some(facts) = part.event.as_deref().filter(|_| part.part == Part::Open) else { return Ok(()) };
        let mut query = self.conn.prepare_cached(
            "INSERT OR REPLACE INTO event (town, record, areas, readers, visit, deleted, title, category, source, urgency,
                 service, at, stage, level, reported, moved, since, due, closed, host, helpers, dispatcher, asked,
                 contested, on_site, urged, supervised, outcome, ledger, open, subject, campaign, seq)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21,
                 ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30, ?31, ?32, ?33)",
        )?;
        query.execute(params![
            self.town.0,
            part.record.0.as_bytes(),
            areas_text(&part.areas),
            users_text(&part.readers),
            part.visit,
            part.deleted,
            part.title,
            facts.category,
            facts.source,
            facts.urgency,
            facts.service,
            ms(facts.at),
            facts.stage.map(Stage::code).unwrap_or_default(),
            facts.level.code(),
            facts.reported.map(ms),
            facts.moved.map(ms),
            facts.since.map(ms),
            facts.due.map(ms),
            facts.closed.map(ms),
            facts.host.map(|user| user.0.as_bytes().to_vec()),
            users_text(&facts.helpers),
            facts.dispatcher.map(|user| user.0.as_bytes().to_vec()),
            facts.asked,
            facts.contested,
            facts.on_site,
            facts.urged,
            facts.supervised,
            facts.outcome,
            facts.ledger,
            facts.is_under_way() && !part.deleted,
            facts.subject.map(|id| id.0.as_bytes().to_vec()),
            facts.campaign.map(|id| id.0.as_bytes().to_vec()),
            int(part.seq),
        ])?;
        Ok(())
    }

    /// The conditions of a filter, its areas aside where lists in text are told apart while reading.
    fn wanted_events(&self, filter: &EventFilter) -> (String, Vec<Box<dyn ToSql>>) {
        let mut sql = "e.town = ?1".to_owned();
        let mut args: Vec<Box<dyn ToSql>> = vec![Box::new(self.town.0)];
        if filter.open_only {
            sql.push_str(" AND e.open = 1");
        }
        if filter.without_visits {
            sql.push_str(" AND e.visit = 0");
        }
        if filter.archived {
            sql.push_str(" AND e.ledger <> ''");
        }
        let mut one_of = |column: &str, codes: Vec<String>| {
            if codes.is_empty() {
                return;
            }
            let mut places = Vec::with_capacity(codes.len());
            for code in codes {
                args.push(Box::new(code));
                places.push(format!("?{}", args.len()));
            }
            sql.push_str(&format!(" AND e.{column} IN ({})", places.join(", ")));
        };
        one_of("category", filter.categories.clone());
        one_of("service", filter.services.clone());
        one_of("source", filter.sources.clone());
        one_of("stage", filter.stages.iter().map(|stage| stage.code().to_owned()).collect());
        one_of("outcome", filter.outcome.clone().into_iter().collect());
        for (column, span) in [("at", filter.at), ("closed", filter.closed)] {
            if let Some((from, to)) = span {
                args.push(Box::new(ms(from)));
                args.push(Box::new(ms(to)));
                let (from, to) = (args.len() - 1, args.len());
                sql.push_str(&format!(" AND e.{column} >= ?{from} AND e.{column} < ?{to}"));
            }
        }
        (sql, args)
    }
}

/// Whether areas as stored are some of those wanted.
fn lies_in(filter: &EventFilter, text: &str) -> bool {
    filter.areas.as_ref().is_none_or(|wanted| areas(text).iter().any(|area| wanted.contains(area)))
}

impl ReadEvents for InTown<'_> {
    fn each_event(
        &self,
        filter: &EventFilter,
        each: &mut dyn FnMut(EventRow) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        let (wanted, args) = self.wanted_events(filter);
        let order = if filter.archived { "e.category, e.ledger" } else { "e.at DESC, e.record DESC" };
        let sql = format!("SELECT {EVENT} FROM event e WHERE {wanted} ORDER BY {order}");
        let losers = self.losers()?;
        let mut query = self.conn.prepare_cached(&sql)?;
        let mut rows = query.query(rusqlite::params_from_iter(args.iter()))?;
        let (mut passed, mut given) = (0, 0);
        while filter.limit.is_none_or(|limit| given < limit) {
            let Some(row) = rows.next()? else { break };
            let lost = !losers.is_empty() && losers.contains(row.get_ref(0)?.as_blob().unwrap_or_default());
            if lost || !lies_in(filter, row.get_ref(1)?.as_str().unwrap_or_default()) {
                continue;
            }
            passed += 1;
            if passed <= filter.offset {
                continue;
            }
            given += 1;
            if !each(event_row(row)?)? {
                break;
            }
        }
        Ok(())
    }

    fn tally_events(&self, filter: &EventFilter, by: &[By]) -> Result<Vec<EventTally>, StoreError> {
        let (wanted, args) = self.wanted_events(filter);
        let columns: Vec<&str> = by
            .iter()
            .map(|by| match by {
                By::Category => "e.category",
                By::Service => "e.service",
                By::Stage => "e.stage",
                By::Outcome => "e.outcome",
                // Beijing has no summer time.
                By::Month => "strftime('%Y-%m', e.at / 1000 + 28800, 'unixepoch')",
            })
            .collect();
        let by_columns: String = columns.iter().map(|column| format!(", {column}")).collect();
        let sql = format!(
            "SELECT e.areas, count(*){by_columns} FROM event e WHERE {wanted} AND e.deleted = 0 {} GROUP BY e.areas{by_columns}",
            self.not_merged("e")?,
        );
        let mut query = self.conn.prepare_cached(&sql)?;
        let mut rows = query.query(rusqlite::params_from_iter(args.iter()))?;
        let mut tallies = Vec::new();
        while let Some(row) = rows.next()? {
            let text = row.get_ref(0)?.as_str().unwrap_or_default();
            if lies_in(filter, text) {
                let by = (0..by.len()).map(|place| row.get(place + 2)).collect::<Result<Vec<String>, _>>()?;
                tallies.push(EventTally { areas: areas(text), by, count: count(row.get(1)?) });
            }
        }
        Ok(tallies)
    }

    fn subjects(&self, filter: &EventFilter) -> Result<Vec<(RecordId, Vec<AreaId>)>, StoreError> {
        let (wanted, args) = self.wanted_events(filter);
        let sql = format!(
            "SELECT DISTINCT e.subject, e.areas FROM event e WHERE {wanted} AND e.subject IS NOT NULL AND e.deleted = 0 {}",
            self.not_merged("e")?,
        );
        let mut query = self.conn.prepare_cached(&sql)?;
        let mut rows = query.query(rusqlite::params_from_iter(args.iter()))?;
        let mut subjects = Vec::new();
        while let Some(row) = rows.next()? {
            let text = row.get_ref(1)?.as_str().unwrap_or_default();
            if lies_in(filter, text) {
                subjects.push((RecordId(uuid(row.get_ref(0)?.as_blob().unwrap_or_default())?), areas(text)));
            }
        }
        Ok(subjects)
    }

    fn tally_parts(&self, made: Option<Span>) -> Result<Vec<PartTally>, StoreError> {
        // A UUIDv7 begins with the milliseconds at which it was made, so that the bytes stand in the order of time.
        let within = if made.is_some() { " AND p.record >= ?2 AND p.record < ?3" } else { "" };
        let sql = format!(
            "SELECT p.kind, p.areas, p.visit, p.missing = 0, count(*) FROM part p
             WHERE p.town = ?1 AND p.part = 'open' AND p.deleted = 0{within} {} GROUP BY p.kind, p.areas, p.visit, p.missing = 0",
            self.not_merged("p")?,
        );
        let mut query = self.conn.prepare_cached(&sql)?;
        let mut args: Vec<Box<dyn ToSql>> = vec![Box::new(self.town.0)];
        for moment in made.into_iter().flat_map(|(from, to)| [from, to]) {
            args.push(Box::new(first_made_at(moment).to_vec()));
        }
        let mut rows = query.query(rusqlite::params_from_iter(args.iter()))?;
        let mut tallies = Vec::new();
        while let Some(row) = rows.next()? {
            tallies.push(PartTally {
                kind: kind(row.get_ref(0)?.as_str().unwrap_or_default())?,
                areas: areas(row.get_ref(1)?.as_str().unwrap_or_default()),
                visit: row.get(2)?,
                complete: row.get(3)?,
                count: count(row.get(4)?),
            });
        }
        Ok(tallies)
    }

    fn last_in_ledger(&self, prefix: &str) -> Result<u32, StoreError> {
        let mut query = self.conn.prepare_cached(
            "SELECT max(CAST(substr(ledger, length(?2) + 1) AS INTEGER)) FROM event INDEXED BY event_ledger
             WHERE town = ?1 AND ledger <> '' AND substr(ledger, 1, length(?2)) = ?2",
        )?;
        let last: Option<i64> = query.query_row(params![self.town.0, prefix], |row| row.get(0))?;
        Ok(u32::try_from(last.unwrap_or(0)).unwrap_or(0))
    }
}

impl InTown<'_> {
    /// A condition that leaves out what was merged into another record.
    fn not_merged(&self, table: &str) -> Result<String, StoreError> {
        let losers = self.losers()?;
        if losers.is_empty() {
            return Ok(String::new());
        }
        let ids: Vec<String> = losers
            .iter()
            .map(|id| format!("x'{}'", id.iter().map(|b| format!("{b:02x}")).collect::<String>()))
            .collect();
        Ok(format!("AND {table}.record NOT IN ({})", ids.join(", ")))
    }
}

/// The least bytes of an id made at a moment or later.
pub(super) fn first_made_at(moment: DateTime<Utc>) -> [u8; 16] {
    let mut bytes = [0; 16];
    let ms = int(count(ms(moment))).to_be_bytes();
    for (byte, of) in bytes.iter_mut().zip(ms.into_iter().skip(2)) {
        *byte = of;
    }
    bytes
}
