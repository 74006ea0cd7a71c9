//! The second factor: setting it up after the first password, and typing a code after each later one.

use assets::messages::Messages;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use qrcode::{Color, EcLevel, QrCode};

use super::ctx::{Asked, PageError, must_carry};
use super::{Fields, failed, layout, login};
use crate::auth::second::{self, Entry};
use crate::auth::session::{self, Found};
use crate::auth::{Who, totp};
use crate::http::way::Way;
use crate::store::{Session, StoreError};
use crate::{App, AppState};

/// Somebody whose password was right.
struct Half {
    app: App,
    session: Session,
    who: Who,
    words: Messages,
}

/// Runs `work` for whoever is halfway in.
async fn halfway(
    app: App,
    asked: Asked,
    work: impl FnOnce(&Half) -> Result<Response, PageError> + Send + 'static,
) -> Response {
    let lang = asked.lang;
    let done = tokio::task::spawn_blocking(move || {
        let token = asked.token.as_deref().ok_or(PageError::LoggedOut)?;
        match session::find(&app, token)? {
            Found::Nobody => Err(PageError::LoggedOut),
            Found::Inside(..) => Ok(Redirect::to("/console").into_response()),
            Found::Halfway(session, who) => work(&Half { app, session, who, words: Messages::of(lang) }),
        }
    });
    let done = done.await.unwrap_or_else(|join| Err(PageError::Failed(join.to_string())));
    done.unwrap_or_else(|error| error.page(lang))
}

/// `GET /console/login/second`
pub async fn show(State(app): State<App>, asked: Asked) -> Response {
    halfway(app, asked, |half| Ok(page(half, None)?.into_response())).await
}

/// `POST /console/login/second`
pub async fn enter(State(app): State<App>, way: Way, asked: Asked, fields: Fields) -> Response {
    halfway(app, asked, move |half| {
        must_carry(&half.session, fields.get("csrf").unwrap_or_default())?;
        let (app, user) = (&half.app, &half.who.user);
        let given = fields.text("code").unwrap_or_default();
        match second::enter(app, way.address, &half.session, user, given)? {
            Entry::Done(token, codes) if codes.is_empty() => {
                Ok(login::inside(Redirect::to("/console").into_response(), way, &token))
            }
            Entry::Done(token, codes) => Ok(login::inside(recovery(half, &codes).into_response(), way, &token)),
            Entry::Wrong => {
                failed::note_of(app, user, "audit-log-in-code")?;
                let said = half.words.text("console-second-wrong");
                Ok((StatusCode::UNAUTHORIZED, page(half, Some(&said))?).into_response())
            }
            Entry::Wait(seconds) => {
                let said = login::wait_words(&half.words, seconds);
                let refused = (StatusCode::TOO_MANY_REQUESTS, page(half, Some(&said))?).into_response();
                Ok(login::later(refused, seconds))
            }
        }
    })
    .await
}

fn page(half: &Half, problem: Option<&str>) -> Result<Markup, StoreError> {
    let word = |key: &str| half.words.text(key);
    let offered = second::offered(&half.app, &half.who.user)?;
    let title = word(if offered.is_some() { "console-second-set-up" } else { "console-second" });
    let body = html! {
        main.alone.alone--long {
            h1 { (title) }
            form.panel.panel__b.spaced method="post" action="/console/login/second" {
                input type="hidden" name="csrf" value=(half.session.csrf);
                @if let Some(problem) = problem { p.note.note--doubt role="alert" { (problem) } }
                @if let Some(secret) = &offered { (to_scan(half, secret)?) }
                div.field {
                    label.field__label for="code" {
                        (word(if offered.is_some() { "console-second-code" } else { "console-second-or-recovery" }))
                    }
                    input.field__ctl.num id="code" name="code" inputmode=[offered.is_some().then_some("numeric")]
                        autocomplete="one-time-code" autocapitalize="none" autofocus required maxlength="40";
                }
                button.btn.btn--primary.btn--wide.btn--below { (word("console-log-in")) }
            }
            p.sub.beneath { @if offered.is_none() { (word("console-second-lost")) " " } a.go href="/console/login" { (word("console-second-other")) } }
        }
    };
    Ok(layout::shell(half.words.lang(), &title, &body))
}

/// The secret as a picture for the authenticator, and to be typed where there is no camera.
fn to_scan(half: &Half, secret: &[u8]) -> Result<Markup, StoreError> {
    let word = |key: &str| half.words.text(key);
    let uri = totp::uri(&issuer(&half.app, half)?, &half.who.user.login, secret);
    let typed = totp::base32(secret);
    let groups: Vec<&str> = typed.as_bytes().chunks(4).filter_map(|four| std::str::from_utf8(four).ok()).collect();
    Ok(html! {
        p { (word("console-second-why")) }
        p { (word("console-second-scan")) }
        (picture(&uri, &word("console-second-picture")))
        p.sub { (word("console-second-type")) }
        p { code.code id="secret" { (groups.join(" ")) } }
    })
}

/// Under which name an authenticator lists it.
fn issuer(app: &AppState, half: &Half) -> Result<String, StoreError> {
    let areas = app.areas()?;
    let town = areas.get(half.who.user.town).map(|area| area.name.as_str()).unwrap_or_default();
    Ok(format!("{town}{}", half.words.text("console-centre")))
}

/// A QR code. Modules of a row that touch are one line of the path: fewer than half the bytes.
pub fn picture(text: &str, label: &str) -> Markup {
    const QUIET: usize = 4;
    let Ok(code) = QrCode::with_error_correction_level(text, EcLevel::L) else { return html! {} };
    let width = code.width();
    let mut path = String::new();
    for (y, row) in code.to_colors().chunks(width).enumerate() {
        let mut x = 0;
        for run in row.chunk_by(|a, b| a == b) {
            if run.first() == Some(&Color::Dark) {
                path.push_str(&format!("M{} {}h{}v1h-{}z", x + QUIET, y + QUIET, run.len(), run.len()));
            }
            x += run.len();
        }
    }
    let side = width + 2 * QUIET;
    html! {
        svg.qr viewBox={ "0 0 " (side) " " (side) } role="img" aria-label=(label) shape-rendering="crispEdges" {
            rect width=(side) height=(side) fill="#fff" {}
            path d=(path) fill="#000" {}
        }
    }
}

/// The recovery codes, this once.
fn recovery(half: &Half, codes: &[String]) -> Markup {
    let word = |key: &str| half.words.text(key);
    let title = word("console-recovery");
    let body = html! {
        main.alone {
            h1 { (title) }
            section.panel.panel__b role="status" {
                p { (word("console-recovery-what")) }
                ul.recovery {
                    @for code in codes {
                        @let four = code.as_bytes().chunks(4).filter_map(|four| std::str::from_utf8(four).ok());
                        li.num { (four.collect::<Vec<_>>().join("-")) }
                    }
                }
                p.sub { (word("console-recovery-once")) }
                a.btn.btn--primary.btn--wide.btn--below href="/console" { (word("console-recovery-kept")) }
            }
        }
    };
    layout::shell(half.words.lang(), &title, &body)
}
