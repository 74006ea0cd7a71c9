//! Everybody who logs in, in every role.

use chrono::{DateTime, Duration, Utc};
use shared::area::{Area, AreaId, AreaLevel};
use shared::author::Role;
use shared::ids::{Slot, UserId};
use sync_server::auth::totp;

use super::dice::Dice;
use super::names;

/// The password of every account that has one. It guards invented data on the machine of whoever tries the demo.
pub const PASSWORD: &str = "qinghe2026";

/// The secret of an account's second factor, by its log-in. Like the password it guards invented data only.
pub fn secret(login: &str) -> Vec<u8> {
    let hash = sync_server::auth::token::hash(&format!("qinghe {login}"));
    hash.into_iter().take(totp::SECRET).collect()
}

/// The six digits an account's authenticator would show.
pub fn code(login: &str, at: DateTime<Utc>) -> String {
    totp::code(&secret(login), totp::step(at))
}

/// Somebody who logs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Who.
    pub id: UserId,
    /// As shown.
    pub name: String,
    /// For the console.
    pub login: String,
    /// For the console; none for those who only use a handheld.
    pub password: Option<&'static str>,
    /// What they do.
    pub role: Role,
    /// What they read and write is in these areas or below.
    pub scope: Vec<AreaId>,
    /// Whether they read care records.
    pub cleared: bool,
    /// Whether they may pull and see values unmasked.
    pub may_unmask: bool,
    /// Where their edits of the demo come from.
    pub slot: Slot,
}

struct Hiring<'a> {
    dice: &'a mut Dice,
    at: DateTime<Utc>,
    all: Vec<Account>,
}

impl Hiring<'_> {
    fn hire(&mut self, login: &str, name: Option<&str>, role: Role, scope: &[AreaId]) -> &mut Account {
        let woman = self.dice.chance(50);
        let name = name.map_or_else(|| names::person(self.dice, woman), str::to_owned);
        let number = u64::try_from(self.all.len()).unwrap_or_default();
        let id = UserId(self.dice.uuid(self.at));
        // Random above, counted below: never the same twice.
        let slot = Slot((u64::from(self.dice.below(1 << 30)) << 20 | number).min(Slot::MAX));
        let handheld_only = matches!(role, Role::GridMember | Role::Informant | Role::PatrolMember);
        self.all.push(Account {
            id,
            name,
            login: login.to_owned(),
            password: (!handheld_only).then_some(PASSWORD),
            role,
            scope: scope.to_vec(),
            cleared: false,
            may_unmask: false,
            slot,
        });
        let last = self.all.len() - 1;
        // Just pushed.
        #[expect(clippy::indexing_slicing, reason = "the element was pushed above")]
        &mut self.all[last]
    }
}

/// Departments, as the town lists them.
const DEPARTMENTS: [(&str, &str); 8] = [
    ("police", "派出所"),
    ("justice", "司法所"),
    ("safety", "应急管理站"),
    ("enforcement", "综合执法队"),
    ("market", "市场监管所"),
    ("civil", "民政办"),
    ("housing", "住建站"),
    ("clinic", "卫生院"),
];

/// Members, leaders, staff, departments, informants, patrol and the administrator.
pub fn all(dice: &mut Dice, today: DateTime<Utc>, town: AreaId, areas: &[Area]) -> Vec<Account> {
    let mut hiring = Hiring { dice, at: today - Duration::days(900), all: Vec::new() };
    let admin = hiring.hire("admin", Some("何立新"), Role::Admin, &[town]);
    admin.may_unmask = false;
    let staff = hiring.hire("staff", Some("张玉洁"), Role::CenterStaff, &[town]);
    staff.cleared = true;
    staff.may_unmask = true;
    hiring.hire("staff2", Some("高明成"), Role::CenterStaff, &[town]);
    for (login, name) in DEPARTMENTS {
        hiring.hire(login, Some(name), Role::Department, &[town]);
    }
    hiring.hire("leader", Some("宋德福"), Role::GridLeader, &[town]).cleared = true;
    let communities: Vec<&Area> = areas.iter().filter(|area| area.level == AreaLevel::Community).collect();
    for (c, community) in communities.iter().enumerate() {
        let name = (c == 0).then_some("王守信");
        hiring.hire(&format!("leader{}", c + 1), name, Role::GridLeader, &[community.id]).cleared = true;
    }
    let grids = areas.iter().filter(|area| area.level == AreaLevel::Grid);
    for (g, grid) in grids.enumerate() {
        let first = g == 0;
        let a = hiring.hire(&format!("member{}a", g + 1), first.then_some("马春兰"), Role::GridMember, &[grid.id]);
        a.cleared = true;
        hiring.hire(&format!("member{}b", g + 1), first.then_some("李小满"), Role::GridMember, &[grid.id]);
        hiring.hire(&format!("informant{}", g + 1), None, Role::Informant, &[grid.id]);
    }
    for zone in 0..3 {
        let patrolled: Vec<AreaId> = communities.iter().skip(zone).step_by(3).map(|area| area.id).collect();
        if !patrolled.is_empty() {
            hiring.hire(&format!("patrol{}", zone + 1), None, Role::PatrolMember, &patrolled);
        }
    }
    let mut all = hiring.all;
    // The second who may take out numbers in full, which takes two. By dice of their own: everybody else stays who they are.
    let mut dice = Dice::new(u64::from(town.0));
    let mut hiring = Hiring { dice: &mut dice, at: today - Duration::days(900), all };
    let second = hiring.hire("staff3", Some("孟庆云"), Role::CenterStaff, &[town]);
    second.cleared = true;
    second.may_unmask = true;
    all = hiring.all;
    all
}
