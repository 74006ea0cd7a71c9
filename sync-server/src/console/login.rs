//! Logging in and out, and the language.

use assets::messages::{Lang, Messages};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use maud::html;

use super::ctx::{Asked, COOKIE, LANGUAGE, PageError, with_form};
use super::{Fields, failed, layout};
use crate::App;
use crate::auth::session::{self, LogIn};

/// `GET /console/login`
pub async fn show(asked: Asked) -> Response {
    page(asked.lang, "", None, StatusCode::OK)
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
pub async fn enter(State(app): State<App>, headers: HeaderMap, asked: Asked, fields: Fields) -> Response {
    let login = fields.text("login").unwrap_or_default().to_owned();
    let password = fields.get("password").unwrap_or_default().to_owned();
    let (name, server) = (login.clone(), app.clone());
    let done = tokio::task::spawn_blocking(move || session::log_in(&app, &name, &password)).await;
    match done {
        Ok(Ok(LogIn::Done(token, _))) => {
            let age = session::SESSION.num_seconds();
            with_cookie(Redirect::to("/console").into_response(), &headers, COOKIE, &token, age)
        }
        Ok(Ok(LogIn::Wrong)) => {
            let name = login.clone();
            // Beside the answer, not before it: how long that takes would tell whether there is such a name.
            tokio::task::spawn_blocking(move || failed::note(&server, &name));
            let said = Messages::of(asked.lang).text("console-wrong-login");
            page(asked.lang, &login, Some(&said), StatusCode::UNAUTHORIZED)
        }
        Ok(Ok(LogIn::Wait(seconds))) => {
            let said = Messages::of(asked.lang).with("console-login-wait", &[("n", seconds.to_string().into())]);
            let mut response = page(asked.lang, &login, Some(&said), StatusCode::TOO_MANY_REQUESTS);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            response
        }
        Ok(Err(error)) => PageError::Store(error).page(asked.lang),
        Err(join) => PageError::Failed(join.to_string()).page(asked.lang),
    }
}

/// `POST /console/logout`
pub async fn leave(State(app): State<App>, headers: HeaderMap, asked: Asked, fields: Fields) -> Response {
    let response = with_form(app, asked, fields, |ctx, _| {
        session::log_out(&ctx.app, &ctx.session)?;
        Ok(Redirect::to("/console/login").into_response())
    })
    .await;
    with_cookie(response, &headers, COOKIE, "", 0)
}

/// `POST /console/language`
pub async fn language(State(app): State<App>, headers: HeaderMap, asked: Asked, fields: Fields) -> Response {
    let lang = Lang::from_tag(fields.get("lang").unwrap_or_default());
    let response = with_form(app, asked, fields, |_, _| Ok(Redirect::to("/console").into_response())).await;
    with_cookie(response, &headers, LANGUAGE, lang.tag(), 365 * 86_400)
}

fn with_cookie(mut response: Response, headers: &HeaderMap, name: &str, value: &str, age: i64) -> Response {
    let secure = headers.get("x-forwarded-proto").is_some_and(|proto| proto == "https");
    let secure = if secure { "; Secure" } else { "" };
    let cookie = format!("{name}={value}; Path=/console; Max-Age={age}; HttpOnly; SameSite=Strict{secure}");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}
