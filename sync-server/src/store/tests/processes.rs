//! What several server processes do to one PostgreSQL, and it to them.

use std::sync::atomic::{AtomicBool, Ordering};

use super::postgres::Cluster;
use super::*;

fn add_one(store: &dyn Store) {
    in_tx(store, |tx| {
        let before: u32 = tx.meta("count")?.map_or(0, |text| text.parse().unwrap());
        tx.set_meta("count", &(before + 1).to_string())
    });
}

#[test]
fn several_processes_write_to_one_town_in_turn_and_no_reader_misses_a_change() {
    let cluster = Cluster::start().unwrap();
    let address = cluster.database("town").unwrap();
    // All begin at once on an empty database: one of them makes the tables.
    let stores: Vec<PostgresStore> = std::thread::scope(|scope| {
        let opening: Vec<_> = (0..3).map(|_| scope.spawn(|| PostgresStore::open(&address).unwrap())).collect();
        opening.into_iter().map(|opened| opened.join().unwrap()).collect()
    });
    let ended = AtomicBool::new(false);
    let reader = PostgresStore::open(&address).unwrap();
    let seen = std::thread::scope(|scope| {
        let reading = scope.spawn(|| {
            let (mut seen, mut cursor) = (Vec::new(), 0);
            loop {
                let last = ended.load(Ordering::SeqCst);
                in_read(&reader, |read| {
                    read.feed(Part::Open, cursor, &mut |entry| {
                        seen.push(entry.record);
                        cursor = entry.seq;
                        Ok(true)
                    })
                });
                if last {
                    return seen;
                }
            }
        });
        std::thread::scope(|writers| {
            for store in stores.iter().flat_map(|store| [store, store]) {
                writers.spawn(move || {
                    for _ in 0..20 {
                        save(store, 11, "新");
                        add_one(store);
                    }
                });
            }
        });
        ended.store(true, Ordering::SeqCst);
        reading.join().unwrap()
    });
    assert_eq!(seen.len(), 120, "each change was seen, once");
    assert_eq!(in_read(&reader, |read| read.meta("count")).as_deref(), Some("120"), "one after the other");
    assert_eq!(in_read(&reader, |read| read.last_seq(Part::Open)), 120);
}

#[test]
fn a_restart_of_postgresql_is_told_as_busy_and_nothing_confirmed_is_lost() {
    let mut cluster = Cluster::start().unwrap();
    let store = PostgresStore::open(&cluster.database("town").unwrap()).unwrap();
    add_one(&store);
    // It ends in the middle of a transaction.
    let interrupted: Result<(), StoreError> = write(&store, TOWN, |tx| {
        tx.set_meta("count", "99")?;
        cluster.stop().unwrap();
        Ok(())
    });
    assert!(matches!(interrupted, Err(StoreError::Busy)), "{interrupted:?}");
    let away: Result<_, StoreError> = read(&store, TOWN, |read| read.meta("count"));
    assert!(matches!(away, Err(StoreError::Busy)), "{away:?}");
    cluster.go().unwrap();
    assert_eq!(in_read(&store, |read| read.meta("count")).as_deref(), Some("1"));
    add_one(&store);
    assert_eq!(in_read(&store, |read| read.meta("count")).as_deref(), Some("2"));
}

#[test]
fn a_database_that_is_not_for_this_program_is_left_alone() {
    let cluster = Cluster::start().unwrap();
    let address = cluster.database("town").unwrap();
    drop(PostgresStore::open(&address).unwrap());
    cluster.sql_in("town", "INSERT INTO schema_version (version) VALUES (99)").unwrap();
    let newer = PostgresStore::open(&address).err().unwrap();
    assert!(matches!(newer, StoreError::FromTheFuture { found: 99, .. }), "{newer}");
    cluster.sql_in("town", "DELETE FROM schema_version WHERE version = 99").unwrap();
    let forgetful = PostgresStore::open(&format!("{address} application_name=x options='-c synchronous_commit=off'"));
    let forgetful = forgetful.err().unwrap();
    assert!(matches!(forgetful, StoreError::Forgetful("synchronous_commit")), "{forgetful}");
    for abroad in ["host=db.example", "host=localhost hostaddr=192.0.2.7"] {
        let open = PostgresStore::open(&format!("{abroad} user=server dbname=town sslmode=disable")).err().unwrap();
        assert!(matches!(open, StoreError::Open), "{open}");
    }
    let none = PostgresStore::open("postgres://wei:geheim@db.example:port/town").err().unwrap();
    assert!(matches!(none, StoreError::Address) && !none.to_string().contains("geheim"), "{none}");
}

#[test]
fn the_audit_of_postgresql_is_only_added_to() {
    let cluster = Cluster::start().unwrap();
    let store = PostgresStore::open(&cluster.database("town").unwrap()).unwrap();
    let audit = Audit { at: noon(), user: None, action: "unmask".into(), subject: "7".into(), detail: "".into() };
    in_tx(&store, |tx| tx.put_audit(&audit));
    in_tx(&store, |tx| tx.put_audit(&audit));
    for sql in [
        "UPDATE audit SET detail = 'other'",
        "DELETE FROM audit",
        "TRUNCATE audit",
        "DELETE FROM audit_head",
        "UPDATE audit_head SET number = 1",
    ] {
        assert!(cluster.sql_in("town", sql).is_err(), "{sql}");
    }
    let entries = in_read(&store, |read| read.audit_entries(&AuditFilter { limit: 9, ..AuditFilter::default() }));
    assert_eq!(entries.len(), 2);
    assert!(entries.iter().all(|(_, fits)| *fits));
}

#[test]
fn what_is_done_by_the_clock_one_process_does_at_a_time() {
    let cluster = Cluster::start().unwrap();
    let address = cluster.database("town").unwrap();
    let (one, other) = (PostgresStore::open(&address).unwrap(), PostgresStore::open(&address).unwrap());
    let turn = one.turn("archive").unwrap();
    assert!(turn.is_some() && other.turn("archive").unwrap().is_none());
    assert!(other.turn("retention").unwrap().is_some(), "something else is nobody's");
    save(&other, 11, "新");
    // However it ends: PostgreSQL sees that the connection is gone.
    drop(turn);
    while other.turn("archive").unwrap().is_none() {}
}

#[test]
fn a_connection_does_not_keep_every_statement_it_ever_saw() {
    let cluster = Cluster::start().unwrap();
    let store = PostgresStore::open(&cluster.database("town").unwrap()).unwrap();
    let mut kept = 0;
    for round in 0..8 {
        for n in 0..100 {
            let sql = format!("SELECT {n}, {round}");
            store.reading(|conn| conn.prepare_cached(&sql)?.exists(&[])).unwrap();
        }
        let count = "SELECT count(*) FROM pg_prepared_statements";
        kept = store.reading(|conn| conn.prepare_cached(count)?.one(&[], |row| row.get::<i64>(0))).unwrap();
        assert!(round > 0 || kept >= 100, "what is asked often is prepared once: {kept}");
    }
    assert!(kept <= 520, "{kept}");
}
