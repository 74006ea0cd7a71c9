//! The state of a part and its views, by example: 待核对, sets, logs, deletes, what is stored and what is refused.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop at what it did not expect")]

mod history;

use history::{at, author, path};
use serde_json::json;
use shared::author::Role;
use shared::edit::Edit;
use shared::ids::{Dot, EditId, RecordId, Slot};
use shared::json;
use shared::merge::{Applied, Deletion, PartState};
use shared::path::Path;
use shared::record::{Part, RecordKind};
use shared::value::Value;
use shared::vector::{Relation, VectorTimestamp};
use shared::view::{self, One};
use uuid::Uuid;

fn dot(slot: u64, n: u64) -> Dot {
    Dot { slot: Slot(slot), n }
}

fn seen(dots: &[Dot]) -> VectorTimestamp {
    dots.iter().copied().collect()
}

/// One save: `n`-th of `slot`, `minute` by its own clock.
fn save(dot: Dot, context: &VectorTimestamp, minute: i64, writes: serde_json::Value) -> Edit {
    Edit {
        id: EditId(Uuid::from_u64_pair(dot.slot.0, dot.n)),
        record: RecordId(Uuid::from_u128(1)),
        kind: RecordKind::Person,
        part: Part::Open,
        dot,
        context: context.clone(),
        epoch: 1,
        at: at(minute * 60_000),
        zone: 480,
        author: author(dot.slot.0, Role::GridMember),
        form: 1,
        writes: writes.as_object().unwrap().iter().map(|(name, value)| (path(name), Value::of(value))).collect(),
    }
}

fn applied(edits: &[Edit]) -> PartState {
    let mut part = PartState::default();
    for edit in edits {
        assert_eq!(part.apply(edit), Applied::Fresh);
    }
    part
}

fn texts(writes: &[shared::merge::LiveWrite<'_>]) -> Vec<String> {
    writes.iter().map(|write| write.value.plain()).collect()
}

#[test]
fn two_phones_are_to_be_decided_and_the_address_is_not() {
    let created = save(dot(1, 1), &seen(&[]), 0, json!({"name": "周文博", "phone": "1", "address": "甲"}));
    let read = seen(&[dot(1, 1)]);
    let a = save(dot(1, 2), &read, 9, json!({"phone": "2"}));
    let b = save(dot(2, 1), &read, 5, json!({"phone": "3", "address": "乙"}));
    let mut part = applied(&[created, a, b]);
    // The first by its clock leads; both stand.
    let One::Open(open) = view::one(&part, "phone") else { panic!("no question") };
    assert_eq!(texts(&open), ["3", "2"]);
    assert_eq!(view::one(&part, "address").leading().unwrap().value.plain(), "乙");
    assert_eq!(view::open_fields(&part, ["name", "phone", "address"].into_iter()), ["phone"]);
    // Deciding is an edit that saw both.
    part.apply(&save(dot(3, 1), part.vector(), 20, json!({"phone": "2"})));
    assert!(matches!(view::one(&part, "phone"), One::Agreed(write) if write.value.plain() == "2"));
}

#[test]
fn the_same_value_twice_is_no_question_but_both_writes_live() {
    let a = save(dot(1, 1), &seen(&[]), 0, json!({"phone": "2"}));
    let b = save(dot(2, 1), &seen(&[]), 0, json!({"phone": "2"}));
    let part = applied(&[a, b]);
    assert!(!view::one(&part, "phone").is_open());
    assert_eq!(part.live(&path("phone")).count(), 2);
}

#[test]
fn clearing_against_changing_is_to_be_decided() {
    let created = save(dot(1, 1), &seen(&[]), 0, json!({"phone": "1"}));
    let read = seen(&[dot(1, 1)]);
    let cleared = save(dot(1, 2), &read, 1, json!({"phone": null}));
    let changed = save(dot(2, 1), &read, 2, json!({"phone": "2"}));
    let part = applied(&[created, cleared, changed]);
    assert!(view::one(&part, "phone").is_open());
    // A cleared value leads with nothing to show.
    assert_eq!(view::shown(&part, "phone", view::Policy::One), None);
    assert!(matches!(view::one(&part, "nothing"), One::Absent));
}

#[test]
fn the_newest_position_is_shown_and_nobody_asked() {
    let a = save(dot(1, 1), &seen(&[]), 9, json!({"condition": "good"}));
    let b = save(dot(2, 1), &seen(&[]), 5, json!({"condition": "damaged"}));
    let part = applied(&[a, b]);
    assert_eq!(view::latest(&part, "condition").unwrap().value.plain(), "good");
    let cleared = save(dot(3, 1), part.vector(), 10, json!({"condition": null}));
    let mut part = part;
    part.apply(&cleared);
    assert_eq!(view::latest(&part, "condition"), None);
}

#[test]
fn an_element_is_present_if_anybody_says_so() {
    let a = save(dot(1, 1), &seen(&[]), 0, json!({"tags/a": true, "tags/b": true, "tagsy/c": true, "tags-": 1}));
    let read = seen(&[dot(1, 1)]);
    let taken = save(dot(1, 2), &read, 1, json!({"tags/a": null, "tags/b": null}));
    let again = save(dot(2, 1), &read, 2, json!({"tags/b": {"since": 3}}));
    let part = applied(&[a, taken, again]);
    let there: Vec<_> =
        view::many(&part, "tags").into_iter().map(|(name, write)| (name, write.value.plain())).collect();
    assert_eq!(there, [("b", r#"{"since":3}"#.to_owned())]);
}

#[test]
fn a_log_is_in_causal_order_whatever_the_clocks_say() {
    let a = save(dot(1, 1), &seen(&[]), 90, json!({"remarks/1": "一"}));
    let b = save(dot(2, 1), &seen(&[dot(1, 1)]), 10, json!({"remarks/2": "二"}));
    let c = save(dot(3, 1), &seen(&[]), 50, json!({"remarks/3": "三"}));
    let part = applied(&[c, a, b]);
    let said: Vec<_> = view::log(&part, "remarks").into_iter().map(|(_, write)| write.value.plain()).collect();
    // 三 is concurrent with both and comes by its clock: before 一, which stands at 90.
    assert_eq!(said, ["三", "一", "二"]);
}

#[test]
fn a_delete_hides_until_somebody_wrote_what_it_did_not_see() {
    let created = save(dot(1, 1), &seen(&[]), 0, json!({"name": "周文博"}));
    let read = seen(&[dot(1, 1)]);
    let deleted = save(dot(1, 2), &read, 1, json!({"deleted": true}));
    let mut part = applied(&[created, deleted]);
    assert_eq!(part.deletion(), Deletion::Deleted);
    // It removes nothing.
    assert_eq!(view::one(&part, "name").leading().unwrap().value.plain(), "周文博");
    let unaware = save(dot(2, 1), &read, 2, json!({"phone": "1"}));
    part.apply(&unaware);
    assert_eq!(part.deletion(), Deletion::Revived);
    // Deleted again by somebody who has seen all of it; then restored.
    part.apply(&save(dot(3, 1), part.vector(), 3, json!({"deleted": true})));
    assert_eq!(part.deletion(), Deletion::Deleted);
    part.apply(&save(dot(3, 2), part.vector(), 4, json!({"deleted": null})));
    assert_eq!(part.deletion(), Deletion::Present);
}

#[test]
fn a_superseded_edit_that_arrives_late_stays_superseded() {
    let old = save(dot(1, 1), &seen(&[]), 0, json!({"phone": "1"}));
    let newer = save(dot(2, 1), &seen(&[dot(1, 1)]), 1, json!({"phone": "2"}));
    // The newer one first, as after a restore.
    let mut part = applied(&[newer]);
    let held = serde_json::to_value(&part).unwrap();
    assert_eq!(held["beyond"], json!({"phone": {"1": {"1": 1}}}));
    let mut part_read: PartState = serde_json::from_value(held).unwrap();
    for part in [&mut part, &mut part_read] {
        part.apply(&old);
        assert_eq!(view::one(part, "phone").leading().unwrap().value.plain(), "2");
        assert!(serde_json::to_value(&*part).unwrap().get("beyond").is_none(), "dropped once caught up");
    }
    assert_eq!(part, part_read);
}

#[test]
fn what_is_stored_is_read_again_byte_for_byte() {
    let odd = r#"{"b": 1.50,  "a":[1e3, "\u4e2d"]}"#;
    let raw: Value = serde_json::from_str(odd).unwrap();
    let mut edit = save(dot(1, 1), &seen(&[dot(9, 9)]), 0, json!({"name": "周文博"}));
    edit.writes.insert(path("of_version_2/x"), raw);
    let part = applied(&[edit]);
    let text = serde_json::to_string(&part).unwrap();
    assert!(text.contains(odd), "a value of a field not known here keeps its bytes");
    let read: PartState = json::from_slice(text.as_bytes()).unwrap();
    assert_eq!(read, part);
    assert_eq!(serde_json::to_string(&read).unwrap(), text);
}

#[test]
fn bytes_that_are_no_part_are_refused() {
    let part = applied(&[save(dot(1, 1), &seen(&[]), 0, json!({"name": "周文博"}))]);
    let good = serde_json::to_value(&part).unwrap();
    let bad = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut value = good.clone();
        change(&mut value);
        let text = value.to_string();
        json::from_slice::<PartState>(text.as_bytes()).is_err()
    };
    assert!(!bad(&|_| {}));
    assert!(bad(&|value| value["live"]["name"][0][0] = json!(7)), "a head that is not there");
    assert!(bad(&|value| value["vector"] = json!({"1": 0})), "a dot beyond the vector");
    assert!(bad(&|value| value["live"]["name"] = json!([[0, "a"], [0, "b"]])), "two writes of one edit at one path");
    assert!(bad(&|value| {
        let head = value["heads"][0].clone();
        value["heads"] = json!([head, head]);
    }));
    let twice = good.to_string().replacen("\"vector\":", "\"vector\":{},\"vector\":", 1);
    assert!(json::from_slice::<PartState>(twice.as_bytes()).is_err(), "a key twice");
    // The types refuse it by themselves: a page of the feed is not looked through beforehand.
    let text = good.to_string();
    let name = text.split_once("\"live\":{").unwrap().1.split_once('}').unwrap().0;
    for twice in [
        twice,
        text.replacen("\"vector\":{", "\"vector\":{\"1\":1,", 1),
        text.replacen("\"live\":{", &format!("\"live\":{{{name},"), 1),
        text.replacen("\"live\":{", &format!("\"live\":{{{name},\"a\":[[0,1]],"), 1),
    ] {
        assert!(serde_json::from_str::<PartState>(&twice).is_err(), "{twice}");
    }
}

#[test]
fn an_edit_travels_strictly() {
    let edit = save(dot(1, 1), &seen(&[dot(2, 3)]), 0, json!({"name": "周文博"}));
    let text = serde_json::to_string(&edit).unwrap();
    assert_eq!(json::from_slice::<Edit>(text.as_bytes()).unwrap(), edit);
    let with_more = text.replacen('{', "{\"admin\":true,", 1);
    assert!(json::from_slice::<Edit>(with_more.as_bytes()).is_err(), "an unknown member");
    for bad in ["", "/", "a/", "/a", &"x".repeat(301)] {
        assert!(bad.parse::<Path>().is_err(), "{bad}");
    }
    assert_eq!(path("tags/a/b").element_name(), Some("a/b"));
}

#[test]
fn an_informant_is_a_role_to_others() {
    let mut edit = save(dot(1, 1), &seen(&[]), 0, json!({"title": "井盖破损"}));
    edit.author = author(4, Role::Informant);
    let mut part = applied(&[edit]);
    part.apply(&save(dot(2, 1), &seen(&[]), 0, json!({"urgency": "urgent"})));
    let masked = part.clone().with_masked_authors();
    let text = serde_json::to_string(&masked).unwrap();
    let known: Vec<_> = masked.all_live().map(|(_, write)| write.head.author.user.is_some()).collect();
    assert_eq!(known, [false, true]);
    assert!(!text.contains(&part.live(&path("title")).next().unwrap().head.author.user.unwrap().to_string()));
}

#[test]
fn vectors_compare() {
    let (a, b) = (seen(&[dot(1, 2), dot(2, 1)]), seen(&[dot(1, 1), dot(3, 1)]));
    assert_eq!(a.compare(&b), Relation::Concurrent);
    assert_eq!(a.compare(&a), Relation::Equal);
    assert_eq!(seen(&[dot(1, 1)]).compare(&a), Relation::Before);
    assert_eq!(a.compare(&VectorTimestamp::new()), Relation::After);
    assert_eq!(a.clipped_to(&b), seen(&[dot(1, 1)]));
    assert_eq!(a.beyond(&b), a);
}
