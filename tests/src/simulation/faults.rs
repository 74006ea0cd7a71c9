//! What goes wrong with machines: processes end, power fails, files are copied and put back, clocks lie.

use std::sync::Arc;

use anyhow::{Context, Result};
use shared::ids::EditId;
use sync_server::auth::enrol::make_code;

use super::clock::{Machine, Shows, TEN_YEARS};
use super::dice::Dice;
use super::hand::{Backup, Hand};
use super::invariant::{Invariant, broken, must};
use super::template::copy;
use super::world::{World, soundly};
use crate::faults::{Loss, watch};
use crate::near;

/// More handhelds than this are not cloned.
const MOST: usize = 7;

fn some_loss(dice: &mut Dice) -> Loss {
    if dice.percent(50) { Loss::Unsynced } else { Loss::Some(dice.roll()) }
}

impl World<'_> {
    /// A handheld's process ends between two instructions and starts again: its files are as they are at this moment.
    pub(super) fn kill(&mut self, place: usize) -> Result<()> {
        self.trace.count("a handheld's process ended");
        let folder = self.new_folder();
        self.hand_mut(place)?.die(Loss::Nothing, folder)
    }

    /// Its power fails: what had not reached the disk is gone, and no edit with it.
    pub(super) fn power_cut(&mut self, place: usize, dice: &mut Dice) -> Result<()> {
        if self.hand(place)?.watch.is_none() {
            return Ok(());
        }
        self.trace.count("a handheld lost what was not synced");
        let folder = self.new_folder();
        let loss = some_loss(dice);
        self.hand_mut(place)?.die(loss, folder)?;
        let hand = self.hand(place)?;
        let store = hand.app()?.store()?;
        for id in &hand.saved {
            let known = self.pasts.known(*id).context("it was saved")?;
            if self.erased.contains(&known.record) {
                continue;
            }
            let kept = store.edit_state(*id)?.is_some();
            must(kept, Invariant::NoEditLost, || format!("[{place}] lost {id} with its power"))?;
        }
        Ok(())
    }

    /// A backup of a handheld's device is made.
    pub(super) fn keep(&mut self, place: usize) -> Result<()> {
        let root = self.new_folder();
        let hand = self.hand_mut(place)?;
        copy(&hand.root, &root)?;
        let saved = hand.saved.clone();
        hand.backup = Some(Backup { root, saved });
        Ok(())
    }

    /// What is about to be destroyed with a handheld may be lost if it was not delivered and lies nowhere else.
    fn excuse(&mut self, place: usize, kept: &[EditId]) -> Result<()> {
        let store = self.hand(place)?.app()?.store()?;
        let there = self.on_server()?;
        let mut excused = Vec::new();
        for id in &self.hand(place)?.saved {
            let elsewhere =
                self.hands.iter().enumerate().any(|(other, hand)| other != place && hand.saved.contains(id));
            let waits = store.edit_state(*id)?.as_deref() == Some("waiting");
            // A restored server may not have it again yet: then it is as good as unsent.
            if !elsewhere && !kept.contains(id) && (waits || !there.contains(id)) {
                excused.push(*id);
            }
        }
        self.excused.extend(excused);
        Ok(())
    }

    /// An old backup of a device is put back: as the system does it, or all of it by somebody who copies disks.
    pub(super) fn put_back(&mut self, place: usize, dice: &mut Dice) -> Result<()> {
        let Some(backup) = self.hand(place)?.backup.clone() else { return Ok(()) };
        self.trace.count("old files of a handheld are back");
        self.excuse(place, &backup.saved)?;
        let hand = self.hand_mut(place)?;
        hand.put_back(Some(&backup.root), dice.percent(40))?;
        hand.settled.clear();
        hand.saved = backup.saved;
        Ok(())
    }

    /// A device is copied to another, and both go on.
    pub(super) fn clone_hand(&mut self, place: usize, dice: &mut Dice) -> Result<()> {
        if self.hands.len() >= MOST {
            return Ok(());
        }
        self.trace.count("a handheld has a clone");
        let root = self.new_folder();
        let line = self.network.line(self.hands.len());
        let (time, true_ids) = (self.time.clone(), self.options.true_ids);
        let hand = self.hand(place)?;
        copy(&hand.root, &root)?;
        if dice.percent(50) {
            // Only what a backup holds was carried over.
            std::fs::remove_dir_all(root.join("no-backup"))?;
        }
        let shows = Shows::Off(hand.machine.shown() - time.now());
        let watch = if hand.watch.is_some() { Some(watch(&root)?) } else { None };
        let mut clone = Hand {
            root,
            machine: Machine::new(&time, shows, dice.roll(), true_ids),
            edition: hand.edition,
            owner: hand.owner,
            app: None,
            flight: None,
            open: Vec::new(),
            settled: Vec::new(),
            backup: None,
            saved: hand.saved.clone(),
            line,
            watch,
        };
        clone.start()?;
        self.hands.push(clone);
        Ok(())
    }

    /// The app is removed, installed and enrolled again: unsent work is gone.
    pub(super) fn reinstall(&mut self, place: usize) -> Result<()> {
        self.trace.count("a handheld begins with nothing");
        self.excuse(place, &[])?;
        let hand = self.hand_mut(place)?;
        hand.put_back(None, true)?;
        hand.settled.clear();
        hand.saved.clear();
        self.enrol(place)
    }

    /// A handheld is enrolled with a code, with whatever it holds.
    pub(super) fn enrol(&mut self, place: usize) -> Result<()> {
        let hand = self.hand(place)?;
        if hand.flight.is_some() {
            return Ok(());
        }
        let user = self.users.get(hand.owner).context("its user")?;
        let centre = self.centre()?;
        let code = make_code(centre.app(), user)?;
        let app = hand.app()?.clone();
        let enrolled = soundly(self.driver, &self.network, centre, app.enrol("http://127.0.0.1", &code, near::PIN))?;
        self.trace.count("a handheld is enrolled");
        enrolled
            .map(drop)
            .map_err(|error| broken(Invariant::NothingFails, format!("[{place}] cannot enrol: {}", error.detail)))
    }

    /// Somebody sets a clock, or a battery ran empty.
    pub(super) fn set_clock(&mut self, place: usize, dice: &mut Dice) -> Result<()> {
        let now = self.time.now();
        let machine = Arc::clone(&self.hand(place)?.machine);
        let shown = machine.shown();
        let (shows, what) = match dice.below(6) {
            0 => (Shows::Off(0), "a clock is set right"),
            1 => (Shows::Off(TEN_YEARS), "a clock is ten years ahead"),
            2 => (Shows::Off(-TEN_YEARS), "a clock is ten years behind"),
            3 => (Shows::Stands(shown), "a clock stands still"),
            4 => (Shows::Backwards { from: shown, since: now }, "a clock runs backwards"),
            _ => (Shows::Off(shown - now - dice.between(60_000, 7_200_000)), "a clock jumps back"),
        };
        self.trace.count(what);
        if self.options.wrong_clocks {
            self.trace.say(|| format!("      [{place}] {what}"));
            machine.set(shows);
        }
        Ok(())
    }
}
