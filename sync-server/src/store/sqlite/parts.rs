//! Parts and the feed of them, out of rows; and which of them a filter wants.

use std::collections::{BTreeSet, HashMap};

use rusqlite::Row;
use rusqlite::types::ToSql;
use shared::area::AreaId;
use shared::ids::RecordId;
use shared::record::RecordKind;

use super::InTown;
use super::columns::{areas, count, int, key, kind, part, users, uuid};
use crate::store::common::first_made_at;
use crate::store::{FeedEntry, FeedWhat, PartFilter, StoreError, StoredPart, number_word};

/// The columns [`stored_part`] reads, in order.
pub const PART: &str = "p.record, p.part, p.kind, p.seq, p.areas, p.readers, p.anonymous, p.open_fields, p.deleted, \
                    p.title, p.words, p.state, p.merged_into, p.visit, p.missing";

/// A part from the columns of [`PART`].
pub fn stored_part(row: &Row<'_>) -> Result<StoredPart, StoreError> {
    Ok(StoredPart {
        record: RecordId(uuid(row.get_ref(0)?.as_blob().unwrap_or_default())?),
        part: part(row.get_ref(1)?.as_str().unwrap_or_default())?,
        kind: kind(row.get_ref(2)?.as_str().unwrap_or_default())?,
        seq: count(row.get(3)?),
        areas: areas(row.get_ref(4)?.as_str().unwrap_or_default()),
        readers: users(row.get_ref(5)?.as_str().unwrap_or_default()),
        anonymous: row.get(6)?,
        open_fields: row.get(7)?,
        deleted: row.get(8)?,
        title: row.get(9)?,
        words: row.get(10)?,
        state: row.get(11)?,
        merged_into: row.get_ref(12)?.as_str().unwrap_or_default().parse().ok(),
        visit: row.get(13)?,
        missing: row.get(14)?,
        event: None,
    })
}

impl InTown<'_> {
    /// The SQL of a filter, its areas aside (lists in text are told apart while reading).
    pub(super) fn filtered(&self, columns: &str, filter: &PartFilter) -> (String, Vec<Box<dyn ToSql>>) {
        let mut sql =
            format!("SELECT {columns} FROM part p WHERE p.town = ?1 AND p.part = ?2 AND p.seq > ?3 AND p.seq <= ?4");
        let mut args: Vec<Box<dyn ToSql>> = vec![
            Box::new(self.town.0),
            Box::new(filter.part.code()),
            Box::new(int(filter.after)),
            Box::new(int(filter.upto.unwrap_or(u64::MAX))),
        ];
        if let Some(kind) = filter.kind {
            args.push(Box::new(kind.code()));
            sql.push_str(&format!(" AND p.kind = ?{}", args.len()));
        }
        if let Some(kinds) = &filter.kinds {
            let codes: Vec<String> = kinds.iter().map(|kind| format!("'{}'", kind.code())).collect();
            sql.push_str(&format!(" AND p.kind IN ({})", codes.join(", ")));
        }
        if filter.without_visits {
            sql.push_str(" AND p.visit = 0");
        }
        if filter.open_only {
            sql.push_str(" AND p.open_fields > 0");
        }
        if let Some((from, to)) = filter.made {
            args.push(Box::new(first_made_at(from).to_vec()));
            args.push(Box::new(first_made_at(to).to_vec()));
            let (from, to) = (args.len() - 1, args.len());
            sql.push_str(&format!(" AND p.record >= ?{from} AND p.record < ?{to}"));
        }
        for word in &filter.words {
            args.push(Box::new(word.clone()));
            args.push(Box::new(number_word(word)));
            let (word, number) = (args.len() - 1, args.len());
            sql.push_str(&format!(" AND (instr(p.words, ?{word}) > 0 OR instr(p.words, ?{number}) > 0)"));
        }
        sql.push_str(if filter.newest_first { " ORDER BY p.seq DESC" } else { " ORDER BY p.seq" });
        (sql, args)
    }
}

impl InTown<'_> {
    /// A page of a list: which rows first, out of an index, then those alone, so that states are read of what is shown.
    pub(super) fn each_of_page(
        &self,
        filter: &PartFilter,
        each: &mut dyn FnMut(StoredPart) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        let (sql, args) = self.filtered("p.row, p.record, p.areas", filter);
        let mut query = self.conn.prepare_cached(&sql)?;
        let mut rows = query.query(rusqlite::params_from_iter(args.iter()))?;
        let losers = if filter.with_merged { BTreeSet::new() } else { self.losers()? };
        let mut one = self.conn.prepare_cached(&format!("SELECT {PART} FROM part p WHERE p.row = ?1"))?;
        let mut within = Within::new(filter.areas.as_deref());
        let (mut passed, mut given) = (0, 0);
        while filter.limit.is_none_or(|limit| given < limit) {
            let Some(row) = rows.next()? else { break };
            let lost = !losers.is_empty() && losers.contains(row.get_ref(1)?.as_blob().unwrap_or_default());
            if lost || !within.holds(row.get_ref(2)?.as_str().unwrap_or_default()) {
                continue;
            }
            passed += 1;
            if passed <= filter.offset {
                continue;
            }
            given += 1;
            let mut found = one.query(rusqlite::params![row.get::<_, i64>(0)?])?;
            if let Some(part) = found.next()?
                && !each(stored_part(part)?)?
            {
                break;
            }
        }
        Ok(())
    }

    /// How many parts of kinds lie where, without looking at each.
    pub(super) fn count_by_area(&self, filter: &PartFilter) -> Result<u64, StoreError> {
        let mut wanted = String::new();
        if let Some(kind) = filter.kind {
            wanted.push_str(&format!(" AND p.kind = '{}'", kind.code()));
        }
        if let Some(kinds) = &filter.kinds {
            let codes: Vec<String> = kinds.iter().map(|kind| format!("'{}'", kind.code())).collect();
            wanted.push_str(&format!(" AND p.kind IN ({})", codes.join(", ")));
        }
        if filter.without_visits {
            wanted.push_str(" AND p.visit = 0");
        }
        if !filter.with_merged {
            wanted.push_str(&self.not_merged("p")?);
        }
        let sql = format!(
            "SELECT p.areas, count(*) FROM part p INDEXED BY part_counts WHERE p.town = ?1 AND p.part = ?2{wanted}
             GROUP BY p.kind, p.areas"
        );
        let mut query = self.conn.prepare_cached(&sql)?;
        let mut rows = query.query(rusqlite::params![self.town.0, filter.part.code()])?;
        let mut within = Within::new(filter.areas.as_deref());
        let mut counted = 0;
        while let Some(row) = rows.next()? {
            if within.holds(row.get_ref(0)?.as_str().unwrap_or_default()) {
                counted += count(row.get(1)?);
            }
        }
        Ok(counted)
    }
}

/// Whether areas as stored are some of those wanted. A town has few different ones: each is looked at once.
pub struct Within<'a> {
    wanted: Option<&'a [AreaId]>,
    known: HashMap<String, bool>,
}

impl<'a> Within<'a> {
    /// Of the areas wanted; none: anywhere.
    pub fn new(wanted: Option<&'a [AreaId]>) -> Self {
        Self { wanted, known: HashMap::new() }
    }

    /// Whether a row of these areas is wanted.
    pub fn holds(&mut self, text: &str) -> bool {
        let Some(wanted) = self.wanted else { return true };
        if let Some(known) = self.known.get(text) {
            return *known;
        }
        let holds = areas(text).iter().any(|area| wanted.contains(area));
        self.known.insert(text.to_owned(), holds);
        holds
    }
}

/// Whether areas as stored are some of those wanted.
pub fn in_areas(filter: &PartFilter, text: &str) -> bool {
    filter.areas.as_ref().is_none_or(|wanted| areas(text).iter().any(|area| wanted.contains(area)))
}

/// seq, record, row, kind, areas, readers, anonymous, visit
pub fn feed_part(row: &Row<'_>) -> Result<FeedEntry, StoreError> {
    Ok(FeedEntry {
        seq: count(row.get(0)?),
        record: RecordId(uuid(row.get_ref(1)?.as_blob().unwrap_or_default())?),
        what: FeedWhat::Part {
            row: row.get(2)?,
            kind: kind(row.get_ref(3)?.as_str().unwrap_or_default())?,
            areas: areas(row.get_ref(4)?.as_str().unwrap_or_default()),
            readers: users(row.get_ref(5)?.as_str().unwrap_or_default()),
            anonymous: row.get(6)?,
            visit: row.get(7)?,
        },
    })
}

/// seq, record, key, erased
pub fn feed_left(row: &Row<'_>) -> Result<FeedEntry, StoreError> {
    Ok(FeedEntry {
        seq: count(row.get(0)?),
        record: RecordId(uuid(row.get_ref(1)?.as_blob().unwrap_or_default())?),
        what: FeedWhat::Left {
            key: key(row.get_ref(2)?.as_str().unwrap_or_default())?,
            erased: RecordKind::from_code(row.get_ref(3)?.as_str().unwrap_or_default()),
        },
    })
}
