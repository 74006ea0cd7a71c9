//! Deterministic simulation: several handhelds, the centre and a bad network in one thread and in virtual time. The code
//! under test is the product's own: handhelds with their stores and sync, the server behind its router, real SQLite.
//!
//! A [`plan`] of steps is drawn from a seed; a [`world::World`] carries them out while requests travel, get lost, come
//! twice, late or in pieces; then the network heals, everybody syncs, and a judge compares what everybody holds with
//! an oracle ([`past`]) that knows for every edit ever saved all that its author had seen. What must hold is listed in
//! [`invariant`]. Everything that happens depends on the seed alone, to the last byte; [`run`] says so by a hash.

mod acts;
pub mod centre;
pub mod clock;
pub mod dice;
pub mod drive;
mod faults;
pub mod forms;
pub mod hand;
pub mod invariant;
mod judge;
pub mod network;
mod office;
pub mod past;
pub mod plan;
pub mod shrink;
pub mod template;
pub mod trace;
pub mod world;
mod yesterday;

use std::panic::{AssertUnwindSafe, catch_unwind};

use anyhow::Result;

use drive::Driver;
use invariant::{Broken, Invariant};
use plan::Step;
use trace::Counts;
use world::{Options, World};

/// What came of a run.
#[derive(Debug)]
pub struct Outcome {
    /// A hash over everything that happened.
    pub trace: String,
    /// The server's states at the end without what clocks may change; empty when something was broken.
    pub clockless: String,
    /// How often what happened.
    pub counts: Counts,
    /// What did not hold, if anything.
    pub broken: Option<(Invariant, String)>,
    /// What happened, if it was to be told.
    pub story: Vec<String>,
}

/// Runs the steps of a plan in the world of a seed.
pub fn run(driver: &Driver, seed: u64, steps: &[Step], options: Options) -> Result<Outcome> {
    let mut world = World::new(driver, seed, options)?;
    let told = catch_unwind(AssertUnwindSafe(|| {
        for step in steps {
            world.step(*step)?;
        }
        world.heal()?;
        let clockless = world.judge()?;
        let mut dice = dice::Dice::new(seed ^ 0xd1_6e57);
        if dice.percent(25) && world.damage(&mut dice)? {
            let mended = world.judge().map_err(|error| invariant::broken(Invariant::Digest, format!("{error:#}")))?;
            invariant::must(mended == clockless, Invariant::Digest, || "not mended to what it was".to_owned())?;
        }
        if dice.percent(25) {
            world.hand_in()?;
        }
        Ok(clockless)
    }));
    let told = told.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(invariant::broken(Invariant::NothingFails, format!("a panic: {}", text.unwrap_or_default())))
    });
    let (clockless, broken) = match told {
        Ok(clockless) => (clockless, None),
        Err(error) => {
            let named = error.downcast_ref::<Broken>().map_or(Invariant::NothingFails, |broken| broken.invariant);
            (String::new(), Some((named, format!("{error:#}"))))
        }
    };
    let (trace, counts, story) = world.end();
    Ok(Outcome { trace, clockless, counts, broken, story })
}
