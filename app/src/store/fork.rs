//! Who this installation is, and what happens when that is in doubt: its files were restored or copied, another
//! installation goes on under the same slot, the server was restored, or the user enrolled anew while edits waited.
//!
//! All of it is settled by one question (`docs/decisions/007`) and one transaction: outcomes are taken, what the server
//! does not have gets dots of the new slot in order, and own dots in contexts follow.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};
use shared::edit::Edit;
use shared::ids::{DeviceId, Dot, EditId, RecordId, Slot};
use shared::limits::{IDS_A_QUESTION, PROTOCOL};
use shared::mutants::Mutant;
use shared::outside::Outside;
use shared::vector::VectorTimestamp;
use shared::wire::{EnrolAnswer, Outcome, Receipt, SlotAnswer, SlotRequest, SyncAnswer};
use uuid::Uuid;

use super::confirmed::Touched;
use super::meta::{self, key};
use super::rows::{blob, id_at, json, text};
use super::{PageApplied, Store, StoreError, Tx};

/// A question that is not answered yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Doubt {
    /// Made for it.
    key: Uuid,
    /// The files are older than this installation, or of another one.
    restored: bool,
    /// The installation that asks: whoever gets these files must not ask under the same key.
    nonce: String,
    /// The slot of a new enrolment that what waits is to move to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    moving: Option<Slot>,
}

impl Store {
    /// Says to which installation these files belong now. Another one than before, and nothing is sent or taken in until
    /// the server was asked who this is.
    pub fn installed(&self, nonce: &str, outside: &dyn Outside) -> Result<(), StoreError> {
        let known: Option<String> = self.read(|sql| meta::get(sql, key::NONCE))?;
        if known.as_deref() == Some(nonce) {
            return Ok(());
        }
        self.write(|tx| {
            let sql = &tx.sql;
            // Planted mistake, see shared::mutants.
            let reused = Mutant::SlotReused.on();
            if known.is_none() || reused || meta::get::<Slot>(sql, key::SLOT)?.is_none() {
                return meta::put(sql, key::NONCE, &nonce);
            }
            let before: Option<Doubt> = meta::get(sql, key::DOUBT)?;
            let doubt = match before {
                Some(doubt) if doubt.nonce == nonce => Doubt { restored: true, ..doubt },
                other => Doubt {
                    key: outside.uuid(),
                    restored: true,
                    nonce: nonce.to_owned(),
                    moving: other.and_then(|doubt| doubt.moving),
                },
            };
            meta::put(sql, key::DOUBT, &doubt)
        })
    }

    /// The slot written under, if all that is kept was saved under it. What was saved under earlier ones could not be
    /// offered under it again: it would come behind what has seen it.
    pub fn only_slot(&self) -> Result<Option<Slot>, StoreError> {
        self.read(|sql| {
            let Some(slot) = meta::get::<Slot>(sql, key::SLOT)? else { return Ok(None) };
            let others: bool = sql
                .prepare_cached("SELECT EXISTS (SELECT 1 FROM edit WHERE slot <> ?1)")?
                .query_row([slot.0.cast_signed()], |row| row.get(0))?;
            Ok((!others).then_some(slot))
        })
    }

    /// Doubts that this handheld and the server mean the same by its slot: the server is asked before anything else.
    pub fn doubt(&self, outside: &dyn Outside) -> Result<(), StoreError> {
        self.write(|tx| {
            if meta::get::<Doubt>(&tx.sql, key::DOUBT)?.is_some() {
                return Ok(());
            }
            let nonce = meta::get(&tx.sql, key::NONCE)?.unwrap_or_default();
            let doubt = Doubt { key: outside.uuid(), restored: false, nonce, moving: None };
            meta::put(&tx.sql, key::DOUBT, &doubt)
        })
    }

    /// The question to be asked, if there is doubt.
    pub fn question(&self) -> Result<Option<SlotRequest>, StoreError> {
        self.read(|sql| {
            let Some(doubt) = meta::get::<Doubt>(sql, key::DOUBT)? else { return Ok(None) };
            // All that is kept of the slot, not only what waits: a restored server may lack some of it below its
            // high-water, where another installation wrote since. Of a new enrolment only what waits moves; it may be of
            // several slots, each counting for itself, and counts here as it will in the new one.
            let moving = doubt.moving.is_some();
            let slot = meta::get::<Slot>(sql, key::SLOT)?.unwrap_or(Slot(0));
            let which = if moving { "state = 'waiting' ORDER BY seq" } else { "slot = ?2 ORDER BY n, seq" };
            let mut statement =
                sql.prepare_cached(&format!("SELECT id, n FROM edit WHERE ?2 IS NOT NULL AND {which} LIMIT ?1"))?;
            let most = i64::try_from(IDS_A_QUESTION).unwrap_or(i64::MAX);
            let mut waiting: Vec<(EditId, u64)> = statement
                .query_map([most, slot.0.cast_signed()], |row| {
                    Ok((EditId(id_at(row, 0)?), row.get::<_, i64>(1)?.cast_unsigned()))
                })?
                .collect::<Result<_, _>>()?;
            if moving {
                for ((_, n), place) in waiting.iter_mut().zip(1..) {
                    *n = place;
                }
            }
            waiting.dedup_by_key(|(_, n)| *n);
            // Of a new enrolment the server knows no n at all.
            let forgotten = if moving { 0 } else { forgotten(sql)? };
            Ok(Some(SlotRequest { protocol: PROTOCOL, key: doubt.key, restored: doubt.restored, forgotten, waiting }))
        })
    }

    /// Whether an answer to a round shows that the server and this handheld do not mean the same by the slot: it has
    /// outcomes for an n that waits here and brought no receipt, or that was never given; it lacks one that is not kept any
    /// more; or it was restored and has not been asked since. Then not even its page may be taken in: it could hide what waits.
    pub fn parted(&self, answer: &SyncAnswer) -> Result<bool, StoreError> {
        // Planted mistake, see shared::mutants.
        if Mutant::SlotReused.on() {
            return Ok(false);
        }
        self.read(|sql| {
            let Some(slot) = meta::get::<Slot>(sql, key::SLOT)? else { return Ok(false) };
            let next: u64 = meta::get(sql, key::NEXT_N)?.unwrap_or(1);
            let high_water = answer.high_water;
            if high_water >= next {
                return Ok(true);
            }
            let epoch: Option<u32> = meta::get(sql, key::EPOCH)?;
            let asked: Option<u32> = meta::get(sql, key::ASKED_EPOCH)?;
            if epoch.is_some_and(|epoch| epoch != answer.epoch) && asked != Some(answer.epoch) {
                // The server was restored. By its high-water alone nobody can tell which edits it has: another
                // installation under this slot may have written there since.
                let kept = "SELECT EXISTS (SELECT 1 FROM edit WHERE slot = ?1)";
                return Ok(sql.prepare_cached(kept)?.query_row([slot.0.cast_signed()], |row| row.get(0))?);
            }
            let mut statement = sql
                .prepare_cached("SELECT id FROM edit WHERE slot = ?1 AND n <= ?2 AND state = 'waiting' ORDER BY seq")?;
            let mut rows = statement.query(params![slot.0.cast_signed(), high_water.cast_signed()])?;
            while let Some(row) = rows.next()? {
                let id = EditId(id_at(row, 0)?);
                if !answer.receipts.iter().any(|receipt| receipt.edit == id) {
                    return Ok(true);
                }
            }
            let kept: i64 = sql
                .prepare_cached("SELECT count(*) FROM edit WHERE slot = ?1 AND n > ?2")?
                .query_row(params![slot.0.cast_signed(), high_water.cast_signed()], |row| row.get(0))?;
            Ok(kept.cast_unsigned() + 1 + high_water < next)
        })
    }

    /// Takes the answer to `asked`: outcomes, what has to go again, and the new slot if there is one. One transaction,
    /// durable when this returns. Taking it in again changes nothing.
    pub fn settle_slot(
        &self,
        asked: &SlotRequest,
        answer: &SlotAnswer,
        received: DateTime<Utc>,
        outside: &dyn Outside,
    ) -> Result<(), StoreError> {
        self.write(|tx| {
            let Some(doubt) = meta::get::<Doubt>(&tx.sql, key::DOUBT)?.filter(|doubt| doubt.key == asked.key) else {
                return Ok(());
            };
            let ns: BTreeMap<EditId, u64> = asked.waiting.iter().copied().collect();
            let beyond = |receipt: &Receipt| ns.get(&receipt.edit).is_some_and(|n| *n > answer.high_water);
            if doubt.moving.is_none() && answer.fork.is_none() && answer.receipts.iter().any(beyond) {
                // A restored server got some of it from another installation, under other numbers: those here will never
                // be filled in order. Another slot it is.
                return meta::put(&tx.sql, key::DOUBT, &Doubt { restored: true, ..doubt });
            }
            let off: i64 = meta::get(&tx.sql, key::CLOCK_OFFSET)?.unwrap_or_default();
            tx.settle_slot(&doubt, asked, answer, received.timestamp_millis().saturating_add(off), outside)?;
            meta::put(&tx.sql, key::NONCE, &doubt.nonce)?;
            meta::put(&tx.sql, key::ASKED_EPOCH, &answer.epoch)?;
            tx.sql.execute("DELETE FROM meta WHERE key = ?1", [key::DOUBT])?;
            Ok(())
        })
    }

    /// Notes an enrolment. What waits moves to the new slot once the server was asked what it has of it under the old
    /// one; until then new edits go on behind it. The feed begins anew.
    pub fn enrolled(&self, server: &str, answer: &EnrolAnswer, outside: &dyn Outside) -> Result<(), StoreError> {
        self.write(|tx| {
            let sql = &tx.sql;
            meta::put(sql, key::SERVER, &server)?;
            meta::put(sql, key::TOKEN, &answer.token)?;
            meta::put(sql, key::DEVICE, &answer.device)?;
            meta::put(sql, key::SETUP, &answer.setup)?;
            sql.execute("DELETE FROM meta WHERE key = ?1", [key::CURSOR])?;
            let old: Option<Slot> = meta::get(sql, key::SLOT)?;
            let epoch: Option<u32> = meta::get(sql, key::EPOCH)?;
            if epoch.is_none() {
                // Later it is that of the last page taken in: it says in which epoch what stands here was read.
                meta::put(sql, key::EPOCH, &answer.epoch)?;
            }
            if old == Some(answer.slot) {
                return Ok(());
            }
            if epoch.is_some_and(|epoch| epoch != answer.epoch) {
                // The server was restored and did not know this handheld any more: it may lack anything.
                tx.offer_again("1", [])?;
            }
            let waits: bool =
                tx.sql.query_row("SELECT EXISTS (SELECT 1 FROM edit WHERE state = 'waiting')", [], |row| row.get(0))?;
            if waits && old.is_some() {
                let nonce = meta::get(&tx.sql, key::NONCE)?.unwrap_or_default();
                let doubt = Doubt { key: outside.uuid(), restored: false, nonce, moving: Some(answer.slot) };
                return meta::put(&tx.sql, key::DOUBT, &doubt);
            }
            tx.sql.execute("DELETE FROM meta WHERE key = ?1", [key::DOUBT])?;
            tx.become_writer(answer.slot, 1)
        })
    }
}

/// The highest n below the next that is not kept any more.
fn forgotten(sql: &Connection) -> Result<u64, StoreError> {
    let Some(slot) = meta::get::<Slot>(sql, key::SLOT)? else { return Ok(0) };
    let mut missing = meta::get::<u64>(sql, key::NEXT_N)?.unwrap_or(1).saturating_sub(1);
    let mut statement = sql.prepare_cached("SELECT n FROM edit WHERE slot = ?1 ORDER BY n DESC")?;
    let mut rows = statement.query([slot.0.cast_signed()])?;
    while let Some(row) = rows.next()? {
        if row.get::<_, i64>(0)?.cast_unsigned() != missing {
            break;
        }
        missing = missing.saturating_sub(1);
    }
    Ok(missing)
}

/// Where own edits stand now, by the dot they were saved with.
#[derive(Debug, Default)]
struct Moves(BTreeMap<Slot, BTreeMap<u64, Dot>>);

impl Moves {
    fn put(&mut self, from: Dot, to: Dot) {
        self.0.entry(from.slot).or_default().insert(from.n, to);
    }

    fn iter(&self) -> impl Iterator<Item = (Dot, Dot)> + '_ {
        self.0.iter().flat_map(|(slot, moved)| moved.iter().map(|(n, to)| (Dot { slot: *slot, n: *n }, *to)))
    }

    /// The context with the dots that moved replaced by those they stand under now. What a slot has beyond the first of
    /// them is not ours: it is cut off.
    fn map(&self, context: &VectorTimestamp) -> VectorTimestamp {
        let mut mapped = VectorTimestamp::new();
        for dot in context.iter() {
            let moved = self.0.get(&dot.slot).filter(|moved| moved.first_key_value().is_some_and(|(n, _)| *n <= dot.n));
            let first = moved.and_then(|moved| moved.first_key_value()).map(|(n, _)| *n);
            mapped.observe(Dot { n: first.map_or(dot.n, |first| first.saturating_sub(1)), ..dot });
            for to in moved.into_iter().flat_map(|moved| moved.range(..=dot.n)).map(|(_, to)| *to) {
                mapped.observe(to);
            }
        }
        mapped
    }
}

/// A context as it was read when this handheld may have been another writer, in today's dots. `slot` is who it was then;
/// `None` if that was not noted.
pub(super) fn todays(
    sql: &Connection,
    slot: Option<Slot>,
    context: VectorTimestamp,
) -> Result<VectorTimestamp, StoreError> {
    let now: Option<Slot> = meta::get(sql, key::SLOT)?;
    if context.is_empty() || slot.is_some() && slot == now {
        return Ok(context);
    }
    let mut moves = Moves::default();
    let mut statement = sql.prepare_cached("SELECT slot, n, to_slot, to_n FROM moved")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let number = |column| Ok::<_, rusqlite::Error>(row.get::<_, i64>(column)?.cast_unsigned());
        let from = Dot { slot: Slot(number(0)?), n: number(1)? };
        if slot.is_none_or(|slot| slot == from.slot) {
            moves.put(from, Dot { slot: Slot(number(2)?), n: number(3)? });
        }
    }
    Ok(moves.map(&context))
}

impl Tx<'_> {
    fn settle_slot(
        &mut self,
        doubt: &Doubt,
        asked: &SlotRequest,
        answer: &SlotAnswer,
        now: i64,
        outside: &dyn Outside,
    ) -> Result<(), StoreError> {
        let old = meta::get::<Slot>(&self.sql, key::SLOT)?.ok_or(StoreError::NotEnrolled)?;
        if doubt.moving.is_none() {
            self.offer_again("slot = ?1 AND n > ?2", params![old.0.cast_signed(), answer.high_water.cast_signed()])?;
            let known: BTreeSet<EditId> = answer.receipts.iter().map(|receipt| receipt.edit).collect();
            for (id, _) in asked.waiting.iter().filter(|(id, _)| !known.contains(id)) {
                self.offer_again("id = ?1", [blob(&id.0)])?;
            }
        }
        let asked_about = self.waiting_edits()?;
        let mut touched = Touched::new();
        let mut done = PageApplied::default();
        let fork = answer.fork.as_ref();
        // Planted mistake, see shared::mutants: new names for all, known or not.
        let reapplies = fork.is_some() && Mutant::ForkReapplies.on();
        for receipt in answer.receipts.iter().filter(|_| !reapplies) {
            self.take_receipt(receipt, now, &mut touched, &mut done)?;
        }
        let outcomes: BTreeMap<EditId, &Outcome> =
            answer.receipts.iter().map(|receipt| (receipt.edit, &receipt.outcome)).collect();
        let dots: BTreeMap<EditId, Dot> = answer.dots.iter().copied().collect();
        let new = fork.map(|fork| fork.slot).or(doubt.moving);
        let mut moves = Moves::default();
        let mut next = 1;
        for (seq, mut edit) in asked_about {
            edit.context = moves.map(&edit.context);
            let was = edit.dot;
            match (outcomes.get(&edit.id).filter(|_| !reapplies), new) {
                (Some(Outcome::Applied { .. }), _) => edit.dot = dots.get(&edit.id).copied().unwrap_or(edit.dot),
                (Some(Outcome::Rejected(_)), _) | (None, None) => {}
                (None, Some(slot)) => {
                    edit.dot = Dot { slot, n: next };
                    next += 1;
                }
            }
            if reapplies {
                edit.id = EditId::fresh(outside);
            }
            if edit.dot != was {
                moves.put(was, edit.dot);
            }
            self.put_edit(seq, &edit)?;
        }
        self.remember_moves(&moves, now)?;
        if let Some(slot) = new {
            self.become_writer(slot, next)?;
        } else {
            let next: u64 = meta::get(&self.sql, key::NEXT_N)?.unwrap_or(1);
            meta::put(&self.sql, key::NEXT_N, &next.max(answer.high_water.saturating_add(1)))?;
        }
        if let Some(fork) = fork {
            let device: &DeviceId = &fork.device;
            meta::put(&self.sql, key::DEVICE, device)?;
            meta::put(&self.sql, key::TOKEN, &fork.token)?;
            // Until the server says otherwise: what was sent under the old slot may be in no backup.
            meta::put(&self.sql, key::EARLIER_OPEN, &true)?;
        }
        self.refresh_waiting()
    }

    /// Writes as `slot` from now on. The feed begins anew: a cursor is bound to its enrolment; so are uploads.
    fn become_writer(&mut self, slot: Slot, next: u64) -> Result<(), StoreError> {
        let given = meta::get::<u64>(&self.sql, key::NEXT_N)?.unwrap_or(1).saturating_sub(1);
        let held = meta::get::<u64>(&self.sql, key::BACKED_UP)?.unwrap_or_default();
        // What went up before is in a backup for certain only once one holds an edit of the new slot.
        let open: bool = meta::get(&self.sql, key::ENROLLED_OPEN)?.unwrap_or_default();
        meta::put(&self.sql, key::ENROLLED_OPEN, &(given > held || open && held == 0))?;
        meta::put(&self.sql, key::SLOT, &slot)?;
        meta::put(&self.sql, key::NEXT_N, &next)?;
        meta::put(&self.sql, key::BACKED_UP, &0_u64)?;
        self.sql.execute("DELETE FROM meta WHERE key = ?1", [key::CURSOR])?;
        self.sql.execute("UPDATE photo SET upload = '', sent = 0 WHERE state = 'waiting'", [])?;
        Ok(())
    }

    /// Edits that have an outcome and are among `which` wait again: the server lost them. Gives their number.
    pub(super) fn offer_again(&mut self, which: &str, args: impl rusqlite::Params) -> Result<usize, StoreError> {
        let ids: Vec<RecordId> = self
            .sql
            .prepare_cached(&format!(
                "UPDATE edit SET state = 'waiting', receipt = '', answered = 0, released = 0,
                    away = CASE WHEN state IN ('corrected', 'withdrawn') THEN state ELSE '' END
                 WHERE state <> 'waiting' AND {which} RETURNING record"
            ))?
            .query_map(args, |row| Ok(RecordId(id_at(row, 0)?)))?
            .collect::<Result<_, _>>()?;
        for id in &ids {
            self.refresh(*id)?;
        }
        Ok(ids.len())
    }

    fn waiting_edits(&self) -> Result<Vec<(i64, Edit)>, StoreError> {
        let mut statement =
            self.sql.prepare_cached("SELECT seq, json FROM edit WHERE state = 'waiting' ORDER BY seq")?;
        let mut rows = statement.query([])?;
        let mut waiting = Vec::new();
        while let Some(row) = rows.next()? {
            waiting.push((row.get(0)?, json("edit", row.get_ref(1)?.as_str().unwrap_or_default())?));
        }
        Ok(waiting)
    }

    fn put_edit(&self, seq: i64, edit: &Edit) -> Result<(), StoreError> {
        self.sql.prepare_cached("UPDATE edit SET id = ?2, slot = ?3, n = ?4, json = ?5 WHERE seq = ?1")?.execute(
            params![
                seq,
                blob(&edit.id.0),
                edit.dot.slot.0.cast_signed(),
                edit.dot.n.cast_signed(),
                text("edit", edit)?
            ],
        )?;
        Ok(())
    }

    fn remember_moves(&self, moves: &Moves, now: i64) -> Result<(), StoreError> {
        for (from, to) in moves.iter() {
            let args =
                [from.slot.0.cast_signed(), from.n.cast_signed(), to.slot.0.cast_signed(), to.n.cast_signed(), now];
            // What had moved there has moved on with it.
            self.sql
                .prepare_cached("UPDATE moved SET to_slot = ?3, to_n = ?4, at = ?5 WHERE to_slot = ?1 AND to_n = ?2")?
                .execute(args)?;
            self.sql
                .prepare_cached(
                    "INSERT OR REPLACE INTO moved (slot, n, to_slot, to_n, at) VALUES (?1, ?2, ?3, ?4, ?5)",
                )?
                .execute(args)?;
        }
        Ok(())
    }

    /// Shows anew every record with an edit that is replayed.
    fn refresh_waiting(&mut self) -> Result<(), StoreError> {
        for id in self.edited_records()? {
            self.refresh(id)?;
        }
        Ok(())
    }
}
