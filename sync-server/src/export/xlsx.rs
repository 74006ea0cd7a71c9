//! A workbook that opens in Excel, WPS and LibreOffice: one sheet a kind, the rows and columns of the CSV.
//!
//! What a column holds decides how a cell is written: dates and times as such, numbers as numbers, everything else (id
//! numbers, telephone numbers, codes) as text that stays text when somebody edits the cell, and is never a formula. Rows go
//! to files without a name as they come, so that memory does not grow with them.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};
use rust_xlsxwriter::{DocProperties, ExcelDateTime, Format, FormatAlign, Workbook, Worksheet, XlsxError};
use shared::form::FieldType;
use shared::record::RecordKind;

/// Rows of a sheet, the header among them; more go to another sheet.
const ROWS: u32 = 1_048_576;
/// UTF-16 units of a cell.
const TEXT: usize = 32_767;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Text, this many characters wide on the screen.
    Text(u8),
    /// A number.
    Number,
    /// A day; under a mask an age.
    Date,
    /// A day and a time.
    Time,
}

impl Shape {
    /// Of the values of a field.
    pub fn of(kind: FieldType) -> Self {
        match kind {
            FieldType::Number => Self::Number,
            FieldType::Date => Self::Date,
            FieldType::Time => Self::Time,
            FieldType::YesNo => Self::Text(8),
            FieldType::Choice | FieldType::Phone => Self::Text(14),
            FieldType::IdNumber | FieldType::CreditCode => Self::Text(22),
            FieldType::LongText | FieldType::Steps | FieldType::Remarks | FieldType::Photos => Self::Text(40),
            _ => Self::Text(20),
        }
    }

    fn width(self) -> f64 {
        match self {
            Self::Text(width) => f64::from(width),
            Self::Number => 10.0,
            Self::Date => 12.0,
            Self::Time => 20.0,
        }
    }

    fn format(self) -> Format {
        let format = match self {
            Self::Text(_) => Format::new().set_num_format("@"),
            Self::Number => Format::new(),
            Self::Date => Format::new().set_num_format("yyyy-mm-dd"),
            Self::Time => Format::new().set_num_format("yyyy-mm-dd hh:mm:ss"),
        };
        format.set_align(FormatAlign::Top)
    }

    /// The number that a spreadsheet keeps for this text; none where it has to stay text.
    fn number(self, text: &str) -> Option<f64> {
        match self {
            Self::Text(_) => None,
            Self::Number => number(text),
            Self::Date => days(shared::mask::parse_date(text)?),
            Self::Time => {
                let time = ["%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M"];
                time.iter().find_map(|shape| NaiveDateTime::parse_from_str(text, shape).ok()).and_then(|time| {
                    let seconds = time.time().signed_duration_since(NaiveTime::MIN).num_seconds();
                    #[allow(clippy::cast_precision_loss, reason = "seconds of a day")]
                    Some(days(time.date())? + seconds as f64 / 86_400.0)
                })
            }
        }
    }
}

/// Days as spreadsheets count them. Before March 1900 they do not agree with the calendar nor with each other.
fn days(date: NaiveDate) -> Option<f64> {
    let first = NaiveDate::from_ymd_opt(1900, 3, 1)?;
    let last = NaiveDate::from_ymd_opt(9999, 12, 31)?;
    let days = i32::try_from(date.signed_duration_since(first).num_days()).ok()?;
    (first..=last).contains(&date).then(|| f64::from(days + 61))
}

/// Only what a spreadsheet gives back as it was written: no leading zeros, no more than 15 digits.
fn number(text: &str) -> Option<f64> {
    let number: f64 = text.parse().ok().filter(|number: &f64| number.is_finite())?;
    (text.len() <= 15 && number.to_string() == text).then_some(number)
}

/// A column: its header and what it holds.
#[derive(Debug, Clone)]
pub struct Column {
    /// The header.
    pub name: String,
    /// Of its cells.
    pub shape: Shape,
}

/// A workbook on its way.
pub struct Book {
    workbook: Workbook,
    header: Format,
    kinds: BTreeMap<RecordKind, Vec<Sheet>>,
}

struct Sheet {
    sheet: Worksheet,
    columns: Vec<Column>,
    /// Of numbers.
    plain: Format,
    /// The next row.
    next: u32,
}

impl Book {
    /// An empty one; `folder` takes the rows until it is saved, in files that have no name.
    pub fn new(folder: &Path) -> io::Result<Self> {
        let mut workbook = Workbook::new();
        workbook.set_tempdir(folder).map_err(failed)?;
        // The same rows make the same bytes, whenever.
        let made = ExcelDateTime::from_ymd(2000, 1, 1).map_err(failed)?;
        workbook.set_properties(&DocProperties::new().set_creation_datetime(&made));
        let header = Format::new().set_bold().set_align(FormatAlign::Top);
        Ok(Self { workbook, header, kinds: BTreeMap::new() })
    }

    /// Adds a row to the sheet of a kind; `begin` gives the title of a fresh sheet and its columns.
    pub fn row(
        &mut self,
        kind: RecordKind,
        cells: &[String],
        begin: impl FnOnce() -> (String, Vec<Column>),
    ) -> io::Result<()> {
        let sheets = self.kinds.entry(kind).or_default();
        let full = sheets.last().filter(|sheet| sheet.next >= ROWS);
        let fresh = match (full, sheets.is_empty()) {
            (Some(full), _) => {
                let columns = full.columns.clone();
                Some((format!("{} {}", begin().0, sheets.len() + 1), columns))
            }
            (None, true) => Some(begin()),
            (None, false) => None,
        };
        if let Some((title, columns)) = fresh {
            let (workbook, header) = (&mut self.workbook, &self.header);
            sheets.push(whole(|| Sheet::begin(workbook, &title, columns, header))?);
        }
        match sheets.last_mut() {
            Some(sheet) => whole(|| sheet.row(cells)),
            None => Ok(()),
        }
    }

    /// Writes the whole file.
    pub fn save(mut self, out: impl Write + Send) -> io::Result<()> {
        for mut sheet in std::mem::take(&mut self.kinds).into_values().flatten() {
            let last = u16::try_from(sheet.columns.len().saturating_sub(1)).map_err(io::Error::other)?;
            sheet.sheet.autofilter(0, 0, sheet.next.saturating_sub(1), last).map_err(failed)?;
            self.workbook.push_worksheet(sheet.sheet);
        }
        whole(|| self.workbook.save_to_writer(out))
    }
}

impl Sheet {
    fn begin(workbook: &mut Workbook, title: &str, columns: Vec<Column>, header: &Format) -> Result<Self, XlsxError> {
        let mut sheet = workbook.new_worksheet_with_constant_memory()?;
        sheet.set_name(title)?.set_freeze_panes(1, 0)?;
        for (place, column) in (0..).zip(&columns) {
            let name = u8::try_from(column.name.chars().count() * 2 + 4).unwrap_or(u8::MAX);
            sheet.set_column_width(place, column.shape.width().max(f64::from(name)))?;
            sheet.set_column_format(place, &column.shape.format())?;
            sheet.write_string_with_format(0, place, &column.name, header)?;
        }
        Ok(Self { sheet, columns, plain: Shape::Number.format(), next: 1 })
    }

    fn row(&mut self, cells: &[String]) -> Result<(), XlsxError> {
        for ((place, text), column) in (0..).zip(cells).zip(&self.columns) {
            match (column.shape.number(text), number(text)) {
                (Some(number), _) => self.sheet.write_number(self.next, place, number)?,
                // An age in a column of days would be shown as a day of 1900.
                (None, Some(age)) if column.shape == Shape::Date => {
                    self.sheet.write_number_with_format(self.next, place, age, &self.plain)?
                }
                _ => self.sheet.write_string(self.next, place, fitting(text))?,
            };
        }
        self.next += 1;
        Ok(())
    }
}

/// As much of a text as a cell takes.
fn fitting(text: &str) -> String {
    if text.len() <= TEXT || text.encode_utf16().count() <= TEXT {
        return text.to_owned();
    }
    let mut left = TEXT - 1;
    let fits = |c: &char| {
        left = left.saturating_sub(c.len_utf16());
        left > 0
    };
    text.chars().take_while(fits).chain(['…']).collect()
}

/// The library panics where a row does not get to its file (a full disk): here that is an error like any other.
fn whole<T>(write: impl FnOnce() -> Result<T, XlsxError>) -> io::Result<T> {
    match catch_unwind(AssertUnwindSafe(write)) {
        Ok(done) => done.map_err(failed),
        Err(_) => Err(io::Error::other("a row of the workbook could not be written to its file")),
    }
}

fn failed(error: XlsxError) -> io::Error {
    match error {
        XlsxError::IoError(error) => error,
        other => io::Error::other(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_comes_back_as_it_was_written_is_a_number() {
        assert_eq!(Shape::Number.number("12.5"), Some(12.5));
        assert_eq!(Shape::Number.number("-3"), Some(-3.0));
        for text in ["", "012", "1e3", "inf", "1234567890123456", "12 人", "=1+1"] {
            assert_eq!(Shape::Number.number(text), None, "{text}");
        }
        assert_eq!(Shape::Text(1).number("620001199003071234"), None);
    }

    #[test]
    fn days_count_as_in_a_spreadsheet_and_others_stay_text() {
        assert_eq!(Shape::Date.number("1900-03-01"), Some(61.0));
        assert_eq!(Shape::Date.number("2026-11-26"), Some(46_352.0));
        assert_eq!(Shape::Time.number("2026-11-26 18:00:00"), Some(46_352.75));
        assert_eq!(Shape::Time.number("2026-11-26 18:00"), Some(46_352.75));
        for text in ["1900-02-28", "1899-01-01", "2026-13-01", "36", "昨天"] {
            assert_eq!(Shape::Date.number(text), None, "{text}");
        }
    }

    #[test]
    fn a_text_that_is_too_long_for_a_cell_says_that_it_was_cut() {
        assert_eq!(fitting("张伟"), "张伟");
        let whole = "长".repeat(TEXT);
        assert_eq!(fitting(&whole), whole);
        let cut = fitting(&"𠮷".repeat(TEXT));
        assert!(cut.ends_with('…') && cut.encode_utf16().count() <= TEXT, "{}", cut.encode_utf16().count());
    }
}
