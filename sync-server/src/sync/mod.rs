//! What a round does, without HTTP: accept what came up ([`accept`]), answer what changed ([`changes`]).

pub mod accept;
pub mod alias;
pub mod changes;
pub mod cursor;
pub mod digest;
pub mod epoch;
pub mod history;
pub mod incoming;
pub mod lease;
pub mod moving;
pub mod photos;
pub mod projection;
pub mod quarantine;
pub mod rebuild;
pub mod remains;
pub mod round;
pub mod setup;
pub mod slot;
pub mod versions;
