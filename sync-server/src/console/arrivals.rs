//! 来电来访登记, and text pasted from a WeChat group: what reaches the centre without a handheld, typed in while talking.

use std::collections::BTreeMap;

use axum::extract::{Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;
use shared::author::Role;
use shared::ids::{EditId, RecordId};
use shared::mask::LinkOrText;
use shared::path::Path;
use shared::record::{Part, RecordKind};
use shared::value::Value;
use shared::vector::VectorTimestamp;
use shared::work::Work;
use shared::workflow::{STEPS, Step, StepEntry};

use super::ctx::{Asked, with, with_form};
use super::layout::{Place, csrf, icon};
use super::ledger::{self, choice_label, codes};
use super::write::{self, Save};
use super::{Ctx, Fields, PageError};
use crate::App;

/// How it reached the centre.
const SOURCES: [&str; 5] = ["call", "visitor", "wechat", "department", "superior"];
/// The most characters of a title, as the form has it.
const TITLE: usize = 100;
/// The most characters of an account.
const ACCOUNT: usize = 4_000;
/// The most messages taken from one pasted text.
const MESSAGES: usize = 100;

/// Whether this person types in what reaches the centre.
pub fn may(ctx: &Ctx) -> bool {
    matches!(ctx.who.user.role, Role::CenterStaff | Role::GridLeader)
}

/// How it came.
#[derive(Debug, Default, Deserialize)]
pub struct Choice {
    source: Option<String>,
    saved: Option<String>,
}

/// What is typed in of one event.
#[derive(Debug, Clone, Default)]
struct Typed {
    category: String,
    title: String,
    account: String,
    area: String,
    place: String,
    urgency: String,
}

/// `GET /console/inbox/new`
pub async fn show(State(app): State<App>, asked: Asked, Query(choice): Query<Choice>) -> Response {
    with(app, asked, move |ctx| {
        if !may(ctx) {
            return Err(PageError::NotAllowed);
        }
        let source = choice.source.as_deref().filter(|source| SOURCES.contains(source)).unwrap_or("call");
        Ok(ctx.answer(Place::Inbox, &ctx.words.text("desk-new"), &body(ctx, source, choice.saved.as_deref())))
    })
    .await
}

fn head(ctx: &Ctx) -> Markup {
    html! {
        header.head2 {
            a.crumb href="/console/inbox" { (icon("back")) (ctx.words.text("console-inbox")) }
            h1 { (ctx.words.text("desk-new")) }
        }
    }
}

fn body(ctx: &Ctx, source: &str, saved: Option<&str>) -> Markup {
    let word = |key: &str| ctx.words.text(key);
    let saved = saved.and_then(|id| id.parse::<RecordId>().ok());
    html! {
        (head(ctx))
        @if let Some(id) = saved {
            p.note.note--below role="status" {
                (word("desk-saved")) " " a.go href={ "/console/records/" (id) } { (word("console-open-event")) }
            }
        }
        div.cols.cols--top.c-even {
            form.panel method="post" action="/console/inbox/new" aria-labelledby="n1" {
                div.panel__h { h2 #n1 { (word("desk-type-in")) } }
                div.panel__b {
                    (csrf(ctx))
                    div.field { span.field__label { (word("console-source")) } div.choices {
                        @for code in SOURCES {
                            label.choice {
                                input type="radio" name="source" value=(code) checked[code == source];
                                span { (icon("check")) (choice_label(ctx, "source", code)) }
                            }
                        }
                    } }
                    (fields(ctx, "", &Typed::default()))
                }
                div.tools {
                    button.btn.btn--primary name="then" value="inbox" { (word("desk-save-and-dispatch")) }
                    button.btn.btn--second name="then" value="new" { (word("desk-save-and-next")) }
                }
            }
            form.panel method="post" action="/console/inbox/paste" aria-labelledby="n2" {
                div.panel__h { h2 #n2 { (word("desk-paste")) } }
                div.panel__b {
                    (csrf(ctx))
                    p.sub { (word("desk-paste-help")) }
                    div.field {
                        label.field__label for="pasted" { (word("desk-pasted")) }
                        textarea.field__ctl.tall id="pasted" name="pasted" maxlength="60000" required {}
                    }
                }
                div.tools { button.btn.btn--second { (word("desk-take-apart")) } }
            }
        }
    }
}

/// The fields of one event; `at` is put behind each name, so that several stand on one page.
fn fields(ctx: &Ctx, at: &str, typed: &Typed) -> Markup {
    let word = |key: &str| ctx.words.text(key);
    let label = |field: &str| {
        let form = ctx.forms.newest(RecordKind::Event);
        form.and_then(|form| form.field(field))
            .map(|field| field.label.in_lang(ctx.words.lang().tag()).to_owned())
            .unwrap_or_default()
    };
    let name = |field: &str| format!("{field}{at}");
    let happened = codes(ctx, "category").into_iter().filter(|code| Work::from_code(code).is_none());
    html! {
        div.field {
            label.field__label for=(name("title")) { (label("title")) }
            input.field__ctl id=(name("title")) name=(name("title")) maxlength=(TITLE) required value=(typed.title);
        }
        div.pair {
            div.field {
                label.field__label for=(name("category")) { (label("category")) }
                select.field__ctl id=(name("category")) name=(name("category")) required {
                    option value="" { (word("console-choose")) }
                    @for code in happened {
                        option value=(code) selected[code == typed.category] { (choice_label(ctx, "category", &code)) }
                    }
                }
            }
            div.field {
                label.field__label for=(name("urgency")) { (label("urgency")) }
                select.field__ctl id=(name("urgency")) name=(name("urgency")) {
                    @for code in codes(ctx, "urgency") {
                        @let chosen = if typed.urgency.is_empty() { code == "ordinary" } else { code == typed.urgency };
                        option value=(code) selected[chosen] { (choice_label(ctx, "urgency", &code)) }
                    }
                }
            }
        }
        div.pair {
            div.field {
                label.field__label for=(name("area")) { (word("batch-area")) }
                select.field__ctl id=(name("area")) name=(name("area")) required {
                    option value="" { (word("console-choose")) }
                    @for (id, text) in ledger::areas(ctx) { option value=(id) selected[id == typed.area] { (text) } }
                }
            }
            div.field {
                label.field__label for=(name("place")) { (label("place")) }
                input.field__ctl id=(name("place")) name=(name("place")) maxlength="200" value=(typed.place);
            }
        }
        div.field {
            label.field__label for=(name("account")) { (label("account")) }
            textarea.field__ctl id=(name("account")) name=(name("account")) maxlength=(ACCOUNT) { (typed.account) }
            p.sub { (word("desk-account-help")) }
        }
    }
}

fn typed(fields: &Fields, at: &str) -> Typed {
    let text = |name: &str| fields.text(&format!("{name}{at}")).unwrap_or_default().to_owned();
    Typed {
        category: text("category"),
        title: text("title").chars().take(TITLE).collect(),
        account: text("account").chars().take(ACCOUNT).collect(),
        area: text("area"),
        place: text("place"),
        urgency: text("urgency"),
    }
}

/// The edits that report one event: what was typed, and the first step.
fn edits(ctx: &Ctx, source: &str, typed: &Typed) -> Result<(RecordId, Vec<Save>), PageError> {
    let bad = || PageError::Bad("console-error-form".to_owned());
    let area: u32 = typed.area.parse().map_err(|_| bad())?;
    let known = |field: &str, code: &str| codes(ctx, field).iter().any(|known| known == code);
    let happened = known("category", &typed.category) && Work::from_code(&typed.category).is_none();
    if typed.title.is_empty() || !happened || !SOURCES.contains(&source) {
        return Err(bad());
    }
    let record = RecordId::fresh(&*ctx.app.outside);
    let mut writes = BTreeMap::from([
        (Path::field("source"), Value::text(source)),
        (Path::field("category"), Value::text(&typed.category)),
        (Path::field("title"), Value::text(&typed.title)),
        (Path::field("area"), Value::of(&area)),
        (Path::field("happened_at"), Value::of(&ctx.now.timestamp_millis())),
    ]);
    if known("urgency", &typed.urgency) {
        writes.insert(Path::field("urgency"), Value::text(&typed.urgency));
    }
    if !typed.account.is_empty() {
        writes.insert(Path::field("account"), Value::text(&typed.account));
    }
    if !typed.place.is_empty() {
        let place = LinkOrText { id: None, text: Some(typed.place.clone()) };
        writes.insert(Path::field("place"), Value::of(&place));
    }
    let id = EditId::fresh(&*ctx.app.outside);
    writes.insert(Path::entry(STEPS, id), Value::of(&StepEntry::new(Step::Report, "")));
    let save = Save {
        record,
        kind: RecordKind::Event,
        part: Part::Open,
        context: VectorTimestamp::new(),
        writes,
        id: Some(id),
    };
    Ok((record, vec![save]))
}

/// `POST /console/inbox/new`: one event, or those of a pasted text that stayed ticked.
pub async fn save(State(app): State<App>, asked: Asked, fields: Fields) -> Response {
    with_form(app, asked, fields, |ctx, fields| {
        if !may(ctx) {
            return Err(PageError::NotAllowed);
        }
        let several: Vec<String> = fields.all("take").take(MESSAGES).map(|n| format!("-{n}")).collect();
        if fields.get("pasted").is_some() {
            let mut saves = Vec::new();
            for at in &several {
                saves.extend(edits(ctx, "wechat", &typed(fields, at))?.1);
            }
            // All of them or none: a page that failed half-way would be sent again.
            write::save_all(ctx, saves)?;
            return Ok(Redirect::to(&format!("/console/inbox?view=wechat&did={}", several.len())).into_response());
        }
        let source = fields.get("source").unwrap_or_default();
        let (record, saves) = edits(ctx, source, &typed(fields, ""))?;
        write::save_all(ctx, saves)?;
        let to = match fields.get("then") {
            Some("new") => format!("/console/inbox/new?source={source}&saved={record}"),
            _ => format!("/console/inbox?e={record}"),
        };
        Ok(Redirect::to(&to).into_response())
    })
    .await
}

/// `POST /console/inbox/paste`: the messages of a pasted text, each to be looked at before anything is saved.
pub async fn paste(State(app): State<App>, asked: Asked, fields: Fields) -> Response {
    with_form(app, asked, fields, |ctx, fields| {
        if !may(ctx) {
            return Err(PageError::NotAllowed);
        }
        let messages = taken_apart(fields.get("pasted").unwrap_or_default());
        let area = ledger::areas(ctx);
        let word = |key: &str| ctx.words.text(key);
        let page = html! {
            (head(ctx))
            @if messages.is_empty() {
                section.panel { p.panel__b.sub { (word("desk-nothing-pasted")) } }
            } @else {
                form method="post" action="/console/inbox/new" {
                    (csrf(ctx)) input type="hidden" name="pasted" value="1";
                    p.sub { (ctx.words.with("desk-messages", &[("n", messages.len().to_string().into())])) }
                    @for (n, message) in messages.iter().enumerate() {
                        section.panel.panel--below {
                            div.panel__h {
                                label.opt {
                                    input.box type="checkbox" name="take" value=(n) checked;
                                    (ctx.words.with("desk-message", &[("n", (n + 1).to_string().into())]))
                                }
                            }
                            div.panel__b {
                                @let area = area.iter().find(|(_, name)| mentions(message, name)).map(|(id, _)| id.clone());
                                (self::fields(ctx, &format!("-{n}"), &Typed {
                                    title: title_of(message),
                                    account: message.clone(),
                                    area: area.unwrap_or_default(),
                                    ..Typed::default()
                                }))
                            }
                        }
                    }
                    div.tools { button.btn.btn--primary { (word("desk-save-ticked")) } }
                }
            }
        };
        Ok(ctx.answer(Place::Inbox, &word("desk-new"), &page))
    })
    .await
}

/// The beginning of a message, up to the first end of a sentence.
fn title_of(message: &str) -> String {
    let end = message.find(['。', '！', '？', '\n', ';', '；']).unwrap_or(message.len());
    message.get(..end).unwrap_or(message).trim().chars().take(40).collect()
}

/// Whether a message names an area by the last part of its name (`青禾社区 第三网格`: either part).
fn mentions(message: &str, name: &str) -> bool {
    name.split(' ').next_back().is_some_and(|last| last.chars().count() > 2 && message.contains(last))
}

/// The messages of a text copied out of a chat. WeChat on a computer gives lines of a name and a time between them, on a
/// telephone `name: text`; who wrote it is left out: what was seen counts, and names in the group are not ours to keep.
/// Without either, an empty line parts two messages.
fn taken_apart(pasted: &str) -> Vec<String> {
    let mut messages: Vec<String> = vec![String::new()];
    for line in pasted.lines().map(str::trim) {
        if is_head(line) || line.is_empty() {
            messages.push(String::new());
            continue;
        }
        let (begins, text) = match line.split_once([':', '：']) {
            // A name before a colon; a time of day has digits there.
            Some((name, text)) if is_name(name) && !text.trim().is_empty() => (true, text.trim()),
            _ => (false, line),
        };
        if begins {
            messages.push(String::new());
        }
        if let Some(last) = messages.last_mut() {
            if !last.is_empty() {
                last.push('\n');
            }
            last.push_str(text);
        }
    }
    messages.retain(|message| message.chars().count() > 3 && !message.starts_with('['));
    messages.truncate(MESSAGES);
    messages
}

/// Whether a line is a name with the time of its message: `李 10:32`, `李 2026/11/25 10:32`, `2026年11月25日 10:32`.
fn is_head(line: &str) -> bool {
    let Some((_, time)) = line.rsplit_once(' ').or(Some(("", line))) else { return false };
    let parts: Vec<&str> = time.split(':').collect();
    let digits = |part: &&str| !part.is_empty() && part.len() <= 2 && part.bytes().all(|b| b.is_ascii_digit());
    matches!(parts.len(), 2 | 3) && parts.iter().all(digits) && line.chars().count() < 60
}

fn is_name(text: &str) -> bool {
    let length = text.chars().count();
    (1..=16).contains(&length)
        && !text.contains(['，', '。', '/', ' '])
        && !text.ends_with(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::{taken_apart, title_of};

    #[test]
    fn a_chat_is_taken_apart_and_its_names_are_left_out() {
        let chat =
            "甲 2026/11/25 10:32\n长渠街井盖破了。\n就在学校门口\n乙 10:40\n[图片]\n丙 10:41:05\n路灯不亮，三天了";
        assert_eq!(taken_apart(chat), ["长渠街井盖破了。\n就在学校门口", "路灯不亮，三天了"]);
        let phone = "甲：长渠街井盖破了\n乙: 路灯不亮，从8:30起";
        assert_eq!(taken_apart(phone), ["长渠街井盖破了", "路灯不亮，从8:30起"]);
        let plain = "长渠街井盖破了，8:30看到的\n还冒水\n\n路灯不亮";
        assert_eq!(taken_apart(plain), ["长渠街井盖破了，8:30看到的\n还冒水", "路灯不亮"]);
        assert!(taken_apart(" \n 好的\n").is_empty());
    }

    #[test]
    fn a_title_is_the_first_sentence() {
        assert_eq!(title_of("长渠街井盖破了。就在学校门口"), "长渠街井盖破了");
        assert_eq!(title_of(&"长".repeat(90)).chars().count(), 40);
    }
}
