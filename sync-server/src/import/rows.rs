//! Reading CSV (RFC 4180) without ever holding more than one short row: a line of a gigabyte or a quote that nobody
//! closed is refused after [`ROW_BYTES`], not after the memory is gone. The `csv` crate has no such bound.
//!
//! Works on bytes before decoding: in UTF-8 and in GB 18030 the bytes of comma, quote and line end occur nowhere else
//! (a GB 18030 trail byte is 0x30–0x39, 0x40–0x7E or 0x80–0xFE).

use std::io::{self, BufRead};

/// The longest row taken, in bytes.
pub const ROW_BYTES: usize = 64 * 1024;
/// The most cells of a row.
pub const ROW_CELLS: usize = 1_024;

/// One row with the line it begins in, from 1. Cells are bytes in the file's encoding, quotes taken off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The line of the file, from 1.
    pub line: u64,
    /// In the order of the file.
    pub cells: Vec<Vec<u8>>,
}

/// Why the file cannot be read on. Nothing of it is imported then.
#[derive(Debug, thiserror::Error)]
pub enum BadRows {
    /// The file cannot be read.
    #[error("reading the file: {0}")]
    Io(#[from] io::Error),
    /// Longer than [`ROW_BYTES`]; the rest was not read.
    #[error("line {0} is longer than {ROW_BYTES} bytes")]
    TooLong(u64),
    /// More than [`ROW_CELLS`] cells.
    #[error("line {0} has more than {ROW_CELLS} cells")]
    TooManyCells(u64),
    /// A quote opened in this line has no end.
    #[error("a quote opened in line {0} is not closed")]
    Unclosed(u64),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// At the start of a cell.
    Start,
    /// In a cell without quotes.
    Plain,
    /// Between quotes, opened in this line.
    Quoted(u64),
    /// After a quote inside quotes: the end, or the first of two.
    Closing(u64),
}

/// The rows of a file, one after the other.
pub struct Rows<R> {
    input: R,
    separator: u8,
    line: u64,
}

impl<R: BufRead> Rows<R> {
    /// Reads `input`, whose cells are parted by `separator`; a byte order mark must be gone already.
    pub fn new(input: R, separator: u8) -> Self {
        Self { input, separator, line: 1 }
    }

    /// The next row that is not empty, or `None` at the end.
    pub fn next_row(&mut self) -> Result<Option<Row>, BadRows> {
        loop {
            match self.read_row()? {
                Some(row) if row.cells.iter().all(Vec::is_empty) => {}
                other => return Ok(other),
            }
        }
    }

    fn read_row(&mut self) -> Result<Option<Row>, BadRows> {
        let line = self.line;
        let mut cells: Vec<Vec<u8>> = Vec::new();
        let mut cell = Vec::new();
        let mut state = State::Start;
        let mut bytes = 0_usize;
        loop {
            let chunk = self.input.fill_buf()?;
            if chunk.is_empty() {
                if let State::Quoted(opened) = state {
                    return Err(BadRows::Unclosed(opened));
                }
                if bytes == 0 {
                    return Ok(None);
                }
                cells.push(cell);
                return Ok(Some(Row { line, cells }));
            }
            let mut used = 0;
            let mut ended = false;
            for &byte in chunk {
                used += 1;
                bytes += 1;
                if bytes > ROW_BYTES {
                    return Err(match state {
                        State::Quoted(opened) => BadRows::Unclosed(opened),
                        _ => BadRows::TooLong(line),
                    });
                }
                if byte == b'\n' {
                    self.line += 1;
                }
                let quoted = match state {
                    State::Quoted(opened) => Some(opened),
                    _ => None,
                };
                match (byte, quoted) {
                    (b'"', Some(opened)) => state = State::Closing(opened),
                    (_, Some(_)) => cell.push(byte),
                    (b'"', None) => match state {
                        State::Closing(opened) => {
                            cell.push(b'"');
                            state = State::Quoted(opened);
                        }
                        State::Start => state = State::Quoted(self.line),
                        // A quote in the middle of a cell means itself, as in Excel.
                        _ => cell.push(b'"'),
                    },
                    (b'\n', None) => {
                        ended = true;
                        break;
                    }
                    (b'\r', None) => {}
                    (byte, None) if byte == self.separator => {
                        if cells.len() + 1 >= ROW_CELLS {
                            return Err(BadRows::TooManyCells(line));
                        }
                        cells.push(std::mem::take(&mut cell));
                        state = State::Start;
                    }
                    (byte, None) => {
                        cell.push(byte);
                        state = State::Plain;
                    }
                }
            }
            self.input.consume(used);
            if ended {
                cells.push(cell);
                return Ok(Some(Row { line, cells }));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    fn read(text: &str) -> Result<Vec<(u64, Vec<String>)>, BadRows> {
        // A buffer of 3 bytes: every seam between two chunks is met.
        let mut rows = Rows::new(BufReader::with_capacity(3, text.as_bytes()), b',');
        let mut all = Vec::new();
        while let Some(row) = rows.next_row()? {
            all.push((row.line, row.cells.into_iter().map(|cell| String::from_utf8(cell).unwrap()).collect()));
        }
        Ok(all)
    }

    #[test]
    fn quotes_lines_and_blank_rows_are_read_as_excel_writes_them() {
        let rows = read("a,b\r\n\r\n\"x,\"\"y\"\"\nz\",2\n,\n3,5\"x").unwrap();
        assert_eq!(
            rows,
            [
                (1, vec!["a".to_owned(), "b".to_owned()]),
                (3, vec!["x,\"y\"\nz".to_owned(), "2".to_owned()]),
                (6, vec!["3".to_owned(), "5\"x".to_owned()]),
            ]
        );
    }

    #[test]
    fn an_open_quote_names_the_line_it_was_opened_in() {
        assert!(matches!(read("a,b\n1,\"x\n2,y\n"), Err(BadRows::Unclosed(2))));
        let long = format!("a\n1\n\"{}", "x\n".repeat(ROW_BYTES));
        assert!(matches!(read(&long), Err(BadRows::Unclosed(3))));
    }

    #[test]
    fn a_line_without_end_is_refused_before_it_is_read_whole() {
        struct Endless(u64);
        impl io::Read for Endless {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                buffer.fill(b'x');
                self.0 += u64::try_from(buffer.len()).unwrap();
                assert!(self.0 < 1_000_000, "read on after the bound");
                Ok(buffer.len())
            }
        }
        let mut rows = Rows::new(BufReader::new(Endless(0)), b',');
        assert!(matches!(rows.next_row(), Err(BadRows::TooLong(1))));
        assert!(matches!(read(&",".repeat(5_000)), Err(BadRows::TooManyCells(1))));
    }
}
