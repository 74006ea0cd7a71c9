//! The server over real HTTP. One program, because each links the whole server: thirty of them took longer than all the rest.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "what a test did not expect fails it; the linter knows tests by their attribute and misses their helpers"
)]

mod admin_areas;
mod admin_forms;
mod admin_people;
mod admin_settings;
mod admin_terminals;
mod audit;
mod batch;
mod bucket;
mod bucket_started;
mod campaigns;
mod clocks;
mod common;
mod connections;
mod console;
mod counted;
mod crowded;
mod departments;
mod digest;
mod doubts;
mod duplicates;
mod ended;
mod endings;
mod erase;
mod erased_visits;
mod fetched;
mod flood;
mod folder;
mod four_eyes;
mod hostile;
mod import;
mod imports;
mod intake;
mod intake_held;
mod intake_process;
mod keep;
mod ledger;
mod lists;
mod login;
mod maps;
mod merging;
mod metrics;
mod moved;
mod office;
mod openapi;
mod orphans;
mod outbox;
mod people;
mod permissions;
mod person;
mod photos;
mod pressure;
mod privacy;
mod processes;
mod profiles;
mod quarantine;
mod refusals;
mod report;
mod retention;
mod rolling;
mod rounds;
mod scheduled;
mod silent;
mod towns;
mod triage;
mod turns;
mod uploads;
mod verify;
mod versions;
mod visits;
mod written_down;
mod xlsx;
