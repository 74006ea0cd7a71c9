//! One sync round and when to run it.

mod progress;
mod transport;

pub use progress::{Phase, SyncProgress};
pub use transport::{Connect, HttpConnect, Method, Request, Response, Transport, TransportError};
