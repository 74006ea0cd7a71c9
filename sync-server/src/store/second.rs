//! What the store keeps of second factors and log-ins, beside [`super::Read`] and [`super::Tx`].

use chrono::{DateTime, Utc};
use shared::ids::UserId;

use super::StoreError;

/// Somebody's second factor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecondFactor {
    /// Whose.
    pub user: UserId,
    /// The secret, encrypted: [`crate::auth::second`] opens it.
    pub secret: Vec<u8>,
    /// Whether a right code was typed since it was shown.
    pub confirmed: bool,
    /// The last step whose code was used.
    pub step: i64,
}

/// What can be read.
pub trait ReadSecond {
    /// Somebody's second factor.
    fn second_factor(&self, user: UserId) -> Result<Option<SecondFactor>, StoreError>;
    /// How many recovery codes somebody has left.
    fn recovery_codes(&self, user: UserId) -> Result<u64, StoreError>;
}

/// What can be written.
pub trait KeepSecond {
    /// Adds or replaces somebody's second factor.
    fn put_second_factor(&mut self, factor: &SecondFactor) -> Result<(), StoreError>;
    /// Uses the code of a step up, which confirms the factor; `false` if it, or a later one, was used already.
    fn use_step(&mut self, user: UserId, step: i64) -> Result<bool, StoreError>;
    /// Takes somebody's second factor and recovery codes away.
    fn drop_second_factor(&mut self, user: UserId) -> Result<(), StoreError>;
    /// Replaces somebody's recovery codes by those of these hashes.
    fn put_recovery_codes(&mut self, user: UserId, hashes: &[[u8; 32]]) -> Result<(), StoreError>;
    /// Uses a recovery code up; `false` if there is none of this hash.
    fn use_recovery_code(&mut self, user: UserId, hash: &[u8; 32]) -> Result<bool, StoreError>;
    /// Notes that a log-in was used at `at`.
    fn touch_session(&mut self, hash: &[u8; 32], at: DateTime<Utc>) -> Result<(), StoreError>;
    /// Ends every log-in of somebody.
    fn drop_sessions_of(&mut self, user: UserId) -> Result<(), StoreError>;
}
