//! What the console writes goes the way of every edit: [`crate::sync::accept`], by the console's slot, in the name of who
//! is logged in, with the vector that stood on the page as its context.

use std::collections::BTreeMap;
use std::sync::Arc;

use maud::{Markup, html};
use shared::author::Author;
use shared::edit::Edit;
use shared::ids::{Dot, EditId, RecordId, Slot};
use shared::merge::PartState;
use shared::path::Path;
use shared::record::{Part, RecordKind};
use shared::value::Value;
use shared::vector::VectorTimestamp;
use shared::wire::{Outcome, RejectReason, Rejection};

use super::{Ctx, Fields, PageError};
use crate::store::{self, Origin, StoreError, Tx};
use crate::sync::accept::{self, Writer};

/// What is to be written.
pub struct Save {
    /// Where.
    pub record: RecordId,
    /// Of which kind.
    pub kind: RecordKind,
    /// Which part.
    pub part: Part,
    /// What stood on the page.
    pub context: VectorTimestamp,
    /// What changes.
    pub writes: BTreeMap<Path, Value>,
    /// The edit's id, where a path names it.
    pub id: Option<EditId>,
}

/// The hidden field that carries what was seen.
pub fn seen(state: &PartState) -> Markup {
    let vector = serde_json::to_string(state.vector()).unwrap_or_default();
    html! { input type="hidden" name="seen" value=(vector); }
}

/// What was seen, of a form.
pub fn context(fields: &Fields) -> Result<VectorTimestamp, PageError> {
    let text = fields.get("seen").unwrap_or_default();
    serde_json::from_str(text).map_err(|_| PageError::Bad("console-error-form".to_owned()))
}

/// Saves; a rejection becomes the page that gives its reason.
pub fn save(ctx: &Ctx, save: Save) -> Result<(), PageError> {
    save_all(ctx, vec![save])
}

/// Saves all of them, or none where one is rejected.
pub fn save_all(ctx: &Ctx, saves: Vec<Save>) -> Result<(), PageError> {
    save_filled(ctx, saves, &mut |_, _| Ok(()))
}

/// The same, where `fill` says in the transaction what only there can be known, a running number for one.
pub fn save_filled(
    ctx: &Ctx,
    saves: Vec<Save>,
    fill: &mut dyn FnMut(&mut dyn Tx, &mut Edit) -> Result<(), PageError>,
) -> Result<(), PageError> {
    let rules = ctx.app.rules_of(ctx.who.user.town)?;
    let user = &ctx.who.user;
    let author = Arc::new(Author { user: Some(user.id), name: user.name.clone(), role: user.role });
    let mut edits = Vec::with_capacity(saves.len());
    for save in saves {
        let form = rules.forms.newest(save.kind).map(|form| form.version).ok_or(PageError::NotFound)?;
        edits.push(Edit {
            id: save.id.unwrap_or_else(|| EditId::fresh(&*ctx.app.outside)),
            record: save.record,
            kind: save.kind,
            part: save.part,
            // Given in the transaction.
            dot: Dot { slot: Slot(0), n: 0 },
            context: save.context,
            epoch: rules.epoch,
            at: rules.now,
            zone: 480,
            author: Arc::clone(&author),
            form,
            writes: save.writes,
        });
    }
    store::write::<_, PageError>(&*ctx.app.store, user.town, |tx| {
        let slot = accept::console_slot(&ctx.app, tx)?;
        for edit in &edits {
            let mut edit = edit.clone();
            edit.dot = accept::next_dot(tx, slot)?;
            fill(tx, &mut edit)?;
            let writer = Writer { who: ctx.who.clone(), slot, origin: Origin::Console };
            let receipts = accept::accept_in(tx, &rules, &writer, vec![edit])?;
            match receipts.into_iter().next().map(|receipt| receipt.outcome) {
                Some(Outcome::Applied { .. }) => {}
                Some(Outcome::Rejected(why)) => return Err(refusal(&why)),
                None => return Err(PageError::Store(StoreError::Missing("the receipt"))),
            }
        }
        Ok(())
    })
}

/// The page that gives the reason.
pub fn refusal(why: &Rejection) -> PageError {
    if why.reason == RejectReason::NotAllowed {
        return PageError::NotAllowed;
    }
    PageError::Bad(if why.detail.is_empty() { "console-error-rejected".to_owned() } else { why.detail.clone() })
}
