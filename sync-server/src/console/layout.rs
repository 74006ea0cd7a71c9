//! What every page has: the side, the icons, lights, the small parts that pages are built of.

use assets::messages::{FluentValue, Lang, Messages};
use chrono::{DateTime, Datelike as _, Utc};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use shared::author::Role;
use shared::workflow::{EventState, Light};

use super::Ctx;
use crate::export::show::beijing;
use crate::store::EventFacts;

/// Icons: a fixed text of this program.
const SPRITE: &str = include_str!("sprite.svg");

/// The pages of the side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// 总览
    Overview,
    /// 收件
    Inbox,
    /// 台账
    Ledger,
    /// 月报
    Report,
    /// 待核对
    ToDecide,
    /// 专项排查
    Campaigns,
    /// 批次
    Batches,
    /// 导入表格
    Imports,
    /// 终端
    Terminals,
    /// 未收下
    Quarantine,
    /// 恢复后只在终端上见到的内容
    Remains,
    /// 管理
    Manage,
    /// 待甄别
    Spam,
    /// 审计
    Audit,
    /// 我的登录
    Me,
}

/// A whole page.
pub fn page(ctx: &Ctx, here: Place, title: &str, body: &Markup) -> Markup {
    let word = |key: &str| ctx.words.text(key);
    let items = [
        (Place::Overview, "/console", "chart", "console-overview", None),
        (Place::Inbox, "/console/inbox", "inbox", "console-inbox", Some(ctx.counts.inbox)),
        (Place::Ledger, "/console/records", "book", "console-ledger", None),
        (Place::Report, "/console/report", "chart", "report", None),
        (Place::ToDecide, "/console/to-decide", "swap", "console-to-decide", Some(ctx.counts.to_decide)),
        (Place::Campaigns, "/console/campaigns", "form", "work-campaign", None),
        (Place::Batches, "/console/batches", "box", "console-batches", None),
        (Place::Imports, "/console/imports", "form", "console-imports", None),
        (Place::Terminals, "/console/terminals", "device", "console-terminals", None),
        (Place::Quarantine, "/console/quarantine", "tray", "console-quarantine", Some(ctx.counts.quarantine)),
        (Place::Remains, "/console/remains", "undo", "console-remains", Some(ctx.counts.remains)),
        (Place::Manage, "/console/people", "people", "manage", Some(ctx.counts.rights)),
        (Place::Spam, "/console/spam", "tray", "console-spam", Some(ctx.counts.spam)),
        (Place::Audit, "/console/audit", "eye", "console-audit", None),
    ];
    shell(
        ctx.words.lang(),
        title,
        &html! {
            nav.side aria-label=(word("console-nav")) {
                p.side__h { (ctx.town_name()) small { (word("console-centre")) } }
                // On a telephone the places are folded away.
                input.side__fold type="checkbox" id="places";
                label.side__open for="places" { (icon("down")) (word("console-places")) }
                @for (place, href, picture, key, count) in items {
                    // Nobody looks for what is there only after a restore, where there is an intake, or seldom waits for them.
                    @let seldom = matches!(place, Place::Remains | Place::Spam) || place == Place::Manage && ctx.who.user.role != Role::Admin;
                    @if ctx.sees(place) && (!seldom || place == here || count > Some(0)) {
                        a href=(href) aria-current=[(place == here).then_some("page")] {
                            (icon(picture)) (word(key))
                            @if let Some(count) = count.filter(|count| *count > 0) { b { (count) } }
                        }
                    }
                }
                div.side__end {
                    a.side__me href="/console/me" aria-current=[(here == Place::Me).then_some("page")] { (ctx.who.user.name) }
                    br; (word(&format!("role-{}", ctx.who.user.role.code())))
                    div.side__out {
                        form method="post" action="/console/language" {
                            (csrf(ctx)) input type="hidden" name="lang" value=(other(ctx.words.lang()).tag());
                            button { (Messages::of(other(ctx.words.lang())).text("console-this-language")) }
                        }
                        form method="post" action="/console/logout" { (csrf(ctx)) button { (word("console-log-out")) } }
                    }
                }
            }
            main.page { (body) }
        },
    )
}

fn other(lang: Lang) -> Lang {
    match lang {
        Lang::Zh => Lang::En,
        Lang::En => Lang::Zh,
    }
}

/// The frame of a page without the side.
pub fn shell(lang: Lang, title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang=(lang.tag()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                link rel="stylesheet" href="/console/style.css";
            }
            body { (PreEscaped(SPRITE)) (body) }
        }
    }
}

/// The head of a list page: title, a line beside it, the search.
pub fn top(ctx: &Ctx, title: &str, beside: &str, query: &str) -> Markup {
    top_with(ctx, title, beside, query, &html! {})
}

/// The same with what one can do here behind the search.
pub fn top_with(ctx: &Ctx, title: &str, beside: &str, query: &str, doing: &Markup) -> Markup {
    html! {
        header.top {
            h1 { (title) } p.sub { (beside) }
            @if ctx.sees(Place::Ledger) {
                form.top__find role="search" action="/console/records" {
                    label.say for="q" { (ctx.words.text("console-search")) }
                    (icon("search"))
                    input id="q" name="q" value=(query) placeholder=(ctx.words.text("console-search-by"));
                }
            }
            (doing)
        }
    }
}

/// The way to the pages before and after this one, of a list whose length nobody has counted.
pub fn pages(ctx: &Ctx, path: &str, page: usize, more: bool) -> Markup {
    let to = |page: usize, key: &str| {
        html! { a.btn.btn--quiet href={ (path) "?page=" (page) } { (ctx.words.text(key)) } }
    };
    html! {
        @if page > 1 || more {
            div.pager {
                span.end {
                    @if page > 1 { (to(page - 1, "console-earlier-page")) }
                    @if more { (to(page + 1, "console-next-page")) }
                }
            }
        }
    }
}

/// An icon of the sprite.
pub fn icon(name: &str) -> Markup {
    html! { svg.i aria-hidden="true" { use href={ "#" (name) } {} } }
}

/// The hidden field every form that changes something carries.
pub fn csrf(ctx: &Ctx) -> Markup {
    html! { input type="hidden" name="csrf" value=(ctx.session.csrf); }
}

/// A light: shape, word, colour.
pub fn light(kind: &str, text: &str) -> Markup {
    html! { span class={ "light light--" (kind) } { (icon(&format!("l-{kind}"))) (text) } }
}

/// The light of an event with the time that is left, or over.
pub fn event_light(ctx: &Ctx, state: &EventState) -> Markup {
    let Some(colour) = shared::workflow::light(state, ctx.now) else { return html! {} };
    let text = match state.due {
        Some(due) => left(&ctx.words, due, ctx.now),
        None => ctx.words.text(&format!("light-{}", light_code(colour))),
    };
    light(light_code(colour), &text)
}

/// The light of an event of a list.
pub fn facts_light(ctx: &Ctx, facts: &EventFacts) -> Markup {
    event_light(ctx, &facts.state())
}

/// The code of a light, as in classes and message keys.
pub fn light_code(light: Light) -> &'static str {
    match light {
        Light::Green => "green",
        Light::Yellow => "yellow",
        Light::Red => "red",
    }
}

fn left(words: &Messages, due: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let minutes = (due - now).num_minutes();
    let side = if minutes < 0 { "over" } else { "left" };
    let (unit, n) = match minutes.abs() {
        n @ 0..60 => ("minutes", n),
        n @ 60..2880 => ("hours", n / 60),
        n => ("days", n / 1440),
    };
    words.with(&format!("time-{unit}-{side}"), &[("n", n.to_string().into())])
}

/// How long ago, in words.
pub fn ago(words: &Messages, at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let n = |n: i64| -> [(&'static str, FluentValue<'static>); 1] { [("n", n.to_string().into())] };
    match (now - at).num_minutes() {
        ..1 => words.text("time-now"),
        m @ 1..60 => words.with("time-minutes-ago", &n(m)),
        m @ 60..2880 => words.with("time-hours-ago", &n(m / 60)),
        m => words.with("time-days-ago", &n(m / 1440)),
    }
}

/// A moment as the town's people write it: the time alone today, the day otherwise, the year when it is another.
pub fn moment(ctx: &Ctx, at: DateTime<Utc>) -> String {
    let (then, now) = (beijing(at), beijing(ctx.now));
    let day = if then.date_naive() == now.date_naive() {
        return then.format("%H:%M").to_string();
    } else if then.year() == now.year() {
        day(&ctx.words, then.month(), then.day())
    } else {
        then.format("%Y-%m-%d").to_string()
    };
    format!("{day} {}", then.format("%H:%M"))
}

/// A day of the year.
pub fn day(words: &Messages, month: u32, day: u32) -> String {
    words.with("console-day", &[("month", month.to_string().into()), ("day", day.to_string().into())])
}

/// A number with its thousands parted.
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A length in words.
pub fn bytes(words: &Messages, n: u64) -> String {
    let arg = |text: String| -> [(&'static str, FluentValue<'static>); 1] { [("n", text.into())] };
    match n {
        0..1024 => words.with("unit-bytes", &arg(n.to_string())),
        1024..1_048_576 => words.with("unit-kilobytes", &arg(n.div_ceil(1024).to_string())),
        _ => words.with("unit-megabytes", &arg(format!("{}.{}", n / 1_048_576, n % 1_048_576 * 10 / 1_048_576))),
    }
}
