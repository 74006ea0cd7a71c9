//! The key that a user's restricted parts lie under on their handhelds: leased, and given again with any answer that
//! renews the lease (decision 12).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use shared::author::Role;
use shared::ids::UserId;

use crate::AppState;
use crate::auth::Who;

/// How long a lease lasts if nobody says otherwise, hours.
pub const HOURS: u32 = 72;

/// The key of `user`, for whoever has a credential of theirs. It is made of the server's own secret, so that nothing is
/// stored, and a server that was restored gives the same one.
pub fn key(app: &AppState, user: UserId) -> Option<String> {
    // HMAC takes a key of any length, so this does not fail.
    let mut mac = Hmac::<Sha256>::new_from_slice(&app.key).ok()?;
    mac.update(b"lease");
    mac.update(user.0.as_bytes());
    Some(STANDARD.encode(mac.finalize().into_bytes()))
}

/// Whether a set-up goes with the key unasked: restricted parts come with the same answer.
pub fn unasked(who: &Who) -> bool {
    who.user.cleared && who.user.role != Role::Admin
}
