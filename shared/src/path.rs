//! Paths: a field (`phone`), an element of a set (`tags/低保户`) or an entry of a log (`steps/<edit id>`).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ids::EditId;

/// Where a write goes in its part of a record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Path(String);

/// A path that is empty, too long or begins or ends with `/`.
#[derive(Debug, thiserror::Error)]
#[error("a path has 1 to {max} bytes and no empty segment, this has {0} bytes", max = Path::MAX_BYTES)]
pub struct BadPath(usize);

impl Path {
    /// The longest path taken, in bytes of UTF-8.
    pub const MAX_BYTES: usize = 300;

    /// A field of its own.
    pub fn field(name: &str) -> Self {
        Self(name.to_owned())
    }

    /// One element of the set `field`. A `/` in `element` stays as it is: only the first segment names the field.
    pub fn element(field: &str, element: &str) -> Self {
        Self(format!("{field}/{element}"))
    }

    /// The entry of the log `field` that `edit` writes.
    pub fn entry(field: &str, edit: EditId) -> Self {
        Self(format!("{field}/{edit}"))
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The field: what stands before the first `/`.
    pub fn field_name(&self) -> &str {
        self.0.split_once('/').map_or(self.0.as_str(), |(field, _)| field)
    }

    /// The element or entry: what stands after the first `/`.
    pub fn element_name(&self) -> Option<&str> {
        self.0.split_once('/').map(|(_, element)| element)
    }
}

impl TryFrom<String> for Path {
    type Error = BadPath;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let whole = !text.is_empty() && text.len() <= Self::MAX_BYTES && !text.starts_with('/') && !text.ends_with('/');
        if whole { Ok(Self(text)) } else { Err(BadPath(text.len())) }
    }
}

impl FromStr for Path {
    type Err = BadPath;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::try_from(text.to_owned())
    }
}

impl From<Path> for String {
    fn from(path: Path) -> Self {
        path.0
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
