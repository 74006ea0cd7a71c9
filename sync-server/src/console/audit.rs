//! 审计: who looked at or took out what, and whether it still stands there as it was written.

use std::collections::BTreeSet;

use axum::extract::{Query, State};
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;
use shared::ids::UserId;

use super::ctx::{Asked, with};
use super::layout::{self, Place, grouped, light, moment};
use super::{Ctx, PageError};
use crate::App;
use crate::audit::ACTIONS;
use crate::store::{AuditEntry, AuditFilter, AuditHead};

/// The most entries a page lists.
const LISTED: usize = 200;
/// How a choice of persons names commands on the server.
const COMMANDS: &str = "command";

/// What is done to a record: these lead to it.
const OF_RECORDS: &[&str] = &[
    "audit-late",
    "audit-look",
    "audit-mended",
    "audit-merge",
    "audit-part-ended",
    "audit-person-asked",
    "audit-person-exported",
    "audit-person-released",
    "audit-remains",
    "audit-restricted",
    "audit-to-decide",
    "audit-unmask",
    "audit-unmerge",
];

/// Which entries.
#[derive(Debug, Default, Deserialize)]
pub struct Choice {
    before: Option<i64>,
    action: Option<String>,
    user: Option<String>,
}

/// `GET /console/audit`
pub async fn show(State(app): State<App>, asked: Asked, Query(choice): Query<Choice>) -> Response {
    with(app, asked, move |ctx| {
        ctx.must_see(Place::Audit)?;
        let list = List::read(ctx, choice)?;
        let body = html! {
            (layout::top(ctx, &ctx.words.text("console-audit"), &ctx.words.text("console-audit-sub"), ""))
            (list.choose(ctx))
            section.panel {
                div.panel__h { (list.state(ctx)) }
                @if list.entries.is_empty() { p.panel__b.sub { (ctx.words.text("console-nothing-found")) } }
                @else { (list.table(ctx)) (list.pager(ctx)) }
            }
        };
        Ok(ctx.answer(Place::Audit, &ctx.words.text("console-audit"), &body))
    })
    .await
}

struct List {
    action: Option<String>,
    /// As in the form.
    user: Option<String>,
    before: Option<i64>,
    /// Newest first, each with whether it fits onto the one before it in the chain.
    entries: Vec<(AuditEntry, bool)>,
    /// Whether the newest entry of all is the one that the head names.
    whole: bool,
    /// Whether there are older ones.
    more: bool,
}

impl List {
    fn read(ctx: &Ctx, choice: Choice) -> Result<Self, PageError> {
        let action = choice.action.filter(|action| ACTIONS.contains(&action.as_str()));
        let by = choice.user.as_deref().and_then(|user| match user {
            COMMANDS => Some(None),
            id => id.parse::<UserId>().ok().map(Some),
        });
        let filter = AuditFilter {
            before: choice.before,
            action: action.clone(),
            user: by,
            // One more tells whether there are older ones.
            limit: LISTED + 1,
        };
        let newest = AuditFilter { limit: 1, ..AuditFilter::default() };
        let (mut entries, last, head) = ctx.read(|read| {
            let last = read.audit_entries(&newest)?.pop();
            Ok::<_, PageError>((read.audit_entries(&filter)?, last, read.audit_head()?))
        })?;
        let more = entries.len() > LISTED;
        entries.truncate(LISTED);
        let user = by.map(|by| by.map_or_else(|| COMMANDS.to_owned(), |id| id.to_string()));
        Ok(Self {
            action,
            user,
            before: choice.before,
            entries,
            whole: is_head(last.map(|(last, _)| last), head),
            more,
        })
    }

    fn choose(&self, ctx: &Ctx) -> Markup {
        let word = |key: &str| ctx.words.text(key);
        let chosen = |id: &str| self.user.as_deref() == Some(id);
        let mut people: Vec<(&str, String)> =
            ctx.users.iter().map(|(id, name)| (name.as_str(), id.to_string())).collect();
        people.sort_unstable();
        html! {
            div.views {
                form.pick action="/console/audit" {
                    label.say for="action" { (word("console-did-what")) }
                    select.field__ctl id="action" name="action" {
                        option value="" { (word("console-audit-any-action")) }
                        @for action in ACTIONS {
                            option value=(action) selected[self.action.as_deref() == Some(*action)] { (word(action)) }
                        }
                    }
                    label.say for="user" { (word("console-who")) }
                    select.field__ctl id="user" name="user" {
                        option value="" { (word("console-audit-anybody")) }
                        @for (name, id) in &people { option value=(id) selected[chosen(id)] { (name) } }
                        option value=(COMMANDS) selected[chosen(COMMANDS)] { (word("console-server-command")) }
                    }
                    button.btn.btn--second { (word("console-look")) }
                }
            }
        }
    }

    /// Whether what is listed fits. All of it from the first entry on is looked at by `sync-server audit verify`.
    fn state(&self, ctx: &Ctx) -> Markup {
        let wrong: BTreeSet<i64> = self.entries.iter().filter(|(_, fits)| !fits).map(|(entry, _)| entry.id).collect();
        if let Some(first) = wrong.first() {
            let said = ctx.words.with("console-audit-broken", &[("id", first.to_string().into())]);
            return html! { span role="alert" { (light("red", &said)) } };
        }
        if !self.whole {
            return html! { span role="alert" { (light("red", &ctx.words.text("console-audit-cut"))) } };
        }
        light("green", &ctx.words.text("console-audit-fits"))
    }

    fn table(&self, ctx: &Ctx) -> Markup {
        let word = |key: &str| ctx.words.text(key);
        let action = |key: &str| if ctx.words.has(key) { word(key) } else { key.to_owned() };
        html! {
            table.table {
                thead { tr {
                    th { (word("console-audit-entry")) }
                    th { (word("console-when")) } th { (word("console-who")) } th { (word("console-did-what")) }
                    th { (word("console-to-what")) } th { (word("console-details")) }
                } }
                tbody {
                    @for (entry, fits) in &self.entries {
                        tr {
                            td.n { @if *fits { (entry.id) } @else { (light("red", &entry.id.to_string())) } }
                            td.n { time { (moment(ctx, entry.at())) } }
                            td.n {
                                @match entry.user() {
                                    Some(user) => { (ctx.users.get(&user).map(String::as_str).unwrap_or_default()) },
                                    None => { (word(nobody(&entry.action))) },
                                }
                            }
                            td.n { (action(&entry.action)) }
                            td.hash {
                                @if OF_RECORDS.contains(&entry.action.as_str()) {
                                    a.go href={ "/console/records/" (entry.subject) } { (entry.subject.get(..13).unwrap_or_default()) "…" }
                                } @else { (entry.subject) }
                            }
                            td { (entry.detail) }
                        }
                    }
                }
            }
        }
    }

    fn pager(&self, ctx: &Ctx) -> Markup {
        let count = u64::try_from(self.entries.len()).unwrap_or_default();
        let oldest = self.entries.last().map(|(entry, _)| entry.id);
        html! {
            div.pager {
                (ctx.words.with("console-audit-listed", &[("n", grouped(count).into())]))
                span.end {
                    @if self.before.is_some() {
                        a.btn.btn--quiet href=(self.href(None)) { (ctx.words.text("console-audit-newest")) }
                    }
                    @if self.more {
                        a.btn.btn--quiet href=(self.href(oldest)) { (ctx.words.text("console-audit-older")) }
                    }
                }
            }
        }
    }

    /// Action and person are code names and ids: nothing in them has to be escaped.
    fn href(&self, before: Option<i64>) -> String {
        let mut parts = Vec::new();
        parts.extend(self.action.as_ref().map(|action| format!("action={action}")));
        parts.extend(self.user.as_ref().map(|user| format!("user={user}")));
        parts.extend(before.map(|id| format!("before={id}")));
        format!("/console/audit?{}", parts.join("&"))
    }
}

/// Who did what nobody known did.
fn nobody(action: &str) -> &'static str {
    if action == "audit-log-in-unknown" { "console-audit-stranger" } else { "console-server-command" }
}

fn is_head(last: Option<AuditEntry>, head: Option<AuditHead>) -> bool {
    match (last, head) {
        (None, None) => true,
        (Some(last), Some(head)) => last.id == head.mark.id && last.hash == head.mark.hash,
        _ => false,
    }
}
