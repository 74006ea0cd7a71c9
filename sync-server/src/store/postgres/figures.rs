//! Events beside their parts: saved, counted, and the figures made of the counts.

use std::collections::{BTreeMap, BTreeSet};

use shared::ids::RecordId;
use shared::record::Part;
use shared::workflow::Stage;

use super::InTown;
use super::ahead::record_id;
use super::columns::{areas, areas_text, count, int, ms, time, users_text};
use super::parts::Wanted;
use super::read::records_of;
use super::sql::{AsValue as _, Row, Value, params, row, together};
use crate::store::common::month;
use crate::store::{By, EventFacts, EventFilter, EventTally, StoreError, StoredPart};

/// What events have in common that are counted together: the months, areas, category, service, stage and outcome, visit.
pub type Like = ([String; 2], [String; 5], bool);

/// These events as they are counted, for [`InTown::sql`].
pub const STOOD: &str = "SELECT record, at, closed, areas, category, service, stage, outcome, visit FROM {event}
    WHERE town = $1 AND record = ANY ($2) AND deleted = 0";

pub fn stood_row(row: &Row) -> Result<(RecordId, Like), StoreError> {
    let closed = row.get::<Option<i64>>(2)?.map(time).map(month).unwrap_or_default();
    let words = [row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?, row.get(7)?];
    Ok((record_id(row)?, ([month(time(row.get(1)?)), closed], words, row.get(8)?)))
}

/// Some more that are alike, out of rows of that and their number.
const MORE: &str =
    "INSERT INTO event_count AS c (town, at, closed, areas, category, service, stage, outcome, visit, n, alike)
    SELECT m.*, md5(concat_ws('|', m.areas, m.category, m.service, m.stage, m.outcome, m.visit))
    FROM ({select}) AS m (town, at, closed, areas, category, service, stage, outcome, visit, n) WHERE m.town = {town}
    ON CONFLICT (town, at, closed, alike) DO UPDATE SET n = c.n + excluded.n";

/// Some fewer.
const LESS: &str = "UPDATE event_count AS c SET n = greatest(0, c.n + m.n)
    FROM ({select}) AS m (town, at, closed, areas, category, service, stage, outcome, visit, n)
    WHERE c.town = {town} AND c.at = m.at AND c.closed = m.closed AND c.n > 0
    AND c.alike = md5(concat_ws('|', m.areas, m.category, m.service, m.stage, m.outcome, m.visit))";

/// The month of an event, of Beijing, which has no summer time.
const MONTH: &str = "to_char(to_timestamp(e.at / 1000 + 28800) AT TIME ZONE 'UTC', 'YYYY-MM')";

fn column(by: By, month: &'static str) -> &'static str {
    match by {
        By::Category => "e.category",
        By::Service => "e.service",
        By::Stage => "e.stage",
        By::Outcome => "e.outcome",
        By::Month => month,
    }
}

impl InTown<'_> {
    /// How much is missing of a part, where another program wrote it.
    pub(super) fn save_missing(&self, part: &StoredPart) -> Result<(), StoreError> {
        let query = self.conn.prepare_cached(
            "UPDATE part SET missing = $4 WHERE town = $1 AND record = $2 AND part = $3 AND missing <> $4",
        )?;
        query.execute(params![self.town.0, part.record.0.as_bytes(), part.part.code(), part.missing])?;
        Ok(())
    }

    /// What stands of events beside their parts; nothing for what is no event. None of them stands there twice.
    pub(super) fn save_events<'a>(&self, parts: impl IntoIterator<Item = &'a StoredPart>) -> Result<(), StoreError> {
        let facts = |part: &'a StoredPart| part.event.as_deref().map(|facts| (part, facts));
        let events: Vec<(&StoredPart, &EventFacts)> =
            parts.into_iter().filter(|part| part.part == Part::Open).filter_map(facts).collect();
        if events.is_empty() {
            return Ok(());
        }
        let records: BTreeSet<RecordId> = events.iter().map(|(part, _)| part.record).collect();
        let mut more = self.stood(&records)?;
        for (part, facts) in events.iter().filter(|(part, _)| !part.deleted) {
            let like = (
                [month(facts.at), facts.closed.map(month).unwrap_or_default()],
                [
                    areas_text(&part.areas),
                    facts.category.clone(),
                    facts.service.clone(),
                    facts.stage.map(Stage::code).unwrap_or_default().to_owned(),
                    facts.outcome.clone(),
                ],
                part.visit,
            );
            *more.entry(like).or_default() += 1;
        }
        self.count_events(more)?;
        let gone = self.prepare("DELETE FROM {event} WHERE town = $1 AND record = ANY ($2)")?;
        gone.later(params![self.town.0, records_of(&records)])?;
        let rows = events.into_iter().map(|(part, facts)| {
            row![
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
            ]
        });
        let types = [
            "bigint", "bytea", "text", "text", "bigint", "bigint", "text", "text", "text", "text", "text", "bigint",
            "text", "text", "bigint", "bigint", "bigint", "bigint", "bigint", "bytea", "text", "bytea", "bigint",
            "bigint", "bigint", "bigint", "bigint", "text", "text", "bigint", "bytea", "bytea", "bigint",
        ];
        let (select, columns) = together(types, rows.collect());
        let query = self.prepare(&format!(
            "INSERT INTO {{event}} (town, record, areas, readers, visit, deleted, title, category, source, urgency,
                 service, at, stage, level, reported, moved, since, due, closed, host, helpers, dispatcher, asked,
                 contested, on_site, urged, supervised, outcome, ledger, open, subject, campaign, seq) {select}"
        ))?;
        query.later(&columns)
    }

    /// Takes an event, as it stood until now, out of the figures.
    pub(super) fn uncount_event(&self, record: RecordId) -> Result<(), StoreError> {
        self.count_events(self.stood(&BTreeSet::from([record]))?)
    }

    /// What is to be taken out of the figures for events as they stood until now.
    fn stood(&self, records: &BTreeSet<RecordId>) -> Result<BTreeMap<Like, i64>, StoreError> {
        let rows = match self.known_stood(records) {
            Some(known) => known,
            None => self.prepare(STOOD)?.map(params![self.town.0, records_of(records)], stood_row)?,
        };
        let mut stood = BTreeMap::new();
        for (_, like) in rows {
            *stood.entry(like).or_default() -= 1;
        }
        Ok(stood)
    }

    /// So many events more or less that are alike.
    fn count_events(&self, more: BTreeMap<Like, i64>) -> Result<(), StoreError> {
        for (sign, sql) in [(-1, LESS), (1, MORE)] {
            let wanted = more.iter().filter(|(_, by)| by.signum() == sign);
            let rows: Vec<_> = wanted
                .map(|(([at, closed], [areas, category, service, stage, outcome], visit), by)| {
                    row![self.town.0, at, closed, areas, category, service, stage, outcome, visit, by]
                })
                .collect();
            if !rows.is_empty() {
                let types = ["bigint", "text", "text", "text", "text", "text", "text", "text", "bigint", "bigint"];
                let (select, mut columns) = together(types, rows);
                // For what is partitioned by town.
                columns.push(self.town.0.value());
                let sql = sql.replace("{select}", &select).replace("{town}", &format!("${}::bigint", columns.len()));
                self.conn.prepare_cached(&sql)?.later(&columns)?;
            }
        }
        Ok(())
    }

    /// Counts as rows of areas, number, and `by` columns more.
    fn tallied(&self, sql: &str, wanted: &Wanted, by: usize) -> Result<Vec<EventTally>, StoreError> {
        self.conn.prepare_cached(sql)?.map(&wanted.args, |row| {
            let by = (0..by).map(|place| row.get(place + 2)).collect::<Result<Vec<String>, _>>()?;
            Ok(EventTally { areas: areas(row.text(0)?), by, count: count(row.get(1)?) })
        })
    }

    /// Some events alone, as [`ReadEvents::tally_events`](crate::store::ReadEvents::tally_events) counts.
    pub(super) fn tally_each(&self, wanted: Wanted, by: &[By]) -> Result<Vec<EventTally>, StoreError> {
        let columns: String = by.iter().map(|by| format!(", {}", column(*by, MONTH))).collect();
        let sql = format!(
            "SELECT e.areas, count(*){columns} FROM event e WHERE {} AND e.deleted = 0
             GROUP BY e.areas{columns} ORDER BY e.areas{columns}",
            wanted.sql
        );
        self.tallied(&sql, &wanted, by.len())
    }

    /// The figures of whole months, out of the counts: a few thousand rows in place of all events.
    pub(super) fn tally_months(
        &self,
        filter: &EventFilter,
        by: &[By],
        [at, closed]: [Option<(String, String)>; 2],
    ) -> Result<Vec<EventTally>, StoreError> {
        let plain = EventFilter { at: None, closed: None, ..filter.clone() };
        let mut wanted = self.wanted_events(&plain);
        for (column, months) in [("at", at), ("closed", closed)] {
            if let Some((from, to)) = months {
                wanted.and(&format!("e.{column} >= ?"), from.value());
                wanted.and(&format!("e.{column} < ?"), to.value());
            }
        }
        let columns: String = by.iter().map(|by| format!(", {}", column(*by, "e.at"))).collect();
        let sql = format!(
            "SELECT e.areas, sum(e.n)::bigint{columns} FROM event_count e WHERE {} AND e.n > 0
             GROUP BY e.areas{columns} ORDER BY e.areas{columns}",
            wanted.sql
        );
        let mut tallies = self.tallied(&sql, &wanted, by.len())?;
        // What was merged into another record is counted there.
        let losers = self.losers()?;
        if !losers.is_empty() {
            let mut among = self.wanted_events(filter);
            among.and("e.record = ANY (?)", Value::Blobs(losers.into_iter().collect()));
            for lost in self.tally_each(among, by)? {
                let alike = |tally: &&mut EventTally| tally.areas == lost.areas && tally.by == lost.by;
                if let Some(counted) = tallies.iter_mut().find(alike) {
                    counted.count = counted.count.saturating_sub(lost.count);
                }
            }
            tallies.retain(|tally| tally.count > 0);
        }
        Ok(tallies)
    }
}
