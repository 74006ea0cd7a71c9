//! 人员: adding, changing and letting go, passwords and second factors. What is listed is `people_list`.

use axum::extract::{Path as UrlPath, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use shared::area::AreaId;
use shared::author::Role;
use shared::ids::UserId;
use uuid::Uuid;

use super::ctx::{Asked, with, with_form};
use super::layout::{self, Place, csrf};
use super::manage::{self, Tab};
use super::people_list::{Choice, list, waits};
use super::{Ctx, Fields, PageError};
use crate::App;
use crate::auth::people::{AddError, NewUser, UserChange};
use crate::auth::rights::{self, Done, RightsError};
use crate::store::{StoreError, User};

/// The most characters of a name or a log-in.
const LONGEST: usize = 40;

/// What stands in a form about somebody.
#[derive(Debug, Clone)]
struct Draft {
    login: String,
    name: String,
    role: Option<Role>,
    scope: Vec<AreaId>,
    cleared: bool,
    may_unmask: bool,
    active: bool,
}

impl Draft {
    fn of(user: &User) -> Self {
        Self {
            login: user.login.clone(),
            name: user.name.clone(),
            role: Some(user.role),
            scope: user.scope.clone(),
            cleared: user.cleared,
            may_unmask: user.may_unmask,
            active: user.active,
        }
    }

    fn read(ctx: &Ctx, fields: &Fields) -> Result<Self, PageError> {
        let on = |name: &str| fields.get(name) == Some("true");
        Ok(Self {
            login: fields.text("login").unwrap_or_default().to_owned(),
            name: fields.text("name").unwrap_or_default().to_owned(),
            role: fields.get("role").and_then(Role::from_code),
            scope: manage::ticked(ctx, fields)?,
            cleared: on("cleared"),
            may_unmask: on("may_unmask"),
            active: on("active"),
        })
    }

    /// What is wrong with it, a message key.
    fn problem(&self) -> Option<&'static str> {
        let long = |text: &str| text.chars().count() > LONGEST;
        match self {
            _ if self.name.is_empty() || long(&self.name) => Some("people-name-wanted"),
            _ if self.role.is_none() => Some("people-role-wanted"),
            _ if self.scope.is_empty() => Some("people-scope-wanted"),
            _ => None,
        }
    }
}

/// What is wrong, a message key, or the page that says so.
fn said(error: RightsError) -> Result<&'static str, PageError> {
    match error {
        RightsError::Own => Ok("people-own"),
        RightsError::OutOfScope | RightsError::Add(AddError::OtherTown(_) | AddError::NoTown(_)) => {
            Ok("people-out-of-scope")
        }
        RightsError::NotAlone => Ok("people-not-alone"),
        RightsError::Store(StoreError::Exists(_)) => Ok("people-login-taken"),
        RightsError::Add(AddError::Empty) => Ok("people-name-wanted"),
        RightsError::Add(AddError::NoSuchArea(_)) => Ok("people-scope-wanted"),
        RightsError::NotTheirs => Err(PageError::NotFound),
        RightsError::NotReleasable => Err(PageError::NotAllowed),
        RightsError::Store(error) | RightsError::Add(AddError::Store(error)) => Err(error.into()),
        RightsError::Add(error) => Err(PageError::Failed(error.to_string())),
    }
}

/// `GET /console/people`
pub async fn show(State(app): State<App>, asked: Asked, Query(choice): Query<Choice>) -> Response {
    with(app, asked, move |ctx| {
        ctx.must_see(Place::Manage)?;
        let body = html! {
            (layout::top(ctx, &ctx.words.text("manage-people"), &ctx.words.text("people-sub"), ""))
            (manage::tabs(ctx, Tab::People))
            (waits(ctx)?)
            @if ctx.who.user.role == Role::Admin { (list(ctx, &choice)?) }
        };
        Ok(ctx.answer(Place::Manage, &ctx.words.text("manage-people"), &body))
    })
    .await
}

/// `GET /console/people/new`
pub async fn new(State(app): State<App>, asked: Asked) -> Response {
    with(app, asked, |ctx| {
        manage::must_administer(ctx)?;
        let (login, name) = (String::new(), String::new());
        let draft =
            Draft { login, name, role: None, scope: Vec::new(), cleared: false, may_unmask: false, active: true };
        Ok(adding(ctx, &draft, None))
    })
    .await
}

fn adding(ctx: &Ctx, draft: &Draft, problem: Option<&str>) -> Response {
    let word = |key: &str| ctx.words.text(key);
    let body = html! {
        (layout::top(ctx, &word("people-new"), "", ""))
        (manage::tabs(ctx, Tab::People))
        (manage::problem(ctx, problem))
        form.panel.narrow method="post" action="/console/people/new" {
            div.panel__b {
                (csrf(ctx))
                div.field {
                    label.field__label for="login" { (word("people-login")) }
                    input.field__ctl id="login" name="login" value=(draft.login) required maxlength=(LONGEST) autocomplete="off" autocapitalize="none";
                    p.sub { (word("people-login-help")) }
                }
                (fields_of(ctx, draft, false))
                label.opt { input.box type="checkbox" name="console" value="true"; span { (word("people-give-password")) } }
            }
            div.tools { button.btn.btn--primary { (word("people-add")) } a.btn.btn--quiet href="/console/people" { (word("people-back")) } }
        }
    };
    let status = if problem.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    (status, layout::page(ctx, Place::Manage, &word("people-new"), &body)).into_response()
}

fn fields_of(ctx: &Ctx, draft: &Draft, there: bool) -> Markup {
    let word = |key: &str| ctx.words.text(key);
    let tick = |name: &str, on: bool, key: &str| {
        html! { label.opt { input.box type="checkbox" name=(name) value="true" checked[on]; span { (word(key)) } } }
    };
    html! {
        div.field {
            label.field__label for="name" { (word("people-name")) }
            input.field__ctl id="name" name="name" value=(draft.name) required maxlength=(LONGEST) autocomplete="off";
        }
        div.field {
            label.field__label for="role" { (word("people-role")) }
            select.field__ctl id="role" name="role" required {
                option value="" { (word("console-choose")) }
                @for role in Role::ALL {
                    option value=(role.code()) selected[draft.role == Some(role)] { (word(&format!("role-{}", role.code()))) }
                }
            }
        }
        (manage::area_boxes(ctx, &draft.scope))
        fieldset.field {
            legend.field__label { (word("people-rights")) }
            (tick("cleared", draft.cleared, "people-cleared-what"))
            (tick("may_unmask", draft.may_unmask, "people-may-unmask-what"))
            p.sub { (word("people-rights-two")) }
        }
        @if there { (tick("active", draft.active, "people-active")) }
    }
}

/// `POST /console/people/new`
pub async fn add(State(app): State<App>, asked: Asked, fields: Fields) -> Response {
    with_form(app, asked, fields, |ctx, fields| {
        manage::must_administer(ctx)?;
        let draft = Draft::read(ctx, fields)?;
        let login = &draft.login;
        if login.is_empty() || login.chars().count() > LONGEST || login.chars().any(char::is_whitespace) {
            return Ok(adding(ctx, &draft, Some("people-login-wanted")));
        }
        if let Some(problem) = draft.problem() {
            return Ok(adding(ctx, &draft, Some(problem)));
        }
        let password = (fields.get("console") == Some("true")).then(|| rights::first_password(&ctx.app));
        let new = NewUser {
            login: login.clone(),
            name: draft.name.clone(),
            role: draft.role.ok_or_else(|| PageError::Bad("people-role-wanted".to_owned()))?,
            scope: draft.scope.clone(),
            cleared: draft.cleared,
            may_unmask: draft.may_unmask,
            password: password.clone(),
        };
        match rights::add(&ctx.app, &ctx.who, new) {
            Ok((user, asks)) => {
                let told = if asks { "people-added-asked" } else { "people-added" };
                Ok(page(
                    ctx,
                    &user,
                    &Draft::of(&user),
                    Say { told: Some(told), password: password.as_deref(), problem: None },
                ))
            }
            Err(error) => Ok(adding(ctx, &draft, Some(said(error)?))),
        }
    })
    .await
}

/// What a page of somebody says above the form.
#[derive(Debug, Clone, Copy, Default)]
struct Say<'a> {
    told: Option<&'a str>,
    password: Option<&'a str>,
    problem: Option<&'a str>,
}

/// `GET /console/people/{id}`
pub async fn one(State(app): State<App>, UrlPath(id): UrlPath<String>, asked: Asked) -> Response {
    with(app, asked, move |ctx| {
        let user = theirs(ctx, &id)?;
        Ok(page(ctx, &user, &Draft::of(&user), Say::default()))
    })
    .await
}

fn theirs(ctx: &Ctx, id: &str) -> Result<User, PageError> {
    manage::must_administer(ctx)?;
    let id: UserId = id.parse().map_err(|_| PageError::NotFound)?;
    let user = ctx.read(|read| Ok::<_, PageError>(read.user(id)?))?;
    user.filter(|user| rights::looks_after(&ctx.who, user)).ok_or(PageError::NotFound)
}

fn page(ctx: &Ctx, user: &User, draft: &Draft, say: Say<'_>) -> Response {
    let word = |key: &str| ctx.words.text(key);
    let own = user.id == ctx.who.user.id;
    let act = |action: &str, key: &str, help: &str| {
        html! {
            form.panel method="post" action={ "/console/people/" (user.id) "/" (action) } {
                div.panel__h { h2 { (word(key)) } }
                div.panel__b { (csrf(ctx)) p.sub { (word(help)) } }
                div.tools { button.btn.btn--second.btn--grow { (word(key)) } }
            }
        }
    };
    let body = html! {
        (layout::top(ctx, &user.name, &user.login, ""))
        (manage::tabs(ctx, Tab::People))
        (manage::problem(ctx, say.problem))
        @if let Some(told) = say.told { p.note.note--below role="status" { (word(told)) } }
        @if let Some(password) = say.password {
            section.panel.note--below role="status" {
                div.panel__h { h2 { (word("people-password-is")) } }
                div.panel__b { p.bigline { b.num #password { (password) } } p.sub { (word("people-password-once")) } }
            }
        }
        div.cols.cols--top.c-side {
            form.panel method="post" action={ "/console/people/" (user.id) } {
                div.panel__b {
                    (csrf(ctx))
                    @if own { p { (word("people-own")) } }
                    (fields_of(ctx, draft, true))
                    p.sub { (word("people-change-help")) }
                }
                div.tools { button.btn.btn--primary { (word("people-save")) } a.btn.btn--quiet href="/console/people" { (word("people-back")) } }
            }
            div.stack {
                @if !own {
                    (act("password", "people-password-set", "people-password-help"))
                    (act("second", "people-second-reset", if rights::has_rights(user) { "people-second-two" } else { "people-second-help" }))
                }
                section.panel { div.panel__b { a.go href="/console/terminals" { (word("people-terminals-go")) } } }
            }
        }
    };
    let status = if say.problem.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    (status, layout::page(ctx, Place::Manage, &user.name, &body)).into_response()
}

/// `POST /console/people/{id}`
pub async fn change(State(app): State<App>, UrlPath(id): UrlPath<String>, asked: Asked, fields: Fields) -> Response {
    with_form(app, asked, fields, move |ctx, fields| {
        let user = theirs(ctx, &id)?;
        let draft = Draft::read(ctx, fields)?;
        if let Some(problem) = draft.problem() {
            return Ok(page(ctx, &user, &draft, Say { problem: Some(problem), ..Say::default() }));
        }
        let change = UserChange {
            name: Some(draft.name.clone()),
            role: draft.role,
            scope: draft.scope.clone(),
            cleared: Some(draft.cleared),
            may_unmask: Some(draft.may_unmask),
            active: Some(draft.active),
        };
        let told = match rights::change(&ctx.app, &ctx.who, user.id, change) {
            Ok(Done::Changed) => "people-changed",
            Ok(Done::Asked) => "people-asked",
            Ok(Done::Nothing) => "people-unchanged",
            Err(error) => return Ok(page(ctx, &user, &draft, Say { problem: Some(said(error)?), ..Say::default() })),
        };
        if user.id == ctx.who.user.id && told == "people-changed" {
            // Their own log-ins ended with it.
            return Ok(Redirect::to("/console/login").into_response());
        }
        let user = theirs(ctx, &id)?;
        Ok(page(ctx, &user, &Draft::of(&user), Say { told: Some(told), ..Say::default() }))
    })
    .await
}

/// `POST /console/people/{id}/password`
pub async fn password(State(app): State<App>, UrlPath(id): UrlPath<String>, asked: Asked, fields: Fields) -> Response {
    with_form(app, asked, fields, move |ctx, _| {
        let user = theirs(ctx, &id)?;
        let draft = Draft::of(&user);
        match rights::set_password(&ctx.app, &ctx.who, user.id) {
            Ok((user, text)) => Ok(page(ctx, &user, &draft, Say { password: Some(&text), ..Say::default() })),
            Err(error) => Ok(page(ctx, &user, &draft, Say { problem: Some(said(error)?), ..Say::default() })),
        }
    })
    .await
}

/// `POST /console/people/{id}/second`
pub async fn second(State(app): State<App>, UrlPath(id): UrlPath<String>, asked: Asked, fields: Fields) -> Response {
    with_form(app, asked, fields, move |ctx, _| {
        let user = theirs(ctx, &id)?;
        let draft = Draft::of(&user);
        let say = match rights::reset_second(&ctx.app, &ctx.who, user.id) {
            Ok(Done::Asked) => Say { told: Some("people-asked"), ..Say::default() },
            Ok(_) => Say { told: Some("people-second-done"), ..Say::default() },
            Err(error) => Say { problem: Some(said(error)?), ..Say::default() },
        };
        Ok(page(ctx, &user, &draft, say))
    })
    .await
}

/// `POST /console/people/asked/{id}/release`
pub async fn release(State(app): State<App>, UrlPath(id): UrlPath<Uuid>, asked: Asked, fields: Fields) -> Response {
    with_form(app, asked, fields, move |ctx, _| {
        ctx.must_see(Place::Manage)?;
        match rights::release(&ctx.app, &ctx.who, id) {
            Ok(()) => Ok(Redirect::to("/console/people").into_response()),
            Err(error) => Err(PageError::Bad(said(error)?.to_owned())),
        }
    })
    .await
}
