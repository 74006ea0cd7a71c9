//! Photos over a bad line: what came is kept, nobody is locked out by a dead line, nothing is sent twice for nothing, and one
//! handheld does not fill the disk.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use reqwest::{Method, Response};
use sha1::{Digest, Sha1};
use shared::author::Role;
use shared::limits::PHOTO_BYTES;
use shared::outside::Outside;
use shared::record::{Part, RecordKind};
use shared::value::Value;
use sync_server::auth::people::import_areas;
use sync_server::blobs::quota::{BYTES_A_DAY, UNFINISHED};
use sync_server::store::{self, StoreError};

use crate::common::moto::{Kept, in_folder_and_bucket};
use crate::common::tus::*;
use crate::common::*;

in_folder_and_bucket!(
    what_came_before_the_line_broke_is_kept_and_the_rest_completes_it,
    of_a_piece_with_a_checksum_nothing_is_kept_unless_all_of_it_came,
    a_line_that_died_locks_nobody_out,
    who_brings_a_byte_now_and_then_is_given_up_and_what_came_is_kept,
    the_first_bytes_may_come_with_the_beginning,
    an_upload_can_be_taken_back_by_who_began_it,
    who_hears_nothing_of_the_last_byte_asks_and_it_is_delivered,
    a_photo_that_is_here_is_not_sent_again_by_who_may_see_it,
    one_handheld_does_not_fill_the_disk_in_a_day,
);

/// What the server brings to the disk at once, at most.
pub const STEP: usize = 16 * 1024;

/// A whole JPEG of so many bytes.
pub fn large(bytes: usize, salt: &str) -> Vec<u8> {
    let mut photo = jpeg(1600, 1200, salt);
    let end = photo.split_off(photo.len() - 2);
    photo.resize(bytes - 2, 0xaa);
    photo.extend(end);
    photo
}

/// How many photos and how many uploads are kept.
fn kept_of(centre: &Centre) -> (usize, usize) {
    (centre.app.blobs.list().unwrap().len(), centre.app.blobs.uploads().unwrap().len())
}

async fn what_came_before_the_line_broke_is_kept_and_the_rest_completes_it(kept: &Kept) {
    let centre = Centre::keeping(kept).await;
    let alice = centre.enrol(&centre.person("wei", Role::GridMember, GRID, false)).await;
    let photo = large(300_000, "井盖");
    let upload = alice.begun(&photo).await;
    let mut line = Line::patch(&alice, &upload, 0, photo.len(), "").await;
    line.send(&photo[..100_000]).await;
    drop(line);
    alice.until_stands_at(&upload, 100_000).await;
    assert_eq!(alice.fetch(&hash(&photo)).await.status(), 404, "not whole yet");

    // Once more, in the middle of a step; what was on the disk before is told while the rest of it trickles in.
    let mut line = Line::patch(&alice, &upload, 100_000, photo.len() - 100_000, "").await;
    line.send(&photo[100_000..200_000]).await;
    alice.until_stands_at(&upload, 100_000 + 100_000 / STEP * STEP).await;
    drop(line);
    alice.until_stands_at(&upload, 200_000).await;
    let last = alice.plain(&upload, 200_000, &photo[200_000..]).await;
    assert_eq!((last.status().as_u16(), named(&last, "photo-hash")), (204, hash(&photo).as_str()));
    assert_eq!(alice.fetch(&hash(&photo)).await.bytes().await.unwrap().as_ref(), photo);
    assert_eq!(kept_of(&centre), (1, 0));
}

async fn of_a_piece_with_a_checksum_nothing_is_kept_unless_all_of_it_came(kept: &Kept) {
    let centre = Centre::keeping(kept).await;
    let alice = centre.enrol(&centre.person("wei", Role::GridMember, GRID, false)).await;
    let photo = large(300_000, "井盖");
    let upload = alice.begun(&photo).await;
    let sum = |piece: &[u8]| format!("upload-checksum: sha1 {}\r\n", STANDARD.encode(Sha1::digest(piece)));
    let mut line = Line::patch(&alice, &upload, 0, photo.len(), &sum(&photo)).await;
    line.send(&photo[..200_000]).await;
    drop(line);
    // Damaged on the way: all of it came, and it is another piece.
    let mut line = Line::patch(&alice, &upload, 0, 5, &sum(b"whole")).await;
    line.send(b"whale").await;
    assert!(line.answer().await.starts_with("HTTP/1.1 460"));
    assert_eq!(named(&alice.stands_at(&upload).await, "upload-offset"), "0");
    let mut line = Line::patch(&alice, &upload, 0, 1_000, &sum(&photo[..1_000])).await;
    line.send(&photo[..1_000]).await;
    assert!(line.answer().await.starts_with("HTTP/1.1 204"));
    assert_eq!(named(&alice.stands_at(&upload).await, "upload-offset"), "1000");
    let mut line = Line::patch(&alice, &upload, 1_000, 5, "upload-checksum: md5 AAAA\r\n").await;
    assert!(line.answer().await.starts_with("HTTP/1.1 400"), "an algorithm that OPTIONS does not name");
}

async fn a_line_that_died_locks_nobody_out(kept: &Kept) {
    let centre = Centre::keeping(kept).await;
    let mut alice = centre.enrol(&centre.person("wei", Role::GridMember, GRID, false)).await;
    let photo = large(300_000, "井盖");
    let upload = alice.begun(&photo).await;
    let mut dead = Line::patch(&alice, &upload, 0, photo.len(), "").await;
    dead.send(&photo[..STEP + 10_000]).await;
    alice.until_stands_at(&upload, STEP).await;
    // More of them than a handheld may have requests under way: its rounds are answered all the same.
    let mut more = Vec::new();
    for n in 0..10 {
        let other = alice.begun(&large(100_000, &format!("其他 {n}"))).await;
        let mut line = Line::patch(&alice, &other, 0, 100_000, "").await;
        line.send(b"x").await;
        more.push(line);
    }
    alice.catch_up().await;
    // The handheld has come back on another one.
    let answer = alice.plain(&upload, STEP, &photo[STEP..2 * STEP]).await;
    assert_eq!((answer.status().as_u16(), named(&answer, "upload-offset")), (204, (2 * STEP).to_string().as_str()));
    // The dead one was only slow. It hears that it is not where it thinks, and has spoiled nothing.
    dead.send(&photo[STEP + 10_000..2 * STEP + 10_000]).await;
    let told = dead.answer().await;
    assert!(told.starts_with("HTTP/1.1 409") && told.contains(&format!("upload-offset: {}", 2 * STEP)), "{told}");
    assert_eq!(alice.plain(&upload, 2 * STEP, &photo[2 * STEP..]).await.status(), 204);
    assert_eq!(alice.fetch(&hash(&photo)).await.bytes().await.unwrap().as_ref(), photo);
}

async fn who_brings_a_byte_now_and_then_is_given_up_and_what_came_is_kept(kept: &Kept) {
    let short = |state: &mut sync_server::AppState| state.request_time = Duration::from_secs(1);
    let centre = Centre::keeping_over(kept, short).await;
    import_areas(&centre.app, AREAS.as_bytes()).unwrap();
    let alice = centre.enrol(&centre.person("wei", Role::GridMember, GRID, false)).await;
    let photo = large(300_000, "井盖");
    let upload = alice.begun(&photo).await;
    let mut slow = Line::patch(&alice, &upload, 0, photo.len(), "").await;
    slow.send(&photo[..1_000]).await;
    let told = slow.answer().await;
    assert!(told.starts_with("HTTP/1.1 408") && told.contains("upload-offset: 1000"), "{told}");
    assert_eq!(named(&alice.stands_at(&upload).await, "upload-offset"), "1000");
}

async fn create_with(hand: &Handheld<'_>, photo: &[u8], piece: &[u8]) -> Response {
    let metadata = format!("hash {}", STANDARD.encode(hash(photo).as_str()));
    let length = photo.len().to_string();
    let headers = [
        ("tus-resumable", "1.0.0"),
        ("content-type", "application/offset+octet-stream"),
        ("upload-length", &length),
        ("upload-metadata", &metadata),
    ];
    hand.centre.post("/api/v1/photos", Some(&hand.token), piece.to_vec(), &headers).await
}

async fn the_first_bytes_may_come_with_the_beginning(kept: &Kept) {
    let centre = Centre::keeping(kept).await;
    let alice = centre.enrol(&centre.person("wei", Role::GridMember, GRID, false)).await;
    let (small, photo) = (large(9_000, "缩略图"), large(200_000, "井盖"));
    let whole = create_with(&alice, &small, &small).await;
    assert_eq!((whole.status().as_u16(), named(&whole, "upload-offset")), (201, "9000"));
    assert_eq!((named(&whole, "photo-hash"), named(&whole, "upload-expires")), (hash(&small).as_str(), ""));
    assert_eq!(alice.fetch(&hash(&small)).await.bytes().await.unwrap().as_ref(), small);

    let half = create_with(&alice, &photo, &photo[..100_000]).await;
    assert_eq!((half.status().as_u16(), named(&half, "upload-offset")), (201, "100000"));
    assert_ne!(named(&half, "upload-expires"), "");
    let upload = named(&half, "location").to_owned();
    let rest = alice.plain(&upload, 100_000, &photo[100_000..]).await;
    assert_eq!((rest.status().as_u16(), named(&rest, "photo-hash")), (204, hash(&photo).as_str()));

    let long = create_with(&alice, &large(5_000, "短"), &photo).await;
    assert_eq!(refusal(long, 413).await.code, "upload_too_long");
    let other = create_with(&alice, &large(9_000, "一张"), &large(9_000, "另一张")).await;
    assert_eq!(refusal(other, 422).await.code, "photo_hash");
    let nothing = alice.begin(hash(b"").as_str(), 0).await;
    assert_eq!(refusal(nothing, 415).await.code, "photo_not_jpeg", "no bytes are no photo");
}

async fn an_upload_can_be_taken_back_by_who_began_it(kept: &Kept) {
    let centre = Centre::keeping(kept).await;
    let alice = centre.enrol(&centre.person("wei", Role::GridMember, GRID, false)).await;
    let bob = centre.enrol(&centre.person("juan", Role::GridMember, GRID, false)).await;
    let photo = large(200_000, "井盖");
    let upload = alice.begun(&photo).await;
    assert_eq!(alice.plain(&upload, 0, &photo[..100_000]).await.status(), 204);
    let delete = async |hand: &Handheld<'_>| {
        hand.centre.send(Method::DELETE, &upload, Some(&hand.token), vec![], &[("tus-resumable", "1.0.0")]).await
    };
    assert_eq!(refusal(delete(&bob).await, 404).await.code, "not_found");
    assert_eq!(kept_of(&centre).1, 1);
    let gone = delete(&alice).await;
    assert_eq!((gone.status().as_u16(), named(&gone, "tus-resumable")), (204, "1.0.0"));
    assert_eq!(kept_of(&centre).1, 0);
    assert_eq!(alice.stands_at(&upload).await.status(), 404);
    assert_eq!(refusal(alice.plain(&upload, 100_000, &photo[100_000..]).await, 404).await.code, "not_found");
    // What was delivered stays.
    assert_eq!(alice.deliver(&photo).await.status(), 204);
    assert_eq!(alice.fetch(&hash(&photo)).await.status(), 200);
}

async fn who_hears_nothing_of_the_last_byte_asks_and_it_is_delivered(kept: &Kept) {
    let centre = Centre::keeping(kept).await;
    let alice = centre.enrol(&centre.person("wei", Role::GridMember, GRID, false)).await;
    let photo = large(100_000, "井盖");
    let upload = alice.begun(&photo).await;
    // As a server leaves it that died right after the last byte.
    let id = upload.rsplit('/').next().unwrap().parse().unwrap();
    centre.app.blobs.append(id, 0, &photo).unwrap();
    let stands = alice.stands_at(&upload).await;
    assert_eq!((named(&stands, "upload-offset"), named(&stands, "photo-hash")), ("100000", hash(&photo).as_str()));
    // Or before it had noted what it had put in place.
    let second = large(100_000, "路灯");
    let upload = alice.begun(&second).await;
    let id = upload.rsplit('/').next().unwrap().parse().unwrap();
    centre.app.blobs.append(id, 0, &second).unwrap();
    centre.app.blobs.finish(id, &hash(&second)).unwrap();
    assert_eq!(named(&alice.stands_at(&upload).await, "photo-hash"), hash(&second).as_str());
    for photo in [photo, second] {
        assert_eq!(alice.fetch(&hash(&photo)).await.bytes().await.unwrap().as_ref(), photo);
    }
    assert_eq!(kept_of(&centre), (2, 0));
}

async fn a_photo_that_is_here_is_not_sent_again_by_who_may_see_it(kept: &Kept) {
    let centre = Centre::keeping(kept).await;
    let mut alice = centre.enrol(&centre.person("wei", Role::GridMember, GRID, false)).await;
    let mut bob = centre.enrol(&centre.person("juan", Role::GridMember, GRID, false)).await;
    let eve = centre.enrol(&centre.person("far", Role::GridMember, FAR_GRID, false)).await;
    let photo = large(50_000, "井盖");
    let length = u64::try_from(photo.len()).unwrap();
    let mut report = alice.event("井盖缺失", GRID);
    link(&mut report, &hash(&photo));
    applied(&alice.sync(vec![report.clone()]).await, 0);
    assert_eq!(alice.deliver(&photo).await.status(), 204);
    bob.catch_up().await;
    for hand in [&alice, &bob] {
        let known = hand.begin(hash(&photo).as_str(), length).await;
        assert_eq!((known.status().as_u16(), named(&known, "upload-offset")), (201, "50000"));
        assert_eq!(named(&known, "photo-hash"), hash(&photo).as_str());
        let upload = named(&known, "location").to_owned();
        assert_eq!(named(&hand.stands_at(&upload).await, "photo-hash"), hash(&photo).as_str());
        // A client that thinks nothing of an offset in this answer sends it all the same, and is told.
        assert_eq!(named(&hand.plain(&upload, 0, &photo).await, "photo-hash"), hash(&photo).as_str());
    }
    // Bob counts as one who delivered it: where the record goes he does not follow, the photo he has.
    let away = alice.edit(report.record, RecordKind::Event, Part::Open, &[("area", Value::of(&NEXT_GRID))]);
    applied(&alice.sync(vec![away]).await, 0);
    bob.catch_up().await;
    assert!(!bob.holds(report.record, Part::Open));
    assert_eq!(bob.fetch(&hash(&photo)).await.status(), 200);

    // For Eve there is no such photo: she is asked for all of it, or for what she says it is.
    let unknown = eve.begin(hash(&photo).as_str(), length).await;
    assert_eq!((named(&unknown, "upload-offset"), named(&unknown, "photo-hash")), ("0", ""));
    let upload = named(&unknown, "location").to_owned();
    assert_eq!(eve.fetch(&hash(&photo)).await.status(), 404);
    assert_eq!(refusal(eve.plain(&upload, 0, &large(50_000, "别的")).await, 422).await.code, "photo_hash");
    assert_eq!(eve.fetch(&hash(&photo)).await.status(), 404);
    // Nor does it help to say that all of it is there, and to send nothing.
    let empty = named(&eve.begin(hash(&photo).as_str(), length).await, "location").to_owned();
    let lied = eve.plain(&empty, photo.len(), b"").await;
    assert_eq!(named(&lied, "upload-offset"), "0");
    assert_eq!(refusal(lied, 409).await.code, "upload_offset");
    // She has it: then it is hers too, and it is stored once.
    assert_eq!(eve.deliver(&photo).await.status(), 204);
    assert_eq!(eve.fetch(&hash(&photo)).await.bytes().await.unwrap().as_ref(), photo);
    assert_eq!(kept_of(&centre), (1, 0));
    // Another length is another photo, whatever is said of its hash.
    assert_eq!(named(&alice.begin(hash(&photo).as_str(), length + 1).await, "upload-offset"), "0");
    // Nothing is said to a credential that two have used; what it brings is taken.
    let (device, now) = (alice.enrolled.device, centre.clock.now());
    store::write::<_, StoreError>(&*centre.app.store, TOWN, |tx| tx.double_device(device, now)).unwrap();
    let untold = alice.begin(hash(&photo).as_str(), length).await;
    assert_eq!((named(&untold, "upload-offset"), named(&untold, "photo-hash")), ("0", ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_handheld_does_not_begin_uploads_without_end() {
    let centre = Centre::open().await;
    let user = centre.person("wei", Role::GridMember, GRID, false);
    let (alice, bob) = (centre.enrol(&user).await, centre.enrol(&user).await);
    let photos: Vec<_> = (0..=UNFINISHED).map(|n| large(1_000, &format!("照片 {n}"))).collect();
    let first = alice.begun(&photos[0]).await;
    for photo in &photos[1..UNFINISHED] {
        alice.begun(photo).await;
    }
    let length = u64::try_from(photos[0].len()).unwrap();
    let more = alice.begin(hash(&photos[UNFINISHED]).as_str(), length).await;
    assert!(more.headers()["retry-after"].to_str().unwrap().parse::<u32>().unwrap() >= 3_600);
    assert_eq!(refusal(more, 429).await.code, "photo_quota");
    assert_eq!(kept_of(&centre).1, UNFINISHED);
    // What it had begun it may begin anew, if the answer was lost: the one before is at an end.
    let again = alice.begun(&photos[0]).await;
    assert_eq!((alice.stands_at(&first).await.status().as_u16(), kept_of(&centre).1), (404, UNFINISHED));
    bob.begun(&photos[UNFINISHED]).await;
    assert_eq!(alice.plain(&again, 0, &photos[0]).await.status(), 204);
    alice.begun(&photos[UNFINISHED]).await;
}

async fn one_handheld_does_not_fill_the_disk_in_a_day(kept: &Kept) {
    let centre = Centre::keeping(kept).await;
    let mut alice = centre.enrol(&centre.person("wei", Role::GridMember, GRID, false)).await;
    let bob = centre.enrol(&centre.person("juan", Role::GridMember, GRID, false)).await;
    let name = |n: u64| hash(&n.to_be_bytes()).to_string();
    let fit = BYTES_A_DAY / PHOTO_BYTES;
    for n in 0..fit {
        // Taken back, it is counted all the same.
        let begun = alice.begin(&name(n), PHOTO_BYTES).await;
        let upload = named(&begun, "location").to_owned();
        let taken = centre.send(Method::DELETE, &upload, Some(&alice.token), vec![], &[("tus-resumable", "1.0.0")]);
        assert_eq!(taken.await.status(), 204);
    }
    assert_eq!(refusal(alice.begin(&name(fit), PHOTO_BYTES).await, 429).await.code, "photo_quota");
    assert_eq!(bob.begin(&name(fit), PHOTO_BYTES).await.status(), 201, "another handheld may");
    // Text goes on.
    let edit = alice.resident("张伟", GRID);
    applied(&alice.sync(vec![edit.clone()]).await, 0);
    centre.clock.advance(TimeDelta::hours(23));
    let note = alice.change(edit.record, &[("note", Value::text("照片晚些传"))]);
    applied(&alice.sync(vec![note]).await, 0);
    assert_eq!(refusal(alice.begin(&name(fit), PHOTO_BYTES).await, 429).await.code, "photo_quota");
    centre.clock.advance(TimeDelta::hours(2));
    assert_eq!(alice.begin(&name(fit), PHOTO_BYTES).await.status(), 201);
}
