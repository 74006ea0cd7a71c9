//! Forgetting by time: which records have outlived what `retention.toml` says, and erasing them.

pub mod cli;

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Days, Months, NaiveDate, Utc};
use serde::Deserialize;
use shared::area::AreaId;
use shared::edit::Edit;
use shared::ids::RecordId;
use shared::merge::PartState;
use shared::path::Path;
use shared::record::{Part, RecordKind};
use shared::work::Work;
use shared::workflow::{Stage, fold};

use crate::erase::{self, Done, EraseError, ended};
use crate::store::{self, PartFilter, Read, StoreError, StoredPart};
use crate::{App, AppState};

/// The file in the data folder that stands in place of the shipped one.
pub const FILE: &str = "retention.toml";
/// From one look to the next of a running server.
const DAILY: Duration = Duration::from_secs(86_400);
/// How many records are erased at once. What is left is erased the day after.
const AT_ONCE: usize = 2_000;

/// From what on a record's time runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum After {
    /// An event that reached 建档.
    Archived,
    /// A record that was deleted.
    Deleted,
    /// Work that was recorded: a visit, a patrol, an inspection, a meeting, a campaign.
    Recorded,
    /// A part of a record whose own field says until when; the rest of the record stays.
    Expired,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    after: After,
    #[serde(default)]
    kinds: Vec<RecordKind>,
    #[serde(default)]
    categories: Vec<String>,
    #[serde(default)]
    years: u32,
    /// Of [`After::Expired`]: which part, by which field, and how many days after the day it says.
    #[serde(default)]
    part: Option<Part>,
    #[serde(default)]
    field: String,
    #[serde(default)]
    days: u32,
}

impl Rule {
    /// What is wrong with it. A year, or a day, is the least: a slip of the pen must not empty the town over night.
    fn nonsense(&self) -> Option<String> {
        let of_parts = self.part.is_some() || !self.field.is_empty() || self.days > 0;
        match self.after {
            After::Expired => {
                let field = !self.field.is_empty() && self.field.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
                let right = self.part == Some(Part::Restricted) && field && self.days > 0;
                let other = self.years > 0 || !self.categories.is_empty();
                (!right || other).then(|| "expired takes part = \"restricted\", field, days from 1, kinds".to_owned())
            }
            _ if self.years == 0 => Some(format!("{:?} after 0 years", self.after)),
            _ => of_parts.then(|| format!("{:?} takes no part, field or days", self.after)),
        }
    }
}

/// How long what is kept.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    rule: Vec<Rule>,
}

/// Why nothing, or not all, was forgotten.
#[derive(Debug, thiserror::Error)]
pub enum RetentionError {
    /// The file is no such file, or says nonsense.
    #[error("{FILE} cannot be understood: {0}")]
    Rules(String),
    /// The file.
    #[error("cannot read {FILE}")]
    File(#[source] std::io::Error),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Erasing.
    #[error(transparent)]
    Erase(#[from] EraseError),
}

impl Rules {
    /// From a file's text.
    pub fn parse(text: &str) -> Result<Self, RetentionError> {
        let rules: Self = toml::from_str(text).map_err(|error| RetentionError::Rules(error.to_string()))?;
        match rules.rule.iter().find_map(Rule::nonsense) {
            Some(nonsense) => Err(RetentionError::Rules(nonsense)),
            None => Ok(rules),
        }
    }

    /// The town's own, else those that come with the program.
    pub fn open(app: &AppState) -> Result<Self, RetentionError> {
        match disk::read(&app.data.join(FILE)) {
            Ok(bytes) => Self::parse(&String::from_utf8_lossy(&bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Self::parse(assets::RETENTION),
            Err(error) => Err(RetentionError::File(error)),
        }
    }

    /// How many years a record of a kind is kept once it was deleted; none: no rule says.
    pub fn years_after_deletion(&self, kind: RecordKind) -> Option<u32> {
        self.of(After::Deleted, kind, "").map(|rule| rule.years)
    }

    /// The rules that end parts.
    fn of_parts(&self) -> impl Iterator<Item = &Rule> {
        self.rule.iter().filter(|rule| rule.after == After::Expired)
    }

    /// The first rule that fits.
    fn of(&self, ended: After, kind: RecordKind, category: &str) -> Option<&Rule> {
        self.rule.iter().find(|rule| {
            rule.after == ended
                && (rule.kinds.is_empty() || rule.kinds.contains(&kind))
                && (rule.categories.is_empty() || rule.categories.iter().any(|named| named == category))
        })
    }
}

/// A record that has outlived its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outlived {
    /// Of which town.
    pub town: AreaId,
    /// Which.
    pub record: RecordId,
    /// Of which kind.
    pub kind: RecordKind,
}

/// What has outlived its time now.
pub fn find(app: &AppState, rules: &Rules) -> Result<Vec<Outlived>, RetentionError> {
    let now = app.outside.now();
    let mut found = Vec::new();
    for town in app.store.towns()? {
        let records = store::read::<_, RetentionError>(&*app.store, town, |read| outlived(app, read, rules, now))?;
        found.extend(records.into_iter().map(|(record, kind)| Outlived { town, record, kind }));
    }
    Ok(found)
}

fn outlived(
    app: &AppState,
    read: &dyn Read,
    rules: &Rules,
    now: DateTime<Utc>,
) -> Result<Vec<(RecordId, RecordKind)>, RetentionError> {
    let mut ended = Vec::new();
    read.each_part(&PartFilter { part: Part::Open, ..PartFilter::default() }, &mut |part| {
        let years = years(app, rules, &part)?;
        ended.extend(years.map(|years| (part.record, part.kind, years)));
        Ok(true)
    })?;
    let mut over = Vec::new();
    for (record, kind, years) in ended {
        if is_outlived(read, record, years, now)? {
            over.push((record, kind));
        }
    }
    Ok(over)
}

/// Whether a record's last edit is older than these years. By the server's clock: one that a handheld had wrong forgets
/// nothing too early.
fn is_outlived(read: &dyn Read, record: RecordId, years: u32, now: DateTime<Utc>) -> Result<bool, StoreError> {
    let last = read.edits_of(record)?.iter().map(|stored| stored.received).max();
    let until = last.and_then(|last| last.checked_add_months(Months::new(years.saturating_mul(12))));
    Ok(until.is_some_and(|until| until <= now))
}

/// How many years a record is kept, if it has come to its end at all.
fn years(app: &AppState, rules: &Rules, part: &StoredPart) -> Result<Option<u32>, StoreError> {
    if !part.deleted && part.kind != RecordKind::Event {
        return Ok(None);
    }
    let state: PartState = serde_json::from_str(&part.state)
        .map_err(|error| StoreError::Corrupt { what: "part".to_owned(), why: error.to_string() })?;
    let ended = match part.deleted {
        true => After::Deleted,
        false if fold(&state, &app.calendar).stage == Stage::Archived => After::Archived,
        false if Work::of(&state).is_some() => After::Recorded,
        false => return Ok(None),
    };
    let category = shared::view::one(&state, "category").leading().map(|write| write.value.plain());
    Ok(rules.of(ended, part.kind, &category.unwrap_or_default()).map(|rule| rule.years))
}

/// The parts that are over now; their records stay.
pub fn find_parts(app: &AppState, rules: &Rules) -> Result<Vec<Outlived>, RetentionError> {
    let mut found = Vec::new();
    for town in app.store.towns()? {
        for rule in rules.of_parts() {
            let records = over(app, town, rule)?;
            found.extend(records.into_iter().map(|(record, kind)| Outlived { town, record, kind }));
        }
    }
    Ok(found)
}

fn over(app: &AppState, town: AreaId, rule: &Rule) -> Result<Vec<(RecordId, RecordKind)>, RetentionError> {
    let today = shared::mask::today(app.outside.now());
    store::read(&*app.store, town, |read| {
        let mut some: BTreeMap<RecordId, RecordKind> = BTreeMap::new();
        let part = rule.part.unwrap_or_default();
        let all = PartFilter { part, with_merged: true, ..PartFilter::default() };
        read.each_part(&all, &mut |part| {
            some.insert(part.record, part.kind);
            Ok(true)
        })?;
        // What was refused has values too, also of records that have no such part.
        for held in read.quarantine(false, usize::MAX)? {
            if held.edit.part == part && !held.edit.writes.is_empty() {
                some.insert(held.edit.record, held.edit.kind);
            }
        }
        let mut over = Vec::new();
        for (record, kind) in some {
            if (rule.kinds.is_empty() || rule.kinds.contains(&kind)) && is_over(read, rule, record, today)? {
                over.push((record, kind));
            }
        }
        Ok(over)
    })
}

/// Whether the time of a record's part is over: the day it names, or where it names none the day on which the last of it came
/// in, is longer past than the rule says.
fn is_over(read: &dyn Read, rule: &Rule, record: RecordId, today: NaiveDate) -> Result<bool, StoreError> {
    let ended = |day: NaiveDate| day.checked_add_days(Days::new(rule.days.into())).is_some_and(|last| last < today);
    let part = rule.part.unwrap_or_default();
    let state = match read.load_many(&[(record, part)])?.iter().find(|it| it.part == part) {
        Some(part) => crate::batch::state(part)?,
        None => PartState::default(),
    };
    // While two days stand side by side the later one counts.
    let days = state.live(&Path::field(&rule.field)).filter_map(|write| write.value.as_text());
    if let Some(day) = days.filter_map(|day| shared::mask::parse_date(&day)).max() {
        return Ok(ended(day));
    }
    // What says no day, came after the end from somebody who had not seen it, or was refused, is kept as long after it came
    // in.
    let applied = read.edits_of(record)?.into_iter().map(|stored| (stored.edit, stored.received));
    let refused = read.quarantined_of(record)?.into_iter().map(|held| (held.edit, held.received));
    let of_part = |(edit, _): &(Edit, DateTime<Utc>)| edit.part == part && !edit.writes.is_empty();
    let edits: Vec<(Edit, DateTime<Utc>)> = applied.chain(refused).filter(of_part).collect();
    let says_something = edits.iter().any(|(edit, _)| edit.writes.values().any(|value| !value.is_null()));
    let last = edits.iter().map(|(_, received)| *received).max();
    Ok(says_something && last.is_some_and(|last| ended(shared::mask::today(last))))
}

/// Erases what has outlived its time, each town's at once; the audit names every record.
pub fn run(app: &AppState) -> Result<Done, RetentionError> {
    let rules = Rules::open(app)?;
    let mut done = whole(app, &rules)?;
    for town in app.store.towns()? {
        for rule in rules.of_parts() {
            let mut records = over(app, town, rule)?;
            records.truncate(AT_ONCE);
            if !records.is_empty() {
                let today = shared::mask::today(app.outside.now());
                let is_over = |read: &dyn Read, record| is_over(read, rule, record, today);
                let of_town = ended::end(app, town, rule.part.unwrap_or_default(), &rule.field, &records, &is_over)?;
                done.parts += of_town.parts;
                done.batches.extend(of_town.batches);
                done.swept &= of_town.swept;
            }
        }
    }
    Ok(done)
}

/// Whole records.
fn whole(app: &AppState, rules: &Rules) -> Result<Done, RetentionError> {
    let mut found = find(app, rules)?;
    found.truncate(AT_ONCE);
    let mut done = Done { swept: true, ..Done::default() };
    for town in app.store.towns()? {
        let records: Vec<RecordId> = found.iter().filter(|it| it.town == town).map(|it| it.record).collect();
        if !records.is_empty() {
            let of_town = erase::expired(app, town, &records, &|read, record| {
                let parts = read.load_many(&[(record, Part::Open)])?;
                let years = parts.first().map(|part| years(app, rules, part)).transpose()?.flatten();
                match years {
                    Some(years) => is_outlived(read, record, years, app.outside.now()),
                    None => Ok(false),
                }
            })?;
            done.records.extend(of_town.records);
            done.batches.extend(of_town.batches);
            done.photos += of_town.photos;
            done.swept &= of_town.swept;
        }
    }
    Ok(done)
}

/// The same every day while the server runs. A failure is told in the log and tried again the day after.
pub async fn daily(app: App) {
    let mut days = tokio::time::interval(DAILY);
    loop {
        days.tick().await;
        let app = App::clone(&app);
        let in_turn = move || match app.store.turn("retention")? {
            Some(_turn) => run(&app),
            None => Ok(Done::default()),
        };
        match tokio::task::spawn_blocking(in_turn).await {
            Ok(Ok(done)) => tracing::info!(
                records = done.records.len(),
                parts = done.parts,
                "looked for what has outlived its time"
            ),
            Ok(Err(error)) => tracing::error!(error = &error as &dyn std::error::Error, "nothing was forgotten"),
            Err(error) => tracing::error!(%error, "nothing was forgotten"),
        }
    }
}
