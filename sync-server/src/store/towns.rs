//! More than one town in one transaction: what records that move, and who works in several towns, need of the store, beside
//! [`super::Read`] and [`super::Tx`].

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use shared::area::AreaId;
use shared::ids::{PhotoHash, RecordId};
use shared::record::RecordKind;

use super::{Gone, Read, StoreError, Tx};

/// That a record left a town.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved {
    /// Which.
    pub record: RecordId,
    /// What it is.
    pub kind: RecordKind,
    /// For which town.
    pub to: AreaId,
    /// By the server's clock.
    pub at: DateTime<Utc>,
}

/// What can be read.
pub trait ReadTowns {
    /// The same moment of another town.
    fn beside<'s>(&'s self, town: AreaId) -> Box<dyn Read + 's>;
    /// Those of these records that left this town and did not come back.
    fn moved(&self, records: &BTreeSet<RecordId>) -> Result<Vec<Moved>, StoreError>;
    /// The other towns that a record left.
    fn moved_from(&self, record: RecordId) -> Result<Vec<AreaId>, StoreError>;
    /// Every town in which a photo is linked or wanted.
    fn photo_towns(&self, hash: &PhotoHash) -> Result<BTreeSet<AreaId>, StoreError>;
}

/// What can be written.
pub trait KeepTowns {
    /// Makes sure that these towns are held too. Where one is not, this fails and the work is run again from the start with
    /// all of them held, in the order of their ids whoever asks: so nobody waits for somebody who waits for them.
    fn hold(&mut self, towns: &BTreeSet<AreaId>) -> Result<(), StoreError>;
    /// This transaction in another town, which is held.
    fn at<'s>(&'s mut self, town: AreaId) -> Result<Box<dyn Tx + 's>, StoreError>;
    /// Brings all that is kept of a record to another town, which is held: edits keep their ids, dots and order. Its parts do
    /// not come along, they are saved there anew; here stays that it left, and what told its readers so. Photos that
    /// nothing here links any more go with it.
    fn hand_over(&mut self, moved: &Moved) -> Result<(), StoreError>;
    /// Photos that went with a record which is erased in another town: they are not taken here any more either, unless
    /// something here links them.
    fn bar_photos(&mut self, photos: &[PhotoHash]) -> Result<Gone, StoreError>;
}
