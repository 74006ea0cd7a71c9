//! Reading JSON from outside: duplicate keys and great depths are refused before anything looks at the content.
//!
//! serde_json silently keeps the last of two equal keys; another reader keeps the first, and what one checks the other
//! does (CVE-2017-12635). RFC 8259 section 4 leaves it open, so we refuse.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::fmt;

use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use crate::limits::JSON_DEPTH;

/// Why bytes are not the JSON that was expected. The text names keys, never values.
#[derive(Debug, thiserror::Error)]
pub enum BadJson {
    /// Not JSON at all, or cut off.
    #[error("not JSON: line {line}, column {column}")]
    Syntax {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// An object has a key twice.
    #[error("the key {0:?} stands twice in one object")]
    DuplicateKey(String),
    /// Nested deeper than [`JSON_DEPTH`].
    #[error("nested deeper than {JSON_DEPTH}")]
    TooDeep,
    /// JSON, but not the expected shape.
    #[error("not the expected shape: {0}")]
    Shape(String),
}

/// Reads a `T` from `bytes`, strictly.
pub fn from_slice<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, BadJson> {
    check(bytes)?;
    serde_json::from_slice(bytes).map_err(|error| BadJson::Shape(safe(&error)))
}

/// serde's message of the shape, without the value it may quote.
fn safe(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!("line {}, column {}", error.line(), error.column());
    match text.strip_prefix("missing field").or_else(|| text.strip_prefix("unknown field")) {
        Some(_) => text,
        None => place,
    }
}

/// Only checks syntax, duplicate keys and depth.
pub fn check(bytes: &[u8]) -> Result<(), BadJson> {
    let found = Found::default();
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let result = Checked { depth: 0, found: &found }.deserialize(&mut reader).and_then(|()| reader.end());
    match (result, found.duplicate.take(), found.deep.get()) {
        (_, Some(key), _) => Err(BadJson::DuplicateKey(key)),
        (_, _, true) => Err(BadJson::TooDeep),
        (Err(error), ..) => Err(BadJson::Syntax { line: error.line(), column: error.column() }),
        (Ok(()), ..) => Ok(()),
    }
}

/// A key, not copied unless it holds an escape.
struct Key<'de>(Cow<'de, str>);

impl<'de> serde::Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct Text;

        impl<'de> Visitor<'de> for Text {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }

        reader.deserialize_str(Text)
    }
}

/// The keys of one object so far. Nearly all objects have a few: those are compared one by one.
#[derive(Default)]
struct Keys<'de> {
    few: Vec<Cow<'de, str>>,
    many: BTreeSet<Cow<'de, str>>,
}

impl<'de> Keys<'de> {
    const FEW: usize = 24;

    /// Notes a key; gives it if it was there before.
    fn repeated(&mut self, key: Cow<'de, str>) -> Option<String> {
        if self.many.contains(&key) || self.few.contains(&key) {
            return Some(key.into_owned());
        }
        if self.few.len() < Self::FEW {
            self.few.push(key);
        } else {
            self.many.insert(key);
        }
        None
    }
}

#[derive(Default)]
struct Found {
    duplicate: Cell<Option<String>>,
    deep: Cell<bool>,
}

struct Checked<'a> {
    depth: usize,
    found: &'a Found,
}

impl Checked<'_> {
    fn inner<E: serde::de::Error>(&self) -> Result<Self, E> {
        if self.depth >= JSON_DEPTH {
            self.found.deep.set(true);
            return Err(E::custom("too deep"));
        }
        Ok(Self { depth: self.depth + 1, found: self.found })
    }
}

impl<'de> DeserializeSeed<'de> for Checked<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Checked<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(self.inner()?)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut keys = Keys::default();
        while let Some(Key(key)) = map.next_key()? {
            map.next_value_seed(self.inner()?)?;
            if let Some(key) = keys.repeated(key) {
                self.found.duplicate.set(Some(key));
                return Err(A::Error::custom("duplicate key"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_twice_is_refused_at_any_depth() {
        let error = check(br#"{"a":[{"role":"informant","x":1,"role":"admin"}]}"#).unwrap_err();
        assert!(matches!(error, BadJson::DuplicateKey(key) if key == "role"));
        // The same key written with an escape is the same key.
        assert!(matches!(check(br#"{"a":1,"\u0061":2}"#), Err(BadJson::DuplicateKey(_))));
        assert!(check(br#"{"a":{"b":1},"b":{"b":2}}"#).is_ok());
    }

    #[test]
    fn depth_and_garbage_are_told_apart() {
        let deep = [b"[".repeat(40), b"]".repeat(40)].concat();
        assert!(matches!(check(&deep), Err(BadJson::TooDeep)));
        assert!(matches!(check(b"{\"a\":1} x"), Err(BadJson::Syntax { .. })));
        assert!(matches!(check(b"name=1"), Err(BadJson::Syntax { line: 1, .. })));
    }

    #[test]
    fn a_message_never_quotes_a_value() {
        let error = from_slice::<BTreeSet<u32>>(br#"["13912345678"]"#).unwrap_err();
        assert!(!error.to_string().contains("139"));
    }
}
