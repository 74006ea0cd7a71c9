//! Events as lists and figures need them, in rows.

use chrono::{DateTime, Utc};
use shared::area::AreaId;
use shared::ids::{RecordId, UserId};
use shared::record::RecordKind;
use shared::workflow::{Level, Stage};
use uuid::Uuid;

use super::InTown;
use super::columns::{areas, count, int, kind, ms, time, users, uuid};
use super::parts::Wanted;
use super::sql::{AsValue as _, Row, Value, params};
use crate::store::common::{first_made_at, months};
use crate::store::{
    By, EventFacts, EventFilter, EventRow, EventTally, PartTally, ReadEvents, Span, StoreError, WordsRow,
};

/// The columns [`event_row`] reads, in order.
const EVENT: &str = "e.record, e.areas, e.readers, e.visit, e.deleted, e.title, e.category, e.source, e.urgency, e.service, \
                     e.at, e.stage, e.level, e.reported, e.moved, e.since, e.due, e.closed, e.host, e.helpers, \
                     e.dispatcher, e.asked, e.contested, e.on_site, e.urged, e.supervised, e.outcome, e.ledger, e.subject, e.campaign, e.seq";

fn some_time(row: &Row, column: usize) -> Result<Option<DateTime<Utc>>, StoreError> {
    Ok(row.get::<Option<i64>>(column)?.map(time))
}

fn some_id(row: &Row, column: usize) -> Result<Option<Uuid>, StoreError> {
    row.get::<Option<Vec<u8>>>(column)?.as_deref().map(uuid).transpose()
}

fn event_row(row: &Row) -> Result<EventRow, StoreError> {
    let stage: String = row.get(11)?;
    let level: String = row.get(12)?;
    Ok(EventRow {
        record: RecordId(uuid(row.blob(0)?)?),
        seq: count(row.get(30)?),
        areas: areas(row.text(1)?),
        readers: users(row.text(2)?),
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
            helpers: users(row.text(19)?),
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
    /// The conditions of a filter.
    pub(super) fn wanted_events(&self, filter: &EventFilter) -> Wanted {
        let mut wanted = Wanted::of("e", self.town);
        for (asked, condition) in [
            (filter.open_only, " AND e.open = 1"),
            (filter.without_visits, " AND e.visit = 0"),
            (filter.for_campaigns, " AND e.campaign IS NOT NULL"),
            (filter.archived, " AND e.ledger <> ''"),
        ] {
            if asked {
                wanted.sql.push_str(condition);
            }
        }
        let stages: Vec<String> = filter.stages.iter().map(|stage| stage.code().to_owned()).collect();
        let outcomes: Vec<String> = filter.outcome.clone().into_iter().collect();
        for (column, codes) in [
            ("category", &filter.categories),
            ("service", &filter.services),
            ("source", &filter.sources),
            ("stage", &stages),
            ("outcome", &outcomes),
        ] {
            if !codes.is_empty() {
                wanted.and(&format!("e.{column} = ANY (?)"), Value::Texts(codes.clone()));
            }
        }
        for (column, span) in [("at", filter.at), ("closed", filter.closed)] {
            if let Some((from, to)) = span {
                wanted.and(&format!("e.{column} >= ?"), ms(from).value());
                wanted.and(&format!("e.{column} < ?"), ms(to).value());
            }
        }
        wanted.lies_in("e.areas", filter.areas.as_deref());
        wanted
    }
}

impl ReadEvents for InTown<'_> {
    fn each_event(
        &self,
        filter: &EventFilter,
        each: &mut dyn FnMut(EventRow) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        let mut wanted = self.wanted_events(filter);
        wanted.not_merged("e", self)?;
        let offset = wanted.arg(int(filter.offset).value());
        let limit = wanted.arg(int(filter.limit.unwrap_or(u64::MAX)).value());
        let order = if filter.archived { "e.category, e.ledger" } else { "e.at DESC, e.record DESC" };
        let sql =
            format!("SELECT {EVENT} FROM event e WHERE {} ORDER BY {order} OFFSET {offset} LIMIT {limit}", wanted.sql);
        let mut rows = self.conn.prepare_cached(&sql)?.rows(&wanted.args)?;
        while let Some(row) = rows.next()? {
            if !each(event_row(&row)?)? {
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
        let mut wanted = self.wanted_events(filter);
        wanted.not_merged("e", self)?;
        self.tally_each(wanted, by)
    }

    fn subjects(&self, filter: &EventFilter) -> Result<Vec<(RecordId, Vec<AreaId>)>, StoreError> {
        let mut wanted = self.wanted_events(filter);
        wanted.not_merged("e", self)?;
        let sql = format!(
            "SELECT DISTINCT e.subject, e.areas FROM event e WHERE {} AND e.subject IS NOT NULL AND e.deleted = 0",
            wanted.sql
        );
        let query = self.conn.prepare_cached(&sql)?;
        query.map(&wanted.args, |row| Ok((RecordId(uuid(row.blob(0)?)?), areas(row.text(1)?))))
    }

    fn tally_parts(&self, of: Option<RecordKind>, made: Option<Span>) -> Result<Vec<PartTally>, StoreError> {
        let mut wanted = Wanted::of("p", self.town);
        if let Some(of) = of {
            wanted.and("p.kind = ?", of.code().value());
        }
        if let Some((from, to)) = made {
            // A UUIDv7 begins with the milliseconds at which it was made, so that the bytes stand in the order of time.
            wanted.and("p.record >= ?", first_made_at(from).value());
            wanted.and("p.record < ?", first_made_at(to).value());
        }
        wanted.not_merged("p", self)?;
        let sql = format!(
            "SELECT p.kind, p.areas, p.visit, p.missing, count(*) FROM part p
             WHERE {} AND p.part = 'open' AND p.deleted = 0 GROUP BY p.kind, p.areas, p.visit, p.missing
             ORDER BY p.kind, p.areas, p.visit, p.missing",
            wanted.sql
        );
        self.conn.prepare_cached(&sql)?.map(&wanted.args, |row| {
            Ok(PartTally {
                kind: kind(row.text(0)?)?,
                areas: areas(row.text(1)?),
                visit: row.get(2)?,
                complete: row.get::<i64>(3)? == 0,
                count: count(row.get(4)?),
            })
        })
    }

    fn each_words(
        &self,
        after: u64,
        each: &mut dyn FnMut(WordsRow) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let losers = self.losers()?;
        let query = self.conn.prepare_cached(
            "SELECT record, kind, areas, visit, title, words FROM part
             WHERE town = $1 AND part = 'open' AND seq > $2 ORDER BY seq",
        )?;
        let mut rows = query.rows(params![self.town.0, int(after)])?;
        while let Some(row) = rows.next()? {
            let id = row.blob(0)?;
            each(WordsRow {
                record: RecordId(uuid(id)?),
                kind: kind(row.text(1)?)?,
                areas: areas(row.text(2)?),
                visit: row.get(3)?,
                merged: losers.contains(id),
                title: row.get(4)?,
                words: row.get(5)?,
            })?;
        }
        Ok(())
    }

    fn last_in_ledger(&self, prefix: &str) -> Result<u32, StoreError> {
        // The digits a number begins with, as SQLite casts text; nothing of a text that begins with none.
        let query = self.conn.prepare_cached(
            "SELECT max(CAST(substring(substr(ledger, length($2) + 1) FROM '^[0-9]{1,18}') AS BIGINT)) FROM event
             WHERE town = $1 AND ledger <> '' AND substr(ledger, 1, length($2)) = $2",
        )?;
        let last: Option<i64> = query.one(params![self.town.0, prefix], |row| row.get(0))?;
        Ok(u32::try_from(last.unwrap_or(0)).unwrap_or(0))
    }
}
