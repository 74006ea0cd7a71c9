//! Failing and forgetting on request, for tests.
//!
//! A [`Watch`] looks over everything below one folder: each step on a file there is asked about and counted, and what
//! has not reached the disk is noted. A [`Plan`] lets the k-th step fail, or all from the k-th on, or ends the process
//! there: after that every step fails, and [`Watch::lose`] takes back what a power cut would have taken. Folders that
//! nobody watches are left alone, so several watched ones can live in one process.
//!
//! SQLite has a door of its own; whoever patches it (`tests::faults`) calls the same functions, so that one number
//! counts the steps of both.

mod unsynced;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use unsynced::Unsynced;

/// One kind of step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Op {
    /// Opening what is there, asking for its length, listing.
    Look,
    /// Making a file or folder, or emptying one.
    Create,
    /// Reading bytes.
    Read,
    /// Writing bytes.
    Write,
    /// Cutting a file.
    Truncate,
    /// Bringing bytes to the disk.
    Sync,
    /// Bringing names to the disk.
    SyncDir,
    /// Another name.
    Rename,
    /// A second name.
    Link,
    /// Taking a name away.
    Remove,
    /// Locking, SQLite only.
    Lock,
    /// Memory shared between connections, SQLite only.
    Map,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// No room (ENOSPC); half of what was to be written is.
    Full,
    /// The device fails (EIO).
    Io,
    /// Somebody else holds the lock.
    Busy,
    /// A file ends before it should.
    Short,
    /// The process is gone.
    Crash,
}

impl Fault {
    /// Whether a step of this kind can fail in this way.
    pub fn can_strike(self, op: Op) -> bool {
        match self {
            Self::Full => matches!(op, Op::Create | Op::Write | Op::Rename | Op::Link | Op::Map),
            Self::Io => op != Op::Lock,
            Self::Busy => op == Op::Lock,
            Self::Short => op == Op::Read,
            // Between two looks nothing changes: dying there is dying before the next step that changes something.
            Self::Crash => !matches!(op, Op::Look | Op::Read | Op::Lock | Op::Map),
        }
    }

    /// As the file system says it.
    pub fn error(self) -> io::Error {
        let kind = match self {
            Self::Full => io::ErrorKind::StorageFull,
            Self::Busy => io::ErrorKind::ResourceBusy,
            Self::Short => io::ErrorKind::UnexpectedEof,
            Self::Io | Self::Crash => io::ErrorKind::Other,
        };
        io::Error::new(kind, self)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "no space left on the device (planned)",
            Self::Io => "input/output error (planned)",
            Self::Busy => "the resource is busy (planned)",
            Self::Short => "the file ends too early (planned)",
            Self::Crash => "the process is gone (planned)",
        })
    }
}

impl std::error::Error for Fault {}

/// Whether a test asked for this error.
pub fn is_planned(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Fault>())
}

/// What is to go wrong, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// What.
    pub fault: Fault,
    /// At which step, from 1, counting only steps that can fail in this way.
    pub at: u64,
    /// Every such step after that too. A crash lasts by itself.
    pub lasts: bool,
}

/// What a power cut takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Loss {
    /// Nothing: only the process died.
    Nothing,
    /// Everything that was not brought to the disk.
    Unsynced,
    /// Some of it, by blocks of 4,096 bytes, chosen by this number: the disk had written them in an order of its own.
    Some(u64),
}

struct State {
    plan: Option<Plan>,
    /// While this file is there, there is no room.
    full_while: Option<PathBuf>,
    /// Steps of which the plan speaks, since it was made.
    seen: u64,
    struck: bool,
    crashed: bool,
    counts: BTreeMap<Op, u64>,
    flush: bool,
    unsynced: Unsynced,
}

struct Inner {
    root: PathBuf,
    /// The root as it was given, which may lead through links.
    named: PathBuf,
    state: Mutex<State>,
}

/// Looks over a folder as long as it lives.
pub struct Watch(Arc<Inner>);

static WATCHES: RwLock<Vec<Arc<Inner>>> = RwLock::new(Vec::new());
static WATCHED: AtomicUsize = AtomicUsize::new(0);

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The path with all links to the root resolved.
    fn plain(&self, path: &Path) -> PathBuf {
        match path.strip_prefix(&self.named) {
            Ok(below) => self.root.join(below),
            Err(_) => path.to_owned(),
        }
    }
}

impl Watch {
    /// Looks over `root`, which must be there, and takes what lies in it for durable.
    pub fn over(root: &Path) -> io::Result<Self> {
        let named = root.to_owned();
        let root = root.canonicalize()?;
        let unsynced = Unsynced::beside(&root)?;
        let state = State {
            plan: None,
            full_while: None,
            seen: 0,
            struck: false,
            crashed: false,
            counts: BTreeMap::new(),
            flush: false,
            unsynced,
        };
        let inner = Arc::new(Inner { root, named, state: Mutex::new(state) });
        WATCHES.write().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&inner));
        WATCHED.fetch_add(1, Ordering::SeqCst);
        Ok(Self(inner))
    }

    /// Whether syncs really wait for the device. They do not unless this is said: what a crash takes is noted anyway.
    pub fn flush(&self, flush: bool) {
        self.0.state().flush = flush;
    }

    /// From now on this goes wrong, or nothing. Begins to count anew.
    pub fn plan(&self, plan: Option<Plan>) {
        let mut state = self.0.state();
        state.plan = plan;
        state.seen = 0;
        state.struck = false;
        state.counts.clear();
    }

    /// There is no room as long as a file of this name is there.
    pub fn full_while(&self, switch: Option<PathBuf>) {
        self.0.state().full_while = switch;
    }

    /// Whether the plan came to pass.
    pub fn struck(&self) -> bool {
        self.0.state().struck
    }

    /// The steps since the last plan.
    pub fn counts(&self) -> BTreeMap<Op, u64> {
        self.0.state().counts.clone()
    }

    /// How many of them can fail in this way.
    pub fn points(&self, fault: Fault) -> u64 {
        self.0.state().counts.iter().filter(|(op, _)| fault.can_strike(**op)).map(|(_, count)| count).sum()
    }

    /// The process is gone from now on: every step fails until [`Watch::lose`].
    pub fn crash(&self) {
        self.0.state().crashed = true;
    }

    /// Whether it is.
    pub fn is_crashed(&self) -> bool {
        self.0.state().crashed
    }

    /// Takes back what a power cut takes, and lets everything work again, without a plan. Everything that had files
    /// open must be closed before.
    pub fn lose(&self, loss: Loss) -> io::Result<()> {
        let mut state = self.0.state();
        state.unsynced.lose(loss)?;
        state.plan = None;
        state.seen = 0;
        state.struck = false;
        state.crashed = false;
        state.counts.clear();
        Ok(())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        WATCHES.write().unwrap_or_else(PoisonError::into_inner).retain(|inner| !Arc::ptr_eq(inner, &self.0));
        WATCHED.fetch_sub(1, Ordering::SeqCst);
    }
}

fn find(path: &Path) -> Option<Arc<Inner>> {
    if WATCHED.load(Ordering::SeqCst) == 0 {
        return None;
    }
    let watches = WATCHES.read().unwrap_or_else(PoisonError::into_inner);
    watches.iter().find(|inner| is_below(path, &inner.root) || is_below(path, &inner.named)).cloned()
}

/// As [`Path::starts_with`] for paths in one spelling, without taking them apart: this is asked for every page read.
fn is_below(path: &Path, folder: &Path) -> bool {
    let rest = path.as_os_str().as_encoded_bytes().strip_prefix(folder.as_os_str().as_encoded_bytes());
    rest.is_some_and(|rest| rest.first().is_none_or(|first| *first == b'/'))
}

/// Whether somebody watches this file.
pub fn is_watched(path: &Path) -> bool {
    find(path).is_some()
}

/// Before a step: counts it, and says whether it is to fail.
pub fn ask(op: Op, path: &Path) -> Result<(), Fault> {
    let Some(inner) = find(path) else { return Ok(()) };
    let mut state = inner.state();
    if state.crashed {
        return Err(Fault::Crash);
    }
    *state.counts.entry(op).or_default() += 1;
    if Fault::Full.can_strike(op) && state.full_while.as_ref().is_some_and(|switch| switch.exists()) {
        return Err(Fault::Full);
    }
    let Some((fault, at, lasts)) = state.plan.as_ref().map(|plan| (plan.fault, plan.at, plan.lasts)) else {
        return Ok(());
    };
    if !fault.can_strike(op) {
        return Ok(());
    }
    state.seen += 1;
    if state.seen == at || (lasts && state.seen > at) {
        state.struck = true;
        state.crashed = fault == Fault::Crash;
        return Err(fault);
    }
    Ok(())
}

fn note(path: &Path, work: impl FnOnce(&mut Unsynced, &Path) -> io::Result<()>) -> io::Result<()> {
    match find(path) {
        Some(inner) => work(&mut inner.state().unsynced, &inner.plain(path)),
        None => Ok(()),
    }
}

/// Before bytes are written.
pub fn writing(path: &Path, offset: u64, length: usize) -> io::Result<()> {
    note(path, |unsynced, path| unsynced.writing(path, offset, length as u64))
}

/// Before a file gets another length.
pub fn cutting(path: &Path, length: u64) -> io::Result<()> {
    note(path, |unsynced, path| unsynced.cutting(path, length))
}

/// Before a name is made, if it is not there.
pub fn creating(path: &Path) -> io::Result<()> {
    note(path, Unsynced::touching)
}

/// Before a name is taken away.
pub fn removing(path: &Path) -> io::Result<()> {
    note(path, Unsynced::touching)
}

/// Before a file or folder gets another name.
pub fn renaming(from: &Path, to: &Path) -> io::Result<()> {
    match find(from) {
        Some(inner) => inner.state().unsynced.renaming(&inner.plain(from), &inner.plain(to)),
        None => Ok(()),
    }
}

/// Bytes and length of a file are on the disk.
pub fn synced(path: &Path) {
    note(path, |unsynced, path| {
        unsynced.synced(path);
        Ok(())
    })
    .ok();
}

/// A sync failed: what it was to bring home is forgotten by the system and never will be, unless written again.
pub fn sync_failed(path: &Path) {
    note(path, |unsynced, path| {
        unsynced.sync_failed(path);
        Ok(())
    })
    .ok();
}

/// The names in a folder are on the disk.
pub fn synced_dir(folder: &Path) {
    note(folder, |unsynced, folder| {
        unsynced.synced_dir(folder);
        Ok(())
    })
    .ok();
}

/// Whether a sync of this file is to wait for the device.
pub fn flushes(path: &Path) -> bool {
    find(path).is_none_or(|inner| inner.state().flush)
}
