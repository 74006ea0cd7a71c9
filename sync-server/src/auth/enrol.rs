//! Enrolment: a one-time code of ten digits, good for ten minutes, becomes a token and a slot.

use chrono::TimeDelta;
use shared::ids::DeviceId;
use shared::key_pin::KeyPin;
use shared::wire::{EnrolAnswer, EnrolRequest};

use crate::AppState;
use crate::auth::{Who, token};
use crate::store::{self, Audit, Credential, Device, EnrolCode, Fate, Origin, StoreError, User};
use crate::sync::accept::new_slot;
use crate::sync::setup;

/// How long a code can be used.
pub const CODE: TimeDelta = TimeDelta::minutes(10);
/// How long an enrolment lasts that does not call: each new credential puts its end off.
pub const TOKEN: TimeDelta = TimeDelta::days(90);
/// The most characters of a device's name that are kept.
const NAME: usize = 80;
/// The most sealed keys that are looked at: more people do not share a handheld.
const KEYS: usize = 16;

/// What may come of an enrolment.
#[derive(Debug)]
pub enum Enrolled {
    /// Done.
    Done(Box<EnrolAnswer>),
    /// No such code, used up, or over. Which of it is not told.
    BadCode,
}

/// A fresh code for `user`, as shown (ten digits). Codes of the same user stay good beside it until they end.
pub fn make_code(app: &AppState, user: &User) -> Result<String, StoreError> {
    // 10^10 codes, ten minutes, one request at a time: guessing needs no further lock while attempts are rate-limited
    // by the hash look-up alone; the log of failed enrolments shows who tries.
    let mut bytes = [0; 8];
    app.outside.fill(&mut bytes);
    let digits = format!("{:010}", u64::from_le_bytes(bytes) % 10_000_000_000);
    let code =
        EnrolCode { hash: token::hash(&digits), town: user.town, user: user.id, expires: app.outside.now() + CODE };
    store::write(&*app.store, user.town, |tx| tx.put_enrol_code(&code))?;
    Ok(digits)
}

/// A code as it is typed: with the check digits behind it, where handhelds know the server by a pin.
pub fn typed(code: &str, pins: &[KeyPin]) -> String {
    let check = pins.first().map(|pin| pin.check_digits(code)).unwrap_or_default();
    format!("{code}{check}")
}

/// Exchanges a code.
pub fn enrol(app: &AppState, request: &EnrolRequest) -> Result<Enrolled, StoreError> {
    let digits: String = request.code.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
    let hash = token::hash(&digits);
    let now = app.outside.now();
    let Some(code) = app.store.enrol_code(&hash)?.filter(|code| code.expires > now) else {
        return Ok(Enrolled::BadCode);
    };
    let areas = app.areas()?;
    let epoch = app.store.epoch()?;
    store::write(&*app.store, code.town, |tx| {
        // Looked at again under the lock: of two at once only one gets it.
        if !tx.use_enrol_code(&hash)? {
            return Ok(Enrolled::BadCode);
        }
        let Some(user) = tx.user(code.user)?.filter(|user| user.active) else { return Ok(Enrolled::BadCode) };
        let key = request.keys.iter().take(KEYS).find_map(|sealed| app.outbox_key.key_of(user.id, sealed));
        let name: String = request.name.chars().filter(|c| !c.is_control()).take(NAME).collect();
        let slot = new_slot(app, tx, Origin::Device, &name)?;
        let before = request.before.filter(|before| before.user == user.id);
        let parted_from = before.map(|before| tx.device_of(user.id, before.slot)).transpose()?.flatten();
        // Where its credential was doubled it ends: this one is the one the code was given to.
        let doubled = |device: &Device| device.credential.doubled.is_some() && device.fate.is_none();
        if let Some(device) = tx.devices()?.into_iter().find(|it| Some(it.id) == parted_from && doubled(it)) {
            crate::erase::doom::doom(app, tx, device.id, Fate::Revoked, now)?;
        }
        let (text, token_hash) = token::fresh(&*app.outside);
        let device = Device {
            id: DeviceId::fresh(&*app.outside),
            town: user.town,
            user: user.id,
            slot,
            name,
            enrolled: now,
            expires: now + TOKEN,
            parted_from,
            seen: None,
            fate: None,
            credential: Credential::first(now),
        };
        tx.put_device(&device, &token_hash)?;
        if key.is_some() {
            tx.put_audit(&Audit {
                at: now,
                user: Some(user.id),
                action: "audit-key-opened".to_owned(),
                subject: device.id.to_string(),
                detail: String::new(),
            })?;
        }
        let who = Who::of(user, &areas);
        let fixed = setup::Fixed::of(app, &*app.in_force_in(&*tx)?, tx.standing()?.directory);
        let setup = setup::setup(&who, &areas, &tx.users()?, &fixed);
        Ok(Enrolled::Done(Box::new(EnrolAnswer {
            device: device.id,
            slot,
            epoch,
            token: text,
            expires: device.expires,
            setup,
            key,
        })))
    })
}
