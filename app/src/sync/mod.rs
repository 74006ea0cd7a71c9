//! One sync round and when to run it.

mod backoff;
mod care;
mod client;
mod compare;
mod photos;
mod progress;
mod question;
mod round;
#[cfg(test)]
mod tests;
mod transport;
mod trust;

pub use backoff::delay;
pub use care::Care;
pub use client::{Client, Refused};
pub use photos::deliver_photos;
pub use progress::{Phase, SyncProgress};
pub use round::{RoundDone, exchange};
pub use transport::{Connect, HttpConnect, Method, Request, Response, Transport, TransportError};
pub use trust::Trust;
