//! 建档: the ledger's numbers, and archiving by itself what was closed and left alone for some days.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use assets::messages::{Lang, Messages};
use chrono::{DateTime, Datelike as _, Days, Utc};
use shared::area::AreaId;
use shared::author::{Author, Role};
use shared::edit::Edit;
use shared::form::Forms;
use shared::ids::{Dot, EditId, RecordId, Slot};
use shared::merge::PartState;
use shared::path::Path;
use shared::record::{Part, RecordKind};
use shared::value::Value;
use shared::view::{self, Policy};
use shared::wire::Outcome;
use shared::workflow::{self, EventState, STEPS, Stage, Step, StepEntry};

use crate::auth::Who;
use crate::batch::state;
use crate::export::show::beijing;
use crate::store::{self, EventFilter, Origin, StoreError, Tx};
use crate::sync::accept::{self, Rules, Writer};
use crate::{App, AppState};

/// From one look to the next of a running server.
const HOURLY: Duration = Duration::from_secs(3_600);
/// The most of a town that are archived at once: each goes to every handheld that reads it. The rest waits an hour.
const AT_ONCE: usize = 500;

/// What stands before the running number of an event's ledger: its category and the year in which it was reported, Chinese
/// whatever the page speaks.
pub fn ledger(forms: &Forms, open: &PartState, event: &EventState, now: DateTime<Utc>) -> String {
    let code = view::shown(open, "category", Policy::One).and_then(Value::as_text).unwrap_or_default();
    let field = forms.newest(RecordKind::Event).and_then(|form| form.field("category"));
    let category = field.map_or(code.as_str(), |field| field.choice_label(&code, Lang::Zh.tag()));
    let year = beijing(event.reported_at.unwrap_or(now)).year().to_string();
    Messages::of(Lang::Zh).with("desk-number", &[("category", category.into()), ("year", year.into())])
}

/// The entry that archives, under the next number of the ledger.
pub fn entry(tx: &dyn Tx, ledger: &str, text: &str) -> Result<StepEntry, StoreError> {
    let number = format!("{ledger}{:04}", tx.last_in_ledger(ledger)? + 1);
    Ok(StepEntry { ledger: Some(number), ..StepEntry::new(Step::Archive, text) })
}

/// Archives what was closed so many days ago and not touched since, in every town; says how many.
pub fn run(app: &AppState, days: u16) -> Result<u64, StoreError> {
    let now = app.outside.now();
    let Some(until) = now.checked_sub_days(Days::new(days.into())) else { return Ok(0) };
    let mut done = 0;
    for town in app.store.towns()? {
        let mut left_alone = Vec::new();
        let closed = EventFilter { stages: vec![Stage::Closed], ..EventFilter::default() };
        store::read::<_, StoreError>(&*app.store, town, |read| {
            read.each_event(&closed, &mut |event| {
                let long = event.facts.closed.is_some_and(|closed| closed <= until);
                if long && !event.deleted && !event.facts.contested {
                    left_alone.push(event.record);
                }
                Ok(true)
            })
        })?;
        // The first that was reported has the first number.
        for record in left_alone.into_iter().rev().take(AT_ONCE) {
            done += u64::from(one(app, town, record, until, days)?);
        }
    }
    Ok(done)
}

/// Archives one event, if it still is what it was and the server heard nothing of it since: a handheld whose clock is wrong
/// archives nothing too early.
fn one(app: &AppState, town: AreaId, record: RecordId, until: DateTime<Utc>, days: u16) -> Result<bool, StoreError> {
    let rules = app.rules_of(town)?;
    let who = Who::nobody(town, &rules.areas);
    let result = store::write(&*app.store, town, |tx| {
        let Some(part) = tx.load_many(&[(record, Part::Open)])?.pop() else { return Err(NotNow::Changed) };
        let open = state(&part)?;
        let event = workflow::fold(&open, &rules.calendar);
        let last = tx.edits_of(record)?.iter().map(|edit| edit.received).max();
        let heard = last.is_none_or(|last| last > until);
        if part.deleted || heard || event.stage != Stage::Closed || event.is_contested() {
            return Err(NotNow::Changed);
        }
        let text = Messages::of(Lang::Zh).with("archived-by-itself", &[("days", days.to_string().into())]);
        let entry = entry(tx, &ledger(&rules.forms, &open, &event, rules.now), &text)?;
        write(app, tx, &rules, &who, (record, &open), &entry)
    });
    match result {
        Ok(()) => Ok(true),
        Err(NotNow::Changed) => Ok(false),
        Err(NotNow::Refused(why)) => {
            tracing::warn!(%record, why, "a closed event cannot be archived by itself");
            Ok(false)
        }
        Err(NotNow::Store(error)) => Err(error),
    }
}

/// Why an event is not archived.
enum NotNow {
    /// It is not what it was.
    Changed,
    /// The rules do not allow it; their message key.
    Refused(String),
    Store(StoreError),
}

impl From<StoreError> for NotNow {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

fn write(
    app: &AppState,
    tx: &mut dyn Tx,
    rules: &Rules,
    who: &Who,
    (record, open): (RecordId, &PartState),
    entry: &StepEntry,
) -> Result<(), NotNow> {
    let form = rules.forms.newest(RecordKind::Event).ok_or(StoreError::Missing("the form of events"))?;
    let slot: Slot = accept::console_slot(app, tx)?;
    let dot: Dot = accept::next_dot(tx, slot)?;
    let id = EditId::fresh(&*app.outside);
    let edit = Edit {
        id,
        record,
        kind: RecordKind::Event,
        part: Part::Open,
        dot,
        context: open.vector().clone(),
        epoch: rules.epoch,
        at: rules.now,
        zone: 480,
        author: Arc::new(Author { user: None, name: String::new(), role: Role::CenterStaff }),
        form: form.version,
        writes: BTreeMap::from([(Path::entry(STEPS, id), Value::of(entry))]),
    };
    let writer = Writer { who: who.clone(), slot, origin: Origin::Console };
    match accept::accept_in(tx, rules, &writer, vec![edit])?.pop().map(|receipt| receipt.outcome) {
        Some(Outcome::Applied { .. }) => Ok(()),
        Some(Outcome::Rejected(why)) => Err(NotNow::Refused(why.detail)),
        None => Err(StoreError::Missing("the receipt").into()),
    }
}

/// The same every hour while the server runs. A failure is told in the log and tried again an hour later.
pub async fn hourly(app: App, days: u16) {
    let mut hours = tokio::time::interval(HOURLY);
    loop {
        hours.tick().await;
        let app = App::clone(&app);
        let in_turn = move || match app.store.turn("archive")? {
            Some(_turn) => run(&app, days),
            None => Ok(0),
        };
        match tokio::task::spawn_blocking(in_turn).await {
            Ok(Ok(0)) => {}
            Ok(Ok(events)) => tracing::info!(events, "archived by itself what was closed and left alone"),
            Ok(Err(error)) => {
                tracing::error!(error = &error as &dyn std::error::Error, "cannot archive what is closed");
            }
            Err(error) => tracing::error!(%error, "cannot archive what is closed"),
        }
    }
}
