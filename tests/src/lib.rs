//! What the tests, the demo and the benches of the whole product share.

pub mod browser;
pub mod picture;
pub mod process;
pub mod township;
