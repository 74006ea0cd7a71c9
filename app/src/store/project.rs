//! From the state of a record to its row in lists: title, facts, area, words, links.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use chrono::NaiveDate;
use shared::calendar::Calendar;
use shared::form::{FieldType, Form, Forms, PhotoParticulars, Position};
use shared::ids::RecordId;
use shared::mask::LinkOrText;
use shared::merge::{Deletion, LiveWrite, PartState};
use shared::outline::Micro;
use shared::record::{Part, RecordKind};
use shared::value::Value;
use shared::view::{self, Policy};
use shared::work::{self, Work};
use shared::workflow::{self, Stage};

use super::words;

/// What a store projects and validates by. Cheap to clone.
#[derive(Clone)]
pub struct Rules {
    /// Every version of every form.
    pub forms: Arc<Forms>,
    /// Working days.
    pub calendar: Arc<Calendar>,
    /// The version of what the town published, if that is part of them.
    pub(super) edition: Option<Arc<str>>,
    pub(super) plans: Arc<BTreeMap<RecordKind, Plan>>,
}

/// What of a kind's newest form the projection needs, by field.
pub(super) struct Plan {
    form: Arc<Form>,
    fields: HashMap<String, FieldPlan>,
    title: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct FieldPlan {
    kind: FieldType,
    policy: Policy,
    search: bool,
    /// Its place among the facts.
    fact: Option<usize>,
}

/// The fields that tell one record from another in a list, in order. `birth_date` of a person may come from the number.
fn facts_of(kind: RecordKind) -> &'static [&'static str] {
    match kind {
        RecordKind::Person => &["sex", "birth_date", "phone", "address"],
        RecordKind::Place => &["type", "address"],
        RecordKind::Object => &["type", "condition", "number", "address"],
        RecordKind::Event => &["category", "happened_at", "place"],
        RecordKind::Organization => &["type", "phone", "address"],
    }
}

impl Rules {
    /// Rules by these forms and this calendar.
    pub fn new(forms: Forms, calendar: Calendar) -> Self {
        let plans = RecordKind::ALL
            .into_iter()
            .filter_map(|kind| {
                let form = forms.newest(kind)?.clone();
                let facts = facts_of(kind);
                let fields = form
                    .fields()
                    .map(|field| {
                        let plan = FieldPlan {
                            kind: field.kind,
                            policy: field.policy(),
                            search: field.search,
                            fact: facts.iter().position(|fact| *fact == field.name),
                        };
                        (field.name.clone(), plan)
                    })
                    .collect();
                Some((kind, Plan { title: form.title.clone(), form: Arc::new(form), fields }))
            })
            .collect();
        Self { forms: Arc::new(forms), calendar: Arc::new(calendar), edition: None, plans: Arc::new(plans) }
    }

    /// Whether records of a kind are derived as by `others`.
    pub(super) fn derives_like(&self, others: &Self, kind: RecordKind) -> bool {
        match (self.plans.get(&kind), others.plans.get(&kind)) {
            (Some(ours), Some(theirs)) => ours.title == theirs.title && ours.fields == theirs.fields,
            (ours, theirs) => ours.is_none() == theirs.is_none(),
        }
    }

    /// The newest form of a kind.
    pub fn form(&self, kind: RecordKind) -> Option<Arc<Form>> {
        self.plans.get(&kind).map(|plan| Arc::clone(&plan.form))
    }
}

/// What lists, search and links know of a record.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Shown {
    pub title: String,
    /// JSON `[[field, value], …]`.
    pub facts: String,
    pub area: u32,
    pub deleted: bool,
    pub conflicts: u32,
    pub updated: i64,
    pub words: String,
    pub links: Vec<(String, RecordId)>,
    pub event: Option<ShownEvent>,
    /// Where it says it is.
    pub point: Option<Micro>,
    /// The grid from which somebody moved here, until it is said that they did.
    pub moved_from: Option<u32>,
    /// The record it says it was merged into.
    pub merged: Option<RecordId>,
    /// Photos by their hashes.
    pub photos: Vec<(String, PhotoParticulars)>,
}

#[derive(Debug, PartialEq)]
pub(super) struct ShownEvent {
    pub stage: Stage,
    pub due: Option<i64>,
    pub reporter: Option<shared::ids::UserId>,
    pub work: Option<ShownWork>,
}

/// Work done, as lists of what is due need it.
#[derive(Debug, PartialEq)]
pub(super) struct ShownWork {
    pub work: Work,
    pub subject: Option<RecordId>,
    pub at: i64,
    pub next: Option<NaiveDate>,
}

impl ShownWork {
    fn of(open: &PartState, updated: i64) -> Option<Self> {
        let work = Work::of(open)?;
        let next = match work {
            Work::Visit => work::next_visit(open),
            Work::Campaign => work::until(open),
            _ => None,
        };
        Some(Self { work, subject: work::subject(open), at: work::done_at(open).unwrap_or(updated), next })
    }
}

/// The one value of a path that is shown where there is room for one, and whether a person has to decide.
fn leading<'a>(writes: &[LiveWrite<'a>], policy: Policy) -> (Option<LiveWrite<'a>>, bool) {
    let by_time = |write: &&LiveWrite<'a>| (write.head.at, write.dot);
    match (writes, policy) {
        ([write], _) => (Some(*write), false),
        (_, Policy::One) => {
            let first = writes.iter().min_by_key(by_time).copied();
            let open = first.is_some_and(|first| writes.iter().any(|write| write.value != first.value));
            (first, open)
        }
        _ => (writes.iter().filter(|write| !write.value.is_null()).max_by_key(by_time).copied(), false),
    }
}

/// Calls `each` for every path of the part with its live writes: one pass, no look-ups.
fn each_path<'a>(part: &'a PartState, mut each: impl FnMut(&'a shared::path::Path, &[LiveWrite<'a>])) {
    let mut run: Vec<LiveWrite<'a>> = Vec::with_capacity(2);
    let mut path = None;
    for (next, write) in part.all_live() {
        if let Some(known) = path.filter(|known| *known != next) {
            each(known, &run);
            run.clear();
        }
        path = Some(next);
        run.push(write);
    }
    if let Some(path) = path {
        each(path, &run);
    }
}

/// The fields of a part that are 待核对.
pub(super) fn open_fields(rules: &Rules, kind: RecordKind, part: &PartState) -> Vec<String> {
    let mut open = Vec::new();
    let Some(plan) = rules.plans.get(&kind) else { return open };
    each_path(part, |path, writes| {
        let policy = plan.fields.get(path.field_name()).map(|field| field.policy);
        if policy == Some(Policy::One) && leading(writes, Policy::One).1 {
            open.push(path.field_name().to_owned());
        }
    });
    open
}

/// The record of a link's value.
fn link_of(kind: FieldType, value: &Value) -> Option<RecordId> {
    match kind {
        FieldType::Link => value.as_text()?.parse().ok(),
        FieldType::LinkOrText => value.get::<LinkOrText>()?.id?.parse().ok(),
        _ => None,
    }
}

fn text_of(kind: FieldType, value: &Value) -> Option<String> {
    match kind {
        FieldType::LinkOrText => value.get::<LinkOrText>()?.text,
        _ => value.as_text(),
    }
}

/// The row of a record. Without a form of its kind (never the case for the five kinds) only area and time are known.
pub(super) fn project(rules: &Rules, kind: RecordKind, open: &PartState, restricted: &PartState) -> Shown {
    let (deleted, merged) = (open.deletion() == Deletion::Deleted, view::merged_into(open));
    let mut shown = Shown { deleted, merged, ..Shown::default() };
    let Some(plan) = rules.plans.get(&kind) else { return shown };
    let mut facts: Vec<Option<Value>> = vec![None; facts_of(kind).len()];
    let mut searched = String::new();
    each_path(open, |path, writes| {
        let latest = writes.iter().map(|write| write.head.at.timestamp_millis()).max().unwrap_or_default();
        shown.updated = shown.updated.max(latest);
        let name = path.field_name();
        let Some(field) = plan.fields.get(name) else { return };
        let (Some(write), open) = leading(writes, field.policy) else { return };
        shown.conflicts += u32::from(open);
        if write.value.is_null() {
            return;
        }
        if let Some(slot) = field.fact.and_then(|fact| facts.get_mut(fact)) {
            *slot = Some(write.value.clone());
        }
        match field.kind {
            FieldType::Photos => {
                let photo = path.element_name().map(str::to_owned).zip(write.value.get());
                shown.photos.extend(photo);
            }
            FieldType::Position => shown.point = write.value.get::<Position>().map(Position::micro),
            FieldType::Area if name == view::MOVED_FROM => shown.moved_from = write.value.get(),
            FieldType::Area => shown.area = write.value.get().unwrap_or_default(),
            FieldType::Links => {
                if let Some(id) = path.element_name().and_then(|id| id.parse().ok()) {
                    shown.links.push((name.to_owned(), id));
                }
            }
            FieldType::Link | FieldType::LinkOrText => {
                if let Some(id) = link_of(field.kind, write.value) {
                    shown.links.push((name.to_owned(), id));
                }
            }
            _ => {}
        }
        if name == plan.title {
            shown.title = write.value.plain();
        } else if field.search {
            // Every live value is found, not only the leading one: both may be on the paper in somebody's hand.
            for text in writes.iter().filter_map(|write| text_of(field.kind, write.value)) {
                match field.kind {
                    FieldType::IdNumber => {
                        words::push_number(&mut searched, &text);
                        if let Some(born) = shared::check::id_facts(&text) {
                            fill(&mut facts, kind, "birth_date", || Value::of(&born.birth_date));
                            fill(&mut facts, kind, "sex", || Value::text(born.sex.code()));
                        }
                    }
                    FieldType::Phone => words::push_phone(&mut searched, &text),
                    _ => words::push_text(&mut searched, &text),
                }
            }
        }
    });
    each_path(restricted, |path, writes| {
        let policy = plan.fields.get(path.field_name()).map(|field| field.policy);
        shown.conflicts += u32::from(policy == Some(Policy::One) && leading(writes, Policy::One).1);
    });
    shown.words.reserve(shown.title.len() * 4 + searched.len());
    words::push_title(&mut shown.words, &shown.title);
    shown.words.push_str(&searched);
    let named: Vec<(&str, Value)> =
        facts_of(kind).iter().zip(facts).filter_map(|(name, value)| Some((*name, value?))).collect();
    shown.facts = serde_json::to_string(&named).unwrap_or_else(|_| "[]".to_owned());
    if kind == RecordKind::Event {
        let state = workflow::fold(open, &rules.calendar);
        shown.event = Some(ShownEvent {
            stage: state.stage,
            due: state.due.map(|due| due.timestamp_millis()),
            reporter: state.reporter,
            work: ShownWork::of(open, shown.updated),
        });
    }
    shown
}

/// Sets a fact that nobody typed.
fn fill(facts: &mut [Option<Value>], kind: RecordKind, name: &str, value: impl FnOnce() -> Value) {
    if let Some(slot) = facts_of(kind).iter().position(|fact| *fact == name).and_then(|at| facts.get_mut(at)) {
        slot.get_or_insert_with(value);
    }
}

/// Which part a field of a kind's newest form belongs to; unknown fields count as open.
pub(super) fn part_of(form: &Form, field: &str) -> Part {
    form.field(field).map_or(Part::Open, shared::form::Field::part)
}
