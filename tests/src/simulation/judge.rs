//! After the links heal: what everybody holds against what they must.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use app::platform::{FileKeyStore, Paths};
use shared::edit::Edit;
use shared::ids::{Dot, EditId, RecordId};
use shared::merge::PartState;
use shared::outside::Outside;
use shared::path::Path;
use shared::record::{Part, RecordKind};
use shared::vector::VectorTimestamp;
use shared::view;
use shared::workflow::STEPS;
use sync_server::auth::Who;
use sync_server::store::{Quarantined, StoredPart};
use sync_server::sync::changes;
use sync_server::sync::cursor::Position;

use super::centre::edits_of;
use super::dice::Dice;
use super::hand::Hand;
use super::invariant::{Invariant, broken, must};
use super::past::Pasts;
use super::template::OTHER;
use super::world::World;
use crate::postgres;

/// Everything the server has.
pub(super) struct Held {
    /// Applied edits by id.
    pub applied: BTreeMap<EditId, Edit>,
    /// What it did not apply, decided on or not.
    pub quarantine: BTreeMap<EditId, Quarantined>,
    /// What it keeps as it came: stand-ins of what their authors had put away, too.
    pub raw: BTreeSet<EditId>,
    /// Parts with their states.
    pub parts: BTreeMap<(RecordId, Part), (StoredPart, PartState)>,
}

type Shown = BTreeMap<(RecordId, Part), PartState>;

impl World<'_> {
    /// The network is sound again, and everybody syncs.
    pub fn heal(&mut self) -> Result<()> {
        self.trace.say(|| "    the links heal".to_owned());
        self.healed = true;
        // What is under way may still fail: it began on a bad line.
        self.healed = false;
        self.run_out()?;
        self.healed = true;
        for _ in 0..3 {
            self.all_sync()?;
        }
        Ok(())
    }

    fn all_sync(&mut self) -> Result<()> {
        for place in 0..self.hands.len() {
            self.begin_sync(place, 0, false, u32::MAX)?;
            self.run_out()?;
        }
        Ok(())
    }

    /// One value is altered behind everybody's back, on the server or on a handheld: comparing finds it, and it is
    /// mended by replacing. Says whether there was anything to alter.
    pub fn damage(&mut self, dice: &mut Dice) -> Result<bool> {
        let place = dice.below(self.hands.len());
        let hand = self.hand(place)?;
        let store = hand.app()?.store()?;
        let confirmed: Vec<RecordId> = store.ids()?.into_iter().map(|(id, _)| id).collect();
        let Some(record) = dice.one(&confirmed).copied() else { return Ok(false) };
        let altered = if dice.percent(50) {
            postgres::execute(
                self.centre()?.folder(),
                &format!(
                    "UPDATE part SET state = replace(replace(state, '居民', '居氓'), '事件', '事牛')
                     WHERE record = {} AND part = 'open'",
                    postgres::bytes(self.centre()?.folder(), record.0.as_bytes())
                ),
            )?
        } else {
            let user = self.users.get(hand.owner).context("its user")?.id;
            let paths = Paths::new(&hand.files());
            let keys = FileKeyStore::new(&paths.keys());
            let key = app::handheld::key_behind(&paths, user, &keys, crate::near::PIN, hand.machine.now())?;
            let sql = rusqlite::Connection::open(paths.user(user).join("handheld.db"))?;
            let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
            sql.execute_batch(&format!("PRAGMA key = \"x'{hex}'\""))?;
            sql.execute(
                "UPDATE confirmed SET state = replace(replace(state, '居民', '居氓'), '事件', '事牛')
                 WHERE place = (SELECT 2 * row FROM record WHERE id = ?1)",
                [record.0.as_bytes().as_slice()],
            )?
        };
        if altered == 0 {
            return Ok(false);
        }
        self.trace.count("a value is altered behind everybody's back");
        self.trace.say(|| format!("    a value of {record} is altered"));
        for hand in &self.hands {
            hand.app()?.store()?.ask_check()?;
        }
        self.all_sync()?;
        self.all_sync()?;
        Ok(true)
    }

    /// With all delivered and a backup made, every handheld may be handed in.
    pub fn hand_in(&mut self) -> Result<()> {
        self.back_up()?;
        self.all_sync()?;
        for place in 0..self.hands.len() {
            let hand = self.hand(place)?;
            let lights = hand.app()?.lights()?;
            must(lights.safe_to_hand_in, Invariant::Lights, || {
                format!("[{place}] all is delivered and backed up, and the lamps say {lights:?}")
            })?;
            self.trace.count("a lamp says that a handheld can be handed in");
        }
        Ok(())
    }

    /// Every invariant, and what must be the same in a run with other clocks.
    pub fn judge(&mut self) -> Result<String> {
        let held = self.held()?;
        if !self.centre()?.read(|read| read.remains(1))?.is_empty() {
            self.trace.count("what a restore lost is told to staff");
        }
        let clockless = self.parts_as_model(&held)?;
        self.nothing_lost(&held)?;
        for place in 0..self.hands.len() {
            self.judge_hand(place, &held)?;
        }
        for (_, state) in held.parts.values() {
            self.trace.bytes("state", serde_json::to_string(state)?.as_bytes());
        }
        Ok(clockless)
    }

    pub(super) fn held(&self) -> Result<Held> {
        let ids: BTreeSet<RecordId> = self.records.iter().map(|(id, _)| *id).collect();
        let centre = self.centre()?;
        let keys: Vec<(RecordId, Part)> = ids.iter().flat_map(|id| Part::ALL.map(|part| (*id, part))).collect();
        let (mut doubled, mut twice) = (None, None);
        let (applied, quarantine, raw, stored) = centre.read(|read| {
            let mut applied = BTreeMap::new();
            let other = read.beside(OTHER);
            for record in &ids {
                for stored in edits_of(read, *record)? {
                    doubled = applied.insert(stored.edit.id, stored.edit).map(|edit: Edit| edit.id).or(doubled);
                }
            }
            let mut quarantine = read.quarantine(false, 100_000)?;
            quarantine.extend(other.quarantine(false, 100_000)?);
            let quarantine: BTreeMap<EditId, Quarantined> =
                quarantine.into_iter().map(|held| (held.edit.id, held)).collect();
            let raw = read.unreadable()?.into_iter().chain(other.unreadable()?);
            let raw: BTreeSet<EditId> = raw.map(|unreadable| unreadable.id).collect();
            let mut parts = read.load_many(&keys)?;
            twice = other.load_many(&keys)?.into_iter().find_map(|part| {
                let twice = parts.iter().any(|other| (other.record, other.part) == (part.record, part.part));
                let record = part.record;
                parts.push(part);
                twice.then_some(record)
            });
            Ok((applied, quarantine, raw, parts))
        })?;
        must(doubled.is_none(), Invariant::NothingTwice, || format!("{doubled:?} is applied twice"))?;
        must(twice.is_none(), Invariant::NothingTwice, || format!("{twice:?} is in both towns"))?;
        let mut parts = BTreeMap::new();
        for part in stored {
            let state = serde_json::from_str(&part.state)?;
            parts.insert((part.record, part.part), (part, state));
        }
        Ok(Held { applied, quarantine, raw, parts })
    }

    /// Each part on the server against the model. Gives the states without what clocks may change.
    fn parts_as_model(&self, held: &Held) -> Result<String> {
        let mut by_part: BTreeMap<(RecordId, Part), BTreeMap<EditId, Dot>> = BTreeMap::new();
        let mut dots: BTreeMap<Dot, EditId> = BTreeMap::new();
        for (id, edit) in &held.applied {
            let known = self.pasts.known(*id);
            let known = known.ok_or_else(|| broken(Invariant::NothingTwice, format!("nobody saved {id}")))?;
            must(known.writes == edit.writes, Invariant::NoEditLost, || format!("{id} arrived otherwise than saved"))?;
            by_part.entry((edit.record, edit.part)).or_default().insert(*id, edit.dot);
            if let Some(other) = dots.insert(edit.dot, *id) {
                return Err(broken(Invariant::NothingTwice, format!("{other} and {id} have the dot {:?}", edit.dot)));
            }
        }
        let mut clockless = String::new();
        for record in &self.erased {
            let part = Part::ALL
                .into_iter()
                .find(|part| held.parts.contains_key(&(*record, *part)) || by_part.contains_key(&(*record, *part)));
            must(part.is_none(), Invariant::Erased, || format!("the server still has {part:?} of {record}"))?;
        }
        for (key, (_, state)) in &held.parts {
            must(by_part.contains_key(key) || state.is_empty(), Invariant::LiveWrites, || {
                format!("{key:?} stands there and no edit of it")
            })?;
        }
        for ((record, part), applied) in &by_part {
            let state = held.parts.get(&(*record, *part)).map(|(_, state)| state);
            let state = state.ok_or_else(|| broken(Invariant::LiveWrites, format!("{record} has no {part:?} part")))?;
            let (least, most) = self.pasts.model(applied);
            let mut live: BTreeMap<Path, BTreeSet<EditId>> = BTreeMap::new();
            for (path, write) in state.all_live() {
                must(live.entry(path.clone()).or_default().insert(write.head.id), Invariant::NothingTwice, || {
                    format!("{} stands twice at {path} of {record}", write.head.id)
                })?;
                let said = self.pasts.known(write.head.id).and_then(|known| known.writes.get(path));
                must(said == Some(write.value), Invariant::LiveWrites, || {
                    format!("{path} of {record} has a value that {} did not write", write.head.id)
                })?;
            }
            let none = BTreeSet::new();
            let at = |live: &BTreeMap<Path, BTreeSet<EditId>>, path| live.get(path).unwrap_or(&none).clone();
            let paths: BTreeSet<&Path> = most.live.keys().chain(live.keys()).collect();
            let differ = paths.into_iter().filter(|path| {
                let stands = at(&live, path);
                !(at(&least.live, path).is_subset(&stands) && stands.is_subset(&at(&most.live, path)))
            });
            let differ: Vec<String> = differ
                .map(|path| format!("{path}: {:?}, by the model {:?}", at(&live, path), at(&most.live, path)))
                .collect();
            must(differ.is_empty(), Invariant::LiveWrites, || {
                format!("of {record} {part:?} live {}", differ.join("; "))
            })?;
            must([least.deletion, most.deletion].contains(&state.deletion()), Invariant::Deletes, || {
                format!("{record} {part:?} is {:?}, by the model {:?}", state.deletion(), most.deletion)
            })?;
            own_vector((*record, *part), state, &by_part)?;
            log_order(&self.pasts, *record, state)?;
            clockless.push_str(&without_clocks(*record, *part, state)?);
        }
        Ok(clockless)
    }

    fn nothing_lost(&self, held: &Held) -> Result<()> {
        let mut answered: BTreeSet<EditId> = BTreeSet::new();
        for hand in &self.hands {
            let store = hand.app()?.store()?;
            for id in &hand.saved {
                let state = store.edit_state(*id)?;
                if matches!(state.as_deref(), Some("applied" | "done")) {
                    answered.insert(*id);
                }
            }
        }
        for known in self.pasts.saved().filter(|known| !self.erased.contains(&known.record)) {
            let id = known.id;
            if self.excused.contains(&id) {
                continue;
            }
            let applied = held.applied.contains_key(&id);
            if held.raw.contains(&id) {
                continue;
            }
            let kept = held.quarantine.get(&id);
            must(applied || kept.is_some() || !answered.contains(&id), Invariant::Receipts, || {
                format!("the server said that it applied {id} of {}, and has it nowhere", known.record)
            })?;
            must(applied || kept.is_some(), Invariant::NoEditLost, || format!("{id} of {} is nowhere", known.record))?;
            let released =
                kept.is_some_and(|kept| matches!(kept.decision, Some(sync_server::store::Decision::Released(_))));
            must(!(applied && kept.is_some()) || released, Invariant::NothingTwice, || {
                format!("{id} is applied and in quarantine")
            })?;
        }
        Ok(())
    }

    fn judge_hand(&mut self, place: usize, held: &Held) -> Result<()> {
        let hand = self.hand(place)?;
        let app = hand.app()?;
        let store = app.store()?;
        must(app.outbox_counts()?.edits == 0, Invariant::NothingFails, || format!("[{place}] still holds edits"))?;
        let states = store.edit_states()?;
        must(!states.contains_key("applied"), Invariant::NothingFails, || {
            format!("[{place}] replays for ever: {states:?}")
        })?;
        let lights = app.lights()?;
        let photos = app.outbox_counts()?.photos;
        must(lights.delivered == (photos == 0), Invariant::Lights, || {
            format!("[{place}] all is delivered but {photos} photos, and the lamp says {}", lights.delivered)
        })?;
        let user = self.users.get(hand.owner).context("its user")?;
        let mut confirmed = Shown::new();
        for (id, kind) in store.ids()? {
            must(!self.erased.contains(&id), Invariant::Erased, || format!("[{place}] still holds {id}"))?;
            let page = app.record(id)?.context("held")?;
            for part in Part::ALL {
                let Some(state) = store.confirmed_part(id, part)? else { continue };
                must(*page.record.part(part) == state, Invariant::Shown, || {
                    format!("[{place}] shows {id} {part:?} otherwise than confirmed")
                })?;
                if state.is_empty() {
                    must(part == Part::Restricted, Invariant::Shown, || {
                        format!("[{place}] lists {id}, of which it has nothing")
                    })?;
                    continue;
                }
                must(part == Part::Open || user.cleared, Invariant::Restricted, || {
                    format!("[{place}] is not cleared and holds restricted {id}")
                })?;
                if part == Part::Open && kind == RecordKind::Person {
                    self.within_scope(place, id, held)?;
                }
                confirmed.insert((id, part), state);
            }
        }
        self.compare(place, &confirmed)?;
        let hand = self.hand(place)?;
        tray(place, hand, &self.put_away, held)
    }

    /// A resident on a handheld lies, on the server, in an area of its user.
    fn within_scope(&self, place: usize, id: RecordId, held: &Held) -> Result<()> {
        let user = self.hand(place).and_then(|hand| self.users.get(hand.owner).context("its user"))?;
        let tree = self.centre()?.app().areas()?;
        let scope = tree.scope(&user.scope);
        let lies = held.parts.get(&(id, Part::Open)).map(|(_, state)| view::areas(state)).unwrap_or_default();
        must(lies.iter().any(|area| scope.contains(*area)), Invariant::Gone, || {
            format!("[{place}] still holds {id}, which lies in {lies:?}")
        })
    }

    /// A handheld against what the server shows its user who begins anew.
    fn compare(&mut self, place: usize, confirmed: &Shown) -> Result<()> {
        let user = self.users.get(self.hand(place)?.owner).context("its user")?.clone();
        let centre = self.centre()?;
        let areas = centre.app().areas()?;
        let who = Who::of(user, &areas);
        let page = centre
            .read(|read| changes::page(read, &who, &areas, &mut Position::default(), &BTreeSet::new(), usize::MAX))?;
        let mut there = Shown::new();
        for item in page.items {
            if let Some(state) = item.state {
                there.insert((item.id, item.part), serde_json::from_str(state.get())?);
            }
        }
        for (key, state) in confirmed {
            must(there.contains_key(key), Invariant::Gone, || {
                format!("[{place}] holds {key:?}, which it may not see")
            })?;
            must(there.get(key) == Some(state), Invariant::Confirmed, || {
                let server = there.get(key).map(serde_json::to_string);
                format!("[{place}] holds {key:?}\n{:?}\nthe server\n{server:?}", serde_json::to_string(state))
            })?;
        }
        for key in there.keys() {
            must(confirmed.contains_key(key), Invariant::Confirmed, || format!("[{place}] lacks {key:?}"))?;
        }
        self.trace.bytes("held", format!("{:?}", confirmed.keys()).as_bytes());
        Ok(())
    }
}

/// What was rejected, and neither decided on nor seen to, stands in its author's tray.
fn tray(place: usize, hand: &Hand, put_away: &[EditId], held: &Held) -> Result<()> {
    let tray: BTreeSet<EditId> = hand.app()?.tray()?.into_iter().map(|item| item.edit.id).collect();
    for id in &hand.saved {
        let waits = held.quarantine.get(id).is_some_and(|held| held.decision.is_none());
        must(!waits || put_away.contains(id) || tray.contains(id), Invariant::Tray, || {
            format!("{id} waits in quarantine and is not in the tray of [{place}]")
        })?;
    }
    Ok(())
}

/// A part's vector is the join of the dots of its edits: it speaks of no other part and of no other record.
fn own_vector(
    (record, part): (RecordId, Part),
    state: &PartState,
    by_part: &BTreeMap<(RecordId, Part), BTreeMap<EditId, Dot>>,
) -> Result<()> {
    let dots = |part| -> VectorTimestamp {
        by_part.get(&(record, part)).into_iter().flat_map(BTreeMap::values).copied().collect()
    };
    let own = dots(part);
    if *state.vector() == own {
        return Ok(());
    }
    let other = dots(if part == Part::Open { Part::Restricted } else { Part::Open });
    let leaks = state.vector().iter().any(|dot| !own.covers(dot) && other.covers(dot));
    let invariant = if leaks { Invariant::Restricted } else { Invariant::Vectors };
    Err(broken(invariant, format!("the vector of {record} {part:?} is {:?}, its edits make {own:?}", state.vector())))
}

/// No entry of a log stands before one that its author had seen.
fn log_order(pasts: &Pasts, record: RecordId, state: &PartState) -> Result<()> {
    let entries: Vec<(EditId, Dot)> =
        view::log(state, STEPS).into_iter().map(|(_, write)| (write.head.id, write.dot)).collect();
    for (place, earlier) in entries.iter().enumerate() {
        for later in entries.iter().skip(place + 1) {
            must(!pasts.saw(*earlier, *later), Invariant::LogOrder, || {
                format!("{} stands before {} in {record}, which it had seen", earlier.0, later.0)
            })?;
        }
    }
    Ok(())
}

/// A state without times.
fn without_clocks(record: RecordId, part: Part, state: &PartState) -> Result<String> {
    let mut json = serde_json::to_value(state)?;
    let heads = json.get_mut("heads").and_then(|heads| heads.as_array_mut());
    for head in heads.into_iter().flatten() {
        if let Some(head) = head.get_mut(1).and_then(|head| head.as_object_mut()) {
            head.remove("at");
        }
    }
    Ok(format!("{record} {part:?} {json}\n"))
}
