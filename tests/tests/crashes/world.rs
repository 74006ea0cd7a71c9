//! A handheld and a centre of which one may fail, and what has to hold of both whatever happened.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use anyhow::{Context, Result, ensure};
use app::handheld::{Filter, Handheld};
use app::platform::Services;
use assets::messages::{Lang, Messages};
use rusqlite::Connection;
use sha2::{Digest, Sha256};
use shared::ids::{EditId, PhotoHash, RecordId};
use shared::record::{Part, Record, RecordKind};
use sync_server::backup;
use sync_server::batch::{self, Format, Pull, Since};
use sync_server::store::{self, PartFilter, StoreError, User};
use sync_server::{App, AppState};
use tests::near::{self, Replay, TOWN, Wire};

/// Where backups go, below the server's folder.
pub const BACKUPS: &str = "backups";

/// Whose files fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    Handheld,
    Server,
}

impl Side {
    /// Its folder below the root.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Handheld => "handheld",
            Self::Server => "server",
        }
    }
}

/// What somebody is told when it did not work: a sentence, not the name of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words(pub String);

impl Words {
    /// The sentence of a key.
    pub fn of(key: &str, args: &[(String, String)]) -> Self {
        let message = app::handheld::Message { key: key.to_owned(), args: args.to_vec() };
        Self(message.text(&Messages::of(Lang::Zh)))
    }

    /// Whether it says something: a key without a sentence is shown as it is.
    pub fn say_something(&self) -> bool {
        !self.0.is_ascii() || self.0.contains(' ')
    }
}

/// Both sides, open or not.
pub struct World {
    pub root: PathBuf,
    pub app: Option<App>,
    pub handheld: Option<Handheld>,
    wire: Wire,
    opened: u64,
    /// Edits of which somebody was told that they are saved, by record.
    pub saved: BTreeMap<RecordId, Vec<EditId>>,
    /// Batches of which somebody was told that they are sealed.
    pub sealed: Vec<String>,
    /// Whether the handheld may take its database for damaged: its files end too early.
    pub may_set_aside: bool,
    /// Whether somebody was told that there is a backup.
    pub backed_up: bool,
    /// Addresses of databases in which there is nothing, the next one last.
    pub empty: Vec<String>,
    /// The server's program while it runs, 0 otherwise.
    pub program: Arc<AtomicU32>,
    runtime: Arc<tokio::runtime::Runtime>,
}

impl World {
    pub fn new(root: &FilePath, runtime: &Arc<tokio::runtime::Runtime>) -> Self {
        Self {
            root: root.to_owned(),
            app: None,
            handheld: None,
            wire: Wire::default(),
            opened: 0,
            saved: BTreeMap::new(),
            sealed: Vec::new(),
            may_set_aside: false,
            backed_up: false,
            empty: Vec::new(),
            program: Arc::default(),
            runtime: Arc::clone(runtime),
        }
    }

    pub fn folder(&self, side: Side) -> PathBuf {
        self.root.join(side.folder())
    }

    /// Where the server's data lie: in its folder, or where they were restored to.
    pub fn data(&self) -> PathBuf {
        let folder = self.folder(Side::Server);
        if folder.join(BACKUPS).exists() && !folder.join("town.db").exists() { folder.join("restored") } else { folder }
    }

    /// The whole backups there are, oldest first.
    pub fn backups(&self) -> Result<Vec<PathBuf>> {
        let mut folders = Vec::new();
        for entry in fs::read_dir(self.folder(Side::Server).join(BACKUPS)).into_iter().flatten() {
            let path = entry?.path();
            // What begins with a dot is being made, or on its way out.
            if path.is_dir() && !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.')) {
                folders.push(path);
            }
        }
        folders.sort();
        Ok(folders)
    }

    pub fn wait<T>(&self, what: impl Future<Output = T>) -> T {
        self.runtime.block_on(what)
    }

    /// A clock and randomness of this opening.
    pub fn outside(&mut self) -> Arc<Replay> {
        self.opened += 1;
        Replay::new(self.opened)
    }

    pub fn open_server(&mut self) -> Result<(), Words> {
        let outside = self.outside();
        let app = AppState::open(&self.data(), outside).map_err(|error| Words(chain(&error)))?;
        self.wire.to(Some(Arc::clone(&app)));
        self.app = Some(app);
        Ok(())
    }

    pub fn open_handheld(&mut self) -> Result<(), Words> {
        let outside = self.outside();
        let folder = self.folder(Side::Handheld);
        let services = Services { connect: Arc::new(self.wire.clone()), ..near::quick(&folder) };
        let handheld = Handheld::open(&folder, services, outside).map_err(|error| said(&error.message()))?;
        near::let_in(&handheld).map_err(|error| said(&error.message()))?;
        self.handheld = Some(handheld);
        Ok(())
    }

    pub fn close(&mut self, side: Side) {
        match side {
            Side::Handheld => self.handheld = None,
            Side::Server => {
                self.wire.to(None);
                self.app = None;
            }
        }
    }

    pub fn open(&mut self, side: Side) -> Result<(), Words> {
        match side {
            Side::Handheld => self.open_handheld(),
            Side::Server => self.open_server(),
        }
    }

    pub fn handheld(&self) -> Result<&Handheld> {
        self.handheld.as_ref().context("the handheld is open")
    }

    pub fn app(&self) -> Result<&App> {
        self.app.as_ref().context("the server is open")
    }

    /// Notes a save that was acknowledged.
    pub fn note(&mut self, saved: &app::handheld::Saved) {
        self.saved.entry(saved.record).or_default().extend(&saved.edits);
    }

    /// What must hold of the sides that are open, whatever happened: nothing acknowledged is lost, nothing half there
    /// is visible.
    pub fn check(&self) -> Result<()> {
        if let Some(handheld) = &self.handheld
            && handheld.setup().is_some()
        {
            self.check_handheld(handheld)?;
        }
        if let Some(app) = &self.app {
            self.check_server(app)?;
        }
        Ok(())
    }

    fn check_handheld(&self, handheld: &Handheld) -> Result<()> {
        ensure!(
            self.may_set_aside || handheld.notices().is_empty(),
            "the handheld was set aside: {:?}",
            handheld.notices()
        );
        let store = handheld.store()?;
        let waiting: Vec<EditId> = store.waiting()?.iter().map(|waiting| waiting.edit.id).collect();
        for (record, edits) in &self.saved {
            let known = match &self.app {
                Some(app) => on_server(app, *record)?,
                None => Vec::new(),
            };
            for edit in edits {
                ensure!(store.own_edit(*edit)?.is_some(), "the saved edit {edit} is not on the handheld");
                let sent = self.app.is_none() || known.contains(edit);
                ensure!(sent || waiting.contains(edit), "the edit {edit} is neither waiting nor on the server");
            }
        }
        let undelivered: Vec<PhotoHash> = store.photos_waiting()?.into_iter().map(|photo| photo.hash).collect();
        for record in records(handheld)? {
            for (hash, particulars) in photos(&record) {
                for hash in [hash, particulars] {
                    // Another's photo comes when it is looked at.
                    let Some(bytes) = handheld.picture(&hash).map_err(|error| anyhow::anyhow!(error.0.key))? else {
                        continue;
                    };
                    ensure!(is(&bytes, &hash), "the handheld shows other bytes than those of photo {hash}");
                    if let Some(app) = self.app.as_ref().filter(|_| !undelivered.contains(&hash)) {
                        let bytes = app.blobs.read(&hash).with_context(|| format!("photo {hash} was delivered"))?;
                        ensure!(is(&bytes, &hash), "the server holds other bytes than those of photo {hash}");
                    }
                }
            }
        }
        Ok(())
    }

    fn check_server(&self, app: &App) -> Result<()> {
        let backups = self.backups()?;
        ensure!(!self.backed_up || !backups.is_empty(), "the backup that was made is gone");
        for folder in &backups {
            let (_, found) = backup::verify_backup(folder, &app.calendar).context("a backup that is there")?;
            ensure!(found.is_empty(), "a backup that is there is not whole: {found:?}");
        }
        let Ok(user) = near::person(app, "staff") else { return Ok(()) };
        let batches = batch::list(&*app.store, &user)?;
        let numbers: Vec<&str> = batches.iter().map(|(_, manifest)| manifest.number.as_str()).collect();
        for number in &self.sealed {
            ensure!(numbers.contains(&number.as_str()), "the batch {number} was sealed and is not there");
        }
        for number in numbers {
            batch::again(&*app.store, &*app.outside, &app.data, &user, number)
                .with_context(|| format!("the batch {number} is listed"))?;
        }
        Ok(())
    }

    /// Everything that counts, in words that are the same however often something was tried: no times, no chance.
    pub fn view(&self) -> Result<String> {
        let mut out = String::new();
        if let Some(handheld) = &self.handheld {
            view_handheld(handheld, &mut out)?;
        }
        if let Some(app) = &self.app {
            view_server(app, &mut out)?;
        }
        if let Some(newest) = self.backups()?.last() {
            writeln!(out, "what a restore brings back:")?;
            let place = self.root.join("elsewhere");
            fs::remove_dir_all(&place).ok();
            // Long after all clocks of the test: a backup is not restored before it was made.
            backup::restore(newest, &place, None, Arc::new(sync_server::system::System)).context("restoring")?;
            view_server(&AppState::open(&place, Replay::new(1))?, &mut out)?;
        }
        Ok(out)
    }

    /// What SQLite says of the databases; both sides are closed.
    pub fn intact(&self) -> Result<()> {
        let town = self.data().join("town.db");
        if town.exists() {
            intact(&Connection::open(&town)?).context("the server's database")?;
        }
        let keys = self.folder(Side::Handheld).join("keys");
        for entry in fs::read_dir(keys).into_iter().flatten() {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let Some(user) = name.strip_prefix("db-").and_then(|name| name.strip_suffix(".key")) else { continue };
            let path = self.folder(Side::Handheld).join("users").join(user).join("handheld.db");
            if path.exists() {
                let sql = Connection::open(&path)?;
                let hex: String = fs::read(entry.path())?.iter().map(|byte| format!("{byte:02x}")).collect();
                sql.execute_batch(&format!("PRAGMA key = \"x'{hex}'\""))?;
                intact(&sql).context("the handheld's database")?;
            }
        }
        Ok(())
    }
}

fn intact(sql: &Connection) -> Result<()> {
    let whole: String = sql.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    ensure!(whole == "ok", "integrity_check says {whole}");
    let broken = sql.prepare("PRAGMA foreign_key_check")?.exists([])?;
    ensure!(!broken, "a foreign key leads nowhere");
    Ok(())
}

/// An error with all its causes.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        write!(text, ": {error}").ok();
        cause = error.source();
    }
    text
}

pub fn said(message: &app::handheld::Message) -> Words {
    Words::of(&message.key, &message.args)
}

fn is(bytes: &[u8], hash: &PhotoHash) -> bool {
    PhotoHash::from_bytes(&Sha256::digest(bytes).into()) == *hash
}

fn on_server(app: &App, record: RecordId) -> Result<Vec<EditId>> {
    let edits = store::read::<_, StoreError>(&*app.store, TOWN, |read| read.edits_of(record))?;
    Ok(edits.into_iter().map(|stored| stored.edit.id).collect())
}

fn records(handheld: &Handheld) -> Result<Vec<Record>> {
    let mut ids: Vec<RecordId> =
        handheld.search("", &Filter::default(), 1_000, 0)?.hits.iter().map(|hit| hit.id).collect();
    ids.sort();
    let pages = ids.into_iter().map(|id| Ok(handheld.record(id)?.context("a record that is listed")?.record));
    pages.collect()
}

/// The photos a record links, each with its thumbnail.
fn photos(record: &Record) -> Vec<(PhotoHash, PhotoHash)> {
    let live = record.open.all_live().filter(|(path, _)| path.field_name() == "photos");
    live.filter_map(|(path, write)| {
        let particulars: shared::form::PhotoParticulars = write.value.get()?;
        Some((path.element_name()?.parse().ok()?, particulars.thumbnail))
    })
    .collect()
}

fn live(record: &Record, out: &mut String) -> Result<()> {
    for part in Part::ALL {
        for (path, write) in record.part(part).all_live() {
            // The time at which a photo was taken is the only one in a value.
            let value = if path.field_name() == "photos" { "a photo" } else { write.value.json() };
            writeln!(out, "  {} {} = {value}", part.code(), path.as_str())?;
        }
    }
    Ok(())
}

fn view_handheld(handheld: &Handheld, out: &mut String) -> Result<()> {
    let Some(setup) = handheld.setup() else {
        writeln!(out, "handheld: nobody enrolled")?;
        return Ok(());
    };
    writeln!(out, "handheld of {}", setup.user.name)?;
    for record in records(handheld)? {
        writeln!(out, " record {}", record.id)?;
        live(&record, out)?;
        for (hash, thumbnail) in photos(&record) {
            let held = |hash| handheld.picture(hash).map(|bytes| bytes.is_some()).unwrap_or_default();
            writeln!(out, "  photo {hash}: {} {}", held(&hash), held(&thumbnail))?;
        }
    }
    let counts = handheld.outbox_counts()?;
    writeln!(out, " waiting: {} edits, {} photos; tray: {}", counts.edits, counts.photos, handheld.tray()?.len())?;
    for (key, _) in handheld.drafts()? {
        writeln!(out, " draft {key}: {:?}", handheld.load_draft(&key)?)?;
    }
    Ok(())
}

fn view_server(app: &App, out: &mut String) -> Result<()> {
    writeln!(out, "server with {} areas", app.areas()?.iter().count())?;
    let mut parts: BTreeMap<(RecordId, Part), Record> = BTreeMap::new();
    let mut edits = BTreeMap::new();
    store::read::<_, anyhow::Error>(&*app.store, TOWN, |read| {
        for part in Part::ALL {
            let mut found = Vec::new();
            read.each_part(&PartFilter { part, ..PartFilter::default() }, &mut |stored| {
                found.push(stored);
                Ok(true)
            })?;
            for stored in found {
                let mut record = Record::empty(stored.record, RecordKind::Person);
                *record.part_mut(part) = serde_json::from_str(&stored.state)?;
                edits.insert(stored.record, read.edits_of(stored.record)?.len());
                parts.insert((stored.record, part), record);
            }
        }
        Ok(())
    })?;
    for ((id, _), record) in &parts {
        writeln!(out, " record {id} of {:?} edits", edits.get(id))?;
        live(record, out)?;
        for (hash, thumbnail) in photos(record) {
            let held = |hash| app.blobs.read(hash).is_ok_and(|bytes| is(&bytes, hash));
            writeln!(out, "  photo {hash}: {} {}", held(&hash), held(&thumbnail))?;
        }
    }
    let held = store::read::<_, StoreError>(&*app.store, TOWN, |read| read.quarantine(false, 1_000))?;
    writeln!(out, " in quarantine: {}", held.len())?;
    if let Ok(user) = near::person(app, "staff") {
        for (_, manifest) in batch::list(&*app.store, &user)? {
            writeln!(out, " batch {} {:?} {:?}", manifest.number, manifest.counts, manifest.files)?;
        }
    }
    Ok(())
}

/// What staff of the whole town take out.
pub fn pull(user: &User) -> Pull<'_> {
    Pull {
        user,
        areas: vec![TOWN],
        since: Since::Last,
        formats: Format::ALL.to_vec(),
        unmasked: false,
        restricted: false,
        profile: None,
        photos: false,
        released: None,
        lang: Lang::Zh,
    }
}
