//! The one rule: whatever order keeps each slot's own order, and whatever is repeated, the record is the same; and its
//! live writes are those of a model that keeps every edit and applies the definition.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop at what it did not expect")]

mod history;

use std::collections::{BTreeMap, BTreeSet};

use history::{Delivery, History, histories, path};
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;
use shared::edit::Edit;
use shared::ids::Dot;
use shared::merge::{Applied, Deletion, PartState};
use shared::path::Path;
use shared::value::Value;

type Live = BTreeMap<Path, BTreeSet<(Dot, Value)>>;

/// The definition, word for word: a write is live unless another write to the same path has a context that covers its
/// dot; a context read in one epoch covers nothing whose own context was read in a later one. Keeps all edits and knows
/// no order.
fn live_by_definition<'a>(edits: impl IntoIterator<Item = &'a Edit>) -> Live {
    let mut writes: BTreeMap<&Path, Vec<(&Edit, &Value)>> = BTreeMap::new();
    for edit in edits {
        for (path, value) in &edit.writes {
            writes.entry(path).or_default().push((edit, value));
        }
    }
    let mut live = Live::new();
    for (path, writes) in writes {
        for (edit, value) in &writes {
            if !writes.iter().any(|(other, _)| other.dot != edit.dot && covers(other, edit)) {
                live.entry(path.clone()).or_default().insert((edit.dot, (*value).clone()));
            }
        }
    }
    live
}

fn covers(other: &Edit, edit: &Edit) -> bool {
    other.context.covers(edit.dot) && other.epoch >= edit.epoch
}

/// A delete that lives, and all that lives besides was seen by such deletes.
fn deletion_by_definition(edits: &[Edit], live: &Live) -> Deletion {
    let deletes: Vec<&Edit> = live
        .get(&path("deleted"))
        .into_iter()
        .flatten()
        .filter(|(_, value)| !value.is_null())
        .filter_map(|(dot, _)| edits.iter().find(|edit| edit.dot == *dot))
        .collect();
    let edit_at = |dot: Dot| edits.iter().find(|edit| edit.dot == dot);
    let seen = |dot: Dot| deletes.iter().any(|delete| edit_at(dot).is_some_and(|edit| covers(delete, edit)));
    let others = live.iter().filter(|(path, _)| path.as_str() != "deleted");
    match (deletes.is_empty(), others.flat_map(|(_, live)| live).all(|(dot, _)| seen(*dot))) {
        (true, _) => Deletion::Present,
        (false, true) => Deletion::Deleted,
        (false, false) => Deletion::Revived,
    }
}

fn live_of(part: &PartState) -> Live {
    let mut live = Live::new();
    for (path, write) in part.all_live() {
        live.entry(path.clone()).or_default().insert((write.dot, write.value.clone()));
    }
    live
}

fn apply_all<'a>(edits: impl IntoIterator<Item = &'a Edit>) -> PartState {
    let mut part = PartState::default();
    for edit in edits {
        part.apply(edit);
    }
    part
}

fn check(history: &History, deliveries: &[Delivery]) -> TestCaseResult {
    let first = apply_all(&history.edits);
    let live = live_by_definition(&history.edits);
    prop_assert_eq!(&live_of(&first), &live, "live writes");
    prop_assert_eq!(first.deletion(), deletion_by_definition(&history.edits, &live), "deletion");
    // Every write that lives is known with its whole head, and no head without a live write is kept.
    let heads: BTreeSet<Dot> = first.all_live().map(|(_, write)| write.dot).collect();
    let json = serde_json::to_value(&first).map_err(|error| TestCaseError::fail(error.to_string()))?;
    prop_assert_eq!(json["heads"].as_array().map(Vec::len), Some(heads.len()), "heads");
    prop_assert!(json.get("beyond").is_none(), "all is delivered, so nothing lies beyond the vector");

    for delivery in deliveries {
        let arrived = delivery.of(history);
        let mut part = PartState::default();
        for edit in &arrived {
            let known = part.vector().covers(edit.dot);
            prop_assert_eq!(part.apply(edit) == Applied::Repeated, known);
            // What is stored and read again in the middle goes on as if nothing had happened.
            if delivery.stored_after == Some(edit.dot) {
                let text = serde_json::to_string(&part).map_err(|error| TestCaseError::fail(error.to_string()))?;
                let read: PartState = shared::json::from_slice(text.as_bytes())
                    .map_err(|error| TestCaseError::fail(error.to_string()))?;
                prop_assert_eq!(&read, &part, "stored and read");
                part = read;
            }
        }
        prop_assert_eq!(&part, &first, "another order");
    }
    Ok(())
}

proptest! {
    // 2,000 histories of 100 edits by 5 writers, each in its causal order and in three others. Most of the time of a
    // run goes into the model.
    #![proptest_config(ProptestConfig { cases: 2_000, max_shrink_iters: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn every_order_and_any_repetition_give_what_the_definition_says(
        history in histories(5, 100),
        deliveries in prop::array::uniform3(any::<Delivery>()),
    ) {
        check(&history, &deliveries)?;
    }
}

/// A writer who lies: contexts that claim to have seen what nobody has written yet, said to be read in an epoch long
/// gone, so that the server does not clip them.
fn with_lies(history: &History, lies: &[(u16, u8, u16)]) -> History {
    let mut edits = history.edits.clone();
    for (which, slot, n) in lies {
        let which = usize::from(*which) % edits.len();
        edits[which].context.observe(Dot { slot: shared::ids::Slot(u64::from(*slot % 6) + 1), n: u64::from(*n) });
    }
    History { edits }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, max_shrink_iters: 2_000, ..ProptestConfig::default() })]

    /// Nor do lies break it: the order of arrival cannot matter whatever contexts say, and a write read in the present
    /// epoch is superseded by none that claims an earlier one.
    #[test]
    fn lying_contexts_give_the_same_record_in_every_order(
        history in histories(5, 60),
        lies in prop::collection::vec(any::<(u16, u8, u16)>(), 1..12),
        deliveries in prop::array::uniform3(any::<Delivery>()),
    ) {
        let history = with_lies(&history, &lies);
        let live = live_by_definition(&history.edits);
        for delivery in &deliveries {
            let mut part = PartState::default();
            for edit in delivery.of(&history) {
                part.apply(edit);
            }
            prop_assert_eq!(&live_of(&part), &live);
        }
        let present = history.edits.iter().map(|edit| edit.epoch).max().unwrap_or(1);
        for (edit, path) in history.edits.iter().filter(|it| it.epoch == present).flat_map(|edit| {
            edit.writes.keys().map(move |path| (edit, path))
        }) {
            let lives = live.get(path).into_iter().flatten().any(|(dot, _)| *dot == edit.dot);
            let seen_now = history.edits.iter().any(|other| {
                other.dot != edit.dot && other.epoch == present && other.writes.contains_key(path) && other.context.covers(edit.dot)
            });
            prop_assert_eq!(lives, !seen_now);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, max_shrink_iters: 5_000, ..ProptestConfig::default() })]

    /// The state after *each* arrival is what the definition says of the edits that have arrived, too: what is held
    /// beyond the vector buries a superseded edit that comes late.
    #[test]
    fn at_every_moment_the_live_writes_are_those_of_what_has_arrived(
        history in histories(4, 14),
        delivery in any::<Delivery>(),
    ) {
        let mut part = PartState::default();
        let mut arrived: Vec<Edit> = Vec::new();
        for edit in delivery.of(&history) {
            if part.apply(edit) == Applied::Fresh {
                arrived.push(edit.clone());
            }
            let live = live_by_definition(&arrived);
            prop_assert_eq!(part.deletion(), deletion_by_definition(&arrived, &live));
            prop_assert_eq!(live_of(&part), live);
        }
    }
}
