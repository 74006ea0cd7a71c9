//! 终端: who uses them, when they were last seen, what they still hold, and codes for enrolling more.

use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use http::HeaderMap;
use maud::{Markup, html};
use shared::ids::{DeviceId, UserId};
use shared::key_pin::EnrolLine;

use super::ctx::{Asked, with, with_form};
use super::layout::{self, Place, csrf};
use super::second::picture;
use super::terminal_list::{self, Choice};
use super::{Ctx, Fields, PageError};
use crate::App;
use crate::auth::enrol;
use crate::http::way::{Cover, Way};
use crate::store::{Device, User};

/// After how many days without a round a terminal is silent.
pub const SILENT_DAYS: i64 = 3;

/// Whether a terminal has not been seen for [`SILENT_DAYS`].
pub fn is_silent(device: &Device, now: DateTime<Utc>) -> bool {
    let last = device.seen.as_ref().map_or(device.enrolled, |seen| seen.at);
    device.fate.is_none() && device.expires > now && now - last > TimeDelta::days(SILENT_DAYS)
}

/// Of the enrolments those that stand for a terminal: not the earlier ones of a terminal that has gone on as another since.
/// One that is still used although it was copied stands for the other copy.
pub fn standing(devices: Vec<Device>) -> Vec<Device> {
    let seen = |device: &Device| device.seen.as_ref().map(|seen| seen.at);
    let mut went_on: BTreeMap<DeviceId, DateTime<Utc>> = BTreeMap::new();
    for device in &devices {
        if let (Some(before), Some(at)) = (device.parted_from, seen(device)) {
            went_on.entry(before).and_modify(|last| *last = at.max(*last)).or_insert(at);
        }
    }
    let stands =
        |device: &Device| went_on.get(&device.id).is_none_or(|after| seen(device).is_some_and(|at| at > *after));
    devices.into_iter().filter(stands).collect()
}

/// The terminal with its user.
pub fn name(ctx: &Ctx, device: &Device) -> String {
    let user = ctx.users.get(&device.user).map(String::as_str).unwrap_or_default();
    if device.name.is_empty() { user.to_owned() } else { format!("{}，{user}", device.name) }
}

/// What it still holds, in words.
pub fn owed(ctx: &Ctx, device: &Device) -> String {
    match device.seen.as_ref().map(|seen| seen.undelivered) {
        None | Some(0) => ctx.words.text("none"),
        Some(n) => ctx.words.with("console-owes", &[("n", n.to_string().into())]),
    }
}

/// `GET /console/terminals`
pub async fn show(State(app): State<App>, asked: Asked, Query(choice): Query<Choice>) -> Response {
    with(app, asked, move |ctx| {
        ctx.must_see(Place::Terminals)?;
        answer(ctx, &choice, None)
    })
    .await
}

/// `POST /console/terminals/code`: a one-time code, shown this once.
pub async fn code(State(app): State<App>, way: Way, headers: HeaderMap, asked: Asked, fields: Fields) -> Response {
    with_form(app, asked, fields, move |ctx, fields| {
        ctx.must_see(Place::Terminals)?;
        let bad = || PageError::Bad("console-error-form".to_owned());
        let id: UserId = fields.get("user").and_then(|id| id.parse().ok()).ok_or_else(bad)?;
        let user = ctx.read(|read| read.user(id))?.filter(|user| user.active && user.town == ctx.who.user.town);
        let user = user.ok_or(PageError::NotFound)?;
        let code = enrol::make_code(&ctx.app, &user)?;
        ctx.note("audit-enrol-code", &user.id.to_string(), "")?;
        let pins = ctx.app.tls.pins();
        let server = ctx.app.public_url.clone().unwrap_or_else(|| asked_at(way, &headers));
        answer(
            ctx,
            &Choice::default(),
            Some(Fresh { name: user.name, typed: enrol::typed(&code, &pins), line: EnrolLine { server, code, pins } }),
        )
    })
    .await
}

/// A code just made.
struct Fresh {
    /// For whom.
    name: String,
    /// The digits to type.
    typed: String,
    /// All of it in one line.
    line: EnrolLine,
}

fn answer(ctx: &Ctx, choice: &Choice, fresh: Option<Fresh>) -> Result<Response, PageError> {
    let (devices, users) = ctx.read(|read| Ok::<_, PageError>((standing(read.devices()?), read.users()?)))?;
    let page = layout::page(
        ctx,
        Place::Terminals,
        &ctx.words.text("console-terminals"),
        &html! {
            (body(ctx, &devices, &users, choice, fresh))
            (super::ending::panel(ctx, &devices)?)
            (super::backup::panel(ctx)?)
        },
    );
    Ok(page.into_response())
}

fn body(ctx: &Ctx, devices: &[Device], users: &[User], choice: &Choice, fresh: Option<Fresh>) -> Markup {
    let word = |key: &str| ctx.words.text(key);
    let counted = |n: usize| n.to_string();
    let people: std::collections::BTreeSet<UserId> = devices.iter().map(|device| device.user).collect();
    let beside = ctx.words.with(
        "console-terminals-count",
        &[("n", counted(devices.len()).into()), ("people", counted(people.len()).into())],
    );
    html! {
        (layout::top(ctx, &word("console-terminals"), &beside, ""))
        @if let Some(Fresh { name, typed, line }) = fresh {
            section.panel.code-panel role="status" {
                div.panel__h { h2 { (ctx.words.with("console-code-for", &[("name", name.into())])) } }
                div.panel__b {
                    p.bigline { b.num { (parted(&typed)) } }
                    p.sub { (ctx.words.with("console-code-help", &[("n", enrol::CODE.num_minutes().to_string().into())])) }
                    p { (ctx.words.with("console-code-address", &[("address", line.server.as_str().into())])) }
                    p { (word("console-code-line")) }
                    (picture(&line.to_string(), &word("console-code-qr")))
                    p.enrol-line { code { (line) } }
                }
            }
        }
        (terminal_list::show(ctx, devices, choice))
        div.cols.cols--top.c-half {
                form.panel method="post" action="/console/terminals/code" aria-labelledby="nt" {
                    div.panel__h { h2 #nt { (word("console-enrol")) } }
                    div.panel__b {
                        (csrf(ctx))
                        div.field {
                            label.field__label for="user" { (word("console-for-whom")) }
                            select.field__ctl id="user" name="user" required {
                                option value="" { (word("console-choose")) }
                                @for user in users.iter().filter(|user| user.active) {
                                    option value=(user.id) {
                                        (user.name) (word("facts-separator")) (word(&format!("role-{}", user.role.code())))
                                    }
                                }
                            }
                        }
                    }
                    div.tools { button.btn.btn--primary.btn--grow { (word("console-make-code")) } }
                }
                (super::outbox::form(ctx))
        }
    }
}

/// `01234 56789`, `01234 56789 012 345`: easier to read aloud.
fn parted(code: &str) -> String {
    let mut parts = Vec::new();
    let mut rest = code;
    for length in [5, 5, 3] {
        let Some((part, left)) = rest.split_at_checked(length) else { break };
        parts.push(part);
        rest = left;
    }
    parts.push(rest);
    parts.join(" ").trim_end().to_owned()
}

/// The address of this request, as the browser knows the server.
fn asked_at(way: Way, headers: &HeaderMap) -> String {
    let host = headers.get(http::header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let scheme = if way.cover == Cover::Encrypted { "https" } else { "http" };
    format!("{scheme}://{host}")
}
