//! How a table is read: which sheet, which line is the header, which column is which field.

use shared::form::Form;

use super::ImportError;
use super::decode::Encoding;
use super::header::{Mapping, guessed};
use super::table::{self, Cell, Input};

/// How far down the header may stand: tables often begin with a title over all columns.
const LOOKED_AT: usize = 10;
/// Rows shown beside the columns.
const SHOWN: usize = 3;

/// What somebody said of a table; by default all of it is guessed.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    /// Of a workbook.
    pub sheet: Option<String>,
    /// The line of the header, from 1.
    pub header_line: Option<u64>,
    /// What the columns are.
    pub mapping: Option<Mapping>,
    /// In which values are told.
    pub lang: assets::messages::Lang,
}

/// The top of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Top {
    /// The line of the header, from 1.
    pub line: u64,
    /// Its words.
    pub header: Vec<String>,
    /// The first rows below it, as texts.
    pub first: Vec<Vec<String>>,
}

/// Reads as much of a table as tells its header: the line that is said, else that of the first ten in which the form knows
/// most columns.
pub fn top(
    input: Input<'_>,
    sheet: Option<&str>,
    encoding: Option<Encoding>,
    form: &Form,
    said: Option<u64>,
) -> Result<Top, ImportError> {
    let mut rows: Vec<(u64, Vec<String>)> = Vec::new();
    let wanted = |rows: &[(u64, Vec<String>)]| match said {
        Some(line) => rows.iter().filter(|(at, _)| *at >= line).count() > SHOWN,
        None => rows.len() >= LOOKED_AT + SHOWN,
    };
    table::each_row(input, sheet, encoding, &mut |row| {
        if said.is_none_or(|line| row.line >= line) {
            rows.push((row.line, row.cells.iter().map(Cell::plain).collect()));
        }
        Ok(!wanted(&rows))
    })?;
    let known = |cells: &[String]| guessed(form, cells).columns.iter().filter(|name| !name.is_empty()).count();
    let looked_at = rows.iter().take(if said.is_some() { 1 } else { LOOKED_AT }).enumerate();
    // Of those that know as many the first.
    let best = looked_at.max_by_key(|(place, (_, cells))| (known(cells), std::cmp::Reverse(*place)));
    let place = best.map(|(place, _)| place).ok_or(ImportError::Empty)?;
    let mut below = rows.split_off(place);
    let first = below.split_off(1.min(below.len())).into_iter().take(SHOWN).map(|(_, cells)| cells).collect();
    let (line, header) = below.pop().ok_or(ImportError::Empty)?;
    Ok(Top { line, header, first })
}
