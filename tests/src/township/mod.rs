//! A township that does not exist: areas, people who log in, and the edits by which everything in it was recorded.
//!
//! The same seed and day give the same township, to the byte. The size is that of a real one (`Size::full`): 15 large
//! and 66 small grids, 72,000 residents; or small enough for a test (`Size::small`). Everything is an [`Edit`], made as
//! a handheld makes it and judged by the same rules, so that nothing in the demo could not have been entered by hand.

pub mod dice;
mod events;
pub mod fill;
mod grid;
mod household;
pub mod names;
pub mod numbers;
mod outline;
mod people;
mod scene;
mod writer;

use chrono::{DateTime, Duration, NaiveDate, NaiveTime, Utc};
use shared::area::{Area, AreaId, AreaLevel, AreaTree};
use shared::author::Role;
use shared::edit::Edit;
use shared::ids::Slot;

pub use people::{Account, PASSWORD, code, secret};
pub use scene::Photo;

use dice::Dice;
use writer::Writer;

/// How much there is of everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// 大网格
    pub communities: usize,
    /// 小网格, in all.
    pub grids: usize,
    /// In all; met exactly.
    pub residents: usize,
    /// Shops and companies, in all.
    pub shops: usize,
    /// Events a grid.
    pub events: usize,
    /// Hydrants and other objects a grid.
    pub objects: usize,
    /// Different photos.
    pub photos: usize,
}

impl Size {
    /// As large as the township the product was thought for.
    pub fn full() -> Self {
        Self { communities: 15, grids: 66, residents: 72_000, shops: 2_207, events: 24, objects: 8, photos: 24 }
    }

    /// Enough for a story.
    pub fn small() -> Self {
        Self { communities: 2, grids: 6, residents: 600, shops: 30, events: 24, objects: 4, photos: 3 }
    }
}

/// The township before anything was recorded in it.
#[derive(Debug, Clone)]
pub struct Township {
    seed: u64,
    /// Midnight (UTC) of the day the demo was made: nothing in it is later.
    pub today: DateTime<Utc>,
    /// How much there is.
    pub size: Size,
    /// 县
    pub county: AreaId,
    /// 镇
    pub town: AreaId,
    /// The tree, from the root.
    pub areas: Vec<Area>,
    /// The small grids, in order.
    pub grids: Vec<AreaId>,
    /// The writer of what was recorded when everything was recorded for the first time.
    pub census: Slot,
    /// Everybody who logs in.
    pub accounts: Vec<Account>,
    /// Photos that events show.
    pub photos: Vec<Photo>,
}

impl Township {
    /// The township of a seed as it stands on a day.
    pub fn new(seed: u64, day: NaiveDate, size: Size) -> anyhow::Result<Self> {
        let today = day.and_time(NaiveTime::MIN).and_utc();
        let mut dice = Dice::new(seed);
        let (county, town) = (AreaId(1), AreaId(2));
        let mut areas = vec![
            Area::new(county, None, AreaLevel::County, "云岭县", numbers::REGION),
            Area {
                outline: outline::of_town(size.grids),
                ..Area::new(town, Some(county), AreaLevel::Town, "青禾镇", &format!("{}100", numbers::REGION))
            },
        ];
        let mut grids = Vec::new();
        for c in 0..size.communities {
            let id = AreaId(u32::try_from((c + 1) * 100)?);
            let code = format!("{}100{:03}", numbers::REGION, c + 1);
            areas.push(Area::new(id, Some(town), AreaLevel::Community, &names::community(c), &code));
            // The remainder goes to the first ones, which are the larger.
            let share = size.grids / size.communities + usize::from(c < size.grids % size.communities);
            for g in 0..share {
                let grid = AreaId(id.0 + u32::try_from(g + 1)?);
                areas.push(Area {
                    outline: outline::of_grid(grids.len()),
                    ..Area::new(grid, Some(id), AreaLevel::Grid, &names::grid(g), &format!("{code}{:03}", g + 1))
                });
                grids.push(grid);
            }
        }
        let accounts = people::all(&mut dice, today, town, &areas);
        let photos = scene::all(&mut dice, size.photos)?;
        // Above every slot of an account.
        let census = Slot(Slot::MAX - u64::from(dice.below(1 << 20)));
        Ok(Self { seed, today, size, county, town, areas, grids, census, accounts, photos })
    }

    /// The tree of areas.
    pub fn tree(&self) -> AreaTree {
        self.areas.iter().cloned().collect()
    }

    /// The first small grid, whose members tell the stories.
    pub fn first_grid(&self) -> [AreaId; 1] {
        [self.grids.first().copied().unwrap_or(self.town)]
    }

    /// The name of an area.
    pub fn area_name(&self, id: AreaId) -> &str {
        self.areas.iter().find(|area| area.id == id).map_or("", |area| area.name.as_str())
    }

    /// The account of a login.
    pub fn account(&self, login: &str) -> Option<&Account> {
        self.accounts.iter().find(|account| account.login == login)
    }

    /// The accounts of a role whose scope has exactly this root.
    pub fn accounts_of(&self, role: Role, root: AreaId) -> impl Iterator<Item = &Account> {
        self.accounts.iter().filter(move |account| account.role == role && account.scope.contains(&root))
    }

    /// Everything that was ever recorded, a grid at a time, in waves: the first wave of a grid comes from the census, the
    /// others from the members' own handhelds, and nothing in a wave has seen anything else in it. Dots run on over the
    /// grids. `epoch` is that of the server they are for.
    pub fn record(&self, epoch: u32, mut take: impl FnMut(Vec<Vec<Edit>>) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let mut writer = Writer::new(epoch);
        let grids = self.grids.len();
        for (at, grid) in self.grids.iter().enumerate() {
            let dice = Dice::new(self.seed.wrapping_add(0x1000 + u64::try_from(at)?));
            let share = |all: usize| all / grids + usize::from(at < all % grids);
            let making = grid::Making::new(self, *grid, at, dice, &mut writer)?;
            take(making.make(share(self.size.residents), share(self.size.shops)))?;
        }
        Ok(())
    }

    fn days_ago(&self, days: u32) -> DateTime<Utc> {
        self.today - Duration::days(i64::from(days))
    }
}

#[cfg(test)]
mod tests;
