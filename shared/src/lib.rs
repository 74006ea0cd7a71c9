//! Pure rules of the product: no clock, no file, no socket.
//!
//! Everything that must be the same on a handheld, on the server and in a test stands here: what an edit is
//! ([`edit`]), how edits merge ([`merge`]), what of it is shown ([`view`]), what a form asks ([`form`]), how an event
//! moves ([`workflow`]) and what travels ([`wire`]).

pub mod area;
pub mod author;
pub mod calendar;
pub mod check;
pub mod digest;
pub mod edit;
pub mod form;
pub mod ids;
pub mod json;
pub mod key_pin;
pub mod limits;
pub mod mask;
pub mod merge;
pub mod mutants;
pub mod order;
pub mod outbox;
pub mod outline;
pub mod outside;
pub mod path;
pub mod record;
pub mod validate;
pub mod value;
pub mod vector;
pub mod view;
pub mod wire;
pub mod work;
pub mod workflow;
