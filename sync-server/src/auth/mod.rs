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
}

impl Who {
    /// `user` in this tree.
    pub fn of(user: User, areas: &AreaTree) -> Self {
        let scope = areas.scope(&user.scope);
        Self { user, scope }
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
