//! A field's value as text for a person: choices by their label, links by their title, numbers under their mask.

use chrono::{DateTime, FixedOffset, NaiveDate, TimeDelta, Utc};
use shared::author::Author;
use shared::form::{Field, FieldType, MaskKind};
use shared::ids::RecordId;
use shared::merge::PartState;
use shared::value::Value;
use shared::view::{self, Policy};

use super::Telling;

/// 北京时间, which the town's clocks show.
pub fn beijing(at: DateTime<Utc>) -> DateTime<FixedOffset> {
    let zone = FixedOffset::east_opt(8 * 3600).unwrap_or_else(|| chrono::Offset::fix(&Utc));
    // A day from either end of the calendar, where a forged time can lie: chrono panics over what another zone makes of it.
    let day = TimeDelta::days(1);
    let first = DateTime::<Utc>::MIN_UTC.checked_add_signed(day).unwrap_or(at);
    let last = DateTime::<Utc>::MAX_UTC.checked_sub_signed(day).unwrap_or(at);
    at.max(first).min(last).with_timezone(&zone)
}

/// The mask over a number or date, as everywhere.
pub fn masked(kind: MaskKind, text: &str, today: NaiveDate) -> String {
    shared::mask::mask(kind, text, today)
}

/// One value of a field. `unmasked` is said by the caller, because an open field is shown in full to who may write it.
pub fn value(field: &Field, value: &Value, told: &Telling<'_>, unmasked: bool) -> String {
    let lang = told.lang.tag();
    let words = assets::messages::Messages::of(told.lang);
    let text = match field.kind {
        FieldType::Choice => value.as_text().map(|code| field.choice_label(&code, lang).to_owned()),
        FieldType::YesNo => value.get::<bool>().map(|yes| words.text(if yes { "yes" } else { "no" })),
        FieldType::Area => value.get().map(|id| told.area(id)),
        FieldType::Time => value.get().and_then(shared::mask::time),
        FieldType::Link => value.get::<RecordId>().map(|id| title(id, told)),
        FieldType::LinkOrText => link_or_text(value, told),
        FieldType::Position => value.get().map(shared::mask::position),
        _ => None,
    };
    let text = text.unwrap_or_else(|| value.plain());
    match field.mask {
        Some(kind) if !unmasked && !text.is_empty() => masked(kind, &text, told.today),
        _ => text,
    }
}

/// The title of a linked record, or that it lies outside what the reader may know.
pub fn title(id: RecordId, told: &Telling<'_>) -> String {
    (told.titles)(id).unwrap_or_else(|| assets::messages::Messages::of(told.lang).text("console-outside"))
}

fn link_or_text(value: &Value, told: &Telling<'_>) -> Option<String> {
    let object: serde_json::Map<String, serde_json::Value> = value.get()?;
    if let Some(text) = object.get("text").and_then(serde_json::Value::as_str) {
        return Some(text.to_owned());
    }
    let id = object.get("id")?.as_str()?.parse().ok()?;
    Some(title(id, told))
}

/// The whole field as one text: the leading value, the elements joined, the entries in order.
pub fn field(field: &Field, part: &PartState, told: &Telling<'_>) -> String {
    let lang = told.lang.tag();
    match field.policy() {
        Policy::One | Policy::Latest => view::shown(part, &field.name, field.policy())
            .map(|found| value(field, found, told, told.unmasked))
            .unwrap_or_default(),
        Policy::Many => view::many(part, &field.name)
            .into_iter()
            .map(|(element, _)| match field.kind {
                FieldType::Choices => field.choice_label(element, lang).to_owned(),
                FieldType::Links => element.parse().map_or_else(|_| element.to_owned(), |id| title(id, told)),
                _ => element.to_owned(),
            })
            .collect::<Vec<_>>()
            .join("、"),
        Policy::Log => view::log(part, &field.name)
            .into_iter()
            .map(|(_, write)| entry(field, write.value, told, &author(&write.head.author, told), write.head.at))
            .collect::<Vec<_>>()
            .join("；"),
    }
}

/// An author as everything that may leave the centre tells them: 实名仅中心可见, so an informant is a role.
pub fn author(author: &Author, told: &Telling<'_>) -> String {
    if author.role.is_anonymous_to_others() {
        let words = assets::messages::Messages::of(told.lang);
        let role = words.text(&format!("role-{}", author.role.code()));
        return words.with("role-only", &[("role", role.into())]);
    }
    author.name.clone()
}

/// One entry of a log: when, who, which step, what they said.
fn entry(field: &Field, written: &Value, told: &Telling<'_>, name: &str, at: DateTime<Utc>) -> String {
    let when = beijing(at).format("%Y-%m-%d %H:%M").to_string();
    let said = match field.kind {
        FieldType::Steps => written.get::<shared::workflow::StepEntry>().map(|entry| step(&entry, told)),
        _ => None,
    };
    let said = said.unwrap_or_else(|| written.plain());
    [when.as_str(), name, said.as_str()].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// A step in words: its name, to whom, what was said.
pub fn step(entry: &shared::workflow::StepEntry, told: &Telling<'_>) -> String {
    let name = assets::messages::Messages::of(told.lang).text(&step_key(entry.step));
    let rest = step_says(entry, told);
    if rest.is_empty() { name } else { format!("{name} {rest}") }
}

/// What a step says beside its name: to whom, until when, what came of it, under which number, and the text.
pub fn step_says(entry: &shared::workflow::StepEntry, told: &Telling<'_>) -> String {
    let words = assets::messages::Messages::of(told.lang);
    let mut parts = Vec::new();
    let named = |id: shared::ids::UserId| (told.users)(id).unwrap_or_default();
    if let Some(host) = entry.host {
        parts.push(format!("{} {}", words.text("host"), named(host)));
    }
    if !entry.helpers.is_empty() {
        let helpers: Vec<String> = entry.helpers.iter().map(|id| named(*id)).collect();
        parts.push(format!("{} {}", words.text("helpers"), helpers.join("、")));
    }
    parts.extend(entry.limit.map(|of| limit(&words, of)));
    parts.extend(entry.satisfied.map(|satisfied| words.text(if satisfied { "satisfied-yes" } else { "satisfied-no" })));
    parts.extend(entry.outcome.as_ref().map(|outcome| words.text(&format!("outcome-{outcome}"))));
    parts.extend(entry.ledger.clone());
    if !entry.text.is_empty() {
        parts.push(entry.text.clone());
    }
    parts.join(" ")
}

/// A limit in words.
pub fn limit(words: &assets::messages::Messages, limit: shared::workflow::Limit) -> String {
    use shared::workflow::Limit;
    let (key, n) = match limit {
        Limit::Hours(n) => ("limit-hours", n),
        Limit::Days(n) => ("limit-days", n),
    };
    words.with(key, &[("n", n.to_string().into())])
}

/// The message key of a step.
pub fn step_key(step: shared::workflow::Step) -> String {
    let code: String = shared::value::Value::of(&step).as_text().unwrap_or_default();
    format!("step-{code}")
}

/// The code of a stage, as in message keys.
pub fn stage_code(stage: shared::workflow::Stage) -> &'static str {
    use shared::workflow::Stage;
    match stage {
        Stage::Reported => "reported",
        Stage::Handling => "handling",
        Stage::Handled => "handled",
        Stage::Answered => "answered",
        Stage::Closed => "closed",
        Stage::Archived => "archived",
    }
}
