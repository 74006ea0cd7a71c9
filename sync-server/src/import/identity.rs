//! By what a row is known: its number anywhere in the town, else name and birth date, or name and address, in its area.

use std::collections::BTreeMap;

use shared::area::AreaId;
use shared::check;
use shared::form::{FieldType, Form};
use shared::ids::RecordId;
use shared::merge::PartState;
use shared::path::Path;
use shared::value::Value;
use shared::view;

use crate::store::{PartFilter, Read, StoreError};

/// The keys of one record or row, the surest first.
pub fn keys(form: &Form, areas: &[AreaId], value: &dyn Fn(&str) -> Option<String>) -> Vec<String> {
    let mut keys = Vec::new();
    let mut birth = value("birth_date");
    for field in form.fields().filter(|field| matches!(field.kind, FieldType::IdNumber | FieldType::CreditCode)) {
        if let Some(number) = value(&field.name) {
            let number = check::normal(&number);
            birth = birth.or_else(|| check::id_facts(&number).map(|facts| facts.birth_date.to_string()));
            keys.push(format!("#{}:{number}", field.name));
        }
    }
    if let Some(title) = value(&form.title) {
        let second = [("birth", birth), ("address", value("address")), ("number", value("number"))];
        for (what, text) in second.into_iter().filter_map(|(what, text)| Some((what, text?))) {
            for area in areas {
                keys.push(format!("{area}:{what}:{}:{}", check::normal(&title), check::normal(&text)));
            }
        }
    }
    keys
}

/// Whether a key is a number, which is one person's wherever they live.
pub fn is_number(key: &str) -> bool {
    key.starts_with('#')
}

/// What is known of a record that a row may be about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Which.
    pub id: RecordId,
    /// Whether it counts as deleted.
    pub deleted: bool,
    /// Where it lies (the first, while that is 待核对).
    pub area: AreaId,
}

/// Every record of a kind in the town by its keys.
#[derive(Debug, Default)]
pub struct Index {
    by_key: BTreeMap<String, Vec<Known>>,
    numbers: BTreeMap<RecordId, String>,
}

/// What a row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    /// Nobody known.
    Nobody,
    /// This record.
    One(Known),
    /// More than one record answers to the key.
    Several,
}

impl Index {
    /// Reads the town once.
    pub fn read(read: &dyn Read, form: &Form) -> Result<Self, StoreError> {
        let mut index = Self::default();
        let filter = PartFilter { kind: Some(form.kind), ..PartFilter::default() };
        read.each_part(&filter, &mut |part| {
            let state = crate::batch::state(&part)?;
            if let Some(area) = part.areas.first() {
                let known = Known { id: part.record, deleted: part.deleted, area: *area };
                for key in keys(form, &part.areas, &|name| shown_text(&state, name)) {
                    if is_number(&key) {
                        index.numbers.insert(part.record, key.clone());
                    }
                    index.by_key.entry(key).or_default().push(known);
                }
            }
            Ok(true)
        })?;
        Ok(index)
    }

    /// What a row with these keys is about: the surest key that is known decides. A row with a number is not matched
    /// with somebody of the same name who has another number.
    pub fn find(&self, keys: &[String]) -> Match {
        for key in keys {
            match self.by_key.get(key).map(Vec::as_slice) {
                None | Some([]) => {}
                Some([known]) if is_number(key) || !self.has_other_number(known.id, keys) => return Match::One(*known),
                Some([_]) => {}
                Some(_) => return Match::Several,
            }
        }
        Match::Nobody
    }

    fn has_other_number(&self, id: RecordId, keys: &[String]) -> bool {
        let Some(number) = keys.iter().find(|key| is_number(key)) else { return false };
        let Some((field, _)) = number.split_once(':') else { return false };
        let prefix = format!("{field}:");
        self.numbers.get(&id).is_some_and(|own| own.starts_with(&prefix) && own != number)
    }
}

/// A text as it is shown, of a field or of a row's write.
pub fn shown_text(part: &PartState, name: &str) -> Option<String> {
    view::shown(part, name, view::Policy::One).and_then(text_of)
}

/// The text of a value: itself, or the text of a link or text.
pub fn text_of(value: &Value) -> Option<String> {
    value.as_text().or_else(|| value.get::<BTreeMap<String, String>>()?.remove("text"))
}

/// The text that a row writes to a field.
pub fn written_text(writes: &BTreeMap<Path, Value>, name: &str) -> Option<String> {
    writes.get(&Path::field(name)).and_then(text_of)
}
