//! What the town publishes of its grids: `public.toml` in the data folder. What does not stand there is not published; a
//! grid without an entry has a page with its name and the way to the report.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use shared::area::{AreaId, AreaLevel};

use super::wire::{Page, Person};
use crate::AppState;
use crate::report::Period;
use crate::store::{self, By, EventFilter, StoreError};

/// The file.
pub const FILE: &str = "public.toml";

/// Why it is not published.
#[derive(Debug, thiserror::Error)]
pub enum BadFile {
    /// The file.
    #[error("cannot read {0}")]
    File(PathBuf, #[source] std::io::Error),
    /// It is not what `docs/intake.md` says.
    #[error("{0} cannot be understood")]
    Toml(PathBuf, #[source] Box<toml::de::Error>),
    /// The areas.
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// What can be done in every grid.
    #[serde(default)]
    does: String,
    #[serde(default)]
    grid: Vec<Grid>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Grid {
    area: AreaId,
    #[serde(default)]
    covers: String,
    #[serde(default)]
    does: String,
    #[serde(default)]
    person: Vec<Person>,
}

/// The pages of all grids.
pub fn pages(app: &AppState) -> Result<Vec<Page>, BadFile> {
    let path = app.data.join(FILE);
    let file: File = match disk::read(&path) {
        Ok(bytes) => toml::from_str(&String::from_utf8_lossy(&bytes))
            .map_err(|error| BadFile::Toml(path.clone(), Box::new(error)))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => File::default(),
        Err(error) => return Err(BadFile::File(path, error)),
    };
    let mut said: BTreeMap<AreaId, Grid> = file.grid.into_iter().map(|grid| (grid.area, grid)).collect();
    let areas = app.areas()?;
    let settled = settled(app)?;
    let mut pages = Vec::new();
    for area in areas.iter().filter(|area| area.level == AreaLevel::Grid) {
        let town = areas.town_of(area.id).and_then(|town| areas.get(town));
        let grid = said.remove(&area.id);
        let (covers, does, people) = grid.map(|grid| (grid.covers, grid.does, grid.person)).unwrap_or_default();
        pages.push(Page {
            area: area.id,
            town: town.map(|town| town.name.clone()).unwrap_or_default(),
            name: area.name.clone(),
            covers,
            does: if does.is_empty() { file.does.clone() } else { does },
            people,
            settled: settled.get(&area.id).copied().unwrap_or(0),
        });
    }
    for unknown in said.keys() {
        tracing::warn!(area = %unknown, "public.toml names a grid that is not there");
    }
    Ok(pages)
}

/// How many events of each area were closed as settled in the month before this one.
fn settled(app: &AppState) -> Result<BTreeMap<AreaId, u64>, StoreError> {
    let month = Period::month_of(shared::mask::today(app.outside.now())).before();
    let filter = EventFilter { closed: month.map(Period::span), ..EventFilter::default() };
    let mut settled = BTreeMap::new();
    for town in app.store.towns()? {
        for tally in store::read(&*app.store, town, |read| read.tally_events(&filter, &[By::Outcome]))? {
            let well = tally.by.iter().any(|outcome| matches!(outcome.as_str(), "settled" | "reconciled"));
            for area in tally.areas.iter().take(1).filter(|_| well) {
                *settled.entry(*area).or_default() += tally.count;
            }
        }
    }
    Ok(settled)
}
