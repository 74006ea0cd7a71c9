//! A value as it was written: JSON text that is carried byte for byte, also by a version that does not know its field.

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// JSON text of one value. `null` clears a field or takes an element out of a set.
///
/// Two values are the same when their bytes are.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Value(Box<RawValue>);

impl Value {
    /// `null`.
    pub fn null() -> Self {
        Self::of(&())
    }

    /// A text.
    pub fn text(text: &str) -> Self {
        Self::of(text)
    }

    /// Any value that JSON can say; what it cannot say (a map with keys that are no text) becomes `null`.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Self {
        Self(serde_json::value::to_raw_value(value).unwrap_or_else(|_| RawValue::NULL.to_owned()))
    }

    /// The JSON text.
    pub fn json(&self) -> &str {
        self.0.get()
    }

    /// Whether this clears its field.
    pub fn is_null(&self) -> bool {
        self.json() == "null"
    }

    /// The value as a `T`, or `None` if it is something else.
    pub fn get<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_str(self.json()).ok()
    }

    /// The text, if this is a text.
    pub fn as_text(&self) -> Option<String> {
        self.get()
    }

    /// What a person reads when no field says more: the text itself, or the JSON of anything else, nothing of `null`.
    pub fn plain(&self) -> String {
        match self.as_text() {
            Some(text) => text,
            None if self.is_null() => String::new(),
            None => self.json().to_owned(),
        }
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.json() == other.json()
    }
}

impl Eq for Value {}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Value {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.json().cmp(other.json())
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.json())
    }
}
