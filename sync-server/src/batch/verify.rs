//! Whether a sealed batch is what was sealed: its manifest by the audit, its files by the manifest.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use sha2::{Digest as _, Sha256};
use shared::area::AreaId;

use super::files::{hex, sha256_of};
use super::seal::{BATCHES, read_manifest};
use super::{BatchError, Manifest};
use crate::backup::Finding;
use crate::store::{self, AuditEntry, AuditFilter, Batch, Read, Store, StoreError};

/// The manifest as a file, in a batch that was handed out.
const MANIFEST: &str = "manifest.json";

/// What was seen of one batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looked {
    /// Its number.
    pub number: String,
    /// Files that are what was sealed.
    pub well: usize,
    /// Whether its files went with an erased record, as they should.
    pub erased: bool,
    /// Whether it was sealed before manifests were noted in the audit.
    pub unnoted: bool,
    /// What is wrong.
    pub found: Vec<Finding>,
}

/// What the audit says of a manifest: the SHA-256 of `manifest.json` as it was sealed.
pub fn noted(manifest: &Manifest) -> Result<String, serde_json::Error> {
    // What an erasure adds came later.
    let sealed = Manifest { erased_at: None, ..manifest.clone() };
    Ok(hex(&Sha256::digest(sealed.json()?.as_bytes())))
}

/// Looks at the batches of all towns, or at those of one number. In `folder`, if it is given, lies a copy that was handed
/// out; else the server's own files are looked at.
pub fn verify(
    store: &dyn Store,
    data: &Path,
    number: Option<&str>,
    folder: Option<&Path>,
) -> Result<Vec<Looked>, BatchError> {
    let mut all = Vec::new();
    let copy = folder.map(Copy::read).transpose()?;
    // Numbers count in each town: a copy says of which it is, unless nothing in it can be read.
    let of_copy = |town: AreaId| copy.as_ref().and_then(|copy| copy.town).is_none_or(|of| of == town);
    for town in store.towns()?.into_iter().filter(|town| of_copy(*town)) {
        let (batches, sealings) =
            store::read::<_, StoreError>(store, town, |read| Ok((read.batches(BATCHES)?, sealings(read)?)))?;
        for batch in batches {
            let Ok(manifest) = read_manifest(&batch) else {
                let id = batch.id.to_string();
                let found = vec![Finding { key: "batch-found-manifest", args: vec![("number", id.clone())] }];
                all.push(Looked { number: id, well: 0, erased: false, unnoted: false, found });
                continue;
            };
            if number.is_none_or(|number| number == manifest.number) {
                all.push(look(data, &sealings, &batch, &manifest, copy.as_ref())?);
            }
        }
    }
    match number {
        Some(number) if all.is_empty() => Err(BatchError::NoSuchBatch(number.to_owned())),
        _ => Ok(all),
    }
}

/// A batch that was handed out.
struct Copy<'a> {
    folder: &'a Path,
    /// Of its manifest.
    sha256: String,
    /// What its manifest says.
    town: Option<AreaId>,
}

impl<'a> Copy<'a> {
    fn read(folder: &'a Path) -> Result<Self, BatchError> {
        let bytes = disk::read(&folder.join(MANIFEST)).map_err(BatchError::io("reading manifest.json"))?;
        let town = serde_json::from_slice::<Manifest>(&bytes).ok().map(|manifest| manifest.town);
        Ok(Self { folder, sha256: hex(&Sha256::digest(&bytes)), town })
    }
}

fn look(
    data: &Path,
    sealings: &Sealings,
    batch: &Batch,
    manifest: &Manifest,
    copy: Option<&Copy<'_>>,
) -> Result<Looked, BatchError> {
    let number = manifest.number.clone();
    let mut looked = Looked { number, well: 0, erased: batch.erased.is_some(), unnoted: false, found: Vec::new() };
    match sealed_as(sealings, manifest)? {
        Sealed::Same => {}
        Sealed::Unnoted => looked.unnoted = true,
        Sealed::Other => looked.add("batch-found-manifest", None),
        Sealed::Never => looked.add("batch-found-not-in-audit", None),
    }
    match copy {
        Some(copy) => {
            if ![noted(manifest)?, hex(&Sha256::digest(manifest.json()?.as_bytes()))].contains(&copy.sha256) {
                looked.add("batch-found-altered", Some(MANIFEST));
            }
            files(&mut looked, copy.folder, manifest, true);
        }
        // Its files must be gone; any that is there was put there.
        None if looked.erased => {
            let none = Manifest { files: Vec::new(), ..manifest.clone() };
            files(&mut looked, &data.join("batches").join(batch.id.to_string()), &none, false);
        }
        None => files(&mut looked, &data.join("batches").join(batch.id.to_string()), manifest, false),
    }
    Ok(looked)
}

enum Sealed {
    Same,
    Other,
    /// There is an entry, of a version that noted no hash.
    Unnoted,
    Never,
}

/// What the audit says of the sealing of each batch, by number, with whether the entry fits; read once, for the audit is
/// long. That nothing else in it was altered, `audit verify` says.
type Sealings = BTreeMap<String, (AuditEntry, bool)>;

fn sealings(read: &dyn Read) -> Result<Sealings, StoreError> {
    let action = Some("audit-batch-sealed".to_owned());
    let entries = read.audit_entries(&AuditFilter { action, limit: usize::MAX, ..AuditFilter::default() })?;
    // Newest first: of two of one number the older stays, which sealed it.
    Ok(entries.into_iter().map(|(entry, fits)| (entry.subject.clone(), (entry, fits))).collect())
}

fn sealed_as(sealings: &Sealings, manifest: &Manifest) -> Result<Sealed, BatchError> {
    let Some((entry, fits)) = sealings.get(&manifest.number) else { return Ok(Sealed::Never) };
    let detail: serde_json::Value = serde_json::from_str(&entry.detail).unwrap_or_default();
    Ok(match detail.get("manifest").and_then(|hash| hash.as_str()) {
        _ if !fits => Sealed::Other,
        None => Sealed::Unnoted,
        Some(hash) if hash == noted(manifest)? => Sealed::Same,
        Some(_) => Sealed::Other,
    })
}

fn files(looked: &mut Looked, folder: &Path, manifest: &Manifest, handed_out: bool) {
    for entry in &manifest.files {
        match sha256_of(&folder.join(&entry.name)) {
            Ok(sha256) if sha256 == entry.sha256 => looked.well += 1,
            Ok(_) => looked.add("batch-found-altered", Some(&entry.name)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                looked.add("batch-found-missing", Some(&entry.name));
            }
            Err(error) => looked.unread(&entry.name, &error),
        }
    }
    let known: BTreeSet<&str> = manifest.files.iter().map(|entry| entry.name.as_str()).collect();
    match disk::list(folder) {
        Ok(entries) => {
            let names = entries.iter().filter_map(|entry| entry.path.file_name());
            let mut names: Vec<String> = names.map(|name| name.to_string_lossy().into_owned()).collect();
            names.sort_unstable();
            for name in names.iter().filter(|name| !known.contains(name.as_str())) {
                if !(handed_out && name == MANIFEST) {
                    looked.add("batch-found-added", Some(name));
                }
            }
        }
        // Each of its files was told to be missing.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => looked.unread(&folder.display().to_string(), &error),
    }
}

impl Looked {
    fn add(&mut self, key: &'static str, file: Option<&str>) {
        let file = file.map(|file| ("file", file.to_owned()));
        let args = std::iter::once(("number", self.number.clone())).chain(file).collect();
        self.found.push(Finding { key, args });
    }

    fn unread(&mut self, file: &str, why: &io::Error) {
        let args = vec![("number", self.number.clone()), ("file", file.to_owned()), ("why", why.to_string())];
        self.found.push(Finding { key: "batch-found-unread", args });
    }
}
