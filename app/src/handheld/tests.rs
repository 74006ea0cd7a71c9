//! Stories of a handheld.
