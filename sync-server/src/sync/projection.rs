//! What is stored beside a state so that lists and rights need not read it: all of it follows from the state.

use chrono::DateTime;
use sha2::{Digest as _, Sha256};
use shared::calendar::Calendar;
use shared::form::{Field, FieldType, Form, Forms};
use shared::ids::{RecordId, UserId};
use shared::mask::LinkOrText;
use shared::merge::{Deletion, PartState};
use shared::path::Path;
use shared::record::{Part, RecordKind};
use shared::value::Value;
use shared::view::{self, Policy};
use shared::work::{self, Work};
use shared::workflow;

use crate::AppState;
use crate::auth::authorize::Reach;
use crate::store::{self, EventFacts, PartFilter, StoreError, StoredPart, made_at, number_word};

/// The field of an event that says what it is.
pub const CATEGORY: &str = "category";

/// Where a record lies and who is named in it, by its open part.
pub fn reach(kind: RecordKind, open: &PartState, calendar: &Calendar) -> Reach {
    Reach {
        kind,
        areas: view::areas(open),
        readers: readers(kind, open, calendar),
        visit: kind == RecordKind::Event && is_visit(open),
    }
}

/// Whether an event tells of a visit. While its category is 待核对 one that says so is enough, and what was reported of it
/// since takes nothing back: what was found at somebody's home stands there all the same.
fn is_visit(open: &PartState) -> bool {
    let mut categories = open.live(&Path::field(CATEGORY)).filter_map(|write| write.value.as_text());
    categories.any(|code| Work::from_code(&code) == Some(Work::Visit))
}

fn readers(kind: RecordKind, open: &PartState, calendar: &Calendar) -> Vec<UserId> {
    if kind != RecordKind::Event {
        return Vec::new();
    }
    let event = workflow::fold(open, calendar);
    let mut readers: Vec<UserId> = event.reporter.into_iter().chain(event.host).chain(event.helpers).collect();
    readers.sort_unstable();
    readers.dedup();
    readers
}

/// The row of a part, its number and state left to the caller.
pub fn row(forms: &Forms, calendar: &Calendar, reach: &Reach, of: RowOf<'_>) -> StoredPart {
    let RowOf { record, part, state } = of;
    let form = forms.newest(reach.kind);
    let open_part = part == Part::Open;
    StoredPart {
        record,
        part,
        kind: reach.kind,
        seq: 0,
        areas: reach.areas.clone(),
        readers: reach.readers.clone(),
        visit: reach.visit,
        title: form.filter(|_| open_part).map(|form| title(form, state)).unwrap_or_default(),
        words: form.filter(|_| open_part).map(|form| words(form, state)).unwrap_or_default(),
        open_fields: open_fields(form, reach.kind, part, state, calendar),
        missing: if open_part { missing(reach.kind, state) } else { 0 },
        deleted: state.deletion() == Deletion::Deleted,
        anonymous: state.all_live().any(|(_, write)| write.head.author.role.is_anonymous_to_others()),
        merged_into: Some(state).filter(|_| open_part).and_then(view::merged_into),
        state: String::new(),
        event: (open_part && reach.kind == RecordKind::Event).then(|| Box::new(facts(record, state, calendar))),
    }
}

/// What stands of an event beside its part.
fn facts(record: RecordId, open: &PartState, calendar: &Calendar) -> EventFacts {
    let state = workflow::fold(open, calendar);
    let text = |field| view::shown(open, field, Policy::One).and_then(Value::as_text).unwrap_or_default();
    let done = work::done_at(open).and_then(DateTime::from_timestamp_millis);
    EventFacts {
        category: text(CATEGORY),
        source: text("source"),
        urgency: text("urgency"),
        service: text("service_subject"),
        subject: work::subject(open),
        campaign: text(work::CAMPAIGN).parse().ok(),
        at: state.reported_at.or(done).or_else(|| made_at(record.0)).unwrap_or_default(),
        stage: state.reported_at.map(|_| state.stage),
        level: state.level,
        reported: state.reported_at,
        moved: state.moved_at,
        since: state.since,
        due: state.due,
        closed: state.closed_at,
        host: state.host,
        contested: state.is_contested(),
        helpers: state.helpers,
        dispatcher: state.dispatcher,
        asked: state.asked.is_some(),
        on_site: state.settled_on_site,
        urged: state.urged,
        supervised: state.supervised,
        outcome: state.outcome.unwrap_or_default(),
        ledger: state.ledger.unwrap_or_default(),
    }
}

/// What makes a record complete beyond what its form asks for: without it the service does not find the door, or nobody.
fn expected(kind: RecordKind) -> &'static [&'static str] {
    match kind {
        RecordKind::Person => &["id_number", "phone", "lives_at", "residence_status"],
        RecordKind::Place => &["address", "position"],
        RecordKind::Object => &["position", "condition"],
        RecordKind::Organization => &["phone", "head"],
        RecordKind::Event => &[],
    }
}

fn missing(kind: RecordKind, open: &PartState) -> u32 {
    let written = |field: &str| open.live(&Path::field(field)).any(|write| !write.value.is_null());
    let missing = expected(kind).iter().filter(|field| !written(field)).count();
    u32::try_from(missing).unwrap_or(u32::MAX)
}

/// The named value of a town that says by which version of [`facts`] and [`missing`], and by which calendar, its rows were
/// written.
const BESIDE: &str = "beside";
/// To be raised whenever they say anything else of the same state.
const BESIDE_VERSION: &str = "1";
/// Parts read at once.
const PIECE: u64 = 5_000;

/// Writes what lists and figures need beside the parts of towns where an older program left nothing, or something else, or
/// where another calendar counts by now. A few seconds for 100,000 records.
pub fn fill_beside(app: &AppState) -> Result<(), StoreError> {
    for town in app.store.towns()? {
        let calendar = std::sync::Arc::clone(&app.in_force(town)?.calendar);
        let version = format!("{BESIDE_VERSION}.{}", fingerprint(&calendar));
        if store::read(&*app.store, town, |read| read.meta(BESIDE))?.as_ref() == Some(&version) {
            continue;
        }
        store::write(&*app.store, town, |tx| {
            tx.forget_beside()?;
            let mut after = 0;
            loop {
                let piece = PartFilter { after, limit: Some(PIECE), with_merged: true, ..PartFilter::default() };
                let mut rows = Vec::new();
                tx.each_part(&piece, &mut |part| {
                    rows.push(part);
                    Ok(true)
                })?;
                let Some(last) = rows.last().map(|part| part.seq) else { break };
                after = last;
                for mut part in rows {
                    // What cannot be read is put right elsewhere, and this is written then.
                    let Ok(open) = serde_json::from_str::<PartState>(&part.state) else { continue };
                    part.missing = missing(part.kind, &open);
                    let event = part.kind == RecordKind::Event;
                    part.event = event.then(|| Box::new(facts(part.record, &open, &calendar)));
                    tx.save_beside(&part)?;
                }
            }
            tx.set_meta(BESIDE, &version)
        })?;
    }
    Ok(())
}

/// The same for the same calendar only.
fn fingerprint(calendar: &Calendar) -> String {
    let digest = Sha256::digest(calendar.to_toml().unwrap_or_default());
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// Of what a row is made.
pub struct RowOf<'a> {
    /// Which record.
    pub record: shared::ids::RecordId,
    /// Which part.
    pub part: Part,
    /// As it stands.
    pub state: &'a PartState,
}

fn title(form: &Form, state: &PartState) -> String {
    let policy = form.field(&form.title).map_or(Policy::One, Field::policy);
    view::shown(state, &form.title, policy).map(plain).unwrap_or_default()
}

/// Every live value of the searched fields: of a 待核对 field all of them, so that both sides find it. Of the number of
/// an identity paper only [`number_word`] stands there, so that it is found whole and cannot be guessed piece by piece.
fn words(form: &Form, state: &PartState) -> String {
    let mut lines = String::new();
    for field in form.fields().filter(|field| field.search && field.part() == Part::Open) {
        for write in state.live(&Path::field(&field.name)).filter(|write| !write.value.is_null()) {
            let text = plain(write.value).to_lowercase();
            match field.kind {
                FieldType::IdNumber => lines.push_str(&number_word(&text)),
                _ => lines.push_str(&text),
            }
            lines.push('\n');
        }
    }
    lines
}

fn plain(value: &Value) -> String {
    match value.get::<LinkOrText>() {
        Some(link) => link.text.unwrap_or_default(),
        None => value.plain(),
    }
}

fn open_fields(form: Option<&Form>, kind: RecordKind, part: Part, state: &PartState, calendar: &Calendar) -> u32 {
    let fields = form.into_iter().flat_map(Form::fields);
    let fields = fields.filter(|field| field.part() == part && field.policy() == Policy::One);
    let open = view::open_fields(state, fields.map(|field| field.name.as_str())).len();
    // A contested event waits for a person's decision just as well.
    let contested = kind == RecordKind::Event
        && part == Part::Open
        && state.live_under(workflow::STEPS).nth(1).is_some()
        && !workflow::fold(state, calendar).contested.is_empty();
    u32::try_from(open).unwrap_or(u32::MAX).saturating_add(u32::from(contested))
}
