//! A handheld in a run: the product's own, its folders, its clock, and what lies open on its screen.

use std::path::{Path as FilePath, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use anyhow::{Context, Result};
use app::handheld::{Draft, Handheld, SyncError};
use app::platform::Services;
use shared::ids::EditId;
use shared::outside::Outside;

use super::clock::Machine;
use super::dice::Dice;
use super::forms::Edition;
use super::network::Line;
use super::past::Screen;
use crate::faults::{Loss, Watch, watch};
use crate::near;

/// Below the folder of a machine: what a backup of the device holds.
const FILES: &str = "files";
/// Below the folder of a machine: what no backup holds.
const NO_BACKUP: &str = "no-backup";

/// Opens the handheld whose machine has this folder.
pub fn open(root: &FilePath, machine: &Arc<Machine>, line: Line, edition: Edition) -> Result<Handheld> {
    let folder = root.join(FILES);
    let no_backup = Some(root.join(NO_BACKUP));
    let services = Services { connect: Arc::new(line), no_backup, ..near::quick(&folder) };
    let handheld = Handheld::open_with(&folder, services, Arc::clone(machine) as Arc<dyn Outside>, edition.rules()?)?;
    near::let_in(&handheld)?;
    Ok(handheld)
}

/// A sync that is under way.
pub struct Flight {
    /// The product's own.
    pub sync: Pin<Box<dyn Future<Output = Result<(), SyncError>> + Send>>,
    /// Decides what becomes of its requests.
    pub dice: Dice,
    /// On a bad line.
    pub rough: bool,
    /// The handheld stops after so many polls.
    pub polls: u32,
    /// Requests so far.
    pub requests: u32,
}

/// One handheld.
pub struct Hand {
    /// The folder of its machine.
    pub root: PathBuf,
    /// Its clock and randomness.
    pub machine: Arc<Machine>,
    /// Which forms it knows.
    pub edition: Edition,
    /// Whose it is: a place among the users of the run.
    pub owner: usize,
    /// The product's own; closed only while it is exchanged.
    pub app: Option<Handheld>,
    /// A sync under way.
    pub flight: Option<Flight>,
    /// Forms that were opened and lie there.
    pub open: Vec<(Draft, Screen)>,
    /// Decisions that can be taken back.
    pub settled: Vec<EditId>,
    /// A copy of its files of some time ago.
    pub backup: Option<Backup>,
    /// Every edit that was saved on it, or on what it was copied from.
    pub saved: Vec<EditId>,
    /// Its line.
    pub line: Line,
    /// Notes what has not reached its disk, where that may be lost.
    pub watch: Option<Watch>,
}

/// A copy of a handheld's files.
#[derive(Clone)]
pub struct Backup {
    /// Where: like the folder of a machine.
    pub root: PathBuf,
    /// What had been saved on it by then.
    pub saved: Vec<EditId>,
}

impl Hand {
    /// The handheld, which is open.
    pub fn app(&self) -> Result<&Handheld> {
        self.app.as_ref().context("the handheld is open")
    }

    /// What a backup of the device holds.
    pub fn files(&self) -> PathBuf {
        self.root.join(FILES)
    }

    /// Opens what lies in its folders.
    pub fn start(&mut self) -> Result<()> {
        self.app = Some(open(&self.root, &self.machine, self.line.clone(), self.edition)?);
        Ok(())
    }

    /// The process ends: what was open is gone, what was under way too.
    pub fn stop(&mut self) {
        self.flight = None;
        self.open.clear();
        self.app = None;
    }

    /// The process ends between two instructions, or the power fails, and starts again. Of a machine that is not watched
    /// the files are copied while it runs, for closing it in order would write more than a killed process does.
    pub fn die(&mut self, loss: Loss, new_root: PathBuf) -> Result<()> {
        match &self.watch {
            Some(watch) => {
                watch.crash();
                self.flight = None;
                self.open.clear();
                self.app = None;
                watch.lose(loss)?;
            }
            None => {
                super::template::copy(&self.root, &new_root)?;
                self.stop();
                std::fs::remove_dir_all(&self.root)?;
                self.root = new_root;
            }
        }
        self.start()
    }

    /// Other files are put in place of its own: all of the machine's, or only what a backup of the device holds.
    pub fn put_back(&mut self, from: Option<&FilePath>, whole: bool) -> Result<()> {
        self.stop();
        let watched = self.watch.take().is_some();
        let (old, new) = if whole {
            (self.root.clone(), from.map(FilePath::to_owned))
        } else {
            (self.files(), from.map(|from| from.join(FILES)))
        };
        std::fs::remove_dir_all(&old)?;
        std::fs::create_dir_all(&self.root)?;
        if let Some(new) = new {
            super::template::copy(&new, &old)?;
        }
        if watched {
            self.watch = Some(watch(&self.root)?);
        }
        self.start()
    }
}
