//! Logging in and out, and the language.

use assets::messages::{Lang, Messages};
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use maud::html;

use super::ctx::{Asked, COOKIE, LANGUAGE, PageError, with_form};
use super::{Fields, failed, layout};
use crate::App;
use crate::auth::session::{self, LogIn};
use crate::http::way::{Cover, Way};

/// `GET /console/login`
pub async fn show(asked: Asked, way: Way) -> Response {
    let bare = (way.cover == Cover::Bare).then(|| Messages::of(asked.lang).text("console-login-bare"));
    page(asked.lang, "", bare.as_deref(), StatusCode::OK)
}

fn page(lang: Lang, login: &str, problem: Option<&str>, status: StatusCode) -> Response {
    let words = Messages::of(lang);
    let word = |key: &str| words.text(key);
    let body = html! {
        main.alone {
            h1 { (word("console-centre")) }
            form.panel.panel__b method="post" action="/console/login" {
                @if let Some(problem) = problem { p.note.note--doubt role="alert" { (problem) } }
                div.field {
                    label.field__label for="login" { (word("console-login")) }
                    input.field__ctl id="login" name="login" value=(login) autocomplete="username" autocapitalize="none"
                        required maxlength="100";
                }
                div.field {
                    label.field__label for="password" { (word("console-password")) }
                    input.field__ctl id="password" name="password" type="password" autocomplete="current-password" required
                        maxlength="200";
                }
                button.btn.btn--primary.btn--wide.btn--below { (word("console-log-in")) }
            }
        }
    };
    (status, layout::shell(lang, &word("console-log-in"), &body)).into_response()
}

/// `POST /console/login`. There is no session yet whose token a form could carry: `Fields` refuses forms of other
/// origins, and the cookie is `SameSite=Strict`.
pub async fn enter(State(app): State<App>, way: Way, asked: Asked, fields: Fields) -> Response {
    let words = Messages::of(asked.lang);
    if way.cover == Cover::Bare {
        // The browser would not keep the cookie anyway.
        return page(asked.lang, "", Some(&words.text("console-login-bare")), StatusCode::FORBIDDEN);
    }
    let login = fields.text("login").unwrap_or_default().to_owned();
    let password = fields.get("password").unwrap_or_default().to_owned();
    let (name, server) = (login.clone(), app.clone());
    let done = tokio::task::spawn_blocking(move || session::log_in(&app, way.address, &name, &password)).await;
    match done {
        Ok(Ok(LogIn::Done(token))) => inside(Redirect::to("/console").into_response(), way, &token),
        Ok(Ok(LogIn::Wrong)) => {
            let name = login.clone();
            // Beside the answer, not before it: how long that takes would tell whether there is such a name.
            tokio::task::spawn_blocking(move || failed::note(&server, &name));
            page(asked.lang, &login, Some(&words.text("console-wrong-login")), StatusCode::UNAUTHORIZED)
        }
        Ok(Ok(LogIn::Wait(seconds))) => {
            let said = wait_words(&words, seconds);
            later(page(asked.lang, &login, Some(&said), StatusCode::TOO_MANY_REQUESTS), seconds)
        }
        Ok(Err(error)) => PageError::Store(error).page(asked.lang),
        Err(join) => PageError::Failed(join.to_string()).page(asked.lang),
    }
}

/// How long one has to wait after too many wrong passwords and codes.
pub fn wait_words(words: &Messages, seconds: i64) -> String {
    words.with("console-login-wait", &[("n", seconds.to_string().into())])
}

/// The same for programs.
pub fn later(mut response: Response, seconds: i64) -> Response {
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    response
}

/// An answer with the cookie of a session.
pub fn inside(response: Response, way: Way, token: &str) -> Response {
    with_cookie(response, way, COOKIE, token, session::SESSION.num_seconds())
}

/// An answer that takes the cookie of a session back.
pub fn outside(response: Response, way: Way) -> Response {
    with_cookie(response, way, COOKIE, "", 0)
}

/// `POST /console/logout`
pub async fn leave(State(app): State<App>, way: Way, asked: Asked, fields: Fields) -> Response {
    let response = with_form(app, asked, fields, |ctx, _| {
        session::log_out(&ctx.app, &ctx.session)?;
        Ok(Redirect::to("/console/login").into_response())
    })
    .await;
    outside(response, way)
}

/// `POST /console/language`
pub async fn language(State(app): State<App>, way: Way, asked: Asked, fields: Fields) -> Response {
    let lang = Lang::from_tag(fields.get("lang").unwrap_or_default());
    let response = with_form(app, asked, fields, |_, _| Ok(Redirect::to("/console").into_response())).await;
    with_cookie(response, way, LANGUAGE, lang.tag(), 365 * 86_400)
}

fn with_cookie(mut response: Response, way: Way, name: &str, value: &str, age: i64) -> Response {
    // A browser beside the server has no HTTPS to it, and nobody reads along there.
    let secure = if way.cover == Cover::Loopback { "" } else { "; Secure" };
    let cookie = format!("{name}={value}; Path=/console; Max-Age={age}; HttpOnly; SameSite=Strict{secure}");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}
