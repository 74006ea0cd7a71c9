//! The merge itself, in memory and durable on the server.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, Utc};
use shared::author::Author;
use shared::edit::Edit;
use shared::ids::{Dot, EditId, RecordId, Slot};
use shared::merge::PartState;
use shared::path::Path as Field;
use shared::record::{Part, RecordKind};
use shared::value::Value;
use shared::vector::VectorTimestamp;
use shared::wire::Outcome;
use sync_server::AppState;
use sync_server::auth::Who;
use sync_server::store::{self, Origin, SlotRow};
use sync_server::sync::accept::{self, Writer};

use super::floor;
use super::table::{Line, rate, ratio, seconds};
use crate::township::Township;
use crate::township::dice::Dice;

/// With five writers and four fields a record: 100,000 edits.
const RECORDS: usize = 5_000;
const SLOTS: usize = 5;
const FIELDS: [&str; 4] = ["phone", "address", "note", "residence_status"];

/// Field edits by five writers, none of whom saw the others': on each record one edit of each field by each writer.
fn edits(township: &Township, at: DateTime<Utc>, records: &[(RecordId, VectorTimestamp)]) -> Result<Vec<Vec<Edit>>> {
    let account = township.account("staff").context("the staff")?;
    let author = Arc::new(Author { user: Some(account.id), name: account.name.clone(), role: account.role });
    let mut dice = Dice::new(99);
    let each = records.len() * FIELDS.len();
    (0..SLOTS)
        .map(|slot| {
            let mut all = Vec::with_capacity(each);
            for n in 0..each {
                let (record, seen) = records.get(n % records.len()).context("a record")?;
                let field = FIELDS.get(n / records.len()).context("a field")?;
                let value = match *field {
                    "phone" => format!("138000{:05}", n % 100_000),
                    "residence_status" => "away".to_owned(),
                    _ => format!("第{slot}人写的第{n}次"),
                };
                all.push(Edit {
                    id: EditId(dice.uuid(at)),
                    record: *record,
                    kind: RecordKind::Person,
                    part: Part::Open,
                    dot: Dot { slot: slot_of(slot), n: u64::try_from(n + 1)? },
                    context: seen.clone(),
                    epoch: 1,
                    at,
                    zone: 480,
                    author: author.clone(),
                    form: 1,
                    writes: BTreeMap::from([(Field::field(field), Value::text(&value))]),
                });
            }
            Ok(all)
        })
        .collect()
}

fn slot_of(n: usize) -> Slot {
    Slot(777_000 + u64::try_from(n).unwrap_or_default())
}

/// Pure apply, accepted and durable.
pub fn run(dir: &Path, data: &Path, township: &Township) -> Result<Vec<Line>> {
    let app = AppState::open(data, Arc::new(sync_server::system::System))?;
    let rules = app.rules()?;
    let mut people = Vec::new();
    // The edits have seen these states, so they are applied to them: else each would be held beyond an empty vector.
    let mut states: BTreeMap<RecordId, PartState> = BTreeMap::new();
    store::read(&*app.store, township.town, |read| {
        let filter = store::PartFilter { kind: Some(RecordKind::Person), ..store::PartFilter::default() };
        people.clear();
        states.clear();
        read.each_part(&filter, &mut |part| {
            if let Ok(state) = serde_json::from_str::<PartState>(&part.state) {
                people.push((part.record, state.vector().clone()));
                states.insert(part.record, state);
            }
            Ok(people.len() < RECORDS)
        })
    })?;
    let mut all = edits(township, rules.now, &people)?;
    all.iter_mut().flatten().for_each(|edit| edit.epoch = rules.epoch);
    let flat: Vec<Edit> = all.iter().flatten().cloned().collect();

    let mut by_record: BTreeMap<RecordId, Vec<&Edit>> = BTreeMap::new();
    for edit in &flat {
        by_record.entry(edit.record).or_default().push(edit);
    }
    let start = Instant::now();
    for (record, edits) in &by_record {
        let state = states.entry(*record).or_default();
        for edit in edits {
            state.apply(edit);
        }
    }
    let pure = start.elapsed();
    std::hint::black_box(&states);

    let count = flat.len();
    let naive = floor::naive_merge(dir, &flat)?;
    let user = app.store.user_by_login("staff")?.context("the staff")?;
    let who = Who::of(user.clone(), &rules.areas);
    store::write(&*app.store, township.town, |tx| {
        (0..SLOTS).try_for_each(|n| {
            let label = format!("bench {n}");
            let row = SlotRow { slot: slot_of(n), town: township.town, origin: Origin::Device, label, high_water: 0 };
            tx.put_slot(&row)
        })
    })?;
    let start = Instant::now();
    for (n, edits) in all.into_iter().enumerate() {
        let writer = Writer { who: who.clone(), slot: slot_of(n), origin: Origin::Device };
        let mut edits = edits.into_iter().peekable();
        // As they come: a thousand a round, each round durable by itself.
        while edits.peek().is_some() {
            let round: Vec<Edit> = edits.by_ref().take(shared::limits::EDITS_A_ROUND).collect();
            let receipts = accept::accept(&app, township.town, &writer, round)?;
            let rejected = receipts.iter().find(|receipt| matches!(receipt.outcome, Outcome::Rejected(_)));
            ensure!(rejected.is_none(), "{rejected:?}");
        }
    }
    let durable = start.elapsed();

    Ok(vec![
        Line {
            work: format!("{count} concurrent field edits, pure apply in memory"),
            ours: format!("{:.2} M/s", rate(count, pure) / 1e6),
            floor: "–".into(),
            ratio: None,
            goal: "≥ 2 M/s",
            met: Some(rate(count, pure) >= 2e6),
        },
        Line {
            work: format!("{count} concurrent field edits accepted, durable, a thousand a round"),
            ours: format!("{:.0}/s ({})", rate(count, durable), seconds(durable)),
            floor: format!("naive row + vector: {:.0}/s", rate(count, naive)),
            ratio: ratio(durable, naive),
            goal: "≥ 150,000/s",
            met: Some(rate(count, durable) >= 150_000.0),
        },
    ])
}
