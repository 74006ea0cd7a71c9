//! The township is the same from the same seed, as large as asked for, and holds every stage.

use std::collections::{BTreeMap, BTreeSet};

use shared::ids::RecordId;
use shared::record::{Part, Record, RecordKind};
use shared::view;

use super::*;

fn small(seed: u64) -> Township {
    Township::new(seed, NaiveDate::from_ymd_opt(2026, 11, 23).unwrap(), Size::small()).unwrap()
}

fn edits(township: &Township) -> Vec<Edit> {
    let mut all = Vec::new();
    township
        .record(1, |waves| {
            all.extend(waves.into_iter().flatten());
            Ok(())
        })
        .unwrap();
    all
}

#[test]
fn the_same_seed_gives_the_same_township_and_another_another() {
    assert_eq!(edits(&small(7)), edits(&small(7)));
    assert_ne!(edits(&small(7)), edits(&small(8)));
}

#[test]
fn it_is_as_large_as_asked_for_and_nothing_in_it_is_of_tomorrow() {
    let township = small(7);
    let edits = edits(&township);
    let mut kinds: BTreeMap<RecordKind, BTreeSet<RecordId>> = BTreeMap::new();
    for edit in &edits {
        kinds.entry(edit.kind).or_default().insert(edit.record);
        assert!(edit.at <= township.today, "{edit:?}");
    }
    assert_eq!(kinds[&RecordKind::Person].len(), township.size.residents);
    assert_eq!(kinds[&RecordKind::Organization].len(), township.size.shops);
    let visits = edits.iter().filter(|edit| edit.writes.contains_key(&"subject".parse().unwrap())).count();
    assert!(visits > 0);
    assert_eq!(kinds[&RecordKind::Event].len() - visits, township.size.events * township.size.grids);
    let grids = township.areas.iter().filter(|area| area.level == AreaLevel::Grid).count();
    assert_eq!(grids, township.size.grids);
}

#[test]
fn some_fields_are_open_and_some_parts_restricted() {
    let mut records: BTreeMap<RecordId, Record> = BTreeMap::new();
    for edit in edits(&small(7)) {
        let record = records.entry(edit.record).or_insert_with(|| Record::empty(edit.record, edit.kind));
        record.part_mut(edit.part).apply(&edit);
    }
    let open = records.values().filter(|record| view::one(&record.open, "phone").is_open()).count();
    let restricted = records.values().filter(|record| !record.part(Part::Restricted).is_empty()).count();
    assert!(open > 0 && restricted > 10, "{open} open, {restricted} restricted");
}

/// Every edit passes its form, and every step was possible when it was taken.
#[test]
fn nothing_in_it_breaks_the_rules() {
    let township = small(7);
    let forms = shared::form::Forms::parse(assets::FORMS.iter().copied()).unwrap();
    let calendar = shared::calendar::Calendar::parse(assets::CALENDAR).unwrap();
    let tree = township.tree();
    let mut records: BTreeMap<RecordId, Record> = BTreeMap::new();
    for edit in edits(&township) {
        let form = forms.get(edit.kind, edit.form).unwrap();
        let problems = shared::validate::edit(form, &edit);
        assert!(problems.is_empty(), "{problems:?} of {edit:?}");
        let record = records.entry(edit.record).or_insert_with(|| Record::empty(edit.record, edit.kind));
        if edit.kind == RecordKind::Event {
            let account = township.accounts.iter().find(|account| Some(account.id) == edit.author.user).unwrap();
            let level = tree.get(account.scope[0]).unwrap().level;
            let actor = shared::workflow::Actor::new(account.id, account.role, level);
            let judged = shared::workflow::judge(&record.open, &edit, &actor, &calendar);
            assert_eq!(judged, Ok(()), "{edit:?} after {:?}", shared::workflow::fold(&record.open, &calendar));
        }
        record.part_mut(edit.part).apply(&edit);
    }
    let stages: BTreeSet<_> = records
        .values()
        .filter(|record| record.kind == RecordKind::Event && shared::work::Work::of(&record.open).is_none())
        .map(|record| shared::workflow::fold(&record.open, &calendar).stage)
        .collect();
    assert_eq!(stages.len(), 6, "{stages:?}");
}
