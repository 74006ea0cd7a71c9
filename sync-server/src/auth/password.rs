//! Passwords of console users: Argon2id (RFC 9106) with the parameters of the `argon2` crate (19 MiB, 2 passes: OWASP's).

use argon2::Argon2;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use shared::outside::Outside;

/// The password could not be hashed.
#[derive(Debug, thiserror::Error)]
#[error("the password cannot be hashed: {0}")]
pub struct BadPassword(String);

/// The PHC string of a password. Takes about 20 ms: call inside `spawn_blocking`.
pub fn hash(outside: &dyn Outside, password: &str) -> Result<String, BadPassword> {
    let mut salt = [0; 16];
    outside.fill(&mut salt);
    let salt = SaltString::encode_b64(&salt).map_err(|error| BadPassword(error.to_string()))?;
    let hash = Argon2::default().hash_password(password.as_bytes(), &salt);
    hash.map(|hash| hash.to_string()).map_err(|error| BadPassword(error.to_string()))
}

/// Whether `password` is the one of a PHC string. With no string it takes as long and says no, so that nobody learns
/// which log-ins exist.
pub fn verify(stored: Option<&str>, password: &str) -> bool {
    const NOBODY: &str =
        "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$hYV1xX0oNfG3IhYpYbYBVvD1tV8hC1qUQkYbPq3Jx1o";
    let Ok(parsed) = PasswordHash::new(stored.unwrap_or(NOBODY)) else { return false };
    let same = Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok();
    same && stored.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_known_again_and_another_is_not() {
        let stored = hash(&crate::system::System, "一条山-7300").unwrap();
        assert!(stored.starts_with("$argon2id$"));
        assert!(verify(Some(&stored), "一条山-7300"));
        assert!(!verify(Some(&stored), "一条山-7301"));
        assert!(!verify(None, "一条山-7300"));
        assert!(
            PasswordHash::new(
                "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$hYV1xX0oNfG3IhYpYbYBVvD1tV8hC1qUQkYbPq3Jx1o"
            )
            .is_ok()
        );
    }
}
