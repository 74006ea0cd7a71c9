//! Duplicates: two records of one thing. Merging writes the chosen values on the winner and `merged_into` on the loser, in
//! one transaction. Nothing else happens: vectors of different records are never joined, nothing moves, an alias gives
//! nobody the right to read, and it can be taken back.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use shared::author::Author;
use shared::edit::Edit;
use shared::ids::{Dot, EditId, RecordId};
use shared::merge::{PartState, sees};
use shared::mutants::Mutant;
use shared::path::Path;
use shared::record::{Part, RecordKind};
use shared::value::Value;
use shared::vector::VectorTimestamp;
use shared::view::MERGED_INTO;
use shared::wire::{Outcome, Rejection};

use super::accept::{self, Rules, Writer};
use crate::AppState;
use crate::auth::Who;
use crate::auth::authorize::{Action, Reach, authorize};
use crate::store::{self, Audit, Origin, Read, StoreError, StoredPart, Tx};

/// The vectors of a record's parts as somebody saw them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// Of the open part.
    pub open: VectorTimestamp,
    /// Of the restricted part; empty where there is none, or for those who may not read it.
    pub restricted: VectorTimestamp,
}

impl Seen {
    /// Of a part.
    pub fn part(&self, part: Part) -> &VectorTimestamp {
        match part {
            Part::Open => &self.open,
            Part::Restricted => &self.restricted,
        }
    }
}

/// What is to become of two records.
#[derive(Debug, Clone, PartialEq)]
pub struct Merging {
    /// Goes on.
    pub winner: RecordId,
    /// As it stood on the page.
    pub winner_seen: Seen,
    /// Points to the winner from now on. It may do so already: then values that reached it since are decided on.
    pub loser: RecordId,
    /// As it stood on the page.
    pub loser_seen: Seen,
    /// What is written on the winner; may be nothing.
    pub chosen: BTreeMap<Part, BTreeMap<Path, Value>>,
}

/// Why records are not merged or parted. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum AliasError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// One of them is not there, or this person may not read it.
    #[error("there is no such record")]
    NoSuchRecord,
    /// A record with itself, or two of different kinds.
    #[error("these two cannot be one")]
    NotAlike,
    /// One of them was merged into a third.
    #[error("one of them was merged into a third record")]
    Elsewhere,
    /// An edit was refused.
    #[error("an edit was refused: {0:?}")]
    Rejected(Rejection),
}

/// Merges, or decides on what reached the loser since it was merged.
pub fn merge(app: &AppState, who: &Who, merging: &Merging) -> Result<(), AliasError> {
    let rules = app.rules_of(who.user.town)?;
    let ids: Vec<EditId> = (0..=merging.chosen.len()).map(|_| EditId::fresh(&*app.outside)).collect();
    store::write(&*app.store, who.user.town, |tx| {
        let winner = readable(tx, &rules, who, merging.winner)?;
        let loser = readable(tx, &rules, who, merging.loser)?;
        if winner.record == loser.record || winner.kind != loser.kind {
            return Err(AliasError::NotAlike);
        }
        let already = tx.alias_of(loser.record)?;
        if tx.alias_of(winner.record)? != winner.record || (already != loser.record && already != winner.record) {
            return Err(AliasError::Elsewhere);
        }
        let into = BTreeMap::from([(Path::field(MERGED_INTO), Value::of(&winner.record))]);
        let mut saves: Vec<(RecordId, Part, &VectorTimestamp, BTreeMap<Path, Value>)> = Vec::new();
        for (part, writes) in merging.chosen.iter().filter(|(_, writes)| !writes.is_empty()) {
            saves.push((winner.record, *part, merging.winner_seen.part(*part), writes.clone()));
        }
        saves.push((loser.record, Part::Open, &merging.loser_seen.open, into));
        save(app, tx, &rules, who, winner.kind, &ids, saves)?;
        if who.user.cleared {
            // Of the restricted part no write says how far it was looked at.
            let seen = serde_json::to_string(&merging.loser_seen.restricted).unwrap_or_default();
            tx.set_meta(&looked_at(loser.record), &seen)?;
        }
        if already == winner.record {
            note_late(tx, &rules, who, loser.record, winner.record)?;
        }
        join_vectors(tx, winner.record, loser.record)
    })
}

/// Takes the loser's `merged_into` back: it is a record of its own again. What was written on the winner stays.
pub fn unmerge(app: &AppState, who: &Who, loser: RecordId, seen: &VectorTimestamp) -> Result<(), AliasError> {
    let rules = app.rules_of(who.user.town)?;
    let id = EditId::fresh(&*app.outside);
    store::write(&*app.store, who.user.town, |tx| {
        let part = readable(tx, &rules, who, loser)?;
        let none = BTreeMap::from([(Path::field(MERGED_INTO), Value::null())]);
        save(app, tx, &rules, who, part.kind, &[id], vec![(loser, Part::Open, seen, none)])
    })
}

/// Writes down who decided on what had reached a duplicate. That two were made one, or one two, [`accept`] writes down.
fn note_late(tx: &mut dyn Tx, rules: &Rules, who: &Who, loser: RecordId, winner: RecordId) -> Result<(), AliasError> {
    tx.put_audit(&Audit {
        at: rules.now,
        user: Some(who.user.id),
        action: "audit-late".to_owned(),
        subject: loser.to_string(),
        detail: winner.to_string(),
    })?;
    Ok(())
}

fn readable(tx: &dyn Tx, rules: &Rules, who: &Who, record: RecordId) -> Result<StoredPart, AliasError> {
    let part = tx.load_many(&[(record, Part::Open)])?.into_iter().next().ok_or(AliasError::NoSuchRecord)?;
    let reach = Reach::of(&part);
    let may = authorize(who, Action::Read(Part::Open), Some(&reach), &reach, &rules.areas);
    may.map(|()| part).map_err(|_| AliasError::NoSuchRecord)
}

/// Edits of the console in the name of `who`, all of them or none.
fn save(
    app: &AppState,
    tx: &mut dyn Tx,
    rules: &Rules,
    who: &Who,
    kind: RecordKind,
    ids: &[EditId],
    saves: Vec<(RecordId, Part, &VectorTimestamp, BTreeMap<Path, Value>)>,
) -> Result<(), AliasError> {
    let form = rules.forms.newest(kind).map(|form| form.version).ok_or(AliasError::NotAlike)?;
    let slot = accept::console_slot(app, tx)?;
    let first = accept::next_dot(tx, slot)?;
    let user = &who.user;
    let author = Arc::new(Author { user: Some(user.id), name: user.name.clone(), role: user.role });
    let edits = saves.into_iter().zip(ids).zip(first.n..).map(|(((record, part, context, writes), id), n)| Edit {
        id: *id,
        record,
        kind,
        part,
        dot: Dot { slot, n },
        context: context.clone(),
        epoch: rules.epoch,
        at: rules.now,
        zone: 480,
        author: Arc::clone(&author),
        form,
        writes,
    });
    let writer = Writer { who: who.clone(), slot, origin: Origin::Console };
    for receipt in accept::accept_in(tx, rules, &writer, edits.collect())? {
        if let Outcome::Rejected(why) = receipt.outcome {
            return Err(AliasError::Rejected(why));
        }
    }
    Ok(())
}

/// Planted mistake, see [`shared::mutants`]: the winner claims to have seen what only the loser has.
fn join_vectors(tx: &mut dyn Tx, winner: RecordId, loser: RecordId) -> Result<(), AliasError> {
    if !Mutant::AliasJoins.on() {
        return Ok(());
    }
    let mut parts = tx.load_many(&[(winner, Part::Open), (loser, Part::Open)])?;
    if let [winner, loser] = parts.as_mut_slice() {
        let mut state = state(winner)?;
        state.join_vector(self::state(loser)?.vector());
        winner.state = serde_json::to_string(&state).unwrap_or_default();
        tx.save_many(std::slice::from_ref(winner))?;
    }
    Ok(())
}

fn state(stored: &StoredPart) -> Result<PartState, StoreError> {
    crate::batch::state(stored)
}

fn looked_at(loser: RecordId) -> String {
    format!("alias_looked_at_{loser}")
}

/// A value that reached a record after it was merged into another, and that nobody has decided on.
#[derive(Debug, Clone, PartialEq)]
pub struct Late {
    /// In which part.
    pub part: Part,
    /// Where.
    pub path: Path,
    /// What.
    pub value: Value,
    /// By which edit.
    pub dot: Dot,
    /// Who.
    pub author: Arc<Author>,
    /// When, by the device's clock.
    pub at: DateTime<Utc>,
}

/// What reached a merged record since somebody last looked. Of the restricted part only with `restricted`, the right to read
/// it, and there also what stood in it when somebody merged it who could not see it.
pub fn late(read: &dyn Read, loser: RecordId, restricted: bool) -> Result<Vec<Late>, StoreError> {
    let mut late = Vec::new();
    for stored in read.load_many(&[(loser, Part::Open), (loser, Part::Restricted)])? {
        let state = state(&stored)?;
        let looked: VectorTimestamp = match stored.part {
            Part::Open => VectorTimestamp::new(),
            Part::Restricted if !restricted => continue,
            Part::Restricted => {
                let text = read.meta(&looked_at(loser))?.unwrap_or_default();
                serde_json::from_str(&text).unwrap_or_default()
            }
        };
        let mergers: Vec<_> = state.live(&Path::field(MERGED_INTO)).map(|write| write.head).collect();
        for (path, write) in state.all_live().filter(|(path, _)| path.field_name() != MERGED_INTO) {
            let seen = match stored.part {
                Part::Open => {
                    mergers.iter().any(|head| head.context.covers(write.dot) && sees(head.epoch, write.head.epoch))
                }
                Part::Restricted => looked.covers(write.dot),
            };
            // The winner's own writes of one and the same save are no news.
            if !seen && !mergers.iter().any(|head| head.id == write.head.id) {
                late.push(Late {
                    part: stored.part,
                    path: path.clone(),
                    value: write.value.clone(),
                    dot: write.dot,
                    author: Arc::clone(&write.head.author),
                    at: write.head.at,
                });
            }
        }
    }
    Ok(late)
}

/// All records of its kind that lead to this one, in the order of their distance.
pub fn losers(read: &dyn Read, winner: RecordId) -> Result<Vec<RecordId>, StoreError> {
    let mut found = vec![winner];
    let mut next = 0;
    while let Some(id) = found.get(next).copied() {
        for loser in read.merged_into(id)? {
            if !found.contains(&loser) {
                found.push(loser);
            }
        }
        next += 1;
    }
    found.remove(0);
    Ok(found)
}
