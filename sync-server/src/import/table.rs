//! The rows of a table, whatever it is written in: CSV, XLSX (read cell by cell, never whole in memory) or XLS, whose sheets
//! end after 65,536 rows.

use std::io::{BufRead, BufReader, Cursor, Read, Seek};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use calamine::{Data, DataRef, Reader as _, SheetType, SheetVisible, Xls, XlsError, Xlsx, XlsxError};
use chrono::{NaiveDate, NaiveDateTime};

use super::decode::{self, Encoding};
use super::rows::{ROW_BYTES, ROW_CELLS, Rows};
use super::{BadRows, ImportError};

/// The most bytes that a workbook may unpack to.
const UNPACKED: u64 = 1024 * 1024 * 1024;

/// Where a table comes from. It is read more than once.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a> {
    /// All of it.
    Bytes(&'a [u8]),
    /// A file.
    File(&'a Path),
}

impl<'a> From<&'a [u8]> for Input<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Bytes(bytes)
    }
}

impl<'a> From<&'a Path> for Input<'a> {
    fn from(path: &'a Path) -> Self {
        Self::File(path)
    }
}

/// What a table is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// CSV in this encoding.
    Csv(Encoding),
    /// A workbook since 2007.
    Xlsx,
    /// A workbook before.
    Xls,
}

impl Written {
    /// As people write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Csv(encoding) => encoding.name(),
            Self::Xlsx => "XLSX",
            Self::Xls => "XLS",
        }
    }
}

/// Why a workbook cannot be read; nothing of it is brought in then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadBook {
    /// It opens with a password only.
    #[error("the workbook is locked by a password")]
    Locked,
    /// Cut, changed, or of another program.
    #[error("the workbook cannot be read: {0}")]
    Broken(String),
    /// Unpacks to more than a table can be.
    #[error("the workbook unpacks to too much")]
    TooLarge,
    /// No sheet of this name.
    #[error("there is no sheet {0}")]
    NoSheet(String),
}

/// One cell.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Nothing.
    Empty,
    /// A text, as it stands there.
    Text(String),
    /// A number that the spreadsheet keeps as one: exact to 15 digits.
    Number(f64),
    /// A day.
    Day(NaiveDate),
    /// A tick.
    YesNo(bool),
    /// Bytes that are no text in the file's encoding.
    NotText,
    /// `#N/A` and its like: a formula without a result.
    Failed,
}

impl Cell {
    /// Whether there is nothing to take.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Text(text) => text.is_empty(),
            _ => false,
        }
    }

    /// As a text, for headers.
    pub fn plain(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(number) => number.to_string(),
            Self::Day(day) => day.to_string(),
            Self::YesNo(yes) => yes.to_string(),
            Self::Empty | Self::NotText | Self::Failed => String::new(),
        }
    }
}

/// One row that is not empty.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The line of the file or the row of the sheet, from 1.
    pub line: u64,
    /// In the order of the table.
    pub cells: Vec<Cell>,
}

/// What is done with a row; `false` ends the reading.
pub type Each<'a> = &'a mut dyn FnMut(Row) -> Result<bool, ImportError>;

/// Hands over the rows of a table, or of one `sheet` of a workbook; by default of its first.
pub fn each_row(
    input: Input<'_>,
    sheet: Option<&str>,
    encoding: Option<Encoding>,
    each: Each<'_>,
) -> Result<Written, ImportError> {
    match input {
        Input::Bytes(bytes) => read(Cursor::new(bytes), sheet, encoding, each),
        Input::File(path) => read(open(path)?, sheet, encoding, each),
    }
}

/// The visible sheets of a workbook, in their order; none of a CSV file.
pub fn sheets(input: Input<'_>) -> Result<Vec<String>, ImportError> {
    match input {
        Input::Bytes(bytes) => sheets_of(Cursor::new(bytes)),
        Input::File(path) => sheets_of(open(path)?),
    }
}

fn open(path: &Path) -> Result<BufReader<std::fs::File>, ImportError> {
    let file = disk::File::open(path).map_err(BadRows::Io)?;
    Ok(BufReader::with_capacity(64 * 1024, file.into_std()))
}

/// By the first bytes.
enum Kind {
    Csv(Vec<u8>),
    Xlsx,
    Xls,
}

fn kind(input: &mut (impl Read + Seek)) -> Result<Kind, ImportError> {
    let mut sample = Vec::new();
    let bound = u64::try_from(decode::SAMPLE_BYTES).unwrap_or(u64::MAX);
    input.by_ref().take(bound).read_to_end(&mut sample).map_err(BadRows::Io)?;
    let is_book = sample.starts_with(b"PK\x03\x04") || sample.starts_with(&[0xD0, 0xCF, 0x11, 0xE0]);
    if !is_book {
        return Ok(Kind::Csv(sample));
    }
    input.rewind().map_err(BadRows::Io)?;
    Ok(if sample.starts_with(b"PK") { Kind::Xlsx } else { Kind::Xls })
}

fn read(
    mut input: impl BufRead + Seek,
    sheet: Option<&str>,
    encoding: Option<Encoding>,
    each: Each<'_>,
) -> Result<Written, ImportError> {
    match kind(&mut input)? {
        Kind::Csv(sample) => csv(sample, input, encoding, each),
        Kind::Xlsx => {
            fits(&mut input)?;
            whole(|| xlsx(&mut Xlsx::new(input).map_err(bad_xlsx)?, sheet, each))
        }
        Kind::Xls => whole(|| xls(&mut Xls::new(input).map_err(bad_xls)?, sheet, each)),
    }
}

fn sheets_of(mut input: impl BufRead + Seek) -> Result<Vec<String>, ImportError> {
    match kind(&mut input)? {
        Kind::Csv(_) => Ok(Vec::new()),
        Kind::Xlsx => {
            fits(&mut input)?;
            whole(|| Ok(visible(Xlsx::new(input).map_err(bad_xlsx)?.sheets_metadata())))
        }
        Kind::Xls => whole(|| Ok(visible(Xls::new(input).map_err(bad_xls)?.sheets_metadata()))),
    }
}

/// The library may panic over bytes that no spreadsheet writes: here that is a broken file.
fn whole<T>(work: impl FnOnce() -> Result<T, ImportError>) -> Result<T, ImportError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(BadBook::Broken("its structure".to_owned()).into()))
}

/// Before a library unpacks it: a few kilobytes can say that they are gigabytes.
fn fits(input: &mut (impl Read + Seek)) -> Result<(), ImportError> {
    let broken = |error: zip::result::ZipError| BadBook::Broken(error.to_string());
    let mut parts = zip::ZipArchive::new(input.by_ref()).map_err(broken)?;
    let mut bytes = 0_u64;
    for place in 0..parts.len() {
        bytes = bytes.saturating_add(parts.by_index_raw(place).map_err(broken)?.size());
    }
    drop(parts);
    input.rewind().map_err(BadRows::Io)?;
    if bytes > UNPACKED { Err(BadBook::TooLarge.into()) } else { Ok(()) }
}

fn bad_xlsx(error: XlsxError) -> BadBook {
    match error {
        XlsxError::Password => BadBook::Locked,
        XlsxError::WorksheetNotFound(name) => BadBook::NoSheet(name),
        other => BadBook::Broken(other.to_string()),
    }
}

fn bad_xls(error: XlsError) -> BadBook {
    match error {
        XlsError::Password => BadBook::Locked,
        other => BadBook::Broken(other.to_string()),
    }
}

fn visible(sheets: &[calamine::Sheet]) -> Vec<String> {
    let shown =
        sheets.iter().filter(|sheet| sheet.typ == SheetType::WorkSheet && sheet.visible == SheetVisible::Visible);
    shown.map(|sheet| sheet.name.clone()).collect()
}

fn chosen(sheet: Option<&str>, sheets: &[calamine::Sheet]) -> Result<String, BadBook> {
    let all = visible(sheets);
    match sheet {
        None => all.into_iter().next().ok_or_else(|| BadBook::NoSheet(String::new())),
        Some(name) => all.into_iter().find(|known| known == name).ok_or_else(|| BadBook::NoSheet(name.to_owned())),
    }
}

fn csv(sample: Vec<u8>, input: impl Read, encoding: Option<Encoding>, each: Each<'_>) -> Result<Written, ImportError> {
    let whole = sample.len() < decode::SAMPLE_BYTES;
    let beginning = match encoding {
        Some(encoding) => {
            decode::Beginning { encoding, ..decode::beginning(&sample, whole).or_else(|bad| as_told(bad, encoding))? }
        }
        None => decode::beginning(&sample, whole)?,
    };
    let mut start = Cursor::new(sample);
    start.set_position(u64::try_from(beginning.mark).unwrap_or(0));
    let mut rows = Rows::new(BufReader::with_capacity(64 * 1024, start.chain(input)), beginning.separator);
    while let Some(row) = rows.next_row()? {
        let cell = |bytes: &Vec<u8>| match decode::text(beginning.encoding, bytes) {
            Some(text) if text.is_empty() => Cell::Empty,
            Some(text) => Cell::Text(text),
            None => Cell::NotText,
        };
        if !each(Row { line: row.line, cells: row.cells.iter().map(cell).collect() })? {
            break;
        }
    }
    Ok(Written::Csv(beginning.encoding))
}

/// The options name the encoding: only what no encoding mends is refused.
fn as_told(bad: decode::BadEncoding, encoding: Encoding) -> Result<decode::Beginning, ImportError> {
    match bad {
        decode::BadEncoding::Neither => Ok(decode::Beginning { encoding, mark: 0, separator: b',' }),
        other => Err(other.into()),
    }
}

/// A row on its way: cells come one after the other.
struct Filling<'a> {
    row: Row,
    bytes: usize,
    each: Each<'a>,
}

impl Filling<'_> {
    /// Puts a cell; says whether to go on.
    fn put(&mut self, row: u32, column: u32, cell: Cell) -> Result<bool, ImportError> {
        let line = u64::from(row) + 1;
        if line < self.row.line {
            return Err(BadBook::Broken("its rows are not in order".to_owned()).into());
        }
        if line > self.row.line && !self.end()? {
            return Ok(false);
        }
        self.row.line = line;
        if cell.is_empty() {
            return Ok(true);
        }
        let column = usize::try_from(column).unwrap_or(usize::MAX);
        if column >= ROW_CELLS {
            return Err(BadRows::TooManyCells(line).into());
        }
        if let Cell::Text(text) = &cell {
            self.bytes += text.len();
        }
        if self.bytes > ROW_BYTES {
            return Err(BadRows::TooLong(line).into());
        }
        if self.row.cells.len() <= column {
            self.row.cells.resize(column + 1, Cell::Empty);
        }
        if let Some(place) = self.row.cells.get_mut(column) {
            *place = cell;
        }
        Ok(true)
    }

    /// The row is whole.
    fn end(&mut self) -> Result<bool, ImportError> {
        self.bytes = 0;
        let cells = std::mem::take(&mut self.row.cells);
        if cells.is_empty() { Ok(true) } else { (self.each)(Row { line: self.row.line, cells }) }
    }
}

fn xlsx<R: Read + Seek>(book: &mut Xlsx<R>, sheet: Option<&str>, each: Each<'_>) -> Result<Written, ImportError> {
    let name = chosen(sheet, book.sheets_metadata())?;
    let mut cells = book.worksheet_cells_reader(&name).map_err(bad_xlsx)?;
    let mut filling = Filling { row: Row { line: 0, cells: Vec::new() }, bytes: 0, each };
    while let Some(cell) = cells.next_cell().map_err(bad_xlsx)? {
        let (row, column) = cell.get_position();
        if !filling.put(row, column, of_xlsx(cell.get_value()))? {
            return Ok(Written::Xlsx);
        }
    }
    filling.end()?;
    Ok(Written::Xlsx)
}

fn xls<R: Read + Seek>(book: &mut Xls<R>, sheet: Option<&str>, each: Each<'_>) -> Result<Written, ImportError> {
    let name = chosen(sheet, book.sheets_metadata())?;
    let range = book.worksheet_range(&name).map_err(bad_xls)?;
    let (first_row, first_column) = range.start().unwrap_or_default();
    let mut filling = Filling { row: Row { line: 0, cells: Vec::new() }, bytes: 0, each };
    for (row, column, value) in range.used_cells() {
        let row = first_row.saturating_add(u32::try_from(row).unwrap_or(u32::MAX));
        let column = first_column.saturating_add(u32::try_from(column).unwrap_or(u32::MAX));
        if !filling.put(row, column, of_xls(value))? {
            return Ok(Written::Xls);
        }
    }
    filling.end()?;
    Ok(Written::Xls)
}

fn of_xlsx(value: &DataRef<'_>) -> Cell {
    match value {
        DataRef::Empty => Cell::Empty,
        DataRef::String(text) => Cell::Text(text.clone()),
        DataRef::SharedString(text) => Cell::Text((*text).to_owned()),
        DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => Cell::Text(text.clone()),
        DataRef::Int(number) => whole_number(*number),
        DataRef::Float(number) => Cell::Number(*number),
        DataRef::Bool(yes) => Cell::YesNo(*yes),
        DataRef::DateTime(time) => day(time),
        DataRef::Error(_) => Cell::Failed,
    }
}

fn of_xls(value: &Data) -> Cell {
    match value {
        Data::Empty => Cell::Empty,
        Data::String(text) | Data::DateTimeIso(text) | Data::DurationIso(text) => Cell::Text(text.clone()),
        Data::Int(number) => whole_number(*number),
        Data::Float(number) => Cell::Number(*number),
        Data::Bool(yes) => Cell::YesNo(*yes),
        Data::DateTime(time) => day(time),
        Data::Error(_) => Cell::Failed,
    }
}

#[allow(clippy::cast_precision_loss, reason = "beyond 2^53 it is refused as inexact, and not before")]
fn whole_number(number: i64) -> Cell {
    Cell::Number(number as f64)
}

/// Spreadsheets count days from 1899-12-30, or from 1904-01-01; a number that is no day stays one.
fn day(time: &calamine::ExcelDateTime) -> Cell {
    if !time.is_datetime() {
        return Cell::Number(time.as_f64());
    }
    let (year, month, of_month, ..) = time.to_ymd_hms_milli();
    let date: Option<NaiveDateTime> = NaiveDate::from_ymd_opt(i32::from(year), u32::from(month), u32::from(of_month))
        .and_then(|d| d.and_hms_opt(0, 0, 0));
    date.map_or_else(|| Cell::Number(time.as_f64()), |date| Cell::Day(date.date()))
}
