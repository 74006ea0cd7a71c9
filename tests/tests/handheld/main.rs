//! Handhelds with their own stores and the centre with its own, in one process or over real HTTP. One program, because each
//! links all of it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what a test did not expect fails it; the linter knows tests by their attribute and misses their helpers"
)]

mod android;
mod closing;
mod dependencies;
mod editions;
mod farewell;
mod forks;
mod killed;
mod lease;
mod migrations;
mod moving;
mod photos;
mod pictures;
mod restores;
mod rounds;
mod seen;
mod standby;
mod tls;
mod told;
mod turns;
mod tus;
mod updates;
