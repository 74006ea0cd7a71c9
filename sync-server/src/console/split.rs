//! Splitting a grid, and giving what lies in it to others: by place, with a look at what goes where before it is done.

use std::collections::BTreeMap;

use axum::extract::{Path as UrlPath, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use shared::area::{Area, AreaId, AreaLevel};
use shared::ids::RecordId;
use shared::record::RecordKind;

use super::areas::{fits, theirs};
use super::ctx::{Asked, with, with_form};
use super::layout::{self, Place, csrf};
use super::manage::{self, Tab};
use super::{Ctx, Fields, PageError};
use crate::App;
use crate::redraw::{self, Counts, Plan, RedrawError, Spot, Sums, Survey, Target};

/// So many grids are made at once.
const FRESH: usize = 6;

/// The grids to be made and those that are there, as the form names them.
struct Into {
    fresh: Vec<String>,
    there: Vec<AreaId>,
}

impl Into {
    fn read(ctx: &Ctx, from: &Area, fields: &Fields) -> Self {
        let names = fields.all("name").map(str::trim).filter(|name| !name.is_empty());
        let there = fields.all("to").filter_map(|id| id.parse().ok()).map(AreaId);
        let open = |id: &AreaId| {
            let area = ctx.areas.get(*id).filter(|area| !area.closed && area.level > AreaLevel::Town);
            area.is_some() && *id != from.id && ctx.who.scope.contains(*id)
        };
        Self { fresh: names.take(FRESH).map(str::to_owned).collect(), there: there.filter(open).collect() }
    }

    fn targets(&self) -> Vec<Target> {
        let fresh = (0..self.fresh.len()).map(Target::Fresh);
        fresh.chain(self.there.iter().map(|id| Target::There(*id))).collect()
    }

    fn name(&self, ctx: &Ctx, target: Target) -> String {
        match target {
            Target::Fresh(place) => self.fresh.get(place).cloned().unwrap_or_default(),
            Target::There(id) => ctx.area(id),
        }
    }

    /// What is wrong with the names, a message key.
    fn problem(&self, ctx: &Ctx, from: &Area) -> Option<&'static str> {
        let beside: Vec<&str> =
            from.parent.iter().flat_map(|up| ctx.areas.children(*up)).map(|area| area.name.as_str()).collect();
        let twice = |(place, name): (usize, &String)| {
            beside.contains(&name.as_str()) || self.fresh.iter().take(place).any(|other| other == name)
        };
        match self {
            _ if self.fresh.iter().any(|name| !fits(name)) => Some("areas-name-wanted"),
            _ if self.fresh.iter().enumerate().any(twice) => Some("areas-name-twice"),
            _ => None,
        }
    }
}

fn code(target: Target) -> String {
    match target {
        Target::Fresh(place) => format!("new-{place}"),
        Target::There(id) => format!("area-{id}"),
    }
}

/// What a form says of one place; the inner none: it stays.
fn target(into: &Into, text: &str) -> Option<Option<Target>> {
    match text {
        "stay" => Some(None),
        text => into.targets().into_iter().find(|target| code(*target) == text).map(Some),
    }
}

fn plan(from: &Area, into: &Into, survey: &Survey, fields: &Fields) -> Plan {
    let of = |spot: &Spot| Some((spot.id, target(into, fields.get(&format!("p-{}", spot.id))?)?));
    let places: BTreeMap<RecordId, Option<Target>> = survey.spots().iter().filter_map(of).collect();
    let rest = fields.get("rest").and_then(|text| target(into, text)).flatten();
    Plan { from: from.id, fresh: into.fresh.clone(), places, rest }
}

fn surveyed(ctx: &Ctx, from: AreaId) -> Result<Survey, PageError> {
    let rules = ctx.app.rules_of(ctx.who.user.town)?;
    ctx.read(|read| Ok(redraw::survey(read, &rules, from)?))
}

/// `GET /console/areas/{id}/split`: first into what, then what goes where.
pub async fn choose(State(app): State<App>, UrlPath(id): UrlPath<String>, asked: Asked, fields: Fields) -> Response {
    with(app, asked, move |ctx| {
        let from = theirs(ctx, &id)?;
        let into = Into::read(ctx, from, &fields);
        let problem = into.problem(ctx, from);
        if into.targets().is_empty() || problem.is_some() {
            return Ok(framed(ctx, from, problem, &first(ctx, from, &into)));
        }
        let survey = surveyed(ctx, from.id)?;
        Ok(framed(ctx, from, None, &second(ctx, from, &into, &survey)))
    })
    .await
}

fn framed(ctx: &Ctx, from: &Area, problem: Option<&str>, body: &Markup) -> Response {
    let title = ctx.words.text("areas-split");
    let body = html! {
        (layout::top(ctx, &title, &ctx.area(from.id), ""))
        (manage::tabs(ctx, Tab::Areas))
        (manage::problem(ctx, problem))
        (body)
    };
    let status = if problem.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    (status, layout::page(ctx, Place::Manage, &title, &body)).into_response()
}

/// Into what.
fn first(ctx: &Ctx, from: &Area, into: &Into) -> Markup {
    let word = |key: &str| ctx.words.text(key);
    let others = manage::tree(ctx).into_iter().map(|(_, area)| area);
    let others = others.filter(|area| area.level > AreaLevel::Town && !area.closed && area.id != from.id);
    html! {
        form.panel.narrow method="get" action={ "/console/areas/" (from.id) "/split" } {
            div.panel__b {
                p { (word("areas-split-first")) }
                div.pair { @for place in 0..FRESH {
                    div.field {
                        label.field__label for={ "name-" (place) } {
                            (ctx.words.with("areas-split-new", &[("n", (place + 1).to_string().into())]))
                        }
                        input.field__ctl id={ "name-" (place) } name="name" maxlength="40" autocomplete="off"
                            value=(into.fresh.get(place).map(String::as_str).unwrap_or_default());
                    }
                } }
                fieldset.field {
                    legend.field__label { (word("areas-split-others")) }
                    div.pick-areas__list {
                        @for area in others {
                            label.opt {
                                input.box type="checkbox" name="to" value=(area.id) checked[into.there.contains(&area.id)];
                                span { (ctx.area(area.id)) }
                            }
                        }
                    }
                }
            }
            div.tools { button.btn.btn--primary { (word("areas-next")) } a.btn.btn--quiet href={ "/console/areas/" (from.id) } { (word("people-back")) } }
        }
    }
}

/// What goes where.
fn second(ctx: &Ctx, from: &Area, into: &Into, survey: &Survey) -> Markup {
    let word = |key: &str| ctx.words.text(key);
    let (spots, rest) = (survey.spots(), survey.at_no_place());
    let select = |name: &str, label: &str, inner: bool| {
        html! {
            select.field__ctl name=(name) aria-label=(label) {
                @if inner { option value="" { (word("areas-with-above")) } }
                option value="stay" { (word("areas-stay")) }
                @for target in into.targets() { option value=(code(target)) { (into.name(ctx, target)) } }
            }
        }
    };
    html! {
        form.panel method="post" action={ "/console/areas/" (from.id) "/split" } {
            (csrf(ctx)) (carried(into))
            div.panel__b { p { (word("areas-split-second")) } }
            table.table {
                thead { tr { th { (word("kind-place")) } th { (word("areas-what-there")) } th { (word("areas-goes-to")) } } }
                tbody {
                    @for spot in &spots {
                        tr {
                            td class={ "opt--" (spot.depth) } { (spot.title) }
                            td { (counted(ctx, &spot.holds)) }
                            td { (select(&format!("p-{}", spot.id), &spot.title, spot.depth > 0)) }
                        }
                    }
                    @if !rest.is_empty() {
                        tr {
                            td { (word("areas-no-place")) }
                            td { (counted(ctx, &rest)) }
                            td { (select("rest", &word("areas-no-place"), false)) }
                        }
                    }
                }
            }
            div.tools {
                button.btn.btn--primary name="do" value="preview" { (word("areas-preview")) }
                a.btn.btn--quiet href={ "/console/areas/" (from.id) "/split" } { (word("people-back")) }
            }
        }
    }
}

/// What was said before, for the next form.
fn carried(into: &Into) -> Markup {
    html! {
        @for name in &into.fresh { input type="hidden" name="name" value=(name); }
        @for id in &into.there { input type="hidden" name="to" value=(id); }
    }
}

fn counted(ctx: &Ctx, counts: &Counts) -> String {
    let all = RecordKind::ALL.into_iter().filter_map(|kind| Some((kind, *counts.get(&kind)?)));
    let said = all.map(|(kind, n)| format!("{} {n}", ctx.words.text(&format!("kind-{}", kind.code()))));
    said.collect::<Vec<_>>().join(&ctx.words.text("facts-separator"))
}

/// `POST /console/areas/{id}/split`: shows what goes where, or does it.
pub async fn done(State(app): State<App>, UrlPath(id): UrlPath<String>, asked: Asked, fields: Fields) -> Response {
    with_form(app, asked, fields, move |ctx, fields| {
        let from = theirs(ctx, &id)?;
        let into = Into::read(ctx, from, fields);
        let problem = into.problem(ctx, from);
        if into.targets().is_empty() || problem.is_some() {
            return Ok(framed(ctx, from, problem.or(Some("areas-name-wanted")), &first(ctx, from, &into)));
        }
        let survey = surveyed(ctx, from.id)?;
        let plan = plan(from, &into, &survey, fields);
        let sums = survey.sums(&plan);
        let preview = |problem| -> Result<Response, PageError> {
            Ok(framed(ctx, from, problem, &preview(ctx, from, &into, &plan, &sums)?))
        };
        if fields.get("do") != Some("confirm") {
            return preview(None);
        }
        if fields.get("sums") != Some(&mark(&sums)) {
            return preview(Some("areas-changed-since"));
        }
        match redraw::redraw(&ctx.app, &ctx.who, &plan, &sums) {
            Ok(_) => Ok(Redirect::to("/console/areas").into_response()),
            Err(RedrawError::Changed) => preview(Some("areas-changed-since")),
            Err(RedrawError::Nothing) => preview(Some("areas-nothing-goes")),
            Err(RedrawError::NotTheirs) => Err(PageError::NotFound),
            Err(RedrawError::Store(error)) => Err(error.into()),
            Err(RedrawError::Refused(title)) => {
                tracing::warn!(area = %from.id, "a record of an area did not move: nothing was done");
                let said = ctx.words.with("areas-refused", &[("title", title.into())]);
                let body = html! { p.note.note--doubt role="alert" { (said) } };
                Ok(framed(ctx, from, Some("areas-nothing-done"), &body))
            }
        }
    })
    .await
}

/// What was shown, to be compared with what would be done.
fn mark(sums: &Sums) -> String {
    crate::auth::token::hash(&format!("{sums:?}")).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

fn preview(ctx: &Ctx, from: &Area, into: &Into, plan: &Plan, sums: &Sums) -> Result<Markup, PageError> {
    let word = |key: &str| ctx.words.text(key);
    let users = ctx.read(|read| Ok::<_, PageError>(read.users()?))?;
    let keepers: Vec<&str> =
        redraw::keepers(&users, from.id).filter(|user| user.active).map(|user| user.name.as_str()).collect();
    let number = |n: usize| [("n", n.to_string().into())];
    let going = sums.going() > 0 || !into.fresh.is_empty();
    Ok(html! {
        form.panel method="post" action={ "/console/areas/" (from.id) "/split" } {
            (csrf(ctx)) (carried(into))
            @for (place, target) in &plan.places {
                input type="hidden" name={ "p-" (place) } value=(target.map_or_else(|| "stay".to_owned(), code));
            }
            @if let Some(target) = plan.rest { input type="hidden" name="rest" value=(code(target)); }
            input type="hidden" name="sums" value=(mark(sums));
            div.panel__h { h2 { (word("areas-preview")) } }
            table.table {
                thead { tr { th { (word("areas-goes-to")) } th { (word("areas-what-there")) } } }
                tbody {
                    @for target in into.targets() {
                        tr {
                            td { b { (into.name(ctx, target)) } @if matches!(target, Target::Fresh(_)) { " " span.sub { (word("areas-new")) } } }
                            td { (sums.go.get(&target).map(|counts| counted(ctx, counts)).unwrap_or_else(|| word("none"))) }
                        }
                    }
                    tr { td { (ctx.area(from.id)) " " span.sub { (word("areas-stay")) } } td { (counted(ctx, &sums.stay)) } }
                }
            }
            div.panel__b.spaced {
                @if sums.archived > 0 { p { (ctx.words.with("areas-archived-stay", &number(sums.archived))) } }
                @if sums.undecided > 0 { p { (ctx.words.with("areas-undecided-stay", &number(sums.undecided))) } }
                @if !into.fresh.is_empty() && !keepers.is_empty() {
                    p { (ctx.words.with("areas-keep-theirs", &[("names", keepers.join(&ctx.words.text("list-separator")).into())])) }
                }
                p.sub { (word("areas-by-sync")) }
            }
            div.tools {
                @if going { button.btn.btn--primary name="do" value="confirm" { (word("areas-do")) } }
                a.btn.btn--quiet href={ "/console/areas/" (from.id) "/split" } { (word("areas-again")) }
            }
        }
    })
}
