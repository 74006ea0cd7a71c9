//! What is still to be delivered, what came back, and what is kept for 30 days.

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::{Connection, params};
use shared::edit::Edit;
use shared::ids::{Dot, EditId, RecordId, Slot};
use shared::limits::{EDIT_BYTES_A_ROUND, EDITS_A_ROUND};
use shared::outside::Outside;
use shared::vector::VectorTimestamp;
use shared::wire::{EnrolAnswer, Outcome, Rejection};

use super::meta::{self, key};
use super::rows::{blob, find, id_at, json};
use super::{Store, StoreError};

/// Days that delivered edits and photos are kept.
const KEEP_DAYS: i64 = 30;

/// Edits for one request, in order of n.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outgoing {
    /// The edits.
    pub edits: Vec<Edit>,
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
    /// Edits without a receipt.
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
}

impl Store {
    /// The next edits to send, at most one round's.
    pub fn outgoing(&self) -> Result<Outgoing, StoreError> {
        self.outgoing_at_most(EDITS_A_ROUND)
    }

    /// The same, at most `most` edits.
    pub fn outgoing_at_most(&self, most: usize) -> Result<Outgoing, StoreError> {
        self.read(|sql| {
            let mut statement = sql.prepare_cached("SELECT json FROM edit WHERE state = 'waiting' ORDER BY seq")?;
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
                out.edits.push(json("edit", text)?);
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
                tx.sql
                    .prepare_cached("UPDATE edit SET id = ?2, json = ?3 WHERE id = ?1")?
                    .execute(params![blob(&edit.id.0), blob(&new.id.0), json])?;
            }
            Ok(())
        })
    }

    /// The lowest n that waits.
    pub fn first_waiting(&self) -> Result<Option<u64>, StoreError> {
        self.read(|sql| {
            let first: Option<i64> =
                sql.query_row("SELECT min(n) FROM edit WHERE state = 'waiting'", [], |row| row.get(0))?;
            Ok(first.map(i64::cast_unsigned))
        })
    }

    /// Everything that waits for a receipt, in the order it goes.
    pub fn waiting(&self) -> Result<Vec<Waiting>, StoreError> {
        self.read(|sql| {
            let mut statement = sql.prepare_cached("SELECT json FROM edit WHERE state = 'waiting' ORDER BY seq")?;
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
                "SELECT json, receipt, answered FROM edit WHERE state = 'rejected' ORDER BY answered DESC, seq DESC",
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

    /// Takes an edit out of the tray; false if it was not there. It is kept for 30 days.
    pub fn withdraw(&self, id: EditId) -> Result<bool, StoreError> {
        self.write(|tx| {
            let changed = tx
                .sql
                .prepare_cached("UPDATE edit SET state = 'withdrawn' WHERE id = ?1 AND state = 'rejected'")?
                .execute([blob(&id.0)])?;
            Ok(changed == 1)
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
                two("SELECT count(*), coalesce(sum(length(json)), 0) FROM edit WHERE state = 'waiting'")?;
            let (photos, photo_bytes) =
                two("SELECT coalesce(sum(thumbnail <> ''), 0), coalesce(sum(bytes - sent), 0) FROM photo
                 WHERE state = 'waiting'")?;
            let (tray, _) = two("SELECT count(*), 0 FROM edit WHERE state = 'rejected'")?;
            let next: u64 = meta::get(sql, key::NEXT_N)?.unwrap_or(1);
            let backed_up = meta::get(sql, key::BACKED_UP)?.unwrap_or_default();
            Ok(Counts { edits, edit_bytes, photos, photo_bytes, tray, last_n: next.saturating_sub(1), backed_up })
        })
    }

    /// The title of a record, if it is held.
    pub fn title(&self, id: RecordId) -> Result<Option<String>, StoreError> {
        self.read(|sql| {
            let Some((row, _)) = find(sql, id)? else { return Ok(None) };
            Ok(Some(sql.prepare_cached("SELECT title FROM record WHERE row = ?1")?.query_row([row], |row| row.get(0))?))
        })
    }

    /// Notes an enrolment. What waits gets dots of the new slot, in order, and own dots in its contexts follow; the
    /// feed begins anew.
    pub fn enrolled(&self, server: &str, answer: &EnrolAnswer) -> Result<(), StoreError> {
        self.write(|tx| {
            let sql = &tx.sql;
            let old: Option<Slot> = meta::get(sql, key::SLOT)?;
            meta::put(sql, key::SERVER, &server)?;
            meta::put(sql, key::TOKEN, &answer.token)?;
            meta::put(sql, key::DEVICE, &answer.device)?;
            meta::put(sql, key::SLOT, &answer.slot)?;
            meta::put(sql, key::EPOCH, &answer.epoch)?;
            meta::put(sql, key::SETUP, &answer.setup)?;
            meta::put(sql, key::BACKED_UP, &0_u64)?;
            sql.execute("DELETE FROM meta WHERE key = ?1", [key::CURSOR])?;
            if old != Some(answer.slot) {
                let next = renumber(sql, old, answer.slot)?;
                meta::put(sql, key::NEXT_N, &next)?;
            }
            let ids: Vec<RecordId> = {
                let mut statement = sql.prepare("SELECT DISTINCT record FROM edit WHERE state = 'waiting'")?;
                let ids = statement.query_map([], |row| Ok(RecordId(id_at(row, 0)?)))?;
                ids.collect::<Result<_, _>>()?
            };
            for id in ids {
                tx.refresh(id)?;
            }
            Ok(())
        })
    }

    /// Forgets delivered edits and photo rows older than 30 days. Gives the hashes whose files may go.
    pub fn forget_old(&self, now: DateTime<Utc>) -> Result<Vec<String>, StoreError> {
        let bound = (now - TimeDelta::days(KEEP_DAYS)).timestamp_millis();
        self.write(|tx| {
            tx.sql.execute(
                "DELETE FROM edit WHERE state IN ('done', 'corrected', 'withdrawn') AND answered < ?1 AND answered > 0",
                [bound],
            )?;
            let mut statement = tx
                .sql
                .prepare("DELETE FROM photo WHERE state IN ('delivered', 'fetched') AND taken < ?1 RETURNING hash")?;
            let hashes = statement.query_map([bound], |row| row.get(0))?;
            Ok(hashes.collect::<Result<_, _>>()?)
        })
    }
}

/// Gives what waits dots of `slot` from 1 on. Gives the next n.
fn renumber(sql: &Connection, old: Option<Slot>, slot: Slot) -> Result<u64, StoreError> {
    let mut waiting: Vec<(i64, Edit)> = Vec::new();
    {
        let mut statement = sql.prepare("SELECT seq, json FROM edit WHERE state = 'waiting' ORDER BY seq")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            waiting.push((row.get(0)?, json("edit", row.get_ref(1)?.as_str().unwrap_or_default())?));
        }
    }
    let mut next: u64 = 1;
    // Old n of the edits moved so far, in order: an own dot in a context becomes the last of them it covers.
    let mut moved: Vec<u64> = Vec::new();
    for (seq, mut edit) in waiting {
        if let Some(old) = old {
            let seen = edit.context.get(old);
            let own = moved.iter().filter(|n| **n <= seen).count() as u64;
            // What the server has of the old slot stays covered; what it never saw must not be.
            let first_moved = moved.first().copied().unwrap_or(edit.dot.n);
            let bound: VectorTimestamp = edit
                .context
                .iter()
                .map(|dot| if dot.slot == old { Dot { n: dot.n.min(first_moved - 1), ..dot } } else { dot })
                .filter(|dot| dot.n > 0)
                .collect();
            edit.context = bound;
            if own > 0 {
                edit.context.observe(Dot { slot, n: own });
            }
        }
        moved.push(edit.dot.n);
        edit.dot = Dot { slot, n: next };
        next += 1;
        let text =
            serde_json::to_string(&edit).map_err(|error| StoreError::Row { what: "edit", why: error.to_string() })?;
        sql.prepare_cached("UPDATE edit SET slot = ?2, n = ?3, json = ?4 WHERE seq = ?1")?.execute(params![
            seq,
            slot.0.cast_signed(),
            edit.dot.n.cast_signed(),
            text
        ])?;
    }
    Ok(next)
}
