//! Parts and the feed of them, out of rows; and which of them a filter wants.

use std::cell::RefMut;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::value::RawValue;
use shared::area::AreaId;
use shared::ids::RecordId;
use shared::record::{Part, RecordKind};

use super::columns::{areas, count, int, key, kind, part, users, uuid};
use super::sql::{AsValue as _, Row, Value, params};
use super::{Fetched, InTown};
use crate::store::common::{Place, first_made_at};
use crate::store::states::Told;
use crate::store::{Asked, FeedEntry, FeedWhat, Near, PartFilter, StoreError, StoredPart, number_word};

/// The columns [`stored_part`] reads, in order.
pub const PART: &str = "p.record, p.part, p.kind, p.seq, p.areas, p.readers, p.anonymous, p.open_fields, p.deleted, \
                    p.title, p.words, p.state, p.merged_into, p.visit, p.missing";

/// The parts of these records, for [`InTown::sql`]: town, and what [`columns_of`] makes of them.
pub fn load() -> String {
    format!(
        "SELECT {PART} FROM {{part}} p JOIN unnest($2::bytea[], $3::text[]) AS k (record, part)
             ON p.record = k.record AND p.part = k.part WHERE p.town = $1"
    )
}

/// Keys as two parameters.
pub fn columns_of<'a>(keys: impl IntoIterator<Item = &'a (RecordId, Part)>) -> (Value, Value) {
    let (records, parts) =
        keys.into_iter().map(|(id, part)| (id.0.as_bytes().to_vec(), part.code().to_owned())).unzip();
    (Value::Blobs(records), Value::Texts(parts))
}

/// A part from the columns of [`PART`].
pub fn stored_part(row: &Row) -> Result<StoredPart, StoreError> {
    Ok(StoredPart {
        record: RecordId(uuid(row.blob(0)?)?),
        part: part(row.text(1)?)?,
        kind: kind(row.text(2)?)?,
        seq: count(row.get(3)?),
        areas: areas(row.text(4)?),
        readers: users(row.text(5)?),
        anonymous: row.get(6)?,
        open_fields: row.get(7)?,
        deleted: row.get(8)?,
        title: row.get(9)?,
        words: row.get(10)?,
        state: row.get(11)?,
        merged_into: row.text(12)?.parse().ok(),
        visit: row.get(13)?,
        missing: row.get(14)?,
        event: None,
    })
}

/// A condition and its parameters, as they grow.
pub struct Wanted {
    /// After `WHERE`.
    pub sql: String,
    /// In the order of their numbers.
    pub args: Vec<Value>,
}

impl Wanted {
    /// Of one town, by the table of this letter.
    pub fn of(table: &str, town: AreaId) -> Self {
        Self { sql: format!("{table}.town = $1"), args: vec![town.0.value()] }
    }

    /// The place of one more parameter.
    pub fn arg(&mut self, value: Value) -> String {
        self.args.push(value);
        format!("${}", self.args.len())
    }

    /// One more condition, `?` in it standing for a parameter.
    pub fn and(&mut self, condition: &str, value: Value) {
        let place = self.arg(value);
        self.sql.push_str(" AND ");
        self.sql.push_str(&condition.replace('?', &place));
    }

    /// Only what lies in one of these areas; `None`: anywhere.
    pub fn lies_in(&mut self, column: &str, areas: Option<&[AreaId]>) {
        if let Some(areas) = areas {
            let ids = Value::Texts(areas.iter().map(ToString::to_string).collect());
            self.and(&format!("string_to_array({column}, ',') && ?::text[]"), ids);
        }
    }

    /// Nothing that was merged into another record.
    pub fn not_merged(&mut self, table: &str, tx: &InTown<'_>) -> Result<(), StoreError> {
        let losers = tx.losers()?;
        if !losers.is_empty() {
            self.and(&format!("{table}.record <> ALL (?)"), Value::Blobs(losers.into_iter().collect()));
        }
        Ok(())
    }
}

impl InTown<'_> {
    /// The conditions of a filter.
    pub(super) fn wanted_parts(&self, filter: &PartFilter) -> Result<Wanted, StoreError> {
        let mut wanted = Wanted::of("p", self.town);
        wanted.and("p.part = ?", filter.part.code().value());
        wanted.and("p.seq > ?", int(filter.after).value());
        if let Some(upto) = filter.upto {
            wanted.and("p.seq <= ?", int(upto).value());
        }
        if let Some(kind) = filter.kind {
            wanted.and("p.kind = ?", kind.code().value());
        }
        if let Some(kinds) = &filter.kinds {
            wanted.and("p.kind = ANY (?)", Value::Texts(kinds.iter().map(|kind| kind.code().to_owned()).collect()));
        }
        if filter.without_visits {
            wanted.sql.push_str(" AND p.visit = 0");
        }
        if filter.open_only {
            wanted.sql.push_str(" AND p.open_fields > 0");
        }
        if let Some((from, to)) = filter.made {
            wanted.and("p.record >= ?", first_made_at(from).value());
            wanted.and("p.record < ?", first_made_at(to).value());
        }
        for word in &filter.words {
            let number = wanted.arg(number_word(word).value());
            wanted.and(&format!("(strpos(p.words, ?) > 0 OR strpos(p.words, {number}) > 0)"), word.value());
        }
        wanted.lies_in("p.areas", filter.areas.as_deref());
        if !filter.with_merged {
            wanted.not_merged("p", self)?;
        }
        Ok(wanted)
    }

    /// See [`crate::store::Read::each_part`].
    pub(super) fn each_wanted(
        &self,
        filter: &PartFilter,
        each: &mut dyn FnMut(StoredPart) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        let mut wanted = self.wanted_parts(filter)?;
        let offset = wanted.arg(int(filter.offset).value());
        let limit = wanted.arg(int(filter.limit.unwrap_or(u64::MAX)).value());
        let order = if filter.newest_first { "p.seq DESC" } else { "p.seq" };
        let sql =
            format!("SELECT {PART} FROM part p WHERE {} ORDER BY {order} OFFSET {offset} LIMIT {limit}", wanted.sql);
        let mut rows = self.conn.prepare_cached(&sql)?.rows(&wanted.args)?;
        while let Some(row) = rows.next()? {
            if !each(stored_part(&row)?)? {
                break;
            }
        }
        Ok(())
    }

    /// See [`crate::store::Read::feed`].
    pub(super) fn walk_feed(
        &self,
        of: Part,
        after: u64,
        near: &Near,
        each: &mut dyn FnMut(FeedEntry) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        let (places, texts) = near.places("strpos", "$", 4);
        let place = |place: &Place| {
            // What was told lately is known by its number.
            let columns = if near.states == Asked::Told { "seq" } else { FEED };
            format!("SELECT {columns} FROM {{part}} {AFTER}{} {PAGE}", place.asked)
        };
        let parts = match places.as_slice() {
            [one] => place(one),
            several => {
                let several: Vec<String> = several.iter().map(|it| format!("({})", place(it))).collect();
                format!("{} {PAGE}", several.join(" UNION ALL "))
            }
        };
        let mut parts = Pages { states: near.states, ..Pages::of(self, parts, (of.code(), after), texts, feed_part) };
        let left = format!("SELECT seq, record, key, erased FROM {{departed}} {AFTER} {PAGE}");
        let mut left = Pages::of(self, left, (of.code(), after), Vec::new(), feed_left);
        Pages::begin(&mut parts, &mut left)?;
        let mut next = (parts.next()?, left.next()?);
        loop {
            // Both are ordered; a departure has the number of the save that caused it and comes before it.
            let left_first = match (&next.0, &next.1) {
                (None, None) => return Ok(()),
                (Some(part), Some(left)) => left.seq <= part.seq,
                (part, _) => part.is_none(),
            };
            let entry = if left_first {
                std::mem::replace(&mut next.1, left.next()?)
            } else {
                std::mem::replace(&mut next.0, parts.next()?)
            };
            if let Some(entry) = entry
                && !each(entry)?
            {
                return Ok(());
            }
        }
    }

    /// See [`crate::store::Read::feed_state`].
    pub(super) fn state_at(&self, row: i64) -> Result<String, StoreError> {
        match self.fetched.borrow_mut().remove(&row) {
            Some(Fetched::Stored(state)) => return Ok(state),
            Some(Fetched::Told(state)) => return Ok(state.get().to_owned()),
            None => {}
        }
        let of = if row & 1 == 1 { Part::Restricted } else { Part::Open };
        let query = self.prepare("SELECT state FROM {part} WHERE town = $1 AND part = $2 AND seq = $3")?;
        query.one(params![self.town.0, of.code(), row >> 1], |row| row.get(0))
    }
}

/// A place in the feed is what a row is known by: its number and which of the two feeds.
fn place(seq: u64, of: &str) -> i64 {
    int(seq) << 1 | i64::from(of == Part::Restricted.code())
}

/// A page each: whoever reads the feed ends somewhere. Numbers that are the same stay together.
const AFTER: &str = "WHERE town = $1 AND part = $2 AND seq > $3";
const PAGE: &str = "ORDER BY seq FETCH FIRST 512 ROWS WITH TIES";

/// What follows a number, page by page.
struct Pages<'a> {
    tx: &'a InTown<'a>,
    sql: String,
    of: &'a str,
    after: u64,
    texts: Vec<String>,
    entry: fn(&Row, &str) -> Result<FeedEntry, StoreError>,
    fetched: std::vec::IntoIter<FeedEntry>,
    more: bool,
    /// What of their states will be asked for.
    states: Asked,
}

impl<'a> Pages<'a> {
    fn of(
        tx: &'a InTown<'a>,
        sql: String,
        (of, after): (&'a str, u64),
        texts: Vec<String>,
        entry: fn(&Row, &str) -> Result<FeedEntry, StoreError>,
    ) -> Self {
        Self { tx, sql, of, after, texts, entry, fetched: Vec::new().into_iter(), more: true, states: Asked::None }
    }

    /// The first pages of both, asked for at once.
    fn begin(one: &mut Self, other: &mut Self) -> Result<(), StoreError> {
        let (first, second) = (one.tx.sql(&one.sql), other.tx.sql(&other.sql));
        let asked = [(first.as_str(), one.args()), (second.as_str(), other.args())];
        let [first, second] = one.tx.conn.all_of(asked)?;
        one.take(&first)?;
        other.take(&second)
    }

    fn args(&self) -> Vec<Value> {
        let mut args = params![self.tx.town.0, self.of, int(self.after)].to_vec();
        args.extend(self.texts.iter().cloned().map(Value::Text));
        args
    }

    fn take(&mut self, rows: &[Row]) -> Result<(), StoreError> {
        let read = |row| (self.entry)(row, self.of);
        let page: Vec<FeedEntry> = match self.states {
            Asked::None => rows.iter().map(read).collect::<Result<_, _>>()?,
            Asked::Told => self.told(rows)?,
            Asked::Stored => {
                let page = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
                self.fetch_states(&page)?;
                page
            }
        };
        self.more = page.len() >= 512;
        self.after = page.last().map_or(self.after, |last| last.seq);
        self.fetched = page.into_iter();
        Ok(())
    }

    fn next(&mut self) -> Result<Option<FeedEntry>, StoreError> {
        if self.more && self.fetched.as_slice().is_empty() {
            let rows: Vec<Row> = self.tx.prepare(&self.sql)?.all(&self.args())?.collect();
            self.take(&rows)?;
        }
        Ok(self.fetched.next())
    }

    /// Makes room for the states of a page.
    fn fetched(&self) -> RefMut<'a, BTreeMap<i64, Fetched>> {
        let mut fetched = self.tx.fetched.borrow_mut();
        // Of those that nobody asked for.
        if fetched.len() > 1_024 {
            fetched.clear();
        }
        fetched
    }

    /// A page by its numbers: what was not told lately is asked for with one question, its states too.
    fn told(&self, rows: &[Row]) -> Result<Vec<FeedEntry>, StoreError> {
        let of = part(self.of)?;
        let seqs = rows.iter().map(|row| Ok(count(row.get(0)?))).collect::<Result<Vec<u64>, StoreError>>()?;
        let mut page: Vec<Result<Told, u64>> = Vec::with_capacity(seqs.len());
        for (seq, told) in seqs.iter().zip(self.tx.states.all(self.tx.town, of, &seqs)) {
            page.push(told.filter(|told| told.entry.is_some()).ok_or(*seq));
        }
        let unknown: Vec<i64> = page.iter().filter_map(|known| known.as_ref().err()).map(|seq| int(*seq)).collect();
        let mut fetched = self.fetched();
        let (mut new, mut damaged) = (Vec::new(), HashMap::new());
        if !unknown.is_empty() {
            let query = self.tx.prepare(&format!(
                "SELECT {FEED}, state FROM {{part}} WHERE town = $1 AND part = $2 AND seq = ANY ($3)"
            ))?;
            for row in query.all(params![self.tx.town.0, self.of, Value::Ints(unknown)])? {
                let entry = feed_part(&row, self.of)?;
                let state: String = row.get(7)?;
                let seq = entry.seq;
                let Ok(raw) = serde_json::from_str::<&RawValue>(&state) else {
                    // Whoever asks for it is told then that it cannot be read.
                    fetched.insert(place(seq, self.of), Fetched::Stored(state));
                    damaged.insert(seq, entry);
                    continue;
                };
                let read = Told { state: Arc::from(raw.to_owned()), entry: Some(Arc::new(entry)) };
                // They stand in their order.
                if let Some(known) = seqs.binary_search(&seq).ok().and_then(|at| page.get_mut(at)) {
                    *known = Ok(read.clone());
                }
                new.push(((self.tx.town, of, seq), read));
            }
            self.tx.states.keep_all(new);
        }
        let mut entries = Vec::with_capacity(page.len());
        for known in page {
            match known {
                Ok(Told { state, entry: Some(entry) }) => {
                    fetched.insert(place(entry.seq, self.of), Fetched::Told(state));
                    entries.push(FeedEntry::clone(&entry));
                }
                Ok(Told { entry: None, .. }) => {}
                Err(seq) => entries.extend(damaged.remove(&seq)),
            }
        }
        Ok(entries)
    }

    /// The states of a page, with one question.
    fn fetch_states(&self, page: &[FeedEntry]) -> Result<(), StoreError> {
        let seqs = page.iter().map(|entry| int(entry.seq)).collect();
        let mut fetched = self.fetched();
        let query =
            self.tx.prepare("SELECT seq, state FROM {part} WHERE town = $1 AND part = $2 AND seq = ANY ($3)")?;
        for row in query.all(params![self.tx.town.0, self.of, Value::Ints(seqs)])? {
            fetched.insert(place(count(row.get(0)?), self.of), Fetched::Stored(row.get(1)?));
        }
        Ok(())
    }
}

/// What [`feed_part`] reads.
const FEED: &str = "seq, record, kind, areas, readers, anonymous, visit";

/// The columns of [`FEED`].
fn feed_part(row: &Row, of: &str) -> Result<FeedEntry, StoreError> {
    let seq = count(row.get(0)?);
    Ok(FeedEntry {
        seq,
        record: RecordId(uuid(row.blob(1)?)?),
        what: FeedWhat::Part {
            row: place(seq, of),
            kind: kind(row.text(2)?)?,
            areas: areas(row.text(3)?),
            readers: users(row.text(4)?),
            anonymous: row.get(5)?,
            visit: row.get(6)?,
        },
    })
}

/// seq, record, key, erased
fn feed_left(row: &Row, _: &str) -> Result<FeedEntry, StoreError> {
    Ok(FeedEntry {
        seq: count(row.get(0)?),
        record: RecordId(uuid(row.blob(1)?)?),
        what: FeedWhat::Left { key: key(row.text(2)?)?, erased: RecordKind::from_code(row.text(3)?) },
    })
}
