//! Taking in what the server says: receipts, then a page of the feed, then the cursor; one transaction.
//!
//! Server state *replaces* confirmed state; it is never joined with it: a rejected local value would erase the good
//! one. What was saved here and is not covered yet is replayed on top by the same `apply`.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::atomic::Ordering;

use chrono::{DateTime, Utc};
use rusqlite::OptionalExtension;
use serde_json::value::RawValue;
use shared::ids::{EditId, PhotoHash, RecordId};
use shared::json::{BadJson, check};
use shared::merge::PartState;
use shared::mutants::Mutant;
use shared::outside::Outside;
use shared::record::{Part, Record, RecordKind};
use shared::wire::{Item, SyncAnswer};

use super::meta::{self, key};
use super::project::{Shown, project};
use super::rows::{NewRows, blob, confirmed, find, id_at, json, kind_of, live_edits, put_confirmed};
use super::{Rules, Store, StoreError, Tx};

/// An answer of the server, read and checked, ready to be taken in.
pub struct Page {
    items: Vec<Prepared>,
    answer: SyncAnswer,
    received: (DateTime<Utc>, i64),
}

struct Prepared {
    id: RecordId,
    part: Part,
    content: Option<Content>,
    erased: bool,
    /// The item as it came, if this version cannot read it.
    unread: Option<Item>,
}

struct Content {
    kind: RecordKind,
    json: Box<RawValue>,
    /// The row as it will be if nothing else is known of the record. The state it was made of is not kept: whoever needs
    /// it reads it again, which on a first fill is nobody.
    alone: Option<Shown>,
}

impl Content {
    fn state(&self) -> Result<PartState, StoreError> {
        json("state of an item", self.json.get())
    }
}

/// What taking in a page did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageApplied {
    /// Items of the feed.
    pub items: usize,
    /// Edits that are part of their record now.
    pub applied: usize,
    /// Edits that went to the tray.
    pub rejected: usize,
    /// Parts among those asked for again that were not what the server sent now.
    pub mended: usize,
}

/// The items of an answer could not be looked at.
#[derive(Debug, thiserror::Error)]
#[error("the reader of the feed stopped")]
pub struct BadPage;

impl Page {
    /// Reads the items of an answer that just came: the work that needs no database. An item that cannot
    /// be read does not keep the others away: it is put aside, whole.
    pub fn read(mut answer: SyncAnswer, outside: &dyn Outside, rules: &Rules) -> Result<Self, BadPage> {
        let received = (outside.now(), outside.since_boot());
        let items = std::mem::take(&mut answer.items);
        // Two threads are worth it from a few hundred items on; a handheld of 2018 has at least four cores.
        let half = if items.len() < 400 { items.len() } else { items.len() / 2 };
        let mut first = items;
        let second = first.split_off(half);
        let (mut first, second) = std::thread::scope(|scope| {
            let other = (!second.is_empty()).then(|| scope.spawn(|| prepare(second, rules)));
            let first = prepare(first, rules);
            let second = other.map(std::thread::ScopedJoinHandle::join).transpose().map_err(|_| BadPage)?;
            Ok::<_, BadPage>((first, second.unwrap_or_default()))
        })?;
        first.extend(second);
        Ok(Self { items: first, answer, received })
    }

    /// The rest of the answer.
    pub fn answer(&self) -> &SyncAnswer {
        &self.answer
    }
}

fn prepare(items: Vec<Item>, rules: &Rules) -> Vec<Prepared> {
    let prepare = |mut item: Item| {
        let (id, part, erased) = (item.id, item.part, item.erased);
        match look_at(&item, rules) {
            Ok(Some((kind, alone))) => {
                let content = item.state.take().map(|json| Content { kind, json, alone });
                Prepared { id, part, content, erased, unread: None }
            }
            Ok(None) => Prepared { id, part, content: None, erased, unread: None },
            Err(why) => {
                tracing::warn!(%id, why, "an item of the feed cannot be read and is put aside");
                Prepared { id, part, content: None, erased, unread: Some(item) }
            }
        }
    };
    items.into_iter().map(prepare).collect()
}

/// Whether an item can be read, and its row if nothing else is known of it; nothing if it is gone.
fn look_at(item: &Item, rules: &Rules) -> Result<Option<(RecordKind, Option<Shown>)>, String> {
    let Some(json) = &item.state else { return Ok(None) };
    let kind = item.kind.ok_or("it has no kind")?;
    // The place alone: the message may quote a value.
    let place = |error: serde_json::Error| format!("line {}, column {}", error.line(), error.column());
    let state: PartState = serde_json::from_str(json.get()).map_err(place)?;
    no_key_twice(&state).map_err(|_| "a key stands twice")?;
    let alone = (item.part == Part::Open).then(|| project(rules, kind, &state, &PartState::default()));
    Ok(Some((kind, alone)))
}

/// The answer was read in one pass, in which every type refuses a key that stands twice; only the values of fields are
/// carried unread. Few of them are objects.
fn no_key_twice(state: &PartState) -> Result<(), BadJson> {
    state
        .all_live()
        .map(|(_, write)| write.value.json())
        .filter(|json| json.starts_with(['{', '[']))
        .try_for_each(|json| check(json.as_bytes()))
}

impl Store {
    /// Takes an answer in. Repeating it changes nothing.
    ///
    /// All of it or nothing, but not flushed to the disk at once: should the power fail, the last pages and receipts
    /// are asked for again. The next save, or [`Store::checkpoint`], makes it durable.
    pub fn apply(&self, page: Page) -> Result<PageApplied, StoreError> {
        self.apply_again(page, &[])
    }

    /// The same of an answer to a request that asked for parts `again` because they differ: it counts those that did.
    pub fn apply_again(&self, page: Page, again: &[(RecordId, Part)]) -> Result<PageApplied, StoreError> {
        self.taken_in.fetch_add(page.items.len(), Ordering::Relaxed);
        // A credential has to be durable before its first use: that spends the one before, and to come back to a spent one
        // after a power cut would look like a theft.
        let durable = page.answer.token.is_some();
        let work = |tx: &mut Tx<'_>| {
            let before = tx.texts(again)?;
            let mut done = tx.apply_page(page)?;
            let differs = |(before, after): &(&Option<String>, &Option<String>)| before != after;
            done.mended = before.iter().zip(&tx.texts(again)?).filter(differs).count();
            if done.mended > 0 {
                let mended: u64 = meta::get(&tx.sql, key::MENDED)?.unwrap_or_default();
                meta::put(&tx.sql, key::MENDED, &(mended + done.mended as u64))?;
            }
            Ok(done)
        };
        if durable { self.write(work) } else { self.write_relaxed(work) }
    }
}

/// Parts of records that have to be looked at again.
pub(super) type Touched = BTreeSet<(RecordId, Part)>;

impl Tx<'_> {
    fn apply_page(&mut self, page: Page) -> Result<PageApplied, StoreError> {
        let Page { items, answer, received } = page;
        // By the server's clock: 30 days are counted from here, and the one of the device may jump by years.
        let now = answer.time.timestamp_millis();
        let mut done = PageApplied { items: items.len(), ..PageApplied::default() };
        let mut touched = Touched::new();
        // Before anything that may lie under it.
        let hours = answer.setup.as_ref().map(|setup| setup.lease_hours);
        self.renew_lease(answer.lease.as_deref(), hours, answer.time, received)?;
        for receipt in &answer.receipts {
            self.take_receipt(receipt, now, &mut touched, &mut done)?;
        }
        let mut fill: i64 = meta::get(&self.sql, key::FILL)?.unwrap_or(1);
        let mut filling: bool = meta::get(&self.sql, key::FILLING)?.unwrap_or_default();
        let mut epochs: Vec<(i64, u32)> = meta::get(&self.sql, key::FILL_EPOCHS)?.unwrap_or_default();
        if answer.refill {
            let read_in: u32 = meta::get(&self.sql, key::EPOCH)?.unwrap_or(answer.epoch);
            match epochs.last_mut() {
                Some((last, epoch)) if *epoch == read_in => *last = fill,
                _ => epochs.push((fill, read_in)),
            }
            meta::put(&self.sql, key::FILL_EPOCHS, &epochs)?;
            fill += 1;
            filling = true;
            let empty: bool =
                self.sql.query_row("SELECT NOT EXISTS (SELECT 1 FROM confirmed)", [], |row| row.get(0))?;
            meta::put(&self.sql, key::FROM_EMPTY, &empty)?;
        }
        for receipt in &answer.released {
            self.take_release(receipt, now, fill)?;
        }
        let restored = filling && epochs.iter().any(|(_, epoch)| *epoch != answer.epoch);
        self.take_items(items, fill, restored, &mut touched)?;
        // In the answer that begins a fill, and in all but its last, the server passes nothing over: what it does not
        // name the user may not see. In others it leaves out what the receipt says already.
        let unnamed = if filling && (answer.refill || answer.more || answer.locked) { fill - 1 } else { fill };
        if unnamed < fill && !answer.receipts.is_empty() {
            meta::put(&self.sql, key::STALE, &true)?;
        }
        for (id, part) in &touched {
            self.settle_edits(*id, *part, unnamed, answer.epoch)?;
        }
        for id in touched.iter().map(|(id, _)| *id).collect::<BTreeSet<_>>() {
            self.refresh(id)?;
        }
        meta::put(&self.sql, key::BACKED_UP, &answer.backed_up)?;
        meta::put(&self.sql, key::WIPE, &answer.wipe)?;
        if answer.locked {
            // Receipts alone: of the feed nothing was given, so that its end is not here.
            self.seal_edits()?;
            return self.want_photos(&answer.wanted).map(|()| done);
        }
        if let Some(token) = &answer.token {
            meta::put(&self.sql, key::TOKEN, token)?;
        }
        if !answer.more {
            self.drop_stale(fill, filling, restored)?;
            if filling {
                self.take_back_releases(fill)?;
            }
            filling = false;
            meta::put(&self.sql, key::FILL_EPOCHS, &Vec::<(i64, u32)>::new())?;
        }
        self.seal_edits()?;
        self.want_photos(&answer.wanted)?;
        meta::put(&self.sql, key::FILL, &fill)?;
        meta::put(&self.sql, key::FILLING, &filling)?;
        meta::put(&self.sql, key::CURSOR, &answer.cursor)?;
        meta::put(&self.sql, key::EPOCH, &answer.epoch)?;
        if answer.elsewhere_safe {
            meta::put(&self.sql, key::EARLIER_OPEN, &false)?;
        }
        meta::put(&self.sql, key::CLOCK_OFFSET, &(answer.time - received.0).num_milliseconds())?;
        if let Some(setup) = &answer.setup {
            meta::put(&self.sql, key::SETUP, setup)?;
        }
        Ok(done)
    }

    fn take_items(
        &mut self,
        items: Vec<Prepared>,
        fill: i64,
        restored: bool,
        touched: &mut Touched,
    ) -> Result<(), StoreError> {
        let edited = self.edited_records()?;
        let mut aside = self.records_aside()?;
        let mut items = items.into_iter();
        let mut known_more_of: HashSet<RecordId> = edited.union(&aside).copied().collect();
        while let Some(item) = self.put_new(&mut items, &known_more_of, fill)? {
            let has_edits = edited.contains(&item.id);
            if item.erased {
                self.erase(item.id)?;
                touched.retain(|(id, _)| *id != item.id);
                continue;
            }
            let unread = item.unread.or_else(|| {
                // Without its open part a record cannot be shown, and half of it must not be.
                let half = item.part == Part::Restricted && aside.contains(&item.id);
                let content = item.content.as_ref().filter(|_| half)?;
                let (kind, state) = (Some(content.kind), Some(content.json.clone()));
                Some(Item { id: item.id, part: item.part, kind, state, erased: false })
            });
            if let Some(item) = unread {
                aside.insert(item.id);
                known_more_of.insert(item.id);
                self.put_aside(&item, fill)?;
                continue;
            }
            if aside.contains(&item.id) {
                self.take_from_aside(item.id, item.part)?;
            }
            let Some(content) = item.content else {
                self.take_gone(item.id, item.part, has_edits)?;
                if has_edits {
                    // Edits of it that have their receipts are done now, or it would stay for ever.
                    touched.insert((item.id, item.part));
                }
                continue;
            };
            let known = find(&self.sql, item.id)?;
            let mut record = Record::empty(item.id, known.map_or(content.kind, |(_, kind)| kind));
            *record.part_mut(item.part) = content.state()?;
            let mut json = content.json;
            // Planted mistake, see shared::mutants: what knows no less than the server's stays.
            if Mutant::ConfirmedJoined.on()
                && let Some((row, _)) = known
            {
                let held = confirmed(&self.sql, row, item.part)?;
                if held.vector().covers_all(record.part(item.part).vector()) {
                    json = serde_json::value::to_raw_value(&held)
                        .map_err(|error| StoreError::Row { what: "confirmed state", why: error.to_string() })?;
                    *record.part_mut(item.part) = held;
                }
            }
            let other = if item.part == Part::Open { Part::Restricted } else { Part::Open };
            if let Some((row, _)) = known {
                if restored {
                    self.note_remains((item.id, record.kind, item.part), row, record.part(item.part).vector())?;
                }
                *record.part_mut(other) = confirmed(&self.sql, row, other)?;
            }
            if has_edits {
                for edit in live_edits(&self.sql, item.id)? {
                    record.part_mut(edit.part).apply(&edit);
                }
                touched.insert((item.id, item.part));
            }
            let row = self.put_shown(&record)?;
            put_confirmed(&self.sql, row, item.part, fill, json.get())?;
        }
        Ok(())
    }

    /// The short way, taken by nearly all of a first fill: records of which nothing else is known, one after the other.
    /// Gives the first item that has to go the long way.
    fn put_new(
        &mut self,
        items: &mut impl Iterator<Item = Prepared>,
        known_more_of: &HashSet<RecordId>,
        fill: i64,
    ) -> Result<Option<Prepared>, StoreError> {
        let mut rows = NewRows::of(&self.sql, fill)?;
        for mut item in items {
            let content = item.content.as_mut().filter(|_| !known_more_of.contains(&item.id));
            let Some((content, shown)) = content.and_then(|content| {
                // What was merged into another changes more than its own row.
                let shown = content.alone.take().filter(|shown| shown.merged.is_none())?;
                Some((&*content, shown))
            }) else {
                return Ok(Some(item));
            };
            match rows.put(item.id, content.kind, shown, content.json.get())? {
                Some(change) => self.changes.push(change),
                None => return Ok(Some(item)),
            }
        }
        Ok(None)
    }

    /// Photos the server lacks although it was told of them: delivered again if they are still here.
    fn want_photos(&mut self, wanted: &[PhotoHash]) -> Result<(), StoreError> {
        for hash in wanted {
            self.sql
                .prepare_cached(
                    "UPDATE photo SET state = 'waiting', sent = 0, upload = '', delivered = 0
                     WHERE hash = ?1 AND state = 'delivered'",
                )?
                .execute([hash.as_str()])?;
        }
        Ok(())
    }
}

/// For tests and the diagnostics page.
impl Store {
    /// Edits by state.
    pub fn edit_states(&self) -> Result<BTreeMap<String, u64>, StoreError> {
        self.read(|sql| {
            let mut statement = sql.prepare_cached("SELECT state, count(*) FROM edit GROUP BY state")?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned())))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// The confirmed state of a part, exactly as held: what has to equal the server's projection.
    pub fn confirmed_part(&self, id: RecordId, part: Part) -> Result<Option<PartState>, StoreError> {
        self.read(|sql| match find(sql, id)? {
            Some((row, _)) => confirmed(sql, row, part).map(Some),
            None => Ok(None),
        })
    }

    /// Every record held: id and kind, in the order of ids.
    pub fn ids(&self) -> Result<Vec<(RecordId, RecordKind)>, StoreError> {
        self.read(|sql| {
            let mut statement = sql.prepare("SELECT id, kind FROM record ORDER BY id")?;
            let mut rows = statement.query([])?;
            let mut ids = Vec::new();
            while let Some(row) = rows.next()? {
                ids.push((RecordId(id_at(row, 0)?), kind_of(row.get_ref(1)?.as_str().unwrap_or_default())?));
            }
            Ok(ids)
        })
    }

    /// Edits of one edit id, for tests: its state.
    pub fn edit_state(&self, id: EditId) -> Result<Option<String>, StoreError> {
        self.read(|sql| {
            Ok(sql
                .prepare_cached("SELECT state FROM edit WHERE id = ?1")?
                .query_row([blob(&id.0)], |row| row.get(0))
                .optional()?)
        })
    }
}
