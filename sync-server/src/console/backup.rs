//! How backups stand, for whoever looks after the terminals.

use chrono::TimeDelta;
use maud::{Markup, html};

use super::layout::{bytes, icon, light, moment};
use super::{Ctx, PageError};
use crate::backup::State;

/// Seconds.
const DAY: i64 = 86_400;
/// After how long there should be another one where the server makes none by itself.
const UNPLANNED: TimeDelta = TimeDelta::days(2);

/// When the last one was made, whether the last attempt failed and why, and whether the server makes any by itself.
pub fn panel(ctx: &Ctx) -> Result<Markup, PageError> {
    let word = |key: &str| ctx.words.text(key);
    let State { last, failed, every } = State::read(&*ctx.app.store)?;
    // An attempt under way is not late yet. Whoever makes them by hand makes one a day.
    let most = every.map_or(UNPLANNED, |every| TimeDelta::seconds(i64::try_from(every).unwrap_or(DAY) * 2));
    let late = last.as_ref().is_some_and(|last| ctx.now - last.at > most);
    let well = last.is_some() && failed.is_none() && !late;
    Ok(html! {
        section.panel aria-labelledby="bk" {
            div.panel__h {
                h2 #bk { (word("console-backup")) }
                span.end {
                    @if well { (light("green", &word("terminal-well"))) } @else { (light("red", &word("console-backup-look"))) }
                }
            }
            div.panel__b {
                @match &last {
                    None => { p { (word("console-backup-none")) } },
                    Some(last) => {
                        p {
                            (ctx.words.with("console-backup-last", &[
                                ("when", moment(ctx, last.at).into()), ("bytes", bytes(&ctx.words, last.bytes).into()),
                            ]))
                            span.sub { " " (last.name) }
                        }
                    },
                }
                @if let Some(failed) = &failed {
                    p.note {
                        (icon("l-red"))
                        (ctx.words.with("console-backup-failed", &[("when", moment(ctx, failed.at).into())]))
                        (word(&failed.why))
                    }
                }
                @if late { p.note { (word("console-backup-late")) } }
                @if every.is_none() { p.sub { (word("console-backup-off")) } }
            }
        }
    })
}
