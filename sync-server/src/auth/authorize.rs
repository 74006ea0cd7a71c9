//! Who may do what: the one predicate, for sync, photos, history, batches and the console. What is not named is denied.

use shared::area::{AreaId, AreaTree};
use shared::author::Role;
use shared::ids::UserId;
use shared::record::{Part, RecordKind};
use shared::view::MERGED_INTO;

use super::Who;
use crate::store::StoredPart;

/// Where a record lies and who is named in it: all that rights depend on. Taken from its open part, for both parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// Of which kind.
    pub kind: RecordKind,
    /// Its areas; more than one while 待核对.
    pub areas: Vec<AreaId>,
    /// Of an event: reporter, 主办, 协办.
    pub readers: Vec<UserId>,
    /// Whether it tells of a visit: then what was found at somebody's home stands in it.
    pub visit: bool,
}

impl Reach {
    /// Of a stored part.
    pub fn of(part: &StoredPart) -> Self {
        Self { kind: part.kind, areas: part.areas.clone(), readers: part.readers.clone(), visit: part.visit }
    }
}

/// What somebody wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action<'a> {
    /// Read a part.
    Read(Part),
    /// Write these fields of a part (the first segments of the paths).
    Write {
        /// Which part.
        part: Part,
        /// Which fields, each perhaps more than once.
        fields: &'a [&'a str],
    },
    /// Take out batches.
    TakeOut,
    /// Decide on quarantined edits of a record.
    Decide,
    /// Erase a record for good, with its restricted part.
    Erase,
    /// Hand a record over to another town.
    HandOver,
    /// Take out all that is kept about one person, in full and wherever in the town it stands.
    TakeOutPerson,
}

/// The field that says where a record lies.
const AREA: &str = "area";

/// Denied. It says no more on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not allowed")]
pub struct Denied;

/// Whether `who` may do `action` to a record that lies at `before` (none: it does not exist yet) and, once done, lies at
/// `after`.
pub fn authorize(
    who: &Who,
    action: Action<'_>,
    before: Option<&Reach>,
    after: &Reach,
    areas: &AreaTree,
) -> Result<(), Denied> {
    let allowed = who.user.active
        && match action {
            Action::Read(part) => may_read(who, part, before.unwrap_or(after)),
            Action::Write { part, fields } => may_write(who, part, fields, before, after, areas),
            Action::TakeOut => who.user.role == Role::CenterStaff && in_scope(who, &after.areas),
            Action::Erase => {
                let all =
                    |reach: &Reach| !reach.areas.is_empty() && reach.areas.iter().all(|area| who.scope.contains(*area));
                who.user.role == Role::CenterStaff && who.user.cleared && before.is_some_and(all)
            }
            Action::HandOver => {
                let all = |reach: &Reach| reach.areas.iter().all(|area| who.scope.contains(*area));
                let from = before.and_then(|reach| reach.areas.first()).and_then(|area| areas.town_of(*area));
                let to = after.areas.first().and_then(|area| areas.town_of(*area));
                let staff = who.user.role == Role::CenterStaff && before.is_some_and(all);
                staff && from.is_some_and(|town| who.works_in(town)) && to.is_some() && from != to
            }
            Action::TakeOutPerson => {
                let full = who.user.cleared && who.user.may_unmask && who.scope.contains(who.user.town);
                who.user.role == Role::CenterStaff && full && after.kind == RecordKind::Person
            }
            Action::Decide => {
                let reach = before.unwrap_or(after);
                matches!(who.user.role, Role::CenterStaff | Role::GridLeader) && in_scope(who, &reach.areas)
            }
        };
    if allowed { Ok(()) } else { Err(Denied) }
}

/// Whether a reader of this role sees records of a kind because they lie in the scope.
pub fn reads_by_scope(role: Role, kind: RecordKind) -> bool {
    match role {
        Role::GridMember | Role::GridLeader | Role::CenterStaff | Role::Admin => true,
        // They look at places and things on their rounds, not at who lives there.
        Role::PatrolMember => kind != RecordKind::Person,
        Role::Informant | Role::Department => false,
    }
}

/// Whether a reader of this role sees visits because they lie in the scope: whoever works with the people who live there.
pub fn reads_visits(role: Role) -> bool {
    reads_by_scope(role, RecordKind::Person) && role != Role::Admin
}

fn in_scope(who: &Who, areas: &[AreaId]) -> bool {
    areas.iter().any(|area| who.scope.contains(*area))
}

fn by_scope(who: &Who, reach: &Reach) -> bool {
    let role = who.user.role;
    reads_by_scope(role, reach.kind) && (!reach.visit || reads_visits(role)) && in_scope(who, &reach.areas)
}

fn may_read(who: &Who, part: Part, reach: &Reach) -> bool {
    let by_scope = by_scope(who, reach);
    match part {
        Part::Open => by_scope || reach.readers.contains(&who.user.id),
        Part::Restricted => by_scope && who.user.cleared && who.user.role != Role::Admin,
    }
}

fn may_write(who: &Who, part: Part, fields: &[&str], before: Option<&Reach>, after: &Reach, areas: &AreaTree) -> bool {
    // Nothing moves to another town by being written, to a place that is not there, or to nowhere.
    let mut lies = before.into_iter().chain([after]).flat_map(|reach| &reach.areas);
    let town = lies.find_map(|area| areas.town_of(*area)).filter(|town| who.works_in(*town));
    let homely = |area: &AreaId| town.is_some() && areas.town_of(*area) == town;
    if after.areas.is_empty() || !after.areas.iter().all(homely) {
        return false;
    }
    let Some(before) = before else {
        // What nobody has seen yet is no duplicate of anything.
        return part == Part::Open && !fields.contains(&MERGED_INTO) && may_create(who, after);
    };
    if who.user.role == Role::Admin {
        return part == Part::Open && redraws(who, fields, before, after);
    }
    // Nobody writes what they do not read: a step would make them one of those it names.
    if who.user.role.changes(before.kind) && by_scope(who, before) {
        let cleared = part == Part::Open || who.user.cleared;
        // Merging duplicates is the centre's.
        let staff = who.user.role == Role::CenterStaff || !fields.contains(&MERGED_INTO);
        return cleared && staff;
    }
    // Made responsible, or having reported it: steps (the workflow judges which) and photos, nothing else.
    let named = before.kind == RecordKind::Event && before.readers.contains(&who.user.id);
    named && part == Part::Open && fields.iter().all(|field| matches!(*field, "steps" | "photos"))
}

/// The administrator writes nothing, whoever names them, but where records lie: between areas that are all theirs, as when
/// a grid is split.
fn redraws(who: &Who, fields: &[&str], before: &Reach, after: &Reach) -> bool {
    let theirs = |reach: &Reach| !reach.areas.is_empty() && reach.areas.iter().all(|area| who.scope.contains(*area));
    fields.iter().all(|field| *field == AREA) && !fields.is_empty() && theirs(before) && theirs(after)
}

fn may_create(who: &Who, after: &Reach) -> bool {
    who.user.role.creates(after.kind) && (after.kind == RecordKind::Event || in_scope(who, &after.areas))
}

#[cfg(test)]
mod tests {
    use shared::area::{Area, AreaLevel};
    use shared::ids::UserId;
    use uuid::Uuid;

    use super::*;
    use crate::store::User;

    fn tree() -> AreaTree {
        let area = |id, parent: Option<u32>, level| Area::new(AreaId(id), parent.map(AreaId), level, "", "");
        [
            area(1, None, AreaLevel::County),
            area(2, Some(1), AreaLevel::Town),
            area(3, Some(2), AreaLevel::Community),
            area(4, Some(3), AreaLevel::Grid),
            area(5, Some(3), AreaLevel::Grid),
            area(9, Some(1), AreaLevel::Town),
        ]
        .into_iter()
        .collect()
    }

    fn who(role: Role, scope: u32, cleared: bool) -> Who {
        let user = User {
            id: UserId(Uuid::from_u128(7)),
            town: AreaId(2),
            name: String::new(),
            login: String::new(),
            role,
            scope: vec![AreaId(scope)],
            cleared,
            may_unmask: false,
            password: None,
            active: true,
        };
        Who::of(user, &tree())
    }

    fn at(kind: RecordKind, area: u32) -> Reach {
        Reach { kind, areas: vec![AreaId(area)], readers: vec![], visit: false }
    }

    #[test]
    fn reading_by_role_scope_and_clearance() {
        use RecordKind::{Event, Person, Place};
        use Role::*;
        let cases = [
            // role, scope, cleared, kind, lies in, open, restricted
            (GridMember, 4, false, Person, 4, true, false),
            (GridMember, 4, true, Person, 4, true, true),
            (GridMember, 4, true, Person, 5, false, false),
            (GridLeader, 3, true, Person, 5, true, true),
            (CenterStaff, 2, false, Person, 5, true, false),
            (CenterStaff, 2, true, Person, 9, false, false),
            (Admin, 2, true, Person, 5, true, false),
            (PatrolMember, 3, true, Person, 4, false, false),
            (PatrolMember, 3, false, Place, 4, true, false),
            (Informant, 3, true, Event, 4, false, false),
            (Department, 2, true, Person, 4, false, false),
        ];
        for (role, scope, cleared, kind, area, open, restricted) in cases {
            let who = who(role, scope, cleared);
            let reach = at(kind, area);
            for (part, expected) in [(Part::Open, open), (Part::Restricted, restricted)] {
                let got = authorize(&who, Action::Read(part), Some(&reach), &reach, &tree()).is_ok();
                assert_eq!(got, expected, "{role:?} of {scope} reads {part:?} of {kind:?} in {area}");
            }
        }
    }

    #[test]
    fn whoever_is_named_reads_the_event_and_writes_steps_and_photos_only() {
        let who = who(Role::Department, 2, true);
        let mut event = at(RecordKind::Event, 4);
        event.readers.push(who.user.id);
        let may = |fields: &[&str], part| {
            authorize(&who, Action::Write { part, fields }, Some(&event), &event, &tree()).is_ok()
        };
        assert!(authorize(&who, Action::Read(Part::Open), Some(&event), &event, &tree()).is_ok());
        assert!(authorize(&who, Action::Read(Part::Restricted), Some(&event), &event, &tree()).is_err());
        assert!(may(&["steps", "photos"], Part::Open));
        assert!(!may(&["steps", "title"], Part::Open));
        assert!(!may(&["steps"], Part::Restricted));
    }

    #[test]
    fn creating_and_moving() {
        use RecordKind::{Event, Object, Person};
        use Role::*;
        let cases = [
            // role, scope, kind, from, to, allowed
            (GridMember, 4, Person, None, 4, true),
            (GridMember, 4, Person, None, 5, false),
            (GridMember, 4, Event, None, 5, true),
            (Informant, 4, Event, None, 5, true),
            (Informant, 4, Person, None, 4, false),
            (Admin, 2, Event, None, 4, false),
            // Whoever draws the grids says where records lie, between areas that are theirs.
            (Admin, 2, Person, Some(4), 5, true),
            (Admin, 2, Person, Some(4), 9, false),
            (Admin, 4, Person, Some(4), 5, false),
            (PatrolMember, 3, Object, None, 4, true),
            (PatrolMember, 3, Person, None, 4, false),
            // Out of one's own grid, never into another town, never out of somebody else's.
            (GridMember, 4, Person, Some(4), 5, true),
            (GridMember, 4, Person, Some(4), 9, false),
            (GridMember, 4, Person, Some(4), 77, false),
            (GridMember, 4, Person, Some(5), 4, false),
        ];
        for (role, scope, kind, from, to, expected) in cases {
            let who = who(role, scope, false);
            let before = from.map(|area| at(kind, area));
            let action = Action::Write { part: Part::Open, fields: &["area"] };
            let got = authorize(&who, action, before.as_ref(), &at(kind, to), &tree()).is_ok();
            assert_eq!(got, expected, "{role:?} of {scope} writes {kind:?} from {from:?} to {to}");
        }
    }

    #[test]
    fn a_visit_is_read_and_written_by_whoever_works_with_the_people_who_live_there() {
        use Role::*;
        let visit = Reach { visit: true, ..at(RecordKind::Event, 4) };
        let write = Action::Write { part: Part::Open, fields: &["steps"] };
        for role in Role::ALL {
            let who = who(role, 3, true);
            let works_there = matches!(role, GridMember | GridLeader | CenterStaff);
            for action in [Action::Read(Part::Open), write] {
                let may = authorize(&who, action, Some(&visit), &visit, &tree()).is_ok();
                assert_eq!(may, works_there, "{action:?} {role:?}");
            }
            let named = Reach { readers: vec![who.user.id], ..visit.clone() };
            assert!(authorize(&who, Action::Read(Part::Open), Some(&named), &named, &tree()).is_ok(), "{role:?}");
        }
    }

    #[test]
    fn merging_is_the_centres_and_nobody_inactive_does_anything() {
        let person = at(RecordKind::Person, 4);
        let action = Action::Write { part: Part::Open, fields: &["merged_into"] };
        let may = |who: &Who| authorize(who, action, Some(&person), &person, &tree()).is_ok();
        assert!(may(&who(Role::CenterStaff, 2, false)));
        assert!(!may(&who(Role::GridMember, 4, false)));
        let created = authorize(&who(Role::CenterStaff, 2, true), action, None, &person, &tree());
        assert!(created.is_err(), "what is made is no duplicate yet");
        let mut gone = who(Role::CenterStaff, 2, true);
        gone.user.active = false;
        assert!(!may(&gone));
        assert!(authorize(&gone, Action::Read(Part::Open), Some(&person), &person, &tree()).is_err());
    }

    #[test]
    fn only_cleared_workers_write_what_is_restricted() {
        let person = at(RecordKind::Person, 4);
        let action = Action::Write { part: Part::Restricted, fields: &["care_note"] };
        let may = |who: &Who| authorize(who, action, Some(&person), &person, &tree()).is_ok();
        assert!(may(&who(Role::GridMember, 4, true)));
        assert!(!may(&who(Role::GridMember, 4, false)));
        // The restricted part of a record that does not exist.
        assert!(authorize(&who(Role::GridMember, 4, true), action, None, &person, &tree()).is_err());
    }
}
