//! [`ReadDoubts`] and [`SettleDoubts`] over one file.

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension, Row, params};
use shared::area::AreaId;
use shared::ids::{DeviceId, Dot, EditId, RecordId, Slot, UserId};
use shared::path::Path;
use shared::wire::{Outcome, Rejection, Remain};

use super::InTown;
use super::columns::{self, count, from_json, int, kind, ms, part, time, to_json, uuid};
use super::global::{DEVICE, device};
use crate::auth::authorize::Reach;
use crate::store::{Device, KeptRemain, Lost, Once, ReadDoubts, SeenEdit, SettleDoubts, Stood, StoreError, Undecided};

/// The slots of a user's handhelds.
const SLOTS: &str = "(SELECT slot FROM device WHERE user = ?1)";

fn limited(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// id, decision, vector, reason, decided, note
fn decided(row: &Row<'_>) -> Result<(u64, SeenEdit), StoreError> {
    let outcome = match row.get::<_, String>(1)?.as_str() {
        "released" => Outcome::Applied { vector: from_json("vector", &row.get::<_, String>(2)?)? },
        _ => {
            let rejection: Rejection = from_json("reason", &row.get::<_, String>(3)?)?;
            Outcome::Rejected(Rejection { note: row.get(5)?, ..rejection })
        }
    };
    let edit = EditId(uuid(&row.get::<_, Vec<u8>>(0)?)?);
    Ok((count(row.get(4)?), SeenEdit { edit, outcome }))
}

/// kind, areas, readers, visit of an open part that may not be there
fn reach(row: &Row<'_>) -> Result<Option<Reach>, StoreError> {
    let Ok(of) = row.get_ref(0)?.as_str() else { return Ok(None) };
    Ok(Some(Reach {
        kind: kind(of)?,
        areas: columns::areas(row.get_ref(1)?.as_str().unwrap_or_default()),
        readers: columns::users(row.get_ref(2)?.as_str().unwrap_or_default()),
        visit: row.get(3)?,
    }))
}

fn kept(row: &Row<'_>) -> Result<KeptRemain, StoreError> {
    let path: String = row.get(1)?;
    Ok(KeptRemain {
        remain: Remain {
            edit: EditId(uuid(&row.get::<_, Vec<u8>>(0)?)?),
            path: path
                .parse()
                .map_err(|_| StoreError::Corrupt { what: "path".to_owned(), why: "it is none".to_owned() })?,
            record: RecordId(uuid(&row.get::<_, Vec<u8>>(2)?)?),
            kind: kind(row.get_ref(3)?.as_str().unwrap_or_default())?,
            part: part(row.get_ref(4)?.as_str().unwrap_or_default())?,
            value: from_json("value", &row.get::<_, String>(5)?)?,
            at: time(row.get(6)?),
            author: from_json("author", &row.get::<_, String>(7)?)?,
        },
        shown_by: UserId(uuid(&row.get::<_, Vec<u8>>(8)?)?),
        shown: time(row.get(9)?),
    })
}

impl ReadDoubts for InTown<'_> {
    fn present_epoch(&self) -> Result<u32, StoreError> {
        let mut query = self.conn.prepare_cached("SELECT value FROM meta WHERE key = 'epoch'")?;
        let text: String = query.query_row([], |row| row.get(0))?;
        from_json("epoch", &text)
    }

    fn last_decision(&self) -> Result<u64, StoreError> {
        let mut query = self.conn.prepare_cached("SELECT last FROM sequence WHERE town = ?1 AND part = 'decided'")?;
        let last: Option<i64> = query.query_row(params![self.town.0], |row| row.get(0)).optional()?;
        Ok(last.map_or(0, count))
    }

    fn first_dots(&self, edits: &[EditId]) -> Result<Vec<(EditId, Dot)>, StoreError> {
        let mut refused = self.conn.prepare_cached(
            "SELECT body ->> '$.dot[0]', body ->> '$.dot[1]' FROM quarantine WHERE id = ?1
             UNION ALL SELECT slot, n FROM unreadable WHERE id = ?1
             UNION ALL SELECT slot, n FROM erased_edit WHERE id = ?1",
        )?;
        let mut applied = self.conn.prepare_cached("SELECT slot, n FROM edit WHERE id = ?1")?;
        let mut found = Vec::new();
        for edit in edits {
            let id = params![edit.0.as_bytes()];
            let dot = |row: &Row<'_>| Ok(Dot { slot: Slot(count(row.get(0)?)), n: count(row.get(1)?) });
            // A released edit stands in both; it came under the dot it was refused with.
            let first = refused.query_row(id, dot).optional()?;
            let first = if first.is_some() { first } else { applied.query_row(id, dot).optional()? };
            found.extend(first.map(|dot| (*edit, dot)));
        }
        Ok(found)
    }

    fn applied_dots(&self, edits: &[EditId]) -> Result<Vec<(EditId, Dot)>, StoreError> {
        let mut applied = self.conn.prepare_cached("SELECT slot, n FROM edit WHERE id = ?1")?;
        let mut found = Vec::new();
        for edit in edits {
            let dot = |row: &Row<'_>| Ok(Dot { slot: Slot(count(row.get(0)?)), n: count(row.get(1)?) });
            found.extend(applied.query_row(params![edit.0.as_bytes()], dot).optional()?.map(|dot| (*edit, dot)));
        }
        Ok(found)
    }

    fn applied_at(&self, dot: Dot) -> Result<Option<EditId>, StoreError> {
        let mut query = self.conn.prepare_cached("SELECT id FROM edit WHERE slot = ?1 AND n = ?2")?;
        let id: Option<Vec<u8>> = query.query_row(params![int(dot.slot.0), int(dot.n)], |row| row.get(0)).optional()?;
        id.as_deref().map(uuid).transpose().map(|id| id.map(EditId))
    }

    fn any_once(&self) -> Result<bool, StoreError> {
        let mut query = self.conn.prepare_cached("SELECT 1 FROM once WHERE town = ?1 LIMIT 1")?;
        Ok(query.exists(params![self.town.0])?)
    }

    fn once_of(&self, record: RecordId) -> Result<Vec<Stood>, StoreError> {
        // A dot that another edit has, applied or refused, or may have had with as much right, says nothing. What was
        // accepted from quarantine is as if saved anew; its dot is of a slot in which others write too.
        let mut query = self.conn.prepare_cached(
            "SELECT e.body ->> '$.part', o.slot, o.n, e.slot, e.n, ''
             FROM edit e JOIN once o ON o.town = e.town AND o.edit = e.id
                         JOIN slot s ON s.slot = e.slot AND s.origin = 'device'
             WHERE e.town = ?1 AND e.record = ?2 AND (o.slot, o.n) <> (e.slot, e.n) AND e.body ->> '$.author.user' = o.user
               AND NOT EXISTS (SELECT 1 FROM edit x WHERE x.slot = o.slot AND x.n = o.n)
               AND NOT EXISTS (SELECT 1 FROM quarantine q WHERE q.town = o.town AND q.body ->> '$.dot[0]' = o.slot
                               AND q.body ->> '$.dot[1]' = o.n AND q.id <> o.edit
                               AND q.body ->> '$.author.user' = o.user)
               AND NOT EXISTS (SELECT 1 FROM unreadable u WHERE u.slot = o.slot AND u.n = o.n AND u.id <> o.edit)
               AND NOT EXISTS (SELECT 1 FROM erased_edit d WHERE d.slot = o.slot AND d.n = o.n AND d.id <> o.edit)
               AND NOT EXISTS (SELECT 1 FROM once r WHERE r.town = o.town AND r.slot = o.slot AND r.n = o.n
                               AND r.edit <> o.edit AND r.sure >= o.sure)
             UNION ALL
             SELECT e.body ->> '$.part', s.slot, s.n, e.slot, e.n, s.user
             FROM edit e JOIN seen s ON s.town = e.town AND s.edit = e.id
                         JOIN slot o ON o.slot = e.slot AND o.origin = 'device'
             WHERE e.town = ?1 AND e.record = ?2 AND (s.slot, s.n) <> (e.slot, e.n)
             ORDER BY 2, 3, 6",
        )?;
        let rows = query.query_and_then(params![self.town.0, record.0.as_bytes()], |row| {
            let dot = |at| Ok::<_, StoreError>(Dot { slot: Slot(count(row.get(at)?)), n: count(row.get(at + 1)?) });
            let to: String = row.get(5)?;
            Ok(Stood {
                part: part(row.get_ref(0)?.as_str().unwrap_or_default())?,
                then: dot(1)?,
                now: dot(3)?,
                to: if to.is_empty() {
                    None
                } else {
                    let bad = |_| StoreError::Corrupt { what: "user".to_owned(), why: "it is none".to_owned() };
                    Some(to.parse().map_err(bad)?)
                },
            })
        })?;
        rows.collect()
    }

    fn once_at(&self, dots: &[Dot]) -> Result<Vec<RecordId>, StoreError> {
        let mut query = self.conn.prepare_cached(
            "SELECT e.record FROM once o JOIN edit e ON e.id = o.edit
             WHERE o.town = ?1 AND o.slot = ?2 AND o.n = ?3 AND e.town = ?1
             UNION SELECT e.record FROM seen s JOIN edit e ON e.id = s.edit
             WHERE s.town = ?1 AND s.slot = ?2 AND s.n = ?3 AND e.town = ?1",
        )?;
        let mut records = Vec::new();
        for dot in dots {
            let rows = query.query_map(params![self.town.0, int(dot.slot.0), int(dot.n)], |row| row.get(0))?;
            for id in rows.collect::<Result<Vec<Vec<u8>>, _>>()? {
                records.push(RecordId(uuid(&id)?));
            }
        }
        Ok(records)
    }

    fn stood_elsewhere(&self, edits: &[EditId]) -> Result<Vec<EditId>, StoreError> {
        let mut query = self.conn.prepare_cached(
            "SELECT 1 FROM once WHERE town = ?1 AND edit = ?2 UNION ALL SELECT 1 FROM seen WHERE town = ?1 AND edit = ?2",
        )?;
        let mut found = Vec::new();
        for edit in edits {
            if query.exists(params![self.town.0, edit.0.as_bytes()])? {
                found.push(*edit);
            }
        }
        Ok(found)
    }

    fn device_of(&self, user: UserId, slot: Slot) -> Result<Option<DeviceId>, StoreError> {
        let mut query = self
            .conn
            .prepare_cached("SELECT id FROM device WHERE user = ?1 AND slot = ?2 ORDER BY enrolled DESC LIMIT 1")?;
        let id: Option<Vec<u8>> =
            query.query_row(params![user.0.as_bytes(), int(slot.0)], |row| row.get(0)).optional()?;
        id.as_deref().map(uuid).transpose().map(|id| id.map(DeviceId))
    }

    fn decided_since(&self, user: UserId, after: u64) -> Result<Vec<(u64, SeenEdit)>, StoreError> {
        let sql = format!(
            "SELECT id, decision, vector, reason, decided, note FROM quarantine
             WHERE slot IN {SLOTS} AND decided > ?2 ORDER BY decided LIMIT 1000"
        );
        let mut query = self.conn.prepare_cached(&sql)?;
        query.query_and_then(params![user.0.as_bytes(), int(after)], decided)?.collect()
    }

    fn undecided_of(&self, user: UserId, limit: usize) -> Result<Vec<SeenEdit>, StoreError> {
        let sql = format!(
            "SELECT id, decision, vector, reason, decided, note FROM quarantine
             WHERE slot IN {SLOTS} AND decided = 0 AND withdrawn = 0 ORDER BY row LIMIT ?2"
        );
        let mut query = self.conn.prepare_cached(&sql)?;
        let rows = query.query_and_then(params![user.0.as_bytes(), limited(limit)], |row| Ok(decided(row)?.1))?;
        rows.collect()
    }

    fn parting(&self, of: DeviceId, key: &[u8; 32]) -> Result<Option<Device>, StoreError> {
        let sql = format!(
            "SELECT {DEVICE} FROM parting p JOIN device d ON d.id = p.made WHERE p.device = ?1 AND p.key = ?2
             ORDER BY p.row DESC LIMIT 1"
        );
        let mut query = self.conn.prepare_cached(&sql)?;
        query.query_and_then(params![of.0.as_bytes(), key], |row| device(row, 0))?.next().transpose()
    }

    fn partings_since(&self, user: UserId, since: DateTime<Utc>) -> Result<u64, StoreError> {
        let mut query = self.conn.prepare_cached("SELECT count(*) FROM parting WHERE user = ?1 AND at > ?2")?;
        Ok(count(query.query_row(params![user.0.as_bytes(), ms(since)], |row| row.get(0))?))
    }

    fn each_undecided(&self, each: &mut dyn FnMut(Undecided) -> Result<bool, StoreError>) -> Result<(), StoreError> {
        let mut query = self.conn.prepare_cached(
            "SELECT p.kind, p.areas, p.readers, p.visit, q.id, q.body ->> '$.part', q.body ->> '$.kind',
                 CASE WHEN p.row IS NULL THEN q.body ->> '$.writes.area' END
             FROM quarantine q INDEXED BY quarantine_open
             LEFT JOIN part p ON p.town = q.town AND p.record = q.record AND p.part = 'open'
             WHERE q.town = ?1 AND q.decision = '' AND q.withdrawn = 0 ORDER BY q.row DESC",
        )?;
        let mut rows = query.query(params![self.town.0])?;
        while let Some(row) = rows.next()? {
            let area = row.get_ref(7)?.as_i64().ok().and_then(|id| u32::try_from(id).ok());
            let undecided = Undecided {
                reach: reach(row)?,
                edit: EditId(uuid(row.get_ref(4)?.as_blob().unwrap_or_default())?),
                part: part(row.get_ref(5)?.as_str().unwrap_or_default())?,
                kind: kind(row.get_ref(6)?.as_str().unwrap_or_default())?,
                area: area.map(AreaId),
            };
            if !each(undecided)? {
                break;
            }
        }
        Ok(())
    }

    fn remains(&self, limit: usize) -> Result<Vec<KeptRemain>, StoreError> {
        let mut query = self.conn.prepare_cached(
            "SELECT edit, path, record, kind, part, value, at, author, shown_by, shown FROM remain
             WHERE town = ?1 AND settled = 0 ORDER BY record, at, edit, path LIMIT ?2",
        )?;
        query.query_and_then(params![self.town.0, limited(limit)], kept)?.collect()
    }

    fn each_lost(&self, each: &mut dyn FnMut(Lost) -> Result<bool, StoreError>) -> Result<(), StoreError> {
        let mut query = self.conn.prepare_cached(
            "SELECT p.kind, p.areas, p.readers, p.visit, r.record, r.part
             FROM (SELECT DISTINCT record, part FROM remain INDEXED BY remain_record WHERE town = ?1 AND settled = 0) r
             LEFT JOIN part p ON p.town = ?1 AND p.record = r.record AND p.part = 'open'
             ORDER BY r.record, r.part",
        )?;
        let mut rows = query.query(params![self.town.0])?;
        while let Some(row) = rows.next()? {
            let lost = Lost {
                reach: reach(row)?,
                record: RecordId(uuid(row.get_ref(4)?.as_blob().unwrap_or_default())?),
                part: part(row.get_ref(5)?.as_str().unwrap_or_default())?,
            };
            if !each(lost)? {
                break;
            }
        }
        Ok(())
    }

    fn unsettled_of(&self, record: RecordId) -> Result<Vec<KeptRemain>, StoreError> {
        let mut query = self.conn.prepare_cached(
            "SELECT edit, path, record, kind, part, value, at, author, shown_by, shown FROM remain
             WHERE town = ?1 AND record = ?2 AND settled = 0 ORDER BY at, edit, path",
        )?;
        query.query_and_then(params![self.town.0, record.0.as_bytes()], kept)?.collect()
    }

    fn unsettled_by(&self, user: UserId) -> Result<u64, StoreError> {
        let mut query = self.conn.prepare_cached(
            "SELECT count(*) FROM remain INDEXED BY remain_shown_by WHERE town = ?1 AND shown_by = ?2 AND settled = 0",
        )?;
        Ok(count(query.query_row(params![self.town.0, user.0.as_bytes()], |row| row.get(0))?))
    }

    fn remains_of(&self, record: RecordId) -> Result<Vec<KeptRemain>, StoreError> {
        let mut query = self.conn.prepare_cached(
            "SELECT edit, path, record, kind, part, value, at, author, shown_by, shown FROM remain
             WHERE town = ?1 AND record = ?2 ORDER BY at, edit, path",
        )?;
        query.query_and_then(params![self.town.0, record.0.as_bytes()], kept)?.collect()
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
            .prepare_cached("INSERT INTO parting (device, key, user, at, made) VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute(params![asker.id.0.as_bytes(), key, asker.user.0.as_bytes(), ms(at), made.0.as_bytes()])?;
        Ok(())
    }

    fn put_once(&mut self, once: &[Once]) -> Result<(), StoreError> {
        let mut query = self.conn.prepare_cached(
            "INSERT INTO once (town, edit, slot, n, sure, user) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT DO UPDATE SET user = excluded.user,
                sure = CASE user WHEN '' THEN excluded.sure ELSE max(sure, excluded.sure) END
             WHERE user IN (excluded.user, '') AND excluded.user <> ''",
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
        let mut query = self.conn.prepare_cached(
            "INSERT INTO seen (town, edit, slot, n, user) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
        )?;
        for (edit, dot) in seen {
            query.execute(params![self.town.0, edit.0.as_bytes(), int(dot.slot.0), int(dot.n), user.to_string()])?;
        }
        Ok(())
    }

    fn withdraw(&mut self, user: UserId, edits: &[EditId], at: DateTime<Utc>) -> Result<u64, StoreError> {
        let sql = format!(
            "UPDATE quarantine SET withdrawn = ?3
             WHERE slot IN {SLOTS} AND id = ?2 AND decision = '' AND withdrawn = 0"
        );
        let mut query = self.conn.prepare_cached(&sql)?;
        let mut marked = 0;
        for edit in edits {
            marked += query.execute(params![user.0.as_bytes(), edit.0.as_bytes(), ms(at)])?;
        }
        Ok(u64::try_from(marked).unwrap_or(u64::MAX))
    }

    fn put_remains(&mut self, remains: &[KeptRemain]) -> Result<(), StoreError> {
        let mut query = self.conn.prepare_cached(
            "INSERT INTO remain (town, edit, path, record, kind, part, value, at, author, shown_by, shown)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT DO NOTHING",
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
        let mut any = self.conn.prepare_cached("SELECT 1 FROM remain WHERE town = ?1 LIMIT 1")?;
        if !any.exists(params![self.town.0])? {
            return Ok(());
        }
        let mut query = self.conn.prepare_cached("DELETE FROM remain WHERE town = ?1 AND edit = ?2")?;
        for edit in edits {
            query.execute(params![self.town.0, edit.0.as_bytes()])?;
        }
        Ok(())
    }

    fn settle_remain(&mut self, edit: EditId, path: &Path, at: DateTime<Utc>) -> Result<bool, StoreError> {
        let mut query = self.conn.prepare_cached(
            "UPDATE remain SET settled = ?4 WHERE town = ?1 AND edit = ?2 AND path = ?3 AND settled = 0",
        )?;
        Ok(query.execute(params![self.town.0, edit.0.as_bytes(), path.as_str(), ms(at)])? == 1)
    }

    fn drop_remains_of(&mut self, record: RecordId) -> Result<(), StoreError> {
        self.conn
            .prepare_cached("DELETE FROM remain WHERE town = ?1 AND record = ?2")?
            .execute(params![self.town.0, record.0.as_bytes()])?;
        Ok(())
    }
}

/// Takes the next running number of a decision: of the town where its author hears of it.
pub fn next_decision(tx: &InTown<'_>, edit: EditId) -> Result<u64, StoreError> {
    let mut home =
        tx.conn.prepare_cached("SELECT s.town FROM quarantine q JOIN slot s ON s.slot = q.slot WHERE q.id = ?1")?;
    let home: Option<u32> = home.query_row(params![edit.0.as_bytes()], |row| row.get(0)).optional()?;
    let mut query = tx.conn.prepare_cached(
        "INSERT INTO sequence (town, part, last) VALUES (?1, 'decided', 1)
         ON CONFLICT (town, part) DO UPDATE SET last = last + 1 RETURNING last",
    )?;
    Ok(columns::count(query.query_row(params![home.unwrap_or(tx.town.0)], |row| row.get(0))?))
}
