//! What takes two people.

use chrono::{DateTime, Utc};
use shared::ids::UserId;
use uuid::Uuid;

use super::InTown;
use super::columns::{ms, time, uuid};
use super::sql::{Row, params};
use crate::store::{Approval, KeepApprovals, ReadApprovals, StoreError};

/// The columns [`approval`] reads, in order.
const APPROVAL: &str = "id, kind, subject, asked_by, asked_at, released_by, released_at, used_at";

fn approval(row: &Row) -> Result<Approval, StoreError> {
    let by: Option<Vec<u8>> = row.get(5)?;
    let at: Option<i64> = row.get(6)?;
    Ok(Approval {
        id: uuid(&row.get::<Vec<u8>>(0)?)?,
        kind: row.get(1)?,
        subject: row.get(2)?,
        asked_by: UserId(uuid(&row.get::<Vec<u8>>(3)?)?),
        asked_at: time(row.get(4)?),
        released: by.as_deref().map(uuid).transpose()?.map(UserId).zip(at.map(time)),
        used_at: row.get::<Option<i64>>(7)?.map(time),
    })
}

impl ReadApprovals for InTown<'_> {
    fn approval(&self, id: Uuid) -> Result<Option<Approval>, StoreError> {
        let sql = format!("SELECT {APPROVAL} FROM approval WHERE town = $1 AND id = $2");
        let query = self.conn.prepare_cached(&sql)?;
        let mut rows = query.rows(params![self.town.0, id.as_bytes()])?;
        rows.next()?.map(|row| approval(&row)).transpose()
    }

    fn approvals(&self, kind: &str, after: DateTime<Utc>) -> Result<Vec<Approval>, StoreError> {
        let sql = format!(
            "SELECT {APPROVAL} FROM approval WHERE town = $1 AND kind = $2 AND asked_at > $3 ORDER BY asked_at DESC, id"
        );
        let query = self.conn.prepare_cached(&sql)?;
        query.map(params![self.town.0, kind, ms(after)], approval)
    }
}

impl KeepApprovals for InTown<'_> {
    fn put_approval(&mut self, approval: &Approval) -> Result<(), StoreError> {
        self.conn
            .prepare_cached(
                "INSERT INTO approval (id, town, kind, subject, asked_by, asked_at) VALUES ($1, $2, $3, $4, $5, $6)",
            )?
            .execute(params![
                approval.id.as_bytes(),
                self.town.0,
                approval.kind,
                approval.subject,
                approval.asked_by.0.as_bytes(),
                ms(approval.asked_at)
            ])?;
        Ok(())
    }

    fn release_approval(&mut self, id: Uuid, by: UserId, at: DateTime<Utc>) -> Result<bool, StoreError> {
        let query = self.conn.prepare_cached(
            "UPDATE approval SET released_by = $3, released_at = $4
             WHERE town = $1 AND id = $2 AND released_by IS NULL AND asked_by <> $3",
        )?;
        Ok(query.execute(params![self.town.0, id.as_bytes(), by.0.as_bytes(), ms(at)])? == 1)
    }

    fn use_approval(&mut self, id: Uuid, at: DateTime<Utc>) -> Result<bool, StoreError> {
        let query = self.conn.prepare_cached(
            "UPDATE approval SET used_at = $3
             WHERE town = $1 AND id = $2 AND released_at IS NOT NULL AND used_at IS NULL",
        )?;
        Ok(query.execute(params![self.town.0, id.as_bytes(), ms(at)])? == 1)
    }
}
