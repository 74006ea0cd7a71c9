//! What could keep an outbox from ever getting empty, and what would be worse: dots given twice.

use std::sync::Arc;

use shared::ids::Slot;
use shared::path::Path;
use shared::record::Part;
use shared::value::Value;
use shared::wire::RejectReason;

use super::*;
use crate::testing::{Replay, Server, change, enrolled, open, resident, runtime, shown};

struct World {
    server: Arc<Server>,
    outside: Arc<Replay>,
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        Self { server: Arc::default(), outside: Replay::new(11), folder: tempfile::tempdir().unwrap() }
    }

    fn handheld(&self, name: &str) -> Handheld {
        enrolled(&self.folder.path().join(name), &self.server, &self.outside)
    }

    fn server<T>(&self, work: impl FnOnce(&mut crate::testing::Inside) -> T) -> T {
        work(&mut self.server.0.lock().unwrap())
    }

    fn copy(&self, from: &str, to: &str) {
        copy(&self.folder.path().join(from), &self.folder.path().join(to));
    }

    fn open(&self, name: &str) -> Handheld {
        open(&self.folder.path().join(name), &self.server, &self.outside)
    }
}

fn copy(from: &FilePath, to: &FilePath) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn sync(handheld: &Handheld) {
    runtime().block_on(handheld.sync_now()).unwrap();
}

fn poisoned(edit: &shared::edit::Edit) -> bool {
    edit.writes.values().any(|value| value.json().contains("666"))
}

#[test]
fn an_edit_the_server_cannot_read_comes_back_and_the_rest_goes_on() {
    let world = World::new();
    let alice = world.handheld("alice");
    sync(&alice);
    let mut records = Vec::new();
    for n in 0..40 {
        let phone = if n == 17 || n == 31 { "666" } else { "110" };
        records.push(resident(&alice, &[("name", &format!("\"居民{n}\"")), ("phone", &format!("\"{phone}\""))]));
    }
    world.server(|server| server.poison = Some((400, poisoned)));
    let before = world.server(|server| server.requests);
    sync(&alice);
    assert_eq!(alice.outbox_counts().unwrap().edits, 0);
    let tray = alice.tray().unwrap();
    assert_eq!(tray.len(), 2);
    assert!(tray.iter().all(|item| item.rejection.reason == RejectReason::Unknown));
    assert_eq!(world.server(|server| server.accepted.len()), 38);
    assert!(world.server(|server| server.requests) - before < 40, "not one by one");
    // Corrected it goes under a new dot; no dot was given twice, none left out: the test's server sees to it.
    alice.correct(tray[0].edit.id, tray[0].edit.writes.clone()).unwrap();
    world.server(|server| server.poison = None);
    sync(&alice);
    assert_eq!(world.server(|server| server.accepted.last().map(|edit| edit.dot.n)), Some(41));
    let came_back = [records[17], records[31]].into_iter().filter(|record| shown(&alice, *record, "name").is_some());
    assert_eq!(came_back.count(), 1);
}

#[test]
fn an_edit_that_makes_the_server_fail_is_found_after_some_attempts() {
    let world = World::new();
    let alice = world.handheld("alice");
    sync(&alice);
    for n in 0..6 {
        let phone = if n == 2 { "666" } else { "110" };
        resident(&alice, &[("name", &format!("\"居民{n}\"")), ("phone", &format!("\"{phone}\""))]);
    }
    world.server(|server| server.poison = Some((500, poisoned)));
    let mut failures = 0;
    while let Err(error) = runtime().block_on(alice.sync_now()) {
        assert!(error.retry.is_some(), "it is tried again");
        failures += 1;
        assert!(failures < 10);
    }
    assert_eq!(failures, 6, "three times with the others, three times alone");
    assert_eq!((alice.tray().unwrap().len(), world.server(|server| server.accepted.len())), (1, 5));
}

#[test]
fn files_put_back_from_a_backup_never_give_a_dot_twice() {
    let world = World::new();
    let alice = world.handheld("alice");
    let record = resident(&alice, &[("name", "\"张伟\"")]);
    sync(&alice);
    drop(alice);
    world.copy("alice", "backup");
    let alice = world.open("alice");
    alice.save(change(&alice, record, &[("phone", "\"13900000001\"")]), None).unwrap();
    alice.save(change(&alice, record, &[("phone", "\"13900000002\"")]), None).unwrap();
    sync(&alice);
    drop(alice);

    // Nothing was saved since. Somebody went on under its numbers: it takes others.
    world.copy("backup", "put-back");
    let alice = world.open("put-back");
    sync(&alice);
    assert_eq!(shown(&alice, record, "phone").as_deref(), Some("13900000002"));
    alice.save(change(&alice, record, &[("address", "\"三组\"")]), None).unwrap();
    sync(&alice);
    assert_eq!(world.server(|server| server.accepted.last().map(|edit| edit.dot)), Some((Slot(102), 1).into()));
    drop(alice);

    // Saved before it heard of it: under the same numbers stand other edits. It becomes another writer, in one go, and
    // what it never saw is not overwritten.
    world.copy("backup", "clone");
    let clone = world.open("clone");
    for n in 3..8 {
        clone.save(change(&clone, record, &[("phone", &format!("\"1390000000{n}\""))]), None).unwrap();
    }
    world.server(|server| server.lose_answers = 1);
    assert!(runtime().block_on(clone.sync_now()).is_err());
    assert_eq!(shown(&clone, record, "phone").as_deref(), Some("13900000007"));
    sync(&clone);
    assert_eq!(clone.outbox_counts().unwrap().edits, 0);
    let slots: Vec<_> = world.server(|server| server.accepted.iter().skip(4).map(|edit| edit.dot).collect());
    assert_eq!(slots, (1..=5).map(|n| (Slot(103), n).into()).collect::<Vec<_>>(), "asked twice it is the same one");
    let phones = |handheld: &Handheld| -> Vec<String> {
        let page = handheld.record(record).unwrap().unwrap();
        let live = page.record.open.live(&Path::field("phone"));
        live.map(|write| write.value.plain()).collect()
    };
    assert_eq!(phones(&clone), ["13900000002", "13900000007"], "both wait for a person");
    same_as_server(&world, &clone, record);
}

fn same_as_server(world: &World, handheld: &Handheld, record: shared::ids::RecordId) {
    let confirmed = handheld.store().unwrap().confirmed_part(record, Part::Open).unwrap().unwrap();
    assert_eq!(confirmed, world.server(|server| server.state(record)));
}

#[test]
fn files_that_are_older_than_the_installation_get_a_slot_of_their_own() {
    let world = World::new();
    let alice = world.handheld("alice");
    let record = resident(&alice, &[("name", "\"张伟\"")]);
    sync(&alice);
    alice.save(change(&alice, record, &[("phone", "\"13900000001\"")]), None).unwrap();
    drop(alice);
    // A backup of the device does not hold the mark of the installation.
    world.copy("alice", "backup");
    std::fs::remove_dir_all(world.folder.path().join("backup/no-backup")).unwrap();
    let alice = world.open("alice");
    alice.save(change(&alice, record, &[("address", "\"三组\"")]), None).unwrap();
    sync(&alice);
    drop(alice);

    // Put back: what waited there has arrived; a form opened meanwhile has seen it.
    let back = world.open("backup");
    let mut opened = change(&back, record, &[("phone", "\"13900000009\"")]);
    back.save(change(&back, record, &[("note", "\"回访\"")]), None).unwrap();
    let later = change(&back, record, &[("address", "\"五组\"")]);
    sync(&back);
    let slot = back.store().unwrap().meta().unwrap().slot;
    assert_eq!(slot, Some(Slot(102)));
    assert_eq!(back.outbox_counts().unwrap().edits, 0);
    opened.writes.insert(Path::field("note"), Value::text("电话改了"));
    back.save(opened, None).unwrap();
    back.save(later, None).unwrap();
    sync(&back);
    same_as_server(&world, &back, record);
    let page = back.record(record).unwrap().unwrap();
    let open: Vec<&str> = page.open_fields.iter().map(|open| open.field.as_str()).collect();
    // The first form had not seen the note, the second had seen all but what the lost incarnation wrote.
    assert_eq!(open, ["address", "note"]);
    assert_eq!(shown(&back, record, "phone").as_deref(), Some("13900000009"));
    // Closed and opened again it is the same installation: nobody asks any more.
    drop(back);
    let back = world.open("backup");
    assert!(back.store().unwrap().question().unwrap().is_none());
}

#[test]
fn a_copy_that_was_restored_twice_knows_what_its_sibling_delivered() {
    let world = World::new();
    let alice = world.handheld("alice");
    let record = resident(&alice, &[("name", "\"张伟\"")]);
    sync(&alice);
    alice.save(change(&alice, record, &[("phone", "\"13900000001\"")]), None).unwrap();
    alice.save(change(&alice, record, &[("phone", "\"13900000002\"")]), None).unwrap();
    drop(alice);
    for copy in ["first", "second"] {
        world.copy("alice", copy);
        std::fs::remove_dir_all(world.folder.path().join(copy).join("no-backup")).unwrap();
        let back = world.open(copy);
        let phone = format!("\"{copy}\"").replace("first", "13900000003").replace("second", "13900000004");
        back.save(change(&back, record, &[("phone", &phone)]), None).unwrap();
        sync(&back);
        same_as_server(&world, &back, record);
    }
    // Two copies changed it after the same two edits: these are superseded, whoever delivered them.
    let live: Vec<String> = world
        .server(|server| server.state(record).live(&Path::field("phone")).map(|write| write.value.plain()).collect());
    assert_eq!(live, ["13900000003", "13900000004"]);
}

#[test]
fn new_edits_wait_for_those_a_restored_server_lost() {
    let world = World::new();
    let alice = world.handheld("alice");
    let record = resident(&alice, &[("name", "\"张伟\"")]);
    sync(&alice);
    let backup = world
        .server(|server| (server.parts.clone(), server.sequence, server.high_water.clone(), server.outcomes.clone()));
    alice.save(change(&alice, record, &[("phone", "\"13900000001\"")]), None).unwrap();
    sync(&alice);
    alice.save(change(&alice, record, &[("phone", "\"13900000002\"")]), None).unwrap();
    world.server(|server| {
        (server.parts, server.sequence, server.high_water, server.outcomes) = backup;
        server.epoch = 2;
        server.refill = true;
    });
    sync(&alice);
    assert!(alice.tray().unwrap().is_empty());
    assert_eq!(shown(&alice, record, "phone").as_deref(), Some("13900000002"));
    assert!(alice.conflicts(10, 0).unwrap().0.is_empty());
    let dots: Vec<_> = world.server(|server| server.accepted.iter().map(|edit| edit.dot).collect());
    assert_eq!(
        dots[1..],
        [(Slot(101), 2).into(), (Slot(102), 1).into(), (Slot(102), 2).into()],
        "in order, as another"
    );
}

#[test]
fn two_threads_that_save_at_once_share_no_dot_and_leave_no_gap() {
    let world = World::new();
    let alice = world.handheld("alice");
    let record = resident(&alice, &[("name", "\"张伟\"")]);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let alice = &alice;
            scope.spawn(move || {
                for n in 0..10 {
                    let phone = format!("\"1390000{thread}{n:03}\"");
                    alice.save(change(alice, record, &[("phone", &phone)]), None).unwrap();
                }
            });
        }
    });
    let ns: Vec<u64> = alice.store().unwrap().waiting().unwrap().iter().map(|row| row.edit.dot.n).collect();
    assert_eq!(ns, (1..=41).collect::<Vec<_>>());
    sync(&alice);
    assert_eq!(world.server(|server| server.accepted.len()), 41);
}

#[test]
fn what_left_while_its_edit_was_on_the_way_goes_after_it() {
    let world = World::new();
    let (alice, bob) = (world.handheld("alice"), world.handheld("bob"));
    let record = resident(&alice, &[("name", "\"张伟\"")]);
    let others: Vec<_> = (0..4).map(|n| resident(&alice, &[("name", &format!("\"居民{n}\""))])).collect();
    sync(&alice);
    sync(&bob);
    for other in &others {
        alice.save(change(&alice, *other, &[("phone", "\"13900000001\"")]), None).unwrap();
    }
    alice.save(change(&alice, record, &[("phone", "\"13900000002\"")]), None).unwrap();
    sync(&alice);
    // Bob's edit has its receipt with a page that does not name the record; the next page says that it left.
    bob.save(change(&bob, record, &[("address", "\"三组\"")]), None).unwrap();
    world.server(|server| {
        server.page = 1;
        server.sequence += 10;
        let sequence = server.sequence;
        server.gone.insert(record, sequence);
    });
    sync(&bob);
    assert!(bob.record(record).unwrap().is_none(), "{:?}", bob.store().unwrap().edit_states());
}

#[test]
fn what_arrived_before_a_new_enrolment_is_not_shown_a_second_time() {
    let world = World::new();
    let (alice, bob) = (world.handheld("alice"), world.handheld("bob"));
    let record = resident(&alice, &[("name", "\"张伟\"")]);
    sync(&alice);
    alice.save(change(&alice, record, &[("phone", "\"13900000001\"")]), None).unwrap();
    world.server(|server| server.lose_answers = 1);
    assert!(runtime().block_on(alice.sync_now()).is_err());
    // It is there, the receipt is not; somebody else goes on from it, and this handheld is enrolled anew.
    sync(&bob);
    bob.save(change(&bob, record, &[("phone", "\"13900000002\"")]), None).unwrap();
    sync(&bob);
    runtime().block_on(alice.enrol("https://example.test", "0", crate::testing::PIN)).unwrap();
    sync(&alice);
    assert_eq!(shown(&alice, record, "phone").as_deref(), Some("13900000002"));
    assert!(alice.conflicts(10, 0).unwrap().0.is_empty());
    let states = alice.store().unwrap().edit_states().unwrap();
    assert_eq!(states.keys().collect::<Vec<_>>(), ["done"]);
}
