//! Merging by an edit: whatever way it comes, the right is asked of both records, and it is written down.

use shared::area::AreaTree;
use shared::edit::Edit;
use shared::ids::RecordId;
use shared::merge::PartState;
use shared::path::Path;
use shared::record::Part;
use shared::view::{self, MERGED_INTO};

use super::held::Holding;
use super::{Rules, Writer};
use crate::auth::Who;
use crate::auth::authorize::{Action, Reach, authorize};
use crate::store::{Audit, StoreError, Tx};

/// What an edit says of its record's being a duplicate.
pub enum Merging {
    /// Nothing.
    Silent,
    /// It is one of its own.
    Parted,
    /// It is one of this other record, which lies there; none: it is not here, or what was written is no id.
    Into(Option<(RecordId, Reach)>),
}

impl Merging {
    /// Of an edit; the other record may be in hand.
    pub fn of(tx: &dyn Tx, holding: &Holding, edit: &Edit) -> Result<Self, StoreError> {
        let Some(value) = edit.writes.get(&Path::field(MERGED_INTO)).filter(|_| edit.part == Part::Open) else {
            return Ok(Self::Silent);
        };
        if value.is_null() {
            return Ok(Self::Parted);
        }
        let Some(winner) = value.get::<RecordId>() else { return Ok(Self::Into(None)) };
        let reach = match holding.get(winner).and_then(|held| held.reach.clone()) {
            Some(reach) => Some(reach),
            None => tx.load_many(&[(winner, Part::Open)])?.first().map(Reach::of),
        };
        Ok(Self::Into(reach.map(|reach| (winner, reach))))
    }

    /// Whether `who` may say so, of the other record: of its own the writing is asked for anyway.
    pub fn may(&self, who: &Who, areas: &AreaTree, edit: &Edit) -> bool {
        match self {
            Self::Silent | Self::Parted => true,
            Self::Into(None) => false,
            Self::Into(Some((winner, reach))) => {
                let action = Action::Write { part: Part::Open, fields: &[MERGED_INTO] };
                *winner != edit.record
                    && reach.kind == edit.kind
                    && authorize(who, action, Some(reach), reach, areas).is_ok()
            }
        }
    }

    /// Writes down what became of it.
    pub fn note(
        &self,
        tx: &mut dyn Tx,
        rules: &Rules,
        writer: &Writer,
        loser: RecordId,
        before: Option<RecordId>,
        open: &PartState,
    ) -> Result<(), StoreError> {
        if matches!(self, Self::Silent) {
            return Ok(());
        }
        let (action, winner) = match (before, view::merged_into(open)) {
            (before, after) if before == after => return Ok(()),
            (_, Some(winner)) => ("audit-merge", winner),
            (Some(winner), None) => ("audit-unmerge", winner),
            (None, None) => return Ok(()),
        };
        tx.put_audit(&Audit {
            at: rules.now,
            user: Some(writer.who.user.id),
            action: action.to_owned(),
            subject: loser.to_string(),
            detail: winner.to_string(),
        })
    }
}
