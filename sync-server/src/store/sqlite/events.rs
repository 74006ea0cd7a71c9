//! Events as lists and figures need them, in rows.

use chrono::{DateTime, Utc};
use rusqlite::types::ToSql;
use rusqlite::{Row, params};
use shared::area::AreaId;
use shared::ids::{RecordId, UserId};
use shared::record::{Part, RecordKind};
use shared::workflow::{Level, Stage};
use uuid::Uuid;

use super::InTown;
use super::columns::{areas, areas_text, count, int, kind, ms, time, users, users_text, uuid};
use super::parts::Within;
use crate::store::common::{first_made_at, month, months};
use crate::store::{
    By, EventFacts, EventFilter, EventRow, EventTally, PartTally, ReadEvents, Span, StoreError, StoredPart, WordsRow,
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
        self.uncount_event(part.record)?;
        if !part.deleted {
            let mut query = self.conn.prepare_cached(
                "INSERT INTO event_count (town, at, closed, areas, category, service, stage, outcome, visit, n)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 1)
                 ON CONFLICT (town, at, closed, areas, category, service, stage, outcome, visit) DO UPDATE SET n = n + 1",
            )?;
            query.execute(params![
                self.town.0,
                month(facts.at),
                facts.closed.map(month).unwrap_or_default(),
                areas_text(&part.areas),
                facts.category,
                facts.service,
                facts.stage.map(Stage::code).unwrap_or_default(),
                facts.outcome,
                part.visit,
            ])?;
        }
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

    /// Takes an event, as it stood until now, out of the figures.
    pub(super) fn uncount_event(&self, record: RecordId) -> Result<(), StoreError> {
        let mut query = self.conn.prepare_cached(
            "SELECT at, closed, areas, category, service, stage, outcome, visit FROM event
             WHERE town = ?1 AND record = ?2 AND deleted = 0",
        )?;
        let mut rows = query.query(params![self.town.0, record.0.as_bytes()])?;
        let Some(row) = rows.next()? else { return Ok(()) };
        let text = |column: usize| row.get::<_, String>(column);
        let at = month(time(row.get(0)?));
        let closed = row.get::<_, Option<i64>>(1)?.map(time).map(month).unwrap_or_default();
        let mut less = self.conn.prepare_cached(
            "UPDATE event_count SET n = n - 1 WHERE town = ?1 AND at = ?2 AND closed = ?3 AND areas = ?4 AND category = ?5
             AND service = ?6 AND stage = ?7 AND outcome = ?8 AND visit = ?9 AND n > 0",
        )?;
        let visit: bool = row.get(7)?;
        less.execute(params![self.town.0, at, closed, text(2)?, text(3)?, text(4)?, text(5)?, text(6)?, visit])?;
        Ok(())
    }

    /// Counts as rows of areas, number, and `by` columns more; those of other areas left out.
    fn tallied(
        &self,
        sql: &str,
        args: &[Box<dyn ToSql>],
        filter: &EventFilter,
        by: usize,
    ) -> Result<Vec<EventTally>, StoreError> {
        let mut query = self.conn.prepare_cached(sql)?;
        let mut rows = query.query(rusqlite::params_from_iter(args.iter()))?;
        let mut tallies = Vec::new();
        while let Some(row) = rows.next()? {
            tallies.extend(tally(filter, row, by)?);
        }
        Ok(tallies)
    }

    /// The figures of whole months, out of the counts: a few thousand rows in place of all events.
    fn tally_months(
        &self,
        filter: &EventFilter,
        by: &[By],
        [at, closed]: [Option<(String, String)>; 2],
    ) -> Result<Vec<EventTally>, StoreError> {
        let plain = EventFilter { at: None, closed: None, ..filter.clone() };
        let (mut wanted, mut args) = self.wanted_events(&plain);
        for (column, months) in [("at", at), ("closed", closed)] {
            if let Some((from, to)) = months {
                args.push(Box::new(from));
                args.push(Box::new(to));
                let (from, to) = (args.len() - 1, args.len());
                wanted.push_str(&format!(" AND e.{column} >= ?{from} AND e.{column} < ?{to}"));
            }
        }
        let columns: String = by.iter().map(|by| format!(", {}", column(*by, "e.at"))).collect();
        let sql = format!(
            "SELECT e.areas, sum(e.n){columns} FROM event_count e WHERE {wanted} AND e.n > 0 GROUP BY e.areas{columns}"
        );
        let mut tallies = self.tallied(&sql, &args, filter, by.len())?;
        // What was merged into another record is counted there.
        let losers = self.losers()?;
        if !losers.is_empty() {
            for lost in self.tally_each(filter, by, &losers)? {
                let alike = |tally: &&mut EventTally| tally.areas == lost.areas && tally.by == lost.by;
                if let Some(counted) = tallies.iter_mut().find(alike) {
                    counted.count = counted.count.saturating_sub(lost.count);
                }
            }
            tallies.retain(|tally| tally.count > 0);
        }
        Ok(tallies)
    }

    /// Some events alone, as [`ReadEvents::tally_events`] counts.
    fn tally_each(
        &self,
        filter: &EventFilter,
        by: &[By],
        among: &std::collections::BTreeSet<Vec<u8>>,
    ) -> Result<Vec<EventTally>, StoreError> {
        let (wanted, args) = self.wanted_events(filter);
        let columns: String = by.iter().map(|by| format!(", {}", column(*by, MONTH))).collect();
        let sql = format!(
            "SELECT e.areas, count(*){columns} FROM event e WHERE {wanted} AND e.deleted = 0 AND e.record IN ({})
             GROUP BY e.areas{columns}",
            blobs(among)
        );
        self.tallied(&sql, &args, filter, by.len())
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
        if filter.for_campaigns {
            sql.push_str(" AND e.campaign IS NOT NULL");
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

/// The month of an event, of Beijing, which has no summer time.
const MONTH: &str = "strftime('%Y-%m', e.at / 1000 + 28800, 'unixepoch')";

fn column(by: By, month: &'static str) -> &'static str {
    match by {
        By::Category => "e.category",
        By::Service => "e.service",
        By::Stage => "e.stage",
        By::Outcome => "e.outcome",
        By::Month => month,
    }
}

/// areas, count, and as many columns more.
fn tally(filter: &EventFilter, row: &Row<'_>, by: usize) -> Result<Option<EventTally>, StoreError> {
    let text = row.get_ref(0)?.as_str().unwrap_or_default();
    if !lies_in(filter, text) {
        return Ok(None);
    }
    let by = (0..by).map(|place| row.get(place + 2)).collect::<Result<Vec<String>, _>>()?;
    Ok(Some(EventTally { areas: areas(text), by, count: count(row.get(1)?) }))
}

/// Ids as SQL writes them in a list.
fn blobs(ids: &std::collections::BTreeSet<Vec<u8>>) -> String {
    let one = |id: &Vec<u8>| format!("x'{}'", id.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    ids.iter().map(one).collect::<Vec<_>>().join(", ")
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
        let losers = self.losers()?;
        // Which first, out of an index where one has it all; then those alone.
        let sql = format!("SELECT e.rowid, e.record, e.areas FROM event e WHERE {wanted} ORDER BY {order}");
        let mut query = self.conn.prepare_cached(&sql)?;
        let mut rows = query.query(rusqlite::params_from_iter(args.iter()))?;
        let mut one = self.conn.prepare_cached(&format!("SELECT {EVENT} FROM event e WHERE e.rowid = ?1"))?;
        let mut within = Within::new(filter.areas.as_deref());
        let (mut passed, mut given) = (0, 0);
        while filter.limit.is_none_or(|limit| given < limit) {
            let Some(row) = rows.next()? else { break };
            let lost = !losers.is_empty() && losers.contains(row.get_ref(1)?.as_blob().unwrap_or_default());
            if lost || !within.holds(row.get_ref(2)?.as_str().unwrap_or_default()) {
                continue;
            }
            passed += 1;
            if passed <= filter.offset {
                continue;
            }
            given += 1;
            let mut found = one.query(params![row.get::<_, i64>(0)?])?;
            if let Some(event) = found.next()?
                && !each(event_row(event)?)?
            {
                break;
            }
        }
        Ok(())
    }

    fn tally_events(&self, filter: &EventFilter, by: &[By]) -> Result<Vec<EventTally>, StoreError> {
        let whole = !filter.open_only && !filter.archived && !filter.for_campaigns && filter.sources.is_empty();
        let spans = [filter.at.map(months), filter.closed.map(months)];
        if whole && spans.iter().all(|span| *span != Some(None)) {
            return self.tally_months(filter, by, spans.map(Option::flatten));
        }
        let (wanted, args) = self.wanted_events(filter);
        let columns: String = by.iter().map(|by| format!(", {}", column(*by, MONTH))).collect();
        let sql = format!(
            "SELECT e.areas, count(*){columns} FROM event e WHERE {wanted} AND e.deleted = 0 {} GROUP BY e.areas{columns}",
            self.not_merged("e")?,
        );
        self.tallied(&sql, &args, filter, by.len())
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

    fn tally_parts(&self, of: Option<RecordKind>, made: Option<Span>) -> Result<Vec<PartTally>, StoreError> {
        // A UUIDv7 begins with the milliseconds at which it was made, so that the bytes stand in the order of time.
        let within = if made.is_some() { " AND p.record >= ?2 AND p.record < ?3" } else { "" };
        let of = of.map(|of| format!(" AND p.kind = '{}'", of.code())).unwrap_or_default();
        let sql = format!(
            "SELECT p.kind, p.areas, p.visit, p.missing, count(*) FROM part p INDEXED BY part_counts
             WHERE p.town = ?1 AND p.part = 'open' AND p.deleted = 0{of}{within} {} GROUP BY p.kind, p.areas, p.visit, p.missing",
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
                complete: row.get::<_, i64>(3)? == 0,
                count: count(row.get(4)?),
            });
        }
        Ok(tallies)
    }

    fn each_words(
        &self,
        after: u64,
        each: &mut dyn FnMut(WordsRow) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let losers = self.losers()?;
        let mut query = self.conn.prepare_cached(
            "SELECT record, kind, areas, visit, title, words FROM part INDEXED BY part_feed
             WHERE town = ?1 AND part = 'open' AND seq > ?2 ORDER BY seq",
        )?;
        let mut rows = query.query(params![self.town.0, int(after)])?;
        while let Some(row) = rows.next()? {
            let id = row.get_ref(0)?.as_blob().unwrap_or_default();
            each(WordsRow {
                record: RecordId(uuid(id)?),
                kind: kind(row.get_ref(1)?.as_str().unwrap_or_default())?,
                areas: areas(row.get_ref(2)?.as_str().unwrap_or_default()),
                visit: row.get(3)?,
                merged: losers.contains(id),
                title: row.get(4)?,
                words: row.get(5)?,
            })?;
        }
        Ok(())
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
    pub(super) fn not_merged(&self, table: &str) -> Result<String, StoreError> {
        let losers = self.losers()?;
        Ok(if losers.is_empty() { String::new() } else { format!(" AND {table}.record NOT IN ({})", blobs(&losers)) })
    }
}
