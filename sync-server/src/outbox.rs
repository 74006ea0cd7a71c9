//! Outboxes that came as files from handhelds that could not send any more (`docs/outbox-export.md`): opened with the
//! centre's own key, checked whole, then taken by the same way as if the handheld had sent them.

mod cli;

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use assets::messages::Messages;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bech32::{ToBase32, Variant};
use hmac::{Hmac, Mac};
use serde_json::value::RawValue;
use sha2::Sha256;
use shared::ids::{Dot, EditId, PhotoHash, UserId};
use shared::limits::{EDITS_A_ROUND, PROTOCOL};
use shared::outbox::{HASH, Header, Kind, MAGIC, head, next};
use shared::outside::Outside;
use shared::wire::{Outcome, SealedKey, SyncRequestOf};

pub use cli::{OutboxCommand, command};

use crate::auth::{Who, token};
use crate::blobs::{FinishError, take_away};
use crate::store::{self, Audit, Device, Fate, Origin, Photo, StoreError, Tx, User};
use crate::sync::accept::{Rules, RulesOf, Writer, accept_all, hold_all, in_step};
use crate::sync::incoming::{self, Offered};
use crate::sync::photos;
use crate::{AppState, OpenError};

/// The most characters of a sealed key: an age file of one recipient around a few words.
const SEALED: usize = 4_096;
/// So many photos are said to be here at once.
const PHOTOS_AT_ONCE: usize = 100;

/// The key of the centre, beside `server.key`.
pub struct Key {
    secret: age::x25519::Identity,
    /// Told to every handheld: worked out once.
    recipient: String,
}

impl Key {
    /// The key kept in `path`, made if there is none yet.
    pub fn open(path: &Path, outside: &dyn Outside) -> Result<Self, OpenError> {
        let file = |source| OpenError::File { path: path.to_owned(), source };
        let text = match disk::read(path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).trim().to_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut secret = [0; 32];
                outside.fill(&mut secret);
                // As `age-keygen` writes it, so that the file opens with age itself too.
                let text = bech32::encode("age-secret-key-", secret.to_base32(), Variant::Bech32)
                    .map_err(|error| file(io::Error::other(error)))?
                    .to_uppercase();
                disk::create_new(path, format!("{text}\n").as_bytes()).map_err(file)?;
                text
            }
            Err(error) => return Err(file(error)),
        };
        let secret = age::x25519::Identity::from_str(&text).map_err(|why| file(io::Error::other(why)))?;
        let recipient = secret.to_public().to_string();
        Ok(Self { secret, recipient })
    }

    /// The key of `user`'s database on a handheld, if that is what was sealed for the centre there.
    pub fn key_of(&self, user: UserId, sealed: &str) -> Option<String> {
        if sealed.len() > SEALED {
            return None;
        }
        let json = age::decrypt(&self.secret, &STANDARD.decode(sealed).ok()?).ok()?;
        let opened: SealedKey = shared::json::from_slice(&json).ok()?;
        (opened.user == user).then_some(opened.key)
    }

    /// What was sealed for the centre, if it was.
    pub fn open_sealed(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        age::decrypt(&self.secret, sealed).ok()
    }

    /// For whom handhelds encrypt: `age1…`.
    pub fn recipient(&self) -> &str {
        &self.recipient
    }
}

/// Why a file is not taken. Nothing was applied, unless it says so.
#[derive(Debug, thiserror::Error)]
pub enum OutboxError {
    /// Not such a file, of another version, or not for this centre.
    #[error("not an outbox for this centre: {0}")]
    NotOurs(String),
    /// It ends too early, or was changed on its way.
    #[error("the file was cut or changed: {0}")]
    Broken(String),
    /// No enrolment here has the credential it was signed with.
    #[error("no handheld of this centre signed it")]
    Stranger,
    /// The handheld is of another town than who brings the file.
    #[error("the handheld that signed it is of another town")]
    OtherTown,
    /// Its numbers were used by another installation of the same handheld, whose edits are here.
    #[error("another installation has used the number {0}")]
    Parted(u64),
    /// The file.
    #[error("cannot read {0}")]
    File(PathBuf, #[source] io::Error),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A photo could not be kept.
    #[error("cannot keep a photo")]
    Photo(#[source] io::Error),
}

impl OutboxError {
    /// Its sentence in the message files.
    pub fn key(&self) -> &'static str {
        match self {
            Self::NotOurs(_) => "outbox-not-ours",
            Self::Broken(_) => "outbox-broken",
            Self::Stranger => "outbox-stranger",
            Self::OtherTown => "outbox-other-town",
            Self::Parted(_) => "outbox-parted",
            Self::File(..) | Self::Store(_) | Self::Photo(_) => "outbox-failed",
        }
    }
}

/// What came of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Imported {
    /// Whose terminal.
    pub user: String,
    /// Edits that are part of their records now and were not before.
    pub applied: u64,
    /// Edits that went into quarantine.
    pub quarantined: u64,
    /// Edits that were here already.
    pub known: u64,
    /// Photos that are here now and were not before.
    pub photos: u64,
    /// Photos that are none, or other bytes than their name says.
    pub bad_photos: u64,
}

impl Imported {
    /// In words for whoever brought the file.
    pub fn sentence(&self, words: &Messages) -> String {
        let count = |n: u64| n.to_string().into();
        words.with(
            "outbox-done",
            &[
                ("user", self.user.as_str().into()),
                ("applied", count(self.applied)),
                ("quarantined", count(self.quarantined)),
                ("known", count(self.known)),
                ("photos", count(self.photos)),
                ("bad", count(self.bad_photos)),
            ],
        )
    }
}

/// Takes what stands in `file`. Taking it again changes nothing. `by` is who brought it: the audit names them, and only
/// a file of their own town's handhelds is taken. None is a command on the server, which takes every town's.
pub fn import(app: &AppState, file: &Path, by: Option<&Who>) -> Result<Imported, OutboxError> {
    // First all of it is looked at: nothing of a file that was cut or changed is applied.
    let mut frames = Frames::open(app, file)?;
    let header = frames.header()?;
    let secret = secret_of(&header)?;
    let (device, user) = token::ever(app, &secret, header.slot)?.ok_or(OutboxError::Stranger)?;
    if by.is_some_and(|by| by.user.town != device.town) {
        return Err(OutboxError::OtherTown);
    }
    frames.verify(&secret, &header)?;

    let mut frames = Frames::open(app, file)?;
    frames.header()?;
    let who = Who::of(user.clone(), &*app.areas()?);
    let caller = Taking { app, device, user, who, by: by.map(|by| by.user.id) };
    caller.take(&mut frames)
}

fn secret_of(header: &Header) -> Result<[u8; 32], OutboxError> {
    let digits = header.key.as_bytes().as_chunks::<2>().0;
    let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Option<Vec<u8>> = digits.iter().map(byte).collect();
    bytes.and_then(|bytes| bytes.try_into().ok()).ok_or(OutboxError::Stranger)
}

/// The frames of an opened file.
struct Frames<R> {
    input: R,
    /// The frames so far, as the handheld signed them; given up once the first pass is over.
    signed: Vec<u8>,
}

impl Frames<Box<dyn Read>> {
    fn open(app: &AppState, file: &Path) -> Result<Self, OutboxError> {
        let read = |error| OutboxError::File(file.to_owned(), error);
        let mut input = disk::File::open(file).map_err(read)?;
        let mut magic = [0; MAGIC.len()];
        input.read_exact(&mut magic).map_err(|_| OutboxError::NotOurs("too short".to_owned()))?;
        if magic != MAGIC {
            return Err(OutboxError::NotOurs("it begins otherwise, or is of another version".to_owned()));
        }
        let ours = |error: age::DecryptError| OutboxError::NotOurs(error.to_string());
        let sealed = age::Decryptor::new_buffered(io::BufReader::new(input)).map_err(ours)?;
        let key: &dyn age::Identity = &app.outbox_key.secret;
        let packed = sealed.decrypt(std::iter::once(key)).map_err(ours)?;
        let input = zstd::Decoder::new(packed).map_err(|error| OutboxError::Broken(error.to_string()))?;
        Ok(Self { input: Box::new(input), signed: Vec::new() })
    }

    fn next(&mut self) -> Result<(Kind, Vec<u8>), OutboxError> {
        next(&mut self.input).map_err(|error| OutboxError::Broken(error.to_string()))
    }

    fn header(&mut self) -> Result<Header, OutboxError> {
        let (kind, bytes) = self.next()?;
        if kind != Kind::Header {
            return Err(OutboxError::Broken("it does not begin with its header".to_owned()));
        }
        let header = serde_json::from_slice(&bytes).map_err(|error| OutboxError::Broken(error.to_string()))?;
        self.signed = [head(kind, bytes.len()).as_slice(), &bytes].concat();
        Ok(header)
    }

    /// Reads to the end. Every frame up to the last has to be signed.
    fn verify(&mut self, secret: &[u8; 32], header: &Header) -> Result<(), OutboxError> {
        let broken = |why: &str| OutboxError::Broken(why.to_owned());
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).map_err(|_| broken("no key"))?;
        mac.update(&std::mem::take(&mut self.signed));
        let mut edits = 0;
        loop {
            let (kind, bytes) = self.next()?;
            if kind == Kind::End {
                mac.verify_slice(&bytes).map_err(|_| broken("its signature is wrong"))?;
                let more = self.input.read(&mut [0]).map_err(|error| OutboxError::Broken(error.to_string()))?;
                return if more == 0 && edits == header.edits { Ok(()) } else { Err(broken("not its end")) };
            }
            edits += u64::from(kind == Kind::Edit);
            mac.update(&head(kind, bytes.len()));
            mac.update(&bytes);
        }
    }
}

/// A file that was checked, on its way in.
struct Taking<'a> {
    app: &'a AppState,
    device: Device,
    user: User,
    who: Who,
    /// Who brought it; none: a command on the server.
    by: Option<UserId>,
}

/// What has come so far.
#[derive(Default)]
struct Coming {
    done: Imported,
    edits: Vec<Box<RawValue>>,
    /// On the disk, and not in the database yet.
    photos: Vec<Photo>,
    /// Whether anything of it is written down.
    noted: bool,
}

impl Taking<'_> {
    fn take(&self, frames: &mut Frames<Box<dyn Read>>) -> Result<Imported, OutboxError> {
        let mut coming = Coming::default();
        coming.done.user.clone_from(&self.user.name);
        let ended = self.walk(frames, &mut coming);
        // Also when the next one could not be kept: these are on the disk.
        self.put_photos(&mut coming)?;
        ended?;
        if !coming.noted {
            self.write(|tx| self.note(tx, &Imported::default()))?;
        }
        Ok(coming.done)
    }

    fn walk(&self, frames: &mut Frames<Box<dyn Read>>, coming: &mut Coming) -> Result<(), OutboxError> {
        loop {
            let (kind, bytes) = frames.next()?;
            if kind != Kind::Edit || coming.edits.len() >= EDITS_A_ROUND {
                self.take_edits(coming)?;
            }
            if kind != Kind::Photo || coming.photos.len() >= PHOTOS_AT_ONCE {
                self.put_photos(coming)?;
            }
            match kind {
                Kind::Edit => {
                    let text = String::from_utf8(bytes).map_err(|error| OutboxError::Broken(error.to_string()))?;
                    let edit = RawValue::from_string(text).map_err(|error| OutboxError::Broken(error.to_string()))?;
                    coming.edits.push(edit);
                }
                Kind::Photo => self.keep_photo(&bytes, coming)?,
                Kind::Header => return Err(OutboxError::Broken("a second header".to_owned())),
                Kind::End => return Ok(()),
            }
        }
    }

    fn write<T, E: From<StoreError>>(&self, work: impl FnMut(&mut dyn Tx) -> Result<T, E>) -> Result<T, E> {
        store::write(&*self.app.store, self.device.town, work)
    }

    /// Writes down who brought how much: in the transaction that takes it, so that nothing is taken which nobody brought.
    fn note(&self, tx: &mut dyn Tx, taken: &Imported) -> Result<(), StoreError> {
        tx.put_audit(&Audit {
            at: self.app.outside.now(),
            user: self.by,
            action: "audit-outbox".to_owned(),
            subject: self.device.id.to_string(),
            detail: format!("{} + {} + {}", taken.applied, taken.quarantined, taken.photos),
        })
    }

    fn take_edits(&self, coming: &mut Coming) -> Result<(), OutboxError> {
        let edits = std::mem::take(&mut coming.edits);
        if edits.is_empty() {
            return Ok(());
        }
        let request = SyncRequestOf { edits, ..SyncRequestOf::idle() };
        let offered = incoming::read(&request).map_err(|error| OutboxError::Broken(error.to_string()))?;
        let rules = self.app.rules_of(self.device.town)?;
        let taken = self.write(|tx| {
            let taken = self.accept(tx, &rules, &offered)?;
            self.note(tx, &taken)?;
            Ok::<_, OutboxError>(taken)
        })?;
        coming.done.applied += taken.applied;
        coming.done.quarantined += taken.quarantined;
        coming.done.known += taken.known;
        coming.noted = true;
        Ok(())
    }

    /// Whether nobody can be sure who wrote what the file holds: two have used the credential, or whoever stole the terminal
    /// may have made it. Of one that was wiped since nothing says any more that it had been stolen.
    fn is_unsure(&self, tx: &dyn Tx) -> Result<bool, StoreError> {
        let now = tx.devices()?.into_iter().find(|device| device.id == self.device.id);
        let stolen = |device: &Device| matches!(device.fate, Some((Fate::Stolen | Fate::Wiped, _)));
        Ok(now.is_none_or(|device| device.credential.doubled.is_some() || stolen(&device)))
    }

    fn accept(&self, tx: &mut dyn Tx, rules: &Rules, offered: &[Offered]) -> Result<Imported, OutboxError> {
        let slot = self.device.slot;
        let ids: Vec<EditId> = offered.iter().map(Offered::id).collect();
        let known: BTreeSet<EditId> = tx.outcomes(&ids)?.into_iter().map(|seen| seen.edit).collect();
        let high_water = tx.slot(slot)?.ok_or(StoreError::Missing("the slot"))?.high_water;
        if let Some(first) = offered.iter().find(|edit| !known.contains(&edit.id())) {
            let Dot { slot: of, n } = first.dot();
            if of != slot || n <= high_water {
                return Err(OutboxError::Parted(n));
            }
            // What is missing before it is kept nowhere any more (a restore, and it was acknowledged long ago).
            if n > high_water + 1 {
                tx.set_high_water(slot, n - 1)?;
            }
        }
        let fresh: Vec<Offered> = offered.iter().filter(|edit| !known.contains(&edit.id())).cloned().collect();
        if !in_step(tx, slot, &fresh, PROTOCOL)? {
            return Err(OutboxError::Parted(fresh.first().map_or(0, |edit| edit.dot().n)));
        }
        let writer = Writer { who: self.who.clone(), slot, origin: Origin::Device };
        let mut done = Imported { known: known.len() as u64, ..Imported::default() };
        let take = if self.is_unsure(tx)? { hold_all } else { accept_all };
        let others: RulesOf<'_> = &|read| self.app.rules_beside(read, rules);
        for receipt in take(tx, rules, others, &writer, fresh)?.receipts {
            match receipt.outcome {
                Outcome::Applied { .. } => done.applied += 1,
                Outcome::Rejected(_) => done.quarantined += 1,
            }
        }
        Ok(done)
    }

    /// Brings a photo to the disk.
    fn keep_photo(&self, frame: &[u8], coming: &mut Coming) -> Result<(), OutboxError> {
        let bad = || OutboxError::Broken("a photo without its name".to_owned());
        let (hash, bytes) = frame.split_at_checked(HASH).ok_or_else(bad)?;
        let hash: PhotoHash = std::str::from_utf8(hash).ok().and_then(|hash| hash.parse().ok()).ok_or_else(bad)?;
        let here = store::read::<_, StoreError>(&*self.app.store, self.device.town, |read| {
            Ok(read.photo(&hash)?.is_some() || read.is_erased_photo(&hash)?)
        })?;
        if here || coming.photos.iter().any(|photo| photo.hash == hash) {
            return Ok(());
        }
        match self.app.blobs.put(self.app.outside.uuid(), &hash, bytes) {
            Ok(()) => {}
            Err(FinishError::Io(error)) => return Err(OutboxError::Photo(error)),
            Err(_) => {
                coming.done.bad_photos += 1;
                return Ok(());
            }
        }
        let (bytes, received) = (bytes.len() as u64, self.app.outside.now());
        coming.photos.push(Photo { hash, bytes, received });
        Ok(())
    }

    /// Says of the photos that are on the disk that they are here.
    fn put_photos(&self, coming: &mut Coming) -> Result<(), OutboxError> {
        let photos = std::mem::take(&mut coming.photos);
        if photos.is_empty() {
            return Ok(());
        }
        let gone = self.write::<_, StoreError>(|tx| {
            let mut gone = Vec::new();
            for photo in &photos {
                if tx.is_erased_photo(&photo.hash)? {
                    gone.push(&photo.hash);
                } else {
                    photos::deliver(tx, photo, self.user.id)?;
                }
            }
            let photos = (photos.len() - gone.len()) as u64;
            self.note(tx, &Imported { photos, ..Imported::default() })?;
            Ok(gone)
        })?;
        coming.done.photos += (photos.len() - gone.len()) as u64;
        coming.noted = true;
        for hash in gone {
            // Erased while they were on their way.
            take_away(self.app, hash, &|| {
                store::read(&*self.app.store, self.device.town, |read| read.photo_anywhere(hash))
            })?;
        }
        Ok(())
    }
}
