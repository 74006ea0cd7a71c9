//! 期限与日历: the town's limits, working days and categories of events, and who its departments are.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use chrono::{Days, NaiveDate, NaiveTime};
use maud::{Markup, html};
use shared::author::Role;
use shared::calendar::{Calendar, Limits};
use shared::form::compare::OWN;
use shared::form::{Choice, Field, Form};
use shared::record::RecordKind;
use shared::workflow::Limit;

use super::ctx::{Asked, with, with_form};
use super::layout::{self, Place, csrf};
use super::manage::{self, Tab};
use super::{Ctx, Fields, PageError};
use crate::App;
use crate::export::show::beijing;
use crate::in_force::{CALENDAR, form_name};
use crate::store::{Edition, StoreError};

/// The field whose choices are the categories.
const CATEGORY: &str = "category";
/// The most characters of what a category is called.
const LONGEST: usize = 20;
/// The most days named in the calendar.
const DAYS: usize = 1_000;

/// Whether this administrator publishes for the town: the whole of it is theirs.
pub fn publishes(ctx: &Ctx) -> bool {
    ctx.who.user.role == Role::Admin && ctx.who.scope.contains(ctx.who.user.town)
}

/// Refuses who does not.
pub fn must_publish(ctx: &Ctx) -> Result<(), PageError> {
    if publishes(ctx) { Ok(()) } else { Err(PageError::NotAllowed) }
}

/// Publishes a file: it counts at once on the server, and on handhelds after their next sync.
pub fn publish(ctx: &Ctx, name: String, version: u32, text: String) -> Result<(), PageError> {
    let edition = Edition { name, version, text, at: ctx.now, user: ctx.who.user.id };
    let done = ctx.app.publish(ctx.who.user.town, &edition);
    match done {
        // Somebody else was faster: what this one saw is not what would be replaced.
        Err(StoreError::Exists(_)) => Err(PageError::Bad("settings-faster".to_owned())),
        other => Ok(other?),
    }
}

/// What is typed about the calendar.
struct Typed {
    closes: String,
    holidays: String,
    worked: String,
    limits: [String; 3],
}

impl Typed {
    fn of(calendar: &Calendar) -> Self {
        let Limits { urgent_hours, ordinary_days, difficult_days } = calendar.limits();
        Self {
            closes: calendar.closes().format("%H:%M").to_string(),
            holidays: spelled(calendar.holidays()),
            worked: spelled(calendar.worked()),
            limits: [urgent_hours, ordinary_days, difficult_days].map(|n| n.to_string()),
        }
    }

    fn read(fields: &Fields) -> Self {
        let text = |name: &str| fields.text(name).unwrap_or_default().to_owned();
        Self {
            closes: text("closes"),
            holidays: text("holidays"),
            worked: text("worked"),
            limits: ["urgent", "ordinary", "difficult"].map(text),
        }
    }

    /// The calendar it says, or what is wrong with it.
    fn calendar(&self) -> Result<Calendar, &'static str> {
        let closes = NaiveTime::parse_from_str(&self.closes, "%H:%M").map_err(|_| "settings-closes-wrong")?;
        let number = |text: &String| text.parse::<u32>().map_err(|_| "settings-limits-wrong");
        let [urgent, ordinary, difficult] = &self.limits;
        let limits = Limits {
            urgent_hours: number(urgent)?,
            ordinary_days: number(ordinary)?,
            difficult_days: number(difficult)?,
        };
        let (holidays, worked) = (days(&self.holidays)?, days(&self.worked)?);
        if holidays.iter().any(|day| worked.contains(day)) {
            return Err("settings-day-both");
        }
        Calendar::new(closes, holidays, worked, limits).map_err(|_| "settings-limits-wrong")
    }
}

/// Days as they are typed: one or a run of them (`2027-10-01..2027-10-07`) a word.
fn days(text: &str) -> Result<Vec<NaiveDate>, &'static str> {
    let mut all = Vec::new();
    for word in text
        .split(|c: char| c.is_whitespace() || matches!(c, ',' | '，' | '、' | ';' | '；'))
        .filter(|word| !word.is_empty())
    {
        let (from, to) = word.split_once("..").unwrap_or((word, word));
        let day = |text: &str| shared::mask::parse_date(text).ok_or("settings-day-wrong");
        let (from, to) = (day(from)?, day(to)?);
        if to < from || (to - from).num_days() > 60 {
            return Err("settings-day-wrong");
        }
        all.extend(from.iter_days().take_while(|day| *day <= to));
        if all.len() > DAYS {
            return Err("settings-day-wrong");
        }
    }
    Ok(all)
}

/// The same the other way: runs of days in one word, a line each.
fn spelled(days: impl Iterator<Item = NaiveDate>) -> String {
    let all: Vec<NaiveDate> = days.collect();
    let runs = all.chunk_by(|one, next| one.checked_add_days(Days::new(1)) == Some(*next));
    let run = |run: &[NaiveDate]| match (run.first(), run.last()) {
        (Some(first), Some(last)) if first != last => format!("{first}..{last}"),
        (Some(first), _) => first.to_string(),
        _ => String::new(),
    };
    runs.map(run).collect::<Vec<_>>().join("\n")
}

/// `GET /console/settings`
pub async fn show(State(app): State<App>, asked: Asked) -> Response {
    with(app, asked, |ctx| {
        manage::must_administer(ctx)?;
        page(ctx, &Typed::of(&ctx.calendar), None)
    })
    .await
}

fn page(ctx: &Ctx, typed: &Typed, problem: Option<&str>) -> Result<Response, PageError> {
    let word = |key: &str| ctx.words.text(key);
    let body = html! {
        (layout::top(ctx, &word("manage-settings"), &word("settings-sub"), ""))
        (manage::tabs(ctx, Tab::Settings))
        (manage::problem(ctx, problem))
        @if !publishes(ctx) { p.note.note--below { (word("settings-whole-town")) } }
        div.cols.cols--top.c-half {
            (calendar(ctx, typed))
            div.stack { (categories(ctx)) (departments(ctx)?) }
        }
    };
    let status = if problem.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    Ok((status, layout::page(ctx, Place::Manage, &word("manage-settings"), &body)).into_response())
}

fn calendar(ctx: &Ctx, typed: &Typed) -> Markup {
    let word = |key: &str| ctx.words.text(key);
    let number = |name: &str, key: &str, value: &str| {
        html! {
            div.field {
                label.field__label for=(name) { (word(key)) }
                input.field__ctl.num id=(name) name=(name) value=(value) inputmode="numeric" required maxlength="4";
            }
        }
    };
    let list = |name: &str, key: &str, value: &str| {
        html! {
            div.field {
                label.field__label for=(name) { (word(key)) }
                textarea.field__ctl.num id=(name) name=(name) rows="6" { (value) }
            }
        }
    };
    let [urgent, ordinary, difficult] = &typed.limits;
    let due = beijing(ctx.calendar.due(ctx.now, Limit::Days(ctx.calendar.limits().ordinary_days)));
    html! {
        form.panel method="post" action="/console/settings" aria-labelledby="cal" {
            div.panel__h { h2 #cal { (word("settings-calendar")) } }
            div.panel__b {
                (csrf(ctx))
                p.sub { (ctx.words.with("settings-due", &[("at", due.format("%Y-%m-%d %H:%M").to_string().into())])) }
                div.pair {
                (number("urgent", "settings-urgent", urgent))
                (number("ordinary", "settings-ordinary", ordinary))
                (number("difficult", "settings-difficult", difficult))
                div.field {
                    label.field__label for="closes" { (word("settings-closes")) }
                    input.field__ctl.num id="closes" name="closes" value=(typed.closes) required maxlength="5" inputmode="numeric" placeholder="18:00";
                }
                }
                p.sub { (word("settings-days-help")) }
                (list("holidays", "settings-holidays", &typed.holidays))
                (list("worked", "settings-worked", &typed.worked))
                p.sub { (word("settings-by-sync")) }
            }
            @if publishes(ctx) { div.tools { button.btn.btn--primary.btn--grow { (word("people-save")) } } }
        }
    }
}

/// `POST /console/settings`: limits and calendar.
pub async fn save(State(app): State<App>, asked: Asked, fields: Fields) -> Response {
    with_form(app, asked, fields, |ctx, fields| {
        must_publish(ctx)?;
        let typed = Typed::read(fields);
        let calendar = match typed.calendar() {
            Ok(calendar) => calendar,
            Err(problem) => return page(ctx, &typed, Some(problem)),
        };
        if calendar != *ctx.calendar {
            let last = ctx.read(|read| Ok::<_, PageError>(read.editions()?))?;
            let last = last.iter().filter(|edition| edition.name == CALENDAR).map(|edition| edition.version).max();
            let text = calendar.to_toml().map_err(|error| PageError::Failed(error.to_string()))?;
            publish(ctx, CALENDAR.to_owned(), last.unwrap_or_default() + 1, text)?;
        }
        Ok(Redirect::to("/console/settings").into_response())
    })
    .await
}

/// The form of events in force, and the field of its categories.
fn category_field(ctx: &Ctx) -> Option<(&Form, &Field)> {
    let form = ctx.forms.newest(RecordKind::Event)?;
    Some((form, form.field(CATEGORY)?))
}

fn categories(ctx: &Ctx) -> Markup {
    let word = |key: &str| ctx.words.text(key);
    let Some((form, field)) = category_field(ctx) else { return html! {} };
    html! {
        form.panel method="post" action="/console/settings/categories" aria-labelledby="cat" {
            div.panel__h { h2 #cat { (word("settings-categories")) } }
            (csrf(ctx))
            input type="hidden" name="version" value=(form.version);
            table.table.table--tight {
                thead { tr { th { (word("settings-zh")) } th { (word("settings-en")) } th { (word("settings-retired")) } } }
                tbody {
                    @for choice in &field.choices {
                        tr {
                            td { input.field__ctl name={ "zh-" (choice.code) } value=(choice.zh) maxlength=(LONGEST) required aria-label=(word("settings-zh")); }
                            td { input.field__ctl name={ "en-" (choice.code) } value=(choice.en) maxlength="60" required aria-label=(word("settings-en")); }
                            td {
                                label.opt {
                                    input.box type="checkbox" name={ "retired-" (choice.code) } value="true" checked[choice.retired];
                                    span.say { (choice.zh) (word("settings-retired")) }
                                }
                            }
                        }
                    }
                    tr {
                        td { input.field__ctl name="zh" maxlength=(LONGEST) placeholder=(word("settings-category-new")) aria-label=(word("settings-category-new")); }
                        td { input.field__ctl name="en" maxlength="60" aria-label=(word("settings-en")); }
                        td {}
                    }
                }
            }
            p.panel__b.sub { (word("settings-categories-help")) }
            @if publishes(ctx) { div.tools { button.btn.btn--second.btn--grow { (word("people-save")) } } }
        }
    }
}

/// `POST /console/settings/categories`: a new version of the form of events.
pub async fn save_categories(State(app): State<App>, asked: Asked, fields: Fields) -> Response {
    with_form(app, asked, fields, |ctx, fields| {
        must_publish(ctx)?;
        let (form, field) = category_field(ctx).ok_or(PageError::NotFound)?;
        if fields.get("version") != Some(form.version.to_string().as_str()) {
            return Err(PageError::Bad("settings-faster".to_owned()));
        }
        let mut choices = Vec::new();
        for choice in &field.choices {
            let text = |lang: &str| fields.text(&format!("{lang}-{}", choice.code)).unwrap_or_default().to_owned();
            let retired = fields.get(&format!("retired-{}", choice.code)) == Some("true");
            choices.push(Choice { code: choice.code.clone(), zh: text("zh"), en: text("en"), retired });
        }
        if let Some(zh) = fields.text("zh") {
            let en = fields.text("en").unwrap_or(zh).to_owned();
            let number = |choice: &Choice| choice.code.strip_prefix(OWN).and_then(|n| n.parse::<u32>().ok());
            let next = choices.iter().filter_map(number).max().unwrap_or_default() + 1;
            choices.push(Choice { code: format!("{OWN}{next}"), zh: zh.to_owned(), en, retired: false });
        }
        if choices
            .iter()
            .any(|choice| choice.zh.is_empty() || choice.en.is_empty() || choice.zh.chars().count() > LONGEST)
        {
            return page(ctx, &Typed::of(&ctx.calendar), Some("settings-category-wrong"));
        }
        let twice = |(place, choice): (usize, &Choice)| choices.iter().take(place).any(|other| other.zh == choice.zh);
        if choices.iter().enumerate().any(twice) {
            return page(ctx, &Typed::of(&ctx.calendar), Some("settings-category-twice"));
        }
        if choices == field.choices {
            return Ok(Redirect::to("/console/settings").into_response());
        }
        let version = ctx.app.in_force(ctx.who.user.town)?.next_version(RecordKind::Event);
        let mut form = Form { version, ..form.clone() };
        let found =
            form.sections.iter_mut().flat_map(|section| &mut section.fields).find(|field| field.name == CATEGORY);
        found.ok_or(PageError::NotFound)?.choices = choices;
        let text = form.to_toml().map_err(|error| PageError::Failed(error.to_string()))?;
        publish(ctx, form_name(RecordKind::Event), version, text)?;
        Ok(Redirect::to("/console/settings").into_response())
    })
    .await
}

/// Departments are users: the list is of people, where they are added, renamed and let go.
fn departments(ctx: &Ctx) -> Result<Markup, PageError> {
    let word = |key: &str| ctx.words.text(key);
    let users = ctx.read(|read| Ok::<_, PageError>(read.users()?))?;
    let all: Vec<&str> = users
        .iter()
        .filter(|user| user.role == Role::Department && user.active)
        .map(|user| user.name.as_str())
        .collect();
    Ok(html! {
        section.panel aria-labelledby="dep" {
            div.panel__h { h2 #dep { (word("settings-departments")) } span.sub { (all.len()) } }
            div.panel__b.spaced {
                @if !all.is_empty() { p { (all.join("、")) } }
                p.sub { (word("settings-departments-help")) }
            }
            div.tools { a.btn.btn--second.btn--grow href="/console/people?view=department" { (word("settings-departments-go")) } }
        }
    })
}
