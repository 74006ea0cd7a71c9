//! What goes wrong with machines: processes end, clocks lie.

use anyhow::{Context, Result};

use super::centre::Centre;
use super::clock::{Shows, TEN_YEARS};
use super::dice::Dice;
use super::forms::Edition;
use super::template::copy;
use super::world::World;

impl World<'_> {
    /// A handheld's process ends between two instructions and starts again: its files are as they are at this moment.
    pub(super) fn kill(&mut self, place: usize) -> Result<()> {
        self.trace.count("a handheld's process ended");
        let folder = self.new_folder();
        let hand = self.hand_mut(place)?;
        // Copied while it runs: closing it in order would write more than a killed process does.
        copy(&hand.folder, &folder)?;
        hand.stop();
        std::fs::remove_dir_all(&hand.folder)?;
        hand.folder = folder;
        hand.start()
    }

    /// The same of the server. Some learn of the newer form on the occasion.
    pub(super) fn kill_server(&mut self) -> Result<()> {
        self.trace.count("the server's process ended");
        let folder = self.new_folder();
        let old = self.centre.take().context("the server runs")?;
        copy(old.folder(), &folder)?;
        let (machine, page_items) = (std::sync::Arc::clone(old.machine()), old.page_items());
        let gone = old.folder().to_owned();
        drop(old);
        std::fs::remove_dir_all(gone)?;
        self.edition = Edition::Both;
        self.centre = Some(Centre::open(&folder, machine, self.edition, page_items)?);
        Ok(())
    }

    /// Somebody sets a clock, or a battery ran empty.
    pub(super) fn set_clock(&mut self, place: usize, dice: &mut Dice) -> Result<()> {
        let now = self.time.now();
        let machine = std::sync::Arc::clone(&self.hand(place)?.machine);
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
