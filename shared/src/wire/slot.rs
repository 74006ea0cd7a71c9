//! Who a handheld is: the question about its slot, and the slot of its own it may get.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Receipt, is_false};
use crate::ids::{DeviceId, Dot, EditId, Slot};

/// `POST /api/v1/slot`: asks how far the server knows this handheld's slot, and gets a new one where the two have parted.
///
/// Asked when there is doubt, never in an ordinary round: the handheld's files were restored or cloned, the server was
/// restored, it has an outcome for an n that waits here, or the edits do not follow on what it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlotRequest {
    /// The protocol spoken.
    pub protocol: u32,
    /// Made for this question and kept until it is answered: asked again under the same key, the same slot is given.
    pub key: uuid::Uuid,
    /// The installation says itself that its files are older than it, or of another one: a new slot whatever is known.
    pub restored: bool,
    /// The slot is that of a new enrolment, and nothing was saved under it yet: all that waits is to move there.
    #[serde(default, skip_serializing_if = "is_false")]
    pub moving: bool,
    /// The epoch of the server that what stands here was read in.
    pub epoch: u32,
    /// The highest n given of the slot.
    pub last: u64,
    /// What is kept here and was not refused, waiting or not, in the order it was saved: at most
    /// [`crate::limits::IDS_A_QUESTION`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<KeptEdit>,
    /// What these stand in place of, with the dots that had: what their contexts mean by them. Where another edit is said to
    /// have stood under such a dot, it was not seen. At most [`crate::limits::IDS_A_QUESTION`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub over: Vec<(EditId, Dot)>,
    /// As in [`super::SyncRequestOf::lease`]: what has to go again may lie under that key.
    #[serde(default, skip_serializing_if = "is_false")]
    pub lease: bool,
}

/// An edit that a handheld keeps, and by what it is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptEdit {
    /// The edit.
    pub id: EditId,
    /// Its dot as it stands here.
    pub dot: Dot,
    /// Whether a server said that it applied it under that dot. Then every context that covers the dot has seen it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub sure: bool,
    /// It was saved while these files were in doubt, and nothing is sent then: nobody saw it under that dot, where another
    /// edit may stand.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unseen: bool,
    /// Dots it had before, each with the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub once: Vec<(Dot, bool)>,
}

/// Answer to a [`SlotRequest`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SlotAnswer {
    /// The present epoch.
    pub epoch: u32,
    /// The server's clock.
    #[serde(with = "chrono::serde::ts_milliseconds")]
    pub time: DateTime<Utc>,
    /// The outcomes of those that are kept and that the server has, whatever slot they came under.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub receipts: Vec<Receipt>,
    /// Of these the applied ones that stand under another dot than here: what was saved after them has seen them under
    /// this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dots: Vec<(EditId, Dot)>,
    /// Where handheld and server have parted: who this installation is from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fork: Option<Fork>,
    /// As in [`super::SyncAnswerOf::lease`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<String>,
}

/// A new writer in place of one that two installations shared, or that the server does not know to the end. What is kept
/// and the server does not have gets dots of it, from 1 on, and own dots in its contexts follow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fork {
    /// The new enrolment; the old one stays with the other installation.
    pub device: DeviceId,
    /// The new slot.
    pub slot: Slot,
    /// The new credential. The old one is given up.
    pub token: String,
    /// When it ends.
    #[serde(with = "chrono::serde::ts_milliseconds")]
    pub expires: DateTime<Utc>,
}
