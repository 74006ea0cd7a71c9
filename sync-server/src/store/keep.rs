//! What backups, erasure and duplicates need of the store, beside [`super::Read`] and [`super::Tx`].

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use shared::ids::{Dot, EditId, PhotoHash, RecordId, Slot};
use shared::record::{Part, RecordKind};
use shared::wire::Elsewhere;
use uuid::Uuid;

use super::{Photo, ReaderKey, StoreError};

/// A record whose values went for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Erased {
    /// Which.
    pub record: RecordId,
    /// What it was.
    pub kind: RecordKind,
    /// By the server's clock.
    pub at: DateTime<Utc>,
}

/// A slot whose edits go beyond what its high-water mark says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overflown {
    /// Which.
    pub slot: Slot,
    /// What its mark says.
    pub high_water: u64,
    /// The highest n of its edits.
    pub highest: u64,
}

/// What can be read.
pub trait Kept {
    /// Up to which n of a slot the last good backup holds every edit and photo.
    fn backed_up(&self, slot: Slot) -> Result<u64, StoreError>;
    /// Whether the last good backup holds all of these edits and their photos.
    fn are_backed_up(&self, elsewhere: &Elsewhere) -> Result<bool, StoreError>;
    /// For each slot of the town the n up to which every edit is here with all its photos: where a photo is still
    /// wanted, it ends before the first edit that links it.
    fn complete_upto(&self) -> Result<Vec<(Slot, u64)>, StoreError>;
    /// Slots of the town whose edits go beyond their high-water mark. There should be none.
    fn overflown(&self) -> Result<Vec<Overflown>, StoreError>;
    /// Records of the town that have edits and not the part that those edits make. There should be none.
    fn without_part(&self) -> Result<Vec<RecordId>, StoreError>;
    /// Every photo delivered in the town, by hash.
    fn photos(&self) -> Result<Vec<Photo>, StoreError>;

    /// Those of `records` that were erased.
    fn erased_of(&self, records: &BTreeSet<RecordId>) -> Result<BTreeSet<RecordId>, StoreError>;
    /// Those of these edits whose writes were taken out because the time of their part was over.
    fn ended_of(&self, edits: &[EditId]) -> Result<BTreeSet<EditId>, StoreError>;
    /// Every erased record of the town, by id.
    fn erased(&self) -> Result<Vec<Erased>, StoreError>;
    /// Whether anything of a record's values is still here.
    fn holds_anything_of(&self, record: RecordId) -> Result<bool, StoreError>;
    /// The kind of a record that no edit was ever applied to, by an edit that was refused.
    fn kind_refused(&self, record: RecordId) -> Result<Option<RecordKind>, StoreError>;
    /// By what the readers of a record see it, saw it or wrote to it.
    fn readers_ever(&self, record: RecordId) -> Result<BTreeSet<ReaderKey>, StoreError>;
    /// Whether a photo went with an erased record and nothing that is still here links it.
    fn is_erased_photo(&self, hash: &PhotoHash) -> Result<bool, StoreError>;
    /// Photos of the town that went with erased records.
    fn erased_photos(&self) -> Result<Vec<PhotoHash>, StoreError>;
    /// Events that were refused, each with whom or what it says it is about.
    fn refused_about(&self) -> Result<Vec<(RecordId, RecordId)>, StoreError>;
    /// Whether any town still has this photo.
    fn photo_anywhere(&self, hash: &PhotoHash) -> Result<bool, StoreError>;
    /// Batches that may tell of one of `records`, oldest first, whether their files are still there or not.
    fn batches_telling(&self, records: &BTreeSet<RecordId>) -> Result<Vec<Uuid>, StoreError>;

    /// Where a record's values are looked for now: itself, unless it was merged into another.
    fn alias_of(&self, record: RecordId) -> Result<RecordId, StoreError>;
    /// The records of its kind that were merged right into this one.
    fn merged_into(&self, record: RecordId) -> Result<Vec<RecordId>, StoreError>;
}

/// What went with an erased record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gone {
    /// Photos that nothing in the town links any more.
    pub photos: Vec<PhotoHash>,
    /// Their unfinished uploads, and finished ones.
    pub uploads: Vec<Uuid>,
}

/// What can be written.
pub trait Keep {
    /// Notes up to which n of each slot a good backup holds everything.
    fn note_backed_up(&mut self, upto: &[(Slot, u64)]) -> Result<(), StoreError>;
    /// A photo is not here any more as it was delivered: it is wanted of every slot whose edits link it, like one that
    /// never came. `false` if it was not known.
    fn want_photo_again(&mut self, hash: &PhotoHash) -> Result<bool, StoreError>;
    /// Begins a new epoch: what was read in an earlier one is told apart. Ends all log-ins to the console, unused
    /// codes and what was released to be taken out, of every town: they are older than whatever made the epoch.
    fn begin_epoch(&mut self, epoch: u32) -> Result<(), StoreError>;

    /// Takes everything of a record's values out and notes its id and the ids of its edits. Tells every reader key of
    /// [`Kept::readers_ever`], in the feed of both parts, that it was erased.
    fn erase(&mut self, erased: &Erased) -> Result<Gone, StoreError>;
    /// Takes the writes out of edits of a record's part, refused ones included, and notes their ids; with them goes what
    /// could not be read and may be of that part, and what handhelds still showed of it.
    fn empty_edits(&mut self, record: RecordId, part: Part, edits: &BTreeSet<EditId>) -> Result<(), StoreError>;
    /// Notes the id and dot of an edit that came for an erased record.
    fn put_erased_edit(&mut self, edit: EditId, dot: Dot) -> Result<(), StoreError>;
    /// Which records a batch tells of.
    fn put_batch_records(&mut self, batch: Uuid, records: &BTreeSet<RecordId>) -> Result<(), StoreError>;
    /// Says of a batch that its files went, and what its manifest says since.
    fn empty_batch(&mut self, batch: Uuid, at: DateTime<Utc>, manifest: &str) -> Result<(), StoreError>;
}
