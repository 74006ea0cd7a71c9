//! A handheld in a run: the product's own, its folder, its clock, and what lies open on its screen.

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

/// What a handheld asks of its platform.
pub fn services(folder: &FilePath, line: Line) -> Services {
    Services { connect: Arc::new(line), ..Services::files(folder) }
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
}

/// One handheld.
pub struct Hand {
    /// Where its files lie.
    pub folder: PathBuf,
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
    /// A copy of its folder of some time ago.
    pub backup: Option<Backup>,
    /// Every edit that was saved on it, or on what it was copied from.
    pub saved: Vec<EditId>,
    /// Its line.
    pub line: Line,
}

/// A copy of a handheld's folder.
#[derive(Clone)]
pub struct Backup {
    /// Where.
    pub folder: PathBuf,
    /// What had been saved on it by then.
    pub saved: Vec<EditId>,
}

impl Hand {
    /// The handheld, which is open.
    pub fn app(&self) -> Result<&Handheld> {
        self.app.as_ref().context("the handheld is open")
    }

    /// Opens what lies in its folder.
    pub fn start(&mut self) -> Result<()> {
        let services = services(&self.folder, self.line.clone());
        let outside = Arc::clone(&self.machine) as Arc<dyn Outside>;
        self.app = Some(Handheld::open_with(&self.folder, services, outside, self.edition.rules()?)?);
        Ok(())
    }

    /// The process ends: what was open is gone, what was under way too.
    pub fn stop(&mut self) {
        self.flight = None;
        self.open.clear();
        self.app = None;
    }
}
