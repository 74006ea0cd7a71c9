//! Who calls: the bearer token of an enrolment.

use std::ops::Deref;

use http::{HeaderMap, StatusCode, header};

use super::pressure::{self, Flight};
use crate::App;
use crate::auth::{Who, token};
use crate::error::Problem;
use crate::store::Fate;
use crate::sync::round::Caller;

/// A caller whose request is under way; keep it until the answer is made.
pub struct Admitted {
    caller: Caller,
    _flight: Flight,
}

impl Deref for Admitted {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.caller
    }
}

/// The caller, or 401; 429 if too many requests of theirs are under way. Blocks.
pub fn caller(app: &App, headers: &HeaderMap) -> Result<Admitted, Problem> {
    admit(app, headers, false)
}

/// The same of who says that a handheld was wiped: a stolen one may say that, and nothing else.
pub fn wiped(app: &App, headers: &HeaderMap) -> Result<Admitted, Problem> {
    admit(app, headers, true)
}

fn admit(app: &App, headers: &HeaderMap, wiped: bool) -> Result<Admitted, Problem> {
    let refused = |code| Problem::new(StatusCode::UNAUTHORIZED, code).header("www-authenticate", "Bearer");
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = given.and_then(|text| text.strip_prefix("Bearer ")).ok_or_else(|| refused("token_missing"))?;
    let (device, user) =
        app.store.device_by_token(&token::hash(token.trim()))?.ok_or_else(|| refused("token_invalid"))?;
    match device.fate.map(|(fate, _)| fate) {
        Some(Fate::Stolen) if !wiped => return Err(refused("token_wipe")),
        Some(Fate::Revoked | Fate::Wiped | Fate::HandedOver) => return Err(refused("token_revoked")),
        Some(Fate::Wipe | Fate::Stolen) | None => {}
    }
    if device.expires <= app.outside.now() {
        return Err(refused("token_expired"));
    }
    if !user.active {
        return Err(refused("token_invalid"));
    }
    let flight = pressure::admit(app, device.id)?;
    let who = Who::of(user, &*app.areas()?);
    Ok(Admitted { caller: Caller { device, who }, _flight: flight })
}
