//! What is looked up before the town is known: by token, login or code; and the tree of areas.

use rusqlite::{OptionalExtension, Row, params};
use shared::area::{Area, AreaId, AreaLevel};
use shared::author::Role;
use shared::ids::{DeviceId, Slot, UserId};

use super::columns::{areas, count, int, time, uuid};
use super::{InTown, SqliteStore};
use crate::store::states::States;
use crate::store::{
    Credential, Device, DeviceSeen, End, EnrolCode, Fate, Read, Session, Standing, Store, StoreError, Tx, User,
};

/// The columns [`user`] reads, in order.
pub const USER: &str = "u.id, u.town, u.name, u.login, u.role, u.scope, u.cleared, u.may_unmask, u.password, u.active";
/// The columns [`device`] reads, in order.
pub const DEVICE: &str = "d.id, d.town, d.user, d.slot, d.name, d.enrolled, d.expires, d.seen, d.app, d.battery, \
                          d.clock_off, d.undelivered, d.parted_from, d.fate, d.fate_at, d.turn, d.turned, d.doubled, d.web_view";
/// How many they are.
const DEVICE_COLUMNS: usize = 19;

/// A user from the columns of [`USER`], the first of them at `at`.
pub fn user(row: &Row<'_>, at: usize) -> Result<User, StoreError> {
    let role: String = row.get(at + 4)?;
    let password: String = row.get(at + 8)?;
    Ok(User {
        id: UserId(uuid(&row.get::<_, Vec<u8>>(at)?)?),
        town: AreaId(row.get(at + 1)?),
        name: row.get(at + 2)?,
        login: row.get(at + 3)?,
        role: Role::from_code(&role).ok_or_else(|| StoreError::Corrupt { what: "role".to_owned(), why: role })?,
        scope: areas(&row.get::<_, String>(at + 5)?),
        cleared: row.get(at + 6)?,
        may_unmask: row.get(at + 7)?,
        password: Some(password).filter(|text| !text.is_empty()),
        active: row.get(at + 9)?,
    })
}

/// A device from the columns of [`DEVICE`], the first of them at `at`.
pub fn device(row: &Row<'_>, at: usize) -> Result<Device, StoreError> {
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
        id: DeviceId(uuid(&row.get::<_, Vec<u8>>(at)?)?),
        town: AreaId(row.get(at + 1)?),
        user: UserId(uuid(&row.get::<_, Vec<u8>>(at + 2)?)?),
        slot: Slot(count(row.get(at + 3)?)),
        name: row.get(at + 4)?,
        enrolled,
        expires: time(row.get(at + 6)?),
        parted_from: parted_from.as_deref().map(uuid).transpose()?.map(DeviceId),
        seen,
        fate: Fate::from_code(row.get_ref(at + 13)?.as_str().unwrap_or_default()).zip(Some(time(row.get(at + 14)?))),
        credential: Credential {
            turn: row.get(at + 15)?,
            since: row.get::<_, Option<i64>>(at + 16)?.map_or(enrolled, time),
            doubled: row.get::<_, Option<i64>>(at + 17)?.map(time),
        },
    })
}

/// An area from the columns id, parent, level, name, code, outline, closed.
fn area(row: &Row<'_>) -> Result<Area, StoreError> {
    let level: String = row.get(2)?;
    Ok(Area {
        id: AreaId(row.get(0)?),
        parent: row.get::<_, Option<u32>>(1)?.map(AreaId),
        level: AreaLevel::from_code(&level)
            .ok_or_else(|| StoreError::Corrupt { what: "level of an area".to_owned(), why: level })?,
        name: row.get(3)?,
        code: row.get(4)?,
        outline: super::columns::from_json("outline of an area", row.get_ref(5)?.as_str().unwrap_or_default())?,
        closed: row.get(6)?,
    })
}

impl Store for SqliteStore {
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
        self.reading(|conn| {
            let mut query = conn.prepare_cached("SELECT id FROM area WHERE level = 'town' ORDER BY id")?;
            let towns = query.query_map([], |row| row.get(0).map(AreaId))?.collect::<Result<_, _>>()?;
            Ok(towns)
        })
    }

    fn audited_towns(&self) -> Result<Vec<AreaId>, StoreError> {
        self.with_audit()
    }

    fn areas(&self) -> Result<Vec<Area>, StoreError> {
        self.reading(|conn| {
            let mut query =
                conn.prepare_cached("SELECT id, parent, level, name, code, outline, closed FROM area ORDER BY id")?;
            query.query_and_then([], area)?.collect()
        })
    }

    fn directory_version(&self) -> Result<u64, StoreError> {
        self.reading(|conn| {
            let mut query = conn.prepare_cached("SELECT value FROM meta WHERE key = 'directory_version'")?;
            let text: String = query.query_row([], |row| row.get(0))?;
            super::columns::from_json("directory version", &text)
        })
    }

    fn epoch(&self) -> Result<u32, StoreError> {
        self.reading(|conn| {
            let mut query = conn.prepare_cached("SELECT value FROM meta WHERE key = 'epoch'")?;
            let text: String = query.query_row([], |row| row.get(0))?;
            super::columns::from_json("epoch", &text)
        })
    }

    fn standing(&self, town: AreaId) -> Result<Standing, StoreError> {
        self.reading(|conn| InTown { conn, town, states: &States::default() }.standing())
    }

    fn device_by_token(&self, hash: &[u8; 32]) -> Result<Option<(Device, User)>, StoreError> {
        self.reading(|conn| {
            let sql = format!("SELECT {DEVICE}, {USER} FROM device d JOIN user u ON u.id = d.user WHERE d.token = ?1");
            let mut query = conn.prepare_cached(&sql)?;
            let mut rows = query.query(params![hash])?;
            rows.next()?.map(|row| Ok((device(row, 0)?, user(row, DEVICE_COLUMNS)?))).transpose()
        })
    }

    fn device_by_slot(&self, slot: Slot) -> Result<Option<(Device, User)>, StoreError> {
        self.reading(|conn| {
            let sql = format!("SELECT {DEVICE}, {USER} FROM device d JOIN user u ON u.id = d.user WHERE d.slot = ?1");
            let mut query = conn.prepare_cached(&sql)?;
            let mut rows = query.query(params![int(slot.0)])?;
            rows.next()?.map(|row| Ok((device(row, 0)?, user(row, DEVICE_COLUMNS)?))).transpose()
        })
    }

    fn session_by_token(&self, hash: &[u8; 32]) -> Result<Option<(Session, User)>, StoreError> {
        self.reading(|conn| {
            let sql = format!(
                "SELECT s.town, s.user, s.csrf, s.expires, s.seen, s.second, {USER} FROM session s JOIN user u ON u.id = s.user WHERE s.hash = ?1"
            );
            let mut query = conn.prepare_cached(&sql)?;
            let mut rows = query.query(params![hash])?;
            let Some(row) = rows.next()? else { return Ok(None) };
            let session = Session {
                hash: *hash,
                town: AreaId(row.get(0)?),
                user: UserId(uuid(&row.get::<_, Vec<u8>>(1)?)?),
                csrf: row.get(2)?,
                expires: time(row.get(3)?),
                seen: time(row.get(4)?),
                second: row.get(5)?,
            };
            Ok(Some((session, user(row, 6)?)))
        })
    }

    fn user_by_login(&self, login: &str) -> Result<Option<User>, StoreError> {
        self.reading(|conn| {
            let sql = format!("SELECT {USER} FROM user u WHERE u.login = ?1");
            let mut query = conn.prepare_cached(&sql)?;
            let mut rows = query.query(params![login])?;
            rows.next()?.map(|row| user(row, 0)).transpose()
        })
    }

    fn enrol_code(&self, hash: &[u8; 32]) -> Result<Option<EnrolCode>, StoreError> {
        self.reading(|conn| {
            let mut query = conn.prepare_cached("SELECT town, user, expires FROM enrol_code WHERE hash = ?1")?;
            let row = query
                .query_row(params![hash], |row| Ok((row.get(0)?, row.get::<_, Vec<u8>>(1)?, row.get(2)?)))
                .optional()?;
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

    fn snapshot(&self, to: &std::path::Path) -> Result<(), StoreError> {
        self.copy_to(to)
    }

    fn scrub(&self) -> Result<(), StoreError> {
        self.lately.renew();
        self.sweep()
    }
}
