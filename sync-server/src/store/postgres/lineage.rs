//! On which line of history the database is, and what else its connections tell of it.
//!
//! A standby that was promoted, or a cluster restored to a moment, goes on along another line than before, and without what
//! had been confirmed last: PostgreSQL counts its timelines for that. And a newer program may have brought the schema further.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use deadpool_postgres::{Hook, HookError};

use super::conn::LONG;
use super::{PostgresStore, lock};
use crate::store::StoreError;

/// Of one store.
#[derive(Debug, Default)]
pub struct Lineage {
    /// Along which it works; before it is told, along any.
    pub followed: Option<String>,
    /// Of the newest connection.
    pub found: Option<String>,
    /// Whether this program is too old for the schema that was last seen.
    pub outdated: Option<Outdated>,
    /// How long PostgreSQL gives a statement, as the newest connection told.
    pub statement: Duration,
}

/// A schema that asks for a newer program than this one.
#[derive(Debug, Clone, Copy)]
pub struct Outdated(u32);

impl Outdated {
    /// Where the least program that may run is newer than this one: the one before the schema's, if no later one is named.
    pub fn by(version: i64, least: i64) -> Option<Self> {
        let needed = least.max(version.saturating_sub(1));
        (needed > PostgresStore::schema().into()).then_some(Self(u32::try_from(version).unwrap_or(u32::MAX)))
    }

    /// As it is told.
    pub fn told(self) -> StoreError {
        StoreError::FromTheFuture { found: self.0, known: PostgresStore::schema() }
    }
}

/// Cluster and timeline; nothing of a standby, which nobody writes to. Whether there is a schema yet; the milliseconds that a
/// statement is given.
const SQL: &str = "SELECT CASE WHEN pg_is_in_recovery() THEN '' ELSE
    (SELECT system_identifier FROM pg_control_system()) || '/' || left(pg_walfile_name(pg_current_wal_lsn()), 8) END,
    to_regclass('schema_version') IS NOT NULL,
    (SELECT setting::bigint FROM pg_settings WHERE name = 'statement_timeout')";

/// The schema, and the least program that may run.
const SCHEMA: &str =
    "SELECT coalesce(max(version), 0), coalesce(max((to_jsonb(s) ->> 'least')::bigint), 0) FROM schema_version s";

/// Refuses a new connection that is on another line than the one that is followed, or whose schema asks for a newer program.
pub fn hook(lineage: Arc<Mutex<Lineage>>) -> Hook {
    Hook::async_fn(move |client, _| {
        let lineage = Arc::clone(&lineage);
        Box::pin(async move {
            let row = client.query_one(SQL, &[]).await.map_err(HookError::Backend)?;
            let found: String = row.try_get(0).map_err(HookError::Backend)?;
            if found.is_empty() {
                return Err(HookError::message("a standby"));
            }
            let mut outdated = None;
            if row.try_get(1).map_err(HookError::Backend)? {
                let row = client.query_one(SCHEMA, &[]).await.map_err(HookError::Backend)?;
                let column = |at: usize| row.try_get(at).map_err(HookError::Backend);
                outdated = Outdated::by(column(0)?, column(1)?);
            }
            let statement: i64 = row.try_get(2).map_err(HookError::Backend)?;
            let mut lineage = lock(&lineage);
            let strays = lineage.followed.as_ref().is_some_and(|followed| *followed != found);
            lineage.found = Some(found);
            lineage.outdated = outdated;
            // Where it is given all the time in the world, we give it as much as the longest work takes.
            let given = u64::try_from(statement).ok().filter(|ms| *ms > 0).map(Duration::from_millis);
            lineage.statement = given.unwrap_or(LONG);
            match (strays, lineage.outdated) {
                (true, _) => Err(HookError::message("another line of history")),
                (_, Some(_)) => Err(HookError::message("the schema of a newer program")),
                _ => Ok(()),
            }
        })
    })
}
