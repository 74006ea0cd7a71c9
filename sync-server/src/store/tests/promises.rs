//! Transactions, parts and their feed, people, and what is refused.

use super::*;

pub fn a_transaction_is_whole_or_not_there(store: &dyn Store) {
    let failed: Result<(), StoreError> = write(store, TOWN, |tx| {
        tx.set_meta("a", "1")?;
        tx.next_seq(Part::Open)?;
        Err(StoreError::Missing("something"))
    });
    assert!(failed.is_err());
    assert_eq!(in_read(store, |read| Ok((read.meta("a")?, read.last_seq(Part::Open)?))), (None, 0));
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        in_tx(store, |tx| {
            tx.set_meta("a", "2")?;
            panic!("in the middle");
            #[allow(unreachable_code)]
            Ok(())
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(in_read(store, |read| read.meta("a")), None);
    in_tx(store, |tx| tx.set_meta("a", "3"));
    assert_eq!(in_read(store, |read| read.meta("a")).as_deref(), Some("3"));
}

pub fn a_read_sees_one_moment_and_does_not_wait_for_the_writer(store: &dyn Store) {
    save(store, 11, "先");
    in_read(store, |reader| {
        let before = reader.last_seq(Part::Open)?;
        std::thread::scope(|scope| {
            scope.spawn(|| save(store, 11, "后")).join().unwrap();
        });
        assert_eq!((before, reader.last_seq(Part::Open)?), (1, 1));
        assert_eq!(reader.count_parts(&PartFilter::default())?, 1);
        Ok(())
    });
    assert_eq!(in_read(store, |reader| reader.last_seq(Part::Open)), 2);
    in_tx(store, |tx| {
        tx.set_meta("open", "")?;
        // Inside a write transaction another thread reads what was before.
        std::thread::scope(|scope| {
            let other = scope.spawn(|| in_read(store, |reader| reader.meta("open")));
            assert_eq!(other.join().unwrap(), None);
        });
        Ok(())
    });
}

pub fn the_feed_is_in_order_of_changes_and_each_part_stands_once(store: &dyn Store) {
    let (one, two) = (save(store, 11, "一"), save(store, 12, "二"));
    in_tx(store, |tx| {
        let again = row(tx, one, 12, "一");
        let departure = |seq| Departure { record: one, part: Part::Open, key: ReaderKey::Area(AreaId(11)), seq };
        tx.note_departures(&[departure(Some(again.seq))])?;
        tx.save_many(&[again])
    });
    let walk = |after| {
        in_read(store, |read| {
            let mut walked = Vec::new();
            read.feed(Part::Open, after, &mut |entry| {
                let left = matches!(entry.what, FeedWhat::Left { key: ReaderKey::Area(AreaId(11)), erased: None });
                if let FeedWhat::Part { row, areas, .. } = entry.what {
                    assert_eq!(areas, [AreaId(12)]);
                    assert!(read.feed_state(row)?.contains("title"));
                }
                walked.push((entry.seq, entry.record, left));
                Ok(true)
            })?;
            Ok(walked)
        })
    };
    assert_eq!(walk(0), [(2, two, false), (3, one, true), (3, one, false)]);
    assert_eq!(walk(2), [(3, one, true), (3, one, false)]);
    assert_eq!(walk(3), []);
    in_tx(store, |tx| {
        tx.note_departures(&[Departure { record: one, part: Part::Open, key: ReaderKey::Area(AreaId(11)), seq: None }])
    });
    assert_eq!(walk(0), [(2, two, false), (3, one, false)]);
    let other = read::<_, StoreError>(store, AreaId(9), |read| {
        Ok((
            read.last_seq(Part::Open)?,
            read.count_parts(&PartFilter::default())?,
            read.load_many(&[(one, Part::Open)])?,
        ))
    });
    assert_eq!(other.unwrap(), (0, 0, vec![]), "another town has a feed of its own");
}

pub fn a_reader_walks_the_feed_past_what_lies_elsewhere(store: &dyn Store) {
    let (here, there, named) = (save(store, 11, "这里"), save(store, 111, "那里"), RecordId::fresh(&System));
    let (reader, other) = (UserId::fresh(&System), UserId::fresh(&System));
    in_tx(store, |tx| {
        let row = StoredPart { readers: vec![other, reader], ..row(tx, named, 12, "指名") };
        let departure =
            Departure { record: there, part: Part::Open, key: ReaderKey::Area(AreaId(12)), seq: Some(row.seq) };
        tx.note_departures(&[departure])?;
        tx.save_many(&[row])
    });
    let walk = |areas: &[u32], user| {
        let areas: Vec<AreaId> = areas.iter().copied().map(AreaId).collect();
        [Asked::None, Asked::Told, Asked::Stored].map(|states| {
            let near = Near { lies: Some((areas.clone(), user)), states };
            in_read(store, |read| {
                let mut walked = Vec::new();
                read.feed_near(Part::Open, 0, &near, &mut |entry| {
                    let state = match entry.what {
                        FeedWhat::Part { row, .. } if states == Asked::Told => {
                            read.told_state(Part::Open, entry.seq, row)?.get().to_owned()
                        }
                        FeedWhat::Part { row, .. } => read.feed_state(row)?,
                        FeedWhat::Left { .. } => "left".to_owned(),
                    };
                    walked.push((entry.seq, state.replace(r#"{"title":"#, "").replace(['"', '}'], "")));
                    Ok(true)
                })?;
                Ok(walked)
            })
        })
    };
    let seen = |all: &[(u64, &str)]| {
        let all: Vec<(u64, String)> = all.iter().map(|(seq, text)| (*seq, (*text).to_owned())).collect();
        [all.clone(), all.clone(), all]
    };
    assert_eq!(walk(&[11], other), seen(&[(1, "这里"), (3, "left"), (3, "指名")]));
    assert_eq!(walk(&[11], UserId::fresh(&System)), seen(&[(1, "这里"), (3, "left")]), "an area is a whole number");
    assert_eq!(walk(&[12, 111], other), seen(&[(2, "那里"), (3, "left"), (3, "指名")]));
    let all: Vec<u32> = (11..30).collect();
    let walked = walk(&all, reader);
    assert!(walked[0].iter().any(|(_, state)| state == "这里"), "of many areas a store may leave out nothing");
    assert!(walked[0] == walked[1] && walked[1] == walked[2]);
    assert!(in_read(store, |read| Ok(read.load_many(&[(here, Part::Open)])?.len())) == 1);

    // What lies in several areas, and what names a reader where they walk anyway, comes once, in its place; so does what moved.
    in_tx(store, |tx| {
        let both =
            StoredPart { areas: vec![AreaId(11), AreaId(12)], ..row(tx, RecordId::fresh(&System), 11, "两处") };
        let mine = StoredPart { readers: vec![reader], ..row(tx, RecordId::fresh(&System), 11, "本网格指名") };
        let last = row(tx, RecordId::fresh(&System), 12, "最后");
        let moved = row(tx, here, 12, "搬来");
        tx.save_many(&[both, mine, last, moved])
    });
    let (both, mine, last, moved) = ((4, "两处"), (5, "本网格指名"), (6, "最后"), (7, "搬来"));
    let left = (3, "left");
    assert_eq!(walk(&[11, 12], reader), seen(&[left, (3, "指名"), both, mine, last, moved]));
    assert_eq!(walk(&[12], UserId::fresh(&System)), seen(&[left, (3, "指名"), both, last, moved]));
    assert_eq!(walk(&[11], reader), seen(&[left, (3, "指名"), both, mine]));
    assert_eq!(walk(&[], reader), seen(&[left, (3, "指名"), mine]), "by name alone");
}

pub fn parts_are_found_by_area_kind_words_and_number(store: &dyn Store) {
    for (area, title) in [(11, "张伟"), (12, "李强"), (11, "待核"), (21, "100%_x")] {
        save(store, area, title);
    }
    let all = PartFilter::default();
    assert_eq!(titles(store, &all), ["张伟", "李强", "待核", "100%_x"]);
    assert_eq!(titles(store, &PartFilter { newest_first: true, limit: Some(1), ..all.clone() }), ["100%_x"]);
    assert_eq!(titles(store, &PartFilter { areas: Some(vec![AreaId(11)]), ..all.clone() }), ["张伟", "待核"]);
    assert_eq!(titles(store, &PartFilter { areas: Some(vec![AreaId(1)]), ..all.clone() }), [""; 0]);
    assert_eq!(titles(store, &PartFilter { open_only: true, ..all.clone() }), ["待核"]);
    assert_eq!(titles(store, &PartFilter { kind: Some(RecordKind::Event), ..all.clone() }), [""; 0]);
    assert_eq!(titles(store, &PartFilter { after: 1, upto: Some(3), offset: 1, ..all.clone() }), ["待核"]);
    let words = |words: &[&str]| {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        titles(store, &PartFilter { words, ..all.clone() })
    };
    assert_eq!(words(&["张"]), ["张伟"]);
    assert_eq!(words(&["1234", "强"]), ["李强"]);
    assert_eq!(words(&["%_"]), ["100%_x"], "no character is a wildcard");
    assert_eq!(words(&["张", "强"]), [""; 0]);
}

pub fn people_devices_sessions_and_codes(store: &dyn Store) {
    let (wei, slot) = (user("wei"), Slot(7));
    let version = store.directory_version().unwrap();
    in_tx(store, |tx| tx.put_user(&wei));
    assert!(store.directory_version().unwrap() > version);
    assert_eq!(store.user_by_login("wei").unwrap(), Some(wei.clone()));
    let twice: Result<(), StoreError> = write(store, TOWN, |tx| tx.put_user(&user("wei")));
    assert!(matches!(twice, Err(StoreError::Exists("the login"))), "{twice:?}");
    assert_eq!(in_read(store, |read| read.users()), std::slice::from_ref(&wei));

    let mut device = Device {
        id: DeviceId::fresh(&System),
        town: TOWN,
        user: wei.id,
        slot,
        name: "测试机".to_owned(),
        enrolled: noon(),
        expires: noon() + TimeDelta::days(1),
        parted_from: None,
        seen: None,
        fate: None,
        credential: Credential::first(noon()),
    };
    in_tx(store, |tx| {
        let label = device.name.clone();
        tx.put_slot(&SlotRow { slot, town: TOWN, origin: Origin::Device, label, high_water: 0 })?;
        tx.put_device(&device, &[1; 32])?;
        tx.set_high_water(slot, 9)
    });
    assert_eq!(in_read(store, |read| read.slot(slot)).unwrap().high_water, 9);
    let seen = DeviceSeen {
        at: noon(),
        app: "0.1.0".to_owned(),
        battery: Some(80),
        clock_off: -5,
        undelivered: 3,
        web_view: "119".to_owned(),
    };
    in_tx(store, |tx| tx.seen_device(device.id, &seen));
    device.seen = Some(seen);
    assert_eq!(store.device_by_token(&[1; 32]).unwrap(), Some((device.clone(), wei.clone())));
    assert_eq!(store.device_by_token(&[2; 32]).unwrap(), None);
    in_tx(store, |tx| tx.expire_device(device.id, noon()));
    assert_eq!(in_read(store, |read| read.devices())[0].expires, noon());

    let session = Session {
        hash: [3; 32],
        town: TOWN,
        user: wei.id,
        csrf: "c".to_owned(),
        expires: noon(),
        seen: noon(),
        second: true,
    };
    in_tx(store, |tx| tx.put_session(&session));
    assert_eq!(store.session_by_token(&[3; 32]).unwrap().unwrap().0, session);
    let later = noon() + TimeDelta::minutes(3);
    in_tx(store, |tx| tx.touch_session(&[3; 32], later));
    in_tx(store, |tx| tx.touch_session(&[3; 32], noon()));
    assert_eq!(store.session_by_token(&[3; 32]).unwrap().unwrap().0.seen, later, "never earlier than it was");
    in_tx(store, |tx| tx.drop_session(&[4; 32], noon()));
    assert_eq!(store.session_by_token(&[3; 32]).unwrap(), None, "it was over");
    in_tx(store, |tx| tx.put_session(&session));
    in_tx(store, |tx| tx.drop_sessions_of(wei.id));
    assert_eq!(store.session_by_token(&[3; 32]).unwrap(), None, "all of theirs");

    let code = EnrolCode { hash: [5; 32], town: TOWN, user: wei.id, expires: noon() };
    in_tx(store, |tx| tx.put_enrol_code(&code));
    assert_eq!(store.enrol_code(&[5; 32]).unwrap(), Some(code));
    assert!(in_tx(store, |tx| tx.use_enrol_code(&[5; 32])));
    assert!(!in_tx(store, |tx| tx.use_enrol_code(&[5; 32])), "once");
    let audit =
        Audit { at: noon(), user: Some(wei.id), action: "unmask".into(), subject: "7".into(), detail: "".into() };
    in_tx(store, |tx| tx.put_audit(&audit));
    let enrolled = Audit { action: "audit-enrolled".into(), subject: device.id.to_string(), ..audit.clone() };
    assert_eq!(in_read(store, |read| read.audits(5)), [audit, enrolled]);
}

pub fn areas_stand_above_the_towns(store: &dyn Store) {
    let mut town = Area::new(TOWN, None, AreaLevel::Town, "镇", "1");
    store.put_areas(&[town.clone()]).unwrap();
    town.code = "2".into();
    town.outline = shared::outline::Outline(vec![vec![[104_050_000, 37_180_000], [104_070_000, 37_200_000]]]);
    store.put_areas(&[town.clone()]).unwrap();
    assert_eq!(store.areas().unwrap(), [town]);
    assert_eq!(store.towns().unwrap(), [TOWN]);
    assert_eq!(store.epoch().unwrap(), 1);
}

pub fn what_is_asked_ahead_is_answered_the_same_and_follows_what_is_written(store: &dyn Store) {
    let edit = |n: u64, record: RecordId| -> shared::edit::Edit {
        serde_json::from_value(serde_json::json!({
            "id": System.uuid(), "record": record.0, "kind": "person", "part": "open", "dot": [7, n],
            "context": {}, "epoch": 1, "at": 1, "zone": 480, "author": {"role": "grid_member"}, "form": 1,
            "writes": {"name": "张伟"}
        }))
        .unwrap()
    };
    let stored = |edit: &shared::edit::Edit| StoredEdit {
        edit: edit.clone(),
        received: noon(),
        vector: Default::default(),
        origin: String::new(),
    };
    let refused = |edit: &shared::edit::Edit| Quarantined {
        edit: edit.clone(),
        slot: Slot(7),
        received: noon(),
        rejection: Rejection::of(RejectReason::NotAllowed),
        origin: String::new(),
        decision: None,
    };
    let (here, gone) = (save(store, 11, "张伟"), save(store, 11, "走了"));
    let [applied, quarantined, new, ended] = [1, 2, 3, 4].map(|n| edit(n, here));
    let wei = user("wei");
    in_tx(store, |tx| {
        tx.put_user(&wei)?;
        enrolled(tx, &wei, Slot(7))?;
        tx.set_high_water(Slot(7), 2)?;
        tx.save_edits(&[stored(&applied), stored(&ended)])?;
        tx.put_quarantined(&[refused(&quarantined)])?;
        tx.empty_edits(here, Part::Open, &[ended.id].into())?;
        tx.erase(&Erased { record: gone, kind: RecordKind::Person, at: noon() })?;
        Ok(())
    });
    let ids = [applied.id, quarantined.id, new.id, ended.id];
    let (records, keys) = ([here, gone].into(), [(here, Part::Open), (here, Part::Restricted)]);
    let asked = Ahead { slot: Slot(7), edits: ids.to_vec(), records, parts: keys.into() };
    let answers = |tx: &dyn Tx| {
        Ok::<_, StoreError>((
            (tx.slot(Slot(7))?, tx.slot(Slot(8))?, tx.outcomes(&ids)?, tx.first_dots(&ids)?, tx.ended_of(&ids)?),
            (tx.erased_of(&asked.records)?, tx.moved(&asked.records)?, tx.any_once()?, tx.load_many(&keys)?),
            // Of others than was asked for.
            (tx.outcomes(&[EditId(System.uuid())])?, tx.load_many(&[(gone, Part::Open)])?),
        ))
    };
    in_tx(store, |tx| {
        let before = answers(tx)?;
        assert_eq!((before.0.2.len(), before.0.4.len(), before.1.0.len(), before.1.3.len()), (3, 1, 1, 1));
        tx.look_ahead(&asked)?;
        assert_eq!(answers(tx)?, before);
        let first = tx.next_seq(Part::Open)?;
        assert_eq!((tx.take_seqs(Part::Open, 2)?, tx.last_seq(Part::Open)?), (first + 1, first + 2));
        tx.set_high_water(Slot(7), 3)?;
        assert_eq!(tx.slot(Slot(7))?.map(|slot| slot.high_water), Some(3));
        tx.save_edits(&[stored(&new)])?;
        assert_eq!(tx.outcomes(&ids)?.len(), 4);
        let changed = row(tx, here, 12, "张大伟");
        tx.save_many(&[changed])?;
        assert_eq!(tx.load_many(&keys)?[0].title, "张大伟");
        tx.look_ahead(&asked)?;
        let again = answers(tx)?;
        assert_eq!((again.0.2.len(), again.1.3[0].title.as_str()), (4, "张大伟"));
        // Written by something else, it is forgotten.
        tx.erase(&Erased { record: here, kind: RecordKind::Person, at: noon() })?;
        assert_eq!((tx.erased_of(&asked.records)?.len(), tx.load_many(&keys)?.len()), (2, 0));
        Ok(())
    });
    in_read(store, |read| {
        let answers = || {
            let decided = read.decided_since(wei.id, 0)?;
            let n = read.backed_up(Slot(7))?;
            Ok::<_, StoreError>((read.standing()?, read.slot(Slot(7))?, decided, read.wanted(Slot(7), 9)?, n))
        };
        let before = answers()?;
        read.look_ahead_for(&Answering { slot: Slot(7), user: wei.id, decided: 0, wanted: 9 })?;
        assert_eq!(answers()?, before);
        assert_eq!(read.beside(AreaId(9)).standing()?.open, 0, "another town stands elsewhere");
        Ok(())
    });
}

pub fn quarantine_remembers_first_outcomes_and_decisions(store: &dyn Store) {
    let edit: shared::edit::Edit = serde_json::from_value(serde_json::json!({
        "id": System.uuid(), "record": System.uuid(), "kind": "person", "part": "open", "dot": [7, 1],
        "context": {}, "epoch": 1, "at": 1, "zone": 480, "author": {"role": "grid_member"}, "form": 1,
        "writes": {"name": "张伟"}
    }))
    .unwrap();
    let rejection =
        Rejection { reason: RejectReason::NotAllowed, path: None, detail: String::new(), note: String::new() };
    let kept = Quarantined {
        edit: edit.clone(),
        slot: Slot(7),
        received: noon(),
        rejection: rejection.clone(),
        // The label of its slot, as it is read.
        origin: "测试机".to_owned(),
        decision: None,
    };
    let wei = user("wei");
    in_tx(store, |tx| {
        tx.put_user(&wei)?;
        enrolled(tx, &wei, Slot(7))?;
        tx.put_quarantined(std::slice::from_ref(&kept))
    });
    assert_eq!(in_read(store, |read| read.quarantine(true, 9)), [kept]);
    assert!(in_read(store, |read| read.has_quarantined(edit.record)));
    assert_eq!(in_read(store, |read| read.decided_since(wei.id, 0)), []);
    let dismissed = Decision::Dismissed("已由邻格登记".to_owned());
    in_tx(store, |tx| tx.decide_quarantined(edit.id, &dismissed));
    assert_eq!(in_read(store, |read| read.quarantine(true, 9)), []);
    let decided = in_read(store, |read| read.decided_since(wei.id, 0));
    assert_eq!((decided.len(), decided[0].0), (1, 1));
    let told = Rejection { note: "已由邻格登记".to_owned(), ..rejection.clone() };
    assert_eq!(decided[0].1.outcome, shared::wire::Outcome::Rejected(told));
    assert_eq!(in_read(store, |read| read.quarantined(edit.id)).unwrap().decision, Some(dismissed.clone()));
    let outcomes = in_read(store, |read| read.outcomes(&[edit.id]));
    assert_eq!(outcomes[0].outcome, shared::wire::Outcome::Rejected(rejection));
    let twice: Result<(), _> = write(store, TOWN, |tx| tx.decide_quarantined(edit.id, &dismissed));
    assert!(matches!(twice, Err(StoreError::Missing(_))));
}
