//! A stored value in words, masked where the form says so.

use chrono::{DateTime, NaiveDate};
use shared::form::{Field, FieldType, MaskKind, Position};
use shared::ids::RecordId;
use shared::mask;
use shared::value::Value;

use super::say;
use super::state::State;
use super::words::Words;

/// The value of a field in words, in full.
pub fn text(words: &Words, state: &State, field: &Field, value: &Value) -> String {
    if value.is_null() {
        return words.t("app-empty");
    }
    let said = match field.kind {
        FieldType::Choice | FieldType::Choices => value.as_text().map(|code| words.choice(field, &code)),
        FieldType::YesNo => value.get::<bool>().map(|yes| words.t(if yes { "yes" } else { "no" })),
        FieldType::Date => value
            .as_text()
            .and_then(|text| text.parse::<NaiveDate>().ok())
            .map(|date| say::date(words, date, state.now())),
        FieldType::Time => {
            value.get::<i64>().and_then(DateTime::from_timestamp_millis).map(|at| say::when(words, at, state.now()))
        }
        FieldType::Link => value.get::<RecordId>().map(|id| state.title_or_outside(words, id, field.to)),
        FieldType::LinkOrText => match link_of(value) {
            Some(id) => Some(state.title_or_outside(words, id, field.to)),
            None => value.get::<serde_json::Value>().and_then(|value| Some(value.get("text")?.as_str()?.to_owned())),
        },
        FieldType::Position => {
            value.get::<Position>().map(|position| words.n("app-position-at", say::metres(position.accuracy)))
        }
        FieldType::Area => value.get().map(|area| state.area_name(area)),
        _ => None,
    };
    said.unwrap_or_else(|| value.plain())
}

/// The record a value links to.
pub fn link_of(value: &Value) -> Option<RecordId> {
    value
        .get::<RecordId>()
        .or_else(|| value.get::<serde_json::Value>().and_then(|value| value.get("id")?.as_str()?.parse().ok()))
}

/// The value as it is shown unasked: masked where the form says so.
pub fn shown(words: &Words, state: &State, field: &Field, value: &Value) -> String {
    match field.mask {
        Some(kind) if !value.is_null() => masked(words, state, kind, &value.plain()),
        _ => text(words, state, field, value),
    }
}

/// A masked value: `6***************34`, `139****5678`, an age for a birth date.
pub fn masked(words: &Words, state: &State, kind: MaskKind, plain: &str) -> String {
    let masked = mask::mask(kind, plain, say::today(state.now()));
    match (kind, masked.parse::<usize>()) {
        (MaskKind::BirthDate, Ok(years)) => words.n("age-years", years),
        _ => masked,
    }
}
