//! 审计: who looked at or took out what.

use axum::extract::State;
use axum::response::Response;
use maud::html;

use super::ctx::{Asked, with};
use super::layout::{self, Place, moment};
use crate::App;

/// The most entries a page lists.
const LISTED: usize = 200;

/// What is done to a record: these lead to it.
const OF_RECORDS: &[&str] =
    &["audit-look", "audit-mended", "audit-remains", "audit-restricted", "audit-to-decide", "audit-unmask"];

/// `GET /console/audit`
pub async fn show(State(app): State<App>, asked: Asked) -> Response {
    with(app, asked, |ctx| {
        ctx.must_see(Place::Audit)?;
        let entries = ctx.read(|read| read.audits(LISTED))?;
        let word = |key: &str| ctx.words.text(key);
        let action = |key: &str| if ctx.words.has(key) { word(key) } else { key.to_owned() };
        let body = html! {
            (layout::top(ctx, &word("console-audit"), &word("console-audit-sub"), ""))
            section.panel {
                table.table {
                    thead { tr {
                        th { (word("console-when")) } th { (word("console-who")) } th { (word("console-did-what")) }
                        th { (word("console-to-what")) } th { (word("console-details")) }
                    } }
                    tbody {
                        @for entry in &entries {
                            tr {
                                td.n { time { (moment(ctx, entry.at)) } }
                                td.n {
                                    @match entry.user {
                                        Some(user) => { (ctx.users.get(&user).map(String::as_str).unwrap_or_default()) },
                                        None => { (word("console-server-command")) },
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
        };
        Ok(ctx.answer(Place::Audit, &word("console-audit"), &body))
    })
    .await
}
