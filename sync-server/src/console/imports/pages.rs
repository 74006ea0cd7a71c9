//! What the steps of an import look like.

use maud::{Markup, html};
use shared::area::AreaLevel;
use shared::form::{Field, Form};
use shared::ids::RecordId;

use super::KINDS;
use crate::console::Ctx;
use crate::console::layout::{self, csrf, grouped, icon, moment};
use crate::import::job::{Import, State};
use crate::import::report::{Change, Preview, Told};
use crate::import::sheet::Top;
use crate::import::{AREA, is_taken, said_in, why};

/// The choice that says nothing of a word.
pub const NOT_YET: &str = "-";

/// Something that an undoing left as it is.
pub struct Stayed {
    /// The record.
    pub record: RecordId,
    /// Its title.
    pub title: String,
    /// The field; none: the whole record.
    pub field: Option<String>,
    /// In words.
    pub why: String,
}

fn counted(ctx: &Ctx, key: &str, n: u64) -> String {
    ctx.words.with(key, &[("n", grouped(n).into())])
}

/// The list, and the form for another one.
pub fn list(ctx: &Ctx, all: &[Import]) -> Markup {
    let word = |key: &str| ctx.words.text(key);
    html! {
        (layout::top(ctx, &word("console-imports"), &word("console-imports-sub"), ""))
        div.cols.cols--top.c-batch {
            form.panel method="post" action="/console/imports/upload" enctype="multipart/form-data" aria-labelledby="new" {
                div.panel__h { h2 #new { (word("import-new")) } }
                div.panel__b {
                    (csrf(ctx))
                    div.field {
                        label.field__label for="kind" { (word("import-kind")) }
                        select.field__ctl id="kind" name="kind" {
                            @for kind in KINDS { option value=(kind.code()) { (word(&format!("kind-{}", kind.code()))) } }
                        }
                    }
                    div.field {
                        label.field__label for="area" { (word("import-area")) }
                        select.field__ctl id="area" name="area" {
                            option value="" { (word("import-area-by-column")) }
                            @for area in ctx.areas.iter().filter(|area| area.level == AreaLevel::Grid && ctx.who.scope.contains(area.id)) {
                                option value=(area.id) { (ctx.area(area.id)) }
                            }
                        }
                    }
                    div.field {
                        label.field__label for="file" { (word("import-file")) }
                        input.field__ctl id="file" name="file" type="file" accept=".xlsx,.xls,.csv" required;
                    }
                    p.field__help { (word("import-file-help")) }
                }
                div.tools { button.btn.btn--primary.btn--grow { (word("import-upload")) } }
            }
            section.panel aria-labelledby="il" {
                div.panel__h { h2 #il { (word("import-list")) } }
                @if all.is_empty() { p.panel__b.sub { (word("import-none")) } } @else {
                    table.table {
                        thead { tr {
                            th { (word("import-list-file")) } th { (word("import-kind")) } th { (word("console-when")) }
                            th { (word("console-who")) } th.r { (word("import-list-rows")) } th { (word("import-list-state")) }
                        } }
                        tbody { @for import in all { tr {
                            td { a.go href={ "/console/imports/" (import.id) } { (import.body.name) } }
                            td.n { (word(&format!("kind-{}", import.body.kind.code()))) }
                            td.n { time { (moment(ctx, import.at)) } }
                            td.n { (import.user.map_or_else(|| word("import-by-command"), |id| ctx.user(id))) }
                            td.r.n { (grouped(import.body.counts.rows)) }
                            td.n { (word(&format!("import-state-{}", import.body.state.code()))) }
                        } } }
                    }
                }
            }
        }
    }
}

fn head(ctx: &Ctx, import: &Import, title: &str) -> Markup {
    html! {
        header.head2 {
            a.crumb href="/console/imports" { (icon("back")) (ctx.words.text("console-imports")) }
            h1 { (title) }
            p.sub { (import.body.name) }
        }
        @if let Some(error) = &import.body.error {
            p.note.note--doubt.note--below role="alert" { (said_in(error, &ctx.words)) }
        }
    }
}

/// A form of one button.
fn button(ctx: &Ctx, import: &Import, to: &str, class: &str, label: &str) -> Markup {
    html! {
        form method="post" action={ "/console/imports/" (import.id) "/" (to) } {
            (csrf(ctx)) button class={ "btn " (class) } { (label) }
        }
    }
}

/// What each column is.
pub fn mapping(ctx: &Ctx, import: &Import, form: &Form, top: &Top, sheets: &[String]) -> Markup {
    let word = |key: &str| ctx.words.text(key);
    let lang = ctx.words.lang().tag();
    let chosen = |place: usize| {
        let mapping = import.body.mapping.as_ref();
        mapping.and_then(|mapping| mapping.columns.get(place)).map(String::as_str).unwrap_or_default()
    };
    let cell = |row: &Vec<String>, place: usize| row.get(place).cloned().unwrap_or_default();
    let area = form.fields().find(|field| field.name == "area").map(|field| field.label.in_lang(lang).to_owned());
    html! {
        (head(ctx, import, &word("import-step-mapping")))
        form.panel method="post" action={ "/console/imports/" (import.id) "/map" } {
            (csrf(ctx))
            div.panel__b.imp-read {
                @if !sheets.is_empty() {
                    div.field {
                        label.field__label for="sheet" { (word("import-sheet")) }
                        select.field__ctl id="sheet" name="sheet" {
                            @for sheet in sheets {
                                option value=(sheet) selected[import.body.sheet.as_ref() == Some(sheet)] { (sheet) }
                            }
                        }
                    }
                }
                div.field {
                    label.field__label for="line" { (word("import-header-line")) }
                    input.field__ctl id="line" name="line" type="number" min="1" value=(top.line);
                }
                button.btn.btn--second name="reread" value="1" { (word("import-reread")) }
            }
            p.panel__b.sub { (word("import-mapping-help")) }
            table.table {
                thead { tr {
                    th { (word("import-column")) } th { (word("import-column-first")) } th { (word("import-column-field")) }
                } }
                tbody { @for (place, column) in top.header.iter().enumerate() { tr {
                    th scope="row" id={ "h" (place) } { (column) }
                    td.sub { @for row in &top.first { div.imp-cut { (cell(row, place)) } } }
                    td {
                        select.field__ctl name={ "c" (place) } aria-labelledby={ "h" (place) } {
                            option value="" { (word("import-leave-out")) }
                            @if let Some(area) = &area {
                                option value=(AREA) selected[chosen(place) == AREA] { (area) }
                            }
                            @for field in form.fields().filter(|field| is_taken(field)) {
                                option value=(field.name) selected[chosen(place) == field.name] { (field.label.in_lang(lang)) }
                            }
                        }
                    }
                } } }
            }
            div.tools { button.btn.btn--primary { (word("import-look")) } }
        }
        div.imp-more { (button(ctx, import, "drop", "btn--quiet", &word("import-drop"))) }
    }
}

fn figures(ctx: &Ctx, import: &Import) -> Markup {
    let counts = import.body.counts;
    let all = [
        ("new", counts.new),
        ("changed", counts.changed),
        ("same", counts.same),
        ("doubtful", counts.doubtful),
        ("refused", counts.refused),
    ];
    html! {
        section.kpis.imp-kpis {
            @for (name, n) in all {
                div.kpi { b { (grouped(n)) } span { (ctx.words.text(&format!("import-figure-{name}"))) } }
            }
        }
    }
}

fn downloads(ctx: &Ctx, import: &Import) -> Markup {
    let word = |key: &str| ctx.words.text(key);
    html! {
        p.imp-more {
            a.go href={ "/console/imports/" (import.id) "/report.xlsx" } { (icon("download")) (word("import-report-xlsx")) }
            " "
            a.go href={ "/console/imports/" (import.id) "/report.csv" } { (word("import-report-csv")) }
        }
    }
}

/// What would come of it.
pub fn preview(ctx: &Ctx, import: &Import, form: &Form, preview: &Preview) -> Markup {
    let word = |key: &str| ctx.words.text(key);
    let counts = import.body.counts;
    let takes = counts.new + counts.changed;
    let groups = [
        ("refused", &preview.refused, counts.refused),
        ("doubtful", &preview.doubtful, counts.doubtful),
        ("changed", &preview.changed, counts.changed),
        ("new", &preview.new, counts.new),
    ];
    html! {
        (head(ctx, import, &word("import-step-preview")))
        (figures(ctx, import))
        @if !preview.words.is_empty() { (unknown(ctx, import, form, preview)) }
        @for (name, rows, all) in groups {
            @if !rows.is_empty() {
                @let title = [
                    ("title", word(&format!("import-figure-{name}")).into()),
                    ("n", rows.len().to_string().into()),
                    ("all", grouped(all).into()),
                ];
                section.panel.imp-group aria-labelledby={ "g-" (name) } {
                    div.panel__h { h2 id={ "g-" (name) } { (ctx.words.with("import-first-of", &title)) } }
                    (told(ctx, form, rows, name == "changed"))
                }
            }
        }
        (downloads(ctx, import))
        section.panel.imp-group {
            p.panel__b { (word(if takes > 0 { "import-take-help" } else { "import-nothing" })) }
            div.tools.imp-tools {
                @if takes > 0 { (button(ctx, import, "take", "btn--primary", &counted(ctx, "import-take", takes))) }
                (button(ctx, import, "again", "btn--second", &word("import-back-mapping")))
                (button(ctx, import, "drop", "btn--quiet", &word("import-drop")))
            }
        }
    }
}

/// The first rows of a kind.
fn told(ctx: &Ctx, form: &Form, rows: &[Told], changes: bool) -> Markup {
    let word = |key: &str| ctx.words.text(key);
    html! {
        table.table.table--tight {
            thead { tr {
                th { (word("import-line")) } th { (word("import-title")) }
                @if changes { th { (word("import-changes")) } } @else { th { (word("import-column-short")) } th { (word("import-why")) } }
            } }
            tbody { @for row in rows { tr {
                td.n { (row.line) }
                td.n { (row.title) }
                @if changes {
                    td { @for change in &row.changes { div { (changed(ctx, form, change)) } } }
                } @else {
                    td.n { @for note in &row.notes { div { (note.column.as_deref().unwrap_or_default()) } } }
                    td { @for note in &row.notes { div { (why(note, &ctx.words)) } } }
                }
            } } }
        }
    }
}

fn changed(ctx: &Ctx, form: &Form, change: &Change) -> String {
    let lang = ctx.words.lang().tag();
    let label = form.field(&change.field).map_or(change.field.as_str(), |field: &Field| field.label.in_lang(lang));
    if change.restricted {
        return ctx.words.with("import-change-restricted", &[("field", label.into())]);
    }
    let said = |text: &str| if text.is_empty() { ctx.words.text("import-change-empty") } else { text.to_owned() };
    let args = [("field", label.into()), ("old", said(&change.old).into()), ("new", said(&change.new).into())];
    ctx.words.with("import-change", &args)
}

/// Words that the form does not know: what each means is said once.
fn unknown(ctx: &Ctx, import: &Import, form: &Form, preview: &Preview) -> Markup {
    let word = |key: &str| ctx.words.text(key);
    let lang = ctx.words.lang().tag();
    html! {
        form.panel.imp-group method="post" action={ "/console/imports/" (import.id) "/words" } aria-labelledby="words" {
            (csrf(ctx))
            div.panel__h { h2 #words { (word("import-words")) } }
            p.panel__b.sub { (word("import-words-help")) }
            table.table.table--tight { tbody {
                @for (field, words) in &preview.words {
                    @if let Some(field) = form.field(field) {
                        @for (place, (said, n)) in words.iter().enumerate() {
                            @let id = format!("{}-{place}", field.name);
                            tr {
                                th scope="row" id=(id) { (field.label.in_lang(lang)) "：" (said) }
                                td.sub { (counted(ctx, "import-word-count", *n)) }
                                td {
                                    input type="hidden" name="field" value=(field.name);
                                    input type="hidden" name="word" value=(said);
                                    select.field__ctl name="code" aria-labelledby=(id) {
                                        option value=(NOT_YET) { (word("import-word-none")) }
                                        option value="" { (word("import-word-empty")) }
                                        @for choice in &field.choices {
                                            option value=(choice.code) { (field.choice_label(&choice.code, lang)) }
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            } }
            div.tools { button.btn.btn--second { (word("import-words-save")) } }
        }
    }
}

/// Work under way, or broken off.
pub fn working(ctx: &Ctx, import: &Import, broke_off: bool) -> Markup {
    let word = |key: &str| ctx.words.text(key);
    let state = import.body.state;
    let stopped = broke_off || state == State::Stopped;
    html! {
        (head(ctx, import, &word(&format!("import-state-{}", state.code()))))
        section.panel {
            div.panel__b {
                @if broke_off { p { (word("import-broke-off")) } }
                @if !stopped { p role="status" { (word("import-working")) } }
                @if let (State::Undoing, Some(undo)) = (state, &import.body.undo) {
                    p {
                        (ctx.words.with("import-undo-progress",
                            &[("removed", grouped(undo.removed).into()), ("restored", grouped(undo.restored).into())]))
                    }
                } @else if state != State::Reading {
                    p { (counted(ctx, if stopped { "import-stopped-help" } else { "import-progress" }, import.body.counts.rows)) }
                }
            }
            @if stopped {
                div.tools.imp-tools {
                    @match state {
                        State::Reading => { (button(ctx, import, "again", "btn--primary", &word("import-back-mapping"))) }
                        State::Undoing => { (button(ctx, import, "undo", "btn--primary", &word("import-undo-go-on"))) }
                        _ => {
                            (button(ctx, import, "take", "btn--primary", &word("import-go-on")))
                            (button(ctx, import, "undo", "btn--second", &word("import-undo")))
                        }
                    }
                }
            }
        }
    }
}

/// Brought in, undone or given up.
pub fn done(ctx: &Ctx, import: &Import, stayed: &[Stayed]) -> Markup {
    let word = |key: &str| ctx.words.text(key);
    let state = import.body.state;
    let undo = import.body.undo.as_ref();
    html! {
        (head(ctx, import, &word(match state {
            State::Done => "import-step-done",
            State::Undone => "import-step-undone",
            _ => "import-state-dropped",
        })))
        @if state != State::Dropped {
            (figures(ctx, import))
            @if let Some(undo) = undo {
                p.note.note--below role="status" {
                    (ctx.words.with("import-undone", &[
                        ("removed", grouped(undo.removed).into()), ("restored", grouped(undo.restored).into()),
                        ("kept", grouped(undo.kept).into()),
                    ]))
                }
            }
            @if !stayed.is_empty() {
                section.panel aria-labelledby="kept" {
                    div.panel__h { h2 #kept { (word("import-kept")) } span.sub { (undo.map_or(0, |undo| undo.kept)) } }
                    table.table.table--tight {
                        thead { tr { th { (word("import-kept-record")) } th { (word("import-kept-field")) } th { (word("import-why")) } } }
                        tbody { @for kept in stayed { tr {
                            td { a.go href={ "/console/records/" (kept.record) } { (kept.title) } }
                            td.n { (kept.field.clone().unwrap_or_else(|| word("import-kept-whole"))) }
                            td { (kept.why) }
                        } } }
                    }
                }
            }
            (downloads(ctx, import))
        }
        @if state == State::Done {
            section.panel {
                p.panel__b { (word("import-undo-help")) }
                div.tools { (button(ctx, import, "undo", "btn--second", &word("import-undo"))) }
            }
        }
    }
}
