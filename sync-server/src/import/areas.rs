//! Areas as people write them in tables: by id, by official code, by name, by the names from the community down.

use std::collections::{BTreeMap, BTreeSet};

use shared::area::{AreaId, AreaTree};

/// What a text can mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// This area.
    One(AreaId),
    /// Several are called so.
    Several,
    /// None.
    None,
}

/// Every way to name an area.
pub struct Areas {
    names: BTreeMap<String, BTreeSet<AreaId>>,
}

impl Areas {
    /// Of a tree.
    pub fn of(tree: &AreaTree) -> Self {
        let mut names: BTreeMap<String, BTreeSet<AreaId>> = BTreeMap::new();
        for area in tree.iter() {
            let mut line: Vec<&str> = tree
                .ancestors(area.id)
                .into_iter()
                .filter_map(|id| tree.get(id))
                .map(|area| area.name.as_str())
                .collect();
            line.reverse();
            // The name alone, with its parent, with the parent's parent, …: all of them, without what stands between.
            for first in 0..line.len() {
                let name: String = line.get(first..).unwrap_or_default().concat();
                names.entry(plain(&name)).or_default().insert(area.id);
            }
            if !area.code.is_empty() {
                names.entry(plain(&area.code)).or_default().insert(area.id);
            }
        }
        // An id is short and a code is long; where a code reads like an id, the code wins.
        for area in tree.iter() {
            names.entry(area.id.to_string()).or_insert_with(|| BTreeSet::from([area.id]));
        }
        Self { names }
    }

    /// What `text` means.
    pub fn find(&self, text: &str) -> Named {
        let Some(found) = self.names.get(&plain(text)) else { return Named::None };
        match (found.first(), found.len()) {
            (Some(id), 1) => Named::One(*id),
            _ => Named::Several,
        }
    }
}

fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace() && !matches!(c, '/' | '-' | '>' | '·' | '、' | ',' | '，')).collect()
}

#[cfg(test)]
mod tests {
    use shared::area::{Area, AreaLevel};

    use super::*;

    #[test]
    fn an_area_is_found_by_every_way_people_write_it() {
        let area =
            |id, parent: Option<u32>, level, name, code| Area::new(AreaId(id), parent.map(AreaId), level, name, code);
        let tree: AreaTree = [
            area(1, None, AreaLevel::Town, "一条山镇", "620423100"),
            area(2, Some(1), AreaLevel::Community, "青禾社区", ""),
            area(3, Some(1), AreaLevel::Community, "柳湾村", ""),
            area(4, Some(2), AreaLevel::Grid, "第一网格", "62042310000201"),
            area(5, Some(3), AreaLevel::Grid, "第一网格", "62042310000301"),
        ]
        .into_iter()
        .collect();
        let areas = Areas::of(&tree);
        assert_eq!(areas.find("青禾社区 第一网格"), Named::One(AreaId(4)));
        assert_eq!(areas.find("柳湾村/第一网格"), Named::One(AreaId(5)));
        assert_eq!(areas.find("一条山镇-柳湾村-第一网格"), Named::One(AreaId(5)));
        assert_eq!(areas.find("62042310000301"), Named::One(AreaId(5)));
        assert_eq!(areas.find("4"), Named::One(AreaId(4)));
        assert_eq!(areas.find("第一网格"), Named::Several);
        assert_eq!(areas.find("第九网格"), Named::None);
    }
}
