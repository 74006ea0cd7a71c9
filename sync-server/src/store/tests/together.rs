//! Several who write at the same moment share a commit: to one SQLite file, or in one town of a PostgreSQL.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::postgres::Cluster;
use super::*;

/// A file, how often it was committed to, and whether it refuses to be.
fn counted() -> (tempfile::TempDir, SqliteStore, Arc<AtomicU32>) {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("town.db")).unwrap();
    let commits = Arc::new(AtomicU32::new(0));
    let counting = Arc::clone(&commits);
    hook(&store, move || {
        counting.fetch_add(1, Ordering::SeqCst);
        false
    });
    (folder, store, commits)
}

fn hook(store: &SqliteStore, refuses: impl FnMut() -> bool + Send + 'static) {
    store.writers.alone(|conn| Ok(conn.commit_hook(Some(refuses))?)).unwrap();
}

type Work<'w> = &'w (dyn Fn(&mut dyn Tx) -> Result<(), StoreError> + Sync);

/// The first of them is at it until all others wait; what each was told.
fn at_once<const N: usize>(
    store: &dyn Store,
    waiting: &(dyn Fn() -> usize + Sync),
    works: [Work<'_>; N],
) -> [Result<(), StoreError>; N] {
    let begun = AtomicU32::new(0);
    std::thread::scope(|scope| {
        let told = std::array::from_fn::<_, N, _>(|n| {
            let (work, begun) = (works[n], &begun);
            scope.spawn(move || {
                // They come one after the other.
                while n > 0 && (begun.load(Ordering::SeqCst) == 0 || waiting() < n - 1) {
                    std::thread::yield_now();
                }
                write(store, TOWN, |tx| {
                    let first = begun.fetch_add(1, Ordering::SeqCst) == 0;
                    while first && waiting() < N - 1 {
                        std::thread::yield_now();
                    }
                    work(tx)
                })
            })
        });
        told.map(|told| told.join().unwrap_or(Err(StoreError::Missing("the thread, which panicked"))))
    })
}

fn on_sqlite_at_once<const N: usize>(store: &SqliteStore, works: [Work<'_>; N]) -> [Result<(), StoreError>; N] {
    at_once(store, &|| store.writers.waiting(), works)
}

fn on_postgresql_at_once<const N: usize>(store: &PostgresStore, works: [Work<'_>; N]) -> [Result<(), StoreError>; N] {
    at_once(store, &|| store.waiting(TOWN), works)
}

fn note(tx: &mut dyn Tx, key: &str) -> Result<(), StoreError> {
    let row = row(tx, RecordId::fresh(&System), 11, key);
    tx.save_many(&[row])
}

fn noted(store: &dyn Store) -> Vec<String> {
    let mut titles = titles(store, &PartFilter::default());
    titles.sort();
    titles
}

#[test]
fn who_waits_shares_a_commit_and_what_one_takes_back_is_gone_alone() {
    let (folder, store, commits) = counted();
    let told = on_sqlite_at_once(
        &store,
        [
            &|tx| note(tx, "一"),
            &|tx| note(tx, "二"),
            &|tx| {
                note(tx, "三")?;
                Err(StoreError::Missing("what it looked for"))
            },
            &|tx| note(tx, "四"),
        ],
    );
    assert!(matches!(told, [Ok(()), Ok(()), Err(StoreError::Missing("what it looked for")), Ok(())]), "{told:?}");
    assert_eq!(commits.load(Ordering::SeqCst), 1, "one for all");
    drop(store);
    let store = SqliteStore::open(&folder.path().join("town.db")).unwrap();
    assert_eq!(noted(&store), ["一", "二", "四"]);
    // The number of what was taken back is given to another: the feed has no gap.
    assert_eq!(in_read(&store, |read| read.last_seq(Part::Open)), 3);
}

#[test]
fn a_commit_that_fails_is_told_to_all_who_shared_it() {
    let (_folder, store, _) = counted();
    in_tx(&store, |tx| note(tx, "从前"));
    hook(&store, || true);
    let told = on_sqlite_at_once(&store, [&|tx| note(tx, "一"), &|tx| note(tx, "二"), &|tx| note(tx, "三")]);
    assert!(told.iter().all(Result::is_err), "{told:?}");
    assert_eq!(noted(&store), ["从前"]);
    hook(&store, || false);
    in_tx(&store, |tx| note(tx, "以后"));
    assert_eq!(noted(&store), ["从前", "以后"]);
}

#[test]
fn a_panic_takes_what_was_not_committed_and_nobody_waits_for_ever() {
    let (_folder, store, _) = counted();
    let told = on_sqlite_at_once(&store, [&|tx| note(tx, "一"), &|_| panic!("a mistake")]);
    assert!(told.iter().all(Result::is_err), "{told:?}");
    in_tx(&store, |tx| note(tx, "以后"));
    assert_eq!(noted(&store), ["以后"]);
}

#[test]
fn a_full_disk_is_told_to_all_as_such() {
    let (_folder, store, _) = counted();
    in_tx(&store, |tx| note(tx, "从前"));
    store.set_quota(1).unwrap();
    let fill = |tx: &mut dyn Tx| (0..10_000).try_for_each(|_| note(tx, "很长的一行"));
    let told = on_sqlite_at_once(&store, [&|tx| note(tx, "一"), &fill, &|tx| note(tx, "二")]);
    let [_, full, _] = &told;
    assert!(matches!(full, Err(StoreError::Full)), "{told:?}");
    store.set_quota(1_000_000).unwrap();
    // Whoever was told that it is kept finds it.
    let noted = noted(&store);
    for (title, told) in ["一", "很长的一行", "二"].into_iter().zip(&told) {
        assert_eq!(noted.iter().any(|there| there == title), told.is_ok(), "{title}: {told:?} {noted:?}");
    }
}

#[test]
fn in_a_town_of_postgresql_too_and_each_failure_is_of_whom_it_concerns() {
    let cluster = Cluster::start().unwrap();
    let store = PostgresStore::open(&cluster.database("town").unwrap()).unwrap();
    let looks = |tx: &mut dyn Tx| {
        assert_eq!(noted(&store), [""; 0], "who came before has not been told, for it is not kept yet");
        note(tx, "二")
    };
    let told = on_postgresql_at_once(
        &store,
        [
            &|tx| note(tx, "一"),
            &looks,
            &|tx| {
                note(tx, "三")?;
                Err(StoreError::Missing("what it looked for"))
            },
            // Before it asked anything.
            &|_| Err(StoreError::Missing("what it came for")),
            // PostgreSQL refuses it, and all that follows in this transaction until the savepoint.
            &|tx| {
                let slot = |label: &str| SlotRow {
                    slot: Slot(7),
                    town: TOWN,
                    origin: Origin::Device,
                    label: label.to_owned(),
                    high_water: 0,
                };
                tx.put_slot(&slot("一"))?;
                tx.put_slot(&slot("二"))
            },
            // Refused when it is too late to say so by itself.
            &|tx| tx.set_high_water(Slot(99), 1),
            &|tx| note(tx, "四"),
        ],
    );
    let [Ok(()), Ok(()), Err(StoreError::Missing("what it looked for")), early, taken, no_slot, Ok(())] = &told else {
        panic!("{told:?}")
    };
    assert!(matches!(early, Err(StoreError::Missing("what it came for"))), "{early:?}");
    assert!(matches!(taken, Err(StoreError::Exists(_))), "{taken:?}");
    assert!(matches!(no_slot, Err(StoreError::Missing("the slot"))), "{no_slot:?}");
    assert_eq!(noted(&store), ["一", "二", "四"]);
    assert_eq!(in_read(&store, |read| read.last_seq(Part::Open)), 3, "the feed has no gap");
    assert_eq!(in_read(&store, |read| read.slot(Slot(7))), None);
}

#[test]
fn a_connection_lost_under_several_is_told_to_all_of_them() {
    let cluster = Cluster::start().unwrap();
    let store = PostgresStore::open(&cluster.database("town").unwrap()).unwrap();
    let lost = |tx: &mut dyn Tx| {
        let all = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'town'";
        cluster.sql_in("postgres", all).unwrap();
        tx.set_meta("二", "")
    };
    let told = on_postgresql_at_once(&store, [&|tx| note(tx, "一"), &lost]);
    assert!(told.iter().all(|told| matches!(told, Err(StoreError::Busy))), "{told:?}");
    in_tx(&store, |tx| note(tx, "以后"));
    assert_eq!(noted(&store), ["以后"]);
}

#[test]
fn a_panic_in_a_town_of_postgresql_leaves_nobody_waiting() {
    let cluster = Cluster::start().unwrap();
    let store = PostgresStore::open(&cluster.database("town").unwrap()).unwrap();
    let told = on_postgresql_at_once(&store, [&|tx| note(tx, "一"), &|_| panic!("a mistake")]);
    assert!(told.iter().all(Result::is_err), "{told:?}");
    in_tx(&store, |tx| note(tx, "以后"));
    assert_eq!(noted(&store), ["以后"]);
}

#[test]
fn nobody_waits_for_one_who_gave_up() {
    let cluster = Cluster::start().unwrap();
    let store = PostgresStore::open(&cluster.database("town").unwrap()).unwrap();
    let waits = store.as_if_one_waited(TOWN);
    in_tx(&store, |tx| note(tx, "一"));
    assert_eq!(noted(&store), ["一"]);
    // Nor does whoever comes for several towns.
    in_tx(&store, |tx| {
        tx.hold(&std::collections::BTreeSet::from([AreaId(9)]))?;
        note(tx, "二")
    });
    assert_eq!(noted(&store), ["一", "二"]);
    drop(waits);
}

#[test]
fn who_comes_for_several_towns_lets_the_others_go_before_the_next_town_is_waited_for() {
    let cluster = Cluster::start().unwrap();
    let store = PostgresStore::open(&cluster.database("town").unwrap()).unwrap();
    let other = AreaId(9);
    let (far, comes, kept) = (AtomicU32::new(0), AtomicU32::new(0), AtomicU32::new(0));
    let until = |is: &dyn Fn() -> bool| {
        while !is() {
            std::thread::yield_now();
        }
    };
    let [first, both, last] = std::thread::scope(|scope| {
        // Somebody has the other town, and keeps it until a neighbour in this one was told.
        let first = scope.spawn(|| {
            write(&store, other, |tx| {
                far.store(1, Ordering::SeqCst);
                until(&|| kept.load(Ordering::SeqCst) == 1);
                note(tx, "远")
            })
        });
        until(&|| far.load(Ordering::SeqCst) == 1);
        let both = scope.spawn(|| {
            write(&store, TOWN, |tx| {
                // The first time it does not know yet that it needs both; the neighbour comes meanwhile.
                if comes.fetch_add(1, Ordering::SeqCst) == 0 {
                    until(&|| store.waiting(TOWN) == 1);
                }
                tx.hold(&std::collections::BTreeSet::from([other]))?;
                note(tx, "两处")
            })
        });
        until(&|| comes.load(Ordering::SeqCst) == 1);
        let last = scope.spawn(|| {
            let told = write(&store, TOWN, |tx| {
                until(&|| store.waiting(TOWN) == 1);
                note(tx, "近")
            });
            kept.store(1, Ordering::SeqCst);
            told
        });
        [first, both, last].map(|told| told.join().unwrap())
    });
    assert!(matches!((&first, &both, &last), (Ok(()), Ok(()), Ok(()))), "{first:?} {both:?} {last:?}");
    assert_eq!(noted(&store), ["两处", "近"]);
}
