//! The server's own misfortunes: it is killed, loses power, is restored from a backup.

use std::collections::BTreeSet;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use shared::ids::EditId;
use shared::outside::Outside;
use sync_server::backup::{archived, make, restore};

use super::centre::Centre;
use super::dice::Dice;
use super::forms::Edition;
use super::invariant::{Invariant, broken, must};
use super::template::copy;
use super::world::World;
use crate::faults::{Loss, watch};
use crate::postgres;

/// How many backups are kept.
const KEEP: usize = 3;

impl World<'_> {
    /// Closes the server and opens what `exchange` makes of its folder.
    fn reopen(&mut self, exchange: impl FnOnce(&mut Self, PathBuf) -> Result<PathBuf>) -> Result<()> {
        let old = self.centre.take().context("the server runs")?;
        let (machine, page_items) = (Arc::clone(old.machine()), old.page_items());
        let folder = old.folder().to_owned();
        let gone = match &self.server_watch {
            Some(watch) => {
                watch.crash();
                drop(old);
                None
            }
            // Its own server has what was committed, whoever ends.
            None if postgres::stands_in(&folder) => {
                drop(old);
                None
            }
            None => {
                let copied = self.new_folder();
                copy(&folder, &copied)?;
                drop(old);
                std::fs::remove_dir_all(&folder)?;
                Some(copied)
            }
        };
        let folder = exchange(self, gone.unwrap_or(folder))?;
        // Some learn of the newer form on the occasion.
        self.edition = Edition::Both;
        self.centre = Some(Centre::open(&folder, machine, self.edition, page_items)?);
        Ok(())
    }

    /// The server's process ends between two requests and starts again.
    pub(super) fn kill_server(&mut self) -> Result<()> {
        self.trace.count("the server's process ended");
        self.reopen(|world, folder| {
            if let Some(watch) = &world.server_watch {
                watch.lose(Loss::Nothing)?;
            }
            Ok(folder)
        })
    }

    /// Its power fails. What it told a handheld that it has it still has.
    pub(super) fn server_power_cut(&mut self, dice: &mut Dice) -> Result<()> {
        if self.server_watch.is_none() {
            return Ok(());
        }
        self.trace.count("the server lost what was not synced");
        let before = self.on_server()?;
        let loss = if dice.percent(50) { Loss::Unsynced } else { Loss::Some(dice.roll()) };
        self.reopen(|world, folder| {
            if let Some(watch) = &world.server_watch {
                watch.lose(loss)?;
            }
            Ok(folder)
        })?;
        let here = self.on_server()?;
        for hand in &self.hands {
            let store = hand.app()?.store()?;
            for id in &hand.saved {
                let lost = before.contains(id) && !here.contains(id);
                let answered = store.edit_state(*id)?.is_some_and(|state| state != "waiting");
                must(!(lost && answered), Invariant::Receipts, || {
                    format!("the server gave an outcome for {id} and lost it with its power")
                })?;
            }
        }
        Ok(())
    }

    /// Every edit that is applied or in quarantine.
    pub(super) fn on_server(&self) -> Result<BTreeSet<EditId>> {
        let held = self.held()?;
        Ok(held.applied.into_keys().chain(held.quarantine.into_keys()).chain(held.raw).collect())
    }

    /// The server is backed up while it runs.
    pub(super) fn back_up(&mut self) -> Result<()> {
        let to = self.folder.path().join("backups");
        let folder = match postgres::stands_in(self.centre()?.folder()) {
            true => self.copy_database(&to)?,
            false => {
                let made = make(self.centre()?.app(), &to, KEEP);
                made.map_err(|error| broken(Invariant::NothingFails, format!("the backup failed: {error}")))?.folder
            }
        };
        self.trace.count("a backup of the server is made");
        self.backups.push(folder);
        self.backups.retain(|folder| folder.exists());
        Ok(())
    }

    /// A database server's own copy of all there is.
    fn copy_database(&mut self, to: &FilePath) -> Result<PathBuf> {
        let folder = to.join(format!("{}", self.new_folder().file_name().context("a name")?.display()));
        let app = self.centre()?.app();
        let mark = archived::mark(app)?.context("somebody archives its log")?;
        postgres::copy(self.centre()?.folder(), &folder)?;
        archived::count(app, &mark)?;
        let surplus = (self.backups.len() + 1).saturating_sub(KEEP);
        self.backups.iter().take(surplus).try_for_each(std::fs::remove_dir_all)?;
        Ok(folder)
    }

    /// The server is restored from its latest backup, or an older one.
    pub(super) fn yesterday(&mut self, dice: &mut Dice) -> Result<()> {
        let latest = dice.percent(60);
        let Some(from) = (if latest { self.backups.last() } else { self.backups.first() }).cloned() else {
            return Ok(());
        };
        let latest = self.backups.last() == Some(&from);
        self.trace.count("the server is as it was");
        let before = self.on_server()?;
        let safe: Vec<usize> = (0..self.hands.len())
            .filter(|place| {
                let app = self.hands.get(*place).and_then(|hand| hand.app.as_ref());
                app.and_then(|app| app.lights().ok()).is_some_and(|lights| lights.safe_to_hand_in)
            })
            .collect();
        let machine = Arc::clone(self.centre()?.machine());
        self.reopen(|world, old| {
            let watched = world.server_watch.take().is_some();
            let new = world.new_folder();
            if postgres::stands_in(&old) {
                // Only the database is put back; it is on another timeline then.
                copy(&old, &new)?;
                postgres::copy(&from, &new)?;
                postgres::execute(&new, "UPDATE meta SET value = 'before' WHERE key LIKE '%/lineage'")?;
            } else {
                restore(&from, &new, Some(&old), machine as Arc<dyn Outside>)
                    .map_err(|error| broken(Invariant::NothingFails, format!("the restore failed: {error}")))?;
            }
            std::fs::remove_dir_all(&old)?;
            if watched {
                world.server_watch = Some(watch(&new)?);
            }
            Ok(new)
        })?;
        let after = self.on_server()?;
        let kept = |world: &Self, id: &EditId| world.hands.iter().any(|hand| hand.saved.contains(id));
        let excused: Vec<EditId> =
            before.difference(&after).filter(|id| self.is_of_centre(**id) || !kept(self, id)).copied().collect();
        self.trace.say(|| {
            let (lost, excused) = (before.difference(&after).count(), excused.len());
            format!("      {lost} edits are not there any more, {excused} of them nobody else has")
        });
        self.excused.extend(excused);
        self.pasts.lose(before.difference(&after).copied());
        for place in safe.into_iter().filter(|_| latest) {
            for id in &self.hand(place)?.saved {
                let erased = self.pasts.known(*id).is_some_and(|known| self.erased.contains(&known.record));
                must(after.contains(id) || erased || self.excused.contains(id), Invariant::Lights, || {
                    format!("[{place}] could be handed in, and the backup does not hold {id}")
                })?;
            }
        }
        // Rights are as they were too.
        let users = self.centre()?.read(|read| read.users())?;
        for user in &mut self.users {
            if let Some(then) = users.iter().find(|then| then.id == user.id) {
                user.clone_from(then);
            }
        }
        Ok(())
    }

    fn is_of_centre(&self, id: EditId) -> bool {
        self.pasts.known(id).is_some_and(|known| known.centre)
    }
}
