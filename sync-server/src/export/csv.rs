//! CSV that opens in Excel and WPS: UTF-8 with byte order mark, CRLF, quotes where needed (RFC 4180).
//!
//! Two things are done to cells. One that begins like a formula gets an apostrophe before it, so that opening the file
//! runs nothing (CWE-1236): of the signs that are proposed it alone is one which Excel and WPS themselves write before text,
//! which people know, and which our own import takes off; a space or a tab is trimmed by some of them before they look for
//! a formula. What is wholly a number (`-12.5`, `+8613912345678`) computes nothing and stays as it is. One that is a long
//! row of digits (an id number) gets a tab after it, so that Excel keeps it as text and does not round it to 15 digits;
//! our own import takes the tab off again.

use std::io::{self, Write};

/// What Excel needs to see UTF-8.
pub const MARK: &[u8] = b"\xEF\xBB\xBF";

/// Writes the mark; call it first.
pub fn begin(out: &mut dyn Write) -> io::Result<()> {
    out.write_all(MARK)
}

/// Writes one row.
pub fn row<'a>(out: &mut dyn Write, cells: impl IntoIterator<Item = &'a str>) -> io::Result<()> {
    let tabbed = |text: &str| if is_long_number(text) { "\t" } else { "" };
    cells_of(out, cells, tabbed)
}

/// The same for a program that reads it: long rows of digits have no tab.
pub fn exact_row<'a>(out: &mut dyn Write, cells: impl IntoIterator<Item = &'a str>) -> io::Result<()> {
    cells_of(out, cells, |_| "")
}

fn cells_of<'a>(
    out: &mut dyn Write,
    cells: impl IntoIterator<Item = &'a str>,
    after: impl Fn(&str) -> &'static str,
) -> io::Result<()> {
    for (place, text) in cells.into_iter().enumerate() {
        if place > 0 {
            out.write_all(b",")?;
        }
        cell(out, text, after(text))?;
    }
    out.write_all(b"\r\n")
}

fn cell(out: &mut dyn Write, text: &str, after: &str) -> io::Result<()> {
    let before = if is_formula(text) { "'" } else { "" };
    if text.contains(['"', ',', '\n', '\r', '\t']) || !before.is_empty() {
        write!(out, "\"{before}{}{after}\"", text.replace('"', "\"\""))
    } else {
        write!(out, "{text}{after}")
    }
}

/// Whether a spreadsheet would take it for a formula. Wide signs count: some turn them into narrow ones.
fn is_formula(text: &str) -> bool {
    let first = text.trim_start_matches([' ', '\u{3000}']).chars().next();
    let starts = matches!(first, Some('=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '|' | '＝' | '＋' | '－' | '＠'));
    starts && text.parse::<f64>().is_err()
}

/// Digits that a spreadsheet would round or strip of a leading zero.
fn is_long_number(text: &str) -> bool {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits && (text.len() > 11 || (text.len() > 1 && text.starts_with('0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        let mut out = Vec::new();
        row(&mut out, [text]).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn formulas_are_disarmed_and_numbers_kept() {
        assert_eq!(told("=HYPERLINK(\"http://x\")"), "\"'=HYPERLINK(\"\"http://x\"\")\"\r\n");
        assert_eq!(told("+8613912345678 @x"), "\"'+8613912345678 @x\"\r\n");
        assert_eq!(told(" =1+1"), "\"' =1+1\"\r\n");
        assert_eq!(told("＝1+1"), "\"'＝1+1\"\r\n");
        assert_eq!(told("-12.5"), "-12.5\r\n");
        assert_eq!(told("620001199003071234"), "620001199003071234\t\r\n");
        assert_eq!(told("0943"), "0943\t\r\n");
        assert_eq!(told("13912345678"), "13912345678\r\n");
        assert_eq!(told("a,\"b\"\nc"), "\"a,\"\"b\"\"\nc\"\r\n");
        assert_eq!(told("张伟"), "张伟\r\n");
    }
}
