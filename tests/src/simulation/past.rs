//! The oracle: every edit ever saved, with everything its author had seen. It knows no vectors.
//!
//! What somebody has seen of a part is what stands live on the screen, and all that the authors of that had seen: a write
//! that is not live any more was superseded by one that saw it, so that following what each author saw leads to every
//! edit that ever went into the part. That is the full causal history, kept as a set of edits.

use std::collections::{BTreeMap, BTreeSet};

use shared::edit::Edit;
use shared::ids::{Dot, EditId, RecordId};
use shared::merge::{DELETED, Deletion, PartState};
use shared::path::Path;
use shared::record::{Part, RecordKind};
use shared::value::Value;

use super::invariant::{Broken, Invariant};

/// A set of edits, by their place in [`Pasts`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Past(Vec<u64>);

impl Past {
    fn add(&mut self, place: usize) {
        if self.0.len() <= place / 64 {
            self.0.resize(place / 64 + 1, 0);
        }
        if let Some(word) = self.0.get_mut(place / 64) {
            *word |= 1 << (place % 64);
        }
    }

    fn join(&mut self, other: &Self) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        for (word, more) in self.0.iter_mut().zip(&other.0) {
            *word |= more;
        }
    }

    fn remove(&mut self, place: usize) {
        if let Some(word) = self.0.get_mut(place / 64) {
            *word &= !(1 << (place % 64));
        }
    }

    fn holds(&self, place: usize) -> bool {
        self.0.get(place / 64).is_some_and(|word| word & (1 << (place % 64)) != 0)
    }
}

/// What stood on a screen, by part.
pub type Screen = BTreeMap<Part, Past>;

/// An edit as the oracle knows it.
#[derive(Debug, Clone)]
pub struct Known {
    /// Its id.
    pub id: EditId,
    /// What it is for.
    pub record: RecordId,
    /// The kind of that.
    pub kind: RecordKind,
    /// Which part.
    pub part: Part,
    /// The dot it was saved with.
    pub dot: Dot,
    /// What it writes.
    pub writes: BTreeMap<Path, Value>,
    /// What its author had seen of the part.
    pub past: Past,
    /// Whether the centre saved it; a restore of the server may lose it.
    pub centre: bool,
}

/// Every edit ever saved.
#[derive(Debug, Default)]
pub struct Pasts {
    all: Vec<Known>,
    first: BTreeMap<EditId, usize>,
    /// Edits that a restored server had lost, back again or not.
    lost: BTreeSet<usize>,
    /// Edits accepted from quarantine are as if saved anew: nobody who saw the rejected one has seen this. Who saw this has
    /// seen the other, should a restored server apply that one by itself, only if their handheld can tell so.
    released: BTreeMap<(EditId, Dot), usize>,
}

impl Pasts {
    /// An edit was saved by somebody who had seen `past` of its part.
    pub fn learn(&mut self, edit: &Edit, past: Past, centre: bool) {
        self.first.insert(edit.id, self.all.len());
        self.all.push(Known {
            id: edit.id,
            record: edit.record,
            kind: edit.kind,
            part: edit.part,
            dot: edit.dot,
            writes: edit.writes.clone(),
            past,
            centre,
        });
    }

    /// An edit was accepted from quarantine under another dot.
    pub fn release(&mut self, id: EditId, dot: Dot) {
        let Some(known) = self.known(id).cloned() else { return };
        self.released.insert((id, dot), self.all.len());
        self.all.push(known);
    }

    /// The server was restored to before it had these.
    pub fn lose(&mut self, ids: impl Iterator<Item = EditId>) {
        for place in ids.filter_map(|id| self.first.get(&id)) {
            self.lost.insert(*place);
        }
    }

    /// Edits of a past, each with the dot it was saved with; or only those that a restore had taken away: they are seen no
    /// more by who looks at the record without them, though somebody may have seen them whose later write stands there.
    pub fn in_past(&self, past: &Past, only_lost: bool) -> Vec<(EditId, Dot)> {
        let places = self.first.values().filter(|place| past.holds(**place));
        let places = places.filter(|place| !only_lost || self.lost.contains(place));
        places.filter_map(|place| self.all.get(*place)).map(|known| (known.id, known.dot)).collect()
    }

    /// The same past without this edit.
    pub fn without(&self, mut past: Past, id: EditId) -> Past {
        if let Some(place) = self.first.get(&id) {
            past.remove(*place);
        }
        past
    }

    /// The edit of an id, as first saved.
    pub fn known(&self, id: EditId) -> Option<&Known> {
        self.first.get(&id).and_then(|place| self.all.get(*place))
    }

    /// Every edit ever saved, once.
    pub fn saved(&self) -> impl Iterator<Item = &Known> {
        self.first.values().filter_map(|place| self.all.get(*place))
    }

    fn place(&self, id: EditId, dot: Dot) -> Option<usize> {
        self.released.get(&(id, dot)).or_else(|| self.first.get(&id)).copied()
    }

    fn has_seen(&self, later: usize, earlier: usize) -> bool {
        self.all.get(later).is_some_and(|known| known.past.holds(earlier))
    }

    /// What somebody sees who looks at this state of a part; an error names an edit that nobody saved, or a write that
    /// stands there although one beside it has seen it. One that got another dot may stand so until everybody has synced.
    pub fn seen(&self, state: &PartState) -> Result<Past, Broken> {
        let mut past = Past::default();
        let mut path: Option<&Path> = None;
        let mut beside: Vec<(usize, EditId, bool)> = Vec::new();
        for (at, write) in state.all_live() {
            let id = write.head.id;
            let place = self.place(id, write.dot).ok_or_else(|| Broken {
                invariant: Invariant::NothingTwice,
                what: format!("nobody saved the edit {id}"),
            })?;
            if !past.holds(place) {
                if let Some(known) = self.all.get(place) {
                    past.join(&known.past);
                }
                past.add(place);
            }
            if path != Some(at) {
                path = Some(at);
                beside.clear();
            }
            let moved = self.all.get(place).is_some_and(|known| known.dot != write.dot);
            for (other, other_id, other_moved) in &beside {
                let (old, new) = if self.has_seen(place, *other) { (*other_id, id) } else { (id, *other_id) };
                let excused = if old == id { moved } else { *other_moved };
                if !excused && (self.has_seen(place, *other) || self.has_seen(*other, place)) {
                    let what = format!("{old} stands at {at} beside {new}, which has seen it");
                    return Err(Broken { invariant: Invariant::LiveWrites, what });
                }
            }
            beside.push((place, id, moved));
        }
        Ok(past)
    }

    /// What a part must be like when exactly these edits were applied to it, each under this dot: at the least, and at the
    /// most. The two differ only where an edit was accepted from quarantine, the server was restored to before that, and
    /// then took it by itself: who saw it accepted may or may not be known to have seen it.
    pub fn model(&self, applied: &BTreeMap<EditId, Dot>) -> (Model, Model) {
        (self.model_of(applied, true), self.model_of(applied, false))
    }

    fn model_of(&self, applied: &BTreeMap<EditId, Dot>, accepted_counts: bool) -> Model {
        let has_seen = |later: usize, earlier: usize| {
            self.has_seen(later, earlier)
                || accepted_counts
                    && self.all.get(earlier).is_some_and(|known| {
                        let accepted = self.released.iter().filter(|((id, _), _)| *id == known.id);
                        accepted.into_iter().any(|(_, place)| self.has_seen(later, *place))
                    })
        };
        let places: Vec<usize> = applied.iter().filter_map(|(id, dot)| self.place(*id, *dot)).collect();
        let mut writers: BTreeMap<&Path, Vec<usize>> = BTreeMap::new();
        for place in &places {
            for path in self.all.get(*place).iter().flat_map(|known| known.writes.keys()) {
                writers.entry(path).or_default().push(*place);
            }
        }
        let mut live: BTreeMap<Path, BTreeSet<EditId>> = BTreeMap::new();
        let mut living: Vec<(&Path, usize)> = Vec::new();
        for (path, writers) in writers {
            for place in &writers {
                if writers.iter().any(|other| has_seen(*other, *place)) {
                    continue;
                }
                living.push((path, *place));
                if let Some(known) = self.all.get(*place) {
                    live.entry(path.clone()).or_default().insert(known.id);
                }
            }
        }
        Model { deletion: self.deletion(&living, &has_seen), live }
    }

    fn deletion(&self, living: &[(&Path, usize)], has_seen: &dyn Fn(usize, usize) -> bool) -> Deletion {
        let deleted = Path::field(DELETED);
        let says_deleted = |place: usize| {
            let value = self.all.get(place).and_then(|known| known.writes.get(&deleted));
            value.is_some_and(|value| !value.is_null())
        };
        let deletes: Vec<usize> = living
            .iter()
            .filter(|(path, place)| **path == deleted && says_deleted(*place))
            .map(|(_, place)| *place)
            .collect();
        if deletes.is_empty() {
            return Deletion::Present;
        }
        let all_seen = living
            .iter()
            .filter(|(path, _)| **path != deleted)
            .all(|(_, place)| deletes.iter().any(|delete| has_seen(*delete, *place)));
        if all_seen { Deletion::Deleted } else { Deletion::Revived }
    }

    /// Whether the author of `later` had seen `earlier`, both under these dots.
    pub fn saw(&self, later: (EditId, Dot), earlier: (EditId, Dot)) -> bool {
        match (self.place(later.0, later.1), self.place(earlier.0, earlier.1)) {
            (Some(later), Some(earlier)) => self.has_seen(later, earlier),
            _ => false,
        }
    }
}

/// A part as the oracle says it must be.
#[derive(Debug, PartialEq)]
pub struct Model {
    /// The edits that live at each path.
    pub live: BTreeMap<Path, BTreeSet<EditId>>,
    /// Whether it counts as deleted.
    pub deletion: Deletion,
}
