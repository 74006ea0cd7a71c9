//! From a run in which something broke to a short one in which the same breaks.

use anyhow::Result;

use super::drive::Driver;
use super::invariant::Invariant;
use super::plan::Step;
use super::world::Options;
use super::{Outcome, run};

/// Runs tried at most.
const TRIES: usize = 600;

/// Leaves out steps while the same invariant breaks, halves first, then ever smaller pieces (A. Zeller, R. Hildebrandt,
/// "Simplifying and isolating failure-inducing input", 2002). Gives the last run that broke it, told.
pub fn shrink(driver: &Driver, seed: u64, steps: &[Step], named: Invariant, options: Options) -> Result<Outcome> {
    let breaks = |steps: &[Step]| -> Result<bool> {
        let outcome = run(driver, seed, steps, options)?;
        Ok(outcome.broken.is_some_and(|(invariant, _)| invariant == named))
    };
    let mut steps = steps.to_vec();
    let mut tries = 0;
    let mut piece = steps.len().div_ceil(2);
    while piece > 0 && tries < TRIES {
        let mut at = 0;
        let mut shorter = false;
        while at < steps.len() && tries < TRIES {
            let end = (at + piece).min(steps.len());
            let fewer: Vec<Step> =
                steps.iter().enumerate().filter(|(n, _)| *n < at || *n >= end).map(|(_, step)| *step).collect();
            tries += 1;
            if breaks(&fewer)? {
                steps = fewer;
                shorter = true;
            } else {
                at = end;
            }
        }
        if !shorter || piece > 1 {
            piece /= 2;
        }
    }
    run(driver, seed, &steps, Options { told: true, ..options })
}
