//! The history of a record: every applied edit that the reader may see, with what it replaced.

use std::collections::BTreeMap;

use shared::area::AreaTree;
use shared::edit::Edit;
use shared::ids::RecordId;
use shared::path::Path;
use shared::record::Part;
use shared::value::Value;
use shared::wire::HistoryEntry;

use super::changes::knows_names;
use crate::auth::Who;
use crate::auth::authorize::{Action, Reach, authorize};
use crate::store::{Read, StoreError, StoredEdit};

/// The history, oldest first; `None` where there is no such record for this reader.
pub fn history(
    read: &dyn Read,
    who: &Who,
    areas: &AreaTree,
    record: RecordId,
) -> Result<Option<Vec<HistoryEntry>>, StoreError> {
    let Some(open) = read.load_many(&[(record, Part::Open)])?.into_iter().next() else { return Ok(None) };
    let reach = Reach::of(&open);
    let may = |part| authorize(who, Action::Read(part), Some(&reach), &reach, areas).is_ok();
    if !may(Part::Open) {
        return Ok(None);
    }
    let restricted = may(Part::Restricted);
    let mut edits = read.edits_of(record)?;
    edits.retain(|stored| stored.edit.part == Part::Open || restricted);
    let entries = edits.iter().enumerate().map(|(place, stored)| {
        let earlier = edits.get(..place).unwrap_or_default();
        let replaced = stored.edit.writes.keys().map(|path| (path.clone(), before(earlier, &stored.edit, path)));
        let replaced: BTreeMap<Path, Vec<Value>> = replaced.filter(|(_, values)| !values.is_empty()).collect();
        shown(who, stored, replaced)
    });
    Ok(Some(entries.collect()))
}

/// What stood at `path` for whoever made `edit`: the writes it had seen and that no write it had seen superseded.
fn before(earlier: &[StoredEdit], edit: &Edit, path: &Path) -> Vec<Value> {
    let seen: Vec<&Edit> = earlier
        .iter()
        .map(|stored| &stored.edit)
        .filter(|it| it.part == edit.part && edit.context.covers(it.dot) && it.writes.contains_key(path))
        .collect();
    let live = seen.iter().filter(|it| !seen.iter().any(|other| other.context.covers(it.dot)));
    live.filter_map(|it| it.writes.get(path).cloned()).collect()
}

fn shown(who: &Who, stored: &StoredEdit, replaced: BTreeMap<Path, Vec<Value>>) -> HistoryEntry {
    let mut edit = stored.edit.clone();
    let mut origin = stored.origin.clone();
    let own = edit.author.user == Some(who.user.id);
    if edit.author.role.is_anonymous_to_others() && !own && !knows_names(who) {
        edit.author = edit.author.masked().into();
        // The name of a private phone says who it is as well.
        origin.clear();
    }
    HistoryEntry { edit, replaced, origin }
}
