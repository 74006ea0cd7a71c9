//! `index.html`: the same in plain words, for the person, to read or print. It needs nothing beside it and runs nothing.

use assets::messages::Messages;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::gather::Gathered;
use super::told::{By, Event, NotTaken, Readers, Record, Reported, Told};

const STYLE: &str = "body{font:16px/1.6 sans-serif;max-width:50em;margin:2em auto;padding:0 1em;color:#111}\
    table{border-collapse:collapse;width:100%}td,th{border:1px solid #bbb;padding:.3em .5em;text-align:left;\
    vertical-align:top;overflow-wrap:anywhere}h2{margin-top:2em}";

/// The whole page.
pub fn page(gathered: &Gathered) -> Markup {
    let (told, words) = (&gathered.told, Messages::of(gathered.lang));
    let word = |key: &str| words.text(key);
    html! {
        (DOCTYPE)
        html lang=(gathered.lang.tag()) {
            head {
                meta charset="utf-8";
                title { (word("person-title")) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { (word("person-title")) }
                p {
                    (words.with("person-kept-by", &[
                        ("town", told.town.clone().into()), ("at", told.as_of.clone().unwrap_or_default().into()),
                    ]))
                }
                @if let Some(at) = &told.erased_at {
                    p { strong { (words.with("person-erased", &[("at", day(at).into())])) } }
                } @else {
                    p { (word("person-what-is-in-it")) }
                    @for record in &told.records { (one(record, &words)) }
                    (named(told, &words))
                    (reported(told, &words))
                    (photos(told, &words))
                    (not_taken(&told.not_taken, told.unreadable, &words))
                }
                (seen(told, &words))
                @if told.erased_at.is_none() { (how_long(told, &words)) }
                h2 { (word("person-rights")) }
                p { (word("person-rights-what")) }
            }
        }
    }
}

/// The day of a time.
fn day(at: &str) -> String {
    at.get(..10).unwrap_or(at).to_owned()
}

fn minute(at: &str) -> String {
    at.get(..16).unwrap_or(at).replace('T', " ")
}

fn by(who: &By, words: &Messages) -> String {
    let role = match who.role {
        Some(role) => words.text(&format!("role-{role}")),
        None => words.text("person-by-server"),
    };
    let rest = [who.unit.clone(), who.name.clone()];
    std::iter::once(role).chain(rest.into_iter().flatten()).collect::<Vec<_>>().join(" ")
}

fn one(record: &Record, words: &Messages) -> Markup {
    let word = |key: &str| words.text(key);
    html! {
        h2 { (word(if record.merged_into.is_some() { "person-duplicate" } else { "person-record" })) }
        p {
            (words.with("person-record-where", &[
                ("areas", record.areas.join("、").into()), ("since", record.since.as_deref().map(day).unwrap_or_default().into()),
                ("id", record.id.to_string().into()),
            ]))
            @if record.deleted { " " (word("person-deleted")) }
        }
        table {
            tr { th { (word("person-field")) } th { (word("person-value")) } th { (word("person-since")) } th { (word("person-by")) } }
            @for field in &record.fields {
                @for value in &field.values {
                    tr {
                        td { (field.label) @if field.part == "restricted" { " " (word("person-restricted")) } }
                        td {
                            @if value.value.is_null() { (word("none")) } @else { (value.text) }
                            @if field.values.len() > 1 { " " (word("person-open")) }
                        }
                        td { (minute(&value.at)) }
                        td { (by(&value.by, words)) }
                    }
                }
            }
        }
        p { (word("person-history")) }
    }
}

fn named(told: &Told, words: &Messages) -> Markup {
    let word = |key: &str| words.text(key);
    html! {
        @if !told.named_in.is_empty() {
            h2 { (word("person-named-in")) }
            ul {
                @for named in &told.named_in {
                    li {
                        (word(&format!("kind-{}", named.kind))) " "
                        (named.title.clone().unwrap_or_else(|| word("person-somebody-else"))) "：" (named.field)
                    }
                }
            }
        }
        @if !told.events.is_empty() {
            h2 { (word("person-events")) }
            p { (word("person-events-what")) }
            @for one in &told.events { (event(one, words)) }
        }
    }
}

fn reported(told: &Told, words: &Messages) -> Markup {
    let word = |key: &str| words.text(key);
    html! {
        @if !told.reported.is_empty() || told.reported_unsure > 0 { h2 { (word("person-reported")) } }
        @if !told.reported.is_empty() {
            p { (word("person-reported-what")) }
            table {
                tr { th { (word("person-when")) } th { (word("person-reported-by")) } th { (word("person-reported-text")) } th { (word("person-reported-stage")) } }
                @for Reported { at, name, phone, text, stage } in &told.reported {
                    tr {
                        td { (minute(at)) }
                        td { (name) " " (phone) }
                        td { (text.clone().unwrap_or_else(|| word("none"))) }
                        td { (word(&stage.map_or("console-spam".to_owned(), |stage| format!("stage-{stage}")))) }
                    }
                }
            }
        }
        @if told.reported_unsure > 0 {
            p { (words.with("person-reported-unsure", &[("n", told.reported_unsure.to_string().into())])) }
        }
    }
}

fn event(event: &Event, words: &Messages) -> Markup {
    let word = |key: &str| words.text(key);
    html! {
        h3 { (event.title) @if let Some(ledger) = &event.ledger { " " (ledger) } }
        p { (word("person-named-as")) "：" (event.named_as.join("、")) "。" (word(&format!("stage-{}", event.stage)))
            @if let Some(outcome) = &event.outcome { "，" (word(&format!("outcome-{outcome}"))) } }
        table {
            @for (label, text) in &event.facts { tr { td { (label) } td { (text) } } }
            @for step in &event.steps {
                tr {
                    td { (word(&format!("step-{}", step.step))) }
                    td { (minute(&step.at)) " " @if let Some(who) = &step.by { (by(who, words)) } }
                }
            }
        }
        @if !event.left_out.is_empty() { p { (word("person-left-out")) "：" (event.left_out.join("、")) } }
    }
}

fn photos(told: &Told, words: &Messages) -> Markup {
    html! {
        @if !told.photos.is_empty() {
            h2 { (words.text("person-photos")) }
            ul {
                @for photo in &told.photos {
                    @let when = photo.at.as_deref().map(minute).unwrap_or_default();
                    li {
                        @if photo.here { a href={ "photos/" (photo.sha256) ".jpg" } { (photo.sha256.get(..12).unwrap_or_default()) } " " (when) }
                        @else { (when) " " (words.text("person-photo-not-here")) }
                    }
                }
            }
        }
    }
}

fn not_taken(held: &[NotTaken], unreadable: usize, words: &Messages) -> Markup {
    let word = |key: &str| words.text(key);
    html! {
        @if !held.is_empty() || unreadable > 0 {
            h2 { (word("person-not-taken")) }
            p { (word("person-not-taken-what")) }
            ul {
                @for one in held {
                    li {
                        (minute(&one.received)) " " (by(&one.by, words)) "："
                        @for (path, value) in &one.writes { (path) " = " (value.plain()) "； " }
                        (word(&format!("person-decision-{}", one.decision)))
                    }
                }
            }
            @if unreadable > 0 { p { (words.with("person-unreadable", &[("n", unreadable.to_string().into())])) } }
        }
    }
}

fn seen(told: &Told, words: &Messages) -> Markup {
    let word = |key: &str| words.text(key);
    html! {
        h2 { (word("person-seen")) }
        @if told.erased_at.is_none() {
            p { (word("person-readers")) }
            ul {
                @for (role, Readers { open, restricted }) in &told.readers {
                    li {
                        (words.with("person-reader", &[
                            ("role", word(&format!("role-{role}")).into()), ("open", open.to_string().into()),
                            ("restricted", restricted.to_string().into()),
                        ]))
                    }
                }
            }
        }
        p { (word("person-looked")) }
        table {
            tr { th { (word("person-when")) } th { (word("person-what")) } th { (word("person-by")) } }
            @for look in &told.looked {
                tr {
                    td { (minute(&look.at)) }
                    td { (word(&look.action)) @if !look.fields.is_empty() { " " (look.fields) } }
                    td { (by(&look.by, words)) }
                }
            }
        }
        @if !told.batches.is_empty() {
            p { (word("person-batches")) }
            ul {
                @for batch in &told.batches {
                    li {
                        (batch.number) " " (minute(&batch.at)) " " (by(&batch.by, words)) "："
                        (word(if batch.in_full { "console-in-full-short" } else { "console-masked-short" }))
                        @if batch.restricted { "，" (word("console-with-restricted")) }
                    }
                }
            }
        }
    }
}

fn how_long(told: &Told, words: &Messages) -> Markup {
    html! {
        h2 { (words.text("person-how-long")) }
        p { (words.text("person-how-long-current")) }
        @if let Some(years) = told.years_after_deletion {
            p { (words.with("person-how-long-deleted", &[("years", years.to_string().into())])) }
        }
    }
}
