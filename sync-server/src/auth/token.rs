//! Tokens: 16 random bytes (as many as a UUID has bits, and every round carries it), shown once; the server keeps only
//! their SHA-256.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use shared::outside::Outside;

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
