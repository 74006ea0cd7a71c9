//! What the tests, the demo and the benches of the whole product share.

pub mod badline;
pub mod bench;
pub mod browser;
pub mod centre;
pub mod cheap;
pub mod dbline;
pub mod desk;
#[cfg(feature = "faults")]
pub mod faults;
pub mod link;
pub mod load;
pub mod near;
pub mod picture;
pub mod postgres;
pub mod process;
pub mod public;
pub mod released;
pub mod screen;
#[cfg(feature = "faults")]
pub mod simulation;
pub mod story;
pub mod township;
pub mod uploads;
pub mod window;
