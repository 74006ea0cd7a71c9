//! The encrypted store of one user.

mod error;

pub use error::StoreError;
