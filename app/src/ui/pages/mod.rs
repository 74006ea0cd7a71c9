//! One page a file: each owns its route and its draft.

pub mod act;
pub mod close;
pub mod collect;
pub mod enrol;
pub mod event;
pub mod event_list;
pub mod fill;
pub mod form;
pub mod gate;
pub mod history;
pub mod me;
pub mod missing;
pub mod pin;
pub mod record;
pub mod refused;
pub mod report;
pub mod review;
pub mod search;
pub mod sync;
pub mod today;
pub mod tray;
pub mod unlock;
pub mod work;
