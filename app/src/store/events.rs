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

impl Store {
    /// Events that `takes` says yes to, in order, from `offset` on, at most `limit` and whether there are more. With
    /// `open_only` those that ended are left out; with `reporter` only theirs.
    pub fn events(
        &self,
        open_only: bool,
        reporter: Option<UserId>,
        limit: usize,
        offset: usize,
        takes: impl Fn(&Event) -> bool,
    ) -> Result<(Vec<Event>, bool), StoreError> {
        self.read(|sql| {
            let mut statement = sql.prepare_cached(
                "SELECT event.row, record.id FROM event JOIN record ON record.row = event.row
                 WHERE (?1 = 0 OR event.ended = 0) AND (?2 = x'' OR event.reporter = ?2) AND record.deleted = 0 AND record.alias = x''
                    AND event.row NOT IN (SELECT row FROM work)
                 ORDER BY event.ended, event.due, event.updated DESC",
            )?;
            let user = reporter.map(|user| user.0.as_bytes().to_vec()).unwrap_or_default();
            let mut rows = statement.query(params![open_only, user])?;
            let mut found = Vec::new();
            let mut skipped = 0;
            while let Some(next) = rows.next()? {
                let Some(record) = shown(sql, shared::ids::RecordId(id_at(next, 1)?))? else { continue };
                let Some(row) = row(sql, next.get(0)?)? else { continue };
                let event = Event { row, state: workflow::fold(&record.open, &self.rules.calendar) };
                if !takes(&event) {
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
