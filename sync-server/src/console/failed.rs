//! Log-ins that failed, in the audit. The password never is; what was typed as a name only if it is one, because people
//! type their password there as well.

use chrono::TimeDelta;

use crate::AppState;
use crate::store::{self, Audit, AuditFilter, StoreError, User};

/// Names that do not exist are guessed by the thousand: one entry in so many minutes says that it goes on, and the audit
/// does not grow by what strangers send. Attempts at a name that exists are slowed down by the throttle.
const UNKNOWN_EVERY: TimeDelta = TimeDelta::minutes(10);

/// Writes an attempt down; one that cannot be is told in the log.
pub fn note(app: &AppState, login: &str) {
    if let Err(error) = write(app, login) {
        tracing::error!(error = &error as &dyn std::error::Error, "a log-in that failed is not in the audit");
    }
}

/// Writes down what somebody whose name is known failed in.
pub fn note_of(app: &AppState, user: &User, action: &str) -> Result<(), StoreError> {
    store::write(&*app.store, user.town, |tx| {
        tx.put_audit(&Audit {
            at: app.outside.now(),
            user: Some(user.id),
            action: action.to_owned(),
            subject: String::new(),
            detail: String::new(),
        })
    })
}

fn write(app: &AppState, login: &str) -> Result<(), StoreError> {
    let at = app.outside.now();
    let entry = |user, action: &str| Audit {
        at,
        user,
        action: action.to_owned(),
        subject: String::new(),
        detail: String::new(),
    };
    if let Some(user) = app.store.user_by_login(login)? {
        return note_of(app, &user, "audit-log-in-failed");
    }
    // Nobody's: it is told to every town of the server.
    let entry = entry(None, "audit-log-in-unknown");
    for town in app.store.towns()? {
        store::write::<_, StoreError>(&*app.store, town, |tx| {
            let filter = AuditFilter { action: Some(entry.action.clone()), limit: 1, ..AuditFilter::default() };
            let last = tx.audit_entries(&filter)?.pop().map(|(entry, _)| entry.at());
            if last.is_some_and(|last| (at - last).abs() < UNKNOWN_EVERY) { Ok(()) } else { tx.put_audit(&entry) }
        })?;
    }
    Ok(())
}
