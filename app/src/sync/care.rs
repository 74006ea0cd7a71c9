//! An edit that the server refuses to look at, or that makes it fail, must not keep those behind it for ever: it is
//! found by sending fewer, and then its stand-in goes ([`shared::wire::StandIn`]), so that it gets an outcome in its
//! place, is kept by the server as text, and comes back to the tray.

use serde_json::value::RawValue;
use shared::edit::Edit;
use shared::limits::EDITS_A_ROUND;
use shared::wire::StandIn;

use super::Refused;
use crate::store::Outgoing;

/// Failures of the server in a row after which its edits are sent one by one, and again after which one that is sent
/// alone is taken to be the cause.
const PATIENCE: u32 = 3;

/// How many edits go in a request, and whether the next one goes as its stand-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Care {
    most: usize,
    failures: u32,
    stand_in: bool,
}

impl Default for Care {
    fn default() -> Self {
        Self { most: EDITS_A_ROUND, failures: 0, stand_in: false }
    }
}

impl Care {
    /// The most edits of the next request.
    pub fn most(&self) -> usize {
        if self.stand_in { 1 } else { self.most }
    }

    /// The edits as the next request carries them.
    pub fn written(&self, out: &Outgoing) -> Result<Vec<Box<RawValue>>, serde_json::Error> {
        let write = |edit: &Edit| {
            let json = serde_json::value::to_raw_value(edit)?;
            if !self.stand_in && !out.bare.contains(&edit.id) {
                return Ok(json);
            }
            // Of what was erased nothing is left but its place.
            let unreadable = if edit.writes.is_empty() { String::new() } else { json.get().to_owned() };
            serde_json::value::to_raw_value(&StandIn { id: edit.id, dot: edit.dot, unreadable })
        };
        out.edits.iter().map(write).collect()
    }

    /// A request with `offered` edits was refused. Whether another, more careful one makes sense at once.
    pub fn refused(&mut self, refused: &Refused, offered: usize) -> bool {
        if offered == 0 {
            return false;
        }
        // Only what our own server says of a body counts: any machine on the way can answer 400.
        let unread = matches!(refused.code.as_str(), "bad_shape" | "duplicate_key" | "too_deep");
        match refused.status {
            400 | 413 if offered > 1 && (unread || refused.status == 413) => {
                self.most = offered / 2;
                true
            }
            400 if unread && !self.stand_in => {
                self.stand_in = true;
                true
            }
            500 => {
                self.failures += 1;
                if self.failures.is_multiple_of(PATIENCE) {
                    if offered > 1 {
                        self.most = 1;
                    } else {
                        self.stand_in = true;
                    }
                }
                false
            }
            _ => false,
        }
    }

    /// A request with `offered` edits came through.
    pub fn came_through(&mut self, offered: usize) {
        if offered > 0 {
            self.failures = 0;
        }
        if offered > 0 && self.stand_in {
            *self = Self::default();
        }
    }

    /// Nothing waits any more: whatever was wrong is over.
    pub fn over(&mut self) {
        *self = Self::default();
    }
}
