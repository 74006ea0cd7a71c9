//! Outcomes: what became of own edits, and when they have become part of confirmed state.

use rusqlite::{OptionalExtension, params};
use shared::edit::Edit;
use shared::ids::{Dot, RecordId};
use shared::merge::PartState;
use shared::record::Part;
use shared::vector::VectorTimestamp;
use shared::wire::{Outcome, Receipt, RejectReason};

use super::confirmed::Touched;
use super::rows::{blob, confirmed, find, id_at, json, place, put_confirmed, text};
use super::{PageApplied, StoreError, Tx};

impl Tx<'_> {
    pub(super) fn take_receipt(
        &mut self,
        receipt: &Receipt,
        now: i64,
        touched: &mut Touched,
        done: &mut PageApplied,
    ) -> Result<(), StoreError> {
        let state = match &receipt.outcome {
            Outcome::Applied { .. } => "applied",
            Outcome::Rejected(_) => "rejected",
        };
        // One its author has done with does not come back to the tray; but the server has to hear of that again.
        let mut statement = self.sql.prepare_cached(
            "UPDATE edit SET state = CASE WHEN ?2 = 'rejected' AND away <> '' THEN away ELSE ?2 END,
                told = told AND NOT (?2 = 'rejected' AND away <> ''), away = '', receipt = ?3, answered = ?4
             WHERE id = ?1 AND state = 'waiting' RETURNING record, part",
        )?;
        let mut rows =
            statement.query(params![blob(&receipt.edit.0), state, text("receipt", &receipt.outcome)?, now])?;
        // No row: the receipt came before, and the edit went on from there.
        if let Some(row) = rows.next()? {
            let part = Part::from_code(row.get_ref(1)?.as_str().unwrap_or_default()).unwrap_or_default();
            let record = RecordId(id_at(row, 0)?);
            drop(rows);
            drop(statement);
            touched.insert((record, part));
            match &receipt.outcome {
                Outcome::Applied { .. } => done.applied += 1,
                Outcome::Rejected(why) => {
                    done.rejected += 1;
                    if why.reason == RejectReason::Erased {
                        self.erase(record)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// What became of an edit in quarantine. Accepted, it comes by the feed under a dot of the server's; the reason why it
    /// was there is kept, for a server that was restored may not know of the acceptance any more.
    pub(super) fn take_release(&mut self, receipt: &Receipt, now: i64, fill: i64) -> Result<(), StoreError> {
        match &receipt.outcome {
            Outcome::Applied { .. } => self
                .sql
                .prepare_cached(
                    "UPDATE edit SET state = 'done', answered = ?2, released = ?3
                     WHERE id = ?1 AND (state = 'rejected' OR released > 0)",
                )?
                .execute(params![blob(&receipt.edit.0), now, fill])?,
            Outcome::Rejected(_) => self
                .sql
                .prepare_cached(
                    "UPDATE edit SET state = CASE WHEN state = 'done' THEN 'rejected' ELSE state END,
                        told = told AND state NOT IN ('corrected', 'withdrawn'), receipt = ?2, answered = ?3,
                        released = ?4
                     WHERE id = ?1 AND (state IN ('rejected', 'corrected', 'withdrawn') OR released > 0)",
                )?
                .execute(params![blob(&receipt.edit.0), text("receipt", &receipt.outcome)?, now, fill])?,
        };
        Ok(())
    }

    /// A fill ended, which names all that was decided on: what was taken to be accepted and is not named waits in the
    /// tray again (the server was restored to before that).
    pub(super) fn take_back_releases(&self, fill: i64) -> Result<(), StoreError> {
        self.sql.execute(
            "UPDATE edit SET state = 'rejected', released = 0 WHERE state = 'done' AND released > 0 AND released < ?1",
            [fill],
        )?;
        Ok(())
    }

    /// Edits of a part that have a receipt: done when confirmed covers them, folded into confirmed when that gives
    /// exactly what the server said. `unnamed` is the generation of a part that the feed never named.
    pub(super) fn settle_edits(
        &mut self,
        id: RecordId,
        part: Part,
        unnamed: i64,
        epoch: u32,
    ) -> Result<(), StoreError> {
        let answered = self.answered_edits(id, part)?;
        let Some((_, Some(said))) = answered.last().map(|(edit, said)| (edit, said)) else { return Ok(()) };
        let row = match find(&self.sql, id)? {
            Some((row, _)) => row,
            None => return Ok(()),
        };
        let named = self.named_in(row, part)?;
        if named == Some(0) {
            // It left what the user may see: nothing more will be said of it.
            return self.mark_done(answered.iter().map(|(edit, _)| edit));
        }
        let before = confirmed(&self.sql, row, part)?;
        let mut folded = before.clone();
        for (edit, _) in &answered {
            let clipped = clipped(edit, &folded, epoch);
            folded.apply(&clipped);
        }
        let covered = before.vector().clone();
        if folded.vector() == said && !before.vector().covers_all(said) {
            put_confirmed(&self.sql, row, part, named.unwrap_or(unnamed), &text("confirmed state", &folded)?)?;
            return self.mark_done(answered.iter().map(|(edit, _)| edit));
        }
        // By the receipt too: one that arrived before a new enrolment stands there under its old dot, and would be shown
        // a second time under its new one for ever.
        let stands = |(edit, said): &&(Edit, Option<VectorTimestamp>)| {
            covered.covers(edit.dot) || said.as_ref().is_some_and(|said| covered.covers_all(said))
        };
        self.mark_done(answered.iter().filter(stands).map(|(edit, _)| edit))
    }

    /// The generation that last named a part; `None` if the server never said anything of it.
    fn named_in(&self, row: i64, part: Part) -> Result<Option<i64>, StoreError> {
        Ok(self
            .sql
            .prepare_cached("SELECT fill FROM confirmed WHERE place = ?1")?
            .query_row([place(row, part)], |row| row.get(0))
            .optional()?)
    }

    /// Applied edits of a part that confirmed may not cover yet, in order, each with the vector of its receipt.
    fn answered_edits(&self, id: RecordId, part: Part) -> Result<Vec<(Edit, Option<VectorTimestamp>)>, StoreError> {
        let mut statement = self.sql.prepare_cached(
            "SELECT opened(json), receipt FROM edit
             WHERE record = ?1 AND part = ?2 AND state = 'applied' AND opened(json) IS NOT NULL ORDER BY seq",
        )?;
        let mut rows = statement.query(params![blob(&id.0), part.code()])?;
        let mut edits = Vec::new();
        while let Some(row) = rows.next()? {
            let edit = json("edit", row.get_ref(0)?.as_str().unwrap_or_default())?;
            let said = match json("receipt", row.get_ref(1)?.as_str().unwrap_or_default())? {
                Outcome::Applied { vector } => Some(vector),
                Outcome::Rejected(_) => None,
            };
            edits.push((edit, said));
        }
        Ok(edits)
    }

    fn mark_done<'e>(&self, edits: impl Iterator<Item = &'e Edit>) -> Result<(), StoreError> {
        for edit in edits {
            self.sql.prepare_cached("UPDATE edit SET state = 'done' WHERE id = ?1")?.execute([blob(&edit.id.0)])?;
        }
        Ok(())
    }
}

/// The edit with its context clipped as the server clips it: of the present epoch, to what was applied, the slot's own
/// earlier edits counting as applied. Else what is folded here would differ from what stands there.
fn clipped(edit: &Edit, state: &PartState, epoch: u32) -> Edit {
    let mut edit = edit.clone();
    if edit.epoch == epoch {
        let mut applied = state.vector().clone();
        if edit.dot.n > 1 {
            applied.observe(Dot { n: edit.dot.n - 1, ..edit.dot });
        }
        edit.context = edit.context.clipped_to(&applied);
    }
    edit
}
