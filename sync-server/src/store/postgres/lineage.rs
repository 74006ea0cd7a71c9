//! On which line of history the database is. A standby that was promoted, or a cluster restored to a moment, goes on along
//! another one than before, and without what had been confirmed last: PostgreSQL counts its timelines for that.

use std::sync::{Arc, Mutex};

use deadpool_postgres::{Hook, HookError};

use super::lock;

/// Of one store.
#[derive(Debug, Default)]
pub struct Lineage {
    /// Along which it works; before it is told, along any.
    pub followed: Option<String>,
    /// Of the newest connection.
    pub found: Option<String>,
}

/// Cluster and timeline; nothing of a standby, which nobody writes to.
const SQL: &str = "SELECT CASE WHEN pg_is_in_recovery() THEN '' ELSE
    (SELECT system_identifier FROM pg_control_system()) || '/' || left(pg_walfile_name(pg_current_wal_lsn()), 8) END";

/// Refuses a new connection that is on another line than the one that is followed.
pub fn hook(lineage: Arc<Mutex<Lineage>>) -> Hook {
    Hook::async_fn(move |client, _| {
        let lineage = Arc::clone(&lineage);
        Box::pin(async move {
            let row = client.query_one(SQL, &[]).await.map_err(HookError::Backend)?;
            let found: String = row.try_get(0).map_err(HookError::Backend)?;
            if found.is_empty() {
                return Err(HookError::message("a standby"));
            }
            let mut lineage = lock(&lineage);
            let strays = lineage.followed.as_ref().is_some_and(|followed| *followed != found);
            lineage.found = Some(found);
            if strays { Err(HookError::message("another line of history")) } else { Ok(()) }
        })
    })
}
