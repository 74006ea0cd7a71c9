//! Records of others that name the person: of events what was done when, of the rest where. Free texts are left out, for
//! they may name who reported it, or others, and no program can tell; it is said which are filled in.

use std::collections::{BTreeMap, BTreeSet};

use shared::form::{FieldType, Form};
use shared::ids::{RecordId, UserId};
use shared::merge::PartState;
use shared::record::{Part, RecordKind};
use shared::value::Value;
use shared::view::{self, Policy};
use shared::workflow::{self, StepEntry};

use super::PersonError;
use super::gather::{Around, at, each_naming, label, naming_fields};
use super::told::{Event, Named, Step, Told};
use crate::batch::links;
use crate::export::show;
use crate::store::StoredPart;

/// What is a short fact and no free text.
const FACTS: [&str; 5] = ["category", "service_subject", "urgency", "happened_at", "service_result"];

/// Adds what names the person.
pub(super) fn naming(around: &Around<'_>, told: &mut Told) -> Result<(), PersonError> {
    each_naming(around, &mut |part, state| {
        let named = naming_fields(&around.ids, state);
        let Some(form) = around.in_force.forms.newest(part.kind).filter(|_| !named.is_empty()) else { return Ok(()) };
        let named_as: Vec<String> = named.iter().map(|name| label(form, name, around.lang)).collect();
        if part.kind == RecordKind::Event {
            told.events.push(event(around, form, part, state, named_as)?);
            return Ok(());
        }
        let title = Some(part.title.clone()).filter(|_| part.kind != RecordKind::Person);
        let kind = part.kind.code();
        told.named_in.extend(named_as.into_iter().map(|field| Named { kind, field, title: title.clone() }));
        Ok(())
    })?;
    told.named_in.sort();
    Ok(())
}

fn event(
    around: &Around<'_>,
    form: &Form,
    part: &StoredPart,
    state: &PartState,
    named_as: Vec<String>,
) -> Result<Event, PersonError> {
    let folded = workflow::fold(state, &around.in_force.calendar);
    let (title, users) = (|_| None, |_| None);
    let telling = around.telling(&title, &users);
    let facts = FACTS.iter().filter_map(|name| {
        let field = form.field(name)?;
        let value = view::shown(state, name, field.policy())?;
        Some((field.label.in_lang(around.lang.tag()).to_owned(), show::value(field, value, &telling, false)))
    });
    Ok(Event {
        ledger: folded.ledger.clone(),
        title: part.title.clone(),
        named_as,
        facts: facts.collect(),
        stage: show::stage_code(folded.stage),
        outcome: folded.outcome.clone(),
        steps: steps(around, state, folded.reporter),
        others: others(around, state)?,
        left_out: left_out(around, form, state),
    })
}

fn steps(around: &Around<'_>, state: &PartState, reporter: Option<UserId>) -> Vec<Step> {
    let entries = view::log(state, workflow::STEPS).into_iter();
    let told = entries.enumerate().filter_map(|(place, (_, write))| {
        let entry = write.value.get::<StepEntry>()?;
        // Settled on the spot is a report too; and who reported it may have urged it, or have said whether it helped.
        let reports = place == 0 || entry.step == workflow::Step::Report;
        let reported = reports || (reporter.is_some() && write.head.author.user == reporter);
        Some(Step {
            step: Value::of(&entry.step).as_text().unwrap_or_default(),
            at: at(write.head.at),
            // 实名仅中心可见: who reported it is not for whom it was reported of, whatever their role.
            by: (!reported).then(|| around.by(&write.head.author)),
        })
    });
    told.collect()
}

/// How many others an event names, by kind.
fn others(around: &Around<'_>, state: &PartState) -> Result<BTreeMap<&'static str, usize>, PersonError> {
    let mut linked = BTreeSet::new();
    links(state, &mut linked);
    let keys: Vec<(RecordId, Part)> = linked.difference(&around.ids).map(|id| (*id, Part::Open)).collect();
    let mut others = BTreeMap::new();
    for part in around.read.load_many(&keys)? {
        *others.entry(part.kind.code()).or_default() += 1;
    }
    Ok(others)
}

/// The free texts that are filled in, those of steps included.
fn left_out(around: &Around<'_>, form: &Form, state: &PartState) -> Vec<String> {
    let free = form.fields().filter(|field| {
        let text =
            matches!(field.kind, FieldType::Text | FieldType::LongText | FieldType::Remarks | FieldType::LinkOrText);
        text && field.name != form.title && !FACTS.contains(&field.name.as_str())
    });
    let filled = free.filter(|field| match field.policy() {
        Policy::One | Policy::Latest => view::shown(state, &field.name, field.policy()).is_some(),
        Policy::Many | Policy::Log => state.live_under(&field.name).any(|(_, write)| !write.value.is_null()),
    });
    let mut names: Vec<String> = filled.map(|field| label(form, &field.name, around.lang)).collect();
    let said = |write: shared::merge::LiveWrite<'_>| {
        write.value.get::<StepEntry>().is_some_and(|entry| !entry.text.is_empty())
    };
    if view::log(state, workflow::STEPS).into_iter().any(|(_, write)| said(write)) {
        names.push(label(form, workflow::STEPS, around.lang));
    }
    names
}
