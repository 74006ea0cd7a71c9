//! Histories as offline handhelds make them: a few writers, each seeing what it has fetched, with clocks that lie.

#![allow(dead_code, reason = "each test file uses its part of this")]

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use proptest::prelude::*;
use shared::author::{Author, Role};
use shared::edit::Edit;
use shared::ids::{Dot, EditId, RecordId, Slot, UserId};
use shared::path::Path;
use shared::record::{Part, RecordKind};
use shared::value::Value;
use shared::vector::VectorTimestamp;
use uuid::Uuid;

/// A path from its text.
pub fn path(text: &str) -> Path {
    text.parse().unwrap()
}

/// All edits ever saved of one part, in an order in which each follows what it has seen.
#[derive(Debug, Clone)]
pub struct History {
    pub edits: Vec<Edit>,
}

/// One order of arrival, given by random numbers so that it shrinks.
#[derive(Debug, Clone)]
pub struct Delivery {
    choices: Vec<u16>,
    repeats: Vec<u16>,
    pub stored_after: Option<Dot>,
}

impl Arbitrary for Delivery {
    type Parameters = ();
    type Strategy = BoxedStrategy<Self>;

    fn arbitrary_with((): ()) -> Self::Strategy {
        (prop::collection::vec(any::<u16>(), 100), prop::collection::vec(any::<u16>(), 0..20), 1..6_u64, 1..30_u64)
            .prop_map(|(choices, repeats, slot, n)| Self {
                choices,
                repeats,
                stored_after: Some(Dot { slot: Slot(slot), n }),
            })
            .boxed()
    }
}

impl Delivery {
    /// The edits in this order of arrival: each slot's own order is kept, nothing else; some come again later. An edit
    /// may come long before what it has seen: that is when something lies beyond the vector.
    pub fn of<'a>(&self, history: &'a History) -> Vec<&'a Edit> {
        let mut lanes: BTreeMap<Slot, Vec<&Edit>> = BTreeMap::new();
        for edit in history.edits.iter().rev() {
            lanes.entry(edit.dot.slot).or_default().push(edit);
        }
        let mut arrived = Vec::with_capacity(history.edits.len() + self.repeats.len());
        for place in 0..history.edits.len() {
            let open: Vec<Slot> = lanes.iter().filter(|(_, lane)| !lane.is_empty()).map(|(slot, _)| *slot).collect();
            let choice = usize::from(self.choices.get(place).copied().unwrap_or(0));
            // The low bits choose a slot; every eighth choice lets one slot run far ahead of the others.
            let slot = if choice.is_multiple_of(8) { open[0] } else { open[(choice / 8) % open.len()] };
            arrived.extend(lanes.get_mut(&slot).and_then(Vec::pop));
        }
        for repeat in &self.repeats {
            let again = usize::from(*repeat) % arrived.len().max(1);
            let later = again + usize::from(*repeat / 7) % (arrived.len() - again + 1);
            if let Some(edit) = arrived.get(again).copied() {
                arrived.insert(later.max(again), edit);
            }
        }
        arrived
    }
}

/// What happens next in a town of a few handhelds.
#[derive(Debug, Clone)]
enum Happens {
    /// A handheld saves with what it has on the screen.
    Save { by: usize, writes: Vec<(u8, u8)>, skew: i64 },
    /// A handheld fetches what the server has (all it was sent).
    Fetch { by: usize },
    /// A handheld sends what it has.
    Send { by: usize },
    /// The server was restored: who fetches from now on reads in a new epoch.
    Restored,
}

/// The writes come from small domains so that paths and values meet: two fields, elements of a set, a log, the delete.
fn write(choice: u8, value: u8, id: EditId) -> (Path, Value) {
    let text = |value: u8| Value::text(["13900000001", "13900000002", "13900000003"][usize::from(value) % 3]);
    match choice % 16 {
        0..4 => (path("phone"), text(value)),
        4..7 => (path("name"), if value.is_multiple_of(5) { Value::null() } else { text(value) }),
        7..10 => (Path::element("tags", ["a", "b"][usize::from(value) % 2]), presence(value)),
        10 => (Path::element("photos", "a"), presence(value)),
        11..14 => (Path::entry("steps", id), text(value)),
        _ => (path("deleted"), if value.is_multiple_of(3) { Value::null() } else { Value::of(&true) }),
    }
}

fn presence(value: u8) -> Value {
    match value % 3 {
        0 => Value::null(),
        1 => Value::of(&true),
        _ => Value::of(&serde_json::json!({"at": value})),
    }
}

fn happens(writers: usize) -> impl Strategy<Value = Happens> {
    let by = 0..writers;
    let writes = prop::collection::vec(any::<(u8, u8)>(), 1..4);
    // Ten years of skew either way.
    let skew = prop_oneof![3 => Just(0_i64), 1 => -315_360_000_000..315_360_000_000_i64];
    prop_oneof![
        5 => (by.clone(), writes, skew).prop_map(|(by, writes, skew)| Happens::Save { by, writes, skew }),
        2 => by.clone().prop_map(|by| Happens::Fetch { by }),
        2 => by.prop_map(|by| Happens::Send { by }),
        1 => prop::bool::weighted(0.2).prop_map(|restored| if restored { Happens::Restored } else { Happens::Send { by: 0 } }),
    ]
}

/// How the numbers of a save become a write.
pub type Writes = fn(u8, u8, EditId) -> (Path, Value);

/// Histories of exactly `saves` edits of anything by `writers` writers.
pub fn histories(writers: usize, saves: usize) -> impl Strategy<Value = History> {
    histories_of(RecordKind::Person, write, writers, saves)
}

/// Histories of exactly `saves` edits by `writers` writers whose writes are `writes`.
pub fn histories_of(kind: RecordKind, writes: Writes, writers: usize, saves: usize) -> impl Strategy<Value = History> {
    // About five ninths of what happens are saves.
    let enough = saves * 9 / 5 + 40;
    prop::collection::vec(happens(writers), saves.min(8)..=enough).prop_perturb(move |mut happening, mut random| {
        // The length of the list is random so that it shrinks; fill up to the full number of saves.
        let count = happening.iter().filter(|it| matches!(it, Happens::Save { .. })).count();
        for _ in count..saves {
            let by = usize::try_from(random.next_u32()).unwrap() % writers;
            let [a, b, c, ..] = random.next_u32().to_le_bytes();
            happening.push(Happens::Save { by, writes: vec![(a, b)], skew: i64::from(c) });
            if c.is_multiple_of(2) {
                happening.push(Happens::Send { by });
                happening.push(Happens::Fetch { by: usize::from(a) % writers });
            }
        }
        play(kind, writes, writers, saves, &happening)
    })
}

fn play(kind: RecordKind, writes_of: Writes, writers: usize, saves: usize, happening: &[Happens]) -> History {
    let mut edits: Vec<Edit> = Vec::with_capacity(saves);
    let mut counts = vec![0_u64; writers];
    let mut screens = vec![VectorTimestamp::new(); writers];
    let mut server = VectorTimestamp::new();
    let mut epoch = 1;
    let mut read_in = vec![1; writers];
    for (tick, it) in happening.iter().enumerate() {
        match it {
            Happens::Fetch { by } => {
                let server = server.clone();
                screens[*by].join(&server);
                read_in[*by] = epoch;
            }
            Happens::Restored => epoch += 1,
            Happens::Send { by } => {
                // A handheld sends its own edits only; the server's vector gains the dots of that slot.
                let own = Dot { slot: Slot(*by as u64 + 1), n: counts[*by] };
                if own.n > 0 {
                    server.observe(own);
                }
            }
            Happens::Save { by, writes, skew } if edits.len() < saves => {
                counts[*by] += 1;
                let dot = Dot { slot: Slot(*by as u64 + 1), n: counts[*by] };
                let id = EditId(Uuid::from_u64_pair(dot.slot.0, dot.n));
                edits.push(Edit {
                    id,
                    record: RecordId(Uuid::from_u128(1)),
                    kind,
                    part: Part::Open,
                    dot,
                    context: screens[*by].clone(),
                    epoch: read_in[*by],
                    at: at(tick as i64 * 1_000 + skew),
                    zone: 480,
                    author: author(dot.slot.0, Role::ALL[usize::try_from(dot.slot.0).unwrap() % 7]),
                    form: 1,
                    writes: writes.iter().map(|(choice, value)| writes_of(*choice, *value, id)).collect(),
                });
                // Now and then the form was opened before the own last save: a screen need not show it.
                if skew % 5 != 1 {
                    screens[*by].observe(dot);
                }
            }
            Happens::Save { .. } => {}
        }
    }
    History { edits }
}

/// A device's time, in milliseconds after an arbitrary beginning.
pub fn at(millis: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(1_795_000_000_000 + millis).unwrap()
}

/// Somebody.
pub fn author(user: u64, role: Role) -> Arc<Author> {
    Arc::new(Author { user: Some(UserId(Uuid::from_u64_pair(7, user))), name: format!("{user}"), role })
}
