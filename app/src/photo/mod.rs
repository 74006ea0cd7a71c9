//! Photos: taken in, turned upright, shrunk, stripped, hashed.
//!
//! Pure: bytes in, bytes out. What leaves has no metadata: time and place stand in the record.

mod intake;
mod pixels;
mod qr;
mod shot;
mod stamp;
#[cfg(test)]
mod tests;

pub use intake::{BadPhoto, Taken, hash, shot, take_in};
pub use qr::{Codes, read as read_codes};
pub use shot::Shot;

#[cfg(test)]
pub(crate) use tests::{noise as tests_noise, picture as tests_picture, shot as tests_shot};
