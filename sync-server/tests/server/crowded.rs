//! A record is folded, shown and sent as a whole: what one person writes into it without end holds up nobody else, and
//! nothing of it is lost.

use std::collections::BTreeMap;

use crate::common::desk::*;
use crate::common::*;
use shared::author::Role;
use shared::edit::Edit;
use shared::ids::{Dot, RecordId, Slot};
use shared::limits::{PART_BYTES, STEPS_AN_EVENT, WRITES_A_PART};
use shared::path::Path;
use shared::record::{Part, RecordKind};
use shared::value::Value;
use shared::wire::{Outcome, RejectReason, SyncAnswer};
use shared::workflow::{Limit, Step, StepEntry};

/// How many of a round were applied, and that the others were too much.
fn taken(answer: &SyncAnswer) -> usize {
    let too_much = |outcome: &Outcome| match outcome {
        Outcome::Applied { .. } => false,
        Outcome::Rejected(why) => {
            assert_eq!(why.reason, RejectReason::Size);
            true
        }
    };
    answer.receipts.len() - answer.receipts.iter().filter(|receipt| too_much(&receipt.outcome)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_of_steps_has_an_end_and_the_event_can_still_be_brought_to_its_own() {
    let centre = Centre::open().await;
    let staff = person(&centre, "staff", Role::CenterStaff, TOWN, false, false);
    let mut lin = centre.enrol(&centre.person("lin", Role::Informant, GRID, false)).await;
    let (first, event) = (lin.event("路灯坏了", GRID), lin.event("井盖破损", GRID));
    let record = event.record;
    applied(&lin.sync(vec![first, event]).await, 1);
    // Reports that claim to have seen nothing of it: to each of them it is not reported yet.
    let again = |lin: &mut Handheld<'_>| {
        let mut edit = lin.step(record, &step(Step::Report));
        edit.context = [Dot { slot: lin.slot, n: 1 }].into_iter().collect();
        edit
    };
    let flood: Vec<Edit> = (0..STEPS_AN_EVENT + 50).map(|_| again(&mut lin)).collect();
    let answer = lin.sync(flood).await;
    assert_eq!(taken(&answer), STEPS_AN_EVENT - 1, "the first one stood there already");
    assert_eq!(answer.high_water, 2 + u64::try_from(STEPS_AN_EVENT).unwrap() + 50, "the others wait in quarantine");
    // Another event of theirs is not touched by it.
    let other = lin.event("树倒了", GRID);
    applied(&lin.sync(vec![other]).await, 0);

    person(&centre, "leader", Role::GridLeader, GRID, false, false);
    assert!(Desk::logged_in(&centre, "leader").await.page("/console/inbox").await.contains("井盖破损"));
    let mut hand = centre.enrol(&staff).await;
    hand.catch_up().await;
    for entry in [
        StepEntry { host: Some(staff.id), limit: Some(Limit::Days(3)), ..step(Step::Dispatch) },
        StepEntry { done: Some(true), ..step(Step::Handle) },
        StepEntry { satisfied: Some(true), ..step(Step::Feedback) },
        StepEntry { outcome: Some("settled".to_owned()), ..step(Step::Close) },
    ] {
        let edit = hand.step(record, &entry);
        applied(&hand.sync(vec![edit]).await, 0);
        hand.catch_up().await;
    }
    let desk = Desk::logged_in(&centre, "staff").await;
    assert!(desk.page(&format!("/console/records/{record}")).await.contains("已结案"));
}

/// A 专项排查 with more and more targets.
fn targets(hand: &mut Handheld<'_>, record: RecordId, n: usize) -> Edit {
    let mut edit = hand.edit(record, RecordKind::Event, Part::Open, &[]);
    edit.form = 2;
    let targets = (0..n).map(|_| RecordId::fresh(&*hand.centre.clock).to_string());
    edit.writes = targets.map(|id| (Path::element("targets", &id), Value::of(&true))).collect();
    edit
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_has_a_greatest_size_and_what_makes_it_no_larger_is_always_taken() {
    let centre = Centre::open().await;
    let mut wei = centre.enrol(&centre.person("wei", Role::GridMember, GRID, false)).await;
    let report = wei.event("专项排查", GRID);
    let record = report.record;
    applied(&wei.sync(vec![report]).await, 0);
    wei.catch_up().await;
    let many: Vec<Edit> = (0..5).map(|_| targets(&mut wei, record, 450)).collect();
    let answer = wei.sync(many).await;
    assert_eq!(taken(&answer), WRITES_A_PART / 450);
    wei.catch_up().await;
    let full = wei.confirmed[&(record, Part::Open)].all_live().count();
    assert!(full <= WRITES_A_PART && full + 450 > WRITES_A_PART);

    // The centre has room left.
    let mut staff = centre.enrol(&centre.person("staff", Role::CenterStaff, TOWN, false)).await;
    staff.catch_up().await;
    let more = targets(&mut staff, record, 450);
    applied(&staff.sync(vec![more]).await, 0);
    wei.catch_up().await;

    // Beyond it not one more; another title in place of the one that stands there, and targets taken off.
    let one = targets(&mut wei, record, 1);
    assert_eq!(taken(&wei.sync(vec![one]).await), 0);
    let title = wei.edit(record, RecordKind::Event, Part::Open, &[("title", Value::text("春季排查"))]);
    let mut off = wei.edit(record, RecordKind::Event, Part::Open, &[]);
    let standing = wei.confirmed[&(record, Part::Open)].paths().filter(|path| path.field_name() == "targets");
    let taken_off: BTreeMap<Path, Value> = standing.take(400).map(|path| (path.clone(), Value::null())).collect();
    (off.form, off.writes) = (2, taken_off);
    applied(&wei.sync(vec![title, off]).await, 1);
    wei.catch_up().await;
    assert_eq!(wei.shown(record, "title"), "春季排查");
    staff.catch_up().await;
    let delete = staff.edit(record, RecordKind::Event, Part::Open, &[("deleted", Value::of(&true))]);
    applied(&staff.sync(vec![delete]).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_long_texts_nor_contexts_of_another_time_fill_a_record_without_end() {
    let centre = Centre::open().await;
    let mut wei = centre.enrol(&centre.person("wei", Role::GridMember, GRID, false)).await;
    let who = resident(&mut wei, "张伟", GRID, &[]).await;
    wei.catch_up().await;
    // Fields that only a newer version knows: carried, whatever they say.
    let long = Value::text(&"长".repeat(80_000));
    let mut kept = 0;
    for n in 0..12 {
        let edit = wei.change(who, &[(format!("later_{n}").as_str(), long.clone())]);
        kept += taken(&wei.sync(vec![edit]).await);
    }
    assert_eq!(kept, PART_BYTES / long.json().len());

    // One read in no epoch at all: what it claims to have seen would be kept for every field it writes.
    let other = resident(&mut wei, "李强", GRID, &[]).await;
    wei.catch_up().await;
    let fields: Vec<(String, Value)> = (0..400).map(|n| (format!("later_{n}"), Value::of(&n))).collect();
    let fields: Vec<(&str, Value)> = fields.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    let mut forged = wei.change(other, &fields);
    forged.epoch = 0;
    forged.context = (1..=1_000).map(|slot| Dot { slot: Slot(slot), n: 9 }).collect();
    assert_eq!(taken(&wei.sync(vec![forged]).await), 0);
    let phone = wei.change(other, &[("phone", Value::text("13912345678"))]);
    applied(&wei.sync(vec![phone]).await, 0);
}
