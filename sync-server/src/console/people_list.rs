//! The list of people, and what of their rights waits for a second person.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use maud::{Markup, html};
use serde::Deserialize;
use shared::author::Role;
use shared::ids::UserId;

use super::layout::{ago, csrf, moment};
use super::{Ctx, PageError};
use crate::auth::rights;
use crate::batch::approval::LAPSES;
use crate::store::User;

/// Which of them.
#[derive(Debug, Default, Deserialize)]
pub struct Choice {
    view: Option<String>,
}

/// What waits for a second person.
pub fn waits(ctx: &Ctx) -> Result<Markup, PageError> {
    let word = |key: &str| ctx.words.text(key);
    let waiting = ctx.read(|read| rights::waiting(read, &ctx.who, &ctx.areas, ctx.now))?;
    if waiting.is_empty() {
        return Ok(html! { @if ctx.who.user.role != Role::Admin { p.sub { (word("people-nothing-waits")) } } });
    }
    let name = |id: UserId| ctx.users.get(&id).map(String::as_str).unwrap_or_default();
    Ok(html! {
        section.panel.note--below aria-labelledby="pw" {
            div.panel__h { h2 #pw { (word("people-two")) } span.sub { (waiting.len()) } }
            table.table {
                thead { tr {
                    th { (word("people-name")) } th { (word("people-would-be")) } th { (word("batch-asked-by")) }
                    th { (word("batch-until")) } th { span.say { (word("batch-release")) } }
                } }
                tbody { @for one in &waiting {
                    tr {
                        td.n { b { (name(one.wanted.user)) } }
                        td { @if one.wanted.second { (word("people-second-reset")) } @else { (would_be(ctx, &one.after)) } }
                        td.n { (name(one.approval.asked_by)) }
                        td.n { time { (moment(ctx, one.approval.asked_at + LAPSES)) } }
                        td.r {
                            @if one.approval.asked_by == ctx.who.user.id { span.sub { (word("batch-waits")) } } @else {
                                form method="post" action={ "/console/people/asked/" (one.approval.id) "/release" } {
                                    (csrf(ctx)) button.btn.btn--second { (word("batch-release")) }
                                }
                            }
                        }
                    }
                } }
            }
        }
    })
}

/// Role, scope and rights in words.
fn would_be(ctx: &Ctx, user: &User) -> String {
    let mut parts = vec![ctx.words.text(&format!("role-{}", user.role.code())), scope(ctx, user)];
    parts.extend(rights_of(ctx, user));
    parts.join(&ctx.words.text("facts-separator"))
}

fn scope(ctx: &Ctx, user: &User) -> String {
    user.scope.iter().map(|id| ctx.area(*id)).collect::<Vec<_>>().join(&ctx.words.text("list-separator"))
}

fn rights_of(ctx: &Ctx, user: &User) -> Vec<String> {
    let all = [(user.cleared, "people-cleared"), (user.may_unmask, "people-may-unmask")];
    all.into_iter().filter(|(has, _)| *has).map(|(_, key)| ctx.words.text(key)).collect()
}

/// Who works here.
pub fn list(ctx: &Ctx, choice: &Choice) -> Result<Markup, PageError> {
    let view = choice.view.as_deref().unwrap_or("all");
    let word = |key: &str| ctx.words.text(key);
    let (users, devices) = ctx.read(|read| Ok::<_, PageError>((read.users()?, read.devices()?)))?;
    let users: Vec<User> = users.into_iter().filter(|user| rights::looks_after(&ctx.who, user)).collect();
    let mut held: BTreeMap<UserId, (usize, Option<DateTime<Utc>>)> = BTreeMap::new();
    for device in super::terminals::standing(devices) {
        let (count, seen) = held.entry(device.user).or_default();
        *count += usize::from(device.fate.is_none() && device.expires > ctx.now);
        *seen = (*seen).max(device.seen.map(|seen| seen.at));
    }
    let wanted = |view: &str, user: &User| match view {
        "all" => user.active,
        "left" => !user.active,
        role => user.active && user.role.code() == role,
    };
    let views = [("all", "people-all".to_owned())].into_iter();
    let views = views.chain(Role::ALL.iter().map(|role| (role.code(), format!("role-{}", role.code()))));
    let views = views.chain([("left", "people-left".to_owned())]);
    let listed: Vec<&User> = users.iter().filter(|user| wanted(view, user)).collect();
    Ok(html! {
        nav.views aria-label=(word("people-role")) {
            @for (code, key) in views {
                @let count = users.iter().filter(|user| wanted(code, user)).count();
                @if code == "all" || code == view || count > 0 {
                    a href={ "/console/people?view=" (code) } aria-current=[(code == view).then_some("page")] { (word(&key)) b { (count) } }
                }
            }
            a.btn.btn--primary.end href="/console/people/new" { (word("people-new")) }
        }
        section.panel {
            @if listed.is_empty() { p.panel__b.sub { (word("people-none")) } } @else {
                table.table {
                    thead { tr {
                        th { (word("people-name")) } th { (word("people-login")) } th { (word("people-role")) }
                        th { (word("people-scope")) } th { (word("people-rights")) } th.r { (word("people-terminals")) }
                        th { (word("console-last-seen")) }
                    } }
                    tbody { @for user in listed {
                        @let (count, seen) = held.get(&user.id).copied().unwrap_or_default();
                        tr {
                            td.n { a.go href={ "/console/people/" (user.id) } { (user.name) } @if !user.active { " " span.sub { (word("people-left")) } } }
                            td.n { (user.login) @if user.password.is_none() { " " span.sub { (word("people-no-console")) } } }
                            td.n { (word(&format!("role-{}", user.role.code()))) }
                            td { (scope(ctx, user)) }
                            td { (rights_of(ctx, user).join(&ctx.words.text("list-separator"))) }
                            td.r.n { (count) }
                            td.n { (seen.map(|at| ago(&ctx.words, at, ctx.now)).unwrap_or_default()) }
                        }
                    } }
                }
            }
        }
    })
}
