//! Sealing a batch, and taking a sealed one again.

use std::cell::LazyCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::Path;

use chrono::Datelike as _;
use shared::area::{Area, AreaId, AreaTree};
use shared::form::Forms;
use shared::ids::UserId;
use shared::outside::Outside;
use shared::record::RecordKind;

use super::approval;
use super::cut::{self, Cut, Piece};
use super::files::{self, Aside};
use super::manifest::{Counts, Manifest};
use super::photos::{self, Photos};
use super::{BatchError, Format, Pull, Pulled, Sealed, Since, profile, verify};
use crate::auth::Who;
use crate::auth::authorize::{Action, Reach, authorize};
use crate::blobs::Blobs;
use crate::erase;
use crate::export::columns::Columns;
use crate::export::profile::Profile;
use crate::export::{Line, Status, Telling, csv, geojson, ndjson, show};
use crate::store::{self, Audit, Batch, Store, StoreError, User};

/// How far back `list` looks.
pub(super) const BATCHES: usize = 10_000;

/// Each of the roots must be one the person may take out.
pub(super) fn check(user: &User, areas: &[AreaId], tree: &AreaTree) -> Result<(), BatchError> {
    let who = Who::of(user.clone(), tree);
    let denied = |area: &&AreaId| {
        let reach = Reach { kind: RecordKind::Person, areas: vec![**area], readers: Vec::new(), visit: false };
        authorize(&who, Action::TakeOut, None, &reach, tree).is_err()
    };
    match areas.iter().find(denied) {
        Some(area) => Err(BatchError::NotAllowed(*area)),
        None if areas.is_empty() => Err(BatchError::NotAllowed(user.town)),
        None => Ok(()),
    }
}

/// Whether somebody takes out batches of what they are responsible for.
pub fn may_pull(user: &User, tree: &AreaTree) -> bool {
    check(user, &user.scope, tree).is_ok()
}

/// Where a pull begins, and when the cut it follows was made.
type Start = ((u64, u64), Option<chrono::DateTime<chrono::Utc>>);

fn start(store: &dyn Store, pull: &Pull<'_>) -> Result<Start, BatchError> {
    let mut areas = pull.areas.clone();
    areas.sort_unstable();
    let batches = store::read(store, pull.user.town, |read| read.batches(BATCHES))?;
    let found = match &pull.since {
        Since::All => None,
        // What went to a platform went there whoever took it.
        Since::Last => batches.into_iter().find(|b| {
            let theirs = pull.profile.is_some() || b.user == Some(pull.user.id);
            theirs && b.scope == areas && read_manifest(b).is_ok_and(|manifest| manifest.profile == pull.profile)
        }),
        Since::Batch(number) => {
            let same = |b: &Batch| read_manifest(b).is_ok_and(|manifest| manifest.number == *number);
            Some(batches.into_iter().find(same).ok_or_else(|| BatchError::NoSuchBatch(number.clone()))?)
        }
    };
    Ok(match found {
        // What a batch without restricted parts passed over is still to come for somebody cleared since.
        Some(batch) => ((batch.upto.0, if pull.restricted { batch.upto.1 } else { 0 }), Some(batch.at)),
        None => ((0, 0), None),
    })
}

/// Seals what is new for the person in the areas they name.
///
/// `data` is the server's folder, `blobs` has the photos. The files are complete on the disk before the number is taken; a crash between leaves
/// a folder that nothing names, see [`clear_unnamed`].
pub fn pull(
    store: &dyn Store,
    outside: &dyn Outside,
    data: &Path,
    blobs: &dyn Blobs,
    forms: &Forms,
    pull: &Pull<'_>,
) -> Result<Pulled, BatchError> {
    let tree = cut::tree(store)?;
    check(pull.user, &pull.areas, &tree)?;
    if pull.unmasked && !pull.user.may_unmask {
        return Err(BatchError::MayNotUnmask);
    }
    if pull.restricted && !pull.user.cleared {
        return Err(BatchError::NotCleared);
    }
    let now = outside.now();
    let profile = pull.profile.as_deref().map(|name| Profile::named(forms, data, name)).transpose()?;
    // Before a byte is written, and again in the transaction that uses it up.
    store::read(store, pull.user.town, |read| approval::released_by(read, pull, now))?;
    let (after, last) = start(store, pull)?;
    let scope = tree.scope(&pull.areas);
    let cut = Cut { scope: &scope, after, cleared: pull.restricted, last };
    let id = outside.uuid();
    let batches = data.join("batches");
    disk::create_private_dir_all(&batches).map_err(BatchError::io("making the folder of batches"))?;
    let mut aside = Aside::new(&batches, id)?;
    let mut counts: BTreeMap<String, Counts> = BTreeMap::new();
    let mut records = BTreeSet::new();
    let (who, mut photos) = (Who::of(pull.user.clone(), &tree), Photos::default());
    let (upto, forgotten) = store::read(store, pull.user.town, |read| {
        let upto = cut::end(read)?;
        let users: BTreeMap<UserId, String> = read.users()?.into_iter().map(|user| (user.id, user.name)).collect();
        let told = Words { forms, tree: &tree, pull, today: show::beijing(now).date_naive(), users: &users };
        if let Some(profile) = &profile {
            profile::must_be_known(read, &cut, profile, &told)?;
        }
        let hand_over = |hand: &mut Hand<'_>| {
            cut::each_piece(read, &cut, &mut |mut piece| {
                if let Some(profile) = &profile {
                    piece.lines.retain(|line| line.kind == profile.kind);
                }
                // Of a record that others link to, its title is told.
                records.extend(piece.lines.iter().map(|line| line.id).chain(piece.titles.keys().copied()));
                if pull.photos {
                    photos.add(read, &who, &tree, &piece)?;
                }
                hand(piece)
            })
        };
        side_by_side(hand_over, |piece| match &profile {
            Some(profile) => profile::write_piece(&mut aside, profile, &piece, &told, &mut counts),
            None => write_piece(&mut aside, &piece, &told, &mut counts),
        })?;
        Ok::<_, BatchError>((upto, erase::forgotten(read)?))
    })?;
    if counts.is_empty() {
        return Ok(Pulled::NothingNew);
    }
    if pull.formats.contains(&Format::GeoJson) {
        write_outlines(&mut aside, scope.iter().filter_map(|id| tree.get(id)))?;
    }
    photos.look(blobs)?;
    if photos.here() > 0 {
        aside.other(photos::NAME, ("photo", "zip"), photos.here(), |out| photos.write(blobs, out))?;
    }
    let place = batches.join(id.to_string());
    // Held until the number names it, or it is gone again.
    let (files, _held) = aside.seal(&place)?;
    let mut areas = pull.areas.clone();
    areas.sort_unstable();
    let names = areas.iter().map(|id| (*id, crate::export::area_name(&tree, *id))).collect();
    let mut manifest = Manifest {
        version: 1,
        number: String::new(),
        town: pull.user.town,
        areas: names,
        after,
        // Where nothing of the restricted part was told its cursor stays at the beginning.
        upto: (upto.0, if pull.restricted { upto.1 } else { 0 }),
        sealed_at: show::beijing(now).to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
        user: pull.user.id,
        masked: !pull.unmasked,
        restricted: pull.restricted,
        lang: pull.lang.tag().to_owned(),
        profile: pull.profile.clone(),
        counts,
        files,
        photos_missing: pull.photos.then(|| photos.missing()),
        erased_at: None,
    };
    let year = show::beijing(now).year();
    let sealed = store::write(store, pull.user.town, |tx| {
        if erase::forgotten(&*tx)? != forgotten {
            // A record was erased or a part ended while it was written, and no erasure would find the files; the next
            // attempt leaves it out.
            return Err(BatchError::Store(StoreError::Busy));
        }
        let released_by = approval::used(tx, pull, now)?;
        let key = format!("batches_{year}");
        let n: u32 = tx.meta(&key)?.and_then(|n| n.parse().ok()).unwrap_or(0) + 1;
        tx.set_meta(&key, &n.to_string())?;
        manifest.number = format!("{year}-{n:03}");
        let formats: Vec<&str> = match &profile {
            Some(profile) => vec![profile.format().code()],
            None => pull.formats.iter().map(|format| format.code()).collect(),
        };
        tx.put_batch(&Batch {
            id,
            scope: areas.clone(),
            format: formats.join(","),
            masked: manifest.masked,
            after: manifest.after,
            upto: manifest.upto,
            at: now,
            user: Some(pull.user.id),
            manifest: manifest.json()?,
            erased: None,
        })?;
        tx.put_batch_records(id, &records)?;
        tx.put_audit(&audit(pull.user.id, now, "audit-batch-sealed", &manifest, released_by)?)?;
        Ok::<_, BatchError>(())
    });
    if let Err(error) = sealed {
        // An answer that was lost on the way from a database says nothing: the number may be taken all the same. Under the lock
        // nothing is on its way any more. Where that cannot be asked either the folder stays for `clear_unnamed`.
        if !is_named(store, pull.user.town, id)? {
            // What no number names would be found by no erasure.
            disk::remove_dir_all(&place).map_err(BatchError::io("taking its folder away again"))?;
            return Err(error);
        }
    }
    Ok(Pulled::Sealed(Box::new(Sealed { manifest, folder: place })))
}

/// Whether a town has a batch, or one that is being sealed at this moment.
fn is_named(store: &dyn Store, town: AreaId, id: uuid::Uuid) -> Result<bool, StoreError> {
    store::write(store, town, |tx| Ok(tx.batch(id)?.is_some()))
}

/// Takes a piece that was read.
type Hand<'a> = dyn FnMut(Piece) -> Result<(), BatchError> + 'a;

/// Writes pieces in the order they are read, on a thread of its own, while the next is read.
fn side_by_side(
    read: impl FnOnce(&mut Hand<'_>) -> Result<(), BatchError>,
    write: impl FnMut(Piece) -> Result<(), BatchError> + Send,
) -> Result<(), BatchError> {
    let (hand, taken) = std::sync::mpsc::sync_channel(1);
    std::thread::scope(|scope| {
        let writer = scope.spawn(move || taken.into_iter().try_for_each(write));
        let gone = || std::io::Error::from(ErrorKind::BrokenPipe);
        let read = read(&mut |piece| hand.send(piece).map_err(|_| BatchError::io("handing over a piece")(gone())));
        drop(hand);
        // Whoever writes knows better why it ended.
        writer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)).and(read)
    })
}

fn audit(
    user: UserId,
    at: chrono::DateTime<chrono::Utc>,
    action: &str,
    manifest: &Manifest,
    released_by: Option<UserId>,
) -> Result<Audit, BatchError> {
    let areas: Vec<String> = manifest.areas.keys().map(ToString::to_string).collect();
    let mut detail = serde_json::json!({
        "areas": areas,
        "records": manifest.records(),
        "masked": manifest.masked,
        "restricted": manifest.restricted,
        // Whoever alters a file and its manifest would have to alter the audit as well.
        "manifest": verify::noted(manifest)?,
    });
    if let (Some(by), Some(detail)) = (released_by, detail.as_object_mut()) {
        detail.insert("released_by".to_owned(), by.to_string().into());
    }
    Ok(Audit {
        at,
        user: Some(user),
        action: action.to_owned(),
        subject: manifest.number.clone(),
        detail: detail.to_string(),
    })
}

pub(super) struct Words<'a> {
    forms: &'a Forms,
    tree: &'a AreaTree,
    pull: &'a Pull<'a>,
    today: chrono::NaiveDate,
    users: &'a BTreeMap<UserId, String>,
}

impl Words<'_> {
    /// How the records of a piece are told.
    pub(super) fn telling<T>(&self, piece: &Piece, tell: impl FnOnce(&Telling<'_>) -> T) -> T {
        tell(&Telling {
            forms: self.forms,
            areas: self.tree,
            lang: self.pull.lang,
            unmasked: self.pull.unmasked,
            cleared: self.pull.restricted,
            today: self.today,
            titles: &|id| piece.titles.get(&id).cloned(),
            users: &|id| self.users.get(&id).cloned(),
        })
    }
}

/// Counts a record.
pub(super) fn count(counts: &mut BTreeMap<String, Counts>, line: &Line) {
    let of_kind = counts.entry(line.kind.code().to_owned()).or_default();
    match line.status {
        Status::New => of_kind.new += 1,
        Status::Changed => of_kind.changed += 1,
        Status::Removed => of_kind.removed += 1,
        Status::Gone => of_kind.gone += 1,
    }
}

fn write_piece(
    aside: &mut Aside,
    piece: &Piece,
    words: &Words<'_>,
    counts: &mut BTreeMap<String, Counts>,
) -> Result<(), BatchError> {
    words.telling(piece, |told| write_lines(aside, piece, words, told, counts))
}

fn write_lines(
    aside: &mut Aside,
    piece: &Piece,
    words: &Words<'_>,
    told: &Telling<'_>,
    counts: &mut BTreeMap<String, Counts>,
) -> Result<(), BatchError> {
    let all: BTreeMap<_, _> = RecordKind::ALL
        .into_iter()
        .filter_map(|kind| Some((kind, Columns::new(words.forms.newest(kind)?, told.cleared))))
        .collect();
    for line in &piece.lines {
        let Some(columns) = all.get(&line.kind) else { continue };
        count(counts, line);
        let row = LazyCell::new(|| columns.row(line, told));
        for format in &words.pull.formats {
            match format {
                Format::Csv => {
                    let out = aside.out(line.kind, *format, None, |out| {
                        csv::begin(out)?;
                        csv::row(out, columns.header(told).iter().map(String::as_str))
                    })?;
                    csv::row(out, row.iter().map(String::as_str)).map_err(BatchError::io("writing a row"))?;
                }
                Format::Ndjson => {
                    let out = aside.out(line.kind, *format, None, |_| Ok(()))?;
                    let line = ndjson::line(columns, line, told)?;
                    out.write_all(&line).map_err(BatchError::io("writing a row"))?;
                }
                Format::Xlsx => aside.book_row(line.kind, &row, || {
                    let title = columns.form().label.in_lang(told.lang.tag());
                    (title.to_owned(), columns.shaped(told))
                })?,
                Format::GeoJson => {
                    let Some(feature) = geojson::record(columns, line, told)? else { continue };
                    let mut before = geojson::BETWEEN;
                    let out = aside.out(line.kind, *format, None, |out| {
                        before = b"";
                        out.write_all(geojson::BEGIN)
                    })?;
                    out.write_all(before).map_err(BatchError::io("writing a row"))?;
                    out.write_all(&feature).map_err(BatchError::io("writing a row"))?;
                }
            }
        }
    }
    Ok(())
}

/// The file of the areas that somebody drew; none while nobody drew any.
fn write_outlines<'a>(aside: &mut Aside, areas: impl Iterator<Item = &'a Area>) -> Result<(), BatchError> {
    let drawn = areas.filter_map(|area| geojson::area(area).transpose()).collect::<Result<Vec<_>, _>>()?;
    if drawn.is_empty() {
        return Ok(());
    }
    let rows = u64::try_from(drawn.len()).unwrap_or(u64::MAX);
    aside.other("areas.geojson", ("area", Format::GeoJson.code()), rows, |out| {
        out.write_all(geojson::BEGIN)?;
        out.write_all(&drawn.join(geojson::BETWEEN))?;
        out.write_all(geojson::END)
    })
}

pub(super) fn read_manifest(batch: &Batch) -> Result<Manifest, BatchError> {
    Ok(serde_json::from_str(&batch.manifest)?)
}

/// The batches this person may take again, newest first, each with whether they may.
pub fn list(store: &dyn Store, user: &User) -> Result<Vec<(Batch, Manifest)>, BatchError> {
    let tree = cut::tree(store)?;
    let mut all = Vec::new();
    for batch in store::read(store, user.town, |read| read.batches(BATCHES))? {
        if check(user, &batch.scope, &tree).is_ok() {
            let manifest = read_manifest(&batch)?;
            all.push((batch, manifest));
        }
    }
    Ok(all)
}

/// What a batch held, also when its files are gone.
pub fn manifest(store: &dyn Store, user: &User, number: &str) -> Result<Manifest, BatchError> {
    find(store, user, number).map(|(_, manifest)| manifest)
}

/// With the rights the person has now.
fn find(store: &dyn Store, user: &User, number: &str) -> Result<(Batch, Manifest), BatchError> {
    let found = list(store, user)?.into_iter().find(|(_, manifest)| manifest.number == number);
    let (batch, manifest) = found.ok_or_else(|| BatchError::NoSuchBatch(number.to_owned()))?;
    if !manifest.masked && !user.may_unmask {
        return Err(BatchError::MayNotUnmask);
    }
    if manifest.restricted && !user.cleared {
        return Err(BatchError::NotCleared);
    }
    Ok((batch, manifest))
}

/// The numbers of a town's batches whose files are there and not what was sealed.
pub fn damaged(store: &dyn Store, data: &Path, town: AreaId) -> Result<Vec<String>, StoreError> {
    let mut damaged = Vec::new();
    for batch in store::read::<_, StoreError>(store, town, |read| read.batches(BATCHES))? {
        let folder = data.join("batches").join(batch.id.to_string());
        match read_manifest(&batch).map(|manifest| files::verify(&Sealed { manifest, folder })) {
            // Files may be taken away by hand once nobody needs them; the manifest stays.
            Ok(Ok(()) | Err(BatchError::FilesGone(_))) => {}
            Ok(Err(BatchError::Damaged { number, .. })) => damaged.push(number),
            Ok(Err(_)) | Err(_) => damaged.push(batch.id.to_string()),
        }
    }
    Ok(damaged)
}

/// Takes away folders that a crash left before the batch had its number: no erasure would find what is in them. Those that
/// somebody is making just now stay; where folders have no locks, those of the last day.
pub fn clear_unnamed(store: &dyn Store, data: &Path, now: chrono::DateTime<chrono::Utc>) -> Result<(), StoreError> {
    let io = |source| StoreError::Other { action: "cleared away batches without a number", source: Box::new(source) };
    let listed = match disk::list(&data.join("batches")) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        other => other.map_err(io)?,
    };
    let towns = store.towns()?;
    let is_listed = |id| {
        let found = towns.iter().map(|town| store::read::<_, StoreError>(store, *town, |read| read.batch(id)));
        Ok::<_, StoreError>(found.collect::<Result<Vec<_>, _>>()?.iter().any(Option::is_some))
    };
    let is_named = |id| {
        let found = towns.iter().map(|town| is_named(store, *town, id));
        Ok::<_, StoreError>(found.collect::<Result<Vec<_>, _>>()?.contains(&true))
    };
    for entry in listed.into_iter().filter(|entry| entry.is_folder) {
        let name = entry.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let Ok(id) = name.trim_start_matches(".aside-").parse::<uuid::Uuid>() else { continue };
        if is_listed(id)? {
            continue;
        }
        let old = || store::made_at(id).is_some_and(|made| now - made > chrono::TimeDelta::days(1));
        let _held = match disk::hold_dir(&entry.path) {
            Err(error) if error.kind() == ErrorKind::Unsupported && old() => None,
            Err(error) if matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::NotFound) => continue,
            held => match held.map_err(io)? {
                // It got its number before it was let go.
                Some(held) if !is_named(id)? => Some(held),
                _ => continue,
            },
        };
        disk::remove_dir_all(&entry.path).map_err(io)?;
    }
    Ok(())
}

/// A sealed batch once more, the same to the byte. Asked for with the rights the person has now; written to the audit.
pub fn again(
    store: &dyn Store,
    outside: &dyn Outside,
    data: &Path,
    user: &User,
    number: &str,
) -> Result<Sealed, BatchError> {
    let (batch, manifest) = find(store, user, number)?;
    if batch.erased.is_some() {
        return Err(BatchError::Erased(manifest.number));
    }
    let sealed = Sealed { manifest, folder: data.join("batches").join(batch.id.to_string()) };
    files::verify(&sealed)?;
    let entry = audit(user.id, outside.now(), "audit-batch-again", &sealed.manifest, None)?;
    store::write(store, user.town, |tx| tx.put_audit(&entry))?;
    Ok(sealed)
}

/// How many records wait in these areas since the person's last batch of them: those changed, at most.
pub fn pending(store: &dyn Store, pull: &Pull<'_>) -> Result<u64, BatchError> {
    let tree = cut::tree(store)?;
    check(pull.user, &pull.areas, &tree)?;
    let (after, _) = start(store, pull)?;
    let areas: Vec<AreaId> = tree.scope(&pull.areas).iter().collect();
    let filter = store::PartFilter { areas: Some(areas), after: after.0, ..store::PartFilter::default() };
    Ok(store::read(store, pull.user.town, |read| read.count_parts(&filter))?)
}
