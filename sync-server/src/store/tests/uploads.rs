//! Uploads, what a handheld announced, and photos that nothing refers to.

use super::*;

fn photo(digit: char) -> PhotoHash {
    digit.to_string().repeat(64).parse().unwrap()
}

fn upload(user: &User, device: Option<DeviceId>, hash: &PhotoHash, done: bool) -> Upload {
    let (id, user, hash) = (System.uuid(), user.id, hash.clone());
    Upload { id, user, device, hash, length: 300_000, begun: noon(), done }
}

pub fn uploads_are_found_by_their_handheld_and_their_photo(store: &dyn Store) {
    let wei = user("wei");
    let (one, two) = (DeviceId(System.uuid()), DeviceId(System.uuid()));
    let mine = upload(&wei, Some(one), &photo('a'), false);
    let done = upload(&wei, Some(one), &photo('b'), true);
    let other = Upload { begun: noon() + TimeDelta::hours(1), ..upload(&wei, Some(two), &photo('a'), false) };
    let old = upload(&wei, None, &photo('c'), false);
    in_tx(store, |tx| [&mine, &done, &other, &old].into_iter().try_for_each(|upload| tx.put_upload(upload)));
    for upload in [&mine, &done, &other, &old] {
        assert_eq!(in_read(store, |read| read.upload(upload.id)).as_ref(), Some(upload));
    }
    assert_eq!(in_read(store, |read| read.unfinished_of(one)), std::slice::from_ref(&mine));
    assert_eq!(in_read(store, |read| read.unfinished_for(&photo('a'))), [mine.clone(), other.clone()]);
    in_tx(store, |tx| tx.put_upload(&Upload { done: true, ..mine.clone() }));
    assert_eq!(in_read(store, |read| read.unfinished_for(&photo('a'))), [other]);
    let elsewhere = read::<_, StoreError>(store, AreaId(9), |read| read.unfinished_for(&photo('a'))).unwrap();
    assert_eq!(elsewhere, [], "of another town");
}

pub fn what_a_handheld_announced_is_summed_by_the_hour(store: &dyn Store) {
    let (one, two) = (DeviceId(System.uuid()), DeviceId(System.uuid()));
    in_tx(store, |tx| {
        tx.announce(one, 100, 5, 76)?;
        tx.announce(one, 100, 7, 76)?;
        tx.announce(one, 101, 10, 77)?;
        tx.announce(two, 101, 1_000, 77)
    });
    let announced = |since| in_read(store, |read| read.announced(one, since));
    assert_eq!((announced(100), announced(101), announced(102)), (22, 10, 0));
    in_tx(store, |tx| tx.announce(one, 125, 1, 101));
    assert_eq!(announced(0), 11, "what is longer ago is forgotten");
}

pub fn a_photo_is_an_orphan_while_nothing_of_its_town_refers_to_it(store: &dyn Store) {
    let wei = user("wei");
    let record = RecordId::fresh(&System);
    let all = ['a', 'b', 'c', 'd'].map(photo);
    let link = PhotoLink { hash: photo('a'), record, user: Some(wei.id), proved: true };
    in_tx(store, |tx| {
        for (hash, days) in all.iter().zip([40, 40, 40, 1]) {
            let photo = Photo { hash: hash.clone(), bytes: 9, received: noon() - TimeDelta::days(days) };
            tx.put_photo(&photo, wei.id)?;
        }
        tx.put_upload(&upload(&wei, None, &photo('b'), true))?;
        tx.link_photos(Slot(7), std::slice::from_ref(&link))
    });
    let before = noon() - TimeDelta::days(30);
    let orphans = |before| in_read(store, |read| read.orphans(before));
    assert_eq!(orphans(before), [photo('b'), photo('c')]);
    assert_eq!(orphans(DateTime::<Utc>::MAX_UTC), [photo('b'), photo('c'), photo('d')]);
    // Delivered once more.
    in_tx(store, |tx| tx.put_photo(&Photo { hash: photo('c'), bytes: 9, received: noon() }, wei.id));
    assert_eq!(orphans(before), [photo('b')]);
    assert!(in_read(store, |read| read.is_referred_to(&photo('a'))));
    assert!(!in_read(store, |read| read.is_referred_to(&photo('b'))));
    assert!(!read::<_, StoreError>(store, AreaId(9), |read| read.is_referred_to(&photo('a'))).unwrap());

    in_tx(store, |tx| tx.drop_photo(&photo('b')));
    assert_eq!(in_read(store, |read| read.photo(&photo('b'))), None);
    assert_eq!(in_read(store, |read| read.photo_senders(&photo('b'))), []);
    // One that never came is wanted.
    in_tx(store, |tx| tx.link_photos(Slot(7), &[PhotoLink { hash: photo('e'), ..link.clone() }]));
    assert!(in_read(store, |read| read.is_referred_to(&photo('e'))));
}
