//! One record a line as JSON, for programs: values as stored (codes, ids, numbers), under the same masks.
//!
//! `{"id","kind","status","areas":[…],"fields":{…},"open":["phone"],"updated":ms}`; of `gone` only id, kind and status.
//! Keys are sorted, so that the same cut gives the same bytes.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;
use shared::form::{Field, FieldType};
use shared::ids::RecordId;
use shared::merge::PartState;
use shared::value::Value;
use shared::view::{self, Policy};

use super::columns::{Columns, unknown, updated};
use super::{Line, Status, Telling, show};

#[derive(Serialize)]
struct Told<'a> {
    id: RecordId,
    kind: &'a str,
    status: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    areas: Vec<shared::area::AreaId>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    fields: BTreeMap<&'a str, FieldValue>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    open: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    updated: Option<i64>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    other: BTreeMap<String, Option<Box<RawValue>>>,
}

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum FieldValue {
    One(Value),
    Many(BTreeMap<String, Value>),
    Log(Vec<Value>),
}

/// The line of one record, with the line end.
pub fn line(columns: &Columns<'_>, line: &Line, told: &Telling<'_>) -> Result<Vec<u8>, serde_json::Error> {
    let gone = line.status == Status::Gone;
    let mut other = BTreeMap::new();
    if !gone {
        other = unknown(columns.form(), &line.open)
            .map(|(path, json)| (path, if told.unmasked { RawValue::from_string(json).ok() } else { None }))
            .collect();
    }
    let out = Told {
        id: line.id,
        kind: line.kind.code(),
        status: line.status.code(),
        areas: if gone { Vec::new() } else { view::areas(&line.open) },
        fields: fields(columns, line, told),
        open: if gone { Vec::new() } else { columns.open_fields(line) },
        updated: updated(line).filter(|_| !gone).map(|at| at.timestamp_millis()),
        other,
    };
    let mut bytes = serde_json::to_vec(&out)?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// The fields of a record as stored, under the masks; none of one that left.
pub(super) fn fields<'a>(columns: &Columns<'a>, line: &Line, told: &Telling<'_>) -> BTreeMap<&'a str, FieldValue> {
    let all = columns.fields().iter().filter(|_| line.status != Status::Gone);
    let told = all.filter_map(|field| {
        let part = if field.restricted { line.restricted.as_ref() } else { Some(&line.open) };
        Some((field.name.as_str(), field_value(field, part?, told)?))
    });
    told.collect()
}

fn field_value(field: &Field, part: &PartState, told: &Telling<'_>) -> Option<FieldValue> {
    let masked = |value: &Value| match field.mask {
        Some(_) if !told.unmasked => Value::text(&show::value(field, value, told, false)),
        _ => value.clone(),
    };
    match field.policy() {
        Policy::One | Policy::Latest => {
            view::shown(part, &field.name, field.policy()).map(|v| FieldValue::One(masked(v)))
        }
        Policy::Many => {
            let elements: BTreeMap<String, Value> = view::many(part, &field.name)
                .into_iter()
                .map(|(element, write)| (element.to_owned(), write.value.clone()))
                .collect();
            Some(FieldValue::Many(elements)).filter(|_| !view::many(part, &field.name).is_empty())
        }
        Policy::Log => {
            let entries: Vec<Value> = view::log(part, &field.name)
                .into_iter()
                .map(|(_, write)| {
                    let by = show::author(&write.head.author, told);
                    log_entry(field, write.value, &by, write.head.at.timestamp_millis())
                })
                .collect();
            if entries.is_empty() { None } else { Some(FieldValue::Log(entries)) }
        }
    }
}

/// An entry with who and when beside it.
fn log_entry(field: &Field, value: &Value, by: &str, at: i64) -> Value {
    let entry: serde_json::Value = value.get().unwrap_or_default();
    let name = if field.kind == FieldType::Steps { "step" } else { "text" };
    Value::of(&serde_json::json!({ "at": at, "by": by, name: entry }))
}
