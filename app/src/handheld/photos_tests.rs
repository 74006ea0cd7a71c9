//! Photos over a line that breaks, beside text that goes first, on files that go bad.

use std::sync::{Arc, Mutex};

use shared::record::RecordKind;

use super::tests::{World, sync};
use super::*;
use crate::platform::{Line, Network};
use crate::testing::{open_on, resident, runtime, writes};

/// Saves a record with a photo.
fn report(handheld: &Handheld, kind: RecordKind, taken: &TakenIn) -> RecordId {
    let record = handheld.new_record_id();
    let mut fields = match kind {
        RecordKind::Event => writes(&[("title", "\"井盖丢了\""), ("category", "\"hazard\""), ("area", "31")]),
        _ => writes(&[("name", "\"消火栓\""), ("type", "\"hydrant\""), ("area", "31")]),
    };
    fields.insert(Path::element("photos", taken.hash.as_str()), Value::of(&taken.particulars));
    let draft = Draft {
        edit: handheld.new_edit_id(),
        record,
        kind,
        form: 1,
        context: BTreeMap::new(),
        seen: None,
        writes: fields,
    };
    handheld.save(draft, None).unwrap();
    record
}

fn take(handheld: &Handheld, width: u32) -> TakenIn {
    handheld.take_in(&crate::photo::tests_picture(width, 700), None, None).unwrap()
}

#[test]
fn a_photo_goes_after_its_record_piece_by_piece_over_a_line_that_breaks() {
    let world = World::new();
    let alice = world.handheld("alice");
    let picture = crate::photo::tests_picture(900, 700);
    let taken = alice.take_in(&picture, None, None).unwrap();
    assert_eq!(alice.outbox_counts().unwrap().photos, 0, "nothing links it yet");
    report(&alice, RecordKind::Event, &taken);
    assert_eq!(alice.outbox_counts().unwrap().photos, 1);
    assert_eq!(alice.estimate().unwrap().photos, 1);

    alice.set_settings(|settings| settings.text_only = true).unwrap();
    sync(&alice);
    assert_eq!(world.server(|server| server.accepted.len()), 1, "the record did not wait for its photo");
    assert!(!alice.lights().unwrap().delivered);
    assert_eq!(alice.outbox().unwrap().len(), 1);

    alice.set_settings(|settings| settings.text_only = false).unwrap();
    world.server(|server| server.lose_pieces = 2);
    assert!(runtime().block_on(alice.sync_now()).is_err());
    drop(alice);
    let alice = world.reopen("alice");
    assert!(runtime().block_on(alice.sync_now()).is_err());
    sync(&alice);
    assert!(alice.lights().unwrap().delivered);
    let photos = world.server(|server| server.photos.clone());
    assert_eq!(photos[taken.hash.as_str()], alice.picture(&taken.hash).unwrap().unwrap());
    assert!(photos.contains_key(taken.particulars.thumbnail.as_str()));

    // Another handheld asks for it, and keeps it.
    let bob = world.handheld("bob");
    assert_eq!(bob.picture(&taken.hash).unwrap(), None);
    let there = photos[taken.hash.as_str()].clone();
    assert_eq!(runtime().block_on(bob.fetch_picture(&taken.hash)).unwrap(), Fetched::Here(there.clone()));
    assert_eq!(bob.picture(&taken.hash).unwrap(), Some(there));
    let unknown = crate::testing::hash_of("nobody has this");
    assert_eq!(runtime().block_on(bob.fetch_picture(&unknown)).unwrap(), Fetched::NotThere);
}

#[test]
fn thumbnails_go_first_then_events_and_of_these_the_newest() {
    let world = World::new();
    let alice = world.handheld("alice");
    let photos: Vec<TakenIn> = (900..904).map(|width| take(&alice, width)).collect();
    let kinds = [RecordKind::Event, RecordKind::Object, RecordKind::Event, RecordKind::Object];
    for (photo, kind) in photos.iter().zip(kinds) {
        report(&alice, kind, photo);
    }
    let waiting: Vec<PhotoHash> =
        alice.store().unwrap().photos_waiting().unwrap().into_iter().map(|row| row.hash).collect();
    let newest_first = [2, 0, 3, 1];
    let thumbnails = newest_first.map(|n: usize| photos[n].particulars.thumbnail.clone());
    let large = newest_first.map(|n: usize| photos[n].hash.clone());
    assert_eq!(waiting, [thumbnails, large].concat());
}

#[test]
fn what_is_saved_while_a_photo_goes_does_not_wait_for_it() {
    let world = World::new();
    let alice = world.handheld("alice");
    // Noise does not pack: several pieces.
    let taken = alice.take_in(&crate::photo::tests_noise(1_500, 1_100), None, None).unwrap();
    report(&alice, RecordKind::Event, &taken);
    let saved = Arc::new(Mutex::new(None));
    world.server(|server| {
        let (alice, saved) = (alice.clone(), Arc::clone(&saved));
        server.at_piece = Some(Box::new(move |n| {
            if n == 3 {
                *saved.lock().unwrap() = Some(resident(&alice, &[("name", "\"张伟\"")]));
            }
        }));
    });
    sync(&alice);
    world.server(|server| server.at_piece = None);
    assert!(saved.lock().unwrap().is_some());
    assert!(alice.lights().unwrap().delivered);
    let log = world.server(|server| std::mem::take(&mut server.log));
    let pieces = log.iter().filter(|line| *line == "Patch").count();
    assert!(pieces > 4, "{log:?}");
    // Report; three pieces; the one round that brings who was saved; the rest.
    let rounds: Vec<usize> = (0..log.len()).filter(|n| log[*n] == "round").collect();
    let before = log[..*rounds.last().unwrap()].iter().filter(|line| *line == "Patch").count();
    assert_eq!(before, 3, "{log:?}");
    assert_eq!(world.server(|server| server.accepted.len()), 2);
    assert_eq!(rounds.len(), 2, "one for each save: {log:?}");
}

#[test]
fn photos_wait_for_wifi_where_that_was_chosen_and_text_does_not() {
    struct Phone(Mutex<Line>);
    impl Network for Phone {
        fn line(&self) -> Line {
            *self.0.lock().unwrap()
        }
    }
    let world = World::new();
    world.handheld("alice");
    let phone = Arc::new(Phone(Mutex::new(Line::Metered)));
    let folder = world.folder.path().join("alice");
    let network: Arc<dyn Network> = Arc::clone(&phone) as _;
    let alice = open_on(&folder, &world.server, &world.outside, network).unwrap();
    alice.set_settings(|settings| settings.wifi_only = true).unwrap();
    let taken = take(&alice, 900);
    report(&alice, RecordKind::Event, &taken);
    sync(&alice);
    assert_eq!(world.server(|server| server.accepted.len()), 1);
    assert!(world.server(|server| server.photos.is_empty()));
    let items = alice.outbox().unwrap();
    assert_eq!(items[0].why.key, "sync-wifi-only");
    assert_eq!(alice.estimate().unwrap().kilobytes, 0, "nothing of it goes on this line");
    *phone.0.lock().unwrap() = Line::Free;
    sync(&alice);
    assert!(alice.lights().unwrap().delivered);
}

#[test]
fn a_photo_whose_file_went_bad_is_made_again_of_what_the_camera_gave() {
    let world = World::new();
    let alice = world.handheld("alice");
    let camera = crate::photo::tests_picture(2_000, 1_500);
    let taken = alice.take_in(&camera, None, None).unwrap();
    report(&alice, RecordKind::Event, &taken);
    let users = std::fs::read_dir(world.folder.path().join("alice/users")).unwrap();
    let folder = users.map(|user| user.unwrap().path().join("photos")).next().unwrap();
    let files = || {
        let mut names: Vec<_> =
            std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    assert_eq!(files().len(), 3, "photo, thumbnail and what the camera gave");
    for name in files() {
        let bytes = std::fs::read(folder.join(name)).unwrap();
        assert!(memchr::memmem::find(&bytes, &camera[100..132]).is_none(), "it lies in clear");
    }
    // One file is gone, the other has a turned bit.
    std::fs::remove_file(folder.join(taken.particulars.thumbnail.as_str())).unwrap();
    let mut bytes = std::fs::read(folder.join(taken.hash.as_str())).unwrap();
    bytes[500] ^= 1;
    std::fs::write(folder.join(taken.hash.as_str()), bytes).unwrap();
    sync(&alice);
    assert!(alice.lights().unwrap().delivered);
    let photos = world.server(|server| server.photos.clone());
    assert_eq!(crate::photo::hash(&photos[taken.hash.as_str()]), taken.hash);
    assert!(photos.contains_key(taken.particulars.thumbnail.as_str()));
    assert_eq!(files().len(), 2, "what the camera gave is not needed any more");
}

#[test]
fn on_a_line_that_breaks_again_and_again_the_wait_does_not_grow() {
    let world = World::new();
    let alice = world.handheld("alice");
    let taken = alice.take_in(&crate::photo::tests_noise(1_500, 1_100), None, None).unwrap();
    report(&alice, RecordKind::Event, &taken);
    world.server(|server| server.lose_pieces = 12);
    let mut breaks = 0;
    while let Err(error) = runtime().block_on(alice.sync_now()) {
        breaks += 1;
        let wait = error.retry.unwrap() - world.outside.now();
        // The very first cannot know yet that half of its piece came through.
        assert!(breaks <= 2 || wait <= chrono::TimeDelta::seconds(5), "{breaks}: {wait}");
    }
    assert_eq!(breaks, 12);
    assert!(alice.lights().unwrap().delivered);
    // A line that carries nothing is another matter.
    resident(&alice, &[("name", "\"张伟\"")]);
    world.server(|server| server.lose_requests = 8);
    let waits: Vec<i64> = (0..8)
        .map(|_| (runtime().block_on(alice.sync_now()).unwrap_err().retry.unwrap() - world.outside.now()).num_seconds())
        .collect();
    assert!(waits[7] > 300, "{waits:?}");
}

#[test]
fn thumbnails_come_with_the_records_and_leave_with_them() {
    let world = World::new();
    let alice = world.handheld("alice");
    let taken = take(&alice, 900);
    let event = report(&alice, RecordKind::Event, &taken);
    let bob = world.handheld("bob");
    alice.set_settings(|settings| settings.text_only = true).unwrap();
    sync(&alice);
    world.server(|server| server.log.clear());
    sync(&bob);
    assert!(bob.record(event).unwrap().is_some());
    assert_eq!(bob.picture(&taken.particulars.thumbnail).unwrap(), None, "it is not there yet");
    assert_eq!(world.server(|server| server.log.iter().filter(|line| *line == "Get").count()), 1);
    sync(&bob);
    assert_eq!(world.server(|server| server.log.iter().filter(|line| *line == "Get").count()), 1, "not at every sync");

    alice.set_settings(|settings| settings.text_only = false).unwrap();
    sync(&alice);
    for _ in 0..12 {
        sync(&bob);
    }
    let thumbnail = bob.picture(&taken.particulars.thumbnail).unwrap();
    assert_eq!(thumbnail, alice.picture(&taken.particulars.thumbnail).unwrap());
    assert!(thumbnail.is_some());
    assert_eq!(bob.picture(&taken.hash).unwrap(), None, "the picture itself comes when it is opened");
    runtime().block_on(bob.fetch_picture(&taken.hash)).unwrap();
    assert!(bob.picture(&taken.hash).unwrap().is_some());

    // It leaves what this user may see: what was fetched for it leaves too.
    world.server(|server| {
        server.sequence += 1;
        server.gone.insert(event, server.sequence);
    });
    sync(&bob);
    assert!(bob.record(event).unwrap().is_none());
    assert_eq!(bob.picture(&taken.hash).unwrap(), None);
    assert_eq!(bob.picture(&taken.particulars.thumbnail).unwrap(), None);
    assert!(alice.picture(&taken.hash).unwrap().is_some());
}

#[test]
fn time_and_place_are_the_cameras_and_a_clock_that_is_wrong_is_put_right() {
    let world = World::new();
    let alice = world.handheld("alice");
    let now = alice.now();
    let form = Position { lat: 37.0, lon: 104.0, accuracy: 8.0, at: 5 };
    let plain = alice.take_in(&crate::photo::tests_picture(60, 40), Some(form), Some(now)).unwrap();
    assert_eq!(plain.particulars.position, Some(form));
    assert_eq!(plain.particulars.at, now.timestamp_millis());

    // Taken 90 seconds ago by the clock of the device, which is two days behind.
    let device = world.outside.now();
    let shot = crate::photo::tests_shot(device - chrono::TimeDelta::seconds(90), (37.5, 104.25));
    let right = now + chrono::TimeDelta::days(2);
    let taken = alice.take_in(&shot, Some(form), Some(right)).unwrap();
    let at = taken.particulars.at - (right - chrono::TimeDelta::seconds(90)).timestamp_millis();
    // The clock of these tests moves a second whenever it is looked at.
    assert!(at.abs() <= 20_000, "{at} ms off");
    let position = taken.particulars.position.unwrap();
    assert!((position.lat - 37.5).abs() < 1e-6 && (position.lon - 104.25).abs() < 1e-6, "{position:?}");

    // A camera whose clock is a year ahead says nothing.
    let wrong = crate::photo::tests_shot(device + chrono::TimeDelta::days(365), (37.5, 104.25));
    assert_eq!(alice.take_in(&wrong, None, Some(now)).unwrap().particulars.at, now.timestamp_millis());
}

#[test]
fn a_handheld_that_sent_as_many_photos_as_it_may_sends_its_text_all_the_same() {
    let world = World::new();
    let alice = world.handheld("alice");
    let taken = take(&alice, 900);
    report(&alice, RecordKind::Event, &taken);
    world.server(|server| server.quota = true);
    let error = runtime().block_on(alice.sync_now()).unwrap_err();
    assert_eq!(error.message.key, "photo-quota");
    assert!(!error.asked_to_wait, "what is saved now does not wait for an hour");
    resident(&alice, &[("name", "\"张伟\"")]);
    runtime().block_on(alice.sync_now()).unwrap_err();
    assert_eq!(world.server(|server| server.accepted.len()), 2);
    assert_eq!(alice.outbox().unwrap()[0].why.key, "photo-quota");
    world.server(|server| server.quota = false);
    sync(&alice);
    assert!(alice.lights().unwrap().delivered);
}
