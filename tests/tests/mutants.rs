//! Planted mistakes: the simulation has to notice each of them, and to name what does not hold. They are switched on for
//! the whole process, so this test stands in a file of its own.

use anyhow::{Result, bail};
use shared::mutants::{Mutant, make};
use tests::simulation::drive::Driver;
use tests::simulation::plan::plan;
use tests::simulation::run;
use tests::simulation::world::Options;

/// Seeds tried before a mistake counts as not noticed; `simulation.rs` shows that they hold without one.
const SEEDS: u64 = 300;
const STEPS: usize = 300;

#[test]
fn every_planted_mistake_is_noticed_and_what_it_breaks_is_named() -> Result<()> {
    let driver = Driver::new()?;
    let options = Options { wrong_clocks: true, true_ids: false, told: false, postgres: None, towns: false };
    let mut missed = Vec::new();
    for mutant in Mutant::ALL {
        let mut noticed = None;
        for seed in 0..SEEDS {
            make(Some(mutant));
            let outcome = run(&driver, seed, &plan(seed, STEPS), options);
            make(None);
            if let Some((invariant, what)) = outcome?.broken {
                noticed = Some((seed + 1, invariant, what));
                break;
            }
        }
        match noticed {
            Some((seeds, invariant, what)) => {
                let first: String = what.lines().next().unwrap_or_default().chars().take(150).collect();
                eprintln!("{:<22} {:<28} {seeds:>4} seeds   {first}", format!("{mutant:?}"), invariant.name());
            }
            None => missed.push(mutant),
        }
    }
    if !missed.is_empty() {
        bail!("not noticed in {SEEDS} seeds: {missed:?}");
    }
    Ok(())
}
