//! The audit: added to, chained, and read again.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};
use shared::area::AreaId;

use super::{InTown, SqliteStore};
use crate::store::audit::BEFORE_FIRST;
use crate::store::{Audit, AuditEntry, AuditFilter, AuditHead, AuditMark, Audited, StoreError};

/// The step of the schema after which entries are chained.
pub const CHAINED: usize = 7;

/// The columns [`entry`] reads, in order.
const ENTRY: &str = "a.id, a.town, a.number, a.at, a.user, a.action, a.subject, a.detail, a.hash";

/// Somebody may have written what is no text: it is read as well as it can be, and its hash tells.
fn text(row: &Row<'_>, at: usize) -> Result<String, StoreError> {
    Ok(String::from_utf8_lossy(row.get_ref(at)?.as_bytes().unwrap_or_default()).into_owned())
}

fn entry(row: &Row<'_>) -> Result<AuditEntry, StoreError> {
    Ok(AuditEntry {
        id: row.get(0)?,
        town: AreaId(row.get(1)?),
        number: row.get(2)?,
        at: row.get(3)?,
        user: row.get(4)?,
        action: text(row, 5)?,
        subject: text(row, 6)?,
        detail: text(row, 7)?,
        hash: row.get(8)?,
    })
}

fn head(conn: &Connection, town: AreaId) -> Result<Option<AuditHead>, StoreError> {
    let mut query = conn.prepare_cached("SELECT number, id, hash FROM audit_head WHERE town = ?1")?;
    let found = query.query_row([town.0], |row| {
        Ok(AuditHead { number: row.get(0)?, mark: AuditMark { id: row.get(1)?, hash: row.get(2)? } })
    });
    Ok(found.optional()?)
}

/// Adds an entry after what the head says is the last, and moves the head. The hash of the head counts, not that of the
/// last row: what was cut off is not papered over by going on.
fn append(conn: &Connection, mut entry: AuditEntry) -> Result<(), StoreError> {
    let before = head(conn, entry.town)?;
    let last: i64 = conn
        .prepare_cached("SELECT coalesce(max(number), 0) FROM audit WHERE town = ?1")?
        .query_row([entry.town.0], |row| row.get(0))?;
    entry.number = before.map_or(0, |head| head.number).max(last).saturating_add(1);
    entry.hash = entry.hash_after(&before.map_or(BEFORE_FIRST, |head| head.mark.hash)).to_vec();
    conn.prepare_cached(
        "INSERT INTO audit (id, town, number, at, user, action, subject, detail, hash)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?
    .execute(params![
        entry.id,
        entry.town.0,
        entry.number,
        entry.at,
        entry.user,
        entry.action,
        entry.subject,
        entry.detail,
        entry.hash
    ])?;
    conn.prepare_cached(
        "INSERT INTO audit_head (town, number, id, hash) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (town) DO UPDATE SET number = excluded.number, id = excluded.id, hash = excluded.hash",
    )?
    .execute(params![entry.town.0, entry.number, entry.id, entry.hash])?;
    Ok(())
}

/// Chains what stood in the audit before step [`CHAINED`], in its order. That it was not altered before, nobody can say.
pub fn chain(conn: &Connection) -> Result<(), StoreError> {
    {
        let mut all = conn.prepare(
            "SELECT a.id, a.town, 0, a.at, a.user, a.action, a.subject, a.detail, x'' FROM audit_unchained a ORDER BY a.id",
        )?;
        let mut rows = all.query([])?;
        while let Some(row) = rows.next()? {
            append(conn, entry(row)?)?;
        }
    }
    conn.execute_batch("DROP TABLE audit_unchained")?;
    Ok(())
}

impl SqliteStore {
    /// See [`crate::store::Store::audited_towns`].
    pub(super) fn with_audit(&self) -> Result<Vec<AreaId>, StoreError> {
        self.reading(|conn| {
            let mut query =
                conn.prepare_cached("SELECT town FROM audit UNION SELECT town FROM audit_head ORDER BY 1")?;
            let towns = query.query_map([], |row| row.get(0).map(AreaId))?.collect::<Result<_, _>>()?;
            Ok(towns)
        })
    }
}

impl InTown<'_> {
    /// See [`crate::store::Tx::put_audit`].
    pub(super) fn write_down(&self, audit: &Audit) -> Result<(), StoreError> {
        // An id that was cut off is not given again.
        let id: i64 = self
            .conn
            .prepare_cached(
                "SELECT max(coalesce((SELECT max(id) FROM audit), 0), coalesce((SELECT max(id) FROM audit_head), 0)) + 1",
            )?
            .query_row([], |row| row.get(0))?;
        append(
            self.conn,
            AuditEntry {
                id,
                town: self.town,
                number: 0,
                at: super::columns::ms(audit.at),
                user: audit.user.map(|user| user.0.as_bytes().to_vec()),
                action: audit.action.clone(),
                subject: audit.subject.clone(),
                detail: audit.detail.clone(),
                hash: Vec::new(),
            },
        )
    }
}

impl Audited for InTown<'_> {
    fn audit_entries(&self, filter: &AuditFilter) -> Result<Vec<(AuditEntry, bool)>, StoreError> {
        let mut sql = format!(
            "SELECT {ENTRY}, p.hash FROM audit a LEFT JOIN audit p ON p.town = a.town AND p.number = a.number - 1
             WHERE a.town = ?"
        );
        let mut values: Vec<Value> = vec![self.town.0.into()];
        let mut only = |condition: &str, value: Value| {
            sql.push_str(condition);
            values.push(value);
        };
        if let Some(before) = filter.before {
            // Ids ascend with the numbers; by the number there is an index.
            only(
                " AND a.number < coalesce((SELECT number FROM audit WHERE id = ? AND town = a.town), 0)",
                before.into(),
            );
        }
        if let Some(action) = &filter.action {
            only(" AND a.action = ?", action.clone().into());
        }
        if let Some(user) = filter.user {
            only(" AND a.user IS ?", user.map(|user| user.0.as_bytes().to_vec()).into());
        }
        only(" ORDER BY a.number DESC LIMIT ?", i64::try_from(filter.limit).unwrap_or(i64::MAX).into());
        let mut query = self.conn.prepare_cached(&sql)?;
        let mut rows = query.query(params_from_iter(values))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let entry = entry(row)?;
            let fits = match row.get_ref(9)?.as_blob_or_null().unwrap_or_default() {
                Some(before) => entry.fits(before),
                None => entry.number == 1 && entry.fits(&BEFORE_FIRST),
            };
            found.push((entry, fits));
        }
        Ok(found)
    }

    fn each_audit(&self, each: &mut dyn FnMut(AuditEntry)) -> Result<(), StoreError> {
        let sql = format!("SELECT {ENTRY} FROM audit a WHERE a.town = ?1 ORDER BY a.number, a.id");
        let mut query = self.conn.prepare_cached(&sql)?;
        let mut rows = query.query([self.town.0])?;
        while let Some(row) = rows.next()? {
            each(entry(row)?);
        }
        Ok(())
    }

    fn audit_head(&self) -> Result<Option<AuditHead>, StoreError> {
        head(self.conn, self.town)
    }
}
