//! What became of a file, row by row.

use super::decode::Encoding;

/// The most notes kept; the counts go on.
pub const NOTES: usize = 10_000;

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
#[derive(Debug, Clone, PartialEq, Eq)]
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

/// What became of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// As it was read.
    pub encoding: Encoding,
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
    pub fn new(encoding: Encoding, ignored: Vec<String>) -> Self {
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
    pub fn add(&mut self, taken: Taken, notes: Vec<Note>) {
        self.rows += 1;
        match taken {
            Taken::New => self.new += 1,
            Taken::Changed => self.changed += 1,
            Taken::Same => self.same += 1,
            Taken::Refused => self.refused += 1,
        }
        if taken != Taken::Refused && !notes.is_empty() {
            self.doubtful += 1;
        }
        for note in notes {
            if self.notes.len() < NOTES {
                self.notes.push(note);
            } else {
                self.more_notes += 1;
            }
        }
    }
}
