//! What a handheld is told about its user and surroundings.

use std::collections::BTreeSet;

use shared::area::{Area, AreaId, AreaTree};
use shared::author::Role;
use shared::key_pin::KeyPin;
use shared::outline::Outline;
use shared::wire::{AppOffer, Handler, Me, Setup};

use crate::AppState;
use crate::auth::Who;
use crate::in_force::InForce;
use crate::store::User;

/// Counts what a set-up says: a handheld of a version before asks again when it says more.
const SHAPE: u32 = 2;

/// What of a set-up is the same for everybody.
pub struct Fixed<'a> {
    /// Changes whenever any user or area does, which is seldom.
    directory: u64,
    /// For whom exports are encrypted.
    recipient: &'a str,
    /// The length of the lease.
    lease_hours: u32,
    stamp: bool,
    /// By which keys the server may be known.
    pins: Vec<KeyPin>,
    /// What the town has published.
    edition: Option<String>,
    /// Which app there is to be had.
    offer: Option<AppOffer>,
}

impl<'a> Fixed<'a> {
    /// That of the server as it is.
    pub fn of(app: &'a AppState, in_force: &InForce, directory: u64) -> Self {
        Self {
            directory,
            recipient: app.outbox_key.recipient(),
            lease_hours: app.lease_hours,
            stamp: app.stamp_photos,
            pins: app.tls.pins(),
            edition: in_force.edition.as_ref().map(|edition| edition.version.clone()),
            offer: app.packages.offer(),
        }
    }

    /// The name of the set-up's version: it changes with any of it.
    pub fn version(&self) -> String {
        let key: String = self.recipient.chars().rev().take(6).collect();
        let pins: String =
            self.pins.iter().map(|pin| format!(".{}", pin.to_string().chars().take(6).collect::<String>())).collect();
        let stamp = if self.stamp { ".s" } else { "" };
        let edition = self.edition.iter().map(|version| format!(".e{version}")).collect::<String>();
        let newest = self.offer.iter().flat_map(|offer| &offer.newest);
        let newest: String = newest.flat_map(|package| [".a", package.sha256.get(..8).unwrap_or_default()]).collect();
        let least =
            self.offer.iter().flat_map(|offer| &offer.least).map(|least| format!(".l{least}")).collect::<String>();
        format!("{SHAPE}.{}.{key}.{}{stamp}{pins}{edition}{newest}{least}", self.directory, self.lease_hours)
    }
}

/// The set-up of `who`. `users` are the town's.
pub fn setup(who: &Who, areas: &AreaTree, users: &[User], fixed: &Fixed<'_>) -> Setup {
    let mut drawn: BTreeSet<AreaId> = who.scope.iter().collect();
    let towns: Vec<AreaId> = who.towns().collect();
    for root in who.user.scope.iter().chain(&towns) {
        drawn.extend(areas.ancestors(*root));
    }
    // People move to other grids of the town: all have a name here, and only those that are walked an outline.
    let mut known: BTreeSet<AreaId> = areas.scope(&towns).iter().collect();
    known.extend(&drawn);
    let areas: Vec<Area> = known
        .iter()
        .filter_map(|id| areas.get(*id).cloned())
        .map(|area| if drawn.contains(&area.id) { area } else { Area { outline: Outline::default(), ..area } })
        .collect();
    let handlers = users
        .iter()
        .filter(|user| user.active && !matches!(user.role, Role::Informant | Role::Admin))
        .map(|user| Handler { id: user.id, name: user.name.clone(), role: user.role })
        .collect();
    let leads = |user: &&User| user.active && user.role == Role::GridLeader;
    let led: BTreeSet<AreaId> = users.iter().filter(leads).flat_map(|user| user.scope.iter().copied()).collect();
    Setup {
        version: fixed.version(),
        town: who.user.town,
        user: Me { id: who.user.id, name: who.user.name.clone(), role: who.user.role, cleared: who.user.cleared },
        areas,
        scope: who.user.scope.clone(),
        led: led.into_iter().filter(|area| who.scope.contains(*area)).collect(),
        handlers,
        recipient: Some(fixed.recipient.to_owned()),
        lease_hours: fixed.lease_hours,
        stamp: fixed.stamp,
        pins: fixed.pins.clone(),
        edition: fixed.edition.clone(),
        app: fixed.offer.clone(),
    }
}
