//! What [`super::Store`] promises, asked of every implementation through the trait alone.

use std::panic::{AssertUnwindSafe, catch_unwind};

use chrono::{DateTime, TimeDelta, Utc};
use shared::area::{Area, AreaLevel};
use shared::author::Role;
use shared::ids::{DeviceId, RecordId, Slot};
use shared::outside::Outside;
use shared::record::RecordKind;
use shared::wire::{RejectReason, Rejection};

use super::postgres::PostgresStore;
use super::sqlite::SqliteStore;
use super::*;
use crate::system::System;

mod later;
#[path = "../../../tests/src/postgres.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod postgres;
mod processes;
mod promises;
mod second;
mod together;
mod towns;
mod uploads;

/// Every story is told to a new SQLite file in a test of its own, and to PostgreSQL, in a schema of its own each, in one
/// test: a cluster is started once for all of them.
macro_rules! stories {
    ($($module:ident :: $name:ident,)*) => {
        mod on_sqlite {
            $(#[test]
            fn $name() {
                super::on_sqlite(super::$module::$name);
            })*
        }

        #[test]
        fn postgresql_keeps_every_promise_too() {
            tell(&[$((stringify!($name), $module::$name as Story),)*]);
        }
    };
}

stories! {
    promises::a_transaction_is_whole_or_not_there,
    promises::a_read_sees_one_moment_and_does_not_wait_for_the_writer,
    promises::the_feed_is_in_order_of_changes_and_each_part_stands_once,
    promises::a_reader_walks_the_feed_past_what_lies_elsewhere,
    promises::parts_are_found_by_area_kind_words_and_number,
    promises::people_devices_sessions_and_codes,
    promises::areas_stand_above_the_towns,
    promises::what_is_asked_ahead_is_answered_the_same_and_follows_what_is_written,
    promises::quarantine_remembers_first_outcomes_and_decisions,
    second::a_step_and_a_recovery_code_are_used_once,
    uploads::uploads_are_found_by_their_handheld_and_their_photo,
    uploads::what_a_handheld_announced_is_summed_by_the_hour,
    later::figures_of_events_follow_every_save,
    later::editions_imports_and_reports_are_found_again,
    later::what_takes_two_people_is_released_by_another_and_used_once,
    later::an_edit_is_known_by_its_dots_and_erased_whole,
    towns::a_record_goes_to_another_town_with_all_that_is_kept_of_it,
    towns::towns_are_held_in_one_order_whoever_asks_for_them,
    uploads::a_photo_is_an_orphan_while_nothing_of_its_town_refers_to_it,
}

type Story = fn(&dyn Store);

/// Tells every story to a new store each; says of all that failed.
fn tell(stories: &[(&str, Story)]) {
    let cluster = postgres::Cluster::start().unwrap();
    let only = std::env::var("STORY").unwrap_or_default();
    let mut failed = Vec::new();
    for (name, story) in stories.iter().filter(|(name, _)| name.contains(&only)) {
        let store = PostgresStore::open(&cluster.database(name).unwrap()).unwrap();
        eprintln!("PostgreSQL: {name}");
        if catch_unwind(AssertUnwindSafe(|| story(&store))).is_err() {
            failed.push(*name);
        }
    }
    assert!(failed.is_empty(), "not kept: {failed:?}");
}

const TOWN: AreaId = AreaId(2);

fn on_sqlite(story: impl FnOnce(&dyn Store)) {
    let folder = tempfile::tempdir().unwrap();
    story(&SqliteStore::open(&folder.path().join("town.db")).unwrap());
}

fn in_tx<T>(store: &dyn Store, work: impl FnMut(&mut dyn Tx) -> Result<T, StoreError>) -> T {
    write(store, TOWN, work).unwrap()
}

fn in_read<T>(store: &dyn Store, work: impl FnMut(&dyn Read) -> Result<T, StoreError>) -> T {
    read(store, TOWN, work).unwrap()
}

fn noon() -> DateTime<Utc> {
    DateTime::from_timestamp_millis(1_795_400_000_000).unwrap()
}

fn row(tx: &mut dyn Tx, record: RecordId, area: u32, title: &str) -> StoredPart {
    StoredPart {
        event: None,
        missing: 0,
        record,
        part: Part::Open,
        kind: RecordKind::Person,
        seq: tx.next_seq(Part::Open).unwrap(),
        areas: vec![AreaId(area)],
        readers: vec![],
        visit: false,
        title: title.to_owned(),
        words: format!("{title}\n13912345678\n"),
        open_fields: u32::from(title == "待核"),
        deleted: false,
        anonymous: false,
        merged_into: None,
        state: format!(r#"{{"title":"{title}"}}"#),
    }
}

fn save(store: &dyn Store, area: u32, title: &str) -> RecordId {
    let record = RecordId::fresh(&System);
    in_tx(store, |tx| {
        let row = row(tx, record, area, title);
        tx.save_many(&[row])
    });
    record
}

fn titles(store: &dyn Store, filter: &PartFilter) -> Vec<String> {
    in_read(store, |read| {
        let mut titles = Vec::new();
        read.each_part(filter, &mut |part| {
            titles.push(part.title);
            Ok(true)
        })?;
        assert_eq!(read.count_parts(&PartFilter { limit: None, offset: 0, ..filter.clone() })?.min(99), {
            let mut all = 0;
            read.each_part(&PartFilter { limit: None, offset: 0, ..filter.clone() }, &mut |_| {
                all += 1;
                Ok(true)
            })?;
            all
        });
        Ok(titles)
    })
}

fn user(login: &str) -> User {
    User {
        id: UserId::fresh(&System),
        town: TOWN,
        name: format!("{login}的姓名"),
        login: login.to_owned(),
        role: Role::CenterStaff,
        scope: vec![TOWN, AreaId(11)],
        cleared: true,
        may_unmask: false,
        password: Some("$argon2id$".to_owned()),
        active: true,
    }
}

/// A handheld of `user` with this slot.
fn enrolled(tx: &mut dyn Tx, user: &User, slot: Slot) -> Result<Device, StoreError> {
    let device = Device {
        id: DeviceId::fresh(&System),
        town: TOWN,
        user: user.id,
        slot,
        name: "测试机".to_owned(),
        enrolled: noon(),
        expires: noon() + TimeDelta::days(1),
        parted_from: None,
        seen: None,
        fate: None,
        credential: Credential::first(noon()),
    };
    tx.put_slot(&SlotRow { slot, town: TOWN, origin: Origin::Device, label: device.name.clone(), high_water: 0 })?;
    tx.put_device(&device, &token_of(&device))?;
    Ok(device)
}

/// A token's hash for a device that never calls.
fn token_of(device: &Device) -> [u8; 32] {
    crate::auth::token::hash(&device.id.to_string())
}

#[test]
fn a_file_from_the_future_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("town.db");
    drop(SqliteStore::open(&path).unwrap());
    let conn = rusqlite::Connection::open(&path).unwrap();
    conn.pragma_update(None, "user_version", 99).unwrap();
    let schema = |conn: &rusqlite::Connection| -> i64 {
        conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).unwrap()
    };
    let before = schema(&conn);
    let refused = SqliteStore::open(&path).err().unwrap();
    assert!(matches!(refused, StoreError::FromTheFuture { found: 99, .. }), "{refused}");
    assert_eq!(schema(&conn), before);
    std::fs::write(folder.path().join("broken.db"), "这不是数据库".repeat(1_000)).unwrap();
    assert!(SqliteStore::open(&folder.path().join("broken.db")).is_err());
    let text = std::fs::read_to_string(folder.path().join("broken.db")).unwrap();
    assert!(text.starts_with("这不是数据库"), "nothing was written over it");
}
