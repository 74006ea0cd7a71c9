//! Who this installation is, and what happens when that is in doubt: its files were restored or copied, another
//! installation goes on under the same slot, the server was restored, or the user enrolled anew while edits waited.
//!
//! All of it is settled by one question (`docs/decisions/007`) and one transaction: outcomes are taken, what the server
//! does not have gets dots of the new slot in order, and own dots in contexts follow.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};
use shared::edit::Edit;
use shared::ids::{DeviceId, Dot, EditId, Slot};
use shared::limits::{IDS_A_QUESTION, PROTOCOL};
use shared::mutants::Mutant;
use shared::outside::Outside;
use shared::vector::VectorTimestamp;
use shared::wire::{EnrolAnswer, KeptEdit, Outcome, Receipt, SlotAnswer, SlotRequest, SyncAnswer};
use uuid::Uuid;

use super::confirmed::Touched;
use super::meta::{self, key};
use super::rows::{blob, id_at, json, text};
use super::{PageApplied, Store, StoreError, Tx, lease};

/// How many earlier credentials are kept.
const EARLIER_TOKENS: usize = 4;

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
    /// The next n when the files were found to be older than this installation, or of another one: from there on others
    /// may have used the same dots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    foreign_from: Option<u64>,
}

impl Doubt {
    /// Whether an own edit with this dot was saved in doubt. Nothing is sent then: whoever knows of the dot knows of another
    /// edit.
    fn is_unseen(&self, slot: Option<Slot>, dot: Dot) -> bool {
        self.foreign_from.is_some_and(|from| slot == Some(dot.slot) && dot.n >= from)
    }
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
            let next: u64 = meta::get(sql, key::NEXT_N)?.unwrap_or(1);
            let foreign_from = before.as_ref().and_then(|doubt| doubt.foreign_from).map_or(next, |from| from.min(next));
            let key = before.as_ref().filter(|doubt| doubt.nonce == nonce).map(|doubt| doubt.key);
            let doubt = Doubt {
                key: key.unwrap_or_else(|| outside.uuid()),
                restored: true,
                nonce: nonce.to_owned(),
                moving: before.and_then(|doubt| doubt.moving),
                foreign_from: Some(foreign_from),
            };
            meta::put(sql, key::DOUBT, &doubt)
        })
    }

    /// Doubts that this handheld and the server mean the same by its slot: the server is asked before anything else.
    pub fn doubt(&self, outside: &dyn Outside) -> Result<(), StoreError> {
        self.write(|tx| {
            if meta::get::<Doubt>(&tx.sql, key::DOUBT)?.is_some() {
                return Ok(());
            }
            let nonce = meta::get(&tx.sql, key::NONCE)?.unwrap_or_default();
            let doubt = Doubt { key: outside.uuid(), restored: false, nonce, moving: None, foreign_from: None };
            meta::put(&tx.sql, key::DOUBT, &doubt)
        })
    }

    /// The server does not know the credential any more: it was restored to before it gave it. Goes back to the one before,
    /// and asks. Says whether there was one.
    pub fn fall_back(&self, outside: &dyn Outside) -> Result<bool, StoreError> {
        self.write(|tx| {
            let sql = &tx.sql;
            let mut earlier: Vec<(DeviceId, String)> = meta::get(sql, key::EARLIER_TOKENS)?.unwrap_or_default();
            let Some((device, token)) = earlier.pop() else { return Ok(false) };
            meta::put(sql, key::EARLIER_TOKENS, &earlier)?;
            meta::put(sql, key::DEVICE, &device)?;
            meta::put(sql, key::TOKEN, &token)?;
            let nonce = meta::get(sql, key::NONCE)?.unwrap_or_default();
            let before: Option<Doubt> = meta::get(sql, key::DOUBT)?;
            let foreign_from = before.and_then(|doubt| doubt.foreign_from);
            // The slot is not the one that the earlier credential writes under.
            let doubt = Doubt { key: outside.uuid(), restored: true, nonce, moving: None, foreign_from };
            meta::put(sql, key::DOUBT, &doubt)?;
            Ok(true)
        })
    }

    /// The epoch in which the slot was given, or asked about last.
    pub fn slot_epoch(&self) -> Result<Option<u32>, StoreError> {
        self.read(slot_epoch)
    }

    /// The question to be asked, if there is doubt.
    pub fn question(&self) -> Result<Option<SlotRequest>, StoreError> {
        self.read(|sql| {
            let Some(doubt) = meta::get::<Doubt>(sql, key::DOUBT)? else { return Ok(None) };
            let next: u64 = meta::get(sql, key::NEXT_N)?.unwrap_or(1);
            let moving = doubt.moving.is_some();
            let slot: Option<Slot> = meta::get(sql, key::SLOT)?;
            let kept = kept(sql)?;
            let over: BTreeSet<(EditId, Dot)> = kept.iter().flat_map(|kept| kept.over.iter().copied()).collect();
            Ok(Some(SlotRequest {
                protocol: PROTOCOL,
                key: doubt.key,
                restored: doubt.restored,
                moving,
                epoch: slot_epoch(sql)?.unwrap_or_default(),
                last: if moving { 0 } else { next.saturating_sub(1) },
                over: over.into_iter().rev().take(IDS_A_QUESTION).collect(),
                lease: !self.is_leased() && lease::wants(sql)?,
                kept: kept.into_iter().map(|kept| kept.told(&doubt, slot)).collect(),
            }))
        })
    }

    /// Whether an answer to a round shows that the server and this handheld do not mean the same by the slot: the server was
    /// restored since the slot was given; it has outcomes for an n that waits here and brought no receipt, or that was never
    /// given; or it lacks one. Then not even its page may be taken in: it could hide what waits.
    pub fn parted(&self, answer: &SyncAnswer) -> Result<bool, StoreError> {
        // Planted mistake, see shared::mutants.
        if Mutant::SlotReused.on() {
            return Ok(false);
        }
        self.read(|sql| {
            let Some(slot) = meta::get::<Slot>(sql, key::SLOT)? else { return Ok(false) };
            let next: u64 = meta::get(sql, key::NEXT_N)?.unwrap_or(1);
            let high_water = answer.high_water;
            if high_water >= next || slot_epoch(sql)?.is_some_and(|epoch| epoch != answer.epoch) {
                return Ok(true);
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
            let waiting: i64 = sql
                .prepare_cached("SELECT count(*) FROM edit WHERE slot = ?1 AND n > ?2 AND state = 'waiting'")?
                .query_row(params![slot.0.cast_signed(), high_water.cast_signed()], |row| row.get(0))?;
            Ok(waiting.cast_unsigned() + 1 + high_water < next)
        })
    }

    /// Takes the answer to `asked`: outcomes, what has to go again, and the new slot if there is one. One transaction,
    /// durable when this returns. Taking it in again changes nothing.
    pub fn settle_slot(
        &self,
        asked: &SlotRequest,
        answer: &SlotAnswer,
        outside: &dyn Outside,
    ) -> Result<(), StoreError> {
        self.write(|tx| {
            let Some(doubt) = meta::get::<Doubt>(&tx.sql, key::DOUBT)?.filter(|doubt| doubt.key == asked.key) else {
                return Ok(());
            };
            let now = (outside.now(), outside.since_boot());
            tx.renew_lease(answer.lease.as_deref(), None, answer.time, now)?;
            tx.settle_slot(&doubt, answer, outside)?;
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
            tx.keep_credential()?;
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
            // What waits moves, and after a restore of the server all that is kept: it may lack anything.
            let restored = slot_epoch(sql)?.is_some_and(|epoch| epoch != answer.epoch);
            let kept: bool =
                sql.query_row("SELECT EXISTS (SELECT 1 FROM edit WHERE state = 'waiting' OR ?1)", [restored], |row| {
                    row.get(0)
                })?;
            if kept && old.is_some() {
                let before: Option<Doubt> = meta::get(sql, key::DOUBT)?;
                let nonce = meta::get(sql, key::NONCE)?.unwrap_or_default();
                let foreign_from = before.and_then(|doubt| doubt.foreign_from);
                let moving = Some(answer.slot);
                let doubt = Doubt { key: outside.uuid(), restored: false, nonce, moving, foreign_from };
                return meta::put(sql, key::DOUBT, &doubt);
            }
            tx.sql.execute("DELETE FROM meta WHERE key = ?1", [key::DOUBT])?;
            tx.become_writer(answer.slot, 1, answer.epoch)
        })
    }
}

/// The epoch of the server in which the slot was given, or asked about last: its dots are unique within it.
fn slot_epoch(sql: &Connection) -> Result<Option<u32>, StoreError> {
    let asked = meta::get(sql, key::ASKED_EPOCH)?;
    if asked.is_some() { Ok(asked) } else { meta::get(sql, key::EPOCH) }
}

/// An edit that is kept and was not refused.
struct Kept {
    seq: i64,
    id: EditId,
    dot: Dot,
    waits: bool,
    once: Vec<(Dot, bool)>,
    /// What it stands in place of.
    over: Vec<(EditId, Dot)>,
}

impl Kept {
    fn told(self, doubt: &Doubt, slot: Option<Slot>) -> KeptEdit {
        let unseen = self.waits && doubt.is_unseen(slot, self.dot);
        KeptEdit { id: self.id, dot: self.dot, sure: !self.waits, unseen, once: self.once }
    }
}

/// What is kept and was not refused, in the order it was saved. Accepted from quarantine it stands under a dot of the
/// server's and goes the way of what was refused.
fn kept(sql: &Connection) -> Result<Vec<Kept>, StoreError> {
    // Of more than fit into a question the oldest delivered ones are left out.
    let mut statement = sql.prepare_cached(
        "SELECT seq, id, slot, n, state = 'waiting', once, over FROM edit
         WHERE state IN ('waiting', 'applied', 'done') AND released = 0
         ORDER BY state = 'waiting' DESC, seq DESC LIMIT ?1",
    )?;
    let mut rows = statement.query([i64::try_from(IDS_A_QUESTION).unwrap_or(i64::MAX)])?;
    let mut kept = Vec::new();
    while let Some(row) = rows.next()? {
        let (slot, n): (i64, i64) = (row.get(2)?, row.get(3)?);
        kept.push(Kept {
            seq: row.get(0)?,
            id: EditId(id_at(row, 1)?),
            dot: Dot { slot: Slot(slot.cast_unsigned()), n: n.cast_unsigned() },
            waits: row.get(4)?,
            once: json("earlier dots", row.get_ref(5)?.as_str().unwrap_or_default())?,
            over: json("what it replaced", row.get_ref(6)?.as_str().unwrap_or_default())?,
        });
    }
    kept.sort_unstable_by_key(|kept| kept.seq);
    Ok(kept)
}

/// Where own edits stand now, by the dot they were saved with; and whether a server had applied them there.
#[derive(Debug, Default)]
struct Moves(BTreeMap<Slot, BTreeMap<u64, (Dot, bool)>>);

impl Moves {
    fn put(&mut self, from: Dot, to: Dot, sure: bool) {
        self.0.entry(from.slot).or_default().insert(from.n, (to, sure));
    }

    fn iter(&self) -> impl Iterator<Item = (Dot, Dot, bool)> + '_ {
        self.0
            .iter()
            .flat_map(|(slot, moved)| moved.iter().map(|(n, (to, sure))| (Dot { slot: *slot, n: *n }, *to, *sure)))
    }

    /// The context with the dots that moved named by those they stand under now. From the first on that no server ever
    /// applied, what the slot has is not ours and is cut off; before it the old dots stay, for they are nobody else's.
    fn map(&self, context: &VectorTimestamp) -> VectorTimestamp {
        let mut mapped = VectorTimestamp::new();
        for dot in context.iter() {
            let moved = || self.0.get(&dot.slot).into_iter().flat_map(move |moved| moved.range(..=dot.n));
            let first = moved().find(|(_, (_, sure))| !sure).map(|(n, _)| *n);
            mapped.observe(Dot { n: first.map_or(dot.n, |first| first.saturating_sub(1)), ..dot });
            for (_, (to, _)) in moved() {
                mapped.observe(*to);
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
    let mut statement = sql.prepare_cached("SELECT slot, n, to_slot, to_n, sure FROM moved")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let number = |column| Ok::<_, rusqlite::Error>(row.get::<_, i64>(column)?.cast_unsigned());
        let from = Dot { slot: Slot(number(0)?), n: number(1)? };
        if slot.is_none_or(|slot| slot == from.slot) {
            moves.put(from, Dot { slot: Slot(number(2)?), n: number(3)? }, row.get(4)?);
        }
    }
    Ok(moves.map(&context))
}

impl Tx<'_> {
    fn settle_slot(&mut self, doubt: &Doubt, answer: &SlotAnswer, outside: &dyn Outside) -> Result<(), StoreError> {
        // 30 days are counted from here, and the clock of the device may have been set since the last answer.
        let now = answer.time.timestamp_millis();
        let old = meta::get::<Slot>(&self.sql, key::SLOT)?.ok_or(StoreError::NotEnrolled)?;
        let restored = slot_epoch(&self.sql)?.is_some_and(|epoch| epoch != answer.epoch);
        let fork = answer.fork.as_ref();
        let new = fork.map(|fork| fork.slot).or(doubt.moving);
        // Planted mistake, see shared::mutants: new names for all, known or not.
        let reapplies = fork.is_some() && Mutant::ForkReapplies.on();
        let outcomes: BTreeMap<EditId, &Receipt> = answer.receipts.iter().map(|it| (it.edit, it)).collect();
        let dots: BTreeMap<EditId, Dot> = answer.dots.iter().copied().collect();
        let (mut touched, mut done) = (Touched::new(), PageApplied::default());
        let mut moves = Moves::default();
        let mut next = 1;
        for Kept { seq, id, dot, waits, mut once, .. } in kept(&self.sql)? {
            // One that lies under a lease that is over, of a server that does not lease any more, stays as it is.
            let Some(mut edit) = self.edit_at(seq)? else { continue };
            let receipt = outcomes.get(&id).filter(|_| !reapplies);
            let applied = receipt.is_some_and(|receipt| matches!(receipt.outcome, Outcome::Applied { .. }));
            if !waits && !applied {
                // The server lost it, or refuses it now. Whoever saw it saw it under this dot.
                once.push((dot, true));
                self.wait_again(seq)?;
            } else if waits && receipt.is_none() && restored && !doubt.is_unseen(Some(old), dot) {
                // It may have arrived there, and only the answer was lost.
                once.push((dot, false));
            }
            edit.context = moves.map(&edit.context);
            match (receipt, new) {
                (Some(receipt), _) => {
                    self.take_receipt(receipt, now, &mut touched, &mut done)?;
                    if receipt.outcome.is_erased() {
                        // What was in it is gone, and is not put back.
                        continue;
                    }
                    edit.dot = dots.get(&id).copied().unwrap_or(dot);
                }
                (None, Some(slot)) => {
                    edit.dot = Dot { slot, n: next };
                    next += 1;
                }
                (None, None) => {}
            }
            if reapplies {
                edit.id = EditId::fresh(outside);
            }
            if edit.dot != dot {
                moves.put(dot, edit.dot, !waits);
            }
            self.put_edit(seq, &edit, &once)?;
        }
        self.remember_moves(&moves, now)?;
        if restored {
            self.hold_again()?;
        }
        self.seal_edits()?;
        if let Some(slot) = new {
            self.become_writer(slot, next, answer.epoch)?;
        }
        if let Some(fork) = fork {
            let device: &DeviceId = &fork.device;
            self.keep_credential()?;
            meta::put(&self.sql, key::DEVICE, device)?;
            meta::put(&self.sql, key::TOKEN, &fork.token)?;
        }
        // Also what is refused now: a record that was to be made by it is none.
        touched.iter().map(|(id, _)| *id).collect::<BTreeSet<_>>().into_iter().try_for_each(|id| self.refresh(id))?;
        self.refresh_waiting()
    }

    /// Writes as `slot`, which was given in `epoch`, from now on. The feed begins anew: a cursor is bound to its enrolment;
    /// so are uploads.
    fn become_writer(&mut self, slot: Slot, next: u64, epoch: u32) -> Result<(), StoreError> {
        // Until the server says otherwise: what stands under other slots may be in no backup.
        meta::put(&self.sql, key::EARLIER_OPEN, &true)?;
        meta::put(&self.sql, key::SLOT, &slot)?;
        meta::put(&self.sql, key::NEXT_N, &next)?;
        meta::put(&self.sql, key::ASKED_EPOCH, &epoch)?;
        meta::put(&self.sql, key::BACKED_UP, &0_u64)?;
        self.sql.execute("DELETE FROM meta WHERE key = ?1", [key::CURSOR])?;
        self.sql.execute("UPDATE photo SET upload = '', sent = 0 WHERE state = 'waiting'", [])?;
        Ok(())
    }

    /// The credential is about to be replaced: it is kept for a server that was restored to before it gave the new one.
    fn keep_credential(&self) -> Result<(), StoreError> {
        let token: Option<String> = meta::get(&self.sql, key::TOKEN)?;
        let Some(now) = meta::get::<DeviceId>(&self.sql, key::DEVICE)?.zip(token) else { return Ok(()) };
        let mut earlier: Vec<(DeviceId, String)> = meta::get(&self.sql, key::EARLIER_TOKENS)?.unwrap_or_default();
        earlier.retain(|(device, _)| *device != now.0);
        earlier.push(now);
        if earlier.len() > EARLIER_TOKENS {
            earlier.remove(0);
        }
        meta::put(&self.sql, key::EARLIER_TOKENS, &earlier)
    }

    /// An edit that has an outcome waits again.
    fn wait_again(&self, seq: i64) -> Result<(), StoreError> {
        self.sql
            .prepare_cached("UPDATE edit SET state = 'waiting', receipt = '', answered = 0 WHERE seq = ?1")?
            .execute([seq])?;
        Ok(())
    }

    /// What was refused, seen to by its author or not, or accepted from quarantine, is to be held by the restored server
    /// too. Of what was erased there is nothing to hold.
    fn hold_again(&self) -> Result<(), StoreError> {
        self.sql.execute(
            "UPDATE edit SET held = 1, told = told AND state NOT IN ('corrected', 'withdrawn')
             WHERE (state IN ('rejected', 'corrected', 'withdrawn') OR released > 0)
                AND CASE WHEN receipt = '' THEN 'erased' ELSE coalesce(receipt ->> '$.rejected.reason', 'erased') END
                    <> 'erased'",
            [],
        )?;
        Ok(())
    }

    /// `None`: it lies under a lease that is over.
    fn edit_at(&self, seq: i64) -> Result<Option<Edit>, StoreError> {
        let mut statement = self.sql.prepare_cached("SELECT opened(json) FROM edit WHERE seq = ?1")?;
        let text: Option<String> = statement.query_row([seq], |row| row.get(0))?;
        text.map(|text| json("edit", &text)).transpose()
    }

    fn put_edit(&self, seq: i64, edit: &Edit, once: &[(Dot, bool)]) -> Result<(), StoreError> {
        self.sql
            .prepare_cached("UPDATE edit SET id = ?2, slot = ?3, n = ?4, json = ?5, once = ?6 WHERE seq = ?1")?
            .execute(params![
                seq,
                blob(&edit.id.0),
                edit.dot.slot.0.cast_signed(),
                edit.dot.n.cast_signed(),
                text("edit", edit)?,
                text("earlier dots", &once)?
            ])?;
        Ok(())
    }

    fn remember_moves(&self, moves: &Moves, now: i64) -> Result<(), StoreError> {
        for (from, to, sure) in moves.iter() {
            let [from, to] = [from, to].map(|dot| (dot.slot.0.cast_signed(), dot.n.cast_signed()));
            // What had moved there has moved on with it.
            self.sql
                .prepare_cached("UPDATE moved SET to_slot = ?3, to_n = ?4, at = ?5 WHERE to_slot = ?1 AND to_n = ?2")?
                .execute(params![from.0, from.1, to.0, to.1, now])?;
            self.sql
                .prepare_cached(
                    "INSERT OR REPLACE INTO moved (slot, n, to_slot, to_n, at, sure) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                )?
                .execute(params![from.0, from.1, to.0, to.1, now, sure])?;
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
