//! Folding a record anew from its applied edits: what its stored states must be equal to.

use shared::edit::Edit;
use shared::ids::RecordId;
use shared::merge::PartState;
use shared::record::Part;
use shared::vector::VectorTimestamp;

use crate::store::{Read, Stood, StoreError};

/// Where applied edits of one record stood before a restore of the server, or before their handheld became another writer
/// (decision 11), with where they stand now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Formerly(Vec<Stood>);

impl Formerly {
    /// Those of a record. Nearly always there is none.
    pub fn of(read: &dyn Read, record: RecordId) -> Result<Self, StoreError> {
        Ok(Self(if read.any_once()? { read.once_of(record)? } else { Vec::new() }))
    }

    /// What the author of an edit had seen, in today's dots: whoever saw the old dot saw the edit.
    pub fn seen_by(&self, edit: &Edit) -> VectorTimestamp {
        let mut context = edit.context.clone();
        // One that is seen by its new dot brings those before it along, which may have stood elsewhere too.
        loop {
            let before = context.clone();
            let meant =
                |stood: &&Stood| stood.part == edit.part && stood.to.is_none_or(|to| edit.author.user == Some(to));
            for Stood { then, now, .. } in self.0.iter().filter(meant) {
                if context.covers(*then) {
                    context.observe(*now);
                }
            }
            if context == before {
                return context;
            }
        }
    }

    /// The edit as it is applied: its context in today's dots.
    pub fn todays(&self, edit: &Edit) -> Edit {
        let mut edit = edit.clone();
        if !self.0.is_empty() {
            edit.context = self.seen_by(&edit);
        }
        edit
    }
}

/// The states that the edits of a record make of its parts, open and restricted; empty where there are none.
pub fn anew(read: &dyn Read, record: RecordId) -> Result<(PartState, PartState), StoreError> {
    let formerly = Formerly::of(read, record)?;
    let (mut open, mut restricted) = (PartState::default(), PartState::default());
    for stored in read.edits_of(record)? {
        let edit = formerly.todays(&stored.edit);
        match edit.part {
            Part::Open => open.apply(&edit),
            Part::Restricted => restricted.apply(&edit),
        };
    }
    Ok((open, restricted))
}
