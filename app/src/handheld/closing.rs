//! 结案 in bulk: what was settled on site, closed together by whoever leads there.

use std::collections::BTreeMap;

use shared::edit::Edit;
use shared::ids::{Dot, EditId, RecordId, Slot};
use shared::path::Path;
use shared::record::{Part, RecordKind};
use shared::validate::Severity;
use shared::value::Value;
use shared::workflow::{self, STEPS, Step, StepEntry};

use super::session::{Inner, Session};
use super::{Message, SaveError};
use crate::store::NewEdit;

/// An event to be closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closing {
    /// Which.
    pub record: RecordId,
    /// The outcome's code, see [`StepEntry::outcome`].
    pub outcome: String,
    /// In words; may be empty.
    pub text: String,
}

/// What came of closing several.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Closed {
    /// Closed, an edit each.
    pub closed: Vec<RecordId>,
    /// Left as they are, each with why.
    pub refused: Vec<(RecordId, Message)>,
}

impl Session {
    /// Judges each as the server will, then saves all that may be closed in one transaction.
    pub(super) fn close_together(&self, inner: &Inner, closings: &[Closing]) -> Result<Closed, SaveError> {
        let (mut done, mut edits) = (Closed::default(), Vec::new());
        for closing in closings {
            match self.closing(inner, closing)? {
                Ok(edit) => {
                    done.closed.push(closing.record);
                    edits.push(vec![edit]);
                }
                Err(why) => done.refused.push((closing.record, why)),
            }
        }
        if !edits.is_empty() {
            self.store.save_together(edits, &self.stamp(inner))?;
        }
        Ok(done)
    }

    /// The edit that closes an event, or why it may not be closed now.
    fn closing(&self, inner: &Inner, closing: &Closing) -> Result<Result<NewEdit, Message>, SaveError> {
        let id = EditId::fresh(inner.outside());
        let outcome = Some(closing.outcome.clone());
        let entry = StepEntry { outcome, ..StepEntry::new(Step::Close, &closing.text) };
        let path = Path::entry(STEPS, id);
        let new = match self.one_write(inner, closing.record, Part::Open, path, Value::of(&entry)) {
            // It left while it was chosen.
            Err(SaveError::Nothing) => return Ok(Err(Message::of("workflow-not-yours"))),
            made => NewEdit { id, ..made? },
        };
        let Some(held) = self.store.record(closing.record)? else {
            return Ok(Err(Message::of("workflow-not-yours")));
        };
        if let Err(why) = workflow::judge(&held.open, &self.judged(inner, &new), &self.actor(), &inner.rules().calendar)
        {
            return Ok(Err(Message::of(why)));
        }
        let problems = self.store.check(std::slice::from_ref(&new))?;
        let refused = problems.iter().find(|problem| problem.severity == Severity::Refused);
        Ok(refused.map_or(Ok(new), |problem| Err(Message::from(problem))))
    }

    /// The edit as the rules want it; its dot is nobody's.
    fn judged(&self, inner: &Inner, new: &NewEdit) -> Edit {
        let stamp = self.stamp(inner);
        let writes: BTreeMap<Path, Value> = new.writes.clone();
        Edit {
            id: new.id,
            record: new.record,
            kind: RecordKind::Event,
            part: new.part,
            dot: Dot { slot: Slot(u64::MAX), n: 1 },
            context: new.context.clone(),
            epoch: new.seen.map_or(1, |seen| seen.epoch),
            at: stamp.at,
            zone: stamp.zone,
            author: stamp.author,
            form: new.form,
            writes,
        }
    }
}
