//! Drawing grids anew: what lies in one goes to others, by place, with who lives there and what happened there; by ordinary
//! edits, all of them or none. Handhelds get it with their next sync like any other change.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use shared::area::{Area, AreaId, AreaTree};
use shared::author::Author;
use shared::edit::Edit;
use shared::ids::{Dot, EditId, RecordId};
use shared::mask::LinkOrText;
use shared::merge::PartState;
use shared::path::Path;
use shared::record::{Part, RecordKind};
use shared::value::Value;
use shared::vector::VectorTimestamp;
use shared::view::{self, Policy};
use shared::wire::Outcome;
use shared::work;
use shared::workflow::{self, Stage};

use crate::AppState;
use crate::auth::Who;
use crate::batch::state;
use crate::store::{self, Audit, Origin, PartFilter, Read, StoreError, Tx, User};
use crate::sync::accept::{self, Rules, Writer};

/// So many edits are judged at once: each holds its record.
const CHUNK: usize = 500;
/// How deep places lie in each other at most; what is deeper, or a ring, counts as lying in none.
const DEPTH: usize = 12;

/// Where something goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// A grid to be made, by its place in [`Plan::fresh`].
    Fresh(usize),
    /// One that is there.
    There(AreaId),
}

/// What is to go where. What it does not name stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Out of which area.
    pub from: AreaId,
    /// The names of the areas to be made beside it.
    pub fresh: Vec<String>,
    /// Places with all that lies in them; none: it stays, whatever becomes of the place above it.
    pub places: BTreeMap<RecordId, Option<Target>>,
    /// What lies at no place.
    pub rest: Option<Target>,
}

/// Something that lies in the area.
#[derive(Debug, Clone)]
struct Lies {
    kind: RecordKind,
    title: String,
    /// The place it lies at or in, or whatever record leads to one.
    at: Option<RecordId>,
    seen: VectorTimestamp,
    /// In one area only, and not in an archive.
    moves: bool,
    archived: bool,
}

/// All that lies in an area.
#[derive(Debug, Clone)]
pub struct Survey {
    lies: BTreeMap<RecordId, Lies>,
}

/// A place as it is listed for choosing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spot {
    /// Which.
    pub id: RecordId,
    /// What it is called.
    pub title: String,
    /// 0 for one that lies in no other of the area.
    pub depth: usize,
    /// How many lie there, by kind.
    pub holds: Counts,
}

/// How many of each kind.
pub type Counts = BTreeMap<RecordKind, usize>;

/// What a plan comes to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sums {
    /// What goes where.
    pub go: BTreeMap<Target, Counts>,
    /// What stays because the plan says so.
    pub stay: Counts,
    /// Archived events, which nobody writes any more: they stay in the ledger of the area where they happened.
    pub archived: usize,
    /// Records whose area is 待核对: a person decides first.
    pub undecided: usize,
}

impl Sums {
    /// How many records go.
    pub fn going(&self) -> usize {
        self.go.values().flat_map(|counts| counts.values()).sum()
    }
}

/// Why nothing is done.
#[derive(Debug, thiserror::Error)]
pub enum RedrawError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An area is not there, or not this person's.
    #[error("an area that is not theirs")]
    NotTheirs,
    /// What goes where is not what was shown: handhelds have brought something since.
    #[error("it has changed since it was shown")]
    Changed,
    /// Nothing would go anywhere.
    #[error("nothing goes anywhere")]
    Nothing,
    /// A record does not take the edit.
    #[error("a record does not take the edit: {0}")]
    Refused(String),
}

/// What leads from a record to the place it lies at.
fn leads_to(kind: RecordKind, open: &PartState) -> Option<RecordId> {
    let link = |field: &str| view::shown(open, field, Policy::One);
    let id = |value: &Value| value.as_text().and_then(|id| id.parse().ok());
    match kind {
        RecordKind::Place => link("parent").and_then(id),
        RecordKind::Person => link("lives_at").and_then(id),
        RecordKind::Organization | RecordKind::Object => link("located_at").and_then(id),
        RecordKind::Event => {
            let place = link("place").and_then(|value| value.get::<LinkOrText>()).and_then(|it| it.id?.parse().ok());
            place.or_else(|| work::subject(open))
        }
    }
}

/// Looks at all that lies in `from`.
pub fn survey(read: &dyn Read, rules: &Rules, from: AreaId) -> Result<Survey, StoreError> {
    let filter = PartFilter { areas: Some(vec![from]), with_merged: true, ..PartFilter::default() };
    let mut lies = BTreeMap::new();
    let mut failed = None;
    read.each_part(&filter, &mut |part| {
        let open = match state(&part) {
            Ok(open) => open,
            Err(error) => {
                failed = Some(error);
                return Ok(false);
            }
        };
        let archived = part.kind == RecordKind::Event && {
            let event = workflow::fold(&open, &rules.calendar);
            event.stage == Stage::Archived && !event.is_contested()
        };
        let at = leads_to(part.kind, &open);
        let moves = part.areas == [from] && !archived;
        let seen = open.vector().clone();
        lies.insert(part.record, Lies { kind: part.kind, title: part.title, at, seen, moves, archived });
        Ok(true)
    })?;
    match failed {
        Some(error) => Err(error),
        None => Ok(Survey { lies }),
    }
}

impl Survey {
    /// The places from `id` upwards, itself included if it is one.
    fn places_above(&self, id: RecordId) -> Vec<RecordId> {
        let mut line = Vec::new();
        let mut next = Some(id);
        for _ in 0..DEPTH {
            let Some((id, lies)) = next.and_then(|id| Some((id, self.lies.get(&id)?))) else { break };
            if lies.kind == RecordKind::Place {
                line.push(id);
            }
            next = lies.at;
        }
        line
    }

    /// The places to choose from, the highest and those right in them, each with all that lies there.
    pub fn spots(&self) -> Vec<Spot> {
        let mut holds: BTreeMap<RecordId, Counts> = BTreeMap::new();
        let mut below: BTreeMap<Option<RecordId>, Vec<RecordId>> = BTreeMap::new();
        for (id, lies) in &self.lies {
            let line = self.places_above(*id);
            for place in &line {
                if place != id {
                    *holds.entry(*place).or_default().entry(lies.kind).or_default() += 1;
                }
            }
            if lies.kind == RecordKind::Place {
                below.entry(line.get(1).copied()).or_default().push(*id);
            }
        }
        let title = |id: &RecordId| self.lies.get(id).map(|lies| lies.title.as_str()).unwrap_or_default();
        let mut spots = Vec::new();
        let mut add = |id: RecordId, depth: usize| {
            let holds = holds.get(&id).cloned().unwrap_or_default();
            spots.push(Spot { id, title: title(&id).to_owned(), depth, holds });
        };
        let sorted = |of: Option<RecordId>| {
            let mut all = below.get(&of).cloned().unwrap_or_default();
            all.sort_by_key(|id| (title(id).to_owned(), *id));
            all
        };
        for top in sorted(None) {
            add(top, 0);
            for inner in sorted(Some(top)) {
                add(inner, 1);
            }
        }
        spots
    }

    /// How many lie at no place.
    pub fn at_no_place(&self) -> Counts {
        let mut counts = Counts::new();
        for (id, lies) in self.lies.iter().filter(|(_, lies)| lies.moves) {
            if self.places_above(*id).is_empty() {
                *counts.entry(lies.kind).or_default() += 1;
            }
        }
        counts
    }

    fn target(&self, plan: &Plan, id: RecordId) -> Option<Target> {
        let line = self.places_above(id);
        if line.is_empty() {
            return plan.rest;
        }
        line.iter().find_map(|place| plan.places.get(place).copied()).flatten()
    }

    /// What `plan` comes to.
    pub fn sums(&self, plan: &Plan) -> Sums {
        let mut sums = Sums::default();
        for (id, lies) in &self.lies {
            let target = self.target(plan, *id);
            let counts = match target {
                Some(_) if lies.archived => {
                    sums.archived += 1;
                    continue;
                }
                Some(_) if !lies.moves => {
                    sums.undecided += 1;
                    continue;
                }
                Some(target) => sums.go.entry(target).or_default(),
                None => &mut sums.stay,
            };
            *counts.entry(lies.kind).or_default() += 1;
        }
        sums
    }
}

/// Who is responsible for `from` by name, and so for what is made of it.
pub fn keepers(users: &[User], from: AreaId) -> impl Iterator<Item = &User> {
    users.iter().filter(move |user| user.scope.contains(&from))
}

/// Makes the new areas, moves the records and widens the scopes of whoever had the old area: all of it, or nothing. `shown`
/// is what the preview said. Returns the new areas.
pub fn redraw(app: &AppState, who: &Who, plan: &Plan, shown: &Sums) -> Result<Vec<AreaId>, RedrawError> {
    let mut rules = app.rules_of(who.user.town)?;
    let town = who.user.town;
    let old = rules.areas.get(plan.from).filter(|area| who.scope.contains(area.id)).ok_or(RedrawError::NotTheirs)?;
    let first = rules.areas.iter().map(|area| area.id.0).max().unwrap_or_default() + 1;
    let made = (first..).map(AreaId).zip(&plan.fresh);
    let fresh: Vec<Area> = made.map(|(id, name)| Area::new(id, old.parent, old.level, name, "")).collect();
    let tree: AreaTree = rules.areas.iter().cloned().chain(fresh.iter().cloned()).collect();
    // Who splits a grid is responsible for what comes of it, before it stands in their scope.
    let mut acting = who.clone();
    acting.user.scope.extend(fresh.iter().map(|area| area.id));
    acting.scope = tree.scope(&acting.user.scope);
    let targets = plan.places.values().flatten().chain(&plan.rest);
    let there = targets.filter_map(|target| if let Target::There(id) = target { Some(*id) } else { None });
    for id in there {
        let open = tree.get(id).is_some_and(|area| !area.closed) && who.scope.contains(id);
        if !open || id == plan.from || tree.town_of(id) != Some(town) {
            return Err(RedrawError::NotTheirs);
        }
    }
    rules.areas = Arc::new(tree);
    store::write(&*app.store, town, |tx| {
        let survey = survey(&*tx, &rules, plan.from)?;
        let sums = survey.sums(plan);
        if sums != *shown {
            return Err(RedrawError::Changed);
        }
        if sums.going() == 0 && fresh.is_empty() {
            return Err(RedrawError::Nothing);
        }
        // Somebody made an area since the ids were chosen. Nobody writes meanwhile.
        let there: BTreeSet<AreaId> = app.store.areas()?.iter().map(|area| area.id).collect();
        if fresh.iter().any(|area| there.contains(&area.id)) {
            return Err(RedrawError::Changed);
        }
        tx.put_areas(&fresh)?;
        let gains: BTreeSet<AreaId> = fresh.iter().map(|area| area.id).collect();
        for user in keepers(&tx.users()?, plan.from) {
            if !gains.is_empty() {
                let mut user = user.clone();
                user.scope.extend(&gains);
                tx.put_user(&user)?;
            }
        }
        moved(app, tx, &rules, &acting, &survey, plan, &fresh)?;
        tx.put_audit(&Audit {
            at: rules.now,
            user: Some(who.user.id),
            action: "audit-area-redrawn".to_owned(),
            subject: plan.from.to_string(),
            detail: told(&sums, &fresh),
        })?;
        Ok(fresh.iter().map(|area| area.id).collect())
    })
}

/// How many went where, by the ids of areas.
fn told(sums: &Sums, fresh: &[Area]) -> String {
    let id = |target: &Target| match target {
        Target::There(id) => id.to_string(),
        Target::Fresh(place) => fresh.get(*place).map(|area| area.id.to_string()).unwrap_or_default(),
    };
    let went = sums.go.iter().map(|(target, counts)| format!("{} {}", id(target), counts.values().sum::<usize>()));
    went.collect::<Vec<_>>().join(", ")
}

fn moved(
    app: &AppState,
    tx: &mut dyn Tx,
    rules: &Rules,
    who: &Who,
    survey: &Survey,
    plan: &Plan,
    fresh: &[Area],
) -> Result<(), RedrawError> {
    let slot = accept::console_slot(app, tx)?;
    let user = &who.user;
    let author = Arc::new(Author { user: Some(user.id), name: user.name.clone(), role: user.role });
    let writer = Writer { who: who.clone(), slot, origin: Origin::Console };
    let goes = |(id, lies): (&RecordId, &Lies)| {
        let area = match survey.target(plan, *id).filter(|_| lies.moves)? {
            Target::There(id) => id,
            Target::Fresh(place) => fresh.get(place)?.id,
        };
        Some((*id, lies.clone(), area))
    };
    let going: Vec<(RecordId, Lies, AreaId)> = survey.lies.iter().filter_map(goes).collect();
    for chunk in going.chunks(CHUNK) {
        let mut edits = Vec::with_capacity(chunk.len());
        for (n, (record, lies, area)) in (accept::next_dot(tx, slot)?.n..).zip(chunk) {
            let form = rules.forms.newest(lies.kind).map(|form| form.version);
            edits.push(Edit {
                id: EditId::fresh(&*app.outside),
                record: *record,
                kind: lies.kind,
                part: Part::Open,
                dot: Dot { slot, n },
                context: lies.seen.clone(),
                epoch: rules.epoch,
                at: rules.now,
                zone: 480,
                author: Arc::clone(&author),
                form: form.ok_or(StoreError::Missing("the form"))?,
                writes: BTreeMap::from([(Path::field("area"), Value::of(area))]),
            });
        }
        let receipts = accept::accept_in(tx, rules, &writer, edits)?;
        for (receipt, (_, lies, _)) in receipts.iter().zip(chunk) {
            if !matches!(receipt.outcome, Outcome::Applied { .. }) {
                return Err(RedrawError::Refused(lies.title.clone()));
            }
        }
    }
    Ok(())
}
