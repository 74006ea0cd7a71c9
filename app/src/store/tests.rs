//! Stories of a database that is not as it should be.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use shared::outside::Outside;

use super::*;
use crate::handheld::{Draft, Filter, Handheld, SaveError};
use crate::platform::Services;
use crate::testing::{Replay, Server, To, change, enrolled, open, resident, rules, runtime, shown, try_open, writes};

fn database(folder: &std::path::Path) -> PathBuf {
    let users = fs::read_dir(folder.join("users")).unwrap();
    users.map(|user| user.unwrap().path().join("handheld.db")).find(|path| path.exists()).unwrap()
}

fn tables(connection: &Connection) -> BTreeMap<String, String> {
    connection
        .prepare("SELECT name, coalesce(sql, '') FROM sqlite_master")
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect()
}

#[test]
fn the_file_is_encrypted_and_every_table_is_strict() {
    let folder = tempfile::tempdir().unwrap();
    let handheld = enrolled(folder.path(), &Default::default(), &Replay::new(1));
    resident(&handheld, &[("name", "\"Zhang Wei\"")]);
    handheld.store().unwrap().checkpoint();
    let path = database(folder.path());
    for file in fs::read_dir(path.parent().unwrap()).unwrap() {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        for clear in ["SQLite format", "Zhang", "CREATE TABLE"] {
            assert!(memchr::memmem::find(&bytes, clear.as_bytes()).is_none(), "{clear} is in the clear");
        }
    }
    let store = handheld.store().unwrap();
    let held = lock(&store.writer);
    let connection = held.as_ref().unwrap();
    for (name, sql) in
        tables(connection).iter().filter(|(name, sql)| sql.contains("TABLE") && !name.starts_with("sqlite"))
    {
        assert!(sql.contains("STRICT"), "{name}");
    }
}

#[test]
fn a_database_from_the_future_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let (server, outside) = (Default::default(), Replay::new(1));
    let handheld = enrolled(folder.path(), &server, &outside);
    lock(&handheld.store().unwrap().writer).as_ref().unwrap().pragma_update(None, "user_version", 99).unwrap();
    drop(handheld);
    let error = try_open(folder.path(), &server, &outside).err().unwrap();
    assert!(matches!(error, StoreError::FromTheFuture { found: 99, .. }), "{error}");
    assert_eq!(error.message().key, "store-from-the-future");
    assert_eq!(
        fs::read_dir(database(folder.path()).parent().unwrap())
            .unwrap()
            .filter(|file| { file.as_ref().unwrap().file_name().to_string_lossy().contains("aside") })
            .count(),
        0
    );
}

#[test]
fn a_damaged_database_is_set_aside_and_a_new_one_begun() {
    let folder = tempfile::tempdir().unwrap();
    let server: std::sync::Arc<Server> = Default::default();
    let outside = Replay::new(1);
    let handheld = enrolled(folder.path(), &server, &outside);
    for n in 0..50 {
        resident(&handheld, &[("name", &format!("\"居民{n}\""))]);
    }
    handheld.store().unwrap().checkpoint();
    drop(handheld);
    let path = database(folder.path());
    let mut bytes = fs::read(&path).unwrap();
    let old = bytes.clone();
    // Every page but the first: the schema reads, the records do not.
    for byte in bytes[5000..].iter_mut().step_by(997) {
        *byte ^= 0x55;
    }
    fs::write(&path, &bytes).unwrap();

    let handheld = open(folder.path(), &server, &outside);
    let notices = handheld.notices();
    assert_eq!(notices.len(), 1);
    assert_eq!(notices[0].key, "store-set-aside");
    let aside = path.with_file_name(&notices[0].args[0].1);
    assert_eq!(fs::read(&aside).unwrap(), bytes, "kept to the byte");
    assert_ne!(bytes, old);
    assert!(handheld.setup().is_none(), "a new database has nobody enrolled yet");
    runtime().block_on(handheld.enrol("https://example.test", "0", crate::testing::PIN)).unwrap();
    resident(&handheld, &[("name", "\"张伟\"")]);

    // Cut to nothing sensible: the same, under another name.
    drop(handheld);
    fs::write(&path, b"this is no database at all, but long enough to look at").unwrap();
    outside.pass(60);
    let handheld = open(folder.path(), &server, &outside);
    assert_eq!(handheld.notices().len(), 1);
    assert!(aside.exists());
}

#[test]
fn a_wrong_key_and_a_lost_key_touch_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (server, outside) = (Default::default(), Replay::new(1));
    let handheld = enrolled(folder.path(), &server, &outside);
    resident(&handheld, &[("name", "\"张伟\"")]);
    handheld.store().unwrap().checkpoint();
    drop(handheld);
    let path = database(folder.path());
    let bytes = fs::read(&path).unwrap();
    let error = Store::open(&path, &[9; 32], rules()).err().unwrap();
    assert!(matches!(&error, StoreError::WrongKey(at) if *at == path), "{error}");
    assert_eq!(error.message().key, "store-wrong-key");
    assert_eq!(fs::read(&path).unwrap(), bytes);
    // With its key gone not even the right PIN opens it, and nothing is moved.
    fs::remove_dir_all(folder.path().join("keys")).unwrap();
    let error = try_open(folder.path(), &server, &outside).err().unwrap();
    assert_eq!(error.message().key, "lock-keys");
    assert_eq!(fs::read(&path).unwrap(), bytes);
    // Who enrols anew begins anew, and the file is kept under another name.
    let services = Services { connect: Arc::new(To(Arc::clone(&server))), ..Services::files(folder.path()) };
    let handheld = Handheld::open(folder.path(), services, outside).unwrap();
    runtime().block_on(handheld.enrol("https://example.test", "0", crate::testing::PIN)).unwrap();
    assert_eq!(handheld.notices()[0].key, "store-key-lost");
    let kept =
        fs::read_dir(path.parent().unwrap()).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap_or_default());
    assert!(kept.into_iter().any(|file| file == bytes));
}

#[test]
fn a_database_that_cannot_be_written_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let handheld = enrolled(folder.path(), &Default::default(), &Replay::new(1));
    let record = resident(&handheld, &[("name", "\"张伟\"")]);
    let store = handheld.store().unwrap();
    // As root every file can be written, so the database is told.
    lock(&store.writer).as_ref().unwrap().pragma_update(None, "query_only", true).unwrap();
    let error = handheld.save(change(&handheld, record, &[("phone", "\"13900000000\"")]), None).unwrap_err();
    assert!(matches!(error, SaveError::Store(StoreError::ReadOnly(_))), "{error}");
    assert_eq!(error.message().key, "store-read-only");
    assert_eq!(shown(&handheld, record, "phone"), None);
    assert_eq!(shown(&handheld, record, "name").as_deref(), Some("张伟"));
}

#[test]
fn a_full_disk_keeps_what_is_there_and_works_again_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let (server, outside) = (Default::default(), Replay::new(1));
    let handheld = enrolled(folder.path(), &server, &outside);
    let record = resident(&handheld, &[("name", "\"张伟\"")]);
    let store = handheld.store().unwrap();
    let pages: i64 =
        lock(&store.writer).as_ref().unwrap().query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
    lock(&store.writer).as_ref().unwrap().pragma_update(None, "max_page_count", pages + 4).unwrap();
    let draft = |n: usize| -> Draft {
        change(
            &handheld,
            record,
            &[("note", &format!("\"{n}{}\"", "长".repeat(490))), ("phone", &format!("\"1390000{n:04}\""))],
        )
    };
    let mut saved = 0;
    let refused = loop {
        let draft = draft(saved);
        match handheld.save(draft.clone(), None) {
            Ok(_) => saved += 1,
            Err(error) => {
                assert!(matches!(error, SaveError::Store(StoreError::Full)), "{error}");
                assert_eq!(error.message().key, "store-full");
                break draft;
            }
        }
        assert!(saved < 1000, "it never became full");
    };
    // Nothing of the failed save is there, everything before it is.
    let last = |n: usize| Some(format!("1390000{:04}", n - 1));
    assert_eq!(shown(&handheld, record, "phone"), last(saved).filter(|_| saved > 0));
    assert_eq!(handheld.outbox_counts().unwrap().edits, saved as u64 + 1);
    // There is room again: the same save goes through, with the dot it would have had.
    lock(&store.writer).as_ref().unwrap().pragma_update(None, "max_page_count", 1_000_000).unwrap();
    handheld.save(refused, None).unwrap();
    let ns: Vec<u64> = store.waiting().unwrap().iter().map(|row| row.edit.dot.n).collect();
    assert_eq!(ns, (1..=saved as u64 + 2).collect::<Vec<_>>());
    runtime().block_on(handheld.sync_now()).unwrap();
}

#[test]
fn an_edit_too_large_is_refused_when_saving() {
    let folder = tempfile::tempdir().unwrap();
    let handheld = enrolled(folder.path(), &Default::default(), &Replay::new(1));
    let record = resident(&handheld, &[("name", "\"张伟\"")]);
    let mut draft = change(&handheld, record, &[]);
    draft.writes =
        (0..600).map(|n| (format!("unknown{n}").parse().unwrap(), shared::value::Value::text("x"))).collect();
    let error = handheld.save(draft.clone(), None).unwrap_err();
    assert!(matches!(error, SaveError::TooLarge { writes: 600, .. } | SaveError::Problems(_)), "{error}");
    draft.writes = writes(&[("unknown", &format!("\"{}\"", "长".repeat(100_000)))]);
    let error = handheld.save(draft, None).unwrap_err();
    assert!(matches!(error, SaveError::TooLarge { .. } | SaveError::Problems(_)), "{error}");
    assert_eq!(handheld.outbox_counts().unwrap().edits, 1);
}

#[test]
fn of_fetched_pictures_the_longest_unseen_go_and_of_own_ones_none() {
    let folder = tempfile::tempdir().unwrap();
    let outside = Replay::new(3);
    let handheld = enrolled(folder.path(), &Default::default(), &outside);
    let store = handheld.store().unwrap();
    let pictures: Vec<Vec<u8>> = (0..4_u8).map(|n| vec![n; 1_000]).collect();
    let hash = |n: usize| crate::photo::hash(&pictures[n]);
    store.put_photo(&hash(0), &pictures[0], None, PhotoState::Taken, outside.as_ref()).unwrap();
    for picture in &pictures[1..] {
        store.put_photo(&crate::photo::hash(picture), picture, None, PhotoState::Fetched, outside.as_ref()).unwrap();
        outside.pass(24 * 3_600);
    }
    // The first of them is looked at again.
    store.picture_used(&hash(1), outside.now()).unwrap();
    let there = || (0..4).map(|n| store.photo(&hash(n)).unwrap().is_some()).collect::<Vec<_>>();
    store.shrink_pictures_to(3_000).unwrap();
    assert_eq!(there(), [true, true, true, true]);
    store.shrink_pictures_to(2_500).unwrap();
    assert_eq!(there(), [true, true, false, true]);
    store.shrink_pictures_to(0).unwrap();
    assert_eq!(there(), [true, false, false, false], "what was taken here stays whatever there is");
    assert_eq!(fs::read_dir(database(folder.path()).with_file_name("photos")).unwrap().count(), 1);
}

#[test]
fn a_photo_for_a_form_that_was_never_saved_goes_after_thirty_days_unless_a_draft_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let outside = Replay::new(3);
    let handheld = enrolled(folder.path(), &Default::default(), &outside);
    let store = handheld.store().unwrap();
    let take = |bytes: &[u8]| {
        store.put_photo(&crate::photo::hash(bytes), bytes, None, PhotoState::Taken, outside.as_ref()).unwrap();
        crate::photo::hash(bytes)
    };
    let (left, drafted) = (take(b"left"), take(b"drafted"));
    store.save_draft("new-event", &format!("{{\"photos/{drafted}\":1}}"), outside.now()).unwrap();
    outside.pass(29 * 86_400);
    store.forget_old(outside.now()).unwrap();
    assert!(store.photo(&left).unwrap().is_some());
    outside.pass(2 * 86_400);
    store.forget_old(outside.now()).unwrap();
    assert_eq!(store.photo(&left).unwrap(), None);
    assert!(store.photo(&drafted).unwrap().is_some());
}

#[test]
fn photos_lie_encrypted_under_their_hash_and_cannot_be_exchanged() {
    let folder = tempfile::tempdir().unwrap();
    let outside = Replay::new(1);
    let handheld = enrolled(folder.path(), &Default::default(), &outside);
    let store = handheld.store().unwrap();
    let (one, two) = (b"one picture".as_slice(), b"another one".as_slice());
    for bytes in [one, two, one] {
        store.put_photo(&crate::photo::hash(bytes), bytes, None, PhotoState::Taken, outside.as_ref()).unwrap();
    }
    let folder = database(folder.path()).with_file_name("photos");
    let path = |bytes: &[u8]| folder.join(crate::photo::hash(bytes).as_str());
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
    assert!(memchr::memmem::find(&fs::read(path(one)).unwrap(), b"picture").is_none());
    assert_eq!(store.photo(&crate::photo::hash(one)).unwrap().unwrap(), one);
    fs::copy(path(two), path(one)).unwrap();
    assert!(matches!(store.photo(&crate::photo::hash(one)), Err(StoreError::Row { what: "photo", .. })));
    fs::remove_file(path(one)).unwrap();
    assert_eq!(store.photo(&crate::photo::hash(one)).unwrap(), None);
}

#[test]
fn search_in_memory_says_the_same_before_and_after_it_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let (server, outside) = (Default::default(), Replay::new(3));
    let handheld = enrolled(folder.path(), &server, &outside);
    let records: Vec<_> = (0..40).map(|n| resident(&handheld, &[("name", &format!("\"张{n}\""))])).collect();
    for (n, record) in records.iter().enumerate() {
        let changed = change(&handheld, *record, &[("name", &format!("\"李{n}\""))]);
        handheld.save(changed, None).unwrap();
        if n % 3 == 0 {
            handheld.delete(*record, true).unwrap();
        }
    }
    let found = |handheld: &crate::handheld::Handheld, query: &str| {
        let mut ids: Vec<_> =
            handheld.search(query, &Filter::default(), 100, 0).unwrap().hits.into_iter().map(|hit| hit.id).collect();
        ids.sort();
        ids
    };
    let before: Vec<_> = ["", "张", "李", "li1", "5"].iter().map(|query| found(&handheld, query)).collect();
    drop(handheld);
    let handheld = open(folder.path(), &server, &outside);
    let after: Vec<_> = ["", "张", "李", "li1", "5"].iter().map(|query| found(&handheld, query)).collect();
    assert_eq!(before, after);
    assert_eq!(before[1].len(), 0);
    assert_eq!(before[2].len(), 26);
}

#[test]
fn visits_that_an_earlier_version_only_carried_are_due_after_the_upgrade() {
    let folder = tempfile::tempdir().unwrap();
    let (server, outside) = (Default::default(), Replay::new(1));
    let handheld = enrolled(folder.path(), &server, &outside);
    let old = resident(&handheld, &[("name", "\"李秀兰\"")]);
    let fields = [
        ("category", "\"visit\"".to_owned()),
        ("title", "\"走访\"".to_owned()),
        ("area", "31".to_owned()),
        ("subject", format!("\"{old}\"")),
        ("next_visit", "\"2026-11-19\"".to_owned()),
    ];
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let draft = crate::handheld::Draft {
        edit: handheld.new_edit_id(),
        record: handheld.new_record_id(),
        kind: shared::record::RecordKind::Event,
        form: 2,
        context: Default::default(),
        seen: None,
        writes: writes(&fields),
    };
    handheld.save(draft, None).unwrap();
    assert_eq!(handheld.today().unwrap().visits.len(), 1);
    let store = handheld.store().unwrap();
    lock(&store.writer)
        .as_ref()
        .unwrap()
        .execute_batch("DELETE FROM work; INSERT INTO meta (key, value) VALUES ('derive_events', 'true')")
        .unwrap();
    assert!(handheld.today().unwrap().visits.is_empty());
    drop((store, handheld));
    let handheld = try_open(folder.path(), &server, &outside).unwrap();
    assert_eq!(handheld.today().unwrap().visits.len(), 1);
}

#[test]
fn what_is_long_keeps_nothing_short_waiting() {
    let readers = [Mutex::new(1), Mutex::new(2)];
    let long = first_free(&readers);
    assert_eq!((*long, *first_free(&readers)), (1, 2));
    drop(long);
    assert_eq!(*first_free(&readers), 1);
}
