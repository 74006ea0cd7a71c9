//! Who calls: the bearer token of an enrolment.

use std::ops::Deref;

use axum::body::{Body, Bytes, HttpBody as _};
use http::{HeaderMap, StatusCode, header};

use super::body;
use super::pressure::{self, Flight};
use crate::App;
use crate::auth::{Who, enrol, token};
use crate::error::Problem;
use crate::store::{self, Audit, Device, Fate, StoreError, User};
use crate::sync::round::Caller;

/// A caller whose request is under way; keep it until the answer is made.
pub struct Admitted {
    caller: Caller,
    _flight: Flight,
}

impl Admitted {
    /// Who it was, once the request holds up no other one of theirs.
    pub fn landed(self) -> Caller {
        self.caller
    }
}

impl Deref for Admitted {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.caller
    }
}

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum For {
    /// Anything that is answered with what others wrote.
    Anything,
    /// Bringing what was written: taken, and held, where the credential is doubled.
    Bringing,
    /// Saying that a handheld was wiped: a stolen one may say that, and nothing else.
    Wiped,
}

/// The caller, or 401; 429 if too many requests of theirs are under way. Blocks.
pub fn caller(app: &App, headers: &HeaderMap) -> Result<Admitted, Problem> {
    admit(app, headers, For::Anything)
}

/// The same of who brings something: look at [`store::Credential::doubled`] before giving anything back.
pub fn bringing(app: &App, headers: &HeaderMap) -> Result<Admitted, Problem> {
    admit(app, headers, For::Bringing)
}

/// The same of who says that a handheld was wiped.
pub fn wiped(app: &App, headers: &HeaderMap) -> Result<Admitted, Problem> {
    admit(app, headers, For::Wiped)
}

/// So many bytes of anybody's are kept: no more than a request's head may have.
const HARMLESS: u64 = 16 * 1024;

/// The body of a request. Only who may call is it taken of, before any of it is kept: whoever else could make the server
/// hold as much as they send. A small one does not wait for that: who sends it is looked up once, when it is there.
pub async fn body_of(app: &App, headers: &HeaderMap, body: Body, most: usize) -> Result<Bytes, Problem> {
    if body.size_hint().upper().is_some_and(|most| most <= HARMLESS) {
        return body::bytes(body, most).await;
    }
    let (state, asked) = (App::clone(app), headers.clone());
    match super::blocking(move || enrolled(&state, &asked, For::Bringing).map(drop)).await {
        Ok(()) => body::bytes(body, most).await,
        Err(problem) => {
            body::let_pass(body, most, app.request_time);
            Err(problem)
        }
    }
}

fn admit(app: &App, headers: &HeaderMap, what: For) -> Result<Admitted, Problem> {
    let (mut device, user, turn) = enrolled(app, headers, what)?;
    // A stolen one may be the one whose credential is spent: it says that it is wiped all the same.
    if what != For::Wiped {
        let spent = !take_turn(app, &mut device, turn)?;
        if spent || (device.credential.doubled.is_some() && what != For::Bringing) {
            return Err(refused("token_doubled"));
        }
    }
    let flight = pressure::admit(app, device.id)?;
    let who = Who::of(user, &*app.areas()?);
    Ok(Admitted { caller: Caller { device, who }, _flight: flight })
}

fn refused(code: &'static str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, code).header("www-authenticate", "Bearer")
}

/// Whose credential it is, and which turn of it, if it is good for `what`. Uses nothing up.
fn enrolled(app: &App, headers: &HeaderMap, what: For) -> Result<(Device, User, u32), Problem> {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = given.and_then(|text| text.strip_prefix("Bearer ")).ok_or_else(|| refused("token_missing"))?;
    let (device, user, turn) = token::known(app, token.trim())?.ok_or_else(|| refused("token_invalid"))?;
    let fate = device.fate.map(|(fate, _)| fate);
    match fate {
        Some(Fate::Stolen) if what != For::Wiped => return Err(refused("token_wipe")),
        Some(Fate::Revoked | Fate::Wiped | Fate::HandedOver) => return Err(refused("token_revoked")),
        Some(Fate::Wipe | Fate::Stolen) | None => {}
    }
    // What was told to erase itself says that it did whenever it comes, whoever works here by then: nothing is given for it.
    if what == For::Wiped && fate.is_some() {
        return Ok((device, user, turn));
    }
    if device.expires <= app.outside.now() {
        return Err(refused("token_expired"));
    }
    if !user.active {
        return Err(refused("token_invalid"));
    }
    Ok((device, user, turn))
}

/// Notes that a credential is used for the first time, which spends the one before. Says whether it is not spent itself;
/// if it is, two have it, and nobody knows which of them is the one it was given to.
fn take_turn(app: &App, device: &mut Device, turn: u32) -> Result<bool, StoreError> {
    let (now, last) = (app.outside.now(), device.credential);
    if turn > last.turn {
        let ends = now + enrol::TOKEN;
        store::write::<_, StoreError>(&*app.store, device.town, |tx| tx.turn_device(device.id, turn, now, ends))?;
        (device.credential.turn, device.credential.since, device.expires) = (turn, now, ends);
        return Ok(true);
    }
    // Sent before the successor was used, and slow to arrive.
    if turn == last.turn || (turn + 1 == last.turn && now - last.since <= token::GRACE) {
        return Ok(true);
    }
    store::write::<_, StoreError>(&*app.store, device.town, |tx| {
        if tx.double_device(device.id, now)? {
            tracing::warn!(device = %device.id, turn, last = last.turn, "a spent credential was used");
            tx.put_audit(&Audit {
                at: now,
                user: Some(device.user),
                action: "audit-device-doubled".to_owned(),
                subject: device.id.to_string(),
                detail: String::new(),
            })?;
        }
        Ok(())
    })?;
    Ok(false)
}
