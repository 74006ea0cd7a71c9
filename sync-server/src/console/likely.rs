//! Likely duplicates of one event: what was reported nearby, about the same time, in like words.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use maud::{Markup, html};
use shared::form::Position;
use shared::merge::PartState;
use shared::view::{self, Policy};

use super::Ctx;
use super::events::Event;
use super::layout::moment;
use super::{PageError, alias};
use crate::store::{EventFilter, EventRow, Read};

/// Events so far apart in time are two.
const APART: TimeDelta = TimeDelta::hours(48);
/// Within so many metres they may be one, whatever they are called.
const NEAR: f64 = 60.0;
/// Farther apart than this they are two, whatever they are called.
const FAR: f64 = 300.0;
/// Where so much of the shorter title's pairs of characters stands in the other one too, they may be one. Per cent.
const ALIKE: usize = 50;
/// Where so much does, they may be one though somebody chose another category.
const ALMOST: usize = 80;
/// The most that are shown.
const SHOWN: usize = 2;
/// The most that are looked at.
const LOOKED_AT: u64 = 400;

/// What may be the same event.
pub struct Likely {
    row: EventRow,
    account: Option<String>,
    /// In metres, where both positions are known.
    apart: Option<f64>,
}

/// What may be the same as an event, the likeliest first.
pub fn of(ctx: &Ctx, read: &dyn Read, row: &EventRow, event: &Event) -> Result<Vec<Likely>, PageError> {
    let at = row.facts.at;
    // In the same community: what lies on the border of two grids is reported in either.
    let around: Vec<_> =
        row.areas.iter().flat_map(|area| ctx.areas.ancestors(*area).into_iter().take(2).collect::<Vec<_>>()).collect();
    let areas: Vec<_> = ctx.areas.scope(&around).iter().filter(|area| ctx.who.scope.contains(*area)).collect();
    let filter = EventFilter {
        areas: Some(areas),
        at: Some((at.checked_sub_signed(APART).unwrap_or(at), at.checked_add_signed(APART).unwrap_or(at))),
        limit: Some(LOOKED_AT),
        ..ctx.events_by_scope()
    };
    let mut near = Vec::new();
    read.each_event(&filter, &mut |other| {
        if other.record != row.record && other.facts.reported.is_some() && !other.deleted {
            near.push(other);
        }
        Ok(true)
    })?;
    let here = position(&event.open);
    let mut likely: Vec<(usize, Likely)> = Vec::new();
    for other in near {
        let alike = alike(&row.title, &other.title);
        let same_kind = other.facts.category == row.facts.category;
        // A title begins with the place: of another category it is another matter at the same corner. Only of what may be
        // one is the state read.
        if !same_kind && alike < ALMOST {
            continue;
        }
        let Ok(part) = ctx.open_part(read, other.record) else { continue };
        let open = crate::batch::state(&part)?;
        let apart = here.as_ref().zip(position(&open)).map(|(one, two)| metres(one, &two));
        let near = apart.is_some_and(|metres| metres <= NEAR);
        if apart.is_none_or(|metres| metres <= FAR) && (alike >= ALIKE || near) {
            let account = view::shown(&open, "account", Policy::One).and_then(shared::value::Value::as_text);
            likely.push((alike + if near { 100 } else { 0 }, Likely { row: other, account, apart }));
        }
    }
    likely.sort_by_key(|(score, likely)| (std::cmp::Reverse(*score), likely.row.facts.at));
    Ok(likely.into_iter().take(SHOWN).map(|(_, likely)| likely).collect())
}

fn position(open: &PartState) -> Option<Position> {
    view::shown(open, "position", Policy::One)?.get()
}

/// How far apart two positions are, over a plane: exact enough for some hundred metres.
fn metres(one: &Position, two: &Position) -> f64 {
    const DEGREE: f64 = 111_195.0;
    let north = (one.lat - two.lat) * DEGREE;
    let east = (one.lon - two.lon) * DEGREE * one.lat.to_radians().cos();
    north.hypot(east)
}

/// How many of the shorter title's pairs of neighbouring characters stand in the other one too, per cent.
fn alike(one: &str, two: &str) -> usize {
    let pairs = |text: &str| -> BTreeSet<(char, char)> {
        let letters: Vec<char> = text.chars().filter(|letter| letter.is_alphanumeric()).collect();
        letters.windows(2).filter_map(|pair| Some((*pair.first()?, *pair.get(1)?))).collect()
    };
    let (one, two) = (pairs(one), pairs(two));
    let shorter = one.len().min(two.len());
    (one.intersection(&two).count() * 100).checked_div(shorter).unwrap_or(0)
}

/// Both side by side, with the way to merge them.
pub fn panel(ctx: &Ctx, event: &Event, likely: &[Likely]) -> Markup {
    let word = |key: &str| ctx.words.text(key);
    let may_merge = alias::may_merge(ctx, &event.part);
    html! {
        @for other in likely {
            p.note.note--flat {
                b { (word("desk-likely")) }
                @if let Some(metres) = other.apart {
                    (ctx.words.with("desk-apart-metres", &[("n", format!("{metres:.0}").into())]))
                }
                (ctx.words.with("desk-apart-minutes", &[("n", minutes(ctx, event, other).into())]))
            }
            div.two {
                div { p { b { (word("desk-this-one")) " " (moment(ctx, event.state.reported_at.unwrap_or(ctx.now))) } }
                    p.sub { (event.text("account").unwrap_or_else(|| event.part.title.clone())) } }
                div {
                    p { b { a.go href={ "/console/records/" (other.row.record) } { (other.row.title) } " " (moment(ctx, other.row.facts.at)) } }
                    p.sub { (other.account.clone().unwrap_or_default()) }
                    @if may_merge {
                        a.btn.btn--quiet href={ "/console/records/" (event.part.record) "/merge?with=" (other.row.record) } { (word("desk-merge")) }
                    }
                }
            }
        }
    }
}

fn minutes(ctx: &Ctx, event: &Event, other: &Likely) -> String {
    let apart =
        event.state.reported_at.unwrap_or(ctx.now).signed_duration_since(other.row.facts.at).num_minutes().abs();
    if apart < 120 {
        ctx.words.with("desk-minutes", &[("n", apart.to_string().into())])
    } else {
        ctx.words.with("desk-hours", &[("n", (apart / 60).to_string().into())])
    }
}

#[cfg(test)]
mod tests {
    use super::alike;

    #[test]
    fn titles_in_like_words_are_alike() {
        for (one, two, same) in [
            ("祥和小区3号楼地下室渗水", "祥和小区地下室渗水", true),
            ("祥和小区 地下室，渗水", "地下室渗水", true),
            ("祥和小区地库漏水", "长渠街两家门面排烟争执", false),
            ("井", "井盖破损", false),
            ("", "", false),
        ] {
            assert_eq!(alike(one, two) >= super::ALIKE, same, "{one} {two}");
        }
    }
}
