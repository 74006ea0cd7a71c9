//! The one rule of merging.
//!
//! > A write is **live** unless another write to the same path has a context that covers its dot.
//!
//! A context covers what its author saw, and nobody sees what was saved by somebody who had read a later epoch of the
//! server: so a context read in one epoch covers no write whose own context was read in a later one ([`sees`]). Without
//! that a context of an earlier epoch, which is not clipped, could bury writes that are yet to come.
//!
//! It is a definition over the set of edits, so the order of arrival cannot matter. [`PartState`] keeps just enough to
//! go on applying: the vector, the live writes with their heads, and for each path what the contexts written to it
//! cover *beyond* the vector. The construction is the causal register of "Dotted Version Vectors" (Preguiça et al.,
//! 2010) a path; `tests/merge.rs` checks it against the definition. The [`Mutant`]s are planted mistakes that only tests
//! can switch on.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::author::Author;
use crate::edit::Edit;
use crate::ids::{Dot, EditId, Slot};
use crate::mutants::Mutant;
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
    /// The server epoch the context was read in. Not written while it is the first, as it is until a server is restored.
    #[serde(default = "first_epoch", skip_serializing_if = "is_first_epoch")]
    pub epoch: u32,
}

fn first_epoch() -> u32 {
    1
}

fn is_first_epoch(epoch: &u32) -> bool {
    *epoch == first_epoch()
}

/// Whether a context read in `epoch` can cover an edit whose own context was read in `other`: the one rule's "covers".
pub fn sees(epoch: u32, other: u32) -> bool {
    epoch >= other
}

/// An edit with the number of its live writes.
#[derive(Debug, Clone, PartialEq)]
struct Living {
    dot: Dot,
    writes: usize,
    head: Head,
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
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(try_from = "Wire")]
pub struct PartState {
    vector: VectorTimestamp,
    /// In order of dots; one for every edit with a live write.
    heads: Vec<Living>,
    /// The live writes of each path in order of dots; never an empty list.
    paths: BTreeMap<Path, Vec<(Dot, Value)>>,
    /// What contexts covered at a path beyond the vector, by the epoch they were read in; never an empty one. Nearly
    /// always there is none at all, so that applying an edit touches only the paths it writes.
    beyond: BTreeMap<Path, Beyond>,
}

type Beyond = BTreeMap<u32, VectorTimestamp>;

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
        self.paths.keys()
    }

    /// The live writes of one path, in order of dots.
    pub fn live<'a>(&'a self, path: &Path) -> impl Iterator<Item = LiveWrite<'a>> + use<'a> {
        self.paths.get(path).into_iter().flat_map(|live| self.lit(live))
    }

    /// Every path of `field` (itself, its elements, its entries) with its live writes.
    pub fn live_under<'a>(&'a self, field: &'a str) -> impl Iterator<Item = (&'a Path, LiveWrite<'a>)> {
        // All of them lie between "field" and "field0": '0' is the character after '/'.
        let first = Path::field(field);
        self.paths
            .range(first..)
            .take_while(move |(path, _)| path.as_str().starts_with(field))
            .filter(move |(path, _)| path.field_name() == field)
            .flat_map(|(path, live)| self.lit(live).map(move |write| (path, write)))
    }

    /// Every live write.
    pub fn all_live(&self) -> impl Iterator<Item = (&Path, LiveWrite<'_>)> {
        self.paths.iter().flat_map(|(path, live)| self.lit(live).map(move |write| (path, write)))
    }

    fn lit<'a>(&'a self, live: &'a [(Dot, Value)]) -> impl Iterator<Item = LiveWrite<'a>> + use<'a> {
        live.iter().filter_map(|(dot, value)| self.head(*dot).map(|head| LiveWrite { dot: *dot, value, head }))
    }

    fn head(&self, dot: Dot) -> Option<&Head> {
        let place = find(&self.heads, dot).ok()?;
        self.heads.get(place).map(|living| &living.head)
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
        let mut living = 0;
        for (path, value) in &edit.writes {
            let lives = !self
                .beyond
                .get(path)
                .is_some_and(|beyond| beyond.range(edit.epoch..).any(|(_, covered)| covered.covers(edit.dot)));
            let lives = lives && !(Mutant::EqualCollapsed.on() && self.live(path).any(|write| write.value == value));
            living += usize::from(lives);
            let heads = &mut self.heads;
            match self.paths.get_mut(path) {
                Some(live) => {
                    live.retain(|(dot, _)| {
                        let seen = edit.context.covers(*dot) && sees_head(heads, edit.epoch, *dot);
                        let seen = seen && !Mutant::ContextIgnored.on();
                        if seen {
                            release(heads, *dot);
                        }
                        !seen
                    });
                    if lives {
                        let place = live.partition_point(|(dot, _)| *dot < edit.dot);
                        live.insert(place, (edit.dot, value.clone()));
                    } else if live.is_empty() {
                        self.paths.remove(path);
                    }
                }
                None if lives => drop(self.paths.insert(path.clone(), vec![(edit.dot, value.clone())])),
                None => {}
            }
            if !excess.is_empty() {
                self.beyond.entry(path.clone()).or_default().entry(edit.epoch).or_default().join(&excess);
            }
        }
        if living > 0 {
            let place = find(&self.heads, edit.dot).unwrap_or_else(|place| place);
            self.heads.insert(place, Living { dot: edit.dot, writes: living, head: Head::of(edit) });
        }
        self.vector.observe(edit.dot);
        if Mutant::ContextInVector.on() {
            self.vector.join(&edit.context);
        }
        if !self.beyond.is_empty() {
            let vector = &self.vector;
            self.beyond.retain(|_, beyond| catch_up(beyond, vector));
        }
        Applied::Fresh
    }

    /// Claims to have seen what another vector has. Nothing may do this but planted mistakes, see [`Mutant`].
    pub fn join_vector(&mut self, other: &VectorTimestamp) {
        self.vector.join(other);
    }

    /// Whether the part is deleted: while a live delete exists in it and every live write other than deletes is
    /// covered by the contexts of the live deletes.
    pub fn deletion(&self) -> Deletion {
        let deleted = Path::field(DELETED);
        let deletes: Vec<&Head> =
            self.live(&deleted).filter(|write| !write.value.is_null()).map(|write| write.head).collect();
        if deletes.is_empty() {
            return Deletion::Present;
        }
        let seen = |write: LiveWrite<'_>| {
            deletes.iter().any(|delete| delete.context.covers(write.dot) && sees(delete.epoch, write.head.epoch))
        };
        let all_seen = self.all_live().all(|(path, write)| *path == deleted || seen(write));
        if all_seen { Deletion::Deleted } else { Deletion::Revived }
    }

    /// The same state as a reader outside the centre may see it: an informant is a role without a name.
    #[must_use]
    pub fn with_masked_authors(mut self) -> Self {
        for Living { head, .. } in &mut self.heads {
            if head.author.role.is_anonymous_to_others() {
                head.author = Arc::new(head.author.masked());
            }
        }
        self
    }
}

fn find(heads: &[Living], dot: Dot) -> Result<usize, usize> {
    heads.binary_search_by_key(&dot, |living| living.dot)
}

/// Whether a context read in `epoch` can cover the living edit at `dot`.
fn sees_head(heads: &[Living], epoch: u32, dot: Dot) -> bool {
    find(heads, dot).ok().and_then(|place| heads.get(place)).is_none_or(|living| sees(epoch, living.head.epoch))
}

/// Drops what `vector` has caught up with. Says whether anything is left.
fn catch_up(beyond: &mut Beyond, vector: &VectorTimestamp) -> bool {
    beyond.retain(|_, covered| {
        covered.drop_covered(vector);
        !covered.is_empty()
    });
    !beyond.is_empty()
}

/// One live write of the edit at `dot` is no more.
fn release(heads: &mut Vec<Living>, dot: Dot) {
    let Ok(place) = find(heads, dot) else { return };
    let Some(living) = heads.get_mut(place) else { return };
    living.writes = living.writes.saturating_sub(1);
    if living.writes == 0 {
        heads.remove(place);
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
            context: if Mutant::DeleteForgetsContext.on() && edit.writes.contains_key(&Path::field(DELETED)) {
                VectorTimestamp::new()
            } else {
                edit.context.clone()
            },
            epoch: edit.epoch,
        }
    }
}

/// How a part travels and is stored: heads in order, live writes naming theirs by its place in that list.
#[derive(Deserialize)]
struct Wire {
    vector: VectorTimestamp,
    heads: Vec<(Dot, Head)>,
    live: Paths<Vec<Placed>>,
    #[serde(default)]
    beyond: Paths<Beyond>,
}

/// A map by path as it is read: in the order it was written, each path once.
///
/// A first fill reads a million of these entries, so they are not put into a map one by one.
struct Paths<T>(Vec<(Path, T)>);

impl<T> Default for Paths<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Paths<T> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct Entries<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
            type Value = Paths<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map by path")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Paths<T>, A::Error> {
                let mut entries: Vec<(Path, T)> = Vec::with_capacity(map.size_hint().unwrap_or(16).min(64));
                let mut ordered = true;
                while let Some((path, value)) = map.next_entry::<Path, T>()? {
                    ordered &= entries.last().is_none_or(|(before, _)| *before < path);
                    entries.push((path, value));
                }
                if !ordered {
                    entries.sort_by(|a, b| a.0.cmp(&b.0));
                    if entries.windows(2).any(|pair| matches!(pair, [(a, _), (b, _)] if a == b)) {
                        return Err(A::Error::custom("a path stands twice"));
                    }
                }
                Ok(Paths(entries))
            }
        }

        reader.deserialize_map(Entries(PhantomData))
    }
}

/// A live write on its way in: `[place of its head, value]`. The place waits where the dot will stand, so that the list
/// is not made twice.
struct Placed((Dot, Value));

impl<'de> Deserialize<'de> for Placed {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        let (place, value) = <(u64, Value)>::deserialize(reader)?;
        Ok(Self((Dot { slot: Slot(0), n: place }, value)))
    }
}

/// The same, borrowed, to be written.
#[derive(Serialize)]
struct WireRef<'a> {
    vector: &'a VectorTimestamp,
    heads: Vec<(Dot, &'a Head)>,
    live: BTreeMap<&'a Path, Vec<(usize, &'a Value)>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    beyond: &'a BTreeMap<Path, Beyond>,
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
    /// Heads, or the live writes of a path, are not in order of dots, or a dot stands there twice.
    #[error("the dot {0:?} stands twice or out of order")]
    Order(Dot),
}

impl Serialize for PartState {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let numbered = |write: &'_ (Dot, Value)| find(&self.heads, write.0).ok();
        WireRef {
            vector: &self.vector,
            heads: self.heads.iter().map(|living| (living.dot, &living.head)).collect(),
            live: self
                .paths
                .iter()
                .map(|(path, live)| {
                    (path, live.iter().filter_map(|write| Some((numbered(write)?, &write.1))).collect())
                })
                .collect(),
            beyond: &self.beyond,
        }
        .serialize(out)
    }
}

impl TryFrom<Wire> for PartState {
    type Error = BadPart;

    fn try_from(wire: Wire) -> Result<Self, BadPart> {
        let mut heads = Vec::with_capacity(wire.heads.len());
        for (dot, head) in wire.heads {
            if !wire.vector.covers(dot) {
                return Err(BadPart::NotCovered(dot));
            }
            if heads.last().is_some_and(|before: &Living| before.dot >= dot) {
                return Err(BadPart::Order(dot));
            }
            heads.push(Living { dot, writes: 0, head });
        }
        let count = heads.len();
        let mut paths = Vec::with_capacity(wire.live.0.len());
        for (path, writes) in wire.live.0 {
            let mut live: Vec<(Dot, Value)> = writes.into_iter().map(|placed| placed.0).collect();
            let mut last = None;
            for (dot, _) in &mut live {
                let place = usize::try_from(dot.n).unwrap_or(usize::MAX);
                let Some(living) = heads.get_mut(place) else {
                    return Err(BadPart::NoSuchHead(path, place, count));
                };
                living.writes += 1;
                if last.is_some_and(|before| before >= living.dot) {
                    return Err(BadPart::Order(living.dot));
                }
                last = Some(living.dot);
                *dot = living.dot;
            }
            if !live.is_empty() {
                paths.push((path, live));
            }
        }
        let paths = BTreeMap::from_iter(paths);
        heads.retain(|living| living.writes > 0);
        let mut beyond = BTreeMap::from_iter(wire.beyond.0);
        beyond.retain(|_, beyond| catch_up(beyond, &wire.vector));
        Ok(Self { vector: wire.vector, heads, paths, beyond })
    }
}
