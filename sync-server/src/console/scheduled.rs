//! How batches on a schedule stand, where the server makes any.

use chrono::TimeDelta;
use maud::{Markup, html};

use super::layout::{icon, light, moment};
use super::{Ctx, PageError};
use crate::batch::schedule::State;

/// When the last one went well, which it was, and why the last attempt failed; nothing where there are to be none.
pub fn panel(ctx: &Ctx) -> Result<Markup, PageError> {
    let word = |key: &str| ctx.words.text(key);
    let State { last, number, failed, every, login, .. } = State::read(&*ctx.app.store)?;
    let Some(every) = every else { return Ok(html! {}) };
    let most = TimeDelta::seconds(i64::try_from(every).unwrap_or(86_400).saturating_mul(2));
    let late = last.is_some_and(|last| ctx.now - last > most);
    let well = failed.is_none() && !late;
    Ok(html! {
        section.panel.imp-group aria-labelledby="bs" {
            div.panel__h {
                h2 #bs { (word("batch-schedule")) }
                span.end {
                    @if well { (light("green", &word("terminal-well"))) } @else { (light("red", &word("console-backup-look"))) }
                }
            }
            div.panel__b {
                @match (last, number) {
                    (Some(last), Some(number)) => p {
                        (ctx.words.with("batch-schedule-last",
                            &[("when", moment(ctx, last).into()), ("number", number.into()), ("login", login.into())]))
                    },
                    (Some(last), None) => p {
                        (ctx.words.with("batch-schedule-nothing", &[("when", moment(ctx, last).into()), ("login", login.into())]))
                    },
                    (None, _) => p { (word("batch-schedule-none")) },
                }
                @if let Some((at, why)) = &failed {
                    p.note role="alert" {
                        (icon("l-red"))
                        (ctx.words.with("batch-schedule-failed", &[("when", moment(ctx, *at).into())]))
                        (word(why))
                    }
                }
                @if late { p.note { (word("batch-schedule-late")) } }
            }
        }
    })
}
