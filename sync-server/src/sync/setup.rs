//! What a handheld is told about its user and surroundings.

use std::collections::BTreeSet;

use shared::area::{Area, AreaId, AreaTree};
use shared::author::Role;
use shared::wire::{Handler, Me, Setup};

use crate::auth::Who;
use crate::store::User;

/// The name of a set-up's version: it changes whenever any user or area does, which is seldom, with the key of the centre
/// and the length of the lease.
pub fn version(directory: u64, recipient: &str, lease_hours: u32) -> String {
    let key: String = recipient.chars().rev().take(6).collect();
    format!("{directory}.{key}.{lease_hours}")
}

/// The set-up of `who`. `users` are the town's, `recipient` is for whom exports are encrypted.
pub fn setup(who: &Who, areas: &AreaTree, directory: u64, users: &[User], recipient: &str, lease_hours: u32) -> Setup {
    let mut known: BTreeSet<AreaId> = who.scope.iter().collect();
    for root in who.user.scope.iter().chain([&who.user.town]) {
        known.extend(areas.ancestors(*root));
    }
    let areas: Vec<Area> = known.iter().filter_map(|id| areas.get(*id).cloned()).collect();
    let handlers = users
        .iter()
        .filter(|user| user.active && !matches!(user.role, Role::Informant | Role::Admin))
        .map(|user| Handler { id: user.id, name: user.name.clone(), role: user.role })
        .collect();
    Setup {
        version: version(directory, recipient, lease_hours),
        town: who.user.town,
        user: Me { id: who.user.id, name: who.user.name.clone(), role: who.user.role, cleared: who.user.cleared },
        areas,
        scope: who.user.scope.clone(),
        handlers,
        recipient: Some(recipient.to_owned()),
        lease_hours,
    }
}
