//! The one rule of merging.
//!
//! > A write is **live** unless another write to the same path has a context that covers its dot.
//!
//! It is a definition over the set of edits, so the order of arrival cannot matter. [`PartState`] keeps just enough to
//! go on applying: the vector, the live writes with their heads, and for each path what the contexts written to it
//! cover *beyond* the vector. The construction is the causal register of "Dotted Version Vectors" (Preguiça et al.,
//! 2010) a path; `tests/merge.rs` checks it against the definition.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::author::Author;
use crate::edit::Edit;
use crate::ids::{Dot, EditId};
use crate::path::Path;
use crate::value::Value;
use crate::vector::VectorTimestamp;

/// The path that a delete writes; present means deleted (see [`PartState::deletion`]).
pub const DELETED: &str = "deleted";

/// What all live writes of one edit have in common.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Head {
    /// The edit.
    pub id: EditId,
    /// The device clock at the save.
    #[serde(with = "chrono::serde::ts_milliseconds")]
    pub at: DateTime<Utc>,
    /// Minutes east of UTC at the save.
    pub zone: i16,
    /// Who saved.
    pub author: Arc<Author>,
    /// The form version it was entered with.
    pub form: u32,
    /// What its author had seen: decides deletes, and by which state a step of the workflow is judged.
    #[serde(default, skip_serializing_if = "VectorTimestamp::is_empty")]
    pub context: VectorTimestamp,
}

/// What is known of one path: its live writes in order of dots, and what was covered there before it arrived.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PathState {
    live: Vec<(Dot, Value)>,
    beyond: VectorTimestamp,
}

/// A live write with what is known of its edit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LiveWrite<'a> {
    /// The dot of the edit.
    pub dot: Dot,
    /// What was written.
    pub value: &'a Value,
    /// The rest of the edit.
    pub head: &'a Head,
}

/// Whether a part counts as deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletion {
    /// Nobody deleted it, or the delete was taken back.
    Present,
    /// Deleted, and nobody wrote what the deletes did not see.
    Deleted,
    /// Deleted, but a write the delete did not see brought it back; shown whole and marked.
    Revived,
}

/// What became of applying an edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// It is part of the record now.
    Fresh,
    /// It was before; nothing changed.
    Repeated,
}

/// One part of a record as the set of edits makes it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Wire", into = "Wire")]
pub struct PartState {
    vector: VectorTimestamp,
    heads: BTreeMap<Dot, Head>,
    paths: BTreeMap<Path, PathState>,
}

impl PartState {
    /// The join of the dots applied.
    pub fn vector(&self) -> &VectorTimestamp {
        &self.vector
    }

    /// Whether no edit was ever applied.
    pub fn is_empty(&self) -> bool {
        self.vector.is_empty()
    }

    /// The paths with live writes, in order.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.paths.iter().filter(|(_, state)| !state.live.is_empty()).map(|(path, _)| path)
    }

    /// The live writes of one path, in order of dots.
    pub fn live<'a>(&'a self, path: &Path) -> impl Iterator<Item = LiveWrite<'a>> + use<'a> {
        self.paths.get(path).into_iter().flat_map(|state| self.lit(state))
    }

    /// Every path of `field` (itself, its elements, its entries) with its live writes.
    pub fn live_under<'a>(&'a self, field: &'a str) -> impl Iterator<Item = (&'a Path, LiveWrite<'a>)> {
        // All of them lie between "field" and "field0": '0' is the character after '/'.
        let first = Path::field(field);
        self.paths
            .range(first..)
            .take_while(move |(path, _)| path.as_str().starts_with(field))
            .filter(move |(path, _)| path.field_name() == field)
            .flat_map(|(path, state)| self.lit(state).map(move |write| (path, write)))
    }

    /// Every live write.
    pub fn all_live(&self) -> impl Iterator<Item = (&Path, LiveWrite<'_>)> {
        self.paths.iter().flat_map(|(path, state)| self.lit(state).map(move |write| (path, write)))
    }

    fn lit<'a>(&'a self, state: &'a PathState) -> impl Iterator<Item = LiveWrite<'a>> + use<'a> {
        state
            .live
            .iter()
            .filter_map(|(dot, value)| self.heads.get(dot).map(|head| LiveWrite { dot: *dot, value, head }))
    }

    /// Applies one edit. Any order that keeps each slot's own order, and any repetition, gives the same state.
    ///
    /// Who may call: the server for what it accepted, a handheld for its pending edits on top of the confirmed state.
    /// Whether the edit is allowed is not asked here.
    pub fn apply(&mut self, edit: &Edit) -> Applied {
        if self.vector.covers(edit.dot) {
            return Applied::Repeated;
        }
        let excess = edit.context.beyond(&self.vector);
        let mut superseded = BTreeSet::new();
        let mut lives = false;
        for (path, value) in &edit.writes {
            let state = self.paths.entry(path.clone()).or_default();
            state.live.retain(|(dot, _)| {
                let seen = edit.context.covers(*dot);
                if seen {
                    superseded.insert(*dot);
                }
                !seen
            });
            if !state.beyond.covers(edit.dot) {
                lives = true;
                let place = state.live.partition_point(|(dot, _)| *dot < edit.dot);
                state.live.insert(place, (edit.dot, value.clone()));
            }
            state.beyond.join(&excess);
        }
        if lives {
            self.heads.insert(edit.dot, Head::of(edit));
        }
        self.vector.observe(edit.dot);
        let vector = &self.vector;
        self.paths.retain(|_, state| {
            state.beyond.drop_covered(vector);
            !state.live.is_empty() || !state.beyond.is_empty()
        });
        for dot in superseded {
            if !self.paths.values().any(|state| state.live.iter().any(|(live, _)| *live == dot)) {
                self.heads.remove(&dot);
            }
        }
        Applied::Fresh
    }

    /// Whether the part is deleted: while a live delete exists in it and every live write other than deletes is
    /// covered by the contexts of the live deletes.
    pub fn deletion(&self) -> Deletion {
        let deleted = Path::field(DELETED);
        let mut seen = VectorTimestamp::new();
        let mut any = false;
        for delete in self.live(&deleted).filter(|write| !write.value.is_null()) {
            any = true;
            seen.join(&delete.head.context);
        }
        if !any {
            return Deletion::Present;
        }
        let all_seen = self.all_live().all(|(path, write)| *path == deleted || seen.covers(write.dot));
        if all_seen { Deletion::Deleted } else { Deletion::Revived }
    }

    /// The same state as a reader outside the centre may see it: an informant is a role without a name.
    #[must_use]
    pub fn with_masked_authors(mut self) -> Self {
        for head in self.heads.values_mut() {
            if head.author.role.is_anonymous_to_others() {
                head.author = Arc::new(head.author.masked());
            }
        }
        self
    }
}

impl Head {
    fn of(edit: &Edit) -> Self {
        Self {
            id: edit.id,
            at: edit.at,
            zone: edit.zone,
            author: Arc::clone(&edit.author),
            form: edit.form,
            context: edit.context.clone(),
        }
    }
}

/// How a part travels and is stored: heads in order, live writes naming theirs by its place in that list.
#[derive(Serialize, Deserialize)]
struct Wire {
    vector: VectorTimestamp,
    heads: Vec<(Dot, Head)>,
    live: BTreeMap<Path, Vec<(usize, Value)>>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    beyond: BTreeMap<Path, VectorTimestamp>,
}

/// Stored or sent bytes that are no part of a record.
#[derive(Debug, thiserror::Error)]
pub enum BadPart {
    /// A live write names a head that is not there.
    #[error("the live write of {0} names head {1}, there are {2}")]
    NoSuchHead(Path, usize, usize),
    /// A dot is not covered by the vector.
    #[error("the vector does not cover the dot {0:?}")]
    NotCovered(Dot),
}

impl From<PartState> for Wire {
    fn from(part: PartState) -> Self {
        let places: BTreeMap<Dot, usize> = part.heads.keys().enumerate().map(|(place, dot)| (*dot, place)).collect();
        let mut live = BTreeMap::new();
        let mut beyond = BTreeMap::new();
        for (path, state) in part.paths {
            if !state.beyond.is_empty() {
                beyond.insert(path.clone(), state.beyond);
            }
            let writes: Vec<_> =
                state.live.into_iter().filter_map(|(dot, value)| Some((*places.get(&dot)?, value))).collect();
            if !writes.is_empty() {
                live.insert(path, writes);
            }
        }
        Self { vector: part.vector, heads: part.heads.into_iter().collect(), live, beyond }
    }
}

impl TryFrom<Wire> for PartState {
    type Error = BadPart;

    fn try_from(wire: Wire) -> Result<Self, BadPart> {
        let dots: Vec<Dot> = wire.heads.iter().map(|(dot, _)| *dot).collect();
        if let Some(dot) = dots.iter().find(|dot| !wire.vector.covers(**dot)) {
            return Err(BadPart::NotCovered(*dot));
        }
        let mut paths: BTreeMap<Path, PathState> = BTreeMap::new();
        for (path, writes) in wire.live {
            let mut live = Vec::with_capacity(writes.len());
            for (place, value) in writes {
                let dot = dots.get(place).ok_or_else(|| BadPart::NoSuchHead(path.clone(), place, dots.len()))?;
                live.push((*dot, value));
            }
            live.sort_by_key(|(dot, _)| *dot);
            paths.insert(path, PathState { live, beyond: VectorTimestamp::new() });
        }
        for (path, beyond) in wire.beyond {
            paths.entry(path).or_default().beyond = beyond;
        }
        Ok(Self { vector: wire.vector, heads: wire.heads.into_iter().collect(), paths })
    }
}
