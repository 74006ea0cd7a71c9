//! How a form begins: fresh, as it was left, or as the record stands.

use dioxus::prelude::*;
use shared::ids::RecordId;
use shared::record::RecordKind;
use shared::work::Work;

use super::fill::FormPage;
use super::form::Kept;
use super::missing::Missing;
use crate::handheld::RESTRICTED;
use crate::ui::route::Route;
use crate::ui::state::State;

/// A new record, or a draft of one: the id is `<kind>-<record id>`.
#[component]
pub fn FillDraft(id: String) -> Element {
    rsx! {
        for id in [id] {
            Fill { key: "{id}", id: id.clone() }
        }
    }
}

#[component]
fn Fill(id: String) -> Element {
    let state = use_context::<State>();
    let begun = use_hook(|| {
        let (kind, record) = id.split_once('-')?;
        let (kind, record) = (RecordKind::from_code(kind)?, record.parse::<RecordId>().ok()?);
        let form = state.form(kind)?;
        Some(Begun::of(&state, &id, record, || Kept::fresh(kind, record, &form, &state)))
    });
    rsx! {
        Begin { begun, draft: id }
    }
}

/// How a form begins.
#[derive(Clone, PartialEq)]
enum Begun {
    /// As it was left, or fresh.
    Form(Box<Kept>),
    /// Its record was saved meanwhile: one goes back through pages that were left, and what is typed for somebody new must
    /// not go into that record.
    Saved(RecordId),
}

impl Begun {
    fn of(state: &State, draft: &str, record: RecordId, fresh: impl FnOnce() -> Kept) -> Self {
        match state.draft(draft).and_then(|json| serde_json::from_str(&json).ok()) {
            Some(kept) => Self::Form(Box::new(kept)),
            None if state.record(record).is_some() => Self::Saved(record),
            None => Self::Form(Box::new(fresh())),
        }
    }
}

#[component]
fn Begin(begun: Option<Begun>, draft: String) -> Element {
    match begun {
        Some(Begun::Form(kept)) => rsx! {
            FormPage { key: "{draft}", draft: draft.clone(), kept: *kept, open: Vec::new() }
        },
        Some(Begun::Saved(id)) => rsx! {
            Instead { id }
        },
        None => rsx! {
            Missing { rest: Vec::new() }
        },
    }
}

/// The record in place of a form that is done.
#[component]
fn Instead(id: RecordId) -> Element {
    use_effect(move || {
        navigator().replace(Route::ShowRecord { id });
    });
    rsx! {}
}

/// 走访, 检查, …: the form of work, `subject` and `campaign` being record ids or `none`.
#[component]
pub fn FillWork(work: String, record: RecordId, subject: String, campaign: String) -> Element {
    rsx! {
        for record in [record] {
            OfWork { key: "{record}", work: work.clone(), record, subject: subject.clone(), campaign: campaign.clone() }
        }
    }
}

#[component]
fn OfWork(work: String, record: RecordId, subject: String, campaign: String) -> Element {
    let state = use_context::<State>();
    let draft = format!("{}-{record}", RecordKind::Event.code());
    let begun = use_hook(|| {
        let work = Work::from_code(&work)?;
        let form = state.form(RecordKind::Event)?;
        let fresh = || Kept::work(work, record, subject.parse().ok(), campaign.parse().ok(), &form, &state);
        Some(Begun::of(&state, &draft, record, fresh))
    });
    rsx! {
        Begin { begun, draft }
    }
}

/// The form of a record that exists.
#[component]
pub fn EditRecord(id: RecordId) -> Element {
    rsx! {
        for id in [id] {
            Change { key: "{id}", id }
        }
    }
}

#[component]
fn Change(id: RecordId) -> Element {
    let state = use_context::<State>();
    let draft = format!("edit-{id}");
    let found = use_hook(|| {
        let page = state.record(id)?;
        // The form shows it. What cannot be noted is not shown.
        if !page.record.restricted.is_empty() && !state.note_look(id, RESTRICTED) {
            return None;
        }
        let open: Vec<String> = page.open_fields.iter().map(|open| open.field.clone()).collect();
        let kept = state.draft(&draft).and_then(|json| serde_json::from_str::<Kept>(&json).ok());
        Some((kept.unwrap_or_else(|| Kept::of(&page)), open))
    });
    match found {
        Some((kept, open)) => rsx! {
            FormPage { key: "{id}", draft, kept, open }
        },
        None => rsx! {
            Missing { rest: Vec::new() }
        },
    }
}
