//! mobile
fn main() {}
