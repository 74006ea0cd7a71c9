//! Reading: what pages and lists show.

use chrono::{DateTime, Datelike, Days, NaiveDate, Utc};
use shared::area::{AreaId, AreaLevel, Scope};
use shared::author::Role;
use shared::form::MaskKind;
use shared::ids::RecordId;
use shared::mask;
use shared::path::Path;
use shared::record::{Part, RecordKind};
use shared::value::Value;
use shared::view;
use shared::work::Work;
use shared::workflow::{self, Actor, EventState, Level, Step};

use super::session::Session;
use super::types::{
    CampaignLeft, Candidate, Conflict, Draft, DueVisit, EditState, EventFilter, EventQuery, EventRow, Fact, Filter,
    Hit, Hits, Lights, OpenField, OutboxCounts, OwnEdit, RecordLink, RecordPage, SameBy, Today, TrayItem,
};
use crate::store::{Among, Campaign, Event, Linked, Row, Sought, StoreError};

/// How many of what is due 今日 shows.
const DUE: usize = 50;
/// How many days before it is due a visit is shown.
const SOON: u64 = 3;
/// How many candidates are offered.
const CANDIDATES: usize = 5;

impl Session {
    fn hit(&self, row: Row, today: NaiveDate) -> Hit {
        let form = self.store.rules().form(row.kind);
        let facts = row
            .facts
            .into_iter()
            .map(|(field, value)| {
                let mask = form.as_ref().and_then(|form| form.field(&field)).and_then(|field| field.mask);
                let text = match (mask, value.as_text()) {
                    (Some(MaskKind::BirthDate), Some(date)) => mask::birth_date(&date, today),
                    (Some(kind), Some(text)) => Value::text(&mask::mask(kind, &text, today)).json().to_owned(),
                    (Some(_), None) => String::new(),
                    (None, _) => value.json().to_owned(),
                };
                Fact { field, text }
            })
            .collect();
        Hit {
            id: row.id,
            kind: row.kind,
            title: row.title,
            facts,
            area: row.area,
            conflicts: row.conflicts,
            waiting: row.waiting,
            deleted: row.deleted,
            updated: row.updated,
        }
    }

    fn hits(&self, rows: Vec<Row>, now: DateTime<Utc>) -> Vec<Hit> {
        let today = mask::today(now);
        rows.into_iter().map(|row| self.hit(row, today)).collect()
    }

    pub(super) fn search(
        &self,
        query: &str,
        filter: &Filter,
        limit: usize,
        offset: usize,
        now: DateTime<Utc>,
    ) -> Result<Hits, StoreError> {
        let scope: Option<Scope> = filter.area.map(|area: AreaId| self.areas().scope(&[area]));
        let since = filter.unvisited_days.and_then(|days| now.checked_sub_days(Days::new(days.into())));
        let sought = Sought {
            kind: filter.kind,
            category: filter.category.as_deref(),
            scope: scope.as_ref(),
            deleted: filter.deleted,
            unvisited_since: since.map(|since| since.timestamp_millis()),
        };
        let (rows, more) = self.store.search(query, &sought, limit, offset)?;
        Ok(Hits { hits: self.hits(rows, now), more })
    }

    pub(super) fn rows(&self, ids: &[RecordId], now: DateTime<Utc>) -> Result<Vec<Hit>, StoreError> {
        Ok(self.hits(self.store.rows(ids)?, now))
    }

    pub(super) fn page(&self, id: RecordId) -> Result<Option<RecordPage>, StoreError> {
        let Some(whole) = self.store.whole(id)? else { return Ok(None) };
        let record = whole.record;
        let Some(form) = self.store.rules().form(record.kind) else { return Ok(None) };
        let link = |linked: Linked| {
            // Of what is not held only the kind is said, as far as the form knows it.
            let to = form.field(&linked.field).and_then(|field| field.to);
            let (kind, title) = linked.known.map_or((to, None), |(kind, title)| (Some(kind), Some(title)));
            RecordLink { field: linked.field, id: linked.id, kind, title }
        };
        let own: Vec<OwnEdit> = whole
            .own
            .into_iter()
            .map(|own| OwnEdit { edit: own.edit, state: state_of(&own.state), replaced: own.replaced })
            .collect();
        let stands = |late: &crate::store::Late| {
            let field = form.field(late.path.field_name());
            let part = record.part(field.map_or(Part::Open, shared::form::Field::part));
            field.is_none() || part.live(&late.path).any(|write| *write.value == late.value)
        };
        let offered = whole.late.into_iter().filter(|late| !stands(late)).collect();
        let merged_into = whole.merged_into.map(|(id, title)| RecordLink {
            field: view::MERGED_INTO.to_owned(),
            id,
            kind: Some(record.kind),
            title,
        });
        Ok(Some(RecordPage {
            merged_into,
            offered,
            closed: whole.closed,
            // Of what lies closed nothing was seen, though own edits of it may wait.
            vectors: Part::ALL
                .into_iter()
                .filter(|part| *part == Part::Open || !whole.closed)
                .map(|part| (part, record.part(part).vector().clone()))
                .collect(),
            seen: whole.seen,
            title: view::shown(&record.open, &form.title, view::Policy::One).map(Value::plain).unwrap_or_default(),
            areas: view::areas(&record.open),
            open_fields: whole.open_fields.into_iter().map(|(part, field)| OpenField { part, field }).collect(),
            waiting: own.iter().filter(|own| own.state == EditState::Waiting).count(),
            history: own,
            links: whole.links.into_iter().map(link).collect(),
            linked_from: whole.linked_from.into_iter().map(link).collect(),
            deletion: record.open.deletion(),
            form,
            record,
        }))
    }

    pub(super) fn conflicts(
        &self,
        limit: usize,
        offset: usize,
        now: DateTime<Utc>,
    ) -> Result<(Vec<Conflict>, bool), StoreError> {
        let mut found = self.store.conflicts(limit.saturating_add(1), offset)?;
        let more = found.len() > limit;
        found.truncate(limit);
        let today = mask::today(now);
        let open =
            |fields: Vec<(Part, String)>| fields.into_iter().map(|(part, field)| OpenField { part, field }).collect();
        Ok((found.into_iter().map(|(row, fields)| (self.hit(row, today), open(fields))).collect(), more))
    }

    pub(super) fn actor(&self) -> Actor {
        let setup = self.setup();
        let areas = self.areas();
        let highest = setup.scope.iter().filter_map(|id| areas.get(*id)).map(|area| area.level).min();
        Actor::new(setup.user.id, setup.user.role, highest.unwrap_or(AreaLevel::Grid))
    }

    fn event_row(&self, row: Row, state: &EventState, actor: &Actor, now: DateTime<Utc>) -> EventRow {
        EventRow {
            stage: state.reported_at.map(|_| state.stage),
            light: workflow::light(state, now),
            due: state.due,
            contested: state.is_contested(),
            settled_on_site: state.settled_on_site,
            host: state.host,
            dispatcher: state.dispatcher,
            level: workflow::held_by(state, now),
            allowed: workflow::allowed(state, actor),
            hit: self.hit(row, mask::today(now)),
        }
    }

    pub(super) fn events(
        &self,
        query: &EventQuery,
        limit: usize,
        offset: usize,
        now: DateTime<Utc>,
    ) -> Result<(Vec<EventRow>, bool), StoreError> {
        let actor = self.actor();
        let scope = self.scope();
        let led = self.setup().led.clone();
        let among = match query.of {
            EventFilter::Mine => Among::Open,
            EventFilter::ToClose => Among::Answered,
            EventFilter::ReportedByMe => Among::ReportedBy(actor.user),
            // What ended has no light.
            EventFilter::MyArea if query.light.is_some() => Among::Open,
            EventFilter::MyArea => Among::All,
        };
        let sees = |row: &Row| {
            (query.of != EventFilter::MyArea || row.area.is_some_and(|area| scope.contains(area)))
                && query.category.as_ref().is_none_or(|code| {
                    row.facts.iter().any(|(field, value)| field == "category" && value.as_text().as_ref() == Some(code))
                })
        };
        let takes = |event: &Event| {
            let listed = match query.of {
                EventFilter::Mine => {
                    let led = event.row.area.is_some_and(|area| led.contains(&area));
                    is_mine(&event.state, &actor, led, now)
                }
                EventFilter::ToClose => is_to_close(&event.state, &actor),
                EventFilter::ReportedByMe | EventFilter::MyArea => true,
            };
            listed && query.light.is_none_or(|light| workflow::light(&event.state, now) == Some(light))
        };
        // What the row says is enough to count past those that are not shown.
        let by_row = matches!(query.of, EventFilter::ReportedByMe | EventFilter::MyArea) && query.light.is_none();
        let takes: Option<&dyn Fn(&Event) -> bool> = if by_row { None } else { Some(&takes) };
        let (events, more) = self.store.events(among, limit, offset, sees, takes)?;
        Ok((events.into_iter().map(|event| self.event_row(event.row, &event.state, &actor, now)).collect(), more))
    }

    pub(super) fn event(&self, id: RecordId, now: DateTime<Utc>) -> Result<Option<EventRow>, StoreError> {
        let Some(record) = self.store.record(id)?.filter(|record| record.kind == RecordKind::Event) else {
            return Ok(None);
        };
        let state = workflow::fold(&record.open, &self.store.rules().calendar);
        let row = self.store.rows(&[id])?.pop();
        Ok(row.map(|row| self.event_row(row, &state, &self.actor(), now)))
    }

    pub(super) fn counts(&self) -> Result<OutboxCounts, StoreError> {
        let counts = self.store.counts()?;
        Ok(OutboxCounts { edits: counts.edits, photos: counts.photos, tray: counts.tray })
    }

    pub(super) fn lights(&self, others: u64) -> Result<Lights, StoreError> {
        let counts = self.store.counts()?;
        let delivered = counts.edits == 0 && counts.photos == 0 && counts.photo_bytes == 0;
        let backed_up = counts.backed_up >= counts.last_n && !counts.earlier_open;
        Ok(Lights { delivered, safe_to_hand_in: delivered && backed_up && others == 0, others })
    }

    pub(super) fn today(&self, now: DateTime<Utc>) -> Result<Today, StoreError> {
        let meta = self.store.meta()?;
        Ok(Today {
            due: self.events(&EventFilter::Mine.into(), DUE, 0, now)?.0,
            visits: self.visits_due(now)?,
            campaigns: self.campaigns(now)?,
            meeting_due: self.meeting_due(now)?,
            arrivals: self.arrivals(now)?,
            counts: self.store.kinds(),
            conflicts: self.store.conflict_count()?,
            outbox: self.counts()?,
            last_sync: (meta.last_sync > 0).then(|| DateTime::from_timestamp_millis(meta.last_sync)).flatten(),
        })
    }

    /// The visits that are due today or in the days to come.
    pub(super) fn visits_due(&self, now: DateTime<Utc>) -> Result<Vec<DueVisit>, StoreError> {
        if !self.setup().user.role.changes(RecordKind::Person) {
            return Ok(Vec::new());
        }
        let today = mask::today(now);
        let until = today.checked_add_days(Days::new(SOON)).unwrap_or(today);
        let due = self.store.visits_due(today, until)?;
        Ok(due.into_iter().map(|due| DueVisit { hit: self.hit(due.row, today), date: due.date }).collect())
    }

    /// What is under way of 专项排查 and not looked at here.
    pub(super) fn campaigns(&self, now: DateTime<Utc>) -> Result<Vec<CampaignLeft>, StoreError> {
        let today = mask::today(now);
        let campaigns = self.store.campaigns(today)?.into_iter().map(|campaign| self.left_of(campaign, today));
        Ok(campaigns.filter(|campaign| !campaign.remaining.is_empty()).collect())
    }

    /// One 专项排查, also if it is over or nothing of it remains.
    pub(super) fn campaign(&self, id: RecordId, now: DateTime<Utc>) -> Result<Option<CampaignLeft>, StoreError> {
        let today = mask::today(now);
        Ok(self.store.campaign(id)?.map(|campaign| self.left_of(campaign, today)))
    }

    fn left_of(&self, campaign: Campaign, today: NaiveDate) -> CampaignLeft {
        CampaignLeft {
            hit: self.hit(campaign.row, today),
            until: campaign.until,
            targets: campaign.targets,
            remaining: campaign.remaining,
        }
    }

    pub(super) fn arrivals(&self, now: DateTime<Utc>) -> Result<Vec<Hit>, StoreError> {
        Ok(self.hits(self.store.arrivals()?, now))
    }

    /// Whether this week's meeting is not recorded yet, for those who hold it.
    fn meeting_due(&self, now: DateTime<Utc>) -> Result<bool, StoreError> {
        if !matches!(self.setup().user.role, Role::GridMember | Role::GridLeader) {
            return Ok(false);
        }
        let last = self.store.last_work(Work::Meeting)?.and_then(DateTime::from_timestamp_millis);
        Ok(last.is_none_or(|last| mask::today(last).iso_week() < mask::today(now).iso_week()))
    }

    pub(super) fn tray(&self) -> Result<Vec<TrayItem>, StoreError> {
        let returned = self.store.returned()?;
        returned
            .into_iter()
            .map(|item| {
                let title = match self.store.title(item.edit.record)? {
                    Some(title) if !title.is_empty() => title,
                    _ => self.title_in(&item.edit),
                };
                Ok(TrayItem { edit: item.edit, title, rejection: item.rejection, since: item.since })
            })
            .collect()
    }

    /// The title an edit itself gives: of a record that was never taken there is no other.
    pub(super) fn title_in(&self, edit: &shared::edit::Edit) -> String {
        let form = self.store.rules().form(edit.kind);
        let title = form.and_then(|form| edit.writes.get(&Path::field(&form.title)));
        title.map(Value::plain).unwrap_or_default()
    }

    pub(super) fn candidates(&self, draft: &Draft, now: DateTime<Utc>) -> Result<Vec<Candidate>, StoreError> {
        let Some(form) = self.store.rules().form(draft.kind) else { return Ok(Vec::new()) };
        let said = |field: &str| draft.writes.get(&Path::field(field)).filter(|value| !value.is_null());
        let text = |field: &str| said(field).and_then(Value::as_text).filter(|text| !text.trim().is_empty());
        let mut found: Vec<(SameBy, Row)> = Vec::new();
        for number in ["id_number", "credit_code"].into_iter().filter_map(text) {
            found.extend(self.store.with_number(&number)?.into_iter().map(|row| (SameBy::Number, row)));
        }
        if let Some(title) = text(&form.title) {
            let number = text("id_number").and_then(|number| shared::check::id_facts(&number));
            let born = number.map(|facts| Value::of(&facts.birth_date)).or_else(|| said("birth_date").cloned());
            let address = text("address").map(|address| crate::store::normal(&address));
            for row in self.store.with_title(&title, 50)? {
                let fact = |name: &str| row.facts.iter().find(|(field, _)| field == name).map(|(_, value)| value);
                let same_birth = born.is_some() && fact("birth_date") == born.as_ref();
                let there = fact("address").and_then(Value::as_text).map(|there| crate::store::normal(&there));
                if same_birth {
                    found.push((SameBy::NameAndBirthDate, row));
                } else if address.is_some() && address == there {
                    found.push((SameBy::NameAndAddress, row));
                }
            }
        }
        found.retain(|(_, row)| row.id != draft.record && row.kind == draft.kind);
        found.sort_by_key(|(why, row)| (*why, row.id));
        let mut seen = std::collections::BTreeSet::new();
        found.retain(|(_, row)| seen.insert(row.id));
        found.truncate(CANDIDATES);
        let today = mask::today(now);
        Ok(found.into_iter().map(|(why, row)| Candidate { hit: self.hit(row, today), why }).collect())
    }
}

fn state_of(code: &str) -> EditState {
    match code {
        "waiting" => EditState::Waiting,
        "rejected" => EditState::Rejected,
        "corrected" => EditState::Corrected,
        "withdrawn" => EditState::Withdrawn,
        _ => EditState::Applied,
    }
}

/// Whether the user has to act: 主办 or 协办, or one of the six steps waits for them; `led`: its grid has a leader of its own.
fn is_mine(state: &EventState, actor: &Actor, led: bool, now: DateTime<Utc>) -> bool {
    let given = state.host == Some(actor.user) || state.helpers.contains(&actor.user);
    // Few townships have a leader in each small grid: what was settled there is closed by the one above it.
    let closes = actor.level <= Level::Community && is_to_close(state, actor);
    let decides = closes || workflow::decides_now(state, actor.level, led, now) || state.dispatcher == Some(actor.user);
    let acts = workflow::allowed(state, actor)
        .into_iter()
        .any(|step| !matches!(step, Step::Report | Step::Urge | Step::Supervise));
    acts && (given || decides)
}

/// Whether it was settled on site, nothing of it is at odds, and the user may close it: what is closed in bulk.
fn is_to_close(state: &EventState, actor: &Actor) -> bool {
    state.settled_on_site && !state.is_contested() && workflow::allowed(state, actor).contains(&Step::Close)
}
