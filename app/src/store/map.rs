//! Where records are, and where a patrol went.

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::{Connection, params};
use shared::ids::RecordId;
use shared::outline::{Bounds, Micro};
use shared::record::RecordKind;

use super::read::{Row, row};
use super::rows::{blob, id_at, kind_of};
use super::{Store, StoreError};

/// A record on the map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OnMap {
    /// The record.
    pub id: RecordId,
    /// Its kind.
    pub kind: RecordKind,
    /// Where it is, or where what it lies in is.
    pub at: Micro,
    /// When the limit of an event is over that is being handled, milliseconds since 1970 UTC.
    pub due: Option<i64>,
}

/// Whatever says no position itself is where it lies in: people in their house, a house in its building, that in its
/// compound. So deep, and no deeper, should somebody have linked two places to each other.
const DEEP: u32 = 6;

/// How long a track is kept, in days.
const TRACK_DAYS: i64 = 30;

impl Store {
    /// Records of `kinds` in `within`; of events only those that are not over.
    pub fn on_map(&self, kinds: &[RecordKind], within: Bounds) -> Result<Vec<OnMap>, StoreError> {
        let named = |kind: RecordKind| kinds.contains(&kind);
        self.read(|sql| {
            // CROSS: of all records only those that say where they are are looked at.
            let mut statement = sql.prepare_cached(
                "WITH RECURSIVE at (row, id, kind, lon, lat, deep) AS (
                    SELECT record.row, record.id, record.kind, point.lon, point.lat, 0
                    FROM point CROSS JOIN record ON record.row = point.row
                    WHERE point.lon BETWEEN ?1 AND ?2 AND point.lat BETWEEN ?3 AND ?4
                        AND record.alias = x'' AND (record.kind = 'place' OR instr(?5, record.kind) > 0)
                    UNION
                    SELECT other.row, other.id, other.kind, at.lon, at.lat, at.deep + 1
                    FROM at JOIN link ON link.target = at.id
                        AND link.field IN ('parent', 'lives_at', 'located_at', 'place')
                        JOIN record AS other ON other.row = link.from_row
                    WHERE at.kind = 'place' AND at.deep < ?6 AND other.deleted = 0 AND other.alias = x''
                        AND (other.kind = 'place' OR instr(?5, other.kind) > 0)
                        AND NOT EXISTS (SELECT 1 FROM point WHERE point.row = other.row)
                 )
                 SELECT at.id, at.kind, at.lon, at.lat, CASE WHEN event.stage IN ('handling', 'handled') THEN event.due END
                 FROM at LEFT JOIN event ON event.row = at.row
                 WHERE instr(?5, at.kind) > 0 AND coalesce(event.ended, 0) = 0
                 GROUP BY at.row ORDER BY at.row",
            )?;
            let wanted: Vec<&str> =
                RecordKind::ALL.into_iter().filter(|kind| named(*kind)).map(RecordKind::code).collect();
            let bounds = params![within.west, within.east, within.south, within.north, wanted.join(" "), DEEP];
            let mut rows = statement.query(bounds)?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                let kind = kind_of(row.get_ref(1)?.as_str().unwrap_or_default())?;
                let due = row.get::<_, Option<i64>>(4)?.filter(|due| *due < i64::MAX);
                found.push(OnMap { id: RecordId(id_at(row, 0)?), kind, at: [row.get(2)?, row.get(3)?], due });
            }
            Ok(found)
        })
    }

    /// The box around everything that says where it is.
    pub fn all_points(&self) -> Result<Option<Bounds>, StoreError> {
        self.read(|sql| {
            let mut statement = sql.prepare_cached("SELECT min(lon), min(lat), max(lon), max(lat) FROM point")?;
            let found: [Option<i32>; 4] =
                statement.query_row([], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?]))?;
            Ok(match found {
                [Some(west), Some(south), Some(east), Some(north)] => Some(Bounds { west, south, east, north }),
                _ => None,
            })
        })
    }

    /// People who moved here from another grid and of whom nobody has said that they did, by name.
    pub fn arrivals(&self) -> Result<Vec<Row>, StoreError> {
        self.read(|sql| {
            let mut statement = sql.prepare_cached(
                "SELECT record.row FROM arrival JOIN record ON record.row = arrival.row
                 WHERE record.area <> arrival.from_area ORDER BY record.title, record.row",
            )?;
            let places = statement.query_map([], |row| row.get(0))?.collect::<Result<Vec<i64>, _>>()?;
            places.into_iter().filter_map(|place| row(sql, place).transpose()).collect()
        })
    }

    /// Adds a point to the track of a patrol.
    pub fn add_to_track(&self, patrol: RecordId, at: DateTime<Utc>, [lon, lat]: Micro) -> Result<(), StoreError> {
        self.write(|tx| {
            tx.sql
                .prepare_cached("INSERT OR REPLACE INTO track (patrol, at, lon, lat) VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![blob(&patrol.0), at.timestamp_millis(), lon, lat])?;
            Ok(())
        })
    }

    /// Where a patrol went, in order.
    pub fn track(&self, patrol: RecordId) -> Result<Vec<Micro>, StoreError> {
        self.read(|sql| {
            let mut statement = sql.prepare_cached("SELECT lon, lat FROM track WHERE patrol = ?1 ORDER BY at")?;
            let points = statement.query_map([blob(&patrol.0)], |row| Ok([row.get(0)?, row.get(1)?]))?;
            Ok(points.collect::<Result<_, _>>()?)
        })
    }

    /// Forgets the track of a patrol.
    pub fn drop_track(&self, patrol: RecordId) -> Result<(), StoreError> {
        self.write(|tx| {
            tx.sql.execute("DELETE FROM track WHERE patrol = ?1", [blob(&patrol.0)])?;
            Ok(())
        })
    }
}

/// Forgets tracks whose time is over; `now` is the server's clock as last seen.
pub(super) fn forget_tracks(sql: &Connection, now: DateTime<Utc>) -> Result<(), StoreError> {
    let bound = (now - TimeDelta::days(TRACK_DAYS)).timestamp_millis();
    sql.execute("DELETE FROM track WHERE at < ?1", [bound])?;
    Ok(())
}
