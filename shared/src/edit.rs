//! One save: what was written where, by whom, having seen what.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::author::Author;
use crate::ids::{Dot, EditId, RecordId};
use crate::path::Path;
use crate::record::{Part, RecordKind};
use crate::value::Value;
use crate::vector::VectorTimestamp;

/// One save of one part of one record.
///
/// Times travel as milliseconds since 1970 UTC: shorter than RFC 3339 and exact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// Permanent; sending it again gets the first outcome.
    pub id: EditId,
    /// What it is for.
    pub record: RecordId,
    /// The kind of that record.
    pub kind: RecordKind,
    /// The part of that record.
    pub part: Part,
    /// Its place in its slot.
    pub dot: Dot,
    /// The vector of the record's part as it stood on the screen when the form was opened, own pending edits included.
    pub context: VectorTimestamp,
    /// The server epoch the context was read in.
    pub epoch: u32,
    /// The clock of the device at the save. It decides nothing but orders of showing.
    #[serde(with = "chrono::serde::ts_milliseconds")]
    pub at: DateTime<Utc>,
    /// Minutes east of UTC where it was saved (北京时间 is 480).
    pub zone: i16,
    /// Who saved.
    pub author: Arc<Author>,
    /// The form version it was entered with and is validated by.
    pub form: u32,
    /// What was changed, and nothing else.
    pub writes: BTreeMap<Path, Value>,
}
