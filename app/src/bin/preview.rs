//! preview
fn main() {}
