//! What a round does, without HTTP: accept what came up ([`accept`]), answer what changed ([`changes`]).

pub mod accept;
pub mod changes;
pub mod cursor;
pub mod history;
pub mod incoming;
pub mod photos;
pub mod projection;
pub mod quarantine;
pub mod round;
pub mod rebuild;
pub mod setup;
