//! Reading: what pages and lists show.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use shared::form::Form;
use shared::ids::{EditId, RecordId};
use shared::record::RecordKind;
use shared::wire::HistoryEntry;
use shared::workflow::Limit;

use super::State;
use crate::handheld::{
    CampaignLeft, Decision, EventQuery, EventRow, Filter, Hit, Hits, OpenField, RecordPage, SyncError, Today, Told,
};
use crate::ui::words::Words;

impl State {
    /// The newest form of a kind.
    pub fn form(&self, kind: RecordKind) -> Option<Arc<Form>> {
        self.handheld.form(kind)
    }

    /// The limits offered to who gives an event to somebody.
    pub fn limits(&self) -> Vec<Limit> {
        let mut limits = self.handheld.limits().to_vec();
        limits.dedup();
        limits
    }

    /// The page of a record.
    pub fn record(&self, id: RecordId) -> Option<RecordPage> {
        self.read(self.handheld.record(id))
    }

    /// One row.
    pub fn hit(&self, id: RecordId) -> Option<Hit> {
        self.rows(&[id]).pop()
    }

    /// Some rows.
    pub fn rows(&self, ids: &[RecordId]) -> Vec<Hit> {
        self.read(self.handheld.rows(ids))
    }

    /// The title of a record, or 网格外 where this handheld does not hold it.
    pub fn title_or_outside(&self, words: &Words, id: RecordId, kind: Option<RecordKind>) -> String {
        let kind = kind.map(|kind| words.kind(kind)).unwrap_or_default();
        self.hit(id).map_or_else(|| words.s("outside-grid", "kind", &kind), |hit| hit.title)
    }

    /// Search as typed.
    pub fn search(&self, query: &str, filter: &Filter, offset: usize, limit: usize) -> Hits {
        self.read(self.handheld.search(query, filter, limit, offset))
    }

    /// What 今日 shows.
    pub fn today(&self) -> Today {
        self.follow();
        self.read(self.handheld.today())
    }

    /// When a record was last visited, as far as is known here.
    pub fn last_visit(&self, id: RecordId) -> Option<DateTime<Utc>> {
        self.read(self.handheld.last_visit(id))
    }

    /// The 专项排查 of which something remains here.
    pub fn campaigns(&self) -> Vec<CampaignLeft> {
        self.follow();
        self.read(self.handheld.campaigns())
    }

    /// One 专项排查, also if it is over.
    pub fn campaign(&self, id: RecordId) -> Option<CampaignLeft> {
        self.follow();
        self.read(self.handheld.campaign(id))
    }

    /// The events of a list, the most urgent first, and whether there are more.
    pub fn events(&self, query: impl Into<EventQuery>, limit: usize, offset: usize) -> (Vec<EventRow>, bool) {
        self.read(self.handheld.events(query, limit, offset))
    }

    /// One event's state and what the user may do next.
    pub fn event(&self, id: RecordId) -> Option<EventRow> {
        self.read(self.handheld.event(id))
    }

    /// Records with fields that are 待核对, and whether there are more.
    pub fn conflicts(&self, limit: usize) -> (Vec<(Hit, Vec<OpenField>)>, bool) {
        self.follow();
        self.read(self.handheld.conflicts(limit, 0))
    }

    /// Decisions made on this handheld that can be taken back, the last one first.
    pub fn decisions(&self, limit: usize) -> Vec<Decision> {
        self.read(self.handheld.decisions(limit))
    }

    /// What others decided where the user had filled in a value.
    pub fn told(&self) -> Vec<Told> {
        self.follow();
        self.read(self.handheld.told())
    }

    /// Notes that these were seen, of a page that is being left: nobody else shows it.
    pub fn note_told(&self, seen: &[(EditId, EditId)]) {
        self.read(self.handheld.note_told(seen));
    }

    /// The whole history of a record, from the server.
    pub async fn history(&self, id: RecordId) -> Result<Vec<HistoryEntry>, SyncError> {
        self.handheld.history(id).await
    }
}
