//! What is looked up before the town is known: by token, login or code; and the tree of areas.

use std::sync::atomic::AtomicBool;

use deadpool_postgres::Object;
use shared::area::{Area, AreaId, AreaLevel};
use shared::author::Role;
use shared::ids::{DeviceId, Slot, UserId};

use super::columns::{areas, count, int, time, uuid};
use super::conn::answer;
use super::failure::failure;
use super::sql::{Row, params};
use super::towns::Held;
use super::{InTown, PostgresStore, lock};
use crate::store::states::States;
use crate::store::{
    Archive, Credential, Device, DeviceSeen, End, EnrolCode, Fate, Read, Session, Standing, Store, StoreError, Turn,
    Tx, User,
};

/// The columns [`user`] reads, in order.
pub const USER: &str = "u.id, u.town, u.name, u.login, u.role, u.scope, u.cleared, u.may_unmask, u.password, u.active";
/// The columns [`device`] reads, in order.
pub const DEVICE: &str = "d.id, d.town, d.user_id, d.slot, d.name, d.enrolled, d.expires, d.seen, d.app, d.battery, \
                          d.clock_off, d.undelivered, d.parted_from, d.fate, d.fate_at, d.turn, d.turned, d.doubled, d.web_view";
/// How many they are.
const DEVICE_COLUMNS: usize = 19;

/// A user from the columns of [`USER`], the first of them at `at`.
pub fn user(row: &Row, at: usize) -> Result<User, StoreError> {
    let role: String = row.get(at + 4)?;
    let password: String = row.get(at + 8)?;
    Ok(User {
        id: UserId(uuid(&row.get::<Vec<u8>>(at)?)?),
        town: AreaId(row.get(at + 1)?),
        name: row.get(at + 2)?,
        login: row.get(at + 3)?,
        role: Role::from_code(&role).ok_or_else(|| StoreError::Corrupt { what: "role".to_owned(), why: role })?,
        scope: areas(&row.get::<String>(at + 5)?),
        cleared: row.get(at + 6)?,
        may_unmask: row.get(at + 7)?,
        password: Some(password).filter(|text| !text.is_empty()),
        active: row.get(at + 9)?,
    })
}

/// A device from the columns of [`DEVICE`], the first of them at `at`.
pub fn device(row: &Row, at: usize) -> Result<Device, StoreError> {
    let seen: Option<i64> = row.get(at + 7)?;
    let seen = match seen {
        None => None,
        Some(seen) => Some(DeviceSeen {
            at: time(seen),
            app: row.get(at + 8)?,
            battery: row.get(at + 9)?,
            clock_off: row.get(at + 10)?,
            undelivered: row.get(at + 11)?,
            web_view: row.get(at + 18)?,
        }),
    };
    let parted_from: Option<Vec<u8>> = row.get(at + 12)?;
    let enrolled = time(row.get(at + 5)?);
    Ok(Device {
        id: DeviceId(uuid(&row.get::<Vec<u8>>(at)?)?),
        town: AreaId(row.get(at + 1)?),
        user: UserId(uuid(&row.get::<Vec<u8>>(at + 2)?)?),
        slot: Slot(count(row.get(at + 3)?)),
        name: row.get(at + 4)?,
        enrolled,
        expires: time(row.get(at + 6)?),
        parted_from: parted_from.as_deref().map(uuid).transpose()?.map(DeviceId),
        seen,
        fate: Fate::from_code(row.text(at + 13)?).zip(Some(time(row.get(at + 14)?))),
        credential: Credential {
            turn: row.get(at + 15)?,
            since: row.get::<Option<i64>>(at + 16)?.map_or(enrolled, time),
            doubled: row.get::<Option<i64>>(at + 17)?.map(time),
        },
    })
}

/// An area from the columns id, parent, level, name, code, outline, closed.
fn area(row: &Row) -> Result<Area, StoreError> {
    let level: String = row.get(2)?;
    Ok(Area {
        id: AreaId(row.get(0)?),
        parent: row.get::<Option<u32>>(1)?.map(AreaId),
        level: AreaLevel::from_code(&level)
            .ok_or_else(|| StoreError::Corrupt { what: "level of an area".to_owned(), why: level })?,
        name: row.get(3)?,
        code: row.get(4)?,
        outline: super::columns::from_json("outline of an area", row.text(5)?)?,
        closed: row.get(6)?,
    })
}

impl Store for PostgresStore {
    fn with_tx(
        &self,
        town: AreaId,
        work: &mut dyn FnMut(&mut dyn Tx) -> Result<End, StoreError>,
    ) -> Result<(), StoreError> {
        self.in_tx(town, work)
    }

    fn with_read(
        &self,
        town: AreaId,
        work: &mut dyn FnMut(&dyn Read) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.in_read(town, work)
    }

    fn towns(&self) -> Result<Vec<AreaId>, StoreError> {
        self.asking(|conn| {
            let query = conn.prepare_cached("SELECT id FROM area WHERE level = 'town' ORDER BY id")?;
            let towns = query.map(&[], |row| Ok(AreaId(row.get(0)?)))?;
            Ok(towns)
        })
    }

    fn audited_towns(&self) -> Result<Vec<AreaId>, StoreError> {
        self.with_audit()
    }

    fn areas(&self) -> Result<Vec<Area>, StoreError> {
        self.asking(|conn| {
            let query =
                conn.prepare_cached("SELECT id, parent, level, name, code, outline, closed FROM area ORDER BY id")?;
            query.map(&[], area)
        })
    }

    fn directory_version(&self) -> Result<u64, StoreError> {
        self.asking(|conn| {
            let query = conn.prepare_cached("SELECT value FROM meta WHERE key = 'directory_version'")?;
            let text: String = query.one(&[], |row| row.get(0))?;
            super::columns::from_json("directory version", &text)
        })
    }

    fn epoch(&self) -> Result<u32, StoreError> {
        self.asking(|conn| {
            let query = conn.prepare_cached("SELECT value FROM meta WHERE key = 'epoch'")?;
            let text: String = query.one(&[], |row| row.get(0))?;
            super::columns::from_json("epoch", &text)
        })
    }

    fn standing(&self, town: AreaId) -> Result<Standing, StoreError> {
        self.asking(|conn| InTown::new(conn, town, &States::default(), &Held::default(), None).standing())
    }

    fn device_by_token(&self, hash: &[u8; 32]) -> Result<Option<(Device, User)>, StoreError> {
        self.asking(|conn| {
            let sql =
                format!("SELECT {DEVICE}, {USER} FROM device d JOIN users u ON u.id = d.user_id WHERE d.token = $1");
            let query = conn.prepare_cached(&sql)?;
            let mut rows = query.all(params![hash])?;
            rows.next().map(|row| Ok((device(&row, 0)?, user(&row, DEVICE_COLUMNS)?))).transpose()
        })
    }

    fn device_by_slot(&self, slot: Slot) -> Result<Option<(Device, User)>, StoreError> {
        self.asking(|conn| {
            let sql =
                format!("SELECT {DEVICE}, {USER} FROM device d JOIN users u ON u.id = d.user_id WHERE d.slot = $1");
            let query = conn.prepare_cached(&sql)?;
            let mut rows = query.all(params![int(slot.0)])?;
            rows.next().map(|row| Ok((device(&row, 0)?, user(&row, DEVICE_COLUMNS)?))).transpose()
        })
    }

    fn session_by_token(&self, hash: &[u8; 32]) -> Result<Option<(Session, User)>, StoreError> {
        self.asking(|conn| {
            let sql = format!(
                "SELECT s.town, s.user_id, s.csrf, s.expires, s.seen, s.second, {USER} FROM session s JOIN users u ON u.id = s.user_id WHERE s.hash = $1"
            );
            let query = conn.prepare_cached(&sql)?;
            let mut rows = query.all(params![hash])?;
            let Some(row) = rows.next() else { return Ok(None) };
            let session = Session {
                hash: *hash,
                town: AreaId(row.get(0)?),
                user: UserId(uuid(&row.get::<Vec<u8>>(1)?)?),
                csrf: row.get(2)?,
                expires: time(row.get(3)?),
                seen: time(row.get(4)?),
                second: row.get(5)?,
            };
            Ok(Some((session, user(&row, 6)?)))
        })
    }

    fn user_by_login(&self, login: &str) -> Result<Option<User>, StoreError> {
        self.asking(|conn| {
            let sql = format!("SELECT {USER} FROM users u WHERE u.login = $1");
            let query = conn.prepare_cached(&sql)?;
            let mut rows = query.all(params![login])?;
            rows.next().map(|row| user(&row, 0)).transpose()
        })
    }

    fn enrol_code(&self, hash: &[u8; 32]) -> Result<Option<EnrolCode>, StoreError> {
        self.asking(|conn| {
            let query = conn.prepare_cached("SELECT town, user_id, expires FROM enrol_code WHERE hash = $1")?;
            let row = query.first(params![hash], |row| Ok((row.get(0)?, row.get::<Vec<u8>>(1)?, row.get(2)?)))?;
            let Some((town, user, expires)) = row else { return Ok(None) };
            Ok(Some(EnrolCode { hash: *hash, town: AreaId(town), user: UserId(uuid(&user)?), expires: time(expires) }))
        })
    }

    fn put_areas(&self, areas: &[Area]) -> Result<(), StoreError> {
        // Areas stand above the towns, so this is the one write that names none.
        self.in_tx(AreaId(0), &mut |tx| {
            tx.put_areas(areas)?;
            Ok(End::Commit)
        })
    }

    fn snapshot(&self, _: &std::path::Path) -> Result<(), StoreError> {
        Err(StoreError::Elsewhere)
    }

    fn scrub(&self) -> Result<(), StoreError> {
        self.lately.renew();
        self.sweep()
    }

    fn archive(&self) -> Result<Option<Archive>, StoreError> {
        self.reading(|conn| {
            let query = conn.prepare_cached(
                "SELECT current_setting('archive_mode'), pg_walfile_name(pg_current_wal_lsn()),
                     left(coalesce(last_archived_wal, ''), 24) FROM pg_stat_archiver",
            )?;
            query.one(&[], |row| {
                let archive = Archive { writing: row.get(1)?, archived: row.get(2)? };
                Ok((row.text(0)? != "off").then_some(archive))
            })
        })
    }

    fn turn(&self, what: &str) -> Result<Option<Turn>, StoreError> {
        let (client, lost) = (self.connection()?, AtomicBool::new(false));
        let sql = "SELECT pg_try_advisory_lock(hashtext('turn of ' || current_schema()), hashtext($1))";
        let asked = answer(self.limit(), &lost, client.query_one(sql, &[&what]));
        // Nobody else's any more: the turn ends with its connection, however this process ends.
        let client = Object::take(client);
        let mine: bool = asked?.map_err(failure)?.try_get(0).map_err(failure)?;
        Ok(mine.then(|| Box::new(client) as Turn))
    }

    fn lineage(&self) -> Result<Option<String>, StoreError> {
        let connected = self.connection();
        match (lock(&self.lineage).found.clone(), connected) {
            (Some(found), _) => Ok(Some(found)),
            (None, connected) => connected.map(|_| None),
        }
    }

    fn follow(&self, lineage: &str) {
        lock(&self.lineage).followed = Some(lineage.to_owned());
        self.lately.renew();
    }

    fn strays(&self) -> bool {
        let lineage = lock(&self.lineage);
        lineage.followed.is_some() && lineage.followed != lineage.found
    }
}
