//! [`ReadDoubts`] and [`SettleDoubts`] in SQL.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use shared::area::AreaId;
use shared::ids::{DeviceId, Dot, EditId, RecordId, Slot, UserId};
use shared::path::Path;
use shared::wire::{Outcome, Rejection, Remain};

use super::InTown;
use super::ahead::KnownAnswer;
use super::columns::{self, count, from_json, int, kind, ms, part, time, to_json, uuid};
use super::global::{DEVICE, device};
use super::read::ids;
use super::sql::{Row, params};
use crate::auth::authorize::Reach;
use crate::store::{Device, KeptRemain, Lost, Once, ReadDoubts, SeenEdit, SettleDoubts, Stood, StoreError, Undecided};

/// The slots of a user's handhelds.
const SLOTS: &str = "(SELECT slot FROM device WHERE user_id = $1)";

fn limited(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// What was decided of a user's edits after a number, as [`decided`] reads it.
pub fn decided_since() -> String {
    format!(
        "SELECT id, decision, vector, reason, decided, note FROM quarantine
         WHERE slot IN {SLOTS} AND decided > $2 ORDER BY decided LIMIT 1000"
    )
}

/// id, decision, vector, reason, decided, note
pub fn decided(row: &Row) -> Result<(u64, SeenEdit), StoreError> {
    let outcome = match row.get::<String>(1)?.as_str() {
        "released" => Outcome::Applied { vector: from_json("vector", &row.get::<String>(2)?)? },
        _ => {
            let rejection: Rejection = from_json("reason", &row.get::<String>(3)?)?;
            Outcome::Rejected(Rejection { note: row.get(5)?, ..rejection })
        }
    };
    let edit = EditId(uuid(&row.get::<Vec<u8>>(0)?)?);
    Ok((count(row.get(4)?), SeenEdit { edit, outcome }))
}

/// kind, areas, readers, visit of an open part that may not be there
fn reach(row: &Row) -> Result<Option<Reach>, StoreError> {
    let Some(of) = row.get::<Option<String>>(0)? else { return Ok(None) };
    Ok(Some(Reach {
        kind: kind(&of)?,
        areas: columns::areas(row.text(1)?),
        readers: columns::users(row.text(2)?),
        visit: row.get(3)?,
    }))
}

fn kept(row: &Row) -> Result<KeptRemain, StoreError> {
    let path: String = row.get(1)?;
    Ok(KeptRemain {
        remain: Remain {
            edit: EditId(uuid(&row.get::<Vec<u8>>(0)?)?),
            path: path
                .parse()
                .map_err(|_| StoreError::Corrupt { what: "path".to_owned(), why: "it is none".to_owned() })?,
            record: RecordId(uuid(&row.get::<Vec<u8>>(2)?)?),
            kind: kind(row.text(3)?)?,
            part: part(row.text(4)?)?,
            value: from_json("value", &row.get::<String>(5)?)?,
            at: time(row.get(6)?),
            author: from_json("author", &row.get::<String>(7)?)?,
        },
        shown_by: UserId(uuid(&row.get::<Vec<u8>>(8)?)?),
        shown: time(row.get(9)?),
    })
}

impl InTown<'_> {
    /// The dots of edits, in the order in which they are asked for.
    fn dots(&self, sql: &str, edits: &[EditId]) -> Result<Vec<(EditId, Dot)>, StoreError> {
        let dots = self.conn.prepare_cached(sql)?.map(params![ids(edits)], |row| {
            let dot = Dot { slot: Slot(count(row.get(1)?)), n: count(row.get(2)?) };
            Ok((EditId(uuid(row.blob(0)?)?), dot))
        })?;
        let dots: BTreeMap<EditId, Dot> = dots.into_iter().collect();
        Ok(edits.iter().filter_map(|edit| Some((*edit, *dots.get(edit)?))).collect())
    }
}

impl ReadDoubts for InTown<'_> {
    fn present_epoch(&self) -> Result<u32, StoreError> {
        let query = self.conn.prepare_cached("SELECT value FROM meta WHERE key = 'epoch'")?;
        let text: String = query.one(&[], |row| row.get(0))?;
        from_json("epoch", &text)
    }

    fn last_decision(&self) -> Result<u64, StoreError> {
        let query = self.conn.prepare_cached("SELECT last FROM sequence WHERE town = $1 AND part = 'decided'")?;
        let last: Option<i64> = query.first(params![self.town.0], |row| row.get(0))?;
        Ok(last.map_or(0, count))
    }

    fn first_dots(&self, edits: &[EditId]) -> Result<Vec<(EditId, Dot)>, StoreError> {
        // A released edit came under the dot it was refused with.
        let mut found = BTreeMap::new();
        for seen in self.seen(edits, |table| (false, table))? {
            found.entry(seen.edit).or_insert(seen.dot);
        }
        Ok(edits.iter().filter_map(|edit| Some((*edit, *found.get(edit)?))).collect())
    }

    fn applied_dots(&self, edits: &[EditId]) -> Result<Vec<(EditId, Dot)>, StoreError> {
        self.dots("SELECT id, slot, n FROM edit WHERE id = ANY ($1)", edits)
    }

    fn applied_at(&self, dot: Dot) -> Result<Option<EditId>, StoreError> {
        let query = self.conn.prepare_cached("SELECT id FROM edit WHERE slot = $1 AND n = $2")?;
        let id: Option<Vec<u8>> = query.first(params![int(dot.slot.0), int(dot.n)], |row| row.get(0))?;
        id.as_deref().map(uuid).transpose().map(|id| id.map(EditId))
    }

    fn any_once(&self) -> Result<bool, StoreError> {
        if let Some(known) = self.known_once() {
            return Ok(known);
        }
        let query = self.conn.prepare_cached("SELECT 1 FROM once WHERE town = $1 LIMIT 1")?;
        query.exists(params![self.town.0])
    }

    fn once_of(&self, record: RecordId) -> Result<Vec<Stood>, StoreError> {
        // A dot that another edit has, applied or refused, or may have had with as much right, says nothing. What was
        // accepted from quarantine is as if saved anew; its dot is of a slot in which others write too.
        let query = self.conn.prepare_cached(
            "SELECT e.part, o.slot, o.n, e.slot, e.n, ''
             FROM edit e JOIN once o ON o.town = e.town AND o.edit = e.id
                         JOIN slot s ON s.slot = e.slot AND s.origin = 'device'
             WHERE e.town = $1 AND e.record = $2 AND (o.slot, o.n) <> (e.slot, e.n) AND e.author <> '' AND e.author = o.user_id
               AND NOT EXISTS (SELECT 1 FROM edit x WHERE x.slot = o.slot AND x.n = o.n)
               AND NOT EXISTS (SELECT 1 FROM quarantine q WHERE q.town = o.town AND q.dot_slot = o.slot
                               AND q.dot_n = o.n AND q.id <> o.edit
                               AND q.author <> '' AND q.author = o.user_id)
               AND NOT EXISTS (SELECT 1 FROM unreadable u WHERE u.slot = o.slot AND u.n = o.n AND u.id <> o.edit)
               AND NOT EXISTS (SELECT 1 FROM erased_edit d WHERE d.slot = o.slot AND d.n = o.n AND d.id <> o.edit)
               AND NOT EXISTS (SELECT 1 FROM once r WHERE r.town = o.town AND r.slot = o.slot AND r.n = o.n
                               AND r.edit <> o.edit AND r.sure >= o.sure)
             UNION ALL
             SELECT e.part, s.slot, s.n, e.slot, e.n, s.user_id
             FROM edit e JOIN seen s ON s.town = e.town AND s.edit = e.id
                         JOIN slot o ON o.slot = e.slot AND o.origin = 'device'
             WHERE e.town = $1 AND e.record = $2 AND (s.slot, s.n) <> (e.slot, e.n)
             ORDER BY 2, 3, 6",
        )?;
        query.map(params![self.town.0, record.0.as_bytes()], |row| {
            let dot = |at| Ok::<_, StoreError>(Dot { slot: Slot(count(row.get(at)?)), n: count(row.get(at + 1)?) });
            let to: String = row.get(5)?;
            Ok(Stood {
                part: part(row.text(0)?)?,
                then: dot(1)?,
                now: dot(3)?,
                to: if to.is_empty() {
                    None
                } else {
                    let bad = |_| StoreError::Corrupt { what: "user".to_owned(), why: "it is none".to_owned() };
                    Some(to.parse().map_err(bad)?)
                },
            })
        })
    }

    fn once_at(&self, dots: &[Dot]) -> Result<Vec<RecordId>, StoreError> {
        let query = self.conn.prepare_cached(
            "SELECT e.record FROM once o JOIN edit e ON e.id = o.edit
             WHERE o.town = $1 AND o.slot = $2 AND o.n = $3 AND e.town = $1
             UNION SELECT e.record FROM seen s JOIN edit e ON e.id = s.edit
             WHERE s.town = $1 AND s.slot = $2 AND s.n = $3 AND e.town = $1",
        )?;
        let mut records = Vec::new();
        for dot in dots {
            let rows = query
                .map(params![self.town.0, int(dot.slot.0), int(dot.n)], |row| Ok(RecordId(uuid(row.blob(0)?)?)))?;
            records.extend(rows);
        }
        Ok(records)
    }

    fn stood_elsewhere(&self, edits: &[EditId]) -> Result<Vec<EditId>, StoreError> {
        let query = self.conn.prepare_cached(
            "SELECT edit FROM once WHERE town = $1 AND edit = ANY ($2)
             UNION SELECT edit FROM seen WHERE town = $1 AND edit = ANY ($2)",
        )?;
        let found = query.map(params![self.town.0, ids(edits)], |row| Ok(EditId(uuid(row.blob(0)?)?)))?;
        Ok(edits.iter().filter(|edit| found.contains(edit)).copied().collect())
    }

    fn device_of(&self, user: UserId, slot: Slot) -> Result<Option<DeviceId>, StoreError> {
        let query = self
            .conn
            .prepare_cached("SELECT id FROM device WHERE user_id = $1 AND slot = $2 ORDER BY enrolled DESC LIMIT 1")?;
        let id: Option<Vec<u8>> = query.first(params![user.0.as_bytes(), int(slot.0)], |row| row.get(0))?;
        id.as_deref().map(uuid).transpose().map(|id| id.map(DeviceId))
    }

    fn decided_since(&self, user: UserId, after: u64) -> Result<Vec<(u64, SeenEdit)>, StoreError> {
        let asked = |known: &&KnownAnswer| known.asked.user == user && known.asked.decided == after;
        if let Some(known) = self.known_answer().filter(asked) {
            return Ok(known.decided.clone());
        }
        self.conn.prepare_cached(&decided_since())?.map(params![user.0.as_bytes(), int(after)], decided)
    }

    fn undecided_of(&self, user: UserId, limit: usize) -> Result<Vec<SeenEdit>, StoreError> {
        let sql = format!(
            "SELECT id, decision, vector, reason, decided, note FROM quarantine
             WHERE slot IN {SLOTS} AND decided = 0 AND withdrawn = 0 ORDER BY row LIMIT $2"
        );
        let query = self.conn.prepare_cached(&sql)?;
        query.map(params![user.0.as_bytes(), limited(limit)], |row| Ok(decided(row)?.1))
    }

    fn parting(&self, of: DeviceId, key: &[u8; 32]) -> Result<Option<Device>, StoreError> {
        let sql = format!(
            "SELECT {DEVICE} FROM parting p JOIN device d ON d.id = p.made WHERE p.device = $1 AND p.key = $2
             ORDER BY p.row DESC LIMIT 1"
        );
        let query = self.conn.prepare_cached(&sql)?;
        query.first(params![of.0.as_bytes(), key], |row| device(row, 0))
    }

    fn partings_since(&self, user: UserId, since: DateTime<Utc>) -> Result<u64, StoreError> {
        let query = self.conn.prepare_cached("SELECT count(*) FROM parting WHERE user_id = $1 AND at > $2")?;
        Ok(count(query.one(params![user.0.as_bytes(), ms(since)], |row| row.get(0))?))
    }

    fn each_undecided(&self, each: &mut dyn FnMut(Undecided) -> Result<bool, StoreError>) -> Result<(), StoreError> {
        let query = self.conn.prepare_cached(
            "SELECT p.kind, p.areas, p.readers, p.visit, q.id, q.part, q.kind,
                 CASE WHEN p.kind IS NULL THEN q.area END
             FROM quarantine q
             LEFT JOIN part p ON p.town = q.town AND p.record = q.record AND p.part = 'open'
             WHERE q.town = $1 AND q.decision = '' AND q.withdrawn = 0 ORDER BY q.row DESC",
        )?;
        let mut rows = query.rows(params![self.town.0])?;
        while let Some(row) = rows.next()? {
            let area = row.get::<Option<i64>>(7)?.and_then(|id| u32::try_from(id).ok());
            let undecided = Undecided {
                reach: reach(&row)?,
                edit: EditId(uuid(row.blob(4)?)?),
                part: part(row.text(5)?)?,
                kind: kind(row.text(6)?)?,
                area: area.map(AreaId),
            };
            if !each(undecided)? {
                break;
            }
        }
        Ok(())
    }

    fn remains(&self, limit: usize) -> Result<Vec<KeptRemain>, StoreError> {
        let query = self.conn.prepare_cached(
            "SELECT edit, path, record, kind, part, value, at, author, shown_by, shown FROM remain
             WHERE town = $1 AND settled = 0 ORDER BY record, at, edit, path LIMIT $2",
        )?;
        query.map(params![self.town.0, limited(limit)], kept)
    }

    fn each_lost(&self, each: &mut dyn FnMut(Lost) -> Result<bool, StoreError>) -> Result<(), StoreError> {
        let query = self.conn.prepare_cached(
            "SELECT p.kind, p.areas, p.readers, p.visit, r.record, r.part
             FROM (SELECT DISTINCT record, part FROM remain WHERE town = $1 AND settled = 0) r
             LEFT JOIN part p ON p.town = $1 AND p.record = r.record AND p.part = 'open'
             ORDER BY r.record, r.part",
        )?;
        let mut rows = query.rows(params![self.town.0])?;
        while let Some(row) = rows.next()? {
            let lost = Lost { reach: reach(&row)?, record: RecordId(uuid(row.blob(4)?)?), part: part(row.text(5)?)? };
            if !each(lost)? {
                break;
            }
        }
        Ok(())
    }

    fn unsettled_of(&self, record: RecordId) -> Result<Vec<KeptRemain>, StoreError> {
        let query = self.conn.prepare_cached(
            "SELECT edit, path, record, kind, part, value, at, author, shown_by, shown FROM remain
             WHERE town = $1 AND record = $2 AND settled = 0 ORDER BY at, edit, path",
        )?;
        query.map(params![self.town.0, record.0.as_bytes()], kept)
    }

    fn unsettled_by(&self, user: UserId) -> Result<u64, StoreError> {
        let query = self
            .conn
            .prepare_cached("SELECT count(*) FROM remain WHERE town = $1 AND shown_by = $2 AND settled = 0")?;
        Ok(count(query.one(params![self.town.0, user.0.as_bytes()], |row| row.get(0))?))
    }

    fn remains_of(&self, record: RecordId) -> Result<Vec<KeptRemain>, StoreError> {
        let query = self.conn.prepare_cached(
            "SELECT edit, path, record, kind, part, value, at, author, shown_by, shown FROM remain
             WHERE town = $1 AND record = $2 ORDER BY at, edit, path",
        )?;
        query.map(params![self.town.0, record.0.as_bytes()], kept)
    }
}

impl SettleDoubts for InTown<'_> {
    fn put_parting(
        &mut self,
        asker: &Device,
        key: &[u8; 32],
        made: DeviceId,
        at: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        self.conn
            .prepare_cached("INSERT INTO parting (device, key, user_id, at, made) VALUES ($1, $2, $3, $4, $5)")?
            .execute(params![asker.id.0.as_bytes(), key, asker.user.0.as_bytes(), ms(at), made.0.as_bytes()])?;
        Ok(())
    }

    fn put_once(&mut self, once: &[Once]) -> Result<(), StoreError> {
        let query = self.conn.prepare_cached(
            "INSERT INTO once AS o (town, edit, slot, n, sure, user_id) VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (town, edit, slot, n) DO UPDATE SET user_id = excluded.user_id,
                sure = CASE o.user_id WHEN '' THEN excluded.sure ELSE greatest(o.sure, excluded.sure) END
             WHERE o.user_id IN (excluded.user_id, '') AND excluded.user_id <> ''",
        )?;
        for Once { edit, dot, sure, user } in once {
            query.execute(params![
                self.town.0,
                edit.0.as_bytes(),
                int(dot.slot.0),
                int(dot.n),
                sure,
                user.map(|user| user.to_string()).unwrap_or_default()
            ])?;
        }
        Ok(())
    }

    fn put_seen(&mut self, user: UserId, seen: &[(EditId, Dot)]) -> Result<(), StoreError> {
        let query = self.conn.prepare_cached(
            "INSERT INTO seen (town, edit, slot, n, user_id) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
        )?;
        for (edit, dot) in seen {
            query.execute(params![self.town.0, edit.0.as_bytes(), int(dot.slot.0), int(dot.n), user.to_string()])?;
        }
        Ok(())
    }

    fn withdraw(&mut self, user: UserId, edits: &[EditId], at: DateTime<Utc>) -> Result<u64, StoreError> {
        let sql = format!(
            "UPDATE quarantine SET withdrawn = $3
             WHERE slot IN {SLOTS} AND id = $2 AND decision = '' AND withdrawn = 0"
        );
        let query = self.conn.prepare_cached(&sql)?;
        let mut marked = 0;
        for edit in edits {
            marked += query.execute(params![user.0.as_bytes(), edit.0.as_bytes(), ms(at)])?;
        }
        Ok(marked)
    }

    fn put_remains(&mut self, remains: &[KeptRemain]) -> Result<(), StoreError> {
        let query = self.conn.prepare_cached(
            "INSERT INTO remain (town, edit, path, record, kind, part, value, at, author, shown_by, shown)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING",
        )?;
        for KeptRemain { remain, shown_by, shown } in remains {
            query.execute(params![
                self.town.0,
                remain.edit.0.as_bytes(),
                remain.path.as_str(),
                remain.record.0.as_bytes(),
                remain.kind.code(),
                remain.part.code(),
                to_json("value", &remain.value)?,
                ms(remain.at),
                to_json("author", &remain.author)?,
                shown_by.0.as_bytes(),
                ms(*shown),
            ])?;
        }
        Ok(())
    }

    fn drop_remains(&mut self, edits: &[EditId]) -> Result<(), StoreError> {
        let any = match self.known_remains() {
            Some(known) => known,
            None => {
                let any = self.conn.prepare_cached("SELECT 1 FROM remain WHERE town = $1 LIMIT 1")?;
                any.exists(params![self.town.0])?
            }
        };
        if !any {
            return Ok(());
        }
        let query = self.conn.prepare_cached("DELETE FROM remain WHERE town = $1 AND edit = $2")?;
        for edit in edits {
            query.execute(params![self.town.0, edit.0.as_bytes()])?;
        }
        Ok(())
    }

    fn settle_remain(&mut self, edit: EditId, path: &Path, at: DateTime<Utc>) -> Result<bool, StoreError> {
        let query = self.conn.prepare_cached(
            "UPDATE remain SET settled = $4 WHERE town = $1 AND edit = $2 AND path = $3 AND settled = 0",
        )?;
        Ok(query.execute(params![self.town.0, edit.0.as_bytes(), path.as_str(), ms(at)])? == 1)
    }

    fn drop_remains_of(&mut self, record: RecordId) -> Result<(), StoreError> {
        self.conn
            .prepare_cached("DELETE FROM remain WHERE town = $1 AND record = $2")?
            .execute(params![self.town.0, record.0.as_bytes()])?;
        Ok(())
    }
}

/// Takes the next running number of a decision: of the town where its author hears of it.
pub fn next_decision(tx: &InTown<'_>, edit: EditId) -> Result<u64, StoreError> {
    let home =
        tx.conn.prepare_cached("SELECT s.town FROM quarantine q JOIN slot s ON s.slot = q.slot WHERE q.id = $1")?;
    let home = home.first(params![edit.0.as_bytes()], |row| Ok(AreaId(row.get(0)?)))?.unwrap_or(tx.town);
    tx.held.must_hold(&BTreeSet::from([home]))?;
    let query = tx.conn.prepare_cached(
        "INSERT INTO sequence AS s (town, part, last) VALUES ($1, 'decided', 1)
         ON CONFLICT (town, part) DO UPDATE SET last = s.last + 1 RETURNING s.last",
    )?;
    Ok(columns::count(query.one(params![home.0], |row| row.get(0))?))
}
