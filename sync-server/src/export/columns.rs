//! A record as columns: what every row has, then the fields of the form in the order of the screen.

use assets::messages::Messages;
use shared::form::{Field, Form};
use shared::merge::{DELETED, PartState};
use shared::view;

use super::xlsx::{Column, Shape};
use super::{Line, Status, Telling, show};

/// The columns of one kind.
pub struct Columns<'a> {
    form: &'a Form,
    fields: Vec<&'a Field>,
}

impl<'a> Columns<'a> {
    /// Of `form`, with its restricted fields if `cleared`.
    pub fn new(form: &'a Form, cleared: bool) -> Self {
        let fields = form.fields().filter(|field| (cleared || !field.restricted) && field.name != "area").collect();
        Self { form, fields }
    }

    /// The header: the labels of the form in the reader's language.
    pub fn header(&self, told: &Telling<'_>) -> Vec<String> {
        let words = Messages::of(told.lang);
        let first = ["batch-status", "batch-id", "batch-area"].map(|key| words.text(key));
        let last = ["batch-open-fields", "batch-updated", "batch-other"].map(|key| words.text(key));
        let labels = self.fields.iter().map(|field| field.label.in_lang(told.lang.tag()).to_owned());
        first.into_iter().chain(labels).chain(last).collect()
    }

    /// The same with what each column holds.
    pub fn shaped(&self, told: &Telling<'_>) -> Vec<Column> {
        let first = [Shape::Text(8), Shape::Text(38), Shape::Text(30)];
        let last = [Shape::Text(20), Shape::Time, Shape::Text(20)];
        let fields = self.fields.iter().map(|field| Shape::of(field.kind));
        let shapes = first.into_iter().chain(fields).chain(last);
        self.header(told).into_iter().zip(shapes).map(|(name, shape)| Column { name, shape }).collect()
    }

    /// One row.
    pub fn row(&self, line: &Line, told: &Telling<'_>) -> Vec<String> {
        let words = Messages::of(told.lang);
        let areas: Vec<String> = view::areas(&line.open).into_iter().map(|id| told.area(id)).collect();
        let mut row = Vec::with_capacity(self.fields.len() + 6);
        row.push(words.text(&format!("batch-status-{}", line.status.code())));
        row.push(line.id.to_string());
        row.push(areas.join("、"));
        if line.status == Status::Gone {
            row.resize(self.fields.len() + 6, String::new());
            return row;
        }
        for field in &self.fields {
            let part = if field.restricted { line.restricted.as_ref() } else { Some(&line.open) };
            row.push(part.map(|part| show::field(field, part, told)).unwrap_or_default());
        }
        row.push(self.open_labels(line, told).join("、"));
        row.push(updated(line).map(|at| show::beijing(at).format("%Y-%m-%d %H:%M:%S").to_string()).unwrap_or_default());
        row.push(self.others(line, told).join("；"));
        row
    }

    /// The names of the fields that are 待核对.
    pub fn open_fields(&self, line: &Line) -> Vec<&'a str> {
        let all = self.form.fields().filter(|field| field.policy() == view::Policy::One);
        all.filter(|field| {
            let part = if field.restricted { line.restricted.as_ref() } else { Some(&line.open) };
            part.is_some_and(|part| view::one(part, &field.name).is_open())
        })
        .map(|field| field.name.as_str())
        .collect()
    }

    fn open_labels(&self, line: &Line, told: &Telling<'_>) -> Vec<String> {
        let label = |name: &str| self.form.field(name).map(|field| field.label.in_lang(told.lang.tag()).to_owned());
        self.open_fields(line).into_iter().filter_map(label).collect()
    }

    /// What a newer version wrote and this one does not know: carried, and told in full only where masks are off,
    /// because nobody here knows what it is.
    fn others(&self, line: &Line, told: &Telling<'_>) -> Vec<String> {
        unknown(self.form, &line.open)
            .map(|(path, value)| if told.unmasked { format!("{path}={value}") } else { path })
            .collect()
    }

    /// The fields told, in order.
    pub fn fields(&self) -> &[&'a Field] {
        &self.fields
    }

    /// The form.
    pub fn form(&self) -> &'a Form {
        self.form
    }
}

/// The live values at paths that `form` does not have.
pub fn unknown<'p>(form: &'p Form, part: &'p PartState) -> impl Iterator<Item = (String, String)> + 'p {
    part.all_live()
        .filter(|(path, write)| {
            let name = path.field_name();
            !write.value.is_null() && !matches!(name, DELETED | "area" | "merged_into") && form.field(name).is_none()
        })
        .map(|(path, write)| (path.to_string(), write.value.json().to_owned()))
}

/// The newest time of a live write, by the clocks of the devices.
pub fn updated(line: &Line) -> Option<chrono::DateTime<chrono::Utc>> {
    let parts = [Some(&line.open), line.restricted.as_ref()];
    parts.into_iter().flatten().flat_map(|part| part.all_live().map(|(_, write)| write.head.at)).max()
}
