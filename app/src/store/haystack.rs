//! The search index: the words of all records in one block of memory, searched by `memchr::memmem`.
//!
//! Measured against FTS5 with unigrams and bigrams: that takes about 60 tokens a record, which alone would cost more
//! than the whole first fill may, makes each save write three times the pages, and answers digits slowly because every
//! pair of digits is common. 72,000 records are about 8 MB of words; a vector search runs through them in about a
//! millisecond, at any length of the query, and a common word is found long before the end. The words are stored with
//! their records in the same transaction; this is a copy of them.

use std::collections::HashSet;

use memchr::memmem::{self, Finder};
use rusqlite::Connection;
use shared::area::{AreaId, Scope};
use shared::record::RecordKind;

use super::StoreError;
use super::words::{NUMBER, START, Word};

/// A change to the index, applied after its commit.
pub(super) enum Change {
    /// A record is new or was changed.
    Put { row: i64, kind: RecordKind, area: u32, category: Option<String>, deleted: bool, words: String },
    /// A record left.
    Drop { row: i64 },
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    row: i64,
    start: u32,
    area: AreaId,
    kind: RecordKind,
    /// Its place among the categories.
    category: u16,
    deleted: bool,
    alive: bool,
}

/// Which entries may be given.
pub(super) struct Choice<'a> {
    pub kind: Option<RecordKind>,
    pub scope: Option<&'a Scope>,
    /// The code of a type (places, objects, organisations) or category (events).
    pub category: Option<&'a str>,
    pub deleted: bool,
    /// Rows that are left out.
    pub without: Option<&'a HashSet<i64>>,
}

/// A choice with its category looked up.
struct Taken<'a> {
    choice: &'a Choice<'a>,
    category: Option<u16>,
}

impl Taken<'_> {
    fn takes(&self, entry: &Entry) -> bool {
        let Choice { kind, scope, deleted, without, .. } = self.choice;
        entry.alive
            && (*deleted || !entry.deleted)
            && kind.is_none_or(|kind| kind == entry.kind)
            && self.category.is_none_or(|category| category == entry.category)
            && scope.is_none_or(|scope| scope.contains(entry.area))
            && without.is_none_or(|rows| !rows.contains(&entry.row))
    }
}

/// What is asked beside the needle.
struct Asked<'a> {
    choice: &'a Taken<'a>,
    /// The other words.
    others: &'a [&'a Word],
    /// The most rows of a rank.
    most: usize,
}

/// The code of the type or category that begins a row's facts, as `[["type","shop"],…` has it.
pub(super) fn category_of(facts: &str) -> Option<&str> {
    let rest = facts.strip_prefix("[[\"type\",\"").or_else(|| facts.strip_prefix("[[\"category\",\""))?;
    rest.split('"').next()
}

/// No entry of this row.
const NONE: u32 = u32::MAX;
/// How many entries are looked at one by one before the next hit is sought by halves.
const NEAR: usize = 8;

#[derive(Default)]
pub(super) struct Haystack {
    text: Vec<u8>,
    /// In the order of their text.
    entries: Vec<Entry>,
    /// Of each row its entry. Rows are counted from 1 without large gaps.
    places: Vec<u32>,
    /// Codes of types and categories; an entry counts from 1, 0 is none.
    categories: Vec<String>,
    /// Bytes of `text` that belong to no living entry.
    dead: usize,
}

impl Haystack {
    pub(super) fn load(sql: &Connection) -> Result<Self, StoreError> {
        let mut haystack = Self::default();
        let mut rows =
            sql.prepare("SELECT row, kind, area, deleted, words, facts FROM record WHERE alias = x'' ORDER BY row")?;
        let mut rows = rows.query([])?;
        while let Some(row) = rows.next()? {
            let kind = row.get_ref(1)?.as_str().ok().and_then(RecordKind::from_code);
            let Some(kind) = kind else { continue };
            let words =
                row.get_ref(4)?.as_str().map_err(|error| StoreError::Row { what: "words", why: error.to_string() })?;
            let category = haystack.category(category_of(row.get_ref(5)?.as_str().unwrap_or_default()));
            haystack.push(row.get(0)?, kind, row.get(2)?, category, row.get(3)?, words);
        }
        Ok(haystack)
    }

    pub(super) fn apply(&mut self, changes: Vec<Change>) {
        for change in changes {
            match change {
                Change::Put { row, kind, area, category, deleted, words } => {
                    self.bury(row);
                    let category = self.category(category.as_deref());
                    self.push(row, kind, area, category, deleted, &words);
                }
                Change::Drop { row } => self.bury(row),
            }
        }
        if self.dead > 1_000_000 && self.dead * 3 > self.text.len() {
            self.compact();
        }
    }

    /// The place of a category, a new one if it was not met before.
    fn category(&mut self, code: Option<&str>) -> u16 {
        let Some(code) = code else { return 0 };
        let known = self.categories.iter().position(|known| known == code).unwrap_or(self.categories.len());
        if known == self.categories.len() {
            self.categories.push(code.to_owned());
        }
        u16::try_from(known + 1).unwrap_or(u16::MAX)
    }

    fn push(&mut self, row: i64, kind: RecordKind, area: u32, category: u16, deleted: bool, words: &str) {
        // 4 GB of words are 40 million records; a handheld never gets there.
        let (Ok(start), Ok(at), Ok(place)) =
            (u32::try_from(self.text.len()), usize::try_from(row), u32::try_from(self.entries.len()))
        else {
            return;
        };
        if self.places.len() <= at {
            self.places.resize(at + 1, NONE);
        }
        if let Some(slot) = self.places.get_mut(at) {
            *slot = place;
        }
        self.entries.push(Entry { row, start, area: AreaId(area), kind, category, deleted, alive: true });
        self.text.extend_from_slice(words.as_bytes());
        self.text.push(0);
    }

    fn bury(&mut self, row: i64) {
        let Some(slot) = usize::try_from(row).ok().and_then(|at| self.places.get_mut(at)) else { return };
        let place = usize::try_from(std::mem::replace(slot, NONE)).unwrap_or(usize::MAX);
        let span = self.span(place);
        if let Some(entry) = self.entries.get_mut(place) {
            entry.alive = false;
            // Zeros match nothing, so the search does not stop here again.
            if let Some(words) = self.text.get_mut(span.clone()) {
                words.fill(0);
            }
            self.dead += span.len();
        }
    }

    fn span(&self, place: usize) -> std::ops::Range<usize> {
        let start = self.entries.get(place).map_or(self.text.len(), |entry| entry.start as usize);
        let end = self.entries.get(place + 1).map_or(self.text.len(), |entry| entry.start as usize);
        start..end
    }

    fn compact(&mut self) {
        let old = std::mem::take(self);
        self.categories.clone_from(&old.categories);
        for (place, entry) in old.entries.iter().enumerate().filter(|(_, entry)| entry.alive) {
            let mut words = old.text.get(old.span(place)).unwrap_or_default();
            words = words.strip_suffix(&[0]).unwrap_or(words);
            if let Ok(words) = std::str::from_utf8(words) {
                self.push(entry.row, entry.kind, entry.area.0, entry.category, entry.deleted, words);
            }
        }
    }

    /// Rows that hold all `words`. First those whose title, its pinyin or its initials is the longest of them, then those
    /// where it begins with it, then those that have it in their title, then those that have it elsewhere; at most
    /// `limit` from `offset` on, and whether there are more. Without words: the last written first.
    pub(super) fn search(&self, words: &[Word], choice: &Choice<'_>, limit: usize, offset: usize) -> (Vec<i64>, bool) {
        let most = offset.saturating_add(limit).saturating_add(1);
        let mut found: Vec<i64> = Vec::new();
        let choice = &self.taken(choice);
        match words.iter().max_by_key(|word| word.text.len()) {
            None => found.extend(
                self.entries.iter().rev().filter(|entry| choice.takes(entry)).map(|entry| entry.row).take(most),
            ),
            Some(lead) => {
                let others: Vec<&Word> = words.iter().filter(|word| *word != lead).collect();
                let asked = |found: usize| Asked { choice, others: &others, most: most.saturating_sub(found) };
                let mut seen = HashSet::new();
                if let Some(number) = &lead.number {
                    self.scan(number, &asked(0), &mut seen, |_, _| 0).into_iter().for_each(|rows| found.extend(rows));
                }
                if found.len() < most {
                    let first = format!("{START}{}", lead.text);
                    // What can follow a title, its pinyin or its initials: another of them, a field, a number, the end.
                    let ends = |byte: u8| [START, '\n', NUMBER, '\0'].map(|end| end as u8).contains(&byte);
                    let rank = |words: &[u8], at: usize| {
                        let mut after = memmem::find_iter(words.get(at..).unwrap_or_default(), first.as_bytes());
                        let whole = after.any(|hit| words.get(at + hit + first.len()).copied().is_none_or(ends));
                        usize::from(!whole)
                    };
                    self.scan(&first, &asked(found.len()), &mut seen, rank)
                        .into_iter()
                        .for_each(|rows| found.extend(rows));
                }
                if found.len() < most {
                    // The title, its pinyin and its initials stand before everything else.
                    let ends = |byte: &u8| char::from(*byte) == '\n' || char::from(*byte) == NUMBER;
                    let rank =
                        |words: &[u8], at: usize| usize::from(words.get(..at).unwrap_or_default().iter().any(ends));
                    self.scan(&lead.text, &asked(found.len()), &mut seen, rank)
                        .into_iter()
                        .for_each(|rows| found.extend(rows));
                }
                found.truncate(most);
            }
        }
        let more = found.len() == most;
        found.truncate(most - 1);
        (found.split_off(offset.min(found.len())), more)
    }

    /// A category that no record has is the place after the last.
    fn taken<'a>(&self, choice: &'a Choice<'a>) -> Taken<'a> {
        let place = |code: &str| {
            let known = self.categories.iter().position(|known| known == code).unwrap_or(self.categories.len());
            u16::try_from(known + 1).unwrap_or(u16::MAX)
        };
        Taken { choice, category: choice.category.map(place) }
    }

    /// The rows that hold `needle` and were not `seen`, by the rank (0 or 1) that `rank` gives for its words and the first
    /// place of the needle in them; at most [`Asked::most`] a rank, and none after as many of rank 0.
    fn scan(
        &self,
        needle: &str,
        asked: &Asked<'_>,
        seen: &mut HashSet<i64>,
        rank: impl Fn(&[u8], usize) -> usize,
    ) -> [Vec<i64>; 2] {
        let finder = Finder::new(needle);
        let mut ranked: [Vec<i64>; 2] = [Vec::new(), Vec::new()];
        let (mut from, mut place) = (0, 0);
        while let Some(at) = self.text.get(from..).and_then(|rest| finder.find(rest)).map(|at| from + at) {
            // Hits come in the order of the entries: the next one is near, or far where hits are few.
            place += self.entries_before(place, at);
            let span = self.span(place);
            from = span.end;
            let Some(entry) = self.entries.get(place).filter(|entry| asked.choice.takes(entry)) else { continue };
            let begins = span.start;
            let words = self.text.get(span).unwrap_or_default();
            let has = |word: &Word| {
                memmem::find(words, word.text.as_bytes()).is_some()
                    || word.number.as_ref().is_some_and(|number| memmem::find(words, number.as_bytes()).is_some())
            };
            if !asked.others.iter().all(|word| has(word)) {
                continue;
            }
            let Some(rows) = ranked.get_mut(rank(words, at.saturating_sub(begins))) else { continue };
            if rows.len() < asked.most && !seen.contains(&entry.row) {
                rows.push(entry.row);
            }
            if ranked.first().is_some_and(|rows| rows.len() >= asked.most) {
                break;
            }
        }
        seen.extend(ranked.iter().flatten());
        ranked
    }

    /// How many entries after `place` begin at or before the byte `at`: a few steps, then by halves.
    fn entries_before(&self, place: usize, at: usize) -> usize {
        let rest = self.entries.get(place + 1..).unwrap_or_default();
        let is_before = |entry: &Entry| entry.start as usize <= at;
        match rest.iter().take(NEAR).position(|entry| !is_before(entry)) {
            Some(steps) => steps,
            None => rest.partition_point(is_before),
        }
    }

    /// Rows whose words hold `needle` exactly, at most `limit`.
    pub(super) fn containing(&self, needle: &str, limit: usize) -> Vec<i64> {
        let choice = Choice { kind: None, scope: None, category: None, deleted: false, without: None };
        let asked = Asked { choice: &self.taken(&choice), others: &[], most: limit };
        let [found, _] = self.scan(needle, &asked, &mut HashSet::new(), |_, _| 0);
        found
    }

    /// Living entries by kind.
    pub(super) fn counts(&self) -> std::collections::BTreeMap<RecordKind, u64> {
        let mut counts = std::collections::BTreeMap::new();
        for entry in self.entries.iter().filter(|entry| entry.alive && !entry.deleted) {
            *counts.entry(entry.kind).or_insert(0) += 1;
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::super::words;
    use super::*;

    #[test]
    fn what_is_called_so_comes_before_what_only_has_it_somewhere() {
        let mut haystack = Haystack::default();
        let mut put = |row, title: &str, address: &str| {
            let mut text = String::new();
            words::push_title(&mut text, title);
            if !address.is_empty() {
                words::push_text(&mut text, address);
            }
            let category = None;
            let kind = RecordKind::Person;
            haystack.apply(vec![Change::Put { row, kind, area: 1, category, deleted: false, words: text }]);
        };
        put(1, "李四", "张伟路 5 号，zw 小区");
        put(2, "小张伟", "");
        put(3, "张伟明", "");
        put(4, "张伟", "南环路");
        put(5, "章维", "");
        let choice = Choice { kind: None, scope: None, category: None, deleted: false, without: None };
        let find = |query: &str| haystack.search(&words::query(query), &choice, 10, 0).0;
        assert_eq!(find("zw"), [4, 5, 3, 2, 1], "initials in full, begun, within, then the address");
        assert_eq!(find("张伟"), [4, 3, 2, 1]);
        assert_eq!(find("zhangwei"), [4, 5, 3, 2]);
        let first = haystack.search(&words::query("zw"), &choice, 2, 0);
        let rest = haystack.search(&words::query("zw"), &choice, 10, 2);
        assert_eq!((first, rest), ((vec![4, 5], true), (vec![3, 2, 1], false)), "the order holds from page to page");
    }
}
