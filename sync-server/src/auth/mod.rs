//! Who somebody is (tokens, codes, passwords, sessions) and what they may do (`authorize`).

pub mod authorize;
pub mod ending;
pub mod enrol;
pub mod outline;
pub mod password;
pub mod people;
pub mod rights;
pub mod second;
pub mod session;
pub mod throttle;
pub mod token;
pub mod totp;

use std::collections::BTreeSet;

use shared::area::{AreaId, AreaTree, Scope};
use shared::author::Role;
use shared::ids::UserId;

use crate::store::User;

/// Somebody acting: a user with their scope spread out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who {
    /// The user.
    pub user: User,
    /// Their areas with all below them.
    pub scope: Scope,
    /// Towns beside their own in which some of it lies.
    pub elsewhere: Vec<AreaId>,
}

impl Who {
    /// `user` in this tree.
    pub fn of(user: User, areas: &AreaTree) -> Self {
        let scope = areas.scope(&user.scope);
        let towns: BTreeSet<AreaId> = scope.iter().filter_map(|area| areas.town_of(area)).collect();
        let elsewhere = towns.into_iter().filter(|town| *town != user.town).collect();
        Self { user, scope, elsewhere }
    }

    /// The towns they work in, their own first.
    pub fn towns(&self) -> impl Iterator<Item = AreaId> + '_ {
        std::iter::once(self.user.town).chain(self.elsewhere.iter().copied())
    }

    /// Whether they work in this town.
    pub fn works_in(&self, town: AreaId) -> bool {
        self.towns().any(|it| it == town)
    }

    /// The centre itself, in nobody's name: what the server writes by itself.
    pub fn nobody(town: AreaId, areas: &AreaTree) -> Self {
        let user = User {
            id: UserId(uuid::Uuid::nil()),
            town,
            name: String::new(),
            login: String::new(),
            role: Role::CenterStaff,
            scope: vec![town],
            cleared: false,
            may_unmask: false,
            password: None,
            active: true,
        };
        Self::of(user, areas)
    }
}
