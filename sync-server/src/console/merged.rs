//! What a record page says about duplicates: where it went, what was merged into it, what reached that since.

use maud::{Markup, html};
use shared::ids::RecordId;
use shared::record::Part;
use shared::view::Policy;

use super::alias::{element, may_merge, vectors};
use super::layout::{csrf, moment};
use super::record::Seen;
use super::{Ctx, PageError};
use crate::export::{Telling, show};
use crate::store::{Read, StoredPart};
use crate::sync::alias::{self, Late};

/// What a record page says about duplicates.
#[derive(Default)]
pub struct Around {
    /// Into which record this one was merged, if this reader may know it.
    into: Option<StoredPart>,
    /// Whether it was merged into another at all.
    merged: bool,
    /// Those merged into it, with what reached them since.
    losers: Vec<(Seen, Vec<Late>)>,
}

impl Around {
    /// Reads it.
    pub fn load(ctx: &Ctx, read: &dyn Read, seen: &Seen) -> Result<Self, PageError> {
        let id = seen.part.record;
        let alias = read.alias_of(id)?;
        let mut around = Self { merged: alias != id, ..Self::default() };
        if around.merged {
            around.into = ctx.open_part(read, alias).ok();
        }
        for loser in alias::losers(read, id)? {
            // An alias gives nobody the right to read.
            match Seen::load(ctx, read, loser) {
                Ok(seen) => {
                    let care = ctx.may_read(Part::Restricted, &seen.part);
                    around.losers.push((seen, alias::late(read, loser, care)?));
                }
                Err(PageError::NotFound) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(around)
    }
}

impl Around {
    /// Merged records of which something restricted is shown: looked at, so noted.
    pub fn restricted(&self) -> impl Iterator<Item = RecordId> {
        let shown = self.losers.iter().filter(|(_, late)| late.iter().any(|late| late.part == Part::Restricted));
        shown.map(|(seen, _)| seen.part.record)
    }
}

/// The panels: where it went, what was merged into it, what to do.
pub fn panel(ctx: &Ctx, seen: &Seen, around: &Around, told: &Telling<'_>) -> Markup {
    let word = |key: &str| ctx.words.text(key);
    let may = may_merge(ctx, &seen.part);
    html! {
        @if around.merged {
            section.panel {
                p.panel__b.note.note--flat {
                    @match &around.into {
                        Some(into) => {
                            (word("console-merged-into")) " " a.go href={ "/console/records/" (into.record) } { (into.title) }
                        },
                        None => { (word("console-merged-elsewhere")) },
                    }
                }
            }
        }
        @if seen.part.merged_into.is_some() && may {
            form.panel method="post" action={ "/console/records/" (seen.part.record) "/unmerge" } {
                (csrf(ctx)) (super::write::seen(&seen.open))
                div.tools { button.btn.btn--second { (word("console-unmerge")) } span.sub { (word("console-unmerge-what")) } }
            }
        }
        @for (loser, late) in &around.losers {
            section.panel {
                div.panel__h {
                    h2 { (word("console-merged-here")) }
                    a.go href={ "/console/records/" (loser.part.record) } { (loser.part.title) }
                }
                @if !late.is_empty() { (late_form(ctx, seen, loser, late, told, may)) }
            }
        }
    }
}

fn late_form(ctx: &Ctx, seen: &Seen, loser: &Seen, late: &[Late], told: &Telling<'_>, may: bool) -> Markup {
    let word = |key: &str| ctx.words.text(key);
    let form = ctx.forms.newest(seen.part.kind);
    html! {
        form method="post" action={ "/console/records/" (seen.part.record) "/merge" } {
            (csrf(ctx))
            input type="hidden" name="other" value=(loser.part.record);
            (vectors("winner", seen)) (vectors("loser", loser))
            p.panel__b { (word("console-late")) }
            table.table { tbody {
                @for late in late {
                    @let field = form.and_then(|form| form.field(late.path.field_name()));
                    tr {
                        td { (field.map_or_else(|| late.path.to_string(), |field| field.label.in_lang(told.lang.tag()).to_owned())) }
                        td {
                            @match field {
                                Some(field) if field.policy() == Policy::Many => {
                                    @if late.value.is_null() { (word("history-took-out")) " " (element(field, &late.path, told)) }
                                    @else { label.opt { @if may { input.box type="checkbox" name="element" value=(late.path); } (element(field, &late.path, told)) } }
                                },
                                Some(field) if field.policy() != Policy::Log => {
                                    @let text = show::value(field, &late.value, told, false);
                                    @if late.value.is_null() { (word("none")) }
                                    @else { label.opt { @if may { input.box type="checkbox" name={ "take-" (field.name) } value=(format!("{}-{}", late.dot.slot, late.dot.n)); } (text) } }
                                },
                                _ => { (word("console-late-look")) },
                            }
                        }
                        td.n { (ctx.author(&late.author)) " " time { (moment(ctx, late.at)) } }
                    }
                }
            } }
            @if may {
                div.tools { button.btn.btn--second { (word("console-late-do")) } span.sub { (word("console-late-what")) } }
            }
        }
    }
}

/// Links of a record page to what staff do with it as a whole.
pub fn tools(ctx: &Ctx, seen: &Seen) -> Markup {
    let word = |key: &str| ctx.words.text(key);
    let href = |what: &str| format!("/console/records/{}/{what}", seen.part.record);
    html! {
        @let any = may_merge(ctx, &seen.part) || super::erase::may_erase(ctx, &seen.part) || super::person::may_take(ctx, &seen.part);
        @if any || super::hand_over::may(ctx, &seen.part) {
            section.panel {
                div.tools {
                    @if may_merge(ctx, &seen.part) && seen.part.merged_into.is_none() {
                        a.btn.btn--second href=(href("merge")) { (word("console-merge")) }
                    }
                    @if super::hand_over::may(ctx, &seen.part) {
                        a.btn.btn--second href=(href("hand-over")) { (word("console-hand-over")) }
                    }
                    @if super::person::may_take(ctx, &seen.part) {
                        a.btn.btn--quiet href=(href("person")) { (word("console-person")) }
                    }
                    @if super::erase::may_erase(ctx, &seen.part) {
                        a.btn.btn--quiet href=(href("erase")) { (word("console-erase")) }
                    }
                }
            }
        }
    }
}
