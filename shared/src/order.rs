//! Causal order: what was seen comes before who saw it; ties by a key of the caller's.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::Dot;
use crate::vector::VectorTimestamp;

/// The places of `items` so that an item follows every item whose dot its context covers, and of those free to come
/// next the one with the smallest key is first. A circle of contexts, which only a forger makes, is broken at its
/// smallest key.
///
/// Each item waits for one unseen predecessor at a time, so that a log of thousands of entries does not cost its
/// square.
pub fn causal<K: Ord + Copy>(items: &[(Dot, &VectorTimestamp, K)]) -> Vec<usize> {
    let mut pending: BTreeMap<Dot, usize> = BTreeMap::new();
    for (dot, ..) in items {
        *pending.entry(*dot).or_default() += 1;
    }
    let mut free: BTreeSet<(K, usize)> = BTreeSet::new();
    let mut waiting: BTreeMap<Dot, Vec<usize>> = BTreeMap::new();
    let mut unplaced: BTreeSet<(K, usize)> = BTreeSet::new();
    for (place, item) in items.iter().enumerate() {
        unplaced.insert((item.2, place));
        match blocker(item, &pending) {
            Some(dot) => waiting.entry(dot).or_default().push(place),
            None => drop(free.insert((item.2, place))),
        }
    }
    let mut ordered = Vec::with_capacity(items.len());
    while let Some(next) = free.pop_first().or_else(|| unplaced.first().copied()) {
        if !unplaced.remove(&next) {
            continue;
        }
        ordered.push(next.1);
        let Some((dot, ..)) = items.get(next.1) else { continue };
        let Some(count) = pending.get_mut(dot) else { continue };
        *count -= 1;
        if *count > 0 {
            continue;
        }
        pending.remove(dot);
        for place in waiting.remove(dot).unwrap_or_default() {
            let Some(item) = items.get(place).filter(|item| unplaced.contains(&(item.2, place))) else { continue };
            match blocker(item, &pending) {
                Some(dot) => waiting.entry(dot).or_default().push(place),
                None => drop(free.insert((item.2, place))),
            }
        }
    }
    ordered
}

/// A dot still pending that the item has seen.
fn blocker<K>((own, context, _): &(Dot, &VectorTimestamp, K), pending: &BTreeMap<Dot, usize>) -> Option<Dot> {
    context.iter().find_map(|last| {
        let first = Dot { slot: last.slot, n: 0 };
        pending.range(first..=last).map(|(dot, _)| *dot).find(|dot| dot != own)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Slot;

    fn dot(slot: u64, n: u64) -> Dot {
        Dot { slot: Slot(slot), n }
    }

    #[test]
    fn what_was_seen_comes_first_whatever_the_key_says() {
        let nothing = VectorTimestamp::new();
        let saw_a: VectorTimestamp = [dot(1, 1)].into_iter().collect();
        let saw_both: VectorTimestamp = [dot(1, 1), dot(2, 1)].into_iter().collect();
        let items =
            [(dot(3, 1), &saw_both, 0), (dot(2, 1), &saw_a, 1), (dot(1, 1), &nothing, 9), (dot(4, 1), &nothing, 5)];
        assert_eq!(causal(&items), [3, 2, 1, 0]);
    }

    #[test]
    fn a_forged_circle_ends() {
        let of_two: VectorTimestamp = [dot(2, 1)].into_iter().collect();
        let of_one: VectorTimestamp = [dot(1, 1)].into_iter().collect();
        let items = [(dot(1, 1), &of_two, 2), (dot(2, 1), &of_one, 1), (dot(2, 1), &of_one, 1)];
        assert_eq!(causal(&items).len(), 3);
    }

    #[test]
    fn two_thousand_entries_in_a_row() {
        let contexts: Vec<VectorTimestamp> =
            (0..2_000_u64).map(|n| (1..=n).map(|n| dot(n % 50, n)).collect()).collect();
        let items: Vec<_> = contexts.iter().zip(1..).map(|(seen, n)| (dot(n % 50, n), seen, u64::MAX - n)).collect();
        assert_eq!(causal(&items), (0..2_000).collect::<Vec<_>>());
    }
}
