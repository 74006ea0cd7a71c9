//! A report as a workbook: the figures of the whole, and those of each community and grid.

use assets::messages::Messages;
use rust_xlsxwriter::{DocProperties, ExcelDateTime, Format, FormatAlign, Workbook, XlsxError};

use super::{Counted, Figure, Figures, Period};

/// A line of the second sheet: a community with an empty grid, or a grid.
pub struct Line {
    /// The community's name.
    pub community: String,
    /// The grid's name.
    pub grid: String,
    /// Its figures.
    pub figures: Figures,
}

/// The workbook of a report; the same bytes for the same figures.
pub fn workbook(
    words: &Messages,
    title: &str,
    period: Period,
    shown: &[Figure],
    (now, before): (&Counted, &Counted),
    lines: &[Line],
) -> Result<Vec<u8>, XlsxError> {
    let mut book = Workbook::new();
    let fixed = ExcelDateTime::from_ymd(2000, 1, 1)?;
    book.set_properties(&DocProperties::new().set_title(title).set_creation_datetime(&fixed));
    let head = Format::new().set_bold().set_align(FormatAlign::Center).set_text_wrap();
    let bold = Format::new().set_bold();
    let rate = Format::new().set_num_format("0.0%");
    let word = |key: &str| words.text(key);
    let (now, before) = (now.of(|_| true), before.of(|_| true));

    let sheet = book.add_worksheet();
    sheet.set_name(word("report-all"))?.set_column_width(0, 44)?.set_column_range_width(1, 3, 14)?;
    sheet.write_string_with_format(0, 0, title, &bold)?;
    sheet.write_string(1, 0, format!("{} – {}", period.first(), period.last()))?;
    for (column, key) in (0..).zip(["report-figure", "report-now", "report-before", "report-more"]) {
        sheet.write_string_with_format(3, column, word(key), &head)?;
    }
    let mut row = 4;
    for figure in shown {
        sheet.write_string(row, 0, word(&format!("report-{}", figure.code())))?;
        sheet.write_number(row, 1, number(now.get(*figure)))?;
        if !is_as_of_now(*figure) {
            sheet.write_number(row, 2, number(before.get(*figure)))?;
            sheet.write_number(row, 3, number(now.get(*figure)) - number(before.get(*figure)))?;
        }
        row += 1;
    }
    sheet.write_string(row, 0, word("report-rate"))?;
    for (column, figures) in (1..).zip([&now, &before]) {
        if let Some(tenths) = figures.rate() {
            sheet.write_number_with_format(row, column, number(tenths) / 1_000.0, &rate)?;
        }
    }

    let sheet = book.add_worksheet();
    sheet.set_name(word("report-by-area"))?.set_column_range_width(0, 1, 16)?.set_freeze_panes(1, 2)?;
    for (column, key) in (0..).zip(["level-community", "level-grid"]) {
        sheet.write_string_with_format(0, column, word(key), &head)?;
    }
    for (column, figure) in (2..).zip(shown) {
        sheet.write_string_with_format(0, column, word(&format!("report-{}", figure.code())), &head)?;
    }
    for (row, line) in (1..).zip(lines) {
        sheet.write_string(row, 0, &line.community)?;
        sheet.write_string(row, 1, &line.grid)?;
        for (column, figure) in (2..).zip(shown) {
            sheet.write_number(row, column, number(line.figures.get(*figure)))?;
        }
    }
    book.save_to_buffer()
}

/// Whether a figure is of this moment, so that there is none of the span before.
pub fn is_as_of_now(figure: Figure) -> bool {
    matches!(figure, Figure::Residents | Figure::Care)
}

fn number(count: u64) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "counts of a town")]
    let number = count as f64;
    number
}
