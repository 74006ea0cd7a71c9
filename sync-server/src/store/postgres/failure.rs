//! What a failure of PostgreSQL means to the store.

use deadpool_postgres::{HookError, PoolError};
use tokio_postgres::error::SqlState;

use crate::store::StoreError;

/// Kinds of failures, as far as somebody acts on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Its disk is full.
    Full,
    /// It cannot be reached, ends, begins, or kept a statement or lock waiting for too long.
    Busy,
    /// Two transactions stood in each other's way: run again, it may work.
    Again,
    /// Something that must be unique was there already.
    Exists,
    /// Anything else.
    Other,
}

impl Failure {
    /// The kind of an error.
    pub fn of(error: &tokio_postgres::Error) -> Self {
        let Some(code) = error.code() else {
            // What the server did not say is said of the connection to it, unless it is of a value.
            let lost = error.is_closed()
                || std::error::Error::source(error).is_none_or(|source| source.is::<std::io::Error>());
            return if lost { Self::Busy } else { Self::Other };
        };
        match code {
            _ if *code == SqlState::DISK_FULL => Self::Full,
            _ if *code == SqlState::T_R_SERIALIZATION_FAILURE || *code == SqlState::T_R_DEADLOCK_DETECTED => {
                Self::Again
            }
            _ if *code == SqlState::UNIQUE_VIOLATION => Self::Exists,
            // Connections and other resources that are used up; an administrator's word; a standby.
            _ if ["08", "53", "57"].iter().any(|class| code.code().starts_with(class))
                || *code == SqlState::LOCK_NOT_AVAILABLE
                || *code == SqlState::READ_ONLY_SQL_TRANSACTION
                || *code == SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT =>
            {
                Self::Busy
            }
            _ => Self::Other,
        }
    }
}

/// An error as the store tells it.
pub fn failure(error: tokio_postgres::Error) -> StoreError {
    match Failure::of(&error) {
        Failure::Full => StoreError::Full,
        Failure::Busy | Failure::Again => {
            tracing::warn!(error = &error as &dyn std::error::Error, "PostgreSQL could not do it now");
            StoreError::Busy
        }
        Failure::Exists | Failure::Other => StoreError::Other { action: "ran a statement", source: Box::new(error) },
    }
}

/// Why there is no connection.
pub fn no_connection(error: PoolError) -> StoreError {
    match error {
        PoolError::Backend(error) => failure(error),
        PoolError::PostCreateHook(HookError::Backend(error)) => failure(error),
        PoolError::PostCreateHook(why) => {
            tracing::warn!(%why, "PostgreSQL is not the one that is worked with");
            StoreError::Busy
        }
        PoolError::Timeout(_) => StoreError::Busy,
        error => StoreError::Other { action: "connected to PostgreSQL", source: Box::new(error) },
    }
}

/// Names what already existed when a unique column refused a row.
pub fn unique(what: &'static str) -> impl Fn(StoreError) -> StoreError {
    move |error| match &error {
        StoreError::Other { source, .. }
            if source.downcast_ref::<tokio_postgres::Error>().is_some_and(|it| Failure::of(it) == Failure::Exists) =>
        {
            StoreError::Exists(what)
        }
        _ => error,
    }
}
