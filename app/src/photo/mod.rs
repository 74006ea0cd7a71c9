//! Photos: taken in, turned upright, shrunk, stripped, hashed.
//!
//! Pure: bytes in, bytes out. What leaves has no metadata: time and place stand in the record.

mod intake;
mod pixels;
#[cfg(test)]
mod tests;

pub use intake::{BadPhoto, Taken, hash, take_in};
