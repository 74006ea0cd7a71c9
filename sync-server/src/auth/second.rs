//! The second factor at the console: codes of an authenticator beside the password, for whoever may see or take out more
//! than others, and recovery codes for when the telephone is gone.
//!
//! The secret is encrypted in the database, under a key made from `server.key` and bound to the user: a copy of `town.db`
//! alone makes no codes, and nobody's secret stands in for another's.

use std::net::IpAddr;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use chrono::{DateTime, Utc};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use shared::author::Role;
use shared::ids::UserId;

use super::{session, token, totp};
use crate::AppState;
use crate::store::{self, Audit, SecondFactor, Session, StoreError, Tx, User};

/// How many recovery codes there are.
pub const RECOVERY: usize = 10;
/// Bytes of a recovery code: sixteen letters, as good as a key.
const RECOVERY_BYTES: usize = 10;
/// Bytes of a nonce before what is encrypted.
const NONCE: usize = 24;

/// Whether somebody's password alone lets nobody in: who may read what is restricted, see or take out numbers in full,
/// take out batches (staff), or make codes for handhelds (staff and 管理员).
pub fn is_needed(user: &User) -> bool {
    user.cleared || user.may_unmask || matches!(user.role, Role::CenterStaff | Role::Admin)
}

/// What came of a code.
#[derive(Debug)]
pub enum Entry {
    /// In: the token for the cookie, and the recovery codes if the factor is new.
    Done(String, Vec<String>),
    /// Wrong, or used before.
    Wrong,
    /// Too many wrong passwords and codes: the next attempt counts after so many seconds.
    Wait(i64),
}

/// The secret that is to be set up, the same until it is confirmed; none if one is confirmed already.
pub fn offered(app: &AppState, user: &User) -> Result<Option<Vec<u8>>, StoreError> {
    store::write(&*app.store, user.town, |tx| match tx.second_factor(user.id)? {
        Some(factor) if factor.confirmed => Ok(None),
        Some(factor) => open(app, &factor).map(Some),
        None => {
            let mut secret = [0; totp::SECRET];
            app.outside.fill(&mut secret);
            put(app, tx, user, &secret, false)?;
            Ok(Some(secret.to_vec()))
        }
    })
}

/// Gives somebody a second factor whose secret is known already: from another system, or in a demo.
pub fn put_known(app: &AppState, user: &User, secret: &[u8]) -> Result<(), StoreError> {
    store::write(&*app.store, user.town, |tx| put(app, tx, user, secret, true))
}

fn put(app: &AppState, tx: &mut dyn Tx, user: &User, secret: &[u8], confirmed: bool) -> Result<(), StoreError> {
    let secret = sealed(app, user.id, secret)?;
    tx.put_second_factor(&SecondFactor { user: user.id, secret, confirmed, step: 0 })
}

/// Takes a code of the authenticator, or a recovery code, from somebody whose password was right.
pub fn enter(app: &AppState, from: IpAddr, half: &Session, user: &User, given: &str) -> Result<Entry, StoreError> {
    let now = app.outside.now();
    if let Err(seconds) = app.throttle.begin(&user.login, from, now) {
        return Ok(Entry::Wait(seconds));
    }
    let given: String = given.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
    let done = store::write::<_, StoreError>(&*app.store, user.town, |tx| {
        let Some(factor) = tx.second_factor(user.id)? else { return Ok(None) };
        let Some(action) = used(app, tx, &factor, &given)? else { return Ok(None) };
        let codes = if factor.confirmed { Vec::new() } else { fresh_codes(app, tx, user.id)? };
        if !factor.confirmed {
            // Whoever else got in with the password alone does not stay.
            tx.drop_sessions_of(user.id)?;
        }
        tx.drop_session(&half.hash, now)?;
        let token = session::begin(app, tx, user, true)?;
        if let Some(action) = action {
            tx.put_audit(&entry(app, Some(user.id), user.id, action))?;
        }
        Ok(Some((token, codes)))
    })?;
    let Some((token, codes)) = done else { return Ok(Entry::Wrong) };
    app.throttle.right(&user.login, from);
    Ok(Entry::Done(token, codes))
}

/// Uses a code up. None: it is none of theirs. Some: what has to be written down about it, beside the log-in.
fn used(
    app: &AppState,
    tx: &mut dyn Tx,
    factor: &SecondFactor,
    given: &str,
) -> Result<Option<Option<&'static str>>, StoreError> {
    let secret = open(app, factor)?;
    if let Some(step) = totp::matching(&secret, given, app.outside.now(), factor.step) {
        let new = (!factor.confirmed).then_some("audit-second-set-up");
        return Ok(tx.use_step(factor.user, step)?.then_some(new));
    }
    let recovered = factor.confirmed && tx.use_recovery_code(factor.user, &recovery_hash(factor.user, given))?;
    Ok(recovered.then_some(Some("audit-second-recovery")))
}

fn fresh_codes(app: &AppState, tx: &mut dyn Tx, user: UserId) -> Result<Vec<String>, StoreError> {
    let code = || {
        let mut bytes = [0; RECOVERY_BYTES];
        app.outside.fill(&mut bytes);
        totp::base32(&bytes)
    };
    let codes: Vec<String> = std::iter::repeat_with(code).take(RECOVERY).collect();
    let hashes: Vec<[u8; 32]> = codes.iter().map(|code| recovery_hash(user, code)).collect();
    tx.put_recovery_codes(user, &hashes)?;
    Ok(codes)
}

/// Eighty random bits need no slow hash.
fn recovery_hash(user: UserId, code: &str) -> [u8; 32] {
    token::hash(&format!("{user} {}", code.to_uppercase()))
}

/// Takes somebody's second factor away and ends their log-ins: the next one sets it up anew. `by` is none for a command
/// on the server.
pub fn reset(app: &AppState, user: &User, by: Option<UserId>) -> Result<(), StoreError> {
    let now = app.outside.now();
    store::write(&*app.store, user.town, |tx| reset_in(tx, user.id, (by, now)))
}

/// The same inside a transaction that does more.
pub fn reset_in(tx: &mut dyn Tx, user: UserId, (by, at): (Option<UserId>, DateTime<Utc>)) -> Result<(), StoreError> {
    tx.drop_second_factor(user)?;
    tx.drop_sessions_of(user)?;
    let (action, subject) = ("audit-second-reset".to_owned(), user.to_string());
    tx.put_audit(&Audit { at, user: by, action, subject, detail: String::new() })
}

/// Sets up anew for somebody inside, who shows by a code that it is them.
pub fn renew(app: &AppState, from: IpAddr, user: &User, given: &str) -> Result<Entry, StoreError> {
    if let Err(seconds) = app.throttle.begin(&user.login, from, app.outside.now()) {
        return Ok(Entry::Wait(seconds));
    }
    let given: String = given.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
    let right = store::write::<_, StoreError>(&*app.store, user.town, |tx| match tx.second_factor(user.id)? {
        Some(factor) => Ok(used(app, tx, &factor, &given)?.is_some()),
        None => Ok(false),
    })?;
    if !right {
        return Ok(Entry::Wrong);
    }
    app.throttle.right(&user.login, from);
    reset(app, user, Some(user.id))?;
    Ok(Entry::Done(String::new(), Vec::new()))
}

fn entry(app: &AppState, by: Option<UserId>, of: UserId, action: &str) -> Audit {
    Audit { at: app.outside.now(), user: by, action: action.to_owned(), subject: of.to_string(), detail: String::new() }
}

/// The cipher of this server for such secrets.
fn cipher(app: &AppState) -> Result<XChaCha20Poly1305, StoreError> {
    let failed = || StoreError::Missing("the key of second factors");
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(&app.key).map_err(|_| failed())?;
    mac.update(b"second factors at the console, 1");
    Ok(XChaCha20Poly1305::new(&mac.finalize().into_bytes()))
}

fn sealed(app: &AppState, user: UserId, secret: &[u8]) -> Result<Vec<u8>, StoreError> {
    let mut nonce = [0; NONCE];
    app.outside.fill(&mut nonce);
    let payload = Payload { msg: secret, aad: user.0.as_bytes() };
    let sealed = cipher(app)?.encrypt(XNonce::from_slice(&nonce), payload);
    let sealed = sealed.map_err(|_| StoreError::Missing("room to encrypt a secret"))?;
    Ok([nonce.as_slice(), &sealed].concat())
}

fn open(app: &AppState, factor: &SecondFactor) -> Result<Vec<u8>, StoreError> {
    let corrupt = || StoreError::Corrupt {
        what: "second factor".to_owned(),
        why: "server.key is not the one it was encrypted with; `user reset-second-factor` lets set it up anew"
            .to_owned(),
    };
    let (nonce, sealed) = factor.secret.split_at_checked(NONCE).ok_or_else(corrupt)?;
    let payload = Payload { msg: sealed, aad: factor.user.0.as_bytes() };
    cipher(app)?.decrypt(XNonce::from_slice(nonce), payload).map_err(|_| corrupt())
}
