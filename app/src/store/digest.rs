//! Whether this handheld holds what the server says it should (`shared::digest`): own sums, computed from the texts when
//! they are compared, and what differs.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension, params};
use shared::digest::{DEEPEST, Prefix, Sum, VERSION};
use shared::ids::RecordId;
use shared::record::{Part, RecordKind};
use shared::wire::{Branch, DigestAnswer, DigestAsk};

use super::meta::{self, key};
use super::rows::{find, id_at, place};
use super::{Store, StoreError, Tx, lease, unread};

/// Between two looks at everything.
const DAY_MS: i64 = 24 * 3600 * 1000;

/// What the last comparison gave.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Checked {
    /// When all was compared last, by the device's clock.
    pub at: Option<DateTime<Utc>>,
    /// Parts that were replaced because they differed, ever.
    pub mended: u64,
}

/// What is not the same on both sides.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Differing {
    /// Branches to be looked into.
    pub branches: Vec<(Part, Prefix)>,
    /// Parts to be asked for again.
    pub parts: Vec<(RecordId, Part)>,
}

type Leaves = BTreeMap<RecordId, (Prefix, Sum)>;

impl Store {
    /// What to ask first, if it is time: once a day, or when it was asked for.
    pub fn digest_due(&self, now: DateTime<Utc>) -> Result<Option<DigestAsk>, StoreError> {
        self.read(|sql| {
            let at: i64 = meta::get(sql, key::CHECKED)?.unwrap_or_default();
            let asked: bool = meta::get(sql, key::CHECK_NOW)?.unwrap_or_default();
            // A clock that was set back does not put it off for ever.
            let due = asked || !(at..at.saturating_add(DAY_MS)).contains(&now.timestamp_millis());
            let branches = Part::ALL.map(|part| (part, Prefix::default())).to_vec();
            Ok(due.then_some(DigestAsk { version: VERSION, branches }))
        })
    }

    /// Whether somebody asked for a comparison now.
    pub fn is_check_asked(&self) -> Result<bool, StoreError> {
        self.read(|sql| Ok(meta::get(sql, key::CHECK_NOW)?.unwrap_or_default()))
    }

    /// Asks for a comparison with the next sync.
    pub fn ask_check(&self) -> Result<(), StoreError> {
        self.write(|tx| meta::put(&tx.sql, key::CHECK_NOW, &true))
    }

    /// All was compared.
    pub fn note_checked(&self, at: DateTime<Utc>) -> Result<(), StoreError> {
        self.write_relaxed(|tx| {
            meta::put(&tx.sql, key::CHECKED, &at.timestamp_millis())?;
            meta::put(&tx.sql, key::CHECK_NOW, &false)
        })
    }

    /// What the last comparison gave.
    pub fn checked(&self) -> Result<Checked, StoreError> {
        self.read(|sql| {
            let at: Option<i64> = meta::get(sql, key::CHECKED)?;
            let mended = meta::get(sql, key::MENDED)?.unwrap_or_default();
            Ok(Checked { at: at.and_then(DateTime::from_timestamp_millis), mended })
        })
    }

    /// Compares the server's sums with what is held. `None` if the sides do not compare.
    pub fn compare(&self, answer: &DigestAnswer) -> Result<Option<Differing>, StoreError> {
        if answer.version != VERSION {
            return Ok(None);
        }
        self.read(|sql| {
            let mut differing = Differing::default();
            for part in Part::ALL {
                let branches: Vec<&Branch> = answer.branches.iter().filter(|branch| branch.part == part).collect();
                let prefixes: Vec<&Prefix> = branches.iter().map(|branch| &branch.prefix).collect();
                let closed = part == Part::Restricted && !self.is_leased() && lease::any(sql)?;
                if prefixes.is_empty() || closed {
                    continue;
                }
                let leaves = leaves(sql, part, &prefixes)?;
                for branch in branches {
                    compare(&leaves, branch, &mut differing);
                }
            }
            Ok(Some(differing))
        })
    }
}

fn compare(leaves: &Leaves, branch: &Branch, differing: &mut Differing) {
    let within = |prefix: &Prefix| -> BTreeMap<RecordId, Sum> {
        let inside = leaves.iter().filter(|(_, (place, _))| place.as_str().starts_with(prefix.as_str()));
        inside.map(|(id, (_, leaf))| (*id, *leaf)).collect()
    };
    let sum = |leaves: &BTreeMap<RecordId, Sum>| {
        let mut sum = Sum::default();
        leaves.values().for_each(|leaf| sum.add(*leaf));
        sum
    };
    let own = within(&branch.prefix);
    if sum(&own) == branch.sum && own.len() as u64 == branch.count {
        return;
    }
    let below = branch.prefix.below();
    if branch.below.len() == below.len() && !below.is_empty() {
        let unlike = below.into_iter().zip(&branch.below).filter(|(prefix, theirs)| sum(&within(prefix)) != **theirs);
        differing.branches.extend(unlike.map(|(prefix, _)| (branch.part, prefix)));
        return;
    }
    let theirs: BTreeMap<RecordId, Sum> = branch.leaves.iter().copied().collect();
    let unlike = own.keys().chain(theirs.keys()).filter(|id| own.get(id) != theirs.get(id));
    let mut ids: Vec<RecordId> = unlike.copied().collect();
    ids.sort_unstable();
    ids.dedup();
    differing.parts.extend(ids.into_iter().map(|id| (id, branch.part)));
}

/// The leaves of a part within these branches. What left the user's sight is not counted; what cannot be read is, by the
/// text it came as.
fn leaves(sql: &Connection, part: Part, branches: &[&Prefix]) -> Result<Leaves, StoreError> {
    let mut leaves = Leaves::new();
    let inside = |id: RecordId| {
        let place = Prefix::of(id, DEEPEST);
        branches.iter().any(|branch| place.as_str().starts_with(branch.as_str())).then_some(place)
    };
    // The ids alone first: below the root nearly all records lie elsewhere, and their states need not be read.
    let mut statement = sql.prepare_cached("SELECT id, row FROM record ORDER BY id")?;
    let mut rows = statement.query([])?;
    let mut state = sql.prepare_cached(
        "SELECT record.kind, opened(confirmed.state) FROM confirmed JOIN record ON record.row = ?2
         WHERE confirmed.place = ?1 AND confirmed.fill > 0",
    )?;
    while let Some(row) = rows.next()? {
        let id = RecordId(id_at(row, 0)?);
        let Some(place_of) = inside(id) else { continue };
        let row: i64 = row.get(1)?;
        let leaf = state
            .query_row(params![place(row, part), row], |row| {
                let kind = RecordKind::from_code(row.get_ref(0)?.as_str().unwrap_or_default());
                Ok(kind.map(|kind| {
                    Sum::leaf(
                        id,
                        part,
                        kind,
                        row.get_ref(1).ok().and_then(|text| text.as_str().ok()).unwrap_or_default(),
                    )
                }))
            })
            .optional()?;
        if let Some(leaf) = leaf.flatten() {
            leaves.insert(id, (place_of, leaf));
        }
    }
    for item in unread::items(sql)?.into_iter().filter(|item| item.part == part) {
        if let (Some(place), Some(kind), Some(state)) = (inside(item.id), item.kind, &item.state) {
            leaves.insert(item.id, (place, Sum::leaf(item.id, part, kind, state.get())));
        }
    }
    Ok(leaves)
}

impl Tx<'_> {
    /// The texts of parts as they are held.
    pub(super) fn texts(&self, parts: &[(RecordId, Part)]) -> Result<Vec<Option<String>>, StoreError> {
        let text = |(id, part): &(RecordId, Part)| {
            let Some((row, kind)) = find(&self.sql, *id)? else { return Ok(None) };
            let text: Option<Option<String>> = self
                .sql
                .prepare_cached("SELECT opened(state) FROM confirmed WHERE place = ?1 AND fill > 0")?
                .query_row([place(row, *part)], |row| row.get(0))
                .optional()?;
            Ok(text.flatten().map(|text| format!("{} {text}", kind.code())))
        };
        parts.iter().map(text).collect()
    }
}
