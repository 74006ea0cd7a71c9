//! What is still to be delivered, what came back, and what is kept for 30 days.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::{Connection, params};
use serde_json::value::RawValue;
use shared::edit::Edit;
use shared::ids::{Dot, EditId, RecordId, Slot};
use shared::limits::{EDIT_BYTES_A_ROUND, EDITS_A_ROUND};
use shared::outside::Outside;
use shared::vector::VectorTimestamp;
use shared::wire::{Elsewhere, HeldEdit, Outcome, RejectReason, Rejection};

use super::meta::{self, key};
use super::rows::{blob, find, id_at, json};
use super::{Store, StoreError};

/// Days that delivered edits and photos are kept.
const KEEP_DAYS: i64 = 30;

/// The most edits a request names: taken back, held again, kept elsewhere.
const IDS_A_ROUND: usize = 500;

/// Edits for one request, in order of n.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outgoing {
    /// The edits.
    pub edits: Vec<Edit>,
    /// Of these the ones that go as their stand-ins: their author has done with them, or they were erased.
    pub bare: BTreeSet<EditId>,
    /// Whether more wait behind them.
    pub more: bool,
}

/// A row of the outbox.
#[derive(Debug, Clone, PartialEq)]
pub struct Waiting {
    /// The edit.
    pub edit: Edit,
    /// Bytes of its JSON.
    pub bytes: u64,
}

/// A row of the tray.
#[derive(Debug, Clone, PartialEq)]
pub struct Returned {
    /// The edit.
    pub edit: Edit,
    /// Why it came back.
    pub rejection: Rejection,
    /// When.
    pub since: DateTime<Utc>,
}

/// How much waits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Edits without a receipt, or that a restored server has to hold again.
    pub edits: u64,
    /// Their bytes of JSON.
    pub edit_bytes: u64,
    /// Photos, thumbnails not counted.
    pub photos: u64,
    /// Bytes still to send of photos and thumbnails.
    pub photo_bytes: u64,
    /// Edits in the tray.
    pub tray: u64,
    /// The highest n given.
    pub last_n: u64,
    /// Up to which n a backup holds everything.
    pub backed_up: u64,
    /// Whether something that stands under another slot is in no backup yet, as far as is known.
    pub earlier_open: bool,
}

impl Store {
    /// The next edits to send, at most one round's.
    pub fn outgoing(&self) -> Result<Outgoing, StoreError> {
        self.outgoing_at_most(EDITS_A_ROUND)
    }

    /// The same, at most `most` edits.
    pub fn outgoing_at_most(&self, most: usize) -> Result<Outgoing, StoreError> {
        self.read(|sql| {
            let mut statement =
                sql.prepare_cached("SELECT json, away <> '' FROM edit WHERE state = 'waiting' ORDER BY seq")?;
            let mut rows = statement.query([])?;
            let mut out = Outgoing::default();
            let mut bytes = 0;
            while let Some(row) = rows.next()? {
                let text = row.get_ref(0)?.as_str().unwrap_or_default();
                bytes += text.len() + 1;
                if out.edits.len() >= most.min(EDITS_A_ROUND) || (bytes > EDIT_BYTES_A_ROUND && !out.edits.is_empty()) {
                    out.more = true;
                    break;
                }
                let edit: Edit = json("edit", text)?;
                if row.get(1)? {
                    out.bare.insert(edit.id);
                }
                out.edits.push(edit);
            }
            Ok(out)
        })
    }

    /// Planted mistake, see [`shared::mutants::Mutant::RetryNewId`]: what waits is called otherwise from now on.
    pub(crate) fn rename_waiting(&self, outside: &dyn Outside) -> Result<(), StoreError> {
        let waiting = self.waiting()?;
        self.write(|tx| {
            for Waiting { edit, .. } in waiting {
                let new = Edit { id: EditId::fresh(outside), ..edit.clone() };
                let json = serde_json::to_string(&new)
                    .map_err(|error| StoreError::Row { what: "edit", why: error.to_string() })?;
                tx.sql.prepare_cached("UPDATE edit SET id = ?2, json = ?3 WHERE id = ?1")?.execute(params![
                    blob(&edit.id.0),
                    blob(&new.id.0),
                    json
                ])?;
            }
            Ok(())
        })
    }

    /// Everything that waits for a receipt, in the order it goes.
    pub fn waiting(&self) -> Result<Vec<Waiting>, StoreError> {
        self.read(|sql| {
            let mut statement =
                sql.prepare_cached("SELECT json FROM edit WHERE state = 'waiting' AND away = '' ORDER BY seq")?;
            let mut rows = statement.query([])?;
            let mut waiting = Vec::new();
            while let Some(row) = rows.next()? {
                let text = row.get_ref(0)?.as_str().unwrap_or_default();
                waiting.push(Waiting { edit: json("edit", text)?, bytes: text.len() as u64 });
            }
            Ok(waiting)
        })
    }

    /// The tray, newest first.
    pub fn returned(&self) -> Result<Vec<Returned>, StoreError> {
        self.read(|sql| {
            let mut statement = sql.prepare_cached(
                "SELECT opened(json), receipt, answered FROM edit WHERE state = 'rejected' AND opened(json) IS NOT NULL
                 ORDER BY answered DESC, seq DESC",
            )?;
            let mut rows = statement.query([])?;
            let mut tray = Vec::new();
            while let Some(row) = rows.next()? {
                let edit = json("edit", row.get_ref(0)?.as_str().unwrap_or_default())?;
                let outcome = json("receipt", row.get_ref(1)?.as_str().unwrap_or_default())?;
                if let Outcome::Rejected(rejection) = outcome {
                    let since = DateTime::from_timestamp_millis(row.get(2)?).unwrap_or_default();
                    tray.push(Returned { edit, rejection, since });
                }
            }
            Ok(tray)
        })
    }

    /// Edits in quarantine that the server need not keep for anybody's decision: their author has done with them.
    pub fn withdrawn(&self) -> Result<Vec<EditId>, StoreError> {
        self.read(|sql| {
            let mut statement = sql.prepare_cached(
                "SELECT id FROM edit WHERE told = 0 AND state IN ('corrected', 'withdrawn') ORDER BY seq",
            )?;
            let ids = statement.query_map([], |row| Ok(EditId(id_at(row, 0)?)))?;
            Ok(ids.take(IDS_A_ROUND).collect::<Result<_, _>>()?)
        })
    }

    /// Edits that a server refused before it was restored, for one request: it puts them into quarantine again.
    pub fn held(&self) -> Result<Vec<HeldEdit<Box<RawValue>>>, StoreError> {
        self.read(|sql| {
            let mut statement = sql.prepare_cached(
                "SELECT opened(json), receipt FROM edit
                 WHERE held = 1 AND opened(json) IS NOT NULL ORDER BY seq",
            )?;
            let mut rows = statement.query([])?;
            let (mut held, mut bytes) = (Vec::new(), 0);
            while let Some(row) = rows.next()? {
                let text = row.get_ref(0)?.as_str().unwrap_or_default();
                bytes += text.len();
                if held.len() == IDS_A_ROUND || (bytes > EDIT_BYTES_A_ROUND && !held.is_empty()) {
                    break;
                }
                let why = match json("receipt", row.get_ref(1)?.as_str().unwrap_or_default())? {
                    Outcome::Rejected(why) => why,
                    Outcome::Applied { .. } => Rejection::of(RejectReason::Protocol),
                };
                held.push(HeldEdit { edit: json("edit", text)?, why });
            }
            Ok(held)
        })
    }

    /// Own edits that do not stand under the slot and may be in no backup yet; none while some of them are still to be given.
    pub fn elsewhere(&self) -> Result<Option<Elsewhere>, StoreError> {
        self.read(|sql| {
            let still: bool =
                sql.query_row("SELECT EXISTS (SELECT 1 FROM edit WHERE held = 1)", [], |row| row.get(0))?;
            if still { Ok(None) } else { elsewhere(sql) }
        })
    }

    /// An answer came to a request that brought these.
    pub fn held_again(&self, ids: &[EditId]) -> Result<(), StoreError> {
        if ids.is_empty() {
            return Ok(());
        }
        self.write_relaxed(|tx| {
            let mut statement = tx.sql.prepare_cached("UPDATE edit SET held = 0 WHERE id = ?1")?;
            for id in ids {
                statement.execute([blob(&id.0)])?;
            }
            Ok(())
        })
    }

    /// An answer came to a request that named these.
    pub fn told(&self, ids: &[EditId]) -> Result<(), StoreError> {
        if ids.is_empty() {
            return Ok(());
        }
        self.write_relaxed(|tx| {
            let mut statement = tx.sql.prepare_cached("UPDATE edit SET told = 1 WHERE id = ?1")?;
            for id in ids {
                statement.execute([blob(&id.0)])?;
            }
            Ok(())
        })
    }

    /// Takes an edit out of the tray; false if it was not there. It is kept for 30 days.
    pub fn withdraw(&self, id: EditId) -> Result<bool, StoreError> {
        self.write(|tx| {
            let changed = tx
                .sql
                .prepare_cached("UPDATE edit SET state = 'withdrawn', told = 0 WHERE id = ?1 AND state = 'rejected'")?
                .execute([blob(&id.0)])?;
            Ok(changed == 1)
        })
    }

    /// The place of the edit saved last: it grows with each. 0: none.
    pub fn newest_edit(&self) -> Result<i64, StoreError> {
        self.read(|sql| {
            Ok(sql.prepare_cached("SELECT coalesce(max(seq), 0) FROM edit")?.query_row([], |row| row.get(0))?)
        })
    }

    /// How much waits.
    pub fn counts(&self) -> Result<Counts, StoreError> {
        self.read(|sql| {
            let two = |sql_text: &str| -> Result<(u64, u64), StoreError> {
                Ok(sql.prepare_cached(sql_text)?.query_row([], |row| {
                    Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get::<_, i64>(1)?.cast_unsigned()))
                })?)
            };
            let (edits, edit_bytes) =
                two("SELECT count(*), coalesce(sum(length(json)), 0) FROM edit WHERE state = 'waiting' OR held = 1")?;
            let (photos, photo_bytes) =
                two("SELECT coalesce(sum(thumbnail <> ''), 0), coalesce(sum(bytes - sent), 0) FROM photo
                 WHERE state = 'waiting'")?;
            let (tray, _) = two("SELECT count(*), 0 FROM edit WHERE state = 'rejected'")?;
            let next: u64 = meta::get(sql, key::NEXT_N)?.unwrap_or(1);
            let backed_up = meta::get(sql, key::BACKED_UP)?.unwrap_or_default();
            let earlier_open = elsewhere(sql)?.is_some();
            let last_n = next.saturating_sub(1);
            Ok(Counts { edits, edit_bytes, photos, photo_bytes, tray, last_n, backed_up, earlier_open })
        })
    }

    /// The title of a record, if it is held.
    pub fn title(&self, id: RecordId) -> Result<Option<String>, StoreError> {
        self.read(|sql| {
            let Some((row, _)) = find(sql, id)? else { return Ok(None) };
            Ok(Some(sql.prepare_cached("SELECT title FROM record WHERE row = ?1")?.query_row([row], |row| row.get(0))?))
        })
    }

    /// Forgets edits and photos that were delivered more than 30 days ago, by the server's clock; `now` is the device's.
    /// Gives the hashes whose files may go.
    pub fn forget_old(&self, now: DateTime<Utc>) -> Result<Vec<String>, StoreError> {
        let bound = (now - TimeDelta::days(KEEP_DAYS)).timestamp_millis();
        self.write(|tx| {
            let off: i64 = meta::get(&tx.sql, key::CLOCK_OFFSET)?.unwrap_or_default();
            tx.sql.execute(
                "DELETE FROM edit WHERE state IN ('done', 'corrected', 'withdrawn') AND answered < ?1 AND answered > 0",
                [bound.saturating_add(off)],
            )?;
            // A form opened before may still be in the making.
            let bound = bound.saturating_add(off);
            tx.sql.execute("DELETE FROM moved WHERE at < ?1 AND NOT EXISTS (SELECT 1 FROM draft)", [bound])?;
            // The first time they are looked at counts: nobody notes the moment, and the clock of the device may be wrong.
            tx.sql.execute(
                "UPDATE photo SET delivered = ?1 WHERE state IN ('delivered', 'fetched') AND delivered = 0",
                [now.timestamp_millis().saturating_add(off)],
            )?;
            tx.drop_unused(now)?;
            super::map::forget_tracks(&tx.sql, now + TimeDelta::milliseconds(off))?;
            let mut statement = tx.sql.prepare(
                "DELETE FROM photo WHERE state IN ('delivered', 'fetched') AND delivered < ?1 RETURNING hash",
            )?;
            let hashes = statement.query_map([bound], |row| row.get(0))?;
            Ok(hashes.collect::<Result<_, _>>()?)
        })
    }
}

fn elsewhere(sql: &Connection) -> Result<Option<Elsewhere>, StoreError> {
    let open: bool = meta::get(sql, key::EARLIER_OPEN)?.unwrap_or_default();
    let Some(slot) = meta::get::<Slot>(sql, key::SLOT)?.filter(|_| open) else { return Ok(None) };
    let mut statement = sql.prepare_cached(
        "SELECT slot, max(n) FROM edit
         WHERE slot <> ?1 AND state IN ('applied', 'done') AND answered > 0 AND released = 0 GROUP BY slot",
    )?;
    let dots = statement.query_map([slot.0.cast_signed()], |row| {
        let (slot, n): (i64, i64) = (row.get(0)?, row.get(1)?);
        Ok(Dot { slot: Slot(slot.cast_unsigned()), n: n.cast_unsigned() })
    })?;
    let upto: VectorTimestamp = dots.collect::<Result<Vec<_>, _>>()?.into_iter().collect();
    // Refused ones, accepted later or not, may have come to the server under a dot of another installation, or under none.
    // Of what was erased nothing is left to be kept.
    let mut statement = sql.prepare_cached(
        "SELECT id FROM edit WHERE slot <> ?1 AND (state IN ('rejected', 'corrected', 'withdrawn') OR released > 0)
            AND CASE WHEN receipt = '' THEN 'erased' ELSE coalesce(receipt ->> '$.rejected.reason', '') END <> 'erased'
         ORDER BY seq DESC",
    )?;
    let held = statement.query_map([slot.0.cast_signed()], |row| Ok(EditId(id_at(row, 0)?)))?;
    // A limit that is bound has SQLite plan the statement anew each time.
    let held = held.take(IDS_A_ROUND);
    let held = held.collect::<Result<Vec<_>, _>>()?;
    Ok((!upto.is_empty() || !held.is_empty()).then_some(Elsewhere { upto, held }))
}
