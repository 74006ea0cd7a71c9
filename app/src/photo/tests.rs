//! Pictures of every sort.
