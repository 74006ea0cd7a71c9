//! 显示: the asking is noted before anything shows, and told to the server once it answers.

use std::sync::Arc;

use crate::testing::{Replay, Server, enrolled, open, resident, runtime};

#[test]
fn a_look_is_told_with_the_next_sync_and_kept_until_an_answer_came() {
    let server: Arc<Server> = Arc::default();
    let outside = Replay::new(23);
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("alice");
    let alice = enrolled(&dir, &server, &outside);
    let record = resident(&alice, &[("name", "\"张伟\""), ("phone", "\"13912345678\"")]);
    runtime().block_on(alice.sync_now()).unwrap();
    assert!(server.0.lock().unwrap().looks.is_empty());

    alice.note_look(record, "phone").unwrap();
    alice.note_look(record, "id_number").unwrap();
    drop(alice);
    let alice = open(&dir, &server, &outside);
    server.0.lock().unwrap().lose_answers = 1;
    assert!(runtime().block_on(alice.sync_now()).is_err());
    assert_eq!(alice.store().unwrap().looks().unwrap().len(), 2, "nobody said that they arrived");
    runtime().block_on(alice.sync_now()).unwrap();
    assert!(alice.store().unwrap().looks().unwrap().is_empty());
    runtime().block_on(alice.sync_now()).unwrap();

    let came = server.0.lock().unwrap().looks.clone();
    let fields: Vec<&str> = came.iter().map(|look| look.field.as_str()).collect();
    assert_eq!(fields, ["phone", "id_number", "phone", "id_number"], "again after the lost answer, then no more");
    assert!(came.iter().all(|look| look.record == record));
    assert_eq!(came[..2], came[2..], "with the same ids: the server takes them once");
}
