//! Events beside their parts: saved, counted, and the figures made of the counts.

use shared::ids::RecordId;
use shared::record::Part;
use shared::workflow::Stage;

use super::InTown;
use super::columns::{areas, areas_text, count, int, ms, time, users_text};
use super::parts::Wanted;
use super::sql::{AsValue as _, Value, params};
use crate::store::common::month;
use crate::store::{By, EventFilter, EventTally, StoreError, StoredPart};

/// What is alike, out of the columns after the months.
const ALIKE: &str = "md5(concat_ws('|', $4::text, $5::text, $6::text, $7::text, $8::text, $9::bigint))";

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

    /// What stands of an event beside its part; nothing for what is no event.
    pub(super) fn save_event(&self, part: &StoredPart) -> Result<(), StoreError> {
        let Some(facts) = part.event.as_deref().filter(|_| part.part == Part::Open) else { return Ok(()) };
        self.uncount_event(part.record)?;
        if !part.deleted {
            self.count_event(
                1,
                &[
                    month(facts.at).value(),
                    facts.closed.map(month).unwrap_or_default().value(),
                    areas_text(&part.areas).value(),
                    facts.category.value(),
                    facts.service.value(),
                    facts.stage.map(Stage::code).unwrap_or_default().value(),
                    facts.outcome.value(),
                    part.visit.value(),
                ],
            )?;
        }
        let id = [self.town.0.value(), part.record.0.as_bytes().value()];
        self.conn.prepare_cached("DELETE FROM event WHERE town = $1 AND record = $2")?.execute(&id)?;
        let query = self.conn.prepare_cached(
            "INSERT INTO event (town, record, areas, readers, visit, deleted, title, category, source, urgency,
                 service, at, stage, level, reported, moved, since, due, closed, host, helpers, dispatcher, asked,
                 contested, on_site, urged, supervised, outcome, ledger, open, subject, campaign, seq)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21,
                 $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33)",
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
        let query = self.conn.prepare_cached(
            "SELECT at, closed, areas, category, service, stage, outcome, visit FROM event
             WHERE town = $1 AND record = $2 AND deleted = 0",
        )?;
        let stood = query.first(params![self.town.0, record.0.as_bytes()], |row| {
            Ok([
                month(time(row.get(0)?)).value(),
                row.get::<Option<i64>>(1)?.map(time).map(month).unwrap_or_default().value(),
                row.text(2)?.value(),
                row.text(3)?.value(),
                row.text(4)?.value(),
                row.text(5)?.value(),
                row.text(6)?.value(),
                row.get::<bool>(7)?.value(),
            ])
        })?;
        stood.map_or(Ok(()), |stood| self.count_event(-1, &stood))
    }

    /// One event more or less that is like this: months, areas, category, service, stage, outcome, visit.
    fn count_event(&self, by: i64, like: &[Value; 8]) -> Result<(), StoreError> {
        let mut args = vec![self.town.0.value()];
        args.extend(like.iter().cloned());
        let sql = if by > 0 {
            format!(
                "INSERT INTO event_count AS c (town, at, closed, alike, areas, category, service, stage, outcome, visit, n)
                 VALUES ($1, $2, $3, {ALIKE}, $4, $5, $6, $7, $8, $9::bigint, 1)
                 ON CONFLICT (town, at, closed, alike) DO UPDATE SET n = c.n + 1"
            )
        } else {
            format!(
                "UPDATE event_count SET n = n - 1 WHERE town = $1 AND at = $2 AND closed = $3 AND alike = {ALIKE} AND n > 0"
            )
        };
        self.conn.prepare_cached(&sql)?.execute(&args)?;
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
