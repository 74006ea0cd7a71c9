//! What became of a file, row by row.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::table::Written;

/// The most notes kept; the counts go on.
pub const NOTES: usize = 10_000;

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Taken {
    /// A record was made.
    New,
    /// A known record was changed.
    Changed,
    /// A known record says the same.
    Same,
    /// Not taken.
    Refused,
}

/// A reason, with its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The line of the file, from 1.
    pub line: u64,
    /// The header's word for the column, if it is about one.
    pub column: Option<String>,
    /// Whether the row was refused for it; else it was taken and is 待核实, or the cell was left out.
    pub refused: bool,
    /// A message key.
    pub key: String,
    /// Its arguments; never a value of the row.
    pub args: Vec<(String, String)>,
}

/// What became of one row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// The line of the file, from 1.
    pub line: u64,
    /// What became of it.
    pub taken: Taken,
    /// Whom or what it is about; empty where it is not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// Why it was refused, or is doubtful.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
    /// Of a changed record what is written anew, field by field.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// Words that are none of the choices of their fields; never written down.
    #[serde(skip)]
    pub unknown: Vec<(String, String)>,
}

impl Told {
    /// Whether it was taken and somebody should look.
    pub fn is_doubtful(&self) -> bool {
        self.taken != Taken::Refused && !self.notes.is_empty()
    }
}

/// A field of a known record that a row writes, under its mask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The field's name.
    pub field: String,
    /// Whether it is of the restricted part.
    pub restricted: bool,
    /// What it was.
    pub old: String,
    /// What it becomes.
    pub new: String,
}

/// How many rows became what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Rows below the header.
    pub rows: u64,
    /// Records made.
    pub new: u64,
    /// Records changed.
    pub changed: u64,
    /// Records that said the same already.
    pub same: u64,
    /// Rows taken that are 待核实, or of which a cell was left out.
    pub doubtful: u64,
    /// Rows not taken.
    pub refused: u64,
}

impl Counts {
    /// Counts a row.
    pub fn add(&mut self, told: &Told) {
        self.rows += 1;
        match told.taken {
            Taken::New => self.new += 1,
            Taken::Changed => self.changed += 1,
            Taken::Same => self.same += 1,
            Taken::Refused => self.refused += 1,
        }
        self.doubtful += u64::from(told.is_doubtful());
    }
}

/// The most rows of a kind that a preview holds.
pub const FIRST: usize = 20;
/// The most words that are asked about.
const WORDS: usize = 200;

/// What a table would do: how many rows of each kind, and the first of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preview {
    /// The first new rows.
    pub new: Vec<Told>,
    /// The first changed ones.
    pub changed: Vec<Told>,
    /// The first that should be looked at.
    pub doubtful: Vec<Told>,
    /// The first refused ones.
    pub refused: Vec<Told>,
    /// Words that no choice has, by field, with how many cells have them.
    pub words: BTreeMap<String, BTreeMap<String, u64>>,
}

impl Preview {
    /// Keeps a row if there is room.
    pub fn add(&mut self, told: &Told) {
        let mut put = |kind: fn(&mut Self) -> &mut Vec<Told>| {
            let rows = kind(self);
            if rows.len() < FIRST {
                rows.push(told.clone());
            }
        };
        match told.taken {
            Taken::New => put(|it| &mut it.new),
            Taken::Changed => put(|it| &mut it.changed),
            Taken::Refused => put(|it| &mut it.refused),
            Taken::Same => {}
        }
        if told.is_doubtful() {
            put(|it| &mut it.doubtful);
        }
        for (field, word) in &told.unknown {
            let room = self.words.values().map(BTreeMap::len).sum::<usize>() < WORDS;
            let words = self.words.entry(field.clone()).or_default();
            match words.get_mut(word) {
                Some(n) => *n += 1,
                None if room => {
                    words.insert(word.clone(), 1);
                }
                None => {}
            }
        }
    }
}

/// What became of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// As it was read.
    pub encoding: Written,
    /// Rows below the header.
    pub rows: u64,
    /// Records made.
    pub new: u64,
    /// Records changed.
    pub changed: u64,
    /// Records that said the same already.
    pub same: u64,
    /// Rows taken that are 待核实, or of which a cell was left out.
    pub doubtful: u64,
    /// Rows not taken.
    pub refused: u64,
    /// Columns not brought in.
    pub ignored: Vec<String>,
    /// Reasons, in the order of rows, at most [`NOTES`].
    pub notes: Vec<Note>,
    /// Reasons beyond those.
    pub more_notes: u64,
}

impl Report {
    /// Nothing yet.
    pub fn new(encoding: Written, ignored: Vec<String>) -> Self {
        Self {
            encoding,
            rows: 0,
            new: 0,
            changed: 0,
            same: 0,
            doubtful: 0,
            refused: 0,
            ignored,
            notes: Vec::new(),
            more_notes: 0,
        }
    }

    /// Counts a row and keeps its notes.
    pub fn add(&mut self, told: Told) {
        let mut counts = self.counts();
        counts.add(&told);
        let Counts { rows, new, changed, same, doubtful, refused } = counts;
        (self.rows, self.new, self.changed, self.same) = (rows, new, changed, same);
        (self.doubtful, self.refused) = (doubtful, refused);
        for note in told.notes {
            if self.notes.len() < NOTES {
                self.notes.push(note);
            } else {
                self.more_notes += 1;
            }
        }
    }

    /// The figures alone.
    pub fn counts(&self) -> Counts {
        let Self { rows, new, changed, same, doubtful, refused, .. } = *self;
        Counts { rows, new, changed, same, doubtful, refused }
    }
}
