//! The list of terminals: each in one line, those of a kind alone, in the order one asks for.

use std::cmp::Reverse;

use maud::{Markup, html};
use serde::Deserialize;
use shared::wire::numbers;

use super::Ctx;
use super::layout::{ago, light};
use super::terminals::{is_silent, owed};
use crate::store::{Device, Fate};

/// Which of them, and in which order.
#[derive(Debug, Default, Deserialize)]
pub struct Choice {
    view: Option<String>,
    sort: Option<String>,
}

const VIEWS: [&str; 5] = ["all", "silent", "old", "owes", "ended"];
/// What can be sorted by, with the heading.
const SORTS: [(&str, &str); 6] = [
    ("name", "console-terminal"),
    ("user", "console-user"),
    ("seen", "console-last-seen"),
    ("owes", "console-undelivered"),
    ("app", "console-app"),
    ("battery", "console-battery"),
];

fn app(device: &Device) -> &str {
    device.seen.as_ref().map(|seen| seen.app.as_str()).unwrap_or_default()
}

fn is_ended(ctx: &Ctx, device: &Device) -> bool {
    device.expires <= ctx.now || device.fate.is_some_and(|(fate, _)| fate.is_closed())
}

fn owes(device: &Device) -> u32 {
    device.seen.as_ref().map_or(0, |seen| seen.undelivered)
}

/// The list.
pub fn show(ctx: &Ctx, devices: &[Device], choice: &Choice) -> Markup {
    let word = |key: &str| ctx.words.text(key);
    let newest = devices
        .iter()
        .filter(|device| !is_ended(ctx, device))
        .map(|device| numbers(app(device)))
        .max()
        .unwrap_or_default();
    let is_old = |device: &Device| !is_ended(ctx, device) && !app(device).is_empty() && numbers(app(device)) < newest;
    let wanted = |view: &str, device: &Device| match view {
        "silent" => is_silent(device, ctx.now),
        "old" => is_old(device),
        "owes" => owes(device) > 0,
        "ended" => is_ended(ctx, device),
        _ => true,
    };
    let view = choice.view.as_deref().filter(|view| VIEWS.contains(view)).unwrap_or("all");
    let sort = choice.sort.as_deref().filter(|sort| SORTS.iter().any(|(code, _)| code == sort)).unwrap_or_default();
    let mut listed: Vec<&Device> = devices.iter().filter(|device| wanted(view, device)).collect();
    let user = |device: &Device| ctx.users.get(&device.user).cloned().unwrap_or_default();
    // What asks for attention stands first: seen long ago, much owed, an old version, little left of the battery.
    match sort {
        "name" => listed.sort_by_key(|device| (device.name.clone(), user(device))),
        "seen" => listed.sort_by_key(|device| device.seen.as_ref().map(|seen| seen.at)),
        "user" => listed.sort_by_key(|device| user(device)),
        "owes" => listed.sort_by_key(|device| Reverse(owes(device))),
        "app" => listed.sort_by_key(|device| numbers(app(device))),
        "battery" => {
            listed.sort_by_key(|device| device.seen.as_ref().and_then(|seen| seen.battery).map_or(u8::MAX, |it| it))
        }
        _ => {}
    }
    html! {
        nav.views aria-label=(word("console-state")) {
            @for code in VIEWS {
                @let count = devices.iter().filter(|device| wanted(code, device)).count();
                @if code == "all" || code == view || count > 0 {
                    a href={ "/console/terminals?view=" (code) "&sort=" (sort) } aria-current=[(code == view).then_some("page")] {
                        (word(&format!("terminals-{code}"))) b { (count) }
                    }
                }
            }
        }
        section.panel {
            @if devices.is_empty() { p.panel__b.sub { (word("console-no-terminals")) } }
            @else if listed.is_empty() { p.panel__b.sub { (word("terminals-none")) } }
            @else {
                table.table {
                    thead { tr {
                        (head(ctx, view, sort, "name")) (head(ctx, view, sort, "user")) th { (word("console-state")) }
                        (head(ctx, view, sort, "seen")) (head(ctx, view, sort, "owes")) (head(ctx, view, sort, "app"))
                        th { (word("terminals-slot")) } (head(ctx, view, sort, "battery"))
                        th.r { span.say { (word("console-end")) } }
                    } }
                    tbody { @for device in listed { (row(ctx, device, is_old(device))) } }
                }
            }
        }
    }
}

fn head(ctx: &Ctx, view: &str, sort: &str, code: &str) -> Markup {
    let key = SORTS.iter().find(|(of, _)| *of == code).map(|(_, key)| *key).unwrap_or_default();
    html! {
        th aria-sort=[(code == sort).then_some("other")] {
            a.sort href={ "/console/terminals?view=" (view) "&sort=" (code) } aria-current=[(code == sort).then_some("true")] {
                (ctx.words.text(key))
            }
        }
    }
}

fn state(ctx: &Ctx, device: &Device) -> Markup {
    let word = |key: &str| ctx.words.text(key);
    let seen = device.seen.as_ref();
    if let Some((fate, _)) = device.fate {
        light("off", &word(&format!("terminal-{}", fate.code())))
    } else if device.credential.doubled.is_some() {
        light("red", &word("terminal-doubled"))
    } else if device.expires <= ctx.now {
        light("off", &word("terminal-ended"))
    } else if is_silent(device, ctx.now) {
        light("red", &word("terminal-silent"))
    } else if seen.is_none() {
        light("off", &word("terminal-new"))
    } else if seen.is_some_and(|seen| seen.undelivered > 0) {
        light("yellow", &word("terminal-owes"))
    } else {
        light("green", &word("terminal-well"))
    }
}

fn row(ctx: &Ctx, device: &Device, old: bool) -> Markup {
    let word = |key: &str| ctx.words.text(key);
    let seen = device.seen.as_ref();
    let web_view = seen.map(|seen| seen.web_view.as_str()).filter(|text| !text.is_empty());
    let can_end =
        device.expires > ctx.now && !device.fate.is_some_and(|(fate, _)| fate.is_closed() && fate != Fate::Revoked);
    html! {
        tr {
            td.n {
                b { (device.name) }
                @if device.parted_from.is_some() { " " span.sub { (word("terminal-parted")) } }
            }
            td.n { (ctx.users.get(&device.user).map(String::as_str).unwrap_or_default()) }
            td.n { (state(ctx, device)) }
            td.n { (seen.map_or_else(|| word("console-never-seen"), |seen| ago(&ctx.words, seen.at, ctx.now))) }
            td.n { (owed(ctx, device)) }
            td.n {
                (app(device))
                @if old { " " span.sub { (word("terminals-old-short")) } }
                @if let Some(text) = web_view {
                    " " span.sub { (ctx.words.with("terminals-web-view", &[("version", text.split('.').next().unwrap_or_default().to_owned().into())])) }
                }
            }
            td.n.num { (device.slot) }
            td.n { @match seen.and_then(|seen| seen.battery) { Some(percent) => { (percent) "%" }, None => "—" } }
            td.r.n { @if can_end { a href=(format!("/console/terminals/{}/end", device.id)) { (word("console-end")) } } }
        }
    }
}
