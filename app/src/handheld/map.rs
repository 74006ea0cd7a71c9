//! 地图: where records are, what was drawn of the areas, and where a patrol went.

use shared::area::Area;
use shared::ids::RecordId;
use shared::outline::{Bounds, Micro};
use shared::record::RecordKind;

use super::Handheld;
use crate::store::{OnMap, StoreError};

impl Handheld {
    /// Records of `kinds` in `within`, each where it says it is, or where the place lies that it is in. Of events only
    /// those that are not over. About 2 ms for a grid.
    pub fn on_map(&self, kinds: &[RecordKind], within: Bounds) -> Result<Vec<OnMap>, StoreError> {
        self.0.session()?.store.on_map(kinds, within)
    }

    /// The areas of the user's scope that somebody drew, and those above them.
    pub fn drawn(&self) -> (Vec<Area>, Vec<Area>) {
        let areas = self.areas();
        let Some(setup) = self.setup() else { return Default::default() };
        let scope = areas.scope(&setup.scope);
        let drawn = areas.iter().filter(|area| !area.outline.is_empty()).cloned();
        drawn.partition(|area| scope.contains(area.id))
    }

    /// What the map shows at first: the drawn areas of the scope; else all that says where it is.
    pub fn map_bounds(&self) -> Result<Option<Bounds>, StoreError> {
        let (own, _) = self.drawn();
        match own.iter().filter_map(|area| area.outline.bounds()).reduce(Bounds::with) {
            Some(bounds) => Ok(Some(bounds)),
            None => self.0.session()?.store.all_points(),
        }
    }

    /// Adds a point to the track of a patrol, which stays on this handheld and is forgotten after 30 days.
    pub fn add_to_track(&self, patrol: RecordId, at: Micro) -> Result<(), StoreError> {
        self.0.session()?.store.add_to_track(patrol, self.now(), at)
    }

    /// Where a patrol went, in order; empty if its track was not switched on, or not on this handheld.
    pub fn track(&self, patrol: RecordId) -> Result<Vec<Micro>, StoreError> {
        self.0.session()?.store.track(patrol)
    }

    /// Forgets the track of a patrol.
    pub fn drop_track(&self, patrol: RecordId) -> Result<(), StoreError> {
        self.0.session()?.store.drop_track(patrol)
    }
}
