//! Photos that nothing refers to go after a month; any reference keeps one.

use std::path::Path as FilePath;
use std::time::SystemTime;

use chrono::{DateTime, TimeDelta, Utc};
use shared::author::Role;
use shared::edit::Edit;
use shared::ids::{EditId, PhotoHash, RecordId};
use shared::outside::Outside;
use shared::path::Path;
use shared::record::{Part, RecordKind};
use shared::value::Value;
use shared::wire::{RejectReason, Rejection, Remain};
use sync_server::blobs::{
    self,
    orphans::{self, Cleared},
};
use sync_server::store::{self, KeptRemain, StoreError};
use sync_server::sync::incoming::Unreadable;

use crate::common::moto::{Kept, in_folder_and_bucket};
use crate::common::tus::*;
use crate::common::*;

in_folder_and_bucket!(any_reference_keeps_a_photo_and_what_nothing_refers_to_goes_after_a_month,);

/// A photo of this name, delivered.
async fn delivered(hand: &Handheld<'_>, name: &str) -> PhotoHash {
    let photo = jpeg(64, 48, name);
    assert_eq!(hand.deliver(&photo).await.status(), 204);
    hash(&photo)
}

fn linking(mut edit: Edit, photo: &PhotoHash) -> Edit {
    link(&mut edit, photo);
    edit
}

/// How many photos nothing refers to, and how many the database does not know, with nothing wrong.
fn looked(centre: &Centre) -> (usize, usize) {
    let seen = blobs::verify(&*centre.app.store, &*centre.app.blobs).unwrap();
    assert!(seen.found.is_empty(), "{seen:?}");
    (seen.orphans, seen.strangers)
}

/// Says that a file was last written then.
fn written(file: &FilePath, at: DateTime<Utc>) {
    std::fs::File::options().write(true).open(file).unwrap().set_modified(SystemTime::from(at)).unwrap();
}

async fn any_reference_keeps_a_photo_and_what_nothing_refers_to_goes_after_a_month(kept: &Kept) {
    let centre = Centre::keeping(kept).await;
    let store = &*centre.app.store;
    let wei = centre.person("wei", Role::GridMember, GRID, false);
    let mut alice = centre.enrol(&wei).await;
    let mut foreign = centre.enrol(&centre.person("foreign", Role::GridMember, FOREIGN_GRID, false)).await;
    let nothing = delivered(&alice, "没有记录引用").await;

    let linked = delivered(&alice, "一条记录引用").await;
    let born = linking(alice.resident("张伟", GRID), &linked);
    applied(&alice.sync(vec![born.clone()]).await, 0);

    let unlinked = delivered(&alice, "引用过，又去掉了").await;
    let add = linking(alice.change(born.record, &[]), &unlinked);
    applied(&alice.sync(vec![add]).await, 0);
    let gone = Path::element("photos", unlinked.as_str());
    let take = alice.change(born.record, &[(&gone.to_string(), Value::null())]);
    applied(&alice.sync(vec![take]).await, 0);

    let refused = delivered(&alice, "没有收下的修改引用").await;
    let outside = linking(alice.resident("远处的人", FAR_GRID), &refused);
    assert_eq!(rejected(&alice.sync(vec![outside]).await, 0).reason, RejectReason::NotAllowed);

    let thumbnail = delivered(&alice, "只是缩略图").await;
    let mut edit = alice.change(born.record, &[]);
    link(&mut edit, &thumbnail);
    let particulars = edit.writes.pop_first().unwrap().1;
    edit.writes.insert(Path::element("photos", hash(b"not here yet").as_str()), particulars);
    applied(&alice.sync(vec![edit]).await, 0);

    // In words, in what was taken and in what was not.
    let (said, refused_words) =
        (delivered(&alice, "备注里写着").await, delivered(&alice, "没有收下的备注里写着").await);
    let note = |photo: &PhotoHash| [("note", Value::text(&format!("见照片 {photo}")))];
    let words = alice.change(born.record, &note(&said));
    applied(&alice.sync(vec![words]).await, 0);
    let mut words = alice.resident("远处的人", FAR_GRID);
    words.writes.extend(note(&refused_words).map(|(path, value)| (path.parse().unwrap(), value)));
    rejected(&alice.sync(vec![words]).await, 0);

    // What an older server kept without a link: an edit that it could not read, and what handhelds still showed.
    let (unreadable, shown) = (delivered(&alice, "读不懂的修改引用").await, delivered(&alice, "恢复后才见到").await);
    let (id, why) = (EditId(centre.clock.uuid()), Rejection::of(RejectReason::Form));
    let raw = format!("{{\"writes\":{{\"photos/{unreadable}\":{{}}}}}}");
    let of = Unreadable { id, dot: born.dot, record: None, raw };
    let remain = Remain {
        edit: EditId(centre.clock.uuid()),
        record: RecordId::fresh(&*centre.clock),
        kind: RecordKind::Person,
        part: Part::Open,
        path: Path::element("photos", shown.as_str()),
        value: Value::of(&true),
        at: centre.clock.now(),
        author: alice.author.clone(),
    };
    let kept = [KeptRemain { remain, shown_by: wei.id, shown: centre.clock.now() }];
    store::write::<_, StoreError>(store, TOWN, |tx| {
        tx.put_unreadable(alice.slot, centre.clock.now(), &of, &why)?;
        tx.put_remains(&kept)
    })
    .unwrap();

    // In one town nothing refers to it, in another something does.
    let both = delivered(&alice, "两个乡镇都有").await;
    assert_eq!(delivered(&foreign, "两个乡镇都有").await, both);
    let other = linking(foreign.resident("李强", FOREIGN_GRID), &both);
    applied(&foreign.sync(vec![other]).await, 0);

    centre.clock.advance(TimeDelta::days(20));
    let young = delivered(&alice, "才送到").await;
    let again = delivered(&alice, "又送来一次").await;
    assert_eq!(orphans::clear(&centre.app).unwrap(), Cleared::default());
    assert_eq!(looked(&centre), (4, 0));

    centre.clock.advance(TimeDelta::days(11));
    // Brought once more, it begins anew.
    assert_eq!(delivered(&alice, "又送来一次").await, again);
    assert_eq!(orphans::clear(&centre.app).unwrap(), Cleared { orphans: 1, strangers: 0 });
    assert_eq!(alice.fetch(&nothing).await.status(), 404);
    assert!(!centre.app.blobs.has(&nothing).unwrap());
    for (photo, why) in [
        (&linked, "linked"),
        (&unlinked, "in the history"),
        (&refused, "in quarantine"),
        (&thumbnail, "a thumbnail"),
        (&said, "named in a remark"),
        (&refused_words, "named in a remark that was refused"),
        (&unreadable, "in what could not be read"),
        (&shown, "shown by a handheld"),
        (&young, "not old enough"),
        (&again, "delivered again"),
    ] {
        assert_eq!(alice.fetch(photo).await.status(), 200, "{why}");
    }
    assert_eq!(alice.fetch(&both).await.status(), 404, "of this town it is gone");
    assert_eq!(foreign.fetch(&both).await.status(), 200, "of the other it is not");
    assert_eq!(looked(&centre), (2, 0));

    // The record that links it was late by a month: it is asked for, and comes once more.
    let late = linking(alice.resident("晚到的记录", GRID), &nothing);
    assert_eq!(alice.sync(vec![late]).await.wanted.iter().filter(|hash| **hash == nothing).count(), 1);
    assert_eq!(delivered(&alice, "没有记录引用").await, nothing);
    assert_eq!(alice.fetch(&nothing).await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_the_database_does_not_know_go_after_a_month_too() {
    let centre = Centre::open().await;
    let mut alice = centre.enrol(&centre.person("wei", Role::GridMember, GRID, false)).await;
    let put = |name: &str, days: i64| {
        let photo = jpeg(64, 48, name);
        let file = photo_file(&centre.app, &hash(&photo));
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, &photo).unwrap();
        written(&file, centre.clock.now() - TimeDelta::days(days));
        file
    };
    let (old, young, waited_for) = (put("没人认识", 31), put("才写下", 29), put("有记录在等", 31));
    let linked = linking(alice.resident("张伟", GRID), &hash(&jpeg(64, 48, "有记录在等")));
    applied(&alice.sync(vec![linked]).await, 0);
    // As a server leaves it that died between the row and the file of a photo that nothing referred to.
    let half = delivered(&alice, "收到一半").await;
    store::write::<_, StoreError>(&*centre.app.store, TOWN, |tx| tx.drop_photo(&half)).unwrap();
    let half = photo_file(&centre.app, &half);
    written(&half, centre.clock.now() - TimeDelta::days(31));
    let known = delivered(&alice, "有人认识").await;
    written(&photo_file(&centre.app, &known), centre.clock.now() - TimeDelta::days(31));

    assert_eq!(orphans::clear(&centre.app).unwrap(), Cleared { orphans: 0, strangers: 2 });
    let there = [&old, &half, &young, &waited_for, &photo_file(&centre.app, &known)].map(|file| file.exists());
    assert_eq!(there, [false, false, true, true, true]);
}
