//! What staff do at the centre.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use shared::area::AreaLevel;
use shared::ids::{EditId, RecordId};
use shared::path::Path;
use shared::record::{Part, RecordKind};
use shared::value::Value;
use shared::view::MERGED_INTO;
use shared::workflow::{self, Actor, STEPS};
use sync_server::auth::Who;
use sync_server::erase::{Reason, erase};
use sync_server::sync::alias::{self, AliasError, Merging, Seen};
use sync_server::sync::moving::{self, MoveError};
use sync_server::sync::quarantine::Decided;

use super::centre::edits_of;
use super::dice::Dice;
use super::invariant::{Invariant, broken};
use super::past::Past;
use super::template::{COMMUNITY, GRIDS, OTHER, OTHER_GRID, TOWN};
use super::world::World;

impl World<'_> {
    /// Staff save something, having seen all of the part.
    fn save_at_centre(
        &mut self,
        record: RecordId,
        part: Part,
        writes: impl FnOnce(EditId) -> BTreeMap<Path, Value>,
    ) -> Result<()> {
        let centre = self.centre.as_ref().context("the server runs")?;
        let Some(stored) = centre.part(record, part)? else { return Ok(()) };
        let past = self.seen(record, &stored.state, false, &|| format!("the server holds {record}"))?;
        let id = EditId::fresh(&*centre.app().outside);
        let writes = writes(id);
        let staff = if centre.is_elsewhere(record)? { &self.theirs } else { &self.staff };
        let edit = centre.save(staff, (record, stored.kind, part), stored.state.vector(), id, &writes)?;
        self.pasts.learn(&edit, past, true);
        self.trace.count("the console saved");
        self.trace.say(|| {
            let writes: Vec<String> = writes.iter().map(|(path, value)| format!("{path}={}", value.json())).collect();
            format!("      the console: {id} of {record} {}: {}", part.code(), writes.join(" "))
        });
        Ok(())
    }

    pub(super) fn console_writes(&mut self, dice: &mut Dice) -> Result<()> {
        let Some((record, kind)) = self.some_record(dice) else { return Ok(()) };
        if kind == RecordKind::Person && dice.percent(20) {
            let note = Value::text(&format!("中心{}", dice.below(3)));
            return self
                .save_at_centre(record, Part::Restricted, |_| BTreeMap::from([(Path::field("care_note"), note)]));
        }
        let write = match (kind, dice.below(4)) {
            (_, 0) if self.centre()?.is_elsewhere(record)? => (Path::field("area"), Value::of(&OTHER_GRID)),
            (_, 0) => (Path::field("area"), dice.one(&GRIDS).map_or_else(Value::null, Value::of)),
            (RecordKind::Event, _) => (Path::field("account"), Value::text(&format!("经过{}", dice.below(3)))),
            _ => (Path::field("phone"), Value::text(&format!("1380000000{}", dice.below(4)))),
        };
        self.save_at_centre(record, Part::Open, |_| BTreeMap::from([write]))
    }

    pub(super) fn console_steps(&mut self, dice: &mut Dice) -> Result<()> {
        let events: Vec<RecordId> =
            self.records.iter().filter(|(_, kind)| *kind == RecordKind::Event).map(|(id, _)| *id).collect();
        let Some(record) = dice.one(&events).copied() else { return Ok(()) };
        let centre = self.centre()?;
        let Some(stored) = centre.part(record, Part::Open)? else { return Ok(()) };
        let state = workflow::fold(&stored.state, &centre.app().calendar);
        let staff = if centre.is_elsewhere(record)? { &self.theirs } else { &self.staff };
        let actor = Actor::new(staff.id, staff.role, AreaLevel::Town);
        let Some(step) = dice.one(&workflow::allowed(&state, &actor)).copied() else { return Ok(()) };
        let entry = Value::of(&self.entry(step, dice));
        self.trace.count("the console takes a step of an event");
        self.save_at_centre(record, Part::Open, |id| BTreeMap::from([(Path::entry(STEPS, id), entry)]))
    }

    pub(super) fn decide(&mut self, dice: &mut Dice) -> Result<()> {
        let centre = self.centre.as_ref().context("the server runs")?;
        let mut held = centre.read(|read| read.quarantine(true, 1_000))?;
        let theirs = centre.read(|read| read.beside(OTHER).quarantine(true, 1_000))?;
        let there: BTreeSet<EditId> = theirs.iter().map(|held| held.edit.id).collect();
        held.extend(theirs);
        held.sort_by_key(|held| held.edit.id);
        let Some(held) = dice.one(&held) else { return Ok(()) };
        let (id, record, release) = (held.edit.id, held.edit.record, dice.percent(60));
        let staff = if there.contains(&id) { &self.theirs } else { &self.staff };
        let decided = centre.decide(staff, id, release)?;
        self.trace.say(|| format!("      {id} of {record}: released {release}, {decided:?}"));
        if release && decided == Decided::Done {
            self.trace.count("an edit is released from quarantine");
            let dot = centre.applied(record, id)?;
            let dot = dot.ok_or_else(|| broken(Invariant::NoEditLost, format!("{id} was released and is nowhere")))?;
            self.pasts.release(id, dot);
        } else if decided == Decided::Done {
            self.trace.count("an edit is dismissed");
        }
        Ok(())
    }

    pub(super) fn reassign(&mut self, dice: &mut Dice) -> Result<()> {
        let place = dice.below(self.users.len());
        let area = if dice.percent(25) { COMMUNITY } else { dice.one(&GRIDS).copied().unwrap_or(COMMUNITY) };
        let user = self.users.get_mut(place).context("a user")?;
        user.scope = match user.login.as_str() {
            _ if user.town == OTHER => vec![OTHER_GRID],
            "leader" if self.options.towns => vec![area, OTHER],
            _ => vec![area],
        };
        let user = user.clone();
        self.trace.count("a user has another scope");
        self.trace.say(|| format!("      {} now in {area}", user.login));
        self.centre()?.put_user(&user)
    }

    pub(super) fn clearance(&mut self, dice: &mut Dice) -> Result<()> {
        let place = dice.below(self.users.len());
        let user = self.users.get_mut(place).context("a user")?;
        user.cleared = !user.cleared;
        let user = user.clone();
        self.trace.count(if user.cleared { "clearance is given" } else { "clearance is taken" });
        self.trace.say(|| format!("      {} cleared: {}", user.login, user.cleared));
        self.centre()?.put_user(&user)
    }
}

impl World<'_> {
    /// Learns what the centre saved on these records, whose parts had these pasts before.
    fn learn_new(&mut self, records: &[RecordId], before: &BTreeMap<(RecordId, Part), Past>) -> Result<()> {
        let edits = self.centre()?.read(|read| {
            let mut edits = Vec::new();
            for record in records {
                edits.extend(edits_of(read, *record)?);
            }
            Ok(edits)
        })?;
        for stored in edits {
            if self.pasts.known(stored.edit.id).is_none() {
                let past = before.get(&(stored.edit.record, stored.edit.part)).cloned().unwrap_or_default();
                self.pasts.learn(&stored.edit, past, true);
            }
        }
        Ok(())
    }

    /// Staff hand a record over to the other town, with all that was merged into it.
    pub(super) fn hand_over(&mut self, dice: &mut Dice) -> Result<()> {
        let Some((record, _)) = self.some_record(dice) else { return Ok(()) };
        let centre = self.centre()?;
        let elsewhere = centre.is_elsewhere(record)?;
        let (staff, to) = match elsewhere {
            true => (&self.theirs, dice.one(&GRIDS).copied().unwrap_or(COMMUNITY)),
            false => (&self.staff, OTHER_GRID),
        };
        let group = centre.read(|read| {
            let there = read.beside(if elsewhere { OTHER } else { TOWN });
            Ok(std::iter::once(record).chain(alias::losers(&*there, record)?).collect::<Vec<_>>())
        })?;
        let mut before = BTreeMap::new();
        for id in &group {
            let Some(stored) = centre.part(*id, Part::Open)? else { continue };
            before.insert((*id, Part::Open), self.seen(*id, &stored.state, false, &|| "the server".to_owned())?);
        }
        let who = Who::of(staff.clone(), &*centre.app().areas()?);
        let moved = moving::hand_over(centre.app(), &who, record, to);
        self.trace.say(|| format!("      {record} to {to}: {moved:?}"));
        match moved {
            Ok(()) => self.trace.count("a record goes to another town"),
            Err(MoveError::Store(error)) => return Err(error.into()),
            // It never arrived, is erased, or was merged into another.
            Err(_) => {}
        }
        self.learn_new(&group, &before)
    }

    /// Staff see that two records are of one person, and choose a phone.
    pub(super) fn merge(&mut self, dice: &mut Dice) -> Result<()> {
        let (Some((winner, kind)), Some((loser, other))) = (self.some_record(dice), self.some_record(dice)) else {
            return Ok(());
        };
        if winner == loser || kind != RecordKind::Person || other != kind {
            return Ok(());
        }
        let centre = self.centre()?;
        let mut before = BTreeMap::new();
        let mut seen = Vec::new();
        for record in [winner, loser] {
            let mut vectors = Seen::default();
            for part in Part::ALL {
                let Some(stored) = centre.part(record, part)? else { continue };
                let past = self.seen(record, &stored.state, false, &|| "the server".to_owned())?;
                before.insert((record, part), past);
                match part {
                    Part::Open => vectors.open = stored.state.vector().clone(),
                    Part::Restricted => vectors.restricted = stored.state.vector().clone(),
                }
            }
            seen.push(vectors);
        }
        let (Some(loser_seen), Some(winner_seen)) = (seen.pop(), seen.pop()) else { return Ok(()) };
        let phone = Value::text(&format!("1380000000{}", dice.below(4)));
        let chosen = BTreeMap::from([(Part::Open, BTreeMap::from([(Path::field("phone"), phone)]))]);
        let who = self.staff_now()?;
        let merging = Merging { winner, winner_seen, loser, loser_seen, chosen };
        let merged = alias::merge(self.centre()?.app(), &who, &merging);
        self.trace.say(|| format!("      {loser} into {winner}: {merged:?}"));
        match merged {
            Ok(()) => self.trace.count("duplicates are merged"),
            Err(AliasError::Store(error)) => return Err(error.into()),
            // One of them never arrived, is erased, or belongs to a third.
            Err(_) => {}
        }
        self.learn_new(&[winner, loser], &before)
    }

    pub(super) fn unmerge(&mut self, dice: &mut Dice) -> Result<()> {
        let people: Vec<RecordId> =
            self.records.iter().filter(|(_, kind)| *kind == RecordKind::Person).map(|(id, _)| *id).collect();
        let centre = self.centre()?;
        let mut losers = Vec::new();
        for record in people {
            let Some(stored) = centre.part(record, Part::Open)? else { continue };
            if stored.state.live(&Path::field(MERGED_INTO)).any(|write| !write.value.is_null()) {
                losers.push((record, stored.state));
            }
        }
        let Some((loser, state)) = dice.one(&losers) else { return Ok(()) };
        let past = self.seen(*loser, state, false, &|| "the server".to_owned())?;
        let who = self.staff_now()?;
        let parted = alias::unmerge(self.centre()?.app(), &who, *loser, state.vector());
        self.trace.say(|| format!("      {loser} by itself: {parted:?}"));
        if parted.is_ok() {
            self.trace.count("a merge is undone");
        }
        self.learn_new(&[*loser], &BTreeMap::from([((*loser, Part::Open), past)]))
    }

    /// Somebody asks that everything about them be erased.
    pub(super) fn erase(&mut self, dice: &mut Dice) -> Result<()> {
        let Some((record, _)) = self.some_record(dice) else { return Ok(()) };
        let erased = erase(self.centre()?.app(), None, record, Reason::Request);
        self.trace.say(|| format!("      {record}: {erased:?}"));
        if let Ok(done) = erased {
            self.trace.count("a record is gone for good");
            self.erased.extend(done.records);
        }
        Ok(())
    }

    fn staff_now(&self) -> Result<Who> {
        Ok(Who::of(self.staff.clone(), &*self.centre()?.app().areas()?))
    }
}
