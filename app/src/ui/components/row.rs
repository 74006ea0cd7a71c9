//! Rows of lists: a record, an event.

use chrono::{DateTime, Utc};
use dioxus::prelude::*;
use shared::form::{FieldType, MaskKind};
use shared::record::RecordKind;
use shared::value::Value;
use shared::workflow::{Light as LimitLight, Stage, Step};

use super::{Go, Icon, Light, Mark};
use crate::handheld::{EventRow, Fact, Hit};
use crate::ui::route::Route;
use crate::ui::say;
use crate::ui::state::State;
use crate::ui::words::{Words, words};

/// The icon of a kind.
pub fn kind_icon(kind: RecordKind) -> &'static str {
    kind.code()
}

/// What a row calls a record.
pub fn title_of(words: &Words, hit: &Hit) -> String {
    if hit.title.is_empty() { words.t("app-untitled") } else { hit.title.clone() }
}

/// The category of an event, as its code.
pub fn category(hit: &Hit) -> Option<String> {
    let fact = hit.facts.iter().find(|fact| fact.field == "category")?;
    serde_json::from_str(&fact.text).ok()
}

/// A fact of a row in words; it comes masked.
pub fn fact(words: &Words, state: &State, kind: RecordKind, fact: &Fact) -> Option<String> {
    let form = state.form(kind)?;
    let field = form.field(&fact.field)?;
    let value: Option<Value> = serde_json::from_str(&fact.text).ok();
    let text = match (field.kind, value) {
        (FieldType::Choice, Some(value)) => words.choice(field, &value.plain()),
        (FieldType::Time, Some(value)) => say::when(words, DateTime::from_timestamp_millis(value.get()?)?, state.now()),
        (FieldType::Link | FieldType::LinkOrText, Some(value)) => crate::ui::value::text(words, state, field, &value),
        (_, Some(value)) => match (field.mask, value.plain().parse::<usize>()) {
            // Of a birth date the row holds the age.
            (Some(MaskKind::BirthDate), Ok(years)) => words.n("age-years", years),
            _ => value.plain(),
        },
        (_, None) => fact.text.clone(),
    };
    (!text.is_empty()).then_some(text)
}

/// One record of a list: the whole row is the link.
#[component]
pub fn HitRow(hit: Hit, #[props(default)] icon: bool, #[props(default)] end: String) -> Element {
    let words = words();
    let state = use_context::<State>();
    let phone = hit.facts.iter().find(|fact| fact.field == "phone" || fact.field == "telephone").cloned();
    let facts: Vec<String> = hit
        .facts
        .iter()
        .filter(|fact| Some(&fact.field) != phone.as_ref().map(|phone| &phone.field))
        .filter_map(|one| fact(&words, &state, hit.kind, one))
        .collect();
    let end = if end.is_empty() {
        phone.and_then(|phone| fact(&words, &state, hit.kind, &phone)).unwrap_or_default()
    } else {
        end
    };
    let title = title_of(&words, &hit);
    rsx! {
        Go { class: "row", to: Route::ShowRecord { id: hit.id }, record: hit.id.to_string(),
            if icon {
                Icon { name: kind_icon(hit.kind) }
            }
            span { class: "row__main",
                span { class: "row__t", {title} }
                span { class: "row__m",
                    for (place, text) in facts.into_iter().enumerate() {
                        span { key: "{place}", {text} }
                    }
                    if hit.conflicts > 0 {
                        Light { mark: Mark::Yellow, text: words.t("to-decide") }
                    }
                    if hit.waiting {
                        Light { mark: Mark::Off, text: words.t("app-waiting") }
                    }
                    if hit.deleted {
                        span { {words.t("app-deleted")} }
                    }
                }
            }
            span { class: "row__end num", {end} }
        }
    }
}

/// The light of an event's limit in words.
pub fn limit_light(
    words: &Words,
    light: Option<LimitLight>,
    due: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Option<(Mark, String)> {
    let mark = match light? {
        LimitLight::Red => Mark::Red,
        LimitLight::Yellow => Mark::Yellow,
        LimitLight::Green => Mark::Green,
    };
    Some((mark, say::left(words, due?, now)))
}

/// The step that the event waits for, if this user may take it: what else they may do is no next step.
fn next_step(row: &EventRow) -> Option<Step> {
    let steps: &[Step] = match row.stage? {
        Stage::Reported => &[Step::Dispatch, Step::Take, Step::SettleOnSite],
        Stage::Handling => &[Step::GrantExtension, Step::Handle],
        Stage::Handled => &[Step::Feedback],
        Stage::Answered => &[Step::Close],
        Stage::Closed => &[Step::Archive],
        Stage::Archived => &[],
    };
    steps.iter().copied().find(|step| row.allowed.contains(step))
}

/// Who has an event: 该您办理, 办理中，王守信主办, 待分流，在网格, 已结案.
fn holder(words: &Words, state: &State, row: &EventRow) -> Option<String> {
    let stage = row.stage?;
    let said = words.t(&format!("stage-{}", stage.code()));
    if let Some(step) = next_step(row) {
        return Some(words.s("app-row-yours", "step", &say::step(words, step)));
    }
    let who = match stage {
        Stage::Reported => Some(words.t(&format!("level-{}", row.level.code()))),
        Stage::Handling | Stage::Handled => row.host.and_then(|id| state.handler_name(id)),
        Stage::Answered => row.dispatcher.and_then(|id| state.handler_name(id)),
        Stage::Closed | Stage::Archived => None,
    };
    let key = if stage == Stage::Handling { "app-row-host" } else { "app-row-with" };
    Some(who.map_or_else(|| said.clone(), |who| words.many(key, &[("stage", &said), ("who", &who)])))
}

/// One event of a list, its light first.
#[component]
pub fn EventLine(row: EventRow) -> Element {
    let words = words();
    let state = use_context::<State>();
    let now = state.now();
    let light = limit_light(&words, row.light, row.due, now);
    let limit = row.due.filter(|_| row.light.is_some()).map(|due| say::until(&words, due, now));
    let holder = holder(&words, &state, &row);
    let title = title_of(&words, &row.hit);
    rsx! {
        Go { class: "row", to: Route::ShowRecord { id: row.hit.id }, record: row.hit.id.to_string(),
            span { class: "row__main",
                span { class: "row__t", {title} }
                span { class: "row__m",
                    if let Some((mark, text)) = light {
                        Light { mark, text }
                    }
                    if let Some(limit) = limit {
                        span { {limit} }
                    }
                    if let Some(holder) = holder {
                        span { {holder} }
                    }
                    if row.contested {
                        Light { mark: Mark::Yellow, text: words.t("app-contested") }
                    }
                    if row.hit.waiting {
                        Light { mark: Mark::Off, text: words.t("app-waiting") }
                    }
                }
            }
        }
    }
}
