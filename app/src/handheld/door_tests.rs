//! Locking by itself, and PINs for who never had one.

use std::fs;
use std::sync::Arc;

use crate::handheld::{Door, Handheld};
use crate::platform::{FileKeyStore, Paths};
use crate::store::StoreError;
use crate::testing::{PIN, Replay, Server, enrolled, open, resident};

#[test]
fn a_handheld_out_of_sight_for_five_minutes_is_locked_and_one_put_down_for_four_is_not() {
    let (server, outside, folder) = (Arc::<Server>::default(), Replay::new(1), tempfile::tempdir().unwrap());
    let alice = enrolled(folder.path(), &server, &outside);
    let record = resident(&alice, &[("name", "\"张伟\"")]);

    alice.left();
    outside.pass(4 * 60);
    alice.back();
    outside.pass(4 * 60);
    alice.left();
    outside.pass(60);
    alice.left();
    assert_eq!(alice.door(), Door::Open);
    assert!(alice.record(record).unwrap().is_some());

    // Nobody looks for five minutes, whether it is noticed meanwhile or when somebody takes it up.
    outside.pass(4 * 60);
    alice.left();
    assert!(matches!(alice.door(), Door::Locked(_)));
    assert!(matches!(alice.record(record), Err(StoreError::NotEnrolled)));
    alice.back();
    assert!(matches!(alice.door(), Door::Locked(_)));
    alice.unlock(user(&alice), PIN).unwrap();
    alice.left();
    outside.pass(6 * 60);
    alice.back();
    assert!(matches!(alice.door(), Door::Locked(_)));

    // A clock that was set back meanwhile does not keep it open.
    alice.unlock(user(&alice), PIN).unwrap();
    alice.left();
    outside.pass(-86_400);
    alice.back();
    assert!(matches!(alice.door(), Door::Locked(_)));
}

fn user(handheld: &Handheld) -> shared::ids::UserId {
    match handheld.door() {
        Door::Locked(residents) => residents[0].user,
        other => panic!("{other:?}"),
    }
}

#[test]
fn who_comes_from_a_version_without_pins_goes_on_and_is_asked_for_one() {
    let (server, outside, folder) = (Arc::<Server>::default(), Replay::new(1), tempfile::tempdir().unwrap());
    let alice = enrolled(folder.path(), &server, &outside);
    let record = resident(&alice, &[("name", "\"张伟\"")]);
    let me = alice.setup().unwrap().user.id;
    let key = *alice.store().unwrap().key();
    drop(alice);
    // As that version kept it: the raw key in a file.
    let paths = Paths::new(folder.path());
    fs::remove_dir_all(paths.keys()).unwrap();
    for file in ["lock.json", "tries.json"] {
        fs::remove_file(paths.user(me).join(file)).unwrap();
    }
    let raw = paths.keys().join(format!("db-{me}.key"));
    fs::create_dir_all(paths.keys()).unwrap();
    fs::write(&raw, key).unwrap();

    let alice = open(folder.path(), &server, &outside);
    assert_eq!(alice.door(), Door::ChoosePin);
    assert!(alice.record(record).unwrap().is_some());
    // There is nothing to lock with yet.
    alice.lock();
    assert_eq!(alice.door(), Door::ChoosePin);
    assert_eq!(alice.set_pin(None, "111111").unwrap_err().message().key, "pin-guessed");
    assert!(raw.exists(), "a PIN that was not taken costs nothing");
    alice.set_pin(None, PIN).unwrap();
    assert_eq!(alice.door(), Door::Open);
    assert!(!raw.exists() && FileKeyStore::new(&paths.keys()).earlier(&format!("db-{me}")).unwrap().is_none());
    drop(alice);
    let alice = open(folder.path(), &server, &outside);
    assert!(alice.record(record).unwrap().is_some());
    // From now on it is asked for.
    assert_eq!(alice.set_pin(None, "918273").unwrap_err().message().key, "pin-digits");
    assert_eq!(alice.set_pin(Some("550199"), "918273").unwrap_err().message().key, "lock-wrong");
    alice.set_pin(Some(PIN), "918273").unwrap();
    alice.lock();
    assert!(alice.unlock(me, PIN).is_err());
    alice.unlock(me, "918273").unwrap();
}
