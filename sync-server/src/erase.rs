//! Erasing a record: a person's right, and final. Values, edits, quarantined ones, photos and batch files go; ids stay.
//!
//! What cannot be taken back is written down first: the id on [`list`], which no backup holds and which is applied again
//! at each start. Then one transaction forgets; then files go and the database is swept, so that no free page or log
//! keeps a remnant. A crash anywhere between is caught up with at the next start. Backups made before still hold the
//! record until they go by their number.

pub mod doom;
pub mod ended;
pub mod list;

mod choose;
mod cli;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use shared::area::AreaId;
use shared::ids::RecordId;
use shared::record::RecordKind;
use uuid::Uuid;

pub(crate) use choose::group_in;
pub use cli::{EraseArgs, command};

use self::choose::{Chosen, allowed, town_of, with_work};
use crate::AppState;
use crate::auth::Who;
use crate::backup::ERASED;
use crate::batch::Manifest;
use crate::blobs::take_away;
use crate::export::show;
use crate::store::{self, Audit, Erased, Gone, Read, StoreError, Tx};

/// Photos are kept once for all towns.
const ANY: AreaId = AreaId(0);
/// Whether the database has still to be swept.
const TO_SWEEP: &str = "to_sweep";
/// How often something was forgotten.
const FORGOTTEN: &str = "forgotten";

/// Why a record is erased. A choice and no text: nothing of the person may stand in the audit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The person asked for it.
    Request,
    /// It should never have been recorded.
    Mistake,
    /// The time it may be kept is over.
    Expired,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Request, Self::Mistake, Self::Expired];

    /// As in options, forms, the audit, and `erase-reason-…`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Mistake => "mistake",
            Self::Expired => "expired",
        }
    }

    /// The reason of a code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.code() == code)
    }
}

/// What was erased.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Done {
    /// The record and those merged into it.
    pub records: Vec<RecordId>,
    /// How many parts of records that stay.
    pub parts: usize,
    /// Photos that nothing else linked.
    pub photos: usize,
    /// The numbers of batches whose files went.
    pub batches: Vec<String>,
    /// Whether all bytes are gone; if not, the next start sees to the rest.
    pub swept: bool,
}

/// Why nothing, or not all, was erased.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no such record, or this person may not know that there is.
    #[error("there is no such record")]
    NoSuchRecord,
    /// This person may not erase it.
    #[error("not allowed")]
    NotAllowed,
    /// The list of erased ids could not be written: nothing was erased.
    #[error("the list of erased records cannot be written")]
    List(#[source] std::io::Error),
    /// The list cannot be read.
    #[error("the list of erased records cannot be read")]
    BadList(#[from] list::ListError),
    /// The manifest of a batch cannot be read or written.
    #[error("a manifest of a batch: {0}")]
    Manifest(#[from] serde_json::Error),
}

/// Erases a record with all that was merged into it. `who` asks at the console; none: a command on the server.
pub fn erase(app: &AppState, who: Option<&Who>, record: RecordId, reason: Reason) -> Result<Done, EraseError> {
    let areas = app.areas()?;
    let town = match who {
        Some(who) => who.user.town,
        None => town_of(app, record)?,
    };
    let note = Note { user: who, action: "audit-erase", detail: reason.code(), at: app.outside.now() };
    // Chosen, and the right asked for, at the moment of erasing: a visit that came in a moment before goes too.
    carry_out(app, town, &note, &mut |read| {
        let chosen = with_work(read, group_in(read, record)?)?;
        if let Some(who) = who {
            allowed(read, &areas, who, &chosen)?;
        }
        Ok(chosen)
    })
}

/// Erases records whose time is over, with all that was merged into them, at once: the database is swept once. `is_over`
/// is asked again at the moment of erasing: what was written meanwhile may have brought one back.
pub fn expired(
    app: &AppState,
    town: AreaId,
    records: &[RecordId],
    is_over: &dyn Fn(&dyn Read, RecordId) -> Result<bool, StoreError>,
) -> Result<Done, EraseError> {
    let note = Note { user: None, action: "audit-erase", detail: Reason::Expired.code(), at: app.outside.now() };
    carry_out(app, town, &note, &mut |read| {
        let mut all: BTreeMap<RecordId, RecordKind> = BTreeMap::new();
        for record in records {
            if is_over(read, *record)? {
                all.extend(group_in(read, *record)?);
            }
        }
        with_work(read, all.into_iter().collect())
    })
}

/// Chooses, writes the list and forgets in one transaction: nothing is written to the chosen between.
fn carry_out(
    app: &AppState,
    town: AreaId,
    note: &Note<'_>,
    choose: &mut dyn FnMut(&dyn Read) -> Result<Chosen, EraseError>,
) -> Result<Done, EraseError> {
    let (records, taken) = store::write::<_, EraseError>(&*app.store, town, |tx| {
        let chosen = choose(&*tx)?;
        if chosen.is_empty() {
            return Ok((Vec::new(), Taken::default()));
        }
        let erased: Vec<Erased> =
            chosen.iter().map(|(record, kind)| Erased { record: *record, kind: *kind, at: note.at }).collect();
        let elsewhere = elsewhere(&*tx, &erased)?;
        tx.hold(&elsewhere.keys().copied().collect())?;
        let all = elsewhere.iter().map(|(town, erased)| (*town, erased)).chain([(town, &erased)]);
        let listed: Vec<_> = all.flat_map(|(town, erased)| erased.iter().map(move |it| (town, *it))).collect();
        list::append(&app.data, &listed).map_err(EraseError::List)?;
        let mut taken = forget_in(tx, &erased, note)?;
        for (town, erased) in &elsewhere {
            let mut there = tx.at(*town)?;
            taken.add(forget_in(&mut *there, erased, note)?);
            taken.gone.uploads.extend(there.bar_photos(&taken.gone.photos)?.uploads);
        }
        Ok((listed.into_iter().map(|(_, erased)| erased.record).collect::<BTreeSet<_>>().into_iter().collect(), taken))
    })?;
    Ok(finish(app, records, taken))
}

/// What goes in towns that the chosen left before: what may still come there of them, and visits that were made to them.
fn elsewhere(read: &dyn Read, erased: &[Erased]) -> Result<BTreeMap<AreaId, Vec<Erased>>, EraseError> {
    let mut chosen: BTreeMap<AreaId, Chosen> = BTreeMap::new();
    for erased in erased {
        for town in read.moved_from(erased.record)? {
            chosen.entry(town).or_default().push((erased.record, erased.kind));
        }
    }
    let at = erased.first().map(|erased| erased.at).unwrap_or_default();
    let mut found = BTreeMap::new();
    for (town, chosen) in chosen {
        let all = with_work(&*read.beside(town), chosen)?.into_iter();
        found.insert(town, all.map(|(record, kind)| Erased { record, kind, at }).collect());
    }
    Ok(found)
}

/// Takes off the disk what was forgotten.
fn finish(app: &AppState, records: Vec<RecordId>, taken: Taken) -> Done {
    // No record leads to what no number names.
    let unnamed = |()| crate::batch::clear_unnamed(&*app.store, &app.data, app.outside.now());
    let swept = match clear_away(app, &taken).and_then(unnamed).and_then(|()| sweep(app)) {
        Ok(()) => true,
        Err(error) => {
            // Nothing of it is shown or told any more; the next start goes on.
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "remnants of an erased record are still on the disk"
            );
            false
        }
    };
    Done { records, parts: 0, photos: taken.gone.photos.len(), batches: taken.numbers, swept }
}

/// Who erases, for the audit.
struct Note<'a> {
    user: Option<&'a Who>,
    action: &'a str,
    detail: &'a str,
    at: DateTime<Utc>,
}

impl Note<'_> {
    fn put(&self, tx: &mut dyn Tx, subject: String) -> Result<(), StoreError> {
        tx.put_audit(&Audit {
            at: self.at,
            user: self.user.map(|who| who.user.id),
            action: self.action.to_owned(),
            subject,
            detail: self.detail.to_owned(),
        })
    }
}

/// What is to be taken off the disk.
#[derive(Default)]
struct Taken {
    gone: Gone,
    batches: Vec<Uuid>,
    numbers: Vec<String>,
}

impl Taken {
    fn add(&mut self, other: Self) {
        self.gone.photos.extend(other.gone.photos);
        self.gone.uploads.extend(other.gone.uploads);
        self.batches.extend(other.batches);
        self.numbers.extend(other.numbers);
    }
}

fn forget(app: &AppState, town: AreaId, erased: &[Erased], note: &Note<'_>) -> Result<Taken, EraseError> {
    store::write(&*app.store, town, |tx| forget_in(tx, erased, note))
}

fn forget_in(tx: &mut dyn Tx, erased: &[Erased], note: &Note<'_>) -> Result<Taken, EraseError> {
    let mut taken = Taken::default();
    let records: BTreeSet<RecordId> = erased.iter().map(|erased| erased.record).collect();
    for id in tx.batches_telling(&records)? {
        let Some(batch) = tx.batch(id)?.filter(|batch| batch.erased.is_none()) else { continue };
        take_back(tx, id, serde_json::from_str(&batch.manifest)?, note, &mut taken)?;
    }
    for erased in erased {
        let gone = tx.erase(erased)?;
        tx.drop_remains_of(erased.record)?;
        taken.gone.photos.extend(gone.photos);
        taken.gone.uploads.extend(gone.uploads);
        note.put(tx, erased.record.to_string())?;
    }
    note_forgotten(tx)?;
    Ok(taken)
}

/// How often a town forgot something: whoever read before and writes files of it after looks whether it is the same still.
pub(crate) fn forgotten(read: &dyn Read) -> Result<u64, StoreError> {
    Ok(read.meta(FORGOTTEN)?.and_then(|text| text.parse().ok()).unwrap_or(0))
}

/// Notes that remnants of something forgotten are still on the disk.
pub(crate) fn note_forgotten(tx: &mut dyn Tx) -> Result<(), StoreError> {
    tx.set_meta(TO_SWEEP, "1")?;
    let times = forgotten(&*tx)?;
    tx.set_meta(FORGOTTEN, &times.saturating_add(1).to_string())
}

/// Says of a batch that its files go.
fn take_back(
    tx: &mut dyn Tx,
    id: Uuid,
    mut manifest: Manifest,
    note: &Note<'_>,
    taken: &mut Taken,
) -> Result<(), EraseError> {
    manifest.erased_at = Some(show::beijing(note.at).to_rfc3339_opts(chrono::SecondsFormat::Secs, true));
    tx.empty_batch(id, note.at, &manifest.json()?)?;
    Note { action: "audit-batch-erased", ..*note }.put(tx, manifest.number.clone())?;
    taken.numbers.push(manifest.number);
    taken.batches.push(id);
    Ok(())
}

fn io(error: std::io::Error) -> StoreError {
    StoreError::Other { action: "took files away", source: Box::new(error) }
}

/// Takes the files of what was forgotten off the disk.
fn clear_away(app: &AppState, taken: &Taken) -> Result<(), StoreError> {
    for hash in &taken.gone.photos {
        take_away(app, hash, &|| store::read(&*app.store, ANY, |read| read.photo_anywhere(hash)))?;
    }
    for upload in &taken.gone.uploads {
        app.blobs.drop_upload(*upload).map_err(io)?;
    }
    for batch in &taken.batches {
        disk::remove_dir_all(&app.data.join("batches").join(batch.to_string())).map_err(io)?;
    }
    Ok(())
}

/// Sweeps the database and notes that it was done.
fn sweep(app: &AppState) -> Result<(), StoreError> {
    app.store.scrub()?;
    for town in app.store.towns()? {
        store::write::<_, StoreError>(&*app.store, town, |tx| tx.set_meta(TO_SWEEP, ""))?;
    }
    Ok(())
}

fn is_to_sweep(app: &AppState) -> Result<bool, StoreError> {
    for town in app.store.towns()? {
        if store::read::<_, StoreError>(&*app.store, town, |read| read.meta(TO_SWEEP))?.as_deref() == Some("1") {
            return Ok(true);
        }
    }
    Ok(false)
}

/// At each start: erases again what the list names (a restored database may hold it), and goes on where a crash
/// interrupted. Costs a look at each id when there is nothing to do.
pub fn resume(app: &AppState) -> Result<(), EraseError> {
    let listed = list::read(&app.data.join(ERASED))?.unwrap_or_default();
    let mut again = Vec::new();
    let towns: BTreeSet<AreaId> = app.store.towns()?.into_iter().chain(listed.towns()).collect();
    for town in towns {
        let of_town: Vec<Erased> = listed.iter().filter(|(it, _)| *it == town).map(|(_, erased)| *erased).collect();
        let back = store::read::<_, StoreError>(&*app.store, town, |read| {
            let ids: BTreeSet<RecordId> = of_town.iter().map(|erased| erased.record).collect();
            let known = read.erased_of(&ids)?;
            let mut back = Vec::new();
            for erased in &of_town {
                if !known.contains(&erased.record) || read.holds_anything_of(erased.record)? {
                    back.push(*erased);
                }
            }
            Ok(back)
        })?;
        if !back.is_empty() {
            tracing::warn!(town = town.0, records = back.len(), "erasing again what the list of erased records names");
            let note = Note { user: None, action: "audit-erase", detail: "again", at: app.outside.now() };
            again.push(forget(app, town, &back, &note)?);
        }
        doom::again(app, town, &listed.doomed(town))?;
        let ended = listed.ended(town);
        let back = store::read::<_, StoreError>(&*app.store, town, |read| ended::unknown(read, &ended))?;
        if !back.is_empty() {
            tracing::warn!(
                town = town.0,
                parts = back.len(),
                "ending again the parts that the list of erased records names"
            );
            let note = Note { user: None, action: "audit-part-ended", detail: "again", at: app.outside.now() };
            again.push(ended::forget(app, town, &back, &note)?);
        }
    }
    for taken in &again {
        clear_away(app, taken)?;
    }
    if let Err(error) = crate::batch::clear_unnamed(&*app.store, &app.data, app.outside.now()) {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "folders of batches without a number are still there"
        );
    }
    go_on(app);
    Ok(())
}

/// Takes remnants off the disk that an erasure could not, for lack of room or because somebody was reading. They are told
/// to nobody: that they stay is no reason not to start, or not to make a backup.
pub fn go_on(app: &AppState) {
    let done = is_to_sweep(app).and_then(|due| if due { leftovers(app).and_then(|()| sweep(app)) } else { Ok(()) });
    if let Err(error) = done {
        tracing::error!(error = &error as &dyn std::error::Error, "remnants of an erased record are still on the disk");
    }
}

/// Files that a crash left between forgetting and clearing away.
fn leftovers(app: &AppState) -> Result<(), StoreError> {
    for town in app.store.towns()? {
        let (photos, batches) = store::read::<_, StoreError>(&*app.store, town, |read| {
            let photos = read.erased_photos()?.into_iter();
            let mut gone = Vec::new();
            for hash in photos {
                if !read.photo_anywhere(&hash)? {
                    gone.push(hash);
                }
            }
            let emptied = read.batches(usize::MAX)?.into_iter().filter(|batch| batch.erased.is_some());
            Ok((gone, emptied.map(|batch| batch.id).collect::<Vec<_>>()))
        })?;
        clear_away(app, &Taken { gone: Gone { photos, uploads: Vec::new() }, batches, numbers: Vec::new() })?;
    }
    let towns = app.store.towns()?;
    for id in app.blobs.uploads().map_err(io)? {
        let known = |town: &AreaId| store::read::<_, StoreError>(&*app.store, *town, |read| read.upload(id));
        if towns.iter().map(known).collect::<Result<Vec<_>, _>>()?.iter().all(Option::is_none) {
            app.blobs.drop_upload(id).map_err(io)?;
        }
    }
    crate::batch::clear_unnamed(&*app.store, &app.data, app.outside.now())
}
