//! A form being filled: the values as on the screen, what is wrong with them, and where the user stopped.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use dioxus::prelude::*;
use shared::form::{Field, Form};
use shared::path::Path;
use shared::record::Part;
use shared::validate::{self, Problem, Severity};
use shared::value::Value;

use super::state::State;

/// The values of a form, by path. A path that is not there was never filled.
pub type Values = BTreeMap<Path, Value>;

/// One form on the screen. Copies share their signals.
#[derive(Clone, Copy, PartialEq)]
pub struct Entry {
    form: Signal<Rc<Form>>,
    values: Signal<Values>,
    left: Signal<BTreeSet<String>>,
    all: Signal<bool>,
    typed: Signal<u64>,
    last: Signal<Option<String>>,
    problems: Memo<Vec<Problem>>,
}

impl Entry {
    /// A form on the screen, beginning with `values`; a hook.
    pub fn use_entry(form: impl FnOnce() -> (Rc<Form>, Values)) -> Self {
        let (form, values) = use_hook(|| {
            let (form, values) = form();
            (Signal::new(form), Signal::new(values))
        });
        let state = use_context::<State>();
        let problems = use_memo(move || {
            let (form, values) = (form.read(), values.read());
            let doubts = Part::ALL.into_iter().flat_map(|part| {
                validate::doubts(&form, part, &of_part(&form, &values, part), state.now(), state.drawn_bounds())
            });
            problems(&form, &values).into_iter().chain(doubts).collect()
        });
        Self {
            form,
            values,
            left: use_signal(BTreeSet::new),
            all: use_signal(|| false),
            typed: use_signal(|| 0),
            last: use_signal(|| None),
            problems,
        }
    }

    /// The form.
    pub fn form(&self) -> Rc<Form> {
        Rc::clone(&self.form.read())
    }

    /// The values as they are now; does not draw anew when they change.
    pub fn snapshot(&self) -> Values {
        self.values.peek().clone()
    }

    /// Counts the changes; reading it draws anew at each.
    pub fn typed(&self) -> u64 {
        *self.typed.read()
    }

    /// The same without drawing anew.
    pub fn typed_now(&self) -> u64 {
        *self.typed.peek()
    }

    /// All values; draws anew at each change.
    pub fn values(&self) -> Values {
        self.values.read().clone()
    }

    /// The field that was changed last.
    pub fn last(&self) -> Option<String> {
        self.last.peek().clone()
    }

    /// The value at `path`, drawn anew when anything changes.
    pub fn get(&self, path: &Path) -> Option<Value> {
        self.values.read().get(path).filter(|value| !value.is_null()).cloned()
    }

    /// The value at `path` without drawing anew: for inputs that keep their own text.
    pub fn peek(&self, path: &Path) -> Option<Value> {
        self.values.peek().get(path).filter(|value| !value.is_null()).cloned()
    }

    /// The elements present of a set, with their particulars.
    pub fn elements(&self, field: &str) -> Vec<(String, Value)> {
        let values = self.values.read();
        values
            .iter()
            .filter(|(path, value)| path.field_name() == field && !value.is_null())
            .filter_map(|(path, value)| Some((path.element_name()?.to_owned(), value.clone())))
            .collect()
    }

    /// Writes one value.
    pub fn set(&mut self, path: Path, value: Value) {
        self.last.set(Some(path.field_name().to_owned()));
        self.values.write().insert(path, value);
        *self.typed.write() += 1;
    }

    /// Something beside the fields changed.
    pub fn touch(&mut self) {
        *self.typed.write() += 1;
    }

    /// The user left `field`: what is wrong there is said from now on.
    pub fn leave(&mut self, field: &str) {
        if !self.left.peek().contains(field) {
            self.left.write().insert(field.to_owned());
        }
    }

    /// Says everything that is wrong, wherever it is. Returns whether the form can be saved.
    pub fn finish(&mut self) -> bool {
        self.all.set(true);
        self.refused() == 0
    }

    /// Whether everything is to be said by now.
    pub fn is_finished(&self) -> bool {
        *self.all.read()
    }

    /// How many problems keep the form from being saved.
    pub fn refused(&self) -> usize {
        self.problems.read().iter().filter(|problem| problem.severity == Severity::Refused).count()
    }

    /// The name of the first field that keeps the form from being saved.
    pub fn first_refused(&self) -> Option<String> {
        let problems = self.problems.read();
        let form = self.form.read();
        let refused: BTreeSet<&str> = problems
            .iter()
            .filter(|problem| problem.severity == Severity::Refused)
            .map(|problem| problem.path.field_name())
            .collect();
        form.fields().find(|field| refused.contains(field.name.as_str())).map(|field| field.name.clone())
    }

    /// What is to be said at `field` now: nothing before it was left.
    pub fn said(&self, field: &str) -> Option<Problem> {
        if !*self.all.read() && !self.left.read().contains(field) {
            return None;
        }
        let problems = self.problems.read();
        let mut here = problems.iter().filter(|problem| problem.path.field_name() == field);
        let first = here.clone().find(|problem| problem.severity == Severity::Refused);
        first.or_else(|| here.next()).cloned()
    }
}

/// Whether `field` is asked for with these values: its condition holds, and people type it.
pub fn shows(field: &Field, values: &Values) -> bool {
    field.entry && validate::is_shown(field, values)
}

/// Everything wrong with a form, in both its parts. What the app writes itself at the save (`area`, `steps`) is not
/// asked of the user.
pub fn problems(form: &Form, values: &Values) -> Vec<Problem> {
    let typed = |problem: &Problem| form.field(problem.path.field_name()).is_none_or(|field| field.entry);
    let parts = Part::ALL.into_iter();
    parts.flat_map(|part| validate::draft(form, part, &of_part(form, values, part))).filter(typed).collect()
}

/// The values that belong to one part of the record.
pub fn of_part(form: &Form, values: &Values, part: Part) -> Values {
    values
        .iter()
        .filter(|(path, _)| form.field(path.field_name()).map_or(Part::Open, Field::part) == part)
        .map(|(path, value)| (path.clone(), value.clone()))
        .collect()
}
