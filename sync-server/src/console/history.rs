//! The history of a record in words: who changed what, when, from what.

use maud::{Markup, html};
use shared::form::{Field, FieldType, Form};
use shared::merge::DELETED;
use shared::path::Path;
use shared::record::{Part, RecordKind};
use shared::value::Value;
use shared::view::Policy;
use shared::wire::HistoryEntry;
use shared::workflow::StepEntry;

use super::Ctx;
use super::layout::moment;
use crate::export::{Telling, show};

/// The panel, newest first. Values stand under their masks.
pub fn panel(ctx: &Ctx, kind: RecordKind, entries: &[HistoryEntry], told: &Telling<'_>) -> Markup {
    let word = |key: &str| ctx.words.text(key);
    html! {
        section.panel aria-labelledby="lg" {
            div.panel__h {
                h2 #lg { (word("console-history")) }
                span.sub.end { (ctx.words.with("console-changes", &[("n", entries.len().to_string().into())])) }
            }
            ol.log {
                @for (place, entry) in entries.iter().enumerate().rev() {
                    li {
                        @for line in lines(ctx, kind, entry, place == 0, told) { (line) }
                        p { time { (moment(ctx, entry.edit.at)) } (origin(ctx, entry)) }
                    }
                }
            }
        }
    }
}

/// By what it was written, after a separator; nothing where that is not told.
pub fn origin(ctx: &Ctx, entry: &HistoryEntry) -> String {
    match entry.origin.as_str() {
        "" => String::new(),
        // The author says so already.
        "retention" => String::new(),
        "console" => format!("{}{}", ctx.words.text("list-separator"), ctx.words.text("console-centre")),
        "intake" => format!("{}{}", ctx.words.text("list-separator"), ctx.words.text("console-intake")),
        name => format!("{}{name}", ctx.words.text("list-separator")),
    }
}

/// One edit in words, a line a write; `first` is what made the record.
pub fn lines(ctx: &Ctx, kind: RecordKind, entry: &HistoryEntry, first: bool, told: &Telling<'_>) -> Vec<Markup> {
    let who = ctx.author(&entry.edit.author);
    let form = ctx.forms.get(kind, entry.edit.form).or_else(|| ctx.forms.newest(kind));
    if first && entry.edit.part == Part::Open {
        return vec![html! { p { b { (who) } " " (ctx.words.text("history-made")) } }];
    }
    let writes = entry.edit.writes.iter();
    writes.map(|(path, value)| line(ctx, form, entry, (path, value), &who, told)).collect()
}

fn line(
    ctx: &Ctx,
    form: Option<&Form>,
    entry: &HistoryEntry,
    (path, value): (&Path, &Value),
    who: &str,
    told: &Telling<'_>,
) -> Markup {
    let word = |key: &str| ctx.words.text(key);
    let name = path.field_name();
    if name == DELETED {
        return html! { p { b { (who) } " " (word(if value.is_null() { "history-undeleted" } else { "history-deleted" })) } };
    }
    let Some(field) = form.and_then(|form| form.field(name)) else {
        return html! { p { b { (who) } " " (word("history-wrote")) " " (name) } };
    };
    let label = field.label.in_lang(told.lang.tag());
    match field.policy() {
        Policy::Log => html! { p { b { (who) } (word("colon")) (log_text(field, value, told)) } },
        Policy::Many => html! {
            p {
                b { (who) } " " (word(if value.is_null() { "history-took-out" } else { "history-added" })) " " (label)
                " " ins { (element(field, path, told)) }
            }
        },
        Policy::One | Policy::Latest => {
            let before: Vec<String> = entry
                .replaced
                .get(path)
                .into_iter()
                .flatten()
                .filter(|old| !old.is_null())
                .map(|old| show::value(field, old, told, false))
                .collect();
            let now = show::value(field, value, told, false);
            html! {
                p {
                    b { (who) } " " (label) (word("colon"))
                    @for old in &before { del { (old) } " " }
                    @if !before.is_empty() { "→ " }
                    @if value.is_null() { (word("history-cleared")) } @else { ins { (now) } }
                }
            }
        }
    }
}

fn log_text(field: &Field, value: &Value, told: &Telling<'_>) -> String {
    match value.get::<StepEntry>().filter(|_| field.kind == FieldType::Steps) {
        Some(entry) => show::step(&entry, told),
        None => value.plain(),
    }
}

fn element(field: &Field, path: &Path, told: &Telling<'_>) -> String {
    let element = path.element_name().unwrap_or_default();
    match field.kind {
        FieldType::Choices => field.choice_label(element, told.lang.tag()).to_owned(),
        FieldType::Links => element.parse().map_or_else(|_| element.to_owned(), |id| show::title(id, told)),
        FieldType::Photos => String::new(),
        _ => element.to_owned(),
    }
}
