//! Batches by a profile: the columns and codes of an upper platform.

use std::collections::BTreeMap;

use super::cut::{self, Cut, Piece};
use super::files::Aside;
use super::seal::{Words, count};
use super::{BatchError, Counts, Format};
use crate::export::profile::{Profile, Unknown};
use crate::store::Read;

/// How many codes are told.
const TOLD: usize = 20;

/// Fails where a record of the cut has a value for which the profile has no code: nothing goes half mapped.
pub(super) fn must_be_known(
    read: &dyn Read,
    cut: &Cut<'_>,
    profile: &Profile,
    words: &Words<'_>,
) -> Result<(), BatchError> {
    let mut unknown = Unknown::new();
    cut::each_piece::<BatchError>(read, cut, &mut |piece| {
        words.telling(&piece, |told| {
            for line in piece.lines.iter().filter(|line| line.kind == profile.kind) {
                profile.row(line, told, &mut unknown);
            }
        });
        Ok(())
    })?;
    if unknown.is_empty() {
        return Ok(());
    }
    let told: Vec<String> = unknown.iter().take(TOLD).map(|(column, code)| format!("{column}: {code}")).collect();
    Err(BatchError::UnknownCodes(told.join(", ")))
}

/// Writes the records of a piece, all of the profile's kind.
pub(super) fn write_piece(
    aside: &mut Aside,
    profile: &Profile,
    piece: &Piece,
    words: &Words<'_>,
    counts: &mut BTreeMap<String, Counts>,
) -> Result<(), BatchError> {
    let format = profile.format();
    words.telling(piece, |told| {
        for line in &piece.lines {
            count(counts, line);
            let row = profile.row(line, told, &mut Unknown::new());
            if format == Format::Xlsx {
                aside.call_book(&profile.file);
                let form = told.forms.newest(line.kind);
                let title = form.map(|form| form.label.in_lang(told.lang.tag()).to_owned()).unwrap_or_default();
                aside.book_row(line.kind, &row, || (title, profile.shaped()))?;
                continue;
            }
            let out = aside.out(line.kind, format, Some(&profile.file), |out| profile.begin(out))?;
            profile.write(out, &row).map_err(BatchError::io("writing a row"))?;
        }
        Ok(())
    })
}
