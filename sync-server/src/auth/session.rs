//! Sessions of the console: a token in a cookie, its hash in the store. Twelve hours, or until half an hour without use.

use std::net::IpAddr;

use chrono::TimeDelta;

use super::second;
use crate::AppState;
use crate::auth::{Who, password, token};
use crate::store::{self, Audit, Session, StoreError, Tx, User};

/// How long a log-in to the console lasts.
pub const SESSION: TimeDelta = TimeDelta::hours(12);
/// How long it lasts while nobody uses it.
pub const IDLE: TimeDelta = TimeDelta::minutes(30);
/// How long somebody has for the second factor after the password, and for setting it up.
pub const HALFWAY: TimeDelta = TimeDelta::minutes(10);
/// A use is noted once in so long: pages must not cost a write each.
const NOTED: TimeDelta = TimeDelta::minutes(1);
/// The fewest characters of a new password.
pub const PASSWORD: usize = 10;

/// What came of an attempt to log in.
#[derive(Debug)]
pub enum LogIn {
    /// The token for the cookie. With it one is inside, or halfway: [`find`] says which.
    Done(String),
    /// Login and password do not belong together, the user is gone or has no password. Which of it is not told.
    Wrong,
    /// Too many wrong passwords: the next attempt counts after so many seconds.
    Wait(i64),
}

/// Whose a cookie's token is.
#[derive(Debug)]
pub enum Found {
    /// It ended or never was.
    Nobody,
    /// The password was right, the second factor is still to come. It opens nothing.
    Halfway(Session, Who),
    /// Logged in.
    Inside(Session, Who),
}

/// Logs in. Takes as long as Argon2, also for a login that does not exist: call inside `spawn_blocking`.
pub fn log_in(app: &AppState, from: IpAddr, login: &str, given: &str) -> Result<LogIn, StoreError> {
    if let Err(seconds) = app.throttle.begin(login, from, app.outside.now()) {
        return Ok(LogIn::Wait(seconds));
    }
    let user = app.store.user_by_login(login)?;
    let stored = user.as_ref().filter(|user| user.active).and_then(|user| user.password.as_deref());
    if !app.throttle.one_at_a_time(|| password::verify(stored, given)) {
        return Ok(LogIn::Wrong);
    }
    let Some(user) = user else { return Ok(LogIn::Wrong) };
    if second::is_needed(&user) {
        // Wrong codes still count: who knows the password does not guess them without end.
        app.throttle.passed(login, from);
    } else {
        app.throttle.right(login, from);
    }
    store::write(&*app.store, user.town, |tx| begin(app, tx, &user, false)).map(LogIn::Done)
}

/// Begins a session, which is written down if it leads inside. Returns the token for the cookie.
pub fn begin(app: &AppState, tx: &mut dyn Tx, user: &User, second: bool) -> Result<String, StoreError> {
    let now = app.outside.now();
    let (text, hash) = token::fresh(&*app.outside);
    let (csrf, _) = token::fresh(&*app.outside);
    let halfway = !second && second::is_needed(user);
    let expires = now + if halfway { HALFWAY } else { SESSION };
    tx.put_session(&Session { hash, town: user.town, user: user.id, csrf, expires, seen: now, second })?;
    if !halfway {
        tx.put_audit(&Audit {
            at: now,
            user: Some(user.id),
            action: "log_in".to_owned(),
            subject: String::new(),
            detail: String::new(),
        })?;
    }
    Ok(text)
}

/// Whose a cookie's token is. That it was used is noted.
pub fn find(app: &AppState, text: &str) -> Result<Found, StoreError> {
    let Some((session, user)) = app.store.session_by_token(&token::hash(text))? else { return Ok(Found::Nobody) };
    let now = app.outside.now();
    if session.expires <= now || now - session.seen >= IDLE || !user.active {
        return Ok(Found::Nobody);
    }
    if now - session.seen >= NOTED {
        let noted = store::write::<_, StoreError>(&*app.store, session.town, |tx| tx.touch_session(&session.hash, now));
        if let Err(error) = noted {
            // On a full disk pages can still be read.
            tracing::warn!(error = &error as &dyn std::error::Error, "the use of a log-in is not noted");
        }
    }
    // Rights may have grown since: then the password alone does not do any more.
    let inside = session.second || !second::is_needed(&user);
    let who = Who::of(user, &*app.areas()?);
    Ok(if inside { Found::Inside(session, who) } else { Found::Halfway(session, who) })
}

/// Ends a session.
pub fn log_out(app: &AppState, session: &Session) -> Result<(), StoreError> {
    store::write(&*app.store, session.town, |tx| tx.drop_session(&session.hash, app.outside.now()))
}

/// Why a password is not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// Too short.
    #[error("a password has at least {PASSWORD} characters")]
    Short,
    /// It cannot be hashed.
    #[error(transparent)]
    Password(#[from] password::BadPassword),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Gives somebody another password and ends every log-in of theirs. `by` is none for a command on the server.
pub fn change_password(app: &AppState, user: &User, given: &str, by: Option<&User>) -> Result<(), ChangeError> {
    if given.chars().count() < PASSWORD {
        return Err(ChangeError::Short);
    }
    let hash = app.throttle.one_at_a_time(|| password::hash(&*app.outside, given))?;
    store::write::<_, StoreError>(&*app.store, user.town, |tx| {
        let now = tx.user(user.id)?.ok_or(StoreError::Missing("the user"))?;
        tx.put_user(&User { password: Some(hash.clone()), ..now })?;
        tx.drop_sessions_of(user.id)?;
        tx.put_audit(&Audit {
            at: app.outside.now(),
            user: by.map(|by| by.id),
            action: "audit-password".to_owned(),
            subject: user.id.to_string(),
            detail: String::new(),
        })
    })?;
    Ok(())
}
