//! Stories of the sync, with a server made by the test.
