//! One sync round and when to run it.

mod backoff;
mod care;
mod client;
mod compare;
mod pace;
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
pub use pace::Pace;
pub use photos::{Ended, Fetched, Hold, OnItsWay, Way, deliver_photos, fetch_photo};
pub use progress::{Phase, SyncProgress};
pub(crate) use round::blocking;
pub use round::{RoundDone, exchange};
pub use transport::{Connect, FoldersConnect, HttpConnect, Method, Request, Response, Transport, TransportError};
pub use trust::Trust;
