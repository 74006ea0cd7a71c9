//! The handheld: an encrypted store, one sync round, and the screens.
//!
//! The screens call [`handheld::Handheld`] and nothing below it; [`store`] and [`sync`] know nothing of screens.

pub mod handheld;
pub mod lock;
pub mod photo;
pub mod platform;
#[cfg(feature = "preview")]
pub mod preview;
pub mod store;
pub mod sync;
pub mod system;
#[cfg(test)]
mod testing;
pub mod ui;
