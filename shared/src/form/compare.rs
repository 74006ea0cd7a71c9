//! What a new version of a form makes otherwise, and what of it would lose or lay open what is stored: a town publishes
//! forms of its own, and what is asked in a kitchen for years must not change its meaning.

use std::collections::BTreeSet;

use super::{Choice, Field, Form, Label};

/// The names of fields and codes of choices that a town adds begin so: what the program brings later never does.
pub const OWN: &str = "own_";
/// Versions that a town publishes are above this one.
pub const OWN_VERSIONS: u32 = 1_000;

/// How much a change matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Nothing is lost.
    Fine,
    /// To be thought about.
    Warned,
    /// Not published.
    Refused,
}

/// What is otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// Another kind of record.
    Kind,
    /// The name of the form.
    FormLabel,
    /// Another field names the record in lists.
    Title,
    /// The headings, or which fields stand below them, or their order.
    Order,
    /// A field is new.
    FieldAdded,
    /// A new field whose name does not begin with [`OWN`].
    FieldName,
    /// A field is not there any more: what is stored would be shown no more.
    FieldRemoved,
    /// It holds something else: type, merging, part, what it links to.
    FieldMeaning,
    /// Its label.
    FieldLabel,
    /// Its help.
    FieldHelp,
    /// It has to be filled in from now on.
    Required,
    /// It may be left out from now on.
    Optional,
    /// It is shown on other conditions.
    When,
    /// Less fits into it.
    Narrower,
    /// More fits into it.
    Wider,
    /// It is masked no longer, or otherwise.
    Unmasked,
    /// It is masked from now on.
    Masked,
    /// People type it no longer.
    NotTyped,
    /// What the program writes is to be typed by people.
    Typed,
    /// What a new record begins with, whether the last one is offered, whether it is found by, whether it lies in the past.
    Entry,
    /// A choice is new.
    ChoiceAdded,
    /// A new choice of a field of the program's whose code does not begin with [`OWN`].
    ChoiceName,
    /// A choice is not there any more: what was chosen would show its bare code.
    ChoiceRemoved,
    /// What a choice is called.
    ChoiceLabel,
    /// A choice is offered no longer.
    ChoiceRetired,
    /// A choice is offered again.
    ChoiceBack,
}

impl What {
    /// The end of the message key.
    pub fn code(self) -> &'static str {
        match self {
            Self::Kind => "kind",
            Self::FormLabel => "form-label",
            Self::Title => "title",
            Self::Order => "order",
            Self::FieldAdded => "field-added",
            Self::FieldName => "field-name",
            Self::FieldRemoved => "field-removed",
            Self::FieldMeaning => "field-meaning",
            Self::FieldLabel => "field-label",
            Self::FieldHelp => "field-help",
            Self::Required => "required",
            Self::Optional => "optional",
            Self::When => "when",
            Self::Narrower => "narrower",
            Self::Wider => "wider",
            Self::Unmasked => "unmasked",
            Self::Masked => "masked",
            Self::NotTyped => "not-typed",
            Self::Typed => "typed",
            Self::Entry => "entry",
            Self::ChoiceAdded => "choice-added",
            Self::ChoiceName => "choice-name",
            Self::ChoiceRemoved => "choice-removed",
            Self::ChoiceLabel => "choice-label",
            Self::ChoiceRetired => "choice-retired",
            Self::ChoiceBack => "choice-back",
        }
    }

    /// How much it matters.
    pub fn weight(self) -> Weight {
        match self {
            Self::Kind
            | Self::Title
            | Self::FieldName
            | Self::FieldRemoved
            | Self::FieldMeaning
            | Self::Unmasked
            | Self::Typed
            | Self::ChoiceName
            | Self::ChoiceRemoved => Weight::Refused,
            Self::Required | Self::When | Self::Narrower | Self::NotTyped => Weight::Warned,
            _ => Weight::Fine,
        }
    }
}

/// One thing that is otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What.
    pub what: What,
    /// The field, by its name and label; empty for the form as a whole.
    pub field: (String, Label),
    /// As it was: a label, or what the change is about.
    pub from: Label,
    /// As it is.
    pub to: Label,
}

/// All that is otherwise in `after`, in the order of the form; nothing: they are the same but for the version.
pub fn compare(before: &Form, after: &Form) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut whole = |what, from: &Label, to: &Label| {
        let field = (String::new(), Label::default());
        changes.push(Change { what, field, from: from.clone(), to: to.clone() });
    };
    if before.kind != after.kind {
        whole(What::Kind, &before.label, &after.label);
        return changes;
    }
    if before.label != after.label {
        whole(What::FormLabel, &before.label, &after.label);
    }
    if before.title != after.title {
        whole(What::Title, &plain(&before.title), &plain(&after.title));
    }
    let order = |form: &Form| -> Vec<(Label, Vec<String>)> {
        let known = |field: &&Field| before.field(&field.name).is_some() && after.field(&field.name).is_some();
        let names = |fields: &[Field]| fields.iter().filter(known).map(|field| field.name.clone()).collect();
        let all = form.sections.iter().map(|section| (section.label.clone(), names(&section.fields)));
        all.filter(|(_, names): &(Label, Vec<String>)| !names.is_empty()).collect()
    };
    if order(before) != order(after) {
        whole(What::Order, &Label::default(), &Label::default());
    }
    for field in after.fields() {
        match before.field(&field.name) {
            Some(was) => compare_fields(was, field, &mut changes),
            None => {
                let mut add = |what| changes.push(of(what, field, Label::default(), field.label.clone()));
                add(What::FieldAdded);
                if !field.name.starts_with(OWN) {
                    add(What::FieldName);
                }
            }
        }
    }
    for gone in before.fields().filter(|field| after.field(&field.name).is_none()) {
        changes.push(of(What::FieldRemoved, gone, gone.label.clone(), Label::default()));
    }
    changes
}

fn plain(text: &str) -> Label {
    Label { zh: text.to_owned(), en: text.to_owned() }
}

fn of(what: What, field: &Field, from: Label, to: Label) -> Change {
    Change { what, field: (field.name.clone(), field.label.clone()), from, to }
}

fn compare_fields(was: &Field, is: &Field, changes: &mut Vec<Change>) {
    let mut add = |what, from: Label, to: Label| changes.push(of(what, is, from, to));
    let none = Label::default;
    let meaning = |field: &Field| (field.kind, field.policy(), field.restricted, field.to);
    if meaning(was) != meaning(is) {
        add(What::FieldMeaning, none(), none());
    }
    if was.label != is.label {
        add(What::FieldLabel, was.label.clone(), is.label.clone());
    }
    if was.help != is.help {
        add(What::FieldHelp, was.help.clone().unwrap_or_default(), is.help.clone().unwrap_or_default());
    }
    match (was.required, is.required) {
        (false, true) => add(What::Required, none(), none()),
        (true, false) => add(What::Optional, none(), none()),
        _ => {}
    }
    if was.when != is.when {
        add(What::When, none(), none());
    }
    let size = |field: &Field| (field.max.unwrap_or(u32::MAX), field.range.unwrap_or((f64::MIN, f64::MAX)));
    let ((max, (low, high)), (new_max, (new_low, new_high))) = (size(was), size(is));
    if new_max < max || new_low > low || new_high < high {
        add(What::Narrower, none(), none());
    } else if size(was) != size(is) {
        add(What::Wider, none(), none());
    }
    match (was.mask, is.mask) {
        (None, Some(_)) => add(What::Masked, none(), none()),
        (Some(old), new) if new != Some(old) => add(What::Unmasked, none(), none()),
        _ => {}
    }
    match (was.entry, is.entry) {
        (true, false) => add(What::NotTyped, none(), none()),
        (false, true) if !was.name.starts_with(OWN) => add(What::Typed, none(), none()),
        _ => {}
    }
    if (&was.start, was.repeat, was.search, was.past) != (&is.start, is.repeat, is.search, is.past) {
        add(What::Entry, none(), none());
    }
    compare_choices(was, is, changes);
}

fn compare_choices(was: &Field, is: &Field, changes: &mut Vec<Change>) {
    let mut add = |what, from: Label, to: Label| changes.push(of(what, is, from, to));
    let none = Label::default;
    let called = |choice: &Choice| Label { zh: choice.zh.clone(), en: choice.en.clone() };
    for choice in &is.choices {
        let Some(old) = was.choices.iter().find(|old| old.code == choice.code) else {
            add(What::ChoiceAdded, none(), called(choice));
            if !choice.code.starts_with(OWN) && !is.name.starts_with(OWN) {
                add(What::ChoiceName, none(), plain(&choice.code));
            }
            continue;
        };
        if called(old) != called(choice) {
            add(What::ChoiceLabel, called(old), called(choice));
        }
        match (old.retired, choice.retired) {
            (false, true) => add(What::ChoiceRetired, called(choice), none()),
            (true, false) => add(What::ChoiceBack, none(), called(choice)),
            _ => {}
        }
    }
    let codes: BTreeSet<&str> = is.choices.iter().map(|choice| choice.code.as_str()).collect();
    for gone in was.choices.iter().filter(|choice| !codes.contains(choice.code.as_str())) {
        add(What::ChoiceRemoved, called(gone), none());
    }
}

/// Two choices of one code, or a field to choose from without any: the file says something, and nobody could use it.
pub fn unusable(form: &Form) -> Option<&Field> {
    use super::FieldType::{Choice, Choices};
    form.fields().find(|field| {
        let codes: BTreeSet<&str> = field.choices.iter().map(|choice| choice.code.as_str()).collect();
        let chosen = matches!(field.kind, Choice | Choices);
        codes.len() != field.choices.len() || (chosen && field.choices.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forms() -> Vec<Form> {
        assets::FORMS.iter().map(|text| Form::parse(text).unwrap()).collect()
    }

    #[test]
    fn a_form_is_the_same_after_it_was_written() {
        for form in forms() {
            let again = Form::parse(&form.to_toml().unwrap()).unwrap();
            assert!(again == form, "{:?} {}", form.kind, form.version);
            assert!(compare(&form, &again).is_empty());
            assert!(unusable(&form).is_none());
        }
    }

    #[test]
    fn what_would_lose_something_is_refused_and_what_does_not_is_told() {
        let form = forms().remove(0);
        let weights = |after: &Form| -> Vec<(What, Weight)> {
            compare(&form, after).into_iter().map(|change| (change.what, change.what.weight())).collect()
        };
        let changed = |change: &dyn Fn(&mut Form)| {
            let mut after = form.clone();
            change(&mut after);
            weights(&after)
        };
        let first = |form: &mut Form, name: &str| -> (usize, usize) {
            let find = |section: &super::super::Section| section.fields.iter().position(|field| field.name == name);
            form.sections.iter().enumerate().find_map(|(s, section)| Some((s, find(section)?))).unwrap()
        };
        let on = |name: &'static str, change: &dyn Fn(&mut Field)| {
            changed(&|form| {
                let (s, f) = first(form, name);
                change(&mut form.sections[s].fields[f]);
            })
        };
        assert_eq!(on("phone", &|field| field.label.zh = "手机".to_owned()), [(What::FieldLabel, Weight::Fine)]);
        assert_eq!(on("phone", &|field| field.mask = None), [(What::Unmasked, Weight::Refused)]);
        assert_eq!(on("phone", &|field| field.required = true), [(What::Required, Weight::Warned)]);
        assert_eq!(
            on("phone", &|field| field.kind = super::super::FieldType::Number),
            [(What::FieldMeaning, Weight::Refused)]
        );
        assert_eq!(on("area", &|field| field.entry = true), [(What::Typed, Weight::Refused)]);
        let renamed = on("phone", &|field| field.name = "own_phone".to_owned());
        assert_eq!(renamed, [(What::FieldAdded, Weight::Fine), (What::FieldRemoved, Weight::Refused)]);
        let choice =
            |code: &str| Choice { code: code.to_owned(), zh: "新".to_owned(), en: "New".to_owned(), retired: false };
        let own = on("residence_status", &|field| field.choices.push(choice("own_1")));
        assert_eq!(own, [(What::ChoiceAdded, Weight::Fine)]);
        let other = on("residence_status", &|field| field.choices.push(choice("new")));
        assert_eq!(other, [(What::ChoiceAdded, Weight::Fine), (What::ChoiceName, Weight::Refused)]);
        let gone = on("residence_status", &|field| drop(field.choices.remove(0)));
        assert_eq!(gone, [(What::ChoiceRemoved, Weight::Refused)]);
        let retired = on("residence_status", &|field| field.choices[0].retired = true);
        assert_eq!(retired, [(What::ChoiceRetired, Weight::Fine)]);
        let moved = changed(&|form| form.sections[0].fields.swap(0, 1));
        assert_eq!(moved, [(What::Order, Weight::Fine)]);
    }
}
