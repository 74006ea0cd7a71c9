//! What staff do at the centre.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use shared::area::AreaLevel;
use shared::ids::{EditId, RecordId};
use shared::path::Path;
use shared::record::{Part, RecordKind};
use shared::value::Value;
use shared::workflow::{self, Actor, STEPS};
use sync_server::sync::quarantine::Decided;

use super::dice::Dice;
use super::invariant::{Invariant, broken};
use super::template::{COMMUNITY, GRIDS};
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
        let past = self.pasts.seen(&stored.state);
        let past = past.map_err(|why| broken(Invariant::LiveWrites, format!("the server holds {record}: {why}")))?;
        let id = EditId::fresh(&*centre.app().outside);
        let writes = writes(id);
        let edit = centre.save(&self.staff, (record, stored.kind, part), stored.state.vector(), id, &writes)?;
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
        let actor = Actor::new(self.staff.id, self.staff.role, AreaLevel::Town);
        let Some(step) = dice.one(&workflow::allowed(&state, &actor)).copied() else { return Ok(()) };
        let entry = Value::of(&self.entry(step, dice));
        self.trace.count("the console takes a step of an event");
        self.save_at_centre(record, Part::Open, |id| BTreeMap::from([(Path::entry(STEPS, id), entry)]))
    }

    pub(super) fn decide(&mut self, dice: &mut Dice) -> Result<()> {
        let centre = self.centre.as_ref().context("the server runs")?;
        let mut held = centre.read(|read| read.quarantine(true, 1_000))?;
        held.sort_by_key(|held| held.edit.id);
        let Some(held) = dice.one(&held) else { return Ok(()) };
        let (id, record, release) = (held.edit.id, held.edit.record, dice.percent(60));
        let decided = centre.decide(&self.staff, id, release)?;
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
        user.scope = vec![area];
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
