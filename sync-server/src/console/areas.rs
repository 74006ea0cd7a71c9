//! 网格: the tree of areas, their names, codes and outlines; and giving one up. Splitting one is `split`.

use axum::extract::{Path as UrlPath, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use shared::area::{Area, AreaId, AreaLevel};
use shared::outline::Outline;

use super::ctx::{Asked, with, with_form};
use super::layout::{self, Place, csrf, grouped, icon};
use super::manage::{self, Tab};
use super::{Ctx, Fields, PageError};
use crate::App;
use crate::auth::outline::{self, BadOutline};
use crate::store::{self, Audit, PartFilter, User};

/// The most characters of a name or a code.
pub const LONGEST: usize = 40;

/// `GET /console/areas`
pub async fn show(State(app): State<App>, asked: Asked) -> Response {
    with(app, asked, |ctx| {
        manage::must_administer(ctx)?;
        let word = |key: &str| ctx.words.text(key);
        let users = ctx.read(|read| Ok::<_, PageError>(read.users()?))?;
        let body = html! {
            (layout::top(ctx, &word("manage-areas"), &word("areas-sub"), ""))
            (manage::tabs(ctx, Tab::Areas))
            section.panel {
                table.table {
                    thead { tr {
                        th { (word("areas-name")) } th { (word("areas-level")) } th { (word("areas-code")) }
                        th { (word("areas-keepers")) } th { (word("areas-outline")) }
                    } }
                    tbody { @for (depth, area) in manage::tree(ctx) {
                        tr {
                            td class={ "opt--" (depth) } {
                                a.go href={ "/console/areas/" (area.id) } { (area.name) }
                                @if area.closed { " " span.sub { (word("areas-closed")) } }
                            }
                            td.n { (word(level(area.level))) }
                            td.n.num { (area.code) }
                            td { (keepers(&users, area.id)) }
                            td.n { @if area.outline.is_empty() { "—" } @else { (icon("check")) span.say { (word("areas-drawn")) } } }
                        }
                    } }
                }
            }
        };
        Ok(ctx.answer(Place::Manage, &word("manage-areas"), &body))
    })
    .await
}

/// The message key of a level.
pub fn level(level: AreaLevel) -> &'static str {
    match level {
        AreaLevel::County => "areas-level-county",
        AreaLevel::Town => "areas-level-town",
        AreaLevel::Community => "areas-level-community",
        AreaLevel::Grid => "areas-level-grid",
    }
}

fn keepers(users: &[User], area: AreaId) -> String {
    let names = crate::redraw::keepers(users, area).filter(|user| user.active).map(|user| user.name.as_str());
    names.collect::<Vec<_>>().join("、")
}

/// The area of a path, if it is this administrator's.
pub fn theirs<'a>(ctx: &'a Ctx, id: &str) -> Result<&'a Area, PageError> {
    manage::must_administer(ctx)?;
    let id = id.parse().ok().map(AreaId).filter(|id| ctx.who.scope.contains(*id));
    id.and_then(|id| ctx.areas.get(id)).ok_or(PageError::NotFound)
}

/// `GET /console/areas/{id}`
pub async fn one(State(app): State<App>, UrlPath(id): UrlPath<String>, asked: Asked) -> Response {
    with(app, asked, move |ctx| page(ctx, theirs(ctx, &id)?, &Typed::default(), None)).await
}

/// What was typed and is not lost with a problem.
#[derive(Debug, Default)]
struct Typed {
    name: Option<String>,
    code: Option<String>,
    outline: String,
}

fn page(ctx: &Ctx, area: &Area, typed: &Typed, problem: Option<&str>) -> Result<Response, PageError> {
    let word = |key: &str| ctx.words.text(key);
    let held = held(ctx, area.id)?;
    let here = format!("/console/areas/{}", area.id);
    let below = matches!(area.level, AreaLevel::Town | AreaLevel::Community);
    let points = area.outline.points();
    let body = html! {
        (layout::top(ctx, &ctx.area(area.id), &word(level(area.level)), ""))
        (manage::tabs(ctx, Tab::Areas))
        (manage::problem(ctx, problem))
        div.cols.cols--top.c-side {
            form.panel method="post" action=(here) {
                div.panel__b {
                    (csrf(ctx))
                    (text(ctx, "name", "areas-name", typed.name.as_deref().unwrap_or(&area.name), true))
                    (text(ctx, "code", "areas-code", typed.code.as_deref().unwrap_or(&area.code), false))
                    div.field {
                        label.field__label for="outline" { (word("areas-outline")) }
                        p.sub {
                            @if points == 0 { (word("areas-not-drawn")) }
                            @else { (ctx.words.with("areas-points", &[("n", points.to_string().into())])) }
                            " " (word("areas-outline-help"))
                        }
                        textarea.field__ctl.hash id="outline" name="outline" rows="4" placeholder="POLYGON ((104.05 37.18, …))" { (typed.outline) }
                    }
                    @if points > 0 { label.opt { input.box type="checkbox" name="undraw" value="true"; span { (word("areas-undraw")) } } }
                }
                div.tools { button.btn.btn--primary { (word("people-save")) } a.btn.btn--quiet href="/console/areas" { (word("people-back")) } }
            }
            div.stack {
                section.panel {
                    div.panel__b { p { (ctx.words.with("areas-holds", &[("n", grouped(held).into())])) } }
                    @if area.level != AreaLevel::County {
                        div.tools { a.btn.btn--second.btn--grow href={ (here) "/split" } { (word("areas-split")) } }
                    }
                }
                @if below {
                    form.panel method="post" action={ (here) "/add" } aria-labelledby="na" {
                        div.panel__h { h2 #na { (word("areas-add")) } }
                        div.panel__b { (csrf(ctx)) (text(ctx, "new", "areas-name", "", true)) (text(ctx, "new-code", "areas-code", "", false)) }
                        div.tools { button.btn.btn--second.btn--grow { (word("people-add")) } }
                    }
                }
                @if area.level > AreaLevel::Town {
                    form.panel method="post" action={ (here) "/close" } {
                        div.panel__b {
                            (csrf(ctx)) input type="hidden" name="closed" value=(!area.closed);
                            p.sub { (word(if area.closed { "areas-reopen-help" } else { "areas-close-help" })) }
                        }
                        div.tools { button.btn.btn--second.btn--grow { (word(if area.closed { "areas-reopen" } else { "areas-close" })) } }
                    }
                }
            }
        }
    };
    let status = if problem.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    Ok((status, layout::page(ctx, Place::Manage, &area.name, &body)).into_response())
}

fn text(ctx: &Ctx, name: &str, key: &str, value: &str, required: bool) -> Markup {
    html! {
        div.field {
            label.field__label for=(name) { (ctx.words.text(key)) }
            input.field__ctl id=(name) name=(name) value=(value) required[required] maxlength=(LONGEST) autocomplete="off";
        }
    }
}

/// How many records lie in an area, not counting what lies below it.
fn held(ctx: &Ctx, area: AreaId) -> Result<u64, PageError> {
    let filter = PartFilter { areas: Some(vec![area]), with_merged: true, ..PartFilter::default() };
    ctx.read(|read| Ok(read.count_parts(&filter)?))
}

/// Saves an area in the place of what was seen of it (nothing: it is new), and writes down that it changed.
fn put(ctx: &Ctx, seen: Option<&Area>, area: &Area, what: &str) -> Result<(), PageError> {
    let entry = Audit {
        at: ctx.now,
        user: Some(ctx.who.user.id),
        action: "audit-area-changed".to_owned(),
        subject: area.id.to_string(),
        detail: what.to_owned(),
    };
    store::write::<_, PageError>(&*ctx.app.store, ctx.who.user.town, |tx| {
        // Nobody else writes meanwhile.
        if ctx.app.store.areas()?.iter().find(|there| there.id == area.id) != seen {
            return Err(PageError::Bad("settings-faster".to_owned()));
        }
        tx.put_areas(std::slice::from_ref(area))?;
        tx.put_audit(&entry)?;
        Ok(())
    })
}

fn back(area: AreaId) -> Response {
    Redirect::to(&format!("/console/areas/{area}")).into_response()
}

/// Whether a name can be one.
pub fn fits(name: &str) -> bool {
    !name.trim().is_empty() && name.chars().count() <= LONGEST
}

/// `POST /console/areas/{id}`: name, code, outline.
pub async fn change(State(app): State<App>, UrlPath(id): UrlPath<String>, asked: Asked, fields: Fields) -> Response {
    with_form(app, asked, fields, move |ctx, fields| {
        let area = theirs(ctx, &id)?;
        let name = fields.text("name").unwrap_or_default();
        let code = fields.text("code").unwrap_or_default();
        let drawn = fields.text("outline").unwrap_or_default();
        let typed = Typed { name: Some(name.to_owned()), code: Some(code.to_owned()), outline: drawn.to_owned() };
        if !fits(name) || code.chars().count() > LONGEST {
            return page(ctx, area, &typed, Some("areas-name-wanted"));
        }
        let outline = match drawn {
            _ if fields.get("undraw") == Some("true") => Outline::default(),
            "" => area.outline.clone(),
            text => match outline::from_wkt(text) {
                Ok(outline) => outline,
                Err(why) => return page(ctx, area, &typed, Some(why_not(&why))),
            },
        };
        let now = Area { name: name.to_owned(), code: code.to_owned(), outline, ..area.clone() };
        let what = [
            ("name", now.name != area.name),
            ("code", now.code != area.code),
            ("outline", now.outline != area.outline),
        ];
        let what: Vec<&str> = what.into_iter().filter(|(_, changed)| *changed).map(|(name, _)| name).collect();
        if !what.is_empty() {
            put(ctx, Some(area), &now, &what.join(" "))?;
        }
        Ok(back(area.id))
    })
    .await
}

fn why_not(bad: &BadOutline) -> &'static str {
    match bad {
        BadOutline::Text(_) => "areas-outline-text",
        BadOutline::Shape => "areas-outline-shape",
        BadOutline::Few => "areas-outline-few",
        BadOutline::Many(_) => "areas-outline-many",
        BadOutline::NotDegrees(..) => "areas-outline-degrees",
    }
}

/// `POST /console/areas/{id}/add`: an area below.
pub async fn add(State(app): State<App>, UrlPath(id): UrlPath<String>, asked: Asked, fields: Fields) -> Response {
    with_form(app, asked, fields, move |ctx, fields| {
        let area = theirs(ctx, &id)?;
        let level = match area.level {
            AreaLevel::Town => AreaLevel::Community,
            AreaLevel::Community => AreaLevel::Grid,
            AreaLevel::County | AreaLevel::Grid => return Err(PageError::Bad("areas-nothing-below".to_owned())),
        };
        let name = fields.text("new").unwrap_or_default();
        let code = fields.text("new-code").unwrap_or_default();
        let twice = ctx.areas.children(area.id).any(|child| child.name == name);
        if !fits(name) || code.chars().count() > LONGEST || twice {
            return page(
                ctx,
                area,
                &Typed::default(),
                Some(if twice { "areas-name-twice" } else { "areas-name-wanted" }),
            );
        }
        let next = ctx.app.areas()?.iter().map(|area| area.id.0).max().unwrap_or_default() + 1;
        let new = Area::new(AreaId(next), Some(area.id), level, name, code);
        put(ctx, None, &new, "added")?;
        Ok(back(new.id))
    })
    .await
}

/// `POST /console/areas/{id}/close`: given up, or in use again.
pub async fn close(State(app): State<App>, UrlPath(id): UrlPath<String>, asked: Asked, fields: Fields) -> Response {
    with_form(app, asked, fields, move |ctx, fields| {
        let area = theirs(ctx, &id)?;
        let closed = match fields.get("closed") {
            Some("true") => true,
            Some("false") => false,
            _ => return Err(PageError::Bad("console-error-form".to_owned())),
        };
        if area.level <= AreaLevel::Town {
            return Err(PageError::Bad("areas-not-closable".to_owned()));
        }
        if closed && ctx.areas.children(area.id).any(|child| !child.closed) {
            return page(ctx, area, &Typed::default(), Some("areas-open-below"));
        }
        if closed && held(ctx, area.id)? > 0 {
            return page(ctx, area, &Typed::default(), Some("areas-not-empty"));
        }
        if closed != area.closed {
            put(ctx, Some(area), &Area { closed, ..area.clone() }, if closed { "closed" } else { "opened" })?;
        }
        Ok(back(area.id))
    })
    .await
}
