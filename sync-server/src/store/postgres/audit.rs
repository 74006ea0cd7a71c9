//! The audit: added to, chained, and read again.

use shared::area::AreaId;

use super::conn::Conn;
use super::parts::Wanted;
use super::sql::{AsValue as _, Row, params};
use super::{InTown, PostgresStore};
use crate::store::audit::BEFORE_FIRST;
use crate::store::{Audit, AuditEntry, AuditFilter, AuditHead, AuditMark, Audited, StoreError};

/// The columns [`entry`] reads, in order.
const ENTRY: &str = "a.id, a.town, a.number, a.at, a.user_id, a.action, a.subject, a.detail, a.hash";

fn entry(row: &Row) -> Result<AuditEntry, StoreError> {
    Ok(AuditEntry {
        id: row.get(0)?,
        town: AreaId(row.get(1)?),
        number: row.get(2)?,
        at: row.get(3)?,
        user: row.get(4)?,
        action: row.get(5)?,
        subject: row.get(6)?,
        detail: row.get(7)?,
        hash: row.get(8)?,
    })
}

fn head(conn: &Conn<'_>, town: AreaId) -> Result<Option<AuditHead>, StoreError> {
    let query = conn.prepare_cached("SELECT number, id, hash FROM audit_head WHERE town = $1")?;
    query.first(params![town.0], |row| {
        Ok(AuditHead { number: row.get(0)?, mark: AuditMark { id: row.get(1)?, hash: row.get(2)? } })
    })
}

/// Adds an entry after what the head says is the last, and moves the head. The hash of the head counts, not that of the
/// last row: what was cut off is not papered over by going on.
fn append(conn: &Conn<'_>, mut entry: AuditEntry) -> Result<(), StoreError> {
    let before = head(conn, entry.town)?;
    let last: i64 = conn
        .prepare_cached("SELECT coalesce(max(number), 0) FROM audit WHERE town = $1")?
        .one(params![entry.town.0], |row| row.get(0))?;
    entry.number = before.map_or(0, |head| head.number).max(last).saturating_add(1);
    entry.hash = entry.hash_after(&before.map_or(BEFORE_FIRST, |head| head.mark.hash)).to_vec();
    conn.prepare_cached(
        "INSERT INTO audit (id, town, number, at, user_id, action, subject, detail, hash)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
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
        "INSERT INTO audit_head (town, number, id, hash) VALUES ($1, $2, $3, $4)
         ON CONFLICT (town) DO UPDATE SET number = excluded.number, id = excluded.id, hash = excluded.hash",
    )?
    .execute(params![entry.town.0, entry.number, entry.id, entry.hash])?;
    Ok(())
}

impl PostgresStore {
    /// See [`crate::store::Store::audited_towns`].
    pub(super) fn with_audit(&self) -> Result<Vec<AreaId>, StoreError> {
        self.reading(|conn| {
            let query = conn.prepare_cached("SELECT town FROM audit UNION SELECT town FROM audit_head ORDER BY 1")?;
            let towns = query.map(&[], |row| Ok(AreaId(row.get(0)?)))?;
            Ok(towns)
        })
    }
}

impl InTown<'_> {
    /// See [`crate::store::Tx::put_audit`].
    pub(super) fn write_down(&self, audit: &Audit) -> Result<(), StoreError> {
        // An id that was cut off is not given again.
        let id: i64 = self.conn.prepare_cached("SELECT nextval('audit_id')")?.one(&[], |row| row.get(0))?;
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
        let mut wanted = Wanted::of("a", self.town);
        if let Some(before) = filter.before {
            // Ids ascend with the numbers; by the number there is an index.
            let condition = "a.number < coalesce((SELECT b.number FROM audit b WHERE b.id = ? AND b.town = $1), 0)";
            wanted.and(condition, before.value());
        }
        if let Some(action) = &filter.action {
            wanted.and("a.action = ?", action.value());
        }
        match filter.user {
            None => {}
            Some(None) => wanted.sql.push_str(" AND a.user_id IS NULL"),
            Some(Some(user)) => wanted.and("a.user_id = ?", user.0.as_bytes().value()),
        }
        let limit = wanted.arg(i64::try_from(filter.limit).unwrap_or(i64::MAX).value());
        let sql = format!(
            "SELECT {ENTRY}, p.hash FROM audit a LEFT JOIN audit p ON p.town = a.town AND p.number = a.number - 1
             WHERE {} ORDER BY a.number DESC LIMIT {limit}",
            wanted.sql
        );
        self.conn.prepare_cached(&sql)?.map(&wanted.args, |row| {
            let entry = entry(row)?;
            let fits = match row.get::<Option<Vec<u8>>>(9)? {
                Some(before) => entry.fits(&before),
                None => entry.number == 1 && entry.fits(&BEFORE_FIRST),
            };
            Ok((entry, fits))
        })
    }

    fn each_audit(&self, each: &mut dyn FnMut(AuditEntry)) -> Result<(), StoreError> {
        let sql = format!("SELECT {ENTRY} FROM audit a WHERE a.town = $1 ORDER BY a.number, a.id");
        let query = self.conn.prepare_cached(&sql)?;
        let mut rows = query.rows(params![self.town.0])?;
        while let Some(row) = rows.next()? {
            each(entry(&row)?);
        }
        Ok(())
    }

    fn audit_head(&self) -> Result<Option<AuditHead>, StoreError> {
        head(self.conn, self.town)
    }
}
