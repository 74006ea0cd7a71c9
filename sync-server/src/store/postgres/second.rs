//! Second factors, recovery codes, and log-ins that are used or ended.

use chrono::{DateTime, Utc};
use shared::ids::UserId;

use super::InTown;
use super::columns::{count, ms};
use super::sql::params;
use crate::store::{KeepSecond, ReadSecond, SecondFactor, StoreError};

impl ReadSecond for InTown<'_> {
    fn second_factor(&self, user: UserId) -> Result<Option<SecondFactor>, StoreError> {
        let query = self
            .conn
            .prepare_cached("SELECT secret, confirmed, step FROM second_factor WHERE town = $1 AND user_id = $2")?;
        query.first(params![self.town.0, user.0.as_bytes()], |row| {
            Ok(SecondFactor { user, secret: row.get(0)?, confirmed: row.get(1)?, step: row.get(2)? })
        })
    }

    fn recovery_codes(&self, user: UserId) -> Result<u64, StoreError> {
        let query = self.conn.prepare_cached("SELECT count(*) FROM recovery_code WHERE town = $1 AND user_id = $2")?;
        Ok(count(query.one(params![self.town.0, user.0.as_bytes()], |row| row.get(0))?))
    }
}

impl KeepSecond for InTown<'_> {
    fn put_second_factor(&mut self, factor: &SecondFactor) -> Result<(), StoreError> {
        self.conn
            .prepare_cached(
                "INSERT INTO second_factor (user_id, town, secret, confirmed, step) VALUES ($1, $2, $3, $4, $5)
                 ON CONFLICT (user_id) DO UPDATE SET town = excluded.town, secret = excluded.secret,
                     confirmed = excluded.confirmed, step = excluded.step",
            )?
            .execute(params![factor.user.0.as_bytes(), self.town.0, factor.secret, factor.confirmed, factor.step])?;
        Ok(())
    }

    fn use_step(&mut self, user: UserId, step: i64) -> Result<bool, StoreError> {
        let query = self.conn.prepare_cached(
            "UPDATE second_factor SET step = $3, confirmed = 1 WHERE town = $1 AND user_id = $2 AND step < $3",
        )?;
        Ok(query.execute(params![self.town.0, user.0.as_bytes(), step])? == 1)
    }

    fn drop_second_factor(&mut self, user: UserId) -> Result<(), StoreError> {
        let whose = params![self.town.0, user.0.as_bytes()];
        self.conn.prepare_cached("DELETE FROM second_factor WHERE town = $1 AND user_id = $2")?.execute(whose)?;
        self.conn.prepare_cached("DELETE FROM recovery_code WHERE town = $1 AND user_id = $2")?.execute(whose)?;
        Ok(())
    }

    fn put_recovery_codes(&mut self, user: UserId, hashes: &[[u8; 32]]) -> Result<(), StoreError> {
        let whose = params![self.town.0, user.0.as_bytes()];
        self.conn.prepare_cached("DELETE FROM recovery_code WHERE town = $1 AND user_id = $2")?.execute(whose)?;
        let query = self.conn.prepare_cached("INSERT INTO recovery_code (hash, town, user_id) VALUES ($1, $2, $3)")?;
        for hash in hashes {
            query.execute(params![hash, self.town.0, user.0.as_bytes()])?;
        }
        Ok(())
    }

    fn use_recovery_code(&mut self, user: UserId, hash: &[u8; 32]) -> Result<bool, StoreError> {
        let query =
            self.conn.prepare_cached("DELETE FROM recovery_code WHERE town = $1 AND user_id = $2 AND hash = $3")?;
        Ok(query.execute(params![self.town.0, user.0.as_bytes(), hash])? == 1)
    }

    fn touch_session(&mut self, hash: &[u8; 32], at: DateTime<Utc>) -> Result<(), StoreError> {
        let query = self.conn.prepare_cached("UPDATE session SET seen = greatest(seen, $2) WHERE hash = $1")?;
        query.execute(params![hash, ms(at)])?;
        Ok(())
    }

    fn drop_sessions_of(&mut self, user: UserId) -> Result<(), StoreError> {
        self.conn.prepare_cached("DELETE FROM session WHERE user_id = $1")?.execute(params![user.0.as_bytes()])?;
        Ok(())
    }
}
