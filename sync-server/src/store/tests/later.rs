//! What stands beside the records: events' figures, editions, imports, reports, what takes two people, and doubts.

use shared::ids::{Dot, EditId};
use shared::workflow::{Level, Stage};

use super::*;

fn event(tx: &mut dyn Tx, area: u32, category: &str, days: i64, closed: bool) -> StoredPart {
    let at = noon() + TimeDelta::days(days);
    let facts = EventFacts {
        category: category.to_owned(),
        source: "patrol".to_owned(),
        urgency: "normal".to_owned(),
        service: String::new(),
        subject: None,
        campaign: None,
        at,
        stage: Some(if closed { Stage::ALL.last().copied().unwrap() } else { Stage::ALL[0] }),
        level: Level::default(),
        reported: Some(at),
        moved: None,
        since: None,
        due: None,
        closed: closed.then_some(at),
        host: None,
        helpers: vec![],
        dispatcher: None,
        asked: false,
        contested: false,
        on_site: false,
        urged: 2,
        supervised: true,
        outcome: if closed { "solved".to_owned() } else { String::new() },
        ledger: if closed { format!("{category}-2026-{:04}", days + 7) } else { String::new() },
    };
    let part = row(tx, RecordId::fresh(&System), area, category);
    StoredPart { kind: RecordKind::Event, event: Some(Box::new(facts)), ..part }
}

pub fn figures_of_events_follow_every_save(store: &dyn Store) {
    let saved = in_tx(store, |tx| {
        let parts =
            [event(tx, 11, "rubbish", 0, false), event(tx, 11, "rubbish", 40, true), event(tx, 12, "noise", 1, false)];
        tx.save_many(&parts)?;
        Ok(parts)
    });
    let months = |store: &dyn Store| {
        let by = [By::Category, By::Month];
        let mut told = in_read(store, |read| read.tally_events(&EventFilter::default(), &by));
        told.sort_by(|one, two| one.by.cmp(&two.by));
        told.into_iter().map(|it| (it.by.join(" "), it.count)).collect::<Vec<_>>()
    };
    let month = |days| (noon() + TimeDelta::days(days) + TimeDelta::hours(8)).format("%Y-%m").to_string();
    let [first, later] = [month(0), month(40)];
    let named = |category: &str, month: &str, count: u64| (format!("{category} {month}"), count);
    assert_eq!(months(store), [named("noise", &first, 1), named("rubbish", &first, 1), named("rubbish", &later, 1)]);
    // Some days of a month are counted one by one, and say the same.
    let days = EventFilter { at: Some((noon(), noon() + TimeDelta::days(2))), ..EventFilter::default() };
    let tallies = in_read(store, |read| read.tally_events(&days, &[By::Month]));
    assert_eq!(
        tallies.iter().map(|it| (it.by.join(""), it.count)).collect::<Vec<_>>(),
        [(first.clone(), 1), (first.clone(), 1)]
    );
    let listed = |filter: &EventFilter| {
        in_read(store, |read| {
            let mut rows = Vec::new();
            read.each_event(filter, &mut |event| {
                rows.push(event);
                Ok(true)
            })?;
            Ok(rows)
        })
    };
    let all = listed(&EventFilter::default());
    assert_eq!(all.iter().map(|it| it.record).collect::<Vec<_>>(), [saved[1].record, saved[2].record, saved[0].record]);
    assert_eq!(Some(&all[0].facts), saved[1].event.as_deref());
    let of_eleven = EventFilter { areas: Some(vec![AreaId(11)]), offset: 1, limit: Some(1), ..EventFilter::default() };
    assert_eq!(listed(&of_eleven).iter().map(|it| it.record).collect::<Vec<_>>(), [saved[0].record]);
    let noise = EventFilter { categories: vec!["noise".into()], ..EventFilter::default() };
    assert_eq!(listed(&noise).len(), 1);
    assert_eq!(in_read(store, |read| read.last_in_ledger("rubbish-2026-")), 47);

    // One moves to another category, one is deleted: the figures go with them.
    in_tx(store, |tx| {
        let seq = tx.take_seqs(Part::Open, 2)?;
        let mut moved = saved[0].clone();
        moved.seq = seq;
        moved.event.as_mut().unwrap().category = "noise".to_owned();
        tx.save_many(&[moved, StoredPart { seq: seq + 1, deleted: true, ..saved[1].clone() }])
    });
    assert_eq!(months(store), [named("noise", &first, 1), named("noise", &first, 1)]);
    assert_eq!(in_read(store, |read| read.tally_parts(Some(RecordKind::Event), None)).len(), 2);
}

pub fn editions_imports_and_reports_are_found_again(store: &dyn Store) {
    let wei = user("wei");
    in_tx(store, |tx| tx.put_user(&wei));
    let edition = |version| Edition { name: "calendar".into(), version, text: "一".into(), at: noon(), user: wei.id };
    in_tx(store, |tx| tx.put_edition(&edition(2)));
    in_tx(store, |tx| tx.put_edition(&edition(1)));
    let twice: Result<(), StoreError> = write(store, TOWN, |tx| tx.put_edition(&edition(2)));
    assert!(matches!(twice, Err(StoreError::Exists(_))), "{twice:?}");
    assert_eq!(in_read(store, |read| read.editions()), [edition(1), edition(2)]);
    assert_eq!(in_read(store, |read| read.edition_count()), 2);

    let import = StoredImport {
        id: System.uuid(),
        user: Some(wei.id),
        at: noon(),
        state: "checked".into(),
        slot: None,
        body: "{}".into(),
    };
    let later = StoredImport { id: System.uuid(), user: None, at: noon() + TimeDelta::hours(1), ..import.clone() };
    in_tx(store, |tx| {
        tx.put_import(&import)?;
        tx.put_import(&later)?;
        tx.put_import_mapping("h", "一")?;
        tx.put_import_mapping("h", "二")
    });
    let done = StoredImport { state: "done".into(), slot: Some(Slot(9)), ..import.clone() };
    in_tx(store, |tx| tx.put_import(&done));
    assert_eq!(in_read(store, |read| read.imports(9)), [later, done.clone()]);
    assert_eq!(in_read(store, |read| read.import(done.id)), Some(done));
    assert_eq!(in_read(store, |read| read.import_mapping("h")).as_deref(), Some("二"));

    let record = RecordId::fresh(&System);
    let told = Told { id: System.uuid(), token: [7; 32], record: Some(record), told: 1 };
    let reporter = Reporter { name: "王芳".into(), phone: "13912345678".into() };
    let tray = |area, hours| Tray {
        id: System.uuid(),
        area: AreaId(area),
        at: noon() + TimeDelta::hours(hours),
        reason: "too-many".into(),
        body: "{}".into(),
    };
    let (old, new, other) = (tray(11, 0), tray(11, 2), tray(12, 1));
    in_tx(store, |tx| {
        tx.put_report(&told)?;
        tx.put_reporter(record, &reporter)?;
        [&old, &new, &other].into_iter().try_for_each(|it| tx.put_tray(it))?;
        tx.set_told(told.id, 2)
    });
    assert_eq!(in_read(store, |read| read.report_of(record)), Some(Told { told: 2, ..told.clone() }));
    assert_eq!(in_read(store, |read| read.reporter(record)), Some(reporter));
    assert!(in_read(store, |read| read.knows_report(told.id)));
    assert_eq!(in_read(store, |read| read.tray(&[AreaId(11)], 9)), [new.clone(), old.clone()]);
    assert_eq!(in_read(store, |read| Ok((read.tray_count(&[AreaId(12)])?, read.tray_size()?))), (1, (3, 6)));
    assert_eq!(in_tx(store, |tx| tx.expire_tray(noon() + TimeDelta::hours(1))), 1);
    assert!(in_tx(store, |tx| tx.drop_tray(new.id)));
    assert!(!in_tx(store, |tx| tx.drop_tray(new.id)));
    assert_eq!(in_read(store, |read| read.tray_one(other.id)), Some(other));

    let (one, two) = (save(store, 11, "一"), save(store, 12, "二"));
    let titles = in_read(store, |read| read.titles(&mut [two, RecordId::fresh(&System), one].into_iter()));
    assert_eq!(titles.iter().map(|it| it.title.as_str()).collect::<Vec<_>>(), ["二", "一"]);
}

pub fn what_takes_two_people_is_released_by_another_and_used_once(store: &dyn Store) {
    let (wei, lan) = (user("wei"), user("lan"));
    let asked = Approval {
        id: System.uuid(),
        kind: "export".into(),
        subject: "batch".into(),
        asked_by: wei.id,
        asked_at: noon(),
        released: None,
        used_at: None,
    };
    in_tx(store, |tx| {
        tx.put_user(&wei)?;
        tx.put_user(&lan)?;
        tx.put_approval(&asked)
    });
    assert!(!in_tx(store, |tx| tx.use_approval(asked.id, noon())), "nobody released it");
    assert!(!in_tx(store, |tx| tx.release_approval(asked.id, wei.id, noon())), "who asks never releases");
    assert!(in_tx(store, |tx| tx.release_approval(asked.id, lan.id, noon())));
    assert!(!in_tx(store, |tx| tx.release_approval(asked.id, lan.id, noon())), "once");
    assert!(in_tx(store, |tx| tx.use_approval(asked.id, noon())));
    assert!(!in_tx(store, |tx| tx.use_approval(asked.id, noon())), "once");
    let used = Approval { released: Some((lan.id, noon())), used_at: Some(noon()), ..asked };
    assert_eq!(in_read(store, |read| read.approval(used.id)), Some(used.clone()));
    assert_eq!(in_read(store, |read| read.approvals("export", noon() - TimeDelta::hours(1))), [used]);
    assert_eq!(in_read(store, |read| read.approvals("export", noon())), []);
}

pub fn an_edit_is_known_by_its_dots_and_erased_whole(store: &dyn Store) {
    let record = save(store, 11, "张伟");
    let edit: shared::edit::Edit = serde_json::from_value(serde_json::json!({
        "id": System.uuid(), "record": record.0, "kind": "person", "part": "open", "dot": [7, 1],
        "context": {}, "epoch": 1, "at": 1, "zone": 480, "author": {"role": "grid_member"}, "form": 1,
        "writes": {"name": "张\u{0}伟"}
    }))
    .unwrap();
    let refused = shared::edit::Edit { id: EditId(System.uuid()), dot: (Slot(7), 2).into(), ..edit.clone() };
    let stored =
        StoredEdit { edit: edit.clone(), received: noon(), vector: Default::default(), origin: "测试机".to_owned() };
    let wei = user("wei");
    in_tx(store, |tx| {
        tx.put_user(&wei)?;
        enrolled(tx, &wei, Slot(7))?;
        tx.set_high_water(Slot(7), 2)?;
        tx.save_edits(std::slice::from_ref(&stored))?;
        let rejection =
            Rejection { reason: RejectReason::NotAllowed, path: None, detail: String::new(), note: String::new() };
        tx.put_quarantined(&[Quarantined {
            edit: refused.clone(),
            slot: Slot(7),
            received: noon(),
            rejection,
            origin: String::new(),
            decision: None,
        }])
    });
    assert_eq!(in_read(store, |read| read.edits_of(record)), [stored]);
    assert_eq!(in_read(store, |read| read.applied_at((Slot(7), 1).into())), Some(edit.id));
    let both = [refused.id, EditId(System.uuid()), edit.id];
    let dots: Vec<(EditId, Dot)> = vec![(refused.id, (Slot(7), 2).into()), (edit.id, (Slot(7), 1).into())];
    assert_eq!(in_read(store, |read| read.first_dots(&both)), dots);
    assert_eq!(in_read(store, |read| read.applied_dots(&both)), dots[1..]);
    assert_eq!(in_read(store, |read| read.complete_upto()), [(Slot(7), 2), (Slot(0), 1)]);
    assert_eq!(in_read(store, |read| Ok((read.overflown()?.len(), read.without_part()?.len()))), (0, 0));
    in_read(store, |read| {
        let mut waiting = Vec::new();
        read.each_undecided(&mut |one| {
            waiting.push((one.edit, one.kind, one.reach.map(|reach| reach.areas)));
            Ok(true)
        })?;
        assert_eq!(waiting, [(refused.id, RecordKind::Person, Some(vec![AreaId(11)]))]);
        Ok(())
    });
    let dot: Dot = (Slot(6), 9).into();
    in_tx(store, |tx| {
        tx.put_once(&[Once { edit: edit.id, dot, sure: true, user: None }])?;
        tx.put_seen(wei.id, &[(edit.id, (Slot(6), 8).into())])
    });
    assert_eq!(in_read(store, |read| read.stood_elsewhere(&both)), [edit.id]);
    assert_eq!(in_read(store, |read| read.once_at(&[dot])), [record]);

    in_tx(store, |tx| tx.erase(&Erased { record, kind: RecordKind::Person, at: noon() }));
    assert!(!in_read(store, |read| read.holds_anything_of(record)));
    let outcomes = in_read(store, |read| read.outcomes(&both));
    assert_eq!(outcomes.iter().map(|seen| seen.edit).collect::<Vec<_>>(), [refused.id, edit.id]);
    for seen in outcomes {
        let erased =
            matches!(&seen.outcome, shared::wire::Outcome::Rejected(why) if why.reason == RejectReason::Erased);
        assert!(erased, "{seen:?}");
    }
    in_read(store, |read| {
        let mut told = Vec::new();
        read.feed(Part::Open, 0, &mut |entry| {
            told.push((entry.record, entry.what));
            Ok(true)
        })?;
        assert_eq!(told.len(), 2, "the readers of the area, and who wrote: {told:?}");
        Ok(())
    });
}
