//! How far each section of a form is.

use std::collections::BTreeMap;
use std::rc::Rc;

use shared::form::{Field, Form};
use shared::path::Path;
use shared::validate::Severity;
use shared::value::Value;

use crate::ui::components::Mark;
use crate::ui::entry::{Entry, Values, problems};

/// How each section stands: red while something there keeps the form from being saved and was said, yellow for 待核实,
/// green when what has to be filled is, a ring before.
pub fn marks(form: &Form, values: &Values, shown: &[(usize, Rc<[Field]>)], entry: Entry) -> BTreeMap<usize, Mark> {
    let all = problems(form, values);
    shown
        .iter()
        .map(|(place, fields)| {
            let said = |severity: Severity| {
                fields.iter().any(|field| entry.said(&field.name).is_some_and(|problem| problem.severity == severity))
            };
            let here = |name: &str| fields.iter().any(|field| field.name == name);
            let missing =
                all.iter().any(|problem| problem.severity == Severity::Refused && here(problem.path.field_name()));
            // What the form itself begins with is not yet anybody's work.
            let started = |path: &Path, value: &Value| {
                form.field(path.field_name())
                    .is_some_and(|field| field.start == value.as_text() && field.start.is_some())
            };
            let filled =
                values.iter().any(|(path, value)| !value.is_null() && here(path.field_name()) && !started(path, value));
            let mark = if said(Severity::Refused) {
                Mark::Red
            } else if said(Severity::Unverified) {
                Mark::Yellow
            } else if filled && !missing {
                Mark::Green
            } else {
                Mark::Off
            };
            (*place, mark)
        })
        .collect()
}
