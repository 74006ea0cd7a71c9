//! Saving, drafts, photos and positions.

use chrono::{DateTime, Utc};
use shared::form::Position;
use shared::ids::{EditId, PhotoHash, RecordId};
use shared::record::Part;
use shared::value::Value;

use super::State;
use crate::handheld::{Candidate, Closed, Closing, Draft, Message, SaveError, Saved, TakenIn};
use crate::sync::Fetched;

impl State {
    /// A fresh id for a new record.
    pub fn new_record(&self) -> RecordId {
        self.handheld.new_record_id()
    }

    /// A fresh id for an edit.
    pub fn new_edit(&self) -> EditId {
        self.handheld.new_edit_id()
    }

    /// Saves, and forgets the draft it was typed in.
    pub fn save(&self, draft: Draft, forget: Option<&str>) -> Result<Saved, SaveError> {
        let saved = self.handheld.save(draft, forget)?;
        self.touched();
        self.handheld.wake();
        Ok(saved)
    }

    /// Closes events together; those that may not be closed stay as they are.
    pub fn close_together(&self, closings: &[Closing]) -> Result<Closed, SaveError> {
        let done = self.handheld.close_together(closings)?;
        self.touched();
        self.handheld.wake();
        Ok(done)
    }

    /// Likely duplicates of what is being entered.
    pub fn candidates(&self, draft: &Draft) -> Vec<Candidate> {
        self.read(self.handheld.candidates(draft))
    }

    /// Decides a 待核对 field.
    pub fn settle(&self, record: RecordId, part: Part, field: &str, value: Value) -> Result<Saved, SaveError> {
        let saved = self.handheld.settle(record, part, field, value)?;
        self.touched();
        self.handheld.wake();
        Ok(saved)
    }

    /// Deletes a record, or brings it back.
    pub fn delete(&self, record: RecordId, deleted: bool) -> Result<Saved, SaveError> {
        let saved = self.handheld.delete(record, deleted)?;
        self.touched();
        Ok(saved)
    }

    /// Takes a decision back.
    pub fn undo_settle(&self, settled: EditId) -> Result<Saved, SaveError> {
        let saved = self.handheld.undo_settle(settled)?;
        self.touched();
        self.handheld.wake();
        Ok(saved)
    }

    /// Whether this is the first page since the user was let in. True once.
    pub fn begins(&self) -> bool {
        self.handheld.begins()
    }

    /// Keeps what was typed so far.
    pub fn keep_draft(&self, key: &str, json: &str) -> bool {
        match self.handheld.save_draft(key, json) {
            Ok(()) => true,
            failed => {
                self.read(failed);
                false
            }
        }
    }

    /// What was typed under a key.
    pub fn draft(&self, key: &str) -> Option<String> {
        self.read(self.handheld.load_draft(key))
    }

    /// Every draft, newest first.
    pub fn drafts(&self) -> Vec<(String, DateTime<Utc>)> {
        self.follow();
        self.read(self.handheld.drafts())
    }

    /// The same of a page that is being left: nobody else shows it.
    pub fn drop_draft(&self, key: &str) -> bool {
        let dropped = self.handheld.delete_draft(key);
        let done = dropped.is_ok();
        self.read(dropped);
        done
    }

    /// Forgets a draft.
    pub fn forget_draft(&self, key: &str) {
        self.read(self.handheld.delete_draft(key));
        self.touched();
    }

    /// Takes a picture in, away from the thread that draws.
    pub async fn take_in(&self, bytes: Vec<u8>, position: Option<Position>) -> Result<TakenIn, Message> {
        let handheld = self.handheld.clone();
        let now = self.now();
        let work = tokio::task::spawn_blocking(move || handheld.take_in(&bytes, position, Some(now)));
        match work.await {
            Ok(taken) => taken.map_err(|error| error.0),
            Err(_) => Err(Message::of("photo-other")),
        }
    }

    /// A picture from this handheld, else from the server.
    pub async fn picture(&self, hash: &PhotoHash) -> Result<Fetched, Message> {
        self.handheld.fetch_picture(hash).await.map_err(|error| error.0)
    }

    /// Where the handheld is.
    pub async fn locate(&self) -> Option<Position> {
        self.handheld.position().await
    }
}
