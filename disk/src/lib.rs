//! Files that are there whole or not at all; the one door to the file system, so that tests can make it fail.

#[cfg(all(feature = "faults", not(debug_assertions)))]
compile_error!("failing files have no place in a release build");
