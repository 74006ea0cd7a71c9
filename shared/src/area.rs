//! The tree of areas: county → town → village, community or farm → grid; and scopes in it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::outline::{Bounds, Outline};

/// A stable id of an area; the official code is an attribute and may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AreaId(pub u32);

impl fmt::Display for AreaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What an area is in the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AreaLevel {
    /// 县
    County,
    /// 镇; every key of the server's store starts with one.
    Town,
    /// 大网格: village 村, community 社区 or farm 农场
    Community,
    /// 小网格
    Grid,
}

impl AreaLevel {
    /// The code name, as on the wire and in SQL.
    pub fn code(self) -> &'static str {
        match self {
            Self::County => "county",
            Self::Town => "town",
            Self::Community => "community",
            Self::Grid => "grid",
        }
    }

    /// The level of a code name.
    pub fn from_code(code: &str) -> Option<Self> {
        [Self::County, Self::Town, Self::Community, Self::Grid].into_iter().find(|level| level.code() == code)
    }
}

/// A node of the tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Area {
    /// Stable.
    pub id: AreaId,
    /// The node above; none for the root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<AreaId>,
    /// What it is.
    pub level: AreaLevel,
    /// As people call it.
    pub name: String,
    /// The official code (GB/T 2260 and the platform's extension); may change, never validates a person.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub code: String,
    /// Where it lies, if somebody drew it.
    #[serde(default, skip_serializing_if = "Outline::is_empty")]
    pub outline: Outline,
    /// Given up: nothing new is begun there. What lies there stays, and whoever was responsible stays so.
    #[serde(default, skip_serializing_if = "is_false")]
    pub closed: bool,
}

fn is_false(closed: &bool) -> bool {
    !closed
}

impl Area {
    /// An area that nobody drew.
    pub fn new(id: AreaId, parent: Option<AreaId>, level: AreaLevel, name: &str, code: &str) -> Self {
        Self {
            id,
            parent,
            level,
            name: name.to_owned(),
            code: code.to_owned(),
            outline: Outline::default(),
            closed: false,
        }
    }
}

/// All areas somebody knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AreaTree {
    areas: BTreeMap<AreaId, Area>,
    children: BTreeMap<AreaId, Vec<AreaId>>,
}

impl AreaTree {
    /// The area of an id.
    pub fn get(&self, id: AreaId) -> Option<&Area> {
        self.areas.get(&id)
    }

    /// Every area, in order of ids.
    pub fn iter(&self) -> impl Iterator<Item = &Area> {
        self.areas.values()
    }

    /// The box around all that was drawn; none while nobody drew anything.
    pub fn bounds(&self) -> Option<Bounds> {
        self.areas.values().filter_map(|area| area.outline.bounds()).reduce(Bounds::with)
    }

    /// The areas right below `id`.
    pub fn children(&self, id: AreaId) -> impl Iterator<Item = &Area> {
        self.children.get(&id).into_iter().flatten().filter_map(|child| self.areas.get(child))
    }

    /// `id` and all above it, from below; stops at a loop.
    pub fn ancestors(&self, id: AreaId) -> Vec<AreaId> {
        let mut line = Vec::new();
        let mut next = Some(id);
        while let Some(area) = next.and_then(|id| self.areas.get(&id)) {
            if line.contains(&area.id) {
                break;
            }
            line.push(area.id);
            next = area.parent;
        }
        line
    }

    /// The town that `id` lies in (or is).
    pub fn town_of(&self, id: AreaId) -> Option<AreaId> {
        self.ancestors(id).into_iter().find(|id| self.areas.get(id).is_some_and(|a| a.level == AreaLevel::Town))
    }

    /// `roots` with all below them.
    pub fn scope(&self, roots: &[AreaId]) -> Scope {
        let mut areas = BTreeSet::new();
        let mut rest: Vec<AreaId> = roots.to_vec();
        while let Some(id) = rest.pop() {
            if self.areas.contains_key(&id) && areas.insert(id) {
                rest.extend(self.children.get(&id).into_iter().flatten());
            }
        }
        Scope { areas }
    }
}

impl FromIterator<Area> for AreaTree {
    fn from_iter<I: IntoIterator<Item = Area>>(areas: I) -> Self {
        let areas: BTreeMap<AreaId, Area> = areas.into_iter().map(|area| (area.id, area)).collect();
        let mut children: BTreeMap<AreaId, Vec<AreaId>> = BTreeMap::new();
        for area in areas.values() {
            if let Some(parent) = area.parent {
                children.entry(parent).or_default().push(area.id);
            }
        }
        Self { areas, children }
    }
}

/// A set of areas with all below them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    areas: BTreeSet<AreaId>,
}

impl Scope {
    /// Whether `id` lies in it.
    pub fn contains(&self, id: AreaId) -> bool {
        self.areas.contains(&id)
    }

    /// Its areas in order of ids.
    pub fn iter(&self) -> impl Iterator<Item = AreaId> + '_ {
        self.areas.iter().copied()
    }

    /// Whether it holds no area.
    pub fn is_empty(&self) -> bool {
        self.areas.is_empty()
    }
}
