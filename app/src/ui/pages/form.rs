//! What is kept of a form while it is being filled, and how it becomes a save.

use std::collections::BTreeMap;
use std::rc::Rc;

use assets::messages::{Lang, Messages};
use chrono::{DateTime, Datelike, Utc};
use dioxus::prelude::navigator;
use serde::{Deserialize, Serialize};
use shared::area::AreaId;
use shared::form::{Field, Form};
use shared::ids::{EditId, RecordId};
use shared::path::Path;
use shared::record::{Part, RecordKind};
use shared::value::Value;
use shared::vector::VectorTimestamp;
use shared::view::{self, Policy};
use shared::work::{self, Work};
use shared::workflow::{STEPS, Step, StepEntry};

use crate::handheld::{Draft, RecordPage, SeenAt};
use crate::ui::entry::{Values, shows};
use crate::ui::route::Route;
use crate::ui::say;
use crate::ui::state::State;
use crate::ui::value;
use crate::ui::words::Words;

/// A form as it is kept between two starts of the app: everything typed, and where.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// The kind of the record.
    pub kind: RecordKind,
    /// The record; a fresh id for a new one.
    pub record: RecordId,
    /// Whether the record is new.
    pub fresh: bool,
    /// The form version that was opened.
    pub form: u32,
    /// The vectors that stood on the screen when the form was opened.
    pub context: BTreeMap<Part, VectorTimestamp>,
    /// When they stood there.
    #[serde(default)]
    pub seen: Option<SeenAt>,
    /// What stood there then.
    pub base: Values,
    /// What stands there now.
    pub values: Values,
    /// Where a new record belongs.
    pub area: Option<AreaId>,
    /// The field that was changed last.
    pub last: Option<String>,
    /// Of a patrol: whether its track is kept.
    #[serde(default)]
    pub track: bool,
}

/// What the last new record of a kind said that the next one may say again: the house, and where it lies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Repeat {
    /// Of the fields that repeat.
    pub values: Values,
    /// Where it belongs.
    pub area: Option<AreaId>,
}

impl Kept {
    /// A new record: only what the form begins with.
    pub fn fresh(kind: RecordKind, record: RecordId, form: &Form, state: &State) -> Self {
        let values = form
            .fields()
            .filter(|field| field.entry)
            .filter_map(|field| {
                let start = field.start.as_deref()?;
                // What is offered no more is nothing to begin with either.
                let given_up = field.choices.iter().any(|choice| choice.retired && choice.code == start);
                (!given_up).then(|| (Path::field(&field.name), Value::text(start)))
            })
            .collect();
        let grids = state.grids();
        Self {
            kind,
            record,
            fresh: true,
            form: form.version,
            context: BTreeMap::new(),
            seen: None,
            base: Values::new(),
            values,
            area: grids.first().map(|area| area.id),
            last: None,
            track: false,
        }
    }

    /// Work that begins now, of or with `subject`, for a 专项排查 if it is.
    pub fn work(
        work: Work,
        record: RecordId,
        subject: Option<RecordId>,
        campaign: Option<RecordId>,
        form: &Form,
        state: &State,
    ) -> Self {
        let mut kept = Self::fresh(RecordKind::Event, record, form, state);
        let mut put = |field: &str, value: Value| kept.values.insert(Path::field(field), value);
        put("category", Value::text(work.code()));
        put("happened_at", Value::of(&state.now().timestamp_millis()));
        if let Some(subject) = subject {
            put(work::SUBJECT, Value::of(&subject));
        }
        if let Some(campaign) = campaign {
            put(work::CAMPAIGN, Value::of(&campaign));
        }
        // It belongs to where its subject lies, so that whoever walks there sees it.
        kept.area = kept.lies_at(state).or(kept.area);
        kept
    }

    /// The work it records, if it does.
    pub fn is_work(&self) -> Option<Work> {
        let category = self.values.get(&Path::field("category")).filter(|_| self.kind == RecordKind::Event)?;
        Work::from_code(&category.as_text()?)
    }

    /// Whom or what the work is about.
    pub fn subject(&self) -> Option<RecordId> {
        self.values.get(&Path::field(work::SUBJECT))?.as_text()?.parse().ok()
    }

    /// The 专项排查 it is done for.
    pub fn campaign(&self) -> Option<RecordId> {
        self.values.get(&Path::field(work::CAMPAIGN))?.as_text()?.parse().ok()
    }

    /// A record that exists, as it stands on the screen now.
    pub fn of(page: &RecordPage) -> Self {
        let values = values_of(page);
        Self {
            kind: page.record.kind,
            record: page.record.id,
            fresh: false,
            form: page.form.version,
            context: page.vectors.clone(),
            seen: Some(page.seen),
            base: values.clone(),
            values,
            area: page.areas.first().copied(),
            last: None,
            track: false,
        }
    }

    /// What was changed, as writes: nothing that stands as it stood, nothing of fields that are not asked for.
    pub fn writes(&self, form: &Form) -> Values {
        let asked = |path: &Path| form.field(path.field_name()).is_some_and(|field| shows(field, &self.values));
        let changed = |path: &Path, value: &Value| match self.base.get(path) {
            Some(before) => before != value,
            None => !value.is_null(),
        };
        self.values
            .iter()
            .filter(|(path, value)| changed(path, value) && asked(path))
            .map(|(path, value)| (path.clone(), value.clone()))
            .collect()
    }

    /// What nobody should have to type: the title says what and when, a patrol ends when it is saved.
    fn finish_work(&self, work: Work, form: &Form, now: DateTime<Utc>, writes: &mut Values) {
        let at = self.values.get(&Path::field("happened_at")).and_then(Value::get::<i64>);
        let day = say::today(at.and_then(DateTime::from_timestamp_millis).unwrap_or(now));
        // Titles are written in the language of the township, whoever holds the handheld.
        let words = Messages::of(Lang::Zh);
        let title = words.with(
            "work-title",
            &[
                ("work", words.text(&format!("work-{}", work.code())).into()),
                ("month", day.month().to_string().into()),
                ("day", day.day().to_string().into()),
            ],
        );
        writes.entry(Path::field(&form.title)).or_insert_with(|| Value::text(&title));
        if let Some(campaign) = self.values.get(&Path::field(work::CAMPAIGN)) {
            writes.insert(Path::field(work::CAMPAIGN), campaign.clone());
        }
        if work == Work::Patrol {
            writes.entry(Path::field("ended_at")).or_insert_with(|| Value::of(&now.timestamp_millis()));
        }
    }

    /// The save that this makes. A new event is reported by it, unless it is work that is done.
    pub fn draft(&self, form: &Form, edit: EditId, areas: &[AreaId], now: DateTime<Utc>) -> Draft {
        let mut writes = self.writes(form);
        if self.fresh {
            if let Some(area) = self.area.or(areas.first().copied()) {
                writes.insert(Path::field("area"), Value::of(&area));
            }
            if let Some(work) = self.is_work() {
                self.finish_work(work, form, now, &mut writes);
            } else if self.kind == RecordKind::Event {
                let text = self.values.get(&Path::field("account")).and_then(Value::as_text).unwrap_or_default();
                writes.insert(Path::entry(STEPS, edit), Value::of(&StepEntry::new(Step::Report, text)));
            }
        }
        Draft {
            edit,
            record: self.record,
            kind: self.kind,
            form: self.form,
            context: self.context.clone(),
            seen: self.seen,
            writes,
        }
    }

    /// Where that lies which the work is about; none for anything else, and while that is not said.
    pub fn lies_at(&self, state: &State) -> Option<AreaId> {
        self.is_work()?;
        self.subject().and_then(|id| state.hit(id)).and_then(|hit| hit.area)
    }

    /// What the next new record of the kind is offered to begin with.
    pub fn to_repeat(&self, form: &Form) -> Repeat {
        let repeats = |path: &Path| form.field(path.field_name()).is_some_and(|field| field.repeat);
        let filled = self.values.iter().filter(|(path, value)| repeats(path) && !value.is_null());
        Repeat { values: filled.map(|(path, value)| (path.clone(), value.clone())).collect(), area: self.area }
    }

    /// Where the form is opened again.
    pub fn route(&self, key: &str) -> Route {
        if self.fresh { Route::FillDraft { id: key.to_owned() } } else { Route::EditRecord { id: self.record } }
    }

    /// What it is called in the list of drafts: 人·周文博, 走访·周文博.
    pub fn title(&self, words: &Words, state: &State) -> String {
        if let Some(work) = self.is_work() {
            let kind = words.t(&format!("work-{}", work.code()));
            let name = self.subject().map(|id| state.title_or_outside(words, id, None)).unwrap_or_default();
            return match name.is_empty() {
                true => kind,
                false => words.many("app-draft-title", &[("kind", &kind), ("name", &name)]),
            };
        }
        let name = state
            .form(self.kind)
            .and_then(|form| self.values.get(&Path::field(&form.title)).map(Value::plain))
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| words.t("app-untitled"));
        words.many("app-draft-title", &[("kind", &words.kind(self.kind)), ("name", &name)])
    }

    /// Where the user stopped: 停在“联系电话”.
    pub fn stopped_at(&self, words: &Words, state: &State) -> String {
        let form = state.form(self.kind);
        let field = self.last.as_ref().and_then(|last| form.as_ref()?.field(last));
        match field {
            Some(field) => words.s("app-stopped-at", "field", &words.label(&field.label)),
            None => words.t("app-stopped-at-start"),
        }
    }
}

/// The draft of a new record that `is` it, by its key.
pub fn begun(state: &State, is: impl Fn(&Kept) -> bool) -> Option<String> {
    state.drafts().into_iter().find_map(|(key, _)| {
        let kept: Kept = serde_json::from_str(&state.draft(&key)?).ok()?;
        (kept.fresh && is(&kept)).then_some(key)
    })
}

/// Opens a form with what is filled in already.
pub fn begin_draft(state: &State, kept: &Kept) {
    let key = format!("{}-{}", kept.kind.code(), kept.record);
    if let Ok(json) = serde_json::to_string(kept)
        && state.keep_draft(&key, &json)
    {
        navigator().push(Route::FillDraft { id: key });
    }
}

/// What would be repeated, in words.
pub fn repeated_words(words: &Words, state: &State, form: &Form, values: &Values) -> String {
    let said = form.fields().filter_map(|field| {
        let value = values.get(&Path::field(&field.name))?;
        Some(value::text(words, state, field, value))
    });
    let mut said: Vec<String> = said.filter(|text| !text.is_empty()).collect();
    said.dedup();
    said.join(&words.t("list-separator"))
}

/// The values of a record as a form begins with them: one a path. A 待核对 field is left out: its card decides it.
pub fn values_of(page: &RecordPage) -> Values {
    let mut values = Values::new();
    for field in page.form.fields() {
        let part = page.record.part(field.part());
        match field.policy() {
            Policy::One if view::one(part, &field.name).is_open() => {}
            Policy::One | Policy::Latest => {
                if let Some(value) = view::shown(part, &field.name, field.policy()) {
                    values.insert(Path::field(&field.name), value.clone());
                }
            }
            Policy::Many => {
                for (name, write) in view::many(part, &field.name) {
                    values.insert(Path::element(&field.name, name), write.value.clone());
                }
            }
            Policy::Log => {}
        }
    }
    values
}

/// The sections of a form with the fields asked for now; the restricted ones only for those cleared.
pub fn sections(form: &Form, values: &Values, cleared: bool) -> Vec<(usize, Rc<[Field]>)> {
    form.sections
        .iter()
        .enumerate()
        .map(|(place, section)| {
            let is_work = values
                .get(&Path::field("category"))
                .and_then(Value::as_text)
                .is_some_and(|category| Work::from_code(&category).is_some());
            let fields: Rc<[Field]> = section
                .fields
                .iter()
                .filter(|field| shows(field, values) && (cleared || !field.restricted))
                // What work it is was chosen before the form.
                .filter(|field| !(is_work && field.name == "category"))
                .cloned()
                .collect();
            (place, fields)
        })
        .filter(|(_, fields)| !fields.is_empty())
        .collect()
}
