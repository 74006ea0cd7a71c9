//! Photos: taken in, turned upright, shrunk, stripped, hashed.
//!
//! Pure: bytes in, bytes out. What leaves has no metadata: time and place stand in the record.

mod intake;
mod pixels;
#[cfg(test)]
mod tests;

pub use intake::{BadPhoto, Taken, hash, take_in};

/// A JPEG for tests elsewhere in this crate.
#[cfg(test)]
pub(crate) fn tests_picture(width: u32, height: u32) -> Vec<u8> {
    tests::picture(width, height)
}
