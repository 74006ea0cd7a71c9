//! 地图, 巡防 and who moves from grid to grid.

use std::rc::Rc;
use std::time::Duration;

use dioxus::prelude::*;
use shared::area::{Area, AreaId, AreaLevel};
use shared::form::Position;
use shared::ids::RecordId;
use shared::outline::{Bounds, Micro};
use shared::record::RecordKind;
use shared::work::Work;

use super::State;
use crate::handheld::SaveError;
use crate::ui::map::{Look, Seen, View};
use crate::ui::pages::form::Kept;

/// From one point of a track to the next.
const STEP: Duration = Duration::from_secs(30);
/// A point of a track is at least so sure, in metres.
const SURE: f64 = 60.0;

/// What the map remembers.
#[derive(Clone, PartialEq, Debug)]
pub struct MapPlace {
    /// Which records are drawn.
    pub kinds: Vec<RecordKind>,
    /// What is looked at; none: all of it.
    pub view: Option<View>,
    /// The records of the spot that was pressed.
    pub chosen: Vec<RecordId>,
    /// Where the handheld was, when it was asked.
    pub me: Option<Position>,
    /// The patrol whose track is drawn.
    pub patrol: Option<RecordId>,
}

impl Default for MapPlace {
    fn default() -> Self {
        // People only when asked for: there are too many of them, and they are at home.
        let kinds = vec![RecordKind::Place, RecordKind::Object, RecordKind::Event];
        Self { kinds, view: None, chosen: Vec::new(), me: None, patrol: None }
    }
}

impl State {
    /// What is to be drawn of the records. A hook.
    pub fn use_seen(&self, look: Look) -> Option<Rc<Seen>> {
        self.use_behind("map", look, |handheld, look| look.read(handheld)).map(|(_, seen)| seen)
    }

    /// Drawn areas of the scope, and drawn ones above it.
    pub fn drawn(&self) -> (Vec<Area>, Vec<Area>) {
        self.handheld.drawn()
    }

    /// Within which positions are not asked about: what was drawn.
    pub fn drawn_bounds(&self) -> Option<Bounds> {
        self.handheld.areas().bounds()
    }

    /// Where a patrol went.
    pub fn track(&self, patrol: RecordId) -> Vec<Micro> {
        self.read(self.handheld.track(patrol))
    }

    /// Forgets the track of a patrol that is not saved.
    pub fn drop_track(&self, patrol: RecordId) {
        self.read(self.handheld.drop_track(patrol));
    }

    /// The patrol that is under way with its track switched on.
    pub fn tracked(&self) -> Option<RecordId> {
        // Nothing while the handheld is locked.
        let drafts = self.handheld.drafts().ok()?;
        drafts.into_iter().find_map(|(key, _)| {
            let json = self.handheld.load_draft(&key).ok()??;
            let kept: Kept = serde_json::from_str(&json).ok()?;
            (kept.track && kept.fresh && kept.is_work() == Some(Work::Patrol)).then_some(kept.record)
        })
    }

    /// Adds where the handheld is to the track of a patrol.
    pub async fn step_of(&self, patrol: RecordId) {
        let here = self.locate().await.filter(|position| position.accuracy <= SURE);
        if let Some(here) = here
            && let Err(error) = self.handheld.add_to_track(patrol, here.micro())
        {
            tracing::warn!(%error, "a point of a track was not kept");
        }
    }

    /// Follows the patrol that is under way, if its track is switched on; runs as long as the screen.
    pub async fn watch_patrol(self) {
        loop {
            tokio::time::sleep(STEP).await;
            if let Some(patrol) = self.tracked() {
                self.step_of(patrol).await;
                self.touched();
            }
        }
    }

    /// The grids of the town to which somebody can go, in order of the tree.
    pub fn town_grids(&self) -> Vec<Area> {
        let Some(setup) = self.setup() else { return Vec::new() };
        let areas = self.handheld.areas();
        let town = areas.scope(&[setup.town]);
        let goes = |area: &&Area| area.level == AreaLevel::Grid && !area.closed;
        town.iter().filter_map(|id| areas.get(id)).filter(goes).cloned().collect()
    }

    /// Sends people to another grid.
    pub fn move_out(&self, people: &[RecordId], to: AreaId) -> Result<(), SaveError> {
        self.handheld.move_out(people, to)?;
        self.touched();
        Ok(())
    }

    /// Notes that people left the town.
    pub fn move_away(&self, people: &[RecordId]) -> Result<(), SaveError> {
        self.handheld.move_away(people)?;
        self.touched();
        Ok(())
    }

    /// Says that somebody who moved here came.
    pub fn receive(&self, person: RecordId) -> Result<(), SaveError> {
        self.handheld.receive(person)?;
        self.touched();
        Ok(())
    }
}
