//! What changed since a cursor: pages of the feed as one reader may see it.

use std::collections::BTreeSet;

use serde_json::value::RawValue;
use shared::area::AreaTree;
use shared::author::Role;
use shared::ids::RecordId;
use shared::merge::PartState;
use shared::mutants::Mutant;
use shared::record::Part;
use shared::wire::Item;

use super::cursor::Position;
use crate::auth::Who;
use crate::auth::authorize::{Action, Reach, authorize, reads_by_scope, reads_visits};
use crate::store::{Asked, FeedWhat, Near, Read, ReaderKey, StoreError, StoredPart, bad_state, raw_state};

/// The most items of one page, unless [`crate::AppState::page_items`] says otherwise.
pub const ITEMS: usize = 4_000;
/// A page is full when its states have so many bytes of JSON.
const BYTES: usize = 2 * 1024 * 1024;

/// One page.
#[derive(Debug, Default)]
pub struct Page {
    /// What changed, in the order of the feed.
    pub items: Vec<Item>,
    /// Whether another page waits.
    pub more: bool,
    /// Parts whose stored text cannot be read: left out. Put right they come as a change.
    pub broken: Vec<(RecordId, Part)>,
}

/// The page after `position`, at most `most` items, which is moved to its end. Parts in `settled` are passed over: the
/// reader knows them.
pub fn page(
    read: &dyn Read,
    who: &Who,
    areas: &AreaTree,
    position: &mut Position,
    settled: &BTreeSet<(RecordId, Part)>,
    most: usize,
) -> Result<Page, StoreError> {
    let mut walk = Walk { page: Page::default(), bytes: 0, settled, most };
    for town in who.towns() {
        if town == read.town() {
            walk.on(read, who, areas, (&mut position.open, &mut position.restricted))?;
        } else {
            let (open, restricted) = position.elsewhere.entry(town).or_default();
            walk.on(&*read.beside(town), who, areas, (open, restricted))?;
        }
    }
    Ok(walk.page)
}

/// A page on its way.
struct Walk<'a> {
    page: Page,
    bytes: usize,
    settled: &'a BTreeSet<(RecordId, Part)>,
    most: usize,
}

impl Walk<'_> {
    /// Goes on along the feeds of one town, open and restricted.
    fn on(
        &mut self,
        read: &dyn Read,
        who: &Who,
        areas: &AreaTree,
        (open, restricted): (&mut u64, &mut u64),
    ) -> Result<(), StoreError> {
        let Self { page, bytes, settled, most } = self;
        let standing = read.standing()?;
        for part in parts(who) {
            let seen = match part {
                Part::Open => &mut *open,
                Part::Restricted => &mut *restricted,
            };
            if page.more {
                break;
            }
            // Nothing was changed since.
            if *seen >= standing.last(part) {
                continue;
            }
            read.feed_near(part, *seen, &near(who, Asked::Told), &mut |entry| {
                if page.items.len() >= *most || *bytes >= BYTES {
                    page.more = true;
                    return Ok(false);
                }
                match entry.what {
                    FeedWhat::Part { row, kind, areas: lies, readers, visit, anonymous } => {
                        let reach = Reach { kind, areas: lies, readers, visit };
                        let visible = authorize(who, Action::Read(part), Some(&reach), &reach, areas).is_ok();
                        if visible && !settled.contains(&(entry.record, part)) {
                            let state = read.told_state(part, entry.seq, row);
                            match state.and_then(|state| shown(who, &state, anonymous)) {
                                Ok(state) => {
                                    *bytes += state.get().len();
                                    page.items.push(Item {
                                        id: entry.record,
                                        part,
                                        kind: Some(kind),
                                        state: Some(state),
                                        erased: false,
                                    });
                                }
                                // One that was damaged does not keep all others from their reader.
                                Err(StoreError::Corrupt { .. }) => page.broken.push((entry.record, part)),
                                Err(error) => return Err(error),
                            }
                        }
                    }
                    FeedWhat::Left { key, erased } => {
                        let left = match erased {
                            // Whoever could not see records of this kind by their scope is not told of this one either.
                            Some(kind) => matches!(key, ReaderKey::User(_)) || reads_by_scope(who.user.role, kind),
                            None => !still_visible(read, who, areas, entry.record, part)?,
                        };
                        if saw_by(who, key) && left {
                            let erased = erased.is_some();
                            page.items.push(Item { id: entry.record, part, kind: None, state: None, erased });
                        }
                    }
                }
                *seen = (*seen).max(entry.seq);
                Ok(true)
            })?;
            // What lies elsewhere was passed over unseen.
            if !page.more {
                *seen = (*seen).max(standing.last(part));
            }
            // Planted mistake, see shared::mutants.
            if Mutant::CursorAhead.on() && !page.more {
                *seen = standing.last(part) + 1;
            }
        }
        Ok(())
    }
}

/// Parts as they are for this reader now, outside the order of the feed: what is not there for them is gone.
pub fn again(
    read: &dyn Read,
    who: &Who,
    areas: &AreaTree,
    asked: &[(RecordId, Part)],
) -> Result<Vec<Item>, StoreError> {
    let gone = |id, part| Item { id, part, kind: None, state: None, erased: false };
    let mut items = Vec::with_capacity(asked.len());
    for (record, part) in asked {
        let stored = wherever(read, who, *record, *part)?;
        let seen = stored.filter(|stored| {
            let reach = Reach::of(stored);
            authorize(who, Action::Read(*part), Some(&reach), &reach, areas).is_ok()
        });
        let Some(stored) = seen else {
            items.push(gone(*record, *part));
            continue;
        };
        match raw_state(stored.state).and_then(|state| shown(who, &state, stored.anonymous)) {
            Ok(state) => {
                let (kind, state) = (Some(stored.kind), Some(state));
                items.push(Item { id: *record, part: *part, kind, state, erased: false });
            }
            // It could not be put right: what the reader holds is all there is.
            Err(StoreError::Corrupt { .. }) => tracing::error!(%record, part = part.code(), "a state cannot be read"),
            Err(error) => return Err(error),
        }
    }
    Ok(items)
}

/// How many items a whole fill holds for this reader.
pub fn total(read: &dyn Read, who: &Who, areas: &AreaTree) -> Result<u64, StoreError> {
    let mut total = 0;
    for (there, part) in feeds(read, who) {
        there.feed_near(part, 0, &near(who, Asked::None), &mut |entry| {
            if let FeedWhat::Part { kind, areas: lies, readers, visit, .. } = entry.what {
                let reach = Reach { kind, areas: lies, readers, visit };
                total += u64::from(authorize(who, Action::Read(part), Some(&reach), &reach, areas).is_ok());
            }
            Ok(true)
        })?;
    }
    Ok(total)
}

/// What of a feed concerns a reader: see [`crate::auth::authorize::Action::Read`].
pub(super) fn near(who: &Who, states: Asked) -> Near {
    Near { lies: Some((who.scope.iter().collect(), who.user.id)), states }
}

/// The feeds that concern a reader, of every town they work in.
pub(super) fn feeds<'a>(read: &'a dyn Read, who: &'a Who) -> impl Iterator<Item = (Box<dyn Read + 'a>, Part)> {
    who.towns().flat_map(move |town| parts(who).map(move |part| (read.beside(town), part)))
}

/// A part, in whichever of the reader's towns it is.
fn wherever(read: &dyn Read, who: &Who, record: RecordId, part: Part) -> Result<Option<StoredPart>, StoreError> {
    let mut found = read.load_many(&[(record, part)])?.into_iter().next();
    // A record is in one town.
    for town in who.elsewhere.iter().chain([&who.user.town]) {
        if found.is_none() && *town != read.town() {
            found = read.beside(*town).load_many(&[(record, part)])?.into_iter().next();
        }
    }
    Ok(found)
}

/// Nobody who is not cleared walks the restricted feed at all.
pub(super) fn parts(who: &Who) -> impl Iterator<Item = Part> {
    let cleared = who.user.cleared;
    Part::ALL.into_iter().filter(move |part| *part == Part::Open || cleared)
}

/// Whether a part was seen by this key: so somebody who never could see it is not told that it left.
fn saw_by(who: &Who, key: ReaderKey) -> bool {
    match key {
        ReaderKey::Area(area) => who.scope.contains(area),
        ReaderKey::Visits(area) => who.scope.contains(area) && reads_visits(who.user.role),
        ReaderKey::User(user) => who.user.id == user,
    }
}

fn still_visible(
    read: &dyn Read,
    who: &Who,
    areas: &AreaTree,
    record: RecordId,
    part: Part,
) -> Result<bool, StoreError> {
    let Some(stored) = wherever(read, who, record, part)? else { return Ok(false) };
    let reach = Reach::of(&stored);
    // Of a kind that this role never saw by scope there is nothing to take back.
    let never = reach.readers.is_empty() && !reads_by_scope(who.user.role, reach.kind);
    Ok(never || authorize(who, Action::Read(part), Some(&reach), &reach, areas).is_ok())
}

/// Whether this reader may have to be shown masked authors instead of the stored text.
pub(super) fn is_masked(who: &Who, anonymous: bool) -> bool {
    anonymous && !knows_names(who)
}

/// The state as this reader may see it: passed on as it is stored unless an author has to be masked.
pub(super) fn shown(who: &Who, state: &RawValue, anonymous: bool) -> Result<Box<RawValue>, StoreError> {
    if is_masked(who, anonymous) {
        let part: PartState = serde_json::from_str(state.get()).map_err(bad_state)?;
        let others = part.all_live().any(|(_, write)| {
            write.head.author.role.is_anonymous_to_others() && write.head.author.user != Some(who.user.id)
        });
        if others {
            return serde_json::value::to_raw_value(&part.with_masked_authors()).map_err(bad_state);
        }
    }
    Ok(state.to_owned())
}

/// 实名仅中心可见
pub fn knows_names(who: &Who) -> bool {
    who.user.role == Role::CenterStaff
}
