//! The digest of what one reader holds (decision 8): summed up when asked, from the texts the feed would give.

use shared::area::AreaTree;
use shared::digest::{DEEPEST, LEAVES, Prefix, Sum, VERSION};
use shared::ids::RecordId;
use shared::record::Part;
use shared::wire::{Branch, DigestAnswer, DigestAsk};

use super::changes::{feeds, is_masked, near, shown};
use crate::auth::Who;
use crate::auth::authorize::{Action, Reach, authorize};
use crate::store::{Asked, FeedWhat, Read, StoreError, raw_state};

/// A branch while it is summed up.
struct Summing {
    part: Part,
    prefix: Prefix,
    count: u64,
    sum: Sum,
    below: [Sum; 16],
    /// No more than are told.
    leaves: Vec<(RecordId, Sum)>,
}

/// The sums of the branches asked for; none where the sides compare different things.
pub fn sums(read: &dyn Read, who: &Who, areas: &AreaTree, ask: &DigestAsk) -> Result<Option<DigestAnswer>, StoreError> {
    if ask.version != VERSION {
        return Ok(None);
    }
    let mut branches: Vec<Summing> = ask.branches.iter().map(|(part, prefix)| Summing::new(*part, prefix)).collect();
    for (there, part) in feeds(read, who) {
        let mut asked: Vec<&mut Summing> = branches.iter_mut().filter(|branch| branch.part == part).collect();
        if asked.is_empty() {
            continue;
        }
        let all = asked.iter().any(|branch| branch.prefix.as_str().is_empty());
        let states = if all { Asked::Stored } else { Asked::None };
        there.feed_near(part, 0, &near(who, states), &mut |entry| {
            let FeedWhat::Part { row, kind, areas: lies, readers, visit, anonymous } = entry.what else {
                return Ok(true);
            };
            let place = Prefix::of(entry.record, DEEPEST);
            // Most records lie elsewhere: of those nothing is read.
            if !asked.iter().any(|branch| place.as_str().starts_with(branch.prefix.as_str())) {
                return Ok(true);
            }
            let reach = Reach { kind, areas: lies, readers, visit };
            if authorize(who, Action::Read(part), Some(&reach), &reach, areas).is_err() {
                return Ok(true);
            }
            let text = there.feed_state(row)?;
            let leaf = |text: &str| Sum::leaf(entry.record, part, kind, text);
            let leaf = if is_masked(who, anonymous) {
                match raw_state(text).and_then(|state| shown(who, &state, anonymous)) {
                    Ok(state) => leaf(state.get()),
                    Err(StoreError::Corrupt { .. }) => leaf(""),
                    Err(error) => return Err(error),
                }
            } else {
                // As it is: what was damaged so that nobody can read it differs as well.
                leaf(&text)
            };
            for branch in asked.iter_mut().filter(|branch| place.as_str().starts_with(branch.prefix.as_str())) {
                branch.add(entry.record, &place, leaf);
            }
            Ok(true)
        })?;
    }
    Ok(Some(DigestAnswer { version: VERSION, branches: branches.into_iter().map(Summing::done).collect() }))
}

impl Summing {
    fn new(part: Part, prefix: &Prefix) -> Self {
        let (below, leaves) = (Default::default(), Vec::new());
        Self { part, prefix: prefix.clone(), count: 0, sum: Sum::default(), below, leaves }
    }

    fn add(&mut self, record: RecordId, place: &Prefix, leaf: Sum) {
        self.count += 1;
        self.sum.add(leaf);
        let digit = place.as_str().as_bytes().get(self.prefix.depth()).map(|digit| char::from(*digit));
        let digit = digit.and_then(|digit| digit.to_digit(16)).and_then(|digit| usize::try_from(digit).ok());
        if let Some(below) = digit.and_then(|digit| self.below.get_mut(digit)) {
            below.add(leaf);
        }
        if self.count <= LEAVES || self.prefix.depth() >= DEEPEST {
            self.leaves.push((record, leaf));
        }
    }

    fn done(self) -> Branch {
        let Self { part, prefix, count, sum, below, leaves } = self;
        let by_leaf = count <= LEAVES || prefix.depth() >= DEEPEST;
        let (below, leaves) = if by_leaf { (Vec::new(), leaves) } else { (below.to_vec(), Vec::new()) };
        Branch { part, prefix, count, sum, below, leaves }
    }
}
