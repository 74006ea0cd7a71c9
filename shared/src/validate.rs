//! Validation that reports every problem: of an edit as the server judges it, of a draft as the handheld shows it.
//!
//! What this version's form does not know is carried, not refused: a newer handheld may know it. Whether the kind and
//! the form version are known is the caller's business: without a form there is nothing to ask.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use crate::check::{self, Doubt};
use crate::edit::Edit;
use crate::form::{Field, FieldType, Form, PhotoParticulars, Position, When};
use crate::ids::{EditId, PhotoHash, RecordId};
use crate::mask::{LinkOrText, parse_date, today};
use crate::merge::DELETED;
use crate::outline::Bounds;
use crate::path::Path;
use crate::record::Part;
use crate::value::Value;
use crate::view::Policy;
use crate::workflow::StepEntry;

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// 待核实: saved and marked.
    Unverified,
    /// 要改: not saved, not applied.
    Refused,
}

/// Something wrong with one value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub path: Path,
    /// How bad.
    pub severity: Severity,
    /// A message key of `common.ftl`.
    pub code: &'static str,
    /// Arguments of the message, by name. Lengths and bounds only, never the value.
    pub args: Vec<(&'static str, String)>,
}

impl Problem {
    fn refused(path: &Path, code: &'static str) -> Self {
        Self { path: path.clone(), severity: Severity::Refused, code, args: Vec::new() }
    }

    fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.args.push((name, value.to_string()));
        self
    }
}

/// Everything wrong with an edit by the form version it names.
///
/// An edit that nobody's edits precede (empty context) creates its part and must fill in what is required; the
/// restricted part asks only once something is written there. Any other edit must not clear what is required.
pub fn edit(form: &Form, edit: &Edit) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (path, value) in &edit.writes {
        if let Some(field) = known(form, edit.part, path, &mut problems) {
            value_problems(field, path, value, &edit.writes, &mut problems);
            let is_entry = field.policy() == Policy::Log;
            if is_entry && path.element_name().and_then(|name| name.parse::<EditId>().ok()) != Some(edit.id) {
                problems.push(Problem::refused(path, "problem-entry"));
            }
        }
    }
    let deletes = edit.writes.keys().any(|path| path.field_name() == DELETED);
    let fills = edit.writes.values().any(|value| !is_blank(value));
    let creates = edit.context.is_empty() && !deletes && (fills || edit.part == Part::Open);
    for field in form.fields().filter(|field| field.required && field.part() == edit.part) {
        let written = edit.writes.get(&Path::field(&field.name));
        let missing = if creates {
            is_shown(field, &edit.writes) && !is_filled(field, &edit.writes)
        } else {
            written.is_some_and(is_blank)
        };
        if missing {
            problems.push(Problem::refused(&Path::field(&field.name), "problem-required"));
        }
    }
    problems
}

/// Everything wrong with `part` of a draft, given what would be shown after saving it (absent or null: not filled in).
///
/// The restricted part asks for what is required only once something is written there.
pub fn draft(form: &Form, part: Part, shown: &BTreeMap<Path, Value>) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (path, value) in shown {
        if let Some(field) = known(form, part, path, &mut problems) {
            value_problems(field, path, value, shown, &mut problems);
        }
    }
    let fills = shown.values().any(|value| !is_blank(value));
    if fills || part == Part::Open {
        let required = form.fields().filter(|field| field.required && field.part() == part);
        for field in required.filter(|field| is_shown(field, shown) && !is_filled(field, shown)) {
            problems.push(Problem::refused(&Path::field(&field.name), "problem-required"));
        }
    }
    problems
}

/// What may well be right and yet is asked about, of a draft typed at `now`: a day or time that is still to come where the
/// form asks when something was, a position at 0°, 0° or outside `within`. Saved as 待核实, never refused.
pub fn doubts(
    form: &Form,
    part: Part,
    shown: &BTreeMap<Path, Value>,
    now: DateTime<Utc>,
    within: Option<Bounds>,
) -> Vec<Problem> {
    // A handheld and its town may differ by some minutes; a day begins eight hours before it does in Greenwich.
    let (latest, today) = (now + TimeDelta::minutes(FEW_MINUTES), today(now));
    let fields = form.fields().filter(|field| field.part() == part && is_shown(field, shown));
    let doubt = |field: &Field| {
        let path = Path::field(&field.name);
        let value = shown.get(&path)?;
        let code = match field.kind {
            FieldType::Date if field.past => {
                value.as_text().as_deref().and_then(parse_date).filter(|day| *day > today).map(|_| "doubt-future")
            }
            FieldType::Time if field.past => {
                value.get::<i64>().filter(|at| *at > latest.timestamp_millis()).map(|_| "doubt-future")
            }
            FieldType::Position => {
                let point = value.get::<Position>().filter(|position| is_on_earth(*position))?.micro();
                let nowhere = point.iter().all(|degrees| degrees.abs() < NEAR_ZERO);
                let outside = within.is_some_and(|bounds| !bounds.wider(BEYOND).contains(point));
                nowhere.then_some("doubt-position-zero").or(outside.then_some("doubt-position-outside"))
            }
            _ => None,
        };
        code.map(|code| Problem { path, severity: Severity::Unverified, code, args: Vec::new() })
    };
    fields.filter_map(doubt).collect()
}

/// How far a clock may be ahead without a question, in minutes.
const FEW_MINUTES: i64 = 10;
/// As near to 0° as only a receiver without satellites is: about a kilometre, in millionths of a degree.
const NEAR_ZERO: i32 = 10_000;
/// How far from what was drawn a position may lie without a question: about five kilometres.
const BEYOND: i32 = 50_000;

/// Whether a field is to be shown by its `when`, given the values of the same part.
pub fn is_shown(field: &Field, values: &BTreeMap<Path, Value>) -> bool {
    let Some(When { field: other, is, not }) = &field.when else { return true };
    let said = values.get(&Path::field(other)).map(Value::plain);
    match said {
        Some(said) => is.contains(&said) || (!not.is_empty() && !not.contains(&said)),
        None => !not.is_empty(),
    }
}

fn is_blank(value: &Value) -> bool {
    value.is_null() || value.as_text().is_some_and(|text| text.trim().is_empty())
}

fn is_filled(field: &Field, values: &BTreeMap<Path, Value>) -> bool {
    values.iter().any(|(path, value)| path.field_name() == field.name && !is_blank(value))
}

/// The field that `path` writes, if this form knows it; a problem if it does not stand in `part` or has another shape.
fn known<'a>(form: &'a Form, part: Part, path: &Path, problems: &mut Vec<Problem>) -> Option<&'a Field> {
    let field = form.field(path.field_name())?;
    if field.part() != part {
        problems.push(Problem::refused(path, "problem-part"));
        return None;
    }
    let by_element = matches!(field.policy(), Policy::Many | Policy::Log);
    if by_element != path.element_name().is_some() {
        problems.push(Problem::refused(path, "problem-path"));
        return None;
    }
    Some(field)
}

/// What is wrong with one value of `field`; `beside` are the other values of the part.
fn value_problems(
    field: &Field,
    path: &Path,
    value: &Value,
    beside: &BTreeMap<Path, Value>,
    problems: &mut Vec<Problem>,
) {
    element_problems(field, path, problems);
    // Clearing a field, taking an element out; an entry of a log stands for good.
    if value.is_null() {
        if field.policy() == Policy::Log {
            problems.push(Problem::refused(path, "problem-shape"));
        }
        return;
    }
    let refused = |code| Some(Problem::refused(path, code));
    let found = match field.kind {
        FieldType::Text
        | FieldType::LongText
        | FieldType::Remarks
        | FieldType::Phone
        | FieldType::IdNumber
        | FieldType::CreditCode => match value.as_text() {
            Some(text) => {
                text_problems(field, path, &text, beside, problems);
                None
            }
            None => refused("problem-shape"),
        },
        FieldType::Number => number_problem(field, path, value),
        FieldType::Date => match value.as_text().as_deref().map(parse_date) {
            Some(Some(_)) => None,
            _ => refused("problem-date"),
        },
        FieldType::Time => value.get::<i64>().map_or_else(|| refused("problem-shape"), |_| None),
        FieldType::YesNo => value.get::<bool>().map_or_else(|| refused("problem-shape"), |_| None),
        FieldType::Choice => match value.as_text() {
            Some(code) if field.choices.iter().any(|choice| choice.code == code) => None,
            _ => refused("problem-choice"),
        },
        FieldType::Choices => (!is_true(value)).then(|| Problem::refused(path, "problem-shape")),
        FieldType::Link => match value.as_text().map(|id| id.parse::<RecordId>()) {
            Some(Ok(_)) => None,
            _ => refused("problem-link"),
        },
        FieldType::LinkOrText => link_or_text_problem(field, path, value),
        FieldType::Links => {
            let particulars = || value.get::<serde_json::Map<String, serde_json::Value>>().is_some();
            (!is_true(value) && !particulars()).then(|| Problem::refused(path, "problem-shape"))
        }
        FieldType::Position => match value.get::<Position>() {
            Some(position) if is_on_earth(position) => None,
            _ => refused("problem-position"),
        },
        FieldType::Photos => value.get::<PhotoParticulars>().map_or_else(|| refused("problem-photo"), |_| None),
        FieldType::Area => value.get::<u32>().map_or_else(|| refused("problem-area"), |_| None),
        FieldType::Steps => value.get::<StepEntry>().map_or_else(|| refused("workflow-bad-entry"), |_| None),
    };
    problems.extend(found);
}

fn is_true(value: &Value) -> bool {
    value.get::<bool>() == Some(true)
}

fn is_on_earth(position: Position) -> bool {
    (-90.0..=90.0).contains(&position.lat)
        && (-180.0..=180.0).contains(&position.lon)
        && (0.0..=1e6).contains(&position.accuracy)
}

/// What is wrong with the name of an element: of a set of choices a code, of links a record, of photos a hash.
fn element_problems(field: &Field, path: &Path, problems: &mut Vec<Problem>) {
    let Some(element) = path.element_name() else { return };
    let code = match field.kind {
        FieldType::Choices if !field.choices.iter().any(|choice| choice.code == element) => "problem-choice",
        FieldType::Links if element.parse::<RecordId>().is_err() => "problem-link",
        FieldType::Photos if element.parse::<PhotoHash>().is_err() => "problem-photo",
        _ => return,
    };
    problems.push(Problem::refused(path, code));
}

fn number_problem(field: &Field, path: &Path, value: &Value) -> Option<Problem> {
    match (value.get::<f64>().filter(|number| number.is_finite()), field.range) {
        (None, _) => Some(Problem::refused(path, "problem-number")),
        (Some(number), Some((min, max))) if !(min..=max).contains(&number) => {
            Some(Problem::refused(path, "problem-range").with("min", min).with("max", max))
        }
        _ => None,
    }
}

fn link_or_text_problem(field: &Field, path: &Path, value: &Value) -> Option<Problem> {
    match value.get::<LinkOrText>() {
        Some(LinkOrText { id: Some(id), text: None }) => {
            id.parse::<RecordId>().is_err().then(|| Problem::refused(path, "problem-link"))
        }
        Some(LinkOrText { id: None, text: Some(text) }) => length_problem(field, path, &text)
            .or_else(|| has_control(&text, false).then(|| Problem::refused(path, "problem-characters"))),
        _ => Some(Problem::refused(path, "problem-shape")),
    }
}

fn has_control(text: &str, lines: bool) -> bool {
    text.chars().any(|c| c.is_control() && !(lines && matches!(c, '\n' | '\r' | '\t')))
}

fn length_problem(field: &Field, path: &Path, text: &str) -> Option<Problem> {
    let usual = if matches!(field.kind, FieldType::LongText | FieldType::Remarks) { 20_000 } else { 200 };
    let max = field.max.unwrap_or(usual);
    let found = text.chars().count();
    (found > usize::try_from(max).unwrap_or(usize::MAX))
        .then(|| Problem::refused(path, "problem-too-long").with("max", max).with("found", found))
}

fn text_problems(field: &Field, path: &Path, text: &str, beside: &BTreeMap<Path, Value>, problems: &mut Vec<Problem>) {
    problems.extend(length_problem(field, path, text));
    if has_control(text, matches!(field.kind, FieldType::LongText | FieldType::Remarks)) {
        problems.push(Problem::refused(path, "problem-characters"));
    }
    if text.trim().is_empty() {
        return;
    }
    match field.kind {
        FieldType::Phone => problems.extend(check::phone(text).map(|doubt| phone_problem(path, doubt))),
        FieldType::CreditCode => problems.extend(check::credit_code(text).map(|doubt| doubtful(path, doubt))),
        FieldType::IdNumber if is_resident_number(text, beside) => {
            problems.extend(check::id_number(text).map(|doubt| doubtful(path, doubt)));
        }
        _ => {}
    }
}

/// Whether the number should be one of GB 11643: `id_type` says so or, where it is not at hand, the length does.
fn is_resident_number(number: &str, beside: &BTreeMap<Path, Value>) -> bool {
    match beside.get(&Path::field("id_type")).and_then(Value::as_text) {
        Some(kind) => kind == "resident_id",
        None => check::normal(number).chars().count() == 18,
    }
}

fn doubtful(path: &Path, doubt: Doubt) -> Problem {
    let problem = Problem { path: path.clone(), severity: Severity::Unverified, code: doubt.code(), args: Vec::new() };
    match doubt {
        Doubt::Length { expected, found } => problem.with("expected", expected).with("found", found),
        _ => problem,
    }
}

fn phone_problem(path: &Path, doubt: Doubt) -> Problem {
    match doubt {
        Doubt::Length { expected: 11, found } => {
            Problem::refused(path, "problem-phone-length").with("expected", 11).with("found", found)
        }
        Doubt::Length { found, .. } => Problem::refused(path, "problem-phone-short").with("found", found),
        _ => Problem::refused(path, "problem-phone-characters"),
    }
}
