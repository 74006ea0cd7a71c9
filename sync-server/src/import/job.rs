//! An import from the file to its undoing: what is kept of it, and the work that goes on while nobody waits for an answer.
//!
//! One at a time of a town writes. What was begun and broke off (the server stopped, the disk was full) is known to the last
//! piece and goes on from there, or is undone. Files lie in `imports/` under the data folder, for nobody else to read, by the
//! import's id: the table itself (gone when it is brought in, after a week in any case), what it would do, what became of it.

use std::collections::BTreeSet;
use std::sync::{Condvar, Mutex, PoisonError};

use assets::messages::Lang;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use shared::area::AreaId;
use shared::ids::{Slot, UserId};
use shared::record::RecordKind;
use uuid::Uuid;

use super::files::Out;
pub use super::files::{drop_files, each_told, file, folder, preview, tidy};
use super::header::Mapping;
use super::report::{Counts, Preview, Told};
use super::run::{self, Taking};
use super::sheet::Reading;
use super::table::Input;
use super::undo::Undo;
use super::{BadRows, ImportError, Options, files, undo};
use crate::store::{self, Audit, Origin, StoreError, StoredImport, Tx, User};
use crate::sync::accept;
use crate::{App, AppState};

/// Minutes after which work that says nothing any more has broken off.
const SILENT: i64 = 2;

/// How far an import is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Somebody says which column is what.
    Mapping,
    /// It is looked through.
    Reading,
    /// It was looked through.
    Preview,
    /// It is being brought in.
    Running,
    /// That broke off.
    Stopped,
    /// It was brought in.
    Done,
    /// It is being undone.
    Undoing,
    /// It was undone.
    Undone,
    /// The file was taken away before anything was brought in.
    Dropped,
}

impl State {
    /// The code name, as in SQL and in message keys.
    pub fn code(self) -> &'static str {
        match self {
            Self::Mapping => "mapping",
            Self::Reading => "reading",
            Self::Preview => "preview",
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Done => "done",
            Self::Undoing => "undoing",
            Self::Undone => "undone",
            Self::Dropped => "dropped",
        }
    }

    /// Whether work goes on.
    pub fn works(self) -> bool {
        matches!(self, Self::Reading | Self::Running | Self::Undoing)
    }

    /// Whether work goes on that changes records.
    fn writes(self) -> bool {
        matches!(self, Self::Running | Self::Undoing)
    }
}

/// What is kept of an import; no value of a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Body {
    /// How far it is.
    pub state: State,
    /// The name of the file.
    pub name: String,
    /// Of which kind the rows are.
    pub kind: RecordKind,
    /// Where rows without an area cell belong.
    pub area: Option<AreaId>,
    /// Of a workbook.
    pub sheet: Option<String>,
    /// The line of the header.
    pub header_line: Option<u64>,
    /// What the columns are.
    pub mapping: Option<Mapping>,
    /// What it is written in.
    #[serde(default)]
    pub written: String,
    /// What became of the rows so far.
    #[serde(default)]
    pub counts: Counts,
    /// Why the last work broke off: a message key with its arguments.
    #[serde(default)]
    pub error: Option<(String, Vec<(String, String)>)>,
    /// How far it was undone.
    #[serde(default)]
    pub undo: Option<Undo>,
    /// When work last said something.
    pub touched: DateTime<Utc>,
}

/// An import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// Its id.
    pub id: Uuid,
    /// Who; none: a command on the server.
    pub user: Option<UserId>,
    /// When it came.
    pub at: DateTime<Utc>,
    /// Its writer, once there is one.
    pub slot: Option<Slot>,
    /// The rest.
    pub body: Body,
}

impl Import {
    fn of(stored: StoredImport) -> Result<Self, StoreError> {
        let body = serde_json::from_str(&stored.body)
            .map_err(|error| StoreError::Corrupt { what: "import".to_owned(), why: error.to_string() })?;
        Ok(Self { id: stored.id, user: stored.user, at: stored.at, slot: stored.slot, body })
    }

    /// Writes it down as it is.
    pub fn put(&self, tx: &mut dyn Tx) -> Result<(), StoreError> {
        tx.put_import(&StoredImport {
            id: self.id,
            user: self.user,
            at: self.at,
            state: self.body.state.code().to_owned(),
            slot: self.slot,
            body: serde_json::to_string(&self.body).unwrap_or_default(),
        })
    }

    /// One of a town.
    pub fn find(read: &dyn store::Read, id: Uuid) -> Result<Option<Self>, StoreError> {
        read.import(id)?.map(Self::of).transpose()
    }

    /// Those of a town, newest first.
    pub fn list(read: &dyn store::Read, limit: usize) -> Result<Vec<Self>, StoreError> {
        read.imports(limit)?.into_iter().map(Self::of).collect()
    }

    /// Whether it says that work goes on and nobody does it any more.
    pub fn broke_off(&self, app: &AppState) -> bool {
        let silent = app.outside.now() - self.body.touched > TimeDelta::minutes(SILENT);
        self.body.state.works() && silent && !app.imports.is_alive(self.id)
    }

    fn options(&self, user: Option<User>) -> Options {
        Options {
            kind: self.body.kind,
            area: self.body.area,
            encoding: None,
            user,
            label: self.body.name.clone(),
            dry_run: false,
        }
    }

    /// How it is read.
    pub fn reading(&self, lang: Lang) -> Reading {
        let Body { sheet, header_line, mapping, .. } = self.body.clone();
        Reading { sheet, header_line, mapping, lang }
    }
}

/// The work under way in this process.
#[derive(Debug, Default)]
pub struct Jobs {
    alive: Mutex<BTreeSet<Uuid>>,
    ended: Condvar,
}

impl Jobs {
    fn is_alive(&self, id: Uuid) -> bool {
        self.alive.lock().unwrap_or_else(PoisonError::into_inner).contains(&id)
    }

    /// Waits until none is under way.
    pub fn wait(&self) {
        let mut alive = self.alive.lock().unwrap_or_else(PoisonError::into_inner);
        while !alive.is_empty() {
            alive = self.ended.wait(alive).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Ends with the work, however that ends.
struct Alive(App, Uuid);

impl Alive {
    fn begin(app: &App, id: Uuid) -> Self {
        app.imports.alive.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
        Self(App::clone(app), id)
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.imports.alive.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.1);
        self.0.imports.ended.notify_all();
    }
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Look it through.
    Look,
    /// Bring it in, or go on with that.
    Take,
    /// Undo it, or go on with that.
    Undo,
}

impl Work {
    fn state(self) -> State {
        match self {
            Self::Look => State::Reading,
            Self::Take => State::Running,
            Self::Undo => State::Undoing,
        }
    }

    /// Whether it may follow.
    fn follows(self, import: &Import, broke_off: bool) -> bool {
        let state = import.body.state;
        match self {
            Self::Look => matches!(state, State::Mapping | State::Preview) || state == State::Reading && broke_off,
            Self::Take => matches!(state, State::Preview | State::Stopped) || state == State::Running && broke_off,
            Self::Undo => {
                matches!(state, State::Stopped | State::Done)
                    || matches!(state, State::Running | State::Undoing) && broke_off
            }
        }
    }
}

/// Notes that work begins; refuses it where it cannot follow or another import of the town writes.
fn begin(app: &AppState, town: AreaId, id: Uuid, user: Option<&User>, work: Work) -> Result<Import, ImportError> {
    store::write(&*app.store, town, |tx| {
        let mut import = Import::find(&*tx, id)?.ok_or(StoreError::Missing("the import"))?;
        if work == Work::Undo && import.body.state == State::Undone {
            return Err(ImportError::Undone);
        }
        let others = Import::list(&*tx, 1_000)?;
        if work != Work::Look && others.iter().any(|it| it.id != id && it.body.state.writes() && !it.broke_off(app)) {
            return Err(ImportError::Running);
        }
        if !work.follows(&import, import.broke_off(app)) {
            return Err(ImportError::Running);
        }
        let now = app.outside.now();
        (import.body.state, import.body.touched, import.body.error) = (work.state(), now, None);
        match (work, import.slot) {
            (Work::Take, None) => {
                let slot = accept::new_slot(app, tx, Origin::Import, &import.body.name)?;
                import.slot = Some(slot);
                import.body.counts = Counts::default();
                tx.put_audit(&begun(now, user, slot, import.body.kind))?;
            }
            (Work::Take, Some(slot)) => tx.put_audit(&begun(now, user, slot, import.body.kind))?,
            (Work::Undo, _) => {
                let by = user.map(|user| user.id);
                import.body.undo.get_or_insert_with(|| Undo::begin(by, now));
            }
            (Work::Look, _) => import.body.counts = Counts::default(),
        }
        import.put(tx)?;
        Ok(import)
    })
}

fn begun(at: DateTime<Utc>, user: Option<&User>, slot: Slot, kind: RecordKind) -> Audit {
    Audit {
        at,
        user: user.map(|user| user.id),
        action: "audit-import-begun".to_owned(),
        subject: slot.to_string(),
        detail: serde_json::json!({ "kind": kind }).to_string(),
    }
}

/// Begins work that goes on after the answer.
pub fn start(app: &App, user: &User, id: Uuid, work: Work, lang: Lang) -> Result<(), ImportError> {
    let import = begin(app, user.town, id, Some(user), work)?;
    let alive = Alive::begin(app, id);
    let user = user.clone();
    let town = user.town;
    let spawned = std::thread::Builder::new().name("import".to_owned()).spawn(move || {
        let app = &alive.0;
        if let Err(error) = go(app, town, Some(user), import, work, lang) {
            tracing::error!(error = &error as &dyn std::error::Error, %id, "an import broke off");
            if let Err(error) = stopped(app, town, id, work, &error) {
                tracing::error!(error = &error as &dyn std::error::Error, %id, "cannot note that an import broke off");
            }
        }
    });
    spawned.map(drop).map_err(|error| ImportError::Rows(BadRows::Io(error)))
}

fn go(
    app: &AppState,
    town: AreaId,
    user: Option<User>,
    import: Import,
    work: Work,
    lang: Lang,
) -> Result<(), ImportError> {
    match work {
        Work::Look => look(app, town, user, import, lang),
        Work::Take => {
            let path = file(app, import.id);
            take(app, town, user, import, lang, Input::File(&path), &mut |_| Ok(())).map(drop)
        }
        Work::Undo => undo::undo(app, town, user, import),
    }
}

/// Notes why work broke off, and from where on it can be taken up.
fn stopped(app: &AppState, town: AreaId, id: Uuid, work: Work, error: &ImportError) -> Result<(), StoreError> {
    store::write(&*app.store, town, |tx| {
        let Some(mut import) = Import::find(&*tx, id)? else { return Ok(()) };
        import.body.state = match work {
            Work::Look => State::Mapping,
            Work::Take => State::Stopped,
            Work::Undo => State::Done,
        };
        import.body.error = Some(super::cli::said(error));
        import.put(tx)
    })
}

fn look(app: &AppState, town: AreaId, user: Option<User>, mut import: Import, lang: Lang) -> Result<(), ImportError> {
    let path = file(app, import.id);
    let (mut preview, mut counts) = (Preview::default(), Counts::default());
    let mut out = Out::open(app, import.id, false).map_err(BadRows::Io)?;
    let (options, reading) = (import.options(user.clone()), import.reading(lang));
    let looked = run::trial(app, &options, &reading, Input::File(&path), &mut |told| {
        counts.add(&told);
        preview.add(&told);
        Ok(out.add(&told).map_err(BadRows::Io)?)
    })?;
    out.end().map_err(BadRows::Io)?;
    let bytes = serde_json::to_vec(&preview).unwrap_or_default();
    disk::replace(&files::preview_file(app, import.id), &bytes).map_err(BadRows::Io)?;
    (import.body.counts, import.body.written) = (counts, looked.written.name().to_owned());
    (import.body.state, import.body.touched) = (State::Preview, app.outside.now());
    store::write(&*app.store, town, |tx| {
        tx.put_audit(&Audit {
            at: app.outside.now(),
            user: user.as_ref().map(|user| user.id),
            action: "audit-import-read".to_owned(),
            subject: import.id.to_string(),
            detail: detail(&import),
        })?;
        import.put(tx)
    })?;
    Ok(())
}

fn detail(import: &Import) -> String {
    let Counts { rows, new, changed, refused, .. } = import.body.counts;
    let kind = import.body.kind;
    serde_json::json!({ "kind": kind, "rows": rows, "new": new, "changed": changed, "refused": refused }).to_string()
}

fn take(
    app: &AppState,
    town: AreaId,
    user: Option<User>,
    mut import: Import,
    lang: Lang,
    input: Input<'_>,
    each: &mut dyn FnMut(Told) -> Result<(), ImportError>,
) -> Result<run::Looked, ImportError> {
    let slot = import.slot.ok_or(StoreError::Missing("the import's slot"))?;
    let (options, reading, done) = (import.options(user.clone()), import.reading(lang), import.body.counts.rows);
    let mut out = Out::open(app, import.id, done > 0).map_err(BadRows::Io)?;
    let mut so_far = import.clone();
    let mut taking = Taking {
        slot,
        done,
        note: &mut |tx, told| {
            told.iter().for_each(|told| so_far.body.counts.add(told));
            so_far.body.touched = app.outside.now();
            so_far.put(tx)
        },
        each: &mut |told| {
            out.add(&told).map_err(BadRows::Io)?;
            each(told)
        },
    };
    let looked = run::take(app, &options, &reading, input, &mut taking)?;
    out.end().map_err(BadRows::Io)?;
    (import.body.counts, import.body.written) = (so_far.body.counts, looked.written.name().to_owned());
    (import.body.state, import.body.touched) = (State::Done, app.outside.now());
    store::write(&*app.store, town, |tx| {
        tx.put_audit(&Audit {
            at: app.outside.now(),
            user: user.as_ref().map(|user| user.id),
            action: "audit-import".to_owned(),
            subject: slot.to_string(),
            detail: detail(&import),
        })?;
        import.put(tx)
    })?;
    drop_files(app, import.id).map_err(BadRows::Io)?;
    Ok(looked)
}

/// Brings a table in at once, in the name of `options.user`, and says what became of it. It can be undone like one that was
/// brought to the console.
pub(super) fn at_once(
    app: &AppState,
    town: AreaId,
    options: &Options,
    reading: &Reading,
    input: Input<'_>,
    each: &mut dyn FnMut(Told) -> Result<(), ImportError>,
) -> Result<run::Looked, ImportError> {
    let (id, now, user) = (app.outside.uuid(), app.outside.now(), options.user.as_ref());
    let body = Body {
        state: State::Preview,
        name: options.label.clone(),
        kind: options.kind,
        area: options.area,
        sheet: reading.sheet.clone(),
        header_line: reading.header_line,
        mapping: reading.mapping.clone(),
        written: String::new(),
        counts: Counts::default(),
        error: None,
        undo: None,
        touched: now,
    };
    let fresh = Import { id, user: user.map(|user| user.id), at: now, slot: None, body };
    store::write::<_, ImportError>(&*app.store, town, |tx| {
        let others = Import::list(&*tx, 1_000)?;
        if others.iter().any(|it| it.body.state.writes() && !it.broke_off(app)) {
            return Err(ImportError::Running);
        }
        Ok(fresh.put(tx)?)
    })?;
    let import = begin(app, town, id, user, Work::Take)?;
    let done = take(app, town, options.user.clone(), import, reading.lang, input, each);
    if let Err(error) = &done {
        stopped(app, town, id, Work::Take, error)?;
    }
    done
}
