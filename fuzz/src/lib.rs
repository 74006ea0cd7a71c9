//! What is thrown bytes at. A target panics when a reader does what it must not: panic, hang, or keep something that it
//! cannot give back.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a panic is how a target says what it found"
)]

mod doors;
mod readers;

/// Takes bytes; returning is fine whatever they are.
pub type Target = fn(&[u8]);

/// Every target by name: readers of `shared` and of the handheld first, then the doors of the server.
pub const TARGETS: &[(&str, Target)] = &[
    ("json", readers::json),
    ("edits", readers::edits),
    ("part", readers::part),
    ("answer", readers::answer),
    ("slot", readers::slot),
    ("values", readers::values),
    ("picture", readers::picture),
    ("jpeg", readers::jpeg),
    ("cursor", readers::cursor),
    ("line", readers::line),
    ("certificate", readers::certificate),
    ("sync", doors::sync),
    ("request", doors::request),
    ("upload", doors::upload),
    ("table", doors::table),
    ("areas", doors::areas),
    ("question", doors::question),
    ("outbox", doors::outbox),
    ("form", doors::form),
];
