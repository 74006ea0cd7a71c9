//! Between values and columns.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde::de::DeserializeOwned;
use shared::area::AreaId;
use shared::ids::{PhotoHash, UserId};
use shared::record::{Part, RecordKind};
use uuid::Uuid;

use crate::store::{ReaderKey, StoreError};

/// A count or number as SQLite keeps it. None of ours comes near the end of `i64`.
pub fn int(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// A count or number as read.
pub fn count(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}

/// A moment as stored.
pub fn ms(at: DateTime<Utc>) -> i64 {
    at.timestamp_millis()
}

/// A moment as read.
pub fn time(ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(ms).unwrap_or_default()
}

/// A UUID as read.
pub fn uuid(bytes: &[u8]) -> Result<Uuid, StoreError> {
    Uuid::from_slice(bytes).map_err(|error| corrupt("id", &error))
}

/// A part as read.
pub fn part(code: &str) -> Result<Part, StoreError> {
    Part::from_code(code).ok_or_else(|| corrupt("part", &code))
}

/// A kind as read.
pub fn kind(code: &str) -> Result<RecordKind, StoreError> {
    RecordKind::from_code(code).ok_or_else(|| corrupt("kind", &code))
}

/// A photo's hash as read.
pub fn photo_hash(text: String) -> Result<PhotoHash, StoreError> {
    PhotoHash::try_from(text).map_err(|error| corrupt("photo hash", &error))
}

/// JSON as read.
pub fn from_json<T: DeserializeOwned>(what: &str, text: &str) -> Result<T, StoreError> {
    // Only the place: serde's words may quote a value.
    serde_json::from_str(text)
        .map_err(|error| corrupt(what, &format!("line {}, column {}", error.line(), error.column())))
}

/// JSON as stored.
pub fn to_json<T: Serialize>(what: &str, value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| corrupt(what, &error))
}

fn corrupt(what: &str, why: &dyn std::fmt::Display) -> StoreError {
    StoreError::Corrupt { what: what.to_owned(), why: why.to_string() }
}

/// Areas as stored: `,12,15,`.
pub fn areas_text(areas: &[AreaId]) -> String {
    let mut text = String::from(",");
    for area in areas {
        text.push_str(&area.0.to_string());
        text.push(',');
    }
    text
}

/// Areas as read.
pub fn areas(text: &str) -> Vec<AreaId> {
    text.split(',').filter_map(|id| id.parse().ok()).map(AreaId).collect()
}

/// Users as stored.
pub fn users_text(users: &[UserId]) -> String {
    let mut text = String::from(",");
    for user in users {
        text.push_str(&user.to_string());
        text.push(',');
    }
    text
}

/// Users as read.
pub fn users(text: &str) -> Vec<UserId> {
    text.split(',').filter_map(|id| id.parse().ok()).collect()
}

/// A reader's key as stored.
pub fn key_text(key: ReaderKey) -> String {
    match key {
        ReaderKey::Area(area) => format!("a{area}"),
        ReaderKey::Visits(area) => format!("v{area}"),
        ReaderKey::User(user) => format!("u{user}"),
    }
}

/// A reader's key as read.
pub fn key(text: &str) -> Result<ReaderKey, StoreError> {
    let read = match text.split_at_checked(1) {
        Some(("a", id)) => id.parse().ok().map(|id| ReaderKey::Area(AreaId(id))),
        Some(("v", id)) => id.parse().ok().map(|id| ReaderKey::Visits(AreaId(id))),
        Some(("u", id)) => id.parse().ok().map(ReaderKey::User),
        _ => None,
    };
    read.ok_or_else(|| corrupt("departure", &"its key is of no known kind"))
}
