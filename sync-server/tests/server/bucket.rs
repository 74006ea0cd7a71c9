//! Photos in a bucket that several servers share: pieces of one may arrive at any of them, any of them may die, and the
//! storage may be away for a while. What a photo goes through at one server is told twice in `photos`, `uploads`, `orphans`.

use std::collections::BTreeSet;
use std::thread;

use chrono::TimeDelta;
use reqwest::StatusCode;
use shared::author::Role;
use shared::outside::Outside;
use shared::value::Value;
use sync_server::batch::Pull;
use sync_server::blobs::{AppendError, FinishError, take_away};
use sync_server::store::{self, StoreError};
use sync_server::system::System;
use sync_server::{backup, erase};

use crate::common::batches::{pull_of, sealed, staff, take};
use crate::common::moto::{Kept, Moto};
use crate::common::tus::*;
use crate::common::*;
use crate::uploads::large;

fn moto(kept: &Kept) -> &Moto {
    match kept {
        Kept::Bucket(moto) => moto,
        Kept::Folder => panic!("in a bucket"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_take_turns_with_the_pieces_of_one_photo() {
    let kept = Kept::Bucket(Moto::start());
    let first = Centre::keeping(&kept).await;
    let (second, third) = (first.beside(moto(&kept)).await, first.beside(moto(&kept)).await);
    let alice = first.enrol(&first.person("wei", Role::GridMember, GRID, false)).await;
    let (bob, carol) = (alice.asking(&second), alice.asking(&third));
    let photo = large(300_000, "井盖");
    let upload = alice.begun(&photo).await;
    // The line to the first breaks in the middle of a piece; what came of it the second knows of.
    let mut line = Line::patch(&alice, &upload, 0, photo.len(), "").await;
    line.send(&photo[..100_000]).await;
    drop(line);
    bob.until_stands_at(&upload, 100_000).await;
    assert_eq!(bob.plain(&upload, 100_000, &photo[100_000..150_000]).await.status(), 204);
    // Who thinks the old end is the end is told where it is, by each.
    for server in [&alice, &carol] {
        let told = server.plain(&upload, 100_000, &photo[100_000..]).await;
        assert_eq!((told.status().as_u16(), named(&told, "upload-offset")), (409, "150000"));
    }
    assert_eq!(carol.plain(&upload, 150_000, &photo[150_000..200_000]).await.status(), 204);
    assert_eq!(alice.plain(&upload, 200_000, &photo[200_000..250_000]).await.status(), 204);
    let last = bob.plain(&upload, 250_000, &photo[250_000..]).await;
    assert_eq!((last.status().as_u16(), named(&last, "photo-hash")), (204, hash(&photo).as_str()));
    for server in [&alice, &bob, &carol] {
        assert_eq!(named(&server.stands_at(&upload).await, "photo-hash"), hash(&photo).as_str());
        assert_eq!(server.fetch(&hash(&photo)).await.bytes().await.unwrap().as_ref(), photo);
    }
    assert_eq!((first.app.blobs.list().unwrap().len(), first.app.blobs.uploads().unwrap().len()), (1, 0));
    // Begun at one, taken back at another.
    let upload = alice.begun(&large(50_000, "路灯")).await;
    assert_eq!(bob.plain(&upload, 0, &large(50_000, "路灯")[..20_000]).await.status(), 204);
    let delete =
        third.send(reqwest::Method::DELETE, &upload, Some(&alice.token), vec![], &[("tus-resumable", "1.0.0")]);
    assert_eq!(delete.await.status(), 204);
    assert!(first.app.blobs.uploads().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_late_to_finish_an_upload_hears_that_it_is_done() {
    let kept = Kept::Bucket(Moto::start());
    let first = Centre::keeping(&kept).await;
    let second = first.beside(moto(&kept)).await;
    let alice = first.enrol(&first.person("wei", Role::GridMember, GRID, false)).await;
    let photo = large(40_000, "井盖");
    let upload = alice.begun(&photo).await;
    first.app.blobs.append(upload.rsplit('/').next().unwrap().parse().unwrap(), 0, &photo).unwrap();
    // One server looks how far it came, sees that it is not done, and is about to look at the pieces …
    moto(&kept).tell("hold");
    let bob = alice.asking(&second);
    let late = async { bob.stands_at(&upload).await };
    // … when the other one makes a photo of them and takes them away.
    let faster = async {
        while moto(&kept).ask("held") != "held" {
            tokio::task::yield_now().await;
        }
        let done = alice.stands_at(&upload).await;
        moto(&kept).tell("go");
        done
    };
    let (late, done) = tokio::join!(late, faster);
    for told in [done, late] {
        assert_eq!((told.status().as_u16(), named(&told, "photo-hash")), (200, hash(&photo).as_str()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_that_finish_the_same_upload_at_once_make_one_photo_and_both_say_so() {
    let kept = Kept::Bucket(Moto::start());
    let first = Centre::keeping(&kept).await;
    let second = first.beside(moto(&kept)).await;
    let alice = first.enrol(&first.person("wei", Role::GridMember, GRID, false)).await;
    let bob = alice.asking(&second);
    for n in 0..5 {
        let photo = large(150_000, &format!("第{n}张"));
        let upload = alice.begun(&photo).await;
        let id = upload.rsplit('/').next().unwrap().parse().unwrap();
        // As a server leaves it that died right after the last byte.
        for (place, piece) in photo.chunks(16_384).enumerate() {
            first.app.blobs.append(id, u64::try_from(place * 16_384).unwrap(), piece).unwrap();
        }
        let (one, two) = tokio::join!(alice.stands_at(&upload), bob.stands_at(&upload));
        for told in [one, two] {
            assert_eq!((told.status().as_u16(), named(&told, "photo-hash")), (200, hash(&photo).as_str()), "{n}");
        }
        assert_eq!(bob.fetch(&hash(&photo)).await.bytes().await.unwrap().as_ref(), photo);
        assert_eq!((first.app.blobs.list().unwrap().len(), first.app.blobs.uploads().unwrap().len()), (n + 1, 0));
    }
}

#[test]
fn of_two_servers_that_append_at_the_same_place_one_does() {
    let moto = Moto::start();
    let servers = [moto.bucket(), moto.bucket()];
    let id = System.uuid();
    servers[0].begin(id).unwrap();
    let mut photo = Vec::new();
    for round in 0..15_u8 {
        let at = u64::try_from(photo.len()).unwrap();
        let pieces = [vec![2 * round; 900 + usize::from(round)], vec![2 * round + 1; 1_000]];
        let kept: Vec<bool> = thread::scope(|scope| {
            let one = |n: usize| {
                let (server, piece) = (&servers[n], &pieces[n]);
                scope.spawn(move || match server.append(id, at, piece) {
                    Ok(()) => true,
                    Err(AppendError::Offset(_)) => false,
                    Err(error) => panic!("{error}"),
                })
            };
            [one(0), one(1)].map(|it| it.join().unwrap()).to_vec()
        });
        assert_eq!(kept.iter().filter(|kept| **kept).count(), 1, "round {round}: {kept:?}");
        photo.extend(&pieces[usize::from(kept[1])]);
        assert_eq!(servers[1].offset(id).unwrap(), u64::try_from(photo.len()).unwrap());
    }
    // Put together it is what was said to be kept: no photo, but these bytes.
    let finished = servers[0].finish(id, &hash(&photo));
    assert!(matches!(finished, Err(FinishError::Jpeg(_))), "{finished:?}");
    let other = servers[0].finish(id, &hash(b"other"));
    assert!(matches!(other, Err(FinishError::Hash)), "{other:?}");
}

#[test]
fn a_photo_that_is_here_is_written_again_only_if_it_is_damaged() {
    let moto = Moto::start();
    let bucket = moto.bucket();
    let photo = large(30_000, "井盖");
    let put = || bucket.put(System.uuid(), &hash(&photo), &photo).unwrap();
    moto.tell("solid");
    put();
    put();
    moto.tell("soft");
    moto.tell("rot");
    assert_ne!(bucket.read(&hash(&photo)).unwrap(), photo);
    put();
    assert_eq!(bucket.read(&hash(&photo)).unwrap(), photo, "delivered again, it is mended");
    assert_eq!(bucket.read_part(&hash(&photo), 10, 20).unwrap(), photo[10..30]);
    let (known, none) = (hash(&photo), hash(b"none"));
    assert_eq!(bucket.lacking(&BTreeSet::from([known, none.clone()])).unwrap(), BTreeSet::from([none]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_came_to_need_is_not_taken_away() {
    let kept = Kept::Bucket(Moto::start());
    let centre = Centre::keeping(&kept).await;
    let photo = large(30_000, "井盖");
    centre.app.blobs.put(System.uuid(), &hash(&photo), &photo).unwrap();
    // Nobody needs it when it is looked; when it is gone, another server has noted it.
    let gone = || Ok::<_, StoreError>(!centre.app.blobs.has(&hash(&photo)).unwrap());
    assert!(!take_away(&centre.app, &hash(&photo), &gone).unwrap());
    assert_eq!(centre.app.blobs.read(&hash(&photo)).unwrap(), photo);
    assert!(take_away(&centre.app, &hash(&photo), &|| Ok(false)).unwrap());
    assert!(!centre.app.blobs.has(&hash(&photo)).unwrap());

    // The other way round: another server takes away what nobody needs, until it sees that somebody does.
    let alice = centre.enrol(&centre.person("wei", Role::GridMember, GRID, false)).await;
    for n in 0..6 {
        let photo = large(30_000, &format!("第{n}张"));
        let (app, name) = (centre.app.clone(), hash(&photo));
        let other = thread::spawn(move || {
            let needed = || store::read::<_, StoreError>(&*app.store, TOWN, |read| read.photo_anywhere(&name));
            while !needed().unwrap() {
                take_away(&app, &name, &needed).unwrap();
            }
        });
        assert_eq!(alice.deliver(&photo).await.status(), 204);
        other.join().unwrap();
        assert_eq!(alice.fetch(&hash(&photo)).await.status(), 200, "{n}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_storage_is_away_photos_wait_and_text_goes_on() {
    let kept = Kept::Bucket(Moto::start());
    let centre = Centre::keeping(&kept).await;
    let mut alice = centre.enrol(&centre.person("wei", Role::GridMember, GRID, false)).await;
    let (photo, old) = (large(200_000, "井盖"), large(9_000, "路灯"));
    assert_eq!(alice.deliver(&old).await.status(), 204);
    let upload = alice.begun(&photo).await;
    assert_eq!(alice.plain(&upload, 0, &photo[..100_000]).await.status(), 204);
    moto(&kept).tell("away");
    let piece = alice.plain(&upload, 100_000, &photo[100_000..]).await;
    assert!(piece.headers().contains_key("retry-after"));
    let told = refusal(piece, 503).await;
    assert_eq!(told.code, "photos_away");
    assert!(told.message.contains("暂时连不上") || told.message.contains("cannot be reached"), "{}", told.message);
    assert_eq!(refusal(alice.begin(hash(b"x").as_str(), 10).await, 503).await.code, "photos_away");
    assert_eq!(refusal(alice.fetch(&hash(&old)).await, 503).await.code, "photos_away");
    let edit = alice.resident("张伟", GRID);
    applied(&alice.sync(vec![edit]).await, 0);
    moto(&kept).tell("back");
    assert_eq!(named(&alice.stands_at(&upload).await, "upload-offset"), "100000");
    let last = alice.plain(&upload, 100_000, &photo[100_000..]).await;
    assert_eq!(named(&last, "photo-hash"), hash(&photo).as_str());
    assert_eq!(alice.fetch(&hash(&old)).await.status(), 200);
    // What could not be begun counts for nothing.
    assert_eq!(centre.app.blobs.uploads().unwrap().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_that_the_database_does_not_know_go_after_a_month() {
    let kept = Kept::Bucket(Moto::start());
    let centre = Centre::keeping(&kept).await;
    let mut alice = centre.enrol(&centre.person("wei", Role::GridMember, GRID, false)).await;
    let (stray, waited_for, known) = (large(9_000, "没人认识"), large(9_000, "有记录在等"), large(9_000, "有人认识"));
    for photo in [&stray, &waited_for] {
        centre.app.blobs.put(System.uuid(), &hash(photo), photo).unwrap();
    }
    let mut linking = alice.resident("张伟", GRID);
    link(&mut linking, &hash(&waited_for));
    link(&mut linking, &hash(&known));
    applied(&alice.sync(vec![linking]).await, 0);
    assert_eq!(alice.deliver(&known).await.status(), 204);
    // The storage has a clock of its own.
    centre.clock.advance(System.now() - centre.clock.now() + TimeDelta::days(29));
    let clear = || sync_server::blobs::orphans::clear(&centre.app).unwrap().strangers;
    assert_eq!(clear(), 0);
    centre.clock.advance(TimeDelta::days(2));
    assert_eq!(clear(), 1);
    let there = [&stray, &waited_for, &known].map(|photo| centre.app.blobs.has(&hash(photo)).unwrap());
    assert_eq!(there, [false, true, true]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_has_its_photos_and_an_erased_person_leaves_none() {
    let kept = Kept::Bucket(Moto::start());
    let centre = Centre::keeping(&kept).await;
    let staff = staff(&centre, "staff", false, true);
    let mut alice = centre.enrol(&centre.person("wei", Role::GridMember, GRID, false)).await;
    let (photo, late, lost) = (large(40_000, "张伟"), large(40_000, "还没到"), large(40_000, "丢了"));
    let mut edit = alice.resident("张伟", GRID);
    link(&mut edit, &hash(&photo));
    link(&mut edit, &hash(&late));
    link(&mut edit, &hash(&lost));
    let record = edit.record;
    applied(&alice.sync(vec![edit]).await, 0);
    for photo in [&photo, &lost] {
        assert_eq!(alice.deliver(photo).await.status(), 204);
    }
    let app = &centre.app;
    app.blobs.drop_photo(&hash(&lost)).unwrap();
    let batch = sealed(take(&centre, &Pull { photos: true, ..pull_of(&staff, false) }).unwrap());
    assert_eq!(batch.manifest.photos_missing, Some(2));
    let mut zip = zip::ZipArchive::new(std::fs::File::open(batch.folder.join("photos.zip")).unwrap()).unwrap();
    let mut entry = zip.by_index(0).unwrap();
    assert_eq!(entry.name().unwrap(), format!("{}.jpg", hash(&photo)));
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut entry, &mut bytes).unwrap();
    assert_eq!(bytes, photo);

    let upload = alice.begun(&late).await;
    assert_eq!(alice.plain(&upload, 0, &late[..10_000]).await.status(), 204);
    erase::erase(app, None, record, erase::Reason::Request).unwrap();
    assert!(app.blobs.list().unwrap().is_empty() && app.blobs.uploads().unwrap().is_empty());
    assert_eq!(alice.fetch(&hash(&photo)).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_leaves_photos_to_the_bucket_and_asks_again_for_what_is_missing_there() {
    let kept = Kept::Bucket(Moto::start());
    let centre = Centre::keeping(&kept).await;
    let mut alice = centre.enrol(&centre.person("wei", Role::GridMember, GRID, false)).await;
    let photos = [large(9_000, "井盖"), large(9_000, "路灯")];
    let mut edit = alice.resident("张伟", GRID);
    for photo in &photos {
        link(&mut edit, &hash(photo));
    }
    applied(&alice.sync(vec![edit]).await, 0);
    for photo in &photos {
        assert_eq!(alice.deliver(photo).await.status(), 204);
    }
    centre.app.blobs.drop_photo(&hash(&photos[0])).unwrap();
    let to = tempfile::tempdir().unwrap();
    let made = backup::make(&centre.app, to.path(), 9).unwrap();
    assert_eq!((made.wanted_again, made.manifest.photos_in.as_deref()), (1, Some(moto(&kept).place().as_str())));
    assert!(!made.folder.join("blobs").exists());
    assert_eq!(alice.sync(vec![]).await.wanted, [hash(&photos[0])]);
    assert_eq!(alice.deliver(&photos[0]).await.status(), 204);
    let made = backup::make(&centre.app, to.path(), 9).unwrap();
    assert_eq!(made.wanted_again, 0);
    let (_, found) = backup::verify_backup(&made.folder, &centre.app.calendar).unwrap();
    assert!(found.is_empty(), "{found:?}");
    assert_eq!(backup::verify_data(&centre.app).unwrap(), []);
    // What cannot be asked is not taken for missing.
    moto(&kept).tell("away");
    let error = backup::make(&centre.app, to.path(), 9).unwrap_err();
    assert_eq!(error.key(), "keep-error-photos");
    moto(&kept).tell("back");
    assert!(alice.sync(vec![]).await.wanted.is_empty());
    let note = alice.change(alice.confirmed.keys().next().unwrap().0, &[("note", Value::text("在"))]);
    applied(&alice.sync(vec![note]).await, 0);
}
