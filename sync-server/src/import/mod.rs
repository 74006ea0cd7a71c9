//! Bringing in records from tables: CSV in UTF-8 or GB 18030, XLSX or XLS, a header by the labels of the form, by what offices
//! call them, or by what somebody said; in pieces, with a reason for every row that is not taken as it stands.
//!
//! A row is **new**, **changed** (it is known by its number, or by name and birth date or address in its area), **same**,
//! **refused** (not taken, with the reasons) and, beside new or changed, **doubtful** (待核实: taken and marked). An empty
//! cell never clears a field, a field that is 待核对 is left to people, and the same table brought in again changes
//! nothing. Every row goes through the same [`crate::sync::accept`] as the edits of handhelds, by a slot of its own: by that
//! an import is undone in one step.

mod areas;
mod cells;
mod cli;
mod decode;
mod files;
mod header;
mod identity;
pub mod job;
pub mod report;
mod row;
mod rows;
mod run;
pub mod sheet;
pub mod table;
pub mod undo;

use shared::area::AreaId;
use shared::record::RecordKind;

pub(crate) use cells::writes as cell_writes;
pub use cli::{ImportArgs, area, command, lang, said_in, sentence, text, why};
pub use decode::{BadEncoding, Encoding};
pub use header::{AREA, Mapping, guessed, is_taken};
pub use report::{Note, Report, Taken};
pub use rows::{BadRows, ROW_BYTES};
pub use run::{import, import_as};
pub use table::BadBook;

use crate::store::{StoreError, User};

/// What to bring in, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// Of which kind the rows are.
    pub kind: RecordKind,
    /// Where rows without an area cell belong; rows of others must lie in it or below.
    pub area: Option<AreaId>,
    /// If the file does not tell it rightly.
    pub encoding: Option<Encoding>,
    /// In whose name; their scope bounds what is taken. None: a command on the server, which may write anywhere.
    pub user: Option<User>,
    /// As the history shows the origin, e.g. the file's name.
    pub label: String,
    /// Only say what would become of it.
    pub dry_run: bool,
}

/// Why nothing of a file was taken.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file's encoding.
    #[error(transparent)]
    Encoding(#[from] BadEncoding),
    /// The file's lines.
    #[error(transparent)]
    Rows(#[from] BadRows),
    /// The workbook.
    #[error(transparent)]
    Book(#[from] BadBook),
    /// Another import of the town is under way, or this one is.
    #[error("an import of the town is under way")]
    Running,
    /// It was undone before.
    #[error("the import was undone already")]
    Undone,
    /// Nothing in it.
    #[error("the file is empty")]
    Empty,
    /// Not one column of the header is known; the header as read, shortened.
    #[error("no column of the header is known: {0}")]
    UnknownHeader(String),
    /// The column that names the record is missing.
    #[error("the column {0} is missing")]
    MissingColumn(String),
    /// Two columns of the same field.
    #[error("the column {0} stands twice")]
    ColumnTwice(String),
    /// There is neither an area column nor an area in the options.
    #[error("the file has no area column and no area was named")]
    NoArea,
    /// There are several towns and neither an area nor a person to tell which is meant.
    #[error("there are several towns; name an area or a person")]
    WhichTown,
    /// The named area is not there, or lies in no town.
    #[error("there is no area {0} in a town")]
    BadArea(String),
    /// Nobody has this login.
    #[error("there is no user {0}")]
    NoUser(String),
}
