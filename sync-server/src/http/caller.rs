//! Who calls: the bearer token of an enrolment.

use http::{HeaderMap, StatusCode, header};

use crate::AppState;
use crate::auth::{Who, token};
use crate::error::Problem;
use crate::sync::round::Caller;

/// The caller, or 401. Blocks.
pub fn caller(app: &AppState, headers: &HeaderMap) -> Result<Caller, Problem> {
    let refused = |code| Problem::new(StatusCode::UNAUTHORIZED, code).header("www-authenticate", "Bearer");
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = given.and_then(|text| text.strip_prefix("Bearer ")).ok_or_else(|| refused("token_missing"))?;
    let (device, user) =
        app.store.device_by_token(&token::hash(token.trim()))?.ok_or_else(|| refused("token_invalid"))?;
    if device.expires <= app.outside.now() {
        return Err(refused("token_expired"));
    }
    if !user.active {
        return Err(refused("token_invalid"));
    }
    let who = Who::of(user, &*app.areas()?);
    Ok(Caller { device, who })
}
