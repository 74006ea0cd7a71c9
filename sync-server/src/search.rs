//! Search over a town: the words of all its records in one block of memory, caught up with the feed at each search.
//!
//! As on the handheld (decision 5): any part of a word, at any length, in a few milliseconds. It is a copy; each process
//! makes its own, a second for 200,000 records when somebody first searches. What was erased goes from it with the next
//! search, and out of the block when it is made anew.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use memchr::memmem;
use pinyin::ToPinyin;
use shared::area::AreaId;
use shared::ids::RecordId;
use shared::record::{Part, RecordKind};

use crate::store::{FeedWhat, Read, StoreError, WordsRow, number_word};

/// Towns whose words are kept; one more takes the place of the one searched least lately.
const TOWNS: usize = 12;
/// Stands before each record's words. Nobody types it.
const START: char = '\u{2}';

/// The words of the towns that were searched.
#[derive(Default)]
pub struct Search {
    towns: Mutex<Towns>,
}

#[derive(Default)]
struct Towns {
    uses: u64,
    held: BTreeMap<AreaId, (u64, Arc<Mutex<Words>>)>,
}

/// Where a record of the block lies, for whoever may see it.
#[derive(Debug, Clone, Copy)]
pub struct Spot<'a> {
    /// Which.
    pub record: RecordId,
    /// Of which kind.
    pub kind: RecordKind,
    /// Where it lies.
    pub areas: &'a [AreaId],
    /// Whether it tells of a visit.
    pub visit: bool,
}

impl Search {
    /// The records whose words hold every word of `query` (lower case, no blanks) and which `wanted` lets through, the
    /// latest change first. Words of an identity number are found by the whole number only.
    pub fn find(
        &self,
        read: &dyn Read,
        query: &[String],
        wanted: &dyn Fn(Spot<'_>) -> bool,
    ) -> Result<Vec<RecordId>, StoreError> {
        let held = self.of(read.town());
        let mut words = held.lock().unwrap_or_else(PoisonError::into_inner);
        words.catch_up(read)?;
        Ok(words.find(query, wanted))
    }

    fn of(&self, town: AreaId) -> Arc<Mutex<Words>> {
        let mut towns = self.towns.lock().unwrap_or_else(PoisonError::into_inner);
        towns.uses += 1;
        let now = towns.uses;
        let full = towns.held.len() >= TOWNS && !towns.held.contains_key(&town);
        let oldest = towns.held.iter().min_by_key(|(_, (used, _))| *used).map(|(town, _)| *town);
        if let Some(oldest) = oldest.filter(|_| full) {
            towns.held.remove(&oldest);
        }
        let (used, words) = towns.held.entry(town).or_default();
        *used = now;
        Arc::clone(words)
    }
}

/// The words of one town.
#[derive(Default)]
struct Words {
    /// The last number of the feed that is in it.
    upto: u64,
    text: String,
    entries: Vec<Entry>,
    /// Where the living entry of a record is.
    places: HashMap<RecordId, usize>,
    /// The different places where records lie, and by their text.
    areas: Vec<Vec<AreaId>>,
    known: HashMap<Vec<AreaId>, u32>,
    dead: usize,
}

struct Entry {
    start: usize,
    record: RecordId,
    kind: RecordKind,
    areas: u32,
    visit: bool,
    alive: bool,
}

impl Words {
    fn catch_up(&mut self, read: &dyn Read) -> Result<(), StoreError> {
        let last = read.last_seq(Part::Open)?;
        if last < self.upto || self.dead > 1_000 && self.dead * 2 > self.entries.len() {
            // Another file under the same program (a restore), or mostly remnants: from the start.
            *self = Self::default();
        }
        if last == self.upto {
            return Ok(());
        }
        if self.upto > 0 {
            let mut gone = Vec::new();
            read.feed(Part::Open, self.upto, &mut |entry| {
                // What left and is still here, elsewhere in the town, comes again below.
                if matches!(entry.what, FeedWhat::Left { .. }) {
                    gone.push(entry.record);
                }
                Ok(true)
            })?;
            gone.into_iter().for_each(|record| self.drop_entry(record));
        }
        let after = self.upto;
        read.each_words(after, &mut |row| {
            self.put(row);
            Ok(())
        })?;
        self.upto = last;
        Ok(())
    }

    fn drop_entry(&mut self, record: RecordId) {
        if let Some(entry) = self.places.remove(&record).and_then(|place| self.entries.get_mut(place)) {
            entry.alive = false;
            self.dead += 1;
        }
    }

    fn put(&mut self, row: WordsRow) {
        self.drop_entry(row.record);
        if row.merged {
            return;
        }
        let next = u32::try_from(self.areas.len()).unwrap_or(u32::MAX);
        let areas = *self.known.entry(row.areas).or_insert_with_key(|areas| {
            self.areas.push(areas.clone());
            next
        });
        self.places.insert(row.record, self.entries.len());
        let start = self.text.len();
        self.entries.push(Entry { start, record: row.record, kind: row.kind, areas, visit: row.visit, alive: true });
        self.text.push(START);
        self.text.push_str(&row.words);
        self.text.push('\n');
        push_sounds(&mut self.text, &row.title);
    }

    fn find(&self, query: &[String], wanted: &dyn Fn(Spot<'_>) -> bool) -> Vec<RecordId> {
        let may = |entry: &Entry| {
            let areas = usize::try_from(entry.areas).ok().and_then(|place| self.areas.get(place));
            let areas = areas.map(Vec::as_slice).unwrap_or_default();
            entry.alive && wanted(Spot { record: entry.record, kind: entry.kind, areas, visit: entry.visit })
        };
        // The longest word is the rarest; the others are looked for where it stands.
        let mut words: Vec<(&str, String)> =
            query.iter().map(|word| (word.as_str(), number_word(word))).filter(|(word, _)| !word.is_empty()).collect();
        words.sort_by_key(|(word, _)| std::cmp::Reverse(word.len()));
        let Some(((first, number), others)) = words.split_first() else { return Vec::new() };
        let mut places: Vec<usize> = self.places_of(first);
        places.extend(self.places_of(number));
        places.sort_unstable();
        places.dedup();
        let holds = |place: usize| {
            let start = self.entries.get(place).map_or(0, |entry| entry.start);
            let end = self.entries.get(place + 1).map_or(self.text.len(), |next| next.start);
            let text = self.text.get(start..end).unwrap_or_default();
            others.iter().all(|(word, number)| text.contains(word) || text.contains(number.as_str()))
        };
        let found = places.into_iter().rev().filter(|place| holds(*place));
        found.filter_map(|place| self.entries.get(place)).filter(|entry| may(entry)).map(|entry| entry.record).collect()
    }

    /// The entries in which a word stands, once each, in order.
    fn places_of(&self, word: &str) -> Vec<usize> {
        let finder = memmem::Finder::new(word.as_bytes());
        let bytes = self.text.as_bytes();
        let (mut places, mut at) = (Vec::new(), 0);
        while let Some(found) = bytes.get(at..).and_then(|rest| finder.find(rest)) {
            let place = self.entries.partition_point(|entry| entry.start <= at + found).saturating_sub(1);
            places.push(place);
            // Once is enough: on with the next entry.
            at = self.entries.get(place + 1).map_or(bytes.len(), |next| next.start);
        }
        places
    }
}

/// A title as it sounds, whole and by its initials, so that 张伟 is found by `zhangwei` and `zw`.
fn push_sounds(text: &mut String, title: &str) {
    let mut sounds = title.chars().filter_map(|letter| letter.to_pinyin()).peekable();
    if sounds.peek().is_none() {
        return;
    }
    for whole in [true, false] {
        for letter in title.chars().filter(|letter| !letter.is_whitespace()) {
            match letter.to_pinyin() {
                Some(sound) if whole => text.push_str(sound.plain()),
                Some(sound) => text.push_str(sound.first_letter()),
                None => text.extend(letter.to_lowercase()),
            }
        }
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn row(n: u128, title: &str, words: &str, area: u32) -> WordsRow {
        WordsRow {
            record: RecordId(Uuid::from_u128(n)),
            kind: RecordKind::Person,
            areas: vec![AreaId(area)],
            visit: false,
            merged: false,
            title: title.to_owned(),
            words: words.to_owned(),
        }
    }

    fn found(words: &Words, query: &str) -> Vec<u128> {
        let query: Vec<String> = query.split(' ').map(str::to_owned).collect();
        words.find(&query, &|spot| spot.areas != [AreaId(9)]).into_iter().map(|id| id.0.as_u128()).collect()
    }

    #[test]
    fn parts_sounds_initials_telephones_and_whole_numbers_find_and_the_latest_comes_first() {
        let mut words = Words::default();
        let number = number_word("629999198001010019");
        words.put(row(1, "张伟", &format!("张伟\n13912345678\n{number}\n"), 4));
        words.put(row(2, "张小伟", "张小伟\n长渠街三号\n", 4));
        words.put(row(3, "张伟", "张伟\n", 9));
        for (query, expected) in [
            ("张", vec![2, 1]),
            ("张伟", vec![1]),
            ("zhangwei", vec![1]),
            ("zxw", vec![2]),
            ("1391", vec![1]),
            ("629999198001010019", vec![1]),
            ("6299991980", vec![]),
            ("张 长渠", vec![2]),
            ("长渠 没有", vec![]),
        ] {
            assert_eq!(found(&words, query), expected, "{query}");
        }
        // Changed, it is the latest and no longer what it was; erased or merged, it is not there.
        words.put(row(1, "章伟", "章伟\n", 4));
        assert_eq!((found(&words, "伟"), found(&words, "1391")), (vec![1, 2], vec![]));
        words.drop_entry(RecordId(Uuid::from_u128(2)));
        words.put(WordsRow { merged: true, ..row(1, "章伟", "章伟\n", 4) });
        assert!(found(&words, "伟").is_empty());
    }
}
