//! Lists of events: those under way first, by the end of their limit, then those that ended, the newest first.

use rusqlite::params;
use shared::ids::UserId;
use shared::workflow::{self, EventState};

use super::read::{Row, row};
use super::rows::{id_at, shown};
use super::{Store, StoreError};

/// An event with its state.
#[derive(Debug, Clone)]
pub struct Event {
    /// As lists show it.
    pub row: Row,
    /// Where it stands.
    pub state: EventState,
}

/// Which events are looked at at all: what the table says of each, before its log is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Among {
    /// All.
    All,
    /// Those that did not end.
    Open,
    /// Those of which 结案 may be the next step.
    Answered,
    /// Those that this user reported.
    ReportedBy(UserId),
}

impl Store {
    /// Events that `sees` and `takes` say yes to, in order, from `offset` on, at most `limit` and whether there are more.
    /// Without `takes` the logs of those before `offset` are not read.
    pub fn events(
        &self,
        among: Among,
        limit: usize,
        offset: usize,
        sees: impl Fn(&Row) -> bool,
        takes: Option<&dyn Fn(&Event) -> bool>,
    ) -> Result<(Vec<Event>, bool), StoreError> {
        let rules = self.rules();
        self.read(|sql| {
            // CROSS: SQLite does not know that there are few events, and would go through all records.
            let mut statement = sql.prepare_cached(
                "SELECT event.row, record.id FROM event CROSS JOIN record ON record.row = event.row
                 WHERE (?1 = 0 OR event.ended = 0) AND (?2 = x'' OR event.reporter = ?2)
                    AND (?3 = 0 OR event.stage IN ('handled', 'answered')) AND record.deleted = 0 AND record.alias = x''
                    AND event.row NOT IN (SELECT row FROM work)
                 ORDER BY event.ended, event.due, event.updated DESC",
            )?;
            let user = match among {
                Among::ReportedBy(user) => user.0.as_bytes().to_vec(),
                _ => Vec::new(),
            };
            let open_only = matches!(among, Among::Open | Among::Answered);
            let mut rows = statement.query(params![open_only, user, among == Among::Answered])?;
            let mut found = Vec::new();
            let mut skipped = 0;
            while let Some(next) = rows.next()? {
                let Some(row) = row(sql, next.get(0)?)?.filter(&sees) else { continue };
                if takes.is_none() && skipped < offset {
                    skipped += 1;
                    continue;
                }
                let Some(record) = shown(sql, shared::ids::RecordId(id_at(next, 1)?))? else { continue };
                let event = Event { row, state: workflow::fold(&record.open, &rules.calendar) };
                if takes.is_some_and(|takes| !takes(&event)) {
                    continue;
                }
                if skipped < offset {
                    skipped += 1;
                    continue;
                }
                if found.len() == limit {
                    return Ok((found, true));
                }
                found.push(event);
            }
            Ok((found, false))
        })
    }
}
