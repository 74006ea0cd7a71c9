//! Tokens: shown once; the server keeps only their SHA-256, or makes them anew from its own secret.
//!
//! What a log-in or an enrolment gives is 16 random bytes (as many as a UUID has bits, and every round carries them). The
//! credential of an enrolment changes: an answer brings the next one, and using that spends the one before (decision 15,
//! after OAuth 2.0 Security BCP, RFC 9700, 2.2.2). Later ones are made of the server's secret, so that an answer which was
//! lost is given again and a server that was restored knows what it gave after the backup.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use shared::ids::Slot;
use shared::outside::Outside;

use crate::AppState;
use crate::store::{Device, StoreError, User};

/// How long a credential is used before an answer brings the next one, hours.
pub const HOURS: u32 = 24;
/// How long a credential is still taken after its successor was used: a request may have been under way for long.
pub const GRACE: TimeDelta = TimeDelta::minutes(10);

/// Bytes of the MAC.
const MAC: usize = 16;
/// Slot, turn, MAC.
const LATER: usize = 8 + 4 + MAC;
/// After a restore a handheld may hold one that the server gave later than it remembers: so far is looked.
const AHEAD: u32 = 2_000;

/// A fresh token as text and its hash.
pub fn fresh(outside: &dyn Outside) -> (String, [u8; 32]) {
    let mut bytes = [0; 16];
    outside.fill(&mut bytes);
    let token = URL_SAFE_NO_PAD.encode(bytes);
    let hash = hash(&token);
    (token, hash)
}

/// SHA-256 of a token, code or other text.
pub fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// The credential of an enrolment's later turn, from 1.
pub fn later(key: &[u8; 32], device: &Device, turn: u32) -> Option<String> {
    let mac = mac(key, device, turn)?.finalize().into_bytes();
    let mut bytes = Vec::with_capacity(LATER);
    bytes.extend_from_slice(&device.slot.0.to_be_bytes());
    bytes.extend_from_slice(&turn.to_be_bytes());
    bytes.extend(mac.iter().take(MAC));
    Some(URL_SAFE_NO_PAD.encode(bytes))
}

fn mac(key: &[u8; 32], device: &Device, turn: u32) -> Option<Hmac<Sha256>> {
    // HMAC takes a key of any length, so this does not fail.
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(b"turn");
    mac.update(device.id.0.as_bytes());
    mac.update(&turn.to_be_bytes());
    Some(mac)
}

/// The enrolment a credential is of, its user, and which turn of it this is.
pub fn known(app: &AppState, token: &str) -> Result<Option<(Device, User, u32)>, StoreError> {
    let Some((slot, turn, given)) = read(token) else {
        return Ok(app.store.device_by_token(&hash(token))?.map(|(device, user)| (device, user, 0)));
    };
    let found = app.store.device_by_slot(slot)?;
    let ours =
        |device: &Device| mac(&app.key, device, turn).is_some_and(|mac| mac.verify_truncated_left(&given).is_ok());
    Ok(found.filter(|(device, _)| ours(device)).map(|(device, user)| (device, user, turn)))
}

/// Slot, turn and MAC of a later credential.
fn read(token: &str) -> Option<(Slot, u32, [u8; MAC])> {
    let bytes: [u8; LATER] = URL_SAFE_NO_PAD.decode(token).ok()?.try_into().ok()?;
    let (slot, rest) = bytes.split_first_chunk()?;
    let (turn, mac) = rest.split_first_chunk()?;
    Some((Slot(u64::from_be_bytes(*slot)), u32::from_be_bytes(*turn), mac.try_into().ok()?))
}

/// The enrolment that had a credential of this hash at any time, writing under `slot`: a spent one too, for what a
/// handheld sealed with it.
pub fn ever(app: &AppState, secret: &[u8; 32], slot: Slot) -> Result<Option<(Device, User)>, StoreError> {
    if let Some(found) = app.store.device_by_token(secret)? {
        return Ok(Some(found));
    }
    let found = app.store.device_by_slot(slot)?;
    let had = |device: &Device| {
        let later = |turn| later(&app.key, device, turn);
        (1..=device.credential.turn.saturating_add(AHEAD)).filter_map(later).any(|token| hash(&token) == *secret)
    };
    Ok(found.filter(|(device, _)| had(device)))
}
