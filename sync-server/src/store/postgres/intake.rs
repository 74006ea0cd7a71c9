//! Reports from any phone, in SQL.

use chrono::{DateTime, Utc};
use shared::area::AreaId;
use shared::ids::RecordId;
use uuid::Uuid;

use super::InTown;
use super::columns::{count, int, ms, time, uuid};
use super::sql::{Row, Value, params};
use crate::store::{KeepIntake, ReadIntake, Reporter, StoreError, Told, Tray};

const TRAY: &str = "SELECT id, area, at, reason, body FROM intake_tray WHERE town = $1";
/// $2 holds areas.
const THERE: &str = "area = ANY ($2)";

fn told(row: &Row) -> Result<Told, StoreError> {
    let record: Vec<u8> = row.get(2)?;
    Ok(Told {
        id: uuid(&row.get::<Vec<u8>>(0)?)?,
        token: row.get(1)?,
        record: if record.is_empty() { None } else { Some(RecordId(uuid(&record)?)) },
        told: row.get(3)?,
    })
}

fn tray(row: &Row) -> Result<Tray, StoreError> {
    Ok(Tray {
        id: uuid(&row.get::<Vec<u8>>(0)?)?,
        area: AreaId(row.get(1)?),
        at: time(row.get(2)?),
        reason: row.get(3)?,
        body: row.get(4)?,
    })
}

fn ids(areas: &[AreaId]) -> Value {
    Value::Ints(areas.iter().map(|area| area.0.into()).collect())
}

impl ReadIntake for InTown<'_> {
    fn knows_report(&self, id: Uuid) -> Result<bool, StoreError> {
        let query = self.conn.prepare_cached("SELECT 1 FROM intake_report WHERE id = $1")?;
        query.exists(params![id.as_bytes()])
    }

    fn report_of(&self, record: RecordId) -> Result<Option<Told>, StoreError> {
        let query = self
            .conn
            .prepare_cached("SELECT id, token, record, told FROM intake_report WHERE town = $1 AND record = $2")?;
        query.first(params![self.town.0, record.0.as_bytes()], told)
    }

    fn reports_erased(&self, but: u8, limit: usize) -> Result<Vec<Told>, StoreError> {
        let query = self.conn.prepare_cached(
            "SELECT r.id, r.token, r.record, r.told FROM erased e JOIN intake_report r ON r.town = e.town AND r.record = e.record
             WHERE e.town = $1 AND r.told != $2 LIMIT $3",
        )?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        query.map(params![self.town.0, but, limit], told)
    }

    fn reporters(&self) -> Result<Vec<(RecordId, Reporter)>, StoreError> {
        let query = self.conn.prepare_cached("SELECT record, name, phone FROM reporter WHERE town = $1")?;
        query.map(params![self.town.0], |row| {
            let record = RecordId(uuid(&row.get::<Vec<u8>>(0)?)?);
            Ok((record, Reporter { name: row.get(1)?, phone: row.get(2)? }))
        })
    }

    fn tray_holding(&self, texts: &[String]) -> Result<Vec<Tray>, StoreError> {
        let holds = "EXISTS (SELECT 1 FROM unnest($2::text[]) AS t (value) WHERE strpos(body, value) > 0)";
        let query = self.conn.prepare_cached(&format!("{TRAY} AND {holds} ORDER BY at, id"))?;
        query.map(params![self.town.0, Value::Texts(texts.to_vec())], tray)
    }

    fn reporter(&self, record: RecordId) -> Result<Option<Reporter>, StoreError> {
        let query = self.conn.prepare_cached("SELECT name, phone FROM reporter WHERE town = $1 AND record = $2")?;
        let read = |row: &Row| Ok(Reporter { name: row.get(0)?, phone: row.get(1)? });
        query.first(params![self.town.0, record.0.as_bytes()], read)
    }

    fn tray(&self, areas: &[AreaId], limit: usize) -> Result<Vec<Tray>, StoreError> {
        let query = self.conn.prepare_cached(&format!("{TRAY} AND {THERE} ORDER BY at DESC, id LIMIT $3"))?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        query.map(params![self.town.0, ids(areas), limit], tray)
    }

    fn tray_count(&self, areas: &[AreaId]) -> Result<u64, StoreError> {
        let sql = format!("SELECT count(*) FROM intake_tray WHERE town = $1 AND {THERE}");
        let query = self.conn.prepare_cached(&sql)?;
        Ok(count(query.one(params![self.town.0, ids(areas)], |row| row.get(0))?))
    }

    fn tray_size(&self) -> Result<(u64, u64), StoreError> {
        let sql = "SELECT count(*), coalesce(sum(length(body)), 0)::bigint FROM intake_tray WHERE town = $1";
        let query = self.conn.prepare_cached(sql)?;
        query.one(params![self.town.0], |row| Ok((count(row.get(0)?), count(row.get(1)?))))
    }

    fn tray_one(&self, id: Uuid) -> Result<Option<Tray>, StoreError> {
        let query = self.conn.prepare_cached(&format!("{TRAY} AND id = $2"))?;
        query.first(params![self.town.0, id.as_bytes()], tray)
    }
}

impl KeepIntake for InTown<'_> {
    fn put_report(&mut self, report: &Told) -> Result<(), StoreError> {
        let record = report.record.map(|record| record.0.as_bytes().to_vec()).unwrap_or_default();
        self.conn
            .prepare_cached(
                "INSERT INTO intake_report (id, town, token, record, told) VALUES ($1, $2, $3, $4, $5)
                 ON CONFLICT (id) DO UPDATE SET record = excluded.record",
            )?
            .execute(params![report.id.as_bytes(), self.town.0, report.token, record, report.told])?;
        Ok(())
    }

    fn put_reporter(&mut self, record: RecordId, reporter: &Reporter) -> Result<(), StoreError> {
        self.conn
            .prepare_cached("INSERT INTO reporter (town, record, name, phone) VALUES ($1, $2, $3, $4)")?
            .execute(params![self.town.0, record.0.as_bytes(), reporter.name, reporter.phone])?;
        Ok(())
    }

    fn set_told(&mut self, id: Uuid, told: u8) -> Result<(), StoreError> {
        self.conn
            .prepare_cached("UPDATE intake_report SET told = $2 WHERE id = $1")?
            .execute(params![id.as_bytes(), told])?;
        Ok(())
    }

    fn forget_told(&mut self) -> Result<(), StoreError> {
        self.conn
            .prepare_cached("UPDATE intake_report SET told = 255 WHERE town = $1")?
            .execute(params![self.town.0])?;
        Ok(())
    }

    fn put_tray(&mut self, tray: &Tray) -> Result<(), StoreError> {
        self.conn
            .prepare_cached(
                "INSERT INTO intake_tray (id, town, area, at, reason, body) VALUES ($1, $2, $3, $4, $5, $6)",
            )?
            .execute(params![
                tray.id.as_bytes(),
                self.town.0,
                int(tray.area.0.into()),
                ms(tray.at),
                tray.reason,
                tray.body
            ])?;
        Ok(())
    }

    fn drop_tray(&mut self, id: Uuid) -> Result<bool, StoreError> {
        let delete = self.conn.prepare_cached("DELETE FROM intake_tray WHERE town = $1 AND id = $2")?;
        Ok(delete.execute(params![self.town.0, id.as_bytes()])? > 0)
    }

    fn expire_tray(&mut self, before: DateTime<Utc>) -> Result<u64, StoreError> {
        let delete = self.conn.prepare_cached("DELETE FROM intake_tray WHERE town = $1 AND at < $2")?;
        delete.execute(params![self.town.0, ms(before)])
    }
}
