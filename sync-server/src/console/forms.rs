//! 表单: which versions are in force, and publishing a new one after a look at what it makes otherwise.

use axum::extract::{Path as UrlPath, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use shared::form::compare::{Change, OWN, OWN_VERSIONS, Weight, compare, unusable};
use shared::form::{BadForm, Form, Label};
use shared::record::RecordKind;

use super::ctx::{Asked, with, with_form};
use super::layout::{self, Place, csrf, light, moment};
use super::manage::{self, Tab};
use super::settings::{must_publish, publish, publishes};
use super::{Ctx, Fields, PageError};
use crate::App;
use crate::in_force::form_name;

/// The most fields of a form.
const FIELDS: usize = 200;
/// The most characters of a label or help.
const LONGEST: usize = 400;

/// `GET /console/forms`
pub async fn show(State(app): State<App>, asked: Asked) -> Response {
    with(app, asked, |ctx| {
        manage::must_administer(ctx)?;
        let word = |key: &str| ctx.words.text(key);
        let editions = ctx.read(|read| Ok::<_, PageError>(read.editions()?))?;
        let in_force = ctx.app.in_force(ctx.who.user.town)?;
        let body = html! {
            (layout::top(ctx, &word("manage-forms"), &word("forms-sub"), ""))
            (manage::tabs(ctx, Tab::Forms))
            section.panel {
                table.table {
                    thead { tr {
                        th { (word("forms-form")) } th { (word("forms-version")) } th { (word("forms-fields")) }
                        th { (word("forms-published")) } th.r { span.say { (word("forms-file")) } }
                    } }
                    tbody { @for kind in RecordKind::ALL {
                        @if let Some(form) = ctx.forms.newest(kind) {
                            @let edition = editions.iter().find(|it| it.name == form_name(kind) && it.version == form.version);
                            tr {
                                td.n { a.go href={ "/console/forms/" (kind.code()) } { (form.label.in_lang(ctx.words.lang().tag())) } }
                                td.n { (version(ctx, form.version)) }
                                td.n { (form.fields().count()) }
                                td {
                                    @match edition {
                                        Some(edition) => { (moment(ctx, edition.at)) " " (ctx.users.get(&edition.user).map(String::as_str).unwrap_or_default()) },
                                        None => { (word("forms-of-program")) },
                                    }
                                    @if in_force.lacks(&ctx.app.forms, kind) { " " (light("yellow", &word("forms-lacks"))) }
                                }
                                td.r.n { a.go href={ "/console/forms/" (kind.code()) "/file" } { (word("forms-file")) } }
                            }
                        }
                    } }
                }
            }
        };
        Ok(ctx.answer(Place::Manage, &word("manage-forms"), &body))
    })
    .await
}

/// A version as people count them: those of the town from 1.
fn version(ctx: &Ctx, version: u32) -> String {
    let (key, n) =
        if version > OWN_VERSIONS { ("forms-own", version - OWN_VERSIONS) } else { ("forms-program", version) };
    ctx.words.with(key, &[("n", n.to_string().into())])
}

fn in_force<'a>(ctx: &'a Ctx, kind: &str) -> Result<&'a Form, PageError> {
    manage::must_administer(ctx)?;
    RecordKind::from_code(kind).and_then(|kind| ctx.forms.newest(kind)).ok_or(PageError::NotFound)
}

/// `GET /console/forms/{kind}/file`: to be changed in an editor of texts.
pub async fn file(State(app): State<App>, UrlPath(kind): UrlPath<String>, asked: Asked) -> Response {
    with(app, asked, move |ctx| {
        let form = in_force(ctx, &kind)?;
        let text = form.to_toml().map_err(|error| PageError::Failed(error.to_string()))?;
        let name = format!("attachment; filename=\"{}-{}.toml\"", form.kind.code(), form.version);
        Ok((
            [(header::CONTENT_TYPE, "text/plain; charset=utf-8".to_owned()), (header::CONTENT_DISPOSITION, name)],
            text,
        )
            .into_response())
    })
    .await
}

/// `GET /console/forms/{kind}`
pub async fn one(State(app): State<App>, UrlPath(kind): UrlPath<String>, asked: Asked) -> Response {
    with(app, asked, move |ctx| {
        let form = in_force(ctx, &kind)?;
        let text = form.to_toml().map_err(|error| PageError::Failed(error.to_string()))?;
        Ok(page(ctx, form, &text, None, &html! {}))
    })
    .await
}

fn page(ctx: &Ctx, form: &Form, text: &str, problem: Option<&str>, above: &Markup) -> Response {
    let word = |key: &str| ctx.words.text(key);
    let title = form.label.in_lang(ctx.words.lang().tag()).to_owned();
    let body = html! {
        (layout::top(ctx, &title, &version(ctx, form.version), ""))
        (manage::tabs(ctx, Tab::Forms))
        @if let Some(said) = problem { p.note.note--doubt.note--below role="alert" { (said) } }
        (above)
        form.panel method="post" action={ "/console/forms/" (form.kind.code()) } {
            div.panel__b {
                (csrf(ctx))
                div.field {
                    label.field__label for="text" { (word("forms-text")) }
                    p.sub { (ctx.words.with("forms-help", &[("own", OWN.into())])) }
                    textarea.field__ctl.hash id="text" name="text" rows="24" spellcheck="false" { (text) }
                }
            }
            div.tools {
                @if publishes(ctx) { button.btn.btn--primary name="do" value="check" { (word("forms-check")) } }
                @else { span.sub { (word("settings-whole-town")) } }
                a.btn.btn--quiet href="/console/forms" { (word("people-back")) }
            }
        }
    };
    let status = if problem.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    (status, layout::page(ctx, Place::Manage, &title, &body)).into_response()
}

/// What is wrong with a text, in words; the parser's own where it cannot be read.
fn unread(ctx: &Ctx, error: &BadForm) -> String {
    let with = |key: &str, field: &str| ctx.words.with(key, &[("field", field.to_owned().into())]);
    match error {
        BadForm::Toml(why) => ctx.words.with("forms-bad-toml", &[("why", why.to_string().into())]),
        BadForm::FieldTwice(_, field) => with("forms-bad-twice", field),
        BadForm::NoSuchField(_, field) => with("forms-bad-no-field", field),
        BadForm::Changed(_, _, field) => with("forms-bad-changed", field),
        BadForm::VersionTwice(..) => ctx.words.text("settings-faster"),
    }
}

/// The form a text says with the next number, or what is wrong with it.
fn read(ctx: &Ctx, now: &Form, text: &str) -> Result<Form, String> {
    let mut form = Form::parse(text).map_err(|error| unread(ctx, &error))?;
    let next = ctx.app.in_force(ctx.who.user.town).map_err(|error| error.to_string())?.next_version(now.kind);
    form.version = next;
    let named = |name: &str| {
        !name.is_empty()
            && name.len() <= 40
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    let wrong =
        form.fields().find(|field| !named(&field.name) || field.choices.iter().any(|choice| !named(&choice.code)));
    let unusable = wrong.or_else(|| unusable(&form)).map(|field| field.name.clone());
    if let Some(field) = unusable {
        return Err(ctx.words.with("forms-bad-field", &[("field", field.into())]));
    }
    let long = |label: &Label| {
        label.zh.trim().is_empty() || label.zh.chars().count() > LONGEST || label.en.len() > 4 * LONGEST
    };
    if form.fields().count() > FIELDS
        || form.fields().any(|field| long(&field.label) || field.help.as_ref().is_some_and(long))
    {
        return Err(ctx.words.text("forms-bad-long"));
    }
    if form.kind == now.kind {
        ctx.forms.with(form.clone()).map_err(|error| unread(ctx, &error))?;
    }
    Ok(form)
}

/// `POST /console/forms/{kind}`: shows what is otherwise, or publishes.
pub async fn done(State(app): State<App>, UrlPath(kind): UrlPath<String>, asked: Asked, fields: Fields) -> Response {
    with_form(app, asked, fields, move |ctx, fields| {
        let now = in_force(ctx, &kind)?;
        must_publish(ctx)?;
        let text = fields.get("text").unwrap_or_default().replace("\r\n", "\n");
        let form = match read(ctx, now, &text) {
            Ok(form) => form,
            Err(said) => return Ok(page(ctx, now, &text, Some(&said), &html! {})),
        };
        let changes = compare(now, &form);
        if changes.is_empty() {
            return Ok(page(ctx, now, &text, Some(&ctx.words.text("forms-nothing")), &html! {}));
        }
        let refused = changes.iter().any(|change| change.what.weight() == Weight::Refused);
        // What was looked at: another version published meanwhile is another difference.
        let seen = fields.get("seen") == Some(now.version.to_string().as_str());
        if refused || fields.get("do") != Some("publish") || !seen {
            let problem = refused.then(|| ctx.words.text("forms-refused"));
            return Ok(page(ctx, now, &text, problem.as_deref(), &difference(ctx, now, &text, &changes, refused)));
        }
        let version = form.version;
        let text = form.to_toml().map_err(|error| PageError::Failed(error.to_string()))?;
        publish(ctx, form_name(form.kind), version, text)?;
        Ok(Redirect::to("/console/forms").into_response())
    })
    .await
}

fn difference(ctx: &Ctx, now: &Form, text: &str, changes: &[Change], refused: bool) -> Markup {
    let word = |key: &str| ctx.words.text(key);
    html! {
        section.panel.note--below aria-labelledby="diff" {
            div.panel__h { h2 #diff { (word("forms-difference")) } span.sub { (changes.len()) } }
            table.table {
                thead { tr { th { (word("forms-field")) } th { (word("forms-what")) } th { (word("forms-weight")) } } }
                tbody { @for change in changes { (row(ctx, change)) } }
            }
            @if !refused {
                form method="post" action={ "/console/forms/" (now.kind.code()) } {
                    (csrf(ctx))
                    input type="hidden" name="text" value=(text);
                    input type="hidden" name="seen" value=(now.version);
                    p.panel__b.sub { (word("forms-publish-help")) }
                    div.tools { button.btn.btn--primary name="do" value="publish" { (word("forms-publish")) } }
                }
            }
        }
    }
}

fn row(ctx: &Ctx, change: &Change) -> Markup {
    let lang = ctx.words.lang().tag();
    let (name, label) = &change.field;
    let args =
        [("from", change.from.in_lang(lang).to_owned().into()), ("to", change.to.in_lang(lang).to_owned().into())];
    let weight = match change.what.weight() {
        Weight::Fine => light("green", &ctx.words.text("forms-fine")),
        Weight::Warned => light("yellow", &ctx.words.text("forms-warned")),
        Weight::Refused => light("red", &ctx.words.text("forms-not")),
    };
    html! {
        tr {
            td { @if name.is_empty() { (ctx.words.text("forms-whole")) } @else { (label.in_lang(lang)) " " span.sub.num { (name) } } }
            td { (ctx.words.with(&format!("forms-change-{}", change.what.code()), &args)) }
            td.n { (weight) }
        }
    }
}
