//! Reading: what pages and lists show.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use shared::form::Form;
use shared::ids::{EditId, RecordId};
use shared::record::RecordKind;
use shared::wire::HistoryEntry;
use shared::workflow::Limit;

use super::{EventsPlace, SearchPlace, State};
use crate::handheld::{
    CampaignLeft, Decision, DueVisit, EventFilter, EventQuery, EventRow, Filter, Hit, Hits, OpenField, RecordPage,
    SyncError, Today, Told,
};
use crate::ui::pages::close::CLOSED_AT_ONCE;
use crate::ui::words::Words;

/// What 今日 shows.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct TodaySeen {
    /// All of it, but of the visits only those that are shown.
    pub today: Today,
    /// How many visits are due.
    pub visits: usize,
}

/// What 事件 shows.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct EventsSeen {
    /// The events of the list.
    pub rows: Vec<EventRow>,
    /// Whether there are more.
    pub more: bool,
    /// How many can be closed together.
    pub to_close: usize,
    /// Whether there are more of these.
    pub to_close_more: bool,
}

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
    pub fn search(&self, query: &str, filter: &Filter, limit: usize) -> Hits {
        self.read(self.handheld.search(query, filter, limit, 0))
    }

    /// What 查询 shows of a place, with that place. A hook.
    pub fn use_search(&self, place: SearchPlace) -> Option<(SearchPlace, Rc<Hits>)> {
        self.use_behind("search", place, |handheld, SearchPlace { query, filter, window }| {
            handheld.search(query.trim(), filter, window.rows, window.from)
        })
    }

    /// What 今日 shows, with at most so many visits. A hook.
    pub fn use_today(&self, visits: usize) -> Option<Rc<TodaySeen>> {
        let seen = self.use_behind("today", visits, |handheld, shown| {
            let mut today = handheld.today()?;
            let visits = today.visits.len();
            today.visits.truncate(*shown);
            Ok(TodaySeen { today, visits })
        });
        seen.map(|(_, seen)| seen)
    }

    /// The visits that are due. A hook.
    pub fn use_visits(&self) -> Option<Rc<Vec<DueVisit>>> {
        self.use_behind("visits", (), |handheld, ()| handheld.visits_due()).map(|(_, visits)| visits)
    }

    /// Records by kind. A hook.
    pub fn use_kinds(&self) -> Option<Rc<BTreeMap<RecordKind, u64>>> {
        self.use_behind("kinds", (), |handheld, ()| handheld.kinds()).map(|(_, kinds)| kinds)
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

    /// What 事件 shows of a place, with that place; `closes`: whether the user closes events together. A hook.
    pub fn use_events(&self, place: EventsPlace, closes: bool) -> Option<(EventsPlace, Rc<EventsSeen>)> {
        let seen = self.use_behind("events", (place, closes), |handheld, (EventsPlace { query, window }, closes)| {
            let (rows, more) = handheld.events(query.clone(), window.rows, window.from)?;
            let to_close =
                if *closes { handheld.events(EventFilter::ToClose, CLOSED_AT_ONCE, 0)? } else { Default::default() };
            Ok(EventsSeen { rows, more, to_close: to_close.0.len(), to_close_more: to_close.1 })
        });
        seen.map(|((place, _), seen)| (place, seen))
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
