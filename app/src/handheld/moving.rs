//! 迁出: people go to another grid of the town, whose members say that they came, or send them back.

use std::collections::{BTreeMap, BTreeSet};

use shared::area::AreaId;
use shared::ids::{EditId, RecordId};
use shared::path::Path;
use shared::record::{Part, Record, RecordKind};
use shared::value::Value;
use shared::view::{self, MOVED_FROM, Policy};

use super::session::{Inner, Session};
use super::{Handheld, Hit, SaveError};
use crate::store::{NewEdit, StoreError};

/// What a person leaves behind in the old grid: the house, and a household that stays.
const HOME: [&str; 3] = ["lives_at", "householder", "relation"];

impl Handheld {
    /// Sends people to another grid, all in one transaction: each is marked with the grid it comes from until somebody
    /// there says that they came. Whoever goes with their householder keeps them; the house stays behind.
    pub fn move_out(&self, people: &[RecordId], to: AreaId) -> Result<(), SaveError> {
        self.0.saved(self.0.session()?.move_out(&self.0, people, to))
    }

    /// Notes that people left the town: 迁出. Their records stay until their time is over.
    pub fn move_away(&self, people: &[RecordId]) -> Result<(), SaveError> {
        let done = self.0.session()?.write_all(&self.0, people, |_| {
            Some(BTreeMap::from([(Path::field("residence_status"), Value::text("moved_out"))]))
        });
        self.0.saved(done)
    }

    /// Says that somebody who moved here came.
    pub fn receive(&self, person: RecordId) -> Result<(), SaveError> {
        let done = self
            .0
            .session()?
            .write_all(&self.0, &[person], |_| Some(BTreeMap::from([(Path::field(MOVED_FROM), Value::null())])));
        self.0.saved(done)
    }

    /// People who moved here and of whom nobody has said yet that they came, by name.
    pub fn arrivals(&self) -> Result<Vec<Hit>, StoreError> {
        self.0.session()?.arrivals(self.now())
    }
}

/// The grid a person comes from, while that is not settled.
pub fn moved_from(person: &Record) -> Option<AreaId> {
    view::shown(&person.open, MOVED_FROM, Policy::One).and_then(Value::get)
}

impl Session {
    fn move_out(&self, inner: &Inner, people: &[RecordId], to: AreaId) -> Result<(), SaveError> {
        let together: BTreeSet<RecordId> = people.iter().copied().collect();
        self.write_all(inner, people, |person| {
            let from = view::areas(&person.open).first().copied().filter(|from| *from != to)?;
            let said = |field: &str| view::shown(&person.open, field, Policy::One).filter(|value| !value.is_null());
            let head: Option<RecordId> = said("householder").and_then(Value::get);
            let keeps = |field: &str| {
                field != "lives_at" && head.is_none_or(|head| head == person.id || together.contains(&head))
            };
            let mut writes =
                BTreeMap::from([(Path::field("area"), Value::of(&to)), (Path::field(MOVED_FROM), Value::of(&from))]);
            let left = HOME.into_iter().filter(|field| said(field).is_some() && !keeps(field));
            writes.extend(left.map(|field| (Path::field(field), Value::null())));
            Some(writes)
        })
    }

    /// One edit a person, all in one transaction; whoever is not held or gets no writes is left as they are.
    fn write_all(
        &self,
        inner: &Inner,
        people: &[RecordId],
        writes: impl Fn(&Record) -> Option<BTreeMap<Path, Value>>,
    ) -> Result<(), SaveError> {
        let form = inner.rules().form(RecordKind::Person).ok_or(SaveError::NoSuchForm(RecordKind::Person, 0))?;
        let mut edits = Vec::with_capacity(people.len());
        for id in people {
            // Asked first: should this handheld become another writer in between, dots of the old slot are mapped.
            let seen = self.store.seen(*id)?;
            let person = self.store.record(*id)?.filter(|record| record.kind == RecordKind::Person);
            let Some((person, writes)) = person.and_then(|person| writes(&person).map(|writes| (person, writes)))
            else {
                continue;
            };
            edits.push(vec![NewEdit {
                id: EditId::fresh(inner.outside()),
                record: *id,
                kind: RecordKind::Person,
                part: Part::Open,
                context: person.open.vector().clone(),
                seen: Some(seen),
                form: form.version,
                writes,
            }]);
        }
        if edits.is_empty() {
            return Err(SaveError::Nothing);
        }
        self.store.save_together(edits, &self.stamp(inner))?;
        Ok(())
    }
}
