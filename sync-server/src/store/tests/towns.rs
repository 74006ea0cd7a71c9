//! Two towns in one transaction.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};

use shared::ids::Dot;

use super::*;

const OTHER: AreaId = AreaId(9);

fn held(towns: &[AreaId]) -> BTreeSet<AreaId> {
    towns.iter().copied().collect()
}

/// Whatever a transaction did before it asked for another town is done once.
fn hand_over(store: &dyn Store, record: RecordId, from: AreaId, to: AreaId) {
    let done: Result<(), StoreError> = write(store, from, |tx| {
        let before: u32 = tx.meta("handed")?.map_or(0, |text| text.parse().unwrap());
        tx.set_meta("handed", &(before + 1).to_string())?;
        let seq = tx.next_seq(Part::Open)?;
        let key = ReaderKey::Area(AreaId(11));
        tx.note_departures(&[Departure { record, part: Part::Open, key, seq: Some(seq) }])?;
        tx.hold(&held(&[from, to]))?;
        tx.hand_over(&Moved { record, kind: RecordKind::Person, to, at: noon() })?;
        let mut there = tx.at(to)?;
        let row = row(&mut *there, record, 91, "张伟");
        there.save_many(&[row])
    });
    done.unwrap();
}

fn fed(store: &dyn Store, town: AreaId) -> Vec<(RecordId, bool)> {
    let mut fed = Vec::new();
    read::<_, StoreError>(store, TOWN, |read| {
        read.beside(town).feed(Part::Open, 0, &mut |entry| {
            fed.push((entry.record, matches!(entry.what, FeedWhat::Part { .. })));
            Ok(true)
        })
    })
    .unwrap();
    fed
}

pub fn a_record_goes_to_another_town_with_all_that_is_kept_of_it(store: &dyn Store) {
    let record = save(store, 11, "张伟");
    let edit: shared::edit::Edit = serde_json::from_value(serde_json::json!({
        "id": System.uuid(), "record": record.0, "kind": "person", "part": "open", "dot": [7, 1],
        "context": {}, "epoch": 1, "at": 1, "zone": 480, "author": {"role": "grid_member"}, "form": 1,
        "writes": {"name": "张伟"}
    }))
    .unwrap();
    let refused = shared::edit::Edit { id: EditId(System.uuid()), dot: (Slot(7), 2).into(), ..edit.clone() };
    let stored =
        StoredEdit { edit: edit.clone(), received: noon(), vector: Default::default(), origin: "测试机".to_owned() };
    let wei = user("wei");
    let photo = Photo { hash: PhotoHash::from_bytes(&[3; 32]), bytes: 9, received: noon() };
    let lone = PhotoHash::from_bytes(&[4; 32]);
    in_tx(store, |tx| {
        tx.put_user(&wei)?;
        enrolled(tx, &wei, Slot(7))?;
        tx.set_high_water(Slot(7), 2)?;
        tx.save_edits(std::slice::from_ref(&stored))?;
        tx.put_photo(&photo, wei.id)?;
        let link = |hash: &PhotoHash| PhotoLink { hash: hash.clone(), record, user: Some(wei.id), proved: true };
        tx.link_photos(Slot(7), &[link(&photo.hash), link(&lone)])?;
        let rejection = Rejection::of(RejectReason::NotAllowed);
        let (slot, received, origin) = (Slot(7), noon(), String::new());
        tx.put_quarantined(&[Quarantined { edit: refused.clone(), slot, received, rejection, origin, decision: None }])
    });
    let both = [refused.id, edit.id];
    let known = |store: &dyn Store| {
        in_read(store, |read| Ok((read.outcomes(&both)?, read.first_dots(&both)?, read.applied_at(edit.dot)?)))
    };
    let before = known(store);
    hand_over(store, record, TOWN, OTHER);

    assert_eq!(known(store), before, "whoever asks again gets the first answer");
    assert_eq!(in_read(store, |read| read.meta("handed")).as_deref(), Some("1"), "once");
    assert_eq!(fed(store, TOWN), [(record, false)]);
    assert_eq!(fed(store, OTHER), [(record, true)]);
    assert!(!in_read(store, |read| read.holds_anything_of(record)));
    in_read(store, |read| {
        assert_eq!(read.moved(&BTreeSet::from([record]))?.first().map(|moved| moved.to), Some(OTHER));
        assert!(read.photo(&photo.hash)?.is_none() && read.quarantined(refused.id)?.is_none());
        // Whoever has the photo is still asked for it; it is for both.
        assert_eq!(read.wanted(Slot(7), 9)?, std::slice::from_ref(&lone));
        assert_eq!(read.photo_towns(&lone)?, held(&[TOWN, OTHER]));
        let there = read.beside(OTHER);
        assert_eq!(there.edits_of(record)?, std::slice::from_ref(&stored));
        assert!(there.photo(&photo.hash)?.is_some() && there.photo_senders(&photo.hash)? == [wei.id]);
        assert_eq!(there.moved_from(record)?, [TOWN]);
        assert_eq!((there.overflown()?.len(), there.without_part()?.len()), (0, 0));
        Ok(())
    });
    // Decided there, its author hears of it here.
    let decided: Result<(), StoreError> =
        write(store, OTHER, |tx| tx.decide_quarantined(refused.id, &Decision::Dismissed("不是".to_owned())));
    decided.unwrap();
    in_read(store, |read| {
        assert_eq!((read.last_decision()?, read.beside(OTHER).last_decision()?), (1, 0));
        assert_eq!(
            read.decided_since(wei.id, 0)?.first().map(|(number, seen)| (*number, seen.edit)),
            Some((1, refused.id))
        );
        Ok(())
    });
    // It comes back: nobody is sent on any more.
    hand_over(store, record, OTHER, TOWN);
    in_read(store, |read| {
        assert!(read.moved(&BTreeSet::from([record]))?.is_empty());
        assert_eq!(read.moved_from(record)?, [OTHER]);
        assert_eq!(read.applied_dots(&[edit.id])?, [(edit.id, Dot { slot: Slot(7), n: 1 })]);
        assert!(read.photo(&photo.hash)?.is_some() && !read.beside(OTHER).holds_anything_of(record)?);
        Ok(())
    });
}

pub fn towns_are_held_in_one_order_whoever_asks_for_them(store: &dyn Store) {
    let tried = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for (from, to) in [(TOWN, OTHER), (OTHER, TOWN), (TOWN, AreaId(5)), (AreaId(5), OTHER)] {
            let tried = &tried;
            scope.spawn(move || {
                for _ in 0..10 {
                    let done: Result<(), StoreError> = write(store, from, |tx| {
                        tried.fetch_add(1, Ordering::SeqCst);
                        let mut there = tx.at(to)?;
                        let before: u32 = there.meta("n")?.map_or(0, |text| text.parse().unwrap());
                        there.set_meta("n", &(before + 1).to_string())
                    });
                    done.unwrap();
                }
            });
        }
    });
    let n = |town| in_read(store, |read| read.beside(town).meta("n"));
    assert_eq!(
        (n(TOWN).as_deref(), n(OTHER).as_deref(), n(AreaId(5)).as_deref()),
        (Some("10"), Some("20"), Some("10"))
    );
    assert!((40..=80).contains(&tried.into_inner()));
}
