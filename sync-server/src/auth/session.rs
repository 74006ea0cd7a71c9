//! Sessions of the console: a token in a cookie, its hash in the store, twelve hours.

use chrono::TimeDelta;

use crate::AppState;
use crate::auth::{Who, password, token};
use crate::store::{self, Audit, Session, StoreError};

/// How long a log-in to the console lasts.
pub const SESSION: TimeDelta = TimeDelta::hours(12);

/// What came of an attempt to log in.
#[derive(Debug)]
pub enum LogIn {
    /// The token for the cookie, and the session.
    Done(String, Session),
    /// Login and password do not belong together, the user is gone or has no password. Which of it is not told.
    Wrong,
    /// Too many wrong passwords: the next attempt counts after so many seconds.
    Wait(i64),
}

/// Logs in. Takes as long as Argon2, also for a login that does not exist: call inside `spawn_blocking`.
pub fn log_in(app: &AppState, login: &str, given: &str) -> Result<LogIn, StoreError> {
    if let Err(seconds) = app.throttle.begin(login, app.outside.now()) {
        return Ok(LogIn::Wait(seconds));
    }
    let user = app.store.user_by_login(login)?;
    let stored = user.as_ref().filter(|user| user.active).and_then(|user| user.password.as_deref());
    if !app.throttle.one_at_a_time(|| password::verify(stored, given)) {
        return Ok(LogIn::Wrong);
    }
    let Some(user) = user else { return Ok(LogIn::Wrong) };
    app.throttle.right(login);
    let now = app.outside.now();
    let (text, hash) = token::fresh(&*app.outside);
    let (csrf, _) = token::fresh(&*app.outside);
    let session = Session { hash, town: user.town, user: user.id, csrf, expires: now + SESSION };
    store::write(&*app.store, user.town, |tx| {
        tx.put_session(&session)?;
        tx.put_audit(&Audit {
            at: now,
            user: Some(user.id),
            action: "log_in".to_owned(),
            subject: String::new(),
            detail: String::new(),
        })
    })?;
    Ok(LogIn::Done(text, session))
}

/// The session of a cookie's token and who it is; `None` when it ended or never was.
pub fn find(app: &AppState, text: &str) -> Result<Option<(Session, Who)>, StoreError> {
    let Some((session, user)) = app.store.session_by_token(&token::hash(text))? else { return Ok(None) };
    if session.expires <= app.outside.now() || !user.active {
        return Ok(None);
    }
    Ok(Some((session, Who::of(user, &*app.areas()?))))
}

/// Ends a session.
pub fn log_out(app: &AppState, session: &Session) -> Result<(), StoreError> {
    store::write(&*app.store, session.town, |tx| tx.drop_session(&session.hash, app.outside.now()))
}
