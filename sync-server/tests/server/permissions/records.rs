//! The records that every cell of the table is tried on: of every kind and in every place, with photos, care and visits.

use std::collections::BTreeMap;

use shared::area::AreaId;
use shared::author::Role;
use shared::edit::Edit;
use shared::ids::{PhotoHash, RecordId};
use shared::record::{Part, RecordKind};
use shared::value::Value;
use shared::workflow::{Limit, Step, StepEntry};

use super::town::{CARE, Cell, Person, Where};
use crate::common::tus::{hash, link};
use crate::common::{Centre, FAR_GRID, GRID, Handheld, TOWN, applied, jpeg, step};

/// One of them.
pub struct Kept {
    pub id: RecordId,
    pub photo: Option<PhotoHash>,
}

/// The records everybody tries.
pub struct Records<'a> {
    pub kept: BTreeMap<(Where, RecordKind), Kept>,
    /// Visits, of which not everybody reads who reads events.
    pub visits: BTreeMap<Where, Kept>,
    /// Duplicates to be merged, one for each push and import of each person.
    pub duplicates: BTreeMap<(String, &'static str), RecordId>,
    author: Handheld<'a>,
}

pub fn has_photos(kind: RecordKind) -> bool {
    kind != RecordKind::Person
}

/// The field that names a record.
pub fn title(kind: RecordKind) -> &'static str {
    if kind == RecordKind::Event { "title" } else { "name" }
}

/// Links a new photo, which is delivered.
async fn with_photo(hand: &mut Handheld<'_>, edit: &mut Edit, name: &str) -> Option<PhotoHash> {
    let bytes = jpeg(640, 480, name);
    assert_eq!(hand.deliver(&bytes).await.status(), 204);
    link(edit, &hash(&bytes));
    Some(hash(&bytes))
}

/// A new record of any kind.
pub fn made(hand: &mut Handheld<'_>, kind: RecordKind, area: AreaId, name: &str) -> Edit {
    if kind == RecordKind::Event {
        return hand.event(name, area);
    }
    let record = RecordId::fresh(&*hand.centre.clock);
    let mut writes = vec![("name", Value::text(name)), ("area", Value::of(&area))];
    let of_type = match kind {
        RecordKind::Place => Some("building"),
        RecordKind::Object => Some("hydrant"),
        RecordKind::Organization => Some("company"),
        RecordKind::Person | RecordKind::Event => None,
    };
    writes.extend(of_type.map(|code| ("type", Value::text(code))));
    hand.edit(record, kind, Part::Open, &writes)
}

pub fn care() -> [(&'static str, Value); 3] {
    [
        ("care_services/meals", Value::of(&true)),
        ("care_reason", Value::text(CARE)),
        ("care_until", Value::text("2027-12-31")),
    ]
}

/// One record of each kind in each place, with a photo, residents with a restricted part.
pub async fn records<'a>(centre: &'a Centre, people: &[Person<'_>]) -> Records<'a> {
    let staff = centre.person("author", Role::CenterStaff, TOWN, true);
    let foreigner = centre.person("foreigner", Role::CenterStaff, AreaId(9), true);
    let (mut author, mut foreigner) = (centre.enrol(&staff).await, centre.enrol(&foreigner).await);
    let mut kept = BTreeMap::new();
    for at in [Where::Own, Where::Other, Where::Town, Where::Lapsed, Where::Named] {
        let hand = if at == Where::Town { &mut foreigner } else { &mut author };
        for kind in RecordKind::ALL.into_iter().filter(|kind| at != Where::Named || *kind == RecordKind::Event) {
            let mut edit = made(hand, kind, at.area(), &format!("{at:?}{kind:?}"));
            let mut photo = None;
            if has_photos(kind) {
                photo = with_photo(hand, &mut edit, &format!("{at:?}{kind:?}")).await;
            }
            let id = edit.record;
            applied(&hand.sync(vec![edit]).await, 0);
            if kind == RecordKind::Person {
                let edit = hand.care(id, &care());
                applied(&hand.sync(vec![edit]).await, 0);
            }
            kept.insert((at, kind), Kept { id, photo });
        }
    }
    let mut visits = BTreeMap::new();
    for at in [Where::Own, Where::Other, Where::Town, Where::Lapsed] {
        let hand = if at == Where::Town { &mut foreigner } else { &mut author };
        let mut edit = hand.visit(None, at.area(), "煤快烧完了");
        let photo = with_photo(hand, &mut edit, &format!("{at:?}走访")).await;
        visits.insert(at, Kept { id: edit.record, photo });
        applied(&hand.sync(vec![edit]).await, 0);
    }
    // Everybody helps with one event elsewhere.
    let helpers = people.iter().map(|person| person.user.id).collect();
    let dispatch = StepEntry { host: Some(staff.id), helpers, limit: Some(Limit::Days(3)), ..step(Step::Dispatch) };
    let dispatch = author.step(kept[&(Where::Named, RecordKind::Event)].id, &dispatch);
    applied(&author.sync(vec![dispatch]).await, 0);
    let mut duplicates = BTreeMap::new();
    for person in people {
        for door in ["push", "import"] {
            let edit = author.resident("重复", GRID);
            duplicates.insert((person.user.login.clone(), door), edit.record);
            applied(&author.sync(vec![edit]).await, 0);
        }
    }
    Records { kept, visits, duplicates, author }
}

impl Records<'_> {
    /// What lay in everybody's scope and was delivered moves out of it.
    pub async fn move_away(&mut self, _: &Centre) {
        let lapsed = RecordKind::ALL.map(|kind| (kind, self.kept[&(Where::Lapsed, kind)].id));
        for (kind, id) in lapsed.into_iter().chain([(RecordKind::Event, self.visits[&Where::Lapsed].id)]) {
            let edit = self.author.edit(id, kind, Part::Open, &[("area", Value::of(&FAR_GRID))]);
            applied(&self.author.sync(vec![edit]).await, 0);
        }
    }

    /// One of them.
    pub fn id(&self, at: Where, kind: RecordKind) -> RecordId {
        self.kept[&(at, kind)].id
    }

    /// Every part of them that can be read, with the cell that says by whom.
    pub fn readable(&self) -> Vec<(Cell, &Kept, Part)> {
        let mut all = Vec::new();
        for (at, kind, kept) in self.all() {
            all.extend(parts(kind, at).into_iter().map(|(action, part)| (Cell { action, at, kind }, kept, part)));
        }
        let kind = RecordKind::Event;
        let visits = self.visits.iter();
        all.extend(visits.map(|(at, kept)| (Cell { action: "read-visit", at: *at, kind }, kept, Part::Open)));
        all
    }

    pub fn all(&self) -> impl Iterator<Item = (Where, RecordKind, &Kept)> {
        self.kept.iter().map(|((at, kind), kept)| (*at, *kind, kept))
    }
}

/// Which parts a record has, with the action that reads them.
pub fn parts(kind: RecordKind, at: Where) -> Vec<(&'static str, Part)> {
    let restricted = kind == RecordKind::Person && at != Where::Named;
    let both = [("read", Part::Open), ("read-restricted", Part::Restricted)];
    both.into_iter().filter(|(_, part)| *part == Part::Open || restricted).collect()
}
