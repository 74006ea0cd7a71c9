//! What reports from any phone need, beside [`super::Read`] and [`super::Tx`].

use chrono::{DateTime, Utc};
use shared::area::AreaId;
use shared::ids::RecordId;
use uuid::Uuid;

use super::StoreError;

/// A report that became a record, and what its sender was told last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The report.
    pub id: Uuid,
    /// SHA-256 of the token its sender holds.
    pub token: [u8; 32],
    /// What became of it; none: it waits in the tray, or was deleted there.
    pub record: Option<RecordId>,
    /// The code of the status told last.
    pub told: u8,
}

/// Who reported, where they said so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reporter {
    /// As they gave it; may be empty.
    pub name: String,
    /// As they gave it; may be empty.
    pub phone: String,
}

/// A suspicious report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tray {
    /// The report.
    pub id: Uuid,
    /// For which grid.
    pub area: AreaId,
    /// When it came here.
    pub at: DateTime<Utc>,
    /// Why it waits: a code.
    pub reason: String,
    /// The report as JSON; where it cannot be read, what came, in base64.
    pub body: String,
}

/// What can be read.
pub trait ReadIntake {
    /// Whether a report was taken before, whatever became of it.
    fn knows_report(&self, id: Uuid) -> Result<bool, StoreError>;
    /// The report that became a record.
    fn report_of(&self, record: RecordId) -> Result<Option<Told>, StoreError>;
    /// Reports whose records were erased and that were not told `but`, at most so many.
    fn reports_erased(&self, but: u8, limit: usize) -> Result<Vec<Told>, StoreError>;
    /// Everybody who said who they are, with what they reported.
    fn reporters(&self) -> Result<Vec<(RecordId, Reporter)>, StoreError>;
    /// Those of the tray in which one of the texts stands.
    fn tray_holding(&self, texts: &[String]) -> Result<Vec<Tray>, StoreError>;
    /// Who reported a record.
    fn reporter(&self, record: RecordId) -> Result<Option<Reporter>, StoreError>;
    /// What waits in the tray, for any of these areas, the newest first.
    fn tray(&self, areas: &[AreaId], limit: usize) -> Result<Vec<Tray>, StoreError>;
    /// How many that are.
    fn tray_count(&self, areas: &[AreaId]) -> Result<u64, StoreError>;
    /// How many there are in the tray, and how many bytes.
    fn tray_size(&self) -> Result<(u64, u64), StoreError>;
    /// One of the tray.
    fn tray_one(&self, id: Uuid) -> Result<Option<Tray>, StoreError>;
}

/// What can be written.
pub trait KeepIntake {
    /// Notes that a report was taken, or what became of it.
    fn put_report(&mut self, report: &Told) -> Result<(), StoreError>;
    /// Notes who reported.
    fn put_reporter(&mut self, record: RecordId, reporter: &Reporter) -> Result<(), StoreError>;
    /// Notes the status that was told.
    fn set_told(&mut self, id: Uuid, told: u8) -> Result<(), StoreError>;
    /// From now on nothing was told: another intake asks.
    fn forget_told(&mut self) -> Result<(), StoreError>;
    /// Adds to the tray.
    fn put_tray(&mut self, tray: &Tray) -> Result<(), StoreError>;
    /// Takes out of the tray; whether it was there.
    fn drop_tray(&mut self, id: Uuid) -> Result<bool, StoreError>;
    /// Takes out of the tray what came before `before`; how many.
    fn expire_tray(&mut self, before: DateTime<Utc>) -> Result<u64, StoreError>;
}
