//! 我的登录: one's own password, second factor and recovery codes.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};

use super::ctx::{Asked, with, with_form};
use super::layout::{self, Place, csrf};
use super::{Ctx, Fields, PageError, failed, login};
use crate::App;
use crate::auth::password;
use crate::auth::second::{self, Entry};
use crate::auth::session::{self, ChangeError};
use crate::http::way::Way;

/// `GET /console/me`
pub async fn show(State(app): State<App>, asked: Asked) -> Response {
    with(app, asked, |ctx| page(ctx, None, StatusCode::OK)).await
}

/// `POST /console/me/password`: all log-ins end, this one too.
pub async fn password(State(app): State<App>, way: Way, asked: Asked, fields: Fields) -> Response {
    with_form(app, asked, fields, move |ctx, fields| {
        let given = |name: &str| fields.get(name).unwrap_or_default();
        let user = &ctx.who.user;
        if let Err(seconds) = ctx.app.throttle.begin(&user.login, way.address, ctx.now) {
            return wait(ctx, seconds);
        }
        let right = ctx.app.throttle.one_at_a_time(|| password::verify(user.password.as_deref(), given("old")));
        if !right {
            failed::note_of(&ctx.app, user, "audit-log-in-failed")?;
            return page(ctx, Some(&ctx.words.text("console-password-wrong")), StatusCode::UNAUTHORIZED);
        }
        ctx.app.throttle.right(&user.login, way.address);
        if given("new") != given("again") {
            let said = ctx.words.text("console-password-differs");
            return page(ctx, Some(&said), StatusCode::UNPROCESSABLE_ENTITY);
        }
        match session::change_password(&ctx.app, user, given("new"), Some(user)) {
            Ok(()) => Ok(login::outside(Redirect::to("/console/login").into_response(), way)),
            Err(ChangeError::Short) => {
                let said = ctx.words.with("console-password-short", &[("n", session::PASSWORD.to_string().into())]);
                page(ctx, Some(&said), StatusCode::UNPROCESSABLE_ENTITY)
            }
            Err(ChangeError::Store(error)) => Err(error.into()),
            Err(ChangeError::Password(error)) => Err(PageError::Failed(error.to_string())),
        }
    })
    .await
}

/// `POST /console/me/second`: the second factor goes, all log-ins end, and the next one sets it up anew.
pub async fn second(State(app): State<App>, way: Way, asked: Asked, fields: Fields) -> Response {
    with_form(app, asked, fields, move |ctx, fields| {
        let user = &ctx.who.user;
        match second::renew(&ctx.app, way.address, user, fields.text("code").unwrap_or_default())? {
            Entry::Done(..) => Ok(login::outside(Redirect::to("/console/login").into_response(), way)),
            Entry::Wrong => {
                failed::note_of(&ctx.app, user, "audit-log-in-code")?;
                page(ctx, Some(&ctx.words.text("console-second-wrong")), StatusCode::UNAUTHORIZED)
            }
            Entry::Wait(seconds) => wait(ctx, seconds),
        }
    })
    .await
}

fn wait(ctx: &Ctx, seconds: i64) -> Result<Response, PageError> {
    let said = login::wait_words(&ctx.words, seconds);
    Ok(login::later(page(ctx, Some(&said), StatusCode::TOO_MANY_REQUESTS)?, seconds))
}

fn page(ctx: &Ctx, problem: Option<&str>, status: StatusCode) -> Result<Response, PageError> {
    let user = &ctx.who.user;
    let (factor, left) =
        ctx.read(|read| Ok::<_, PageError>((read.second_factor(user.id)?, read.recovery_codes(user.id)?)))?;
    let title = ctx.words.text("console-my-log-in");
    let body = html! {
        header.top { h1 { (title) } p.sub { (user.name) (ctx.words.text("facts-separator")) (user.login) } }
        @if let Some(problem) = problem { p.note.note--doubt.note--below role="alert" { (problem) } }
        div.cols.cols--top.c-half {
            (new_password(ctx))
            @if factor.is_some_and(|factor| factor.confirmed) { (new_second(ctx, left)) }
        }
    };
    Ok((status, layout::page(ctx, Place::Me, &title, &body)).into_response())
}

fn new_password(ctx: &Ctx) -> Markup {
    let word = |key: &str| ctx.words.text(key);
    let field = |name: &str, key: &str, auto: &str| {
        html! {
            div.field {
                label.field__label for=(name) { (word(key)) }
                input.field__ctl id=(name) name=(name) type="password" autocomplete=(auto) required maxlength="200";
            }
        }
    };
    html! {
        form.panel method="post" action="/console/me/password" aria-labelledby="pw" {
            div.panel__h { h2 #pw { (word("console-password-change")) } }
            div.panel__b.spaced {
                (csrf(ctx))
                (field("old", "console-password-old", "current-password"))
                (field("new", "console-password-new", "new-password"))
                (field("again", "console-password-again", "new-password"))
                p.sub { (word("console-ends-log-ins")) }
            }
            div.tools { button.btn.btn--primary.btn--grow { (word("console-password-change")) } }
        }
    }
}

fn new_second(ctx: &Ctx, left: u64) -> Markup {
    let word = |key: &str| ctx.words.text(key);
    html! {
        form.panel method="post" action="/console/me/second" aria-labelledby="sf" {
            div.panel__h {
                h2 #sf { (word("console-second")) }
                span.sub.end { (ctx.words.with("console-recovery-left", &[("n", left.to_string().into())])) }
            }
            div.panel__b.spaced {
                (csrf(ctx))
                p { (word("console-second-renew-what")) }
                div.field {
                    label.field__label for="code" { (word("console-second-or-recovery")) }
                    input.field__ctl.num id="code" name="code" autocomplete="one-time-code" autocapitalize="none" required maxlength="40";
                }
                p.sub { (word("console-ends-log-ins")) }
            }
            div.tools { button.btn.btn--second.btn--grow { (word("console-second-renew")) } }
        }
    }
}
