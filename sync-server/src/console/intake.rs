//! What staff are told of the intake on 总览: that nothing could be fetched for long, and why; that it is nearly full.

use maud::{Markup, html};

use super::Ctx;
use super::layout::moment;
use crate::intake::state::State;

/// Nothing where all is well, or where there is no intake.
pub fn told(ctx: &Ctx, state: &State) -> Markup {
    let why = state.failed.as_deref().map(|code| ctx.words.text(&format!("console-intake-why-{code}")));
    html! {
        @if let Some(since) = state.unreached(ctx.now) {
            p.note.note--doubt.note--below role="status" {
                (ctx.words.with("console-intake-unreached", &[("when", moment(ctx, since).into())]))
                @if let Some(why) = why { " " (why) }
            }
        }
        @if let Some(full) = state.nearly_full() {
            p.note.note--doubt.note--below role="status" {
                (ctx.words.with("console-intake-full", &[("n", full.to_string().into())]))
            }
        }
    }
}
