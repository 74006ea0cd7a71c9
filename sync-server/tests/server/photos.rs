//! Photos by tus: in pieces, verified at the end, read only by whoever may.

use std::sync::Arc;

use crate::common::moto::{Kept, in_folder_and_bucket};
use crate::common::tus::*;
use crate::common::*;

in_folder_and_bucket!(
    a_photo_goes_up_in_pieces_and_is_verified_at_the_end,
    what_is_no_photo_is_refused_in_words_and_leaves_nothing_behind,
    an_upload_that_nobody_goes_on_with_ends_after_a_week_and_the_photo_begins_anew,
    a_photo_can_be_fetched_in_parts_over_a_bad_line,
    a_photo_on_its_way_says_how_far_it_came_to_who_reads_the_record_and_to_nobody_else,
);
use chrono::TimeDelta;
use reqwest::Method;
use shared::author::Role;
use shared::form::PhotoParticulars;
use shared::limits::PHOTO_BYTES;
use shared::outside::Outside;
use shared::path::Path;
use shared::value::Value;
use shared::wire::{DeviceState, SyncRequest};
use shared::workflow::Step;
use sync_server::blobs::expiry;
use sync_server::store;

async fn a_photo_goes_up_in_pieces_and_is_verified_at_the_end(kept: &Kept) {
    let centre = Centre::keeping(kept).await;
    let user = centre.person("wei", Role::GridMember, GRID, false);
    let alice = centre.enrol(&user).await;
    let photo = jpeg(1600, 1200, "井盖");
    let begun = alice.begin(hash(&photo).as_str(), photo.len().try_into().unwrap()).await;
    assert_eq!((begun.status().as_u16(), named(&begun, "tus-resumable")), (201, "1.0.0"));
    let upload = named(&begun, "location").to_owned();
    let (first, second) = photo.split_at(10);
    let answer = alice.piece(&upload, 0, first, None).await;
    assert_eq!((answer.status().as_u16(), named(&answer, "upload-offset")), (204, "10"));
    // The same piece again, a piece too far on, and a damaged one.
    let conflict = alice.piece(&upload, 0, first, None).await;
    assert_eq!(named(&conflict, "upload-offset"), "10");
    assert_eq!(refusal(conflict, 409).await.code, "upload_offset");
    assert_eq!(refusal(alice.piece(&upload, 10, second, Some(b"else")).await, 460).await.code, "upload_checksum");
    let stands = alice.stands_at(&upload).await;
    assert_eq!((named(&stands, "upload-offset"), named(&stands, "photo-hash")), ("10", ""));
    assert_eq!(alice.fetch(&hash(&photo)).await.status(), 404, "not delivered yet");
    let last = alice.piece(&upload, 10, second, None).await;
    assert_eq!((last.status().as_u16(), named(&last, "photo-hash")), (204, hash(&photo).as_str()));
    // The answer was lost: asked again it says the same.
    let again = alice.piece(&upload, 10, second, None).await;
    assert_eq!((again.status().as_u16(), named(&again, "photo-hash")), (204, hash(&photo).as_str()));
    assert_eq!(named(&alice.stands_at(&upload).await, "photo-hash"), hash(&photo).as_str());
    let fetched = alice.fetch(&hash(&photo)).await;
    assert_eq!(named(&fetched, "content-type"), "image/jpeg");
    assert_eq!(fetched.bytes().await.unwrap().as_ref(), photo);
    let options = centre.send(Method::OPTIONS, "/api/v1/photos", None, vec![], &[]).await;
    assert_eq!(named(&options, "tus-extension"), "creation,creation-with-upload,termination,checksum,expiration");
}

async fn what_is_no_photo_is_refused_in_words_and_leaves_nothing_behind(kept: &Kept) {
    let centre = Centre::keeping(kept).await;
    let user = centre.person("wei", Role::GridMember, GRID, false);
    let alice = centre.enrol(&user).await;
    let whole = jpeg(1600, 1200, "whole");
    let cases: [(&str, Vec<u8>, u16, &str); 4] = [
        ("a text file", "这不是照片，是一段文字。".into(), 415, "photo_not_jpeg"),
        ("a PNG", b"\x89PNG\r\n\x1a\n0000".to_vec(), 415, "photo_not_jpeg"),
        ("cut off", whole[..whole.len() - 2].to_vec(), 422, "photo_truncated"),
        ("200 megapixels", jpeg(16_000, 12_500, "large"), 413, "photo_too_many_pixels"),
    ];
    for (what, bytes, status, code) in cases {
        let answer = refusal(alice.deliver(&bytes).await, status).await;
        assert_eq!(answer.code, code, "{what}");
        assert_eq!(alice.fetch(&hash(&bytes)).await.status(), 404, "{what}");
    }
    // Progressive and CMYK are JPEG like any other; whoever shows them has to know them.
    let mut progressive = jpeg(800, 600, "progressive");
    let sof = progressive.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    progressive[sof + 1] = 0xc2;
    assert_eq!(alice.deliver(&progressive).await.status(), 204);

    let begun = alice.begin(hash(b"other bytes").as_str(), whole.len().try_into().unwrap()).await;
    let upload = named(&begun, "location").to_owned();
    assert_eq!(refusal(alice.piece(&upload, 0, &whole, None).await, 422).await.code, "photo_hash");
    assert_eq!(alice.stands_at(&upload).await.status(), 404, "it begins anew");

    assert_eq!(refusal(alice.begin(hash(&whole).as_str(), PHOTO_BYTES + 1).await, 413).await.code, "photo_too_large");
    assert_eq!(refusal(alice.begin("nonsense", 10).await, 400).await.code, "upload_hash");
    let begun = alice.begin(hash(&whole).as_str(), 5).await;
    let upload = named(&begun, "location").to_owned();
    assert_eq!(refusal(alice.piece(&upload, 0, &whole, None).await, 413).await.code, "upload_too_long");
    let old = centre.post("/api/v1/photos", Some(&alice.token), vec![], &[("tus-resumable", "0.2.2")]).await;
    assert_eq!(refusal(old, 412).await.code, "tus_version");
    assert_eq!(centre.app.blobs.uploads().unwrap().len(), 1, "only the one that never got a byte");
}

async fn an_upload_that_nobody_goes_on_with_ends_after_a_week_and_the_photo_begins_anew(kept: &Kept) {
    let centre = Centre::keeping(kept).await;
    let alice = centre.enrol(&centre.person("wei", Role::GridMember, GRID, false)).await;
    let (photo, other) = (jpeg(1600, 1200, "井盖"), jpeg(1600, 1200, "路灯"));
    assert_eq!(alice.deliver(&other).await.status(), 204);
    let begun = alice.begin(hash(&photo).as_str(), photo.len().try_into().unwrap()).await;
    let (upload, until) = (named(&begun, "location").to_owned(), named(&begun, "upload-expires").to_owned());
    let read = chrono::DateTime::parse_from_rfc2822(&until).unwrap_or_else(|error| panic!("{until}: {error}"));
    assert_eq!((read.to_utc() - centre.clock.now()).num_days(), 6, "a week, less what has passed");
    let half = photo.len() / 2;
    let (first, second) = photo.split_at(half);
    let answer = alice.piece(&upload, 0, first, None).await;
    assert_eq!((answer.status().as_u16(), named(&answer, "upload-expires")), (204, until.as_str()));
    // As a crash leaves one before its upload was noted.
    let stray = centre.clock.uuid();
    centre.app.blobs.begin(stray).unwrap();

    centre.clock.advance(TimeDelta::days(6));
    assert_eq!(expiry::clear(&centre.app).unwrap(), 0);
    let stands = alice.stands_at(&upload).await;
    assert_eq!(named(&stands, "upload-offset"), half.to_string());
    assert_eq!(named(&stands, "upload-expires"), until);
    let id = upload.rsplit('/').next().unwrap().parse().unwrap();
    let mut both = vec![id, stray];
    both.sort();
    let there = || {
        let mut there = centre.app.blobs.uploads().unwrap();
        there.sort();
        there
    };
    centre.clock.advance(TimeDelta::days(1));
    // It has ended, whether the daily look has been there or not.
    assert_eq!(alice.stands_at(&upload).await.status(), 410);
    assert_eq!(
        refusal(alice.piece(&upload, half.try_into().unwrap(), second, None).await, 410).await.code,
        "upload_gone"
    );
    assert_eq!(there(), both);
    assert_eq!(expiry::clear(&centre.app).unwrap(), 2);
    assert!(there().is_empty());
    assert_eq!(alice.stands_at(&upload).await.status(), 404);
    // A photo is no upload any more, and what begins anew arrives.
    assert_eq!(alice.fetch(&hash(&other)).await.status(), 200);
    let last = alice.deliver(&photo).await;
    assert_eq!((last.status().as_u16(), named(&last, "upload-expires")), (204, ""));
    assert_eq!(alice.fetch(&hash(&photo)).await.bytes().await.unwrap().as_ref(), photo);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_may_come_first_and_opens_nothing_its_author_could_not_see() {
    let centre = Centre::open().await;
    let wei = centre.person("wei", Role::GridMember, GRID, false);
    let juan = centre.person("juan", Role::GridMember, GRID, false);
    let far = centre.person("far", Role::GridMember, FAR_GRID, false);
    let (mut alice, mut bob, mut eve) = (centre.enrol(&wei).await, centre.enrol(&juan).await, centre.enrol(&far).await);
    let (photo, thumbnail) = (jpeg(1600, 1200, "photo"), jpeg(320, 240, "thumbnail"));
    let particulars = PhotoParticulars {
        thumbnail: hash(&thumbnail),
        bytes: photo.len().try_into().unwrap(),
        width: 1600,
        height: 1200,
        at: 1_795_400_000_000,
        position: None,
    };
    let link = |edit: &mut shared::edit::Edit| {
        edit.writes.insert(Path::element("photos", hash(&photo).as_str()), Value::of(&particulars));
    };
    let mut report = alice.event("井盖缺失", GRID);
    link(&mut report);
    let answer = alice.sync(vec![report]).await;
    applied(&answer, 0);
    let mut wanted = answer.wanted.clone();
    wanted.sort();
    let mut both = vec![hash(&photo), hash(&thumbnail)];
    both.sort();
    assert_eq!(wanted, both);

    assert_eq!(alice.deliver(&thumbnail).await.status(), 204);
    assert_eq!(alice.sync(vec![]).await.wanted, [hash(&photo)]);
    assert_eq!(alice.deliver(&photo).await.status(), 204);
    assert!(alice.sync(vec![]).await.wanted.is_empty());
    bob.catch_up().await;
    assert_eq!(bob.fetch(&hash(&photo)).await.status(), 200, "same grid");
    assert_eq!(bob.fetch(&hash(&thumbnail)).await.status(), 200);
    assert_eq!(eve.fetch(&hash(&photo)).await.status(), 404);

    // Eve got hold of the hash and links it in her own grid.
    let mut own = eve.event("随手报", FAR_GRID);
    link(&mut own);
    let answer = eve.sync(vec![own]).await;
    applied(&answer, 0);
    assert_eq!(eve.fetch(&hash(&photo)).await.status(), 404, "a link proves nothing");

    // Nor does one in the name of who delivered it: it goes to quarantine under her own.
    let shown = eve.confirmed.keys().next().unwrap().0;
    let mut forged = eve.step(shown, &step(Step::Urge));
    link(&mut forged);
    forged.author = Arc::new(alice.author.clone());
    let id = forged.id;
    let answer = eve.sync(vec![forged]).await;
    assert_eq!(rejected(&answer, 0).reason, shared::wire::RejectReason::Protocol);
    assert_eq!(eve.fetch(&hash(&photo)).await.status(), 404, "nor does a false name");
    let held = store::read::<_, store::StoreError>(&*centre.app.store, TOWN, |read| read.quarantined(id));
    assert_eq!(held.unwrap().unwrap().edit.author.user, Some(far.id));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_that_came_before_opens_no_photo_in_the_name_of_who_sent_it() {
    let centre = Centre::open().await;
    let far = centre.enrol(&centre.person("far", Role::GridMember, FAR_GRID, false)).await;
    let mut liar = centre.enrol(&centre.person("wei", Role::GridMember, GRID, false)).await;
    let photo = jpeg(64, 48, "机密照片");
    assert_eq!(far.deliver(&photo).await.status(), 204);
    let own = liar.resident("张伟", GRID);
    applied(&liar.sync(vec![own.clone()]).await, 0);
    assert_eq!(liar.fetch(&hash(&photo)).await.status(), 404);

    // The same id under the next number, as an old app offers what it had sent before; another is said to have written it.
    let mut again = liar.change(own.record, &[("note", Value::text("假"))]);
    again.id = own.id;
    again.author = far.author.clone().into();
    link(&mut again, &hash(&photo));
    let old = SyncRequest { protocol: 1, ..liar.request(vec![again]) };
    assert_eq!(liar.raw(serde_json::to_vec(&old).unwrap(), &[]).await.status(), 200);
    assert_eq!(liar.fetch(&hash(&photo)).await.status(), 404, "knowing a hash opens nothing");
}

async fn a_photo_can_be_fetched_in_parts_over_a_bad_line(kept: &Kept) {
    let centre = Centre::keeping(kept).await;
    let alice = centre.enrol(&centre.person("wei", Role::GridMember, GRID, false)).await;
    let photo = jpeg(1600, 1200, "井盖");
    assert_eq!(alice.deliver(&photo).await.status(), 204);
    let path = format!("/api/v1/photos/{}", hash(&photo));
    let part =
        async |headers: &[(&str, &str)]| centre.send(Method::GET, &path, Some(&alice.token), vec![], headers).await;
    let whole = part(&[]).await;
    let tag = format!("\"{}\"", hash(&photo));
    assert_eq!((named(&whole, "accept-ranges"), named(&whole, "etag")), ("bytes", tag.as_str()));
    let policy = (named(&whole, "content-security-policy"), named(&whole, "x-content-type-options"));
    assert_eq!(policy, ("default-src 'none'; sandbox", "nosniff"));
    let mut all = Vec::new();
    for (range, told) in [("bytes=0-9", "bytes 0-9"), ("bytes=10-19", "bytes 10-19"), ("bytes=20-", "bytes 20-")] {
        let piece = part(&[("range", range), ("if-range", &tag)]).await;
        assert_eq!((piece.status().as_u16(), named(&piece, "etag")), (206, tag.as_str()));
        let said = named(&piece, "content-range").to_owned();
        assert!(said.starts_with(told) && said.ends_with(&format!("/{}", photo.len())), "{said}");
        all.extend(piece.bytes().await.unwrap());
    }
    assert_eq!(all, photo);
    let beyond = part(&[("range", &format!("bytes={}-", photo.len()))]).await;
    assert_eq!(named(&beyond, "content-range"), format!("bytes */{}", photo.len()));
    assert_eq!(refusal(beyond, 416).await.code, "photo_range");
    assert_eq!(part(&[("range", "bytes=0-9"), ("if-range", "\"another\"")]).await.status(), 200);
}

async fn a_photo_on_its_way_says_how_far_it_came_to_who_reads_the_record_and_to_nobody_else(kept: &Kept) {
    let centre = Centre::keeping(kept).await;
    let mut alice = centre.enrol(&centre.person("wei", Role::GridMember, GRID, false)).await;
    let mut bob = centre.enrol(&centre.person("juan", Role::GridMember, GRID, false)).await;
    let mut eve = centre.enrol(&centre.person("far", Role::GridMember, FAR_GRID, false)).await;
    let photo = jpeg(1600, 1200, "井盖");
    let seen = centre.clock.now().timestamp_millis();
    let mut report = alice.event("井盖缺失", GRID);
    link(&mut report, &hash(&photo));
    let state = DeviceState {
        app: "0.1.0".to_owned(),
        battery: None,
        clock: centre.clock.now(),
        undelivered: 1,
        web_view: None,
    };
    let round = SyncRequest { device: Some(state), ..alice.request(vec![report.clone()]) };
    applied(&answer(alice.raw(serde_json::to_vec(&round).unwrap(), &[]).await).await, 0);
    bob.catch_up().await;
    let told = |response: &reqwest::Response| {
        ["photo-seen", "photo-received", "photo-length"].map(|name| named(response, name).parse::<i64>().ok())
    };
    let waits = bob.fetch(&hash(&photo)).await;
    let [last, received, length] = told(&waits);
    assert!(last.unwrap() > seen && last.unwrap() < centre.clock.now().timestamp_millis(), "{last:?}");
    assert_eq!((received, length), (None, None), "nothing of it was begun");
    assert_eq!(refusal(waits, 404).await.code, "photo_on_its_way");

    let upload = alice.begun(&photo).await;
    assert_eq!(alice.plain(&upload, 0, &photo[..20]).await.status(), 204);
    let whole = i64::try_from(photo.len()).unwrap();
    assert_eq!(told(&bob.fetch(&hash(&photo)).await)[1..], [Some(20), Some(whole)]);

    // For Eve there is no difference to a photo that nobody ever took.
    let (one, none) = (eve.fetch(&hash(&photo)).await, eve.fetch(&hash(b"nobody took it")).await);
    let names = |response: &reqwest::Response| response.headers().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&one), names(&none));
    let (one, none) = (refusal(one, 404).await, refusal(none, 404).await);
    assert_eq!((one.code.as_str(), one.message), (none.code.as_str(), none.message));
    // Nor does a link of her own say what others have sent of it.
    let mut own = eve.event("随手报", FAR_GRID);
    link(&mut own, &hash(&photo));
    applied(&eve.sync(vec![own]).await, 0);
    let asked = eve.fetch(&hash(&photo)).await;
    assert_eq!(told(&asked)[1..], [None, None]);
    assert_eq!(refusal(asked, 404).await.code, "photo_on_its_way");

    assert_eq!(alice.plain(&upload, 20, &photo[20..]).await.status(), 204);
    assert_eq!(bob.fetch(&hash(&photo)).await.bytes().await.unwrap().as_ref(), photo);
    let asked = eve.fetch(&hash(&photo)).await;
    assert_eq!(told(&asked)[1..], [None, None]);
    assert_eq!(refusal(asked, 404).await.code, "photo_on_its_way", "whether it has arrived she is not told either");
}
