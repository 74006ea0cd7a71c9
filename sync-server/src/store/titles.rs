//! The names of records, beside [`super::Read`].

use shared::area::AreaId;
use shared::ids::RecordId;

use super::StoreError;

/// What can be read.
pub trait ReadTitles {
    /// The titles of those of these records that exist, each with where it lies, without the states: of a whole township they
    /// are a tenth of the time that a batch takes.
    fn titles(&self, records: &mut dyn Iterator<Item = RecordId>) -> Result<Vec<Titled>, StoreError>;
}

/// A record by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Titled {
    /// Which.
    pub record: RecordId,
    /// Where it lies, as of [`super::StoredPart::areas`].
    pub areas: Vec<AreaId>,
    /// The shown value of the form's title field.
    pub title: String,
}
