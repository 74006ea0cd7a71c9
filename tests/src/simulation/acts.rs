//! What people do with their handhelds: through the same door as the screens.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use app::handheld::{Draft, RecordPage, SaveError, Saved};
use shared::area::AreaId;
use shared::ids::{EditId, RecordId};
use shared::merge::PartState;
use shared::path::Path;
use shared::record::{Part, RecordKind};
use shared::value::Value;
use shared::workflow::{Limit, STEPS, StepEntry};

use super::dice::Dice;
use super::forms::NEW_FIELD;
use super::invariant::{Invariant, broken};
use super::past::{Past, Screen};
use super::template::{COMMUNITY, GRIDS};
use super::world::World;

/// A grid that nobody knows.
const NOWHERE: AreaId = AreaId(999);

fn some_grid(dice: &mut Dice) -> AreaId {
    dice.one(&GRIDS).copied().unwrap_or(COMMUNITY)
}

/// A few changes of a resident, in both parts. Few values, so that some are equal.
fn some_writes(dice: &mut Dice, new_form: bool) -> BTreeMap<Path, Value> {
    let mut writes = BTreeMap::new();
    for _ in 0..=dice.below(2) {
        let n = dice.below(3);
        match dice.below(11) {
            0..3 => drop(writes.insert(Path::field("phone"), Value::text(&format!("1380000000{n}")))),
            3 => drop(writes.insert(Path::field("phone"), Value::null())),
            4 | 5 => drop(writes.insert(Path::field("address"), Value::text(&format!("{n} 号")))),
            6 => drop(writes.insert(Path::element("tags", &n.to_string()), Value::of(&true))),
            7 => drop(writes.insert(Path::element("tags", &n.to_string()), Value::null())),
            8 if new_form => drop(writes.insert(Path::field(NEW_FIELD), Value::text(&format!("别名{n}")))),
            8 | 9 => {
                writes.insert(Path::field("care_reason"), Value::text(&format!("原因{n}")));
                writes.insert(Path::field("care_until"), Value::text("2027-06-30"));
            }
            _ => drop(writes.insert(Path::field("care_note"), Value::text(&format!("约定{n}")))),
        }
    }
    writes
}

impl World<'_> {
    /// What is on the screen of a record's page, and what its reader has seen then.
    pub(super) fn look(&self, place: usize, record: RecordId) -> Result<Option<(RecordPage, Screen)>> {
        let Some(page) = self.hand(place)?.app()?.record(record)? else { return Ok(None) };
        let mut screen = Screen::new();
        let has_left = page.record.part(Part::Open).live(&Path::field("area")).next().is_none();
        for part in Part::ALL {
            let past = self.seen(record, page.record.part(part), has_left, &|| format!("[{place}] shows {record}"))?;
            screen.insert(part, past);
        }
        Ok(Some((page, screen)))
    }

    /// What somebody has seen who looks at this state of a part. What a restored server had lost counts only where it
    /// stands again: whoever begins from the server after a restore has not seen it, though they see what others wrote
    /// after it. Of a record that left the scope only own edits stand there that are still to be sent: what they had seen
    /// counts where they are known to have seen it.
    pub(super) fn seen(
        &self,
        record: RecordId,
        state: &PartState,
        has_left: bool,
        at: &dyn Fn() -> String,
    ) -> Result<Past> {
        let mut past = self.pasts.seen(state).map_err(|why| why.at(&at()))?;
        let live: BTreeSet<EditId> = state.all_live().map(|(_, write)| write.head.id).collect();
        for (id, dot) in self.pasts.in_past(&past, !has_left) {
            let mut dots = vec![dot];
            dots.extend(self.centre()?.applied(record, id)?);
            for hand in self.hands.iter().filter(|hand| hand.saved.contains(&id)) {
                let store = hand.app()?.store()?;
                // A number that the server gave a refused edit is covered by who never saw it.
                if matches!(store.edit_state(id)?.as_deref(), Some("waiting" | "applied" | "done")) {
                    dots.extend(store.own_edit(id)?.map(|(edit, _)| edit.dot));
                }
            }
            if !live.contains(&id) && !dots.iter().any(|dot| state.vector().covers(*dot)) {
                past = self.pasts.without(past, id);
            }
        }
        Ok(past)
    }

    /// Notes what was saved, with what its author had seen.
    pub(super) fn note(
        &mut self,
        place: usize,
        saved: Result<Saved, SaveError>,
        screen: &Screen,
    ) -> Result<Vec<EditId>> {
        let saved = match saved {
            Ok(saved) => saved,
            Err(SaveError::Problems(_) | SaveError::Nothing) => {
                self.trace.count("the form refuses");
                return Ok(Vec::new());
            }
            Err(SaveError::LeaseOver) => {
                self.trace.count("what is restricted lies closed");
                return Ok(Vec::new());
            }
            Err(other) => return Err(broken(Invariant::NothingFails, format!("[{place}] cannot save: {other}"))),
        };
        let store = self.hand(place)?.app()?.store()?;
        for id in &saved.edits {
            let (edit, _) = store.own_edit(*id)?.context("a saved edit is kept")?;
            self.trace.bytes("saved", edit.id.0.as_bytes());
            self.trace.say(|| {
                let writes: Vec<String> =
                    edit.writes.iter().map(|(path, value)| format!("{path}={}", value.json())).collect();
                let (part, dot) = (edit.part.code(), edit.dot);
                let what = writes.join(" ");
                let seen: Vec<String> = edit.context.iter().map(|dot| format!("{}/{}", dot.slot, dot.n)).collect();
                let seen = seen.join(" ");
                format!("      [{place}] {} of {} {part} {}/{}: {what} [{seen}]", edit.id, edit.record, dot.slot, dot.n)
            });
            if edit.part == Part::Restricted {
                self.trace.count("a restricted edit is saved");
            }
            self.pasts.learn(&edit, screen.get(&edit.part).cloned().unwrap_or_default(), false);
        }
        self.hand_mut(place)?.saved.extend(&saved.edits);
        Ok(saved.edits)
    }

    fn save(&mut self, place: usize, draft: Draft, screen: &Screen) -> Result<Vec<EditId>> {
        let saved = self.hand(place)?.app()?.save(draft, None);
        self.note(place, saved, screen)
    }

    fn new_record(&mut self, place: usize, kind: RecordKind) -> Result<Draft> {
        let app = self.hand(place)?.app()?;
        let form = app.form(kind).map_or(1, |form| form.version);
        let (edit, record) = (app.new_edit_id(), app.new_record_id());
        self.records.push((record, kind));
        Ok(Draft { edit, record, kind, form, context: BTreeMap::new(), seen: None, writes: BTreeMap::new() })
    }

    pub(super) fn some_record(&self, dice: &mut Dice) -> Option<(RecordId, RecordKind)> {
        // Mostly one of few, so that people meet.
        let few = self.records.len().min(6);
        let of = if dice.percent(70) { self.records.get(self.records.len() - few..)? } else { &self.records };
        dice.one(of).copied()
    }

    /// A form of some record that this handheld holds.
    fn form(&self, place: usize, dice: &mut Dice) -> Result<Option<(Draft, Screen)>> {
        let Some((record, _)) = self.some_record(dice) else { return Ok(None) };
        let Some((page, screen)) = self.look(place, record)? else { return Ok(None) };
        let draft = Draft {
            edit: self.hand(place)?.app()?.new_edit_id(),
            record,
            kind: page.record.kind,
            form: page.form.version,
            context: page.vectors,
            seen: Some(page.seen),
            writes: BTreeMap::new(),
        };
        Ok(Some((draft, screen)))
    }

    fn fill(draft: &mut Draft, dice: &mut Dice) {
        draft.writes = match draft.kind {
            RecordKind::Event => {
                BTreeMap::from([(Path::field("account"), Value::text(&format!("经过{}", dice.below(3))))])
            }
            _ => some_writes(dice, draft.form > 1),
        };
    }

    pub(super) fn register(&mut self, place: usize, dice: &mut Dice) -> Result<()> {
        let mut draft = self.new_record(place, RecordKind::Person)?;
        draft.writes = some_writes(dice, draft.form > 1);
        draft.writes.retain(|path, value| !path.as_str().starts_with("care") && !value.is_null());
        // Now and then where nobody knows a grid: refused, and all that follows it is an orphan.
        let area = if dice.percent(12) { NOWHERE } else { some_grid(dice) };
        draft.writes.insert(Path::field("name"), Value::text("居民"));
        draft.writes.insert(Path::field("area"), Value::of(&area));
        self.save(place, draft, &Screen::new()).map(drop)
    }

    pub(super) fn report(&mut self, place: usize, dice: &mut Dice) -> Result<()> {
        let mut draft = self.new_record(place, RecordKind::Event)?;
        let entry = serde_json::json!({ "step": "report", "text": "看过" });
        draft.writes = BTreeMap::from([
            (Path::field("title"), Value::text("事件")),
            (Path::field("category"), Value::text("hazard")),
            (Path::field("area"), Value::of(&some_grid(dice))),
            (Path::entry(STEPS, draft.edit), Value::of(&entry)),
        ]);
        self.save(place, draft, &Screen::new()).map(drop)
    }

    /// An entry of the log as somebody would fill it in.
    pub(super) fn entry(&self, step: shared::workflow::Step, dice: &mut Dice) -> StepEntry {
        let host = dice.one(&self.users).map(|user| user.id);
        let helper = dice.one(&self.users).map(|user| user.id).filter(|id| Some(*id) != host);
        use shared::workflow::Step;
        let gives = matches!(step, Step::Dispatch);
        StepEntry {
            step,
            text: "说明".to_owned(),
            host: host.filter(|_| gives),
            helpers: helper.filter(|_| gives).into_iter().collect(),
            limit: matches!(step, Step::Dispatch | Step::Extend | Step::GrantExtension).then_some(Limit::Days(1)),
            done: (step == Step::Handle).then(|| dice.percent(70)),
            satisfied: (step == Step::Feedback).then(|| dice.percent(70)),
            outcome: (step == Step::Close).then(|| "settled".to_owned()),
            ledger: (step == Step::Archive).then(|| "2026-1".to_owned()),
        }
    }

    pub(super) fn take_step(&mut self, place: usize, dice: &mut Dice) -> Result<()> {
        let events: Vec<RecordId> =
            self.records.iter().filter(|(_, kind)| *kind == RecordKind::Event).map(|(id, _)| *id).collect();
        let Some(record) = dice.one(&events).copied() else { return Ok(()) };
        let app = self.hand(place)?.app()?.clone();
        let Some(row) = app.event(record)? else { return Ok(()) };
        let Some(step) = dice.one(&row.allowed).copied() else { return Ok(()) };
        let Some((page, screen)) = self.look(place, record)? else { return Ok(()) };
        let edit = app.new_edit_id();
        let entry = self.entry(step, dice);
        let draft = Draft {
            edit,
            record,
            kind: RecordKind::Event,
            form: page.form.version,
            context: page.vectors,
            seen: Some(page.seen),
            writes: BTreeMap::from([(Path::entry(STEPS, edit), Value::of(&entry))]),
        };
        self.trace.count("a step is taken");
        self.save(place, draft, &screen).map(drop)
    }

    pub(super) fn change(&mut self, place: usize, dice: &mut Dice) -> Result<()> {
        let Some((mut draft, screen)) = self.form(place, dice)? else { return Ok(()) };
        Self::fill(&mut draft, dice);
        self.save(place, draft, &screen).map(drop)
    }

    pub(super) fn open_form(&mut self, place: usize, dice: &mut Dice) -> Result<()> {
        if let Some(form) = self.form(place, dice)? {
            self.hand_mut(place)?.open.push(form);
        }
        Ok(())
    }

    pub(super) fn save_form(&mut self, place: usize, dice: &mut Dice) -> Result<()> {
        let Some((mut draft, screen)) = self.hand_mut(place)?.open.pop() else { return Ok(()) };
        Self::fill(&mut draft, dice);
        self.trace.count("a form left open is saved");
        self.save(place, draft, &screen).map(drop)
    }

    pub(super) fn move_record(&mut self, place: usize, dice: &mut Dice) -> Result<()> {
        let Some((mut draft, screen)) = self.form(place, dice)? else { return Ok(()) };
        let area = if dice.percent(20) { NOWHERE } else { some_grid(dice) };
        draft.writes = BTreeMap::from([(Path::field("area"), Value::of(&area))]);
        self.save(place, draft, &screen).map(drop)
    }

    pub(super) fn delete(&mut self, place: usize, dice: &mut Dice) -> Result<()> {
        let Some((record, _)) = self.some_record(dice) else { return Ok(()) };
        let Some((_, screen)) = self.look(place, record)? else { return Ok(()) };
        let saved = self.hand(place)?.app()?.delete(record, dice.percent(60));
        self.note(place, saved, &screen).map(drop)
    }

    pub(super) fn settle(&mut self, place: usize, dice: &mut Dice) -> Result<()> {
        let app = self.hand(place)?.app()?.clone();
        let mut waiting = app.conflicts(50, 0)?.0;
        // The order of the list is one of clocks.
        waiting.sort_by_key(|(hit, _)| hit.id);
        let Some((hit, fields)) = dice.one(&waiting) else { return Ok(()) };
        let Some(field) = dice.one(fields) else { return Ok(()) };
        let Some((page, screen)) = self.look(place, hit.id)? else { return Ok(()) };
        let live: Vec<Value> =
            page.record.part(field.part).live(&Path::field(&field.field)).map(|write| write.value.clone()).collect();
        let Some(value) = dice.one(&live).cloned() else { return Ok(()) };
        let saved = app.settle(hit.id, field.part, &field.field, value);
        let ids = self.note(place, saved, &screen)?;
        self.trace.count("a conflict is decided");
        self.hand_mut(place)?.settled.extend(ids);
        Ok(())
    }

    pub(super) fn undo(&mut self, place: usize) -> Result<()> {
        let Some(settled) = self.hand_mut(place)?.settled.pop() else { return Ok(()) };
        let Some(record) = self.pasts.known(settled).map(|known| known.record) else { return Ok(()) };
        let Some((_, screen)) = self.look(place, record)? else { return Ok(()) };
        let saved = self.hand(place)?.app()?.undo_settle(settled);
        self.trace.count("a decision is taken back");
        self.note(place, saved, &screen).map(drop)
    }

    pub(super) fn see_to_tray(&mut self, place: usize, dice: &mut Dice) -> Result<()> {
        let app = self.hand(place)?.app()?.clone();
        let mut tray = app.tray()?;
        tray.sort_by_key(|item| item.edit.id);
        let Some(item) = dice.one(&tray) else { return Ok(()) };
        let old = item.edit.id;
        if dice.percent(30) {
            app.withdraw(old).map_err(|error| broken(Invariant::NothingFails, format!("cannot withdraw: {error}")))?;
            self.trace.count("an edit is withdrawn");
            self.put_away.push(old);
            return Ok(());
        }
        // A new edit that has seen what the old one had.
        let past = self.pasts.known(old).map(|known| known.past.clone()).unwrap_or_default();
        let screen = Screen::from([(item.edit.part, past)]);
        let mut writes = item.edit.writes.clone();
        if let Some(area) = writes.get_mut(&Path::field("area")) {
            *area = Value::of(&some_grid(dice));
        }
        let saved = app.correct(old, writes);
        if !self.note(place, saved, &screen)?.is_empty() {
            self.trace.count("an edit is corrected");
            self.put_away.push(old);
        }
        Ok(())
    }

    pub(super) fn photo(&mut self, place: usize, dice: &mut Dice) -> Result<()> {
        let events: Vec<RecordId> =
            self.records.iter().filter(|(_, kind)| *kind == RecordKind::Event).map(|(id, _)| *id).collect();
        let Some(record) = dice.one(&events).copied() else { return Ok(()) };
        let app = self.hand(place)?.app()?.clone();
        let Some((page, screen)) = self.look(place, record)? else { return Ok(()) };
        let at = chrono::DateTime::from_timestamp_millis(self.time.now()).unwrap_or_default();
        let picture = crate::picture::jpeg(32, 24, None, dice.roll())?;
        let taken = app.take_in(&picture, None, Some(at)).map_err(|error| anyhow::anyhow!("{error}"))?;
        let draft = Draft {
            edit: app.new_edit_id(),
            record,
            kind: RecordKind::Event,
            form: page.form.version,
            context: page.vectors,
            seen: Some(page.seen),
            writes: BTreeMap::from([(Path::element("photos", taken.hash.as_str()), Value::of(&taken.particulars))]),
        };
        self.trace.count("a photo is taken");
        self.save(place, draft, &screen).map(drop)
    }
}
