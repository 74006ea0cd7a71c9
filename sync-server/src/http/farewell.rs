//! The last a handheld says: that it erased its user's data, or that its user hands it in.

use axum::extract::State;
use http::{HeaderMap, StatusCode};

use super::{blocking, caller};
use crate::App;
use crate::erase::doom::doom;
use crate::error::Problem;
use crate::store::{self, Audit, Fate, StoreError};

/// `POST /api/v1/wiped`: it did as it was told.
pub async fn wiped(State(app): State<App>, headers: HeaderMap) -> Result<StatusCode, Problem> {
    blocking(move || {
        let caller = caller::wiped(&app, &headers)?;
        if caller.device.fate.is_none() {
            return Err(Problem::new(StatusCode::CONFLICT, "not_told_to_wipe"));
        }
        end(&app, &caller, Fate::Wiped)
    })
    .await
}

/// `POST /api/v1/handed-over`: 可以交机 is lit, and its user hands it in. Refused while a backup lacks anything of the slot.
pub async fn handed_over(State(app): State<App>, headers: HeaderMap) -> Result<StatusCode, Problem> {
    blocking(move || {
        let caller = caller::caller(&app, &headers)?;
        let (town, slot) = (caller.device.town, caller.device.slot);
        let safe = store::read::<_, StoreError>(&*app.store, town, |read| {
            let high_water = read.slot(slot)?.map_or(0, |slot| slot.high_water);
            Ok(read.backed_up(slot)? >= high_water && read.wanted(slot, 1)?.is_empty())
        })?;
        if !safe {
            return Err(Problem::new(StatusCode::CONFLICT, "not_safe_yet"));
        }
        end(&app, &caller, Fate::HandedOver)
    })
    .await
}

fn end(app: &App, caller: &crate::sync::round::Caller, fate: Fate) -> Result<StatusCode, Problem> {
    let (device, now) = (&caller.device, app.outside.now());
    store::write::<_, StoreError>(&*app.store, device.town, |tx| {
        if doom(app, tx, device.id, fate, now)?.is_some() {
            // Reported stolen since the request was let in: it is to be erased, not handed in.
            return Ok(Err(Problem::new(StatusCode::UNAUTHORIZED, "token_wipe")));
        }
        tx.put_audit(&Audit {
            at: now,
            user: Some(caller.who.user.id),
            action: fate.action().to_owned(),
            subject: device.id.to_string(),
            detail: String::new(),
        })?;
        Ok(Ok(StatusCode::NO_CONTENT))
    })?
}
